/* Recurrent layers: a loop over the positions of sequences, each of which needs the state that the one before left.
 *
 * Samples are (steps, ...) without gaps. Gates, what they are made of and their gradients are (rows, steps * count *
 * units), all gates_stride apart, a position's `count` gates beside each other. States are (rows, (steps + 1) * units),
 * states_stride apart: the state that goes into position p is at place p and the one that it makes at place p + 1, or,
 * where the sequence is read backwards, at p + 1 and p. So the states that go into all positions are one view.
 *
 * With starts_at_zero the states before the first step are zeros, and nobody asks for their gradients.
 *
 * u, (units, count * units), is the recurrent kernel as matmul's b, and its transpose in the backward pass. With
 * dropout, (rows, count * units), each gate sees states times numbers of its own; what each gate is made of is then in
 * `inputs`, as gates, and u is neither packed nor in panels. Where mask[r][p] is 0 a position leaves the state as it
 * is.
 *
 * activation and recurrent_activation are NULL for tanh and sigmoid; else they describe kernels: (2, 2 +
 * NN_MAX_ARGUMENTS) integers, for the forward and the backward one its number, whether the derivative is taken from the
 * function's input, and its slots. */

extern const nn_variant NN_OPERATION(nn_variant, NN_VARIANT);

NN_INLINE void TYPED(call_described)(const int64_t *description, nn_slot *slots, nn_worker *worker, int64_t rows)
{
    const nn_block block = {0, rows, 0, 1};
    NN_OPERATION(nn_variant, NN_VARIANT).kernels[NN_DOUBLE][description[0]](slots, worker, &block);
}

/* y = f(x) for (rows, features), where f is `standard` unless described */
NN_INLINE void TYPED(activate)(const int64_t *description, vec (*standard)(vec), nn_worker *worker, int64_t rows,
                               int64_t features, real *x, int64_t x_stride, real *y, int64_t y_stride)
{
    nn_slot slots[NN_MAX_ARGUMENTS];
    const nn_block block = {0, rows, 0, 1};
    if (!description) {
        TYPED(map)(standard, x, y, features, x_stride, y_stride, &block);
        return;
    }
    memcpy(slots, description + 2, sizeof slots);
    slots[0].pointer = x;
    slots[1].pointer = y;
    slots[2].size = features;
    slots[3].size = x_stride;
    slots[4].size = y_stride;
    TYPED(call_described)(description, slots, worker, rows);
}

/* Whether the derivative of a described function is taken from its input. */
NN_INLINE int TYPED(slope_at_input)(const int64_t *description)
{
    return description && description[2 + NN_MAX_ARGUMENTS + 1];
}

/* dx *= f'(x), where `at` is x or f(x) */
NN_INLINE void TYPED(times_slope)(const int64_t *description, vec (*standard)(vec, vec), nn_worker *worker,
                                  int64_t rows, int64_t features, const real *at, int64_t at_stride, real *dx,
                                  int64_t dx_stride)
{
    nn_slot slots[NN_MAX_ARGUMENTS];
    const nn_block block = {0, rows, 0, 1};
    if (!description) {
        TYPED(map_backward)(standard, at, dx, dx, features, at_stride, dx_stride, dx_stride, &block);
        return;
    }
    description += 2 + NN_MAX_ARGUMENTS;
    memcpy(slots, description + 2, sizeof slots);
    slots[0].pointer = (void *)at;
    slots[1].pointer = dx;
    slots[2].pointer = dx;
    slots[3].size = features;
    slots[4].size = at_stride;
    slots[5].size = dx_stride;
    slots[6].size = dx_stride;
    TYPED(call_described)(description, slots, worker, rows);
}

/* Where step s of the loop is, and the states before and after it. */
typedef struct TYPED(place) {
    int64_t position, before, after;
} TYPED(place);

NN_INLINE TYPED(place) TYPED(place_of)(int64_t s, int64_t steps, int64_t units, int64_t backwards)
{
    const int64_t p = backwards ? steps - 1 - s : s, shift = backwards != 0;
    return (TYPED(place)){p, (p + shift) * units, (p + 1 - shift) * units};
}

NN_INLINE int TYPED(skipped)(const real *masks, int64_t stride, int64_t row, int64_t position)
{
    return masks && masks[row * stride + position] == 0;
}

/* Where a position is skipped the state stays. */
NN_INLINE void TYPED(carry_over)(const nn_block *block, const real *masks, int64_t mask_stride, TYPED(place) at,
                                 real *states, int64_t stride, int64_t units)
{
    for (int64_t r = block->row_begin; masks && r < block->row_end; r++)
        if (TYPED(skipped)(masks, mask_stride, r, at.position))
            memcpy(states + r * stride + at.after, states + r * stride + at.before, (size_t)units * sizeof(real));
}

/* c[r][g] = h[r] u_g for `count` gates g, of what `ends` says. With inputs, h[r] times dropout[r][g] goes there first.
   h is all zero where inner is 0, which else is as many as there are units. */
