"""The engine: plans, and the loop that runs them over minibatches without the GIL.

A *step* is a kernel with its arguments. A *job* is a space of rows and columns, cut into blocks, each of which
goes through the job's steps in order: the rows of a minibatch through all layers, or the tiles of a parameter
through gradient, regularisation and update. A *phase* is a list of jobs between two barriers. A *plan* is a list
of phases and the arena that holds every buffer of theirs. The engine knows no layer, no loss and no optimizer.
"""

from libc.math cimport INFINITY, ceil
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

cimport numpy as cnp

import os
from typing import NamedTuple

import numpy as np

cnp.import_array()
nn_watch_forks()


# ---------------------------------------------------------------- kernels and variants

class Argument(NamedTuple):
    """An argument of a kernel as kernels.def states it."""

    role: str  # IN, OPTIONAL, OUT, OPTIONAL_OUT, INOUT, SIZE, SCALAR
    type: str  # real, double, int32_t, int64_t, void
    name: str


class Kernel(NamedTuple):
    """A kernel of every variant: its name, its place in the tables, what its block ranges over, its arguments."""

    name: str
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
        name = description.name.decode()
        kernels[name] = Kernel(name, number, description.range.decode(), arguments)
    return kernels


KERNELS = _describe_kernels()
MAX_ARGUMENTS = NN_MAX_ARGUMENTS  # of a kernel
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))

# Streams of random numbers: what they are for. The number of a weight or layer is added.
STREAM_INITIALIZER = NN_STREAM_INITIALIZER
STREAM_DROPOUT = NN_STREAM_DROPOUT
STREAM_NUMBERS = 1 << 28  # of one stream

# The training steps that a step of a plan is for, where gradients of several make one update.
ACCUMULATING, UPDATING, ALWAYS = NN_ACCUMULATING, NN_UPDATING, NN_ACCUMULATING | NN_UPDATING

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
            return nn_variant_with_bfloat16(nn_variant_at(i))
    compiled = [nn_variant_at(i).name.decode() for i in range(nn_variant_count())]
    raise ValueError(f"NNCORE_ISA={name}: no such variant; this build has {', '.join(compiled)}")


cdef const nn_variant *chosen = find_variant(os.environ.get("NNCORE_ISA") or variants()[len(variants()) - 1])


def variant():
    """Name of the variant in use."""
    return chosen.name.decode()


cdef bint bfloat16_wanted = False


def bfloat16():
    """Whether plans may have products of pairs of bfloat16."""
    return bfloat16_wanted or chosen.bfloat16 != 0


def set_bfloat16(bint on):
    """Whether to use them also where they are made of float's products and slow; for tests."""
    global bfloat16_wanted
    bfloat16_wanted = on


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


_C_TYPES = {name: np.dtype(dtype) for name, dtype in
            (("float", "f4"), ("double", "f8"), ("int32_t", "i4"), ("int64_t", "i8"))}


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


# ---------------------------------------------------------------- steps in Python

cdef class PythonStep:
    """What a step of a plan in Python calls, `function(*arrays)`, and where it puts what that raises."""

    cdef object function, arrays, failures

    def __init__(self, function, arrays, failures):
        self.function, self.arrays, self.failures = function, arrays, failures

    cdef bint call(self, int64_t rows) noexcept:
        try:
            self.function(*[array[:rows] for array in self.arrays])
        except BaseException as error:
            self.failures.append(error)
            return False
        return True


cdef void call_python(const nn_slot *arguments, nn_worker *worker, const nn_block *_) noexcept nogil:
    """The kernel of steps in Python. After a failure the run ends as after a loss that is not finite."""
    with gil:
        if not (<PythonStep>arguments[0].pointer).call(worker.rows):
            worker.nonfinite = 1


# ---------------------------------------------------------------- plans

# Where a thread's share of a phase has got to: the phase's number in the upper half, the next block in the lower.
# Alone on a cache line, as every thread writes its own.
cdef struct Cursor:
    int64_t word
    int64_t unused[7]

