/* ReLU with trained slopes. x, y, dx and dy are (rows, outer * middle * inner), alpha is (middle): one slope for all
   `outer` and `inner` places. A stretch is what has its slopes side by side: `middle` elements where inner is 1, else
   `inner` elements of one slope. */
typedef struct TYPED(stretches) {
    int64_t count, length;
    int wide; /* one slope for each stretch */
} TYPED(stretches);

NN_INLINE TYPED(stretches) TYPED(cut_stretches)(int64_t outer, int64_t middle, int64_t inner)
{
    const int wide = inner > 1;
    return (TYPED(stretches)){wide ? outer * middle : outer, wide ? inner : middle, wide};
}

NN_INLINE vec TYPED(slopes)(const real *alpha, int64_t stretch, int64_t middle, int wide, int64_t i, int64_t rest)
{
    return wide ? v_set(alpha[stretch % middle]) : TYPED(v_load_up_to)(alpha + i, rest);
}

/* y = x where x > 0, else alpha x; where alpha is 0, 0, for infinities too. NaN stays. */
DEFINE_KERNEL(prelu_forward)
{
    ARGUMENTS(prelu_forward);
    UNUSED(worker);
    const TYPED(stretches) s = TYPED(cut_stretches)(a->outer, a->middle, a->inner);
    for (int64_t row = block->row_begin; row < block->row_end; row++)
        for (int64_t n = 0; n < s.count; n++) {
            const real *x = a->x + row * a->x_stride + n * s.length;
            real *y = a->y + row * a->y_stride + n * s.length;
            for (int64_t i = 0; i < s.length; i += LANES) {
                const int64_t rest = s.length - i;
                vec alpha = TYPED(slopes)(a->alpha, n, a->middle, s.wide, i, rest),
                    here = TYPED(v_load_up_to)(x + i, rest);
                vec scaled = v_select(v_less(v_zero(), TYPED(v_magnitude)(alpha)), v_mul(alpha, here), v_zero());
                vec result = TYPED(nan_or)(here, v_select(v_less(v_zero(), here), here, scaled));
                TYPED(v_store_up_to)(y + i, result, rest);
            }
        }
}

/* dx = dy where x > 0, else alpha dy; alpha_terms[r][m] = the sum of dy min(x, 0) over the outer and inner places of
   slope m in row r. Either result may be NULL; dx may be dy. */
DEFINE_KERNEL(prelu_backward)
{
    ARGUMENTS(prelu_backward);
    UNUSED(worker);
    const TYPED(stretches) s = TYPED(cut_stretches)(a->outer, a->middle, a->inner);
    for (int64_t row = block->row_begin; row < block->row_end; row++)
        for (int64_t n = 0; n < s.count; n++) {
            const real *x = a->x + row * a->x_stride + n * s.length;
            const real *dy = a->dy + row * a->dy_stride + n * s.length;
            real *dx = a->dx ? a->dx + row * a->dx_stride + n * s.length : NULL;
            real *terms = a->alpha_terms ? a->alpha_terms + row * a->alpha_terms_stride : NULL;
            TYPED(lanes16) sum = TYPED(lanes16_set)(0);
            for (int64_t i = 0; i < s.length; i += LANES) {
                const int64_t rest = s.length - i;
                vec here = TYPED(v_load_up_to)(x + i, rest), slope = TYPED(v_load_up_to)(dy + i, rest);
                vec alpha = TYPED(slopes)(a->alpha, n, a->middle, s.wide, i, rest);
                vec term = v_mul(slope, v_min(v_zero(), here));
                if (dx)
                    TYPED(v_store_up_to)(dx + i, v_select(v_less(v_zero(), here), slope, v_mul(alpha, slope)), rest);
                if (s.wide)
                    sum.part[i / LANES % TYPED(PARTS)] = v_add(sum.part[i / LANES % TYPED(PARTS)], term);
                else if (terms)
                    TYPED(v_store_up_to)(terms + i, n ? v_add(TYPED(v_load_up_to)(terms + i, rest), term) : term, rest);
            }
            if (s.wide && terms) {
                const real total = TYPED(lanes16_sum)(sum);
                terms[n % a->middle] = n < a->middle ? total : terms[n % a->middle] + total;
            }
        }
}

/* gradient[i][j] = the sum over rows r of terms[r][i columns + j], then + gradient[i][j] (accumulate). */
DEFINE_KERNEL(prelu_gradient)
{
    ARGUMENTS(prelu_gradient);
    for (int64_t i = block->row_begin; i < block->row_end; i++)
        TYPED(sum_columns)
    (worker->rows, block->column_end - block->column_begin, a->terms + i * a->columns + block->column_begin,
     a->terms_stride, (real *)worker->gradient + (i - block->row_begin) * worker->gradient_stride, a->accumulate != 0);
}
