/* Normalization: numbers get mean 0 and variance 1, over the minibatch, over groups of channels, or along a sample's
 * last axes; then gamma and beta give each channel a deviation and a mean of its own.
 *
 * Samples are (positions, channels) without gaps. What belongs to a channel of a sample is (rows, channels), its rows
 * statistics_stride apart; where that is 0 all samples share one row.
 *
 * Mean m and variance of n numbers are taken in two passes, so that the error does not grow with m: with m' the rounded
 * mean of the first pass and d = x - m', m = m' + sum d / n and sum (x - m)^2 = sum d^2 - (sum d)^2 / n. */

typedef struct TYPED(moments) {
    vec mean, squares; /* the second: sum (x - mean)^2 */
} TYPED(moments);

NN_INLINE TYPED(moments) TYPED(corrected)(vec first, vec deviations, vec squares, real count)
{
    const vec shift = v_div(deviations, v_set(count));
    return (TYPED(moments)){v_add(first, shift), v_max(v_zero(), v_fnma(deviations, shift, squares))};
}

/* Sums over rows of each column of a vector: rows are dealt to four sums in turn, added as in column_sum. */
enum { TYPED(SUMS) = 4 };

NN_INLINE vec TYPED(sum_of_four)(const vec *sum) { return v_add(v_add(sum[0], sum[2]), v_add(sum[1], sum[3])); }

NN_INLINE vec TYPED(sum_down)(const real *x, int64_t stride, int64_t count, int64_t lanes)
{
    vec sum[TYPED(SUMS)] = {v_zero(), v_zero(), v_zero(), v_zero()};
    int64_t r = 0;
    for (; r + TYPED(SUMS) <= count; r += TYPED(SUMS))
        for (int i = 0; i < TYPED(SUMS); i++)
            sum[i] = v_add(sum[i], TYPED(v_load_up_to)(x + (r + i) * stride, lanes));
    for (int i = 0; r + i < count; i++)
        sum[i] = v_add(sum[i], TYPED(v_load_up_to)(x + (r + i) * stride, lanes));
    return TYPED(sum_of_four)(sum);
}

NN_INLINE TYPED(moments) TYPED(moments_down)(const real *x, int64_t stride, int64_t count, int64_t lanes)
{
    const vec first = v_div(TYPED(sum_down)(x, stride, count, lanes), v_set((real)count));
    vec sum[TYPED(SUMS)] = {v_zero(), v_zero(), v_zero(), v_zero()};
    vec squares[TYPED(SUMS)] = {v_zero(), v_zero(), v_zero(), v_zero()};
    for (int64_t r = 0; r < count; r += TYPED(SUMS))
        for (int i = 0; i < TYPED(SUMS) &&r + i < count; i++) {
            const vec d = v_sub(TYPED(v_load_up_to)(x + (r + i) * stride, lanes), first);
            sum[i] = v_add(sum[i], d);
            squares[i] = v_fma(d, d, squares[i]);
        }
    return TYPED(corrected)(first, TYPED(sum_of_four)(sum), TYPED(sum_of_four)(squares), (real)count);
}

/* sum dy, and sum dy (x - mean), or sum x where mean is NULL: x is then made of such products. */
typedef struct TYPED(normalized_slopes) {
    vec sum, products;
} TYPED(normalized_slopes);

NN_INLINE TYPED(normalized_slopes) TYPED(slopes_down)(const real *dy, int64_t dy_stride, const real *x,
                                                      int64_t x_stride, const real *mean, int64_t count, int64_t lanes)
{
    if (!mean)
        return (TYPED(normalized_slopes)){TYPED(sum_down)(dy, dy_stride, count, lanes),
                                          TYPED(sum_down)(x, x_stride, count, lanes)};
    const vec center = TYPED(v_load_up_to)(mean, lanes);
    vec sum[TYPED(SUMS)] = {v_zero(), v_zero(), v_zero(), v_zero()};
    vec products[TYPED(SUMS)] = {v_zero(), v_zero(), v_zero(), v_zero()};
    for (int64_t r = 0; r < count; r += TYPED(SUMS))
        for (int i = 0; i < TYPED(SUMS) &&r + i < count; i++) {
            const vec slope = TYPED(v_load_up_to)(dy + (r + i) * dy_stride, lanes);
            const vec d = v_sub(TYPED(v_load_up_to)(x + (r + i) * x_stride, lanes), center);
            sum[i] = v_add(sum[i], slope);
            products[i] = v_fma(slope, d, products[i]);
        }
    return (TYPED(normalized_slopes)){TYPED(sum_of_four)(sum), TYPED(sum_of_four)(products)};
}

