/* Windows that slide along an axis: of convolutions and of pooling. nncore/_windows.py makes the numbers. */
#ifndef NN_WINDOWS_H
#define NN_WINDOWS_H

#include <stdint.h>

/* Output o sees the elements o stride - before + k dilation of [0, length), for taps k < window; those outside are
   padding. */
typedef struct nn_axis {
    int64_t length, outputs, window, stride, dilation, before;
} nn_axis;

/* Of a window's taps, those that lie inside of the axis. */
typedef struct nn_taps {
    int64_t first, count;
} nn_taps;

/* Taps k < window at begin + k step that lie in [0, length); the step may be negative. */
static inline nn_taps nn_taps_inside(int64_t begin, int64_t step, int64_t window, int64_t length)
{
    if (step < 0) { /* the axis from its other end */
        begin = length - 1 - begin;
        step = -step;
    }
    if (begin >= 0 && begin + (window - 1) * step < length)
        return (nn_taps){0, window};
    const int64_t first = begin < 0 ? (step - 1 - begin) / step : 0;
    const int64_t end = begin >= length ? 0 : (length - 1 - begin) / step + 1;
    const int64_t count = (end < window ? end : window) - first;
    return count > 0 ? (nn_taps){first, count} : (nn_taps){0, 0}; /* so that none has a place outside of the window */
}

/* Taps of output o. */
static inline nn_taps nn_taps_of(const nn_axis *axis, int64_t o)
{
    return nn_taps_inside(o * axis->stride - axis->before, axis->dilation, axis->window, axis->length);
}

/* The outputs [begin, end) of an axis that have their tap k inside. */
static inline void nn_outputs_of_tap(const nn_axis *axis, int64_t k, int64_t *begin, int64_t *end)
{
    const nn_taps outputs =
        nn_taps_inside(k * axis->dilation - axis->before, axis->stride, axis->outputs, axis->length);
    *begin = outputs.first;
    *end = outputs.first + outputs.count;
}

/* Target elements that sum taps of source elements in the same way: target first + n step has tap t, of the window's
   tap kernel_first + t kernel_step, at source_first + n source_step + t tap_step, for n < count and t < taps. What lies
   outside of [0, length) is padding. */
typedef struct nn_run {
    int64_t first, step, count;
    int64_t source_first, source_step, length;
    int64_t taps, tap_step, kernel_first, kernel_step;
} nn_run;

/* All outputs, each of which sums the taps of inputs. */
static inline nn_run nn_forward_run(const nn_axis *axis)
{
    return (nn_run){0, 1, axis->outputs, -axis->before, axis->stride, axis->length, axis->window, axis->dilation, 0, 1};
}

/* The gradient of the inputs i with (i + before) mod stride = phase, which sums the outputs o that have seen it: tap k
   has if o stride + k dilation = i + before. So k goes on by stride / g, for the greatest common divisor g of stride
   and dilation, while o goes back by dilation / g. */
static inline nn_run nn_backward_run(const nn_axis *axis, int64_t phase)
{
    int64_t divisor = axis->stride, rest = axis->dilation % axis->stride, k = 0;
    while (rest) {
        const int64_t next = divisor % rest;
        divisor = rest;
        rest = next;
    }
    while (k < axis->window && (k * axis->dilation - phase) % axis->stride)
        k++;
    const int64_t shift = (phase - axis->before % axis->stride + axis->stride) % axis->stride;
    const int64_t period = axis->stride / divisor;
    nn_run run = {.first = shift, .step = axis->stride, .source_step = 1, .length = axis->outputs};
    run.count = shift < axis->length ? (axis->length - 1 - shift) / axis->stride + 1 : 0;
    run.taps = k < axis->window ? (axis->window - 1 - k) / period + 1 : 0;
    run.source_first = run.taps ? (shift + axis->before - k * axis->dilation) / axis->stride : 0;
    run.tap_step = -axis->dilation / divisor;
    run.kernel_first = k;
    run.kernel_step = period;
    return run;
}

/* The targets [begin, end) of a run that have all their taps inside. */
static inline void nn_whole_targets(const nn_run *run, int64_t *begin, int64_t *end)
{
    const int64_t last = (run->taps - 1) * run->tap_step;
    const int64_t low = run->source_first + (last < 0 ? last : 0), high = run->source_first + (last < 0 ? 0 : last);
    *begin = low < 0 ? (run->source_step - 1 - low) / run->source_step : 0;
    *end = high < run->length ? (run->length - 1 - high) / run->source_step + 1 : 0;
    if (*end > run->count)
        *end = run->count;
}

#endif
