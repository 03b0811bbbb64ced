/* Focal cross-entropies (Lin et al., 2017): what is right already counts less, by a power `gamma` of how wrong it is.
 */

/* x^gamma for 0 <= x <= 1, and 1 for gamma = 0 whatever x is. */
NN_INLINE vec TYPED(power_of_unit)(vec x, vec gamma)
{
    return TYPED(v_exp_bounded)(v_mul(gamma, v_max(v_set(-10000), TYPED(v_log)(x))));
}

/* Parameters of the binary form: those of `smoothed`, gamma, and the weight of t, weight[0] + t weight[1]: alpha for 1
   and 1 - alpha for 0, or 1 for all. */
#define BINARY_FOCAL                                                                                                   \
    SMOOTHING(a->label_smoothing, 2), (real)a->gamma, (real)(a->balance ? 1 - a->alpha : 1),                           \
        (real)(a->balance ? 2 * a->alpha - 1 : 0)

/* With t smoothed and p kept within CLIP_LOW .. CLIP_HIGH, b the binary cross-entropy and q = t (1 - p) + (1 - t) p:
   weight q^gamma b; its derivative weight (gamma q^(gamma - 1) (1 - 2 t) b + q^gamma b'). */
NN_INLINE vec TYPED(binary_focal)(vec p, vec t, const real *parameters, vec *slope)
{
    vec one = v_set(1), gamma = v_set(parameters[2]), inner;
    vec b = TYPED(binary_term)(p, t, parameters, &inner), inside = TYPED(clipped)(p);
    t = TYPED(smoothed)(t, parameters);
    vec others = v_sub(one, t), q = v_fma(t, v_sub(one, inside), v_mul(others, inside));
    vec scaled = v_mul(v_fma(t, v_set(parameters[4]), v_set(parameters[3])), TYPED(power_of_unit)(q, gamma));
    vec outer = v_div(v_mul(v_mul(gamma, v_sub(others, t)), b), q);
    *slope = TYPED(where_not_clipped)(p, v_mul(scaled, v_add(outer, inner)));
    return v_mul(scaled, b);
}
DEFINE_KERNEL(binary_focal_crossentropy)
{
    ARGUMENTS(binary_focal_crossentropy);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, BINARY_FOCAL);
    TYPED(mean_of_terms)(TYPED(binary_focal), &given, block);
}

/* The same of p = sigmoid(x), unclipped: with dq/dx = (1 - 2 t) p (1 - p) and b' = p - t. Where q is 0, so is
   q^gamma, or gamma. */
NN_INLINE vec TYPED(binary_focal_logits)(vec x, vec t, const real *parameters, vec *slope)
{
    vec one = v_set(1), gamma = v_set(parameters[2]), inner, b = TYPED(logistic)(x, t, parameters, &inner);
    vec e = TYPED(v_exp_bounded)(TYPED(v_minus_magnitude)(x)), larger = v_div(one, v_add(one, e));
    vec smaller = v_mul(e, larger);
    mask negative = v_less(x, v_zero());
    vec p = v_select(negative, smaller, larger), rest = v_select(negative, larger, smaller);
    t = TYPED(smoothed)(t, parameters);
    vec others = v_sub(one, t), q = v_fma(t, rest, v_mul(others, p));
    vec scaled = v_mul(v_fma(t, v_set(parameters[4]), v_set(parameters[3])), TYPED(power_of_unit)(q, gamma));
    vec ratio = v_select(v_less(v_zero(), q), v_div(v_mul(smaller, larger), q), v_zero());
    vec outer = v_mul(v_mul(gamma, v_sub(others, t)), v_mul(ratio, b));
    *slope = v_mul(scaled, v_add(outer, inner));
    return v_mul(scaled, b);
}
DEFINE_KERNEL(binary_focal_crossentropy_logits)
{
    ARGUMENTS(binary_focal_crossentropy_logits);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, BINARY_FOCAL);
    TYPED(mean_of_terms)(TYPED(binary_focal_logits), &given, block);
}
#undef BINARY_FOCAL

/* Of a class with probability q: -t (1 - q)^gamma log(q), where t is its target times its alpha; *pull is the
   derivative with respect to log(q), t (1 - q)^gamma (gamma q log(q) / (1 - q) - 1). Where 1 - q is 0, so is
   (1 - q)^gamma, or gamma. */
NN_INLINE vec TYPED(focal_class)(vec q, vec log_q, vec t, const real *parameters, vec *pull)
{
    vec gamma = v_set(parameters[2]), rest = v_sub(v_set(1), q);
    vec scaled = v_mul(t, TYPED(power_of_unit)(rest, gamma));
    vec ratio = v_select(v_less(v_zero(), rest), v_div(v_mul(q, log_q), rest), v_zero());
    *pull = v_mul(scaled, v_fma(gamma, ratio, v_set(-1)));
    return v_sub(v_zero(), v_mul(scaled, log_q));
}

