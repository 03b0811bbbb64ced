"""Losses, metrics and optimizers, with the state of the latter."""

import math

import numpy as np

import nncore as nn
from nncore.interop.keras.configuration import fitting, is_description, numbers, short

# Ours by name; Keras's are in modules of the same names.
MODULES = {"losses": nn.losses, "metrics": nn.metrics, "optimizers": nn.optimizers,
           "schedules": nn.optimizers.schedules}  # fmt: skip
# What Keras writes under another name than it takes, or takes for granted.
_LEFT_OUT = {"losses": {"dtype", "fn"}, "metrics": {"dtype", "fn"}}
# Names of state that are not the same on both sides: {ours: Keras's}.
_STATE = {"accumulated": "gradient_accumulator"}
_INSIDE = ("Adagrad", "Adam", "RMSprop")  # of which ours may have ε inside of the root


# ---------------------------------------------------------------- from Keras


def read(keras, theirs, ours, pairs):
    """Compiles our model as theirs is; `pairs` are of Keras's variables and our weights."""
    given = theirs._compile_config.config if hasattr(theirs, "_compile_config") else theirs.get_compile_config()
    made = {}
    for key in ("loss", "loss_weights", "metrics", "weighted_metrics"):
        kind = "losses" if key == "loss" else "metrics"
        made[key] = given.get(key) if key == "loss_weights" else _ours(keras, kind, given.get(key))
    ours.compile(_our_optimizer(keras, theirs.optimizer), **made)
    optimizer = theirs.optimizer
    if optimizer.built:
        weights = {id(theirs): weight for theirs, weight in pairs}
        variables = [variable for variable in optimizer._trainable_variables if id(variable) in weights]
        arrays = [weights[id(variable)].array for variable in variables]
        ours.optimizer.build(arrays, ours.paths_of(arrays))
        for variable, state, array in _states(optimizer, variables, ours.optimizer, arrays):
            _check_state(state, array, variable)
            array[...] = keras.ops.convert_to_numpy(state.value)
        ours.optimizer.counter[0] = int(optimizer._iterations)


def _ours(keras, kind, given):
    """Losses or metrics of Keras, in whatever lists and dicts, as ours."""
    if isinstance(given, dict) and not is_description(given):
        return {key: _ours(keras, kind, value) for key, value in given.items()}
    if isinstance(given, (list, tuple)):
        return [_ours(keras, kind, value) for value in given]
    if given is None or isinstance(given, str):
        return given
    module, theirs = MODULES[kind], getattr(keras, kind)
    if is_description(given):
        given = theirs.deserialize(given)
    name = getattr(given, "__name__", None) or type(given).__name__
    if callable(given) and getattr(theirs, name, None) is given and hasattr(module, name):
        found = getattr(module, name)
        return found() if isinstance(found, type) else found  # a class, or a function that stands for one
    if type(given) is not getattr(theirs, name, None) or not hasattr(module, name):
        raise ValueError(f"from_keras: nncore has no {kind} {name}; compile=False leaves what was compiled away")
    config = {**given.get_config(), **getattr(given, "_fn_kwargs", {})}
    return _make(type(given), getattr(module, name), config, kind)


def _make(source, target, config, kind):
    """An object of class `target` with the configuration of one of class `source`."""
    where = f"{kind} {source.__name__}"
    config = {key: value for key, value in numbers(config).items() if key not in _LEFT_OUT.get(kind, ())}
    return target(**fitting(config, source, target, where))


def _our_optimizer(keras, theirs):
    name = type(theirs).__name__
    if not hasattr(nn.optimizers, name) or getattr(keras.optimizers, name, None) not in type(theirs).__mro__:
        raise ValueError(f"from_keras: nncore has no optimizer {name}; compile=False leaves what was compiled away")
    config = theirs.get_config()
    rate = config["learning_rate"]
    if is_description(rate):
        schedule, known = rate["class_name"], nn.optimizers.schedules
        if rate.get("module") != "keras.optimizers.schedules" or not hasattr(known, schedule):
            raise ValueError(f"from_keras: nncore has no schedule {schedule}; compile=False leaves it away")
        config["learning_rate"] = getattr(known, schedule)(**rate["config"])
    else:
        config["learning_rate"] = short(rate)
    if name in _INSIDE:
        config["epsilon_inside_sqrt"] = name != "Adam"
    source, target = getattr(keras.optimizers, name), getattr(nn.optimizers, name)
    return target(**fitting(numbers(config), source, target, f"optimizer {name}"))


# ---------------------------------------------------------------- to Keras


