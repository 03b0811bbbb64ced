"""What other Cython modules of the package may use of the engine."""

from libc.stdint cimport int32_t, int64_t, uint64_t


cdef extern from "nncore.h" nogil:
    enum:
        NN_SCRATCH_BYTES
        NN_MAX_ARGUMENTS
        NN_KERNEL_COUNT
        NN_STREAM_INITIALIZER
        NN_STREAM_DROPOUT
        NN_ACCUMULATING
        NN_UPDATING

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
        int64_t update
        int64_t turn
        uint64_t seed
        double learning_rate
        double coefficient[8]
        void *gradient
        int64_t gradient_stride
        void *decayed
        double decay
        void *scratch
        int64_t nonfinite
        double *spent

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
        int64_t bfloat16

    int nn_variant_count()
    const nn_variant *nn_variant_at(int number)
    int nn_variant_supported(const nn_variant *variant)
    const nn_variant *nn_variant_with_bfloat16(const nn_variant *variant)

    ctypedef void (*nn_region)(void *state, int thread, int threads) noexcept

    const char *nn_threading()
    const char *nn_compiler()
    int nn_available_threads()
    void nn_parallel(int threads, nn_region region, void *state)
    void nn_set_thread_budget(int threads)
    void nn_watch_forks()
    int nn_reserve_threads(int threads)
    void nn_release_threads(int threads)
    int64_t nn_wait_for_change(const int64_t *word, int64_t seen)
    int64_t nn_load(const int64_t *word)
    void nn_store(int64_t *word, int64_t value)
    int64_t nn_add(int64_t *word, int64_t value)
    int nn_exchange(int64_t *word, int64_t expected, int64_t value)
    double nn_seconds()
    void nn_shuffle(int64_t *order, int64_t count, uint64_t seed, uint64_t epoch)


cdef struct Step:
    nn_kernel kernel
    int64_t rows_from  # minibatches that the step is for: of rows_from rows or more, and of fewer than rows_below
    int64_t rows_below
    int64_t turns  # NN_ACCUMULATING, NN_UPDATING or both: the training steps that it is for
    int64_t per_row  # its rows are samples: so many of each row of the minibatch
    int64_t per_block_row  # and of each row of a block
    nn_slot arguments[NN_MAX_ARGUMENTS]

cdef struct Job:
    int64_t rows  # -1: those of the minibatch
    int64_t columns
    int64_t block_rows
    int64_t block_columns
    int64_t exact_from  # over rows: minibatches of so many rows or more are cut into blocks of exactly block_rows
    bint even  # over rows: blocks begin at even rows
    int first_step
    int last_step
    double cost  # of a block, in any unit
    int64_t across  # blocks beside each other
    int64_t blocks

cdef struct Phase:
    int first_job
    int last_job
    bint over_rows  # its one job is over the rows of the minibatch
    bint in_python  # it has steps in Python: the calling thread's alone
    int64_t blocks  # of all its jobs, where it is not over rows

cdef struct Pace:
    double cost[2]  # seconds a row: alone, with the team
    double next_probe
    int patience  # runs of a probe's length that may pass before the next one
    bint better  # whether the team was, when it was tried last
    int plays
    bint team  # what is being tried or used
    bint probing
    bint in_use

# What one run of a plan does; `Plan.run` says what its fields mean.
cdef struct Task:
    int64_t position
    int64_t end
    int64_t minibatch
    const int64_t *order
    int64_t *counter
    uint64_t seed
    double learning_rate
    double seconds
    int threads
    int first_phase
    int last_phase
    bint prologue
    bint nonfinite  # set by the run


cdef class Plan:
    cdef readonly object dtype
    cdef readonly int64_t rows
    cdef Step *steps
    cdef int step_count, step_capacity, opening_steps
    cdef readonly int64_t update_every
    cdef Job *jobs
    cdef int job_count, job_capacity
    cdef Phase *phases
    cdef readonly int phase_count
    cdef int phase_capacity
    cdef int64_t arena_size, gradient_size, scratch_bytes, staggered
    cdef object arena, values, kernels, failures, thread_memory, bounds, cursors, spent
    cdef int memory_threads
    cdef int64_t brief_rows
    cdef Pace pace

    cdef _set(self, int number, argument, value)
    cdef nn_slot *slot(self, int number, str name) except NULL
    cdef int64_t play(self, Task *task) except -1
    cdef void *ready(self, int threads) except NULL
    cdef void _describe(self, void *run) noexcept
    cdef int _open_memory(self, void *run) except -1


cdef const nn_variant *find_variant(str name) except NULL
cdef int fill_slot(nn_slot *slot, argument, value, object dtype) except -1
cdef void run_ready(const void *ready, int64_t rows, int threads) noexcept nogil
