"""Predictions from other projects' Cython, without the GIL: ``from nncore.embed cimport Predictor``."""

cdef enum:
    OK = 0
    BUSY = 1  # another thread is in it
    BAD_ARGUMENT = 2  # a negative number of rows, a pointer that is NULL, or more than one input or output in `run`


cdef struct State


cdef class Predictor:
    cdef State *state
    cdef object kept  # what the state points into
    cdef readonly tuple input_shapes
    cdef readonly tuple output_shapes
    cdef readonly tuple input_dtypes
    cdef readonly object dtype

    # y = the model's outputs for so many rows of x, of one input and one output; rows have no gaps. Returns OK, BUSY or
    # BAD_ARGUMENT.
    cdef int run(self, const void *x, Py_ssize_t rows, void *y) noexcept nogil
    # The same with a pointer for each input and output.
    cdef int run_all(self, const void *const *x, Py_ssize_t rows, void *const *y) noexcept nogil
