/* Dropout masks and initial values, from Philox numbers at the element's own place: philox.h. */
#include <string.h>

#include "../philox.h"

/* What a kernel makes of a piece of a row: `count` elements from `column` on, and the words of their numbers, which are
   there in whole vectors. */
typedef void (*TYPED(piece))(const void *kernel, int64_t row, int64_t column, const uint32_t *numbers, int64_t count);

/* Draws the numbers of all elements of rows of `features` elements, of which the block covers the columns from
   column_begin to column_end: the `words` words of element (r, j) are those at word e % (4 / words) * words of position
   e / (4 / words), e = r * features + j. Places run on from row to row, so that numbers are drawn for all of a block
   without gaps in one sequence, and each buffer full of them is spent on as many pieces of rows as it covers. */
NN_INLINE void TYPED(for_each_piece)(const nn_worker *worker, const nn_block *block, int64_t features,
                                     int64_t column_begin, int64_t column_end, int64_t step, int64_t stream,
                                     int64_t words, TYPED(piece) run, const void *kernel)
{
    uint32_t numbers[NN_PHILOX_NUMBERS + 16];
    const int64_t elements = 4 / words; /* of one counter */
    const int64_t rows = column_begin == 0 && column_end == features ? block->row_end - block->row_begin : 1;
    for (int64_t first = block->row_begin; first < block->row_end; first += rows) {
        int64_t row = first, column = column_begin;
        const int64_t end = (first + rows - 1) * features + column_end;
        for (int64_t place = first * features + column_begin; place < end;) {
            int64_t used = place % elements;
            const int64_t capacity = elements * NN_PHILOX_COUNTERS - used;
            const int64_t drawn = used + (end - place < capacity ? end - place : capacity);
            nn_philox(worker->seed, (uint64_t)(place / elements), (uint32_t)step, (uint32_t)stream,
                      (drawn + elements - 1) / elements, numbers);
            place += drawn - used;
            while (used < drawn) {
                const int64_t left = column_end - column, count = left < drawn - used ? left : drawn - used;
                run(kernel, row, column, numbers + used * words, count);
                used += count;
                column += count;
                if (column == column_end) {
                    column = column_begin;
                    row++;
                }
            }
        }
    }
}

/* What the kernels of rows that drop elements have in common: a number below `threshold` drops its element. */
struct TYPED(drop) {
    const real *x;
    real *y;
    int64_t x_stride, y_stride;
    uint32_t threshold;
    real scale, shift, dropped;
};

/* Numbers below it are rate * 2^32 of 2^32, rounded up, as numbers are integers. */
NN_INLINE uint32_t TYPED(drop_threshold)(double rate)
{
    const double bound = rate * 0x1p32;
    const uint32_t threshold = bound < UINT32_MAX ? (uint32_t)bound : UINT32_MAX;
    return threshold + (threshold < bound && threshold < UINT32_MAX);
}

/* y[j] = numbers[j] >= threshold ? x[j] * scale + shift : dropped; the sum only where `affine`. */
NN_INLINE void TYPED(drop_piece)(const struct TYPED(drop) *a, int64_t row, int64_t column, const uint32_t *numbers,
                                 int64_t count, int affine)
{
    /* There is no unsigned comparison of vectors on x86: the signed one orders numbers whose top bit is flipped.
       Its outcome, all ones or zero, is then widened to the element's size. */
    typedef int32_t signed_numbers __attribute__((vector_size(4 * LANES)));
    const signed_numbers zero = {0}, top_bit = zero + INT32_MIN, bound = zero + (int32_t)(a->threshold ^ 0x80000000u);
    const vec factor = v_set(a->scale);
    const real *x = a->x + row * a->x_stride + column;
    real *y = a->y + row * a->y_stride + column;
    for (int64_t j = 0; j < count; j += LANES) {
        signed_numbers number;
        memcpy(&number, numbers + j, sizeof number);
        const bits kept = __builtin_convertvector((number ^ top_bit) >= bound, bits);
        const vec scaled = v_mul(TYPED(v_load_up_to)(x + j, count - j), factor);
        bits value = (bits)scaled & kept;
        if (affine)
            value = ((bits)v_add(scaled, v_set(a->shift)) & kept) | ((bits)v_set(a->dropped) & ~kept);
        TYPED(v_store_up_to)(y + j, (vec)value, count - j);
    }
}

