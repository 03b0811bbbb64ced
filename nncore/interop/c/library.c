/* What exported models are made of: nncore's kernels for one row, element by element, with the same operations in the
 * same order, so that results are the same bits. nncore/interop/c/source.py takes what a model needs of it: each piece,
 * from one empty line before column 1 to the next, with those that it names. #if DOUBLE at column 1 is decided there.
 */

/* Positions in arrays and distances between them. */
typedef ptrdiff_t integer;

#if DOUBLE
typedef double real;
typedef uint64_t word;
#define R(constant) constant
#define EXPONENT_BITS 11
#define MANTISSA_BITS 52
#define BIAS 1023
#else
typedef float real;
typedef uint32_t word;
#define R(constant) constant##f
#define EXPONENT_BITS 8
#define MANTISSA_BITS 23
#define BIAS 127
#endif

#define EXPONENT(e) ((word)(e) << MANTISSA_BITS)
#define SIGN ((word)1 << (MANTISSA_BITS + EXPONENT_BITS))

/* A number and its bits. */
typedef union {
    real number;
    word bits;
} both;

static inline word bits_of(real x)
{
    both b;
    b.number = x;
    return b.bits;
}

static inline real of_bits(word bits)
{
    both b;
    b.bits = bits;
    return b.number;
}

#define INFINITE of_bits(EXPONENT(2 * BIAS + 1))
#define NOT_A_NUMBER of_bits(EXPONENT(2 * BIAS + 1) | EXPONENT(1) >> 1)

/* c - a b, rounded as FMA is. */
static inline real fnma_of(real a, real b, real c) { return FMA(-a, b, c); }

/* The larger, the smaller; b where either is NaN. */
static inline real max_of(real a, real b) { return a > b ? a : b; }

static inline real min_of(real a, real b) { return a < b ? a : b; }

static inline real magnitude_of(real x) { return of_bits(bits_of(x) & ~SIGN); }

static inline real minus_magnitude_of(real x) { return of_bits(bits_of(x) | SIGN); }

static inline real with_sign(real x, real sign) { return of_bits(bits_of(x) | (bits_of(sign) & SIGN)); }

/* sqrt(x), correctly rounded: bit by bit, one more than the mantissa has, by which it is rounded. */
static real sqrt_of(real x)
{
    word rest = bits_of(x) & (EXPONENT(1) - 1), root = 0, twice_root = 0;
    int exponent = (int)(bits_of(x) >> MANTISSA_BITS);
    if (!(x > 0) || exponent == 2 * BIAS + 1)
        return x < 0 ? NOT_A_NUMBER : x;
    if (exponent)
        rest |= EXPONENT(1);
    else
        for (exponent = 1; rest < EXPONENT(1); exponent--)
            rest <<= 1;
    exponent -= BIAS;
    rest <<= exponent & 1 ? 2 : 1;
    for (word bit = EXPONENT(2); bit; bit >>= 1, rest <<= 1)
        if (rest >= twice_root + bit) {
            rest -= twice_root + bit;
            twice_root += 2 * bit;
            root += bit;
        }
    exponent = (exponent - (exponent & 1)) / 2;
    return of_bits((root >> 1) + (root & 1) + EXPONENT(exponent + BIAS - 1));
}

/* Sum of terms[i] x^i over i = first, first + step, ..., without the factor x^first. */
static inline real horner(real power, const real *terms, int first, int step, int count)
{
    int i = first + (count - 1 - first) / step * step;
    real sum = terms[i];
    for (i -= step; i >= first; i -= step)
        sum = FMA(sum, power, terms[i]);
    return sum;
}

/* Sum of terms[i] x^i; even and odd powers apart where there are many. */
static inline real polynomial(real x, const real *terms, int count)
{
    const real square = x * x;
    if (count <= 6)
        return horner(x, terms, 0, 1, count);
    return FMA(horner(square, terms, 1, 2, count), x, horner(square, terms, 0, 2, count));
}

#define POLYNOMIAL(x, terms) polynomial(x, terms, (int)(sizeof(terms) / sizeof(terms)[0]))

