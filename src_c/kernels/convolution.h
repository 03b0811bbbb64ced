/* Convolutions as products with the windows of images: forward, towards the images, and for the weight.
 *
 * An image is (image_rows, image_columns) pixels, a window takes `channels` of each pixel at its taps, and the windows
 * of an image stand in rows and columns. No window is ever written down: a tile of the product reads windows beside
 * each other where they lie in the image, a row of taps after the other. Where windows reach beyond the image, or where
 * they take some of the channels only, bands of the image are copied first into the thread's own memory, with zeros
 * around them. */
#include <string.h>

/* What `geometry` of the kernels points at, as nncore/_convolution.py makes it. Steps are in pixels, the last four
   fields but one in elements. */
#ifndef NN_CONVOLUTION_H
#define NN_CONVOLUTION_H
typedef struct nn_windows {
    int64_t rows, columns;           /* of windows */
    int64_t first_row, first_column; /* the pixel at the first tap of the first window: before the image if negative */
    int64_t row_step, column_step;   /* from window to window */
    int64_t taps_down, taps_across;
    int64_t tap_row_step, tap_column_step; /* from tap to tap */
    int64_t image_rows, image_columns;
    int64_t channels;                       /* of a pixel that are taken */
    int64_t pixel;                          /* from pixel to pixel of the image */
    int64_t out_first, out_row, out_column; /* where the first window's result stands, and from one to the next */
    int64_t band_rows; /* rows of windows whose pixels are copied at a time; 0: they are read in place */
} nn_windows;
#endif

/* Windows of a band in memory: from its first tap's pixel on, rows of pixels `pitch` apart, pixels `pixel` apart. */
typedef struct TYPED(band) {
    const real *origin;
    int64_t pitch, pixel;
    int64_t first, rows; /* of windows */
} TYPED(band);

/* The band of `rows` rows of windows from row `first` on, copied into `to` where the geometry says so. */
static TYPED(band) TYPED(band_of)(const nn_windows *w, const real *image, int64_t first, int64_t rows, real *to)
{
    const int64_t row = w->first_row + first * w->row_step, image_pitch = w->image_columns * w->pixel;
    if (!w->band_rows)
        return (TYPED(band)){image + row * image_pitch + w->first_column * w->pixel, image_pitch, w->pixel, first,
                             rows};
    const int64_t channels = w->channels;
    const int64_t height = (rows - 1) * w->row_step + (w->taps_down - 1) * w->tap_row_step + 1;
    const int64_t width = (w->columns - 1) * w->column_step + (w->taps_across - 1) * w->tap_column_step + 1;
    const int64_t left = w->first_column < 0 ? -w->first_column : 0; /* columns before the image */
    int64_t inside = w->image_columns - w->first_column;             /* where it ends */
    if (inside > width)
        inside = width;
    for (int64_t i = 0; i < height; i++) {
        real *const line = to + i * width * channels;
        if (row + i < 0 || row + i >= w->image_rows || left >= inside) {
            memset(line, 0, (size_t)(width * channels) * sizeof(real));
            continue;
        }
        const real *from = image + (row + i) * image_pitch + (w->first_column + left) * w->pixel;
        memset(line, 0, (size_t)(left * channels) * sizeof(real));
        if (channels == w->pixel)
            memcpy(line + left * channels, from, (size_t)((inside - left) * channels) * sizeof(real));
        else
            for (int64_t j = left; j < inside; j++, from += w->pixel)
                memcpy(line + j * channels, from, (size_t)channels * sizeof(real));
        memset(line + inside * channels, 0, (size_t)((width - inside) * channels) * sizeof(real));
    }
    return (TYPED(band)){to, width * channels, channels, first, rows};
}

/* Taps that lie beside each other in memory are one run of `inner` elements: how many of those there are, and how far
   apart. */
typedef struct TYPED(taps) {
    int64_t down, across, inner;
    int64_t down_step, across_step;
} TYPED(taps);

NN_INLINE TYPED(taps) TYPED(taps_of)(const nn_windows *w, const TYPED(band) *band)
{
    TYPED(taps) taps = {w->taps_down, w->taps_across, w->channels, w->tap_row_step * band->pitch,
                        w->tap_column_step * band->pixel};
    if (taps.down * taps.across == 0) {
        taps.down = taps.across = 1;
        taps.inner = 0;
    } else if (taps.across == 1 || taps.across_step == taps.inner) {
        taps.inner *= taps.across;
        taps.across = 1;
    }
    return taps;
}

