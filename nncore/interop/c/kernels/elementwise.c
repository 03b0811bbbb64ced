/* Functions of each element, and of groups of elements. See library.py. */

/* Functions of each element: y[i] = f(x[i]), i < count. */
static void relu(integer count, const real *x, real *y)
{
    for (integer i = 0; i < count; i++)
        y[i] = max_of(0, x[i]);
}

static void sigmoid(integer count, const real *x, real *y)
{
    for (integer i = 0; i < count; i++)
        y[i] = sigmoid_of(x[i]);
}

static void hyperbolic_tangent(integer count, const real *x, real *y)
{
    for (integer i = 0; i < count; i++)
        y[i] = tanh_of(x[i]);
}

static void exponential(integer count, const real *x, real *y)
{
    for (integer i = 0; i < count; i++)
        y[i] = exp_of(x[i]);
}

static void logarithm(integer count, const real *x, real *y)
{
    for (integer i = 0; i < count; i++)
        y[i] = log_of(x[i]);
}

static void gelu(integer count, const real *x, real *y)
{
    for (integer i = 0; i < count; i++)
        y[i] = gelu_of(x[i]);
}

/* x - tanh(x) */
static void tanh_shrink(integer count, const real *x, real *y)
{
    for (integer i = 0; i < count; i++)
        y[i] = x[i] - tanh_of(x[i]);
}

/* x / (1 + |x|) */
static void softsign(integer count, const real *x, real *y)
{
    const real limit = of_bits(EXPONENT(2 * BIAS + 1) - 1);
    for (integer i = 0; i < count; i++) {
        const real here = max_of(-limit, min_of(limit, x[i]));
        y[i] = here / (1 + magnitude_of(here));
    }
}

/* sign log(1 + e^(sign x)) */
static void softplus(integer count, const real *x, real *y, real sign)
{
    for (integer i = 0; i < count; i++)
        y[i] = sign * softplus_of(sign * x[i]);
}

/* x scale + shift */
static void scale_shift(integer count, const real *x, real *y, real scale, real shift)
{
    for (integer i = 0; i < count; i++)
        y[i] = x[i] * scale + shift;
}

/* slope (x - term), or `term` where the slope is 0 */
static inline real line_piece(real x, real slope, real term)
{
    return magnitude_of(slope) > 0 ? slope * (x - term) : term;
}

/* One of three lines, by where x is beside low and high, which belong to the middle one where `closed`. */
static void piecewise(integer count, const real *x, real *y, int closed, real low, real high, real slope_below,
                      real slope_middle, real slope_above, real term_below, real term_middle, real term_above)
{
    for (integer i = 0; i < count; i++) {
        const real here = x[i], below = line_piece(here, slope_below, term_below);
        const real middle = line_piece(here, slope_middle, term_middle),
                   above = line_piece(here, slope_above, term_above);
        const int is_below = closed ? here < low : !(low < here), is_above = closed ? high < here : !(here < high);
        const real result = is_below ? below : is_above ? above : middle;
        y[i] = here != here ? here : result;
    }
}

/* 0 for x <= low, x for x >= high, else factor (x - low) (x - root) */
static void parabola(integer count, const real *x, real *y, real low, real high, real factor, real root)
{
    for (integer i = 0; i < count; i++) {
        const real here = x[i], middle = factor * ((here - low) * (here - root));
        const real result = low < here ? (here < high ? middle : here) : 0;
        y[i] = here != here ? here : result;
    }
}

/* scale x for x > 0, else height (e^(rate x) - 1) */
static void exponential_linear(integer count, const real *x, real *y, real scale, real height, real rate)
{
    for (integer i = 0; i < count; i++) {
        const real curve = height * expm1_of(rate * x[i]);
        y[i] = x[i] > 0 ? scale * x[i] : curve;
    }
}

/* x / (1 + e^-h), h = x (linear + cubic x^2) */
static void sigmoid_gate(integer count, const real *x, real *y, real linear, real cubic)
{
    for (integer i = 0; i < count; i++) {
        const real b = bounded(x[i]), h = b * FMA(cubic, b * b, linear);
        const decay e = decay_split(h);
        const real quotient = (h < 0 ? b : x[i]) / (1 + e.value), small = times_decay(quotient, e);
        y[i] = h < 0 ? small : quotient;
    }
}

