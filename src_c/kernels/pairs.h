/* Products of bfloat16, for training in mixed precision.
 *
 * A pair is two bfloat16 that stand one after the other along the summed index, the first in the low half of 32 bits,
 * in an array of floats. A step of a chain adds the product of the second elements, then that of the first. Rows or
 * columns without a partner have one of zero. All is float, whatever real type the table is for.
 *
 * These products are for every variant and compute on floats; variants/bfloat16.c has those for processors that
 * multiply bfloat16. */
#if !NN_DOUBLE

typedef uint32_t __attribute__((may_alias)) TYPED(pair);

/* The nearest bfloat16, of two as near the even one; NaN stays NaN. */
NN_INLINE uint32_t TYPED(nearest)(float x)
{
    uint32_t word;
    memcpy(&word, &x, sizeof word);
    const uint32_t rounded = word + 0x7fff + (word >> 16 & 1);
    return ((word & 0x7fffffff) > 0x7f800000 ? word | 0x400000 : rounded) >> 16;
}

/* to[j] = the pair of first[j] and second[j], of which the latter may be missing. */
NN_INLINE void TYPED(pair_up)(int64_t count, const float *first, const float *second, float *to)
{
    TYPED(pair) *const pairs = (TYPED(pair) *)to;
    if (second)
        for (int64_t j = 0; j < count; j++)
            pairs[j] = TYPED(nearest)(first[j]) | TYPED(nearest)(second[j]) << 16;
    else
        for (int64_t j = 0; j < count; j++)
            pairs[j] = TYPED(nearest)(first[j]);
}

/* to[j] = the pair of from[2 j] and from[2 j + 1], for `count` numbers. */
NN_INLINE void TYPED(pair_neighbours)(int64_t count, const float *from, float *to)
{
    TYPED(pair) *const pairs = (TYPED(pair) *)to;
    for (int64_t j = 0; j < count / 2; j++)
        pairs[j] = TYPED(nearest)(from[2 * j]) | TYPED(nearest)(from[2 * j + 1]) << 16;
    if (count % 2)
        pairs[count / 2] = TYPED(nearest)(from[count - 1]);
}

/* y[r][j] = the pair of x[r][2 j] and x[r][2 j + 1]; x is (rows, features). */
DEFINE_KERNEL(pair_columns)
{
    ARGUMENTS(pair_columns);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        TYPED(pair_neighbours)(a->features, a->x + r * a->x_stride, a->y + r * a->y_stride);
}

/* y[r / 2][j] = the pair of x[r][j] and x[r + 1][j] for even r; the block begins at one, and ends at one or with x. */
DEFINE_KERNEL(pair_rows)
{
    ARGUMENTS(pair_rows);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r += 2) {
        const float *const first = a->x + r * a->x_stride;
        TYPED(pair_up)
        (a->features, first, r + 1 < block->row_end ? first + a->x_stride : NULL, a->y + r / 2 * a->y_stride);
    }
}

enum { TYPED(PANEL) = NN_TILE_VECTORS * LANES };

/* packed, for matmul_pairs over the rows of matrix (rows, columns): element (q, j) is the pair of matrix[2 q][j] and
   matrix[2 q + 1][j]. Panels of columns are packed_panel apart. Of the block as in pair_rows. */
DEFINE_KERNEL(pack_pairs)
{
    ARGUMENTS(pack_pairs);
    UNUSED(worker);
    for (int64_t i = block->row_begin; i < block->row_end; i += 2) {
        const float *const first = a->matrix + i * a->columns;
        const float *const second = i + 1 < block->row_end ? first + a->columns : NULL;
        for (int64_t j = block->column_begin; j < block->column_end;) {
            int64_t end = j / TYPED(PANEL) *TYPED(PANEL) + TYPED(PANEL);
            if (end > block->column_end)
                end = block->column_end;
            TYPED(pair_up)
            (end - j, first + j, second ? second + j : NULL,
             a->packed + j / TYPED(PANEL) *a->packed_panel + i / 2 * TYPED(PANEL) + j % TYPED(PANEL));
            j = end;
        }
    }
}

/* packed, for matmul_pairs over the columns of matrix (rows, columns): element (q, i) is the pair of matrix[i][2 q]
   and matrix[i][2 q + 1]. Panels of rows are packed_panel apart. The block begins at an even column, and ends at one
   or with the matrix. */
