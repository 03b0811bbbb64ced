/* Pooling. x is (rows, image rows * columns * channels), `windows` both axes as nn_axis, of dilation 1, y (rows, output
   rows * columns * channels): one value for each window and channel. What a window has outside of the image is not part
   of it. Channels lie in the lanes; where they are few, and the windows lie inside of the image, so do positions beside
   each other, of which those are taken that begin a window. */
#include "../windows.h"

/* The largest of (rows, columns) elements for each lane: NaN where one is, never -0, so that it does not depend on the
   order. */
NN_INLINE vec TYPED(largest_of_window)(const int64_t rows, const int64_t columns, const real *x, int64_t row_step,
                                       int64_t column_step, int64_t lanes)
{
    vec largest = TYPED(v_load_up_to)(x, lanes);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = i ? 0 : 1; j < columns; j++) {
            const vec here = TYPED(v_load_up_to)(x + i * row_step + j * column_step, lanes);
            largest = TYPED(nan_or)(here, v_max(here, largest));
        }
    return v_add(largest, v_zero());
}

/* The mean of (rows, columns) elements for each lane: their columns are dealt to four sums in turn, and those added as
   (0 + 2) + (1 + 3). */
NN_INLINE vec TYPED(mean_of_window)(const int64_t rows, const int64_t columns, const real *x, int64_t row_step,
                                    int64_t column_step, int64_t lanes)
{
    vec sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j += 4)
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++)
                if (j + k < columns)
                    sum[k] = v_add(sum[k], TYPED(v_load_up_to)(x + i * row_step + (j + k) * column_step, lanes));
    return v_div(v_add(v_add(sum[0], sum[2]), v_add(sum[1], sum[3])), v_set((real)(rows * columns)));
}

/* Lanes of the largest, or the mean, of a window. */
NN_INLINE vec TYPED(pool_lanes)(const int largest, const int64_t rows, const int64_t columns, const real *x,
                                int64_t row_step, int64_t column_step, const int64_t lanes)
{
    return largest ? TYPED(largest_of_window)(rows, columns, x, row_step, column_step, lanes)
                   : TYPED(mean_of_window)(rows, columns, x, row_step, column_step, lanes);
}

/* y[c] = the largest, or the mean, of the windows that begin at x[c], c < count. */
NN_INLINE void TYPED(pool_each)(const int largest, const int64_t rows, const int64_t columns, const real *x,
                                int64_t row_step, int64_t column_step, real *y, int64_t count)
{
    int64_t c = 0;
    for (; c + LANES <= count; c += LANES)
        v_store(y + c, TYPED(pool_lanes)(largest, rows, columns, x + c, row_step, column_step, LANES));
    if (c < count) {
        const vec last = TYPED(pool_lanes)(largest, rows, columns, x + c, row_step, column_step, count - c);
        v_store_first(y + c, last, count - c);
    }
}

/* As pool_each, where windows of 2 by 2 are unrolled. */
NN_INLINE void TYPED(pool_unrolled)(const int largest, int64_t rows, int64_t columns, const real *x, int64_t row_step,
                                    int64_t column_step, real *y, int64_t count)
{
    if (rows == 2 && columns == 2)
        TYPED(pool_each)(largest, 2, 2, x, row_step, column_step, y, count);
    else
        TYPED(pool_each)(largest, rows, columns, x, row_step, column_step, y, count);
}

/* y = the `count` windows of few channels that begin at x, all of them inside: by way of those at all positions. */
NN_INLINE void TYPED(pool_few_channels)(const int largest, int64_t rows, const nn_axis *columns, const real *x,
                                        int64_t row_step, int64_t channels, real *y, int64_t count, real *scratch)
{
    const int64_t step = columns->stride * channels, most = NN_SCRATCH_BYTES / (int64_t)sizeof(real) / step;
    for (int64_t begin = 0; begin < count; begin += most) {
        const int64_t windows = count - begin < most ? count - begin : most;
        TYPED(pool_unrolled)
        (largest, rows, columns->window, x + begin * step, row_step, channels, scratch,
         (windows - 1) * step + channels);
        for (int64_t q = 0; q < windows; q++)
            for (int64_t c = 0; c < channels; c++)
                y[(begin + q) * channels + c] = scratch[q * step + c];
    }
}

