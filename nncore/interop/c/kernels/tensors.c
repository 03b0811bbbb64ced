/* Tensors of two, in another order, or larger. See library.py. */

/* Two tensors become one, element by element; y may be a or b. */
static void add(integer count, const real *a, const real *b, real *y)
{
    for (integer i = 0; i < count; i++)
        y[i] = a[i] + b[i];
}

static void subtract(integer count, const real *a, const real *b, real *y)
{
    for (integer i = 0; i < count; i++)
        y[i] = a[i] - b[i];
}

static void multiply(integer count, const real *a, const real *b, real *y)
{
    for (integer i = 0; i < count; i++)
        y[i] = a[i] * b[i];
}

static void maximum(integer count, const real *a, const real *b, real *y)
{
    for (integer i = 0; i < count; i++) {
        const real sum = a[i] + b[i], larger = max_of(a[i], b[i]);
        y[i] = a[i] != a[i] || b[i] != b[i] ? sum : larger;
    }
}

static void minimum(integer count, const real *a, const real *b, real *y)
{
    for (integer i = 0; i < count; i++) {
        const real sum = a[i] + b[i], smaller = min_of(a[i], b[i]);
        y[i] = a[i] != a[i] || b[i] != b[i] ? sum : smaller;
    }
}

/* a b, and 0 where b is, whatever a is */
static void apply_mask(integer count, const real *a, const real *b, real *y)
{
    for (integer i = 0; i < count; i++)
        y[i] = magnitude_of(b[i]) > 0 ? a[i] * b[i] : magnitude_of(b[i]);
}

/* c (outer, columns) = a (outer, inner) b (inner, columns), whose neighbours along an axis are as far apart as an
   argument says. Where inner is contiguous in both, sums are over lanes. */
static void sample_product(integer outer, integer inner, integer columns, const real *a, integer a_outer,
                           integer a_inner, const real *b, integer b_inner, integer b_column, real *c)
{
    const int in_lanes = a_inner == 1 && b_inner == 1 && (b_column != 1 || columns == 1);
    for (integer i = 0; i < outer; i++)
        for (integer j = 0; j < columns; j++) {
            real lane[LANES] = {0};
            for (integer p = 0; p < inner; p++) {
                real *const sum = lane + (in_lanes ? p % LANES : 0);
                *sum = FMA(a[i * a_outer + p * a_inner], b[p * b_inner + j * b_column], *sum);
            }
            c[i * columns + j] = in_lanes ? sum_of_lanes(lane) : lane[0];
        }
}

/* An axis of a copy or a sum: extent, and how far apart neighbours are in x and in y. */
typedef struct {
    integer extent, x_step, y_step;
} stretch;

/* y[sum of k y_step] = x[sum of k x_step] over the numbers k of all axes. */
static void copy_axes(int axes, const stretch *s, const real *x, real *y)
{
    for (integer k = 0; k < s->extent; k++, x += s->x_step, y += s->y_step)
        if (axes > 1)
            copy_axes(axes - 1, s + 1, x, y);
        else
            *y = *x;
}

/* The sum over all axes, one after the other from the last one on; over lanes where that is contiguous. */
static real sum_of_axes(int axes, const stretch *s, const real *x)
{
    real sum = 0;
    if (axes == 1 && s->x_step == 1)
        return sum_along(x, s->extent);
    for (integer k = 0; k < s->extent; k++, x += s->x_step)
        sum += axes > 1 ? sum_of_axes(axes - 1, s + 1, x) : *x;
    return sum;
}

/* y[k] += x[k] for all the axes in turn. */
static void add_lines(int axes, const stretch *s, const real *x, real *y, integer count)
{
    for (integer k = 0; axes && k < s->extent; k++)
        add_lines(axes - 1, s + 1, x + k * s->x_step, y, count);
    for (integer k = 0; !axes && k < count; k++)
        y[k] += x[k];
}

/* The sums over the last `summed` axes, for each place along those before them. */
static void sum_axes(int kept, int summed, const stretch *s, const real *x, real *y)
{
    if (kept == 1 && s->x_step == 1 && s->y_step == 1) {
        for (integer k = 0; k < s->extent; k++)
            y[k] = 0;
        add_lines(summed, s + 1, x, y, s->extent);
        return;
    }
    for (integer k = 0; k < s->extent; k++, x += s->x_step, y += s->y_step)
        if (kept > 1)
            sum_axes(kept - 1, summed, s + 1, x, y);
        else
            *y = sum_of_axes(summed, s + 1, x);
}

/* y = x with zeros around: so many whole lines, and so many elements in each line. */
static void pad_zeros(integer lines, integer width, integer lines_before, integer lines_after, integer before,
                      integer after, const real *x, real *y)
{
    for (integer line = -lines_before; line < lines + lines_after; line++)
        for (integer i = -before; i < width + after; i++)
            *y++ = line >= 0 && line < lines && i >= 0 && i < width ? x[line * width + i] : 0;
}

/* Between which inputs an output lies, and how much of the farther one it has. */
typedef struct {
    integer near_one, far_one;
    real weight;
} between;

static inline between between_inputs(integer output, integer factor, integer length)
{
    const integer near_one = output / factor, twice = 2 * (output % factor) + 1 - factor;
    between b;
    b.near_one = near_one;
    b.far_one = twice < 0 ? (near_one ? near_one - 1 : 0) : near_one + (twice > 0 && near_one + 1 < length);
    b.weight = (real)(twice < 0 ? -twice : twice) / (real)(2 * factor);
    return b;
}

static inline real interpolate(real near_one, real far_one, real weight)
{
    return FMA(weight, far_one, (1 - weight) * near_one);
}

/* An image so many times as large, bilinear. */
static void upsample_linear(integer rows, integer columns, integer channels, integer row_factor, integer column_factor,
                            const real *x, real *y)
{
    for (integer o = 0; o < rows * row_factor; o++)
        for (integer p = 0; p < columns * column_factor; p++, y += channels) {
            const between down = between_inputs(o, row_factor, rows),
                          across = between_inputs(p, column_factor, columns);
            const real *const here = x + down.near_one * columns * channels, *const there =
                                                                                 x + down.far_one * columns * channels;
            for (integer c = 0; c < channels; c++) {
                const integer left = across.near_one * channels + c, right = across.far_one * channels + c;
                y[c] = interpolate(interpolate(here[left], here[right], across.weight),
                                   interpolate(there[left], there[right], across.weight), down.weight);
            }
        }
}
