/* One pass over all kernels for one real type. Included by instantiate.h twice, with
 *   NN_SUFFIX  f32 or f64
 *   NN_DOUBLE  0 or 1
 *   real       float or double
 *   NN_VARIANT the variant's name
 * after the variant's simd header and its register-tile sizes. */

#include "names.h"

#include "vectors.h"
#include "math.h"
#include "gather.h"
#include "matmul.h"
#include "convolution.h"
#include "pairs.h"
#include "elementwise.h"
#include "activations.h"
#include "last_axis.h"
#include "prelu.h"
#include "random.h"
#include "normal.h"
#include "orthogonal.h"
#include "axes.h"
#include "merging.h"
#include "recurrent.h"
#include "pooling.h"
#include "depthwise.h"
#include "resizing.h"
#include "losses.h"
#include "crossentropy.h"
#include "focal.h"
#include "group_losses.h"
#include "metrics.h"
#include "counts.h"
#include "reports.h"
#include "optimizers.h"
#include "updates.h"
#include "optimizers_moments.h"
#include "optimizers_accumulators.h"
#include "schedules.h"
#include "normalization.h"
#include "whole_updates.h"
#include "embedding.h"
#include "sequence_masks.h"
#include "attention.h"

#undef NN_PASTE2
#undef NN_PASTE3
#undef NN_OPERATION
#undef NN_FUNCTION
#undef TYPED
#undef vec
#undef mask
#undef bits
#undef LANES
#undef v_zero
#undef v_set
#undef v_load
#undef v_store
#undef v_load_first
#undef v_store_first
#undef v_add
#undef v_sub
#undef v_mul
#undef v_div
#undef v_fma
#undef v_fnma
#undef v_sqrt
#undef v_max
#undef v_min
#undef v_less
#undef v_unordered
#undef v_select
#undef v_fold
#undef v_transpose
#undef DEFINE_KERNEL
#undef ARGUMENTS
#undef UNUSED
#undef LOSS_CASE
#undef SMOOTHING
#undef CLIP_LOW
#undef CLIP_HIGH
