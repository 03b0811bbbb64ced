"""Single calls - a minibatch of training, a forward pass, a prediction, an update - without Python in between.

The checked way into a plan takes data of any kind and says what is wrong with it, and takes tens of microseconds. A
`Call` is made behind it, for the form of data that it has just accepted: where the next arrays are of the same form,
it runs the plan at once; for anything else it returns None, and the checked way is gone again. So nothing is refused
or reported here.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cimport cython
from cpython.pythread cimport PyThread_get_thread_ident

cimport numpy as cnp

from nncore._engine cimport Plan, Task, nn_add, nn_exchange, nn_load, nn_slot, nn_store

from nncore._engine import SOURCE_TYPES

cnp.import_array()

cdef int64_t changes = 0


def forget_calls():
    """Every Call is out of date: something has changed that calls were made for, and that no array shows."""
    nn_add(&changes, 1)


cdef class Exclusive:
    """A lock that is never waited for: a second thread in the same model would change what the first one reads.

    While a call runs code of the user's, it lends the lock to that code: its thread may take it once more. Code that
    makes minibatches ahead, in the thread of a `visitor`, takes it whenever the call waits for a minibatch.
    """

    cdef int64_t held  # 1, and 1 for each call inside code that the lock is lent to
    cdef unsigned long holder  # the thread
    cdef bint lent
    cdef object owner
    cdef object guest

    def __init__(self, owner):
        self.owner = owner

    cdef int take(self) except -1:
        if nn_exchange(&self.held, 0, 1):
            self.holder = PyThread_get_thread_ident()
            return 0
        visitor = self.visitor_here()
        if visitor is not None:
            visitor.enter()  # when the call waits
        elif not self.is_lent():
            raise RuntimeError(f"{self.owner} is in use by another thread, or by the call that this one is in")
        self.lent = False
        self.held += 1
        return 0

    cdef void give(self) noexcept:
        self.lent = self.held > 1
        if self.held > 1:
            nn_store(&self.held, self.held - 1)
            visitor = self.visitor_here()
            if visitor is not None:
                visitor.leave()
            return
        if self.guest is not None:
            self.visitor = None  # a call that handlers of signals have kept from doing so
        self.holder = 0
        nn_store(&self.held, 0)

    @property
    def visitor(self):
        """Of the call in work: what has `ident` of a thread, `enter` and `leave`; or None."""
        with cython.critical_section(self):  # a thread that is refused looks at it, too
            return self.guest

    @visitor.setter
    def visitor(self, visitor):
        with cython.critical_section(self):
            self.guest = visitor

    cdef object visitor_here(self):
        """The visitor, if this is its thread."""
        visitor = self.visitor
        return visitor if visitor is not None and visitor.ident == PyThread_get_thread_ident() else None

    cdef bint is_lent(self) noexcept:
        return self.lent and self.holder == PyThread_get_thread_ident()

    def lend(self):
        """Lets this thread, if it is the one that holds the lock, take it once more until `call_in`."""
        if self.holder == PyThread_get_thread_ident():
            self.lent = True

    def call_in(self):
        """Ends what `lend` began."""
        if self.holder == PyThread_get_thread_ident():
            self.lent = False

    def refuse_borrower(self, what):
        """Raises RuntimeError where the lock is lent to this thread: the call it is in could not go on after `what`."""
        if self.is_lent() or self.visitor_here() is not None:
            raise RuntimeError(f"{self.owner} cannot {what} inside a callback or a generator: it is in use by the call "
                               "that this one is in")

    def __enter__(self):
        self.take()

    def __exit__(self, *_):
        self.give()


cdef class Setting:
    """Gives an attribute another value inside a `with`, all in C: no handler of a signal can come between and raise."""

    cdef object owner, value, outer
    cdef str name

    def __init__(self, owner, str name, value):
        self.owner, self.name, self.value = owner, name, value

    def __enter__(self):
        self.outer = getattr(self.owner, self.name)
        setattr(self.owner, self.name, self.value)

    def __exit__(self, *_):
        setattr(self.owner, self.name, self.outer)


cdef class Slots:
    """Where the steps of a plan take one thing from."""

    cdef nn_slot **places
    cdef int count
    cdef Plan plan  # whose memory they lie in

    def __cinit__(self, Plan plan, bindings):
        self.plan = plan
        self.places = <nn_slot **>malloc(max(1, len(bindings)) * sizeof(nn_slot *))
        if self.places == NULL:
            raise MemoryError
        for number, argument in bindings:
            self.places[self.count] = plan.slot(number, argument)
            self.count += 1

    def __dealloc__(self):
        free(self.places)

    cdef void set_pointer(self, void *pointer) noexcept:
        for i in range(self.count):
            self.places[i].pointer = pointer

    cdef void set_size(self, int64_t size) noexcept:
        for i in range(self.count):
            self.places[i].size = size


cdef class Rows:
    """Rows that a plan gathers, of one shape and of any type that it reads; targets' with or without an axis of 1."""

    cdef Slots array, type, row_bytes
    cdef bint loose
    cdef int dimensions
    cdef cnp.npy_intp shape[cnp.NPY_MAXDIMS]
    cdef int types[64]  # source type of each NumPy type number, or -1

    def __init__(self, Plan plan, bindings, str name, shape, bint loose=False):
        self.loose = loose
        self.array = Slots(plan, bindings[name])
        self.type = Slots(plan, bindings.get(f"{name}_type", ()))
        self.row_bytes = Slots(plan, bindings.get(f"{name}_bytes", ()))
        self.dimensions = len(shape)
        for i, extent in enumerate(shape):
            self.shape[i] = extent
        for number in range(64):
            self.types[number] = -1
        for number, dtype in enumerate(SOURCE_TYPES):
            self.types[<int>dtype.num] = number

    cdef int64_t fit(self, object data) noexcept:
        """How many rows an array has; -1 if it is not of this form."""
        if not cnp.PyArray_CheckExact(data):
            return -1
        cdef cnp.ndarray array = data
        cdef int given = cnp.PyArray_NDIM(array) - 1, number = cnp.PyArray_TYPE(array), i
        cdef cnp.npy_intp distance = cnp.PyArray_ITEMSIZE(array)
        if number < 0 or number >= 64 or self.types[number] < 0 or not cnp.PyArray_ISNOTSWAPPED(array):
            return -1
        if self.loose and given == self.dimensions + 1 and cnp.PyArray_DIM(array, given) == 1:
            given -= 1
        elif self.loose and given == 0 and self.dimensions == 1 and self.shape[0] == 1:
            return cnp.PyArray_DIM(array, 0)
        if given != self.dimensions:
            return -1
        for i in range(given, 0, -1):
            if cnp.PyArray_DIM(array, i) != self.shape[i - 1]:
                return -1
            if cnp.PyArray_DIM(array, i) != 1 and cnp.PyArray_STRIDE(array, i) != distance:
                return -1
            distance *= cnp.PyArray_DIM(array, i)
        return cnp.PyArray_DIM(array, 0)

    cdef void bind(self, cnp.ndarray array) noexcept:
        """Has the plan read an array that fits."""
        self.array.set_pointer(cnp.PyArray_DATA(array))
        self.type.set_size(self.types[cnp.PyArray_TYPE(array)])
        self.row_bytes.set_size(cnp.PyArray_STRIDE(array, 0))


