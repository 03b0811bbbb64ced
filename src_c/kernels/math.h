/* exp, log and their relatives, lane by lane: the same operations in every variant, no branch, no table. NaN
   gives NaN, infinities and zeros what IEEE 754 says, denormal arguments and results are rounded gradually.

   Each polynomial is a minimax fit of the function that stands beside it, weighted so that it is the relative
   error of the result that is small (Remez' exchange). "to 2^-25" is that error, coefficients rounded.

   Largest errors in units in the last place, with fused multiply-adds, of all floats and of 28 million doubles:
                exp   expm1   log    log1p   tanh   sigmoid   softplus
      float     0.93  1.62    0.92   1.49    1.63   1.65      1.77
      double    0.94  2.25    0.89   1.47    1.62   1.66      1.74
   Without, float softplus reaches 2.1, and nothing else its limit of 2 for float and 4 for double.
   gelu, of every 10,007th float and 1.8 million doubles: 1.69 and 2.53, and without 1.62 and 3.11. */

/* The constant of this real type. */
#define EITHER(single, twice) ((real)(sizeof(real) == 4 ? (single) : (twice)))

enum { TYPED(MANTISSA_BITS) = sizeof(real) == 4 ? 23 : 52, TYPED(BIAS) = sizeof(real) == 4 ? 127 : 1023 };

/* The bits of a vector as unsigned integers, whose sums and shifts may overflow. */
typedef __typeof__(__builtin_choose_expr(sizeof(real) == 4, (uint32_t)0, (uint64_t)0)) TYPED(word);
typedef TYPED(word) TYPED(words) __attribute__((vector_size(sizeof(vec))));
#define SIGN ((TYPED(word))1 << (8 * sizeof(real) - 1))
/* The exponent field e of words, and of one word, in place. */
#define EXPONENTS(e) ((e) << TYPED(MANTISSA_BITS))
#define EXPONENT(e) EXPONENTS((TYPED(word))(e))

NN_INLINE vec TYPED(v_magnitude)(vec x) { return (vec)((TYPED(words))x & ~SIGN); }
NN_INLINE vec TYPED(v_minus_magnitude)(vec x) { return (vec)((TYPED(words))x | SIGN); }
/* x with the sign of `sign`, for x that is not negative unless `sign` is. */
NN_INLINE vec TYPED(v_with_sign)(vec x, vec sign) { return (vec)((TYPED(words))x | ((TYPED(words))sign & SIGN)); }

/* Sum of terms[i] x^i over i = first, first + step, ..., without the factor x^first. */
NN_INLINE vec TYPED(horner)(vec power, const real *terms, int first, int step, int count)
{
    int i = first + (count - 1 - first) / step * step;
    vec sum = v_set(terms[i]);
#pragma GCC unroll 16
    while ((i -= step) >= first)
        sum = v_fma(sum, power, v_set(terms[i]));
    return sum;
}

/* Sum of terms[i] x^i. Where it is long, even and odd powers apart: half the latency for one multiplication. */
NN_INLINE vec TYPED(polynomial)(vec x, const real *terms, int count)
{
    if (count <= 6)
        return TYPED(horner)(x, terms, 0, 1, count);
    vec square = v_mul(x, x);
    return v_fma(TYPED(horner)(square, terms, 1, 2, count), x, TYPED(horner)(square, terms, 0, 2, count));
}
#define POLYNOMIAL(x, single, twice)                                                                                   \
    TYPED(polynomial)(x, sizeof(real) == 4 ? single : twice,                                                           \
                      (int)((sizeof(real) == 4 ? sizeof(single) : sizeof(twice)) / sizeof(real)))

/* ln 2 in two parts (Cody and Waite). The first has 16 or 42 bits, so that its product with any exponent, of at
   most 8 or 11 bits, is exact; both together are ln 2 to 2^-44 or 2^-102. */
#define LN2_HIGH EITHER(0x1.62e4p-1, 0x1.62e42fefa38p-1)
#define LN2_LOW EITHER(0x1.7f7d1cp-20, 0x1.ef35793c7673p-45)
#define INVERSE_LN2 EITHER(0x1.715476p0, 0x1.71547652b82fep0)

