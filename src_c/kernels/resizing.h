/* Images that become larger. x is (rows, image rows * columns * channels), y the same of a larger image. */

/* y = x with zeros around: `lines_before` and `lines_after` whole lines, and `before` and `after` elements in each of
   the `lines` lines of `width` elements that x has. */
DEFINE_KERNEL(pad_zeros)
{
    ARGUMENTS(pad_zeros);
    UNUSED(worker);
    const int64_t width = a->before + a->width + a->after;
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const real *x = a->x + r * a->x_stride;
        real *y = a->y + r * a->y_stride;
        memset(y, 0, (size_t)(a->lines_before * width) * sizeof(real));
        y += a->lines_before * width;
        for (int64_t line = 0; line < a->lines; line++, x += a->width, y += width) {
            memset(y, 0, (size_t)a->before * sizeof(real));
            memcpy(y + a->before, x, (size_t)a->width * sizeof(real));
            memset(y + a->before + a->width, 0, (size_t)a->after * sizeof(real));
        }
        memset(y, 0, (size_t)(a->lines_after * width) * sizeof(real));
    }
}

/* Output o of an axis that is `factor` times as long lies between two inputs: `near`, whose part it is in, and `far`
   with this weight, which is less than 1/2. Beyond the first and last input both are the same. */
typedef struct TYPED(between) {
    int64_t near, far;
    real weight;
} TYPED(between);

NN_INLINE TYPED(between) TYPED(between_inputs)(int64_t o, int64_t factor, int64_t length)
{
    const int64_t near = o / factor, twice = 2 * (o % factor) + 1 - factor; /* distance in parts of 2 factor */
    const int64_t far = twice < 0 ? (near ? near - 1 : 0) : near + (twice > 0 && near + 1 < length);
    return (TYPED(between)){near, far, (real)((double)(twice < 0 ? -twice : twice) / (2 * (double)factor))};
}

/* (1 - weight) near + weight far */
NN_INLINE vec TYPED(interpolate)(vec near, vec far, real weight)
{
    return v_fma(v_set(weight), far, v_mul(v_set(1 - weight), near));
}

/* y[o][p] = the bilinear interpolation of x at the middle of pixel (o, p): along columns, then along rows. x is
   (image_rows, image_columns, channels), y row_factor and column_factor times as large. */
DEFINE_KERNEL(upsample_linear_forward)
{
    ARGUMENTS(upsample_linear_forward);
    UNUSED(worker);
    const int64_t line = a->image_columns * a->channels;
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        real *y = a->y + r * a->y_stride;
        for (int64_t o = 0; o < a->image_rows * a->row_factor; o++) {
            const TYPED(between) down = TYPED(between_inputs)(o, a->row_factor, a->image_rows);
            const real *const near = a->x + r * a->x_stride + down.near * line;
            const real *const far = a->x + r * a->x_stride + down.far * line;
            for (int64_t p = 0; p < a->image_columns * a->column_factor; p++, y += a->channels) {
                const TYPED(between) across = TYPED(between_inputs)(p, a->column_factor, a->image_columns);
                const int64_t left = across.near * a->channels, right = across.far * a->channels;
                for (int64_t c = 0; c < a->channels; c += LANES) {
                    const int64_t lanes = a->channels - c;
                    const vec here = TYPED(interpolate)(TYPED(v_load_up_to)(near + left + c, lanes),
                                                        TYPED(v_load_up_to)(near + right + c, lanes), across.weight);
                    const vec there = TYPED(interpolate)(TYPED(v_load_up_to)(far + left + c, lanes),
                                                         TYPED(v_load_up_to)(far + right + c, lanes), across.weight);
                    TYPED(v_store_up_to)(y + c, TYPED(interpolate)(here, there, down.weight), lanes);
                }
            }
        }
    }
}

/* y += weight x */
NN_INLINE void TYPED(add_scaled)(vec x, real weight, real *y, int64_t lanes)
{
    TYPED(v_store_up_to)(y, v_fma(v_set(weight), x, TYPED(v_load_up_to)(y, lanes)), lanes);
}

/* dx = the sum of dy times the weights with which y has x, output by output. */
DEFINE_KERNEL(upsample_linear_backward)
{
    ARGUMENTS(upsample_linear_backward);
    UNUSED(worker);
    const int64_t line = a->image_columns * a->channels;
    for (int64_t r = block->row_begin; r < block->row_end; r++) {
        const real *dy = a->dy + r * a->dy_stride;
        real *const dx = a->dx + r * a->dx_stride;
        memset(dx, 0, (size_t)(a->image_rows * line) * sizeof(real));
        for (int64_t o = 0; o < a->image_rows * a->row_factor; o++) {
            const TYPED(between) down = TYPED(between_inputs)(o, a->row_factor, a->image_rows);
            real *const near = dx + down.near * line, *const far = dx + down.far * line;
            for (int64_t p = 0; p < a->image_columns * a->column_factor; p++, dy += a->channels) {
                const TYPED(between) across = TYPED(between_inputs)(p, a->column_factor, a->image_columns);
                const int64_t left = across.near * a->channels, right = across.far * a->channels;
                for (int64_t c = 0; c < a->channels; c += LANES) {
                    const int64_t lanes = a->channels - c;
                    const vec slope = TYPED(v_load_up_to)(dy + c, lanes);
                    const vec here = v_mul(v_set(1 - down.weight), slope), there = v_mul(v_set(down.weight), slope);
                    TYPED(add_scaled)(here, 1 - across.weight, near + left + c, lanes);
                    TYPED(add_scaled)(here, across.weight, near + right + c, lanes);
                    TYPED(add_scaled)(there, 1 - across.weight, far + left + c, lanes);
                    TYPED(add_scaled)(there, across.weight, far + right + c, lanes);
                }
            }
        }
    }
}
