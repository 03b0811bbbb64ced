/* What metrics that are no mean add up over a minibatch, in one chain over its rows. Rows count with weight[r], (rows),
   or with 1 where it is NULL. target and prediction are (rows, width); labels are (rows, groups). */

NN_INLINE double TYPED(weight_of)(const real *weight, int64_t row) { return weight ? (double)weight[row] : 1; }

/* How many of the thresholds, which ascend, are below p; none for NaN. Where they are evenly spaced over 0 .. 1 the
   first guess is right or next to it. */
NN_INLINE int64_t TYPED(thresholds_below)(real p, const real *thresholds, int64_t count)
{
    const real guess = p * (real)(count - 1);
    int64_t below = guess > 0 ? guess < (real)(count - 1) ? (int64_t)guess + 1 : count : 0;
    while (below < count && p > thresholds[below])
        below++;
    while (below && !(p > thresholds[below - 1]))
        below--;
    return below;
}

/* Where the k-th largest of x is, of equals the first being the larger. NaN is no number of them: -1 where there is
   none, and the smallest where there are less than k. */
NN_INLINE int64_t TYPED(place_of_kth)(const real *x, int64_t classes, int64_t k)
{
    int64_t last = -1;
    for (; k; k--) {
        int64_t next = -1;
        for (int64_t c = 0; c < classes; c++) {
            const int follows = last < 0 || x[c] < x[last] || (x[c] == x[last] && c > last);
            if (follows && x[c] == x[c] && (next < 0 || x[c] > x[next]))
                next = c;
        }
        if (next < 0)
            break;
        last = next;
    }
    return last;
}

/* state[0 where target is 0 else 1][t] += weight for each prediction that is above t of the `count` thresholds, which
   ascend; above none where it is not among the top_k of its group's classes, unless top_k is 0. Classes first_class to
   last_class - 1 are looked at. With by_class there is such a state for each of these. */
DEFINE_KERNEL(count_above)
{
    ARGUMENTS(count_above);
    UNUSED(block);
    const int64_t places = a->count + 1;
    for (int64_t row = 0; row < worker->rows; row++) {
        const double weight = TYPED(weight_of)(a->weight, row);
        for (int64_t g = 0; g < a->groups; g++) {
            const real *p = a->prediction + row * a->prediction_stride + g * a->classes;
            const real *t = a->target + row * a->target_stride + g * a->classes;
            const int64_t last = a->top_k ? TYPED(place_of_kth)(p, a->classes, a->top_k) : -1;
            double *state = a->state;
            for (int64_t c = a->first_class; c < a->last_class; c++) {
                const int chosen = !a->top_k || (last >= 0 && (p[c] > p[last] || (p[c] == p[last] && c <= last)));
                const int64_t above = chosen ? TYPED(thresholds_below)(p[c], a->thresholds, a->count) : 0;
                state[(t[c] != 0 ? places : 0) + above] += weight;
                state += a->by_class ? 2 * places : 0;
            }
        }
    }
}

/* With s 1 where the class is predicted and 0 elsewhere: state, (4, classes), += the sums over rows of
   w s t, w s (1 - t), w (1 - s) t and w t. Predicted is p > threshold; or with by_largest the largest of the row, and
   its equals, unless |p| <= 1e-9; nothing in a row that has a NaN. */
DEFINE_KERNEL(f_score_sums)
{
    ARGUMENTS(f_score_sums);
    UNUSED(block);
    for (int64_t row = 0; row < worker->rows; row++) {
        const double weight = TYPED(weight_of)(a->weight, row);
        const real *p = a->prediction + row * a->prediction_stride, *t = a->target + row * a->target_stride;
        real largest = p[0];
        int unordered = 0;
        for (int64_t c = 0; c < a->classes; c++) {
            largest = p[c] > largest ? p[c] : largest;
            unordered |= p[c] != p[c];
        }
        for (int64_t c = 0; c < a->classes; c++) {
            const int near_zero = p[c] <= (real)1e-9 && p[c] >= (real)-1e-9;
            const int chosen = a->by_largest ? !unordered && p[c] >= largest && !near_zero : p[c] > (real)a->threshold;
            const double target = (double)t[c], predicted = chosen ? 1 : 0;
            a->state[c] += weight * (predicted * target);
            a->state[a->classes + c] += weight * (predicted * (1 - target));
            a->state[2 * a->classes + c] += weight * ((1 - predicted) * target);
            a->state[3 * a->classes + c] += weight * target;
        }
    }
}

/* state, 3 features + 2, += the sums over rows of w t, (features), of w t^2 and of w (t - p)^2; then that of w, and
   rows * features. */
DEFINE_KERNEL(r2_sums)
{
    ARGUMENTS(r2_sums);
    UNUSED(block);
    const int64_t features = a->features;
    for (int64_t row = 0; row < worker->rows; row++) {
        const double weight = TYPED(weight_of)(a->weight, row);
        const real *p = a->prediction + row * a->prediction_stride, *t = a->target + row * a->target_stride;
        for (int64_t i = 0; i < features; i++) {
            const double target = (double)t[i], difference = target - (double)p[i];
            a->state[i] += weight * target;
            a->state[features + i] += weight * (target * target);
            a->state[2 * features + i] += weight * (difference * difference);
        }
        a->state[3 * features] += weight;
    }
    a->state[3 * features + 1] += (double)(worker->rows * features);
}

/* The class that x says: where the largest of its elements is, a NaN being the largest and of equals the first; or
   where there is one element that number without its fraction. -1 where it is none of `count` classes. */
NN_INLINE int64_t TYPED(class_of)(const real *x, int64_t elements, int64_t count)
{
    if (elements == 1)
        return x[0] > -1 && x[0] < (real)count ? (int64_t)x[0] : -1;
    int64_t best = 0;
    for (int64_t c = 1; c < elements; c++)
        if (x[c] > x[best] || (x[c] != x[c] && x[best] == x[best]))
            best = c;
    return best < count ? best : -1;
}

/* state[true class][predicted class], (count, count), += weight for each group, but where the true class is the one
   ignored or either is none of `count`. A group's prediction is (classes), or a class in one element, or with
   by_threshold p >= threshold; its target is a label, or else (target_classes). */
DEFINE_KERNEL(confusion_matrix)
{
    ARGUMENTS(confusion_matrix);
    UNUSED(block);
    for (int64_t row = 0; row < worker->rows; row++) {
        const double weight = TYPED(weight_of)(a->weight, row);
        for (int64_t g = 0; g < a->groups; g++) {
            const real *p = a->prediction + row * a->prediction_stride + g * a->classes;
            const int64_t predicted =
                a->by_threshold ? p[0] >= (real)a->threshold : TYPED(class_of)(p, a->classes, a->count);
            const int64_t truth = a->labels
                                      ? a->labels[row * a->target_stride + g]
                                      : TYPED(class_of)(a->target + row * a->target_stride + g * a->target_classes,
                                                        a->target_classes, a->count);
            if (truth >= 0 && truth < a->count && truth != a->ignored && predicted >= 0)
                a->state[truth * a->count + predicted] += weight;
        }
    }
}
