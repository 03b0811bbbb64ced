"""The other doors: constructors, optimizers, schedules, losses, metrics, layers and functions called on arrays."""

import copy
import functools
import inspect
import json
import warnings

import numpy as np

import nncore as nn
from reliability.api import options, values
from reliability.api.judge import PromiseError, all_finite, require_refusal, same_bits

ROWS = 4
OF_OTHERS = ("Bidirectional", "TimeDistributed", "RNN", "StackedRNNCells", "CallbackList", "MultiHeadAttention")
KINDS = (
    (nn.layers, nn.layers.Layer),
    (nn.losses, nn.losses.Loss),
    (nn.metrics, nn.metrics.Metric),
    (nn.optimizers, nn.optimizers.Optimizer),
    (nn.optimizers.schedules, nn.optimizers.schedules.LearningRateSchedule),
    (nn.initializers, nn.initializers.Initializer),
    (nn.regularizers, nn.regularizers.Regularizer),
    (nn.constraints, nn.constraints.Constraint),
    (nn.callbacks, nn.callbacks.Callback),
)
PICTURES = (
    "save_img",
    "load_img",
    "plot_model",
    "image_dataset_from_directory",
    "text_dataset_from_directory",
    "PyDataset",
    "array_to_img",
    "img_to_array",
    "set_random_seed",
    "timeseries_dataset_from_array",
    "split_dataset",
)
MODULES = {  # of functions that take arrays, and settings
    nn.activations: [name for name in nn.activations.__all__ if name.islower()],
    nn.losses: [name for name in nn.losses.__all__ if name.islower()],
    nn.metrics: [
        "binary_accuracy",
        "categorical_accuracy",
        "sparse_categorical_accuracy",
        "top_k_categorical_accuracy",
        "sparse_top_k_categorical_accuracy",
        "get",
        "serialize",
        "deserialize",
    ],
    nn.utils: [name for name in nn.utils.__all__ if name not in PICTURES],
    nn.layers: ["deserialize", "add", "multiply", "concatenate", "dot"],
    nn.optimizers: ["get", "serialize", "deserialize"],
    nn.initializers: ["get", "serialize", "deserialize"],
    nn.regularizers: ["get", "serialize", "deserialize"],
    nn.constraints: ["get", "serialize", "deserialize"],
    nn.optimizers.schedules: ["serialize", "deserialize"],
}
FUNCTIONS = [getattr(module, name) for module, names in MODULES.items() for name in names if hasattr(module, name)]
SETTINGS = {
    nn.config.set_num_threads: nn.config.get_num_threads,
    nn.config.set_seed: nn.config.get_seed,
    nn.config.set_nonfinite: nn.config.get_nonfinite,
    nn.config.set_check_finite: nn.config.get_check_finite,
    nn.config.set_prefetch: nn.config.get_prefetch,
}


