"""What all optimizers have in common: the step count, the state, and updates outside of a model's training."""

from __future__ import annotations

import inspect
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nncore import _checks, _data, _engine
from nncore._calls import Exclusive, Update
from nncore._plan import ONCE, TILE_ELEMENTS, Job, Tiles, at_updates, jobs_of
from nncore._weight import matrix_shape
from nncore.optimizers import schedules
from nncore.optimizers.schedules.schedule import rate_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from nncore._engine import Plan
    from nncore._likes import LearningRate
    from nncore._typing import Array, Config, Data, ShapeLike

# Elements and columns of a tile of a gradient that is given, where rows and columns count: rows enough for what is left
# of each tile's columns, columns enough to go through memory in order.
MATRIX_TILE = (131072, 4096)

# Parts of a sum that every tile may add up for itself: below this it takes less than another phase.
MANY_PARTS = 512

# Kernels of an update that write where they find the gradient, for which it must not lie where it was given.
CHANGING = {"clip_by_norm", "clip_by_value", "muon_momentum", "normalize_gradient", "regularize", "take_accumulated"}


class Target(NamedTuple):
    """A variable as an update sees it."""

    parameter: Array
    tiles: Tiles  # of the matrix that it counts as
    state: dict[str, Array]  # arrays by slot
    given: object = None  # where the whole gradient lies that comes in, an argument for steps; it need not be stored

    @property
    def columns(self) -> int:
        """Columns of that matrix, as kernels want them."""
        return self.tiles.columns


def _place(variable: Array) -> tuple[Any, ...]:
    """Where an array's elements are: the same for every view of the whole of it."""
    return variable.__array_interface__["data"][0], variable.shape, variable.dtype


