/* All kernels of a variant, for float and double, and its table nn_variant_<name>.
 * Before: the simd header, NN_VARIANT, and the register tile of the matrix product for both types:
 *   NN_TILE_ROWS, NN_TILE_VECTORS  rows and vectors of the full tile
 *   NN_ACCUMULATORS                vector registers that may hold sums: rows x vectors of any tile is at most this
 */
#include "../nncore.h"

#define NN_SUFFIX f32
#define NN_DOUBLE 0
#define real float
#include "template.h"
#undef NN_SUFFIX
#undef NN_DOUBLE
#undef real

#define NN_SUFFIX f64
#define NN_DOUBLE 1
#define real double
#include "template.h"
#undef NN_SUFFIX
#undef NN_DOUBLE
#undef real

#define NN_JOIN(a, b) a##b
#define NN_NAME(a, b) NN_JOIN(a, b)
#define NN_TEXT(a) #a
#define NN_TEXT_OF(a) NN_TEXT(a)
#define NN_ENTRY(name, suffix, variant) name##_##suffix##_##variant
#define NN_ENTRY_OF(name, suffix, variant) NN_ENTRY(name, suffix, variant)

extern const nn_variant NN_NAME(nn_variant_, NN_VARIANT);
const nn_variant NN_NAME(nn_variant_, NN_VARIANT) = {
    .name = NN_TEXT_OF(NN_VARIANT),
    /* clang-format off */
    .kernels = {
        {
#define KERNEL(name, range, fields) NN_ENTRY_OF(name, f32, NN_VARIANT),
#include "../kernels.def"
#undef KERNEL
        },
        {
#define KERNEL(name, range, fields) NN_ENTRY_OF(name, f64, NN_VARIANT),
#include "../kernels.def"
#undef KERNEL
        },
    },
    /* clang-format on */
    .row_tile = {NN_TILE_ROWS, NN_TILE_ROWS},
    .column_tile = {NN_TILE_VECTORS * LANES_f32, NN_TILE_VECTORS * LANES_f64},
    .fused = NN_FUSED,
};
