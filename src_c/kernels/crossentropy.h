/* Cross-entropies, as losses.h says. */

/* Parameters 0 and 1 of losses whose targets are smoothed. */
#define SMOOTHING(label_smoothing, classes) (real)(1 - (label_smoothing)), (real)((label_smoothing) / (double)(classes))

/* target (1 - label_smoothing) + label_smoothing / classes */
NN_INLINE vec TYPED(smoothed)(vec target, const real *parameters)
{
    return v_fma(target, v_set(parameters[0]), v_set(parameters[1]));
}

/* The first `count` of them; other lanes are 0. */
NN_INLINE vec TYPED(load_smoothed)(const real *target, int64_t count, const real *parameters)
{
    vec all = TYPED(smoothed)(TYPED(v_load_up_to)(target, count), parameters);
    return count < LANES ? v_select(TYPED(v_first)(count), all, v_zero()) : all;
}

/* With t smoothed over two classes and e = e^-|x|: -(t log sigmoid(x) + (1 - t) log(1 - sigmoid(x)))
   = max(x, 0) - x t + log(1 + e); its derivative sigmoid(x) - t, where what cancels is subtracted first. */
NN_INLINE vec TYPED(logistic)(vec x, vec t, const real *parameters, vec *slope)
{
    vec one = v_set(1), e = TYPED(v_exp_bounded)(TYPED(v_minus_magnitude)(x));
    vec whole = v_select(v_less(x, v_zero()), e, one); /* as in v_sigmoid */
    t = TYPED(smoothed)(t, parameters);
    *slope = v_fnma(whole, v_div(e, v_add(one, e)), v_sub(whole, t));
    return v_add(v_fnma(x, t, v_max(v_zero(), x)), TYPED(v_log1p_unit)(e));
}
DEFINE_KERNEL(binary_crossentropy_logits)
{
    ARGUMENTS(binary_crossentropy_logits);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, SMOOTHING(a->label_smoothing, 2));
    TYPED(mean_of_terms)(TYPED(logistic), &given, block);
}

/* Probabilities are kept this far from 0 and 1, and have no gradient beyond. */
#define CLIP_LOW v_set((real)1e-7)
#define CLIP_HIGH v_set((real)(1 - 1e-7))
NN_INLINE vec TYPED(clipped)(vec p) { return v_min(CLIP_HIGH, v_max(CLIP_LOW, p)); }
NN_INLINE vec TYPED(where_not_clipped)(vec p, vec a)
{
    return v_select(v_less(p, CLIP_LOW), v_zero(), v_select(v_less(CLIP_HIGH, p), v_zero(), a));
}

/* -(t log p + (1 - t) log(1 - p)), t smoothed over two classes and p clipped; its derivative (p - t) / (p (1 - p)). */
NN_INLINE vec TYPED(binary_term)(vec p, vec t, const real *parameters, vec *slope)
{
    vec one = v_set(1), q = TYPED(clipped)(p);
    t = TYPED(smoothed)(t, parameters);
    *slope = TYPED(where_not_clipped)(p, v_div(v_sub(q, t), v_mul(q, v_sub(one, q))));
    vec of_others = v_mul(v_sub(one, t), TYPED(v_log1p)(v_sub(v_zero(), q)));
    return v_sub(v_zero(), v_fma(t, TYPED(v_log)(q), of_others));
}
DEFINE_KERNEL(binary_crossentropy)
{
    ARGUMENTS(binary_crossentropy);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, SMOOTHING(a->label_smoothing, 2));
    TYPED(mean_of_terms)(TYPED(binary_term), &given, block);
}

/* A label for each lane, groups as in load_square. */
NN_INLINE TYPED(words) TYPED(load_labels)(const TYPED(loss_groups) *now)
{
    const int32_t *label = now->target;
    TYPED(words) labels = {0};
    for (int lane = 0; lane < LANES; lane++) {
        labels[lane] = (TYPED(word))(int64_t)*label;
        label += lane + 1 < now->groups ? now->target_stride : 0;
    }
    return labels;
}

