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

/* total += sum over r of values[r]; values is (rows), total one double. The sum is in double over 16 virtual
   lanes and in one fixed tree, as in vectors.h. */
DEFINE_KERNEL(accumulate_sum)
{
    ARGUMENTS(accumulate_sum);
    UNUSED(block);
    double lanes[16] = {0};
    int64_t r = 0;
    for (; r + 16 <= worker->rows; r += 16)
        for (int i = 0; i < 16; i++)
            lanes[i] += (double)a->values[r + i];
    for (int i = 0; r + i < worker->rows; i++)
        lanes[i] += (double)a->values[r + i];
    for (int width = 8; width; width /= 2)
        for (int i = 0; i < width; i++)
            lanes[i] += lanes[i + width];
    *a->total += lanes[0];
}
