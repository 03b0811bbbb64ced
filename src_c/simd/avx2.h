/* AVX2 with fused multiply-add: 8 floats or 4 doubles. What each operation means: simd/README.md. */
#ifndef NN_SIMD_AVX2_H
#define NN_SIMD_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#define NN_INLINE static inline __attribute__((always_inline))

enum { NN_FUSED = 1 };

typedef __m256 vec_f32;
typedef __m256 mask_f32;
typedef int32_t bits_f32 __attribute__((vector_size(32)));
enum { LANES_f32 = 8 };

static const int32_t nn_first_f32[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
NN_INLINE __m256i nn_first_lanes_f32(int64_t count)
{
    return _mm256_loadu_si256((const __m256i *)(nn_first_f32 + 8 - count));
}

NN_INLINE vec_f32 v_zero_f32(void) { return _mm256_setzero_ps(); }
NN_INLINE vec_f32 v_set_f32(float a) { return _mm256_set1_ps(a); }
NN_INLINE vec_f32 v_load_f32(const float *p) { return _mm256_loadu_ps(p); }
NN_INLINE void v_store_f32(float *p, vec_f32 a) { _mm256_storeu_ps(p, a); }
NN_INLINE vec_f32 v_load_first_f32(const float *p, int64_t count)
{
    return _mm256_maskload_ps(p, nn_first_lanes_f32(count));
}
/* In halves, as a masked store takes some 40 cycles on AMD's processors. */
NN_INLINE void v_store_first_f32(float *p, vec_f32 a, int64_t count)
{
    __m128 half = _mm256_castps256_ps128(a);
    if (count & 8) {
        _mm256_storeu_ps(p, a);
        return;
    }
    if (count & 4) {
        _mm_storeu_ps(p, half);
        half = _mm256_extractf128_ps(a, 1);
        p += 4;
    }
    if (count & 2) {
        _mm_storel_pi((__m64 *)p, half);
        half = _mm_movehl_ps(half, half);
        p += 2;
    }
    if (count & 1)
        _mm_store_ss(p, half);
}
NN_INLINE vec_f32 v_add_f32(vec_f32 a, vec_f32 b) { return _mm256_add_ps(a, b); }
NN_INLINE vec_f32 v_sub_f32(vec_f32 a, vec_f32 b) { return _mm256_sub_ps(a, b); }
NN_INLINE vec_f32 v_mul_f32(vec_f32 a, vec_f32 b) { return _mm256_mul_ps(a, b); }
NN_INLINE vec_f32 v_div_f32(vec_f32 a, vec_f32 b) { return _mm256_div_ps(a, b); }
NN_INLINE vec_f32 v_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm256_fmadd_ps(a, b, c); }
NN_INLINE vec_f32 v_fnma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm256_fnmadd_ps(a, b, c); }
NN_INLINE vec_f32 v_sqrt_f32(vec_f32 a) { return _mm256_sqrt_ps(a); }
NN_INLINE vec_f32 v_max_f32(vec_f32 a, vec_f32 b) { return _mm256_max_ps(a, b); }
NN_INLINE vec_f32 v_min_f32(vec_f32 a, vec_f32 b) { return _mm256_min_ps(a, b); }
NN_INLINE mask_f32 v_less_f32(vec_f32 a, vec_f32 b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
NN_INLINE mask_f32 v_unordered_f32(vec_f32 a, vec_f32 b) { return _mm256_cmp_ps(a, b, _CMP_UNORD_Q); }
NN_INLINE vec_f32 v_select_f32(mask_f32 m, vec_f32 a, vec_f32 b) { return _mm256_blendv_ps(b, a, m); }
NN_INLINE vec_f32 v_fold_f32(vec_f32 a, int distance)
{
    return distance == 4   ? _mm256_permute2f128_ps(a, a, 1)
           : distance == 2 ? _mm256_permute_ps(a, 0x4e)
                           : _mm256_permute_ps(a, 0xb1);
}
NN_INLINE void v_transpose_f32(vec_f32 *rows)
{
    vec_f32 pair[8], quad[8];
    for (int i = 0; i < 8; i += 2) { /* pair[i], pair[i + 1]: rows i and i + 1 interleaved */
        pair[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) { /* quad[i + k]: columns k and k + 4 of rows i to i + 3 */
        quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
        quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
        quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    for (int k = 0; k < 4; k++) {
        rows[k] = _mm256_permute2f128_ps(quad[k], quad[k + 4], 0x20);
        rows[k + 4] = _mm256_permute2f128_ps(quad[k], quad[k + 4], 0x31);
    }
}

typedef __m256d vec_f64;
typedef __m256d mask_f64;
typedef int64_t bits_f64 __attribute__((vector_size(32)));
enum { LANES_f64 = 4 };

static const int64_t nn_first_f64[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
NN_INLINE __m256i nn_first_lanes_f64(int64_t count)
{
    return _mm256_loadu_si256((const __m256i *)(nn_first_f64 + 4 - count));
}

NN_INLINE vec_f64 v_zero_f64(void) { return _mm256_setzero_pd(); }
NN_INLINE vec_f64 v_set_f64(double a) { return _mm256_set1_pd(a); }
NN_INLINE vec_f64 v_load_f64(const double *p) { return _mm256_loadu_pd(p); }
NN_INLINE void v_store_f64(double *p, vec_f64 a) { _mm256_storeu_pd(p, a); }
NN_INLINE vec_f64 v_load_first_f64(const double *p, int64_t count)
{
    return _mm256_maskload_pd(p, nn_first_lanes_f64(count));
}
NN_INLINE void v_store_first_f64(double *p, vec_f64 a, int64_t count)
{
    __m128d half = _mm256_castpd256_pd128(a);
    if (count & 4) {
        _mm256_storeu_pd(p, a);
        return;
    }
    if (count & 2) {
        _mm_storeu_pd(p, half);
        half = _mm256_extractf128_pd(a, 1);
        p += 2;
    }
    if (count & 1)
        _mm_store_sd(p, half);
}
NN_INLINE vec_f64 v_add_f64(vec_f64 a, vec_f64 b) { return _mm256_add_pd(a, b); }
NN_INLINE vec_f64 v_sub_f64(vec_f64 a, vec_f64 b) { return _mm256_sub_pd(a, b); }
NN_INLINE vec_f64 v_mul_f64(vec_f64 a, vec_f64 b) { return _mm256_mul_pd(a, b); }
NN_INLINE vec_f64 v_div_f64(vec_f64 a, vec_f64 b) { return _mm256_div_pd(a, b); }
NN_INLINE vec_f64 v_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm256_fmadd_pd(a, b, c); }
NN_INLINE vec_f64 v_fnma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm256_fnmadd_pd(a, b, c); }
NN_INLINE vec_f64 v_sqrt_f64(vec_f64 a) { return _mm256_sqrt_pd(a); }
NN_INLINE vec_f64 v_max_f64(vec_f64 a, vec_f64 b) { return _mm256_max_pd(a, b); }
NN_INLINE vec_f64 v_min_f64(vec_f64 a, vec_f64 b) { return _mm256_min_pd(a, b); }
NN_INLINE mask_f64 v_less_f64(vec_f64 a, vec_f64 b) { return _mm256_cmp_pd(a, b, _CMP_LT_OQ); }
NN_INLINE mask_f64 v_unordered_f64(vec_f64 a, vec_f64 b) { return _mm256_cmp_pd(a, b, _CMP_UNORD_Q); }
NN_INLINE vec_f64 v_select_f64(mask_f64 m, vec_f64 a, vec_f64 b) { return _mm256_blendv_pd(b, a, m); }
NN_INLINE vec_f64 v_fold_f64(vec_f64 a, int distance)
{
    return distance == 2 ? _mm256_permute2f128_pd(a, a, 1) : _mm256_permute_pd(a, 5);
}
NN_INLINE void v_transpose_f64(vec_f64 *rows)
{
    vec_f64 even0 = _mm256_unpacklo_pd(rows[0], rows[1]), odd0 = _mm256_unpackhi_pd(rows[0], rows[1]);
    vec_f64 even2 = _mm256_unpacklo_pd(rows[2], rows[3]), odd2 = _mm256_unpackhi_pd(rows[2], rows[3]);
    rows[0] = _mm256_permute2f128_pd(even0, even2, 0x20);
    rows[1] = _mm256_permute2f128_pd(odd0, odd2, 0x20);
    rows[2] = _mm256_permute2f128_pd(even0, even2, 0x31);
    rows[3] = _mm256_permute2f128_pd(odd0, odd2, 0x31);
}

#endif
