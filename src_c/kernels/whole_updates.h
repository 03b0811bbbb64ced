/* Updates that need a whole gradient or a whole parameter: Lamb, Adafactor, Muon. They take several phases; what one of
 * them leaves for the next lies in arrays.
 *
 * p parameter, g gradient, u direction of the update; p, u and the state as in optimizers.h, parts as in updates.h. */

#include "../scalar_math.h"

/* One vector's worth of a direction, from the first `count` elements of the state at `offset` and of the gradient. */
typedef vec (*TYPED(direction_vector))(const void *update, int64_t offset, const real *gradient, int64_t count);

struct TYPED(squares) {
    TYPED(lanes16) parameter, direction;
};

/* Stores `width` elements of the direction at `offset`, and adds the squares of them and of the parameter's. */
NN_INLINE void TYPED(direct_row)(int64_t width, int64_t offset, const real *gradient, const real *parameter,
                                 real *direction, TYPED(direction_vector) run, const void *update,
                                 struct TYPED(squares) *squares)
{
    for (int64_t i = 0; i < width; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++) {
            const int64_t at = i + part * LANES, count = width - at;
            if (count <= 0)
                continue;
            const vec p = TYPED(v_load_up_to)(parameter + offset + at, count);
            vec u = run(update, offset + at, gradient + at, count);
            TYPED(v_store_up_to)(direction + offset + at, u, count);
            if (count < LANES)
                u = v_select(TYPED(v_first)(count), u, v_zero()); /* 0 / 0 in lanes that there are no elements for */
            squares->parameter.part[part] = v_fma(p, p, squares->parameter.part[part]);
            squares->direction.part[part] = v_fma(u, u, squares->direction.part[part]);
        }
}

/* The same for the block, whose gradient is worker->gradient. */
NN_INLINE struct TYPED(squares)
    TYPED(direct_block)(const nn_worker *worker, const nn_block *block, int64_t columns, const real *parameter,
                        real *direction, TYPED(direction_vector) run, const void *update)
{
    struct TYPED(squares) squares = {TYPED(lanes16_set)(0), TYPED(lanes16_set)(0)};
    for (int64_t row = block->row_begin; row < block->row_end; row++)
        TYPED(direct_row)
    (block->column_end - block->column_begin, row * columns + block->column_begin,
     (const real *)worker->gradient + (row - block->row_begin) * worker->gradient_stride, parameter, direction, run,
     update, &squares);
    return squares;
}

struct TYPED(descent) {
    real *parameter;
    const real *direction;
    vec rate;
};

NN_INLINE void TYPED(descent_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    UNUSED(gradient);
    const struct TYPED(descent) *const u = update;
    const vec p = TYPED(v_load_up_to)(u->parameter + offset, count);
    const vec direction = TYPED(v_load_up_to)(u->direction + offset, count);
    TYPED(v_store_up_to)(u->parameter + offset, v_fnma(u->rate, direction, p), count);
}

/* p = p - rate u for the block. */
NN_INLINE void TYPED(descend)(const nn_worker *worker, const nn_block *block, int64_t columns, real *parameter,
                              const real *direction, double rate)
{
    const struct TYPED(descent) update = {parameter, direction, v_set((real)rate)};
    TYPED(for_each_vector)(worker, block, columns, TYPED(descent_vector), &update);
}

/* ---- Lamb: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020 */

/* coefficient[0] = 1 / (1 - beta_1^t), coefficient[1] = 1 / (1 - beta_2^t); t is the number of the update, from 1 */
DEFINE_KERNEL(lamb_coefficients)
{
    ARGUMENTS(lamb_coefficients);
    UNUSED(block);
    worker->coefficient[0] = 1 / TYPED(one_minus_power)(a->beta_1, worker->update);
    worker->coefficient[1] = 1 / TYPED(one_minus_power)(a->beta_2, worker->update);
}

struct TYPED(lamb_update) {
    real *first_moment, *second_moment;
    vec beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon, coefficient_0, coefficient_1;
};