static void TYPED(recurrent_product)(int64_t rows, int64_t units, int64_t inner, int64_t count, const real *h,
                                     int64_t h_stride, const real *u, int64_t u_stride, int64_t u_panel,
                                     const real *dropout, int64_t dropout_stride, real *inputs, real *c,
                                     int64_t c_stride, const TYPED(tile_ends) *ends)
{
    const nn_block block = {0, rows, 0, 1};
    if (!inputs) {
        TYPED(product)(0, rows, count * units, inner, h, h_stride, u, u_stride, u_panel, c, c_stride, ends);
        return;
    }
    for (int64_t g = 0; g < count; g++) {
        real *input = inputs + g * units;
        TYPED(tile_ends) of_gate = *ends;
        of_gate.bias = ends->bias ? ends->bias + g * units : NULL;
        if (dropout) {
            TYPED(map_backward)
            (TYPED(masked), h, dropout + g * units, input, units, h_stride, dropout_stride, c_stride, &block);
        } else {
            for (int64_t r = 0; r < rows; r++)
                memcpy(input + r * c_stride, h + r * h_stride, (size_t)units * sizeof(real));
        }
        TYPED(product)
        (0, rows, units, inner, input, c_stride, u + g * units, u_stride, u_panel, c + g * units, c_stride, &of_gate);
    }
}

/* dh[r] += the sum over `count` gates g of dgates[r][g] u_g', of each times dropout[r][g] where that is given. */
static void TYPED(recurrent_gradient)(int64_t rows, int64_t units, int64_t count, const real *dgates,
                                      int64_t dgates_stride, const real *u, int64_t u_stride, int64_t u_panel,
                                      const real *dropout, int64_t dropout_stride, real *dh, int64_t dh_stride,
                                      real *scratch)
{
    if (!dropout) {
        const TYPED(tile_ends) ends = {.continued = 1};
        TYPED(product)
        (0, rows, units, count * units, dgates, dgates_stride, u, u_stride, u_panel, dh, dh_stride, &ends);
        return;
    }
    const TYPED(tile_ends) ends = {0};
    const int64_t most = NN_SCRATCH_BYTES / (int64_t)sizeof(real) / units;
    for (int64_t row = 0; row < rows; row += most)
        for (int64_t g = 0; g < count; g++) {
            const int64_t here = rows - row < most ? rows - row : most;
            const real *factors = dropout + row * dropout_stride + g * units;
            const nn_block block = {0, here, 0, 1};
            TYPED(product)
            (0, here, units, units, dgates + row * dgates_stride + g * units, dgates_stride, u + g * units * u_stride,
             u_stride, u_panel, scratch, units, &ends);
            TYPED(map_backward)
            (TYPED(masked), scratch, factors, scratch, units, units, dropout_stride, units, &block);
            TYPED(map_backward)
            (TYPED(sum), dh + row * dh_stride, scratch, dh + row * dh_stride, units, dh_stride, units, dh_stride,
             &block);
        }
}

/* The gradient of a state: what comes from later positions, and from its use as an output. */
NN_INLINE vec TYPED(state_gradient)(const real *dh, const real *dy, int64_t left)
{
    const vec later = TYPED(v_load_up_to)(dh, left);
    return dy ? v_add(later, TYPED(v_load_up_to)(dy, left)) : later;
}

/* What a skipped position does to gradients: those of its gates are 0, that of the state goes on. */
NN_INLINE void TYPED(skip_backward)(int64_t units, int64_t count, const real *dy, real *dgates, real *dh)
{
    memset(dgates, 0, (size_t)(count * units) * sizeof(real));
    for (int64_t i = 0; dy && i < units; i += LANES)
        TYPED(v_store_up_to)(dh + i, TYPED(state_gradient)(dh + i, dy + i, units - i), units - i);
}

/* ---- h' = f(x w + b + h u); gates comes in as x w + b */
DEFINE_KERNEL(simple_rnn_forward)
{
    ARGUMENTS(simple_rnn_forward);
    const int64_t first = block->row_begin, rows = block->row_end - first, units = a->units;
    const TYPED(tile_ends) ends = {.continued = 1};
    real *states = a->h + first * a->states_stride;
    for (int64_t s = 0; s < a->steps; s++) {
        const TYPED(place) at = TYPED(place_of)(s, a->steps, units, a->backwards);
        const int64_t here = first * a->gates_stride + at.position * units;
        TYPED(recurrent_product)
        (rows, units, s || !a->starts_at_zero ? units : 0, 1, states + at.before, a->states_stride, a->u, a->u_stride,
         a->u_panel, a->dropout ? a->dropout + first * a->dropout_stride : NULL, a->dropout_stride,
         a->inputs ? a->inputs + here : NULL, a->gates + here, a->gates_stride, &ends);
        TYPED(activate)
        (a->activation, TYPED(v_tanh), worker, rows, units, a->gates + here, a->gates_stride, states + at.after,
         a->states_stride);
        TYPED(carry_over)(block, a->mask, a->mask_stride, at, a->h, a->states_stride, units);
    }
}

