/* What surrounds an optimizer's update: regularization, clipping, decay, averages, constraints.
 *
 * p parameter, g gradient; both as in optimizers.h. Kernels with a result for each tile of a parameter put it at
 * parts[tile], tiles of block_rows x block_columns being counted along rows of `across` tiles. */

NN_INLINE int64_t TYPED(tile_number)(const nn_block *block, int64_t block_rows, int64_t block_columns, int64_t across)
{
    return block->row_begin / block_rows * across + block->column_begin / block_columns;
}

/* The sum of count parts over 16 lanes and in one fixed tree, so that every thread gets the same. */
NN_INLINE double TYPED(sum_of_parts)(const double *parts, int64_t count)
{
    double lanes[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= count; i += 16)
        for (int lane = 0; lane < 16; lane++)
            lanes[lane] += parts[i + lane];
    for (int lane = 0; i + lane < count; lane++)
        lanes[lane] += parts[i + lane];
    for (int width = 8; width; width /= 2)
        for (int lane = 0; lane < width; lane++)
            lanes[lane] += lanes[lane + width];
    return lanes[0];
}

/* total = sum of the parts, as every tile would add them up for itself */
DEFINE_KERNEL(total_of_parts)
{
    ARGUMENTS(total_of_parts);
    UNUSED(worker);
    UNUSED(block);
    *a->total = TYPED(sum_of_parts)(a->parts, a->count);
}

struct TYPED(regularize_update) {
    const real *parameter;
    vec l1, twice_l2;
};

NN_INLINE void TYPED(regularize_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(regularize_update) *const u = update;
    const vec p = TYPED(v_load_up_to)(u->parameter + offset, count), g = TYPED(v_load_up_to)(gradient, count);
    const vec positive = v_select(v_less(v_zero(), p), u->l1, v_zero());
    const vec sign = v_select(v_less(p, v_zero()), v_sub(v_zero(), u->l1), positive);
    TYPED(v_store_up_to)(gradient, v_add(g, v_fma(u->twice_l2, p, sign)), count);
}

/* Adds count elements to a sum of squares, and 2 l2 of each to its gradient where there is one. */
NN_INLINE void TYPED(penalize_squares)(const real *p, real *gradient, vec twice_l2, vec *squares, int64_t count)
{
    const vec value = TYPED(v_load_up_to)(p, count);
    *squares = v_fma(value, value, *squares);
    if (gradient) {
        const vec sum = v_add(TYPED(v_load_up_to)(gradient, count), v_fma(twice_l2, value, v_zero()));
        TYPED(v_store_up_to)(gradient, sum, count);
    }
}

/* The sum of p^2 over a tile, whose gradient gets 2 l2 p where it is given: in one pass, as the penalty of every small
   minibatch costs one over all weights. */
NN_INLINE real TYPED(penalized_squares)(const nn_worker *worker, const nn_block *block, const real *parameter,
                                        int64_t columns, double l2, int64_t add_gradient)
{
    TYPED(lanes16) squares = TYPED(lanes16_set)(0);
    const vec twice_l2 = v_set((real)(2 * l2));
    const int64_t width = block->column_end - block->column_begin;
    for (int64_t row = block->row_begin; row < block->row_end; row++) {
        const real *p = parameter + row * columns + block->column_begin;
        const int64_t place = (row - block->row_begin) * worker->gradient_stride;
        real *g = add_gradient ? (real *)worker->gradient + place : NULL;
        int64_t i = 0;
        for (; i + 16 <= width; i += 16)
            for (int part = 0; part < TYPED(PARTS); part++) {
                const int64_t at = i + part * LANES;
                TYPED(penalize_squares)(p + at, g ? g + at : NULL, twice_l2, &squares.part[part], LANES);
            }
        for (int part = 0; i < width; part++, i += LANES)
            TYPED(penalize_squares)(p + i, g ? g + i : NULL, twice_l2, &squares.part[part], width - i);
    }
    return TYPED(lanes16_sum)(squares);
}

/* One part of the minibatch's samples: 1 over the sum of weights[data row], which are 1 where there are none; 0 where
   that sum is. Every tile adds them up for itself. */
NN_INLINE double TYPED(part_of_samples)(const nn_worker *worker, const real *weights)
{
    if (!weights)
        return 1 / (double)worker->rows;
    double sum = 0;
    for (int64_t row = 0; row < worker->rows; row++)
        sum += (double)*(const real *)(const void *)TYPED(data_row)(worker, row, weights, (int64_t)sizeof(real));
    return sum > 0 ? 1 / sum : 0;
}

