/* Functions of each element, and softmax. x, y, dx and dy are (rows, features), or (rows, groups * classes), and
   may be the same memory. */

/* Rows without gaps between them are one long row. */
NN_INLINE void TYPED(map)(vec (*function)(vec), const real *x, real *y, int64_t features, int64_t x_stride,
                          int64_t y_stride, const nn_block *block)
{
    int64_t rows = block->row_end - block->row_begin;
    x += block->row_begin * x_stride;
    y += block->row_begin * y_stride;
    if (x_stride == features && y_stride == features && rows > 0) {
        features *= rows;
        rows = 1;
    }
    for (; rows > 0; rows--, x += x_stride, y += y_stride) {
        int64_t i = 0;
        for (; i + LANES <= features; i += LANES)
            v_store(y + i, function(v_load(x + i)));
        if (i < features)
            v_store_first(y + i, function(v_load_first(x + i, features - i)), features - i);
    }
}

NN_INLINE void TYPED(map_backward)(vec (*function)(vec y, vec dy), const real *y, const real *dy, real *dx,
                                   int64_t features, int64_t y_stride, int64_t dy_stride, int64_t dx_stride,
                                   const nn_block *block)
{
    int64_t rows = block->row_end - block->row_begin;
    y += block->row_begin * y_stride;
    dy += block->row_begin * dy_stride;
    dx += block->row_begin * dx_stride;
    if (y_stride == features && dy_stride == features && dx_stride == features && rows > 0) {
        features *= rows;
        rows = 1;
    }
    for (; rows > 0; rows--, y += y_stride, dy += dy_stride, dx += dx_stride) {
        int64_t i = 0;
        for (; i + LANES <= features; i += LANES)
            v_store(dx + i, function(v_load(y + i), v_load(dy + i)));
        if (i < features) {
            int64_t rest = features - i;
            v_store_first(dx + i, function(v_load_first(y + i, rest), v_load_first(dy + i, rest)), rest);
        }
    }
}

/* y = x scale + shift, rounded twice, as NumPy does. */
DEFINE_KERNEL(scale_shift)
{
    ARGUMENTS(scale_shift);
    UNUSED(worker);
    vec scale = v_set((real)a->scale), shift = v_set((real)a->shift);
    for (int64_t row = block->row_begin; row < block->row_end; row++) {
        const real *x = a->x + row * a->x_stride;
        real *y = a->y + row * a->y_stride;
        for (int64_t i = 0; i < a->features; i += LANES) {
            vec value = TYPED(v_load_up_to)(x + i, a->features - i);
            TYPED(v_store_up_to)(y + i, v_add(v_mul(value, scale), shift), a->features - i);
        }
    }
}

