/* The neon variant: 32 registers: 24 sums, 4 of B, 2 of A. */
#include "../simd/neon.h"

#define NN_VARIANT neon
#define NN_TILE_ROWS 6
#define NN_TILE_VECTORS 4
#define NN_ACCUMULATORS 24

#include "../kernels/instantiate.h"
