/* Functions of each element, and softmax. x, y, dx and dy are (rows, features), or (rows, groups * classes), and
   may be the same memory. */

/* Rows without gaps between them are one long row. */
NN_INLINE void TYPED(join_rows)(int64_t *rows, int64_t *features, int gapless)
{
    if (gapless && *rows > 0) {
        *features *= *rows;
        *rows = 1;
    }
}

NN_INLINE void TYPED(map)(vec (*function)(vec), const real *x, real *y, int64_t features, int64_t x_stride,
                          int64_t y_stride, const nn_block *block)
{
    int64_t rows = block->row_end - block->row_begin;
    x += block->row_begin * x_stride;
    y += block->row_begin * y_stride;
    TYPED(join_rows)(&rows, &features, x_stride == features && y_stride == features);
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
    TYPED(join_rows)(&rows, &features, y_stride == features && dy_stride == features && dx_stride == features);
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
    int64_t rows = block->row_end - block->row_begin, features = a->features;
    const real *x = a->x + block->row_begin * a->x_stride;
    real *y = a->y + block->row_begin * a->y_stride;
    TYPED(join_rows)(&rows, &features, a->x_stride == features && a->y_stride == features);
    for (; rows > 0; rows--, x += a->x_stride, y += a->y_stride)
        for (int64_t i = 0; i < features; i += LANES) {
            vec value = TYPED(v_load_up_to)(x + i, features - i);
            TYPED(v_store_up_to)(y + i, v_add(v_mul(value, scale), shift), features - i);
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
    TYPED(map_backward)(TYPED(relu_slope), a->y, a->dy, a->dx, a->features, a->y_stride, a->dy_stride, a->dx_stride,
                        block);
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
    TYPED(map_backward)(TYPED(sigmoid_slope), a->y, a->dy, a->dx, a->features, a->y_stride, a->dy_stride, a->dx_stride,
                        block);
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
    TYPED(map_backward)(TYPED(tanh_slope), a->y, a->dy, a->dx, a->features, a->y_stride, a->dy_stride, a->dx_stride,
                        block);
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

/* Softmax, and the losses and metrics over classes, take up to LANES groups of classes at a time. A group may be
 *   a row: read along its classes, 16 virtual lanes as in vectors.h, or,
 *   where there are few classes, a lane: vector c ("column" c) holds class c of all these groups, so that lanes are
 *   full however few classes there are and nothing is added or compared across them.
 * Either gives the same bits, as columns are added in the tree of lanes16_sum, so which is taken is free. */
enum { TYPED(NARROW) = 32 }; /* columns: a power of two from 16 on */

/* Whether columns take less time: they cost the same for one group as for LANES. */
NN_INLINE int TYPED(in_columns)(int64_t groups, int64_t classes)
{
    const int64_t narrow = TYPED(NARROW);
    return classes <= narrow && groups > 1 + classes / 8;
}

/* Columns from `classes` on that columns_sum reads are set to 0. */
NN_INLINE void TYPED(clear_columns)(vec *column, int64_t classes)
{
    for (int64_t end = classes > 16 ? 32 : classes > 8 ? 16 : 8; classes < end; classes++)
        column[classes] = v_zero();
}

/* Column c from element c of each group, c < count; lanes from `groups` on repeat the last group. */
NN_INLINE void TYPED(load_square)(vec *column, const real *x, int64_t stride, int64_t groups, int64_t count)
{
    for (int lane = 0; lane < LANES; lane++) {
        column[lane] = TYPED(v_load_up_to)(x, count);
        x += lane + 1 < groups ? stride : 0;
    }
    v_transpose(column);
}

NN_INLINE void TYPED(load_columns)(vec *column, const real *x, int64_t stride, int64_t groups, int64_t classes)
{
    int64_t c = 0;
    for (; c + LANES <= classes; c += LANES)
        TYPED(load_square)(column + c, x + c, stride, groups, LANES);
    if (c < classes) {
        TYPED(load_square)(column + c, x + c, stride, groups, classes - c);
        c += LANES;
    }
    TYPED(clear_columns)(column, c);
}

/* The opposite; the columns are lost. Where groups stand without gaps, what a vector has too much goes into the next
   group, whose own elements follow (for that, the last columns go first): partial stores are slow on some machines. */
NN_INLINE void TYPED(store_columns)(vec *column, real *y, int64_t stride, int64_t groups, int64_t classes)
{
    for (int64_t c = (classes - 1) / LANES * LANES; c >= 0; c -= LANES) {
        v_transpose(column + c);
        int64_t room = (stride == classes ? groups * classes : classes) - c;
        for (int64_t i = 0; i < groups; i++, room -= stride == classes ? classes : 0)
            TYPED(v_store_up_to)(y + i * stride + c, column[c + i], room);
    }
}

NN_INLINE vec TYPED(columns_max)(const vec *column, int64_t classes)
{
    vec largest = column[0];
    for (int64_t c = 1; c < classes; c++)
        largest = v_max(largest, column[c]);
    return largest;
}

NN_INLINE vec TYPED(columns_sum)(const vec *column, int64_t classes)
{
    vec t[8];
    for (int i = 0; i < 8; i++)
        t[i] = column[i];
    if (classes > 16)
        for (int i = 0; i < 8; i++)
            t[i] = v_add(v_add(t[i], column[i + 16]), v_add(column[i + 8], column[i + 24]));
    else if (classes > 8)
        for (int i = 0; i < 8; i++)
            t[i] = v_add(t[i], column[i + 8]);
    for (int width = 4; width; width /= 2)
        for (int i = 0; i < width; i++)
            t[i] = v_add(t[i], t[i + width]);
    return v_add(t[0], v_zero()); /* lanes16_sum is never -0 */
}

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

/* Where a row's terms wait for their sum: in `own`, if they fit, for a partial store is slow to load again; else where
   the results go. Vectors of them may reach up to `room`. */
enum { TYPED(OWN_TERMS) = 256 };
NN_INLINE real *TYPED(terms_of_row)(real *own, real *results, int64_t count, int64_t *room)
{
    const int fits = count <= TYPED(OWN_TERMS);
    *room = fits ? TYPED(OWN_TERMS) + LANES : count;
    return fits ? own : results;
}

/* The sum of e^(x - largest), whose terms go to e unless that is NULL; e may be x. */
NN_INLINE real TYPED(row_exp_sum)(const real *x, real largest, real *e, int64_t room, int64_t count)
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
                    TYPED(v_store_up_to)(e + at, power, room - at);
            }
        }
    return TYPED(lanes16_sum)(sum);
}