/* Adding 1.5 * 2^(bits of the mantissa) rounds to an integer n, which then stands in the sum's lowest bits; a
   bias added along with it arrives there too, so that a shift makes exponent fields of them. */
#define ROUNDER(bias) EITHER(0x1.8p23 + (bias), 0x1.8p52 + (bias))

/* The parts of e^x = 2^n e^r, |r| <= ln(2) / 2. As 2^n may lie outside the exponents, it is first * second. */
typedef struct TYPED(exp_parts) {
    vec r, first, second, n;
} TYPED(exp_parts);

NN_INLINE TYPED(exp_parts) TYPED(exp_split)(vec x)
{
    vec rounder = v_set(ROUNDER(2 * TYPED(BIAS)));
    vec rounded = v_fma(x, v_set(INVERSE_LN2), rounder);
    vec n = v_sub(rounded, rounder);
    vec r = v_fnma(n, v_set(LN2_LOW), v_fnma(n, v_set(LN2_HIGH), x));
    TYPED(words) twice = (TYPED(words))rounded;
    TYPED(words) half = (twice << (TYPED(MANTISSA_BITS) - 1)) & EXPONENT(2 * TYPED(BIAS) + 1);
    return (TYPED(exp_parts)){r, (vec)half, (vec)(EXPONENTS(twice) - half), n};
}

/* (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2; r + r^2 times it is e^r - 1 to 2^-25 or 2^-54. */
NN_INLINE vec TYPED(exp_tail)(vec r)
{
    static const real single[] = {0x1p-1, 0x1.555494p-3, 0x1.555454p-5, 0x1.123f02p-7, 0x1.6e4054p-10};
    static const real twice[] = {
        0x1.0000000000004p-1,  0x1.555555555553fp-3,  0x1.55555555527d4p-5,  0x1.1111111117c9ap-7,
        0x1.6c16c17dcd40ap-10, 0x1.a01a017af4933p-13, 0x1.a019aa2262165p-16, 0x1.71de7c0d99358p-19,
        0x1.289f8581b74f8p-22, 0x1.ae7d0905f1c30p-26,
    };
    return POLYNOMIAL(r, single, twice);
}

/* e^x for x at most 89 or 710. Below -176 or -1418 both powers of two are 0: the product is then 0 without an
   underflow, which is slow. */
NN_INLINE vec TYPED(v_exp_bounded)(vec x)
{
    TYPED(exp_parts) e = TYPED(exp_split)(v_max(v_set(EITHER(-176, -1418)), x));
    vec one = v_set(1), p = v_fma(v_fma(TYPED(exp_tail)(e.r), e.r, one), e.r, one);
    return v_mul(v_mul(p, e.first), e.second);
}

/* e^x; from 88.8 or 709.8 on it is infinite. */
NN_INLINE vec TYPED(v_exp)(vec x) { return TYPED(v_exp_bounded)(v_min(v_set(EITHER(89, 710)), x)); }

/* e^x - 1 = 2^n (e^r - 1) + (2^n - 1), the latter exact where it matters and 0 for n = 0. Below -20 or -40
   it is -1. */
NN_INLINE vec TYPED(v_expm1)(vec x)
{
    vec bounded = v_min(v_set(EITHER(89, 710)), v_max(v_set(EITHER(-20, -40)), x));
    TYPED(exp_parts) e = TYPED(exp_split)(bounded);
    vec p = v_fma(v_mul(e.r, e.r), TYPED(exp_tail)(e.r), e.r);
    vec inverse_first = (vec)(EXPONENT(2 * TYPED(BIAS)) - (TYPED(words))e.first);
    return TYPED(v_with_sign)(v_mul(v_fma(e.second, p, v_sub(e.second, inverse_first)), e.first), x);
}

/* 1 / (1 + e^-x). With e = e^-|x|, which cannot overflow, and q = e / (1 + e) it is 1 - q, or e - e q for x < 0:
   either way q, of three roundings, is the smaller part. */
