/* Losses. Of each row r, with factor = scale / rows of the minibatch * weight[r] (a weight of 1 where there is none):
 *   loss[r] = weight[r] * value
 *   gradient[r][j] = factor * d value / d prediction[r][j], where it is wanted; it may be the prediction's memory
 * loss and weight are (rows); target is (rows, features) or (rows, groups * classes), prediction and gradient are as
 * target; labels are (rows, groups). The value is the mean over features or groups of what stands at each kernel. */

typedef struct TYPED(loss_case) {
    const void *target;              /* IN: real, or int32_t labels */
    const real *prediction, *weight; /* IN */
    const real *alpha;               /* IN: (classes), of a focal loss */
    real *loss, *gradient;           /* OUT */
    int64_t groups, classes;         /* the first are features where there are no classes */
    int64_t target_stride, prediction_stride, gradient_stride;
    int64_t ignored;    /* the label whose loss is 0; none where no int32 is that number */
    real factor;        /* scale / rows / groups */
    real parameters[5]; /* what a term or a group of classes is given beside prediction and target */
} TYPED(loss_case);

/* The rest are the parameters. */
#define LOSS_CASE(number_of_groups, number_of_classes, ...)                                                            \
    (TYPED(loss_case))                                                                                                 \
    {                                                                                                                  \
        .target = a->target, .prediction = a->prediction, .weight = a->weight, .loss = a->loss,                        \
        .gradient = a->gradient, .groups = (number_of_groups), .classes = (number_of_classes),                         \
        .target_stride = a->target_stride, .prediction_stride = a->prediction_stride,                                  \
        .gradient_stride = a->gradient_stride,                                                                         \
        .factor = (real)(a->scale / (double)worker->rows) / (real)(number_of_groups), .parameters = {__VA_ARGS__},     \
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

/* Up to LANES groups of classes: of one row, or the only ones of their rows. */
typedef struct TYPED(loss_groups) {
    const void *target;     /* IN: real, or int32_t labels */
    const real *prediction; /* IN */
    const real *alpha;      /* IN, or NULL */
    real *gradient;         /* OUT, or NULL */
    /* from group to group */
    int64_t target_stride, prediction_stride, gradient_stride;
    int64_t groups, classes, ignored;
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
        .ignored = given->ignored,
        .alpha = given->alpha,
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
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, 0);
    TYPED(mean_of_terms)(TYPED(squared_error), &given, block);
}

/* Added to a logarithm's argument, or the least that it or a denominator may be: Keras's epsilon. */
#define LEAST ((real)1e-7)

/* -1, 0 or 1; NaN where d is. */
NN_INLINE vec TYPED(sign_of)(vec d)
{
    return v_select(v_less(v_zero(), d), v_set(1), v_select(v_less(d, v_zero()), v_set(-1), d));
}

/* |p - t|; its derivative is 0 where it is. */
NN_INLINE vec TYPED(absolute_difference)(vec p, vec t, const real *parameters, vec *slope)
{
    UNUSED(parameters);
    vec difference = v_sub(p, t);
    *slope = TYPED(sign_of)(difference);
    return TYPED(v_magnitude)(difference);
}
DEFINE_KERNEL(absolute_error)
{
    ARGUMENTS(absolute_error);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, 0);
    TYPED(mean_of_terms)(TYPED(absolute_difference), &given, block);
}

/* 100 |p - t| / max(|t|, LEAST) */
NN_INLINE vec TYPED(percentage_error)(vec p, vec t, const real *parameters, vec *slope)
{
    UNUSED(parameters);
    vec difference = v_sub(p, t), size = v_max(v_set(LEAST), TYPED(v_magnitude)(t)), hundred = v_set(100);
    *slope = v_div(v_mul(hundred, TYPED(sign_of)(difference)), size);
    return v_mul(hundred, v_div(TYPED(v_magnitude)(difference), size));
}
DEFINE_KERNEL(mean_absolute_percentage_error)
{
    ARGUMENTS(mean_absolute_percentage_error);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, 0);
    TYPED(mean_of_terms)(TYPED(percentage_error), &given, block);
}