/* dgates = f' dh', dh = dgates u'. dh (rows, units) comes in as the gradient of the last state beside dy, (rows, steps
 * units) or NULL, and goes out as that of the first; before is gates of the forward pass, where f' is taken from it,
 else dgates may be in the memory of those.
 */
DEFINE_KERNEL(simple_rnn_backward)
{
    ARGUMENTS(simple_rnn_backward);
    const int64_t first = block->row_begin, rows = block->row_end - first, units = a->units;
    const int at_input = TYPED(slope_at_input)(a->activation);
    for (int64_t s = a->steps - 1; s >= 0; s--) {
        const TYPED(place) at = TYPED(place_of)(s, a->steps, units, a->backwards);
        const int64_t here = first * a->gates_stride + at.position * units;
        for (int64_t r = first; r < block->row_end; r++) {
            real *dh = a->dh + r * a->dh_stride, *dgates = a->dgates + r * a->gates_stride + at.position * units;
            const real *dy = a->dy ? a->dy + r * a->dy_stride + at.position * units : NULL;
            if (TYPED(skipped)(a->mask, a->mask_stride, r, at.position)) {
                TYPED(skip_backward)(units, 1, dy, dgates, dh);
                continue;
            }
            for (int64_t i = 0; i < units; i += LANES) {
                const vec slope = TYPED(state_gradient)(dh + i, dy ? dy + i : NULL, units - i);
                TYPED(v_store_up_to)(dgates + i, slope, units - i);
                TYPED(v_store_up_to)(dh + i, v_zero(), units - i);
            }
        }
        TYPED(times_slope)
        (a->activation, TYPED(tanh_slope), worker, rows, units,
         at_input ? a->before + here : a->h + first * a->states_stride + at.after,
         at_input ? a->gates_stride : a->states_stride, a->dgates + here, a->gates_stride);
        if (s || !a->starts_at_zero)
            TYPED(recurrent_gradient)
        (rows, units, 1, a->dgates + here, a->gates_stride, a->u, a->u_stride, a->u_panel,
         a->dropout ? a->dropout + first * a->dropout_stride : NULL, a->dropout_stride, a->dh + first * a->dh_stride,
         a->dh_stride, worker->scratch);
    }
}

/* ---- Long short-term memory, Hochreiter and Schmidhuber, 1997: with gates (i, f, g, o) = x w + b + h u, which come in
   as x w + b, c' = s(f) c + s(i) t(g) and h' = s(o) t(c'), s and t the activations. active becomes s(i), s(f), t(g),
   s(o), in the memory of gates unless s' or t' is taken from there, and curved, its rows states_stride apart, t(c'). */
NN_INLINE void TYPED(lstm_vector)(const int fused, int64_t i, int64_t left, int64_t units, const real *gates,
                                  real *active, const real *c, real *c_after, real *curved, real *h)
{
    vec gate[4];
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
        gate[g] = TYPED(v_load_up_to)(gates + g * units + i, left);
    if (fused) {
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) {
            gate[g] = g == 2 ? TYPED(v_tanh)(gate[g]) : TYPED(v_sigmoid)(gate[g]);
            TYPED(v_store_up_to)(active + g * units + i, gate[g], left);
        }
    }
    const vec cell = v_fma(gate[1], TYPED(v_load_up_to)(c + i, left), v_mul(gate[0], gate[2]));
    TYPED(v_store_up_to)(c_after + i, cell, left);
    if (fused) {
        const vec curve = TYPED(v_tanh)(cell);
        TYPED(v_store_up_to)(curved + i, curve, left);
        TYPED(v_store_up_to)(h + i, v_mul(gate[3], curve), left);
    }
}
NN_INLINE void TYPED(lstm_row)(const int fused, int64_t units, const real *gates, real *active, const real *c,
                               real *c_after, real *curved, real *h)
{
    FOR_VECTORS(i, left, units, TYPED(lstm_vector)(fused, i, left, units, gates, active, c, c_after, curved, h));
}
DEFINE_KERNEL(lstm_forward)
{
    ARGUMENTS(lstm_forward);
    const int64_t first = block->row_begin, rows = block->row_end - first, units = a->units;
    const int64_t stride = a->gates_stride, states_stride = a->states_stride;
    const TYPED(tile_ends) ends = {.continued = 1};
    const nn_block all = {0, rows, 0, 1};
    real *h = a->h + first * states_stride, *c = a->c + first * states_stride;
    for (int64_t s = 0; s < a->steps; s++) {
        const TYPED(place) at = TYPED(place_of)(s, a->steps, units, a->backwards);
        const int64_t here = first * stride + at.position * 4 * units;
        real *gates = a->gates + here, *active = a->active + here;
        real *curved = a->curved + first * states_stride + at.position * units;
        TYPED(recurrent_product)
        (rows, units, s || !a->starts_at_zero ? units : 0, 4, h + at.before, states_stride, a->u, a->u_stride,
         a->u_panel, a->dropout ? a->dropout + first * a->dropout_stride : NULL, a->dropout_stride,
         a->inputs ? a->inputs + here : NULL, gates, stride, &ends);
        if (!a->activation && !a->recurrent_activation) {
            for (int64_t r = 0; r < rows; r++)
                TYPED(lstm_row)
            (1, units, gates + r * stride, active + r * stride, c + r * states_stride + at.before,
             c + r * states_stride + at.after, curved + r * states_stride, h + r * states_stride + at.after);
        } else {
            const int64_t *inner = a->activation, *outer = a->recurrent_activation;
            TYPED(activate)(outer, TYPED(v_sigmoid), worker, rows, 2 * units, gates, stride, active, stride);
            TYPED(activate)
            (inner, TYPED(v_tanh), worker, rows, units, gates + 2 * units, stride, active + 2 * units, stride);
            TYPED(activate)
            (outer, TYPED(v_sigmoid), worker, rows, units, gates + 3 * units, stride, active + 3 * units, stride);
            for (int64_t r = 0; r < rows; r++)
                TYPED(lstm_row)
            (0, units, active + r * stride, NULL, c + r * states_stride + at.before, c + r * states_stride + at.after,
             NULL, NULL);
            TYPED(activate)
            (inner, TYPED(v_tanh), worker, rows, units, c + at.after, states_stride, curved, states_stride);
            TYPED(map_backward)
            (TYPED(product_of_two), active + 3 * units, curved, h + at.after, units, stride, states_stride,
             states_stride, &all);
        }
        TYPED(carry_over)(block, a->mask, a->mask_stride, at, a->h, states_stride, units);
        TYPED(carry_over)(block, a->mask, a->mask_stride, at, a->c, states_stride, units);
    }
}

