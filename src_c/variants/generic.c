/* The generic variant: 16 registers of 16 bytes: 8 sums, 2 of B, 1 of A, temporaries for the two-step multiply-add. */
#include "../simd/generic.h"

#define NN_VARIANT generic
#define NN_TILE_ROWS 4
#define NN_TILE_VECTORS 2
#define NN_ACCUMULATORS 8

#include "../kernels/instantiate.h"
