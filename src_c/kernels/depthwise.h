/* Depthwise convolution: each channel with a kernel of its own. x is (rows, image rows * columns * channels), weight
 * (window rows, window columns, channels), `windows` both axes as nn_axis, y and dy (rows, output rows * columns *
 * channels). Channels lie in the lanes. An element of a result is one chain of multiply-adds over what lies inside of
 * the image, in increasing order, starting from zero.
 */

/* What a block of pixels sums, from its first pixel's first tap on, and what becomes of the sums. */
typedef struct TYPED(depthwise_taps) {
    const real *x, *kernel;
    int64_t rows, columns; /* of taps */
    int64_t x_row, x_column, kernel_row, kernel_column;
    int64_t x_pixel, y_pixel; /* from one pixel to the next */
    const real *bias, *gate;  /* gate at the pixel that y is */
    real *y;
    int64_t channels;
    int relu;
} TYPED(depthwise_taps);

/* Lanes of so many pixels side by side, which share what is read of the kernel. */
NN_INLINE void TYPED(depthwise_chains)(const int pixels, const TYPED(depthwise_taps) *t, int64_t c, const int64_t lanes)
{
    enum { MOST = 4 };
    vec sum[MOST];
#pragma GCC unroll 4
    for (int n = 0; n < pixels; n++)
        sum[n] = v_zero();
    for (int64_t i = 0; i < t->rows; i++)
        for (int64_t j = 0; j < t->columns; j++) {
            const vec factor = TYPED(v_load_up_to)(t->kernel + i * t->kernel_row + j * t->kernel_column + c, lanes);
            const real *const x = t->x + i * t->x_row + j * t->x_column + c;
#pragma GCC unroll 4
            for (int n = 0; n < pixels; n++)
                sum[n] = v_fma(TYPED(v_load_up_to)(x + n * t->x_pixel, lanes), factor, sum[n]);
        }
#pragma GCC unroll 4
    for (int n = 0; n < pixels; n++) {
        if (t->bias)
            sum[n] = v_add(sum[n], TYPED(v_load_up_to)(t->bias + c, lanes));
        if (t->relu)
            sum[n] = v_max(v_zero(), sum[n]);
        if (t->gate) {
            const vec open = TYPED(v_load_up_to)(t->gate + n * t->y_pixel + c, lanes);
            sum[n] = v_select(v_less(v_zero(), open), sum[n], v_zero());
        }
        TYPED(v_store_up_to)(t->y + n * t->y_pixel + c, sum[n], lanes);
    }
}

NN_INLINE void TYPED(depthwise_pixels)(const int pixels, const TYPED(depthwise_taps) *t)
{
    int64_t c = 0;
    for (; c + LANES <= t->channels; c += LANES)
        TYPED(depthwise_chains)(pixels, t, c, LANES);
    if (c < t->channels)
        TYPED(depthwise_chains)(pixels, t, c, t->channels - c);
}

/* All targets of a run over rows and one over columns: y = x convolved with kernel, of `width` columns. */
static void TYPED(depthwise_runs)(const nn_run *rows, const nn_run *columns, int64_t width, TYPED(depthwise_taps) t)
{
    enum { PIXELS = 4 };
    const real *const x = t.x, *const kernel = t.kernel, *const gate = t.gate;
    real *const y = t.y;
    int64_t whole_begin, whole_end;
    nn_whole_targets(columns, &whole_begin, &whole_end);
    t.x_row = rows->tap_step * columns->length * t.channels;
    t.x_column = columns->tap_step * t.channels;
    const int64_t kernel_row = t.kernel_row;
    t.kernel_row *= rows->kernel_step;
    t.kernel_column = columns->kernel_step * t.channels;
    t.x_pixel = columns->source_step * t.channels;
    t.y_pixel = columns->step * t.channels;
    for (int64_t m = 0; m < rows->count; m++) {
        const int64_t source_row = rows->source_first + m * rows->source_step;
        const nn_taps row_taps = nn_taps_inside(source_row, rows->tap_step, rows->taps, rows->length);
        const int64_t line = (source_row + row_taps.first * rows->tap_step) * columns->length;
        const int64_t kernel_line = (rows->kernel_first + row_taps.first * rows->kernel_step) * kernel_row;
        const int64_t target_line = (rows->first + m * rows->step) * width;
        t.rows = row_taps.count;
        for (int64_t n = 0; n < columns->count;) {
            const int whole = n >= whole_begin && n + PIXELS <= whole_end;
            const int64_t source = columns->source_first + n * columns->source_step;
            const nn_taps taps = nn_taps_inside(source, columns->tap_step, columns->taps, columns->length);
            const int64_t target = (target_line + columns->first + n * columns->step) * t.channels;
            t.columns = taps.count;
            t.x = x + (line + source + taps.first * columns->tap_step) * t.channels;
            t.kernel = kernel + kernel_line + (columns->kernel_first + taps.first * columns->kernel_step) * t.channels;
            t.y = y + target;
            t.gate = gate ? gate + target : NULL;
            if (whole)
                TYPED(depthwise_pixels)(PIXELS, &t);
            else
                TYPED(depthwise_pixels)(1, &t);
            n += whole ? PIXELS : 1;
        }
    }
}

