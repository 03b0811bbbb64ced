/* Included before variants/avx512.c: AVX-512 for machines with AVX2 and FMA, by SIMDe.
 *
 * Masked loads and stores and shuffles of quarters are ours: some releases of SIMDe lack them, and others load whole
 * vectors under a mask, where a test wants to see that nothing else is touched. They are functions of their own, as
 * compiling them into every place takes minutes. */
#define SIMDE_NO_INLINE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <stdint.h>

#define TESTED_FUNCTION static __attribute__((noinline, unused))

#define DEFINE_MASKED(suffix, vector, mask, element, lanes)                                                            \
    TESTED_FUNCTION vector tested_maskz_loadu_##suffix(mask given, const element *p)                                   \
    {                                                                                                                  \
        element values[lanes] = {0};                                                                                   \
        for (int i = 0; i < lanes; i++)                                                                                \
            if (given >> i & 1)                                                                                        \
                values[i] = p[i];                                                                                      \
        return _mm512_loadu_##suffix(values);                                                                          \
    }                                                                                                                  \
    TESTED_FUNCTION void tested_mask_storeu_##suffix(element *p, mask given, vector a)                                 \
    {                                                                                                                  \
        element values[lanes];                                                                                         \
        _mm512_storeu_##suffix(values, a);                                                                             \
        for (int i = 0; i < lanes; i++)                                                                                \
            if (given >> i & 1)                                                                                        \
                p[i] = values[i];                                                                                      \
    }                                                                                                                  \
    /* quarters of a, a, b and b, each chosen by two bits */                                                           \
    TESTED_FUNCTION vector tested_shuffle_quarters_##suffix(vector a, vector b, int choice)                            \
    {                                                                                                                  \
        element from_a[lanes], from_b[lanes], values[lanes];                                                           \
        _mm512_storeu_##suffix(from_a, a);                                                                             \
        _mm512_storeu_##suffix(from_b, b);                                                                             \
        for (int i = 0; i < lanes; i++) {                                                                              \
            int quarter = i / (lanes / 4), chosen = choice >> 2 * quarter & 3;                                         \
            values[i] = (quarter < 2 ? from_a : from_b)[chosen * (lanes / 4) + i % (lanes / 4)];                       \
        }                                                                                                              \
        return _mm512_loadu_##suffix(values);                                                                          \
    }
DEFINE_MASKED(ps, __m512, __mmask16, float, 16)
DEFINE_MASKED(pd, __m512d, __mmask8, double, 8)

#undef _mm512_maskz_loadu_ps
#undef _mm512_maskz_loadu_pd
#undef _mm512_mask_storeu_ps
#undef _mm512_mask_storeu_pd
#undef _mm512_shuffle_f32x4
#undef _mm512_shuffle_f64x2
#define _mm512_maskz_loadu_ps tested_maskz_loadu_ps
#define _mm512_maskz_loadu_pd tested_maskz_loadu_pd
#define _mm512_mask_storeu_ps tested_mask_storeu_ps
#define _mm512_mask_storeu_pd tested_mask_storeu_pd
#define _mm512_shuffle_f32x4 tested_shuffle_quarters_ps
#define _mm512_shuffle_f64x2 tested_shuffle_quarters_pd