/* y = e^(x - max x) / sum of e^(x - max x) over the classes of a group; the quotient as a product with 1 / sum. */
NN_INLINE void TYPED(softmax_columns)(const real *x, real *y, int64_t x_stride, int64_t y_stride, int64_t groups,
                                      int64_t classes)
{
    vec column[TYPED(NARROW)];
    TYPED(load_columns)(column, x, x_stride, groups, classes);
    vec largest = TYPED(columns_max)(column, classes);
    for (int64_t c = 0; c < classes; c++)
        column[c] = TYPED(v_exp_bounded)(v_sub(column[c], largest));
    vec inverse = v_div(v_set(1), TYPED(columns_sum)(column, classes));
    for (int64_t c = 0; c < classes; c++)
        column[c] = v_mul(column[c], inverse);
    TYPED(store_columns)(column, y, y_stride, groups, classes);
}
NN_INLINE void TYPED(softmax_row)(const real *x, real *y, int64_t classes)
{
    real own[TYPED(OWN_TERMS) + LANES];
    int64_t room;
    real *e = TYPED(terms_of_row)(own, y, classes, &room);
    vec inverse = v_set(1 / TYPED(row_exp_sum)(x, TYPED(row_max)(x, classes), e, room, classes));
    for (int64_t c = 0; c < classes; c += LANES)
        TYPED(v_store_up_to)(y + c, v_mul(TYPED(v_load_up_to)(e + c, room - c), inverse), classes - c);
}
DEFINE_KERNEL(softmax_forward)
{
    ARGUMENTS(softmax_forward);
    UNUSED(worker);
    const int64_t features = a->groups * a->classes, single = a->groups == 1;
    const int64_t x_step = single ? a->x_stride : a->classes, y_step = single ? a->y_stride : a->classes;
    const int gapless = a->x_stride == features && a->y_stride == features;
    const int64_t rows = single || gapless ? block->row_end - block->row_begin : 1;
    for (int64_t row = block->row_begin; row < block->row_end; row += rows)
        for (int64_t first = 0; first < rows * a->groups; first += LANES) {
            const int64_t rest = rows * a->groups - first, count = rest < LANES ? rest : LANES;
            const real *x = a->x + row * a->x_stride + first * x_step;
            real *y = a->y + row * a->y_stride + first * y_step;
            if (TYPED(in_columns)(count, a->classes))
                TYPED(softmax_columns)(x, y, x_step, y_step, count, a->classes);
            else
                for (int64_t g = 0; g < count; g++)
                    TYPED(softmax_row)(x + g * x_step, y + g * y_step, a->classes);
        }
}

