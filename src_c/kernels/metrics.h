/* Metrics: value is (rows), of each row the mean over features or groups of what stands at the kernel. target and
   prediction are (rows, features) or (rows, groups * classes), labels (rows, groups). */

#define METRIC_CASE(number_of_groups, number_of_classes, parameter)                                                    \
    (TYPED(loss_case))                                                                                                 \
    {                                                                                                                  \
        .target = a->target, .prediction = a->prediction, .loss = a->value, .groups = (number_of_groups),              \
        .classes = (number_of_classes), .target_stride = a->target_stride, .prediction_stride = a->prediction_stride,  \
        .parameters = {(real)(parameter)},                                                                             \
    }

/* |p - t| */
DEFINE_KERNEL(mean_absolute_error)
{
    ARGUMENTS(mean_absolute_error);
    UNUSED(worker);
    TYPED(loss_case) given = METRIC_CASE(a->features, 1, 0);
    TYPED(mean_of_terms)(TYPED(absolute_difference), &given, block);
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

#undef METRIC_CASE