/* Of each sample and channel, over its positions: mean = sum x / positions, squares = sum (x - mean)^2; both are
   (rows, channels). */
DEFINE_KERNEL(sample_moments)
{
    ARGUMENTS(sample_moments);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t j = 0; j < a->channels; j += LANES) {
            const int64_t lanes = a->channels - j, place = r * a->statistics_stride + j;
            const TYPED(moments) found =
                TYPED(moments_down)(a->x + r * a->x_stride + j, a->channels, a->positions, lanes);
            TYPED(v_store_up_to)(a->mean + place, found.mean, lanes);
            TYPED(v_store_up_to)(a->squares + place, found.squares, lanes);
        }
}

/* Of each sample and channel, over its positions: sums = sum dy, products = sum dy (x - mean); both are (rows,
   channels), sums_stride apart. */
DEFINE_KERNEL(sample_slopes)
{
    ARGUMENTS(sample_slopes);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t j = 0; j < a->channels; j += LANES) {
            const int64_t lanes = a->channels - j, place = r * a->sums_stride + j;
            const TYPED(normalized_slopes) found =
                TYPED(slopes_down)(a->dy + r * a->dy_stride + j, a->channels, a->x + r * a->x_stride + j, a->channels,
                                   a->mean + r * a->statistics_stride + j, a->positions, lanes);
            TYPED(v_store_up_to)(a->sums + place, found.sum, lanes);
            TYPED(v_store_up_to)(a->products + place, found.products, lanes);
        }
}

/* Of each channel, over the minibatch: mean and variance, (channels). x is (rows, channels): the samples, or with
   `squares`, of which there are as many, the means of their positions as sample_moments gives both. */
DEFINE_KERNEL(batch_moments)
{
    ARGUMENTS(batch_moments);
    for (int64_t j = block->column_begin; j < block->column_end; j += LANES) {
        const int64_t lanes = block->column_end - j;
        const TYPED(moments) found = TYPED(moments_down)(a->x + j, a->x_stride, worker->rows, lanes);
        vec squares = found.squares;
        if (a->squares)
            squares = v_fma(squares, v_set((real)a->positions),
                            TYPED(sum_down)(a->squares + j, a->squares_stride, worker->rows, lanes));
        TYPED(v_store_up_to)(a->mean + j, found.mean, lanes);
        TYPED(v_store_up_to)(a->variance + j, v_div(squares, v_set((real)(worker->rows * a->positions))), lanes);
    }
}

/* inverse = 1 / sqrt(variance + epsilon), scale = gamma inverse; gamma is 1 where it is NULL. All are (channels). */
DEFINE_KERNEL(normalization_scale)
{
    ARGUMENTS(normalization_scale);
    UNUSED(worker);
    for (int64_t j = block->column_begin; j < block->column_end; j += LANES) {
        const int64_t lanes = block->column_end - j;
        const vec variance = TYPED(v_load_up_to)(a->variance + j, lanes);
        const vec inverse = v_div(v_set(1), v_sqrt(v_add(variance, v_set((real)a->epsilon))));
        const vec scale = a->gamma ? v_mul(TYPED(v_load_up_to)(a->gamma + j, lanes), inverse) : inverse;
        TYPED(v_store_up_to)(a->inverse + j, inverse, lanes);
        TYPED(v_store_up_to)(a->scale + j, scale, lanes);
    }
}

/* scale = d, or 1 / d unless `deviation`: d = sqrt(variance), at least `least`. Both are (channels). */
DEFINE_KERNEL(deviation_scale)
{
    ARGUMENTS(deviation_scale);
    UNUSED(worker);
    for (int64_t j = block->column_begin; j < block->column_end; j += LANES) {
        const int64_t lanes = block->column_end - j;
        const vec root = v_sqrt(TYPED(v_load_up_to)(a->variance + j, lanes));
        const vec d = v_max(v_set((real)a->least), root); /* NaN where the variance is */
        TYPED(v_store_up_to)(a->scale + j, a->deviation ? d : v_div(v_set(1), d), lanes);
    }
}

