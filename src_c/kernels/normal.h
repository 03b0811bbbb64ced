/* Normally distributed numbers, from Philox numbers at the element's own place: initial values and noise. */

/* The z >= 0 above which a standard normal number lies with probability `tail`, 0 < tail <= 1/2; `middle` is
   1/2 - tail, of which either may be the one that is not rounded. Wichura, "Algorithm AS 241: The percentage points of
   the normal distribution", Applied Statistics 37, 1988: PPND7 for float, whose tails of at least 2^-33 do not reach
   its third interval, PPND16 for double. Each is a quotient of polynomials: of 0.425^2 - middle^2 up to 0.425, else of
   sqrt(-log(tail)) less 1.6, or less 5 from there on. */
NN_INLINE vec TYPED(normal_quantile)(vec tail, vec middle)
{
    enum { SINGLE = sizeof(real) == 4 };
    static const real near_over_7[] = {3.3871327179e0, 5.0434271938e1, 1.5929113202e2, 5.9109374720e1};
    static const real near_under_7[] = {1, 1.7895169469e1, 7.8757757664e1, 6.7187563600e1};
    static const real far_over_7[] = {1.4234372777e0, 2.7568153900e0, 1.3067284816e0, 1.7023821103e-1};
    static const real far_under_7[] = {1, 7.3700164250e-1, 1.2021132975e-1};
    static const real near_over_16[] = {
        3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
        4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
    };
    static const real near_under_16[] = {
        1,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    };
    static const real far_over_16[] = {
        1.42343711074968357734e0, 4.63033784615654529590e0,  5.76949722146069140550e0,  3.64784832476320460504e0,
        1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
    };
    static const real far_under_16[] = {
        1,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    };
    static const real end_over_16[] = {
        6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,  2.96560571828504891230e-1,
        2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
    };
    static const real end_under_16[] = {
        1,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    };
    const int count = SINGLE ? 4 : 8;
    vec s = v_fnma(middle, middle, v_set((real)0.180625));
    vec r = v_sqrt(v_sub(v_zero(), TYPED(v_log)(tail))), t = v_sub(r, v_set((real)1.6));
    vec near_over = v_mul(TYPED(polynomial)(s, SINGLE ? near_over_7 : near_over_16, count), middle);
    vec near_under = TYPED(polynomial)(s, SINGLE ? near_under_7 : near_under_16, count);
    vec over = TYPED(polynomial)(t, SINGLE ? far_over_7 : far_over_16, count);
    vec under = TYPED(polynomial)(t, SINGLE ? far_under_7 : far_under_16, SINGLE ? 3 : 8);
    if (!SINGLE) {
        mask beyond = v_less(v_set(5), r);
        vec u = v_sub(r, v_set(5));
        over = v_select(beyond, TYPED(polynomial)(u, end_over_16, 8), over);
        under = v_select(beyond, TYPED(polynomial)(u, end_under_16, 8), under);
    }
    mask far = v_less(v_set((real)0.425), middle);
    return v_div(v_select(far, over, near_over), v_select(far, under, near_under));
}

/* Half of a uniform number in (0, 1), with the sign of the first word's top bit: (m + 1/2) 2^-32 of the other 31 bits m
   of one word, or (m + 1/2) 2^-64 of the 63 of two, the first word above the second. */
NN_INLINE real TYPED(signed_half)(const uint32_t *words)
{
    const int32_t high = (int32_t)(words[0] & 0x7fffffffu);
    const real half = TYPED(WORDS) == 1 ? ((real)high + (real)0.5) * (real)0x1p-32
                                        : ((real)((int64_t)high << 32 | words[1]) + (real)0.5) * (real)0x1p-64;
    return words[0] >> 31 ? -half : half;
}

enum { TYPED(MOST_NORMALS) = NN_PHILOX_NUMBERS / TYPED(WORDS) };

/* z[k], k < count: standard normal numbers, or with `truncated` those between -2 and 2; whole vectors are written. The
   tail is a half u itself, or 1/2 - u erf(sqrt(2)), so that all of them lie between 1 - Phi(2) and 1/2. */
NN_INLINE void TYPED(normals)(const uint32_t *words, int64_t count, int truncated, real *z)
{
    real u[TYPED(MOST_NORMALS) + LANES];
    for (int64_t k = 0; k < count; k++)
        u[k] = TYPED(signed_half)(words + k * TYPED(WORDS));
    for (int64_t k = count; k % LANES; k++)
        u[k] = (real)0.25;
    const vec half = v_set((real)0.5);
    for (int64_t k = 0; k < count; k += LANES) {
        const vec number = v_load(u + k), magnitude = TYPED(v_magnitude)(number);
        const vec part = v_mul(magnitude, v_set((real)0.95449973610364158560));
        const vec tail = truncated ? v_sub(half, part) : magnitude;
        vec quantile = TYPED(normal_quantile)(tail, truncated ? part : v_sub(half, magnitude));
        if (truncated) /* rounding might pass the end by an ulp */
            quantile = v_min(quantile, v_set(2));
        v_store(z + k, TYPED(v_with_sign)(quantile, number));
    }
}

