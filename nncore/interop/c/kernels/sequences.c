/* Sequences: embedding, masks, attention, recurrence. See library.py. */

/* Rows of a table by their numbers, NaN for a number that is none. */
static void embedding(integer positions, integer count, integer width, const int32_t *numbers, const real *table,
                      real *y)
{
    for (integer p = 0; p < positions; p++)
        for (integer i = 0; i < width; i++)
            *y++ = numbers[p] >= 0 && numbers[p] < count ? table[numbers[p] * width + i] : NOT_A_NUMBER;
}

/* The integer part of a number, or INT32_MIN. */
static inline int32_t integer_part(real x)
{
    return x > R(-2147483648.0) && x < R(2147483648.0) ? (int32_t)x : INT32_MIN;
}

/* Whole numbers of 32 bits, INT32_MIN for others. */
static void whole_numbers(integer count, const real *x, int32_t *y)
{
    for (integer i = 0; i < count; i++) {
        const int32_t part = integer_part(x[i]);
        y[i] = (real)part == x[i] ? part : INT32_MIN;
    }
}

/* 0 for the number `masked`, else 1 */
static void number_mask(integer steps, int32_t masked, const int32_t *numbers, real *mask)
{
    for (integer s = 0; s < steps; s++)
        mask[s] = numbers[s] != masked;
}

/* 0 for a step of which all features are `value`, else 1 */
static void step_mask(integer steps, integer features, real value, const real *x, real *mask)
{
    for (integer s = 0; s < steps; s++) {
        mask[s] = 0;
        for (integer i = 0; i < features; i++)
            if (x[s * features + i] != value)
                mask[s] = 1;
    }
}

/* x, and 0 in steps whose mask is 0 */
static void mask_steps(integer steps, integer features, const real *x, const real *mask, real *y)
{
    for (integer s = 0; s < steps; s++)
        for (integer i = 0; i < features; i++)
            y[s * features + i] = mask[s] != 0 ? x[s * features + i] : 0;
}

/* c[h] = a[h] b[h] for each head h: a[h] is (outer, inner), b[h] (inner, columns). Each element is one chain. */
static void head_product(integer heads, integer outer, integer inner, integer columns, const real *a, integer a_head,
                         integer a_outer, integer a_inner, const real *b, integer b_head, integer b_inner,
                         integer b_column, real *c, integer c_head, integer c_outer)
{
    for (integer h = 0; h < heads; h++, a += a_head, b += b_head, c += c_head)
        for (integer i = 0; i < outer; i++)
            for (integer j = 0; j < columns; j++) {
                real sum = 0;
                for (integer p = 0; p < inner; p++)
                    sum = FMA(a[i * a_outer + p * a_inner], b[p * b_inner + j * b_column], sum);
                c[i * c_outer + j] = sum;
            }
}

/* Softmax over the keys that a query sees of scale times the scores; `unseeing` where it sees none. With a shift,
   scores out of sight count as so much less. Masks are NULL or have 0 for what is out of sight. */
static void attention_softmax(integer heads, integer queries, integer keys, int causal, real scale, real shift,
                              real unseeing, const real *scores, const real *query_mask, const real *key_mask,
                              const real *attention_mask, real *y)
{
    for (integer h = 0; h < heads; h++)
        for (integer t = 0; t < queries; t++, scores += keys, y += keys) {
            const integer before = causal && t + 1 < keys ? t + 1 : keys,
                          end = query_mask && query_mask[t] == 0 ? 0 : before;
            int blind = shift == 0;
            for (integer k = 0; k < keys; k++) {
                const real score = scale * scores[k];
                const int seen =
                    k < end && (!key_mask || key_mask[k] > 0) && (!attention_mask || attention_mask[t * keys + k] > 0);
                y[k] = seen ? score : shift == 0 ? -INFINITE : score - shift;
                blind = blind && !seen;
            }
            if (!blind)
                softmax_group(keys, y, y);
            for (integer k = 0; blind && k < keys; k++)
                y[k] = unseeing;
        }
}

/* c goes on with the chains over a times b, or begins them. */
static void chains(integer inner, integer columns, const real *a, const real *b, integer b_row, int continued, real *c)
{
    for (integer j = 0; j < columns; j += BLOCK) {
        const integer count = columns - j < BLOCK ? columns - j : BLOCK;
        real sum[BLOCK] = {0};
        for (integer k = 0; continued && k < count; k++)
            sum[k] = c[j + k];
        add_products(inner, a, 1, b + j, b_row, sum, count);
        for (integer k = 0; k < count; k++)
            c[j + k] = sum[k];
    }
}