/* x tanh(log(1 + e^x)) */
static void mish(integer count, const real *x, real *y)
{
    for (integer i = 0; i < count; i++) {
        const real b = bounded(x[i]);
        const decay d = decay_split(b);
        const int negative = x[i] < 0;
        const real e = d.value, twice = e + e, n = negative ? e + 2 : 1 + twice;
        const real below = FMA(negative ? e : twice, negative ? n : e, negative ? 2 : n);
        const real product = (negative ? b : x[i]) * (n / below), small = times_decay(product, d);
        y[i] = negative ? small : product;
    }
}

/* (x + sqrt(x^2 + b)) / 2 */
static void squareplus(integer count, const real *x, real *y, real b)
{
    const real smallest = of_bits(EXPONENT(1)), root = sqrt_of(b);
    for (integer i = 0; i < count; i++) {
        const real magnitude = magnitude_of(x[i]), larger = max_of(root, magnitude);
        const real ratio = min_of(root, magnitude) / max_of(smallest, larger);
        const real sum = FMA(R(0.5) * larger, sqrt_of(FMA(ratio, ratio, 1)), R(0.5) * magnitude);
        y[i] = x[i] < 0 ? b / 4 / max_of(smallest, sum) : sum;
    }
}

/* Sums and maxima along a vector go over 16 lanes: element i belongs to lane i mod 16. */
enum { LANES = 16 };

static inline real sum_of_lanes(real *lane)
{
    for (int width = LANES / 2; width; width /= 2)
        for (int i = 0; i < width; i++)
            lane[i] += lane[i + width];
    return lane[0];
}

static real sum_along(const real *x, integer count)
{
    real lane[LANES] = {0};
    for (integer i = 0; i < count; i += LANES)
        for (integer k = 0; k < LANES && i + k < count; k++)
            lane[k] += x[i + k];
    return sum_of_lanes(lane);
}

static real largest_along(const real *x, integer count)
{
    real lane[LANES];
    for (integer k = 0; k < LANES; k++)
        lane[k] = -INFINITE;
    for (integer i = 0; i < count; i += LANES)
        for (integer k = 0; k < LANES && i + k < count; k++)
            lane[k] = max_of(lane[k], x[i + k]);
    for (int width = LANES / 2; width; width /= 2)
        for (int i = 0; i < width; i++)
            lane[i] = max_of(lane[i], lane[i + width]);
    return lane[0];
}

static void softmax_group(integer classes, const real *x, real *y)
{
    const real largest = largest_along(x, classes);
    for (integer i = 0; i < classes; i++)
        y[i] = exp_bounded(x[i] - largest);
    const real inverse = 1 / sum_along(y, classes);
    for (integer i = 0; i < classes; i++)
        y[i] *= inverse;
}

static void softmax(integer groups, integer classes, const real *x, real *y)
{
    for (integer g = 0; g < groups; g++)
        softmax_group(classes, x + g * classes, y + g * classes);
}

/* x - max x - log(sum of e^(x - max x)) over the classes of each group */
static void log_softmax(integer groups, integer classes, const real *x, real *y)
{
    for (integer g = 0; g < groups; g++, x += classes, y += classes) {
        const real largest = largest_along(x, classes);
        real lane[LANES] = {0};
        for (integer i = 0; i < classes; i++)
            lane[i % LANES] += exp_bounded(x[i] - largest);
        const real logarithm_of_sum = log_of(sum_of_lanes(lane));
        for (integer i = 0; i < classes; i++)
            y[i] = x[i] - largest - logarithm_of_sum;
    }
}

/* p / (1 + e^-q) for groups of p (units) and then q (units) */
static void glu(integer groups, integer units, const real *x, real *y)
{
    for (integer g = 0; g < groups; g++, x += 2 * units, y += units)
        for (integer i = 0; i < units; i++)
            y[i] = x[i] * sigmoid_of(x[units + i]);
}

/* x where x > 0, else alpha x; alpha is (middle) of (outer, middle, inner) */
static void prelu(integer outer, integer middle, integer inner, const real *x, const real *alpha, real *y)
{
    for (integer o = 0; o < outer; o++)
        for (integer m = 0; m < middle; m++, x += inner, y += inner)
            for (integer i = 0; i < inner; i++) {
                const real here = x[i], scaled = magnitude_of(alpha[m]) > 0 ? alpha[m] * here : 0;
                const real result = here > 0 ? here : scaled;
                y[i] = here != here ? here : result;
            }
}
