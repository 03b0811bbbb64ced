/* Philox 4x32-10, the counter-based random numbers of everything random: Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011. A bijection of 128-bit counters, chosen by the 64-bit key: any number
 * can be had at any time, by any thread, from its place alone.
 *
 *   key      seed, low and high half
 *   counter  position, low and high half; step; stream (nncore.h lists the purposes)
 */
#ifndef NN_PHILOX_H
#define NN_PHILOX_H

#include <stdint.h>
#if defined(__SSE2__) && !defined(NN_SIMD_EMULATED)
#include <immintrin.h>
#endif

enum {
    NN_PHILOX_ROUNDS = 10,
    NN_PHILOX_CHAINS = 3,    /* vectors of counters side by side, to hide a round's latency: 12 registers of words */
    NN_PHILOX_COUNTERS = 48, /* of one call: a multiple of 3 vectors of any variant */
    NN_PHILOX_NUMBERS = 4 * NN_PHILOX_COUNTERS
};

/* One word of several counters, each in the low half of a lane of 64 bits: a round multiplies 32 by 32 bits to
 * 64, and what it leaves in the high halves nothing reads. Lane 2i is counter i and lane 2i + 1 is counter
 * i + lanes / 2, the order in which shuffles within 128 bits make the numbers contiguous.
 *
 *   nn_philox_multiply  the 64-bit product of the low halves
 *   nn_philox_store     the four words of a counter, counter after counter
 */
#if defined(__AVX512F__) || defined(NN_SIMD_EMULATED)
typedef uint64_t nn_words __attribute__((vector_size(64)));
#define NN_WORDS_OF(a) {(a), (a), (a), (a), (a), (a), (a), (a)}
#define NN_LANE_COUNTERS {0, 4, 1, 5, 2, 6, 3, 7}

static inline nn_words nn_philox_multiply(nn_words a, nn_words b)
{
    return (nn_words)_mm512_mul_epu32((__m512i)a, (__m512i)b);
}
static inline void nn_philox_store(uint32_t *numbers, const nn_words word[4])
{
    const __m512 words_01 = _mm512_shuffle_ps((__m512)word[0], (__m512)word[1], 0x88);
    const __m512 words_23 = _mm512_shuffle_ps((__m512)word[2], (__m512)word[3], 0x88);
    _mm512_storeu_ps((float *)numbers, _mm512_shuffle_ps(words_01, words_23, 0x88));
    _mm512_storeu_ps((float *)(numbers + 16), _mm512_shuffle_ps(words_01, words_23, 0xdd));
}
#elif defined(__AVX2__)
typedef uint64_t nn_words __attribute__((vector_size(32)));
#define NN_WORDS_OF(a) {(a), (a), (a), (a)}
#define NN_LANE_COUNTERS {0, 2, 1, 3}

static inline nn_words nn_philox_multiply(nn_words a, nn_words b)
{
    return (nn_words)_mm256_mul_epu32((__m256i)a, (__m256i)b);
}
static inline void nn_philox_store(uint32_t *numbers, const nn_words word[4])
{
    const __m256 words_01 = _mm256_shuffle_ps((__m256)word[0], (__m256)word[1], 0x88);
    const __m256 words_23 = _mm256_shuffle_ps((__m256)word[2], (__m256)word[3], 0x88);
    _mm256_storeu_ps((float *)numbers, _mm256_shuffle_ps(words_01, words_23, 0x88));
    _mm256_storeu_ps((float *)(numbers + 8), _mm256_shuffle_ps(words_01, words_23, 0xdd));
}
#elif defined(__SSE2__)
typedef uint64_t nn_words __attribute__((vector_size(16)));
#define NN_WORDS_OF(a) {(a), (a)}
#define NN_LANE_COUNTERS {0, 1}

