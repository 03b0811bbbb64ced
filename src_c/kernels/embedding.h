/* Rows of a table, chosen by number. indices are (rows, positions), table is (count, width), y and dy are (rows,
 * positions * width). An index outside of 0 .. count - 1 is no row of the table: nothing is read or added for it. */

/* y = x where x is a whole number of 32 bits, else INT32_MIN, which is no row of any table. */
DEFINE_KERNEL(whole_indices)
{
    ARGUMENTS(whole_indices);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t i = 0; i < a->features; i++) {
            const real x = a->x[r * a->x_stride + i];
            const int fits = x >= (real)-2147483648.0 && x < (real)2147483648.0;
            const int32_t whole = fits ? (int32_t)x : INT32_MIN;
            a->y[r * a->y_stride + i] = (real)whole == x ? whole : INT32_MIN;
        }
}

/* y[r][p] = table[indices[r][p]], NaN where that is no row. */
DEFINE_KERNEL(embedding_forward)
{
    ARGUMENTS(embedding_forward);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t p = 0; p < a->positions; p++) {
            const int64_t index = a->indices[r * a->indices_stride + p];
            real *y = a->y + r * a->y_stride + p * a->width;
            if (index >= 0 && index < a->count)
                memcpy(y, a->table + index * a->width, (size_t)a->width * sizeof(real));
            else
                for (int64_t i = 0; i < a->width; i += LANES)
                    TYPED(v_store_up_to)(y + i, v_set((real)__builtin_nan("")), a->width - i);
        }
}

/* Which positions use which rows: sorted[i] = index << 32 | place for all places r positions + p of the minibatch, in
   increasing order; what is no row of the table has the index `count`. `sorted` has room for every place twice, and the
   second half holds the order before the last pass: a radix sort by the bytes of the indices, lowest first, takes no
   more time for a larger table. */
DEFINE_KERNEL(sort_indices)
{
    ARGUMENTS(sort_indices);
    UNUSED(block);
    const int64_t places = worker->rows * a->positions;
    int passes = 1;
    while (passes < 4 && a->count >> (8 * passes))
        passes++;
    int64_t *from = a->sorted + (passes % 2 ? a->room : 0), *to = a->sorted + (passes % 2 ? 0 : a->room);
    for (int64_t r = 0; r < worker->rows; r++)
        for (int64_t p = 0; p < a->positions; p++) {
            const int64_t index = a->indices[r * a->indices_stride + p];
            from[r * a->positions + p] =
                (index >= 0 && index < a->count ? index : a->count) << 32 | (r * a->positions + p);
        }
    for (int pass = 0; pass < passes; pass++) {
        const int shift = 32 + 8 * pass;
        int64_t begin[256] = {0}, sum = 0;
        for (int64_t i = 0; i < places; i++)
            begin[from[i] >> shift & 255]++;
        for (int value = 0; value < 256; value++) {
            const int64_t own = begin[value];
            begin[value] = sum;
            sum += own;
        }
        for (int64_t i = 0; i < places; i++)
            to[begin[from[i] >> shift & 255]++] = from[i];
        int64_t *const other = from;
        from = to;
        to = other;
    }
}

/* The first of `places` in sorted whose index is `index` or larger. */
NN_INLINE int64_t TYPED(first_place)(const int64_t *sorted, int64_t places, int64_t index)
{
    int64_t low = 0, high = places;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (sorted[middle] >> 32 < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where the run of places with the index of sorted[begin] ends. */
NN_INLINE int64_t TYPED(end_of_run)(const int64_t *sorted, int64_t begin, int64_t places)
{
    int64_t end = begin + 1;
    while (end < places && sorted[end] >> 32 == sorted[begin] >> 32)
        end++;
    return end;
}

/* sum + dy at places begin to end - 1 of sorted, in this order; the first `count` of the columns from `column` on. */
NN_INLINE vec TYPED(sum_of_run)(vec sum, const int64_t *sorted, int64_t begin, int64_t end, const real *dy,
                                int64_t dy_stride, int64_t positions, int64_t width, int64_t column, int64_t count)
{
    for (int64_t i = begin; i < end; i++) {
        const int64_t place = sorted[i] & 0xffffffff, row = place / positions;
        const real *from = dy + row * dy_stride + (place - row * positions) * width + column;
        sum = v_add(sum, TYPED(v_load_up_to)(from, count));
    }
    return sum;
}

/* gradient[i][j] = the sum over rows r and positions p in order, where indices[r][p] = i, of dy[r][p][j], on top of
   gradient[i][j] (accumulate). `sorted` is that of sort_indices. */
DEFINE_KERNEL(embedding_gradient)
{
    ARGUMENTS(embedding_gradient);
    const int64_t places = worker->rows * a->positions, width = block->column_end - block->column_begin;
    for (int64_t i = block->row_begin; i < block->row_end && !a->accumulate; i++)
        memset((real *)worker->gradient + (i - block->row_begin) * worker->gradient_stride, 0,
               (size_t)width * sizeof(real));
    int64_t begin = TYPED(first_place)(a->sorted, places, block->row_begin);
    while (begin < places && a->sorted[begin] >> 32 < block->row_end) {
        const int64_t end = TYPED(end_of_run)(a->sorted, begin, places);
        real *gradient =
            (real *)worker->gradient + ((a->sorted[begin] >> 32) - block->row_begin) * worker->gradient_stride;
        for (int64_t j = 0; j < width; j += LANES) {
            const vec sum =
                TYPED(sum_of_run)(TYPED(v_load_up_to)(gradient + j, width - j), a->sorted, begin, end, a->dy,
                                  a->dy_stride, a->positions, a->width, block->column_begin + j, width - j);
            TYPED(v_store_up_to)(gradient + j, sum, width - j);
        }
        begin = end;
    }
}

/* What embedding_gradient and sgd do, for the rows in use alone: the others have no gradient, and stay. The block's
   rows are places in `sorted`; a row of the table belongs to the block in which its first place is. */
DEFINE_KERNEL(embedding_sgd)
{
    ARGUMENTS(embedding_sgd);
    const int64_t places = worker->rows * a->positions;
    const vec learning_rate = v_set((real)worker->learning_rate);
    for (int64_t i = block->row_begin; i < block->row_end && i < places; i++) {
        const int64_t index = a->sorted[i] >> 32;
        if (index >= a->count)
            return;
        if (i > 0 && a->sorted[i - 1] >> 32 == index)
            continue;
        const int64_t end = TYPED(end_of_run)(a->sorted, i, places);
        for (int64_t j = block->column_begin; j < block->column_end; j += LANES) {
            const int64_t count = block->column_end - j;
            const vec sum =
                TYPED(sum_of_run)(v_zero(), a->sorted, i, end, a->dy, a->dy_stride, a->positions, a->width, j, count);
            real *const place = a->parameter + index * a->width + j;
            TYPED(v_store_up_to)(place, v_fnma(learning_rate, sum, TYPED(v_load_up_to)(place, count)), count);
        }
    }
}
