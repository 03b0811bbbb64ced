/* Dropout masks and initial values, from Philox numbers at the element's own place: philox.h. */
#include <string.h>

#include "../philox.h"

/* y[j] = numbers[j] >= threshold ? x[j] * scale : 0. `numbers` has a whole vector wherever x has an element. */
NN_INLINE void TYPED(drop)(const real *x, real *y, const uint32_t *numbers, int64_t count, uint32_t threshold,
                           real scale)
{
    /* There is no unsigned comparison of vectors on x86: the signed one orders numbers whose top bit is flipped.
       Its outcome, all ones or zero, is then widened to the element's size. */
    typedef int32_t signed_numbers __attribute__((vector_size(4 * LANES)));
    const signed_numbers zero = {0}, top_bit = zero + INT32_MIN, bound = zero + (int32_t)(threshold ^ 0x80000000u);
    const vec factor = v_set(scale);
    for (int64_t j = 0; j < count; j += LANES) {
        signed_numbers number;
        memcpy(&number, numbers + j, sizeof number);
        const bits kept = __builtin_convertvector((number ^ top_bit) >= bound, bits);
        const vec scaled = v_mul(TYPED(v_load_up_to)(x + j, count - j), factor);
        TYPED(v_store_up_to)(y + j, (vec)((bits)scaled & kept), count - j);
    }
}

/* y[r][j] = number >= rate * 2^32 ? x[r][j] / (1 - rate) : 0; x and y are (rows, features), and may be the same.
   The number of an element is word e % 4 of position e / 4 for e = r * features + j, in the layer's own stream
   at this step: the same call on dy gives dx. Srivastava et al., "Dropout", JMLR 2014; inverted as in Keras. */
DEFINE_KERNEL(dropout)
{
    ARGUMENTS(dropout);
    const double bound = a->rate * 0x1p32;
    uint32_t threshold = bound < UINT32_MAX ? (uint32_t)bound : UINT32_MAX;
    threshold += threshold < bound && threshold < UINT32_MAX; /* rounded up, as numbers are integers */
    const real scale = a->rate < 1 ? (real)(1 / (1 - a->rate)) : 0;

    /* Places run on from row to row, so numbers are drawn for all rows of the block in one sequence, and each
       buffer full of them is spent on as many pieces of rows as it covers. */
    uint32_t numbers[NN_PHILOX_NUMBERS + 16];
    const int64_t end = block->row_end * a->features;
    int64_t row = block->row_begin, column = 0;
    for (int64_t place = row * a->features; place < end;) {
        int64_t used = place % 4;
        const int64_t drawn = end - place < NN_PHILOX_NUMBERS - used ? end - place + used : NN_PHILOX_NUMBERS;
        nn_philox(worker->seed, (uint64_t)place / 4, (uint32_t)worker->step, (uint32_t)a->stream, (drawn + 3) / 4,
                  numbers);
        place += drawn - used;
        while (used < drawn) {
            const int64_t left = a->features - column, count = left < drawn - used ? left : drawn - used;
            TYPED(drop)(a->x + row * a->x_stride + column, a->y + row * a->y_stride + column, numbers + used, count,
                        threshold, scale);
            used += count;
            column += count;
            if (column == a->features) {
                column = 0;
                row++;
            }
        }
    }
}

enum { TYPED(WORDS) = sizeof(real) / 4 };

/* The uniform number in [0, 1) of one element: 24 bits of one word, or 53 bits of two. */
NN_INLINE real TYPED(unit_interval)(const uint32_t *words)
{
    if (TYPED(WORDS) == 1)
        return (real)(int32_t)(words[0] >> 8) * (real)0x1p-24;
    return ((real)(int32_t)(words[0] >> 5) * (real)0x1p26 + (real)(int32_t)(words[1] >> 6)) * (real)0x1p-53;
}

/* y[i][j] = low + (high - low) u, u uniform in [0, 1); y is a parameter of `columns` columns. For e = i * columns + j
   u is of word e % 4 of position e / 4 (float), or of words 2 (e % 2) and the next of position e / 2 (double), in
   the parameter's own stream at step 0. */
DEFINE_KERNEL(random_uniform)
{
    ARGUMENTS(random_uniform);
    enum { ELEMENTS = 4 / TYPED(WORDS) }; /* of one counter */
    const real low = (real)a->low, range = (real)a->high - low;
    uint32_t numbers[NN_PHILOX_NUMBERS];
    for (int64_t i = block->row_begin; i < block->row_end; i++) {
        const int64_t end = i * a->columns + block->column_end;
        for (int64_t place = i * a->columns + block->column_begin; place < end;) {
            const int64_t skipped = place % ELEMENTS, capacity = ELEMENTS * NN_PHILOX_COUNTERS - skipped;
            const int64_t count = end - place < capacity ? end - place : capacity;
            nn_philox(worker->seed, (uint64_t)(place / ELEMENTS), 0, (uint32_t)a->stream,
                      (skipped + count + ELEMENTS - 1) / ELEMENTS, numbers);
            const uint32_t *words = numbers + skipped * TYPED(WORDS);
            for (int64_t k = 0; k < count; k++)
                a->y[place + k] = low + range * TYPED(unit_interval)(words + k * TYPED(WORDS));
            place += count;
        }
    }
}