/* parts[tile] = l1 sum |p| + l2 sum p^2 over the tile; where add_gradient is set g = g + l1 sign(p) + 2 l2 p, with
   sign(0) = 0. Where per_sample is set, l1 and l2 stand for their part_of_samples. */
DEFINE_KERNEL(regularize)
{
    ARGUMENTS(regularize);
    const double share = a->per_sample ? TYPED(part_of_samples)(worker, a->weights) : 1;
    const double l1 = a->l1 * share, l2 = a->l2 * share;
    double *const penalty = a->parts + TYPED(tile_number)(block, a->block_rows, a->block_columns, a->across);
    if (l1 == 0) {
        *penalty = l2 * (double)TYPED(penalized_squares)(worker, block, a->parameter, a->columns, l2, a->add_gradient);
        return;
    }
    TYPED(lanes16) magnitudes = TYPED(lanes16_set)(0), squares = TYPED(lanes16_set)(0);
    for (int64_t row = block->row_begin; row < block->row_end; row++) {
        const real *p = a->parameter + row * a->columns + block->column_begin;
        const int64_t width = block->column_end - block->column_begin;
        for (int64_t i = 0; i < width; i += 16)
            for (int part = 0; part < TYPED(PARTS); part++) {
                const int64_t at = i + part * LANES;
                if (at < width) {
                    const vec value = TYPED(v_load_up_to)(p + at, width - at);
                    magnitudes.part[part] = v_add(magnitudes.part[part], TYPED(v_magnitude)(value));
                    squares.part[part] = v_fma(value, value, squares.part[part]);
                }
            }
    }
    *penalty = l1 * (double)TYPED(lanes16_sum)(magnitudes) + l2 * (double)TYPED(lanes16_sum)(squares);
    if (!a->add_gradient)
        return;
    const struct TYPED(regularize_update) update = {a->parameter, v_set((real)l1), v_set((real)(2 * l2))};
    TYPED(for_each_vector)(worker, block, a->columns, TYPED(regularize_vector), &update);
}

/* total += rows of the minibatch * sum of the parts */
DEFINE_KERNEL(add_penalty)
{
    ARGUMENTS(add_penalty);
    UNUSED(block);
    *a->total += (double)worker->rows * TYPED(sum_of_parts)(a->parts, a->count);
}

/* penalty[r] = l1 sum |x| + l2 sum x^2 over the elements of row r;
   where dx is given dx[r][j] = (accumulate ? dx[r][j] : 0) + (l1 sign(x) + 2 l2 x) / rows of the minibatch. */
DEFINE_KERNEL(activity_penalty)
{
    ARGUMENTS(activity_penalty);
    const vec l1 = v_set((real)(a->l1 / (double)worker->rows)), minus_l1 = v_sub(v_zero(), l1);
    const vec twice_l2 = v_set((real)(2 * a->l2 / (double)worker->rows));
    for (int64_t row = block->row_begin; row < block->row_end; row++) {
        const real *x = a->x + row * a->x_stride;
        TYPED(lanes16) magnitudes = TYPED(lanes16_set)(0), squares = TYPED(lanes16_set)(0);
        for (int64_t i = 0; i < a->features; i += 16)
            for (int part = 0; part < TYPED(PARTS); part++) {
                const int64_t at = i + part * LANES, count = a->features - at;
                if (count <= 0)
                    continue;
                const vec value = TYPED(v_load_up_to)(x + at, count);
                magnitudes.part[part] = v_add(magnitudes.part[part], TYPED(v_magnitude)(value));
                squares.part[part] = v_fma(value, value, squares.part[part]);
                if (a->dx) {
                    real *const dx = a->dx + row * a->dx_stride + at;
                    const vec positive = v_select(v_less(v_zero(), value), l1, v_zero());
                    const vec sign = v_select(v_less(value, v_zero()), minus_l1, positive);
                    const vec slope = v_fma(twice_l2, value, sign);
                    TYPED(v_store_up_to)
                    (dx, a->accumulate ? v_add(TYPED(v_load_up_to)(dx, count), slope) : slope, count);
                }
            }
        if (a->penalty)
            a->penalty[row] =
                (real)(a->l1 * (double)TYPED(lanes16_sum)(magnitudes) + a->l2 * (double)TYPED(lanes16_sum)(squares));
    }
}

