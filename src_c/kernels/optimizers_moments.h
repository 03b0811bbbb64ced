/* Updates by running means of gradients, beside Adam's: Adamax, Nadam, Lion. Names as in optimizers.h. */

#include "../scalar_math.h"

/* state = keep state + fresh, which is returned. */
NN_INLINE vec TYPED(update_mean)(real *state, int64_t count, vec keep, vec fresh)
{
    const vec mean = v_fma(keep, TYPED(v_load_up_to)(state, count), fresh);
    TYPED(v_store_up_to)(state, mean, count);
    return mean;
}

/* coefficient[0] = learning_rate / (1 - beta_1^t); t is the number of the update, from 1 */
DEFINE_KERNEL(adamax_coefficients)
{
    ARGUMENTS(adamax_coefficients);
    UNUSED(block);
    worker->coefficient[0] = worker->learning_rate / TYPED(one_minus_power)(a->beta_1, worker->update);
}

struct TYPED(adamax_update) {
    real *parameter, *first_moment, *norm;
    vec beta_1, one_minus_beta_1, beta_2, epsilon, coefficient_0;
};

NN_INLINE void TYPED(adamax_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(adamax_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count);
    const vec s = TYPED(update_mean)(u->first_moment + offset, count, u->beta_1, v_mul(u->one_minus_beta_1, g));
    const vec n = v_max(v_mul(u->beta_2, TYPED(v_load_up_to)(u->norm + offset, count)), TYPED(v_magnitude)(g));
    TYPED(v_store_up_to)(u->norm + offset, n, count);
    const vec p = TYPED(v_load_up_to)(u->parameter + offset, count);
    const vec change = v_div(v_mul(u->coefficient_0, s), v_add(n, u->epsilon));
    TYPED(v_store_up_to)(u->parameter + offset, v_sub(p, change), count);
}

/* s = beta_1 s + (1 - beta_1) g; n = max(beta_2 n, |g|); p = p - c0 s / (n + epsilon), with the coefficient of
   adamax_coefficients; s first_moment, n norm. Kingma and Ba, "Adam", ICLR 2015, section 7.1. */
DEFINE_KERNEL(adamax)
{
    ARGUMENTS(adamax);
    const struct TYPED(adamax_update) update = {
        .parameter = a->parameter,
        .first_moment = a->first_moment,
        .norm = a->norm,
        .beta_1 = v_set((real)a->beta_1),
        .one_minus_beta_1 = v_set((real)(1 - a->beta_1)),
        .beta_2 = v_set((real)a->beta_2),
        .epsilon = v_set((real)a->epsilon),
        .coefficient_0 = v_set((real)worker->coefficient[0]),
    };
    TYPED(flush)(worker, block, a->columns, a->first_moment);
    TYPED(flush)(worker, block, a->columns, a->norm);
    TYPED(pass_over)(worker, block, a->columns, 3, TYPED(adamax_vector), &update);
}

/* With m(i) = beta_1 (1 - 0.96^i / 2) and M(t) = m(1) ... m(t), t the number of the update, from 1:
   coefficient[0] = learning_rate m(t + 1) / (1 - M(t + 1)), coefficient[1] = learning_rate (1 - m(t)) / (1 - M(t)),
   coefficient[2] = 1 / (1 - beta_2^t).
   products[i] is M(i + 1) / beta_1^(i + 1), to which so many factors are 1 after `count` of them. */
DEFINE_KERNEL(nadam_coefficients)
{
    ARGUMENTS(nadam_coefficients);
    UNUSED(block);
    const int64_t t = worker->update;
    const double decay = nn_power(0.96, (double)t) / 2;
    const double next_momentum = a->beta_1 * (1 - 0.96 * decay);
    const double product = nn_power(a->beta_1, (double)t) * a->products[(t < a->count ? t : a->count) - 1];
    worker->coefficient[0] = worker->learning_rate * next_momentum / (1 - product * next_momentum);
    worker->coefficient[1] = worker->learning_rate * ((1 - a->beta_1) + a->beta_1 * decay) / (1 - product);
    worker->coefficient[2] = 1 / TYPED(one_minus_power)(a->beta_2, t);
}

