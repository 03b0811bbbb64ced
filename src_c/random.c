/* The order of an epoch. */
#include "nncore.h"
#include "philox.h"

/* Fisher and Yates: from the last place down, each takes the element of a uniformly chosen place up to its own.
 *
 * Places below 2^32 are the high half of number * bound, where the low half says whether the number is one too many
 * and another must be drawn: Lemire, "Fast random integer generation in an interval", 2019. Larger ones are 64-bit
 * numbers, cut to as many bits as the bound has, until one is below it.
 *
 * The places of one buffer of numbers are drawn before the elements move, so that their cache lines come meanwhile. */
void nn_shuffle(int64_t *order, int64_t count, uint64_t seed, uint64_t epoch)
{
    for (int64_t i = 0; i < count; i++)
        order[i] = i;

    uint32_t numbers[NN_PHILOX_NUMBERS];
    int64_t places[NN_PHILOX_NUMBERS];
    uint64_t position = 0;
    for (int64_t last = count - 1; last > 0; position += NN_PHILOX_COUNTERS) {
        nn_philox(seed, position, (uint32_t)epoch, NN_STREAM_SHUFFLE, NN_PHILOX_COUNTERS, numbers);
        int drawn = 0;
        for (int k = 0; k < NN_PHILOX_NUMBERS && drawn < last; k++) {
            const uint64_t bound = (uint64_t)(last - drawn) + 1;
            uint64_t place;
            if (bound <= UINT32_MAX) {
                const uint64_t product = numbers[k] * bound;
                const uint32_t excess = (uint32_t)product, bound_32 = (uint32_t)bound;
                if (excess < bound_32 && excess < -bound_32 % bound_32) /* 2^32 mod bound, divided only if it matters */
                    continue;
                place = product >> 32;
            } else {
                const uint64_t low = numbers[k++];
                place = (low | (uint64_t)numbers[k] << 32) & (UINT64_MAX >> __builtin_clzll(bound - 1));
                if (place >= bound)
                    continue;
            }
            places[drawn++] = (int64_t)place;
            __builtin_prefetch(order + place, 1);
        }
        for (int k = 0; k < drawn; k++, last--) {
            const int64_t moved = order[last];
            order[last] = order[places[k]];
            order[places[k]] = moved;
        }
    }
}
