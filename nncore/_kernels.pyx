"""A door for tests, benchmarks and single calls: any kernel, of any variant that the machine can run."""

from libc.stdint cimport int64_t

cimport numpy as cnp

from nncore._engine cimport (
    NN_MAX_ARGUMENTS,
    NN_SCRATCH_BYTES,
    NN_UPDATING,
    fill_slot,
    find_variant,
    nn_block,
    nn_seconds,
    nn_slot,
    nn_variant,
    nn_worker,
)

import threading

import numpy as np

from nncore._engine import DTYPES, KERNELS, aligned_zeros, variant as chosen_variant

cnp.import_array()


class _Memory(threading.local):
    scratch = None  # of each thread, as making it takes longer than most kernels


_memory = _Memory()


def run(kernel, dtype, arguments, block, *, variant=None, gradient=None, order=None, int64_t rows=0,
        int64_t first_row=0, int64_t step=1, update=None, seed=0, double learning_rate=0.0, coefficient=None,
        int64_t repeats=1):
    """Calls one kernel, `repeats` times over.

    Parameters
    ----------
    kernel : str
        A name of kernels.def.
    dtype : float32 or float64
    arguments : dict
        NumPy arrays (whose strides are given as further arguments), integers, numbers, None; by argument name.
    block : tuple
        (row_begin, row_end) or (row_begin, row_end, column_begin, column_end).
    variant : str, optional
        The one in use unless given.
    gradient : array, optional
        worker->gradient, two-dimensional; its row stride is worker->gradient_stride.
    order, rows, first_row, step, update, seed, learning_rate, coefficient
        The worker's other fields; `update` is `step` unless given.

    Returns
    -------
    dict
        seconds: of one call, the mean; nonfinite: whether the kernel set that mark; coefficient, learning_rate: the
        worker's afterwards.
    """
    cdef nn_slot slots[NN_MAX_ARGUMENTS]
    cdef nn_worker worker
    cdef nn_block where
    cdef const nn_variant *table = find_variant(variant or chosen_variant())
    described = KERNELS[kernel]
    dtype = np.dtype(dtype)
    names = {argument.name for argument in described.arguments}
    if set(arguments) != names:
        raise TypeError(f"kernel {kernel} takes {sorted(names)}; got {sorted(arguments)}")
    for i, argument in enumerate(described.arguments):
        fill_slot(slots + <int>i, argument, arguments[argument.name], dtype)
    if _memory.scratch is None:
        _memory.scratch = aligned_zeros(NN_SCRATCH_BYTES, np.uint8)
    worker.scratch = cnp.PyArray_DATA(<cnp.ndarray>_memory.scratch)
    worker.rows, worker.first_row, worker.step, worker.seed = rows, first_row, step, seed
    worker.update = step if update is None else update
    worker.turn = NN_UPDATING
    worker.learning_rate = learning_rate
    for i in range(8):
        worker.coefficient[<int>i] = coefficient[i] if coefficient is not None else 0.0
    worker.order = NULL
    if order is not None:
        if order.dtype != np.int64:
            raise TypeError(f"order must be int64, not {order.dtype}")
        worker.order = <const int64_t *>cnp.PyArray_DATA(<cnp.ndarray?>order)
    worker.gradient, worker.gradient_stride = NULL, 0
    if gradient is not None:
        worker.gradient = cnp.PyArray_DATA(<cnp.ndarray?>gradient)
        worker.gradient_stride = gradient.strides[0] // gradient.itemsize
    worker.nonfinite, worker.decayed = 0, NULL
    where.row_begin, where.row_end = block[:2]
    where.column_begin, where.column_end = block[2:] if len(block) == 4 else (0, 1)
    cdef int place = DTYPES.index(dtype), number = described.number
    cdef int64_t _
    cdef double begin, seconds
    with nogil:
        begin = nn_seconds()
        for _ in range(repeats):
            table.kernels[place][number](slots, &worker, &where)
        seconds = nn_seconds() - begin
    return {
        "seconds": seconds / repeats,
        "nonfinite": bool(worker.nonfinite),
        "coefficient": [worker.coefficient[i] for i in range(8)],
        "learning_rate": worker.learning_rate,
    }