/* Two loops over windows, an outer and an inner one, become one where the steps of both allow it. */
NN_INLINE void TYPED(join_loops)(int64_t *outer, int64_t *inner, int64_t outer_a, int64_t *inner_a, int64_t outer_c,
                                 int64_t *inner_c)
{
    if (*inner == 1) {
        *inner = *outer;
        *inner_a = outer_a;
        *inner_c = outer_c;
        *outer = 1;
    } else if (*outer == 1 || (outer_a == *inner * *inner_a && outer_c == *inner * *inner_c)) {
        *inner *= *outer;
        *outer = 1;
    }
}

/* Of the taps of a row of windows, those inside of the image: from `first` on. */
typedef struct TYPED(inside) {
    int64_t first, count;
} TYPED(inside);

NN_INLINE TYPED(inside) TYPED(taps_inside)(const nn_windows *w, int64_t row)
{
    const int64_t begin = w->first_row + row * w->row_step;
    TYPED(inside) taps = {0, w->taps_down};
    while (taps.count > 0 && begin + taps.first * w->tap_row_step < 0) {
        taps.first++;
        taps.count--;
    }
    while (taps.count > 0 && begin + (taps.first + taps.count - 1) * w->tap_row_step >= w->image_rows)
        taps.count--;
    return taps;
}

/* The windows of `rows` rows from row `first` of a band on, which have the taps `inside` of the image: those outside
   would add 0. c and the mask in ends point at the first window of the image. */
static void TYPED(product_of_windows)(const nn_windows *w, const TYPED(band) *band, int64_t first, int64_t rows,
                                      TYPED(inside) inside, const real *b, int64_t b_stride, int64_t b_panel,
                                      int64_t columns, real *c, const TYPED(tile_ends) *whole)
{
    const TYPED(taps) taps = TYPED(taps_of)(w, band);
    const int64_t place = w->out_first + first * w->out_row, none = inside.count == 0 || taps.inner == 0;
    const int64_t down = none ? 1 : inside.count;
    const int joined = taps.across == 1;
    TYPED(operands) of = {.groups = rows,
                          .rows = w->columns,
                          .columns = columns,
                          .pieces = joined ? down : taps.across,
                          .inner = none ? 0 : taps.inner,
                          .a = band->origin + (first - band->first) * w->row_step * band->pitch +
                               inside.first * taps.down_step,
                          .a_group = w->row_step * band->pitch,
                          .a_stride = w->column_step * band->pixel,
                          .a_piece = joined ? taps.down_step : taps.across_step,
                          .b = b + inside.first * taps.across * taps.inner * b_stride,
                          .b_stride = b_stride,
                          .b_panel = b_panel,
                          .b_piece = taps.inner * b_stride,
                          .c = c + place,
                          .c_group = w->out_row,
                          .c_stride = w->out_column};
    TYPED(join_loops)(&of.groups, &of.rows, of.a_group, &of.a_stride, of.c_group, &of.c_stride);
    TYPED(tile_ends) ends = *whole;
    ends.mask = whole->mask ? whole->mask + place : NULL;
    ends.mask_group = of.c_group;
    ends.mask_stride = of.c_stride;
    const int64_t turns = joined ? 1 : down;
    for (int64_t turn = 0; turn < turns; turn++) {
        ends.continued = turn > 0;
        ends.unfinished = turn < turns - 1;
        TYPED(product_of)(0, &of, &ends);
        of.a += taps.down_step;
        of.b += taps.across * of.b_piece;
    }
}

/* c[i][j] = sum over the taps t and channels p of window (i, j) of a[t][p] b[t, p], then + bias, max(0, .) (relu), and
   zero where mask <= 0, for each row of the minibatch. a is an image for each; b (taps x channels, columns) as in
   matmul; c and mask have `columns` elements where the geometry says. */
DEFINE_KERNEL(window_product)
{
    ARGUMENTS(window_product);
    const nn_windows *const w = (const nn_windows *)a->geometry;
    const int64_t most = w->band_rows ? w->band_rows : w->rows;
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const TYPED(tile_ends) ends = {
            .bias = a->bias, .mask = a->mask ? a->mask + r * a->mask_stride : NULL, .relu = a->relu != 0};
        for (int64_t first = 0; first < w->rows; first += most) {
            const int64_t end = w->rows - first < most ? w->rows : first + most;
            const TYPED(band) band = TYPED(band_of)(w, a->a + r * a->a_stride, first, end - first, worker->scratch);
            for (int64_t row = first, next; row < end; row = next) {
                const TYPED(inside) inside = TYPED(taps_inside)(w, row);
                for (next = row + 1; next < end; next++) { /* rows of windows that have the same taps */
                    const TYPED(inside) other = TYPED(taps_inside)(w, next);
                    if (other.first != inside.first || other.count != inside.count)
                        break;
                }
                TYPED(product_of_windows)
                (w, &band, row, next - row, inside, a->b, a->b_stride, a->b_panel, a->columns, a->c + r * a->c_stride,
                 &ends);
            }
        }
    }
}

