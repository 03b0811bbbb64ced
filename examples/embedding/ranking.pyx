"""A search that asks a model at each of its steps: in Cython, without the GIL.

For each start it walks uphill on the model's output: of all steps of one length along one axis it takes the best, until
none is better. A call of the model through Python at each step would cost more than the step itself.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from nncore.embed cimport OK, Predictor

import numpy as np


cdef int best_step(Predictor predictor, float *places, float *values, Py_ssize_t axes, float length) noexcept nogil:
    """Of places (1 + 2 axes, axes), the first becomes the best of its neighbours, if one is; returns whether, or -1."""
    cdef Py_ssize_t i, best = 0
    for i in range(1, 2 * axes + 1):
        memcpy(places + i * axes, places, axes * sizeof(float))
        places[i * axes + (i - 1) // 2] += length if i % 2 else -length
    if predictor.run(places, 2 * axes + 1, values) != OK:
        return -1
    for i in range(1, 2 * axes + 1):
        if values[i] > values[best]:
            best = i
    memcpy(places, places + best * axes, axes * sizeof(float))
    return best > 0


def climb(Predictor predictor, const float[:, ::1] starts, float length=0.1, int steps=1000):
    """Where the walks from some starts end, for a predictor of one number that takes float32."""
    if predictor.output_shapes != ((1,),) or predictor.input_shapes != ((starts.shape[1],),):
        raise ValueError(f"a model from {starts.shape[1]} features to one number is needed")
    if predictor.dtype != np.float32 or predictor.input_dtypes != (predictor.dtype,):
        raise ValueError("a model of float32 is needed")
    cdef Py_ssize_t rows = starts.shape[0], axes = starts.shape[1], row
    cdef int _, found = 0
    ends = np.empty((rows, axes), np.float32)
    cdef float[:, ::1] to = ends
    cdef float *places = <float *>malloc((2 * axes + 1) * (axes + 1) * sizeof(float))
    if places == NULL:
        raise MemoryError
    with nogil:
        for row in range(rows):
            memcpy(places, &starts[row, 0], axes * sizeof(float))
            for _ in range(steps):
                found = best_step(predictor, places, places + (2 * axes + 1) * axes, axes, length)
                if found <= 0:
                    break
            if found < 0:
                break
            memcpy(&to[row, 0], places, axes * sizeof(float))
    free(places)
    if found < 0:
        raise RuntimeError("the predictor is in use by another thread")
    return ends
