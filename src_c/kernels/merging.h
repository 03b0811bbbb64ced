/* Two tensors become one. a, b and y are (rows, features), and y may be a or b. */

/* y = a + b */
NN_INLINE vec TYPED(sum)(vec a, vec b) { return v_add(a, b); }
DEFINE_KERNEL(add)
{
    ARGUMENTS(add);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(sum), a->a, a->b, a->y, a->features, a->a_stride, a->b_stride, a->y_stride, block);
}

/* y = a - b */
NN_INLINE vec TYPED(difference)(vec a, vec b) { return v_sub(a, b); }
DEFINE_KERNEL(subtract)
{
    ARGUMENTS(subtract);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(difference), a->a, a->b, a->y, a->features, a->a_stride, a->b_stride, a->y_stride, block);
}

/* y = a b */
NN_INLINE vec TYPED(product_of_two)(vec a, vec b) { return v_mul(a, b); }
DEFINE_KERNEL(multiply)
{
    ARGUMENTS(multiply);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(product_of_two), a->a, a->b, a->y, a->features, a->a_stride, a->b_stride, a->y_stride,
                        block);
}

/* y = a > b ? a : b, or NaN where either is */
NN_INLINE vec TYPED(larger)(vec a, vec b) { return v_select(v_unordered(a, b), v_add(a, b), v_max(a, b)); }
DEFINE_KERNEL(maximum)
{
    ARGUMENTS(maximum);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(larger), a->a, a->b, a->y, a->features, a->a_stride, a->b_stride, a->y_stride, block);
}

/* y = a < b ? a : b, or NaN where either is */
NN_INLINE vec TYPED(smaller)(vec a, vec b) { return v_select(v_unordered(a, b), v_add(a, b), v_min(a, b)); }
DEFINE_KERNEL(minimum)
{
    ARGUMENTS(minimum);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(smaller), a->a, a->b, a->y, a->features, a->a_stride, a->b_stride, a->y_stride, block);
}

/* y = b = 0 ? 0 : a b: what is dropped is 0 also where it is infinite */
NN_INLINE vec TYPED(masked)(vec a, vec b)
{
    const vec magnitude = TYPED(v_magnitude)(b);
    return v_select(v_less(v_zero(), magnitude), v_mul(a, b), magnitude); /* 0, or NaN */
}
DEFINE_KERNEL(apply_mask)
{
    ARGUMENTS(apply_mask);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(masked), a->a, a->b, a->y, a->features, a->a_stride, a->b_stride, a->y_stride, block);
}

/* dx = dy where a > b, dy / 2 where a = b, 0 where a < b, dy where either is NaN: the gradient of max(a, b) for a, and
   that of min(a, b) for b. */
DEFINE_KERNEL(larger_backward)
{
    ARGUMENTS(larger_backward);
    UNUSED(worker);
    const vec half = v_set((real)0.5);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t i = 0; i < a->features; i += LANES) {
            const int64_t left = a->features - i;
            const vec x = TYPED(v_load_up_to)(a->a + r * a->a_stride + i, left);
            const vec other = TYPED(v_load_up_to)(a->b + r * a->b_stride + i, left);
            const vec dy = TYPED(v_load_up_to)(a->dy + r * a->dy_stride + i, left);
            const vec at_least = v_select(v_less(other, x), dy, v_mul(half, dy));
            vec dx = v_select(v_less(x, other), v_zero(), at_least);
            dx = v_select(v_unordered(x, other), dy, dx);
            TYPED(v_store_up_to)(a->dx + r * a->dx_stride + i, dx, left);
        }
}

/* Elements [0, count) of a row of c, b's columns being contiguous: up to four vectors of chains side by side. */
NN_INLINE void TYPED(chain_along_columns)(const real *a, int64_t a_inner, const real *b, int64_t b_inner, real *c,
                                          int64_t inner, int64_t count)
{
    enum { VECTORS = 4 };
    for (int64_t j = 0; j < count; j += VECTORS * LANES) {
        const int64_t vectors = (count - j + LANES - 1) / LANES;
        vec sum[VECTORS] = {v_zero(), v_zero(), v_zero(), v_zero()};
        if (count - j >= VECTORS * LANES)
            for (int64_t k = 0; k < inner; k++)
                for (int v = 0; v < VECTORS; v++)
                    sum[v] = v_fma(v_set(a[k * a_inner]), v_load(b + k * b_inner + j + v * LANES), sum[v]);
        else
            for (int v = 0; v < VECTORS && v < vectors; v++)
                for (int64_t k = 0; k < inner; k++) {
                    const vec factor = TYPED(v_load_up_to)(b + k * b_inner + j + v * LANES, count - j - v * LANES);
                    sum[v] = v_fma(v_set(a[k * a_inner]), factor, sum[v]);
                }
        for (int v = 0; v < VECTORS && v < vectors; v++)
            TYPED(v_store_up_to)(c + j + v * LANES, sum[v], count - j - v * LANES);
    }
}

/* Elements [0, count) of a column of c, whose rows are c_row apart, a's rows being contiguous. */
NN_INLINE void TYPED(chain_along_rows)(const real *a, int64_t a_inner, const real *b, int64_t b_inner, real *c,
                                       int64_t c_row, int64_t inner, int64_t count)
{
    for (int64_t i = 0; i < count; i += LANES) {
        real lane[LANES];
        vec sum = v_zero();
        for (int64_t k = 0; k < inner; k++)
            sum = v_fma(TYPED(v_load_up_to)(a + k * a_inner + i, count - i), v_set(b[k * b_inner]), sum);
        v_store(lane, sum);
        for (int64_t l = 0; l < LANES && i + l < count; l++)
            c[(i + l) * c_row] = lane[l];
    }
}

