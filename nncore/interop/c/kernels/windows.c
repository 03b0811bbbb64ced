/* What windows of images go into: convolutions and pooling. See library.py. */

/* Windows of an image: so many rows and columns, of so many taps, which take `channels` of each pixel. */
typedef struct {
    integer rows, columns, first_row, first_column, row_step, column_step;
    integer taps_down, taps_across, tap_row_step, tap_column_step;
    integer image_rows, image_columns, channels, pixel;
    integer out_first, out_row, out_column; /* where results stand */
} windows;

/* c[i][j] = the sum over taps and channels of window (i, j) times b (taps x channels, units), then + bias, max(0, .).
 */
static void window_product(const windows *w, integer units, const real *a, const real *b, const real *bias,
                           int rectified, real *c)
{
    for (integer i = 0; i < w->rows; i++)
        for (integer j = 0; j < w->columns; j++) {
            const integer row = w->first_row + i * w->row_step, column = w->first_column + j * w->column_step;
            real *const target = c + w->out_first + i * w->out_row + j * w->out_column;
            for (integer unit = 0; unit < units; unit += BLOCK) {
                const integer count = units - unit < BLOCK ? units - unit : BLOCK;
                real sum[BLOCK] = {0};
                for (integer t = 0; t < w->taps_down; t++) {
                    const integer y = row + t * w->tap_row_step;
                    if (y < 0 || y >= w->image_rows)
                        continue;
                    const int in_a_row = w->tap_column_step == 1 && w->pixel == w->channels && column >= 0 &&
                                         column + w->taps_across <= w->image_columns;
                    const integer inner = in_a_row ? w->taps_across * w->channels : w->channels;
                    for (integer u = 0; u < (in_a_row ? 1 : w->taps_across); u++) {
                        const integer x = column + u * w->tap_column_step;
                        const real *factors = b + (t * w->taps_across + u) * w->channels * units + unit;
                        if (x >= 0 && x < w->image_columns) {
                            const real *from = a + (y * w->image_columns + x) * w->pixel;
                            add_products(inner, from, 1, factors, units, sum, count);
                        } else {
                            static const real zero = 0; /* around the image */
                            add_products(inner, &zero, 0, factors, units, sum, count);
                        }
                    }
                }
                end_chains(sum, bias ? bias + unit : 0, rectified, target + unit, count);
            }
        }
}

/* How windows lie along an axis: output o sees the elements o stride - before + k dilation, k < window. */
typedef struct {
    integer length, outputs, window, stride, dilation, before;
} axis;

/* Each channel with a kernel of its own, (taps down, taps across, channels); then + bias, max(0, .). */
static void depthwise(const axis *axes, integer channels, const real *x, const real *kernel, const real *bias,
                      int rectified, real *y)
{
    const axis *const down = axes, *const across = axes + 1;
    for (integer i = 0; i < down->outputs; i++)
        for (integer j = 0; j < across->outputs; j++, y += channels) {
            for (integer c = 0; c < channels; c++)
                y[c] = 0;
            for (integer t = 0; t < down->window; t++)
                for (integer u = 0; u < across->window; u++) {
                    const integer row = i * down->stride - down->before + t * down->dilation;
                    const integer column = j * across->stride - across->before + u * across->dilation;
                    const real *from = x + (row * across->length + column) * channels;
                    const real *factors = kernel + (t * across->window + u) * channels;
                    if (row >= 0 && row < down->length && column >= 0 && column < across->length)
                        for (integer c = 0; c < channels; c++)
                            y[c] = FMA(from[c], factors[c], y[c]);
                }
            end_chains(y, bias, rectified, y, channels);
        }
}

/* What a window has inside of an axis: [begin, end). */
static inline void inside_of(const axis *a, integer output, integer *begin, integer *end)
{
    *begin = output * a->stride - a->before;
    *end = *begin + a->window;
    *begin = *begin < 0 ? 0 : *begin;
    *end = *end > a->length ? a->length : *end;
}

/* The largest of each window; NaN where one is, 0 for -0. */
static void max_pool(const axis *axes, integer channels, const real *x, real *y)
{
    for (integer p = 0; p < axes[0].outputs; p++)
        for (integer q = 0; q < axes[1].outputs; q++, y += channels) {
            integer top, bottom, left, right;
            inside_of(axes, p, &top, &bottom);
            inside_of(axes + 1, q, &left, &right);
            for (integer c = 0; c < channels; c++)
                y[c] = x[(top * axes[1].length + left) * channels + c];
            for (integer i = top; i < bottom; i++)
                for (integer j = left; j < right; j++) {
                    const real *from = x + (i * axes[1].length + j) * channels;
                    for (integer c = 0; c < channels; c++) {
                        const real larger = max_of(from[c], y[c]);
                        y[c] = from[c] != from[c] ? from[c] : larger;
                    }
                }
            for (integer c = 0; c < channels; c++)
                y[c] += 0;
        }
}

/* The mean of each window: its columns are dealt to four sums in turn. */
static void average_pool(const axis *axes, integer channels, const real *x, real *y)
{
    for (integer p = 0; p < axes[0].outputs; p++)
        for (integer q = 0; q < axes[1].outputs; q++, y += channels) {
            integer top, bottom, left, right;
            inside_of(axes, p, &top, &bottom);
            inside_of(axes + 1, q, &left, &right);
            for (integer c = 0; c < channels; c++) {
                real sum[4] = {0};
                for (integer i = top; i < bottom; i++)
                    for (integer j = left; j < right; j++)
                        sum[(j - left) % 4] += x[(i * axes[1].length + j) * channels + c];
                y[c] = (sum[0] + sum[2] + (sum[1] + sum[3])) / (real)((bottom - top) * (right - left));
            }
        }
}

/* The mean over the steps whose mask is not 0. */
static void masked_mean(integer steps, integer features, const real *x, const real *mask, real *y)
{
    for (integer f = 0; f < features; f++) {
        real sum[4] = {0}, count = 0;
        for (integer s = 0; s < steps; s++)
            if (mask[s] != 0) {
                sum[s % 4] += x[s * features + f];
                count += 1;
            }
        y[f] = (sum[0] + sum[2] + (sum[1] + sum[3])) / count;
    }
}
