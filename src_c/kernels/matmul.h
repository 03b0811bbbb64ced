/* Matrix products of a dense layer, forward and backward: y = x w, dx = dy w', where w' is a mirror that
 * pack_transposed keeps, and dw = x' dy. */
#define MULTIPLY_ADD v_fma
#include "product.h"
#undef MULTIPLY_ADD

/* to (columns, rows) becomes the transpose of from (rows, columns). */
NN_INLINE void TYPED(transpose)(int64_t rows, int64_t columns, const real *from, int64_t from_stride, real *to,
                                int64_t to_stride)
{
    for (int64_t i = 0; i < rows; i += LANES) {
        const int64_t height = rows - i < LANES ? rows - i : LANES;
        for (int64_t j = 0; j < columns; j += LANES) {
            const int64_t width = columns - j < LANES ? columns - j : LANES;
            vec square[LANES];
            if (height == LANES && width == LANES) {
                for (int l = 0; l < LANES; l++)
                    square[l] = v_load(from + (i + l) * from_stride + j);
                v_transpose(square);
                for (int l = 0; l < LANES; l++)
                    v_store(to + (j + l) * to_stride + i, square[l]);
                continue;
            }
            for (int l = 0; l < LANES; l++)
                square[l] = l < height ? TYPED(v_load_up_to)(from + (i + l) * from_stride + j, width) : v_zero();
            v_transpose(square);
            for (int l = 0; l < LANES; l++)
                if (l < width)
                    TYPED(v_store_up_to)(to + (j + l) * to_stride + i, square[l], height);
        }
    }
}

/* c[r][j] = sum over p of a[r][p] b[p][j], then + c[r][j] (accumulate), + bias[j], max(0, .) (relu), and zero where
   mask[r][j] <= 0: the derivative of the ReLU whose output mask is.
   a is (rows, inner), b (inner, columns), bias (columns), c and mask (rows, columns). b is stored by rows, b_stride
   apart, or where b_panel is not 0 in panels b_panel elements apart, each the variant's column_tile wide. */
DEFINE_KERNEL(matmul)
{
    ARGUMENTS(matmul);
    UNUSED(worker);
    const TYPED(tile_ends) ends = {.bias = a->bias,
                                   .mask = a->mask,
                                   .mask_stride = a->mask_stride,
                                   .accumulate = a->accumulate != 0,
                                   .relu = a->relu != 0};
    TYPED(product_of_rows)
    (block, a->columns, a->inner, a->a, a->a_stride, a->b, a->b_stride, a->b_panel, a->c, a->c_stride, &ends);
}

/* c (rows, columns) = a b', then + c (accumulate), for vectors a (rows) and b (columns): a chain of one product. */
NN_INLINE void TYPED(outer_product)(int64_t rows, int64_t columns, const real *a, const real *b, real *c,
                                    int64_t c_stride, int accumulate)
{
    for (int64_t r = 0; r < rows; r++, c += c_stride) {
        const vec element = v_set(a[r]);
        int64_t j = 0;
        if (!accumulate)
            for (; j + LANES <= columns; j += LANES)
                v_store(c + j, v_fma(element, v_load(b + j), v_zero()));
        for (; j < columns; j += LANES) {
            vec product = v_fma(element, TYPED(v_load_up_to)(b + j, columns - j), v_zero());
            if (accumulate)
                product = v_add(TYPED(v_load_up_to)(c + j, columns - j), product);
            TYPED(v_store_up_to)(c + j, product, columns - j);
        }
    }
}

/* c = a' b as product does, from a copy of the rows of a that lie close together. Where rows are a page apart, each
   tile would go through as many pages of a as of b, more than there are entries in a first-level TLB: with a copy of a
   it is those of b alone. Where they are whole pages apart, all of a tile's would be in one set of the cache. */
static void TYPED(product_from_copy)(int64_t rows, int64_t columns, int64_t inner, const real *a, int64_t a_stride,
                                     const real *b, int64_t b_stride, real *c, int64_t c_stride, real *scratch)
{
    const int64_t stride = (rows + LANES - 1) / LANES * LANES, room = NN_SCRATCH_BYTES / (int64_t)sizeof(real) / stride;
    const int64_t most = room < TYPED(INNER_BLOCK_TRANSPOSED) ? room : TYPED(INNER_BLOCK_TRANSPOSED);
    const int64_t passes = (inner + most - 1) / most;
    TYPED(tile_ends) ends = {0};
    for (int64_t pass = 0; pass < passes; pass++) {
        const int64_t begin = inner * pass / passes, length = inner * (pass + 1) / passes - begin;
        for (int64_t p = 0; p < length; p++) {
            const real *const from = a + (begin + p) * a_stride;
            real *const to = scratch + p * stride;
            int64_t r = 0;
            for (; r + LANES <= rows; r += LANES)
                v_store(to + r, v_load(from + r));
            if (r < rows)
                v_store_first(to + r, v_load_first(from + r, rows - r), rows - r);
        }
        ends.continued = pass > 0;
        TYPED(product)
        (1, rows, columns, length, scratch, stride, b + begin * b_stride, b_stride, 0, c, c_stride, &ends);
    }
}