/* ln 2 in two parts, of which the first has few bits; and what adds to round to an integer in the lowest bits. */
#if DOUBLE
#define LN2_HIGH 0x1.62e42fefa38p-1
#define LN2_LOW 0x1.ef35793c7673p-45
#define INVERSE_LN2 0x1.71547652b82fep0
#define ROUNDER 0x1.8p52
#define LEAST_EXPONENT (-1418)
#define LARGEST_EXPONENT 710
#else
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define INVERSE_LN2 0x1.715476p0f
#define ROUNDER 0x1.8p23f
#define LEAST_EXPONENT (-176)
#define LARGEST_EXPONENT 89
#endif

/* e^x = first second e^r, |r| <= ln(2) / 2; first second = 2^n. */
typedef struct {
    real r, first, second, n;
} exp_parts;

static inline exp_parts exp_split(real x)
{
    const real rounder = ROUNDER + 2 * BIAS, rounded = FMA(x, INVERSE_LN2, rounder), n = rounded - rounder;
    const word twice = bits_of(rounded), half = twice << (MANTISSA_BITS - 1) & EXPONENT(2 * BIAS + 1);
    exp_parts e;
    e.r = fnma_of(n, LN2_LOW, fnma_of(n, LN2_HIGH, x));
    e.first = of_bits(half);
    e.second = of_bits((twice << MANTISSA_BITS) - half);
    e.n = n;
    return e;
}

/* (e^r - 1 - r) / r^2 */
static inline real exp_tail(real r)
{
#if DOUBLE
    static const real terms[] = {
        0x1.0000000000004p-1,  0x1.555555555553fp-3,  0x1.55555555527d4p-5,  0x1.1111111117c9ap-7,
        0x1.6c16c17dcd40ap-10, 0x1.a01a017af4933p-13, 0x1.a019aa2262165p-16, 0x1.71de7c0d99358p-19,
        0x1.289f8581b74f8p-22, 0x1.ae7d0905f1c30p-26,
    };
#else
    static const real terms[] = {0x1p-1f, 0x1.555494p-3f, 0x1.555454p-5f, 0x1.123f02p-7f, 0x1.6e4054p-10f};
#endif
    return POLYNOMIAL(r, terms);
}

/* e^x for x up to 89, or 710 of double. */
static inline real exp_bounded(real x)
{
    const exp_parts e = exp_split(max_of(LEAST_EXPONENT, x));
    return FMA(FMA(exp_tail(e.r), e.r, 1), e.r, 1) * e.first * e.second;
}

static inline real exp_of(real x) { return exp_bounded(min_of(LARGEST_EXPONENT, x)); }

/* e^x - 1 */
static inline real expm1_of(real x)
{
#if DOUBLE
    const real least = -40;
#else
    const real least = -20;
#endif
    const exp_parts e = exp_split(min_of(LARGEST_EXPONENT, max_of(least, x)));
    const real p = FMA(e.r * e.r, exp_tail(e.r), e.r);
    const real inverse_first = of_bits(EXPONENT(2 * BIAS) - bits_of(e.first));
    return with_sign(FMA(e.second, p, e.second - inverse_first) * e.first, x);
}

/* 1 / (1 + e^-x) */
static inline real sigmoid_of(real x)
{
    const real e = exp_bounded(minus_magnitude_of(x)), whole = x < 0 ? e : 1;
    return fnma_of(whole, e / (1 + e), whole);
}

static inline real tanh_of(real x)
{
#if DOUBLE
    static const real terms[] = {
        -0x1.5555555555539p-2,  0x1.111111110bd41p-3,  -0x1.ba1ba1b3954ddp-5,  0x1.664f46c60667ap-6,
        -0x1.226df5ad69759p-7,  0x1.d6c8e8d424341p-9,  -0x1.7d0d1a124464bp-10, 0x1.302ddf571809bp-11,
        -0x1.bc5ab07c10d70p-13, 0x1.b49ab0cf84689p-15,
    };
    const real limit = 20;
#else
    static const real terms[] = {-0x1.55555p-2f, 0x1.110e4p-3f, -0x1.b94ee2p-5f, 0x1.5a4b5p-6f, -0x1.a0619ep-8f};
    const real limit = 10;
#endif
    const real magnitude = min_of(limit, magnitude_of(x)), rounder = ROUNDER + (BIAS - 1);
    const real rounded = FMA(magnitude, 2 * INVERSE_LN2, rounder), n = rounded - rounder;
    const real s = of_bits(bits_of(rounded) << MANTISSA_BITS);
    const real rest = fnma_of(n, LN2_LOW / 2, fnma_of(n, LN2_HIGH / 2, magnitude));
    const real r = magnitude < R(0.55) ? magnitude : rest, square = r * r;
    const real t = FMA(r * square, POLYNOMIAL(square, terms), r);
    const real q = (1 - t) / FMA(s - R(0.5), t, s + R(0.5));
    return with_sign(magnitude < R(0.55) ? t : 1 - q, x);
}