/* Up to LANES elements of y. */
NN_INLINE vec TYPED(normalized)(const real *x, const real *mean, const real *scale, const real *beta, int64_t lanes)
{
    vec value = TYPED(v_load_up_to)(x, lanes);
    if (mean)
        value = v_sub(value, TYPED(v_load_up_to)(mean, lanes));
    return v_fma(value, TYPED(v_load_up_to)(scale, lanes), beta ? TYPED(v_load_up_to)(beta, lanes) : v_zero());
}

/* y = (x - mean) scale + beta; mean and beta are 0 where they are NULL, beta is (channels). */
DEFINE_KERNEL(normalize)
{
    ARGUMENTS(normalize);
    UNUSED(worker);
    const int64_t channels = a->channels, positions = a->positions;
    const real *const beta = a->beta;
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const real *const mean = a->mean ? a->mean + r * a->statistics_stride : NULL;
        const real *const scale = a->scale + r * a->statistics_stride;
        const real *x = a->x + r * a->x_stride;
        real *y = a->y + r * a->y_stride;
        for (int64_t p = 0; p < positions; p++, x += channels, y += channels) {
            int64_t j = 0;
            for (; j + LANES <= channels; j += LANES)
                v_store(y + j,
                        TYPED(normalized)(x + j, mean ? mean + j : NULL, scale + j, beta ? beta + j : NULL, LANES));
            if (j < channels)
                v_store_first(
                    y + j,
                    TYPED(normalized)(x + j, mean ? mean + j : NULL, scale + j, beta ? beta + j : NULL, channels - j),
                    channels - j);
        }
    }
}

/* Of each channel, over the minibatch, with n = rows positions and all four results (channels):
     sums = sum dy, products = inverse sum dy (x - mean), the gradients of beta and gamma;
     shift = scale sums / n, slope = scale inverse products / n, where they are wanted.
   x and dy are (rows, channels): of the samples, or where mean is NULL products and sums as sample_slopes gives them.
 */
DEFINE_KERNEL(batch_slopes)
{
    ARGUMENTS(batch_slopes);
    const vec count = v_set((real)(worker->rows * a->positions));
    for (int64_t j = block->column_begin; j < block->column_end; j += LANES) {
        const int64_t lanes = block->column_end - j;
        const TYPED(normalized_slopes) found = TYPED(slopes_down)(a->dy + j, a->dy_stride, a->x + j, a->x_stride,
                                                                  a->mean ? a->mean + j : NULL, worker->rows, lanes);
        const vec inverse = TYPED(v_load_up_to)(a->inverse + j, lanes), products = v_mul(inverse, found.products);
        const vec scale = TYPED(v_load_up_to)(a->scale + j, lanes);
        TYPED(v_store_up_to)(a->sums + j, found.sum, lanes);
        TYPED(v_store_up_to)(a->products + j, products, lanes);
        if (a->shift) {
            TYPED(v_store_up_to)(a->shift + j, v_div(v_mul(scale, found.sum), count), lanes);
            TYPED(v_store_up_to)(a->slope + j, v_div(v_mul(v_mul(scale, inverse), products), count), lanes);
        }
    }
}

/* Up to LANES elements of dx. */
NN_INLINE vec TYPED(normalized_slope)(const real *x, const real *dy, const real *mean, const real *scale,
                                      const real *shift, const real *slope, int gate, int64_t lanes)
{
    const vec value = TYPED(v_load_up_to)(x, lanes), d = v_sub(value, TYPED(v_load_up_to)(mean, lanes));
    const vec straight = v_mul(TYPED(v_load_up_to)(scale, lanes), TYPED(v_load_up_to)(dy, lanes));
    const vec bent = v_fnma(TYPED(v_load_up_to)(slope, lanes), d, straight);
    const vec dx = v_sub(bent, TYPED(v_load_up_to)(shift, lanes));
    return gate ? v_select(v_less(v_zero(), value), dx, v_zero()) : dx;
}

