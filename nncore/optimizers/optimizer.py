"""What all optimizers have in common: the step count, the state, and updates outside of a model's training."""

import numpy as np

from nncore import _checks, _engine
from nncore._plan import TILE_ELEMENTS


def _place(variable):
    """Where an array's elements are: the same for every view of the whole of it."""
    return variable.__array_interface__["data"][0], variable.shape, variable.dtype


class Optimizer:
    """Base of the optimizers.

    Subclasses name their state (`slots`), and emit the kernel that updates a tile of a weight whose gradient is
    at hand, reading and writing parameter and state once.

    Parameters
    ----------
    learning_rate : float
    """

    slots = ()  # names of the arrays kept for each weight

    def __init__(self, learning_rate, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None,
                 use_ema=False, ema_momentum=0.99, ema_overwrite_frequency=None, loss_scale_factor=None,
                 gradient_accumulation_steps=None, name=None):  # fmt: skip
        owner = type(self).__name__
        _checks.refuse(owner, weight_decay=weight_decay, clipnorm=clipnorm, clipvalue=clipvalue,
                       global_clipnorm=global_clipnorm, use_ema=use_ema or None,
                       ema_momentum=None if ema_momentum == 0.99 else ema_momentum,
                       ema_overwrite_frequency=ema_overwrite_frequency, loss_scale_factor=loss_scale_factor,
                       gradient_accumulation_steps=gradient_accumulation_steps)  # fmt: skip
        self.learning_rate = learning_rate
        self.name = name or owner.lower()
        self.counter = np.zeros(1, np.int64)  # training steps done; the engine counts in it
        self._state = []  # of each variable: {slot: array}
        self._variables = []
        self._apply_plan = None

    # ---- what subclasses define

    def opening(self):
        """Returns the steps (kernel, arguments) that open each minibatch: coefficients of the step."""
        return []

    def update_steps(self, parameter, columns, state):
        """Returns the steps (kernel, arguments) that update a tile of `parameter`, with its state arrays by name."""
        raise NotImplementedError

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"learning_rate": self._learning_rate, "name": self.name}

    @classmethod
    def from_config(cls, config):
        """Makes an optimizer, without state, from `get_config`."""
        return cls(**config)

    # ---- state

    @property
    def learning_rate(self):
        """α. May be set at any time between calls of a model's methods."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self._learning_rate = _checks.real_number(type(self).__name__, "learning_rate", value, 0)

    @property
    def iterations(self):
        """Training steps done."""
        return int(self.counter[0])

    @property
    def variables(self):
        """The state arrays, variable by variable."""
        return [array for state in self._state for array in state.values()]

    def build(self, variables):
        """Makes the state for a list of weights; a second time it must be the same list."""
        if self._variables:
            if [_place(v) for v in self._variables] != [_place(v) for v in variables]:
                raise ValueError(
                    f"{type(self).__name__} keeps state for {len(self._variables)} other variables already; "
                    "use an optimizer for each model"
                )
            return
        self._state = [{slot: self._initial(slot, v) for slot in self.slots} for v in variables]
        self._variables = list(variables)

    def _initial(self, slot, variable):
        return _engine.aligned_zeros(variable.shape, variable.dtype)

    def state_of(self, variable):
        """The state arrays of one variable, by name."""
        for known, state in zip(self._variables, self._state, strict=True):
            if known is variable:
                return state
        raise KeyError("the optimizer was not built for this variable")

    # ---- updates outside of a model's training

    def apply(self, gradients, trainable_variables):
        """Updates variables in place.

        Parameters
        ----------
        gradients, trainable_variables : lists of arrays
            Of equal shapes, pair by pair. The variables are contiguous arrays of float32 or float64; the same
            list is given at every call, as the optimizer keeps state for each.

        Raises
        ------
        ValueError, TypeError
            Before any variable has changed.
        """
        gradients, variables = list(gradients), list(trainable_variables)
        if len(gradients) != len(variables):
            raise ValueError(f"got {len(gradients)} gradients for {len(variables)} variables")
        for number, variable in enumerate(variables):
            if not isinstance(variable, np.ndarray) or variable.dtype not in _engine.DTYPES:
                raise TypeError(f"variable {number} must be an array of float32 or float64")
            if not variable.flags.c_contiguous or not variable.flags.writeable:
                raise ValueError(f"variable {number} must be contiguous and writable, as it is updated in place")
        if variables and any(v.dtype != variables[0].dtype for v in variables):
            raise TypeError("all variables must be of one dtype")
        converted = []
        for number, (gradient, variable) in enumerate(zip(gradients, variables, strict=True)):
            gradient = np.ascontiguousarray(gradient, variable.dtype)
            if gradient.shape != variable.shape:
                raise ValueError(
                    f"gradient {number} has shape {gradient.shape}; its variable has shape {variable.shape}"
                )
            converted.append(gradient)
        if not variables:
            return
        self.build(variables)
        if self._apply_plan is None:
            self._apply_plan = self._make_apply_plan()
        plan, loads = self._apply_plan
        for load, gradient in zip(loads, converted, strict=True):
            plan.bind(load, source=gradient)
        from nncore import config

        size = sum(v.size for v in variables)
        plan.run(1, counter=self.counter, learning_rate=self.learning_rate,
                 threads=config.get_num_threads() if size > 16 * TILE_ELEMENTS else 1)  # fmt: skip

    def _make_apply_plan(self):
        plan = _engine.Plan(self._variables[0].dtype, 1)
        for kernel, arguments in self.opening():
            plan.step(kernel, arguments)
        plan.phase()
        plan.phase()
        loads = []
        for variable, state in zip(self._variables, self._state, strict=True):
            # the update is element by element: any array is one row, cut into tiles
            plan.matrix_job(1, variable.size, 1, min(variable.size, TILE_ELEMENTS), TILE_ELEMENTS)
            loads.append(plan.step("load_gradient", {"source": _engine.BIND_LATER, "columns": variable.size}))
            for kernel, arguments in self.update_steps(variable, variable.size, state):
                plan.step(kernel, arguments)
        return plan.finish(), loads
