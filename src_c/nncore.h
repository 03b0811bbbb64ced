/* The one header that the Cython modules see: steps, workers, variants, threads. */
#ifndef NNCORE_H
#define NNCORE_H

#include <stddef.h>
#include <stdint.h>

/* The part of a job that one kernel call covers; ends are excluded. Kernels over the rows of a minibatch
   read the rows only. */
typedef struct nn_block {
    int64_t row_begin, row_end;
    int64_t column_begin, column_end;
} nn_block;

/* What a thread knows of the minibatch that it works on, and the memory that is its own. Every thread holds
   a copy, so that none waits for another's. */
typedef struct nn_worker {
    int64_t rows;            /* rows of this minibatch */
    int64_t first_row;       /* position of its first row in `order`, or in the data where order is NULL */
    const int64_t *order;    /* data row at each position of the epoch */
    int64_t step;            /* number of this training step, from 1 */
    int64_t update;          /* number of the update that it is part of, from 1 */
    int64_t turn;            /* NN_UPDATING where the update comes in this step, else NN_ACCUMULATING */
    uint64_t seed;           /* of everything random */
    double learning_rate;    /* of this step */
    double coefficient[8];   /* of this step's update: written by a kernel of the plan's opening */
    void *gradient;          /* of the block in work: element (row_begin, column_begin) */
    int64_t gradient_stride; /* elements from one row of it to the next */
    void *decayed;           /* parameter that the next pass over the block decays first, or NULL */
    double decay;            /* by this part of itself */
    void *scratch;           /* NN_SCRATCH_BYTES, or more where the plan says so; aligned to 64 */
    int64_t nonfinite;       /* set to 1 by require_finite */
    double *spent;           /* seconds in each step of the plan so far; NULL where nobody asked */
} nn_worker;

enum {
    NN_SCRATCH_BYTES = 1 << 17,
    NN_MAX_ARGUMENTS = 26, /* of a kernel */
    NN_MAX_ROW_TILE = 24   /* the largest row tile of any variant's matrix product */
};

/* Gradients of several steps may be accumulated for one update: what a step of the plan is for. */
enum { NN_ACCUMULATING = 1, NN_UPDATING = 2 };

/* Every argument of a kernel is one slot of eight bytes; src_c/kernels.def gives their names and order. */
typedef union nn_slot {
    void *pointer;
    int64_t size;
    double scalar;
} nn_slot;

typedef void nn_kernel_function(const nn_slot *arguments, nn_worker *worker, const nn_block *block);
typedef nn_kernel_function *nn_kernel;

enum {
    NN_KERNEL_COUNT = 0
#define KERNEL(name, range, fields) +1
#include "kernels.def"
#undef KERNEL
};

enum { /* NN_NUMBER_OF_matmul and so on: places in the tables */
#define KERNEL(name, range, fields) NN_NUMBER_OF_##name,
#include "kernels.def"
#undef KERNEL
};

typedef struct nn_kernel_description {
    const char *name;
    const char *range;     /* ROWS, MATRIX or ONCE: what its block means */
    const char *arguments; /* its fields as they stand in kernels.def */
} nn_kernel_description;

extern const nn_kernel_description nn_kernel_descriptions[NN_KERNEL_COUNT];

/* All kernels compiled for one instruction set; index 0 is float, 1 is double. */
typedef struct nn_variant {
    const char *name;
    nn_kernel kernels[2][NN_KERNEL_COUNT];
    int64_t row_tile[2];    /* rows of the matrix product's full register tile */
    int64_t column_tile[2]; /* columns of it: the width of a packed panel */
    int64_t fused;          /* 1: multiply-adds round once, so results equal every other fused variant's */
    int64_t bfloat16;       /* 1: products of pairs are the processor's own, and not made of float's */
} nn_variant;

int nn_variant_count(void); /* of those that were compiled, lowest first */
const nn_variant *nn_variant_at(int number);
int nn_variant_supported(const nn_variant *variant); /* by this machine */
/* The variant with the processor's own products of bfloat16, where it has them; else the variant. */
const nn_variant *nn_variant_with_bfloat16(const nn_variant *variant);
const char *nn_compiler(void); /* that built the kernels */

/* Source element types of the gather kernels, in NumPy's order of kinds. The source of NN_COLUMNS is a table of int64,
   (features, 3): address, type and bytes from row to row of each column. */
/* clang-format off */
enum {
    NN_BOOL, NN_INT8, NN_UINT8, NN_INT16, NN_UINT16, NN_INT32, NN_UINT32, NN_INT64, NN_UINT64,
    NN_FLOAT16, NN_FLOAT32, NN_FLOAT64, NN_COLUMNS
};
/* clang-format on */

/* Random numbers are Philox 4x32-10 (philox.h), a function of seed, step, stream and position alone. A stream is
   32 bits: what the numbers are for, in the top four, and below them which layer or parameter they are for. Two
   uses may share a stream only if no seed, step and position is ever common to both. */
enum {
    NN_STREAM_SHUFFLE = 0x00000000,     /* step: epoch */
    NN_STREAM_INITIALIZER = 0x10000000, /* + number of the parameter; step 0 */
    NN_STREAM_DROPOUT = 0x20000000,     /* + number of the layer; step: training step */
    NN_STREAM_USER = 0x70000000         /* + what a caller makes of it: no part of the library draws from here */
};

/* random.c */
/* order = 0 .. count-1 in random order: every permutation equally likely, another one each epoch (its low 32 bits). */
void nn_shuffle(int64_t *order, int64_t count, uint64_t seed, uint64_t epoch);

/* threads.c */
typedef void (*nn_region)(void *state, int thread, int threads);

const char *nn_threading(void);                               /* "OpenMP 4.5", or "none" with the reason */
int nn_available_threads(void);                               /* what affinity and OpenMP's own limit allow */
void nn_set_thread_budget(int threads);                       /* over all regions of this process */
int nn_reserve_threads(int threads);                          /* as many of these as the budget has left, at least 1 */
void nn_release_threads(int threads);                         /* gives reserved ones back */
void nn_parallel(int threads, nn_region region, void *state); /* each calls region; there may be fewer than asked for */
void nn_forget_regions(void);                                 /* that this process has had before it was forked */
double nn_seconds(void);                                      /* a monotonic clock */

/* Waits until *word is not `seen`, and returns it: spinning for about as long as a short phase lasts, then giving the
   processor away in between. */
int64_t nn_wait_for_change(const int64_t *word, int64_t seen);

/* forks.c */
void nn_watch_forks(void); /* to be called when the library is loaded */
int nn_pool_is_lost(void); /* whether a region of this thread's would wait for threads that a fork has left behind */

/* Words that threads share. What was written before a store, an add or an exchange is seen after a load of it. */
static inline int64_t nn_load(const int64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static inline void nn_store(int64_t *word, int64_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
static inline int64_t nn_add(int64_t *word, int64_t value) /* returns the sum */
{
    return __atomic_add_fetch(word, value, __ATOMIC_ACQ_REL);
}
static inline int nn_exchange(int64_t *word, int64_t expected, int64_t value) /* whether it held what was expected */
{
    return __atomic_compare_exchange_n(word, &expected, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

#endif