ctypedef fused label:
    uint8_t
    int32_t
    int64_t


cdef bint all_below(const label *labels, int64_t count, int64_t classes) noexcept nogil:
    """Whether all are numbers of classes."""
    cdef uint64_t bound = classes
    cdef bint good = True
    for i in range(count):
        good &= <uint64_t><int64_t>labels[i] < bound
    return good


cdef bint labels_fit(cnp.ndarray array, int64_t classes) noexcept:
    """Whether an array without gaps holds numbers of classes, or of rows, in one of the types that people use."""
    cdef int number = cnp.PyArray_TYPE(array)
    cdef int64_t count = cnp.PyArray_SIZE(array)
    if not cnp.PyArray_IS_C_CONTIGUOUS(array) or not cnp.PyArray_ISALIGNED(array):
        return False
    if cnp.PyArray_ITEMSIZE(array) == 8 and cnp.PyTypeNum_ISSIGNED(number):
        return all_below(<const int64_t *>cnp.PyArray_DATA(array), count, classes)
    if cnp.PyArray_ITEMSIZE(array) == 4 and cnp.PyTypeNum_ISSIGNED(number):
        return all_below(<const int32_t *>cnp.PyArray_DATA(array), count, classes)
    if number == cnp.NPY_UINT8:
        return all_below(<const uint8_t *>cnp.PyArray_DATA(array), count, classes)
    return False


