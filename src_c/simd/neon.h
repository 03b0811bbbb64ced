/* AArch64 NEON: 4 floats or 2 doubles. What each operation means: simd/README.md. */
#ifndef NN_SIMD_NEON_H
#define NN_SIMD_NEON_H

#include <arm_neon.h>
#include <stdint.h>

#define NN_INLINE static inline __attribute__((always_inline))

enum { NN_FUSED = 1 };

typedef float32x4_t vec_f32;
typedef uint32x4_t mask_f32;
typedef int32_t bits_f32 __attribute__((vector_size(16)));
enum { LANES_f32 = 4 };

NN_INLINE vec_f32 v_zero_f32(void) { return vdupq_n_f32(0); }
NN_INLINE vec_f32 v_set_f32(float a) { return vdupq_n_f32(a); }
NN_INLINE vec_f32 v_load_f32(const float *p) { return vld1q_f32(p); }
NN_INLINE void v_store_f32(float *p, vec_f32 a) { vst1q_f32(p, a); }
NN_INLINE vec_f32 v_load_first_f32(const float *p, int64_t count)
{
    float lanes[4] = {0};
    for (int64_t i = 0; i < count; i++)
        lanes[i] = p[i];
    return vld1q_f32(lanes);
}
NN_INLINE void v_store_first_f32(float *p, vec_f32 a, int64_t count)
{
    float lanes[4];
    vst1q_f32(lanes, a);
    for (int64_t i = 0; i < count; i++)
        p[i] = lanes[i];
}
NN_INLINE vec_f32 v_add_f32(vec_f32 a, vec_f32 b) { return vaddq_f32(a, b); }
NN_INLINE vec_f32 v_sub_f32(vec_f32 a, vec_f32 b) { return vsubq_f32(a, b); }
NN_INLINE vec_f32 v_mul_f32(vec_f32 a, vec_f32 b) { return vmulq_f32(a, b); }
NN_INLINE vec_f32 v_div_f32(vec_f32 a, vec_f32 b) { return vdivq_f32(a, b); }
NN_INLINE vec_f32 v_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return vfmaq_f32(c, a, b); }
NN_INLINE vec_f32 v_fnma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return vfmsq_f32(c, a, b); }
NN_INLINE vec_f32 v_sqrt_f32(vec_f32 a) { return vsqrtq_f32(a); }
NN_INLINE vec_f32 v_max_f32(vec_f32 a, vec_f32 b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
NN_INLINE vec_f32 v_min_f32(vec_f32 a, vec_f32 b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
NN_INLINE mask_f32 v_less_f32(vec_f32 a, vec_f32 b) { return vcltq_f32(a, b); }
NN_INLINE mask_f32 v_unordered_f32(vec_f32 a, vec_f32 b)
{
    return vmvnq_u32(vandq_u32(vceqq_f32(a, a), vceqq_f32(b, b)));
}
NN_INLINE vec_f32 v_select_f32(mask_f32 m, vec_f32 a, vec_f32 b) { return vbslq_f32(m, a, b); }
NN_INLINE vec_f32 v_fold_f32(vec_f32 a, int distance) { return distance == 2 ? vextq_f32(a, a, 2) : vrev64q_f32(a); }
NN_INLINE void v_transpose_f32(vec_f32 *rows)
{
    float32x4x2_t low = vtrnq_f32(rows[0], rows[1]), high = vtrnq_f32(rows[2], rows[3]);
    rows[0] = vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0]));
    rows[1] = vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1]));
    rows[2] = vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0]));
    rows[3] = vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1]));
}

typedef float64x2_t vec_f64;
typedef uint64x2_t mask_f64;
typedef int64_t bits_f64 __attribute__((vector_size(16)));
enum { LANES_f64 = 2 };

NN_INLINE vec_f64 v_zero_f64(void) { return vdupq_n_f64(0); }
NN_INLINE vec_f64 v_set_f64(double a) { return vdupq_n_f64(a); }
NN_INLINE vec_f64 v_load_f64(const double *p) { return vld1q_f64(p); }
NN_INLINE void v_store_f64(double *p, vec_f64 a) { vst1q_f64(p, a); }
NN_INLINE vec_f64 v_load_first_f64(const double *p, int64_t count)
{
    double lanes[2] = {0};
    for (int64_t i = 0; i < count; i++)
        lanes[i] = p[i];
    return vld1q_f64(lanes);
}
NN_INLINE void v_store_first_f64(double *p, vec_f64 a, int64_t count)
{
    double lanes[2];
    vst1q_f64(lanes, a);
    for (int64_t i = 0; i < count; i++)
        p[i] = lanes[i];
}
NN_INLINE vec_f64 v_add_f64(vec_f64 a, vec_f64 b) { return vaddq_f64(a, b); }
NN_INLINE vec_f64 v_sub_f64(vec_f64 a, vec_f64 b) { return vsubq_f64(a, b); }
NN_INLINE vec_f64 v_mul_f64(vec_f64 a, vec_f64 b) { return vmulq_f64(a, b); }
NN_INLINE vec_f64 v_div_f64(vec_f64 a, vec_f64 b) { return vdivq_f64(a, b); }
NN_INLINE vec_f64 v_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return vfmaq_f64(c, a, b); }
NN_INLINE vec_f64 v_fnma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return vfmsq_f64(c, a, b); }
NN_INLINE vec_f64 v_sqrt_f64(vec_f64 a) { return vsqrtq_f64(a); }
NN_INLINE vec_f64 v_max_f64(vec_f64 a, vec_f64 b) { return vbslq_f64(vcgtq_f64(a, b), a, b); }
NN_INLINE vec_f64 v_min_f64(vec_f64 a, vec_f64 b) { return vbslq_f64(vcltq_f64(a, b), a, b); }
NN_INLINE mask_f64 v_less_f64(vec_f64 a, vec_f64 b) { return vcltq_f64(a, b); }
NN_INLINE mask_f64 v_unordered_f64(vec_f64 a, vec_f64 b)
{
    return vreinterpretq_u64_u32(vmvnq_u32(vreinterpretq_u32_u64(vandq_u64(vceqq_f64(a, a), vceqq_f64(b, b)))));
}
NN_INLINE vec_f64 v_select_f64(mask_f64 m, vec_f64 a, vec_f64 b) { return vbslq_f64(m, a, b); }
NN_INLINE vec_f64 v_fold_f64(vec_f64 a, int distance)
{
    (void)distance; /* 1 */
    return vextq_f64(a, a, 1);
}
NN_INLINE void v_transpose_f64(vec_f64 *rows)
{
    vec_f64 first = vzip1q_f64(rows[0], rows[1]);
    rows[1] = vzip2q_f64(rows[0], rows[1]);
    rows[0] = first;
}

#endif