def run(choices):
    """One execution: one door."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's own, of what overflows
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # NumPy's, of matrices
        warnings.filterwarnings("ignore", "Warning: converting a masked element")
        choices.pick(DOORS)(choices)


def guarded(what, function, *arguments, **keywords):
    """(result, None), or (None, error) where the call was refused as it may be."""
    try:
        return function(*arguments, **keywords), None
    except MemoryError as error:
        return None, error
    except nn.NonFiniteLossError as error:
        return None, error
    except Exception as error:
        require_refusal(error, f"{what}({arguments}, {keywords})")
        return None, error


def constructors(choices):
    """An object of any class; its configuration can be written, and makes one of the same configuration."""
    module, base = choices.pick(KINDS)
    cls = choices.pick(options.classes_of(module, base))
    if cls.__name__ in OF_OTHERS:
        return
    if base is nn.callbacks.Callback and cls.__name__ in (
        "TensorBoard",
        "CSVLogger",
        "BackupAndRestore",
        "ModelCheckpoint",
    ):
        return  # they write files
    thing = options.drawn(choices, cls, hostile_one_in=6)
    if thing is None or not hasattr(thing, "get_config"):
        return
    config = thing.get_config()
    try:
        text = json.dumps(config)
    except (TypeError, ValueError) as error:
        raise PromiseError("a configuration cannot be written", f"{cls.__name__}: {config}", repr(error)) from None
    if "Custom>" in text:
        return  # a function of the program's, which nobody has registered
    made = cls.from_config(json.loads(text))
    if json.dumps(made.get_config()) != text:
        raise PromiseError("another configuration from a configuration", f"{config}", f"{made.get_config()}")


@functools.cache
def optimizers():
    """An optimizer of each class, that is copied for every use."""
    return [cls() for cls in options.classes_of(nn.optimizers, nn.optimizers.Optimizer)]


def apply(choices):
    """An update of arrays: a refused one changes nothing, and a disguised gradient counts as a plain one does."""
    optimizer = copy.deepcopy(choices.pick(optimizers()))
    name = choices.pick(("float32", "float64"))
    shapes = [choices.pick(((3,), (2, 2), (), (1, 3, 2), (4, 5))) for _ in range(choices.between(1, 3))]
    variables = [values.base(shape, name, 0, 5).copy() if shape else np.ones((), name) for shape in shapes]
    twins, twin = copy.deepcopy(variables), copy.deepcopy(optimizer)
    if choices.one_in(10):
        variables[0] = values.laid_out(choices, values.base((3, *shapes[0]), choices.pick(values.TYPES), 0, 3)).copy(
            order="K"
        )
        twins = None
    elif choices.one_in(16):
        variables[0], twins = values.thing(choices), None
    for _ in range(choices.between(1, 2)):
        given = [
            values.rows(choices, shape[1:], shape[0]) if shape else values.Given(np.float32(1), None, True, False)
            for shape in shapes
        ]
        gradients = [one.data for one in given]
        if choices.one_in(24):
            gradients = values.thing(choices)
            given = [values.Given(None, None, False, False)]
        before = [v.copy() if isinstance(v, np.ndarray) else None for v in variables]
        _, error = guarded(f"{type(optimizer).__name__}.apply", optimizer.apply, gradients, variables)
        if error is not None:
            for one, two in zip(before, variables, strict=True):
                if one is not None and one.dtype != object and one.tobytes() != two.tobytes():
                    raise PromiseError("a refused update changed a variable", f"{gradients} {variables}", repr(error))
            return
        if twins is None or any(one.plain is None for one in given):
            return
        _, error = guarded("apply", twin.apply, [one.plain for one in given], twins)
        if error is None and not same_bits(variables, twins):
            raise PromiseError(
                "an update by plain gradients is another",
                f"{type(optimizer).__name__} {gradients}",
                f"{variables}, not {twins}",
            )


def schedules(choices):
    """A learning rate at any step."""
    schedule = options.drawn(
        choices,
        choices.pick(options.classes_of(nn.optimizers.schedules, nn.optimizers.schedules.LearningRateSchedule)),
        hostile_one_in=200,
    )
    if schedule is None or type(schedule).__call__ is nn.optimizers.schedules.LearningRateSchedule.__call__:
        return
    step = choices.pick((0, 1, 2, 5, 1000, 2**31, 2**40)) if choices.one_in(2) else values.thing(choices)
    rate, error = guarded(f"{schedule.get_config()}", schedule, step)
    if error is None and not (isinstance(rate, float) and rate >= 0 and np.isfinite(rate)):
        raise PromiseError("a learning rate that is none", f"{schedule.get_config()} at {step!r}", repr(rate))


@functools.cache
def made(module, base):
    """Objects of all classes that can be made without arguments, or with those that they need."""

    class Fixed:
        def below(self, count):
            return 0

        def one_in(self, count):
            return False

        def pick(self, things):
            return things[0]

        def between(self, low, high):
            return low

    classes = [cls for cls in options.classes_of(module, base) if cls.__name__ not in OF_OTHERS]
    found = [options.drawn(Fixed(), cls) for cls in classes]
    return [thing for thing in found if thing is not None]


def _judged(choices, shape, labels):
    """y_true, y_pred and sample_weight, mostly of shapes that belong together."""
    y_pred = values.rows(choices, shape, ROWS)
    classes = shape[-1] if shape else 2
    y_true = values.rows(choices, shape[:-1] if labels and not choices.one_in(8) else shape, ROWS, classes)
    weight = values.rows(choices, shape[: choices.below(2)] if len(shape) > 1 else (), ROWS, positive=True)
    return [y_true, y_pred, *([weight] if choices.one_in(3) else [])]


def _same_as_plain(what, given, result, error, plain):
    if any(one.plain is None for one in given):
        return
    expected, refused = guarded(what, plain, *[one.plain for one in given])
    if (error is None) != (refused is None):
        if all(one.sure for one in given) or error is None:
            raise PromiseError(
                "plain arrays are refused or taken otherwise",
                f"{what} {[one.data for one in given]}",
                f"{error!r}, {refused!r}",
            )
    elif error is None and not same_bits(result, expected):
        raise PromiseError(
            "plain arrays give another result", f"{what} {[one.data for one in given]}", f"{result!r}, {expected!r}"
        )


def losses(choices):
    """A loss of arrays, and its gradient."""
    loss = choices.pick(made(nn.losses, nn.losses.Loss))
    if choices.one_in(8):
        loss = options.drawn(choices, type(loss)) or loss
    given = _judged(choices, choices.pick(((3,), (1,), (2, 3), (2,), ())), loss.labels)
    function = choices.pick((loss, loss.value_and_gradient))
    result, error = guarded(f"{loss.get_config()}", function, *[one.data for one in given])
    _same_as_plain(type(loss).__name__, given, result, error, function)
    if (
        error is None
        and all(one.tame for one in given)
        and type(loss).__name__ not in UNBOUNDED
        and not all_finite(result)
    ):
        raise PromiseError(
            "a loss of tame numbers is not finite", f"{loss.get_config()} {[one.data for one in given]}", repr(result)
        )


UNBOUNDED = (
    "BinaryFocalCrossentropy",
    "CategoricalFocalCrossentropy",
    "MeanAbsolutePercentageError",
    "Poisson",
    "KLDivergence",
    "GaussianNLL",
    "MeanSquaredLogarithmicError",
)


def metrics(choices):
    """Rows for a metric: a refused call changes nothing of its state."""
    metric = copy.deepcopy(choices.pick(made(nn.metrics, nn.metrics.Metric)))
    if choices.one_in(8):
        metric = options.drawn(choices, type(metric)) or metric
    shape = choices.pick(((3,), (1,), (2, 3), (2,), ()))
    for _ in range(choices.between(1, 3)):
        given = _judged(choices, shape, getattr(metric, "labels", False))
        if len(inspect.signature(metric.update_state).parameters) < 3:
            given = given[1:2]
        before, _ = guarded("result", metric.result)
        twin = copy.deepcopy(metric)
        _, error = guarded(f"{type(metric).__name__}.update_state", metric.update_state, *[one.data for one in given])
        after, _ = guarded("result", metric.result)
        if error is not None and before is not None and not same_bits(before, after):
            raise PromiseError(
                "refused rows changed a metric",
                f"{type(metric).__name__} {[one.data for one in given]}",
                f"{before} {after}",
            )
        if error is None and all(one.plain is not None for one in given):
            twin.update_state(*[one.plain for one in given])
            if not same_bits(twin.result(), after):
                raise PromiseError(
                    "plain rows give another metric",
                    f"{type(metric).__name__} {[one.data for one in given]}",
                    f"{after} {twin.result()}",
                )


def layers(choices):
    """A layer called on arrays."""
    layer = copy.deepcopy(choices.pick(made(nn.layers, nn.layers.Layer)))
    if type(layer) in (nn.layers.Layer, nn.layers.InputLayer):
        return
    shape = choices.pick(((3,), (4, 2), (4, 4, 1)))
    for _ in range(choices.between(1, 2)):
        given = [values.rows(choices, shape, ROWS) for _ in range(2 if getattr(layer, "merges", False) else 1)]
        data = [one.data for one in given]
        keywords = {"training": choices.pick((True, False, None))} if choices.one_in(4) else {}
        if choices.one_in(40):
            keywords["training"] = values.thing(choices)
        _, error = guarded(f"{type(layer).__name__}", layer, data if len(data) > 1 else data[0], **keywords)
        if error is None and layer.weights and choices.one_in(2):
            kept = layer.get_weights()
            wanted = (
                [values.rows(choices, w.shape[1:], len(w)).data if w.shape else w for w in kept]
                if choices.one_in(2)
                else values.thing(choices)
            )
            _, error = guarded(f"{type(layer).__name__}.set_weights", layer.set_weights, wanted)
            if error is not None and not same_bits(layer.get_weights(), kept):
                raise PromiseError("refused weights changed a layer", f"{type(layer).__name__} {wanted}", repr(error))


def functions(choices):
    """A function of arrays or of names, with anything."""
    function = choices.pick(FUNCTIONS)
    parameters = [
        p for p in inspect.signature(function).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    needed = [p.name for p in parameters if p.default is p.empty]
    arguments = []
    for _ in needed:
        arguments.append(
            values.rows(choices, choices.pick(((3,), (), (2, 3))), ROWS, choices.pick((0, 0, 3))).data
            if choices.one_in(2)
            else values.thing(choices)
        )
    keywords = {}
    if len(parameters) > len(needed) and choices.one_in(2):
        name = choices.pick([p.name for p in parameters[len(needed) :]])
        keywords[name] = options.option(choices, name)
    guarded(function.__name__, function, *arguments, **keywords)


def settings(choices):
    """A setting of the library: a refused one leaves it as it is."""
    setter = choices.pick(list(SETTINGS))
    before, value = SETTINGS[setter](), values.thing(choices)
    _, error = guarded(setter.__name__, setter, value)
    if error is not None and SETTINGS[setter]() != before:
        raise PromiseError("a refused setting is one", f"{setter.__name__}({value!r})", repr(error))
    setter(before)
    guarded("threads", lambda: nn.config.threads(value).__enter__() and None)
    nn.config.set_num_threads(nn.config.get_num_threads() if setter is not nn.config.set_num_threads else before)


def initializers(choices):
    """An initializer called for any shape."""
    initializer = options.drawn(choices, choices.pick(options.classes_of(nn.initializers, nn.initializers.Initializer)))
    if initializer is None:
        return
    shape = (
        choices.pick(((3,), (2, 3), (2, 2, 3), (), (0, 2), 3, [2, 2])) if choices.one_in(2) else values.thing(choices)
    )
    arguments = (
        [shape]
        if not choices.one_in(4)
        else [shape, choices.pick(("float32", "float64", "int32", None, values.thing(choices)))]
    )
    guarded(f"{initializer.get_config()}", initializer, *arguments)


DOORS = (
    constructors,
    constructors,
    apply,
    apply,
    schedules,
    losses,
    losses,
    metrics,
    metrics,
    layers,
    functions,
    functions,
    settings,
    initializers,
)