/* do = t(c') dh', dc' += s(o) t'(c') dh', di = t(g) dc', df = c dc', dg = s(i) dc', dc = s(f) dc', and each of the
   gates' times its own derivative; dh = dgates u'. dc as dh, before and dy as in simple_rnn_backward.
   A row's first part ends with what has to be multiplied by t'(c'), in the place of dg; both parts are one if fused,
   and then dgates may be in the memory of active. */
NN_INLINE void TYPED(lstm_vector_backward)(const int first_part, const int second_part, int64_t i, int64_t left,
                                           int64_t units, const real *active, const real *c, const real *curved,
                                           const real *dy, real *dgates, real *dh, real *dc)
{
    const int fused = first_part && second_part;
    vec gate[4], slope[4], of_cell;
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
        gate[g] = TYPED(v_load_up_to)(active + g * units + i, left);
    if (first_part) {
        const vec state = TYPED(state_gradient)(dh + i, dy ? dy + i : NULL, left);
        const vec curve = TYPED(v_load_up_to)(curved + i, left);
        slope[3] = v_mul(state, curve);
        of_cell = v_mul(state, gate[3]);
        if (fused) {
            slope[3] = TYPED(sigmoid_slope)(gate[3], slope[3]);
            of_cell = TYPED(tanh_slope)(curve, of_cell);
        } else
            TYPED(v_store_up_to)(dgates + 2 * units + i, of_cell, left);
        TYPED(v_store_up_to)(dgates + 3 * units + i, slope[3], left);
        TYPED(v_store_up_to)(dh + i, v_zero(), left);
    } else
        of_cell = TYPED(v_load_up_to)(dgates + 2 * units + i, left);
    if (second_part) {
        of_cell = v_add(TYPED(v_load_up_to)(dc + i, left), of_cell);
        slope[0] = v_mul(of_cell, gate[2]);
        slope[1] = v_mul(of_cell, TYPED(v_load_up_to)(c + i, left));
        slope[2] = v_mul(of_cell, gate[0]);
#pragma GCC unroll 3
        for (int g = 0; g < 3; g++) {
            if (fused)
                slope[g] = g == 2 ? TYPED(tanh_slope)(gate[g], slope[g]) : TYPED(sigmoid_slope)(gate[g], slope[g]);
            TYPED(v_store_up_to)(dgates + g * units + i, slope[g], left);
        }
        TYPED(v_store_up_to)(dc + i, v_mul(of_cell, gate[1]), left);
    }
}
NN_INLINE void TYPED(lstm_row_backward)(const int first_part, const int second_part, int64_t units, const real *active,
                                        const real *c, const real *curved, const real *dy, real *dgates, real *dh,
                                        real *dc)
{
    FOR_VECTORS(
        i, left, units,
        TYPED(lstm_vector_backward)(first_part, second_part, i, left, units, active, c, curved, dy, dgates, dh, dc));
}
DEFINE_KERNEL(lstm_backward)
{
    ARGUMENTS(lstm_backward);
    const int64_t first = block->row_begin, rows = block->row_end - first, units = a->units;
    const int64_t stride = a->gates_stride, states_stride = a->states_stride;
    const int64_t *inner = a->activation, *outer = a->recurrent_activation;
    const int fused = !inner && !outer;
    for (int64_t s = a->steps - 1; s >= 0; s--) {
        const TYPED(place) at = TYPED(place_of)(s, a->steps, units, a->backwards);
        const int64_t here = first * stride + at.position * 4 * units;
        for (int part = 0; part < (fused ? 1 : 2); part++) {
            for (int64_t r = first; r < block->row_end; r++) {
                const int64_t gates = r * stride + at.position * 4 * units, state = r * states_stride;
                const real *active = a->active + gates, *c = a->c + state + at.before;
                const real *curved = a->curved + state + at.position * units;
                const real *dy = a->dy ? a->dy + r * a->dy_stride + at.position * units : NULL;
                real *dgates = a->dgates + gates, *dh = a->dh + r * a->dh_stride, *dc = a->dc + r * a->dh_stride;
                if (TYPED(skipped)(a->mask, a->mask_stride, r, at.position)) {
                    if (part == 0)
                        TYPED(skip_backward)(units, 4, dy, dgates, dh);
                } else if (fused)
                    TYPED(lstm_row_backward)(1, 1, units, active, c, curved, dy, dgates, dh, dc);
                else if (part == 0)
                    TYPED(lstm_row_backward)(1, 0, units, active, c, curved, dy, dgates, dh, dc);
                else
                    TYPED(lstm_row_backward)(0, 1, units, active, c, curved, dy, dgates, dh, dc);
            }
            real *dgates = a->dgates + here;
            const real *of_inner = (TYPED(slope_at_input)(inner) ? a->before : a->active) + here;
            const real *of_outer = (TYPED(slope_at_input)(outer) ? a->before : a->active) + here;
            const real *cells = TYPED(slope_at_input)(inner) ? a->c + first * states_stride + at.after
                                                             : a->curved + first * states_stride + at.position * units;
            if (!fused && part == 0)
                TYPED(times_slope)
            (inner, TYPED(tanh_slope), worker, rows, units, cells, states_stride, dgates + 2 * units, stride);
            if (!fused && part == 1) {
                TYPED(times_slope)
                (outer, TYPED(sigmoid_slope), worker, rows, 2 * units, of_outer, stride, dgates, stride);
                TYPED(times_slope)
                (inner, TYPED(tanh_slope), worker, rows, units, of_inner + 2 * units, stride, dgates + 2 * units,
                 stride);
                TYPED(times_slope)
                (outer, TYPED(sigmoid_slope), worker, rows, units, of_outer + 3 * units, stride, dgates + 3 * units,
                 stride);
            }
        }
        if (s || !a->starts_at_zero)
            TYPED(recurrent_gradient)
        (rows, units, 4, a->dgates + here, stride, a->u, a->u_stride, a->u_panel,
         a->dropout ? a->dropout + first * a->dropout_stride : NULL, a->dropout_stride, a->dh + first * a->dh_stride,
         a->dh_stride, worker->scratch);
    }
}

