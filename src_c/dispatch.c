/* The variants that were compiled, which of them this machine can run, and the kernels' descriptions. */
#include "nncore.h"

#include <string.h>

#define IN(type, name) "IN " #type " " #name ";"
#define OPTIONAL(type, name) "OPTIONAL " #type " " #name ";"
#define OUT(type, name) "OUT " #type " " #name ";"
#define OPTIONAL_OUT(type, name) "OPTIONAL_OUT " #type " " #name ";"
#define INOUT(type, name) "INOUT " #type " " #name ";"
#define OPTIONAL_INOUT(type, name) "OPTIONAL_INOUT " #type " " #name ";"
#define SIZE(name) "SIZE int64_t " #name ";"
#define SCALAR(name) "SCALAR double " #name ";"
#define KERNEL(name, range, fields) {#name, #range, fields},
const nn_kernel_description nn_kernel_descriptions[NN_KERNEL_COUNT] = {
#include "kernels.def"
};
#undef KERNEL

extern const nn_variant nn_variant_generic;
#ifdef NN_X86_64
extern const nn_variant nn_variant_avx2;
#ifndef NN_WITHOUT_AVX512
extern const nn_variant nn_variant_avx512;
nn_kernel_function nn_matmul_pairs_bfloat16, nn_matmul_gradient_pairs_bfloat16; /* of variants/bfloat16.c */
#endif
#endif
#ifdef NN_AARCH64
extern const nn_variant nn_variant_neon;
#endif

static const nn_variant *const variants[] = {
    &nn_variant_generic,
#ifdef NN_X86_64
    &nn_variant_avx2,
#ifndef NN_WITHOUT_AVX512
    &nn_variant_avx512,
#endif
#endif
#ifdef NN_AARCH64
    &nn_variant_neon,
#endif
};

int nn_variant_count(void) { return (int)(sizeof variants / sizeof *variants); }

const nn_variant *nn_variant_at(int number) { return variants[number]; }

const nn_variant *nn_variant_with_bfloat16(const nn_variant *variant)
{
#if defined NN_X86_64 && !defined NN_WITHOUT_AVX512
    static nn_variant extended;
    if (variant == &nn_variant_avx512 && __builtin_cpu_supports("avx512bf16")) {
        extended = *variant;
        extended.bfloat16 = 1;
        for (int type = 0; type < 2; type++) {
            extended.kernels[type][NN_NUMBER_OF_matmul_pairs] = nn_matmul_pairs_bfloat16;
            extended.kernels[type][NN_NUMBER_OF_matmul_gradient_pairs] = nn_matmul_gradient_pairs_bfloat16;
        }
        return &extended;
    }
#endif
    return variant;
}

int nn_variant_supported(const nn_variant *variant)
{
#ifdef NN_X86_64
    /* the compiler's own test: it asks the operating system too whether it keeps the wide registers */
    if (!strcmp(variant->name, "avx2"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (!strcmp(variant->name, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    (void)variant; /* every machine runs generic, every AArch64 has NEON */
    return 1;
}

const char *nn_compiler(void)
{
#ifdef __clang__
    return __VERSION__; /* names Clang itself */
#else
    return "GCC " __VERSION__;
#endif
}