NN_INLINE void TYPED(pool_sample)(const int largest, const nn_axis *axes, int64_t channels, const real *x, real *y,
                                  real *scratch)
{
    const nn_axis *const columns = axes + 1;
    const int64_t row_step = columns->length * channels;
    const nn_run run = nn_forward_run(columns);
    int64_t whole_begin, whole_end;
    nn_whole_targets(&run, &whole_begin, &whole_end);
    const int few = 2 * channels * columns->stride <= LANES;
    for (int64_t p = 0; p < axes->outputs; p++) {
        const nn_taps row_taps = nn_taps_of(axes, p);
        const real *const line = x + (p * axes->stride - axes->before + row_taps.first) * row_step;
        for (int64_t q = 0; q < columns->outputs; q++, y += channels) {
            const nn_taps taps = nn_taps_of(columns, q);
            const real *const from = line + (q * columns->stride - columns->before + taps.first) * channels;
            if (few && q == whole_begin && q + 1 < whole_end) {
                TYPED(pool_few_channels)
                (largest, row_taps.count, columns, from, row_step, channels, y, whole_end - q, scratch);
                y += (whole_end - q - 1) * channels;
                q = whole_end - 1;
            } else {
                TYPED(pool_unrolled)
                (largest, row_taps.count, taps.count, from, row_step, channels, y, channels);
            }
        }
    }
}

/* y = the largest element of each window; NaN where one is NaN, 0 where it is -0. */
DEFINE_KERNEL(max_pool_forward)
{
    ARGUMENTS(max_pool_forward);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        TYPED(pool_sample)
    (1, (const nn_axis *)a->windows, a->channels, a->x + r * a->x_stride, a->y + r * a->y_stride, worker->scratch);
}

/* y = the mean of each window. */
DEFINE_KERNEL(average_pool_forward)
{
    ARGUMENTS(average_pool_forward);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        TYPED(pool_sample)
    (0, (const nn_axis *)a->windows, a->channels, a->x + r * a->x_stride, a->y + r * a->y_stride, worker->scratch);
}

/* What a sample's gradient is spread over. x and y are those of the largest elements, NULL for means. */
typedef struct TYPED(spread) {
    const real *x, *y, *dy;
    real *dx;
    int64_t row_step, channels;
    int relu; /* y is max(0, .) of it: no gradient where it is not positive */
} TYPED(spread);

/* The gradient of lanes from channel c on of a window of (rows, columns): to its first element that is the largest, or
   in equal parts to all. dx is set or, with `add`, added to. With `ahead` the same number of lanes behind each element
   is written as well: what comes after it, and is written again. */
NN_INLINE void TYPED(spread_lanes)(const int largest, const int add, const int ahead, const int64_t rows,
                                   const int64_t columns, const TYPED(spread) *s, int64_t c, const int64_t lanes)
{
    vec rest = TYPED(v_load_up_to)(s->dy + c, lanes), top = v_zero();
    if (largest) {
        top = TYPED(v_load_up_to)(s->y + c, lanes);
        if (s->relu)
            rest = v_select(v_less(v_zero(), top), rest, v_zero());
    } else {
        rest = v_div(rest, v_set((real)(rows * columns)));
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            const int64_t place = i * s->row_step + j * s->channels + c;
            vec share = rest;
            if (largest) { /* who is not below the largest takes all that is left */
                const mask below = v_less(TYPED(v_load_up_to)(s->x + place, lanes), top);
                share = v_select(below, v_zero(), rest);
                rest = v_select(below, rest, v_zero());
            }
            if (add)
                share = v_add(TYPED(v_load_up_to)(s->dx + place, lanes), share);
            if (ahead)
                v_store(s->dx + place, share);
            else
                TYPED(v_store_up_to)(s->dx + place, share, lanes);
        }
}

/* The same for all channels. */
NN_INLINE void TYPED(spread_each)(const int largest, const int add, const int ahead, const int64_t rows,
                                  const int64_t columns, const TYPED(spread) *s)
{
    int64_t c = 0;
    for (; c + LANES <= s->channels; c += LANES)
        TYPED(spread_lanes)(largest, add, 0, rows, columns, s, c, LANES);
    if (c < s->channels)
        TYPED(spread_lanes)(largest, add, ahead, rows, columns, s, c, s->channels - c);
}

/* One sample, whose windows follow each other in dx, y and dy. Where they do not overlap each element of dx is written
   once, and where they leave none out it need not be cleared before. */
