/* Small helpers over the operations of simd/. */

/* The first `count` lanes, all of them where there are as many: with a constant count the choice folds away. */
NN_INLINE vec TYPED(v_load_up_to)(const real *p, int64_t count)
{
    return count >= LANES ? v_load(p) : v_load_first(p, count);
}

NN_INLINE void TYPED(v_store_up_to)(real *p, vec a, int64_t count)
{
    if (count >= LANES)
        v_store(p, a);
    else
        v_store_first(p, a, count);
}

/* `statement` for the vectors of a row, from i on, of `left` numbers: a constant for whole vectors. */
#define FOR_VECTORS(i, left, count, statement)                                                                         \
    do {                                                                                                               \
        int64_t i = 0;                                                                                                 \
        for (; i + LANES <= (count); i += LANES) {                                                                     \
            enum { left = LANES };                                                                                     \
            statement;                                                                                                 \
        }                                                                                                              \
        if (i < (count)) {                                                                                             \
            const int64_t left = (count) - i;                                                                          \
            statement;                                                                                                 \
        }                                                                                                              \
    } while (0)

NN_INLINE real TYPED(v_lane_0)(vec a)
{
    real lane[LANES];
    v_store(lane, a);
    return lane[0];
}

/* Lanes below `count`. */
NN_INLINE mask TYPED(v_first)(int64_t count)
{
    static const real number[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return v_less(v_load(number), v_set((real)count));
}

/* As v_load_up_to, the other lanes `rest`. */
NN_INLINE vec TYPED(v_load_up_to_or)(const real *p, int64_t count, vec rest)
{
    return count >= LANES ? v_load(p) : v_select(TYPED(v_first)(count), v_load_first(p, count), rest);
}

/* Zero in place of a denormal number, with which processors compute many times more slowly. */
NN_INLINE vec TYPED(v_flush)(vec a)
{
    const vec smallest_normal = v_set((real)(sizeof(real) == 4 ? 0x1p-126 : 0x1p-1022));
    return v_select(v_less(v_max(a, v_sub(v_zero(), a)), smallest_normal), v_zero(), a);
}

/* Sums and maxima along a vector run over 16 virtual lanes, whatever the register's width: element i belongs
   to lane i mod 16, and the lanes are combined in one fixed tree. */
enum { TYPED(PARTS) = 16 / LANES };
typedef struct TYPED(lanes16) {
    vec part[TYPED(PARTS)];
} TYPED(lanes16);

NN_INLINE TYPED(lanes16) TYPED(lanes16_set)(real value)
{
    TYPED(lanes16) lanes;
    for (int i = 0; i < TYPED(PARTS); i++)
        lanes.part[i] = v_set(value);
    return lanes;
}

NN_INLINE real TYPED(lanes16_sum)(TYPED(lanes16) lanes)
{
    for (int width = TYPED(PARTS) / 2; width; width /= 2)
        for (int i = 0; i < width; i++)
            lanes.part[i] = v_add(lanes.part[i], lanes.part[i + width]);
    vec sum = lanes.part[0];
#pragma GCC unroll 4
    for (int width = LANES / 2; width; width /= 2)
        sum = v_add(sum, v_fold(sum, width));
    return TYPED(v_lane_0)(sum);
}

NN_INLINE real TYPED(lanes16_max)(TYPED(lanes16) lanes)
{
    for (int width = TYPED(PARTS) / 2; width; width /= 2)
        for (int i = 0; i < width; i++)
            lanes.part[i] = v_max(lanes.part[i], lanes.part[i + width]);
    vec largest = lanes.part[0];
#pragma GCC unroll 4
    for (int width = LANES / 2; width; width /= 2)
        largest = v_max(largest, v_fold(largest, width));
    return TYPED(v_lane_0)(largest);
}

/* The sum with elements 0 to count - 1 of p, of which the first belongs to lane 0. */
NN_INLINE TYPED(lanes16) TYPED(lanes16_add)(TYPED(lanes16) sum, const real *p, int64_t count)
{
    int64_t i = 0;
    for (; i + 16 <= count; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++)
            sum.part[part] = v_add(sum.part[part], v_load(p + i + part * LANES));
    for (int part = 0; part < TYPED(PARTS); part++, i += LANES)
        if (i < count)
            sum.part[part] = v_add(sum.part[part], TYPED(v_load_up_to)(p + i, count - i));
    return sum;
}
