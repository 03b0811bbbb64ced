/* Losses. Of each row r, with factor = scale / rows of the minibatch * weight[r] (a weight of 1 where there is none):
 *   loss[r] = weight[r] * value
 *   gradient[r][j] = factor * d value / d prediction[r][j], where it is wanted; it may be the prediction's memory
 * loss and weight are (rows); target is (rows, features) or (rows, groups * classes), prediction and gradient are as
 * target; labels are (rows, groups). The value is the mean over features or groups of what stands at each kernel. */

typedef struct TYPED(loss_case) {
    const void *target;              /* IN: real, or int32_t labels */
    const real *prediction, *weight; /* IN */
    real *loss, *gradient;           /* OUT */
    int64_t groups, classes;         /* the first are features where there are no classes */
    int64_t target_stride, prediction_stride, gradient_stride;
    real factor;        /* scale / rows / groups */
    real parameters[2]; /* of `smoothed`, or a metric's threshold */
} TYPED(loss_case);

#define LOSS_CASE(number_of_groups, number_of_classes, smoothing)                                                      \
    (TYPED(loss_case))                                                                                                 \
    {                                                                                                                  \
        .target = a->target, .prediction = a->prediction, .weight = a->weight, .loss = a->loss,                        \
        .gradient = a->gradient, .groups = (number_of_groups), .classes = (number_of_classes),                         \
        .target_stride = a->target_stride, .prediction_stride = a->prediction_stride,                                  \
        .gradient_stride = a->gradient_stride,                                                                         \
        .factor = (real)(a->scale / (double)worker->rows) / (real)(number_of_groups),                                  \
        .parameters = {(real)(1 - (smoothing)), (real)((smoothing) / (double)(number_of_classes))},                    \
    }

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

/* Elements are taken a tile at a time, without gaps, so that lanes are full however narrow a row is: as many whole
   rows as fit, or a piece of one row. */
enum { TYPED(TILE) = 256 };

/* Rows without gaps: where they stand, or copied to `dense`. */
NN_INLINE const real *TYPED(dense_rows)(const real *x, int64_t stride, int64_t rows, int64_t width, real *dense)
{
    if (rows == 1 || stride == width)
        return x;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < width; i += LANES) /* the next row overwrites what is too much of a row */
            v_store(dense + row * width + i, TYPED(v_load_up_to)(x + row * stride + i, width - i));
    return dense;
}

/* Rows without gaps to rows `stride` apart. Reads less than LANES elements behind them. */
NN_INLINE void TYPED(spread_rows)(const real *dense, real *y, int64_t stride, int64_t rows, int64_t width)
{
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < width; i += LANES)
            TYPED(v_store_up_to)(y + row * stride + i, v_load(dense + row * width + i), width - i);
}