struct TYPED(normal) {
    real *y;
    int64_t columns;
    real mean, stddev;
    int truncated;
};

/* y[i][j] = mean + stddev z, z standard normal, or with `truncated` that between -2 and 2; y is a parameter of
   `columns` columns. The words of an element are those of random_uniform. */
NN_INLINE void TYPED(normal_piece)(const void *kernel, int64_t row, int64_t column, const uint32_t *numbers,
                                   int64_t count)
{
    const struct TYPED(normal) *const a = kernel;
    real z[TYPED(MOST_NORMALS) + LANES], *y = a->y + row * a->columns + column;
    TYPED(normals)(numbers, count, a->truncated, z);
    for (int64_t k = 0; k < count; k += LANES)
        TYPED(v_store_up_to)(y + k, v_add(v_set(a->mean), v_mul(v_set(a->stddev), v_load(z + k))), count - k);
}
DEFINE_KERNEL(random_normal)
{
    ARGUMENTS(random_normal);
    const struct TYPED(normal) normal = {a->y, a->columns, (real)a->mean, (real)a->stddev, a->truncated != 0};
    TYPED(for_each_piece)(worker, block, a->columns, block->column_begin, block->column_end, 0, a->stream, TYPED(WORDS),
                          TYPED(normal_piece), &normal);
}

struct TYPED(noise) {
    const real *x;
    real *y;
    int64_t x_stride, y_stride;
    real stddev;
};

/* y[r][j] = x[r][j] + stddev z; x and y are (rows, features), and may be the same. z is standard normal, a function of
   the words at e = r * features + j, as in random_uniform, of the layer's own stream at this step. */
NN_INLINE void TYPED(noise_piece)(const void *kernel, int64_t row, int64_t column, const uint32_t *numbers,
                                  int64_t count)
{
    const struct TYPED(noise) *const a = kernel;
    const real *x = a->x + row * a->x_stride + column;
    real z[TYPED(MOST_NORMALS) + LANES], *y = a->y + row * a->y_stride + column;
    TYPED(normals)(numbers, count, 0, z);
    for (int64_t k = 0; k < count; k += LANES) {
        const vec noise = v_mul(v_set(a->stddev), v_load(z + k));
        TYPED(v_store_up_to)(y + k, v_add(TYPED(v_load_up_to)(x + k, count - k), noise), count - k);
    }
}
DEFINE_KERNEL(gaussian_noise)
{
    ARGUMENTS(gaussian_noise);
    const struct TYPED(noise) noise = {a->x, a->y, a->x_stride, a->y_stride, (real)a->stddev};
    TYPED(for_each_piece)(worker, block, a->features, 0, a->features, worker->step, a->stream, TYPED(WORDS),
                          TYPED(noise_piece), &noise);
}

/* y[r][j] = x[r][j] (1 + stddev z), z as in gaussian_noise: the same call on dy gives dx. Srivastava et al., "Dropout",
   JMLR 2014, section 10. */
NN_INLINE void TYPED(factor_piece)(const void *kernel, int64_t row, int64_t column, const uint32_t *numbers,
                                   int64_t count)
{
    const struct TYPED(noise) *const a = kernel;
    const real *x = a->x + row * a->x_stride + column;
    real z[TYPED(MOST_NORMALS) + LANES], *y = a->y + row * a->y_stride + column;
    TYPED(normals)(numbers, count, 0, z);
    for (int64_t k = 0; k < count; k += LANES) {
        const vec factor = v_add(v_set(1), v_mul(v_set(a->stddev), v_load(z + k)));
        TYPED(v_store_up_to)(y + k, v_mul(TYPED(v_load_up_to)(x + k, count - k), factor), count - k);
    }
}
DEFINE_KERNEL(gaussian_dropout)
{
    ARGUMENTS(gaussian_dropout);
    const struct TYPED(noise) noise = {a->x, a->y, a->x_stride, a->y_stride, (real)a->stddev};
    TYPED(for_each_piece)(worker, block, a->features, 0, a->features, worker->step, a->stream, TYPED(WORDS),
                          TYPED(factor_piece), &noise);
}