/* log(1 + s) for s = f / (2 + f): the sum of s^2 and higher powers. */
static inline real log_tail(real square)
{
#if DOUBLE
    static const real terms[] = {
        0x1.5555555555568p-1, 0x1.999999998bc98p-2, 0x1.24924938a7dd7p-2, 0x1.c71c58d43b780p-3,
        0x1.7464f8d421ed0p-3, 0x1.39c01a3abcd3ap-3, 0x1.2de835fce80f6p-3,
    };
#else
    static const real terms[] = {0x1.555574p-1f, 0x1.996332p-2f, 0x1.318306p-2f};
#endif
    return square * POLYNOMIAL(square, terms);
}

static inline real log_of(real x)
{
#if DOUBLE
    const word distance = 0x95f619980c433;
    const real least = 0x1p-1022, raised = 0x1p52, whole = 0x1p52;
#else
    const word distance = 0x4afb0d;
    const real least = 0x1p-126f, raised = 0x1p23f, whole = 0x1p23f;
#endif
    const real normal = x < least ? x * raised : x, bias = x < least ? BIAS + MANTISSA_BITS : BIAS;
    const word exponent = (bits_of(normal) + distance) & EXPONENT(2 * BIAS + 1);
    const real f = of_bits(bits_of(normal) - exponent + EXPONENT(BIAS)) - 1;
    const real k = of_bits(exponent >> MANTISSA_BITS | bits_of(whole)) - whole - bias;
    const real s = f / (2 + f), low = fnma_of(s, f - log_tail(s * s), k * LN2_LOW);
    const real y = FMA(k, LN2_HIGH, f + low), of_others = x < 0 ? NOT_A_NUMBER : -INFINITE;
    return x < INFINITE ? (x > 0 ? y : of_others) : x;
}

/* log(1 + e^x) */
static inline real softplus_of(real x)
{
#if DOUBLE
    static const real terms[] = {
        0x1.555555555555p-1,  0x1.999999999c20cp-2, 0x1.249249227f5aep-2, 0x1.c71c733cfa60ap-3, 0x1.745cd09b672cdp-3,
        0x1.3b1ba0c26e9b8p-3, 0x1.1083555cba1bfp-3, 0x1.ee3ba36f92927p-4, 0x1.5c625c50ddda7p-4, 0x1.568eb485475f9p-3,
    };
#else
    static const real terms[] = {0x1.55551cp-1f, 0x1.99c82p-2f, 0x1.1f4996p-2f, 0x1.1c6eccp-2f};
#endif
    const real e = exp_bounded(minus_magnitude_of(x)), s = e / (2 + e), square = s * s;
    return max_of(0, x) + fnma_of(s, e - square * POLYNOMIAL(square, terms), e);
}

/* a b - product, for the product a b rounded. */
static inline real product_error(real a, real b, real product)
{
#if FUSED
    return FMA(a, b, 0 - product);
#else
    const word upper = ~(((word)1 << (MANTISSA_BITS + 2) / 2) - 1);
    const real a_high = of_bits(bits_of(a) & upper), a_low = a - a_high;
    const real b_high = of_bits(bits_of(b) & upper), b_low = b - b_high;
    return a_high * b_high - product + a_high * b_low + a_low * b_high + a_low * b_low;
#endif
}

static inline real sum_error(real a, real b, real sum) { return min_of(a, b) - (sum - max_of(a, b)); }

