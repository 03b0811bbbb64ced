"""Predictions for programs in C and Cython: without the GIL, without allocating, one call for any number of rows.

A `Predictor` is made from a model, with the GIL. From then on its `run` needs nothing of Python's. Cython has
``from nncore.embed cimport Predictor``, C the functions of ``nncore_embed.h`` in the folder `nncore.get_include()`.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

from cpython.pycapsule cimport PyCapsule_New

cimport numpy as cnp

from nncore._engine cimport Plan, nn_exchange, nn_slot, nn_store, run_ready

import bisect
import copy
import math

import numpy as np

from nncore import _checks, _engine

cnp.import_array()

__all__ = ["Predictor", "load"]


cdef struct Port:
    nn_slot **places  # where the plan's steps take the pointer from
    int count
    int32_t type
    int64_t size


cdef struct State:
    void *ready
    Port *ports  # inputs, then outputs
    int inputs
    int outputs
    int threads
    int64_t rows_for_threads  # fewer, of those that go through together, do not pay for a second one
    int64_t busy


cdef void free_state(State *state) noexcept:
    if state == NULL:
        return
    for i in range(state.inputs + state.outputs):
        if state.ports != NULL:
            free(state.ports[i].places)
    free(state.ports)
    free(state.ready)
    free(state)


cdef void bind(const Port *port, const void *pointer) noexcept nogil:
    for i in range(port.count):
        port.places[i].pointer = <void *>pointer


cdef int predict(State *state, const void *const *x, int64_t rows, void *const *y) noexcept nogil:
    cdef int i
    if state == NULL or state.ready == NULL or rows < 0 or x == NULL or y == NULL:
        return BAD_ARGUMENT
    for i in range(state.inputs):
        if x[i] == NULL and rows > 0:
            return BAD_ARGUMENT
    for i in range(state.outputs):
        if y[i] == NULL and rows > 0:
            return BAD_ARGUMENT
    if not nn_exchange(&state.busy, 0, 1):
        return BUSY
    for i in range(state.inputs):
        bind(&state.ports[i], x[i])
    for i in range(state.outputs):
        bind(&state.ports[state.inputs + i], y[i])
    run_ready(state.ready, rows, state.threads if rows >= state.rows_for_threads else 1)
    nn_store(&state.busy, 0)
    return OK


cdef int open_port(Port *port, Plan plan, bindings, shape, kind) except -1:
    port.type, port.size = _engine.SOURCE_TYPES.index(kind), math.prod(shape)
    port.places = <nn_slot **>calloc(max(1, len(bindings)), sizeof(nn_slot *))
    if port.places == NULL:
        raise MemoryError
    for step, argument in bindings:
        port.places[port.count] = plan.slot(step, argument)
        port.count += 1
    return 0


cdef class Predictor:
    """The prediction of a model as it is now, for calls from C, Cython, and threads of Python.

    It has weights of its own: what becomes of the model later does not change it. One thread at a time may be in it;
    another one is told so, and any number of them run at once with a predictor each. Called on arrays it returns the
    outputs, without the GIL while it computes.

    Parameters
    ----------
    model : Model, built
        Without layers in Python, and recurrent ones that are stateful.
    threads : int
        That a call may use. It uses one where the rows are too few to pay for more.
    rows : int
        That go through the layers together; calls of more are cut. What is kept in memory grows with it.
    input_dtype : type of numbers, or list of them for several inputs, optional
        Of the elements of x, which are converted as `predict` does; the model's own unless given.

    Raises
    ------
    ValueError
        For a model that is not built, has layers in Python or keeps states.
    TypeError
        For a model that cannot be copied, as one with an initializer that is a lambda.

    Examples
    --------
    >>> import numpy as np, nncore as nn
    >>> from nncore.embed import Predictor
    >>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)])
    >>> x = np.ones((2, 4), np.float32)
    >>> bool((Predictor(model)(x) == model.predict(x, verbose=0)).all())
    True
    """

    def __init__(self, model, *, threads=1, rows=512, input_dtype=None):
        from nncore.layers import preparing
        from nncore.models import Model

        if self.state != NULL:
            raise RuntimeError("a Predictor is made once")
        if not isinstance(model, Model):
            raise TypeError(f"Predictor: model must be a Model, not {model!r}")
        if not model.built:
            raise ValueError(f"Predictor: model {model.name!r} has no shape yet; call build((None, features))")
        if model.stateful:
            raise ValueError(f"Predictor does not support stateful layers; model {model.name!r} has some")
        preparing.refuse_preparing(model, "Predictor")
        threads = _checks.positive_integer("Predictor", "threads", threads)
        rows = _checks.positive_integer("Predictor", "rows", rows)
        self.dtype = model.dtype
        self.input_shapes = tuple(model.graph.input_shapes)
        self.output_shapes = tuple(model.graph.output_shapes)
        self.input_dtypes = self._types(input_dtype)
        self._make(copy.deepcopy(model), min(threads, 1024), rows)

    def __dealloc__(self):
        free_state(self.state)

    def _types(self, given):
        """The types of all inputs, of those that the engine reads."""
        count = len(self.input_shapes)
        given = list(given) if isinstance(given, (list, tuple)) else [given] * count
        if len(given) != count:
            raise ValueError(f"Predictor: the model has {count} inputs; input_dtype has {len(given)}")
        types = [self.dtype if kind is None else np.dtype(kind) for kind in given]
        for kind in types:
            if kind not in _engine.SOURCE_TYPES:
                known = ", ".join(map(str, _engine.SOURCE_TYPES))
                raise ValueError(f"Predictor: input_dtype must be one of {known}; got {kind}")
        return tuple(types)

    def _make(self, model, int threads, rows):
        """Makes the plan, runs what comes before the first minibatch, and notes where data is bound."""
        from nncore.models.programs import Program

        cdef State *state
        program = Program(model, "predict", rows, ())
        builder = program.builder
        cdef Plan plan = builder.plan
        if not plan.phases_over_rows:
            raise ValueError(f"Predictor does not support layers in Python; model {model.name!r} has some")
        arrays = {}
        for number, (shape, kind) in enumerate(zip(self.input_shapes, self.input_dtypes, strict=True)):
            arrays[f"x{number}"] = np.zeros((1, *shape), kind)
            arrays[f"x{number}_type"] = _engine.SOURCE_TYPES.index(kind)
            arrays[f"x{number}_bytes"] = math.prod(shape) * kind.itemsize
        for number, shape in enumerate(self.output_shapes):
            arrays[f"output{number}"] = np.zeros((1, *shape), self.dtype)
        builder.bind(**{name: value for name, value in arrays.items() if name in builder.bindings})
        plan.run(1)
        state = self.state = <State *>calloc(1, sizeof(State))
        if state == NULL:
            raise MemoryError
        state.inputs, state.outputs, state.threads = len(self.input_shapes), len(self.output_shapes), threads
        state.ports = <Port *>calloc(max(1, state.inputs + state.outputs), sizeof(Port))
        if state.ports == NULL:
            raise MemoryError
        for number, (shape, kind) in enumerate(zip(self.input_shapes, self.input_dtypes, strict=True)):
            open_port(&state.ports[<int>number], plan, builder.bindings.get(f"x{number}", ()), shape, kind)
        for number, shape in enumerate(self.output_shapes):
            open_port(&state.ports[state.inputs + <int>number], plan, builder.bindings[f"output{number}"], shape,
                      self.dtype)
        state.rows_for_threads = 1 + bisect.bisect_left(range(1, rows + 1), 2,
                                                        key=lambda count: builder.threads(count, threads))
        state.ready = plan.ready(threads)
        self.kept = program

    def __call__(self, *inputs):
        """Returns the outputs for the rows of an array for each input; a list of them where there are several.

        Arrays have the types of `input_dtypes`, or are converted to them where integers stay what they are.
        """
        cdef const void *x[64]
        cdef void *y[64]
        cdef Py_ssize_t rows
        cdef int code
        if len(inputs) != len(self.input_shapes) or len(inputs) > 64 or len(self.output_shapes) > 64:
            raise TypeError(f"this predictor takes {len(self.input_shapes)} arrays; got {len(inputs)}")
        arrays = [_converted(array, kind) for array, kind in zip(inputs, self.input_dtypes, strict=True)]
        for array, shape in zip(arrays, self.input_shapes, strict=True):
            if array.shape[1:] != shape or len(array) != len(arrays[0]):
                raise ValueError(f"this predictor takes {len(arrays[0])} samples of shape {shape}; got {array.shape}")
        rows = len(arrays[0])
        outputs = [np.empty((rows, *shape), self.dtype) for shape in self.output_shapes]
        for i, array in enumerate(arrays):
            x[i] = cnp.PyArray_DATA(<cnp.ndarray>array)
        for i, output in enumerate(outputs):
            y[i] = cnp.PyArray_DATA(<cnp.ndarray>output)
        with nogil:
            code = self.run_all(x, rows, y)
        if code == BUSY:
            raise RuntimeError("this predictor is in use by another thread")
        return outputs[0] if len(outputs) == 1 else outputs

    def __reduce__(self):
        raise TypeError("a Predictor cannot be pickled or copied; make one of the model")

    cdef int run(self, const void *x, Py_ssize_t rows, void *y) noexcept nogil:
        if self.state == NULL or self.state.inputs != 1 or self.state.outputs != 1:
            return BAD_ARGUMENT
        return predict(self.state, &x, rows, &y)

    cdef int run_all(self, const void *const *x, Py_ssize_t rows, void *const *y) noexcept nogil:
        return predict(self.state, x, rows, y)


def _converted(array, kind):
    """The array in a predictor's type."""
    array = np.asarray(array)
    if array.dtype.kind not in "biuf" or (kind.kind != "f" and not np.can_cast(array.dtype, kind, "safe")):
        raise TypeError(f"this predictor takes arrays of {kind}; got one of {array.dtype}")
    return np.ascontiguousarray(array, kind)