/* (log(1 + max(p, LEAST)) - log(1 + max(t, LEAST)))^2; its derivative is 0 for p < LEAST. */
NN_INLINE vec TYPED(squared_logarithmic_error)(vec p, vec t, const real *parameters, vec *slope)
{
    UNUSED(parameters);
    vec least = v_set(LEAST), difference = v_sub(TYPED(v_log1p)(v_max(least, p)), TYPED(v_log1p)(v_max(least, t)));
    vec inside = v_div(v_add(difference, difference), v_add(v_set(1), p));
    *slope = v_select(v_less(p, least), v_zero(), inside);
    return v_mul(difference, difference);
}
DEFINE_KERNEL(mean_squared_logarithmic_error)
{
    ARGUMENTS(mean_squared_logarithmic_error);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, 0);
    TYPED(mean_of_terms)(TYPED(squared_logarithmic_error), &given, block);
}

/* With d = p - t and c = min(|d|, delta): d^2 / 2 up to delta, delta (|d| - delta / 2) beyond, so c (|d| - c / 2); its
   derivative d within -delta .. delta. Parameter 0 is delta. */
NN_INLINE vec TYPED(huber_term)(vec p, vec t, const real *parameters, vec *slope)
{
    vec delta = v_set(parameters[0]), difference = v_sub(p, t), size = TYPED(v_magnitude)(difference);
    vec bounded = v_min(delta, size);
    *slope = v_min(delta, v_max(v_set(-parameters[0]), difference));
    return v_mul(bounded, v_fnma(v_set((real)0.5), bounded, size));
}
DEFINE_KERNEL(huber)
{
    ARGUMENTS(huber);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, (real)a->delta);
    TYPED(mean_of_terms)(TYPED(huber_term), &given, block);
}

/* With d = p - t: log(cosh(d)) = -log(1 - tanh(d)^2) / 2, which is exact to the last bits near 0, and
   |d| + log(1 + e^(-2 |d|)) - log(2), which is so from 3/4 on; its derivative tanh(d). */
NN_INLINE vec TYPED(log_cosh_term)(vec p, vec t, const real *parameters, vec *slope)
{
    UNUSED(parameters);
    vec d = v_sub(p, t), size = TYPED(v_magnitude)(d);
    vec tangent = *slope = TYPED(v_tanh)(d);
    vec near = v_mul(v_set((real)-0.5), TYPED(v_log1p)(v_sub(v_zero(), v_mul(tangent, tangent))));
    vec e = TYPED(v_exp_bounded)(v_mul(v_set(-2), size));
    vec far = v_add(v_sub(size, v_set((real)0x1.62e42fefa39efp-1)), TYPED(v_log1p_unit)(e));
    return v_select(v_less(size, v_set((real)0.75)), near, far);
}
DEFINE_KERNEL(log_cosh)
{
    ARGUMENTS(log_cosh);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, 0);
    TYPED(mean_of_terms)(TYPED(log_cosh_term), &given, block);
}

/* p - t log(p + LEAST) */
NN_INLINE vec TYPED(poisson_term)(vec p, vec t, const real *parameters, vec *slope)
{
    UNUSED(parameters);
    vec rate = v_add(p, v_set(LEAST));
    *slope = v_sub(v_set(1), v_div(t, rate));
    return v_fnma(t, TYPED(v_log)(rate), p);
}
DEFINE_KERNEL(poisson)
{
    ARGUMENTS(poisson);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, 0);
    TYPED(mean_of_terms)(TYPED(poisson_term), &given, block);
}

/* t log(t / p), both within LEAST .. 1, times parameter 0, the number of classes, as it is the sum over them that is
   wanted; its derivative -t / p, or 0 for p outside. */
NN_INLINE vec TYPED(kl_divergence_term)(vec p, vec t, const real *parameters, vec *slope)
{
    vec one = v_set(1), least = v_set(LEAST), classes = v_set(parameters[0]);
    t = v_mul(classes, v_min(one, v_max(least, t)));
    vec q = v_min(one, v_max(least, p)), inside = v_sub(v_zero(), v_div(t, q));
    *slope = v_select(v_less(p, least), v_zero(), v_select(v_less(one, p), v_zero(), inside));
    return v_mul(t, TYPED(v_log)(v_div(t, v_mul(classes, q))));
}
DEFINE_KERNEL(kl_divergence)
{
    ARGUMENTS(kl_divergence);
    TYPED(loss_case) given = LOSS_CASE(a->groups * a->classes, 1, (real)a->classes);
    TYPED(mean_of_terms)(TYPED(kl_divergence_term), &given, block);
}