/* x times the normal distribution's share below x, as max(0, x) - |x| Q(|x|). */
static inline real gelu_of(real x)
{
#if DOUBLE
    static const real terms[] = {
        -0x1.1144b04317e6ep-3, 0x1.95ebf32fc0e86p-4,   -0x1.ffff85bd07037p-5,  0x1.0bec0cc90133dp-5,
        -0x1.bcb2803234916p-7, 0x1.06d4c52ada14ep-8,   -0x1.1b0b9629e2566p-11, -0x1.668e1cb00367ep-13,
        0x1.be63ca1cfe542p-14, -0x1.3f418c2b4df4ap-17, -0x1.59214ab05b973p-17, 0x1.9d01809eff9c9p-19,
        0x1.e1615539382acp-21, -0x1.1beadb127b219p-21, -0x1.7378ffb8540aap-24, 0x1.688fa05d312d4p-24,
        0x1.96966c8a1bc90p-27, -0x1.b5a96d9f7ac5ap-27, -0x1.49a2101dff142p-29, 0x1.877d1500c0e7cp-30,
        0x1.bbe5f5da75d27p-32, -0x1.0f047865d1211p-36,
    };
    const real k = 0x1.3eb851eb851ebp+2, middle = 0x1.3c3dae8aec003p-3, limit = 40;
#else
    static const real terms[] = {
        -0x1.503746p-3f,  0x1.64c7fep-4f,   -0x1.d3c6dap-6f, 0x1.26adb0p-9f,  0x1.36489cp-9f,
        -0x1.47c3f6p-11f, -0x1.159d02p-12f, 0x1.63db5ep-14f, 0x1.4ec7d2p-15f,
    };
    const real k = 0x1.adaf86p1f, middle = 0x1.c3cfb2p-3f, limit = 15;
#endif
    const real z = min_of(limit, magnitude_of(x)), half = z * R(-0.5), power = z * half;
    const exp_parts e = exp_split(power);
    const real exact = fnma_of(e.n, LN2_HIGH, power), less = e.n * LN2_LOW - product_error(z, half, power);
    const real r = exact - less, r_low = exact - r - less, curve = r * r * exp_tail(r);

    const real sum = k + z, v = k / sum, product = v * sum;
    const real rest = fnma_of(v, sum_error(k, z, sum), k - product - product_error(v, sum, product));
    const real v_low = rest * v * (1 / k), t = FMA(-2, v, 1) - (v_low + v_low);
    const real p = POLYNOMIAL(t, terms), change = t * p, s = middle + change;
    const real s_low = sum_error(middle, change, s) + product_error(t, p, change);
    const real high = v * s, low = FMA(v, s_low, FMA(v_low, s, product_error(v, s, high)));

    const real scaled = z * high, lower = FMA(z, low, product_error(z, high, scaled));
    const real last = FMA(scaled, curve + r_low, FMA(lower, r, lower));
    const real part = scaled + FMA(scaled, r, last);
    return max_of(0, x) - part * e.first * e.second;
}

/* e^-|x| = (1 + growth) first second = value. */
typedef struct {
    real growth, first, second, value;
} decay;

static inline decay decay_split(real x)
{
    const exp_parts e = exp_split(max_of(LEAST_EXPONENT, minus_magnitude_of(x)));
    decay d;
    d.growth = FMA(e.r * e.r, exp_tail(e.r), e.r);
    d.first = e.first;
    d.second = e.second;
    d.value = (1 + d.growth) * e.first * e.second;
    return d;
}

static inline real times_decay(real a, decay e) { return FMA(a, e.growth, a) * e.first * e.second; }

/* x where e^-|x| is not 0, else the nearest of these. */
static inline real bounded(real x)
{
#if DOUBLE
    const real bound = 760;
#else
    const real bound = 110;
#endif
    return max_of(-bound, min_of(bound, x));
}

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

/* Matrix products. An element is one chain of multiply-adds over the summed index in order; the chains of BLOCK columns
   go on side by side. */
enum { BLOCK = 32 };