/* The mean over features of `term`, whose derivative is `slope`. */
NN_INLINE void TYPED(mean_of_terms)(vec (*term)(vec prediction, vec target, const real *parameters, vec *slope),
                                    const TYPED(loss_case) *given, const nn_block *block)
{
    real predictions[TYPED(TILE) + LANES], targets[TYPED(TILE) + LANES], gradients[TYPED(TILE) + LANES];
    real values[TYPED(TILE) + LANES], factors[TYPED(TILE) + LANES], sums[TYPED(TILE)];
    const int64_t features = given->groups, rows_at_once = features < TYPED(TILE) ? TYPED(TILE) / features : 1;
    for (int64_t row = block->row_begin; row < block->row_end; row += rows_at_once) {
        const int64_t rows = block->row_end - row < rows_at_once ? block->row_end - row : rows_at_once;
        const real *weight = given->weight ? given->weight + row : NULL;
        TYPED(lanes16) sum = TYPED(lanes16_set)(0);
        for (int64_t first = 0; first < features; first += TYPED(TILE)) {
            const int64_t width = features - first < TYPED(TILE) ? features - first : TYPED(TILE);
            const real *prediction = given->prediction + row * given->prediction_stride + first;
            const real *target = (const real *)given->target + row * given->target_stride + first;
            prediction = TYPED(dense_rows)(prediction, given->prediction_stride, rows, width, predictions);
            target = TYPED(dense_rows)(target, given->target_stride, rows, width, targets);
            real *const wanted = given->gradient ? given->gradient + row * given->gradient_stride + first : NULL;
            real *const gradient = wanted && rows > 1 && given->gradient_stride != width ? gradients : wanted;
            if (gradient && first == 0 && (weight || row == block->row_begin))
                for (int64_t r = 0; r < rows; r++)
                    for (int64_t i = 0; i < width; i += LANES)
                        v_store(factors + r * width + i, v_set(weight ? given->factor * weight[r] : given->factor));
            for (int64_t i = 0, count = rows * width; i < count; i += LANES) {
                vec slope, p = TYPED(v_load_up_to)(prediction + i, count - i);
                v_store(values + i, term(p, TYPED(v_load_up_to)(target + i, count - i), given->parameters, &slope));
                if (gradient)
                    TYPED(v_store_up_to)(gradient + i, v_mul(slope, v_load(factors + i)), count - i);
            }
            if (gradient != wanted)
                TYPED(spread_rows)(gradient, wanted, given->gradient_stride, rows, width);
            for (int64_t r = 0; r < rows; r++)
                if (features == 1)
                    sums[r] = values[r];
                else {
                    sum = TYPED(lanes16_add)(first ? sum : TYPED(lanes16_set)(0), values + r * width, width);
                    sums[r] = TYPED(lanes16_sum)(sum);
                }
        }
        for (int64_t r = 0; r < rows; r++)
            given->loss[row + r] = (weight ? weight[r] : 1) * (sums[r] / (real)features);
    }
}

/* (p - t)^2 */
NN_INLINE vec TYPED(squared_error)(vec p, vec t, const real *parameters, vec *slope)
{
    UNUSED(parameters);
    vec difference = v_sub(p, t);
    *slope = v_add(difference, difference);
    return v_mul(difference, difference);
}
DEFINE_KERNEL(mean_squared_error)
{
    ARGUMENTS(mean_squared_error);
    TYPED(loss_case) given = LOSS_CASE(a->features, 2, 0.0);
    TYPED(mean_of_terms)(TYPED(squared_error), &given, block);
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
    TYPED(loss_case) given = LOSS_CASE(a->features, 2, a->label_smoothing);
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
    TYPED(loss_case) given = LOSS_CASE(a->features, 2, a->label_smoothing);
    TYPED(mean_of_terms)(TYPED(binary_term), &given, block);
}

/* Up to LANES groups of classes: of one row, or the only ones of their rows. */
typedef struct TYPED(loss_groups) {
    const void *target;     /* IN: real, or int32_t labels */
    const real *prediction; /* IN */
    real *gradient;         /* OUT, or NULL */
    /* from group to group */
    int64_t target_stride, prediction_stride, gradient_stride;
    int64_t groups, classes;
    const real *parameters;
    vec factor; /* of the gradient, a lane for each group */
} TYPED(loss_groups);

