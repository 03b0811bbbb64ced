"""The engine: plans, and the loop that runs them over minibatches without the GIL.

A *step* is a kernel with its arguments. A *job* is a space of rows and columns, cut into blocks, each of which
goes through the job's steps in order: the rows of a minibatch through all layers, or the tiles of a parameter
through gradient, regularisation and update. A *phase* is a list of jobs between two barriers. A *plan* is a list
of phases and the arena that holds every buffer of theirs. The engine knows no layer, no loss and no optimizer.
"""

from libc.math cimport INFINITY, ceil
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

cimport numpy as cnp

import os
from typing import NamedTuple

import numpy as np

cnp.import_array()


# ---------------------------------------------------------------- kernels and variants

class Argument(NamedTuple):
    """An argument of a kernel as kernels.def states it."""

    role: str  # IN, OPTIONAL, OUT, OPTIONAL_OUT, INOUT, SIZE, SCALAR
    type: str  # real, double, int32_t, int64_t, void
    name: str


class Kernel(NamedTuple):
    """A kernel of every variant: its place in the tables, what its block ranges over, its arguments."""

    number: int
    range: str
    arguments: tuple


def _describe_kernels():
    cdef nn_kernel_description description
    cdef int number
    kernels = {}
    for number in range(NN_KERNEL_COUNT):
        description = nn_kernel_descriptions[number]
        fields = description.arguments.decode().rstrip(";").split(";")
        arguments = tuple(Argument(*field.split()) for field in fields)
        assert len(arguments) <= NN_MAX_ARGUMENTS
        kernels[description.name.decode()] = Kernel(number, description.range.decode(), arguments)
    return kernels


KERNELS = _describe_kernels()
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))

