/* The products of pairs for AVX-512 processors that multiply bfloat16: they take the places of avx512's own. */
#include "../simd/avx512.h"

#define NN_VARIANT bfloat16
#define NN_TILE_ROWS 14
#define NN_TILE_VECTORS 2
#define NN_ACCUMULATORS 28

#include "../nncore.h"

#define NN_SUFFIX f32
#define NN_DOUBLE 0
#define real float
#include "../kernels/names.h"

#include "../kernels/vectors.h"

/* c plus the products of both elements of each pair */
#define MULTIPLY_ADD(a, b, c) _mm512_dpbf16_ps(c, (__m512bh)(a), (__m512bh)(b))
#include "../kernels/product.h"

/* As in kernels/pairs.h. */
nn_kernel_function nn_matmul_pairs_bfloat16, nn_matmul_gradient_pairs_bfloat16;

void nn_matmul_pairs_bfloat16(const nn_slot *arguments, nn_worker *worker, const nn_block *block)
{
    ARGUMENTS(matmul_pairs);
    UNUSED(worker);
    const TYPED(tile_ends) ends = {.bias = a->bias,
                                   .mask = a->mask,
                                   .mask_stride = a->mask_stride,
                                   .accumulate = a->accumulate != 0,
                                   .relu = a->relu != 0};
    TYPED(product_of_rows)
    (block, a->columns, a->inner, a->a, a->a_stride, a->b, NN_TILE_VECTORS * LANES, a->b_panel, a->c, a->c_stride,
     &ends);
}

void nn_matmul_gradient_pairs_bfloat16(const nn_slot *arguments, nn_worker *worker, const nn_block *block)
{
    ARGUMENTS(matmul_gradient_pairs);
    const TYPED(tile_ends) ends = {.accumulate = a->accumulate != 0};
    TYPED(product)
    (1, block->row_end - block->row_begin, block->column_end - block->column_begin, (worker->rows + 1) / 2,
     a->x + block->row_begin, a->x_stride, a->dy + block->column_begin, a->dy_stride, 0, worker->gradient,
     worker->gradient_stride, &ends);
}