NN_INLINE vec TYPED(lamb_vector)(const void *update, int64_t offset, const real *gradient, int64_t count)
{
    const struct TYPED(lamb_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count);
    const vec s = v_fma(u->beta_1, TYPED(v_load_up_to)(u->first_moment + offset, count), v_mul(u->one_minus_beta_1, g));
    const vec r = v_fma(u->beta_2, TYPED(v_load_up_to)(u->second_moment + offset, count),
                        v_mul(v_mul(u->one_minus_beta_2, g), g));
    TYPED(v_store_up_to)(u->first_moment + offset, s, count);
    TYPED(v_store_up_to)(u->second_moment + offset, r, count);
    return v_div(v_mul(u->coefficient_0, s), v_add(v_sqrt(v_mul(r, u->coefficient_1)), u->epsilon));
}

/* s = beta_1 s + (1 - beta_1) g; r = beta_2 r + (1 - beta_2) g^2; with the coefficients c of lamb_coefficients
   u = c0 s / (sqrt(c1 r) + epsilon); s first_moment, r second_moment, u direction.
   parameter_parts[tile] = sum of p^2 over the tile, direction_parts[tile] = sum of u^2. */
DEFINE_KERNEL(lamb_direction)
{
    ARGUMENTS(lamb_direction);
    const struct TYPED(lamb_update) update = {
        .first_moment = a->first_moment,
        .second_moment = a->second_moment,
        .beta_1 = v_set((real)a->beta_1),
        .one_minus_beta_1 = v_set((real)(1 - a->beta_1)),
        .beta_2 = v_set((real)a->beta_2),
        .one_minus_beta_2 = v_set((real)(1 - a->beta_2)),
        .epsilon = v_set((real)a->epsilon),
        .coefficient_0 = v_set((real)worker->coefficient[0]),
        .coefficient_1 = v_set((real)worker->coefficient[1]),
    };
    TYPED(flush)(worker, block, a->columns, a->first_moment);
    TYPED(flush)(worker, block, a->columns, a->second_moment);
    const struct TYPED(squares) squares =
        TYPED(direct_block)(worker, block, a->columns, a->parameter, a->direction, TYPED(lamb_vector), &update);
    const int64_t tile = TYPED(tile_number)(block, a->block_rows, a->block_columns, a->across);
    a->parameter_parts[tile] = (double)TYPED(lanes16_sum)(squares.parameter);
    a->direction_parts[tile] = (double)TYPED(lanes16_sum)(squares.direction);
}

/* With n and m the roots of the sums of parameter_parts and direction_parts: p = p - learning_rate (n / m) u, where n
   or m is 0 p = p - learning_rate u. */
DEFINE_KERNEL(lamb)
{
    ARGUMENTS(lamb);
    const double parameter = __builtin_sqrt(TYPED(sum_of_parts)(a->parameter_parts, a->count));
    const double direction = __builtin_sqrt(TYPED(sum_of_parts)(a->direction_parts, a->count));
    const double ratio = parameter > 0 && direction > 0 ? parameter / direction : 1;
    TYPED(descend)(worker, block, a->columns, a->parameter, a->direction, worker->learning_rate * ratio);
}

/* ---- Adafactor: Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML 2018
 *
 * A parameter of two axes or more is a number of matrices (rows, columns), one after the other: row_means has a number
 * for each row of each of them, column_means for each column. */

/* coefficient[0] = t^decay, coefficient[1] = min(learning_rate, 1 / sqrt(t)); t is the number of the update, from 1 */
DEFINE_KERNEL(adafactor_coefficients)
{
    ARGUMENTS(adafactor_coefficients);
    UNUSED(block);
    const double t = (double)worker->update, most = 1 / __builtin_sqrt(t);
    worker->coefficient[0] = nn_power(t, a->decay);
    worker->coefficient[1] = worker->learning_rate < most ? worker->learning_rate : most;
}