/* c[r] = a[r] b[r] for each sample r: a[r] is (outer, inner), b[r] (inner, columns), c[r] (outer, columns) without
   gaps. Neighbours along an axis of a[r] or b[r] are as far apart as the argument of its name says; one of the two is
   1 for either matrix. Where inner is contiguous in both, an element is a sum over 16 virtual lanes, else one chain of
   multiply-adds. */
DEFINE_KERNEL(sample_product)
{
    ARGUMENTS(sample_product);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const real *left = a->a + r * a->a_stride, *right = a->b + r * a->b_stride;
        real *c = a->c + r * a->c_stride;
        if (a->a_inner == 1 && a->b_inner == 1 && (a->b_column != 1 || a->columns == 1))
            for (int64_t i = 0; i < a->outer; i++)
                for (int64_t j = 0; j < a->columns; j++)
                    c[i * a->columns + j] =
                        TYPED(lanes16_product)(left + i * a->a_outer, right + j * a->b_column, a->inner);
        else if (a->b_column == 1 && a->columns > 1)
            for (int64_t i = 0; i < a->outer; i++)
                TYPED(chain_along_columns)(left + i * a->a_outer, a->a_inner, right, a->b_inner, c + i * a->columns,
                                           a->inner, a->columns);
        else
            for (int64_t j = 0; j < a->columns; j++)
                TYPED(chain_along_rows)(left, a->a_inner, right + j * a->b_column, a->b_inner, c + j, a->columns,
                                        a->inner, a->outer);
    }
}

/* What turns a group of x into one of length 1: first and second are factors of each element, in this order. Elements
   beyond 1 are divided by the largest, so that no square is infinite; the norm counts as `bound` at least. */
typedef struct TYPED(unit_factors) {
    vec first, second;
    int clipped; /* the norm is below that bound: y is a multiple of x */
} TYPED(unit_factors);

NN_INLINE TYPED(unit_factors) TYPED(unit_factors_of)(const real *x, int64_t count, double bound)
{
    TYPED(lanes16) largest = TYPED(lanes16_set)(1), sum = TYPED(lanes16_set)(0);
    for (int64_t i = 0; i < count; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++) {
            const int64_t at = i + part * LANES;
            if (at < count)
                largest.part[part] =
                    v_max(TYPED(v_magnitude)(TYPED(v_load_up_to)(x + at, count - at)), largest.part[part]);
        }
    const vec first = v_div(v_set(1), v_set(TYPED(lanes16_max)(largest)));
    for (int64_t i = 0; i < count; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++) {
            const int64_t at = i + part * LANES;
            if (at < count) {
                const vec scaled = v_mul(TYPED(v_load_up_to)(x + at, count - at), first);
                sum.part[part] = v_fma(scaled, scaled, sum.part[part]);
            }
        }
    const vec norm = v_sqrt(v_set(TYPED(lanes16_sum)(sum))), least = v_set((real)bound);
    return (TYPED(unit_factors)){first, v_div(v_set(1), v_max(least, norm)),
                                 TYPED(v_lane_0)(norm) < TYPED(v_lane_0)(least)};
}

/* y = x / max(|x|, least), |x| the Euclidean norm of a group; x and y are (rows, groups * extent). */
DEFINE_KERNEL(l2_normalize_forward)
{
    ARGUMENTS(l2_normalize_forward);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t g = 0; g < a->groups; g++) {
            const real *x = a->x + r * a->x_stride + g * a->extent;
            real *y = a->y + r * a->y_stride + g * a->extent;
            const TYPED(unit_factors) factor = TYPED(unit_factors_of)(x, a->extent, a->least);
            for (int64_t i = 0; i < a->extent; i += LANES) {
                const vec scaled = v_mul(TYPED(v_load_up_to)(x + i, a->extent - i), factor.first);
                TYPED(v_store_up_to)(y + i, v_mul(scaled, factor.second), a->extent - i);
            }
        }
}

/* dx = (dy - y sum of dy y) / |x|, or dy / least where |x| is less than that; x is what y was made of. */
DEFINE_KERNEL(l2_normalize_backward)
{
    ARGUMENTS(l2_normalize_backward);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t g = 0; g < a->groups; g++) {
            const real *x = a->x + r * a->x_stride + g * a->extent, *y = a->y + r * a->y_stride + g * a->extent;
            const real *dy = a->dy + r * a->dy_stride + g * a->extent;
            real *dx = a->dx + r * a->dx_stride + g * a->extent;
            const TYPED(unit_factors) factor = TYPED(unit_factors_of)(x, a->extent, a->least);
            const vec along = v_set(factor.clipped ? 0 : TYPED(lanes16_product)(dy, y, a->extent));
            for (int64_t i = 0; i < a->extent; i += LANES) {
                const int64_t left = a->extent - i;
                const vec across = v_fnma(along, TYPED(v_load_up_to)(y + i, left), TYPED(v_load_up_to)(dy + i, left));
                TYPED(v_store_up_to)(dx + i, v_mul(v_mul(across, factor.first), factor.second), left);
            }
        }
}