/* y[o] = sum over taps k of x[o stride - before + k dilation] weight[k], along both axes, then + bias, max(0, .)
   (relu). */
DEFINE_KERNEL(depthwise_forward)
{
    ARGUMENTS(depthwise_forward);
    UNUSED(worker);
    const nn_axis *const axes = (const nn_axis *)a->windows;
    const nn_run rows = nn_forward_run(axes), columns = nn_forward_run(axes + 1);
    TYPED(depthwise_taps)
    t = {.kernel = a->weight, .bias = a->bias, .channels = a->channels, .relu = a->relu != 0};
    t.kernel_row = axes[1].window * a->channels;
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        t.x = a->x + r * a->x_stride;
        t.y = a->y + r * a->y_stride;
        TYPED(depthwise_runs)(&rows, &columns, axes[1].outputs, t);
    }
}

/* dx[i] = sum over taps k of weight[k] dy[o] for the outputs o that see i through tap k, and 0 where gate <= 0: the
   derivative of the ReLU whose output x is. */
DEFINE_KERNEL(depthwise_backward)
{
    ARGUMENTS(depthwise_backward);
    UNUSED(worker);
    const nn_axis *const axes = (const nn_axis *)a->windows;
    TYPED(depthwise_taps) t = {.kernel = a->weight, .channels = a->channels};
    t.kernel_row = axes[1].window * a->channels;
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t i = 0; i < axes[0].stride; i++)
            for (int64_t j = 0; j < axes[1].stride; j++) {
                const nn_run rows = nn_backward_run(axes, i), columns = nn_backward_run(axes + 1, j);
                t.x = a->dy + r * a->dy_stride;
                t.y = a->dx + r * a->dx_stride;
                t.gate = a->gate ? a->gate + r * a->gate_stride : NULL;
                TYPED(depthwise_runs)(&rows, &columns, axes[1].length, t);
            }
}

/* What the gradient of a kernel is made of. */
typedef struct TYPED(depthwise_tensors) {
    const real *x, *dy;
    const nn_axis *axes;
    int64_t rows, channels, x_stride, dy_stride;
    int accumulate;
} TYPED(depthwise_tensors);

/* gradient[k][c] for taps k of so many that follow `column` in a row of the kernel, and the lanes of up to two vectors
   of channels from c on; a chain over samples, and over the pixels of each. Taps' gradients are `channels` apart. */
NN_INLINE void TYPED(depthwise_gradient_chains)(const int taps, const int vectors, const TYPED(depthwise_tensors) *t,
                                                int64_t row, int64_t column, int64_t c, const int64_t lanes,
                                                real *gradient)
{
    enum { MOST = 4, VECTORS = 2 };
    const nn_axis *const down = t->axes, *const across = t->axes + 1;
    const int64_t tap_step = across->dilation * t->channels, pixel_step = across->stride * t->channels;
    int64_t first_row, end_row, first[MOST], end[MOST];
    nn_outputs_of_tap(down, row, &first_row, &end_row);
    for (int k = 0; k < taps; k++)
        nn_outputs_of_tap(across, column + k, &first[k], &end[k]);
    int64_t any_first = first[0], any_end = end[0], all_first = first[0], all_end = end[0];
    for (int k = 1; k < taps; k++) {
        any_first = first[k] < any_first ? first[k] : any_first;
        any_end = end[k] > any_end ? end[k] : any_end;
        all_first = first[k] > all_first ? first[k] : all_first;
        all_end = end[k] < all_end ? end[k] : all_end;
    }
    vec sum[MOST][VECTORS];
#define FOR_CHAINS(k, v)                                                                                               \
    _Pragma("GCC unroll 4") for (int k = 0; k < taps; k++) _Pragma("GCC unroll 2") for (int v = 0; v < vectors; v++)
    FOR_CHAINS(k, v)
    sum[k][v] = v_zero();
    for (int64_t r = 0; r < t->rows; r++)
        for (int64_t p = first_row; p < end_row; p++) {
            const int64_t x_row = p * down->stride + row * down->dilation - down->before;
            const real *x = t->x + r * t->x_stride + c +
                            (x_row * across->length + column * across->dilation - across->before) * t->channels;
            const real *dy = t->dy + r * t->dy_stride + p * across->outputs * t->channels + c;
            for (int64_t q = any_first; q < any_end; q++) {
                vec slope[VECTORS];
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    slope[v] = TYPED(v_load_up_to)(dy + q * t->channels + v * LANES, lanes);
                const real *const here = x + q * pixel_step;
                if (q >= all_first && q < all_end) {
                    FOR_CHAINS(k, v)
                    sum[k][v] = v_fma(TYPED(v_load_up_to)(here + k * tap_step + v * LANES, lanes), slope[v], sum[k][v]);
                } else {
                    FOR_CHAINS(k, v)
                    if (q >= first[k] && q < end[k])
                        sum[k][v] =
                            v_fma(TYPED(v_load_up_to)(here + k * tap_step + v * LANES, lanes), slope[v], sum[k][v]);
                }
            }
        }
    FOR_CHAINS(k, v)
    {
        real *const to = gradient + k * t->channels + v * LANES;
        if (t->accumulate)
            sum[k][v] = v_add(TYPED(v_load_up_to)(to, lanes), sum[k][v]);
        TYPED(v_store_up_to)(to, sum[k][v], lanes);
    }
#undef FOR_CHAINS
}