/* sum[k] goes on over a[0], a[a_step], ... times rows of b, for columns k < count. */
static inline void add_products(integer inner, const real *a, integer a_step, const real *b, integer b_row,
                                real *restrict sum, integer count)
{
    if (count == BLOCK)
        for (integer p = 0; p < inner; p++)
            for (integer k = 0; k < BLOCK; k++)
                sum[k] = FMA(a[p * a_step], b[p * b_row + k], sum[k]);
    else
        for (integer p = 0; p < inner; p++)
            for (integer k = 0; k < count; k++)
                sum[k] = FMA(a[p * a_step], b[p * b_row + k], sum[k]);
}

/* c = sum + bias, or max(0, .) of it */
static inline void end_chains(const real *sum, const real *bias, int rectified, real *c, integer count)
{
    for (integer k = 0; k < count; k++) {
        const real value = bias ? sum[k] + bias[k] : sum[k];
        c[k] = rectified ? max_of(0, value) : value;
    }
}

/* c[r] = a[r] b, then + bias and max(0, .), for each of the rows; b is (inner, columns). */
static void dense_product(integer rows, integer inner, integer columns, const real *a, integer a_row, const real *b,
                          const real *bias, int rectified, real *c, integer c_row)
{
    for (integer r = 0; r < rows; r++)
        for (integer j = 0; j < columns; j += BLOCK) {
            const integer count = columns - j < BLOCK ? columns - j : BLOCK;
            real sum[BLOCK] = {0};
            add_products(inner, a + r * a_row, 1, b + j, columns, sum, count);
            end_chains(sum, bias ? bias + j : 0, rectified, c + r * c_row + j, count);
        }
}

/* The same, then + c before bias and max(0, .). */
static void dense_product_added(integer rows, integer inner, integer columns, const real *a, integer a_row,
                                const real *b, const real *bias, int rectified, real *c, integer c_row)
{
    for (integer r = 0; r < rows; r++)
        for (integer j = 0; j < columns; j += BLOCK) {
            const integer count = columns - j < BLOCK ? columns - j : BLOCK;
            real sum[BLOCK] = {0};
            add_products(inner, a + r * a_row, 1, b + j, columns, sum, count);
            for (integer k = 0; k < count; k++)
                sum[k] += c[r * c_row + j + k];
            end_chains(sum, bias ? bias + j : 0, rectified, c + r * c_row + j, count);
        }
}

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

/* (x - mean) scale + beta, for each position; mean and beta may be NULL. */
static void normalize(integer positions, integer channels, const real *x, const real *mean, const real *scale,
                      const real *beta, real *y)
{
    for (integer p = 0; p < positions; p++, x += channels, y += channels)
        for (integer c = 0; c < channels; c++)
            y[c] = FMA(mean ? x[c] - mean[c] : x[c], scale[c], beta ? beta[c] : 0);
}

/* Mean, and the sum of squared distances from it. */
typedef struct {
    real mean, squares;
} moments;

static inline moments corrected(real first, real deviations, real squares, real count)
{
    const real shift = deviations / count;
    moments m;
    m.mean = first + shift;
    m.squares = max_of(0, fnma_of(deviations, shift, squares));
    return m;
}

/* Of `count` neighbours; or of their squares alone, where the mean counts as 0. */
static moments moments_along(const real *x, integer count, int centered)
{
    const real first = centered ? sum_along(x, count) / (real)count : 0;
    real deviations[LANES] = {0}, squares[LANES] = {0};
    for (integer i = 0; i < count; i += LANES)
        for (integer k = 0; k < LANES && i + k < count; k++) {
            const real d = x[i + k] - first;
            deviations[k] += d;
            squares[k] = FMA(d, d, squares[k]);
        }
    if (centered)
        return corrected(first, sum_of_lanes(deviations), sum_of_lanes(squares), (real)count);
    moments m;
    m.mean = 0;
    m.squares = sum_of_lanes(squares);
    return m;
}

static inline real inverse_deviation(real squares, integer count, real epsilon)
{
    return 1 / sqrt_of(squares / (real)count + epsilon);
}