/* h' = z h + (1 - z) n */
NN_INLINE vec TYPED(gru_state)(vec z, vec h, vec n) { return v_fma(z, h, v_mul(v_sub(v_set(1), z), n)); }

/* dz = (h - n) dh', dn = (1 - z) dh' and, of the way around the gates, dh = z dh', for one row; times the derivatives
   if fused. The results for z and n go to the first and the third gate. */
NN_INLINE void TYPED(gru_vector_backward)(const int fused, int64_t i, int64_t left, int64_t units, const real *active,
                                          const real *h, const real *dy, real *dgates, real *dh)
{
    const vec state = TYPED(state_gradient)(dh + i, dy ? dy + i : NULL, left);
    const vec z = TYPED(v_load_up_to)(active + i, left), n = TYPED(v_load_up_to)(active + 2 * units + i, left);
    vec of_z = v_mul(state, v_sub(TYPED(v_load_up_to)(h + i, left), n));
    vec of_n = v_mul(state, v_sub(v_set(1), z));
    if (fused) {
        of_z = TYPED(sigmoid_slope)(z, of_z);
        of_n = TYPED(tanh_slope)(n, of_n);
    }
    TYPED(v_store_up_to)(dgates + i, of_z, left);
    TYPED(v_store_up_to)(dgates + 2 * units + i, of_n, left);
    TYPED(v_store_up_to)(dh + i, v_mul(state, z), left);
}
NN_INLINE void TYPED(gru_row_backward)(const int fused, int64_t units, const real *active, const real *h,
                                       const real *dy, real *dgates, real *dh)
{
    FOR_VECTORS(i, left, units, TYPED(gru_vector_backward)(fused, i, left, units, active, h, dy, dgates, dh));
}

/* ---- Gated recurrent unit, Cho et al., 2014, whose reset gate comes after the recurrent product: with gates (z, r, n)
   = x w + b, as they come in, and recurrent = h u + bias, z = s(z + recurrent_z), r = s(r + recurrent_r), n = t(n + r
   recurrent_n), h' = z h + (1 - z) n. active becomes z, r, n, in the memory of gates unless s' or t' is taken from what
   was there, plus the recurrent terms. */
