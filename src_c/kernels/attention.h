/* Attention: what each query takes from the values, by how well it fits their keys. */

/* c[r][h] = a[r][h] b[r][h] for each sample r and head h: a[r][h] is (outer, inner), b[r][h] (inner, columns), c[r][h]
   (outer, columns). Heads of x are x_head apart and rows x_row; a row is one of the transposed matrix where
   x_transposed says so. Each element is one chain, as in matmul. */
DEFINE_KERNEL(head_product)
{
    ARGUMENTS(head_product);
    enum { MOST_INNER = 256 };
    const int64_t inner = a->inner, room = NN_SCRATCH_BYTES / (int64_t)sizeof(real);
    const int64_t passes = a->b_transposed && inner > MOST_INNER ? (inner + MOST_INNER - 1) / MOST_INNER : 1;
    const int64_t longest = (inner + passes - 1) / passes;
    const int64_t most_columns = a->b_transposed && longest ? room / longest / LANES * LANES : a->columns;
    real *const scratch = worker->scratch;
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t h = 0; h < a->heads; h++) {
            const real *left = a->a + r * a->a_stride + h * a->a_head, *right = a->b + r * a->b_stride + h * a->b_head;
            real *const c = a->c + r * a->c_stride + h * a->c_head;
            for (int64_t pass = 0; pass < passes; pass++) {
                const int64_t begin = inner * pass / passes, length = inner * (pass + 1) / passes - begin;
                const real *left_here = left + begin * (a->a_transposed ? a->a_row : 1);
                const TYPED(tile_ends) ends = {.continued = pass > 0};
                for (int64_t j = 0; j < a->columns; j += most_columns) {
                    const int64_t columns = a->columns - j < most_columns ? a->columns - j : most_columns;
                    const real *right_here = right + j;
                    int64_t right_row = a->b_row;
                    if (a->b_transposed) {
                        right_row = (columns + LANES - 1) / LANES * LANES;
                        TYPED(transpose)(columns, length, right + j * a->b_row + begin, a->b_row, scratch, right_row);
                        right_here = scratch;
                    }
                    TYPED(product)
                    (a->a_transposed != 0, a->outer, columns, length, left_here, a->a_row, right_here, right_row, 0,
                     c + j, a->c_row, &ends);
                }
            }
        }
}

/* What of the keys the query t of sample r may look at. */
typedef struct TYPED(sight) {
    const real *keys, *attention; /* of each key, or NULL: 0 where it is out of sight */
    int64_t end;                  /* keys from here on are out of sight */
} TYPED(sight);

NN_INLINE TYPED(sight) TYPED(sight_of)(const real *query_mask, const real *key_mask, const real *attention_mask,
                                       int64_t t, int64_t keys, int64_t causal)
{
    const int64_t end = query_mask && query_mask[t] == 0 ? 0 : causal && t + 1 < keys ? t + 1 : keys;
    return (TYPED(sight)){key_mask, attention_mask ? attention_mask + t * keys : NULL, end};
}

/* x where the keys from k on are in sight, else `other`. */
NN_INLINE vec TYPED(in_sight)(const TYPED(sight) *sight, int64_t k, int64_t count, vec x, vec other)
{
    if (sight->keys) {
        const vec m = TYPED(v_load_up_to)(sight->keys + k, count);
        x = v_select(v_less(v_zero(), m), x, other);
    }
    if (sight->attention) {
        const vec m = TYPED(v_load_up_to)(sight->attention + k, count);
        x = v_select(v_less(v_zero(), m), x, other);
    }
    return sight->end >= k + LANES ? x : v_select(TYPED(v_first)(sight->end > k ? sight->end - k : 0), x, other);
}

/* Whether a key is in sight. */
NN_INLINE int TYPED(sees_any)(const TYPED(sight) *sight)
{
    for (int64_t k = 0; k < sight->end; k++)
        if ((!sight->keys || sight->keys[k] > 0) && (!sight->attention || sight->attention[k] > 0))
            return 1;
    return 0;
}

/* y[r][h][t] = softmax over the keys in sight of scale scores[r][h][t], 0 for the others; `unseeing` for all keys where
   none is in sight. With a shift, scores out of sight count as so much less and not as none. scores and y are (rows,
   heads, queries, keys) and may be the same memory. Masks have 0 for what is out of sight: query_mask is (rows,
   queries), key_mask (rows, keys), attention_mask (rows, queries, keys); `causal` hides key k from query t < k.
   Vaswani et al., "Attention is all you need", NeurIPS 2017. */
DEFINE_KERNEL(attention_softmax)
{
    ARGUMENTS(attention_softmax);
    UNUSED(worker);
    const vec scale = v_set((real)a->scale), shift = v_set((real)a->shift), never = v_set(-(real)__builtin_inf());
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t t = 0; t < a->queries; t++) {
            const TYPED(sight) sight = TYPED(sight_of)(
                a->query_mask ? a->query_mask + r * a->query_mask_stride : NULL,
                a->key_mask ? a->key_mask + r * a->key_mask_stride : NULL,
                a->attention_mask ? a->attention_mask + r * a->attention_mask_stride : NULL, t, a->keys, a->causal);
            const int blind = a->shift == 0 && !TYPED(sees_any)(&sight);
            for (int64_t h = 0; h < a->heads; h++) {
                const int64_t place = (h * a->queries + t) * a->keys;
                const real *x = a->scores + r * a->scores_stride + place;
                real *y = a->y + r * a->y_stride + place;
                for (int64_t k = 0; k < a->keys; k += LANES) {
                    const int64_t count = a->keys - k;
                    const vec score = v_mul(scale, TYPED(v_load_up_to)(x + k, count));
                    const vec hidden = a->shift == 0 ? never : v_sub(score, shift);
                    const vec seen = TYPED(in_sight)(&sight, k, count, score, hidden);
                    TYPED(v_store_up_to)(y + k, blind ? v_set((real)a->unseeing) : seen, count);
                }
                if (!blind)
                    TYPED(softmax_row)(y, y, a->keys);
            }
        }
}

/* dx = scale y (dy - sum over keys of dy y), 0 for queries that no key is in sight of. dx may be dy. */
DEFINE_KERNEL(attention_softmax_backward)
{
    ARGUMENTS(attention_softmax_backward);
    UNUSED(worker);
    const vec scale = v_set((real)a->scale);
    for (int64_t r = block->row_begin; r < block->row_end; r++)
        for (int64_t t = 0; t < a->queries; t++) {
            const TYPED(sight) sight = TYPED(sight_of)(
                a->query_mask ? a->query_mask + r * a->query_mask_stride : NULL,
                a->key_mask ? a->key_mask + r * a->key_mask_stride : NULL,
                a->attention_mask ? a->attention_mask + r * a->attention_mask_stride : NULL, t, a->keys, a->causal);
            const int blind = a->shift == 0 && !TYPED(sees_any)(&sight);
            for (int64_t h = 0; h < a->heads; h++) {
                const int64_t place = (h * a->queries + t) * a->keys;
                real *dx = a->dx + r * a->dx_stride + place;
                if (blind) {
                    memset(dx, 0, (size_t)a->keys * sizeof(real));
                    continue;
                }
                TYPED(softmax_row_backward)
                (a->y + r * a->y_stride + place, a->dy + r * a->dy_stride + place, dx, a->keys);
                for (int64_t k = 0; k < a->keys; k += LANES)
                    TYPED(v_store_up_to)
                (dx + k, v_mul(scale, TYPED(v_load_up_to)(dx + k, a->keys - k)), a->keys - k);
            }
        }
}