/* y[i] += x[i] for i < width; up to `room` elements of y may have 0 added, which changes none: sums that begin at 0 are
   never -0. */
NN_INLINE void TYPED(add_to)(int64_t width, int64_t room, const real *x, real *y)
{
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES)
        v_store(y + i, v_add(v_load(y + i), v_load(x + i)));
    if (i == width)
        return;
    const vec last = v_load_first(x + i, width - i);
    if (i + LANES <= room)
        v_store(y + i, v_add(v_load(y + i), last));
    else
        v_store_first(y + i, v_add(v_load_first(y + i, width - i), last), width - i);
}

/* Adds a window's elements to the pixels of an image at its taps, of which the first is at (row, column). */
NN_INLINE void TYPED(add_window)(const nn_windows *w, int64_t row, int64_t column, int64_t pitch, const real *from,
                                 real *image)
{
    const int alone = w->pixel == w->channels; /* nobody else's channels lie between these */
    const int64_t end = w->image_rows * pitch;
    const int whole = column >= 0 && column + (w->taps_across - 1) * w->tap_column_step < w->image_columns;
    const int64_t run = w->taps_across * w->channels;
    for (int64_t t = 0; t < w->taps_down; t++, row += w->tap_row_step, from += run) {
        if (row < 0 || row >= w->image_rows)
            continue;
        real *const line = image + row * pitch;
        if (whole && w->tap_column_step == 1 && alone) {
            const int64_t at = column * w->pixel;
            TYPED(add_to)(run, end - row * pitch - at, from, line + at);
            continue;
        }
        for (int64_t u = 0; u < w->taps_across; u++) {
            const int64_t at = column + u * w->tap_column_step;
            if (at >= 0 && at < w->image_columns)
                TYPED(add_to)
            (w->channels, alone ? end - row * pitch - at * w->pixel : 0, from + u * w->channels, line + at * w->pixel);
        }
    }
}

/* x[i] = 0 where mask[i] <= 0 */
NN_INLINE void TYPED(close_where)(int64_t count, const real *mask, real *x)
{
    for (int64_t i = 0; i < count; i += LANES) {
        const vec open = TYPED(v_load_up_to)(mask + i, count - i), value = TYPED(v_load_up_to)(x + i, count - i);
        TYPED(v_store_up_to)(x + i, v_select(v_less(v_zero(), open), value, v_zero()), count - i);
    }
}

/* The way back from windows to images, window by window: x = 0, then each window (i, j) in order adds dy[i, j] b to the
   pixels at its taps, where b is (units, taps x channels); and at the end zero where mask <= 0. dy has `units` elements
   where the geometry says. Products of the windows of a few rows at a time go through the thread's own memory. */
DEFINE_KERNEL(window_scatter)
{
    ARGUMENTS(window_scatter);
    const nn_windows *const w = (const nn_windows *)a->geometry;
    const int64_t size = w->taps_down * w->taps_across * w->channels, pitch = w->image_columns * w->pixel;
    real *const product = worker->scratch;
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        real *const image = a->x + r * a->x_stride;
        for (int64_t i = 0; i < w->image_rows * w->image_columns; i++)
            memset(image + i * w->pixel, 0, (size_t)w->channels * sizeof(real));
        for (int64_t first = 0; first < w->rows; first += w->band_rows) {
            const int64_t rows = w->rows - first < w->band_rows ? w->rows - first : w->band_rows;
            TYPED(operands) of = {.groups = rows,
                                  .rows = w->columns,
                                  .columns = size,
                                  .pieces = 1,
                                  .inner = a->units,
                                  .a = a->dy + r * a->dy_stride + w->out_first + first * w->out_row,
                                  .a_group = w->out_row,
                                  .a_stride = w->out_column,
                                  .b = a->b,
                                  .b_stride = a->b_stride,
                                  .b_panel = a->b_panel,
                                  .c = product,
                                  .c_group = w->columns * size,
                                  .c_stride = size};
            TYPED(join_loops)(&of.groups, &of.rows, of.a_group, &of.a_stride, of.c_group, &of.c_stride);
            const TYPED(tile_ends) ends = {0};
            TYPED(product_of)(0, &of, &ends);
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < w->columns; j++)
                    TYPED(add_window)
            (w, w->first_row + (first + i) * w->row_step, w->first_column + j * w->column_step, pitch,
             product + (i * w->columns + j) * size, image);
        }
        if (a->mask)
            for (int64_t i = 0; i < w->image_rows * w->image_columns; i++)
                TYPED(close_where)(w->channels, a->mask + r * a->mask_stride + i * w->pixel, image + i * w->pixel);
    }
}