NN_INLINE void TYPED(gru_vector)(int64_t i, int64_t left, int64_t units, const real *gates, const real *recurrent,
                                 real *active, const real *h, real *h_after)
{
    vec gate[3], term[3];
#pragma GCC unroll 3
    for (int g = 0; g < 3; g++) {
        gate[g] = TYPED(v_load_up_to)(gates + g * units + i, left);
        term[g] = TYPED(v_load_up_to)(recurrent + g * units + i, left);
    }
    gate[0] = TYPED(v_sigmoid)(v_add(gate[0], term[0]));
    gate[1] = TYPED(v_sigmoid)(v_add(gate[1], term[1]));
    gate[2] = TYPED(v_tanh)(v_fma(gate[1], term[2], gate[2]));
#pragma GCC unroll 3
    for (int g = 0; g < 3; g++)
        TYPED(v_store_up_to)(active + g * units + i, gate[g], left);
    const vec state = TYPED(gru_state)(gate[0], TYPED(v_load_up_to)(h + i, left), gate[2]);
    TYPED(v_store_up_to)(h_after + i, state, left);
}
NN_INLINE void TYPED(gru_row)(int64_t units, const real *gates, const real *recurrent, real *active, const real *h,
                              real *h_after)
{
    FOR_VECTORS(i, left, units, TYPED(gru_vector)(i, left, units, gates, recurrent, active, h, h_after));
}

/* h' from active, for the block's rows */
static void TYPED(gru_states)(int64_t rows, int64_t units, const real *active, int64_t stride, const real *h,
                              real *h_after, int64_t states_stride)
{
    for (int64_t r = 0; r < rows; r++, active += stride, h += states_stride, h_after += states_stride)
        for (int64_t i = 0; i < units; i += LANES) {
            const int64_t left = units - i;
            const vec z = TYPED(v_load_up_to)(active + i, left), n = TYPED(v_load_up_to)(active + 2 * units + i, left);
            TYPED(v_store_up_to)(h_after + i, TYPED(gru_state)(z, TYPED(v_load_up_to)(h + i, left), n), left);
        }
}
DEFINE_KERNEL(gru_forward)
{
    ARGUMENTS(gru_forward);
    const int64_t first = block->row_begin, rows = block->row_end - first, units = a->units;
    const int64_t stride = a->gates_stride, states_stride = a->states_stride;
    const TYPED(tile_ends) ends = {.bias = a->bias};
    const nn_block all = {0, rows, 0, 1};
    real *h = a->h + first * states_stride;
    for (int64_t s = 0; s < a->steps; s++) {
        const TYPED(place) at = TYPED(place_of)(s, a->steps, units, a->backwards);
        const int64_t here = first * stride + at.position * 3 * units;
        real *gates = a->gates + here, *active = a->active + here, *recurrent = a->recurrent + here;
        TYPED(recurrent_product)
        (rows, units, s || !a->starts_at_zero ? units : 0, 3, h + at.before, states_stride, a->u, a->u_stride,
         a->u_panel, a->dropout ? a->dropout + first * a->dropout_stride : NULL, a->dropout_stride,
         a->inputs ? a->inputs + here : NULL, recurrent, stride, &ends);
        if (!a->activation && !a->recurrent_activation) {
            for (int64_t r = 0; r < rows; r++)
                TYPED(gru_row)
            (units, gates + r * stride, recurrent + r * stride, active + r * stride, h + r * states_stride + at.before,
             h + r * states_stride + at.after);
        } else {
            TYPED(map_backward)(TYPED(sum), gates, recurrent, gates, 2 * units, stride, stride, stride, &all);
            TYPED(activate)
            (a->recurrent_activation, TYPED(v_sigmoid), worker, rows, 2 * units, gates, stride, active, stride);
            for (int64_t r = 0; r < rows; r++)
                for (int64_t i = 0; i < units; i += LANES) {
                    const int64_t left = units - i;
                    real *gate = gates + r * stride + 2 * units + i;
                    const vec reset = TYPED(v_load_up_to)(active + r * stride + units + i, left);
                    const vec term = TYPED(v_load_up_to)(recurrent + r * stride + 2 * units + i, left);
                    TYPED(v_store_up_to)(gate, v_fma(reset, term, TYPED(v_load_up_to)(gate, left)), left);
                }
            TYPED(activate)
            (a->activation, TYPED(v_tanh), worker, rows, units, gates + 2 * units, stride, active + 2 * units, stride);
            TYPED(gru_states)(rows, units, active, stride, h + at.before, h + at.after, states_stride);
        }
        TYPED(carry_over)(block, a->mask, a->mask_stride, at, a->h, states_stride, units);
    }
}

/* dz and dn as in gru_row_backward, dr = recurrent_n dn; drecurrent = (dz, dr, r dn), dh += drecurrent u'. The rest as
   in lstm_backward, and with tanh and sigmoid drecurrent may be in the memory of recurrent. */
