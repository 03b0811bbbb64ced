/* A table with nothing but the kernels of variants/bfloat16.c, for tests/test_emulated.py. */
#include "nncore.h"

nn_kernel_function nn_matmul_pairs_bfloat16, nn_matmul_gradient_pairs_bfloat16;

#define KERNELS                                                                                                        \
    {                                                                                                                  \
        [NN_NUMBER_OF_matmul_pairs] = nn_matmul_pairs_bfloat16,                                                        \
        [NN_NUMBER_OF_matmul_gradient_pairs] = nn_matmul_gradient_pairs_bfloat16,                                      \
    }

extern const nn_variant nn_variant_bfloat16;
const nn_variant nn_variant_bfloat16 = {
    .name = "bfloat16", .kernels = {KERNELS, KERNELS}, .row_tile = {14, 14}, .column_tile = {32, 16}, .bfloat16 = 1};