/* With c the coefficient[0]: row_means[m][i] = (1 - c) row_means[m][i] + c (mean over j of g[m][i][j]^2 + epsilon) for
   the matrices m and rows i of the block; parts[tile] = sum of them. The block is of one matrix. */
DEFINE_KERNEL(adafactor_rows)
{
    ARGUMENTS(adafactor_rows);
    const double fresh = worker->coefficient[0];
    double sum = 0;
    for (int64_t i = block->column_begin; i < block->column_end; i++) {
        const int64_t row = block->row_begin * a->rows + i;
        const real *gradient = a->gradient + row * a->columns;
        TYPED(lanes16) squares = TYPED(lanes16_set)(0);
        for (int64_t j = 0; j < a->columns; j += 16)
            for (int part = 0; part < TYPED(PARTS); part++) {
                const int64_t at = j + part * LANES;
                if (at < a->columns) {
                    const vec g = TYPED(v_load_up_to)(gradient + at, a->columns - at);
                    squares.part[part] = v_fma(g, g, squares.part[part]);
                }
            }
        const double mean = (double)TYPED(lanes16_sum)(squares) / (double)a->columns + a->epsilon;
        a->row_means[row] = (real)((1 - fresh) * (double)a->row_means[row] + fresh * mean);
        sum += (double)a->row_means[row];
    }
    a->parts[TYPED(tile_number)(block, 1, a->block_columns, a->across)] = sum;
}

/* With c the coefficient[0]: column_means[m][j] = (1 - c) column_means[m][j] + c (mean over i of g[m][i][j]^2 +
   epsilon) for the block's matrices m and columns j. Rows are dealt to four sums in turn. */
DEFINE_KERNEL(adafactor_columns)
{
    ARGUMENTS(adafactor_columns);
    const vec fresh = v_set((real)worker->coefficient[0]), kept = v_set((real)(1 - worker->coefficient[0]));
    const vec count_of_rows = v_set((real)a->rows), epsilon = v_set((real)a->epsilon);
    for (int64_t m = block->row_begin; m < block->row_end; m++)
        for (int64_t j = block->column_begin; j < block->column_end; j += LANES) {
            const int64_t count = block->column_end - j;
            const real *const gradient = a->gradient + m * a->rows * a->columns + j;
            real *const place = a->column_means + m * a->columns + j;
            vec sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
            for (int64_t i = 0; i < a->rows; i += 4)
#pragma GCC unroll 4
                for (int n = 0; n < 4; n++)
                    if (i + n < a->rows) {
                        const vec g = TYPED(v_load_up_to)(gradient + (i + n) * a->columns, count);
                        sum[n] = v_fma(g, g, sum[n]);
                    }
            const vec total = v_add(v_add(sum[0], sum[2]), v_add(sum[1], sum[3]));
            const vec mean = v_add(v_div(total, count_of_rows), epsilon);
            TYPED(v_store_up_to)
            (place, v_fma(kept, TYPED(v_load_up_to)(place, count), v_mul(fresh, mean)), count);
        }
}

struct TYPED(adafactor_update) {
    const real *column_means;
    real *velocity;
    int64_t begin; /* of the row in work: what stands there belongs to column 0 */
    vec row, fresh, kept, epsilon;
};

NN_INLINE vec TYPED(adafactor_matrix_vector)(const void *update, int64_t offset, const real *gradient, int64_t count)
{
    const struct TYPED(adafactor_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count);
    const vec column = TYPED(v_load_up_to)(u->column_means + (offset - u->begin), count);
    return v_div(g, v_mul(u->row, v_sqrt(column))); /* the product of means themselves may be too small for a float */
}

/* u[m][i][j] = g[m][i][j] / sqrt(row_means[m][i] / (mean over i of row_means[m]) column_means[m][j]), where `direction`
   holds g before and u afterwards; the sums of row_means[m] come in `row_blocks` parts. parameter_parts[tile] = sum of
   p^2 over the tile, direction_parts[tile] = sum of u^2. */
