/* The core of all matrix products: c = a b over tiles of sums in registers.
 * Before: MULTIPLY_ADD(a, b, c), what a step of a chain does with vectors: v_fma, or a product of pairs of bfloat16.
 *
 * Each element of a product is one chain of multiply-adds over the summed index in increasing order, starting from
 * zero; cutting that index into blocks only stores and reloads the chain's value. So the result does not depend on
 * tile sizes, threads or the register width.
 *
 * A tile of rows x vectors sums stays in registers while the summed index runs. B is read a vector at a time along its
 * rows, A one element at a time, broadcast. The products of a training step differ only in how A is addressed: by rows
 * (A B), or by columns (A' B, `transposed`). */

/* Rows of the summed index that a pass covers, so that a panel of B this long stays in the first-level cache; fewer
   where A is read along its columns, as then each row of a tile of A takes a whole cache line there as well. */
enum { TYPED(INNER_BLOCK) = 320, TYPED(INNER_BLOCK_TRANSPOSED) = 144 };

/* The summed index of a tile: `pieces` of `inner` steps. In a step b goes on by b_stride, and a by a_stride where it is
   transposed, else by one; between two pieces both jump. */
typedef struct TYPED(tile_chain) {
    int64_t pieces, inner;
    int64_t a_stride, b_stride;
    int64_t a_jump, b_jump; /* from where a piece ends to where the next begins */
} TYPED(tile_chain);

/* What becomes of a tile's sums: added to c, then + bias, then max(0, .), then zero where mask <= 0. */
typedef struct TYPED(tile_ends) {
    const real *bias;
    const real *mask;
    int64_t mask_stride, mask_group;
    int continued;  /* the chains go on from what c holds */
    int unfinished; /* they go on after this: leave out the rest of these fields */
    int accumulate;
    int relu;
} TYPED(tile_ends);

typedef void (*TYPED(tile_function))(const TYPED(tile_chain) *chain, const real *a, const real *b, real *c,
                                     int64_t c_stride, int64_t last_lanes, int64_t ahead, const TYPED(tile_ends) *ends);

#define TILE_ROWS_LISTED 14
#define TILE_VECTORS_LISTED 8

/* rows, vectors, partial and transposed are constants at each use, so all loops over them unroll and the sums
   live in registers. The last vector has last_lanes columns where it is partial. b + ahead is asked for from memory. */
