/* The names inside kernels for one real type and variant; template.h says what stands before. */

#define NN_PASTE2(a, b) a##_##b
#define NN_PASTE3(a, b, c) a##_##b##_##c
#define NN_OPERATION(name, suffix) NN_PASTE2(name, suffix)
#define NN_FUNCTION(name, suffix, variant) NN_PASTE3(name, suffix, variant)

/* A function of this real type and variant: TYPED(matmul) is matmul_f32_avx2. */
#define TYPED(name) NN_FUNCTION(name, NN_SUFFIX, NN_VARIANT)

#define vec NN_OPERATION(vec, NN_SUFFIX)
#define mask NN_OPERATION(mask, NN_SUFFIX)
#define bits NN_OPERATION(bits, NN_SUFFIX)
#define LANES NN_OPERATION(LANES, NN_SUFFIX)
#define v_zero NN_OPERATION(v_zero, NN_SUFFIX)
#define v_set NN_OPERATION(v_set, NN_SUFFIX)
#define v_load NN_OPERATION(v_load, NN_SUFFIX)
#define v_store NN_OPERATION(v_store, NN_SUFFIX)
#define v_load_first NN_OPERATION(v_load_first, NN_SUFFIX)
#define v_store_first NN_OPERATION(v_store_first, NN_SUFFIX)
#define v_add NN_OPERATION(v_add, NN_SUFFIX)
#define v_sub NN_OPERATION(v_sub, NN_SUFFIX)
#define v_mul NN_OPERATION(v_mul, NN_SUFFIX)
#define v_div NN_OPERATION(v_div, NN_SUFFIX)
#define v_fma NN_OPERATION(v_fma, NN_SUFFIX)
#define v_fnma NN_OPERATION(v_fnma, NN_SUFFIX)
#define v_sqrt NN_OPERATION(v_sqrt, NN_SUFFIX)
#define v_max NN_OPERATION(v_max, NN_SUFFIX)
#define v_min NN_OPERATION(v_min, NN_SUFFIX)
#define v_less NN_OPERATION(v_less, NN_SUFFIX)
#define v_unordered NN_OPERATION(v_unordered, NN_SUFFIX)
#define v_select NN_OPERATION(v_select, NN_SUFFIX)
#define v_fold NN_OPERATION(v_fold, NN_SUFFIX)
#define v_transpose NN_OPERATION(v_transpose, NN_SUFFIX)

/* struct TYPED(NAME_arguments): the slots of each kernel, by name. */
#define IN(type, name) const type *name;
#define OPTIONAL(type, name) const type *name;
#define OUT(type, name) type *name;
#define OPTIONAL_OUT(type, name) type *name;
#define INOUT(type, name) type *name;
#define OPTIONAL_INOUT(type, name) type *name;
#define SIZE(name) int64_t name;
#define SCALAR(name) double name;
/* clang-format off */
#define KERNEL(name, range, fields) struct TYPED(name##_arguments) { fields };
/* clang-format on */
#include "../kernels.def"
#undef IN
#undef OPTIONAL
#undef OUT
#undef OPTIONAL_OUT
#undef INOUT
#undef OPTIONAL_INOUT
#undef SIZE
#undef SCALAR
#undef KERNEL

/* The head of a kernel, whose arguments are then a->..., and the same for those that need not all of it. */
#define DEFINE_KERNEL(name) static void TYPED(name)(const nn_slot *arguments, nn_worker *worker, const nn_block *block)
#define ARGUMENTS(name) const struct TYPED(name##_arguments) *const a = (const void *)arguments
#define UNUSED(name) (void)(name)
