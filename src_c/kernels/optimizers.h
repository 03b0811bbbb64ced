/* Updates of a parameter, one pass over it, its state and its gradient.
 *
 * p parameter, g gradient, a step's learning rate and coefficients in worker. The parameter and its state are
 * matrices of `columns` columns without gaps; the gradient is that of the block alone, at worker->gradient.
 */

/* Running means of a parameter that gets no gradient any more decay into denormal numbers and would stay there. They
   become zero, in updates whose number is a multiple of this. */
enum { TYPED(FLUSH_INTERVAL) = 32 };

/* One vector's worth of a kernel: the first `count` elements of the parameter at `offset`, `count` being LANES or
   less, and of the gradient. */
typedef void (*TYPED(vector_update))(const void *update, int64_t offset, real *gradient, int64_t count);

NN_INLINE void TYPED(decay_vector)(real *p, vec decay, int64_t count)
{
    const vec value = TYPED(v_load_up_to)(p, count);
    TYPED(v_store_up_to)(p, v_fnma(decay, value, value), count);
}

/* A decay that waited for a pass of the kernel, which sees to it itself, with the parameter in registers. */
struct TYPED(own_decay) {
    vec rate;
    int wanted;
};

NN_INLINE struct TYPED(own_decay) TYPED(take_decay)(nn_worker *worker)
{
    const struct TYPED(own_decay) decay = {v_set((real)worker->decay), worker->decayed != NULL};
    worker->decayed = NULL;
    return decay;
}

NN_INLINE vec TYPED(v_decayed)(const struct TYPED(own_decay) *decay, vec p)
{
    return decay->wanted ? v_fnma(decay->rate, p, p) : p;
}

/* Runs one kernel's vector function over the block, as one long row where nothing parts its rows. It is inlined
   with `run` a constant, so that the vector function is inlined as well and its constants stay in registers. A decay
   that waits for this pass comes before it, piece by piece. Of rows that no cache holds what comes next is asked for,
   in the gradient and in the `arrays` of which *update begins with the addresses: the processor's own prefetchers come
   late for some of so many. */
NN_INLINE void TYPED(pass_over)(nn_worker *worker, const nn_block *block, int64_t columns, const int arrays,
                                TYPED(vector_update) run, const void *update)
{
    /* Elements before their update, as fewer are still on their way to the cache; and of a row that is asked for. */
    enum { DECAYED = 256, STREAMED = 1 << 18, STRETCH = 64, LINE = 64 / (int)sizeof(real), AHEAD = 8 * STRETCH };
    int64_t rows = block->row_end - block->row_begin, width = block->column_end - block->column_begin;
    real *const decayed = worker->decayed;
    const vec decay = v_set((real)worker->decay);
    const int64_t most = arrays && columns >= STREAMED ? STRETCH : decayed ? DECAYED : INT64_MAX;
    worker->decayed = NULL;
    if (width == columns && worker->gradient_stride == columns) {
        width *= rows;
        rows = 1;
    }
    for (int64_t row = 0; row < rows; row++) {
        const int64_t offset = (block->row_begin + row) * columns + block->column_begin;
        real *gradient = (real *)worker->gradient + row * worker->gradient_stride;
        for (int64_t i = 0, end; i < width; i = end) {
            end = width - i > most ? i + most : width;
            if (arrays && most == STRETCH)
                for (int array = -1; array < arrays; array++) {
                    const real *const place = array < 0 ? gradient : ((real *const *)update)[array];
                    for (int64_t k = i + AHEAD; place && k < end + AHEAD; k += LINE)
                        __builtin_prefetch(place + (array < 0 ? k : offset + k));
                }
            if (decayed)
                for (int64_t k = i; k < end; k += LANES)
                    TYPED(decay_vector)(decayed + offset + k, decay, end - k);
            for (; i + LANES <= end; i += LANES)
                run(update, offset + i, gradient + i, LANES);
            if (i < end)
                run(update, offset + i, gradient + i, end - i);
        }
    }
}

/* The same without asking. */
NN_INLINE void TYPED(for_each_vector)(nn_worker *worker, const nn_block *block, int64_t columns,
                                      TYPED(vector_update) run, const void *update)
{
    TYPED(pass_over)(worker, block, columns, 0, run, update);
}

NN_INLINE void TYPED(flush_vector)(const void *state, int64_t offset, real *gradient, int64_t count)
{
    UNUSED(gradient);
    real *const place = *(real *const *)state + offset;
    TYPED(v_store_up_to)(place, TYPED(v_flush)(TYPED(v_load_up_to)(place, count)), count);
}

