/* Samples of several axes: their elements in another order, repeated, beside others', or summed.
 *
 * A layout is (axes, 3): extent, and how far apart in x and in y two elements are that are neighbours along the axis.
 * Axes with a step of 0 in x repeat elements of x. How axes are ordered is free but for the sums, whose order it is;
 * nncore/_axes.py puts those last along which memory is contiguous.
 */

/* y[k] = x[k x_step], k < extent */
NN_INLINE void TYPED(copy_line)(const real *x, int64_t x_step, real *y, int64_t extent)
{
    if (x_step == 1)
        memcpy(y, x, (size_t)extent * sizeof(real));
    else if (x_step == 0)
        for (int64_t k = 0; k < extent; k += LANES)
            TYPED(v_store_up_to)(y + k, v_set(*x), extent - k);
    else
        for (int64_t k = 0; k < extent; k++)
            y[k] = x[k * x_step];
}

/* y[i][j] = x[j][i]; y is (rows, columns), its rows y_step apart; x is (columns, rows), its rows x_step apart. */
NN_INLINE void TYPED(copy_transposed)(const real *x, int64_t x_step, real *y, int64_t y_step, int64_t rows,
                                      int64_t columns)
{
    for (int64_t i = 0; i < rows; i += LANES)
        for (int64_t j = 0; j < columns; j += LANES) {
            const int64_t height = rows - i, width = columns - j;
            vec square[LANES];
            for (int lane = 0; lane < LANES; lane++)
                square[lane] = lane < width ? TYPED(v_load_up_to)(x + (j + lane) * x_step + i, height) : v_zero();
            v_transpose(square);
            for (int lane = 0; lane < LANES && lane < height; lane++)
                TYPED(v_store_up_to)(y + (i + lane) * y_step + j, square[lane], width);
        }
}

static void TYPED(copy_along)(const int64_t *layout, int64_t axes, const real *x, real *y)
{
    const int64_t extent = layout[0], x_step = layout[1], y_step = layout[2];
    if (axes == 1 && y_step == 1)
        TYPED(copy_line)(x, x_step, y, extent);
    else if (axes == 2 && x_step == 1 && layout[4] > 1 && layout[5] == 1)
        TYPED(copy_transposed)(x, layout[4], y, y_step, extent, layout[3]);
    else if (axes == 1)
        for (int64_t k = 0; k < extent; k++)
            y[k * y_step] = x[k * x_step];
    else
        for (int64_t k = 0; k < extent; k++)
            TYPED(copy_along)(layout + 3, axes - 1, x + k * x_step, y + k * y_step);
}

/* y[r][sum of k y_step] = x[r][sum of k x_step] over all axes' numbers k; what lies between them in y stays. */
DEFINE_KERNEL(copy_axes)
{
    ARGUMENTS(copy_axes);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        TYPED(copy_along)(a->layout, a->axes, a->x + r * a->x_stride, a->y + r * a->y_stride);
}

/* y[k] += x[k], k < count, for all the axes of the sum in turn. */
static void TYPED(add_lines)(const int64_t *layout, int64_t axes, const real *x, real *y, int64_t count)
{
    for (int64_t i = 0; axes && i < layout[0]; i++)
        TYPED(add_lines)(layout + 3, axes - 1, x + i * layout[1], y, count);
    for (int64_t k = 0; !axes && k < count; k += LANES) {
        const vec sum = v_add(TYPED(v_load_up_to)(y + k, count - k), TYPED(v_load_up_to)(x + k, count - k));
        TYPED(v_store_up_to)(y + k, sum, count - k);
    }
}

/* The sum over all the axes: a chain of sums over 16 virtual lanes along the last axis if it is contiguous. */
static real TYPED(sum_along)(const int64_t *layout, int64_t axes, const real *x)
{
    real sum = 0;
    if (axes == 1 && layout[1] == 1)
        return TYPED(lanes16_sum)(TYPED(lanes16_add)(TYPED(lanes16_set)(0), x, layout[0]));
    for (int64_t i = 0; i < layout[0]; i++)
        sum += axes == 1 ? x[i * layout[1]] : TYPED(sum_along)(layout + 3, axes - 1, x + i * layout[1]);
    return sum;
}

static void TYPED(sum_each)(const int64_t *layout, int64_t kept, int64_t summed, const real *x, real *y)
{
    const int64_t extent = layout[0], x_step = layout[1], y_step = layout[2];
    if (kept > 1)
        for (int64_t k = 0; k < extent; k++)
            TYPED(sum_each)(layout + 3, kept - 1, summed, x + k * x_step, y + k * y_step);
    else if (x_step == 1 && y_step == 1) {
        memset(y, 0, (size_t)extent * sizeof(real));
        TYPED(add_lines)(layout + 3, summed, x, y, extent);
    } else
        for (int64_t k = 0; k < extent; k++)
            y[k * y_step] = TYPED(sum_along)(layout + 3, summed, x + k * x_step);
}

/* y[r][sum of k y_step] = the sum of x[r][sum of (k + l) x_step] over the numbers l of the last `summed` axes of the
   layout, for each of the numbers k of the `kept` axes before them: what copy_axes repeated, its gradient adds up. */
DEFINE_KERNEL(sum_axes)
{
    ARGUMENTS(sum_axes);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        TYPED(sum_each)(a->layout, a->kept, a->summed, a->x + r * a->x_stride, a->y + r * a->y_stride);
}