/* Adds the squares of `width` elements of each of `height` rows, which are read side by side. */
NN_INLINE void TYPED(add_squares)(const int height, int64_t width, const real *gradient, int64_t stride,
                                  TYPED(lanes16) *squares)
{
    for (int64_t i = 0; i < width; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++) {
            const int64_t at = i + part * LANES;
            if (at >= width)
                break;
#pragma GCC unroll 4
            for (int n = 0; n < height; n++) {
                const vec g = TYPED(v_load_up_to)(gradient + n * stride + at, width - at);
                squares->part[part] = v_fma(g, g, squares->part[part]);
            }
        }
}

/* parts[tile] = sum of g^2 over the tile; a tile of one row is read as four, as one stream of memory alone is read at
   half the speed. */
DEFINE_KERNEL(square_sum)
{
    ARGUMENTS(square_sum);
    int64_t rows = block->row_end - block->row_begin, width = block->column_end - block->column_begin;
    int64_t stride = worker->gradient_stride, row = 0, rest = 0;
    const real *const gradient = worker->gradient;
    if (rows == 1 && width >= 256) {
        rest = width % 64;
        rows = 4;
        width = stride = width / 64 * 16;
    }
    TYPED(lanes16) squares = TYPED(lanes16_set)(0);
    for (; row + 4 <= rows; row += 4)
        TYPED(add_squares)(4, width, gradient + row * stride, stride, &squares);
    for (; row < rows; row++)
        TYPED(add_squares)(1, width, gradient + row * stride, stride, &squares);
    TYPED(add_squares)(1, rest, gradient + 4 * width, 0, &squares);
    a->parts[TYPED(tile_number)(block, a->block_rows, a->block_columns, a->across)] =
        (double)TYPED(lanes16_sum)(squares);
}

struct TYPED(gradient_update) {
    const real *source; /* of a gradient that lies elsewhere, or NULL */
    real *memory;
    vec factor;
};

NN_INLINE vec TYPED(found_gradient)(const struct TYPED(gradient_update) *u, int64_t offset, const real *gradient,
                                    int64_t count)
{
    return TYPED(v_load_up_to)(u->source ? u->source + offset : gradient, count);
}

NN_INLINE void TYPED(scale_gradient_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(gradient_update) *const u = update;
    TYPED(v_store_up_to)(gradient, v_mul(TYPED(found_gradient)(u, offset, gradient, count), u->factor), count);
}

/* With n the root of the sum of the parts and f = source, or the gradient at hand where there is none: g = n > limit ?
   f limit / n : f. Pascanu et al., "On the difficulty of training recurrent neural networks", ICML 2013. */
DEFINE_KERNEL(clip_by_norm)
{
    ARGUMENTS(clip_by_norm);
    const double norm = __builtin_sqrt(TYPED(sum_of_parts)(a->parts, a->count));
    if (!a->source && !(norm > a->limit))
        return;
    const struct TYPED(gradient_update) update = {a->source, NULL,
                                                  v_set((real)(norm > a->limit ? a->limit / norm : 1))};
    TYPED(for_each_vector)(worker, block, a->columns, TYPED(scale_gradient_vector), &update);
}

NN_INLINE void TYPED(clip_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(gradient_update) *const u = update;
    const vec lowest = v_sub(v_zero(), u->factor), found = TYPED(found_gradient)(u, offset, gradient, count);
    TYPED(v_store_up_to)(gradient, v_min(u->factor, v_max(lowest, found)), count);
}

/* g = max(-limit, min(limit, f)), where f is the source, or the gradient at hand where there is none */
DEFINE_KERNEL(clip_by_value)
{
    ARGUMENTS(clip_by_value);
    const struct TYPED(gradient_update) update = {a->source, NULL, v_set((real)a->limit)};
    TYPED(for_each_vector)(worker, block, a->columns, TYPED(clip_vector), &update);
}

NN_INLINE void TYPED(take_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(gradient_update) *const u = update;
    const vec sum = v_add(TYPED(v_load_up_to)(gradient, count), TYPED(v_load_up_to)(u->memory + offset, count));
    TYPED(v_store_up_to)(gradient, v_div(sum, u->factor), count);
    TYPED(v_store_up_to)(u->memory + offset, v_zero(), count);
}

/* g = (g + accumulated) / steps; accumulated = 0 */
DEFINE_KERNEL(take_accumulated)
{
    ARGUMENTS(take_accumulated);
    const struct TYPED(gradient_update) update = {NULL, a->accumulated, v_set((real)a->steps)};
    TYPED(for_each_vector)(worker, block, a->columns, TYPED(take_vector), &update);
}

struct TYPED(parameter_update) {
    real *parameter, *average;
    vec momentum, rest;
    int overwrite;
};

