/* Normalization. See library.py. */

/* (x - mean) scale + beta, for each position; mean and beta may be NULL. */
static void normalize(integer positions, integer channels, const real *x, const real *mean, const real *scale,
                      const real *beta, real *y)
{
    for (integer p = 0; p < positions; p++, x += channels, y += channels)
        for (integer c = 0; c < channels; c++)
            y[c] = FMA(mean ? x[c] - mean[c] : x[c], scale[c], beta ? beta[c] : 0);
}

/* Mean, and the sum of squared distances from it. */
typedef struct {
    real mean, squares;
} moments;

static inline moments corrected(real first, real deviations, real squares, real count)
{
    const real shift = deviations / count;
    moments m;
    m.mean = first + shift;
    m.squares = max_of(0, fnma_of(deviations, shift, squares));
    return m;
}

/* Of `count` neighbours; or of their squares alone, where the mean counts as 0. */
static moments moments_along(const real *x, integer count, int centered)
{
    const real first = centered ? sum_along(x, count) / (real)count : 0;
    real deviations[LANES] = {0}, squares[LANES] = {0};
    for (integer i = 0; i < count; i += LANES)
        for (integer k = 0; k < LANES && i + k < count; k++) {
            const real d = x[i + k] - first;
            deviations[k] += d;
            squares[k] = FMA(d, d, squares[k]);
        }
    if (centered)
        return corrected(first, sum_of_lanes(deviations), sum_of_lanes(squares), (real)count);
    moments m;
    m.mean = 0;
    m.squares = sum_of_lanes(squares);
    return m;
}

static inline real inverse_deviation(real squares, integer count, real epsilon)
{
    return 1 / sqrt_of(squares / (real)count + epsilon);
}

/* Of each channel over its positions, which are dealt to four sums in turn. */
static void sample_moments(integer positions, integer channels, const real *x, real *mean, real *squares)
{
    for (integer c = 0; c < channels; c++) {
        real sum[4] = {0}, deviations[4] = {0}, products[4] = {0};
        for (integer p = 0; p < positions; p++)
            sum[p % 4] += x[p * channels + c];
        const real first = (sum[0] + sum[2] + (sum[1] + sum[3])) / (real)positions;
        for (integer p = 0; p < positions; p++) {
            const real d = x[p * channels + c] - first;
            deviations[p % 4] += d;
            products[p % 4] = FMA(d, d, products[p % 4]);
        }
        const moments m = corrected(first, deviations[0] + deviations[2] + (deviations[1] + deviations[3]),
                                    products[0] + products[2] + (products[1] + products[3]), (real)positions);
        mean[c] = m.mean;
        squares[c] = m.squares;
    }
}

/* Of each group of `extent` channels: the mean, and gamma / sqrt(variance + epsilon); x and squares are the moments of
   each channel over its positions. */
static void group_moments(integer positions, integer channels, integer extent, real epsilon, const real *x,
                          const real *squares, const real *gamma, real *mean, real *scale)
{
    for (integer first = 0; first < channels; first += extent) {
        const moments m = moments_along(x + first, extent, 1);
        const real all = squares ? FMA(m.squares, (real)positions, sum_along(squares + first, extent)) : m.squares;
        const real inverse = inverse_deviation(all, extent * positions, epsilon);
        for (integer c = first; c < first + extent; c++) {
            mean[c] = m.mean;
            scale[c] = gamma ? gamma[c] * inverse : inverse;
        }
    }
}

/* (x - mean) / sqrt(variance + epsilon) gamma + beta in each group of `extent`; the mean is 0 unless `centered`. */
static void layer_normalize(integer groups, integer extent, int centered, real epsilon, const real *x,
                            const real *gamma, const real *beta, real *y)
{
    for (integer g = 0; g < groups; g++, x += extent, y += extent) {
        const moments m = moments_along(x, extent, centered);
        const real inverse = inverse_deviation(m.squares, extent, epsilon);
        for (integer i = 0; i < extent; i++)
            y[i] = FMA((x[i] - m.mean) * inverse, gamma ? gamma[i] : 1, beta ? beta[i] : 0);
    }
}

/* x / max(|x|, least) in each group of `extent` */
static void l2_normalize(integer groups, integer extent, real least, const real *x, real *y)
{
    for (integer g = 0; g < groups; g++, x += extent, y += extent) {
        real largest[LANES], squares[LANES] = {0};
        for (integer k = 0; k < LANES; k++)
            largest[k] = 1;
        for (integer i = 0; i < extent; i++)
            largest[i % LANES] = max_of(magnitude_of(x[i]), largest[i % LANES]);
        for (int width = LANES / 2; width; width /= 2)
            for (int i = 0; i < width; i++)
                largest[i] = max_of(largest[i], largest[i + width]);
        const real first = 1 / largest[0];
        for (integer i = 0; i < extent; i++)
            squares[i % LANES] = FMA(x[i] * first, x[i] * first, squares[i % LANES]);
        const real second = 1 / max_of(least, sqrt_of(sum_of_lanes(squares)));
        for (integer i = 0; i < extent; i++)
            y[i] = x[i] * first * second;
    }
}
