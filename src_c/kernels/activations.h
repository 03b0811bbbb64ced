/* Activation functions beyond those of elementwise.h. x, y, dx and dy are (rows, features), and may be the same
   memory where they are of one width. Derivatives are taken from the output y, or from the input x where the output
   does not say enough. */

/* y = function(x, p), with parameters p that stand in vectors. */
NN_INLINE void TYPED(map_with)(vec (*function)(vec x, const vec *p), const vec *p, const real *x, real *y,
                               int64_t features, int64_t x_stride, int64_t y_stride, const nn_block *block)
{
    int64_t rows = block->row_end - block->row_begin;
    x += block->row_begin * x_stride;
    y += block->row_begin * y_stride;
    TYPED(join_rows)(&rows, &features, x_stride == features && y_stride == features);
    for (; rows > 0; rows--, x += x_stride, y += y_stride)
        for (int64_t i = 0; i < features; i += LANES)
            TYPED(v_store_up_to)(y + i, function(TYPED(v_load_up_to)(x + i, features - i), p), features - i);
}

/* dx = dy slope(at, p), `at` an input or an output. */
NN_INLINE void TYPED(map_slope)(vec (*slope)(vec at, const vec *p), const vec *p, const real *at, const real *dy,
                                real *dx, int64_t features, int64_t at_stride, int64_t dy_stride, int64_t dx_stride,
                                const nn_block *block)
{
    int64_t rows = block->row_end - block->row_begin;
    at += block->row_begin * at_stride;
    dy += block->row_begin * dy_stride;
    dx += block->row_begin * dx_stride;
    TYPED(join_rows)(&rows, &features, at_stride == features && dy_stride == features && dx_stride == features);
    for (; rows > 0; rows--, at += at_stride, dy += dy_stride, dx += dx_stride)
        for (int64_t i = 0; i < features; i += LANES) {
            vec here = slope(TYPED(v_load_up_to)(at + i, features - i), p);
            TYPED(v_store_up_to)(dx + i, v_mul(TYPED(v_load_up_to)(dy + i, features - i), here), features - i);
        }
}

/* ---- three linear pieces: y is that of `below` for x <= low, of `above` for x >= high, else of `middle`; where
   `closed`, low and high belong to the middle. A piece is slope (x - term), or `term` itself if its slope is 0. */