static inline nn_words nn_philox_multiply(nn_words a, nn_words b)
{
    return (nn_words)_mm_mul_epu32((__m128i)a, (__m128i)b);
}
static inline void nn_philox_store(uint32_t *numbers, const nn_words word[4])
{
    const __m128 words_01 = _mm_shuffle_ps((__m128)word[0], (__m128)word[1], 0x88);
    const __m128 words_23 = _mm_shuffle_ps((__m128)word[2], (__m128)word[3], 0x88);
    _mm_storeu_ps((float *)numbers, _mm_shuffle_ps(words_01, words_23, 0x88));
    _mm_storeu_ps((float *)(numbers + 4), _mm_shuffle_ps(words_01, words_23, 0xdd));
}
#else /* one counter at a time: with NEON's multiply, which wants packed halves, as many instructions a number */
typedef uint64_t nn_words;
#define NN_WORDS_OF(a) (a)
#define NN_LANE_COUNTERS 0

static inline nn_words nn_philox_multiply(nn_words a, nn_words b) { return (uint64_t)(uint32_t)a * (uint32_t)b; }
static inline void nn_philox_store(uint32_t *numbers, const nn_words word[4])
{
    for (int i = 0; i < 4; i++)
        numbers[i] = (uint32_t)word[i];
}
#endif

enum { NN_PHILOX_LANES = sizeof(nn_words) / 8 };

/* The numbers of the counters from `position` on, `counters` of them at least and NN_PHILOX_COUNTERS at most:
   numbers[4 i + w] is word w of position + i. */
static inline void nn_philox(uint64_t seed, uint64_t position, uint32_t step, uint32_t stream, int64_t counters,
                             uint32_t numbers[NN_PHILOX_NUMBERS])
{
    const nn_words lane = NN_LANE_COUNTERS;
    const nn_words multiplier_0 = NN_WORDS_OF(0xd2511f53u), multiplier_1 = NN_WORDS_OF(0xcd9e8d57u);
    nn_words key[NN_PHILOX_ROUNDS][2];
    for (int round = 0; round < NN_PHILOX_ROUNDS; round++) { /* Weyl sequences: the golden ratio, sqrt(3) - 1 */
        const uint32_t key_0 = (uint32_t)seed + (uint32_t)round * 0x9e3779b9u;
        const uint32_t key_1 = (uint32_t)(seed >> 32) + (uint32_t)round * 0xbb67ae85u;
        key[round][0] = (nn_words)NN_WORDS_OF(key_0);
        key[round][1] = (nn_words)NN_WORDS_OF(key_1);
    }
    for (int64_t i = 0; i < counters; i += NN_PHILOX_CHAINS * NN_PHILOX_LANES) {
        nn_words word[NN_PHILOX_CHAINS][4];
        for (int c = 0; c < NN_PHILOX_CHAINS; c++) {
            const uint64_t first = position + (uint64_t)(i + c * NN_PHILOX_LANES);
            word[c][0] = lane + first;
            word[c][1] = word[c][0] >> 32;
            word[c][2] = (nn_words)NN_WORDS_OF((uint64_t)step);
            word[c][3] = (nn_words)NN_WORDS_OF((uint64_t)stream);
        }
        for (int round = 0; round < NN_PHILOX_ROUNDS; round++) {
            for (int c = 0; c < NN_PHILOX_CHAINS; c++) {
                const nn_words product_0 = nn_philox_multiply(word[c][0], multiplier_0);
                const nn_words product_1 = nn_philox_multiply(word[c][2], multiplier_1);
                word[c][0] = (product_1 >> 32) ^ (word[c][1] ^ key[round][0]);
                word[c][1] = product_1;
                word[c][2] = (product_0 >> 32) ^ (word[c][3] ^ key[round][1]);
                word[c][3] = product_0;
            }
        }
        for (int c = 0; c < NN_PHILOX_CHAINS; c++)
            nn_philox_store(numbers + 4 * (i + c * NN_PHILOX_LANES), word[c]);
    }
}

#undef NN_WORDS_OF
#undef NN_LANE_COUNTERS

#endif
