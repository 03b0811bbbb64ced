/* Matrix products of a dense layer, forward and backward.
 *
 * Each element of a product is one chain of fused multiply-adds over the summed index in increasing order,
 * starting from zero; cutting that index into blocks only stores and reloads the chain's value. So the result
 * does not depend on tile sizes, threads or the register width.
 *
 * A tile of rows x vectors sums stays in registers while the summed index runs. B is read a vector at a time
 * along its rows, A one element at a time, broadcast. The products of a training step differ only in how A is
 * addressed: by rows (A B), or by columns (A' B, `transposed`); B' is a mirror that pack_transposed keeps. */

/* Rows of the summed index that a pass covers, so that a panel of B this long stays in the first-level cache; fewer
   where A is read along its columns, as then each row of a tile of A takes a whole cache line there as well. */
enum { TYPED(INNER_BLOCK) = 320, TYPED(INNER_BLOCK_TRANSPOSED) = 144 };

/* What becomes of a tile's sums: added to c, then + bias, then max(0, .), then zero where mask <= 0. */
typedef struct TYPED(tile_ends) {
    const real *bias;
    const real *mask;
    int64_t mask_stride;
    int continued; /* the chains go on from what c holds */
    int final;     /* they end here: apply the rest of these fields */
    int accumulate;
    int relu;
} TYPED(tile_ends);

typedef void (*TYPED(tile_function))(int64_t inner, const real *a, int64_t a_stride, const real *b, int64_t b_stride,
                                     real *c, int64_t c_stride, int64_t last_lanes, int64_t ahead,
                                     const TYPED(tile_ends) *ends);

#define TILE_ROWS_LISTED 14
#define TILE_VECTORS_LISTED 8

/* rows, vectors, partial and transposed are constants at each use, so all loops over them unroll and the sums
   live in registers. The last vector has last_lanes columns where it is partial. b + ahead is asked for from memory. */
NN_INLINE void TYPED(tile)(const int rows, const int vectors, const int partial, const int transposed, int64_t inner,
                           const real *a, int64_t a_stride, const real *b, int64_t b_stride, real *c, int64_t c_stride,
                           int64_t last_lanes, int64_t ahead, const TYPED(tile_ends) *ends)
{
    vec sum[TILE_ROWS_LISTED][TILE_VECTORS_LISTED]; /* constant sizes, or the compiler keeps them in memory */
#define FOR_TILE(r, v)                                                                                                 \
    _Pragma("GCC unroll 32") for (int r = 0; r < rows; r++) _Pragma("GCC unroll 32") for (int v = 0; v < vectors; v++)
#define LANES_OF(v) (partial && (v) == vectors - 1 ? last_lanes : LANES)

    if (ends->continued) {
        FOR_TILE (r, v)
            sum[r][v] = TYPED(v_load_up_to)(c + r * c_stride + v * LANES, LANES_OF(v));
    } else {
        FOR_TILE (r, v)
            sum[r][v] = v_zero();
    }

#pragma GCC unroll 4
    for (int64_t p = 0; p < inner; p++) {
        __builtin_prefetch(b + ahead, 0, 2);
        vec row_of_b[TILE_VECTORS_LISTED];
#pragma GCC unroll 32
        for (int v = 0; v < vectors; v++)
            row_of_b[v] = partial && v == vectors - 1 ? v_load_first(b + v * LANES, last_lanes) : v_load(b + v * LANES);
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            vec element = v_set(transposed ? a[r] : a[r * a_stride]);
#pragma GCC unroll 32
            for (int v = 0; v < vectors; v++)
                sum[r][v] = v_fma(element, row_of_b[v], sum[r][v]);
        }
        a += transposed ? a_stride : 1;
        b += b_stride;
    }

    if (ends->final) {
        if (ends->accumulate)
            FOR_TILE (r, v)
                sum[r][v] = v_add(TYPED(v_load_up_to)(c + r * c_stride + v * LANES, LANES_OF(v)), sum[r][v]);
        if (ends->bias)
            FOR_TILE (r, v)
                sum[r][v] = v_add(sum[r][v], TYPED(v_load_up_to)(ends->bias + v * LANES, LANES_OF(v)));
        if (ends->relu)
            FOR_TILE (r, v)
                sum[r][v] = v_max(v_zero(), sum[r][v]);
        if (ends->mask)
            FOR_TILE (r, v) {
                vec m = TYPED(v_load_up_to)(ends->mask + r * ends->mask_stride + v * LANES, LANES_OF(v));
                sum[r][v] = v_select(v_less(v_zero(), m), sum[r][v], v_zero());
            }
    }
    FOR_TILE (r, v)
        TYPED(v_store_up_to)(c + r * c_stride + v * LANES, sum[r][v], LANES_OF(v));
#undef FOR_TILE
#undef LANES_OF
}

