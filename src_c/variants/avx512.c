/* The avx512 variant: 32 registers: 28 sums, 2 of B, 1 of A. */
#include "../simd/avx512.h"

#define NN_VARIANT avx512
#define NN_TILE_ROWS 14
#define NN_TILE_VECTORS 2
#define NN_ACCUMULATORS 28

#include "../kernels/instantiate.h"
