/* Orthonormal vectors, for initial values. */

/* Sum of x[i] y[i], i < count, over 16 virtual lanes. */
NN_INLINE real TYPED(lanes16_product)(const real *x, const real *y, int64_t count)
{
    TYPED(lanes16) sum = TYPED(lanes16_set)(0);
    for (int64_t i = 0; i < count; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++) {
            const int64_t at = i + part * LANES, left = count - at;
            if (left > 0)
                sum.part[part] =
                    v_fma(TYPED(v_load_up_to)(x + at, left), TYPED(v_load_up_to)(y + at, left), sum.part[part]);
        }
    return TYPED(lanes16_sum)(sum);
}

/* The rows of `vectors` (count, length), count <= length, become orthonormal, each in the span of itself and those
   before it, on whose side of them it stays: for vectors A' the factor Q' of A = Q R whose R has a positive diagonal.
   They must be independent. Modified Gram and Schmidt, each vector twice, which is enough: Giraud, Langou and
   Rozloznik, "The loss of orthogonality in the Gram-Schmidt orthogonalization process", 2005. */
DEFINE_KERNEL(orthonormalize)
{
    ARGUMENTS(orthonormalize);
    UNUSED(worker);
    UNUSED(block);
    enum { PASSES = 2 };
    for (int64_t i = 0; i < a->count; i++) {
        real *v = a->vectors + i * a->length;
        for (int pass = 0; pass < PASSES; pass++)
            for (int64_t j = 0; j < i; j++) {
                const real *q = a->vectors + j * a->length;
                const vec along = v_set(TYPED(lanes16_product)(q, v, a->length));
                for (int64_t k = 0; k < a->length; k += LANES) {
                    const int64_t left = a->length - k;
                    const vec rest = v_fnma(along, TYPED(v_load_up_to)(q + k, left), TYPED(v_load_up_to)(v + k, left));
                    TYPED(v_store_up_to)(v + k, rest, left);
                }
            }
        const vec norm = v_sqrt(v_set(TYPED(lanes16_product)(v, v, a->length)));
        for (int64_t k = 0; k < a->length; k += LANES)
            TYPED(v_store_up_to)(v + k, v_div(TYPED(v_load_up_to)(v + k, a->length - k), norm), a->length - k);
    }
}