/* dx = scale dy - slope (x - mean) - shift; then 0 where x is not positive (gate: x is the output of a ReLU). dx may be
   dy's memory. */
DEFINE_KERNEL(normalize_backward)
{
    ARGUMENTS(normalize_backward);
    UNUSED(worker);
    const int64_t channels = a->channels, positions = a->positions;
    const int gate = a->gate != 0;
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const int64_t row = r * a->statistics_stride;
        const real *const mean = a->mean + row, *const scale = a->scale + row;
        const real *const shift = a->shift + row, *const slope = a->slope + row;
        const real *x = a->x + r * a->x_stride, *dy = a->dy + r * a->dy_stride;
        real *dx = a->dx + r * a->dx_stride;
        for (int64_t p = 0; p < positions; p++, x += channels, dy += channels, dx += channels) {
            int64_t j = 0;
            for (; j + LANES <= channels; j += LANES)
                v_store(dx + j,
                        TYPED(normalized_slope)(x + j, dy + j, mean + j, scale + j, shift + j, slope + j, gate, LANES));
            if (j < channels)
                v_store_first(dx + j,
                              TYPED(normalized_slope)(x + j, dy + j, mean + j, scale + j, shift + j, slope + j, gate,
                                                      channels - j),
                              channels - j);
        }
    }
}

/* average = momentum average + (1 - momentum) value, and 0 in place of a denormal number, in which an average of zeros
   would end. Both are (columns). */
DEFINE_KERNEL(moving_average)
{
    ARGUMENTS(moving_average);
    UNUSED(worker);
    const vec momentum = v_set((real)a->momentum), rest = v_set((real)(1 - a->momentum));
    for (int64_t j = block->column_begin; j < block->column_end; j += LANES) {
        const int64_t lanes = block->column_end - j;
        const vec added = v_mul(rest, TYPED(v_load_up_to)(a->value + j, lanes));
        const vec average = v_fma(momentum, TYPED(v_load_up_to)(a->average + j, lanes), added);
        TYPED(v_store_up_to)(a->average + j, TYPED(v_flush)(average), lanes);
    }
}

/* Mean and sum of squares of count neighbours, or without `centered` 0 and sum x^2: over 16 virtual lanes. */
NN_INLINE TYPED(moments) TYPED(moments_along)(const real *x, int64_t count, int centered)
{
    vec first = v_zero();
    if (centered)
        first =
            v_div(v_set(TYPED(lanes16_sum)(TYPED(lanes16_add)(TYPED(lanes16_set)(0), x, count))), v_set((real)count));
    TYPED(lanes16) sum = TYPED(lanes16_set)(0), squares = TYPED(lanes16_set)(0);
    for (int64_t i = 0; i < count; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++) {
            const int64_t at = i + part * LANES;
            if (at < count) {
                const vec d = v_sub(TYPED(v_load_up_to_or)(x + at, count - at, first), first);
                sum.part[part] = v_add(sum.part[part], d);
                squares.part[part] = v_fma(d, d, squares.part[part]);
            }
        }
    const vec all = v_set(TYPED(lanes16_sum)(squares));
    if (!centered)
        return (TYPED(moments)){first, all};
    return TYPED(corrected)(first, v_set(TYPED(lanes16_sum)(sum)), all, (real)count);
}

NN_INLINE vec TYPED(inverse_deviation)(vec squares, int64_t count, double epsilon)
{
    const vec variance = v_div(squares, v_set((real)count));
    return v_div(v_set(1), v_sqrt(v_add(variance, v_set((real)epsilon))));
}

NN_INLINE void TYPED(fill)(real *p, vec value, int64_t count)
{
    for (int64_t i = 0; i < count; i += LANES)
        TYPED(v_store_up_to)(p + i, value, count - i);
}

/* Of each sample and group of `extent` channels: mean, and inverse = 1 / sqrt(variance + epsilon), for each channel of
   it; scale = gamma inverse, gamma (channels) being 1 where it is NULL. x and squares are (rows, channels), as those of
   batch_moments, all strides being statistics_stride, but for x_stride. */