struct TYPED(nadam_update) {
    real *parameter, *first_moment, *second_moment;
    vec beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon, coefficient_0, coefficient_1, coefficient_2;
};

NN_INLINE void TYPED(nadam_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(nadam_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count);
    const vec s = TYPED(update_mean)(u->first_moment + offset, count, u->beta_1, v_mul(u->one_minus_beta_1, g));
    const vec r =
        TYPED(update_mean)(u->second_moment + offset, count, u->beta_2, v_mul(v_mul(u->one_minus_beta_2, g), g));
    const vec p = TYPED(v_load_up_to)(u->parameter + offset, count);
    const vec direction = v_fma(u->coefficient_0, s, v_mul(u->coefficient_1, g));
    const vec denominator = v_add(v_sqrt(v_mul(r, u->coefficient_2)), u->epsilon);
    TYPED(v_store_up_to)(u->parameter + offset, v_sub(p, v_div(direction, denominator)), count);
}

/* s = beta_1 s + (1 - beta_1) g; r = beta_2 r + (1 - beta_2) g^2; with the coefficients c of nadam_coefficients
   p = p - (c0 s + c1 g) / (sqrt(c2 r) + epsilon); s first_moment, r second_moment.
   Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop, 2016. */
DEFINE_KERNEL(nadam)
{
    ARGUMENTS(nadam);
    const struct TYPED(nadam_update) update = {
        .parameter = a->parameter,
        .first_moment = a->first_moment,
        .second_moment = a->second_moment,
        .beta_1 = v_set((real)a->beta_1),
        .one_minus_beta_1 = v_set((real)(1 - a->beta_1)),
        .beta_2 = v_set((real)a->beta_2),
        .one_minus_beta_2 = v_set((real)(1 - a->beta_2)),
        .epsilon = v_set((real)a->epsilon),
        .coefficient_0 = v_set((real)worker->coefficient[0]),
        .coefficient_1 = v_set((real)worker->coefficient[1]),
        .coefficient_2 = v_set((real)worker->coefficient[2]),
    };
    TYPED(flush)(worker, block, a->columns, a->first_moment);
    TYPED(flush)(worker, block, a->columns, a->second_moment);
    TYPED(pass_over)(worker, block, a->columns, 3, TYPED(nadam_vector), &update);
}

struct TYPED(lion_update) {
    real *parameter, *mean;
    vec learning_rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2;
    struct TYPED(own_decay) decay;
};

/* -1, 1, or x itself for 0 and NaN. */
NN_INLINE vec TYPED(v_sign)(vec x)
{
    return v_select(v_less(x, v_zero()), v_set(-1), v_select(v_less(v_zero(), x), v_set(1), x));
}

NN_INLINE void TYPED(lion_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(lion_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count), m = TYPED(v_load_up_to)(u->mean + offset, count);
    const vec sign = TYPED(v_sign)(v_fma(u->beta_1, m, v_mul(u->one_minus_beta_1, g)));
    TYPED(update_mean)(u->mean + offset, count, u->beta_2, v_mul(u->one_minus_beta_2, g));
    const vec p = TYPED(v_decayed)(&u->decay, TYPED(v_load_up_to)(u->parameter + offset, count));
    TYPED(v_store_up_to)(u->parameter + offset, v_fnma(u->learning_rate, sign, p), count);
}

/* p = p - learning_rate sign(beta_1 m + (1 - beta_1) g); m = beta_2 m + (1 - beta_2) g; m mean.
   Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023. */
DEFINE_KERNEL(lion)
{
    ARGUMENTS(lion);
    const struct TYPED(lion_update) update = {
        .parameter = a->parameter,
        .mean = a->mean,
        .learning_rate = v_set((real)worker->learning_rate),
        .beta_1 = v_set((real)a->beta_1),
        .one_minus_beta_1 = v_set((real)(1 - a->beta_1)),
        .beta_2 = v_set((real)a->beta_2),
        .one_minus_beta_2 = v_set((real)(1 - a->beta_2)),
        .decay = TYPED(take_decay)(worker),
    };
    TYPED(flush)(worker, block, a->columns, a->mean);
    TYPED(pass_over)(worker, block, a->columns, 2, TYPED(lion_vector), &update);
}