NN_INLINE vec TYPED(v_sigmoid)(vec x)
{
    vec one = v_set(1), e = TYPED(v_exp_bounded)(TYPED(v_minus_magnitude)(x));
    vec whole = v_select(v_less(x, v_zero()), e, one);
    return v_fnma(whole, v_div(e, v_add(one, e)), whole);
}

/* Up to |x| = 0.55, where it reaches 1/2, a polynomial t = tanh(r) with r = |x|. Beyond, |x| = n ln(2) / 2 + r and
   the addition theorem, with s = 2^n / 2: 1 - tanh(|x|) = (1 - t) / ((s + 1/2) + (s - 1/2) t). It rounds to 1 long
   before |x| = 10 or 20. */
NN_INLINE vec TYPED(v_tanh)(vec x)
{
    /* (tanh(r) / r - 1) / r^2 over r^2, |r| <= 0.55; tanh(r) to 2^-29 or 2^-54 */
    static const real single[] = {-0x1.55555p-2, 0x1.110e4p-3, -0x1.b94ee2p-5, 0x1.5a4b5p-6, -0x1.a0619ep-8};
    static const real twice[] = {
        -0x1.5555555555539p-2,  0x1.111111110bd41p-3,  -0x1.ba1ba1b3954ddp-5,  0x1.664f46c60667ap-6,
        -0x1.226df5ad69759p-7,  0x1.d6c8e8d424341p-9,  -0x1.7d0d1a124464bp-10, 0x1.302ddf571809bp-11,
        -0x1.bc5ab07c10d70p-13, 0x1.b49ab0cf84689p-15,
    };
    vec magnitude = v_min(v_set(EITHER(10, 20)), TYPED(v_magnitude)(x));
    mask small = v_less(magnitude, v_set((real)0.55));
    vec rounder = v_set(ROUNDER(TYPED(BIAS) - 1));
    vec rounded = v_fma(magnitude, v_set(2 * INVERSE_LN2), rounder);
    vec n = v_sub(rounded, rounder), s = (vec)EXPONENTS((TYPED(words))rounded);
    vec r = v_fnma(n, v_set(LN2_LOW / 2), v_fnma(n, v_set(LN2_HIGH / 2), magnitude));
    r = v_select(small, magnitude, r);
    vec square = v_mul(r, r), t = v_fma(v_mul(r, square), POLYNOMIAL(square, single, twice), r);
    vec one = v_set(1), half = v_set((real)0.5);
    vec q = v_div(v_sub(one, t), v_fma(v_sub(s, half), t, v_add(s, half)));
    return TYPED(v_with_sign)(v_select(small, t, v_sub(one, q)), x);
}

/* x = 2^k m with sqrt(1/2) <= m < sqrt(2), for x positive, normal and finite. */
typedef struct TYPED(log_parts) {
    vec m, k;              /* k + BIAS */
    TYPED(words) exponent; /* the exponent field k + BIAS, in place */
} TYPED(log_parts);

NN_INLINE TYPED(log_parts) TYPED(log_split)(vec x)
{
    /* the distance from sqrt(1/2) to 1 in the ordering of floats carries into the exponent field from there on */
    const TYPED(word) distance = (TYPED(word))(sizeof(real) == 4 ? 0x4afb0d : 0x95f619980c433);
    TYPED(words) exponent = ((TYPED(words))x + distance) & EXPONENT(2 * TYPED(BIAS) + 1);
    vec m = (vec)((TYPED(words))x - exponent + EXPONENT(TYPED(BIAS)));
    vec integer = v_set(EITHER(0x1p23, 0x1p52)); /* in its lowest bits an integer stands as it is */
    vec k = v_sub((vec)((exponent >> TYPED(MANTISSA_BITS)) | (TYPED(words))integer), integer);
    return (TYPED(log_parts)){m, k, exponent};
}

/* k ln(2) + log(1 + f) for sqrt(1/2) <= 1 + f < sqrt(2). With s = f / (2 + f), log(1 + f) = 2 atanh(s)
   = 2 s + s R = f - s (f - R), where the leading f is exact. */
