/* AVX-512 (F, BW, DQ, VL): 16 floats or 8 doubles. What each operation means: simd/README.md. */
#ifndef NN_SIMD_AVX512_H
#define NN_SIMD_AVX512_H

#ifndef NN_SIMD_EMULATED /* the tests bring an emulation of these intrinsics for machines without them */
#include <immintrin.h>
#endif
#include <stdint.h>

#define NN_INLINE static inline __attribute__((always_inline))

enum { NN_FUSED = 1 };

typedef __m512 vec_f32;
typedef __mmask16 mask_f32;
typedef int32_t bits_f32 __attribute__((vector_size(64)));
enum { LANES_f32 = 16 };

#define NN_FIRST_16(count) ((__mmask16)((1u << (count)) - 1))
#define NN_FIRST_8(count) ((__mmask8)((1u << (count)) - 1))

NN_INLINE vec_f32 v_zero_f32(void) { return _mm512_setzero_ps(); }
NN_INLINE vec_f32 v_set_f32(float a) { return _mm512_set1_ps(a); }
NN_INLINE vec_f32 v_load_f32(const float *p) { return _mm512_loadu_ps(p); }
NN_INLINE void v_store_f32(float *p, vec_f32 a) { _mm512_storeu_ps(p, a); }
NN_INLINE vec_f32 v_load_first_f32(const float *p, int64_t count)
{
    return _mm512_maskz_loadu_ps(NN_FIRST_16(count), p);
}
NN_INLINE void v_store_first_f32(float *p, vec_f32 a, int64_t count)
{
    _mm512_mask_storeu_ps(p, NN_FIRST_16(count), a);
}
NN_INLINE vec_f32 v_add_f32(vec_f32 a, vec_f32 b) { return _mm512_add_ps(a, b); }
NN_INLINE vec_f32 v_sub_f32(vec_f32 a, vec_f32 b) { return _mm512_sub_ps(a, b); }
NN_INLINE vec_f32 v_mul_f32(vec_f32 a, vec_f32 b) { return _mm512_mul_ps(a, b); }
NN_INLINE vec_f32 v_div_f32(vec_f32 a, vec_f32 b) { return _mm512_div_ps(a, b); }
NN_INLINE vec_f32 v_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm512_fmadd_ps(a, b, c); }
NN_INLINE vec_f32 v_fnma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm512_fnmadd_ps(a, b, c); }
NN_INLINE vec_f32 v_sqrt_f32(vec_f32 a) { return _mm512_sqrt_ps(a); }
NN_INLINE vec_f32 v_max_f32(vec_f32 a, vec_f32 b) { return _mm512_max_ps(a, b); }
NN_INLINE vec_f32 v_min_f32(vec_f32 a, vec_f32 b) { return _mm512_min_ps(a, b); }
NN_INLINE mask_f32 v_less_f32(vec_f32 a, vec_f32 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
NN_INLINE mask_f32 v_unordered_f32(vec_f32 a, vec_f32 b) { return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q); }
NN_INLINE vec_f32 v_select_f32(mask_f32 m, vec_f32 a, vec_f32 b) { return _mm512_mask_blend_ps(m, b, a); }
NN_INLINE vec_f32 v_fold_f32(vec_f32 a, int distance)
{
    return distance == 8   ? _mm512_shuffle_f32x4(a, a, 0x4e)
           : distance == 4 ? _mm512_shuffle_f32x4(a, a, 0xb1)
           : distance == 2 ? _mm512_shuffle_ps(a, a, 0x4e)
                           : _mm512_shuffle_ps(a, a, 0xb1);
}
NN_INLINE void v_transpose_f32(vec_f32 *rows)
{
    vec_f32 pair[16], quad[16];
    for (int i = 0; i < 16; i += 2) { /* rows i and i + 1 interleaved */
        pair[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
        pair[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) { /* quad[i + k]: columns k, k + 4, k + 8, k + 12 of rows i to i + 3 */
        quad[i] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0x44);
        quad[i + 1] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0xee);
        quad[i + 2] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        quad[i + 3] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    for (int k = 0; k < 4; k++) { /* a transpose of 4 x 4 quarters of registers */
        vec_f32 low0 = _mm512_shuffle_f32x4(quad[k], quad[k + 4], 0x88);
        vec_f32 high0 = _mm512_shuffle_f32x4(quad[k], quad[k + 4], 0xdd);
        vec_f32 low8 = _mm512_shuffle_f32x4(quad[k + 8], quad[k + 12], 0x88);
        vec_f32 high8 = _mm512_shuffle_f32x4(quad[k + 8], quad[k + 12], 0xdd);
        rows[k] = _mm512_shuffle_f32x4(low0, low8, 0x88);
        rows[k + 4] = _mm512_shuffle_f32x4(high0, high8, 0x88);
        rows[k + 8] = _mm512_shuffle_f32x4(low0, low8, 0xdd);
        rows[k + 12] = _mm512_shuffle_f32x4(high0, high8, 0xdd);
    }
}

typedef __m512d vec_f64;
typedef __mmask8 mask_f64;
typedef int64_t bits_f64 __attribute__((vector_size(64)));
enum { LANES_f64 = 8 };

NN_INLINE vec_f64 v_zero_f64(void) { return _mm512_setzero_pd(); }
NN_INLINE vec_f64 v_set_f64(double a) { return _mm512_set1_pd(a); }
NN_INLINE vec_f64 v_load_f64(const double *p) { return _mm512_loadu_pd(p); }
NN_INLINE void v_store_f64(double *p, vec_f64 a) { _mm512_storeu_pd(p, a); }
NN_INLINE vec_f64 v_load_first_f64(const double *p, int64_t count)
{
    return _mm512_maskz_loadu_pd(NN_FIRST_8(count), p);
}
NN_INLINE void v_store_first_f64(double *p, vec_f64 a, int64_t count)
{
    _mm512_mask_storeu_pd(p, NN_FIRST_8(count), a);
}
NN_INLINE vec_f64 v_add_f64(vec_f64 a, vec_f64 b) { return _mm512_add_pd(a, b); }
NN_INLINE vec_f64 v_sub_f64(vec_f64 a, vec_f64 b) { return _mm512_sub_pd(a, b); }
NN_INLINE vec_f64 v_mul_f64(vec_f64 a, vec_f64 b) { return _mm512_mul_pd(a, b); }
NN_INLINE vec_f64 v_div_f64(vec_f64 a, vec_f64 b) { return _mm512_div_pd(a, b); }
NN_INLINE vec_f64 v_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm512_fmadd_pd(a, b, c); }
NN_INLINE vec_f64 v_fnma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm512_fnmadd_pd(a, b, c); }
NN_INLINE vec_f64 v_sqrt_f64(vec_f64 a) { return _mm512_sqrt_pd(a); }
NN_INLINE vec_f64 v_max_f64(vec_f64 a, vec_f64 b) { return _mm512_max_pd(a, b); }
NN_INLINE vec_f64 v_min_f64(vec_f64 a, vec_f64 b) { return _mm512_min_pd(a, b); }
NN_INLINE mask_f64 v_less_f64(vec_f64 a, vec_f64 b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
NN_INLINE mask_f64 v_unordered_f64(vec_f64 a, vec_f64 b) { return _mm512_cmp_pd_mask(a, b, _CMP_UNORD_Q); }
NN_INLINE vec_f64 v_select_f64(mask_f64 m, vec_f64 a, vec_f64 b) { return _mm512_mask_blend_pd(m, b, a); }
NN_INLINE vec_f64 v_fold_f64(vec_f64 a, int distance)
{
    return distance == 4   ? _mm512_shuffle_f64x2(a, a, 0x4e)
           : distance == 2 ? _mm512_shuffle_f64x2(a, a, 0xb1)
                           : _mm512_unpackhi_pd(a, a);
}
NN_INLINE void v_transpose_f64(vec_f64 *rows)
{
    vec_f64 pair[8];
    for (int i = 0; i < 8; i += 2) { /* pair[i + k]: columns k, k + 2, k + 4, k + 6 of rows i and i + 1 */
        pair[i] = _mm512_unpacklo_pd(rows[i], rows[i + 1]);
        pair[i + 1] = _mm512_unpackhi_pd(rows[i], rows[i + 1]);
    }
    for (int k = 0; k < 2; k++) { /* a transpose of 4 x 4 quarters of registers */
        vec_f64 low0 = _mm512_shuffle_f64x2(pair[k], pair[k + 2], 0x88);
        vec_f64 high0 = _mm512_shuffle_f64x2(pair[k], pair[k + 2], 0xdd);
        vec_f64 low4 = _mm512_shuffle_f64x2(pair[k + 4], pair[k + 6], 0x88);
        vec_f64 high4 = _mm512_shuffle_f64x2(pair[k + 4], pair[k + 6], 0xdd);
        rows[k] = _mm512_shuffle_f64x2(low0, low4, 0x88);
        rows[k + 2] = _mm512_shuffle_f64x2(high0, high4, 0x88);
        rows[k + 4] = _mm512_shuffle_f64x2(low0, low4, 0xdd);
        rows[k + 6] = _mm512_shuffle_f64x2(high0, high4, 0xdd);
    }
}

#endif