/* A vector of a group's classes: q, and `focal_class` of it. Of logits, q = e^(x - shift) / total = softmax(x)[c]; of
   probabilities, q = x / total, kept within CLIP_LOW .. CLIP_HIGH; then *pull is 0 where it is not within them. */
typedef struct TYPED(focal_group) {
    const real *x, *target, *alpha, *parameters;
    real shift, total;
    int64_t classes;
    int logits;
} TYPED(focal_group);

NN_INLINE vec TYPED(focal_vector)(const TYPED(focal_group) *group, int64_t at, vec *q, vec *pull)
{
    const int64_t count = group->classes - at;
    vec t = v_mul(TYPED(load_smoothed)(group->target + at, count, group->parameters),
                  TYPED(v_load_up_to)(group->alpha + at, count));
    vec x = TYPED(v_load_up_to_or)(group->x + at, count, v_set(group->shift)), total = v_set(group->total);
    if (group->logits) {
        vec shifted = v_sub(x, v_set(group->shift));
        *q = v_div(TYPED(v_exp_bounded)(shifted), total);
        return TYPED(focal_class)(*q, v_sub(shifted, TYPED(v_log)(total)), t, group->parameters, pull);
    }
    vec given = v_div(x, total);
    *q = TYPED(clipped)(given);
    vec value = TYPED(focal_class)(*q, TYPED(v_log)(*q), t, group->parameters, pull);
    *pull = TYPED(where_not_clipped)(given, *pull);
    return value;
}

/* Sum over classes of focal_class. With P the sum of all pulls, its derivative is, of logits, pull[c] - q[c] P; of
   probabilities, (pull[c] / q[c] - P) / total. */
NN_INLINE vec TYPED(focal_groups)(const TYPED(loss_groups) *now, int logits)
{
    real values[LANES] = {0}, factor[LANES];
    v_store(factor, now->factor);
    for (int64_t g = 0; g < now->groups; g++) {
        TYPED(focal_group) group = {
            .x = now->prediction + g * now->prediction_stride,
            .target = (const real *)now->target + g * now->target_stride,
            .alpha = now->alpha,
            .parameters = now->parameters,
            .classes = now->classes,
            .logits = logits,
        };
        if (logits) {
            group.shift = TYPED(row_max)(group.x, now->classes);
            group.total = TYPED(row_exp_sum)(group.x, group.shift, NULL, 0, now->classes);
        } else
            group.total = TYPED(lanes16_sum)(TYPED(lanes16_add)(TYPED(lanes16_set)(0), group.x, now->classes));
        TYPED(lanes16) value = TYPED(lanes16_set)(0), pulls = TYPED(lanes16_set)(0);
        for (int64_t i = 0; i < now->classes; i += 16)
            for (int part = 0; part < TYPED(PARTS); part++) {
                const int64_t at = i + part * LANES;
                if (at < now->classes) {
                    vec q, pull, one = TYPED(focal_vector)(&group, at, &q, &pull);
                    value.part[part] = v_add(value.part[part], one);
                    pulls.part[part] = v_add(pulls.part[part], pull);
                }
            }
        values[g] = TYPED(lanes16_sum)(value);
        if (!now->gradient)
            continue;
        real *gradient = now->gradient + g * now->gradient_stride;
        const vec all = v_set(TYPED(lanes16_sum)(pulls)), total = v_set(group.total), scale = v_set(factor[g]);
        for (int64_t c = 0; c < now->classes; c += LANES) {
            vec q, pull;
            TYPED(focal_vector)(&group, c, &q, &pull);
            vec slope = logits ? v_fnma(q, all, pull) : v_div(v_sub(v_div(pull, q), all), total);
            TYPED(v_store_up_to)(gradient + c, v_mul(slope, scale), now->classes - c);
        }
    }
    return v_load(values);
}

NN_INLINE vec TYPED(focal_probabilities)(const TYPED(loss_groups) *now) { return TYPED(focal_groups)(now, 0); }
DEFINE_KERNEL(categorical_focal_crossentropy)
{
    ARGUMENTS(categorical_focal_crossentropy);
    TYPED(loss_case) given =
        LOSS_CASE(a->groups, a->classes, SMOOTHING(a->label_smoothing, a->classes), (real)a->gamma);
    given.alpha = a->alpha;
    TYPED(mean_of_groups)(TYPED(focal_probabilities), &given, a->classes, sizeof *a->target, block);
}

NN_INLINE vec TYPED(focal_softmax)(const TYPED(loss_groups) *now) { return TYPED(focal_groups)(now, 1); }
DEFINE_KERNEL(categorical_focal_crossentropy_logits)
{
    ARGUMENTS(categorical_focal_crossentropy_logits);
    TYPED(loss_case) given =
        LOSS_CASE(a->groups, a->classes, SMOOTHING(a->label_smoothing, a->classes), (real)a->gamma);
    given.alpha = a->alpha;
    TYPED(mean_of_groups)(TYPED(focal_softmax), &given, a->classes, sizeof *a->target, block);
}