NN_INLINE vec TYPED(log_join)(vec k, vec f)
{
    /* R / s^2 over s^2, |s| <= 3 - sqrt(8); log(1 + f) to 2^-29 or 2^-58 */
    static const real single[] = {0x1.555574p-1, 0x1.996332p-2, 0x1.318306p-2};
    static const real twice[] = {
        0x1.5555555555568p-1, 0x1.999999998bc98p-2, 0x1.24924938a7dd7p-2, 0x1.c71c58d43b780p-3,
        0x1.7464f8d421ed0p-3, 0x1.39c01a3abcd3ap-3, 0x1.2de835fce80f6p-3,
    };
    vec s = v_div(f, v_add(v_set(2), f)), square = v_mul(s, s);
    vec rest = v_mul(square, POLYNOMIAL(square, single, twice));
    vec low = v_fnma(s, v_sub(f, rest), v_mul(k, v_set(LN2_LOW)));
    return v_fma(k, v_set(LN2_HIGH), v_add(f, low));
}

/* `y` for x that is positive and finite; the logarithm of any other x. */
NN_INLINE vec TYPED(log_special)(vec x, vec y)
{
    vec infinity = v_set((real)__builtin_inf()), nan = v_set((real)__builtin_nan(""));
    vec of_others = v_select(v_less(x, v_zero()), nan, v_sub(v_zero(), infinity));
    return v_select(v_less(x, infinity), v_select(v_less(v_zero(), x), y, of_others), x);
}

NN_INLINE vec TYPED(v_log)(vec x)
{
    mask denormal = v_less(x, v_set(EITHER(0x1p-126, 0x1p-1022)));
    vec normal = v_select(denormal, v_mul(x, v_set(EITHER(0x1p23, 0x1p52))), x);
    vec bias = v_select(denormal, v_set(TYPED(BIAS) + TYPED(MANTISSA_BITS)), v_set(TYPED(BIAS)));
    TYPED(log_parts) p = TYPED(log_split)(normal);
    return TYPED(log_special)(x, TYPED(log_join)(v_sub(p.k, bias), v_sub(p.m, v_set(1))));
}

/* log(1 + x): what rounding took from 1 + x is put back into f, which so is x exactly where k = 0. (Above 2^60
   it is nothing, and 2^-k may not be representable.) */
NN_INLINE vec TYPED(v_log1p)(vec x)
{
    vec one = v_set(1), sum = v_add(one, x), lost = v_sub(x, v_sub(sum, one));
    TYPED(log_parts) p = TYPED(log_split)(sum);
    vec scale = (vec)(EXPONENT(2 * TYPED(BIAS)) - p.exponent), f = v_sub(p.m, one);
    f = v_select(v_less(sum, v_set((real)0x1p60)), v_fma(lost, scale, f), f);
    return TYPED(v_with_sign)(TYPED(log_special)(sum, TYPED(log_join)(v_sub(p.k, v_set(TYPED(BIAS))), f)), x);
}

/* log(1 + e) for 0 <= e <= 1, as in log_join with s <= 1/3. */
NN_INLINE vec TYPED(v_log1p_unit)(vec e)
{
    /* R / s^2 over s^2, s <= 1/3; log(1 + e) to 2^-27 or 2^-58 */
    static const real single[] = {0x1.55551cp-1, 0x1.99c82p-2, 0x1.1f4996p-2, 0x1.1c6eccp-2};
    static const real twice[] = {
        0x1.555555555555p-1,  0x1.999999999c20cp-2, 0x1.249249227f5aep-2, 0x1.c71c733cfa60ap-3, 0x1.745cd09b672cdp-3,
        0x1.3b1ba0c26e9b8p-3, 0x1.1083555cba1bfp-3, 0x1.ee3ba36f92927p-4, 0x1.5c625c50ddda7p-4, 0x1.568eb485475f9p-3,
    };
    vec s = v_div(e, v_add(v_set(2), e)), square = v_mul(s, s);
    vec rest = v_mul(square, POLYNOMIAL(square, single, twice));
    return v_fnma(s, v_sub(e, rest), e);
}

/* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|). */
NN_INLINE vec TYPED(v_softplus)(vec x)
{
    return v_add(v_max(v_zero(), x), TYPED(v_log1p_unit)(TYPED(v_exp_bounded)(TYPED(v_minus_magnitude)(x))));
}