DEFINE_KERNEL(gru_backward)
{
    ARGUMENTS(gru_backward);
    const int64_t first = block->row_begin, rows = block->row_end - first, units = a->units;
    const int64_t stride = a->gates_stride, states_stride = a->states_stride;
    const int64_t *inner = a->activation, *outer = a->recurrent_activation;
    const int fused = !inner && !outer;
    for (int64_t s = a->steps - 1; s >= 0; s--) {
        const TYPED(place) at = TYPED(place_of)(s, a->steps, units, a->backwards);
        const int64_t here = first * stride + at.position * 3 * units;
        real *dgates = a->dgates + here, *drecurrent = a->drecurrent + here;
        for (int64_t r = 0; r < rows; r++) {
            const real *active = a->active + here + r * stride, *h = a->h + (first + r) * states_stride + at.before;
            const real *dy = a->dy ? a->dy + (first + r) * a->dy_stride + at.position * units : NULL;
            real *dh = a->dh + (first + r) * a->dh_stride;
            if (TYPED(skipped)(a->mask, a->mask_stride, first + r, at.position))
                TYPED(skip_backward)(units, 3, dy, dgates + r * stride, dh);
            else if (fused)
                TYPED(gru_row_backward)(1, units, active, h, dy, dgates + r * stride, dh);
            else
                TYPED(gru_row_backward)(0, units, active, h, dy, dgates + r * stride, dh);
        }
        if (!fused)
            TYPED(times_slope)
        (inner, TYPED(tanh_slope), worker, rows, units,
         (TYPED(slope_at_input)(inner) ? a->before : a->active) + here + 2 * units, stride, dgates + 2 * units, stride);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < units; i += LANES) {
                const int64_t at_r = r * stride + units + i, at_n = at_r + units, left = units - i;
                const vec reset = TYPED(v_load_up_to)(a->active + here + at_r, left);
                const vec slope = TYPED(v_load_up_to)(dgates + at_n, left);
                vec of_r = v_mul(slope, TYPED(v_load_up_to)(a->recurrent + here + at_n, left));
                if (fused)
                    of_r = TYPED(sigmoid_slope)(reset, of_r);
                TYPED(v_store_up_to)(dgates + at_r, of_r, left);
                TYPED(v_store_up_to)(drecurrent + at_n, v_mul(slope, reset), left);
            }
        if (!fused)
            TYPED(times_slope)
        (outer, TYPED(sigmoid_slope), worker, rows, 2 * units,
         (TYPED(slope_at_input)(outer) ? a->before : a->active) + here, stride, dgates, stride);
        for (int64_t r = 0; r < rows; r++)
            memcpy(drecurrent + r * stride, dgates + r * stride, (size_t)(2 * units) * sizeof(real));
        if (s || !a->starts_at_zero)
            TYPED(recurrent_gradient)
        (rows, units, 3, drecurrent, stride, a->u, a->u_stride, a->u_panel,
         a->dropout ? a->dropout + first * a->dropout_stride : NULL, a->dropout_stride, a->dh + first * a->dh_stride,
         a->dh_stride, worker->scratch);
    }
}

/* ---- The same whose reset gate comes before the product: with gates (z, r, n) = x w + b as they come in, z = s(z + h
   u_z), r = s(r + h u_r), n = t(n + (r h) u_n), h' = z h + (1 - z) n. inputs becomes h, h, r h, times dropout. */
DEFINE_KERNEL(gru_reset_before_forward)
{
    ARGUMENTS(gru_reset_before_forward);
    const int64_t first = block->row_begin, rows = block->row_end - first, units = a->units;
    const int64_t stride = a->gates_stride, states_stride = a->states_stride;
    const TYPED(tile_ends) ends = {.continued = 1};
    const nn_block all = {0, rows, 0, 1};
    const real *dropout = a->dropout ? a->dropout + first * a->dropout_stride : NULL;
    real *h = a->h + first * states_stride;
    for (int64_t s = 0; s < a->steps; s++) {
        const TYPED(place) at = TYPED(place_of)(s, a->steps, units, a->backwards);
        const int64_t here = first * stride + at.position * 3 * units;
        real *gates = a->gates + here, *active = a->active + here, *input = a->inputs + here + 2 * units;
        TYPED(recurrent_product)
        (rows, units, s || !a->starts_at_zero ? units : 0, 2, h + at.before, states_stride, a->u, a->u_stride,
         a->u_panel, dropout, a->dropout_stride, a->inputs + here, gates, stride, &ends);
        TYPED(activate)
        (a->recurrent_activation, TYPED(v_sigmoid), worker, rows, 2 * units, gates, stride, active, stride);
        TYPED(map_backward)
        (TYPED(product_of_two), active + units, h + at.before, input, units, stride, states_stride, stride, &all);
        if (dropout)
            TYPED(map_backward)
        (TYPED(masked), input, dropout + 2 * units, input, units, stride, a->dropout_stride, stride, &all);
        TYPED(product)
        (0, rows, units, units, input, stride, a->u + 2 * units, a->u_stride, a->u_panel, gates + 2 * units, stride,
         &ends);
        TYPED(activate)
        (a->activation, TYPED(v_tanh), worker, rows, units, gates + 2 * units, stride, active + 2 * units, stride);
        TYPED(gru_states)(rows, units, active, stride, h + at.before, h + at.after, states_stride);
        TYPED(carry_over)(block, a->mask, a->mask_stride, at, a->h, states_stride, units);
    }
}