ctypedef fused floating:
    float
    double


cdef bint all_finite(const floating *numbers, int64_t count) noexcept nogil:
    """Whether none is a NaN or an infinity: only of these a difference from itself is not 0."""
    cdef floating sum = 0
    for i in range(count):
        sum += numbers[i] - numbers[i]
    return sum == 0


cdef bint is_finite(cnp.ndarray array) noexcept:
    """Whether an array holds no NaN and no infinity; False where that would have to be looked up in other ways."""
    cdef int number = cnp.PyArray_TYPE(array)
    if not cnp.PyTypeNum_ISFLOAT(number):
        return True
    if not cnp.PyArray_IS_C_CONTIGUOUS(array) or not cnp.PyArray_ISALIGNED(array):
        return False
    if number == cnp.NPY_DOUBLE:
        return all_finite(<const double *>cnp.PyArray_DATA(array), cnp.PyArray_SIZE(array))
    if number == cnp.NPY_FLOAT:
        return all_finite(<const float *>cnp.PyArray_DATA(array), cnp.PyArray_SIZE(array))
    return False


cdef class Call:
    """One kind of call of a model.

    Parameters
    ----------
    lock : Exclusive
    program : the Program that it runs
    seed : int
    limit : threads that the plan may use
    input_shape, output_shape : of a sample
    counter : int64 array of one element, or None: the steps done
    target_shape : of a row's target; None where the plan takes none
    classes : targets are numbers of so many classes; 0 where they are not
    indices : inputs are numbers below this; 0 where they are not
    fewest : rows that the plan is meant for, at least
    weights : those whose gradients are stored in new arrays
    """

    cdef Exclusive lock
    cdef readonly object program
    cdef object builder, totals_array
    cdef Plan plan
    cdef Rows x, y
    cdef Slots output, dy, dx
    cdef list weights, stores  # of each weight: its array, and the places of its gradient
    cdef uint64_t seed
    cdef int limit, threads, backward_phase
    cdef cnp.ndarray counter
    cdef int64_t classes, indices, fewest, made, threads_rows
    cdef int dimensions, input_dimensions, type_number
    cdef cnp.npy_intp shape[cnp.NPY_MAXDIMS]
    cdef cnp.npy_intp input_shape[cnp.NPY_MAXDIMS]
    cdef double *totals
    cdef int reports

    def __init__(self, Exclusive lock, program, uint64_t seed, int limit, input_shape, output_shape, counter=None,
                 target_shape=None, int64_t classes=0, int64_t fewest=1, int64_t indices=0, weights=()):  # fmt: skip
        builder = program.builder
        bindings = builder.bindings
        self.program, self.builder = program, builder
        self.lock, self.seed, self.limit, self.made = lock, seed, limit, nn_load(&changes)
        self.plan = builder.plan
        self.type_number = builder.dtype.num
        self.x = Rows(self.plan, bindings, "x0", input_shape)
        self.y = None if target_shape is None else Rows(self.plan, bindings, "y0", target_shape, loose=True)
        self.output = Slots(self.plan, bindings.get("output0", ()))
        self.dy, self.dx = Slots(self.plan, bindings.get("dy0", ())), Slots(self.plan, bindings.get("dx0", ()))
        self.weights = [weight.array for weight in weights]
        self.stores = [Slots(self.plan, [(number, "target") for stored, number in builder.gradient_stores
                                         if stored is weight]) for weight in weights]
        self.counter, self.classes, self.fewest, self.indices = counter, classes, fewest, indices
        self.dimensions, self.input_dimensions = len(output_shape) + 1, len(input_shape) + 1
        for i, extent in enumerate(output_shape):
            self.shape[i + 1] = extent
        for i, extent in enumerate(input_shape):
            self.input_shape[i + 1] = extent
        self.totals_array = builder.totals
        self.totals = <double *>cnp.PyArray_DATA(<cnp.ndarray>self.totals_array)
        self.reports = len(builder.totals)
        self.backward_phase = builder.backward_phase or 0

    @property
    def current(self):
        """Whether nothing has changed since it was made."""
        return self.made == nn_load(&changes)

    cdef bint takes(self, int64_t rows) noexcept:
        """Whether the plan is meant for so many rows, and nothing has changed since it was made."""
        return self.fewest <= rows <= self.plan.rows and self.made == nn_load(&changes)

    cdef int prepare(self, Task *task, int64_t rows) except -1:
        memset(task, 0, sizeof(Task))
        if rows != self.threads_rows:
            self.threads = self.builder.threads(rows, self.limit)
            self.threads_rows = rows
        task.end = task.minibatch = rows
        task.seed, task.threads, task.seconds, task.prologue = self.seed, self.threads, INFINITY, True
        task.first_phase, task.last_phase = 1, self.plan.phase_count
        if self.counter is not None:
            task.counter = <int64_t *>cnp.PyArray_DATA(self.counter)
        return 0

    def learn(self, x, y, double learning_rate=0.0, bint finite=False):
        """Runs a minibatch with targets; returns the means of its loss and metrics, a float or a list.

        Returns None where the arrays are of another form or the loss is not finite, or with `finite` where a number in
        them is not; nothing has happened then.
        """
        cdef Task task
        cdef int64_t rows = self.judged(x, y)
        if rows < 0 or finite and not (is_finite(x) and is_finite(y)):
            return None
        self.lock.take()
        try:
            self.prepare(&task, rows)
            task.learning_rate = learning_rate
            self.play(&task, x, y)
            if task.nonfinite:
                return None
            if self.reports == 1:
                return self.totals[0] / rows
            return [self.totals[i] / rows for i in range(self.reports)]
        finally:
            self.lock.give()

    cdef int64_t judged(self, x, y):
        """How many rows there are, with targets; -1 where they are of another form."""
        cdef int64_t rows = self.x.fit(x)
        if not self.takes(rows) or self.y.fit(y) != rows or self.classes and not labels_fit(y, self.classes):
            return -1
        return -1 if self.indices and not labels_fit(x, self.indices) else rows

    cdef int play(self, Task *task, x, y) except -1:
        """Runs the plan on rows with targets."""
        self.x.bind(x)
        self.y.bind(y)
        for i in range(self.reports):
            self.totals[i] = 0
        self.plan.play(task)
        return 0

    def differentiate(self, x, y):
        """Returns the loss of a minibatch with targets, and new arrays of gradients; or None as `learn`."""
        cdef Task task
        cdef int64_t rows = self.judged(x, y), steps = 0
        cdef cnp.ndarray gradient
        cdef Slots store
        if rows < 0:
            return None
        gradients = []
        self.lock.take()
        try:
            self.prepare(&task, rows)
            if task.counter != NULL:  # nothing in the model changes
                steps = task.counter[0]
                task.counter = &steps
            for weight, store in zip(self.weights, self.stores):
                gradient = cnp.PyArray_ZEROS(cnp.PyArray_NDIM(weight), cnp.PyArray_DIMS(weight), self.type_number, 0)
                store.set_pointer(cnp.PyArray_DATA(gradient))
                gradients.append(gradient)
            self.play(&task, x, y)
            return self.totals[0] / rows, gradients
        finally:
            self.lock.give()

    def infer(self, x, bint with_backward=False):
        """Returns the outputs for the rows of x; None where it is of another form.

        `with_backward` says that the plan has a backward pass, for a call of its own.
        """
        cdef Task task
        cdef int64_t rows = self.x.fit(x)
        cdef cnp.ndarray output
        if not self.takes(rows) or self.indices and not labels_fit(x, self.indices):
            return None
        self.lock.take()
        try:
            self.prepare(&task, rows)
            if with_backward:
                task.last_phase = self.backward_phase
            self.shape[0] = rows
            output = cnp.PyArray_EMPTY(self.dimensions, self.shape, self.type_number, 0)
            self.x.bind(x)
            self.output.set_pointer(cnp.PyArray_DATA(output))
            self.plan.play(&task)
        finally:
            self.lock.give()
        return output

    def send_back(self, dy, int64_t rows):
        """Runs the backward pass of a plan in two calls; returns the inputs' gradient, or None as the others do."""
        cdef Task task
        if not self.takes(rows) or not cnp.PyArray_CheckExact(dy):
            return None
        cdef cnp.ndarray array = dy, dx
        if (cnp.PyArray_TYPE(array) != self.type_number or cnp.PyArray_NDIM(array) != self.dimensions
                or not cnp.PyArray_ISCARRAY_RO(array)):
            return None
        if cnp.PyArray_DIM(array, 0) != rows:
            return None
        for i in range(1, self.dimensions):
            if cnp.PyArray_DIM(array, i) != self.shape[i]:
                return None
        self.lock.take()
        try:
            self.prepare(&task, rows)
            task.first_phase = self.backward_phase
            self.input_shape[0] = rows
            dx = cnp.PyArray_ZEROS(self.input_dimensions, self.input_shape, self.type_number, 0)
            self.dy.set_pointer(cnp.PyArray_DATA(array))
            self.dx.set_pointer(cnp.PyArray_DATA(dx))
            task.counter[0] -= 1  # the numbers of the forward pass once more
            self.plan.play(&task)
        finally:
            self.lock.give()
        return dx