DEFINE_KERNEL(group_moments)
{
    ARGUMENTS(group_moments);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t first = 0; first < a->channels; first += a->extent) {
            const int64_t place = r * a->statistics_stride + first;
            const TYPED(moments) found = TYPED(moments_along)(a->x + r * a->x_stride + first, a->extent, 1);
            vec squares = found.squares;
            if (a->squares) {
                const TYPED(lanes16) within = TYPED(lanes16_add)(TYPED(lanes16_set)(0), a->squares + place, a->extent);
                squares = v_fma(squares, v_set((real)a->positions), v_set(TYPED(lanes16_sum)(within)));
            }
            const vec inverse = TYPED(inverse_deviation)(squares, a->extent * a->positions, a->epsilon);
            TYPED(fill)(a->mean + place, found.mean, a->extent);
            TYPED(fill)(a->inverse + place, inverse, a->extent);
            for (int64_t i = 0; i < a->extent; i += LANES) {
                const int64_t lanes = a->extent - i;
                const vec gamma = a->gamma ? TYPED(v_load_up_to)(a->gamma + first + i, lanes) : v_set(1);
                TYPED(v_store_up_to)(a->scale + place + i, v_mul(gamma, inverse), lanes);
            }
        }
}

/* Of each sample and group of `extent` channels, with n = extent positions: shift = inverse sum gamma sums / n and
   slope = inverse^3 sum gamma products / n over the group, for each channel of it; then products = inverse products.
   All are (rows, channels), statistics_stride apart, but for gamma (channels), 1 where it is NULL. */
DEFINE_KERNEL(group_slopes)
{
    ARGUMENTS(group_slopes);
    UNUSED(worker);
    const vec count = v_set((real)(a->extent * a->positions));
    const TYPED(lanes16) none = TYPED(lanes16_set)(0);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t first = 0; first < a->channels; first += a->extent) {
            const int64_t place = r * a->statistics_stride + first, extent = a->extent;
            const real *const sums = a->sums + place, *const gamma = a->gamma ? a->gamma + first : NULL;
            real *const products = a->products + place;
            const vec inverse = v_set(a->inverse[place]);
            const vec sum = v_set(gamma ? TYPED(lanes16_product)(sums, gamma, extent)
                                        : TYPED(lanes16_sum)(TYPED(lanes16_add)(none, sums, extent)));
            const vec product = v_set(gamma ? TYPED(lanes16_product)(products, gamma, extent)
                                            : TYPED(lanes16_sum)(TYPED(lanes16_add)(none, products, extent)));
            TYPED(fill)(a->shift + place, v_div(v_mul(inverse, sum), count), extent);
            TYPED(fill)
            (a->slope + place, v_div(v_mul(v_mul(v_mul(inverse, inverse), inverse), product), count), extent);
            for (int64_t i = 0; i < extent; i += LANES)
                TYPED(v_store_up_to)
            (products + i, v_mul(inverse, TYPED(v_load_up_to)(products + i, extent - i)), extent - i);
        }
}

/* Of each group: mean and variance of its elements, inverse = 1 / sqrt(variance + epsilon), and
     y = (x - mean) inverse gamma + beta.
   Where `mean` is NULL it counts as 0, so that the variance is the mean of x^2. x and y are (rows, groups * extent),
   mean and inverse (rows, groups), gamma and beta (extent), 1 and 0 where they are NULL. */
DEFINE_KERNEL(layer_normalize_forward)
{
    ARGUMENTS(layer_normalize_forward);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t g = 0; g < a->groups; g++) {
            const real *const x = a->x + r * a->x_stride + g * a->extent;
            real *const y = a->y + r * a->y_stride + g * a->extent;
            const TYPED(moments) found = TYPED(moments_along)(x, a->extent, a->mean != NULL);
            const vec inverse = TYPED(inverse_deviation)(found.squares, a->extent, a->epsilon);
            if (a->mean)
                a->mean[r * a->statistics_stride + g] = TYPED(v_lane_0)(found.mean);
            a->inverse[r * a->statistics_stride + g] = TYPED(v_lane_0)(inverse);
            for (int64_t i = 0; i < a->extent; i += LANES) {
                const int64_t lanes = a->extent - i;
                const vec gamma = a->gamma ? TYPED(v_load_up_to)(a->gamma + i, lanes) : v_set(1);
                const vec beta = a->beta ? TYPED(v_load_up_to)(a->beta + i, lanes) : v_zero();
                const vec d = v_sub(TYPED(v_load_up_to)(x + i, lanes), found.mean);
                TYPED(v_store_up_to)(y + i, v_fma(v_mul(d, inverse), gamma, beta), lanes);
            }
        }
}