/* With e = dn u_n', times dropout: dr = h e, dh += r e + (dz, dr) (u_z, u_r)'. The rest as in gru_backward. */
DEFINE_KERNEL(gru_reset_before_backward)
{
    ARGUMENTS(gru_reset_before_backward);
    const int64_t first = block->row_begin, rows = block->row_end - first, units = a->units;
    const int64_t stride = a->gates_stride, states_stride = a->states_stride;
    const int64_t *inner = a->activation, *outer = a->recurrent_activation;
    const TYPED(tile_ends) ends = {0};
    const nn_block all = {0, rows, 0, 1};
    const real *dropout = a->dropout ? a->dropout + first * a->dropout_stride : NULL;
    for (int64_t s = a->steps - 1; s >= 0; s--) {
        const TYPED(place) at = TYPED(place_of)(s, a->steps, units, a->backwards);
        const int64_t here = first * stride + at.position * 3 * units;
        const real *h = a->h + first * states_stride + at.before;
        real *dgates = a->dgates + here, *of_r = dgates + units, *dh = a->dh + first * a->dh_stride;
        for (int64_t r = 0; r < rows; r++) {
            const real *dy = a->dy ? a->dy + (first + r) * a->dy_stride + at.position * units : NULL;
            if (TYPED(skipped)(a->mask, a->mask_stride, first + r, at.position))
                TYPED(skip_backward)(units, 3, dy, dgates + r * stride, dh + r * a->dh_stride);
            else
                TYPED(gru_row_backward)
            (0, units, a->active + here + r * stride, h + r * states_stride, dy, dgates + r * stride,
             dh + r * a->dh_stride);
        }
        TYPED(times_slope)
        (inner, TYPED(tanh_slope), worker, rows, units,
         (TYPED(slope_at_input)(inner) ? a->before : a->active) + here + 2 * units, stride, dgates + 2 * units, stride);
        TYPED(product)
        (0, rows, units, units, dgates + 2 * units, stride, a->u + 2 * units * a->u_stride, a->u_stride, a->u_panel,
         of_r, stride, &ends);
        if (dropout)
            TYPED(map_backward)
        (TYPED(masked), of_r, dropout + 2 * units, of_r, units, stride, a->dropout_stride, stride, &all);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < units; i += LANES) {
                const int64_t left = units - i;
                real *slope = of_r + r * stride + i, *sum = dh + r * a->dh_stride + i;
                const vec e = TYPED(v_load_up_to)(slope, left);
                const vec reset = TYPED(v_load_up_to)(a->active + here + r * stride + units + i, left);
                TYPED(v_store_up_to)(sum, v_fma(reset, e, TYPED(v_load_up_to)(sum, left)), left);
                TYPED(v_store_up_to)(slope, v_mul(e, TYPED(v_load_up_to)(h + r * states_stride + i, left)), left);
            }
        TYPED(times_slope)
        (outer, TYPED(sigmoid_slope), worker, rows, 2 * units,
         (TYPED(slope_at_input)(outer) ? a->before : a->active) + here, stride, dgates, stride);
        if (s || !a->starts_at_zero)
            TYPED(recurrent_gradient)
        (rows, units, 2, dgates, stride, a->u, a->u_stride, a->u_panel, dropout, a->dropout_stride, dh, a->dh_stride,
         worker->scratch);
    }
}

/* gradient[i][j] = sum over rows r, and of each over positions p, of x[r][p x_step + j / group * x_group + i]
   dy[r][p dy_step + j], one chain, then + gradient[i][j] (accumulate), for the block's i and j: the gradient of a
   weight that is multiplied with every position of a sample, of which each `group` columns may see x at another place.
 */
DEFINE_KERNEL(positions_gradient)
{
    ARGUMENTS(positions_gradient);
    const int64_t inputs = block->row_end - block->row_begin, units = block->column_end - block->column_begin;
    real *gradient = worker->gradient, *c = a->accumulate ? worker->scratch : gradient;
    const int64_t gradient_stride = worker->gradient_stride, c_stride = a->accumulate ? units : gradient_stride;
    const TYPED(tile_ends) ends = {0};
    for (int64_t j = block->column_begin, end; j < block->column_end; j = end) {
        const int64_t group = j / a->group;
        end = (group + 1) * a->group < block->column_end ? (group + 1) * a->group : block->column_end;
        const TYPED(operands) of = {.groups = 1,
                                    .rows = inputs,
                                    .columns = end - j,
                                    .pieces = worker->rows,
                                    .inner = a->positions,
                                    .a = a->x + group * a->x_group + block->row_begin,
                                    .a_stride = a->x_step,
                                    .a_piece = a->x_stride,
                                    .b = a->dy + j,
                                    .b_stride = a->dy_step,
                                    .b_piece = a->dy_stride,
                                    .c = c + (j - block->column_begin),
                                    .c_stride = c_stride};
        TYPED(product_of)(1, &of, &ends);
    }
    const nn_block all = {0, inputs, 0, 1};
    if (a->accumulate)
        TYPED(map_backward)
    (TYPED(sum), gradient, c, gradient, units, gradient_stride, c_stride, gradient_stride, &all);
}