/* p: low, high, slopes of the pieces (2 to 4), their terms (5 to 7) */
NN_INLINE vec TYPED(in_open)(vec x, const vec *p, vec below, vec middle, vec above)
{
    return v_select(v_less(p[0], x), v_select(v_less(x, p[1]), middle, above), below);
}
NN_INLINE vec TYPED(in_closed)(vec x, const vec *p, vec below, vec middle, vec above)
{
    return v_select(v_less(x, p[0]), below, v_select(v_less(p[1], x), above, middle));
}
NN_INLINE vec TYPED(line_piece)(vec x, vec slope, vec term)
{
    mask level = v_less(v_zero(), TYPED(v_magnitude)(slope));
    return v_select(level, v_mul(slope, v_sub(x, term)), term);
}
NN_INLINE vec TYPED(nan_or)(vec x, vec y) { return v_select(v_unordered(x, x), x, y); }
NN_INLINE vec TYPED(piecewise_open)(vec x, const vec *p)
{
    return TYPED(nan_or)(x, TYPED(in_open)(x, p, TYPED(line_piece)(x, p[2], p[5]), TYPED(line_piece)(x, p[3], p[6]),
                                           TYPED(line_piece)(x, p[4], p[7])));
}
NN_INLINE vec TYPED(piecewise_closed)(vec x, const vec *p)
{
    return TYPED(nan_or)(x, TYPED(in_closed)(x, p, TYPED(line_piece)(x, p[2], p[5]), TYPED(line_piece)(x, p[3], p[6]),
                                             TYPED(line_piece)(x, p[4], p[7])));
}
DEFINE_KERNEL(piecewise_forward)
{
    ARGUMENTS(piecewise_forward);
    UNUSED(worker);
    const vec p[] = {
        v_set((real)a->low),          v_set((real)a->high),        v_set((real)a->slope_below),
        v_set((real)a->slope_middle), v_set((real)a->slope_above), v_set((real)a->term_below),
        v_set((real)a->term_middle),  v_set((real)a->term_above),
    };
    if (a->closed)
        TYPED(map_with)(TYPED(piecewise_closed), p, a->x, a->y, a->features, a->x_stride, a->y_stride, block);
    else
        TYPED(map_with)(TYPED(piecewise_open), p, a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy times the slope of the piece that `at` is in; low and high are bounds of x or of y, whichever `at` is. */
NN_INLINE vec TYPED(slope_open)(vec at, const vec *p) { return TYPED(in_open)(at, p, p[2], p[3], p[4]); }
NN_INLINE vec TYPED(slope_closed)(vec at, const vec *p) { return TYPED(in_closed)(at, p, p[2], p[3], p[4]); }
DEFINE_KERNEL(piecewise_backward)
{
    ARGUMENTS(piecewise_backward);
    UNUSED(worker);
    const vec p[] = {v_set((real)a->low), v_set((real)a->high), v_set((real)a->slope_below),
                     v_set((real)a->slope_middle), v_set((real)a->slope_above)};
    if (a->closed)
        TYPED(map_slope)
    (TYPED(slope_closed), p, a->at, a->dy, a->dx, a->features, a->at_stride, a->dy_stride, a->dx_stride, block);
    else TYPED(map_slope)(TYPED(slope_open), p, a->at, a->dy, a->dx, a->features, a->at_stride, a->dy_stride,
                          a->dx_stride, block);
}

/* ---- a parabola between two lines: y = 0 for x <= low, x for x >= high, else factor (x - low) (x - root) */

/* p: low, high, factor, root */
NN_INLINE vec TYPED(parabola)(vec x, const vec *p)
{
    vec middle = v_mul(p[2], v_mul(v_sub(x, p[0]), v_sub(x, p[3])));
    vec y = TYPED(in_open)(x, p, v_zero(), middle, x);
    return TYPED(nan_or)(x, y);
}
DEFINE_KERNEL(parabola_forward)
{
    ARGUMENTS(parabola_forward);
    UNUSED(worker);
    const vec p[] = {v_set((real)a->low), v_set((real)a->high), v_set((real)a->factor), v_set((real)a->root)};
    TYPED(map_with)(TYPED(parabola), p, a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy times 0, 1, or factor (2 x - low - root) */
NN_INLINE vec TYPED(parabola_slope)(vec x, const vec *p)
{
    vec middle = v_mul(p[2], v_add(v_sub(x, p[0]), v_sub(x, p[3])));
    return TYPED(in_open)(x, p, v_zero(), middle, v_set(1));
}
DEFINE_KERNEL(parabola_backward)
{
    ARGUMENTS(parabola_backward);
    UNUSED(worker);
    const vec p[] = {v_set((real)a->low), v_set((real)a->high), v_set((real)a->factor), v_set((real)a->root)};
    TYPED(map_slope)
    (TYPED(parabola_slope), p, a->x, a->dy, a->dx, a->features, a->x_stride, a->dy_stride, a->dx_stride, block);
}

/* ---- y = scale x for x > 0, else height (e^(rate x) - 1), height not negative */

/* p: scale, height, rate */
NN_INLINE vec TYPED(exponential_linear)(vec x, const vec *p)
{
    vec y = v_mul(p[1], TYPED(v_expm1)(v_mul(p[2], x)));
    return v_select(v_less(v_zero(), x), v_mul(p[0], x), y);
}
DEFINE_KERNEL(exponential_linear_forward)
{
    ARGUMENTS(exponential_linear_forward);
    UNUSED(worker);
    const vec p[] = {v_set((real)a->scale), v_set((real)a->height), v_set((real)a->rate)};
    TYPED(map_with)(TYPED(exponential_linear), p, a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy times scale for y > 0, else rate (y + height) */
NN_INLINE vec TYPED(exponential_linear_slope)(vec y, const vec *p)
{
    return v_select(v_less(v_zero(), y), p[0], v_mul(p[2], v_add(y, p[1])));
}
DEFINE_KERNEL(exponential_linear_backward)
{
    ARGUMENTS(exponential_linear_backward);
    UNUSED(worker);
    const vec p[] = {v_set((real)a->scale), v_set((real)a->height), v_set((real)a->rate)};
    TYPED(map_slope)
    (TYPED(exponential_linear_slope), p, a->y, a->dy, a->dx, a->features, a->y_stride, a->dy_stride, a->dx_stride,
     block);
}

/* ---- the derivative of e^x: dx = dy y */
NN_INLINE vec TYPED(exp_slope)(vec y, vec dy) { return v_mul(dy, y); }
DEFINE_KERNEL(exp_backward)
{
    ARGUMENTS(exp_backward);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(exp_slope), a->y, a->dy, a->dx, a->features, a->y_stride, a->dy_stride, a->dx_stride,
                        block);
}

/* ---- y = x / (1 + |x|); infinities count as the largest numbers */
NN_INLINE vec TYPED(softsign)(vec x)
{
    const vec limit = v_set((real)(sizeof(real) == 4 ? 0x1.fffffep127 : 0x1.fffffffffffffp1023));
    x = v_max(v_sub(v_zero(), limit), v_min(limit, x));
    return v_div(x, v_add(v_set(1), TYPED(v_magnitude)(x)));
}
DEFINE_KERNEL(softsign_forward)
{
    ARGUMENTS(softsign_forward);
    UNUSED(worker);
    TYPED(map)(TYPED(softsign), a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy (1 - |y|)^2 */
NN_INLINE vec TYPED(softsign_slope)(vec y, vec dy)
{
    vec rest = v_sub(v_set(1), TYPED(v_magnitude)(y));
    return v_mul(dy, v_mul(rest, rest));
}
DEFINE_KERNEL(softsign_backward)
{
    ARGUMENTS(softsign_backward);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(softsign_slope), a->y, a->dy, a->dx, a->features, a->y_stride, a->dy_stride, a->dx_stride,
                        block);
}

/* ---- y = sign log(1 + e^(sign x)), sign 1 or -1 */
NN_INLINE vec TYPED(signed_softplus)(vec x, const vec *sign)
{
    return v_mul(*sign, TYPED(v_softplus)(v_mul(*sign, x)));
}
DEFINE_KERNEL(softplus_forward)
{
    ARGUMENTS(softplus_forward);
    UNUSED(worker);
    const vec sign = v_set((real)a->sign);
    TYPED(map_with)(TYPED(signed_softplus), &sign, a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy (1 - e^-|y|), of either sign */
NN_INLINE vec TYPED(softplus_slope)(vec y, vec dy)
{
    return v_mul(dy, TYPED(v_magnitude)(TYPED(v_expm1)(TYPED(v_minus_magnitude)(y))));
}
DEFINE_KERNEL(softplus_backward)
{
    ARGUMENTS(softplus_backward);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(softplus_slope), a->y, a->dy, a->dx, a->features, a->y_stride, a->dy_stride, a->dx_stride,
                        block);
}

/* ---- y = x / (1 + e^-h), h = x (linear + cubic x^2), both factors at least 0 and `linear` at least 1 */

/* p: linear, cubic */
NN_INLINE vec TYPED(sigmoid_gate)(vec x, const vec *p)
{
    vec b = TYPED(v_bounded)(x), h = v_mul(b, v_fma(p[1], v_mul(b, b), p[0]));
    TYPED(decay) e = TYPED(decay_split)(h);
    mask negative = v_less(h, v_zero());
    vec quotient = v_div(v_select(negative, b, x), v_add(v_set(1), e.value));
    return v_select(negative, TYPED(times_decay)(quotient, e), quotient);
}
DEFINE_KERNEL(sigmoid_gate_forward)
{
    ARGUMENTS(sigmoid_gate_forward);
    UNUSED(worker);
    const vec p[] = {v_set((real)a->linear), v_set((real)a->cubic)};
    TYPED(map_with)(TYPED(sigmoid_gate), p, a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy (s + x s (1 - s) (linear + 3 cubic x^2)), s = 1 / (1 + e^-h). With e = e^-|h|, s is 1 / (1 + e) or
   e / (1 + e), and s (1 - s) = e / (1 + e)^2. */
NN_INLINE vec TYPED(sigmoid_gate_slope)(vec x, const vec *p)
{
    vec b = TYPED(v_bounded)(x), curve = v_mul(p[1], v_mul(b, b));
    vec h = v_mul(b, v_add(p[0], curve)), steepness = v_fma(v_set(3), curve, p[0]);
    vec one = v_set(1), e = TYPED(decay_split)(h).value, q = v_div(one, v_add(one, e));
    vec small = v_mul(e, q), s = v_select(v_less(h, v_zero()), small, q);
    return v_fma(v_mul(b, steepness), v_mul(small, q), s);
}
DEFINE_KERNEL(sigmoid_gate_backward)
{
    ARGUMENTS(sigmoid_gate_backward);
    UNUSED(worker);
    const vec p[] = {v_set((real)a->linear), v_set((real)a->cubic)};
    TYPED(map_slope)
    (TYPED(sigmoid_gate_slope), p, a->x, a->dy, a->dx, a->features, a->x_stride, a->dy_stride, a->dx_stride, block);
}

/* ---- y = x tanh(log(1 + e^x)) = x n / d. With e = e^-|x|, n = 1 + 2 e, d = n + 2 e^2, or for x < 0
   n = e (e + 2), d = n + 2. */
typedef struct TYPED(mish_parts) {
    TYPED(decay) e;
    mask negative;
    vec bounded, n, d; /* n without its factor e */
} TYPED(mish_parts);

NN_INLINE TYPED(mish_parts) TYPED(mish_split)(vec x)
{
    TYPED(mish_parts) m;
    m.bounded = TYPED(v_bounded)(x);
    m.e = TYPED(decay_split)(m.bounded);
    m.negative = v_less(x, v_zero());
    vec e = m.e.value, twice = v_add(e, e);
    m.n = v_select(m.negative, v_add(e, v_set(2)), v_add(v_set(1), twice));
    m.d = v_select(m.negative, v_fma(e, m.n, v_set(2)), v_fma(twice, e, m.n));
    return m;
}
NN_INLINE vec TYPED(mish)(vec x)
{
    TYPED(mish_parts) m = TYPED(mish_split)(x);
    vec product = v_mul(v_select(m.negative, m.bounded, x), v_div(m.n, m.d));
    return v_select(m.negative, TYPED(times_decay)(product, m.e), product);
}
DEFINE_KERNEL(mish_forward)
{
    ARGUMENTS(mish_forward);
    UNUSED(worker);
    TYPED(map)(TYPED(mish), a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy (n d + 4 x e^2 (1 + e)) / d^2, or for x < 0 dy (n d + 4 x e (1 + e)) / d^2 */
NN_INLINE vec TYPED(mish_slope)(vec x, vec dy)
{
    TYPED(mish_parts) m = TYPED(mish_split)(x);
    vec e = m.e.value, n = v_select(m.negative, v_mul(e, m.n), m.n);
    vec last = v_mul(v_mul(v_set(4), m.bounded), v_mul(v_select(m.negative, e, v_mul(e, e)), v_add(v_set(1), e)));
    return v_mul(dy, v_div(v_fma(n, m.d, last), v_mul(m.d, m.d)));
}
DEFINE_KERNEL(mish_backward)
{
    ARGUMENTS(mish_backward);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(mish_slope), a->x, a->dy, a->dx, a->features, a->x_stride, a->dy_stride, a->dx_stride,
                        block);
}

/* ---- y = x P(x), P the normal distribution's share below x: x (1 + erf(x / sqrt(2))) / 2 */
DEFINE_KERNEL(gelu_forward)
{
    ARGUMENTS(gelu_forward);
    UNUSED(worker);
    TYPED(map)(TYPED(v_gelu), a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy (P(x) + x e^(-x^2 / 2) / sqrt(2 pi)) */
NN_INLINE vec TYPED(gelu_slope)(vec x, vec dy) { return v_mul(dy, TYPED(v_gelu_slope)(x)); }
DEFINE_KERNEL(gelu_backward)
{
    ARGUMENTS(gelu_backward);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(gelu_slope), a->x, a->dy, a->dx, a->features, a->x_stride, a->dy_stride, a->dx_stride,
                        block);
}

/* ---- y = (x + sqrt(x^2 + b)) / 2, b not negative. With a = max(|x|, sqrt(b)) and c the smaller of the two, the root
   is a sqrt(1 + (c / a)^2), which cannot overflow; y is then |x| / 2 + root / 2, or b / 4 over that sum for x < 0. */

/* p: sqrt(b), b / 4 */
NN_INLINE vec TYPED(squareplus)(vec x, const vec *p)
{
    const vec smallest = v_set((real)(sizeof(real) == 4 ? 0x1p-126 : 0x1p-1022)), half = v_set((real)0.5);
    vec magnitude = TYPED(v_magnitude)(x), larger = v_max(p[0], magnitude);
    vec ratio = v_div(v_min(p[0], magnitude), v_max(smallest, larger));
    vec sum = v_fma(v_mul(half, larger), v_sqrt(v_fma(ratio, ratio, v_set(1))), v_mul(half, magnitude));
    return v_select(v_less(x, v_zero()), v_div(p[1], v_max(smallest, sum)), sum);
}
DEFINE_KERNEL(squareplus_forward)
{
    ARGUMENTS(squareplus_forward);
    UNUSED(worker);
    const vec p[] = {v_sqrt(v_set((real)a->b)), v_set((real)(a->b / 4))};
    TYPED(map_with)(TYPED(squareplus), p, a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy y^2 / (y^2 + b / 4) = dy / (1 + (sqrt(b) / (2 y))^2) */
NN_INLINE vec TYPED(squareplus_slope)(vec y, const vec *half_root)
{
    const vec smallest = v_set((real)(sizeof(real) == 4 ? 0x1p-126 : 0x1p-1022));
    vec ratio = v_div(*half_root, v_max(smallest, y));
    return v_div(v_set(1), v_fma(ratio, ratio, v_set(1)));
}
DEFINE_KERNEL(squareplus_backward)
{
    ARGUMENTS(squareplus_backward);
    UNUSED(worker);
    const vec half_root = v_mul(v_set((real)0.5), v_sqrt(v_set((real)a->b)));
    TYPED(map_slope)
    (TYPED(squareplus_slope), &half_root, a->y, a->dy, a->dx, a->features, a->y_stride, a->dy_stride, a->dx_stride,
     block);
}

/* ---- y = x - tanh(x) */
NN_INLINE vec TYPED(tanh_shrink)(vec x) { return v_sub(x, TYPED(v_tanh)(x)); }
DEFINE_KERNEL(tanh_shrink_forward)
{
    ARGUMENTS(tanh_shrink_forward);
    UNUSED(worker);
    TYPED(map)(TYPED(tanh_shrink), a->x, a->y, a->features, a->x_stride, a->y_stride, block);
}

/* dx = dy tanh(x)^2 */
NN_INLINE vec TYPED(tanh_shrink_slope)(vec x, vec dy)
{
    vec t = TYPED(v_tanh)(x);
    return v_mul(dy, v_mul(t, t));
}
DEFINE_KERNEL(tanh_shrink_backward)
{
    ARGUMENTS(tanh_shrink_backward);
    UNUSED(worker);
    TYPED(map_backward)(TYPED(tanh_shrink_slope), a->x, a->dy, a->dx, a->features, a->x_stride, a->dy_stride,
                        a->dx_stride, block);
}
