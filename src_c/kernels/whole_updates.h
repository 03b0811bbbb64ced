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

/* Adds the squares of the elements at `offset` of the parameter and of the direction; stores the latter unless NULL. */
NN_INLINE void TYPED(direct_part)(int part, int64_t count, int64_t offset, const real *gradient, const real *parameter,
                                  real *direction, TYPED(direction_vector) run, const void *update,
                                  struct TYPED(squares) *squares)
{
    const vec p = TYPED(v_load_up_to)(parameter + offset, count);
    vec u = run(update, offset, gradient, count);
    if (direction)
        TYPED(v_store_up_to)(direction + offset, u, count);
    if (count < LANES)
        u = v_select(TYPED(v_first)(count), u, v_zero()); /* 0 / 0 in lanes that there are no elements for */
    squares->parameter.part[part] = v_fma(p, p, squares->parameter.part[part]);
    squares->direction.part[part] = v_fma(u, u, squares->direction.part[part]);
}

/* The same for `width` elements. */
NN_INLINE void TYPED(direct_row)(int64_t width, int64_t offset, const real *gradient, const real *parameter,
                                 real *direction, TYPED(direction_vector) run, const void *update,
                                 struct TYPED(squares) *squares)
{
    int64_t i = 0;
    for (; i + 16 <= width; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++)
            TYPED(direct_part)
    (part, LANES, offset + i + part * LANES, gradient + i + part * LANES, parameter, direction, run, update, squares);
    for (int part = 0; part < TYPED(PARTS); part++, i += LANES)
        if (i < width)
            TYPED(direct_part)
    (part, width - i, offset + i, gradient + i, parameter, direction, run, update, squares);
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
NN_INLINE void TYPED(descend)(nn_worker *worker, const nn_block *block, int64_t columns, real *parameter,
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
    real *parameter, *first_moment, *second_moment;
    vec rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon, coefficient_0, coefficient_1;
};

NN_INLINE vec TYPED(lamb_direction)(const struct TYPED(lamb_update) *u, vec s, vec r)
{
    return v_div(v_mul(u->coefficient_0, s), v_add(v_sqrt(v_mul(r, u->coefficient_1)), u->epsilon));
}

NN_INLINE vec TYPED(lamb_moments_vector)(const void *update, int64_t offset, const real *gradient, int64_t count)
{
    const struct TYPED(lamb_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count);
    const vec s = v_fma(u->beta_1, TYPED(v_load_up_to)(u->first_moment + offset, count), v_mul(u->one_minus_beta_1, g));
    const vec r = v_fma(u->beta_2, TYPED(v_load_up_to)(u->second_moment + offset, count),
                        v_mul(v_mul(u->one_minus_beta_2, g), g));
    TYPED(v_store_up_to)(u->first_moment + offset, s, count);
    TYPED(v_store_up_to)(u->second_moment + offset, r, count);
    return TYPED(lamb_direction)(u, s, r);
}

/* s = beta_1 s + (1 - beta_1) g; r = beta_2 r + (1 - beta_2) g^2; s first_moment, r second_moment.
   parameter_parts[tile] = sum of p^2 over the tile, direction_parts[tile] = sum of u^2, with the u of lamb. */
DEFINE_KERNEL(lamb_moments)
{
    ARGUMENTS(lamb_moments);
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
        TYPED(direct_block)(worker, block, a->columns, a->parameter, NULL, TYPED(lamb_moments_vector), &update);
    const int64_t tile = TYPED(tile_number)(block, a->block_rows, a->block_columns, a->across);
    a->parameter_parts[tile] = (double)TYPED(lanes16_sum)(squares.parameter);
    a->direction_parts[tile] = (double)TYPED(lanes16_sum)(squares.direction);
}

NN_INLINE void TYPED(lamb_vector)(const void *update, int64_t offset, real *gradient, int64_t count)
{
    UNUSED(gradient);
    const struct TYPED(lamb_update) *const u = update;
    const vec s = TYPED(v_load_up_to)(u->first_moment + offset, count);
    const vec r = TYPED(v_load_up_to)(u->second_moment + offset, count);
    const vec p = TYPED(v_load_up_to)(u->parameter + offset, count);
    TYPED(v_store_up_to)(u->parameter + offset, v_fnma(u->rate, TYPED(lamb_direction)(u, s, r), p), count);
}

/* With the coefficients c of lamb_coefficients u = c0 s / (sqrt(c1 r) + epsilon); with n and m the roots of the sums of
   parameter_parts and direction_parts p = p - learning_rate (n / m) u, where n or m is 0 p = p - learning_rate u.
   s first_moment, r second_moment: reading them again costs less than a direction that is written and read. */
DEFINE_KERNEL(lamb)
{
    ARGUMENTS(lamb);
    const double parameter = __builtin_sqrt(TYPED(sum_of_parts)(a->parameter_parts, a->count));
    const double direction = __builtin_sqrt(TYPED(sum_of_parts)(a->direction_parts, a->count));
    const double ratio = parameter > 0 && direction > 0 ? parameter / direction : 1;
    const struct TYPED(lamb_update) update = {
        .parameter = a->parameter,
        .first_moment = (real *)a->first_moment,
        .second_moment = (real *)a->second_moment,
        .rate = v_set((real)(worker->learning_rate * ratio)),
        .epsilon = v_set((real)a->epsilon),
        .coefficient_0 = v_set((real)worker->coefficient[0]),
        .coefficient_1 = v_set((real)worker->coefficient[1]),
    };
    TYPED(pass_over)(worker, block, a->columns, 3, TYPED(lamb_vector), &update);
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

/* One vector's worth of adafactor_square_rows. */
NN_INLINE void TYPED(adafactor_square_part)(const int height, int part, int64_t count, int first, const real *gradient,
                                            int64_t stride, real *column_squares, TYPED(lanes16) *row_squares)
{
    vec sum = first ? v_zero() : TYPED(v_load_up_to)(column_squares, count);
#pragma GCC unroll 4
    for (int n = 0; n < height; n++) {
        const vec g = TYPED(v_load_up_to)(gradient + n * stride, count);
        row_squares[n].part[part] = v_fma(g, g, row_squares[n].part[part]);
        sum = v_fma(g, g, sum);
    }
    TYPED(v_store_up_to)(column_squares, sum, count);
}

/* `height` rows i: row_squares[i] = sum over j of g[i][j]^2, column_squares[j] = (first ? 0 : column_squares[j]) + sum
   over these rows of g[i][j]^2, row after row. */
NN_INLINE void TYPED(adafactor_square_rows)(const int height, int first, int64_t width, const real *gradient,
                                            int64_t stride, real *row_squares, real *column_squares)
{
    TYPED(lanes16) squares[4];
    for (int n = 0; n < height; n++)
        squares[n] = TYPED(lanes16_set)(0);
    int64_t j = 0;
    for (; j + 16 <= width; j += 16)
        for (int part = 0; part < TYPED(PARTS); part++)
            TYPED(adafactor_square_part)
    (height, part, LANES, first, gradient + j + part * LANES, stride, column_squares + j + part * LANES, squares);
    for (int part = 0; part < TYPED(PARTS); part++, j += LANES)
        if (j < width)
            TYPED(adafactor_square_part)
    (height, part, width - j, first, gradient + j, stride, column_squares + j, squares);
    for (int n = 0; n < height; n++)
        row_squares[n] = TYPED(lanes16_sum)(squares[n]);
}

/* Sums of squares of the tile's gradient along its rows and along its columns. Sums of a matrix m come in parts, each
   of so many units, of which a new one begins with the matrix: unit k of m is in part (m units + k) / units of a part +
   m. row_squares[part][i] = sum over j of g[m][i][j]^2 for each tile across, which is a unit and a part;
   column_squares[part][j] = sum over i of g[m][i][j]^2 for each block_rows rows, a row being a unit. */
DEFINE_KERNEL(adafactor_squares)
{
    ARGUMENTS(adafactor_squares);
    const int64_t width = block->column_end - block->column_begin, stride = worker->gradient_stride;
    for (int64_t row = block->row_begin, end; row < block->row_end; row = end) {
        const int64_t matrix = row / a->rows, begin = matrix * a->rows;
        end = begin + a->rows < block->row_end ? begin + a->rows : block->row_end;
        const int64_t part = matrix * a->across + block->column_begin / a->block_columns + matrix;
        const real *const gradient = (const real *)worker->gradient + (row - block->row_begin) * stride;
        real *const of_rows = a->row_squares + part * a->rows + row - begin;
        real *const of_columns = a->column_squares + (row / a->block_rows + matrix) * a->columns + block->column_begin;
        int64_t i = 0;
        for (; i + 4 <= end - row; i += 4)
            TYPED(adafactor_square_rows)
        (4, i == 0, width, gradient + i * stride, stride, of_rows + i, of_columns);
        for (; i < end - row; i++)
            TYPED(adafactor_square_rows)
        (1, i == 0, width, gradient + i * stride, stride, of_rows + i, of_columns);
    }
}

/* With c the coefficient[0]: means[m][j] = (1 - c) means[m][j] + c (s / summed + epsilon) for the block's matrix m and
   its elements j of `length`, where s is the sum of squares[part][j] over the parts of m, as in adafactor_squares;
   factors[m][j] = 1 / sqrt(means[m][j]); sums[tile] = sum of the block's means. */
DEFINE_KERNEL(adafactor_means)
{
    ARGUMENTS(adafactor_means);
    const vec fresh = v_set((real)worker->coefficient[0]), kept = v_set((real)(1 - worker->coefficient[0]));
    const vec summed = v_set((real)a->summed), epsilon = v_set((real)a->epsilon), one = v_set(1);
    for (int64_t m = block->row_begin; m < block->row_end; m++) {
        const int64_t first = m * a->units / a->part_units + m, last = ((m + 1) * a->units - 1) / a->part_units + m;
        TYPED(lanes16) sum = TYPED(lanes16_set)(0);
        for (int64_t j = block->column_begin; j < block->column_end; j += 16) {
            const int64_t width = block->column_end - j;
            TYPED(lanes16) total = TYPED(lanes16_set)(0);
            for (int64_t part = first; part <= last; part++)
                total = TYPED(lanes16_add)(total, a->squares + part * a->length + j, width < 16 ? width : 16);
            for (int part = 0; part < TYPED(PARTS); part++) {
                const int64_t at = m * a->length + j + part * LANES, count = width - part * LANES;
                if (count <= 0)
                    continue;
                const vec mean = v_add(v_div(total.part[part], summed), epsilon);
                vec v = v_fma(kept, TYPED(v_load_up_to)(a->means + at, count), v_mul(fresh, mean));
                TYPED(v_store_up_to)(a->means + at, v, count);
                TYPED(v_store_up_to)(a->factors + at, v_div(one, v_sqrt(v)), count);
                if (count < LANES)
                    v = v_select(TYPED(v_first)(count), v, v_zero());
                sum.part[part] = v_add(sum.part[part], v);
            }
        }
        a->sums[TYPED(tile_number)(block, 1, a->block_columns, a->across)] = (double)TYPED(lanes16_sum)(sum);
    }
}

/* Rows of matrices, as their elements' divisors have them. */
struct TYPED(adafactor_rows) {
    const real *factors;
    const double *sums; /* of the row means of each matrix, in `blocks` parts */
    int64_t rows, blocks, matrix;
    double root; /* of the mean of the row means of `matrix` */
};

/* sqrt(mean of its matrix's row means / the row's own) */
NN_INLINE vec TYPED(adafactor_row)(struct TYPED(adafactor_rows) *rows, int64_t row)
{
    const int64_t matrix = row / rows->rows;
    if (matrix != rows->matrix) {
        rows->matrix = matrix;
        rows->root =
            __builtin_sqrt(TYPED(sum_of_parts)(rows->sums + matrix * rows->blocks, rows->blocks) / (double)rows->rows);
    }
    return v_set((real)((double)rows->factors[row] * rows->root));
}

struct TYPED(adafactor_divisors) {
    const real *column_factors; /* of element `offset` and those after it */
    int64_t offset;
    vec row;
    real *parameter;
    vec rate;
};

/* One vector's worth of u. The column's factor comes first: it keeps |g| below the root of the number of rows. */
NN_INLINE vec TYPED(adafactor_direction)(const void *update, int64_t offset, const real *gradient, int64_t count)
{
    const struct TYPED(adafactor_divisors) *const u = update;
    const vec column = TYPED(v_load_up_to)(u->column_factors + (offset - u->offset), count);
    return v_mul(v_mul(TYPED(v_load_up_to)(gradient, count), column), u->row);
}

/* parameter_parts[tile] = sum of p^2 over the tile, direction_parts[tile] = sum of u^2, where
   u[m][i][j] = g[m][i][j] / sqrt(row_means[m][i] / (mean over i of row_means[m]) column_means[m][j]), the means being
   those behind the factors and the sums of adafactor_means. */
DEFINE_KERNEL(adafactor_norms)
{
    ARGUMENTS(adafactor_norms);
    UNUSED(worker);
    struct TYPED(adafactor_rows) rows = {a->row_factors, a->row_sums, a->rows, a->row_blocks, -1, 0};
    struct TYPED(squares) squares = {TYPED(lanes16_set)(0), TYPED(lanes16_set)(0)};
    for (int64_t i = block->row_begin; i < block->row_end; i++) {
        const int64_t offset = i * a->columns + block->column_begin;
        const vec row = TYPED(adafactor_row)(&rows, i);
        const struct TYPED(adafactor_divisors) divisors = {
            a->column_factors + rows.matrix * a->columns + block->column_begin, offset, row, NULL, v_zero()};
        TYPED(direct_row)
        (block->column_end - block->column_begin, offset, a->gradient + offset, a->parameter, NULL,
         TYPED(adafactor_direction), &divisors, &squares);
    }
    const int64_t tile = TYPED(tile_number)(block, a->block_rows, a->block_columns, a->across);
    a->parameter_parts[tile] = (double)TYPED(lanes16_sum)(squares.parameter);
    a->direction_parts[tile] = (double)TYPED(lanes16_sum)(squares.direction);
}

/* With n and m the roots of the sums of parameter_parts and direction_parts over the number of elements, and c the
   coefficient[1]: c max(epsilon, n) / max(1, m / clip_threshold). */
NN_INLINE double TYPED(adafactor_rate)(const nn_worker *worker, const double *parameter_parts,
                                       const double *direction_parts, int64_t count, int64_t elements, double epsilon,
                                       double clip_threshold)
{
    const double parameter = __builtin_sqrt(TYPED(sum_of_parts)(parameter_parts, count) / (double)elements);
    const double direction = __builtin_sqrt(TYPED(sum_of_parts)(direction_parts, count) / (double)elements);
    const double excess = direction / clip_threshold, scale = parameter > epsilon ? parameter : epsilon;
    return worker->coefficient[1] * scale / (excess > 1 ? excess : 1);
}

NN_INLINE void TYPED(adafactor_descend)(const struct TYPED(adafactor_divisors) *u, int64_t offset, const real *gradient,
                                        int64_t count)
{
    real *const place = u->parameter + offset;
    const vec direction = TYPED(adafactor_direction)(u, offset, gradient + offset, count);
    TYPED(v_store_up_to)(place, v_fnma(u->rate, direction, TYPED(v_load_up_to)(place, count)), count);
}

/* p = p - rate u, with the rate of adafactor_rate and the u of adafactor_norms. */
DEFINE_KERNEL(adafactor_matrix)
{
    ARGUMENTS(adafactor_matrix);
    struct TYPED(adafactor_rows) rows = {a->row_factors, a->row_sums, a->rows, a->row_blocks, -1, 0};
    const vec rate = v_set((real)TYPED(adafactor_rate)(worker, a->parameter_parts, a->direction_parts, a->count,
                                                       a->elements, a->epsilon, a->clip_threshold));
    for (int64_t i = block->row_begin; i < block->row_end; i++) {
        const int64_t end = i * a->columns + block->column_end;
        int64_t offset = i * a->columns + block->column_begin;
        const vec row = TYPED(adafactor_row)(&rows, i);
        const struct TYPED(adafactor_divisors) divisors = {
            a->column_factors + rows.matrix * a->columns + block->column_begin, offset, row, a->parameter, rate};
        for (; offset + LANES <= end; offset += LANES)
            TYPED(adafactor_descend)(&divisors, offset, a->gradient, LANES);
        if (offset < end)
            TYPED(adafactor_descend)(&divisors, offset, a->gradient, end - offset);
    }
}

struct TYPED(adafactor_update) {
    real *velocity;
    vec fresh, kept, epsilon;
};

NN_INLINE vec TYPED(adafactor_vector_vector)(const void *update, int64_t offset, const real *gradient, int64_t count)
{
    const struct TYPED(adafactor_update) *const u = update;
    const vec g = TYPED(v_load_up_to)(gradient, count), old = TYPED(v_load_up_to)(u->velocity + offset, count);
    const vec v = v_fma(u->kept, old, v_mul(u->fresh, v_fma(g, g, u->epsilon)));
    TYPED(v_store_up_to)(u->velocity + offset, v, count);
    return v_div(g, v_sqrt(v));
}

/* With c the coefficient[0]: v = (1 - c) v + c (g^2 + epsilon); u = g / sqrt(v); v velocity, u direction; the parts as
   in adafactor_norms. */
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

/* p = p - rate u, with the rate of adafactor_rate; u direction. */
DEFINE_KERNEL(adafactor)
{
    ARGUMENTS(adafactor);
    TYPED(descend)
    (worker, block, a->columns, a->parameter, a->direction,
     TYPED(adafactor_rate)(worker, a->parameter_parts, a->direction_parts, a->count, a->elements, a->epsilon,
                           a->clip_threshold));
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
    const struct TYPED(gradient_update) update = {NULL, NULL, v_set((real)(1 / (norm + a->epsilon)))};
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
