/* Learning-rate schedules: each sets worker->learning_rate to what it is in this update.
 *
 * t is the number of updates before this one, worker->update - 1. All of it is in double, whatever `real` is. */

#include "../scalar_math.h"

NN_INLINE double TYPED(updates_before)(const nn_worker *worker) { return (double)(worker->update - 1); }

/* t / steps, in whole numbers where `staircase`. */
NN_INLINE double TYPED(periods)(const nn_worker *worker, double steps, int64_t staircase)
{
    const double periods = TYPED(updates_before)(worker) / steps;
    return staircase ? nn_floor(periods) : periods;
}

/* initial * decay_rate^p, p = t / decay_steps, where `staircase` its floor */
DEFINE_KERNEL(exponential_decay)
{
    ARGUMENTS(exponential_decay);
    UNUSED(block);
    worker->learning_rate = a->initial * nn_power(a->decay_rate, TYPED(periods)(worker, a->decay_steps, a->staircase));
}

/* initial / (1 + decay_rate p), p = t / decay_steps, where `staircase` its floor */
DEFINE_KERNEL(inverse_time_decay)
{
    ARGUMENTS(inverse_time_decay);
    UNUSED(block);
    worker->learning_rate = a->initial / (1 + a->decay_rate * TYPED(periods)(worker, a->decay_steps, a->staircase));
}

/* end + (initial - end) ((T - t) / T)^power, T = decay_steps; from T on `end`, or where `cycle` T is the first multiple
   of decay_steps that is not below t */
DEFINE_KERNEL(polynomial_decay)
{
    ARGUMENTS(polynomial_decay);
    UNUSED(block);
    const double t = TYPED(updates_before)(worker);
    double last = a->decay_steps;
    if (a->cycle && t > last) {
        const double cycles = nn_floor(t / last);
        last *= cycles * last < t ? cycles + 1 : cycles;
    }
    const double left = t < last ? (last - t) / last : 0;
    const double share = nn_power(left, a->power);
    worker->learning_rate = a->initial * share + a->end * (1 - share);
}

/* initial / sqrt(t + 1) */
DEFINE_KERNEL(inverse_square_root_decay)
{
    ARGUMENTS(inverse_square_root_decay);
    UNUSED(block);
    worker->learning_rate = a->initial / __builtin_sqrt((double)worker->update);
}

/* values[number of boundaries below t]; boundaries is (count), increasing, values (count + 1) */
DEFINE_KERNEL(piecewise_constant)
{
    ARGUMENTS(piecewise_constant);
    UNUSED(block);
    const double t = TYPED(updates_before)(worker);
    int64_t below = 0;
    while (below < a->count && a->boundaries[below] < t)
        below++;
    worker->learning_rate = a->values[below];
}

/* Below warmup_steps initial + (peak - initial) t / warmup_steps; then peak (alpha + (1 - alpha) (1 + cos(pi x)) / 2),
   x = (t - warmup_steps) / decay_steps up to 1 */
DEFINE_KERNEL(cosine_decay)
{
    ARGUMENTS(cosine_decay);
    UNUSED(block);
    const double t = TYPED(updates_before)(worker);
    if (t < a->warmup_steps)
        worker->learning_rate = (a->initial * (a->warmup_steps - t) + a->peak * t) / a->warmup_steps;
    else {
        const double wave = nn_half_cosine((t - a->warmup_steps) / a->decay_steps);
        worker->learning_rate = a->peak * (a->alpha + (1 - a->alpha) * wave);
    }
}

/* Period i has first_steps * longer^i updates and begins at first_steps (1 + longer + ... + longer^(i - 1)); x is how
   much of it has passed: initial (alpha + (1 - alpha) higher^i (1 + cos(pi x)) / 2). longer is at least 1.
   Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017. */
DEFINE_KERNEL(cosine_decay_restarts)
{
    ARGUMENTS(cosine_decay_restarts);
    UNUSED(block);
    /* i bit by bit: 2^k periods take sum[k] first periods, and what follows them is stretch[k] times as long. Sums of
       positive numbers, so that nothing cancels, however close to 1 `longer` is. */
    double sum[64], stretch[64];
    const double passed = TYPED(updates_before)(worker) / a->first_steps;
    int bit = 0;
    sum[0] = 1;
    for (; bit < 63 && sum[bit] <= passed; bit++) {
        stretch[bit] = nn_power(a->longer, nn_power_of_two(bit));
        sum[bit + 1] = sum[bit] + stretch[bit] * sum[bit];
    }
    double begin = 0, length = 1, period = 0;
    while (bit-- > 0)
        if (begin + length * sum[bit] <= passed) {
            begin += length * sum[bit];
            length *= stretch[bit];
            period += nn_power_of_two(bit);
        }
    const double wave = nn_power(a->higher, period) * nn_half_cosine((passed - begin) / length);
    worker->learning_rate = a->initial * (a->alpha + (1 - a->alpha) * wave);
}

/* initial + (maximal - initial) u, where u goes from 0 to 1 in step_size updates and back in as many, again and again.
   Smith, "Cyclical learning rates for training neural networks", WACV 2017. */
DEFINE_KERNEL(cyclic)
{
    ARGUMENTS(cyclic);
    UNUSED(block);
    const double t = TYPED(updates_before)(worker), cycle = 2 * a->step_size, phase = t - cycle * nn_floor(t / cycle);
    const double up = phase < a->step_size ? phase : cycle - phase;
    worker->learning_rate = (a->initial * (a->step_size - up) + a->maximal * up) / a->step_size;
}

/* From rates[i] at ends[i - 1], or 0, to rates[i + 1] at ends[i], on a line or where `cosine` half a wave of it; then
   the last rate. ends is (count), rates (count + 1). */
DEFINE_KERNEL(annealing)
{
    ARGUMENTS(annealing);
    UNUSED(block);
    const double t = TYPED(updates_before)(worker);
    int64_t phase = 0;
    while (phase < a->count - 1 && a->ends[phase] < t)
        phase++;
    const double begin = phase ? a->ends[phase - 1] : 0, end = a->ends[phase];
    double passed = 1, left = 0; /* each from its own end, so that neither loses what is small */
    if (t < end) {
        passed = (t - begin) / (end - begin);
        left = (end - t) / (end - begin);
    }
    if (a->cosine) {
        const double wave = nn_half_cosine(passed);
        passed = nn_half_cosine(left);
        left = wave;
    }
    worker->learning_rate = a->rates[phase] * left + a->rates[phase + 1] * passed;
}

/* peak t / steps for t below `steps`; then what the learning rate has been set to before */
DEFINE_KERNEL(warmup)
{
    ARGUMENTS(warmup);
    UNUSED(block);
    const double t = TYPED(updates_before)(worker);
    if (t < a->steps)
        worker->learning_rate = a->peak * (t / a->steps);
}

/* table[t mod count] */
DEFINE_KERNEL(tabulated_rate)
{
    ARGUMENTS(tabulated_rate);
    UNUSED(block);
    worker->learning_rate = a->table[(worker->update - 1) % a->count];
}