/* gradient (inputs, units) = x' dy, then + gradient (accumulate), for x (rows, inputs) and dy (rows, units). */
static void TYPED(gradient_product)(int64_t rows, int64_t inputs, int64_t units, const real *x, int64_t x_stride,
                                    const real *dy, int64_t dy_stride, real *gradient, int64_t gradient_stride,
                                    int accumulate, real *scratch)
{
    enum { FAR_BYTES = 3072, MANY_ROWS = 192, PAGE = 4096, SOME_ROWS = 32, MANY_UNITS = 64, MOST_INPUTS = 256 };
    const int64_t apart = x_stride * (int64_t)sizeof(real);
    const int far = (apart >= FAR_BYTES && rows >= MANY_ROWS) || (apart % PAGE == 0 && rows >= SOME_ROWS);
    const TYPED(tile_ends) ends = {.accumulate = accumulate};
    const int64_t empty_lanes = (LANES - units % LANES) % LANES, turned_stride = (inputs + LANES - 1) / LANES * LANES;
    if (rows == 1) {
        TYPED(outer_product)(inputs, units, x, dy, gradient, gradient_stride, accumulate);
    } else if (4 * empty_lanes > units && inputs >= 2 * LANES && !accumulate &&
               units * turned_stride * (int64_t)sizeof(real) <= NN_SCRATCH_BYTES) {
        /* so few units would leave lanes of their vectors empty: the transpose has inputs in the lanes */
        TYPED(product)(1, units, inputs, rows, dy, dy_stride, x, x_stride, 0, scratch, turned_stride, &ends);
        TYPED(transpose)(units, inputs, scratch, turned_stride, gradient, gradient_stride);
    } else if (far && units >= MANY_UNITS && inputs <= MOST_INPUTS && !accumulate) {
        TYPED(product_from_copy)(inputs, units, rows, x, x_stride, dy, dy_stride, gradient, gradient_stride, scratch);
    } else {
        TYPED(product)(1, inputs, units, rows, x, x_stride, dy, dy_stride, 0, gradient, gradient_stride, &ends);
    }
}

/* gradient[i][j] = sum over rows r of x[r][i] dy[r][j], then + gradient[i][j] (accumulate), for the block's i and j.
   x is (rows, inputs), dy (rows, units), the gradient (inputs, units). */
DEFINE_KERNEL(matmul_gradient)
{
    ARGUMENTS(matmul_gradient);
    TYPED(gradient_product)
    (worker->rows, block->row_end - block->row_begin, block->column_end - block->column_begin, a->x + block->row_begin,
     a->x_stride, a->dy + block->column_begin, a->dy_stride, worker->gradient, worker->gradient_stride,
     a->accumulate != 0, worker->scratch);
}

/* parts[r / part_rows] (inputs, units) = sum over the block's rows r of x[r]' dy[r]; the block begins at a multiple of
   part_rows and has no more of them. */
DEFINE_KERNEL(matmul_gradient_part)
{
    ARGUMENTS(matmul_gradient_part);
    TYPED(gradient_product)
    (block->row_end - block->row_begin, a->inputs, a->units, a->x + block->row_begin * a->x_stride, a->x_stride,
     a->dy + block->row_begin * a->dy_stride, a->dy_stride,
     a->parts + block->row_begin / a->part_rows * a->parts_stride, a->units, 0, worker->scratch);
}

/* gradient[i][j] = sum in order of parts[.][i][j], then + gradient[i][j] (accumulate), for the block's i and j.
   parts has one (rows, columns) for each part_rows rows of the minibatch. */
DEFINE_KERNEL(sum_parts)
{
    ARGUMENTS(sum_parts);
    const int64_t count = (worker->rows + a->part_rows - 1) / a->part_rows;
    for (int64_t i = block->row_begin; i < block->row_end; i++)
        for (int64_t j = block->column_begin; j < block->column_end; j += LANES) {
            const int64_t lanes = block->column_end - j;
            const real *part = a->parts + i * a->columns + j;
            vec sum = TYPED(v_load_up_to)(part, lanes);
            for (int64_t n = 1; n < count; n++)
                sum = v_add(sum, TYPED(v_load_up_to)(part += a->parts_stride, lanes));
            real *target =
                (real *)worker->gradient + (i - block->row_begin) * worker->gradient_stride + (j - block->column_begin);
            if (a->accumulate)
                sum = v_add(TYPED(v_load_up_to)(target, lanes), sum);
            TYPED(v_store_up_to)(target, sum, lanes);
        }
}