/* Tiles larger than the registers are left empty and never called. */
#define DEFINE_TILE(rows, vectors, partial, transposed)                                                                \
    static void TYPED(tile_##rows##x##vectors##_##partial##_##transposed)(                                             \
        int64_t inner, const real *a, int64_t a_stride, const real *b, int64_t b_stride, real *c, int64_t c_stride,    \
        int64_t last_lanes, int64_t ahead, const TYPED(tile_ends) *ends)                                               \
    {                                                                                                                  \
        if (rows * vectors <= NN_ACCUMULATORS)                                                                         \
            TYPED(tile)(rows, vectors, partial, transposed, inner, a, a_stride, b, b_stride, c, c_stride, last_lanes,  \
                        ahead, ends);                                                                                  \
    }
#define DEFINE_TILES(rows, vectors)                                                                                    \
    DEFINE_TILE(rows, vectors, 0, 0)                                                                                   \
    DEFINE_TILE(rows, vectors, 1, 0)                                                                                   \
    DEFINE_TILE(rows, vectors, 0, 1)                                                                                   \
    DEFINE_TILE(rows, vectors, 1, 1)
/* clang-format off */
#define TILES_1(DO)                                                                                                    \
    DO(1, 1) DO(2, 1) DO(3, 1) DO(4, 1) DO(5, 1) DO(6, 1)                                                              \
    DO(7, 1) DO(8, 1) DO(9, 1) DO(10, 1) DO(11, 1) DO(12, 1)
#define TILES_2(DO)                                                                                                    \
    DO(1, 2) DO(2, 2) DO(3, 2) DO(4, 2) DO(5, 2) DO(6, 2) DO(7, 2)                                                     \
    DO(8, 2) DO(9, 2) DO(10, 2) DO(11, 2) DO(12, 2) DO(13, 2) DO(14, 2)
#define TILES_3(DO) DO(1, 3) DO(2, 3) DO(3, 3) DO(4, 3) DO(5, 3) DO(6, 3) DO(7, 3) DO(8, 3)
#define TILES_4(DO) DO(1, 4) DO(2, 4) DO(3, 4) DO(4, 4) DO(5, 4) DO(6, 4)
#define TILES_8(DO) DO(1, 8) DO(2, 8) DO(3, 8)
/* clang-format on */
TILES_1(DEFINE_TILES)
TILES_2(DEFINE_TILES)
TILES_3(DEFINE_TILES)
TILES_4(DEFINE_TILES)
TILES_8(DEFINE_TILES)
#undef DEFINE_TILE
#undef DEFINE_TILES

/* By transposed, partial, vectors (1, 2, 3, 4, 8) and rows - 1. */
static const TYPED(tile_function) TYPED(tiles)[2][2][5][TILE_ROWS_LISTED] = {
#define ENTRY_00(rows, vectors) TYPED(tile_##rows##x##vectors##_0_0),
#define ENTRY_10(rows, vectors) TYPED(tile_##rows##x##vectors##_1_0),
#define ENTRY_01(rows, vectors) TYPED(tile_##rows##x##vectors##_0_1),
#define ENTRY_11(rows, vectors) TYPED(tile_##rows##x##vectors##_1_1),
/* clang-format off */
#define ENTRIES(ENTRY) {{TILES_1(ENTRY)}, {TILES_2(ENTRY)}, {TILES_3(ENTRY)}, {TILES_4(ENTRY)}, {TILES_8(ENTRY)}}
    /* clang-format on */
    {ENTRIES(ENTRY_00), ENTRIES(ENTRY_10)},
    {ENTRIES(ENTRY_01), ENTRIES(ENTRY_11)},
#undef ENTRY_00
#undef ENTRY_10
#undef ENTRY_01
#undef ENTRY_11
#undef ENTRIES
};
#undef TILES_1
#undef TILES_2
#undef TILES_3
#undef TILES_4
#undef TILES_8
#undef TILE_ROWS_LISTED
#undef TILE_VECTORS_LISTED

/* The widths that tiles exist for, their place in the table, and the rows that the list above goes up to. */
NN_INLINE int TYPED(tile_place)(int vectors) { return vectors == 8 ? 4 : vectors - 1; }
NN_INLINE int64_t TYPED(tile_rows)(int vectors)
{
    static const int listed[5] = {12, 14, 8, 6, 3};
    int fitting = NN_ACCUMULATORS / vectors;
    int most = listed[TYPED(tile_place)(vectors)];
    return fitting < most ? fitting : most;
}

/* How wide a tile over `rows` rows should be when `vectors` are left: the full tile where there are rows to
   fill it, else as wide as the registers allow, so that there are enough independent sums. */
NN_INLINE int TYPED(tile_vectors)(int64_t rows, int64_t vectors)
{
    static const int widths[] = {8, 4, 3, 2};
    if (rows >= NN_TILE_ROWS)
        return vectors < NN_TILE_VECTORS ? (int)vectors : NN_TILE_VECTORS;
    for (int i = 0; i < 4; i++)
        if (widths[i] <= vectors && rows <= TYPED(tile_rows)(widths[i]))
            return widths[i];
    return 1;
}