cdef struct Run:
    Step *steps
    Job *jobs
    Phase *phases
    int opening_steps
    int step_count
    int64_t update_every  # training steps for one update
    double *spent  # of each thread and step; NULL where nobody asked
    int first_phase
    int phase_count  # of a minibatch
    int prologue  # 1: phase 0 comes once, before the first minibatch
    int threads
    char *memory  # of each thread: scratch, then the gradient of a block
    int64_t memory_stride
    int64_t scratch_bytes
    nn_worker worker  # what every thread starts from
    int64_t position
    int64_t end
    int64_t minibatch
    double deadline
    int64_t *bounds  # of each phase: where each thread's share of the blocks begins, and the end of the last
    Cursor *cursors
    int64_t number  # of the phase in work, from 1, over all minibatches; -1 when the run is over
    int64_t unused1[7]
    int64_t done  # blocks of it
    int64_t unused2[7]
    int64_t nonfinite  # 1: a loss was NaN or infinite
    int64_t finished  # minibatches
    int64_t clock_interval
    int64_t until_clock
    double last_clock
    double warm_from  # when the time that counts for the pace begins
    double warm_clock  # the first look at the clock after that, or 0
    int64_t warm_finished  # minibatches finished by then


cdef int64_t first_block_from(double bound, double before, double cost, int64_t blocks) noexcept nogil:
    """The first block whose middle lies at or after `bound`, where block 0 starts at `before`."""
    cdef double position = (bound - before) / cost - 0.5
    if position <= 0:
        return 0
    return blocks if position >= blocks else <int64_t>ceil(position)


cdef void share_blocks(Run *run, const Phase *phase, int64_t *bounds) noexcept nogil:
    """Divides the blocks of a phase among the threads, in order and by cost.

    A block belongs to the thread in whose part of the whole cost its middle lies.
    """
    cdef double total = 0, before, bound
    cdef int thread, job
    for job in range(phase.first_job, phase.last_job):
        total += run.jobs[job].blocks * run.jobs[job].cost
    bounds[0] = 0
    bounds[run.threads] = phase.blocks
    for thread in range(1, run.threads):
        bound = total * thread / run.threads
        bounds[thread] = 0
        before = 0
        for job in range(phase.first_job, phase.last_job):
            bounds[thread] += first_block_from(bound, before, run.jobs[job].cost, run.jobs[job].blocks)
            before += run.jobs[job].blocks * run.jobs[job].cost


cdef inline void run_step(const Step *step, nn_worker *worker, const nn_block *block) noexcept nogil:
    cdef nn_block samples
    if step.per_row == 1:
        step.kernel(step.arguments, worker, block)
        return
    samples = block[0]
    samples.row_begin *= step.per_block_row
    samples.row_end *= step.per_block_row
    worker.rows *= step.per_row
    step.kernel(step.arguments, worker, &samples)
    worker.rows //= step.per_row


cdef void run_steps(Run *run, const Job *job, nn_worker *worker, nn_block *block) noexcept nogil:
    cdef Step *step = run.steps + job.first_step
    cdef Step *end = run.steps + job.last_step
    cdef double begin, now
    if worker.spent == NULL:
        while step < end:
            if step.rows_from <= worker.rows < step.rows_below and step.turns & worker.turn:
                run_step(step, worker, block)
            step += 1
        return
    begin = nn_seconds()
    while step < end:
        if step.rows_from <= worker.rows < step.rows_below and step.turns & worker.turn:
            run_step(step, worker, block)
        now = nn_seconds()
        worker.spent[step - run.steps] += now - begin
        begin = now
        step += 1