class Optimizer:
    """Base of the optimizers.

    Subclasses name their state (`slots`), and emit the kernel that updates a tile of a weight whose gradient is
    at hand, reading and writing parameter and state once.

    An update is made of the mean gradient of `gradient_accumulation_steps` minibatches, is clipped, decays the
    weights (θ ← θ - α λ θ), moves them, and then takes their running average (a ← m a + (1 - m) θ).

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
    weight_decay : float, optional
        λ, decoupled from the gradient. (Loshchilov and Hutter, 2019.)
    clipnorm : float, optional
        Each variable's gradient is scaled down to this norm.
    clipvalue : float, optional
        Elements of gradients are brought to [-clipvalue, clipvalue].
    global_clipnorm : float, optional
        All gradients are scaled by one factor, so that their common norm is at most this. (Pascanu et al., 2013.)
    use_ema : bool
        Whether running averages of the weights are kept; `fit` ends with them in the weights' place.
    ema_momentum : float in [0, 1]
        m.
    ema_overwrite_frequency : int, optional
        Every so many updates the averages take the weights' place.
    gradient_accumulation_steps : int, optional
        At least 2.
    """

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    slots: tuple[str, ...] = ()  # names of the arrays kept for each weight
    needs_matrices = False  # whether the update of a weight is more than one of its elements in any order

    def __init__(self, learning_rate: LearningRate, weight_decay: float | None = None, clipnorm: float | None = None,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None, loss_scale_factor: None = None,
                 gradient_accumulation_steps: int | None = None, name: str | None = None) -> None:  # fmt: skip
        owner = type(self).__name__
        _checks.refuse(owner, loss_scale_factor=loss_scale_factor)
        self._schedule = learning_rate if isinstance(learning_rate, schedules.LearningRateSchedule) else None
        self._tables: list[Any] = []  # of rates that are computed before a run
        self._rate_steps = [] if self._schedule is None else self._schedule.opening(self._tables)
        self._learning_rate = 0.0
        if self._schedule is None:
            self.learning_rate = learning_rate  # type: ignore[assignment]
        self.name: str = _checks.title(owner, name, owner.lower())
        self.weight_decay: float | None = optional(owner, "weight_decay", weight_decay)
        clippings = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = [name for name, value in clippings.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"{owner}: only one of {', '.join(clippings)} can be set; got {' and '.join(given)}")
        self.clipnorm, self.clipvalue, self.global_clipnorm = (
            optional(owner, name, value, low_open=True) for name, value in clippings.items()
        )
        self.use_ema: bool = _checks.boolean(owner, "use_ema", use_ema)
        self.ema_momentum: float = _checks.real_number(owner, "ema_momentum", ema_momentum, 0, 1)
        self.ema_overwrite_frequency = ema_overwrite_frequency
        if ema_overwrite_frequency is not None:
            if not self.use_ema:
                raise ValueError(f"{owner}: ema_overwrite_frequency needs use_ema=True")
            self.ema_overwrite_frequency = _checks.positive_integer(
                owner, "ema_overwrite_frequency", ema_overwrite_frequency
            )
        self.gradient_accumulation_steps = gradient_accumulation_steps
        if gradient_accumulation_steps is not None:
            steps = _checks.positive_integer(owner, "gradient_accumulation_steps", gradient_accumulation_steps)
            if steps < 2:
                raise ValueError(f"{owner}: gradient_accumulation_steps must be at least 2, or None; got {steps}")
            self.gradient_accumulation_steps = steps
        self.counter: Array = np.zeros(1, np.int64)  # training steps done; the engine counts in it
        self._state: list[dict[str, Array]] = []  # of each variable: {slot: array}
        self._variables: list[Any] = []
        self._undecayed: list[Any] = []  # variables, and names of some
        self._work: dict[Any, Array] = {}  # of each variable, by name
        self._open()

    def _open(self) -> None:
        """What belongs to this object, and to none of its copies."""
        self._lock = Exclusive(f"optimizer {self.name!r}")
        self._apply_plan: Any = None
        self._update: Update | None = None  # the way of a repeated `apply`

    def __getstate__(self) -> dict[str, Any]:
        own = ("_lock", "_apply_plan", "_update")
        return {name: value for name, value in self.__dict__.items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    # ---- what subclasses define

    def opening(self) -> list[Any]:
        """Returns the steps (kernel, arguments) that open each minibatch.

        They are those of the schedule; a subclass whose updates have coefficients adds the step that computes them.
        """
        return list(self._rate_steps)

    def update_steps(self, parameter: Array, columns: int, state: dict[str, Array]) -> list[Any]:
        """Returns the steps (kernel, arguments) that update a tile of `parameter`, with its state arrays by name."""
        raise NotImplementedError

    def update_phases(self, target: Target) -> list[Any]:
        """Returns lists of steps over the tiles of a Target, one for each phase; in the first the gradient is at hand.

        For optimizers whose update needs a whole gradient or a whole parameter. A phase begins when those before it
        are done for all variables. Where it has a Job among the steps, that one goes over a space of its own, beside
        them. The parameter changes in the last phase.
        """
        return [self.update_steps(target.parameter, target.columns, target.state)]

    def work(self, target: Target, name: Any, shape: ShapeLike) -> Array:
        """An array in which a phase leaves something for later ones: one for all plans, as they take turns."""
        key = (*_place(target.parameter), name)
        if key not in self._work:
            self._work[key] = _engine.aligned_zeros(shape, target.parameter.dtype)
        return self._work[key]

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {
            "learning_rate": self._learning_rate if self._schedule is None else schedules.serialize(self._schedule),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "global_clipnorm": self.global_clipnorm,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes an optimizer, without state, from `get_config`."""
        rate = config.get("learning_rate")
        return cls(**{**config, "learning_rate": schedules.deserialize(rate)} if isinstance(rate, dict) else config)

    def __repr__(self) -> str:
        """The class with the arguments that are not its defaults."""
        defaults = {"name": type(self).__name__.lower()}
        for cls in reversed(type(self).__mro__[:-1]):
            parameters = inspect.signature(cls).parameters.values()
            defaults |= {p.name: p.default for p in parameters if p.default not in (None, inspect.Parameter.empty)}
        given = {key: value for key, value in self.get_config().items() if value != defaults.get(key)}
        if self._schedule is not None:
            given["learning_rate"] = type(self._schedule).__name__
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in given.items())})"

    # ---- state

    @property
    def learning_rate(self) -> float:
        """α of the next update, a float. May be set between calls of a model's methods where it is no schedule."""
        return self._learning_rate if self._schedule is None else rate_at(self._schedule, self.iterations)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if self._schedule is not None or isinstance(value, schedules.LearningRateSchedule):
            raise TypeError(
                f"{type(self).__name__}: learning_rate can be set where the optimizer was made with a number, and to a "
                "number; a schedule is an argument of the constructor"
            )
        self._learning_rate = _checks.real_number(type(self).__name__, "learning_rate", value, 0)

    def prepare(self, steps: int) -> tuple[int, float]:
        """Gets ready for training steps; to be called before each run.

        Returns
        -------
        how many of `steps` may be run at once, and the learning rate for the engine, which a schedule overwrites
        """
        for table in self._tables:
            steps = table.fill(self.iterations, steps)
        return steps, self._learning_rate

    @property
    def update_every(self) -> int:
        """Training steps whose gradients make one update."""
        return self.gradient_accumulation_steps or 1

    @property
    def iterations(self) -> int:
        """Updates done."""
        return int(self.counter[0]) // self.update_every

    @property
    def variables(self) -> list[Array]:
        """The state arrays, variable by variable."""
        return [array for state in self._state for array in state.values()]

    def build(self, variables: Sequence[Array], paths: Sequence[str | None] | None = None) -> None:
        """Makes the state for a list of weights. Later lists may lack some of them, or have more.

        `paths` are the weights' names in their model, "layer/weight", where they are of one.
        """
        known = {_place(v) for v in self._variables}
        paths = [None] * len(variables) if paths is None else paths
        fresh = [(v, path) for v, path in zip(variables, paths, strict=True) if _place(v) not in known]
        if known and len(fresh) == len(variables) > 0:
            raise ValueError(
                f"{type(self).__name__} keeps state for {len(self._variables)} other variables already; "
                "use an optimizer for each model"
            )
        slots = [self.slots_of(*one) for one in fresh]
        for (variable, _), names in zip(fresh, slots, strict=True):
            state = {slot: self._initial(slot, variable) for slot in names}
            for slot, wanted in (("average", self.use_ema), ("accumulated", self.update_every > 1)):
                if wanted:
                    state[slot] = _engine.aligned_zeros(variable.shape, variable.dtype)
            self._state.append(state)
            self._variables.append(variable)

    def slots_of(self, variable: Array, path: str | None) -> tuple[str, ...]:
        """Names of the arrays that are kept for this variable."""
        return self.slots

    def _initial(self, slot: str, variable: Array) -> Array:
        return _engine.aligned_zeros(variable.shape, variable.dtype)

    def state_of(self, variable: Array) -> dict[str, Array]:
        """The state arrays of one variable, by name."""
        return self.states_of([variable])[0]

    def states_of(self, variables: Sequence[Array]) -> list[dict[str, Array]]:
        """The state arrays of each of some variables, by name."""
        known = dict(zip(map(_place, self._variables), self._state, strict=True))
        try:
            return [known[_place(variable)] for variable in variables]
        except KeyError:
            raise KeyError("the optimizer was not built for this variable") from None

    def exclude_from_weight_decay(self, var_list: Sequence[Array] | None = None,
                                  var_names: Sequence[str] | None = None) -> None:  # fmt: skip
        """Leaves variables without weight decay: those of a list, and those in whose name one of some texts is.

        Has to be called before the first update. Names are those of weights in their layer: "kernel", "bias".
        """
        if self._variables:
            raise ValueError("exclude_from_weight_decay has to be called before the first update")
        self._undecayed += [*(var_list or ()), *(var_names or ())]

    def decay_of(self, target: Target) -> float | None:
        """λ of a variable that has not been excluded from weight decay."""
        return self.weight_decay

    def _decay(self, target: Target, name: str) -> float | None:
        for excluded in self._undecayed:
            if excluded in name if isinstance(excluded, str) else _place(excluded) == _place(target.parameter):
                return 0
        return self.decay_of(target)

    def finalize_variable_values(self, trainable_variables: Sequence[Array]) -> None:
        """Puts the running averages in the variables' place, where there are any."""
        if self.use_ema and self.iterations:
            for variable, state in zip(trainable_variables, self.states_of(trainable_variables), strict=True):
                variable[...] = state["average"]

    # ---- the whole update

    def phases(self, targets: Sequence[Target], names: Sequence[str] | None = None) -> list[Any]:
        """The update of all variables: for each Target, a list of phases as of `update_phases`.

        `names` are the variables' own, for `exclude_from_weight_decay`.
        """
        clipping = self._clipping(targets)
        result = []
        for target, (before, between, after), name in zip(targets, clipping, names or [""] * len(targets), strict=True):
            if before:
                target = target._replace(given=None)
            update = [list(phase) for phase in self.update_phases(target)]
            decay = self._decay(target, name)
            if decay and len(update) == 1 and not self.needs_matrices:  # a pass over the parameter
                update[0].insert(0, ("decay_ahead", {"parameter": target.parameter, "rate": decay}))
            elif decay:
                update[0].insert(0, ("weight_decay", {"parameter": target.parameter, "columns": target.columns,
                                                      "rate": decay}))  # fmt: skip
            update[0][:0] = after or before
            if after:
                update[:0] = [before, between]
            if self.update_every > 1:
                update = [[at_updates(item) for item in phase] for phase in update]
                update[0][:0] = self._accumulation(target)
            if self.use_ema:  # as in Keras in every training step, also in those without an update
                update[-1].append(("average_weights", {"parameter": target.parameter, "columns": target.columns,
                                                       "average": target.state["average"],
                                                       "momentum": self.ema_momentum, "overwrite_every":
                                                       self.ema_overwrite_frequency or 0}))  # fmt: skip
            result.append(update)
        return result

    def _accumulation(self, target: Target) -> list[Any]:
        accumulated = target.state["accumulated"]
        return [
            ("store_gradient", {"target": accumulated, "columns": target.columns, "accumulate": True}, 0, None,
             _engine.ACCUMULATING),
            ("take_accumulated", {"accumulated": accumulated, "columns": target.columns, "steps": self.update_every},
             0, None, _engine.UPDATING),
        ]  # fmt: skip

    def _clipping(self, targets: Sequence[Target]) -> list[Any]:
        """For each Target: steps before the update; and where they need whole gradients, those of two more phases."""
        if self.clipvalue is not None:
            return [([("clip_by_value", {"source": None, "columns": target.columns, "limit": self.clipvalue})], [], [])
                    for target in targets]  # fmt: skip
        if self.clipnorm is None and self.global_clipnorm is None:
            return [([], [], [])] * len(targets)
        limit = self.global_clipnorm if self.clipnorm is None else self.clipnorm
        ends = [0, *itertools.accumulate(target.tiles.count for target in targets)]
        parts = _engine.aligned_zeros(ends[-1], np.float64)
        whole = summed(parts=parts)
        result = []
        for number, target in enumerate(targets):
            own = parts[ends[number] : ends[number + 1]]
            sums, between = whole if self.clipnorm is None else summed(parts=own)
            whole = sums, []  # which is once for all Targets
            columns = target.columns
            before, gradient = [("square_sum", {"parts": own, **target.tiles.numbering})], target.given
            if gradient is None:
                gradient = _engine.aligned_zeros(target.parameter.shape, target.parameter.dtype)
                before.append(("store_gradient", {"target": gradient, "columns": columns, "accumulate": False}))
            after = [("clip_by_norm", {**sums, "source": gradient, "columns": columns, "limit": limit})]
            result.append((before, between, after))
        return result

    # ---- updates outside of a model's training

    def apply(self, gradients: Sequence[Data], trainable_variables: Sequence[Array]) -> None:
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
        RuntimeError
            Where another thread is in a call of this optimizer.
        """
        with self._lock:
            if self._update is None or not self._update.run(gradients, trainable_variables, self.prepare(1)[1]):
                self._apply_checked(gradients, trainable_variables)

    def _apply_checked(self, gradients: Any, trainable_variables: Any) -> None:
        owner = type(self).__name__
        gradients = _checks.sequence(owner, "gradients", gradients)
        variables = _checks.sequence(owner, "trainable_variables", trainable_variables)
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
            gradient = np.asarray(_data.as_array(gradient, f"gradient {number}"), variable.dtype, order="C")
            if gradient.shape != variable.shape:
                raise ValueError(
                    f"gradient {number} has shape {gradient.shape}; its variable has shape {variable.shape}"
                )
            converted.append(gradient)
        if not variables:
            return
        self.build(variables)
        places = [_place(v) for v in variables]
        if self._apply_plan is None or self._apply_plan[2] != places:
            self._apply_plan = (*self._make_apply_plan(variables), places)
        plan, loads, _ = self._apply_plan
        for places, gradient in zip(loads, converted, strict=True):
            for step, name in places:
                plan.bind(step, **{name: gradient})
        from nncore import config

        threads = config.get_num_threads() if sum(v.size for v in variables) > 16 * TILE_ELEMENTS else 1
        plan.run(1, counter=self.counter, learning_rate=self.prepare(1)[1], threads=threads)
        self._update = Update(plan, loads, variables, self.counter, threads)

    def targets(self, variables: Sequence[Array], tiles: Sequence[Tiles]) -> list[Target]:
        """Targets of variables that the optimizer was built for."""
        return [Target(*parts) for parts in zip(variables, tiles, self.states_of(variables), strict=True)]

    def _tiles_of(self, variable: Array) -> Tiles:
        """How an array is cut: into neighbouring elements, as long as the update need not know rows from columns."""
        rows, columns = matrix_shape(variable.shape) if self.needs_matrices else (1, variable.size)
        elements, most = MATRIX_TILE if self.needs_matrices else (TILE_ELEMENTS, TILE_ELEMENTS)
        width = max(1, min(columns, most))
        return Tiles(rows, columns, max(1, min(rows, elements // width)), width)

    def _make_apply_plan(self, variables: Sequence[Array]) -> tuple[Plan, list[Any]]:
        plan = _engine.Plan(variables[0].dtype, 1, self.update_every)
        for kernel, arguments in self.opening():
            plan.step(kernel, arguments)
        plan.phase()
        tiles = [self._tiles_of(variable) for variable in variables]
        given = _engine.BIND_LATER if self.update_every == 1 else None
        updates = self.phases([target._replace(given=given) for target in self.targets(variables, tiles)])
        # of each gradient: the steps and the names of their arguments
        loads: list[list[tuple[int, str]]] = [[] for _ in variables]
        for number, stages in enumerate(itertools.zip_longest(*updates, fillvalue=[])):
            if any(stages):
                plan.phase()
            for cut, steps, places in zip(tiles, stages, loads, strict=True):
                if number == 0:
                    steps = _of_given(steps, cut.columns)
                for job in jobs_of(cut, steps):
                    plan.matrix_job(*job.tiles, job.tiles.block_rows * job.tiles.block_columns)
                    for step in job.steps:
                        placed = plan.step(*step)
                        places += [(placed, name) for name, value in step[1].items() if value is _engine.BIND_LATER]
        return plan.finish(), loads


def _of_given(steps: list[Any], columns: int) -> list[Any]:
    """The steps of an update whose gradient is an argument: read where it lies, or copied where it would change."""
    (first, arguments, *options), *others = steps
    if "source" in arguments and arguments["source"] is None:
        return [(first, {**arguments, "source": _engine.BIND_LATER}, *options), *others]
    names = {item[0] for item in steps if not isinstance(item, Job)}
    kernel = "load_gradient" if names & CHANGING else "point_gradient"
    return [(kernel, {"source": _engine.BIND_LATER, "columns": columns}), *steps]


def optional(owner: str, name: str, value: Any, low_open: bool = False) -> float | None:
    """A number that is not negative, or None."""
    return None if value is None else _checks.real_number(owner, name, value, 0, low_open=low_open)


def summed(**parts: Array) -> tuple[dict[str, Any], list[Job]]:
    """For a kernel that adds up parts: its arguments, `count` among them, and the Jobs of a phase before it.

    These leave one number of each where parts are many.
    """
    (count,) = {array.size for array in parts.values()}
    if count < MANY_PARTS:
        return {**parts, "count": count}, []
    totals = {name: _engine.aligned_zeros(1, np.float64) for name in parts}
    steps = [("total_of_parts", {"parts": parts[name], "total": totals[name], "count": count}) for name in parts]
    return {**totals, "count": 1}, [Job(ONCE, steps)]


def norm_parts(tiles: Tiles) -> dict[str, Array]:
    """Places for the sums of squares of the parameter and of its direction that a phase leaves for later ones."""
    return {name: _engine.aligned_zeros(tiles.count, np.float64) for name in ("parameter_parts", "direction_parts")}
