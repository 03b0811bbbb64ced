/* Between the user's arrays and the arena: rows of a minibatch in, predictions out. */
#include <string.h>

/* ACTION(source type, value of an element x) for each type. Sources need not be aligned to their type. */
#define FOR_SOURCE_TYPE(type, ACTION)                                                                                  \
    switch (type) {                                                                                                    \
    case NN_BOOL: ACTION(uint8_t, x != 0) break;                                                                       \
    case NN_INT8: ACTION(int8_t, x) break;                                                                             \
    case NN_UINT8: ACTION(uint8_t, x) break;                                                                           \
    case NN_INT16: ACTION(int16_t, x) break;                                                                           \
    case NN_UINT16: ACTION(uint16_t, x) break;                                                                         \
    case NN_INT32: ACTION(int32_t, x) break;                                                                           \
    case NN_UINT32: ACTION(uint32_t, x) break;                                                                         \
    case NN_INT64: ACTION(int64_t, x) break;                                                                           \
    case NN_UINT64: ACTION(uint64_t, x) break;                                                                         \
    case NN_FLOAT16: ACTION(uint16_t, TYPED(from_half)(x)) break;                                                      \
    case NN_FLOAT32: ACTION(float, x) break;                                                                           \
    case NN_FLOAT64: ACTION(double, x) break;                                                                          \
    default: break; /* no other is made */                                                                             \
    }

/* The value of an IEEE binary16. Denormals are m 2^-24; the others' exponent is 112 = 127 - 15 larger in a float,
   and once more for infinity and NaN, from 31 to 255. */
NN_INLINE float TYPED(from_half)(uint16_t half)
{
    const uint32_t magnitude = half & 0x7fffu;
    const uint32_t pattern = (magnitude << 13) + (magnitude < 0x7c00 ? 112u << 23 : 224u << 23);
    float value;
    memcpy(&value, &pattern, sizeof value);
    if (magnitude < 0x400)
        value = (float)(int32_t)magnitude * 0x1p-24f;
    return half & 0x8000 ? -value : value;
}

/* y[j] = source element j, rounded to nearest even where real has fewer bits. */
NN_INLINE void TYPED(convert)(const char *restrict source, real *restrict y, int64_t type, int64_t count)
{
#define CONVERT_ALL(source_type, value)                                                                                \
    for (int64_t j = 0; j < count; j++) {                                                                              \
        source_type x;                                                                                                 \
        memcpy(&x, source + j * (int64_t)sizeof x, sizeof x);                                                          \
        y[j] = (real)(value);                                                                                          \
    }
    FOR_SOURCE_TYPE(type, CONVERT_ALL)
#undef CONVERT_ALL
}

/* The data row at position first_row + row of the epoch. */
NN_INLINE const char *TYPED(data_row)(const nn_worker *worker, int64_t row, const void *source, int64_t stride_bytes)
{
    const int64_t position = worker->first_row + row;
    return (const char *)source + stride_bytes * (worker->order ? worker->order[position] : position);
}

NN_INLINE int64_t TYPED(element_bytes)(int64_t type)
{
    static const uint8_t bytes[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8}; /* NN_BOOL.. NN_FLOAT64 */
    return bytes[type];
}

/* y[r][j] = the element of data row r of column j. A column is three numbers: where its first element is, the type,
   and the bytes from row to row. Its elements lie together, so that all rows of the block are read of one before the
   next. */
NN_INLINE void TYPED(gather_column_rows)(const nn_worker *worker, const nn_block *block, const int64_t *columns,
                                         real *restrict y, int64_t features, int64_t y_stride)
{
    for (int64_t j = 0; j < features; j++) {
        const void *source = (const void *)(intptr_t)columns[3 * j];
        const int64_t row_bytes = columns[3 * j + 2];
#define CONVERT_COLUMN(source_type, value)                                                                             \
    for (int64_t r = block->row_begin; r < block->row_end; r++) {                                                      \
        source_type x;                                                                                                 \
        memcpy(&x, TYPED(data_row)(worker, r, source, row_bytes), sizeof x);                                           \
        y[r * y_stride + j] = (real)(value);                                                                           \
    }
        FOR_SOURCE_TYPE(columns[3 * j + 1], CONVERT_COLUMN)
#undef CONVERT_COLUMN
    }
}