/* y[r][j] = number >= rate * 2^32 ? x[r][j] / (1 - rate) : 0; x and y are (rows, features), and may be the same.
   The number of an element is word e % 4 of position e / 4 for e = r * features + j, in the layer's own stream
   at this step: the same call on dy gives dx. Srivastava et al., "Dropout", JMLR 2014; inverted as in Keras. */
NN_INLINE void TYPED(dropout_piece)(const void *kernel, int64_t row, int64_t column, const uint32_t *numbers,
                                    int64_t count)
{
    TYPED(drop_piece)(kernel, row, column, numbers, count, 0);
}
DEFINE_KERNEL(dropout)
{
    ARGUMENTS(dropout);
    const struct TYPED(drop) drop = {
        a->x,
        a->y,
        a->x_stride,
        a->y_stride,
        TYPED(drop_threshold)(a->rate),
        a->rate < 1 ? (real)(1 / (1 - a->rate)) : 0,
        0,
        0,
    };
    TYPED(for_each_piece)(worker, block, a->features, 0, a->features, worker->step, a->stream, 1, TYPED(dropout_piece),
                          &drop);
}

/* y[r][j] = number >= rate * 2^32 ? x[r][j] scale + shift : dropped, with the numbers of dropout: the same call on dy,
   with 0 for shift and dropped, gives dx. Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017. */
NN_INLINE void TYPED(alpha_dropout_piece)(const void *kernel, int64_t row, int64_t column, const uint32_t *numbers,
                                          int64_t count)
{
    TYPED(drop_piece)(kernel, row, column, numbers, count, 1);
}
DEFINE_KERNEL(alpha_dropout)
{
    ARGUMENTS(alpha_dropout);
    const struct TYPED(drop) drop = {
        a->x,           a->y,           a->x_stride,      a->y_stride, TYPED(drop_threshold)(a->rate),
        (real)a->scale, (real)a->shift, (real)a->dropped,
    };
    TYPED(for_each_piece)(worker, block, a->features, 0, a->features, worker->step, a->stream, 1,
                          TYPED(alpha_dropout_piece), &drop);
}

enum { TYPED(WORDS) = sizeof(real) / 4 };

/* The uniform number in [0, 1) of one element: 24 bits of one word, or 53 bits of two. */
NN_INLINE real TYPED(unit_interval)(const uint32_t *words)
{
    if (TYPED(WORDS) == 1)
        return (real)(int32_t)(words[0] >> 8) * (real)0x1p-24;
    return ((real)(int32_t)(words[0] >> 5) * (real)0x1p26 + (real)(int32_t)(words[1] >> 6)) * (real)0x1p-53;
}

struct TYPED(uniform) {
    real *y;
    int64_t columns;
    real low, range;
};

/* y[i][j] = low + (high - low) u, u uniform in [0, 1); y is a parameter of `columns` columns. For e = i * columns + j
   u is of word e % 4 of position e / 4 (float), or of words 2 (e % 2) and the next of position e / 2 (double), in
   the parameter's own stream at step 0. */
NN_INLINE void TYPED(uniform_piece)(const void *kernel, int64_t row, int64_t column, const uint32_t *numbers,
                                    int64_t count)
{
    const struct TYPED(uniform) *const a = kernel;
    real *y = a->y + row * a->columns + column;
    for (int64_t k = 0; k < count; k++)
        y[k] = a->low + a->range * TYPED(unit_interval)(numbers + k * TYPED(WORDS));
}
DEFINE_KERNEL(random_uniform)
{
    ARGUMENTS(random_uniform);
    const struct TYPED(uniform) uniform = {a->y, a->columns, (real)a->low, (real)a->high - (real)a->low};
    TYPED(for_each_piece)(worker, block, a->columns, block->column_begin, block->column_end, 0, a->stream, TYPED(WORDS),
                          TYPED(uniform_piece), &uniform);
}
