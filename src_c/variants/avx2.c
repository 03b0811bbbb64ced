/* The avx2 variant: 16 registers: 12 sums, 2 of B, 1 of A. */
#include "../simd/avx2.h"

#define NN_VARIANT avx2
#define NN_TILE_ROWS 6
#define NN_TILE_VECTORS 2
#define NN_ACCUMULATORS 12

#include "../kernels/instantiate.h"