cdef class Update:
    """An optimizer's update of the variables that it has got last.

    Parameters
    ----------
    plan : Plan
    loads : of each variable: the arguments that are its gradient, [(step, name)]
    variables : list of arrays
    counter : int64 array of one element: the updates done
    threads : that the plan may use
    """

    cdef Plan plan
    cdef list loads, variables
    cdef cnp.ndarray counter
    cdef int threads
    cdef int64_t made

    def __init__(self, Plan plan, loads, variables, cnp.ndarray counter, int threads):
        self.plan, self.counter, self.threads, self.made = plan, counter, threads, nn_load(&changes)
        self.loads = [Slots(plan, places) for places in loads]
        self.variables = list(variables)

    cdef bint fits(self, gradients, variables) noexcept:
        cdef cnp.ndarray variable, gradient
        if type(gradients) is not list or type(variables) is not list or self.made != nn_load(&changes):
            return False
        if len(<list>variables) != len(self.variables) or len(<list>gradients) != len(self.variables):
            return False
        for i in range(len(self.variables)):
            if (<list>variables)[i] is not self.variables[i] or not cnp.PyArray_CheckExact((<list>gradients)[i]):
                return False
            variable, gradient = (<list>variables)[i], (<list>gradients)[i]
            if not cnp.PyArray_ISWRITEABLE(variable) or not cnp.PyArray_ISCARRAY_RO(gradient):
                return False
            if cnp.PyArray_TYPE(variable) != cnp.PyArray_TYPE(gradient):
                return False
            if not cnp.PyArray_SAMESHAPE(variable, gradient):
                return False
        return True

    def run(self, gradients, variables, double learning_rate):
        """Updates the variables; returns False, and does nothing, where they or the gradients are of another form."""
        cdef Task task
        if not self.fits(gradients, variables):
            return False
        memset(&task, 0, sizeof(Task))
        task.end = task.minibatch = 1
        task.threads, task.seconds, task.prologue, task.learning_rate = self.threads, INFINITY, True, learning_rate
        task.first_phase, task.last_phase = 1, self.plan.phase_count
        task.counter = <int64_t *>cnp.PyArray_DATA(self.counter)
        for i in range(len(self.loads)):
            (<Slots>self.loads[i]).set_pointer(cnp.PyArray_DATA(<cnp.ndarray>(<list>gradients)[i]))
        self.plan.play(&task)
        return True
