/* Any machine: vectors of 16 bytes that the compiler maps onto what there is. Its multiply-adds round
   twice, as no common baseline has a fused one. What each operation means: simd/README.md. */
#ifndef NN_SIMD_GENERIC_H
#define NN_SIMD_GENERIC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define NN_INLINE static inline __attribute__((always_inline))

enum { NN_FUSED = 0 };

typedef float vec_f32 __attribute__((vector_size(16)));
typedef int32_t bits_f32 __attribute__((vector_size(16)));
typedef bits_f32 mask_f32;
enum { LANES_f32 = 4 };

NN_INLINE vec_f32 v_zero_f32(void) { return (vec_f32){0}; }
NN_INLINE vec_f32 v_set_f32(float a) { return (vec_f32){a, a, a, a}; }
NN_INLINE vec_f32 v_load_f32(const float *p)
{
    vec_f32 a;
    memcpy(&a, p, sizeof a);
    return a;
}
NN_INLINE void v_store_f32(float *p, vec_f32 a) { memcpy(p, &a, sizeof a); }
NN_INLINE vec_f32 v_load_first_f32(const float *p, int64_t count)
{
    vec_f32 a = {0};
    for (int64_t i = 0; i < count; i++)
        a[i] = p[i];
    return a;
}
NN_INLINE void v_store_first_f32(float *p, vec_f32 a, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        p[i] = a[i];
}
NN_INLINE vec_f32 v_add_f32(vec_f32 a, vec_f32 b) { return a + b; }
NN_INLINE vec_f32 v_sub_f32(vec_f32 a, vec_f32 b) { return a - b; }
NN_INLINE vec_f32 v_mul_f32(vec_f32 a, vec_f32 b) { return a * b; }
NN_INLINE vec_f32 v_div_f32(vec_f32 a, vec_f32 b) { return a / b; }
NN_INLINE vec_f32 v_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return a * b + c; }
NN_INLINE vec_f32 v_fnma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return c - a * b; }
NN_INLINE vec_f32 v_sqrt_f32(vec_f32 a) { return (vec_f32){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])}; }
NN_INLINE mask_f32 v_less_f32(vec_f32 a, vec_f32 b) { return a < b; }
NN_INLINE mask_f32 v_unordered_f32(vec_f32 a, vec_f32 b) { return (a != a) | (b != b); }
NN_INLINE vec_f32 v_select_f32(mask_f32 m, vec_f32 a, vec_f32 b)
{
    return (vec_f32)((m & (bits_f32)a) | (~m & (bits_f32)b));
}
NN_INLINE vec_f32 v_max_f32(vec_f32 a, vec_f32 b) { return v_select_f32(a > b, a, b); }
NN_INLINE vec_f32 v_min_f32(vec_f32 a, vec_f32 b) { return v_select_f32(a < b, a, b); }
NN_INLINE vec_f32 v_fold_f32(vec_f32 a, int distance)
{
    return distance == 2 ? (vec_f32){a[2], a[3], a[0], a[1]} : (vec_f32){a[1], a[0], a[3], a[2]};
}
NN_INLINE void v_transpose_f32(vec_f32 *rows)
{
    for (int i = 0; i < LANES_f32; i++)
        for (int j = 0; j < i; j++) {
            float kept = rows[i][j];
            rows[i][j] = rows[j][i];
            rows[j][i] = kept;
        }
}

typedef double vec_f64 __attribute__((vector_size(16)));
typedef int64_t bits_f64 __attribute__((vector_size(16)));
typedef bits_f64 mask_f64;
enum { LANES_f64 = 2 };

NN_INLINE vec_f64 v_zero_f64(void) { return (vec_f64){0}; }
NN_INLINE vec_f64 v_set_f64(double a) { return (vec_f64){a, a}; }
NN_INLINE vec_f64 v_load_f64(const double *p)
{
    vec_f64 a;
    memcpy(&a, p, sizeof a);
    return a;
}
NN_INLINE void v_store_f64(double *p, vec_f64 a) { memcpy(p, &a, sizeof a); }
NN_INLINE vec_f64 v_load_first_f64(const double *p, int64_t count)
{
    vec_f64 a = {0};
    for (int64_t i = 0; i < count; i++)
        a[i] = p[i];
    return a;
}
NN_INLINE void v_store_first_f64(double *p, vec_f64 a, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        p[i] = a[i];
}
NN_INLINE vec_f64 v_add_f64(vec_f64 a, vec_f64 b) { return a + b; }
NN_INLINE vec_f64 v_sub_f64(vec_f64 a, vec_f64 b) { return a - b; }
NN_INLINE vec_f64 v_mul_f64(vec_f64 a, vec_f64 b) { return a * b; }
NN_INLINE vec_f64 v_div_f64(vec_f64 a, vec_f64 b) { return a / b; }
NN_INLINE vec_f64 v_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return a * b + c; }
NN_INLINE vec_f64 v_fnma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return c - a * b; }
NN_INLINE vec_f64 v_sqrt_f64(vec_f64 a) { return (vec_f64){sqrt(a[0]), sqrt(a[1])}; }
NN_INLINE mask_f64 v_less_f64(vec_f64 a, vec_f64 b) { return a < b; }
NN_INLINE mask_f64 v_unordered_f64(vec_f64 a, vec_f64 b) { return (a != a) | (b != b); }
NN_INLINE vec_f64 v_select_f64(mask_f64 m, vec_f64 a, vec_f64 b)
{
    return (vec_f64)((m & (bits_f64)a) | (~m & (bits_f64)b));
}
NN_INLINE vec_f64 v_max_f64(vec_f64 a, vec_f64 b) { return v_select_f64(a > b, a, b); }
NN_INLINE vec_f64 v_min_f64(vec_f64 a, vec_f64 b) { return v_select_f64(a < b, a, b); }
NN_INLINE vec_f64 v_fold_f64(vec_f64 a, int distance)
{
    (void)distance; /* 1 */
    return (vec_f64){a[1], a[0]};
}
NN_INLINE void v_transpose_f64(vec_f64 *rows)
{
    for (int i = 0; i < LANES_f64; i++)
        for (int j = 0; j < i; j++) {
            double kept = rows[i][j];
            rows[i][j] = rows[j][i];
            rows[j][i] = kept;
        }
}

#endif