def load(path, threads=1):
    """The Predictor of a model's file, as `Model.save` writes it."""
    from nncore.models import load_model

    return Predictor(load_model(path), threads=threads)


# ---- what C sees: nncore_embed.h

cdef struct CPort:
    int32_t type
    int32_t reserved
    int64_t size


cdef struct Functions:
    int32_t version
    State *(*predictor)(object)
    int (*inputs)(const State *) noexcept nogil
    int (*outputs)(const State *) noexcept nogil
    CPort (*input)(const State *, int) noexcept nogil
    CPort (*output)(const State *, int) noexcept nogil
    int (*predict)(State *, const void *const *, int64_t, void *const *) noexcept nogil


cdef State *state_of(object predictor) except NULL:
    if not isinstance(predictor, Predictor) or (<Predictor>predictor).state == NULL:
        raise TypeError(f"an nncore.embed.Predictor is needed, not {predictor!r}")
    return (<Predictor>predictor).state


cdef int inputs_of(const State *state) noexcept nogil:
    return state.inputs


cdef int outputs_of(const State *state) noexcept nogil:
    return state.outputs


cdef CPort port_of(const State *state, int number, int first, int count) noexcept nogil:
    cdef CPort port
    port.type, port.reserved, port.size = -1, 0, 0
    if 0 <= number < count:
        port.type, port.size = state.ports[first + number].type, state.ports[first + number].size
    return port


cdef CPort input_of(const State *state, int number) noexcept nogil:
    return port_of(state, number, 0, state.inputs)


cdef CPort output_of(const State *state, int number) noexcept nogil:
    return port_of(state, number, state.inputs, state.outputs)


cdef Functions functions
functions.version = 1
functions.predictor = <State *(*)(object)>state_of
functions.inputs = inputs_of
functions.outputs = outputs_of
functions.input = input_of
functions.output = output_of
functions.predict = predict
_api = PyCapsule_New(&functions, "nncore.embed._api", NULL)