/* With u = (x - mean) inverse and g = gamma dy, of each group: dx = inverse (g - mean of g - u mean of g u), the mean
   of g being left out where `mean` is NULL. Over the groups of a sample: products = sum dy u, sums = sum dy. Each of
   the three where it is wanted; products and sums are (rows, extent), sums_stride apart. dx may be dy's memory. */
DEFINE_KERNEL(layer_normalize_backward)
{
    ARGUMENTS(layer_normalize_backward);
    UNUSED(worker);
    const vec count = v_set((real)a->extent);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t g = 0; g < a->groups; g++) {
            const real *const x = a->x + r * a->x_stride + g * a->extent;
            const real *const dy = a->dy + r * a->dy_stride + g * a->extent;
            const int64_t place = r * a->statistics_stride + g;
            const vec mean = a->mean ? v_set(a->mean[place]) : v_zero(), inverse = v_set(a->inverse[place]);
            TYPED(lanes16) sum = TYPED(lanes16_set)(0), product = TYPED(lanes16_set)(0);
            for (int64_t i = 0; i < a->extent; i += 16)
                for (int part = 0; part < TYPED(PARTS); part++) {
                    const int64_t at = i + part * LANES, lanes = a->extent - at;
                    if (lanes <= 0)
                        continue;
                    const vec slope = TYPED(v_load_up_to)(dy + at, lanes);
                    const vec u = v_mul(v_sub(TYPED(v_load_up_to)(x + at, lanes), mean), inverse);
                    const vec weighted = a->gamma ? v_mul(slope, TYPED(v_load_up_to)(a->gamma + at, lanes)) : slope;
                    sum.part[part] = v_add(sum.part[part], weighted);
                    product.part[part] = v_fma(weighted, u, product.part[part]);
                    if (a->products) {
                        real *const target = a->products + r * a->sums_stride + at;
                        const vec before = g ? TYPED(v_load_up_to)(target, lanes) : v_zero();
                        TYPED(v_store_up_to)(target, v_fma(slope, u, before), lanes);
                    }
                    if (a->sums) {
                        real *const target = a->sums + r * a->sums_stride + at;
                        const vec before = g ? TYPED(v_load_up_to)(target, lanes) : v_zero();
                        TYPED(v_store_up_to)(target, v_add(slope, before), lanes);
                    }
                }
            if (!a->dx)
                continue;
            const vec shift = a->mean ? v_div(v_set(TYPED(lanes16_sum)(sum)), count) : v_zero();
            const vec bend = v_div(v_set(TYPED(lanes16_sum)(product)), count);
            for (int64_t i = 0; i < a->extent; i += LANES) {
                const int64_t lanes = a->extent - i;
                const vec slope = TYPED(v_load_up_to)(dy + i, lanes);
                const vec u = v_mul(v_sub(TYPED(v_load_up_to)(x + i, lanes), mean), inverse);
                const vec weighted = a->gamma ? v_mul(slope, TYPED(v_load_up_to)(a->gamma + i, lanes)) : slope;
                const vec dx = v_mul(inverse, v_fnma(u, bend, v_sub(weighted, shift)));
                TYPED(v_store_up_to)(a->dx + r * a->dx_stride + g * a->extent + i, dx, lanes);
            }
        }
}

/* gradient[i][j] = sum over rows r of dy[r][i columns + j], then + gradient[i][j] (accumulate): column_sum for a
   parameter that is a matrix. */
DEFINE_KERNEL(matrix_sum)
{
    ARGUMENTS(matrix_sum);
    for (int64_t i = block->row_begin; i < block->row_end; i++)
        TYPED(sum_columns)
    (worker->rows, block->column_end - block->column_begin, a->dy + i * a->columns + block->column_begin, a->dy_stride,
     (real *)worker->gradient + (i - block->row_begin) * worker->gradient_stride, a->accumulate != 0);
}