/* Of each channel over its positions, which are dealt to four sums in turn. */
static void sample_moments(integer positions, integer channels, const real *x, real *mean, real *squares)
{
    for (integer c = 0; c < channels; c++) {
        real sum[4] = {0}, deviations[4] = {0}, products[4] = {0};
        for (integer p = 0; p < positions; p++)
            sum[p % 4] += x[p * channels + c];
        const real first = (sum[0] + sum[2] + (sum[1] + sum[3])) / (real)positions;
        for (integer p = 0; p < positions; p++) {
            const real d = x[p * channels + c] - first;
            deviations[p % 4] += d;
            products[p % 4] = FMA(d, d, products[p % 4]);
        }
        const moments m = corrected(first, deviations[0] + deviations[2] + (deviations[1] + deviations[3]),
                                    products[0] + products[2] + (products[1] + products[3]), (real)positions);
        mean[c] = m.mean;
        squares[c] = m.squares;
    }
}

/* Of each group of `extent` channels: the mean, and gamma / sqrt(variance + epsilon); x and squares are the moments of
   each channel over its positions. */
static void group_moments(integer positions, integer channels, integer extent, real epsilon, const real *x,
                          const real *squares, const real *gamma, real *mean, real *scale)
{
    for (integer first = 0; first < channels; first += extent) {
        const moments m = moments_along(x + first, extent, 1);
        const real all = squares ? FMA(m.squares, (real)positions, sum_along(squares + first, extent)) : m.squares;
        const real inverse = inverse_deviation(all, extent * positions, epsilon);
        for (integer c = first; c < first + extent; c++) {
            mean[c] = m.mean;
            scale[c] = gamma ? gamma[c] * inverse : inverse;
        }
    }
}

/* (x - mean) / sqrt(variance + epsilon) gamma + beta in each group of `extent`; the mean is 0 unless `centered`. */
static void layer_normalize(integer groups, integer extent, int centered, real epsilon, const real *x,
                            const real *gamma, const real *beta, real *y)
{
    for (integer g = 0; g < groups; g++, x += extent, y += extent) {
        const moments m = moments_along(x, extent, centered);
        const real inverse = inverse_deviation(m.squares, extent, epsilon);
        for (integer i = 0; i < extent; i++)
            y[i] = FMA((x[i] - m.mean) * inverse, gamma ? gamma[i] : 1, beta ? beta[i] : 0);
    }
}

/* x / max(|x|, least) in each group of `extent` */
static void l2_normalize(integer groups, integer extent, real least, const real *x, real *y)
{
    for (integer g = 0; g < groups; g++, x += extent, y += extent) {
        real largest[LANES], squares[LANES] = {0};
        for (integer k = 0; k < LANES; k++)
            largest[k] = 1;
        for (integer i = 0; i < extent; i++)
            largest[i % LANES] = max_of(magnitude_of(x[i]), largest[i % LANES]);
        for (int width = LANES / 2; width; width /= 2)
            for (int i = 0; i < width; i++)
                largest[i] = max_of(largest[i], largest[i + width]);
        const real first = 1 / largest[0];
        for (integer i = 0; i < extent; i++)
            squares[i % LANES] = FMA(x[i] * first, x[i] * first, squares[i % LANES]);
        const real second = 1 / max_of(least, sqrt_of(sum_of_lanes(squares)));
        for (integer i = 0; i < extent; i++)
            y[i] = x[i] * first * second;
    }
}

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

/* Rows of a table by their numbers, NaN for a number that is none. */
static void embedding(integer positions, integer count, integer width, const int32_t *numbers, const real *table,
                      real *y)
{
    for (integer p = 0; p < positions; p++)
        for (integer i = 0; i < width; i++)
            *y++ = numbers[p] >= 0 && numbers[p] < count ? table[numbers[p] * width + i] : NOT_A_NUMBER;
}

/* The integer part of a number, or INT32_MIN. */
static inline int32_t integer_part(real x)
{
    return x > R(-2147483648.0) && x < R(2147483648.0) ? (int32_t)x : INT32_MIN;
}

/* Whole numbers of 32 bits, INT32_MIN for others. */
static void whole_numbers(integer count, const real *x, int32_t *y)
{
    for (integer i = 0; i < count; i++) {
        const int32_t part = integer_part(x[i]);
        y[i] = (real)part == x[i] ? part : INT32_MIN;
    }
}

