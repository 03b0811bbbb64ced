/* Losses that look at all features of a group at once, as losses.h says. */

/* What a group is multiplied with before its squares are added, so that they do not overflow: 1 / max(1, max |x|). */
NN_INLINE real TYPED(row_scale)(const real *x, int64_t count)
{
    TYPED(lanes16) largest = TYPED(lanes16_set)(1);
    for (int64_t i = 0; i < count; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++) {
            const int64_t at = i + part * LANES;
            if (at < count) {
                vec size = TYPED(v_magnitude)(TYPED(v_load_up_to)(x + at, count - at));
                largest.part[part] = v_max(size, largest.part[part]);
            }
        }
    return 1 / TYPED(lanes16_max)(largest);
}

/* With |x| the root of the sum of squares, but 1e-7 where that is less: -sum of t p / (|t| |p|); its derivative
   (p c / |p| - t / |t|) / |p|, where c is the sum, and the first term is left away where |p| is less than 1e-7. Inside,
   p and t are scaled, and 1 / |x| with them. */
NN_INLINE vec TYPED(cosine_groups)(const TYPED(loss_groups) *now)
{
    const real most = (real)1e7;
    real values[LANES] = {0}, factor[LANES];
    v_store(factor, now->factor);
    for (int64_t g = 0; g < now->groups; g++) {
        const real *p = now->prediction + g * now->prediction_stride;
        const real *t = (const real *)now->target + g * now->target_stride;
        const real p_scale = TYPED(row_scale)(p, now->classes), t_scale = TYPED(row_scale)(t, now->classes);
        const vec scale_p = v_set(p_scale), scale_t = v_set(t_scale);
        TYPED(lanes16) pp = TYPED(lanes16_set)(0), tt = TYPED(lanes16_set)(0), tp = TYPED(lanes16_set)(0);
        for (int64_t i = 0; i < now->classes; i += 16)
            for (int part = 0; part < TYPED(PARTS); part++) {
                const int64_t at = i + part * LANES, count = now->classes - at;
                if (count > 0) {
                    vec one = v_mul(TYPED(v_load_up_to)(p + at, count), scale_p);
                    vec other = v_mul(TYPED(v_load_up_to)(t + at, count), scale_t);
                    pp.part[part] = v_fma(one, one, pp.part[part]);
                    tt.part[part] = v_fma(other, other, tt.part[part]);
                    tp.part[part] = v_fma(one, other, tp.part[part]);
                }
            }
        /* Only the scale 1 can belong to a length below 1e-7. */
        const vec one = v_set(1), bound = v_set(most);
        const vec inverse_p = v_div(one, v_sqrt(v_set(TYPED(lanes16_sum)(pp))));
        const vec of_p = v_min(bound, inverse_p);
        const vec of_t = v_min(bound, v_div(one, v_sqrt(v_set(TYPED(lanes16_sum)(tt)))));
        const vec cosine = v_mul(v_mul(v_set(TYPED(lanes16_sum)(tp)), of_p), of_t);
        values[g] = TYPED(v_lane_0)(v_sub(v_zero(), cosine));
        if (!now->gradient)
            continue;
        real *gradient = now->gradient + g * now->gradient_stride;
        const vec toward_p = v_select(v_less(bound, inverse_p), v_zero(), v_mul(cosine, of_p));
        const vec scale = v_mul(v_mul(of_p, scale_p), v_set(factor[g]));
        for (int64_t c = 0; c < now->classes; c += LANES) {
            const int64_t count = now->classes - c;
            vec own = v_mul(v_mul(TYPED(v_load_up_to)(p + c, count), scale_p), toward_p);
            vec other = v_mul(v_mul(TYPED(v_load_up_to)(t + c, count), scale_t), of_t);
            TYPED(v_store_up_to)(gradient + c, v_mul(v_sub(own, other), scale), count);
        }
    }
    return v_load(values);
}
DEFINE_KERNEL(cosine_similarity)
{
    ARGUMENTS(cosine_similarity);
    TYPED(loss_case) given = LOSS_CASE(a->groups, a->classes, 0);
    TYPED(mean_of_groups)(TYPED(cosine_groups), &given, a->classes, sizeof *a->target, block);
}

/* max(n - sum of t p + 1, 0) with n = max of (1 - t) p; where it is not 0, its derivative is -t, and 1 - t more at the
   class of n, of equals the first. */