DEFINE_KERNEL(adafactor_matrix)
{
    ARGUMENTS(adafactor_matrix);
    UNUSED(worker);
    struct TYPED(squares) squares = {TYPED(lanes16_set)(0), TYPED(lanes16_set)(0)};
    int64_t summed = -1;
    double mean = 0;
    for (int64_t row = block->row_begin; row < block->row_end; row++) {
        const int64_t matrix = row / a->rows, offset = row * a->columns + block->column_begin;
        if (matrix != summed) {
            summed = matrix;
            mean = TYPED(sum_of_parts)(a->row_parts + matrix * a->row_blocks, a->row_blocks) / (double)a->rows;
        }
        const struct TYPED(adafactor_update) update = {
            .column_means = a->column_means + matrix * a->columns,
            .begin = row * a->columns,
            .row = v_set((real)__builtin_sqrt((double)a->row_means[row] / mean)),
        };
        TYPED(direct_row)
        (block->column_end - block->column_begin, offset, a->direction + offset, a->parameter, a->direction,
         TYPED(adafactor_matrix_vector), &update, &squares);
    }
    const int64_t tile = TYPED(tile_number)(block, a->block_rows, a->block_columns, a->across);
    a->parameter_parts[tile] = (double)TYPED(lanes16_sum)(squares.parameter);
    a->direction_parts[tile] = (double)TYPED(lanes16_sum)(squares.direction);
}

NN_INLINE vec TYPED(adafactor_vector_vector)(const void *update, int64_t offset, const real *gradient, int64_t count)
{
    const struct TYPED(adafactor_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count), old = TYPED(v_load_up_to)(u->velocity + offset, count);
    const vec v = v_fma(u->kept, old, v_mul(u->fresh, v_fma(g, g, u->epsilon)));
    TYPED(v_store_up_to)(u->velocity + offset, v, count);
    return v_div(g, v_sqrt(v));
}

/* With c the coefficient[0]: v = (1 - c) v + c (g^2 + epsilon); u = g / sqrt(v); v velocity, u direction; the parts as
   in adafactor_matrix. */
DEFINE_KERNEL(adafactor_vector)
{
    ARGUMENTS(adafactor_vector);
    const struct TYPED(adafactor_update) update = {
        .velocity = a->velocity,
        .fresh = v_set((real)worker->coefficient[0]),
        .kept = v_set((real)(1 - worker->coefficient[0])),
        .epsilon = v_set((real)a->epsilon),
    };
    const struct TYPED(squares) squares = TYPED(direct_block)(worker, block, a->columns, a->parameter, a->direction,
                                                              TYPED(adafactor_vector_vector), &update);
    const int64_t tile = TYPED(tile_number)(block, a->block_rows, a->block_columns, a->across);
    a->parameter_parts[tile] = (double)TYPED(lanes16_sum)(squares.parameter);
    a->direction_parts[tile] = (double)TYPED(lanes16_sum)(squares.direction);
}

/* With n and m the roots of the sums of parameter_parts and direction_parts over the number of elements, and c the
   coefficient[1]: p = p - c max(epsilon, n) / max(1, m / clip_threshold) u. */
DEFINE_KERNEL(adafactor)
{
    ARGUMENTS(adafactor);
    const double size = (double)a->elements;
    const double parameter = __builtin_sqrt(TYPED(sum_of_parts)(a->parameter_parts, a->count) / size);
    const double direction = __builtin_sqrt(TYPED(sum_of_parts)(a->direction_parts, a->count) / size);
    const double excess = direction / a->clip_threshold, scale = parameter > a->epsilon ? parameter : a->epsilon;
    TYPED(descend)
    (worker, block, a->columns, a->parameter, a->direction, worker->coefficient[1] * scale / (excess > 1 ? excess : 1));
}

/* ---- Muon: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024 */