DEFINE_KERNEL(pack_pairs_transposed)
{
    ARGUMENTS(pack_pairs_transposed);
    enum { PIECE = 64 };
    float *const paired = worker->scratch;
    for (int64_t i = block->row_begin; i < block->row_end;) {
        int64_t end = i / LANES * LANES + LANES; /* inside one panel */
        if (end > block->row_end)
            end = block->row_end;
        for (int64_t j = block->column_begin; j < block->column_end; j += PIECE) {
            const int64_t width = block->column_end - j < PIECE ? block->column_end - j : PIECE;
            for (int64_t l = i; l < end; l++)
                TYPED(pair_neighbours)(width, a->matrix + l * a->columns + j, paired + (l - i) * PIECE / 2);
            TYPED(transpose)
            (end - i, (width + 1) / 2, paired, PIECE / 2,
             a->packed + i / TYPED(PANEL) *a->packed_panel + j / 2 * TYPED(PANEL) + i % TYPED(PANEL), TYPED(PANEL));
        }
        i = end;
    }
}

NN_INLINE vec TYPED(second_of)(vec pairs) { return (vec)((bits)pairs & -0x10000); }
NN_INLINE vec TYPED(first_of)(vec pairs) { return (vec)((bits)pairs << 16); }

/* A chain over `inner` pairs of a, a_step apart, and of vectors of b, b_step apart. */
NN_INLINE vec TYPED(chain_of_pairs)(int64_t inner, const float *a, int64_t a_step, const float *b, int64_t b_step,
                                    int64_t lanes)
{
    vec sum = v_zero();
    for (int64_t p = 0; p < inner; p++, a += a_step, b += b_step) {
        const vec left = v_set(*a), right = TYPED(v_load_up_to)(b, lanes);
        sum = v_fma(TYPED(second_of)(left), TYPED(second_of)(right), sum);
        sum = v_fma(TYPED(first_of)(left), TYPED(first_of)(right), sum);
    }
    return sum;
}

/* matmul over `inner` pairs: a is (rows, inner) as pair_columns makes it, b (inner, columns) as pack_pairs does. */
DEFINE_KERNEL(matmul_pairs)
{
    ARGUMENTS(matmul_pairs);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t j = 0; j < a->columns; j += LANES) {
            const int64_t lanes = a->columns - j;
            const float *const b = a->b + j / TYPED(PANEL) *a->b_panel + j % TYPED(PANEL);
            float *const c = a->c + r * a->c_stride + j;
            vec sum = TYPED(chain_of_pairs)(a->inner, a->a + r * a->a_stride, 1, b, TYPED(PANEL), lanes);
            if (a->accumulate)
                sum = v_add(TYPED(v_load_up_to)(c, lanes), sum);
            if (a->bias)
                sum = v_add(sum, TYPED(v_load_up_to)(a->bias + j, lanes));
            if (a->relu)
                sum = v_max(v_zero(), sum);
            if (a->mask) {
                const vec mask_of = TYPED(v_load_up_to)(a->mask + r * a->mask_stride + j, lanes);
                sum = v_select(v_less(v_zero(), mask_of), sum, v_zero());
            }
            TYPED(v_store_up_to)(c, sum, lanes);
        }
}

/* matmul_gradient over pairs of rows: x is (rows / 2, inputs) and dy (rows / 2, units) as pair_rows makes them. */
DEFINE_KERNEL(matmul_gradient_pairs)
{
    ARGUMENTS(matmul_gradient_pairs);
    const int64_t inner = (worker->rows + 1) / 2;
    for (int64_t i = block->row_begin; i < block->row_end; i++)
        for (int64_t j = block->column_begin; j < block->column_end; j += LANES) {
            const int64_t lanes = block->column_end - j;
            float *const target = (float *)worker->gradient + (i - block->row_begin) * worker->gradient_stride +
                                  (j - block->column_begin);
            vec sum = TYPED(chain_of_pairs)(inner, a->x + i, a->x_stride, a->dy + j, a->dy_stride, lanes);
            if (a->accumulate)
                sum = v_add(TYPED(v_load_up_to)(target, lanes), sum);
            TYPED(v_store_up_to)(target, sum, lanes);
        }
}

#else

#define FLOAT_KERNEL(name)                                                                                             \
    DEFINE_KERNEL(name) { NN_FUNCTION(name, f32, NN_VARIANT)(arguments, worker, block); }
FLOAT_KERNEL(pair_columns)
FLOAT_KERNEL(pair_rows)
FLOAT_KERNEL(pack_pairs)
FLOAT_KERNEL(pack_pairs_transposed)
FLOAT_KERNEL(matmul_pairs)
FLOAT_KERNEL(matmul_gradient_pairs)
#undef FLOAT_KERNEL

#endif
