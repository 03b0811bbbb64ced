/* Masks of sequences: 1 for a step that counts, 0 for one that does not. A mask is (rows, steps), x and y are (rows,
 * steps * features). */

/* mask[r][s] = indices[r][s] is `masked` ? 0 : 1 */
DEFINE_KERNEL(index_mask)
{
    ARGUMENTS(index_mask);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t s = 0; s < a->steps; s++)
            a->mask[r * a->mask_stride + s] = (real)(a->indices[r * a->indices_stride + s] != a->masked);
}

/* mask[r][s] = all of x[r][s] are `value` ? 0 : 1 */
DEFINE_KERNEL(step_mask)
{
    ARGUMENTS(step_mask);
    UNUSED(worker);
    const real value = (real)a->value;
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t s = 0; s < a->steps; s++) {
            const real *x = a->x + r * a->x_stride + s * a->features;
            int64_t i = 0;
            while (i < a->features && x[i] == value)
                i++;
            a->mask[r * a->mask_stride + s] = (real)(i < a->features);
        }
}

/* y = mask is 0 ? 0 : x, whatever x is there. y may be x. */
DEFINE_KERNEL(mask_steps)
{
    ARGUMENTS(mask_steps);
    UNUSED(worker);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t s = 0; s < a->steps; s++) {
            const real *x = a->x + r * a->x_stride + s * a->features;
            real *y = a->y + r * a->y_stride + s * a->features;
            const int kept = a->mask[r * a->mask_stride + s] != 0;
            for (int64_t i = 0; i < a->features; i += LANES) {
                const int64_t rest = a->features - i;
                TYPED(v_store_up_to)(y + i, kept ? TYPED(v_load_up_to)(x + i, rest) : v_zero(), rest);
            }
        }
}

/* total[0] = the sum over rows r of weights[r]; weights are (rows). */
DEFINE_KERNEL(sum_weights)
{
    ARGUMENTS(sum_weights);
    UNUSED(block);
    *a->total = TYPED(sum_of_rows)(a->weights, NULL, worker->rows);
}

/* weights[r] *= rows / total[0], or 0 where that is 0: their mean becomes 1, where they are those of the total. */
DEFINE_KERNEL(scale_weights)
{
    ARGUMENTS(scale_weights);
    const real scale = (real)(*a->total > 0 ? (double)worker->rows / *a->total : 0);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        a->weights[r] *= scale;
}
