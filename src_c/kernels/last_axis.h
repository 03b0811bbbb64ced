/* Activation functions along the last axis. */

/* y = x - max x - log(sum of e^(x - max x)) over the classes of a group; x and y are (rows, groups * classes), and may
   be the same memory. */
DEFINE_KERNEL(log_softmax_forward)
{
    ARGUMENTS(log_softmax_forward);
    UNUSED(worker);
    for (int64_t row = block->row_begin; row < block->row_end; row++)
        for (int64_t group = 0; group < a->groups; group++) {
            const real *x = a->x + row * a->x_stride + group * a->classes;
            real *y = a->y + row * a->y_stride + group * a->classes;
            const real largest = TYPED(row_max)(x, a->classes);
            vec logarithm = TYPED(v_log)(v_set(TYPED(row_exp_sum)(x, largest, NULL, 0, a->classes)));
            for (int64_t c = 0; c < a->classes; c += LANES) {
                vec distance = v_sub(TYPED(v_load_up_to)(x + c, a->classes - c), v_set(largest));
                TYPED(v_store_up_to)(y + c, v_sub(distance, logarithm), a->classes - c);
            }
        }
}

/* dx = dy - e^y times the sum of dy over the classes of a group */
DEFINE_KERNEL(log_softmax_backward)
{
    ARGUMENTS(log_softmax_backward);
    UNUSED(worker);
    for (int64_t row = block->row_begin; row < block->row_end; row++)
        for (int64_t group = 0; group < a->groups; group++) {
            const real *y = a->y + row * a->y_stride + group * a->classes;
            const real *dy = a->dy + row * a->dy_stride + group * a->classes;
            real *dx = a->dx + row * a->dx_stride + group * a->classes;
            const TYPED(lanes16) terms = TYPED(lanes16_add)(TYPED(lanes16_set)(0), dy, a->classes);
            const vec sum = v_set(TYPED(lanes16_sum)(terms));
            for (int64_t c = 0; c < a->classes; c += LANES) {
                vec power = TYPED(v_exp)(TYPED(v_load_up_to)(y + c, a->classes - c));
                vec slope = v_fnma(power, sum, TYPED(v_load_up_to)(dy + c, a->classes - c));
                TYPED(v_store_up_to)(dx + c, slope, a->classes - c);
            }
        }
}

/* y = p / (1 + e^-q), where each group of x is p (units) and then q (units); x is (rows, groups * 2 units), y
   (rows, groups * units) in memory of its own. */
DEFINE_KERNEL(glu_forward)
{
    ARGUMENTS(glu_forward);
    UNUSED(worker);
    for (int64_t row = block->row_begin; row < block->row_end; row++)
        for (int64_t group = 0; group < a->groups; group++) {
            const real *p = a->x + row * a->x_stride + group * 2 * a->units, *q = p + a->units;
            real *y = a->y + row * a->y_stride + group * a->units;
            for (int64_t i = 0; i < a->units; i += LANES) {
                const int64_t rest = a->units - i;
                vec gate = TYPED(v_sigmoid)(TYPED(v_load_up_to)(q + i, rest));
                TYPED(v_store_up_to)(y + i, v_mul(TYPED(v_load_up_to)(p + i, rest), gate), rest);
            }
        }
}

/* dp = dy s, dq = dy p s (1 - s), s = 1 / (1 + e^-q); dx as x, dy as y */
DEFINE_KERNEL(glu_backward)
{
    ARGUMENTS(glu_backward);
    UNUSED(worker);
    for (int64_t row = block->row_begin; row < block->row_end; row++)
        for (int64_t group = 0; group < a->groups; group++) {
            const real *p = a->x + row * a->x_stride + group * 2 * a->units, *q = p + a->units;
            const real *dy = a->dy + row * a->dy_stride + group * a->units;
            real *dp = a->dx + row * a->dx_stride + group * 2 * a->units, *dq = dp + a->units;
            for (int64_t i = 0; i < a->units; i += LANES) {
                const int64_t rest = a->units - i;
                vec value = TYPED(v_load_up_to)(p + i, rest), slope = TYPED(v_load_up_to)(dy + i, rest);
                vec gate = TYPED(v_sigmoid)(TYPED(v_load_up_to)(q + i, rest));
                TYPED(v_store_up_to)(dq + i, v_mul(v_mul(slope, v_fnma(gate, gate, gate)), value), rest);
                TYPED(v_store_up_to)(dp + i, v_mul(slope, gate), rest);
            }
        }
}