cdef int64_t count_row_blocks(Run *run, const Phase *phase, int64_t rows) noexcept nogil:
    """Blocks of at most block_rows, the same number for each thread: no thread waits for another's last block."""
    cdef const Job *job = run.jobs + phase.first_job
    cdef int64_t most = job.block_rows * run.threads
    if rows >= job.exact_from:
        return (rows + job.block_rows - 1) // job.block_rows
    return min(rows, (rows + most - 1) // most * run.threads)


cdef void run_row_block(Run *run, const Phase *phase, nn_worker *worker, int64_t i, int64_t blocks) noexcept nogil:
    cdef const Job *job = run.jobs + phase.first_job
    cdef nn_block block
    if worker.rows >= job.exact_from:
        block.row_begin = job.block_rows * i
        block.row_end = min(block.row_begin + job.block_rows, worker.rows)
    else:
        block.row_begin = worker.rows * i // blocks
        block.row_end = worker.rows * (i + 1) // blocks
        if job.even:
            block.row_begin -= block.row_begin % 2
            if i + 1 < blocks:
                block.row_end -= block.row_end % 2
            if block.row_begin == block.row_end:
                return
    block.column_begin = 0
    block.column_end = 1
    run_steps(run, job, worker, &block)


cdef void run_matrix_blocks(
    Run *run, const Phase *phase, nn_worker *worker, int64_t first, int64_t last
) noexcept nogil:
    """Blocks `first` to `last` of a phase, counted through its jobs, in each along its rows of blocks."""
    cdef const Job *job = run.jobs + phase.first_job
    cdef int64_t row, column, _
    cdef nn_block block
    while first < last:
        if first >= job.blocks:
            first -= job.blocks
            last -= job.blocks
            job += 1
            continue
        row = first // job.across if first else 0
        column = first - row * job.across
        for _ in range(first, min(last, job.blocks)):
            block.row_begin = row * job.block_rows
            block.row_end = min(block.row_begin + job.block_rows, job.rows)
            block.column_begin = column * job.block_columns
            block.column_end = min(block.column_begin + job.block_columns, job.columns)
            worker.gradient = <char *>worker.scratch + run.scratch_bytes
            worker.gradient_stride = block.column_end - block.column_begin
            worker.decayed = NULL
            run_steps(run, job, worker, &block)
            column += 1
            if column == job.across:
                column = 0
                row += 1
        first = min(last, job.blocks)


cdef void open_worker(Run *run, nn_worker *worker, int thread) noexcept nogil:
    worker[0] = run.worker
    worker.scratch = run.memory + thread * run.memory_stride
    if run.spent != NULL:
        worker.spent = run.spent + thread * run.step_count


cdef void open_minibatch(Run *run, nn_worker *worker, int64_t minibatch) noexcept nogil:
    cdef int i
    worker.first_row = run.position + minibatch * run.minibatch
    worker.rows = min(run.minibatch, run.end - worker.first_row)
    worker.step = run.worker.step + minibatch
    worker.update = (worker.step - 1) // run.update_every + 1
    worker.turn = NN_ACCUMULATING if worker.step % run.update_every else NN_UPDATING
    for i in range(run.opening_steps):
        run.steps[i].kernel(run.steps[i].arguments, worker, NULL)


cdef bint finish_minibatch(Run *run) noexcept nogil:
    """Counts a minibatch; returns whether the run is over."""
    cdef double now
    run.finished += 1
    run.until_clock -= 1
    if run.until_clock <= 0:
        now = nn_seconds()
        if now > run.deadline:
            return True
        if now - run.last_clock < 1e-4 and run.clock_interval < 1024:
            run.clock_interval *= 2
        run.last_clock = now
        run.until_clock = run.clock_interval
        if run.warm_clock == 0 and now >= run.warm_from:
            run.warm_clock, run.warm_finished = now, run.finished
    return run.position + run.finished * run.minibatch >= run.end


cdef void run_alone(Run *run) noexcept nogil:
    """All minibatches on the calling thread."""
    cdef nn_worker worker
    cdef Phase *phase
    cdef int i
    cdef int64_t block, blocks
    open_worker(run, &worker, 0)
    if run.prologue:
        run_matrix_blocks(run, run.phases, &worker, 0, run.phases[0].blocks)
    while True:
        open_minibatch(run, &worker, run.finished)
        for i in range(run.first_phase, run.first_phase + run.phase_count):
            phase = run.phases + i
            if phase.over_rows:
                blocks = count_row_blocks(run, phase, worker.rows)
                for block in range(blocks):
                    run_row_block(run, phase, &worker, block, blocks)
            else:
                run_matrix_blocks(run, phase, &worker, 0, phase.blocks)
            if worker.nonfinite:
                run.nonfinite = 1
                return
        if finish_minibatch(run):
            return


# Threads share a phase without a barrier: each takes blocks from its own share, then from the others', and who
# finishes the last block opens the next phase. So a thread that the machine has put to sleep holds nobody up, but
# for the block it is in; and it comes back into whatever phase is in work by then.

cdef void open_phase(Run *run, int64_t number, int64_t minibatch, int place) noexcept nogil:
    """Opens the phase at `place` of the plan as phase `number` of the run."""
    cdef const Phase *phase = run.phases + place
    cdef int share
    cdef int64_t blocks = 0, first
    if phase.over_rows:
        blocks = count_row_blocks(run, phase, min(run.minibatch, run.end - run.position - minibatch * run.minibatch))
    for share in range(run.threads):
        if phase.over_rows:
            first = blocks * share // run.threads
        else:
            first = run.bounds[place * (run.threads + 1) + share]
        nn_store(&run.cursors[share].word, number << 32 | first)
    nn_store(&run.done, 0)
    nn_store(&run.number, number)


cdef void run_together(void *state, int thread, int team) noexcept nogil:
    """One thread's part of the run. `team`, the threads that there are, may be fewer than were planned for."""
    cdef Run *run = <Run *>state
    cdef nn_worker worker
    cdef Phase *phase
    cdef int64_t number = 0, minibatch = -1, now_in, index, blocks, block, limit, word
    cdef int share, turn, place
    open_worker(run, &worker, thread)
    while True:
        number = nn_wait_for_change(&run.number, number)
        if number < 0:
            return
        index = number - 1 - run.prologue
        now_in = index // run.phase_count if index >= 0 else 0
        place = run.first_phase + <int>(index - now_in * run.phase_count) if index >= 0 else 0
        phase = run.phases + place
        if now_in != minibatch:
            minibatch = now_in
            open_minibatch(run, &worker, minibatch)
        if phase.in_python and thread > 0:
            continue
        blocks = count_row_blocks(run, phase, worker.rows) if phase.over_rows else phase.blocks
        for turn in range(run.threads):
            share = (thread + turn) % run.threads
            if phase.over_rows:
                limit = blocks * (share + 1) // run.threads
            else:
                limit = run.bounds[place * (run.threads + 1) + share + 1]
            while True:
                word = nn_load(&run.cursors[share].word)
                block = word - (word >> 32 << 32)
                if word >> 32 != number or block >= limit:
                    break
                if not nn_exchange(&run.cursors[share].word, word, word + 1):
                    continue
                if phase.over_rows:
                    run_row_block(run, phase, &worker, block, blocks)
                else:
                    run_matrix_blocks(run, phase, &worker, block, block + 1)
                if worker.nonfinite:
                    nn_store(&run.nonfinite, 1)
                if nn_add(&run.done, 1) == blocks:
                    close_phase(run, number, minibatch, place)


cdef void close_phase(Run *run, int64_t number, int64_t minibatch, int place) noexcept nogil:
    """Opens what comes after a phase whose last block is done."""
    cdef bint last = place == run.first_phase + run.phase_count - 1
    if nn_load(&run.nonfinite) or (last and finish_minibatch(run)):
        nn_store(&run.number, -1)
    elif last:
        open_phase(run, number + 1, minibatch + 1, run.first_phase)
    else:
        open_phase(run, number + 1, minibatch, run.first_phase if place < run.first_phase else place + 1)


# Whether several threads pay, and whether the machine has them to give, is found out by trying: each plan keeps what
# a row cost with one thread and with all, takes the cheaper, and tries the other one again now and then.

# A probe lasts so long, and its first part, in which the threads of a team wake up, does not count.
cdef double PROBE_SECONDS = 0.003
# Runs over rows of which as many have last taken less than this keep the GIL: handing it to another thread and waiting
# until it comes back takes longer.
cdef double BRIEF_SECONDS = 50e-6
cdef double WARM_UP_SECONDS = 0.001
cdef bint pacing = True


def set_pacing(bint on):
    """Whether plans may use fewer threads than they are given; for tests that must have them all."""
    global pacing
    pacing = on


cdef inline bint team_pays(const Pace *pace) noexcept:
    return pace.cost[1] <= 0.95 * pace.cost[0]  # for less a processor is better left to others


cdef int choose_team(Pace *pace, double now, int threads) noexcept:
    """How many threads to use now."""
    pace.in_use = True
    pace.probing = True
    if pace.plays < 3:
        pace.team = pace.plays != 1  # the first with the team counts for nothing: it makes the threads
    else:
        pace.team = team_pays(pace)
        pace.probing = now > pace.next_probe
        if pace.probing:
            pace.team = not pace.team
    return threads if pace.team else 1


cdef void note_pace(Pace *pace, double begin, double warm, double end, double rows) noexcept:
    """Notes what `rows` cost from `warm` to the end of a run.

    A disturbance of the machine counts for little unless it lasts, and both ways are tried anew before what it did to
    the one in use is believed. What a probe has said is asked again soon, and then later and later as long as the
    answer is the same: until what probes cost more than the better way is one hundredth of the time.
    """
    cdef double cost = (end - warm) / rows
    cdef double *kept = pace.cost + pace.team
    cdef bint better
    if not pace.probing:
        kept[0] = 0.7 * kept[0] + 0.3 * min(cost, 1.3 * kept[0])
        if team_pays(pace) != pace.better:
            pace.plays = 1
        return
    kept[0] = cost
    better = team_pays(pace)
    pace.patience = 2 * pace.patience if better == pace.better and pace.patience else 4
    pace.patience = <int>min(pace.patience, max(8, 100 * min(1.0, pace.cost[not better] / pace.cost[better] - 1)))
    pace.better = better
    pace.next_probe = end + pace.patience * max(0.01, end - begin)
    pace.plays += pace.plays < 3


# Buffers of so many bytes begin at different places of a page, so many cache lines further on each time: a processor
# takes a store for one of the same place in another page until it knows better, and a load behind it waits.
cdef int64_t STAGGERED_BYTES = 16384
cdef int64_t STAGGERED_LINES = 13


cdef class Plan:
    """Steps in jobs, jobs in phases, and the arena with their buffers.

    Built by calls of `buffer`, `opening`, `phase`, `row_job`, `matrix_job` and `step` in the order of execution,
    closed by `finish`, and run any number of times. Values of kernel arguments are Buffers of this plan, NumPy
    arrays (kept alive, used in place), numbers, or None.

    Parameters
    ----------
    dtype : float32 or float64, the plan's real type.
    rows : rows of the largest minibatch.
    update_every : training steps whose gradients make one update.
    """

    def __cinit__(self, dtype, int64_t rows, int64_t update_every=1):
        self.dtype = np.dtype(dtype)
        self.rows = rows
        self.values = []  # of each step: {argument name: value}; what a pointer points to lives here
        self.kernels = []
        self.failures = []  # what steps in Python have raised in this run
        self.gradient_size = self.staggered = 0
        self.scratch_bytes = NN_SCRATCH_BYTES
        self.update_every = update_every
        memset(&self.pace, 0, sizeof(Pace))

    def __dealloc__(self):
        free(self.steps)
        free(self.jobs)
        free(self.phases)

    # ---- building

    def buffer(self, width, dtype=None, gapless=False):
        """A buffer of (rows, width) elements in the arena, with a padded stride; of (rows,) for width None.

        `gapless`: row stands at row, for steps over samples of the rows.
        """
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        stride = 1 if width is None else width if gapless else padded_stride(width, dtype.itemsize)
        size = -(-self.rows * stride * dtype.itemsize // 64) * 64
        if size >= STAGGERED_BYTES:
            self.arena_size += 64 * (STAGGERED_LINES * self.staggered - self.arena_size // 64 & 63)
            self.staggered += 1
        placed = Buffer(self.rows, 1 if width is None else width, stride, dtype, self.arena_size)
        self.arena_size += size
        return placed

    def need_scratch(self, bytes_):
        """Makes each thread's own memory for kernels at least so large."""
        self.scratch_bytes = max(self.scratch_bytes, -(-bytes_ // 64) * 64)

    def opening(self):
        """What follows is run by every thread for itself, at the beginning of each minibatch."""
        assert self.job_count == 0

    def phase(self):
        """Opens a phase: what follows waits for all threads to finish what came before."""
        if self.phase_count == self.phase_capacity:
            self.phases = <Phase *>grow(self.phases, &self.phase_capacity, sizeof(Phase))
        self.phases[self.phase_count].first_job = self.job_count
        self.phases[self.phase_count].last_job = self.job_count
        self.phases[self.phase_count].over_rows = False
        self.phases[self.phase_count].in_python = False
        self.phases[self.phase_count].blocks = 0
        self.phase_count += 1
        return self.phase_count - 1

    def row_job(self, block_rows, exact_from=None, even=False):
        """Opens a job over the rows of the minibatch, in blocks of at most block_rows.

        Minibatches of `exact_from` rows or more are cut into blocks of exactly so many, however many threads there
        are. With `even` all blocks begin at even rows, so that some may be empty.
        """
        self._job(-1, 1, block_rows, 1, 0)
        self.jobs[self.job_count - 1].even = even
        if exact_from is not None:
            self.jobs[self.job_count - 1].exact_from = exact_from

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
        job.cost = max(cost, 1e-9)
        job.exact_from = INT64_MAX
        job.even = False
        job.across = (columns + block_columns - 1) // block_columns
        job.blocks = (rows + block_rows - 1) // block_rows * job.across
        self.job_count += 1
        cdef Phase *phase = self.phases + self.phase_count - 1
        assert not phase.over_rows and (rows >= 0 or phase.first_job == phase.last_job), "a job over rows stands alone"
        phase.last_job = self.job_count
        phase.over_rows = rows < 0
        if rows >= 0:
            phase.blocks += job.blocks

    def step(self, kernel, values, rows_from=0, rows_below=None, turns=ALWAYS, per_row=1):
        """Adds a step to the job last opened, or to the opening; returns its number for `bind`.

        Parameters
        ----------
        kernel : str
        values : dict from argument name to value
        rows_from, rows_below : int
            The step is for minibatches of `rows_from` rows or more, and of fewer than `rows_below`.
        turns : ACCUMULATING, UPDATING or ALWAYS
            The step is for training steps before the one with the update, for that one, or for all.
        per_row : int
            The kernel's rows are samples, so many of each row of the minibatch, in buffers without gaps.
        """
        described = KERNELS[kernel]
        names = [argument.name for argument in described.arguments]
        if sorted(names) != sorted(values):
            raise TypeError(f"kernel {kernel} takes {', '.join(names)}; got {', '.join(values)}")
        if self.step_count == self.step_capacity:
            self.steps = <Step *>grow(self.steps, &self.step_capacity, sizeof(Step))
        self.steps[self.step_count].kernel = chosen.kernels[DTYPES.index(self.dtype)][<int>described.number]
        self.steps[self.step_count].rows_from = rows_from
        self.steps[self.step_count].turns = turns
        self.steps[self.step_count].per_row = per_row
        self.steps[self.step_count].per_block_row = 1
        if self.job_count and self.jobs[self.job_count - 1].rows < 0:
            self.steps[self.step_count].per_block_row = per_row
        self.steps[self.step_count].rows_below = INT64_MAX if rows_below is None else rows_below
        return self._placed(described, dict(values))

    def python_step(self, function, buffers):
        """Adds a step in Python to the phase's job last opened, of one block: `function(*arrays)`, with the GIL.

        The arrays are the rows of the minibatch in `buffers`, each (Buffer, shape of a row). What the function raises
        ends the run, before any later phase has changed anything, and is raised by `run`. Profilers, debuggers and
        settings of NumPy's see the function, as it is called by the thread that called `run`.
        """
        self.phases[self.phase_count - 1].in_python = True
        if self.step_count == self.step_capacity:
            self.steps = <Step *>grow(self.steps, &self.step_capacity, sizeof(Step))
        cdef Step *step = self.steps + self.step_count
        step.kernel, step.rows_from, step.rows_below, step.turns = call_python, 0, INT64_MAX, ALWAYS
        step.per_row = step.per_block_row = 1
        return self._placed(Kernel(function.__name__, -1, "ONCE", ()), {"function": function, "buffers": buffers})

    def _placed(self, described, values):
        """Counts a step, in the job last opened or in the opening; returns its number."""
        self.values.append(values)
        self.kernels.append(described)
        self.step_count += 1
        if self.job_count:
            self.jobs[self.job_count - 1].last_step = self.step_count
        else:
            self.opening_steps = self.step_count
        return self.step_count - 1

    def finish(self):
        """Allocates the arena and fills in every step's arguments."""
        self.arena = aligned_zeros(max(self.arena_size, 1), np.uint8)
        for number, described in enumerate(self.kernels):
            if described.number < 0:
                values = self.values[number]
                arrays = [self.array(*given) for given in values["buffers"]]
                values["step"] = PythonStep(values["function"], arrays, self.failures)
                self.steps[number].arguments[0].pointer = <void *>values["step"]
        for number in range(self.step_count):
            for argument in self.kernels[number].arguments:
                value = self.values[number][argument.name]
                if value is not BIND_LATER:
                    self._set(number, argument, value)
        return self

    def array(self, buffer, shape=None):
        """The buffer as a NumPy array, a view of the arena: (rows, width), or with rows of `shape`."""
        shape = (buffer.width,) if shape is None else shape
        strides = [buffer.dtype.itemsize]
        for extent in shape[:0:-1]:
            strides.insert(0, strides[0] * extent)
        strides = (buffer.stride * buffer.dtype.itemsize, *(strides if shape else ()))
        return np.ndarray((buffer.rows, *shape), buffer.dtype, self.arena, buffer.offset, strides)

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

    def measure(self, bint on):
        """Whether runs from now on time each step, which costs some 50 ns a call of a kernel; forgets the past."""
        self.spent = [] if on else None

    def measured(self):
        """(kernel, its arguments, seconds in it over all threads) of every step, over the runs since `measure`."""
        totals = sum(run.sum(0) for run in self.spent)
        return [(kernel.name, values, float(seconds))
                for kernel, values, seconds in zip(self.kernels, self.values, totals, strict=True)]

    def run(self, int64_t end, *, int64_t position=0, int64_t minibatch=0, order=None, counter=None, uint64_t seed=0,
            double learning_rate=0.0, int threads=1, double seconds=INFINITY, int first_phase=1, last_phase=None,
            bint prologue=True):
        """Runs the minibatches from `position` to `end`; returns (position reached, whether a loss was not finite).

        Phase 0, the prologue, is run once and before the others. The run stops early after `seconds`, at the end of a
        minibatch, or in a minibatch whose loss is not finite, before any later phase of it has changed anything.
        `counter`, an int64 array of one element, holds the number of training steps done before, and counts those of
        this run.
        """
        cdef Task task
        task.position, task.end, task.minibatch = position, end, minibatch
        task.order = NULL
        if order is not None:
            if order.dtype != np.int64 or order.shape[0] < end:
                raise TypeError("order must be an int64 array of at least `end` positions")
            task.order = <const int64_t *>cnp.PyArray_DATA(<cnp.ndarray?>order)
        task.counter = NULL if counter is None else <int64_t *>cnp.PyArray_DATA(<cnp.ndarray?>counter)
        task.seed, task.learning_rate, task.threads, task.seconds = seed, learning_rate, threads, seconds
        task.first_phase = first_phase
        task.last_phase = self.phase_count if last_phase is None else last_phase
        task.prologue = prologue
        task.nonfinite = False
        return self.play(&task), bool(task.nonfinite)

    cdef int64_t play(self, Task *task) except -1:
        """What `run` does, for callers in C; returns the position reached."""
        cdef Run run
        cdef int phase
        cdef double begin = nn_seconds(), end = 0, seconds = task.seconds, rows
        cdef int64_t whole = task.end - task.position
        cdef int threads = task.threads
        cdef bint brief
        if task.end <= task.position:
            return task.position
        self._describe(&run)
        run.first_phase, run.phase_count = task.first_phase, task.last_phase - task.first_phase
        run.prologue = task.prologue and self.phases[0].blocks > 0
        run.position, run.end = task.position, task.end
        run.minibatch = task.minibatch or self.rows
        if run.minibatch > self.rows:
            raise ValueError(f"a plan for minibatches of {self.rows} rows cannot run {run.minibatch}")
        run.threads = nn_reserve_threads(threads)
        if run.threads > 1 and pacing:
            threads = choose_team(&self.pace, begin, run.threads)
            nn_release_threads(run.threads - threads)
            run.threads = threads
            if self.pace.probing and seconds > PROBE_SECONDS and seconds < INFINITY:
                seconds = PROBE_SECONDS
        else:
            self.pace.in_use = False
        run.deadline = begin + seconds
        run.warm_from = begin + WARM_UP_SECONDS
        run.worker.order = task.order
        run.worker.step = 1 if task.counter == NULL else task.counter[0] + 1
        run.worker.seed = task.seed
        run.worker.learning_rate = task.learning_rate
        try:
            self._open_memory(&run)
            if run.threads == 1 and whole <= self.brief_rows:
                run_alone(&run)
                end = nn_seconds()
            else:
                with nogil:
                    if run.threads == 1:
                        run_alone(&run)
                        end = nn_seconds()  # and not when the GIL has come back
                    else:
                        for phase in range(self.phase_count):
                            if not self.phases[phase].over_rows:
                                share_blocks(&run, self.phases + phase, run.bounds + phase * (run.threads + 1))
                        open_phase(&run, 1, 0, 0 if run.prologue else run.first_phase)
                        nn_parallel(run.threads, run_together, &run)
        finally:
            nn_release_threads(run.threads)
        if run.threads == 1:
            brief = end - begin < BRIEF_SECONDS
            self.brief_rows = max(self.brief_rows, whole) if brief else min(self.brief_rows, whole - 1)
        if self.pace.in_use and run.finished:
            if run.finished == run.warm_finished or run.warm_clock == 0:
                run.warm_clock, run.warm_finished = begin, 0
            rows = min(run.finished * run.minibatch, run.end - run.position) - run.warm_finished * run.minibatch
            note_pace(&self.pace, begin, run.warm_clock, nn_seconds(), rows)
        if task.counter != NULL:
            task.counter[0] += run.finished  # here, where no signal handler of Python's can come between
        task.nonfinite = run.nonfinite != 0
        if self.failures:
            raise self.failures.pop()
        return min(run.position + run.finished * run.minibatch, run.end)

    cdef void _describe(self, void *for_run) noexcept:
        """Sets what all runs of the plan have in common."""
        cdef Run *run = <Run *>for_run
        memset(run, 0, sizeof(Run))
        run.steps, run.jobs, run.phases = self.steps, self.jobs, self.phases
        run.opening_steps, run.step_count = self.opening_steps, self.step_count
        run.update_every = self.update_every
        run.clock_interval = run.until_clock = 1
        run.worker.turn = NN_UPDATING | NN_ACCUMULATING  # in the prologue

    cdef void *ready(self, int threads) except NULL:
        """A plan without a prologue of its own, or one that has run, for `run_ready` with at most so many threads.

        Its phases are over rows, and none is in Python. The caller frees it, and keeps the plan as long.
        """
        cdef Run *run = <Run *>malloc(sizeof(Run))
        if run == NULL:
            raise MemoryError
        self._describe(run)
        run.first_phase, run.phase_count = 1, self.phase_count - 1
        run.minibatch = self.rows
        run.deadline = INFINITY
        run.worker.step = 1
        run.threads = threads
        try:
            self._open_memory(run)
        except BaseException:
            free(run)
            raise
        return run

    @property
    def phases_over_rows(self):
        """Whether all phases after the prologue are over the rows of the minibatch, and none is in Python."""
        return all(self.phases[i].over_rows and not self.phases[i].in_python for i in range(1, self.phase_count))

    cdef int _open_memory(self, void *for_run) except -1:
        """Gives a Run the memory of its threads, kept for the next one."""
        cdef Run *run = <Run *>for_run
        cdef int64_t per_thread
        if self.memory_threads < run.threads:
            per_thread = self.scratch_bytes + -(-self.gradient_size * self.dtype.itemsize // 64) * 64 + 64
            self.thread_memory = aligned_zeros((run.threads, per_thread), np.uint8)
            self.cursors = aligned_zeros((run.threads, 8), np.int64)
            self.bounds = np.zeros(self.phase_count * (run.threads + 1), np.int64)
            self.memory_threads = run.threads
        run.memory = <char *>cnp.PyArray_DATA(<cnp.ndarray>self.thread_memory)
        run.scratch_bytes = self.scratch_bytes
        run.memory_stride = cnp.PyArray_STRIDE(<cnp.ndarray>self.thread_memory, 0)
        run.cursors = <Cursor *>cnp.PyArray_DATA(<cnp.ndarray>self.cursors)
        run.bounds = <int64_t *>cnp.PyArray_DATA(<cnp.ndarray>self.bounds)
        if self.spent is not None:
            self.spent.append(np.zeros((run.threads, self.step_count)))
            run.spent = <double *>cnp.PyArray_DATA(<cnp.ndarray>self.spent[len(self.spent) - 1])
        return 0

    cdef nn_slot *slot(self, int number, str name) except NULL:
        """The place of one argument of a step."""
        for i, argument in enumerate(self.kernels[number].arguments):
            if argument.name == name:
                return self.steps[number].arguments + <int>i
        raise KeyError(name)


cdef void run_ready(const void *ready, int64_t rows, int threads) noexcept nogil:
    """Runs a plan of `Plan.ready` over so many rows, with what is bound now; without the GIL, and without allocating.

    One thread at a time.
    """
    cdef Run run = (<const Run *>ready)[0]
    if rows <= 0:
        return
    run.end = rows
    run.minibatch = min(run.minibatch, rows)
    run.threads = nn_reserve_threads(min(threads, run.threads))
    if run.threads == 1:
        run_alone(&run)
    else:
        open_phase(&run, 1, 0, run.first_phase)
        nn_parallel(run.threads, run_together, &run)
    nn_release_threads(run.threads)


BIND_LATER = object()  # in place of an argument that Plan.bind sets before the first run


cdef void *grow(void *memory, int *capacity, size_t size) except NULL:
    cdef int larger = max(16, 2 * capacity[0])
    cdef void *grown = realloc(memory, larger * size)
    if grown == NULL:
        raise MemoryError
    capacity[0] = larger
    return grown


cdef class Numbers:
    """0, 1, 2 and so on: each is drawn by one thread. None waits for another, so that a fork finds nothing locked."""

    cdef int64_t drawn

    def draw(self):
        """The next one."""
        return nn_add(&self.drawn, 1) - 1


def shuffled(int64_t count, uint64_t seed, uint64_t epoch):
    """The order of the rows in one epoch: a permutation that depends on seed and epoch alone."""
    order = np.empty(count, np.int64)
    cdef int64_t *place = <int64_t *>cnp.PyArray_DATA(<cnp.ndarray>order)
    with nogil:
        nn_shuffle(place, count, seed, epoch)
    return order