/* a b - product, for the product a b rounded: exact, unless it is denormal. */
NN_INLINE vec TYPED(v_product_error)(vec a, vec b, vec product)
{
    if (NN_FUSED)
        return v_fma(a, b, v_sub(v_zero(), product));
    /* Dekker's: halves of the mantissas, whose products are exact */
    const TYPED(word) upper = ~(((TYPED(word))1 << (TYPED(MANTISSA_BITS) + 2) / 2) - 1);
    vec a_high = (vec)((TYPED(words))a & upper), a_low = v_sub(a, a_high);
    vec b_high = (vec)((TYPED(words))b & upper), b_low = v_sub(b, b_high);
    vec error = v_sub(v_mul(a_high, b_high), product);
    error = v_add(v_add(error, v_mul(a_high, b_low)), v_mul(a_low, b_high));
    return v_add(error, v_mul(a_low, b_low));
}

/* a + b - sum, for the sum a + b rounded, where the larger of the two has the larger magnitude: exact. */
NN_INLINE vec TYPED(v_sum_error)(vec a, vec b, vec sum) { return v_sub(v_min(a, b), v_sub(sum, v_max(a, b))); }

/* The probability Q(z) that a normal number exceeds z is (1 + r + curve + r_low) (high + low) first second, with
   e^(-z^2 / 2) = (1 + r + curve + r_low) first second: each sum exact enough for their product to have one rounding. */
typedef struct TYPED(normal_tail) {
    vec r, curve, r_low, first, second, high, low;
} TYPED(normal_tail);

/* For z from 0 on, up to 15 or 40, where Q is below all numbers. Q(z) e^(z^2 / 2) = v S(1 - 2 v), v = k / (k + z). */
NN_INLINE TYPED(normal_tail) TYPED(normal_split)(vec z)
{
    /* (S(t) - S(0)) / t, -1 <= t <= 1; S to 2^-27 or 2^-54. Of all k near 4, these make the
       coefficients' rounding errors count least. */
    static const real single[] = {
        -0x1.503746p-3,  0x1.64c7fep-4,   -0x1.d3c6dap-6, 0x1.26adb0p-9,  0x1.36489cp-9,
        -0x1.47c3f6p-11, -0x1.159d02p-12, 0x1.63db5ep-14, 0x1.4ec7d2p-15,
    };
    static const real twice[] = {
        -0x1.1144b04317e6ep-3, 0x1.95ebf32fc0e86p-4,   -0x1.ffff85bd07037p-5,  0x1.0bec0cc90133dp-5,
        -0x1.bcb2803234916p-7, 0x1.06d4c52ada14ep-8,   -0x1.1b0b9629e2566p-11, -0x1.668e1cb00367ep-13,
        0x1.be63ca1cfe542p-14, -0x1.3f418c2b4df4ap-17, -0x1.59214ab05b973p-17, 0x1.9d01809eff9c9p-19,
        0x1.e1615539382acp-21, -0x1.1beadb127b219p-21, -0x1.7378ffb8540aap-24, 0x1.688fa05d312d4p-24,
        0x1.96966c8a1bc90p-27, -0x1.b5a96d9f7ac5ap-27, -0x1.49a2101dff142p-29, 0x1.877d1500c0e7cp-30,
        0x1.bbe5f5da75d27p-32, -0x1.0f047865d1211p-36,
    };
    const real k_value = EITHER(0x1.adaf86p1, 0x1.3eb851eb851ebp+2);
    vec k = v_set(k_value), middle = v_set(EITHER(0x1.c3cfb2p-3, 0x1.3c3dae8aec003p-3));
    vec half = v_mul(z, v_set((real)-0.5)), power = v_mul(z, half);
    TYPED(exp_parts) e = TYPED(exp_split)(power);
    vec exact = v_fnma(e.n, v_set(LN2_HIGH), power);
    vec less = v_sub(v_mul(e.n, v_set(LN2_LOW)), TYPED(v_product_error)(z, half, power));
    vec r = v_sub(exact, less), r_low = v_sub(v_sub(exact, r), less), curve = v_mul(v_mul(r, r), TYPED(exp_tail)(r));

    vec sum = v_add(k, z), v = v_div(k, sum), product = v_mul(v, sum);
    vec rest = v_sub(v_sub(k, product), TYPED(v_product_error)(v, sum, product));
    rest = v_fnma(v, TYPED(v_sum_error)(k, z, sum), rest);
    vec v_low = v_mul(v_mul(rest, v), v_set(1 / k_value));

    vec t = v_sub(v_fma(v_set(-2), v, v_set(1)), v_add(v_low, v_low));
    vec p = POLYNOMIAL(t, single, twice), change = v_mul(t, p), s = v_add(middle, change);
    vec s_low = v_add(TYPED(v_sum_error)(middle, change, s), TYPED(v_product_error)(t, p, change));

    vec high = v_mul(v, s);
    vec low = v_fma(v, s_low, v_fma(v_low, s, TYPED(v_product_error)(v, s, high)));
    return (TYPED(normal_tail)){r, curve, r_low, e.first, e.second, high, low};
}