static void TYPED(flush)(nn_worker *worker, const nn_block *block, int64_t columns, real *state)
{
    if (state && worker->update % TYPED(FLUSH_INTERVAL) == 0)
        TYPED(for_each_vector)(worker, block, columns, TYPED(flush_vector), (const void *)&state);
}

struct TYPED(store_update) {
    real *target;
};

NN_INLINE void TYPED(store_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(store_update) *const u = update;
    TYPED(v_store_up_to)(u->target + offset, TYPED(v_load_up_to)(gradient, count), count);
}

NN_INLINE void TYPED(accumulate_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(store_update) *const u = update;
    const vec sum = v_add(TYPED(v_load_up_to)(u->target + offset, count), TYPED(v_load_up_to)(gradient, count));
    TYPED(v_store_up_to)(u->target + offset, sum, count);
}

/* target = accumulate ? target + g : g */
DEFINE_KERNEL(store_gradient)
{
    ARGUMENTS(store_gradient);
    const struct TYPED(store_update) update = {a->target};
    if (a->accumulate)
        TYPED(for_each_vector)(worker, block, a->columns, TYPED(accumulate_vector), &update);
    else
        TYPED(for_each_vector)(worker, block, a->columns, TYPED(store_vector), &update);
}

struct TYPED(load_update) {
    const real *source;
};

NN_INLINE void TYPED(load_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(load_update) *const u = update;
    TYPED(v_store_up_to)(gradient, TYPED(v_load_up_to)(u->source + offset, count), count);
}

/* g = source, a gradient that was stored */
DEFINE_KERNEL(load_gradient)
{
    ARGUMENTS(load_gradient);
    const struct TYPED(load_update) update = {a->source};
    TYPED(for_each_vector)(worker, block, a->columns, TYPED(load_vector), &update);
}

/* g = source, where it lies, for steps that change it no more than they may change the source. */
DEFINE_KERNEL(point_gradient)
{
    ARGUMENTS(point_gradient);
    worker->gradient = (void *)(a->source + block->row_begin * a->columns + block->column_begin);
    worker->gradient_stride = a->columns;
}

/* Asks for the block of a parameter or its state, which the update will change, before its gradient is computed. */
DEFINE_KERNEL(prefetch)
{
    ARGUMENTS(prefetch);
    UNUSED(worker);
    enum { LINE = 64 / sizeof(real) };
    for (int64_t i = block->row_begin; i < block->row_end; i++)
        for (int64_t j = block->column_begin; j < block->column_end; j += LINE)
            __builtin_prefetch(a->array + i * a->columns + j, 1, 2);
}

struct TYPED(sgd_update) {
    real *parameter, *velocity;
    vec learning_rate, momentum;
    struct TYPED(own_decay) decay;
};

NN_INLINE void TYPED(sgd_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(sgd_update) *const u = update;
    const vec p = TYPED(v_decayed)(&u->decay, TYPED(v_load_up_to)(u->parameter + offset, count));
    const vec g = TYPED(v_load_up_to)(gradient, count);
    TYPED(v_store_up_to)(u->parameter + offset, v_fnma(u->learning_rate, g, p), count);
}

/* p = p - learning_rate g */
DEFINE_KERNEL(sgd)
{
    ARGUMENTS(sgd);
    const struct TYPED(sgd_update) update = {a->parameter, NULL, v_set((real)worker->learning_rate), v_zero(),
                                             TYPED(take_decay)(worker)};
    TYPED(pass_over)(worker, block, a->columns, 1, TYPED(sgd_vector), &update);
}

NN_INLINE void TYPED(momentum_step)(const struct TYPED(sgd_update) *u, int64_t offset, real *gradient, int64_t count,
                                    int nesterov)
{
    const vec p = TYPED(v_decayed)(&u->decay, TYPED(v_load_up_to)(u->parameter + offset, count));
    const vec g = TYPED(v_load_up_to)(gradient, count);
    const vec v = v_fnma(u->learning_rate, g, v_mul(u->momentum, TYPED(v_load_up_to)(u->velocity + offset, count)));
    TYPED(v_store_up_to)(u->velocity + offset, v, count);
    const vec moved = nesterov ? v_fnma(u->learning_rate, g, v_fma(u->momentum, v, p)) : v_add(p, v);
    TYPED(v_store_up_to)(u->parameter + offset, moved, count);
}

NN_INLINE void TYPED(momentum_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    TYPED(momentum_step)(update, offset, gradient, count, 0);
}

NN_INLINE void TYPED(nesterov_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    TYPED(momentum_step)(update, offset, gradient, count, 1);
}

/* v = momentum v - learning_rate g; p = nesterov ? p + momentum v - learning_rate g : p + v, where Nesterov's p is
   the look-ahead point, as in Sutskever et al., "On the importance of initialization and momentum", ICML 2013. */