/* dx = y (dy - sum of dy y over the classes of a group) */
NN_INLINE void TYPED(softmax_columns_backward)(const real *y, const real *dy, real *dx, int64_t y_stride,
                                               int64_t dy_stride, int64_t dx_stride, int64_t groups, int64_t classes)
{
    vec column[TYPED(NARROW)], slope[TYPED(NARROW)], product[TYPED(NARROW)];
    TYPED(load_columns)(column, y, y_stride, groups, classes);
    TYPED(load_columns)(slope, dy, dy_stride, groups, classes);
    for (int64_t c = 0; c < classes; c++)
        product[c] = v_mul(slope[c], column[c]);
    TYPED(clear_columns)(product, classes);
    vec sum = TYPED(columns_sum)(product, classes);
    for (int64_t c = 0; c < classes; c++)
        column[c] = v_mul(column[c], v_sub(slope[c], sum));
    TYPED(store_columns)(column, dx, dx_stride, groups, classes);
}
NN_INLINE void TYPED(softmax_row_backward)(const real *y, const real *dy, real *dx, int64_t classes)
{
    TYPED(lanes16) products = TYPED(lanes16_set)(0);
    for (int64_t i = 0; i < classes; i += 16)
        for (int part = 0; part < TYPED(PARTS); part++) {
            int64_t at = i + part * LANES, count = classes - at;
            if (count > 0) {
                vec product = v_mul(TYPED(v_load_up_to)(dy + at, count), TYPED(v_load_up_to)(y + at, count));
                products.part[part] = v_add(products.part[part], product);
            }
        }
    vec sum = v_set(TYPED(lanes16_sum)(products));
    for (int64_t c = 0; c < classes; c += LANES) {
        vec difference = v_sub(TYPED(v_load_up_to)(dy + c, classes - c), sum);
        TYPED(v_store_up_to)(dx + c, v_mul(TYPED(v_load_up_to)(y + c, classes - c), difference), classes - c);
    }
}
DEFINE_KERNEL(softmax_backward)
{
    ARGUMENTS(softmax_backward);
    UNUSED(worker);
    const int64_t features = a->groups * a->classes, single = a->groups == 1;
    const int64_t y_step = single ? a->y_stride : a->classes, dy_step = single ? a->dy_stride : a->classes;
    const int64_t dx_step = single ? a->dx_stride : a->classes;
    const int gapless = a->y_stride == features && a->dy_stride == features && a->dx_stride == features;
    const int64_t rows = single || gapless ? block->row_end - block->row_begin : 1;
    for (int64_t row = block->row_begin; row < block->row_end; row += rows)
        for (int64_t first = 0; first < rows * a->groups; first += LANES) {
            const int64_t rest = rows * a->groups - first, count = rest < LANES ? rest : LANES;
            const real *y = a->y + row * a->y_stride + first * y_step;
            const real *dy = a->dy + row * a->dy_stride + first * dy_step;
            real *dx = a->dx + row * a->dx_stride + first * dx_step;
            if (TYPED(in_columns)(count, a->classes))
                TYPED(softmax_columns_backward)(y, dy, dx, y_step, dy_step, dx_step, count, a->classes);
            else
                for (int64_t g = 0; g < count; g++)
                    TYPED(softmax_row_backward)(y + g * y_step, dy + g * dy_step, dx + g * dx_step, a->classes);
        }
}