/* The label of group g, or -1 where it is no class or is ignored. */
NN_INLINE int64_t TYPED(label_of)(const TYPED(loss_groups) *now, int64_t g)
{
    int64_t label = ((const int32_t *)now->target)[g * now->target_stride];
    return label < now->classes && label != now->ignored ? label : -1;
}

/* All bits set where the label is ignored, none elsewhere. */
NN_INLINE TYPED(words) TYPED(ignored_labels)(const TYPED(loss_groups) *now)
{
    const int32_t *label = now->target;
    TYPED(words) ignored = {0};
    for (int64_t g = 0; g < now->groups; g++)
        ignored[g] = -(TYPED(word))(label[g * now->target_stride] == now->ignored);
    return ignored;
}

/* 0 where the label is ignored; else loss where `known` has all bits set, NaN where it has none. */
NN_INLINE vec TYPED(sparse_loss)(const TYPED(loss_groups) *now, TYPED(words) known, vec loss)
{
    return (vec)(((TYPED(words))loss | ~known) & ~TYPED(ignored_labels)(now));
}

/* With d = x - max x: -log softmax(x)[label] = log(sum of e^d) - d[label]; its derivative
   softmax(x)[c] - [c = label]. */
NN_INLINE vec TYPED(sparse_softmax_columns)(const TYPED(loss_groups) *now)
{
    vec column[TYPED(NARROW)];
    TYPED(load_columns)(column, now->prediction, now->prediction_stride, now->groups, now->classes);
    TYPED(words) label = TYPED(load_labels)(now), known = {0}, chosen = {0};
    vec largest = TYPED(columns_max)(column, now->classes);
    for (int64_t c = 0; c < now->classes; c++) {
        vec shifted = v_sub(column[c], largest);
        TYPED(words) match = (TYPED(words))(label == (TYPED(word))c);
        known |= match;
        chosen |= match & (TYPED(words))shifted;
        column[c] = TYPED(v_exp_bounded)(shifted);
    }
    vec sum = TYPED(columns_sum)(column, now->classes);
    known &= ~TYPED(ignored_labels)(now);
    if (now->gradient) {
        vec inverse = v_div(v_set(1), sum);
        for (int64_t c = 0; c < now->classes; c++) {
            TYPED(words) match = (TYPED(words))(label == (TYPED(word))c);
            vec slope = v_fma(column[c], inverse, (vec)(match & (TYPED(words))v_set(-1)));
            column[c] = (vec)((TYPED(words))v_mul(slope, now->factor) & known);
        }
        TYPED(store_columns)(column, now->gradient, now->gradient_stride, now->groups, now->classes);
    }
    return TYPED(sparse_loss)(now, known, v_sub(TYPED(v_log)(sum), (vec)chosen));
}

NN_INLINE vec TYPED(sparse_softmax_rows)(const TYPED(loss_groups) *now)
{
    real sums[LANES] = {0}, chosen[LANES] = {0}, factor[LANES], own[TYPED(OWN_TERMS) + LANES];
    TYPED(words) known = {0};
    v_store(factor, now->factor);
    for (int64_t g = 0; g < now->groups; g++) {
        const real *x = now->prediction + g * now->prediction_stride, largest = TYPED(row_max)(x, now->classes);
        real *gradient = now->gradient ? now->gradient + g * now->gradient_stride : NULL;
        const int64_t label = TYPED(label_of)(now, g);
        if (label >= 0) {
            known[g] = ~(TYPED(word))0;
            chosen[g] = x[label] - largest;
        }
        int64_t room;
        real *e = TYPED(terms_of_row)(own, gradient, now->classes, &room);
        sums[g] = TYPED(row_exp_sum)(x, largest, e, room, now->classes);
        if (!gradient)
            continue;
        const vec inverse = v_set(1 / sums[g]), scale = v_set(factor[g]), term = v_set(label < 0 ? 0 : e[label]);
        for (int64_t c = 0; c < now->classes; c += LANES) {
            vec softmax = v_mul(TYPED(v_load_up_to)(e + c, room - c), inverse);
            TYPED(v_store_up_to)(gradient + c, label < 0 ? v_zero() : v_mul(softmax, scale), now->classes - c);
        }
        if (label >= 0)
            gradient[label] = TYPED(v_lane_0)(v_mul(v_fma(term, inverse, v_set(-1)), scale));
    }
    return TYPED(sparse_loss)(now, known, v_sub(TYPED(v_log)(v_load(sums)), v_load(chosen)));
}