/* The mean over groups of `values`, which gives a lane to each group. target_width: elements of a group's target. */
NN_INLINE void TYPED(mean_of_groups)(vec (*values)(const TYPED(loss_groups) *), const TYPED(loss_case) *given,
                                     int64_t target_width, size_t target_size, const nn_block *block)
{
    const int single = given->groups == 1;
    const real *weight = given->weight;
    TYPED(loss_groups) now = {
        .target_stride = single ? given->target_stride : target_width,
        .prediction_stride = single ? given->prediction_stride : given->classes,
        .gradient_stride = single ? given->gradient_stride : given->classes,
        .classes = given->classes,
        .parameters = given->parameters,
    };
    for (int64_t row = block->row_begin; row < block->row_end; row += single ? LANES : 1) {
        const int64_t rows = block->row_end - row;
        double sum = 0;
        for (int64_t first = 0; first < given->groups; first += LANES) {
            now.groups = single ? rows : given->groups - first;
            if (now.groups > LANES)
                now.groups = LANES;
            now.target = (const char *)given->target +
                         (row * given->target_stride + first * target_width) * (int64_t)target_size;
            now.prediction = given->prediction + row * given->prediction_stride + first * given->classes;
            now.gradient =
                given->gradient ? given->gradient + row * given->gradient_stride + first * given->classes : NULL;
            vec weights = v_set(1);
            if (weight)
                weights = single ? TYPED(v_load_up_to)(weight + row, now.groups) : v_set(weight[row]);
            now.factor = v_mul(v_set(given->factor), weights);
            vec value = values(&now);
            if (single)
                TYPED(v_store_up_to)(given->loss + row, v_mul(weights, value), now.groups);
            else {
                real lane[LANES];
                v_store(lane, value);
                for (int64_t g = 0; g < now.groups; g++)
                    sum += (double)lane[g];
            }
        }
        if (!single)
            given->loss[row] = (weight ? weight[row] : 1) * (real)(sum / (double)given->groups);
    }
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

/* The label of group g, or -1 where it is no class. */
NN_INLINE int64_t TYPED(label_of)(const TYPED(loss_groups) *now, int64_t g)
{
    int64_t label = ((const int32_t *)now->target)[g * now->target_stride];
    return label < now->classes ? label : -1;
}

/* loss where `known` has all bits set, NaN where it has none. */
NN_INLINE vec TYPED(nan_unless)(TYPED(words) known, vec loss) { return (vec)((TYPED(words))loss | ~known); }

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
    if (now->gradient) {
        vec inverse = v_div(v_set(1), sum);
        for (int64_t c = 0; c < now->classes; c++) {
            TYPED(words) match = (TYPED(words))(label == (TYPED(word))c);
            vec slope = v_fma(column[c], inverse, (vec)(match & (TYPED(words))v_set(-1)));
            column[c] = (vec)((TYPED(words))v_mul(slope, now->factor) & known);
        }
        TYPED(store_columns)(column, now->gradient, now->gradient_stride, now->groups, now->classes);
    }
    return TYPED(nan_unless)(known, v_sub(TYPED(v_log)(sum), (vec)chosen));
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
    return TYPED(nan_unless)(known, v_sub(TYPED(v_log)(v_load(sums)), v_load(chosen)));
}

NN_INLINE vec TYPED(sparse_softmax)(const TYPED(loss_groups) *now)
{
    return TYPED(in_columns)(now->groups, now->classes) ? TYPED(sparse_softmax_columns)(now)
                                                        : TYPED(sparse_softmax_rows)(now);
}
DEFINE_KERNEL(sparse_categorical_crossentropy_logits)
{
    ARGUMENTS(sparse_categorical_crossentropy_logits);
    TYPED(loss_case) given = LOSS_CASE(a->groups, a->classes, 0.0);
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
    TYPED(loss_case) given = LOSS_CASE(a->groups, a->classes, a->label_smoothing);
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
    TYPED(loss_case) given = LOSS_CASE(a->groups, a->classes, a->label_smoothing);
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
    return TYPED(nan_unless)(known, v_sub(v_zero(), TYPED(v_log)(TYPED(clipped)(q))));
}
DEFINE_KERNEL(sparse_categorical_crossentropy)
{
    ARGUMENTS(sparse_categorical_crossentropy);
    TYPED(loss_case) given = LOSS_CASE(a->groups, a->classes, 0.0);
    TYPED(mean_of_groups)(TYPED(sparse_probabilities), &given, 1, sizeof *a->target, block);
}

#undef LOSS_CASE
#undef CLIP_LOW
#undef CLIP_HIGH