# The source types of the gather kernels, in the order of nncore.h.
SOURCE_TYPES = tuple(np.dtype(t) for t in ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"))


def variants():
    """Names of the variants that this machine can run, lowest first."""
    return [
        nn_variant_at(i).name.decode() for i in range(nn_variant_count()) if nn_variant_supported(nn_variant_at(i))
    ]


cdef const nn_variant *find_variant(str name) except NULL:
    for i in range(nn_variant_count()):
        if nn_variant_at(i).name.decode() == name:
            if not nn_variant_supported(nn_variant_at(i)):
                raise ValueError(
                    f"NNCORE_ISA={name}: this machine cannot run that variant; it can run {', '.join(variants())}"
                )
            return nn_variant_at(i)
    compiled = [nn_variant_at(i).name.decode() for i in range(nn_variant_count())]
    raise ValueError(f"NNCORE_ISA={name}: no such variant; this build has {', '.join(compiled)}")


cdef const nn_variant *chosen = find_variant(os.environ.get("NNCORE_ISA") or variants()[len(variants()) - 1])


def variant():
    """Name of the variant in use."""
    return chosen.name.decode()


def panel_width(dtype):
    """Columns of a packed panel of the matrix product, for one real type."""
    return chosen.column_tile[DTYPES.index(np.dtype(dtype))]


def threading():
    """What runs the threads."""
    return nn_threading().decode()


def compiler():
    """The compiler that built the kernels."""
    return nn_compiler().decode()


def available_threads():
    """Threads that affinity and the OpenMP runtime's own limit allow."""
    return nn_available_threads()


def set_thread_budget(int threads):
    """Threads that all regions of this process may use together."""
    nn_set_thread_budget(threads)


# ---------------------------------------------------------------- memory

def aligned_zeros(shape, dtype):
    """An array of zeros whose first element stands on a cache line."""
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    count = 1
    for extent in shape:
        count *= extent
    memory = np.zeros(count * dtype.itemsize + 64, np.uint8)
    start = -<int64_t>cnp.PyArray_DATA(<cnp.ndarray>memory) % 64
    if start < 0:
        start += 64
    return memory[start:start + count * dtype.itemsize].view(dtype).reshape(shape)


def padded_stride(width, itemsize):
    """Elements from one row of a matrix of this width to the next, in the arena.

    Whole cache lines, and an odd number of them: then any 64 rows, and not only the first few, fall into
    different sets of the first-level cache.
    """
    lines = -(-width * itemsize // 64)
    return (lines | 1) * 64 // itemsize


class Buffer:
    """A matrix of the arena: `rows` x `width` elements, `stride` apart."""

    __slots__ = ("dtype", "offset", "rows", "stride", "width")

    def __init__(self, rows, width, stride, dtype, offset):
        self.rows, self.width, self.stride, self.dtype, self.offset = rows, width, stride, dtype, offset

    def at(self, column):
        """The same matrix from this column on."""
        if column == 0:
            return self
        return Buffer(self.rows, self.width - column, self.stride, self.dtype,
                      self.offset + column * self.dtype.itemsize)


_C_TYPES = {"double": np.dtype(np.float64), "int32_t": np.dtype(np.int32), "int64_t": np.dtype(np.int64)}


cdef int fill_slot(nn_slot *slot, argument, value, object dtype) except -1:
    """Sets one argument of a kernel from a Python value."""
    if argument.role == "SIZE":
        slot.size = value
    elif argument.role == "SCALAR":
        slot.scalar = value
    elif value is None:
        if not argument.role.startswith("OPTIONAL"):
            raise TypeError(f"argument {argument.name!r} cannot be None")
        slot.pointer = NULL
    else:
        if argument.type != "void":
            wanted = dtype if argument.type == "real" else _C_TYPES[argument.type]
            if value.dtype != wanted:
                raise TypeError(f"argument {argument.name!r} must be of type {wanted}, not {value.dtype}")
        slot.pointer = cnp.PyArray_DATA(<cnp.ndarray?>value)
    return 0


# ---------------------------------------------------------------- plans

cdef struct Step:
    nn_kernel kernel
    nn_slot arguments[NN_MAX_ARGUMENTS]

cdef struct Job:
    int64_t rows  # -1: those of the minibatch
    int64_t columns
    int64_t block_rows
    int64_t block_columns
    int first_step
    int last_step
    double cost  # of a block, in any unit

cdef struct Phase:
    int first_job
    int last_job

# The blocks of a job that one thread works on.
cdef struct Share:
    int64_t first
    int64_t last

cdef struct Run:
    Step *steps
    Job *jobs
    Phase *phases
    Share *shares  # of each thread, for each job; filled by the thread
    int opening_steps
    int first_phase
    int last_phase
    int job_count
    char *memory  # of each thread: scratch, then the gradient of a block
    int64_t memory_stride
    bint prologue  # run phase 0 before the first minibatch
    nn_worker worker  # what every thread starts from
    int64_t position
    int64_t end
    int64_t minibatch
    double deadline
    nn_barrier barrier
    int64_t nonfinite_at  # number of the phase in which a loss was found not finite
    int64_t stop_at  # number of the phase after which the time is over
    int64_t reached  # position after the last finished minibatch
    int64_t finished  # minibatches


cdef void run_block(Run *run, const Job *job, nn_worker *worker, nn_block *block) noexcept nogil:
    cdef Step *step = run.steps + job.first_step
    cdef Step *end = run.steps + job.last_step
    while step < end:
        step.kernel(step.arguments, worker, block)
        step += 1


cdef void run_row_job(Run *run, const Job *job, nn_worker *worker, int thread, int threads) noexcept nogil:
    """The thread's share of the rows, in even blocks of at most block_rows."""
    cdef int64_t begin = worker.rows * thread // threads
    cdef int64_t rows = worker.rows * (thread + 1) // threads - begin
    cdef int64_t i, blocks = (rows + job.block_rows - 1) // job.block_rows
    cdef nn_block block
    block.column_begin = 0
    block.column_end = job.columns
    for i in range(blocks):
        block.row_begin = begin + rows * i // blocks
        block.row_end = begin + rows * (i + 1) // blocks
        run_block(run, job, worker, &block)


cdef void run_matrix_job(Run *run, const Job *job, const Share *share, nn_worker *worker) noexcept nogil:
    """The thread's share of the blocks of a parameter, along its rows of blocks."""
    cdef int64_t across = (job.columns + job.block_columns - 1) // job.block_columns
    cdef int64_t i, row = share.first // across, column = share.first % across
    cdef nn_block block
    for i in range(share.first, share.last):
        block.row_begin = row * job.block_rows
        block.row_end = min(block.row_begin + job.block_rows, job.rows)
        block.column_begin = column * job.block_columns
        block.column_end = min(block.column_begin + job.block_columns, job.columns)
        worker.gradient_stride = block.column_end - block.column_begin
        run_block(run, job, worker, &block)
        column += 1
        if column == across:
            column = 0
            row += 1


cdef int64_t count_blocks(const Job *job) noexcept nogil:
    return ((job.rows + job.block_rows - 1) // job.block_rows) * (
        (job.columns + job.block_columns - 1) // job.block_columns)


cdef void share_blocks(Run *run, const Phase *phase, Share *shares, int thread, int threads) noexcept nogil:
    """Deals the blocks of a phase's matrix jobs to the threads, in order and by cost.

    A block belongs to the thread in whose part of the whole cost its middle lies.
    """
    cdef double total = 0, before = 0, low, high
    cdef int64_t blocks
    cdef int job
    for job in range(phase.first_job, phase.last_job):
        if run.jobs[job].rows >= 0:
            total += count_blocks(run.jobs + job) * run.jobs[job].cost
    low = total * thread / threads
    high = INFINITY if thread == threads - 1 else total * (thread + 1) / threads
    for job in range(phase.first_job, phase.last_job):
        if run.jobs[job].rows < 0:
            continue
        blocks = count_blocks(run.jobs + job)
        shares[job].first = first_block_from(low, before, run.jobs[job].cost, blocks)
        shares[job].last = first_block_from(high, before, run.jobs[job].cost, blocks)
        before += blocks * run.jobs[job].cost


cdef int64_t first_block_from(double bound, double before, double cost, int64_t blocks) noexcept nogil:
    """The first block whose middle lies at or after `bound`, where block 0 starts at `before`."""
    cdef double position = (bound - before) / cost - 0.5
    if position <= 0:
        return 0
    return blocks if position >= blocks else <int64_t>ceil(position)


cdef void run_thread(void *state, int thread, int threads) noexcept nogil:
    """All minibatches, as one thread sees them."""
    cdef Run *run = <Run *>state
    cdef nn_worker worker = run.worker
    cdef int64_t position = run.position, phase_number = 0, clock_interval = 1, until_clock = 1
    cdef int phase, job, i
    cdef double now, last_clock = 0
    cdef Share *shares = run.shares + thread * run.job_count
    worker.scratch = run.memory + thread * run.memory_stride
    worker.gradient = <char *>worker.scratch + NN_SCRATCH_BYTES
    for phase in range(run.first_phase, run.last_phase):
        share_blocks(run, &run.phases[phase], shares, thread, threads)
    if run.prologue:
        share_blocks(run, &run.phases[0], shares, thread, threads)
        for job in range(run.phases[0].first_job, run.phases[0].last_job):
            run_matrix_job(run, run.jobs + job, shares + job, &worker)
        nn_barrier_wait(&run.barrier, threads)
    while position < run.end:
        worker.first_row = position
        worker.rows = min(run.minibatch, run.end - position)
        for i in range(run.opening_steps):
            run.steps[i].kernel(run.steps[i].arguments, &worker, NULL)
        for phase in range(run.first_phase, run.last_phase):
            for job in range(run.phases[phase].first_job, run.phases[phase].last_job):
                if run.jobs[job].rows < 0:
                    run_row_job(run, run.jobs + job, &worker, thread, threads)
                else:
                    run_matrix_job(run, run.jobs + job, shares + job, &worker)
            phase_number += 1
            if worker.nonfinite:
                run.nonfinite_at = phase_number
            if thread == 0 and phase == run.last_phase - 1:
                until_clock -= 1
                if until_clock == 0:
                    now = nn_seconds()
                    if now > run.deadline:
                        run.stop_at = phase_number
                    if now - last_clock < 1e-4 and clock_interval < 1024:
                        clock_interval *= 2
                    last_clock = now
                    until_clock = clock_interval
            nn_barrier_wait(&run.barrier, threads)
            # Compared with this phase's own number: a faster thread may be in the next phase already.
            if run.nonfinite_at == phase_number:
                return
        position += worker.rows
        worker.step += 1
        if thread == 0:
            run.reached = position
            run.finished += 1
        if run.stop_at == phase_number:
            return


cdef class Plan:
    """Steps in jobs, jobs in phases, and the arena with their buffers.

    Built by calls of `buffer`, `opening`, `phase`, `row_job`, `matrix_job` and `step` in the order of execution,
    closed by `finish`, and run any number of times. Values of kernel arguments are Buffers of this plan, NumPy
    arrays (kept alive, used in place), numbers, or None.

    Parameters
    ----------
    dtype : float32 or float64, the plan's real type.
    rows : rows of the largest minibatch.
    """

    cdef readonly object dtype
    cdef readonly int64_t rows
    cdef Step *steps
    cdef int step_count, step_capacity, opening_steps
    cdef Job *jobs
    cdef int job_count, job_capacity
    cdef Phase *phases
    cdef int phase_count, phase_capacity
    cdef int64_t arena_size, gradient_size
    cdef object arena, values, kernels, thread_memory, shares
    cdef double cost

    def __cinit__(self, dtype, int64_t rows):
        self.dtype = np.dtype(dtype)
        self.rows = rows
        self.values = []  # of each step: {argument name: value}; what a pointer points to lives here
        self.kernels = []
        self.gradient_size = 0
        self.cost = 0

    def __dealloc__(self):
        free(self.steps)
        free(self.jobs)
        free(self.phases)

    # ---- building

    def buffer(self, width, dtype=None):
        """A buffer of (rows, width) elements in the arena, with a padded stride; of (rows,) for width None."""
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        stride = 1 if width is None else padded_stride(width, dtype.itemsize)
        placed = Buffer(self.rows, 1 if width is None else width, stride, dtype, self.arena_size)
        self.arena_size += -(-self.rows * stride * dtype.itemsize // 64) * 64
        return placed

    def opening(self):
        """What follows is run by every thread for itself, at the beginning of each minibatch."""
        assert self.job_count == 0

    def phase(self):
        """Opens a phase: what follows waits for all threads to finish what came before."""
        if self.phase_count == self.phase_capacity:
            self.phases = <Phase *>grow(self.phases, &self.phase_capacity, sizeof(Phase))
        self.phases[self.phase_count].first_job = self.job_count
        self.phases[self.phase_count].last_job = self.job_count
        self.phase_count += 1
        return self.phase_count - 1

    def row_job(self, block_rows):
        """Opens a job over the rows of the minibatch, in blocks of at most block_rows."""
        self._job(-1, 1, block_rows, 1, 0)

    def matrix_job(self, rows, columns, block_rows, block_columns, cost):
        """Opens a job over the elements of a matrix; `cost` is that of one full block, in any unit."""
        self._job(rows, columns, block_rows, block_columns, cost)
        self.gradient_size = max(self.gradient_size, block_rows * block_columns)

    def _job(self, rows, columns, block_rows, block_columns, cost):
        if self.job_count == self.job_capacity:
            self.jobs = <Job *>grow(self.jobs, &self.job_capacity, sizeof(Job))
        cdef Job *job = self.jobs + self.job_count
        job.rows, job.columns, job.block_rows, job.block_columns = rows, columns, block_rows, block_columns
        job.first_step = job.last_step = self.step_count
        job.cost = cost
        self.job_count += 1
        self.phases[self.phase_count - 1].last_job = self.job_count

    def step(self, kernel, **values):
        """Adds a step to the job last opened, or to the opening; returns its number for `bind`."""
        described = KERNELS[kernel]
        names = [argument.name for argument in described.arguments]
        if sorted(names) != sorted(values):
            raise TypeError(f"kernel {kernel} takes {', '.join(names)}; got {', '.join(values)}")
        if self.step_count == self.step_capacity:
            self.steps = <Step *>grow(self.steps, &self.step_capacity, sizeof(Step))
        self.steps[self.step_count].kernel = chosen.kernels[DTYPES.index(self.dtype)][<int>described.number]
        self.values.append(values)
        self.kernels.append(described)
        self.step_count += 1
        if self.job_count:
            self.jobs[self.job_count - 1].last_step = self.step_count
        else:
            self.opening_steps = self.step_count
        return self.step_count - 1

    def add_cost(self, double flops):
        """Adds to what a row of a minibatch costs; decides how many threads pay."""
        self.cost += flops

    def finish(self):
        """Allocates the arena and fills in every step's arguments."""
        self.arena = aligned_zeros(max(self.arena_size, 1), np.uint8)
        for number in range(self.step_count):
            for argument in self.kernels[number].arguments:
                value = self.values[number][argument.name]
                if value is not BIND_LATER:
                    self._set(number, argument, value)
        return self

    def array(self, buffer):
        """The buffer as a NumPy array of shape (rows, width), a view of the arena."""
        size = buffer.dtype.itemsize
        return np.ndarray((buffer.rows, buffer.width), buffer.dtype, self.arena, buffer.offset,
                          (buffer.stride * size, size))

    cdef _set(self, int number, argument, value):
        cdef int slot = self.kernels[number].arguments.index(argument)
        if isinstance(value, Buffer):
            value = self.array(value)
        fill_slot(self.steps[number].arguments + slot, argument, value, self.dtype)

    def bind(self, number, **values):
        """Sets arguments of a finished plan's step, until they are set again."""
        for argument in self.kernels[number].arguments:
            if argument.name in values:
                self.values[number][argument.name] = values[argument.name]
                self._set(number, argument, values[argument.name])

    # ---- running

    def run(self, int64_t end, *, int64_t position=0, int64_t minibatch=0, order=None, counter=None, uint64_t seed=0,
            double learning_rate=0.0, int threads=1, double seconds=INFINITY, int first_phase=1, last_phase=None,
            bint prologue=True):
        """Runs the minibatches from `position` to `end`; returns (position reached, whether a loss was not finite).

        Phase 0, the prologue, is run once and before the others. The run stops early after `seconds`, at the end of a minibatch, or in a minibatch whose loss is not finite,
        before any later phase of it has changed anything. `counter`, an int64 array of one element, holds the
        number of training steps done before, and counts those of this run.
        """
        cdef Run run
        cdef int64_t per_thread
        memset(&run, 0, sizeof(Run))
        run.steps, run.jobs, run.phases = self.steps, self.jobs, self.phases
        run.opening_steps = self.opening_steps
        run.first_phase = first_phase
        run.last_phase = self.phase_count if last_phase is None else last_phase
        run.job_count = self.job_count
        run.prologue = prologue and self.phases[0].last_job > 0
        run.position = run.reached = position
        run.end = end
        run.minibatch = minibatch or self.rows
        if run.minibatch > self.rows:
            raise ValueError(f"a plan for minibatches of {self.rows} rows cannot run {run.minibatch}")
        run.deadline = nn_seconds() + seconds
        run.nonfinite_at = run.stop_at = 0
        if order is not None:
            if order.dtype != np.int64 or order.shape[0] < end:
                raise TypeError("order must be an int64 array of at least `end` positions")
            run.worker.order = <const int64_t *>cnp.PyArray_DATA(<cnp.ndarray?>order)
        run.worker.step = 1 if counter is None else counter[0] + 1
        run.worker.seed = seed
        run.worker.learning_rate = learning_rate
        if self.thread_memory is None or self.shares.shape[0] < threads:
            per_thread = NN_SCRATCH_BYTES + -(-self.gradient_size * self.dtype.itemsize // 64) * 64 + 64
            self.thread_memory = aligned_zeros((threads, per_thread), np.uint8)
            self.shares = np.zeros((threads, max(self.job_count, 1), 2), np.int64)
        run.memory = <char *>cnp.PyArray_DATA(<cnp.ndarray>self.thread_memory)
        run.memory_stride = self.thread_memory.shape[1]
        run.shares = <Share *>cnp.PyArray_DATA(<cnp.ndarray>self.shares)
        with nogil:
            nn_parallel(threads, run_thread, &run)
        if counter is not None:
            counter[0] += run.finished  # here, where no signal handler of Python's can come between
        return run.reached, run.nonfinite_at != 0


BIND_LATER = object()  # in place of an argument that Plan.bind sets before the first run


cdef void *grow(void *memory, int *capacity, size_t size) except NULL:
    cdef int larger = max(16, 2 * capacity[0])
    cdef void *grown = realloc(memory, larger * size)
    if grown == NULL:
        raise MemoryError
    capacity[0] = larger
    return grown


def shuffled(int64_t count, uint64_t seed, uint64_t epoch):
    """The order of the rows in one epoch: a permutation that depends on seed and epoch alone."""
    order = np.empty(count, np.int64)
    cdef int64_t *place = <int64_t *>cnp.PyArray_DATA(<cnp.ndarray>order)
    with nogil:
        nn_shuffle(place, count, seed, epoch)
    return order