DEFINE_KERNEL(sgd_momentum)
{
    ARGUMENTS(sgd_momentum);
    const struct TYPED(sgd_update) update = {a->parameter, a->velocity, v_set((real)worker->learning_rate),
                                             v_set((real)a->momentum), TYPED(take_decay)(worker)};
    TYPED(flush)(worker, block, a->columns, a->velocity);
    if (a->nesterov)
        TYPED(pass_over)(worker, block, a->columns, 2, TYPED(nesterov_vector), &update);
    else
        TYPED(pass_over)(worker, block, a->columns, 2, TYPED(momentum_vector), &update);
}

/* 1 - beta^exponent by repeated squaring. Carried as q(n) = 1 - beta^n, where q(m + n) = q(m) + q(n) (1 - q(m)):
   nothing cancels, so the error is a few roundings even where beta is close to 1. */
NN_INLINE double TYPED(one_minus_power)(double beta, int64_t exponent)
{
    double result = 0;
    for (double square = 1 - beta; exponent > 0; exponent /= 2, square *= 2 - square)
        if (exponent % 2)
            result += square * (1 - result);
    return result;
}

/* With b1 = 1 - beta_1^t and b2 = 1 - beta_2^t, t the number of the update, from 1: coefficient[0] = learning_rate /
   b1, coefficient[1] = 1 / b2; where not `corrected` coefficient[0] = learning_rate sqrt(b2) / b1, coefficient[1] = 1,
   which is the same update but that epsilon stands beside a root that is not divided by sqrt(b2). */
DEFINE_KERNEL(adam_coefficients)
{
    ARGUMENTS(adam_coefficients);
    UNUSED(block);
    const double b2 = TYPED(one_minus_power)(a->beta_2, worker->update);
    const double rate = worker->learning_rate / TYPED(one_minus_power)(a->beta_1, worker->update);
    worker->coefficient[0] = a->corrected ? rate : rate * __builtin_sqrt(b2);
    worker->coefficient[1] = a->corrected ? 1 / b2 : 1;
}

struct TYPED(adam_update) {
    real *parameter, *first_moment, *second_moment, *maximum;
    vec beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon, coefficient_0, coefficient_1;
    struct TYPED(own_decay) decay;
};

NN_INLINE void TYPED(adam_step)(const struct TYPED(adam_update) *u, int64_t offset, real *gradient, int64_t count,
                                int epsilon_inside_sqrt, int amsgrad)
{
    const vec g = TYPED(v_load_up_to)(gradient, count);
    const vec s = v_fma(u->beta_1, TYPED(v_load_up_to)(u->first_moment + offset, count), v_mul(u->one_minus_beta_1, g));
    const vec r = v_fma(u->beta_2, TYPED(v_load_up_to)(u->second_moment + offset, count),
                        v_mul(v_mul(u->one_minus_beta_2, g), g));
    vec under = r;
    if (amsgrad) {
        under = v_max(TYPED(v_load_up_to)(u->maximum + offset, count), r);
        TYPED(v_store_up_to)(u->maximum + offset, under, count);
    }
    const vec denominator = epsilon_inside_sqrt ? v_sqrt(v_fma(under, u->coefficient_1, u->epsilon))
                                                : v_add(v_sqrt(v_mul(under, u->coefficient_1)), u->epsilon);
    const vec p = TYPED(v_decayed)(&u->decay, TYPED(v_load_up_to)(u->parameter + offset, count));
    TYPED(v_store_up_to)(u->first_moment + offset, s, count);
    TYPED(v_store_up_to)(u->second_moment + offset, r, count);
    TYPED(v_store_up_to)(u->parameter + offset, v_sub(p, v_div(v_mul(u->coefficient_0, s), denominator)), count);
}

NN_INLINE void TYPED(adam_inside_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    TYPED(adam_step)(update, offset, gradient, count, 1, 0);
}

NN_INLINE void TYPED(adam_outside_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    TYPED(adam_step)(update, offset, gradient, count, 0, 0);
}

NN_INLINE void TYPED(amsgrad_inside_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    TYPED(adam_step)(update, offset, gradient, count, 1, 1);
}

NN_INLINE void TYPED(amsgrad_outside_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    TYPED(adam_step)(update, offset, gradient, count, 0, 1);
}

/* s = beta_1 s + (1 - beta_1) g; r = beta_2 r + (1 - beta_2) g^2; where maximum is given u = maximum = max(maximum, r),
   else u = r; with the coefficients c of adam_coefficients
   p = p - c0 s / (epsilon_inside_sqrt ? sqrt(c1 u + epsilon) : sqrt(c1 u) + epsilon); s first_moment, r second_moment.
   Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, where epsilon is outside; with a maximum
   Reddi, Kale and Kumar, "On the convergence of Adam and beyond", ICLR 2018. */