/* 0 for the number `masked`, else 1 */
static void number_mask(integer steps, int32_t masked, const int32_t *numbers, real *mask)
{
    for (integer s = 0; s < steps; s++)
        mask[s] = numbers[s] != masked;
}

/* 0 for a step of which all features are `value`, else 1 */
static void step_mask(integer steps, integer features, real value, const real *x, real *mask)
{
    for (integer s = 0; s < steps; s++) {
        mask[s] = 0;
        for (integer i = 0; i < features; i++)
            if (x[s * features + i] != value)
                mask[s] = 1;
    }
}

/* x, and 0 in steps whose mask is 0 */
static void mask_steps(integer steps, integer features, const real *x, const real *mask, real *y)
{
    for (integer s = 0; s < steps; s++)
        for (integer i = 0; i < features; i++)
            y[s * features + i] = mask[s] != 0 ? x[s * features + i] : 0;
}

/* c[h] = a[h] b[h] for each head h: a[h] is (outer, inner), b[h] (inner, columns). Each element is one chain. */
static void head_product(integer heads, integer outer, integer inner, integer columns, const real *a, integer a_head,
                         integer a_outer, integer a_inner, const real *b, integer b_head, integer b_inner,
                         integer b_column, real *c, integer c_head, integer c_outer)
{
    for (integer h = 0; h < heads; h++, a += a_head, b += b_head, c += c_head)
        for (integer i = 0; i < outer; i++)
            for (integer j = 0; j < columns; j++) {
                real sum = 0;
                for (integer p = 0; p < inner; p++)
                    sum = FMA(a[i * a_outer + p * a_inner], b[p * b_inner + j * b_column], sum);
                c[i * c_outer + j] = sum;
            }
}

/* Softmax over the keys that a query sees of scale times the scores; `unseeing` where it sees none. With a shift,
   scores out of sight count as so much less. Masks are NULL or have 0 for what is out of sight. */
static void attention_softmax(integer heads, integer queries, integer keys, int causal, real scale, real shift,
                              real unseeing, const real *scores, const real *query_mask, const real *key_mask,
                              const real *attention_mask, real *y)
{
    for (integer h = 0; h < heads; h++)
        for (integer t = 0; t < queries; t++, scores += keys, y += keys) {
            const integer before = causal && t + 1 < keys ? t + 1 : keys,
                          end = query_mask && query_mask[t] == 0 ? 0 : before;
            int blind = shift == 0;
            for (integer k = 0; k < keys; k++) {
                const real score = scale * scores[k];
                const int seen =
                    k < end && (!key_mask || key_mask[k] > 0) && (!attention_mask || attention_mask[t * keys + k] > 0);
                y[k] = seen ? score : shift == 0 ? -INFINITE : score - shift;
                blind = blind && !seen;
            }
            if (!blind)
                softmax_group(keys, y, y);
            for (integer k = 0; blind && k < keys; k++)
                y[k] = unseeing;
        }
}

/* c goes on with the chains over a times b, or begins them. */
static void chains(integer inner, integer columns, const real *a, const real *b, integer b_row, int continued, real *c)
{
    for (integer j = 0; j < columns; j += BLOCK) {
        const integer count = columns - j < BLOCK ? columns - j : BLOCK;
        real sum[BLOCK] = {0};
        for (integer k = 0; continued && k < count; k++)
            sum[k] = c[j + k];
        add_products(inner, a, 1, b + j, b_row, sum, count);
        for (integer k = 0; k < count; k++)
            c[j + k] = sum[k];
    }
}

/* Recurrent layers. State p of (steps + 1, units) goes into step p and state p + 1 comes out, or the other way round
   where the sequence is read backwards. Where the mask is 0, a step leaves the state as it is. */
typedef void element_wise(integer count, const real *x, real *y);

static inline void keep_state(integer units, const real *mask, integer step, const real *before, real *after)
{
    for (integer i = 0; mask && mask[step] == 0 && i < units; i++)
        after[i] = before[i];
}

