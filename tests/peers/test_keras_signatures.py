"""Names, order and defaults of arguments are Keras's, but for what the contract says, which stands here."""

import inspect

import pytest

from peers import sides

KINDS = ["layers", "activations", "losses", "metrics", "optimizers", "optimizers.schedules", "initializers",
         "regularizers", "constraints", "callbacks"]  # fmt: skip

# Where the contract has formulas or defaults of its own: {class: {argument: default}}; they may stand behind Keras's.
OWN = {
    "optimizers": {
        "Adagrad": {"initial_accumulator_value": 0.0, "epsilon": 1e-8},
        "RMSprop": {"epsilon": 1e-8},
        "Adam": {"epsilon": 1e-8},
    },
}
# Arguments of Keras's that every class of a kind takes by **common; nncore refuses what it does not support by name.
COMMON = {
    "optimizers": {"weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "ema_momentum",
                   "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps", "name"},
    "layers": {"name", "trainable", "dtype", "activity_regularizer"},
}  # fmt: skip
# Of parts that nncore does not have.
ABSENT = {"quantization_config", "autocast", "ragged", "input_tensor", "optional"}
# What Keras leaves to the name of the class or function, and nncore too, but by None.
NAMES = {"name"}


def pairs():
    for kind in KINDS:
        ours, theirs = sides.nncore, sides.keras
        for part in kind.split("."):
            ours, theirs = getattr(ours, part, None), getattr(theirs, part, None)
        for name in getattr(ours, "__all__", ()):
            if hasattr(theirs, name) and name not in ("get", "serialize", "deserialize"):
                yield pytest.param(kind, getattr(ours, name), getattr(theirs, name), id=f"{kind}.{name}")


def parameters(thing):
    """The named parameters of a class or function. Our activations are objects, which know theirs."""
    signature = getattr(thing, "_signature", None)
    if signature is not None:
        return {"x": inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD), **signature.parameters}
    signature = inspect.signature(thing.__init__ if inspect.isclass(thing) else thing)
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {p.name: p for p in signature.parameters.values() if p.kind not in kinds and p.name != "self"}


def plain(default):
    """Defaults as they are compared: an activation or initializer by its name."""
    name = getattr(default, "__name__", None)
    return name.lower() if name and not inspect.isclass(default) else default


@pytest.mark.parametrize(("kind", "ours", "theirs"), list(pairs()))
def test_signature(kind, ours, theirs):
    name = getattr(theirs, "__name__", str(theirs))
    try:
        wanted = parameters(theirs)
        got = parameters(ours)
    except (TypeError, ValueError):
        pytest.skip("has no signature")
    common = COMMON.get(kind.split(".")[0], set()) if inspect.isclass(theirs) else set()
    missing = [p for p in wanted if p not in got and p not in common | ABSENT]
    assert not missing, f"arguments of Keras's that are missing: {missing}"
    order = [p for p in got if p in wanted]
    if all(wanted[p].kind is not inspect.Parameter.KEYWORD_ONLY for p in order):
        assert order == [p for p in wanted if p in got], "order of arguments"
    first = list(got)[: len([p for p in wanted if p in got])]
    positional = [p for p in first if got[p].kind is not inspect.Parameter.KEYWORD_ONLY]
    assert positional == order[: len(positional)], "an argument of ours stands between Keras's"
    own = OWN.get(kind, {}).get(name, {})
    different = {
        p: (got[p].default, wanted[p].default)
        for p in order
        if p not in NAMES and got[p].default != wanted[p].default and plain(got[p].default) != plain(wanted[p].default)
        and got[p].default != own.get(p, wanted[p].default)
    }  # fmt: skip
    assert not different, f"defaults (ours, Keras's): {different}"


@pytest.mark.parametrize("name", sorted(sides.nncore.Model.__dict__.keys() | {"fit", "evaluate", "predict"}))
def test_method_of_a_model(name):
    """fit, compile and their kin take Keras's arguments in Keras's order, and refuse what they cannot do."""
    method, other = getattr(sides.nncore.Model, name, None), getattr(sides.keras.Model, name, None)
    if name.startswith("_") or not inspect.isfunction(method) or not inspect.isfunction(other):
        return
    wanted, got = parameters(other), parameters(method)
    order = [p for p in got if p in wanted]
    assert order == [p for p in wanted if p in got], "order of arguments"
