/* What the training loop is told of a minibatch. */

/* worker->nonfinite = 1 where any of values, (rows), is NaN or infinite; else it stays as it was. */
DEFINE_KERNEL(require_finite)
{
    ARGUMENTS(require_finite);
    int32_t nonfinite = 0;
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        nonfinite |= !(a->values[r] - a->values[r] == 0);
    if (nonfinite)
        worker->nonfinite = 1;
}

/* The sum over rows r of values[r] weight[r] (1 for either where it is NULL), in double over 16
   virtual lanes and in one fixed tree, as in vectors.h. */
NN_INLINE double TYPED(sum_of_rows)(const real *values, const real *weight, int64_t rows)
{
    double lanes[16] = {0};
    for (int64_t first = 0; first < rows; first += 16) {
        const int64_t count = rows - first < 16 ? rows - first : 16;
        for (int64_t i = 0; i < count; i++)
            lanes[i] += (values ? (double)values[first + i] : 1) * (weight ? (double)weight[first + i] : 1);
    }
    for (int width = 8; width; width /= 2)
        for (int i = 0; i < width; i++)
            lanes[i] += lanes[i + width];
    return lanes[0];
}

/* total += scale times the sum over r of values[r]; values is (rows), total one double. */
DEFINE_KERNEL(accumulate_sum)
{
    ARGUMENTS(accumulate_sum);
    UNUSED(block);
    *a->total += a->scale * TYPED(sum_of_rows)(a->values, NULL, worker->rows);
}

/* totals[0] += sum over r of weight[r] values[r], totals[1] += sum over r of weight[r]; a weight of 1 where there is
   none. values and weight are (rows), totals two doubles. */
DEFINE_KERNEL(accumulate_weighted_sum)
{
    ARGUMENTS(accumulate_weighted_sum);
    UNUSED(block);
    a->totals[0] += TYPED(sum_of_rows)(a->values, a->weight, worker->rows);
    a->totals[1] += TYPED(sum_of_rows)(a->weight, NULL, worker->rows);
}
