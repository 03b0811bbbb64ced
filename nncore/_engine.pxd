"""What other Cython modules of the package may use of the engine."""

from libc.stdint cimport int32_t, int64_t, uint64_t


cdef extern from "nncore.h" nogil:
    enum:
        NN_SCRATCH_BYTES
        NN_MAX_ARGUMENTS
        NN_KERNEL_COUNT
        NN_STREAM_INITIALIZER
        NN_STREAM_DROPOUT

    ctypedef struct nn_block:
        int64_t row_begin
        int64_t row_end
        int64_t column_begin
        int64_t column_end

    ctypedef struct nn_worker:
        int64_t rows
        int64_t first_row
        const int64_t *order
        int64_t step
        uint64_t seed
        double learning_rate
        double coefficient[8]
        void *gradient
        int64_t gradient_stride
        void *scratch
        int64_t nonfinite

    ctypedef union nn_slot:
        void *pointer
        int64_t size
        double scalar

    ctypedef void (*nn_kernel)(const nn_slot *arguments, nn_worker *worker, const nn_block *block) noexcept

    ctypedef struct nn_kernel_description:
        const char *name
        const char *range
        const char *arguments

    const nn_kernel_description nn_kernel_descriptions[1]

    ctypedef struct nn_variant:
        const char *name
        nn_kernel kernels[2][1]
        int64_t row_tile[2]
        int64_t column_tile[2]
        int64_t fused

    int nn_variant_count()
    const nn_variant *nn_variant_at(int number)
    int nn_variant_supported(const nn_variant *variant)

    ctypedef void (*nn_region)(void *state, int thread, int threads) noexcept

    const char *nn_threading()
    const char *nn_compiler()
    int nn_available_threads()
    void nn_parallel(int threads, nn_region region, void *state)
    void nn_set_thread_budget(int threads)
    int nn_reserve_threads(int threads)
    void nn_release_threads(int threads)
    int64_t nn_wait_for_change(const int64_t *word, int64_t seen)
    int64_t nn_load(const int64_t *word)
    void nn_store(int64_t *word, int64_t value)
    int64_t nn_add(int64_t *word, int64_t value)
    int nn_exchange(int64_t *word, int64_t expected, int64_t value)
    double nn_seconds()
    void nn_shuffle(int64_t *order, int64_t count, uint64_t seed, uint64_t epoch)


cdef const nn_variant *find_variant(str name) except NULL
cdef int fill_slot(nn_slot *slot, argument, value, object dtype) except -1