NN_INLINE vec TYPED(categorical_hinge_groups)(const TYPED(loss_groups) *now)
{
    const vec one = v_set(1), lowest = v_set(-(real)__builtin_inf());
    real values[LANES] = {0}, factor[LANES];
    v_store(factor, now->factor);
    for (int64_t g = 0; g < now->groups; g++) {
        const real *p = now->prediction + g * now->prediction_stride;
        const real *t = (const real *)now->target + g * now->target_stride;
        TYPED(lanes16) right = TYPED(lanes16_set)(0), wrong = TYPED(lanes16_set)(-(real)__builtin_inf());
        for (int64_t i = 0; i < now->classes; i += 16)
            for (int part = 0; part < TYPED(PARTS); part++) {
                const int64_t at = i + part * LANES, count = now->classes - at;
                if (count > 0) {
                    vec prediction = TYPED(v_load_up_to)(p + at, count), target = TYPED(v_load_up_to)(t + at, count);
                    vec product = v_mul(v_sub(one, target), prediction);
                    if (count < LANES)
                        product = v_select(TYPED(v_first)(count), product, lowest);
                    right.part[part] = v_add(right.part[part], v_mul(target, prediction));
                    wrong.part[part] = v_max(wrong.part[part], product);
                }
            }
        const real largest = TYPED(lanes16_max)(wrong);
        const real margin = largest - TYPED(lanes16_sum)(right) + 1;
        values[g] = margin < 0 ? 0 : margin;
        if (!now->gradient)
            continue;
        int64_t first = 0; /* looked for before the gradient, which may take the prediction's place, is written */
        while (first < now->classes - 1 && (1 - t[first]) * p[first] < largest)
            first++;
        const vec minus_factor = v_set(margin > 0 ? -factor[g] : 0);
        real *gradient = now->gradient + g * now->gradient_stride;
        for (int64_t c = 0; c < now->classes; c += LANES) {
            const int64_t count = now->classes - c;
            TYPED(v_store_up_to)(gradient + c, v_mul(TYPED(v_load_up_to)(t + c, count), minus_factor), count);
        }
        if (margin > 0)
            gradient[first] = (1 - t[first] - t[first]) * factor[g];
    }
    return v_load(values);
}
DEFINE_KERNEL(categorical_hinge)
{
    ARGUMENTS(categorical_hinge);
    TYPED(loss_case) given = LOSS_CASE(a->groups, a->classes, 0);
    TYPED(mean_of_groups)(TYPED(categorical_hinge_groups), &given, a->classes, sizeof *a->target, block);
}

/* (s + (m - t)^2 e^-s) / 2 with mean m and log-variance s; its derivatives (m - t) e^-s and (1 - (m - t)^2 e^-s) / 2.
   e^-s is e^50 at most, in all three, so that they stay finite. */
NN_INLINE vec TYPED(gaussian_pair)(vec m, vec s, vec t, vec *mean_slope, vec *variance_slope)
{
    const vec half = v_set((real)0.5), difference = v_sub(m, t);
    const vec precision = TYPED(v_exp_bounded)(v_min(v_set(50), v_sub(v_zero(), s)));
    const vec distance = v_mul(v_mul(difference, difference), precision);
    *mean_slope = v_mul(difference, precision);
    *variance_slope = v_fnma(half, distance, half);
    return v_mul(half, v_add(s, distance));
}

NN_INLINE vec TYPED(gaussian_columns)(const TYPED(loss_groups) *now)
{
    const int64_t features = now->classes / 2;
    vec column[TYPED(NARROW)], target[TYPED(NARROW)];
    TYPED(load_columns)(column, now->prediction, now->prediction_stride, now->groups, now->classes);
    TYPED(load_columns)(target, now->target, now->target_stride, now->groups, features);
    const vec count = v_set((real)features), factor = v_div(now->factor, count);
    for (int64_t c = 0; c < features; c++) {
        vec slope, variance_slope;
        target[c] = TYPED(gaussian_pair)(column[c], column[features + c], target[c], &slope, &variance_slope);
        column[c] = v_mul(slope, factor);
        column[features + c] = v_mul(variance_slope, factor);
    }
    TYPED(clear_columns)(target, features);
    vec sum = TYPED(columns_sum)(target, features);
    if (now->gradient)
        TYPED(store_columns)(column, now->gradient, now->gradient_stride, now->groups, now->classes);
    return v_div(sum, count);
}

NN_INLINE vec TYPED(gaussian_rows)(const TYPED(loss_groups) *now)
{
    const int64_t features = now->classes / 2;
    const vec count = v_set((real)features);
    real sums[LANES] = {0}, factor[LANES];
    v_store(factor, v_div(now->factor, count));
    for (int64_t g = 0; g < now->groups; g++) {
        const real *m = now->prediction + g * now->prediction_stride, *s = m + features;
        const real *t = (const real *)now->target + g * now->target_stride;
        real *gradient = now->gradient ? now->gradient + g * now->gradient_stride : NULL;
        const vec scale = v_set(factor[g]);
        TYPED(lanes16) sum = TYPED(lanes16_set)(0);
        for (int64_t i = 0; i < features; i += 16)
            for (int part = 0; part < TYPED(PARTS); part++) {
                const int64_t at = i + part * LANES, rest = features - at;
                if (rest <= 0)
                    continue;
                vec slope, variance_slope;
                vec value = TYPED(gaussian_pair)(TYPED(v_load_up_to)(m + at, rest), TYPED(v_load_up_to)(s + at, rest),
                                                 TYPED(v_load_up_to)(t + at, rest), &slope, &variance_slope);
                sum.part[part] = v_add(sum.part[part], value); /* of lanes without a feature it is 0 */
                if (gradient) {
                    TYPED(v_store_up_to)(gradient + at, v_mul(slope, scale), rest);
                    TYPED(v_store_up_to)(gradient + features + at, v_mul(variance_slope, scale), rest);
                }
            }
        sums[g] = TYPED(lanes16_sum)(sum);
    }
    return v_div(v_load(sums), count);
}

/* The mean over features; prediction is (rows, groups * classes), the means and then the log-variances of each group;
   target is (rows, groups * classes / 2). */
NN_INLINE vec TYPED(gaussian_groups)(const TYPED(loss_groups) *now)
{
    return TYPED(in_columns)(now->groups, now->classes) ? TYPED(gaussian_columns)(now) : TYPED(gaussian_rows)(now);
}
DEFINE_KERNEL(gaussian_nll)
{
    ARGUMENTS(gaussian_nll);
    TYPED(loss_case) given = LOSS_CASE(a->groups, a->classes, 0);
    TYPED(mean_of_groups)(TYPED(gaussian_groups), &given, a->classes / 2, sizeof *a->target, block);
}