NN_INLINE vec TYPED(sparse_softmax)(const TYPED(loss_groups) *now)
{
    return TYPED(in_columns)(now->groups, now->classes) ? TYPED(sparse_softmax_columns)(now)
                                                        : TYPED(sparse_softmax_rows)(now);
}
DEFINE_KERNEL(sparse_categorical_crossentropy_logits)
{
    ARGUMENTS(sparse_categorical_crossentropy_logits);
    TYPED(loss_case) given = LOSS_CASE(a->groups, a->classes, 0);
    given.ignored = a->ignored;
    TYPED(mean_of_groups)(TYPED(sparse_softmax), &given, 1, sizeof *a->target, block);
}

/* With t smoothed and d = x - max x: -sum of t log softmax(x) = (sum of t) log(sum of e^d) - sum of t d; its
   derivative softmax(x)[c] (sum of t) - t[c]. */
NN_INLINE vec TYPED(dense_softmax_columns)(const TYPED(loss_groups) *now)
{
    vec column[TYPED(NARROW)], target[TYPED(NARROW)], product[TYPED(NARROW)];
    TYPED(load_columns)(column, now->prediction, now->prediction_stride, now->groups, now->classes);
    TYPED(load_columns)(target, now->target, now->target_stride, now->groups, now->classes);
    vec largest = TYPED(columns_max)(column, now->classes);
    for (int64_t c = 0; c < now->classes; c++) {
        vec shifted = v_sub(column[c], largest);
        target[c] = TYPED(smoothed)(target[c], now->parameters);
        product[c] = v_mul(target[c], shifted);
        column[c] = TYPED(v_exp_bounded)(shifted);
    }
    TYPED(clear_columns)(product, now->classes);
    vec sum = TYPED(columns_sum)(column, now->classes), targets = TYPED(columns_sum)(target, now->classes);
    if (now->gradient) {
        vec scale = v_div(targets, sum), minus_factor = v_sub(v_zero(), now->factor);
        for (int64_t c = 0; c < now->classes; c++)
            column[c] = v_mul(v_fnma(column[c], scale, target[c]), minus_factor);
        TYPED(store_columns)(column, now->gradient, now->gradient_stride, now->groups, now->classes);
    }
    return v_sub(v_mul(targets, TYPED(v_log)(sum)), TYPED(columns_sum)(product, now->classes));
}

NN_INLINE vec TYPED(dense_softmax_rows)(const TYPED(loss_groups) *now)
{
    real sums[LANES] = {0}, targets[LANES] = {0}, products[LANES] = {0}, minus_factor[LANES];
    real own[TYPED(OWN_TERMS) + LANES];
    v_store(minus_factor, v_sub(v_zero(), now->factor));
    for (int64_t g = 0; g < now->groups; g++) {
        const real *x = now->prediction + g * now->prediction_stride, largest = TYPED(row_max)(x, now->classes);
        const real *t = (const real *)now->target + g * now->target_stride;
        real *gradient = now->gradient ? now->gradient + g * now->gradient_stride : NULL;
        TYPED(lanes16) target_sum = TYPED(lanes16_set)(0), product_sum = TYPED(lanes16_set)(0);
        for (int64_t i = 0; i < now->classes; i += 16)
            for (int part = 0; part < TYPED(PARTS); part++) {
                const int64_t at = i + part * LANES, count = now->classes - at;
                if (count > 0) {
                    vec shifted = v_sub(TYPED(v_load_up_to_or)(x + at, count, v_set(largest)), v_set(largest));
                    vec target = TYPED(load_smoothed)(t + at, count, now->parameters);
                    target_sum.part[part] = v_add(target_sum.part[part], target);
                    product_sum.part[part] = v_add(product_sum.part[part], v_mul(target, shifted));
                }
            }
        targets[g] = TYPED(lanes16_sum)(target_sum);
        products[g] = TYPED(lanes16_sum)(product_sum);
        int64_t room;
        real *e = TYPED(terms_of_row)(own, gradient, now->classes, &room);
        sums[g] = TYPED(row_exp_sum)(x, largest, e, room, now->classes);
        if (!gradient)
            continue;
        const vec scale = v_set(targets[g] / sums[g]);
        for (int64_t c = 0; c < now->classes; c += LANES) {
            const int64_t count = now->classes - c;
            vec target = TYPED(load_smoothed)(t + c, count, now->parameters);
            vec difference = v_fnma(TYPED(v_load_up_to)(e + c, room - c), scale, target);
            TYPED(v_store_up_to)(gradient + c, v_mul(difference, v_set(minus_factor[g])), count);
        }
    }
    return v_sub(v_mul(v_load(targets), TYPED(v_log)(v_load(sums))), v_load(products));
}

