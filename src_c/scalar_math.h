/* Powers and cosines of single doubles, for what every thread computes once at the beginning of a minibatch: learning
 * rates and coefficients. Sums, products, quotients and roots of doubles alone, in one order and without multiply-adds,
 * so that every variant, also `generic`, and both real types give the same bits.
 *
 * Largest relative errors found: nn_power 4e-15, of results from 1e-300 to 1e300, and nn_half_cosine 7e-16. */
#ifndef NN_SCALAR_MATH_H
#define NN_SCALAR_MATH_H

#include <stdint.h>
#include <string.h>

/* A number as an unevaluated sum, |low| at most half a unit in the last place of high. */
typedef struct nn_twofold {
    double high, low;
} nn_twofold;

/* a + b without error (Knuth). */
static inline nn_twofold nn_exact_sum(double a, double b)
{
    const double sum = a + b, part = sum - a;
    return (nn_twofold){sum, (a - (sum - part)) + (b - part)};
}

/* a b without error, for factors below 2^996 whose product is no denormal (Dekker, Veltkamp). */
static inline nn_twofold nn_exact_product(double a, double b)
{
    const double product = a * b, shifted_a = 0x1p27 * a + a, shifted_b = 0x1p27 * b + b;
    const double a1 = shifted_a - (shifted_a - a), a2 = a - a1, b1 = shifted_b - (shifted_b - b), b2 = b - b1;
    return (nn_twofold){product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2};
}

/* The largest integer that is at most x, for x >= 0. */
static inline double nn_floor(double x) { return x < 0x1p52 ? (double)(int64_t)x : x; }

/* 2^n for n from -1022 to 1023. */
static inline double nn_power_of_two(int64_t n)
{
    const uint64_t word = (uint64_t)(n + 1023) << 52;
    double power;
    memcpy(&power, &word, sizeof power);
    return power;
}

/* ln 2 in two parts: the product of the first, of 42 bits, with any exponent is exact. */
#define NN_LN2_HIGH 0x1.62e42fefa38p-1
#define NN_LN2_LOW 0x1.ef35793c7673p-45

/* Sum of terms[i] x^i. */
static inline double nn_polynomial(double x, const double *terms, int count)
{
    double sum = terms[count - 1];
    for (int i = count - 2; i >= 0; i--)
        sum = sum * x + terms[i];
    return sum;
}

/* log(x) to 2^-57 of itself, for x positive and finite. With x = 2^k m, sqrt(1/2) <= m < sqrt(2), and
   s = (m - 1) / (m + 1), it is k log(2) + 2 (s + s^3 / 3 + s^5 / 5 + ...), where |s| < 0.172: what comes after the
   leading term is less than a hundredth of it, so that only that has to be more exact than a double. */
static inline nn_twofold nn_log(double x)
{
    static const double terms[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11, 2.0 / 13,
                                   2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23, 2.0 / 25};
    double k = -1023, m;
    uint64_t word;
    if (x < 0x1p-1022) {
        x *= 0x1p52;
        k -= 52;
    }
    memcpy(&word, &x, sizeof word);
    const uint64_t exponent = (word + 0x95f619980c433) >> 52; /* the distance from sqrt(1/2) to 1 carries into it */
    word += (uint64_t)1023 << 52;
    word -= exponent << 52;
    memcpy(&m, &word, sizeof m);
    k += (double)exponent;
    const nn_twofold divisor = nn_exact_sum(m, 1);
    const double s = (m - 1) / divisor.high;
    const nn_twofold back = nn_exact_product(s, divisor.high);
    const double s_low = (((m - 1) - back.high) - back.low - s * divisor.low) / divisor.high, square = s * s;
    const nn_twofold lead = nn_exact_sum(k * NN_LN2_HIGH, 2 * s);
    const double rest = s * square * nn_polynomial(square, terms, 12) + 2 * s_low;
    return nn_exact_sum(lead.high, lead.low + (k * NN_LN2_LOW + rest));
}

/* base^exponent for base >= 0. As e^y magnifies an error of y by y, which may be 745, the logarithm and its product
   with the exponent are twofold. */
static inline double nn_power(double base, double exponent)
{
    /* 1 / i! */
    static const double terms[] = {
        1,          1,           1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,
        1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
    if (exponent == 0 || base == 1)
        return 1;
    if (base == 0)
        return exponent > 0 ? 0 : __builtin_inf();
    const nn_twofold log = nn_log(base);
    const double about = exponent * log.high;
    if (about > 710)
        return __builtin_inf();
    if (about < -746)
        return 0;
    const nn_twofold y = nn_exact_product(exponent, log.high);
    const int64_t n = (int64_t)(about / NN_LN2_HIGH + (about < 0 ? -0.5 : 0.5));
    const double r = (y.high - (double)n * NN_LN2_HIGH) + (y.low + exponent * log.low - (double)n * NN_LN2_LOW);
    return nn_polynomial(r, terms, 14) * nn_power_of_two(n / 2) * nn_power_of_two(n - n / 2);
}

/* (1 + cos(pi x)) / 2 = cos(pi x / 2)^2, without the cancellation of the former where x comes near 1; 1 below 0 and 0
   beyond 1. */
static inline double nn_half_cosine(double x)
{
    /* (-1)^i / (2 i)! */
    static const double cosine[] = {1,
                                    -1.0 / 2,
                                    1.0 / 24,
                                    -1.0 / 720,
                                    1.0 / 40320,
                                    -1.0 / 3628800,
                                    1.0 / 479001600,
                                    -1.0 / 87178291200,
                                    1.0 / 20922789888000};
    /* (-1)^i / (2 i + 1)! */
    static const double sine[] = {1,
                                  -1.0 / 6,
                                  1.0 / 120,
                                  -1.0 / 5040,
                                  1.0 / 362880,
                                  -1.0 / 39916800,
                                  1.0 / 6227020800,
                                  -1.0 / 1307674368000,
                                  1.0 / 355687428096000};
    const double half_pi = 0x1.921fb54442d18p0;
    if (x <= 0)
        return 1;
    if (x >= 1)
        return 0;
    const double angle = half_pi * (x < 0.5 ? x : 1 - x), square = angle * angle;
    const double root = x < 0.5 ? nn_polynomial(square, cosine, 9) : angle * nn_polynomial(square, sine, 9);
    return root * root;
}

#endif
