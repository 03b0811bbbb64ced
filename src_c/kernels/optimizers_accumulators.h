/* Updates by sums or means of squared gradients: Adagrad, Adadelta, Ftrl. Names as in optimizers.h. */

struct TYPED(adagrad_update) {
    real *parameter, *accumulator;
    vec learning_rate, epsilon;
    int epsilon_inside_sqrt;
};

NN_INLINE void TYPED(adagrad_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(adagrad_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count);
    const vec r = v_fma(g, g, TYPED(v_load_up_to)(u->accumulator + offset, count));
    TYPED(v_store_up_to)(u->accumulator + offset, r, count);
    const vec denominator = u->epsilon_inside_sqrt ? v_sqrt(v_add(r, u->epsilon)) : v_add(v_sqrt(r), u->epsilon);
    const vec p = TYPED(v_load_up_to)(u->parameter + offset, count);
    TYPED(v_store_up_to)(u->parameter + offset, v_sub(p, v_div(v_mul(u->learning_rate, g), denominator)), count);
}

/* r = r + g^2; p = p - learning_rate g / (epsilon_inside_sqrt ? sqrt(r + epsilon) : sqrt(r) + epsilon); r accumulator.
   Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 12,
   2011. */
DEFINE_KERNEL(adagrad)
{
    ARGUMENTS(adagrad);
    const struct TYPED(adagrad_update) update = {
        .parameter = a->parameter,
        .accumulator = a->accumulator,
        .learning_rate = v_set((real)worker->learning_rate),
        .epsilon = v_set((real)a->epsilon),
        .epsilon_inside_sqrt = a->epsilon_inside_sqrt != 0,
    };
    TYPED(flush)(worker, block, a->columns, a->accumulator);
    TYPED(pass_over)(worker, block, a->columns, 2, TYPED(adagrad_vector), &update);
}

struct TYPED(adadelta_update) {
    real *parameter, *squared_gradient, *squared_change;
    vec learning_rate, rho, one_minus_rho, epsilon;
};

NN_INLINE void TYPED(adadelta_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(adadelta_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count);
    const vec r = TYPED(update_mean)(u->squared_gradient + offset, count, u->rho, v_mul(v_mul(u->one_minus_rho, g), g));
    const vec d = TYPED(v_load_up_to)(u->squared_change + offset, count);
    const vec change = v_div(v_mul(v_sqrt(v_add(d, u->epsilon)), g), v_sqrt(v_add(r, u->epsilon)));
    TYPED(update_mean)(u->squared_change + offset, count, u->rho, v_mul(v_mul(u->one_minus_rho, change), change));
    const vec p = TYPED(v_load_up_to)(u->parameter + offset, count);
    TYPED(v_store_up_to)(u->parameter + offset, v_fnma(u->learning_rate, change, p), count);
}

/* r = rho r + (1 - rho) g^2; change = sqrt(d + epsilon) g / sqrt(r + epsilon); d = rho d + (1 - rho) change^2;
   p = p - learning_rate change; r squared_gradient, d squared_change.
   Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701, 2012. */
DEFINE_KERNEL(adadelta)
{
    ARGUMENTS(adadelta);
    const struct TYPED(adadelta_update) update = {
        .parameter = a->parameter,
        .squared_gradient = a->squared_gradient,
        .squared_change = a->squared_change,
        .learning_rate = v_set((real)worker->learning_rate),
        .rho = v_set((real)a->rho),
        .one_minus_rho = v_set((real)(1 - a->rho)),
        .epsilon = v_set((real)a->epsilon),
    };
    TYPED(flush)(worker, block, a->columns, a->squared_gradient);
    TYPED(flush)(worker, block, a->columns, a->squared_change);
    TYPED(pass_over)(worker, block, a->columns, 3, TYPED(adadelta_vector), &update);
}

struct TYPED(ftrl_update) {
    real *parameter, *accumulator, *linear;
    vec inverse_rate, power, l1, constant, shrinkage;
};

enum { TYPED(CONSTANT), TYPED(ROOT), TYPED(POWER) }; /* what of powers a step has: a constant where it is inlined */

NN_INLINE vec TYPED(raised)(vec x, vec power, int kind)
{
    if (kind == TYPED(CONSTANT))
        return v_set(1);
    return kind == TYPED(ROOT) ? v_sqrt(x) : TYPED(v_exp)(v_mul(power, TYPED(v_log)(x)));
}

NN_INLINE void TYPED(ftrl_step)(const struct TYPED(ftrl_update) *u, int64_t offset, real *gradient, int64_t count,
                                int kind)
{
    const vec g = TYPED(v_load_up_to)(gradient, count), p = TYPED(v_load_up_to)(u->parameter + offset, count);
    const vec old = TYPED(v_load_up_to)(u->accumulator + offset, count), r = v_fma(g, g, old);
    const vec of_r = TYPED(raised)(r, u->power, kind), of_old = TYPED(raised)(old, u->power, kind);
    const vec sigma = v_mul(v_sub(of_r, of_old), u->inverse_rate);
    const vec z = v_add(TYPED(v_load_up_to)(u->linear + offset, count), v_fnma(sigma, p, v_fma(u->shrinkage, p, g)));
    const vec clipped = v_min(u->l1, v_max(v_sub(v_zero(), u->l1), z));
    const vec denominator = v_fma(of_r, u->inverse_rate, u->constant);
    TYPED(v_store_up_to)(u->accumulator + offset, r, count);
    TYPED(v_store_up_to)(u->linear + offset, z, count);
    TYPED(v_store_up_to)(u->parameter + offset, v_div(v_sub(clipped, z), denominator), count);
}

NN_INLINE void TYPED(ftrl_root_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    TYPED(ftrl_step)(update, offset, gradient, count, TYPED(ROOT));
}

NN_INLINE void TYPED(ftrl_power_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    TYPED(ftrl_step)(update, offset, gradient, count, TYPED(POWER));
}

NN_INLINE void TYPED(ftrl_constant_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    TYPED(ftrl_step)(update, offset, gradient, count, TYPED(CONSTANT));
}

/* With lr the learning rate and R = r + g^2: z = z + g + 2 l2_shrinkage p - (R^power - r^power) / lr p;
   p = (clip(z, -l1, l1) - z) / (R^power / lr + 2 l2 + beta / lr); r = R; r accumulator, z linear. Nothing changes at a
   learning rate of 0, for which there is no such step.
   McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013. */
DEFINE_KERNEL(ftrl)
{
    ARGUMENTS(ftrl);
    const double rate = worker->learning_rate;
    if (rate == 0)
        return;
    const struct TYPED(ftrl_update) update = {
        .parameter = a->parameter,
        .accumulator = a->accumulator,
        .linear = a->linear,
        .inverse_rate = v_set((real)(1 / rate)),
        .power = v_set((real)a->power),
        .l1 = v_set((real)a->l1),
        .constant = v_set((real)(2 * a->l2 + a->beta / rate)),
        .shrinkage = v_set((real)(2 * a->l2_shrinkage)),
    };
    TYPED(flush)(worker, block, a->columns, a->accumulator);
    TYPED(flush)(worker, block, a->columns, a->linear);
    if (a->power == 0.5)
        TYPED(pass_over)(worker, block, a->columns, 3, TYPED(ftrl_root_vector), &update);
    else if (a->power == 0)
        TYPED(pass_over)(worker, block, a->columns, 3, TYPED(ftrl_constant_vector), &update);
    else
        TYPED(pass_over)(worker, block, a->columns, 3, TYPED(ftrl_power_vector), &update);
}