NN_INLINE vec TYPED(dense_softmax)(const TYPED(loss_groups) *now)
{
    return TYPED(in_columns)(now->groups, now->classes) ? TYPED(dense_softmax_columns)(now)
                                                        : TYPED(dense_softmax_rows)(now);
}
DEFINE_KERNEL(categorical_crossentropy_logits)
{
    ARGUMENTS(categorical_crossentropy_logits);
    TYPED(loss_case) given = LOSS_CASE(a->groups, a->classes, SMOOTHING(a->label_smoothing, a->classes));
    TYPED(mean_of_groups)(TYPED(dense_softmax), &given, a->classes, sizeof *a->target, block);
}

/* With q = p / sum of p: -sum of t log q, t smoothed and q clipped; its derivative (A - t[c] / q[c]) / sum of p, where
   A is the sum of t, and where both t are 0 for classes whose q is clipped. */
NN_INLINE vec TYPED(dense_probabilities_columns)(const TYPED(loss_groups) *now)
{
    vec q[TYPED(NARROW)], target[TYPED(NARROW)], product[TYPED(NARROW)];
    TYPED(load_columns)(q, now->prediction, now->prediction_stride, now->groups, now->classes);
    TYPED(load_columns)(target, now->target, now->target_stride, now->groups, now->classes);
    const vec total = TYPED(columns_sum)(q, now->classes);
    for (int64_t c = 0; c < now->classes; c++) {
        q[c] = v_div(q[c], total);
        vec smoothed = TYPED(smoothed)(target[c], now->parameters);
        product[c] = v_mul(smoothed, TYPED(v_log)(TYPED(clipped)(q[c])));
        target[c] = TYPED(where_not_clipped)(q[c], smoothed);
    }
    TYPED(clear_columns)(product, now->classes);
    if (now->gradient) {
        vec all = TYPED(columns_sum)(target, now->classes);
        for (int64_t c = 0; c < now->classes; c++) {
            vec difference = v_sub(all, TYPED(where_not_clipped)(q[c], v_div(target[c], q[c])));
            q[c] = v_div(v_mul(difference, now->factor), total);
        }
        TYPED(store_columns)(q, now->gradient, now->gradient_stride, now->groups, now->classes);
    }
    return v_sub(v_zero(), TYPED(columns_sum)(product, now->classes));
}

