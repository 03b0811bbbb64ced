/* Numbers, and the functions of a number. See library.py. */

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