DEFINE_KERNEL(adam)
{
    ARGUMENTS(adam);
    const struct TYPED(adam_update) update = {
        .parameter = a->parameter,
        .first_moment = a->first_moment,
        .second_moment = a->second_moment,
        .maximum = a->maximum,
        .beta_1 = v_set((real)a->beta_1),
        .one_minus_beta_1 = v_set((real)(1 - a->beta_1)),
        .beta_2 = v_set((real)a->beta_2),
        .one_minus_beta_2 = v_set((real)(1 - a->beta_2)),
        .epsilon = v_set((real)a->epsilon),
        .coefficient_0 = v_set((real)worker->coefficient[0]),
        .coefficient_1 = v_set((real)worker->coefficient[1]),
        .decay = TYPED(take_decay)(worker),
    };
    TYPED(flush)(worker, block, a->columns, a->first_moment);
    TYPED(flush)(worker, block, a->columns, a->second_moment);
    TYPED(flush)(worker, block, a->columns, a->maximum);
    if (a->maximum && a->epsilon_inside_sqrt)
        TYPED(pass_over)(worker, block, a->columns, 4, TYPED(amsgrad_inside_vector), &update);
    else if (a->maximum)
        TYPED(pass_over)(worker, block, a->columns, 4, TYPED(amsgrad_outside_vector), &update);
    else if (a->epsilon_inside_sqrt)
        TYPED(pass_over)(worker, block, a->columns, 3, TYPED(adam_inside_vector), &update);
    else
        TYPED(pass_over)(worker, block, a->columns, 3, TYPED(adam_outside_vector), &update);
}

struct TYPED(rmsprop_update) {
    real *parameter, *mean_square, *velocity, *mean;
    vec learning_rate, rho, one_minus_rho, momentum, epsilon;
    int epsilon_inside_sqrt;
};

NN_INLINE void TYPED(rmsprop_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(rmsprop_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count);
    const vec fresh = v_mul(u->one_minus_rho, g);
    const vec r = v_fma(u->rho, TYPED(v_load_up_to)(u->mean_square + offset, count), v_mul(fresh, g));
    TYPED(v_store_up_to)(u->mean_square + offset, r, count);
    vec under = r;
    if (u->mean) {
        const vec m = v_fma(u->rho, TYPED(v_load_up_to)(u->mean + offset, count), fresh);
        TYPED(v_store_up_to)(u->mean + offset, m, count);
        under = v_max(v_zero(), v_fnma(m, m, r)); /* rounding may leave a variance of 0 just below it */
    }
    const vec denominator =
        u->epsilon_inside_sqrt ? v_sqrt(v_add(under, u->epsilon)) : v_add(v_sqrt(under), u->epsilon);
    vec change = v_div(v_mul(u->learning_rate, g), denominator);
    if (u->velocity) {
        change = v_fma(u->momentum, TYPED(v_load_up_to)(u->velocity + offset, count), change);
        TYPED(v_store_up_to)(u->velocity + offset, change, count);
    }
    const vec p = TYPED(v_load_up_to)(u->parameter + offset, count);
    TYPED(v_store_up_to)(u->parameter + offset, v_sub(p, change), count);
}

/* r = rho r + (1 - rho) g^2; where mean is given m = rho m + (1 - rho) g and u = max(0, r - m^2), else u = r;
   change = learning_rate g / (epsilon_inside_sqrt ? sqrt(u + epsilon) : sqrt(u) + epsilon); where velocity is given
   v = momentum v + change and p = p - v, else p = p - change. r mean_square, m mean, v velocity.
   Hinton, "Neural networks for machine learning", lecture 6e, 2012; centered: Graves, arXiv:1308.0850, 2013. */
DEFINE_KERNEL(rmsprop)
{
    ARGUMENTS(rmsprop);
    const struct TYPED(rmsprop_update) update = {
        .parameter = a->parameter,
        .mean_square = a->mean_square,
        .velocity = a->velocity,
        .mean = a->mean,
        .learning_rate = v_set((real)worker->learning_rate),
        .rho = v_set((real)a->rho),
        .one_minus_rho = v_set((real)(1 - a->rho)),
        .momentum = v_set((real)a->momentum),
        .epsilon = v_set((real)a->epsilon),
        .epsilon_inside_sqrt = a->epsilon_inside_sqrt != 0,
    };
    TYPED(flush)(worker, block, a->columns, a->mean_square);
    TYPED(flush)(worker, block, a->columns, a->velocity);
    TYPED(flush)(worker, block, a->columns, a->mean);
    TYPED(pass_over)(worker, block, a->columns, 4, TYPED(rmsprop_vector), &update);
}