NN_INLINE vec TYPED(dense_probabilities_rows)(const TYPED(loss_groups) *now)
{
    real products[LANES] = {0}, factor[LANES];
    v_store(factor, now->factor);
    for (int64_t g = 0; g < now->groups; g++) {
        const real *p = now->prediction + g * now->prediction_stride;
        const real *t = (const real *)now->target + g * now->target_stride;
        const vec total = v_set(TYPED(lanes16_sum)(TYPED(lanes16_add)(TYPED(lanes16_set)(0), p, now->classes)));
        TYPED(lanes16) product_sum = TYPED(lanes16_set)(0), target_sum = TYPED(lanes16_set)(0);
        for (int64_t i = 0; i < now->classes; i += 16)
            for (int part = 0; part < TYPED(PARTS); part++) {
                const int64_t at = i + part * LANES, count = now->classes - at;
                if (count > 0) {
                    vec q = v_div(TYPED(v_load_up_to)(p + at, count), total);
                    vec target = TYPED(load_smoothed)(t + at, count, now->parameters);
                    vec product = v_mul(target, TYPED(v_log)(TYPED(clipped)(q)));
                    product_sum.part[part] = v_add(product_sum.part[part], product);
                    target_sum.part[part] = v_add(target_sum.part[part], TYPED(where_not_clipped)(q, target));
                }
            }
        products[g] = TYPED(lanes16_sum)(product_sum);
        if (!now->gradient)
            continue;
        const vec all = v_set(TYPED(lanes16_sum)(target_sum));
        for (int64_t c = 0; c < now->classes; c += LANES) {
            const int64_t count = now->classes - c;
            vec q = v_div(TYPED(v_load_up_to)(p + c, count), total);
            vec target = TYPED(load_smoothed)(t + c, count, now->parameters);
            vec difference = v_sub(all, TYPED(where_not_clipped)(q, v_div(target, q)));
            vec slope = v_div(v_mul(difference, v_set(factor[g])), total);
            TYPED(v_store_up_to)(now->gradient + g * now->gradient_stride + c, slope, count);
        }
    }
    return v_sub(v_zero(), v_load(products));
}

NN_INLINE vec TYPED(dense_probabilities)(const TYPED(loss_groups) *now)
{
    return TYPED(in_columns)(now->groups, now->classes) ? TYPED(dense_probabilities_columns)(now)
                                                        : TYPED(dense_probabilities_rows)(now);
}
DEFINE_KERNEL(categorical_crossentropy)
{
    ARGUMENTS(categorical_crossentropy);
    TYPED(loss_case) given = LOSS_CASE(a->groups, a->classes, SMOOTHING(a->label_smoothing, a->classes));
    TYPED(mean_of_groups)(TYPED(dense_probabilities), &given, a->classes, sizeof *a->target, block);
}

/* The same with t = [c = label]: -log q[label]; its derivative (1 - [c = label] / q[label]) / sum of p, or 0 where
   q[label] is clipped. */
NN_INLINE vec TYPED(sparse_probabilities)(const TYPED(loss_groups) *now)
{
    real totals[LANES] = {0}, chosen[LANES] = {0}, others[LANES], own[LANES];
    TYPED(words) known = {0};
    for (int64_t g = 0; g < now->groups; g++) {
        const real *p = now->prediction + g * now->prediction_stride;
        const int64_t label = TYPED(label_of)(now, g);
        totals[g] = TYPED(lanes16_sum)(TYPED(lanes16_add)(TYPED(lanes16_set)(0), p, now->classes));
        if (label >= 0) {
            known[g] = ~(TYPED(word))0;
            chosen[g] = p[label];
        }
    }
    vec total = v_load(totals), q = v_div(v_load(chosen), total), one = v_set(1);
    if (now->gradient) {
        vec slope = v_div(now->factor, total);
        v_store(others, TYPED(where_not_clipped)(q, slope));
        v_store(own, TYPED(where_not_clipped)(q, v_mul(slope, v_sub(one, v_div(one, q)))));
        for (int64_t g = 0; g < now->groups; g++) {
            real *gradient = now->gradient + g * now->gradient_stride;
            const int64_t label = TYPED(label_of)(now, g);
            for (int64_t c = 0; c < now->classes; c += LANES)
                TYPED(v_store_up_to)(gradient + c, v_set(label < 0 ? 0 : others[g]), now->classes - c);
            if (label >= 0)
                gradient[label] = own[g];
        }
    }
    return TYPED(sparse_loss)(now, known, v_sub(v_zero(), TYPED(v_log)(TYPED(clipped)(q))));
}
DEFINE_KERNEL(sparse_categorical_crossentropy)
{
    ARGUMENTS(sparse_categorical_crossentropy);
    TYPED(loss_case) given = LOSS_CASE(a->groups, a->classes, 0);
    given.ignored = a->ignored;
    TYPED(mean_of_groups)(TYPED(sparse_probabilities), &given, 1, sizeof *a->target, block);
}