/* With b1 = 1 - beta_1^t and b2 = 1 - beta_2^t, t the number of the update, from 1: coefficient[0] = ratio
   learning_rate sqrt(b2) / b1, coefficient[1] = 1. With these `adam`, epsilon outside the root, is Adam as it stands
   before section 2.1 of its paper. */
DEFINE_KERNEL(muon_coefficients)
{
    ARGUMENTS(muon_coefficients);
    UNUSED(block);
    worker->coefficient[0] = a->ratio * worker->learning_rate *
                             __builtin_sqrt(TYPED(one_minus_power)(a->beta_2, worker->update)) /
                             TYPED(one_minus_power)(a->beta_1, worker->update);
    worker->coefficient[1] = 1;
}

struct TYPED(muon_update) {
    real *velocity;
    vec momentum;
    int nesterov;
};

NN_INLINE void TYPED(muon_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    const struct TYPED(muon_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count);
    const vec v = v_fma(u->momentum, TYPED(v_load_up_to)(u->velocity + offset, count), g);
    TYPED(v_store_up_to)(u->velocity + offset, v, count);
    TYPED(v_store_up_to)(gradient, u->nesterov ? v_fma(u->momentum, v, g) : v, count);
}

/* v = momentum v + g; g = nesterov ? g + momentum v : v; v velocity */
DEFINE_KERNEL(muon_momentum)
{
    ARGUMENTS(muon_momentum);
    const struct TYPED(muon_update) update = {a->velocity, v_set((real)a->momentum), a->nesterov != 0};
    TYPED(flush)(worker, block, a->columns, a->velocity);
    TYPED(for_each_vector)(worker, block, a->columns, TYPED(muon_vector), &update);
}

/* With n the root of the sum of the parts: g = g / (n + epsilon). */
DEFINE_KERNEL(normalize_gradient)
{
    ARGUMENTS(normalize_gradient);
    const double norm = __builtin_sqrt(TYPED(sum_of_parts)(a->parts, a->count));
    const struct TYPED(gradient_update) update = {NULL, v_set((real)(1 / (norm + a->epsilon)))};
    TYPED(for_each_vector)(worker, block, a->columns, TYPED(scale_gradient_vector), &update);
}

/* c[i][j] = alpha sum over p of a[i][p] b[p][j] + beta addend[i][j], the latter where addend is given, for the block's
   i and j. a is (rows, inner), where `transposed` (inner, rows) and read as a[p][i]; b is (inner, columns). */
DEFINE_KERNEL(scaled_product)
{
    ARGUMENTS(scaled_product);
    UNUSED(worker);
    const TYPED(tile_ends) ends = {0};
    const int64_t rows = block->row_end - block->row_begin, columns = block->column_end - block->column_begin;
    real *const c = a->c + block->row_begin * a->c_stride + block->column_begin;
    TYPED(product)
    (a->transposed != 0, rows, columns, a->inner, a->a + block->row_begin * (a->transposed ? 1 : a->a_stride),
     a->a_stride, a->b + block->column_begin, a->b_stride, 0, c, a->c_stride, &ends);
    if (!a->addend && a->alpha == 1)
        return;
    const vec alpha = v_set((real)a->alpha), beta = v_set((real)a->beta);
    for (int64_t i = 0; i < rows; i++) {
        real *const row = c + i * a->c_stride;
        const real *addend =
            a->addend ? a->addend + (block->row_begin + i) * a->addend_stride + block->column_begin : NULL;
        for (int64_t j = 0; j < columns; j += LANES) {
            vec sum = v_mul(alpha, TYPED(v_load_up_to)(row + j, columns - j));
            if (addend)
                sum = v_fma(beta, TYPED(v_load_up_to)(addend + j, columns - j), sum);
            TYPED(v_store_up_to)(row + j, sum, columns - j);
        }
    }
}

/* p = p - learning_rate rate u */
DEFINE_KERNEL(muon)
{
    ARGUMENTS(muon);
    TYPED(descend)(worker, block, a->columns, a->parameter, a->direction, worker->learning_rate * a->rate);
}