/* y = max(0, x); NaN stays. */
NN_INLINE vec TYPED(relu)(vec x) { return v_max(v_zero(), x); }
DEFINE_KERNEL(relu_forward)
{
    ARGUMENTS(relu_forward);
    UNUSED(worker);
    TYPED(map)(TYPED(relu), a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy where y > 0, else 0. */
NN_INLINE vec TYPED(relu_slope)(vec y, vec dy) { return v_select(v_less(v_zero(), y), dy, v_zero()); }
DEFINE_KERNEL(relu_backward)
{
    ARGUMENTS(relu_backward);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(relu_slope), a->y, a->dy, a->dx, a->features, a->y_stride, a->dy_stride, a->dx_stride, block);
}

/* y = 1 / (1 + e^-x) */
DEFINE_KERNEL(sigmoid_forward)
{
    ARGUMENTS(sigmoid_forward);
    UNUSED(worker);
    TYPED(map)(TYPED(v_sigmoid), a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy y (1 - y) */
NN_INLINE vec TYPED(sigmoid_slope)(vec y, vec dy) { return v_mul(v_mul(dy, y), v_sub(v_set(1), y)); }
DEFINE_KERNEL(sigmoid_backward)
{
    ARGUMENTS(sigmoid_backward);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(sigmoid_slope), a->y, a->dy, a->dx, a->features, a->y_stride, a->dy_stride, a->dx_stride, block);
}

/* y = tanh(x) */
DEFINE_KERNEL(tanh_forward)
{
    ARGUMENTS(tanh_forward);
    UNUSED(worker);
    TYPED(map)(TYPED(v_tanh), a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy (1 - y^2) */
NN_INLINE vec TYPED(tanh_slope)(vec y, vec dy) { return v_mul(dy, v_fnma(y, y, v_set(1))); }
DEFINE_KERNEL(tanh_backward)
{
    ARGUMENTS(tanh_backward);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(tanh_slope), a->y, a->dy, a->dx, a->features, a->y_stride, a->dy_stride, a->dx_stride, block);
}

/* y = e^x */
DEFINE_KERNEL(exp_forward)
{
    ARGUMENTS(exp_forward);
    UNUSED(worker);
    TYPED(map)(TYPED(v_exp), a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* y = log(x) */
DEFINE_KERNEL(log_forward)
{
    ARGUMENTS(log_forward);
    UNUSED(worker);
    TYPED(map)(TYPED(v_log), a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* Softmax, and the losses and metrics over classes, work on LANES groups of classes at a time, one group to a
   lane where it is narrow: lanes stay full whatever the number of classes, and nothing is summed across them.
   Which way is taken depends on the number of classes alone, so a group's result never depends on others. */
enum { TYPED(NARROW) = 16 };

/* column[c] = element c of `groups` groups, a group to a lane; lanes from `groups` on repeat the last group.
   Columns beyond `classes` are set up to a multiple of LANES. */
NN_INLINE void TYPED(load_columns)(vec *column, const real *x, int64_t stride, int64_t groups, int64_t classes)
{
    for (int64_t c = 0; c < classes; c += LANES) {
        for (int i = 0; i < LANES; i++)
            column[c + i] = TYPED(v_load_up_to)(x + (i < groups ? i : groups - 1) * stride + c, classes - c);
        v_transpose(column + c);
    }
}

/* Rows of `width` elements without gaps to rows `stride` apart. Reads less than LANES elements behind them. */
NN_INLINE void TYPED(spread_rows)(const real *dense, real *y, int64_t stride, int64_t rows, int64_t width)
{
    if (stride == width) {
        width *= rows;
        rows = 1;
    }
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < width; i += LANES)
            TYPED(v_store_up_to)(y + row * stride + i, v_load(dense + row * width + i), width - i);
}

/* The opposite of load_columns; the columns are lost. Rows are put together without gaps before they are stored,
   as a masked store for each is slow on some machines: what a row's last vector has too much is overwritten by
   the next row (for that, last vectors go first). */
NN_INLINE void TYPED(store_columns)(vec *column, real *y, int64_t stride, int64_t groups, int64_t classes)
{
    real dense[(TYPED(NARROW) + 1) * LANES];
    for (int64_t c = (classes - 1) / LANES * LANES; c >= 0; c -= LANES) {
        v_transpose(column + c);
        for (int i = 0; i < LANES; i++)
            v_store(dense + i * classes + c, column[c + i]);
    }
    TYPED(spread_rows)(dense, y, stride, groups, classes);
}

NN_INLINE vec TYPED(columns_max)(const vec *column, int64_t classes)
{
    vec largest = column[0];
    for (int64_t c = 1; c < classes; c++)
        largest = v_max(largest, column[c]);
    return largest;
}

/* In each lane the tree of lanes16_sum. */
NN_INLINE vec TYPED(columns_sum)(const vec *column, int64_t classes)
{
    vec t[TYPED(NARROW)];
    for (int c = 0; c < TYPED(NARROW); c++)
        t[c] = c < classes ? column[c] : v_zero();
    for (int width = TYPED(NARROW) / 2; width; width /= 2)
        for (int c = 0; c < width; c++)
            t[c] = v_add(t[c], t[c + width]);
    return t[0];
}

/* The same for one wide group. */
NN_INLINE real TYPED(row_max)(const real *x, int64_t count)
{
    vec lowest = v_set(-(real)__builtin_inf());
    TYPED(lanes16) largest = TYPED(lanes16_set)(-(real)__builtin_inf());
    for (int64_t i = 0; i < count; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++) {
            int64_t at = i + part * LANES;
            if (at < count)
                largest.part[part] = v_max(largest.part[part], TYPED(v_load_up_to_or)(x + at, count - at, lowest));
        }
    return TYPED(lanes16_max)(largest);
}

/* The sum of e^(x - largest), whose terms go to e unless that is NULL; e may be x. */
NN_INLINE real TYPED(row_exp_sum)(const real *x, real largest, real *e, int64_t count)
{
    vec lowest = v_set(-(real)__builtin_inf());
    TYPED(lanes16) sum = TYPED(lanes16_set)(0);
    for (int64_t i = 0; i < count; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++) {
            int64_t at = i + part * LANES;
            if (at < count) {
                vec shifted = v_sub(TYPED(v_load_up_to_or)(x + at, count - at, lowest), v_set(largest));
                vec power = TYPED(v_exp_bounded)(shifted);
                sum.part[part] = v_add(sum.part[part], power);
                if (e)
                    TYPED(v_store_up_to)(e + at, power, count - at);
            }
        }
    return TYPED(lanes16_sum)(sum);
}

/* y = e^(x - max x) / sum of e^(x - max x) over the classes of a group; the quotient as a product with 1 / sum. */
NN_INLINE void TYPED(softmax_groups)(const real *x, real *y, int64_t x_stride, int64_t y_stride, int64_t groups, int64_t classes)
{
    if (classes <= TYPED(NARROW))
        for (int64_t g = 0; g < groups; g += LANES) {
            vec column[TYPED(NARROW)];
            int64_t count = groups - g < LANES ? groups - g : LANES;
            TYPED(load_columns)(column, x + g * x_stride, x_stride, count, classes);
            vec largest = TYPED(columns_max)(column, classes);
            for (int64_t c = 0; c < classes; c++)
                column[c] = TYPED(v_exp_bounded)(v_sub(column[c], largest));
            vec inverse = v_div(v_set(1), TYPED(columns_sum)(column, classes));
            for (int64_t c = 0; c < classes; c++)
                column[c] = v_mul(column[c], inverse);
            TYPED(store_columns)(column, y + g * y_stride, y_stride, count, classes);
        }
    else
        for (; groups > 0; groups--, x += x_stride, y += y_stride) {
            vec inverse = v_set(1 / TYPED(row_exp_sum)(x, TYPED(row_max)(x, classes), y, classes));
            for (int64_t c = 0; c < classes; c += LANES)
                TYPED(v_store_up_to)(y + c, v_mul(TYPED(v_load_up_to)(y + c, classes - c), inverse), classes - c);
        }
}
DEFINE_KERNEL(softmax_forward)
{
    ARGUMENTS(softmax_forward);
    UNUSED(worker);
    int64_t features = a->groups * a->classes, single = a->groups == 1;
    int64_t rows = single || (a->x_stride == features && a->y_stride == features) ? block->row_end - block->row_begin : 1;
    for (int64_t row = block->row_begin; row < block->row_end; row += rows)
        TYPED(softmax_groups)(a->x + row * a->x_stride, a->y + row * a->y_stride, single ? a->x_stride : a->classes,
                              single ? a->y_stride : a->classes, rows * a->groups, a->classes);
}

/* dx = y (dy - sum of dy y over the classes of a group) */
NN_INLINE void TYPED(softmax_groups_backward)(const real *y, const real *dy, real *dx, int64_t y_stride, int64_t dy_stride,
                                              int64_t dx_stride, int64_t groups, int64_t classes)
{
    if (classes <= TYPED(NARROW))
        for (int64_t g = 0; g < groups; g += LANES) {
            vec column[TYPED(NARROW)], slope[TYPED(NARROW)], product[TYPED(NARROW)];
            int64_t count = groups - g < LANES ? groups - g : LANES;
            TYPED(load_columns)(column, y + g * y_stride, y_stride, count, classes);
            TYPED(load_columns)(slope, dy + g * dy_stride, dy_stride, count, classes);
            for (int64_t c = 0; c < classes; c++)
                product[c] = v_mul(slope[c], column[c]);
            vec sum = TYPED(columns_sum)(product, classes);
            for (int64_t c = 0; c < classes; c++)
                column[c] = v_mul(column[c], v_sub(slope[c], sum));
            TYPED(store_columns)(column, dx + g * dx_stride, dx_stride, count, classes);
        }
    else
        for (; groups > 0; groups--, y += y_stride, dy += dy_stride, dx += dx_stride) {
            TYPED(lanes16) products = TYPED(lanes16_set)(0);
            for (int64_t i = 0; i < classes; i += 16)
                for (int part = 0; part < TYPED(PARTS); part++) {
                    int64_t at = i + part * LANES, count = classes - at;
                    if (count > 0)
                        products.part[part] = v_fma(TYPED(v_load_up_to)(dy + at, count), TYPED(v_load_up_to)(y + at, count),
                                                    products.part[part]);
                }
            vec sum = v_set(TYPED(lanes16_sum)(products));
            for (int64_t c = 0; c < classes; c += LANES) {
                vec difference = v_sub(TYPED(v_load_up_to)(dy + c, classes - c), sum);
                TYPED(v_store_up_to)(dx + c, v_mul(TYPED(v_load_up_to)(y + c, classes - c), difference), classes - c);
            }
        }
}
DEFINE_KERNEL(softmax_backward)
{
    ARGUMENTS(softmax_backward);
    UNUSED(worker);
    int64_t features = a->groups * a->classes, single = a->groups == 1;
    int dense = a->y_stride == features && a->dy_stride == features && a->dx_stride == features;
    int64_t rows = single || dense ? block->row_end - block->row_begin : 1;
    for (int64_t row = block->row_begin; row < block->row_end; row += rows)
        TYPED(softmax_groups_backward)(a->y + row * a->y_stride, a->dy + row * a->dy_stride, a->dx + row * a->dx_stride,
                                       single ? a->y_stride : a->classes, single ? a->dy_stride : a->classes,
                                       single ? a->dx_stride : a->classes, rows * a->groups, a->classes);
}