/* y[r][j] = source[data row of r][j]; source is (data rows, features) of `type`, or columns, y is (rows, features). */
DEFINE_KERNEL(gather_rows)
{
    ARGUMENTS(gather_rows);
    if (a->type == NN_COLUMNS) {
        TYPED(gather_column_rows)(worker, block, a->source, a->y, a->features, a->y_stride);
        return;
    }
    enum { LINE = 64, SHORTEST = 256, LONGEST = 512 };
    /* A shuffled row is where no prefetcher expects it: ask for the start of the next one, whose rest is then
       expected, while this one converts. Measured, out of cache: 12% off rows of 784 bytes; short rows overlap by
       themselves and pay for it, and asking for more of long ones gives nothing. */
    const int64_t row_bytes = a->features * TYPED(element_bytes)(a->type);
    const int64_t asked_bytes = row_bytes < LONGEST ? row_bytes : LONGEST;
    const int ask = worker->order && row_bytes >= SHORTEST;
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        if (ask && r + 1 < block->row_end) {
            const char *next = TYPED(data_row)(worker, r + 1, a->source, a->source_stride_bytes);
            for (int64_t byte = 0; byte < asked_bytes; byte += LINE)
                __builtin_prefetch(next + byte);
        }
        TYPED(convert)(TYPED(data_row)(worker, r, a->source, a->source_stride_bytes), a->y + r * a->y_stride, a->type,
                       a->features);
    }
}

/* The integer part of an element. What no int32 holds becomes INT32_MIN, which is no class. */
NN_INLINE int32_t TYPED(label_at)(const char *source, int64_t type)
{
    double label = 0; /* exact, or too large by far */
#define CONVERT_ONE(source_type, value)                                                                                \
    {                                                                                                                  \
        source_type x;                                                                                                 \
        memcpy(&x, source, sizeof x);                                                                                  \
        label = (double)(value);                                                                                       \
    }
    FOR_SOURCE_TYPE(type, CONVERT_ONE)
#undef CONVERT_ONE
    return label > -2147483648.0 && label < 2147483648.0 ? (int32_t)label : INT32_MIN;
}

/* y[r][j] = label_at(source[data row of r][j]); source is (data rows, features) of `type`, or columns, y is
   (rows, features). */
DEFINE_KERNEL(gather_labels)
{
    ARGUMENTS(gather_labels);
    if (a->type == NN_COLUMNS) {
        const int64_t *columns = a->source;
        for (int64_t j = 0; j < a->features; j++, columns += 3)
            for (int64_t r = block->row_begin; r < block->row_end; r++) {
                const void *source = (const void *)(intptr_t)columns[0];
                a->y[r * a->y_stride + j] = TYPED(label_at)(TYPED(data_row)(worker, r, source, columns[2]), columns[1]);
            }
        return;
    }
    const int64_t bytes = TYPED(element_bytes)(a->type);
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const char *source = TYPED(data_row)(worker, r, a->source, a->source_stride_bytes);
        for (int64_t j = 0; j < a->features; j++)
            a->y[r * a->y_stride + j] = TYPED(label_at)(source + j * bytes, a->type);
    }
}

#undef FOR_SOURCE_TYPE

/* target[first_row + r][j] = x[r][j]; x is (rows, features), target is (data rows, features). */
DEFINE_KERNEL(store_rows)
{
    ARGUMENTS(store_rows);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        memcpy(a->target + (worker->first_row + r) * a->target_stride, a->x + r * a->x_stride,
               (size_t)a->features * sizeof(real));
}

/* y[r][j] += x[r][j]; x and y are (rows, features). */
DEFINE_KERNEL(add_rows)
{
    ARGUMENTS(add_rows);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const real *x = a->x + r * a->x_stride;
        real *y = a->y + r * a->y_stride;
        for (int64_t j = 0; j < a->features; j += LANES) {
            const int64_t left = a->features - j;
            const vec sum = v_add(TYPED(v_load_up_to)(y + j, left), TYPED(v_load_up_to)(x + j, left));
            TYPED(v_store_up_to)(y + j, sum, left);
        }
    }
}
