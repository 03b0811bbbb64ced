/* Metrics: value is (rows), of each row the mean over features or groups of what stands at the kernel. target and
   prediction are (rows, features) or (rows, groups * classes), labels (rows, groups). */

#define METRIC_CASE(number_of_groups, number_of_classes, parameter)                                                    \
    (TYPED(loss_case))                                                                                                 \
    {                                                                                                                  \
        .target = a->target, .prediction = a->prediction, .loss = a->value, .groups = (number_of_groups),              \
        .classes = (number_of_classes), .target_stride = a->target_stride, .prediction_stride = a->prediction_stride,  \
        .ignored = INT64_MAX, .parameters = {(real)(parameter)},                                                       \
    }

/* 1 where the bits of a and b are the same, else 0. */
NN_INLINE vec TYPED(equal)(TYPED(words) a, TYPED(words) b)
{
    return (vec)((TYPED(words))(a == b) & (TYPED(words))v_set(1));
}

/* 1 where t is 1 for p > threshold and 0 for others, else 0. */
NN_INLINE vec TYPED(binary_match)(vec p, vec t, const real *parameters, vec *slope)
{
    *slope = v_zero();
    vec predicted = v_select(v_less(v_set(parameters[0]), p), v_set(1), v_zero());
    return TYPED(equal)((TYPED(words))predicted, (TYPED(words))v_add(t, v_zero())); /* -0 is 0 */
}
DEFINE_KERNEL(binary_accuracy)
{
    ARGUMENTS(binary_accuracy);
    UNUSED(worker);
    TYPED(loss_case) given = METRIC_CASE(a->features, 1, a->threshold);
    TYPED(mean_of_terms)(TYPED(binary_match), &given, block);
}

/* 1 where p = t, else 0. */
NN_INLINE vec TYPED(element_match)(vec p, vec t, const real *parameters, vec *slope)
{
    UNUSED(parameters);
    *slope = v_zero();
    const vec not_less = v_select(v_less(p, t), v_zero(), v_set(1));
    return v_select(v_unordered(p, t), v_zero(), v_select(v_less(t, p), v_zero(), not_less));
}
DEFINE_KERNEL(accuracy)
{
    ARGUMENTS(accuracy);
    UNUSED(worker);
    TYPED(loss_case) given = METRIC_CASE(a->features, 1, 0);
    TYPED(mean_of_terms)(TYPED(element_match), &given, block);
}

/* The class of the largest element of each group, of equals the first; as lanes. Where one is NaN it is some class. */
NN_INLINE TYPED(words) TYPED(largest_class)(const real *x, int64_t stride, int64_t groups, int64_t classes)
{
    TYPED(words) best = {0};
    if (TYPED(in_columns)(groups, classes)) {
        vec column[TYPED(NARROW)];
        TYPED(load_columns)(column, x, stride, groups, classes);
        vec largest = column[0];
        for (int64_t c = 1; c < classes; c++) {
            mask greater = v_less(largest, column[c]);
            largest = v_select(greater, column[c], largest);
            const TYPED(words) here = (TYPED(words)){0} + (TYPED(word))c;
            best = (TYPED(words))v_select(greater, (vec)here, (vec)best);
        }
    } else
        for (int64_t g = 0; g < groups; g++) {
            const real *row = x + g * stride, largest = TYPED(row_max)(row, classes);
            int64_t c = 0;
            while (c < classes - 1 && row[c] < largest)
                c++;
            best[g] = (TYPED(word))c;
        }
    return best;
}

/* 1 where the largest prediction and the largest target are of the same class, else 0. */
NN_INLINE vec TYPED(dense_match)(const TYPED(loss_groups) *now)
{
    return TYPED(equal)(TYPED(largest_class)(now->prediction, now->prediction_stride, now->groups, now->classes),
                        TYPED(largest_class)(now->target, now->target_stride, now->groups, now->classes));
}
DEFINE_KERNEL(categorical_accuracy)
{
    ARGUMENTS(categorical_accuracy);
    UNUSED(worker);
    TYPED(loss_case) given = METRIC_CASE(a->groups, a->classes, 0);
    TYPED(mean_of_groups)(TYPED(dense_match), &given, a->classes, sizeof *a->target, block);
}

/* 1 where the largest prediction is of the label's class, else 0. */
NN_INLINE vec TYPED(sparse_match)(const TYPED(loss_groups) *now)
{
    return TYPED(equal)(TYPED(largest_class)(now->prediction, now->prediction_stride, now->groups, now->classes),
                        TYPED(load_labels)(now));
}
DEFINE_KERNEL(sparse_categorical_accuracy)
{
    ARGUMENTS(sparse_categorical_accuracy);
    UNUSED(worker);
    TYPED(loss_case) given = METRIC_CASE(a->groups, a->classes, 0);
    TYPED(mean_of_groups)(TYPED(sparse_match), &given, 1, sizeof *a->target, block);
}

/* 1 where less than `parameters[0]` of x are larger than its element `chosen`, which is a number; else 0. */
NN_INLINE real TYPED(among_largest)(const real *x, int64_t classes, int64_t chosen, const real *parameters)
{
    if (chosen < 0 || x[chosen] != x[chosen])
        return 0;
    const vec own = v_set(x[chosen]);
    TYPED(lanes16) larger = TYPED(lanes16_set)(0);
    for (int64_t c = 0; c < classes; c += LANES) {
        const vec here = TYPED(v_load_up_to_or)(x + c, classes - c, own);
        larger.part[0] = v_add(larger.part[0], v_select(v_less(own, here), v_set(1), v_zero()));
    }
    return TYPED(lanes16_sum)(larger) < parameters[0];
}

/* 1 where less than k predictions are larger than that of the largest target's class, else 0. */
NN_INLINE vec TYPED(dense_top_k)(const TYPED(loss_groups) *now)
{
    real matches[LANES] = {0};
    const TYPED(words) classes = TYPED(largest_class)(now->target, now->target_stride, now->groups, now->classes);
    for (int64_t g = 0; g < now->groups; g++)
        matches[g] = TYPED(among_largest)(now->prediction + g * now->prediction_stride, now->classes,
                                          (int64_t)classes[g], now->parameters);
    return v_load(matches);
}
DEFINE_KERNEL(top_k_categorical_accuracy)
{
    ARGUMENTS(top_k_categorical_accuracy);
    UNUSED(worker);
    TYPED(loss_case) given = METRIC_CASE(a->groups, a->classes, a->k);
    TYPED(mean_of_groups)(TYPED(dense_top_k), &given, a->classes, sizeof *a->target, block);
}

/* 1 where less than k predictions are larger than that of the label's class, else 0. */
NN_INLINE vec TYPED(sparse_top_k)(const TYPED(loss_groups) *now)
{
    real matches[LANES] = {0};
    for (int64_t g = 0; g < now->groups; g++)
        matches[g] = TYPED(among_largest)(now->prediction + g * now->prediction_stride, now->classes,
                                          TYPED(label_of)(now, g), now->parameters);
    return v_load(matches);
}
DEFINE_KERNEL(sparse_top_k_categorical_accuracy)
{
    ARGUMENTS(sparse_top_k_categorical_accuracy);
    UNUSED(worker);
    TYPED(loss_case) given = METRIC_CASE(a->groups, a->classes, a->k);
    TYPED(mean_of_groups)(TYPED(sparse_top_k), &given, 1, sizeof *a->target, block);
}

#undef METRIC_CASE