/* c (rows, columns) from a and b over `inner`; b_panel as in matmul. bias and mask in ends point at column 0. */
static void TYPED(product)(const int transposed, int64_t rows, int64_t columns, int64_t inner, const real *a,
                           int64_t a_stride, const real *b, int64_t b_stride, int64_t b_panel, real *c,
                           int64_t c_stride, const TYPED(tile_ends) *whole)
{
    /* an accumulated product keeps c for the end, so its chains cannot be parked there */
    const int64_t most_inner = transposed ? TYPED(INNER_BLOCK_TRANSPOSED) : TYPED(INNER_BLOCK);
    int64_t passes = whole->accumulate ? 1 : (inner + most_inner - 1) / most_inner;
    if (passes < 1)
        passes = 1;
    TYPED(tile_ends) ends = *whole;
    for (int64_t pass = 0; pass < passes; pass++) {
        int64_t begin = inner * pass / passes, length = inner * (pass + 1) / passes - begin;
        ends.continued = pass > 0;
        ends.final = pass == passes - 1;
        for (int64_t column = 0; column < columns;) {
            int64_t vectors_left = (columns - column + LANES - 1) / LANES;
            int vectors =
                b_panel && vectors_left > NN_TILE_VECTORS ? NN_TILE_VECTORS : TYPED(tile_vectors)(rows, vectors_left);
            int64_t last_lanes = columns - column - (int64_t)(vectors - 1) * LANES;
            int partial = last_lanes < LANES;
            const TYPED(tile_function) *functions = TYPED(tiles)[transposed][partial][TYPED(tile_place)(vectors)];
            const real *b_here =
                (b_panel ? b + column / (NN_TILE_VECTORS * LANES) * b_panel + column % (NN_TILE_VECTORS * LANES)
                         : b + column) +
                begin * b_stride;
            /* The first tile of a panel would wait for each row of it: one of those before brings them near. */
            const int64_t next_panel = b_panel ? b_panel : NN_TILE_VECTORS * LANES;
            int64_t most = TYPED(tile_rows)(vectors), tiles = (rows + most - 1) / most;
            ends.bias = whole->bias ? whole->bias + column : NULL;
            for (int64_t tile = 0, row = 0; tile < tiles; tile++) {
                int64_t end = rows * (tile + 1) / tiles; /* even tiles: 8 + 8, not 14 + 2 */
                const real *a_here = transposed ? a + row + begin * a_stride : a + row * a_stride + begin;
                ends.mask = whole->mask ? whole->mask + row * whole->mask_stride + column : NULL;
                functions[end - row - 1](length, a_here, a_stride, b_here, b_stride, c + row * c_stride + column,
                                         c_stride, last_lanes, tile == tiles / 2 ? next_panel : 0, &ends);
                row = end;
            }
            column += (int64_t)vectors * LANES;
        }
    }
}

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
    enum { ROWS_IN_CACHE = 128 }; /* of a, INNER_BLOCK long: a part of the second-level cache */
    int64_t rows = block->row_end - block->row_begin, chunks = (rows + ROWS_IN_CACHE - 1) / ROWS_IN_CACHE;
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        int64_t row = block->row_begin + rows * chunk / chunks, end = block->row_begin + rows * (chunk + 1) / chunks;
        TYPED(tile_ends)
        ends = {.bias = a->bias,
                .mask = a->mask ? a->mask + row * a->mask_stride : NULL,
                .mask_stride = a->mask_stride,
                .accumulate = a->accumulate != 0,
                .relu = a->relu != 0};
        TYPED(product)
        (0, end - row, a->columns, a->inner, a->a + row * a->a_stride, a->a_stride, a->b, a->b_stride, a->b_panel,
         a->c + row * a->c_stride, a->c_stride, &ends);
    }
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

/* gradient (inputs, units) = x' dy, then + gradient (accumulate), for x (rows, inputs) and dy (rows, units). */
static void TYPED(gradient_product)(int64_t rows, int64_t inputs, int64_t units, const real *x, int64_t x_stride,
                                    const real *dy, int64_t dy_stride, real *gradient, int64_t gradient_stride,
                                    int accumulate, real *scratch)
{
    const TYPED(tile_ends) ends = {.accumulate = accumulate};
    const int64_t empty_lanes = (LANES - units % LANES) % LANES, turned_stride = (inputs + LANES - 1) / LANES * LANES;
    if (rows == 1) {
        TYPED(outer_product)(inputs, units, x, dy, gradient, gradient_stride, accumulate);
    } else if (4 * empty_lanes > units && inputs >= 2 * LANES && !accumulate &&
               units * turned_stride * (int64_t)sizeof(real) <= NN_SCRATCH_BYTES) {
        /* so few units would leave lanes of their vectors empty: the transpose has inputs in the lanes */
        TYPED(product)(1, units, inputs, rows, dy, dy_stride, x, x_stride, 0, scratch, turned_stride, &ends);
        TYPED(transpose)(units, inputs, scratch, turned_stride, gradient, gradient_stride);
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
