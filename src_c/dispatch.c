/* The variants that were compiled, which of them this machine can run, and the kernels' descriptions. */
#include "nncore.h"

#include <string.h>
#ifdef _MSC_VER
#include <intrin.h>
#endif

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

#ifdef NN_X86_64
#ifndef _MSC_VER
/* The compiler's own test: it asks the operating system too whether it keeps the wide registers. */
#define PROCESSOR_HAS(feature, leaf, subleaf, word, bit, kept) __builtin_cpu_supports(feature)
#else
/* Windows' linker lacks the library behind that test. A feature is a bit of a word of what the instruction cpuid says,
   and is there if the operating system keeps its registers: the bits of `kept` in extended control register 0. */
#define PROCESSOR_HAS(feature, leaf, subleaf, word, bit, kept) processor_has(leaf, subleaf, word, bit, kept)

__attribute__((target("xsave"))) static int processor_has(int leaf, int subleaf, int word, int bit, unsigned kept)
{
    int words[4];
    __cpuidex(words, 0, 0);
    if (words[0] < leaf)
        return 0;
    __cpuidex(words, 1, 0);
    if (!(words[2] >> 27 & 1) || (_xgetbv(0) & kept) != kept) /* bit 27: control registers can be read */
        return 0;
    __cpuidex(words, leaf, 0);
    if (subleaf && words[0] < subleaf)
        return 0;
    __cpuidex(words, leaf, subleaf);
    return words[word] >> bit & 1;
}
#endif

enum { EAX = 0, EBX = 1, ECX = 2, AVX_REGISTERS = 0x06, AVX512_REGISTERS = 0xe6 };
#define HAS_AVX2 PROCESSOR_HAS("avx2", 7, 0, EBX, 5, AVX_REGISTERS)
#define HAS_FMA PROCESSOR_HAS("fma", 1, 0, ECX, 12, AVX_REGISTERS)
#define HAS_AVX512F PROCESSOR_HAS("avx512f", 7, 0, EBX, 16, AVX512_REGISTERS)
#define HAS_AVX512BW PROCESSOR_HAS("avx512bw", 7, 0, EBX, 30, AVX512_REGISTERS)
#define HAS_AVX512DQ PROCESSOR_HAS("avx512dq", 7, 0, EBX, 17, AVX512_REGISTERS)
#define HAS_AVX512VL PROCESSOR_HAS("avx512vl", 7, 0, EBX, 31, AVX512_REGISTERS)
#define HAS_AVX512BF16 PROCESSOR_HAS("avx512bf16", 7, 1, EAX, 5, AVX512_REGISTERS)
#endif

const nn_variant *nn_variant_with_bfloat16(const nn_variant *variant)
{
#if defined NN_X86_64 && !defined NN_WITHOUT_AVX512
    static nn_variant extended;
    if (variant == &nn_variant_avx512 && HAS_AVX512BF16) {
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
    if (!strcmp(variant->name, "avx2"))
        return HAS_AVX2 && HAS_FMA;
    if (!strcmp(variant->name, "avx512"))
        return HAS_AVX512F && HAS_AVX512BW && HAS_AVX512DQ && HAS_AVX512VL;
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