/* Targets of hinge losses are -1 and 1; 0 stands for -1. */
NN_INLINE vec TYPED(hinge_target)(vec t)
{
    vec smallest = v_set((real)(sizeof(real) == 4 ? 0x1p-149 : 0x1p-1074));
    return v_select(v_less(TYPED(v_magnitude)(t), smallest), v_set(-1), t);
}

/* max(1 - t p, 0); its derivative is 0 where it is. */
NN_INLINE vec TYPED(hinge_term)(vec p, vec t, const real *parameters, vec *slope)
{
    UNUSED(parameters);
    t = TYPED(hinge_target)(t);
    vec margin = v_fnma(t, p, v_set(1));
    *slope = v_select(v_less(v_zero(), margin), v_sub(v_zero(), t), v_zero());
    return v_max(v_zero(), margin);
}
DEFINE_KERNEL(hinge)
{
    ARGUMENTS(hinge);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, 0);
    TYPED(mean_of_terms)(TYPED(hinge_term), &given, block);
}

/* max(1 - t p, 0)^2 */
NN_INLINE vec TYPED(squared_hinge_term)(vec p, vec t, const real *parameters, vec *slope)
{
    UNUSED(parameters);
    t = TYPED(hinge_target)(t);
    vec margin = v_max(v_zero(), v_fnma(t, p, v_set(1)));
    *slope = v_mul(v_mul(v_set(-2), t), margin);
    return v_mul(margin, margin);
}
DEFINE_KERNEL(squared_hinge)
{
    ARGUMENTS(squared_hinge);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, 0);
    TYPED(mean_of_terms)(TYPED(squared_hinge_term), &given, block);
}

/* (p - t)^2 / (2 variance) + offset, where offset is log(variance) / 2. Parameters are 1 / (2 variance) and offset. */
NN_INLINE vec TYPED(gaussian_term)(vec p, vec t, const real *parameters, vec *slope)
{
    vec difference = v_sub(p, t), scaled = v_mul(difference, v_set(parameters[0]));
    *slope = v_add(scaled, scaled);
    return v_fma(scaled, difference, v_set(parameters[1]));
}
DEFINE_KERNEL(gaussian_nll_fixed)
{
    ARGUMENTS(gaussian_nll_fixed);
    TYPED(loss_case) given = LOSS_CASE(a->features, 1, (real)(0.5 / a->variance), (real)a->offset);
    TYPED(mean_of_terms)(TYPED(gaussian_term), &given, block);
}

#undef LEAST

/* What becomes of a loss and its gradient, x of (rows, features), where it is not the mean over rows that is wanted:
 *   x *= scale rows           for their sum, or, with `divide`,
 *   x *= scale rows / count   for the sum divided by count, which is the sum over the whole minibatch of weights[data
 * row] but 0 for labels that are ignored; by 0 where count is. labels are (data rows) of `type`, weights (data rows) as
 * well; where there are none, no label is ignored and all weights are 1. Every block adds them up for itself. */
DEFINE_KERNEL(rescale_loss)
{
    ARGUMENTS(rescale_loss);
    double factor = a->scale * (double)worker->rows;
    if (a->divide) {
        double count = 0;
        for (int64_t row = 0; row < worker->rows; row++) {
            const real *weight =
                a->weights ? (const void *)TYPED(data_row)(worker, row, a->weights, (int64_t)sizeof(real)) : NULL;
            const int ignored =
                a->labels && TYPED(label_at)(TYPED(data_row)(worker, row, a->labels, a->label_stride_bytes),
                                             a->label_type) == a->ignored;
            count += ignored ? 0 : weight ? (double)*weight : 1;
        }
        factor = count > 0 ? factor / count : 0;
    }
    const vec scale = v_set((real)factor);
    for (int64_t row = block->row_begin; row < block->row_end; row++) {
        real *x = a->x + row * a->x_stride;
        for (int64_t i = 0; i < a->features; i += LANES)
            TYPED(v_store_up_to)(x + i, v_mul(TYPED(v_load_up_to)(x + i, a->features - i), scale), a->features - i);
    }
}