def write(keras, ours, theirs, pairs):
    """Compiles their model as ours is."""
    given = ours._compilation
    made = {key: value if key == "loss_weights" else _theirs(keras, "losses" if key == "loss" else "metrics", value)
            for key, value in given.items()}  # fmt: skip
    optimizer = _their_optimizer(keras, ours.optimizer)
    theirs.compile(optimizer, **made)
    if ours.optimizer._variables:
        optimizer.build(theirs.trainable_variables)
        places = {_address(weight.array): variable for variable, weight in pairs}
        arrays = {id(places[_address(array)]): array for array in ours.optimizer._variables}
        variables = [variable for variable in optimizer._trainable_variables if id(variable) in arrays]
        arrays = [arrays[id(variable)] for variable in variables]
        for variable, state, array in _states(optimizer, variables, ours.optimizer, arrays):
            _check_state(state, array, variable)
            state.assign(np.array(array))
        optimizer._iterations.assign(int(ours.optimizer.counter[0]))
        if hasattr(optimizer, "_u_product"):  # a running product, which ours computes of the number of updates
            updates, beta_1 = ours.optimizer.iterations, ours.optimizer.beta_1
            decay = 0.96 ** np.arange(1.0, min(updates, 1000) + 1)  # 0.96^1000 is nothing beside 1
            optimizer._u_product.assign(float(beta_1) ** updates * np.prod(1 - 0.5 * decay))


def _address(array):
    return array.__array_interface__["data"][0]


def _theirs(keras, kind, given):
    """Our losses or metrics, in whatever lists and dicts, as Keras's."""
    if isinstance(given, dict):
        return {key: _theirs(keras, kind, value) for key, value in given.items()}
    if isinstance(given, (list, tuple)):
        return [_theirs(keras, kind, value) for value in given]
    if given is None:
        return None
    module = MODULES[kind]
    if isinstance(given, str):
        named = None if given in ("accuracy", "acc") else type(module.get(given)).__name__
        if named is not None and not hasattr(getattr(keras, kind), named):
            raise _no_such(kind, named)
        return given
    if isinstance(given, type) or not hasattr(given, "get_config"):
        given = module.get(given)
    name = type(given).__name__
    target = getattr(getattr(keras, kind), name, None)
    if type(given) is not getattr(MODULES[kind], name, None) or target is None:
        raise _no_such(kind, name)
    return _make(type(given), target, given.get_config(), kind)


def _no_such(kind, name):
    return ValueError(f"to_keras: Keras has no {kind} {name}; compile=False leaves what was compiled away")


def _their_optimizer(keras, ours):
    name = type(ours).__name__
    target = getattr(keras.optimizers, name, None)
    if type(ours) is not getattr(nn.optimizers, name, None) or target is None:
        raise _no_such("optimizers", name)
    config = ours.get_config()
    if is_description(rate := config["learning_rate"]):
        schedule = getattr(keras.optimizers.schedules, rate["class_name"], None)
        if schedule is None:
            raise _no_such("schedule", rate["class_name"])
        config["learning_rate"] = schedule(**rate["config"])
    inside = config.pop("epsilon_inside_sqrt", None)
    if (inside and name == "Adam") or (inside is False and name in ("Adagrad", "RMSprop")):
        # θ moves by √(r + ε) in one form and by √r + ε in the other: alike where r is 0, and where it is large
        config["epsilon"] = math.sqrt(config["epsilon"]) if inside else config["epsilon"] ** 2
    return target(**fitting(config, type(ours), target, f"optimizer {name}"))


# ---------------------------------------------------------------- both


def _states(theirs, variables, ours, arrays):
    """Triples of a variable, Keras's state of it and ours: for each that both keep."""
    by_name = {variable.path.rpartition("/")[2]: variable for variable in theirs.variables}
    places = {id(variable): place for place, variable in enumerate(theirs._trainable_variables)}
    for variable, kept_of in zip(variables, ours.states_of(arrays), strict=True):
        name, place = variable.path.replace("/", "_"), places[id(variable)]
        for slot, kept in kept_of.items():
            if type(ours).__name__ == "Adafactor" and slot in ("row_means", "column_means", "velocity"):
                state = {"row_means": theirs._r, "column_means": theirs._c, "velocity": theirs._v}[slot][place]
            else:
                state = by_name.get(f"{name}_{_STATE.get(slot, slot)}")
            if state is None:
                raise ValueError(f"{type(theirs).__name__} of Keras keeps no {slot!r} of {variable.path!r}")
            yield variable, state, kept


def _check_state(state, array, variable):
    if tuple(state.shape) != array.shape:
        raise ValueError(
            f"the optimizer's state of {variable.path!r} is of shape {tuple(state.shape)} in Keras, and in nncore of "
            f"{array.shape}"
        )