/* parts[r / part_rows] (taps x channels, units) = sum over the block's rows r and the windows w of each of
   a[w]' dy[w], for `columns` of the units; the block begins at a multiple of part_rows and has no more of them. a is an
   image for each row, dy has the gradients of windows where the geometry says. */
DEFINE_KERNEL(window_gradient_part)
{
    ARGUMENTS(window_gradient_part);
    const nn_windows *const w = (const nn_windows *)a->geometry;
    /* so many rows of windows at a time that their pixels stay in the first-level cache for all taps */
    enum { CACHED = 20480 / sizeof(real) };
    const int64_t line = w->image_columns * w->pixel, reach = (w->taps_down - 1) * w->tap_row_step + 1;
    int64_t most = (CACHED / line - reach) / w->row_step + 1;
    if (most < 1)
        most = 1;
    if (w->band_rows && w->band_rows < most)
        most = w->band_rows;
    real *const part = a->parts + block->row_begin / a->part_rows * a->parts_stride;
    TYPED(tile_ends) ends = {0};
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        for (int64_t first = 0; first < w->rows; first += most) {
            const int64_t rows = w->rows - first < most ? w->rows - first : most;
            const TYPED(band) band = TYPED(band_of)(w, a->a + r * a->a_stride, first, rows, worker->scratch);
            const TYPED(taps) taps = TYPED(taps_of)(w, &band);
            TYPED(operands) of = {.groups = taps.across == 1 ? taps.down : taps.across,
                                  .rows = taps.inner,
                                  .columns = a->columns,
                                  .pieces = rows,
                                  .inner = w->columns,
                                  .a = band.origin,
                                  .a_group = taps.across == 1 ? taps.down_step : taps.across_step,
                                  .a_stride = w->column_step * band.pixel,
                                  .a_piece = w->row_step * band.pitch,
                                  .b = a->dy + r * a->dy_stride + w->out_first + first * w->out_row,
                                  .b_stride = w->out_column,
                                  .b_piece = w->out_row,
                                  .c = part,
                                  .c_group = taps.inner * a->units,
                                  .c_stride = a->units};
            TYPED(join_loops)(&of.pieces, &of.inner, of.a_piece, &of.a_stride, of.b_piece, &of.b_stride);
            for (int64_t turn = 0; turn < (taps.across == 1 ? 1 : taps.down); turn++) {
                TYPED(product_of)(1, &of, &ends);
                of.a += taps.down_step;
                of.c += taps.across * of.c_group;
            }
            ends.continued = 1;
        }
    }
}

/* packed becomes the transpose that leads from windows back to images, for the block's elements of matrix (taps x
   channels, columns): row (group, place of the tap, unit of the group), column channel. The columns are `groups` of
   units, places has a number for each tap. The layout is that of matmul's b. */
DEFINE_KERNEL(pack_windows)
{
    ARGUMENTS(pack_windows);
    UNUSED(worker);
    enum { WIDTH = NN_TILE_VECTORS * LANES };
    for (int64_t i = block->row_begin; i < block->row_end;) {
        const int64_t tap = i / a->channels, channel = i % a->channels;
        int64_t height = a->channels - channel;
        if (height > block->row_end - i)
            height = block->row_end - i;
        if (a->packed_panel && height > WIDTH - channel % WIDTH)
            height = WIDTH - channel % WIDTH;
        for (int64_t j = block->column_begin; j < block->column_end;) {
            const int64_t group = j / a->group_units, unit = j % a->group_units;
            int64_t width = a->group_units - unit;
            if (width > block->column_end - j)
                width = block->column_end - j;
            const int64_t row = (group * a->taps + a->places[tap]) * a->group_units + unit;
            TYPED(transpose)
            (height, width, a->matrix + i * a->columns + j, a->columns,
             TYPED(packed_place)(a->packed, a->packed_stride, a->packed_panel, row, channel), a->packed_stride);
            j += width;
        }
        i += height;
    }
}