/* sums[j] = sum over rows r of dy[r][j], then + sums[j] (accumulate); rows are dealt to four sums in turn, and those
   added as (0 + 2) + (1 + 3). */
NN_INLINE void TYPED(sum_columns)(int64_t rows, int64_t columns, const real *dy, int64_t dy_stride, real *sums,
                                  int accumulate)
{
    for (int64_t j = 0; j < columns; j += LANES) {
        const int64_t lanes = columns - j;
        vec sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
        const real *row = dy + j;
        int64_t r = 0;
        for (; r + 4 <= rows; r += 4, row += 4 * dy_stride)
            for (int i = 0; i < 4; i++)
                sum[i] = v_add(sum[i], TYPED(v_load_up_to)(row + i * dy_stride, lanes));
        for (int i = 0; r + i < rows; i++)
            sum[i] = v_add(sum[i], TYPED(v_load_up_to)(row + i * dy_stride, lanes));
        vec total = v_add(v_add(sum[0], sum[2]), v_add(sum[1], sum[3]));
        if (accumulate)
            total = v_add(TYPED(v_load_up_to)(sums + j, lanes), total);
        TYPED(v_store_up_to)(sums + j, total, lanes);
    }
}

/* gradient[0][j] = sum over rows r of dy[r][j], then + gradient[0][j] (accumulate). dy is (rows, units). */
DEFINE_KERNEL(column_sum)
{
    ARGUMENTS(column_sum);
    TYPED(sum_columns)
    (worker->rows, block->column_end - block->column_begin, a->dy + block->column_begin, a->dy_stride, worker->gradient,
     a->accumulate != 0);
}

/* parts[r / part_rows][j] = sum over the block's rows r of dy[r][j], of the block as in matmul_gradient_part. */
DEFINE_KERNEL(column_sum_part)
{
    ARGUMENTS(column_sum_part);
    UNUSED(worker);
    TYPED(sum_columns)
    (block->row_end - block->row_begin, a->units, a->dy + block->row_begin * a->dy_stride, a->dy_stride,
     a->parts + block->row_begin / a->part_rows * a->parts_stride, 0);
}

/* parts[r / part_rows][j] = sum over the block's rows and their `positions` of dy[position][j], of the block as in
   column_sum_part. dy is (rows, positions, units). */
DEFINE_KERNEL(positions_sum_part)
{
    ARGUMENTS(positions_sum_part);
    UNUSED(worker);
    real *const part = a->parts + block->row_begin / a->part_rows * a->parts_stride;
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        TYPED(sum_columns)
    (a->positions, a->units, a->dy + r * a->dy_stride, a->units, part, r > block->row_begin);
}

/* Where element (p, j) of a packed matrix stands: as b[p][j] of matmul. */
NN_INLINE real *TYPED(packed_place)(real *packed, int64_t stride, int64_t panel, int64_t p, int64_t j)
{
    enum { WIDTH = NN_TILE_VECTORS * LANES };
    return panel ? packed + j / WIDTH * panel + p * stride + j % WIDTH : packed + p * stride + j;
}

/* packed (columns, rows) becomes the transpose of matrix (rows, columns), for the block's elements, in the layout
   of matmul's b: stride packed_stride, panels packed_panel apart unless that is 0. */
DEFINE_KERNEL(pack_transposed)
{
    ARGUMENTS(pack_transposed);
    UNUSED(worker);
    enum { WIDTH = NN_TILE_VECTORS * LANES };
    for (int64_t i = block->row_begin; i < block->row_end;) {
        int64_t end = block->row_end;
        if (a->packed_panel && end > i / WIDTH * WIDTH + WIDTH)
            end = i / WIDTH * WIDTH + WIDTH; /* of the panel */
        TYPED(transpose)
        (end - i, block->column_end - block->column_begin, a->matrix + i * a->columns + block->column_begin, a->columns,
         TYPED(packed_place)(a->packed, a->packed_stride, a->packed_panel, block->column_begin, i), a->packed_stride);
        i = end;
    }
}

/* packed becomes matrix (rows, columns) itself, for the block's elements, in the layout of matmul's b. */
DEFINE_KERNEL(pack)
{
    ARGUMENTS(pack);
    UNUSED(worker);
    enum { WIDTH = NN_TILE_VECTORS * LANES };
    for (int64_t i = block->row_begin; i < block->row_end; i++)
        for (int64_t j = block->column_begin; j < block->column_end;) {
            int64_t run = block->column_end - j;
            if (a->packed_panel && run > WIDTH - j % WIDTH)
                run = WIDTH - j % WIDTH;
            const real *from = a->matrix + i * a->columns + j;
            real *to = TYPED(packed_place)(a->packed, a->packed_stride, a->packed_panel, i, j);
            for (int64_t n = 0; n < run; n += LANES)
                TYPED(v_store_up_to)(to + n, TYPED(v_load_up_to)(from + n, run - n), run - n);
            j += run;
        }
}