NN_INLINE void TYPED(spread_sample)(const int largest, const nn_axis *axes, TYPED(spread) s)
{
    const nn_axis *const columns = axes + 1;
    const real *const x = s.x;
    real *const dx = s.dx;
    int overlapping = 0, exact = 1;
    for (int i = 0; i < 2; i++) {
        overlapping |= axes[i].window > axes[i].stride;
        exact &= axes[i].window == axes[i].stride && axes[i].outputs * axes[i].stride == axes[i].length;
    }
    /* of few channels whole vectors are stored, into the next pixels of the row, so many, whose turn is yet to come */
    const int few = exact && s.channels < LANES;
    const int64_t reached = (LANES - 1) / s.channels + 1;
    s.row_step = columns->length * s.channels;
    if (!exact)
        memset(dx, 0, (size_t)(axes->length * s.row_step) * sizeof(real));
    for (int64_t p = 0; p < axes->outputs; p++) {
        const nn_taps row_taps = nn_taps_of(axes, p);
        const int64_t line = (p * axes->stride - axes->before + row_taps.first) * s.row_step;
        for (int64_t q = 0; q < columns->outputs; q++) {
            const nn_taps taps = nn_taps_of(columns, q);
            const int64_t place = line + (q * columns->stride - columns->before + taps.first) * s.channels;
            s.x = largest ? x + place : NULL;
            s.dx = dx + place;
            if (overlapping)
                TYPED(spread_each)(largest, 1, 0, row_taps.count, taps.count, &s);
            else if (row_taps.count == 2 && taps.count == 2 && few && (columns->outputs - 1 - q) * 2 >= reached)
                TYPED(spread_each)(largest, 0, 1, 2, 2, &s);
            else if (row_taps.count == 2 && taps.count == 2)
                TYPED(spread_each)(largest, 0, 0, 2, 2, &s);
            else
                TYPED(spread_each)(largest, 0, 0, row_taps.count, taps.count, &s);
            s.y = largest ? s.y + s.channels : NULL;
            s.dy += s.channels;
        }
    }
}

/* dx = the sum of dy over the windows in which an element is the first that equals y, in the order of rows and then
   columns, window by window in the same order; where y is NaN the window's first element has it. With `relu` dy counts
   where y > 0 only: the derivative of the max(0, .) whose output x is. */
DEFINE_KERNEL(max_pool_backward)
{
    ARGUMENTS(max_pool_backward);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const TYPED(spread) s = {.x = a->x + r * a->x_stride,
                                 .y = a->y + r * a->y_stride,
                                 .dy = a->dy + r * a->dy_stride,
                                 .dx = a->dx + r * a->dx_stride,
                                 .channels = a->channels,
                                 .relu = a->relu != 0};
        TYPED(spread_sample)(1, (const nn_axis *)a->windows, s);
    }
}

/* dx = the sum of dy / n over the windows of n elements that an element lies in, window by window. */
DEFINE_KERNEL(average_pool_backward)
{
    ARGUMENTS(average_pool_backward);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const TYPED(spread) s = {
            .dy = a->dy + r * a->dy_stride, .dx = a->dx + r * a->dx_stride, .channels = a->channels};
        TYPED(spread_sample)(0, (const nn_axis *)a->windows, s);
    }
}

/* How many of a sample's steps count: those whose mask is not 0. */
NN_INLINE vec TYPED(steps_that_count)(const real *step_mask, int64_t steps)
{
    int64_t count = 0;
    for (int64_t s = 0; s < steps; s++)
        count += step_mask[s] != 0;
    return v_set((real)count);
}

/* y[f] = the mean of x[s][f] over the steps s whose mask is not 0, dealt to four sums in turn; NaN where there is none.
   x is (rows, steps * features), mask (rows, steps), y (rows, features). */
DEFINE_KERNEL(masked_mean_forward)
{
    ARGUMENTS(masked_mean_forward);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const real *const step_mask = a->mask + r * a->mask_stride;
        const vec count = TYPED(steps_that_count)(step_mask, a->steps);
        for (int64_t f = 0; f < a->features; f += LANES) {
            const real *const x = a->x + r * a->x_stride + f;
            vec sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
            for (int64_t s = 0; s < a->steps; s += 4)
#pragma GCC unroll 4
                for (int k = 0; k < 4; k++)
                    if (s + k < a->steps && step_mask[s + k] != 0)
                        sum[k] = v_add(sum[k], TYPED(v_load_up_to)(x + (s + k) * a->features, a->features - f));
            const vec total = v_add(v_add(sum[0], sum[2]), v_add(sum[1], sum[3]));
            TYPED(v_store_up_to)(a->y + r * a->y_stride + f, v_div(total, count), a->features - f);
        }
    }
}

/* dx[s] = dy / n at the n steps whose mask is not 0, and 0 at the others. */
DEFINE_KERNEL(masked_mean_backward)
{
    ARGUMENTS(masked_mean_backward);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const real *const step_mask = a->mask + r * a->mask_stride;
        const vec count = TYPED(steps_that_count)(step_mask, a->steps);
        for (int64_t f = 0; f < a->features; f += LANES) {
            const int64_t lanes = a->features - f;
            const vec share = v_div(TYPED(v_load_up_to)(a->dy + r * a->dy_stride + f, lanes), count);
            real *const dx = a->dx + r * a->dx_stride + f;
            for (int64_t s = 0; s < a->steps; s++)
                TYPED(v_store_up_to)(dx + s * a->features, step_mask[s] != 0 ? share : v_zero(), lanes);
        }
    }
}