/* The same for channels [c, c + count). */
NN_INLINE void TYPED(depthwise_gradient_taps)(const int taps, const TYPED(depthwise_tensors) *t, int64_t tap, int64_t c,
                                              int64_t count, real *gradient)
{
    const int64_t row = tap / t->axes[1].window, column = tap % t->axes[1].window;
    for (; count >= 2 * LANES; c += 2 * LANES, gradient += 2 * LANES, count -= 2 * LANES)
        TYPED(depthwise_gradient_chains)(taps, 2, t, row, column, c, LANES, gradient);
    for (; count > 0; c += LANES, gradient += LANES, count -= LANES)
        TYPED(depthwise_gradient_chains)(taps, 1, t, row, column, c, count, gradient);
}

/* Elements [begin, begin + count) of the gradient, counted as (taps, channels): taps of one row of the kernel that are
   wanted whole share what is read of dy. */
static void TYPED(depthwise_gradient_line)(const TYPED(depthwise_tensors) *t, int64_t begin, int64_t count,
                                           real *gradient)
{
    enum { MOST = 4 };
    for (const int64_t end = begin + count; begin < end;) {
        const int64_t tap = begin / t->channels, c = begin % t->channels, left = t->channels - c;
        const int64_t in_row = t->axes[1].window - tap % t->axes[1].window, in_line = (end - begin) / t->channels;
        int64_t taps = in_row < in_line ? in_row : in_line;
        taps = c || taps < 1 ? 1 : taps < MOST ? taps : MOST;
        const int64_t channels = left < end - begin ? left : end - begin;
        switch (taps) {
        case 1: TYPED(depthwise_gradient_taps)(1, t, tap, c, channels, gradient); break;
        case 2: TYPED(depthwise_gradient_taps)(2, t, tap, c, channels, gradient); break;
        case 3: TYPED(depthwise_gradient_taps)(3, t, tap, c, channels, gradient); break;
        default: TYPED(depthwise_gradient_taps)(4, t, tap, c, channels, gradient);
        }
        begin += taps * channels;
        gradient += taps * channels;
    }
}

/* gradient[k][c] = sum over rows r and outputs o of x[r][o stride - before + k dilation][c] dy[r][o][c], along both
   axes, then + gradient[k][c] (accumulate), for the block's elements of (taps, channels) counted as (., columns). */
DEFINE_KERNEL(depthwise_gradient)
{
    ARGUMENTS(depthwise_gradient);
    const TYPED(depthwise_tensors) t = {.x = a->x,
                                        .dy = a->dy,
                                        .axes = (const nn_axis *)a->windows,
                                        .rows = worker->rows,
                                        .channels = a->channels,
                                        .x_stride = a->x_stride,
                                        .dy_stride = a->dy_stride,
                                        .accumulate = a->accumulate != 0};
    const int64_t width = block->column_end - block->column_begin, height = block->row_end - block->row_begin;
    const int64_t begin = block->row_begin * a->columns + block->column_begin;
    real *const gradient = worker->gradient;
    if (width == a->columns && (worker->gradient_stride == width || height == 1))
        TYPED(depthwise_gradient_line)(&t, begin, height * width, gradient);
    else
        for (int64_t i = 0; i < height; i++)
            TYPED(depthwise_gradient_line)(&t, begin + i * a->columns, width, gradient + i * worker->gradient_stride);
}