NN_INLINE vec TYPED(normal_argument)(vec x) { return v_min(v_set(EITHER(15, 40)), TYPED(v_magnitude)(x)); }

/* x Q(-x), where Q(-x) is the normal distribution's share below x: max(0, x) - |x| Q(|x|). */
NN_INLINE vec TYPED(v_gelu)(vec x)
{
    vec z = TYPED(normal_argument)(x);
    TYPED(normal_tail) q = TYPED(normal_split)(z);
    vec product = v_mul(z, q.high), rest = v_fma(z, q.low, TYPED(v_product_error)(z, q.high, product));
    rest = v_fma(product, v_add(q.curve, q.r_low), v_fma(rest, q.r, rest));
    vec part = v_add(product, v_fma(product, q.r, rest));
    return v_sub(v_max(v_zero(), x), v_mul(v_mul(part, q.first), q.second));
}

/* Its derivative Q(-x) + x e^(-x^2 / 2) / sqrt(2 pi): d = Q(|x|) - |x| e^(-x^2 / 2) / sqrt(2 pi) for x < 0, else 1 - d.
 */
NN_INLINE vec TYPED(v_gelu_slope)(vec x)
{
    vec z = TYPED(normal_argument)(x);
    TYPED(normal_tail) q = TYPED(normal_split)(z);
    vec part = v_add(v_fnma(z, v_set((real)0.39894228040143267794), q.high), q.low);
    vec slope = v_mul(v_mul(v_fma(part, v_add(q.r, q.curve), part), q.first), q.second);
    return v_select(v_less(x, v_zero()), slope, v_sub(v_set(1), slope));
}

/* e^-|x| = (1 + growth) first second, and itself: for a product with it that becomes denormal, which `first` and
   `second` must come to last. */
typedef struct TYPED(decay) {
    vec growth, first, second, value;
} TYPED(decay);

NN_INLINE TYPED(decay) TYPED(decay_split)(vec x)
{
    TYPED(exp_parts) e = TYPED(exp_split)(v_max(v_set(EITHER(-176, -1418)), TYPED(v_minus_magnitude)(x)));
    vec growth = v_fma(v_mul(e.r, e.r), TYPED(exp_tail)(e.r), e.r);
    vec value = v_mul(v_mul(v_add(v_set(1), growth), e.first), e.second);
    return (TYPED(decay)){growth, e.first, e.second, value};
}

NN_INLINE vec TYPED(times_decay)(vec a, TYPED(decay) e)
{
    return v_mul(v_mul(v_fma(a, e.growth, a), e.first), e.second);
}

/* x where it is between -110 and 110, or -760 and 760, else the nearer of these: there e^-|x| is 0. */
NN_INLINE vec TYPED(v_bounded)(vec x)
{
    vec bound = v_set(EITHER(110, 760));
    return v_max(v_sub(v_zero(), bound), v_min(bound, x));
}

#undef EITHER
#undef SIGN
#undef EXPONENT
#undef EXPONENTS
#undef POLYNOMIAL
#undef LN2_HIGH
#undef LN2_LOW
#undef INVERSE_LN2
#undef ROUNDER