NN_INLINE void TYPED(weight_decay_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    UNUSED(gradient);
    const struct TYPED(parameter_update) *const u = update;
    TYPED(decay_vector)(u->parameter + offset, u->rest, count);
}

/* p = p - learning_rate rate p. Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019. */
DEFINE_KERNEL(weight_decay)
{
    ARGUMENTS(weight_decay);
    const struct TYPED(parameter_update) update = {.parameter = a->parameter,
                                                   .rest = v_set((real)(worker->learning_rate * a->rate))};
    TYPED(for_each_vector)(worker, block, a->columns, TYPED(weight_decay_vector), &update);
}

/* The same, but not before the pass of the next step over the block, which is the parameter's update. */
DEFINE_KERNEL(decay_ahead)
{
    ARGUMENTS(decay_ahead);
    UNUSED(block);
    worker->decayed = (void *)a->parameter; /* written by the pass that follows */
    worker->decay = worker->learning_rate * a->rate;
}

NN_INLINE void TYPED(average_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    UNUSED(gradient);
    const struct TYPED(parameter_update) *const u = update;
    const vec p = TYPED(v_load_up_to)(u->parameter + offset, count);
    const vec average = v_fma(u->momentum, TYPED(v_load_up_to)(u->average + offset, count), v_mul(u->rest, p));
    TYPED(v_store_up_to)(u->average + offset, average, count);
    if (u->overwrite)
        TYPED(v_store_up_to)(u->parameter + offset, average, count);
}

/* average = m average + (1 - m) p, with m = momentum, but 0 in the first update; then p = average in updates whose
   number is a multiple of overwrite_every, unless that is 0. */
DEFINE_KERNEL(average_weights)
{
    ARGUMENTS(average_weights);
    const double momentum = worker->update > 1 ? a->momentum : 0;
    const struct TYPED(parameter_update) update = {
        .parameter = a->parameter,
        .average = a->average,
        .momentum = v_set((real)momentum),
        .rest = v_set((real)(1 - momentum)),
        .overwrite = a->overwrite_every > 0 && worker->update % a->overwrite_every == 0,
    };
    TYPED(for_each_vector)(worker, block, a->columns, TYPED(average_vector), &update);
}

NN_INLINE void TYPED(non_negative_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    UNUSED(gradient);
    const struct TYPED(parameter_update) *const u = update;
    TYPED(v_store_up_to)
    (u->parameter + offset, v_max(v_zero(), TYPED(v_load_up_to)(u->parameter + offset, count)), count);
}

/* p = max(0, p) */
DEFINE_KERNEL(constrain_sign)
{
    ARGUMENTS(constrain_sign);
    const struct TYPED(parameter_update) update = {.parameter = a->parameter};
    TYPED(for_each_vector)(worker, block, a->columns, TYPED(non_negative_vector), &update);
}

/* Keeps the norms of a parameter (outer, length, inner) along its second axis within bounds. With n the norm of
   p[o][.][j] and e = 1e-7: p[o][k][j] = p[o][k][j] (rate max(low, min(high, n)) + (1 - rate) n) / (n + e).
   The block's rows are outer, its columns inner. Srebro and Shraibman, "Rank, trace-norm and max-norm", COLT 2005. */
DEFINE_KERNEL(constrain_norm)
{
    ARGUMENTS(constrain_norm);
    UNUSED(worker);
    const vec low = v_set((real)a->low), high = v_set((real)a->high), tiny = v_set((real)1e-7);
    const vec rate = v_set((real)a->rate), rest = v_set((real)(1 - a->rate));
    for (int64_t row = block->row_begin; row < block->row_end; row++)
        for (int64_t j = block->column_begin; j < block->column_end; j += LANES) {
            const int64_t count = block->column_end - j;
            real *const first = a->parameter + row * a->length * a->inner + j;
            vec sum = v_zero();
            for (int64_t k = 0; k < a->length; k++) {
                const vec p = TYPED(v_load_up_to)(first + k * a->inner, count);
                sum = v_fma(p, p, sum);
            }
            const vec norm = v_sqrt(sum), bounded = v_max(low, v_min(high, norm));
            const vec wanted = v_fma(rate, bounded, v_mul(rest, norm)), factor = v_div(wanted, v_add(norm, tiny));
            for (int64_t k = 0; k < a->length; k++) {
                real *const place = first + k * a->inner;
                TYPED(v_store_up_to)(place, v_mul(TYPED(v_load_up_to)(place, count), factor), count);
            }
        }
}