NN_INLINE void TYPED(tile)(const int rows, const int vectors, const int partial, const int transposed,
                           const TYPED(tile_chain) *chain, const real *a, const real *b, real *c, int64_t c_stride,
                           int64_t last_lanes, int64_t ahead, const TYPED(tile_ends) *ends)
{
    const int64_t inner = chain->inner, a_stride = chain->a_stride, b_stride = chain->b_stride;
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

    for (int64_t pieces_left = chain->pieces;;) {
#pragma GCC unroll 4
        for (int64_t p = 0; p < inner; p++) {
            __builtin_prefetch(b + ahead, 0, 2);
            vec row_of_b[TILE_VECTORS_LISTED];
#pragma GCC unroll 32
            for (int v = 0; v < vectors; v++)
                row_of_b[v] =
                    partial && v == vectors - 1 ? v_load_first(b + v * LANES, last_lanes) : v_load(b + v * LANES);
#pragma GCC unroll 32
            for (int r = 0; r < rows; r++) {
                vec element = v_set(transposed ? a[r] : a[r * a_stride]);
#pragma GCC unroll 32
                for (int v = 0; v < vectors; v++)
                    sum[r][v] = MULTIPLY_ADD(element, row_of_b[v], sum[r][v]);
            }
            a += transposed ? a_stride : 1;
            b += b_stride;
        }
        if (--pieces_left == 0)
            break;
        a += chain->a_jump;
        b += chain->b_jump;
    }

    if (!ends->unfinished) {
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
    if (partial && vectors == 1 && c_stride == last_lanes && 2 * last_lanes >= LANES) {
        /* Rows beside each other: what a whole vector writes too much is of the next row, which comes after it. */
#pragma GCC unroll 32
        for (int r = 0; r < rows - 1; r++)
            v_store(c + r * c_stride, sum[r][0]);
        v_store_first(c + (rows - 1) * c_stride, sum[rows - 1][0], last_lanes);
        return;
    }
    FOR_TILE (r, v)
        TYPED(v_store_up_to)(c + r * c_stride + v * LANES, sum[r][v], LANES_OF(v));
#undef FOR_TILE
#undef LANES_OF
}

/* Tiles larger than the registers are left empty and never called. */
#define DEFINE_TILE(rows, vectors, partial, transposed)                                                                \
    static void TYPED(tile_##rows##x##vectors##_##partial##_##transposed)(                                             \
        const TYPED(tile_chain) *chain, const real *a, const real *b, real *c, int64_t c_stride, int64_t last_lanes,   \
        int64_t ahead, const TYPED(tile_ends) *ends)                                                                   \
    {                                                                                                                  \
        if (rows * vectors <= NN_ACCUMULATORS)                                                                         \
            TYPED(tile)(rows, vectors, partial, transposed, chain, a, b, c, c_stride, last_lanes, ahead, ends);        \
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

/* The operands of a product. Its rows are `groups` of `rows`, its summed index `pieces` of `inner`, as windows of
   images have it; a plain product has one of each. */
typedef struct TYPED(operands) {
    int64_t groups, rows, columns, pieces, inner;
    const real *a;
    int64_t a_group, a_stride, a_piece; /* from group to group, from row to row, from piece to piece */
    const real *b;
    int64_t b_stride, b_panel, b_piece; /* b_panel as in matmul */
    real *c;
    int64_t c_group, c_stride;
} TYPED(operands);

/* Rows of b that are a multiple of this apart fall into few sets of the first-level cache; a product that goes over
   them for many tiles of rows reads them from a copy. Those of padded buffers never are. Products by rows have b in
   panels where that matters. */
enum { TYPED(SET_BYTES) = 256, TYPED(MANY_TILES) = 4 };

/* A b in panels of so many bytes comes from beyond the second-level cache. */
enum { TYPED(LARGE_BYTES) = 1 << 21 };

/* Asks for the lines of `rows` rows, a tile wide. */
NN_INLINE void TYPED(ask_for)(int64_t rows, const real *from, int64_t stride)
{
    enum { WIDTH = NN_TILE_VECTORS * LANES, LINE = 64 / sizeof(real) };
    for (int64_t row = 0; row < rows; row++, from += stride)
        for (int64_t j = 0; j < WIDTH; j += LINE)
            __builtin_prefetch(from + j, 0, 2);
}

/* `pieces` of `inner` rows of b, one after the other, a tile wide; what is beyond `columns` stays as it is. b + ahead,
   what is copied next, is asked for from memory: its rows lie so far apart that the processor does not foresee them. */
static void TYPED(copy_panel)(const TYPED(operands) *of, const real *b, int64_t pieces, int64_t inner, int64_t columns,
                              int64_t ahead, real *to)
{
    enum { WIDTH = NN_TILE_VECTORS * LANES };
    for (int64_t piece = 0; piece < pieces; piece++) {
        const real *from = b + piece * of->b_piece;
        for (int64_t p = 0; p < inner; p++, from += of->b_stride, to += WIDTH) {
            __builtin_prefetch(from + ahead);
            for (int64_t j = 0; j < columns; j += LANES)
                v_store(to + j, TYPED(v_load_up_to)(from + j, columns - j));
        }
    }
}

/* The product over a part of the summed index: `pieces` of `inner` from a and b on. */
static void TYPED(product_pass)(const int transposed, const TYPED(operands) *of, const real *a, const real *b,
                                int64_t pieces, int64_t inner, const TYPED(tile_ends) *whole)
{
    enum { WIDTH = NN_TILE_VECTORS * LANES };
    TYPED(tile_ends) ends = *whole;
    TYPED(tile_chain) chain = {.pieces = pieces,
                               .inner = inner,
                               .a_stride = of->a_stride,
                               .b_stride = of->b_stride,
                               .a_jump = of->a_piece - inner * (transposed ? of->a_stride : 1),
                               .b_jump = of->b_piece - inner * of->b_stride};
    real panel[TYPED(INNER_BLOCK_TRANSPOSED) *WIDTH] __attribute__((aligned(64)));
    const int copied =
        transposed && of->b_stride * (int64_t)sizeof(real) % TYPED(SET_BYTES) == 0 &&
        pieces * inner <= TYPED(INNER_BLOCK_TRANSPOSED) &&of->groups * of->rows >= TYPED(MANY_TILES) *NN_TILE_ROWS;
    if (copied) {
        chain.b_stride = WIDTH;
        chain.b_jump = 0;
    }
    const int large = of->b_panel && of->columns / WIDTH * of->b_panel * (int64_t)sizeof(real) > TYPED(LARGE_BYTES);
    for (int64_t column = 0; column < of->columns;) {
        int64_t vectors_left = (of->columns - column + LANES - 1) / LANES;
        int vectors = (of->b_panel || copied) && vectors_left > NN_TILE_VECTORS
                          ? NN_TILE_VECTORS
                          : TYPED(tile_vectors)(of->rows, vectors_left);
        int64_t last_lanes = of->columns - column - (int64_t)(vectors - 1) * LANES;
        int partial = last_lanes < LANES;
        const TYPED(tile_function) *functions = TYPED(tiles)[transposed][partial][TYPED(tile_place)(vectors)];
        const real *b_here = of->b_panel ? b + column / WIDTH * of->b_panel + column % WIDTH : b + column;
        if (copied) {
            const int64_t left = of->columns - column;
            const int64_t ahead = left > WIDTH ? WIDTH : pieces * of->b_piece - column;
            TYPED(copy_panel)(of, b + column, pieces, inner, left < WIDTH ? left : WIDTH, ahead, panel);
            b_here = panel;
        }
        int64_t most = TYPED(tile_rows)(vectors), tiles = (of->rows + most - 1) / most;
        /* The first tile of a panel would wait for each row of it: one of those before brings them near, or, where that
           is more than memory gives in a tile's time, each of those before a share. */
        const real *const next_panel = b_here + (of->b_panel ? of->b_panel : WIDTH);
        const int64_t share = large && of->columns - column > WIDTH ? inner / (of->groups * tiles) + 1 : 0;
        int64_t asked = 0;
        ends.bias = whole->bias ? whole->bias + column : NULL;
        for (int64_t group = 0; group < of->groups; group++) {
            const real *a_group = a + group * of->a_group;
            real *c_group = of->c + group * of->c_group + column;
            for (int64_t tile = 0, row = 0; tile < tiles; tile++) {
                int64_t end = of->rows * (tile + 1) / tiles; /* even tiles: 8 + 8, not 14 + 2 */
                const real *a_here = transposed ? a_group + row : a_group + row * of->a_stride;
                const int brings = !copied && !share && tile == tiles / 2 && group == of->groups / 2;
                real *const c_here = c_group + row * of->c_stride;
                if (whole->mask)
                    ends.mask = whole->mask + group * whole->mask_group + row * whole->mask_stride + column;
                if (share) {
                    const int64_t more = inner - asked < share ? inner - asked : share;
                    TYPED(ask_for)(more, next_panel + asked * of->b_stride, of->b_stride);
                    asked += more;
                    if (ends.continued) /* what the next tile goes on from */
                        TYPED(ask_for)(end - row, c_here + (end - row) * of->c_stride, of->c_stride);
                }
                functions[end - row - 1](&chain, a_here, b_here, c_here, of->c_stride, last_lanes,
                                         brings ? next_panel - b_here : 0, &ends);
                row = end;
            }
        }
        column += (int64_t)vectors * LANES;
    }
}

/* c (groups, rows, columns) from a and b over pieces and inner. bias and mask in ends point at column 0. */
static void TYPED(product_of)(const int transposed, const TYPED(operands) *of, const TYPED(tile_ends) *whole)
{
    const int64_t most = transposed ? TYPED(INNER_BLOCK_TRANSPOSED) : TYPED(INNER_BLOCK);
    TYPED(tile_ends) ends = *whole;
    if (of->pieces * of->inner <= most || whole->accumulate) {
        /* an accumulated product keeps c for the end, so its chains cannot be parked there */
        TYPED(product_pass)(transposed, of, of->a, of->b, of->pieces, of->inner, whole);
    } else if (2 * of->inner <= most) {
        const int64_t passes = (of->pieces + most / of->inner - 1) / (most / of->inner);
        for (int64_t pass = 0; pass < passes; pass++) {
            const int64_t begin = of->pieces * pass / passes, end = of->pieces * (pass + 1) / passes;
            ends.continued = whole->continued || pass > 0;
            ends.unfinished = whole->unfinished || pass < passes - 1;
            TYPED(product_pass)
            (transposed, of, of->a + begin * of->a_piece, of->b + begin * of->b_piece, end - begin, of->inner, &ends);
        }
    } else {
        const int64_t passes = (of->inner + most - 1) / most;
        for (int64_t piece = 0; piece < of->pieces; piece++)
            for (int64_t pass = 0; pass < passes; pass++) {
                const int64_t begin = of->inner * pass / passes, end = of->inner * (pass + 1) / passes;
                ends.continued = whole->continued || piece > 0 || pass > 0;
                ends.unfinished = whole->unfinished || piece < of->pieces - 1 || pass < passes - 1;
                TYPED(product_pass)
                (transposed, of, of->a + piece * of->a_piece + begin * (transposed ? of->a_stride : 1),
                 of->b + piece * of->b_piece + begin * of->b_stride, 1, end - begin, &ends);
            }
    }
}

/* c (rows, columns) = a b over `inner`; b_panel as in matmul. bias and mask in ends point at column 0. */
static void TYPED(product)(const int transposed, int64_t rows, int64_t columns, int64_t inner, const real *a,
                           int64_t a_stride, const real *b, int64_t b_stride, int64_t b_panel, real *c,
                           int64_t c_stride, const TYPED(tile_ends) *ends)
{
    const TYPED(operands) of = {.groups = 1,
                                .rows = rows,
                                .columns = columns,
                                .pieces = 1,
                                .inner = inner,
                                .a = a,
                                .a_stride = a_stride,
                                .b = b,
                                .b_stride = b_stride,
                                .b_panel = b_panel,
                                .c = c,
                                .c_stride = c_stride};
    TYPED(product_of)(transposed, &of, ends);
}

/* c = a b for the block's rows of a, c and the mask, which all point at row 0; a part of the rows at a time, so that
   as many of a, INNER_BLOCK long, stay in a part of the second-level cache. */
static void TYPED(product_of_rows)(const nn_block *block, int64_t columns, int64_t inner, const real *a,
                                   int64_t a_stride, const real *b, int64_t b_stride, int64_t b_panel, real *c,
                                   int64_t c_stride, const TYPED(tile_ends) *whole)
{
    enum { ROWS_IN_CACHE = 128 };
    const int64_t rows = block->row_end - block->row_begin, chunks = (rows + ROWS_IN_CACHE - 1) / ROWS_IN_CACHE;
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        const int64_t row = block->row_begin + rows * chunk / chunks;
        const int64_t end = block->row_begin + rows * (chunk + 1) / chunks;
        TYPED(tile_ends) ends = *whole;
        ends.mask = whole->mask ? whole->mask + row * whole->mask_stride : NULL;
        TYPED(product)
        (0, end - row, columns, inner, a + row * a_stride, a_stride, b, b_stride, b_panel, c + row * c_stride, c_stride,
         &ends);
    }
}
