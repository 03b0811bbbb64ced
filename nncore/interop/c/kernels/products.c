/* Matrix products. See library.py. */

/* Matrix products. An element is one chain of multiply-adds over the summed index in order; the chains of BLOCK columns
   go on side by side. */
enum { BLOCK = 32 };

/* sum[k] goes on over a[0], a[a_step], ... times rows of b, for columns k < count. */
static inline void add_products(integer inner, const real *a, integer a_step, const real *b, integer b_row,
                                real *restrict sum, integer count)
{
    if (count == BLOCK)
        for (integer p = 0; p < inner; p++)
            for (integer k = 0; k < BLOCK; k++)
                sum[k] = FMA(a[p * a_step], b[p * b_row + k], sum[k]);
    else
        for (integer p = 0; p < inner; p++)
            for (integer k = 0; k < count; k++)
                sum[k] = FMA(a[p * a_step], b[p * b_row + k], sum[k]);
}

/* c = sum + bias, or max(0, .) of it */
static inline void end_chains(const real *sum, const real *bias, int rectified, real *c, integer count)
{
    for (integer k = 0; k < count; k++) {
        const real value = bias ? sum[k] + bias[k] : sum[k];
        c[k] = rectified ? max_of(0, value) : value;
    }
}

/* c[r] = a[r] b, then + bias and max(0, .), for each of the rows; b is (inner, columns). */
static void dense_product(integer rows, integer inner, integer columns, const real *a, integer a_row, const real *b,
                          const real *bias, int rectified, real *c, integer c_row)
{
    for (integer r = 0; r < rows; r++)
        for (integer j = 0; j < columns; j += BLOCK) {
            const integer count = columns - j < BLOCK ? columns - j : BLOCK;
            real sum[BLOCK] = {0};
            add_products(inner, a + r * a_row, 1, b + j, columns, sum, count);
            end_chains(sum, bias ? bias + j : 0, rectified, c + r * c_row + j, count);
        }
}

/* The same, then + c before bias and max(0, .). */
static void dense_product_added(integer rows, integer inner, integer columns, const real *a, integer a_row,
                                const real *b, const real *bias, int rectified, real *c, integer c_row)
{
    for (integer r = 0; r < rows; r++)
        for (integer j = 0; j < columns; j += BLOCK) {
            const integer count = columns - j < BLOCK ? columns - j : BLOCK;
            real sum[BLOCK] = {0};
            add_products(inner, a + r * a_row, 1, b + j, columns, sum, count);
            for (integer k = 0; k < count; k++)
                sum[k] += c[r * c_row + j + k];
            end_chains(sum, bias ? bias + j : 0, rectified, c + r * c_row + j, count);
        }
}