/* h' = f(gates + h u) */
static void simple_rnn(integer steps, integer units, int backwards, element_wise *f, const real *u, const real *mask,
                       real *gates, real *h)
{
    for (integer s = 0; s < steps; s++) {
        const integer step = backwards ? steps - 1 - s : s;
        const real *before = h + (backwards ? step + 1 : step) * units;
        real *const after = h + (backwards ? step : step + 1) * units, *const gate = gates + step * units;
        chains(units, units, before, u, units, 1, gate);
        f(units, gate, after);
        keep_state(units, mask, step, before, after);
    }
}

/* (i, f, g, o) = gates + h u, c' = s(f) c + s(i) t(g), h' = s(o) t(c') */
static void lstm(integer steps, integer units, int backwards, element_wise *t, element_wise *s, const real *u,
                 const real *mask, real *gates, real *h, real *c)
{
    for (integer n = 0; n < steps; n++) {
        const integer step = backwards ? steps - 1 - n : n;
        const integer before = (backwards ? step + 1 : step) * units, after = (backwards ? step : step + 1) * units;
        real *const gate = gates + step * 4 * units;
        chains(units, 4 * units, h + before, u, 4 * units, 1, gate);
        s(2 * units, gate, gate);
        t(units, gate + 2 * units, gate + 2 * units);
        s(units, gate + 3 * units, gate + 3 * units);
        for (integer i = 0; i < units; i++)
            c[after + i] = FMA(gate[units + i], c[before + i], gate[i] * gate[2 * units + i]);
        t(units, c + after, h + after);
        for (integer i = 0; i < units; i++)
            h[after + i] *= gate[3 * units + i];
        keep_state(units, mask, step, h + before, h + after);
        keep_state(units, mask, step, c + before, c + after);
    }
}

static inline void gru_state(integer units, const real *z, const real *n, const real *before, real *after)
{
    for (integer i = 0; i < units; i++)
        after[i] = FMA(z[i], before[i], (1 - z[i]) * n[i]);
}

/* With v = h u + bias: z = s(gates_z + v_z), r = s(gates_r + v_r), n = t(gates_n + r v_n), h' = z h + (1 - z) n */
static void gru(integer steps, integer units, int backwards, element_wise *t, element_wise *s, const real *u,
                const real *bias, const real *mask, real *gates, real *v, real *h)
{
    for (integer k = 0; k < steps; k++) {
        const integer step = backwards ? steps - 1 - k : k;
        const real *before = h + (backwards ? step + 1 : step) * units;
        real *const after = h + (backwards ? step : step + 1) * units, *const gate = gates + step * 3 * units;
        chains(units, 3 * units, before, u, 3 * units, 0, v);
        for (integer i = 0; bias && i < 3 * units; i++)
            v[i] += bias[i];
        for (integer i = 0; i < 2 * units; i++)
            gate[i] += v[i];
        s(2 * units, gate, gate);
        for (integer i = 0; i < units; i++)
            gate[2 * units + i] = FMA(gate[units + i], v[2 * units + i], gate[2 * units + i]);
        t(units, gate + 2 * units, gate + 2 * units);
        gru_state(units, gate, gate + 2 * units, before, after);
        keep_state(units, mask, step, before, after);
    }
}

/* z = s(gates_z + h u_z), r = s(gates_r + h u_r), n = t(gates_n + (r h) u_n), h' = z h + (1 - z) n */
static void gru_reset_before(integer steps, integer units, int backwards, element_wise *t, element_wise *s,
                             const real *u, const real *mask, real *gates, real *h)
{
    for (integer k = 0; k < steps; k++) {
        const integer step = backwards ? steps - 1 - k : k;
        const real *before = h + (backwards ? step + 1 : step) * units;
        real *const after = h + (backwards ? step : step + 1) * units, *const gate = gates + step * 3 * units;
        chains(units, 2 * units, before, u, 3 * units, 1, gate);
        s(2 * units, gate, gate);
        for (integer i = 0; i < units; i++)
            gate[units + i] *= before[i];
        chains(units, units, gate + units, u + 2 * units, 3 * units, 1, gate + 2 * units);
        t(units, gate + 2 * units, gate + 2 * units);
        gru_state(units, gate, gate + 2 * units, before, after);
        keep_state(units, mask, step, before, after);
    }
}
