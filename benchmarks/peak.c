/* What one core can do at most with one variant's vectors: multiply-adds in registers, and passes over memory.
 * Compiled by peak.py with NN_SIMD_HEADER, one of src_c/simd/, so that an operation is the kernels' own. */
#include NN_SIMD_HEADER

#include <stdint.h>

/* Chains of multiply-adds side by side: enough to hide the latency of a multiplication and an addition, few enough
   for 16 registers. */
enum { CHAINS = 12, UNROLLED = 4 };

#define DEFINE_PASSES(real, suffix)                                                                                    \
    int64_t flops_of_round_##suffix(void) { return 2 * CHAINS * LANES_##suffix; }                                      \
                                                                                                                       \
    /* x = x / 2 + 1 / 2 in every lane of every chain, `rounds` times */                                               \
    double multiply_adds_##suffix(int64_t rounds)                                                                      \
    {                                                                                                                  \
        volatile real half = (real)0.5;                                                                                \
        const vec_##suffix factor = v_set_##suffix(half), term = v_set_##suffix(half);                                 \
        vec_##suffix chain[CHAINS];                                                                                    \
        _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) chain[i] = v_set_##suffix(half * (real)i);           \
        for (int64_t round = 0; round < rounds; round++)                                                               \
            _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) chain[i] =                                       \
                v_fma_##suffix(chain[i], factor, term);                                                                \
        vec_##suffix sum = v_zero_##suffix();                                                                          \
        _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) sum = v_add_##suffix(sum, chain[i]);                 \
        real lanes[LANES_##suffix];                                                                                    \
        v_store_##suffix(lanes, sum);                                                                                  \
        return (double)lanes[0];                                                                                       \
    }                                                                                                                  \
                                                                                                                       \
    /* y = x / 2 + 1 / 2, `passes` times; count is a multiple of 64 */                                                 \
    void map_##suffix(const real *x, real *y, int64_t count, int64_t passes)                                           \
    {                                                                                                                  \
        const vec_##suffix half = v_set_##suffix((real)0.5);                                                           \
        for (int64_t pass = 0; pass < passes; pass++)                                                                  \
            for (int64_t i = 0; i < count; i += UNROLLED * LANES_##suffix)                                             \
                _Pragma("GCC unroll 4") for (int k = 0; k < UNROLLED; k++)                                             \
                {                                                                                                      \
                    const vec_##suffix loaded = v_load_##suffix(x + i + k * LANES_##suffix);                           \
                    v_store_##suffix(y + i + k * LANES_##suffix, v_fma_##suffix(loaded, half, half));                  \
                }                                                                                                      \
    }                                                                                                                  \
                                                                                                                       \
    /* y = y / 2 + 1 / 2, `passes` times; count is a multiple of 64 */                                                 \
    void update_##suffix(real *y, int64_t count, int64_t passes)                                                       \
    {                                                                                                                  \
        const vec_##suffix half = v_set_##suffix((real)0.5);                                                           \
        for (int64_t pass = 0; pass < passes; pass++)                                                                  \
            for (int64_t i = 0; i < count; i += UNROLLED * LANES_##suffix)                                             \
                _Pragma("GCC unroll 4") for (int k = 0; k < UNROLLED; k++)                                             \
                {                                                                                                      \
                    real *const place = y + i + k * LANES_##suffix;                                                    \
                    v_store_##suffix(place, v_fma_##suffix(v_load_##suffix(place), half, half));                       \
                }                                                                                                      \
    }

/* One pass over `count` elements, a multiple of 64, of each of so many arrays: those read are added up, and those
   behind them updated, y = y / 2 + 1 / 2. */
float traffic_f32(float *const *arrays, int64_t reads, int64_t updates, int64_t count)
{
    enum { STRETCH = 64 };
    const vec_f32 half = v_set_f32(0.5F);
    vec_f32 sum[STRETCH / LANES_f32];
    for (int k = 0; k < STRETCH / LANES_f32; k++)
        sum[k] = v_zero_f32();
    for (int64_t i = 0; i < count; i += STRETCH) {
        for (int64_t array = 0; array < reads; array++)
            for (int k = 0; k < STRETCH / LANES_f32; k++)
                sum[k] = v_add_f32(sum[k], v_load_f32(arrays[array] + i + k * LANES_f32));
        for (int64_t array = reads; array < reads + updates; array++)
            for (int k = 0; k < STRETCH / LANES_f32; k++) {
                float *const place = arrays[array] + i + k * LANES_f32;
                v_store_f32(place, v_fma_f32(v_load_f32(place), half, half));
            }
    }
    for (int k = 1; k < STRETCH / LANES_f32; k++)
        sum[0] = v_add_f32(sum[0], sum[k]);
    float lanes[LANES_f32];
    v_store_f32(lanes, sum[0]);
    return lanes[0];
}

DEFINE_PASSES(float, f32)
DEFINE_PASSES(double, f64)