/* Recurrent layers. State p of (steps + 1, units) goes into step p and state p + 1 comes out, or the other way round
   where the sequence is read backwards. Where the mask is 0, a step leaves the state as it is. */
typedef void element_wise(integer count, const real *x, real *y);

static inline void keep_state(integer units, const real *mask, integer step, const real *before, real *after)
{
    for (integer i = 0; mask && mask[step] == 0 && i < units; i++)
        after[i] = before[i];
}

/* h' = f(gates + h u) */
static void simple_rnn(integer steps, integer units, int backwards, element_wise *f, const real *u, const real *mask,
                       real *gates, real *h)
{
    for (integer s = 0; s < steps; s++) {
        const integer step = backwards ? steps - 1 - s : s;
        const real *before = h + (backwards ? step + 1 : step) * units;
        real *const after = h + (backwards ? step : step + 1) * units, *const gate = gates + step * units;
        chains(units, units, before, u, units, 1, gate);
        f(units, gate, after);
        keep_state(units, mask, step, before, after);
    }
}

/* (i, f, g, o) = gates + h u, c' = s(f) c + s(i) t(g), h' = s(o) t(c') */
static void lstm(integer steps, integer units, int backwards, element_wise *t, element_wise *s, const real *u,
                 const real *mask, real *gates, real *h, real *c)
{
    for (integer n = 0; n < steps; n++) {
        const integer step = backwards ? steps - 1 - n : n;
        const integer before = (backwards ? step + 1 : step) * units, after = (backwards ? step : step + 1) * units;
        real *const gate = gates + step * 4 * units;
        chains(units, 4 * units, h + before, u, 4 * units, 1, gate);
        s(2 * units, gate, gate);
        t(units, gate + 2 * units, gate + 2 * units);
        s(units, gate + 3 * units, gate + 3 * units);
        for (integer i = 0; i < units; i++)
            c[after + i] = FMA(gate[units + i], c[before + i], gate[i] * gate[2 * units + i]);
        t(units, c + after, h + after);
        for (integer i = 0; i < units; i++)
            h[after + i] *= gate[3 * units + i];
        keep_state(units, mask, step, h + before, h + after);
        keep_state(units, mask, step, c + before, c + after);
    }
}

static inline void gru_state(integer units, const real *z, const real *n, const real *before, real *after)
{
    for (integer i = 0; i < units; i++)
        after[i] = FMA(z[i], before[i], (1 - z[i]) * n[i]);
}

/* With v = h u + bias: z = s(gates_z + v_z), r = s(gates_r + v_r), n = t(gates_n + r v_n), h' = z h + (1 - z) n */
static void gru(integer steps, integer units, int backwards, element_wise *t, element_wise *s, const real *u,
                const real *bias, const real *mask, real *gates, real *v, real *h)
{
    for (integer k = 0; k < steps; k++) {
        const integer step = backwards ? steps - 1 - k : k;
        const real *before = h + (backwards ? step + 1 : step) * units;
        real *const after = h + (backwards ? step : step + 1) * units, *const gate = gates + step * 3 * units;
        chains(units, 3 * units, before, u, 3 * units, 0, v);
        for (integer i = 0; bias && i < 3 * units; i++)
            v[i] += bias[i];
        for (integer i = 0; i < 2 * units; i++)
            gate[i] += v[i];
        s(2 * units, gate, gate);
        for (integer i = 0; i < units; i++)
            gate[2 * units + i] = FMA(gate[units + i], v[2 * units + i], gate[2 * units + i]);
        t(units, gate + 2 * units, gate + 2 * units);
        gru_state(units, gate, gate + 2 * units, before, after);
        keep_state(units, mask, step, before, after);
    }
}

/* z = s(gates_z + h u_z), r = s(gates_r + h u_r), n = t(gates_n + (r h) u_n), h' = z h + (1 - z) n */
static void gru_reset_before(integer steps, integer units, int backwards, element_wise *t, element_wise *s,
                             const real *u, const real *mask, real *gates, real *h)
{
    for (integer k = 0; k < steps; k++) {
        const integer step = backwards ? steps - 1 - k : k;
        const real *before = h + (backwards ? step + 1 : step) * units;
        real *const after = h + (backwards ? step : step + 1) * units, *const gate = gates + step * 3 * units;
        chains(units, 2 * units, before, u, 3 * units, 1, gate);
        s(2 * units, gate, gate);
        for (integer i = 0; i < units; i++)
            gate[units + i] *= before[i];
        chains(units, units, gate + units, u + 2 * units, 3 * units, 1, gate + 2 * units);
        t(units, gate + 2 * units, gate + 2 * units);
        gru_state(units, gate, gate + 2 * units, before, after);
        keep_state(units, mask, step, before, after);
    }
}
