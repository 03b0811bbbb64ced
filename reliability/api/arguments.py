"""Calls of a model's methods with arguments of all kinds."""

import warnings

import numpy as np

import nncore as nn
from reliability.api import subjects, values
from reliability.api.judge import PromiseError, all_finite, require_refusal, same_bits

# What a method takes besides data: of each argument what may stand there, small enough that a call ends soon.
SENSIBLE = {
    "batch_size": (None, 1, 2, 3, 4, 5, 10**6, 2**62, np.int32(2)),
    "steps": (None, 1, 2, 10**9),
    "epochs": (1, 2, np.int64(2)),
    "initial_epoch": (0, 1, 2, 5),
    "shuffle": (True, False, lambda rows: np.arange(rows)[::-1]),
    "validation_split": (0.0, 0.25, 0.5, 0.9),
    "validation_freq": (1, 2),
    "return_dict": (True, False),
    "training": (True, False),
    "class_weight": (None, {}, {0: 1.0, 1: 2.0}, {0: 0.5}),
    "callbacks": (None, [], [nn.callbacks.Callback()], nn.callbacks.TerminateOnNaN()),
    "verbose": (0,),
}
SENSIBLE |= {
    "steps_per_epoch": SENSIBLE["steps"],
    "validation_steps": SENSIBLE["steps"],
    "validation_batch_size": SENSIBLE["batch_size"],
}
# These would run for very long, or print, and rightly so.
TOO_LONG = {"epochs": lambda value: value > 5, "verbose": lambda value: value in (1, 2)}


def takes_too_long(name, value):
    """Whether a number is one that is legal and has no place here."""
    return name in TOO_LONG and isinstance(value, (int, float, np.number)) and bool(TOO_LONG[name](value))


OPTIONS = {
    "train_on_batch": ("class_weight", "return_dict"),
    "test_on_batch": ("return_dict",),
    "value_and_gradients": (),
    "evaluate": ("batch_size", "verbose", "steps", "callbacks", "return_dict"),
    "fit": (
        "batch_size",
        "epochs",
        "verbose",
        "callbacks",
        "validation_split",
        "shuffle",
        "class_weight",
        "initial_epoch",
        "steps_per_epoch",
        "validation_steps",
        "validation_batch_size",
        "validation_freq",
    ),
    "predict": ("batch_size", "verbose", "steps", "callbacks"),
    "predict_on_batch": (),
    "forward": ("training",),
    "__call__": ("training",),
}
WITH_TARGETS = ("train_on_batch", "test_on_batch", "value_and_gradients", "evaluate", "fit")
METHODS = (
    "train_on_batch",
    "test_on_batch",
    "value_and_gradients",
    "evaluate",
    "fit",
    "predict",
    "predict_on_batch",
    "forward",
    "__call__",
    "train_on_batch",
    "predict_on_batch",
    "forward",
)
CHANGING = ("train_on_batch", "fit", "forward", "__call__")


def run(choices):
    """One execution: one to three calls of a model."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's own, of what overflows
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # NumPy's, of matrices
        _run(choices)


def _run(choices):
    subject = subjects.subject(choices.below(len(subjects.MAKERS)))
    subject.model._calls.clear()  # the short way is made anew, so that an execution follows from its bytes
    begin = subject.state.mark()
    try:
        tame = True  # until a call has got numbers that make weights or states huge
        for _ in range(choices.between(1, 3)):
            call = Call(subject, choices, tame)
            call.judge()
            tame = call.tame
    finally:
        subject.put_back(begin)


class Call:
    """A call of a method with drawn arguments."""

    def __init__(self, subject, choices, tame):
        self.subject, self.choices = subject, choices
        self.method = choices.pick(METHODS)
        self.plain, self.tame, self.sure, self.disguised = {}, tame, True, False
        self.options = self.draw_options()
        rows = subjects.ROWS if choices.one_in(2) or subject.stateful else choices.between(1, 6)
        self.arguments = {"x": self.draw_ports("x", subject.inputs, rows)}
        if self.method in WITH_TARGETS:
            self.arguments["y"] = self.draw_ports("y", subject.outputs, rows)
            if choices.one_in(4):
                self.arguments["sample_weight"] = self.draw_weights(rows)
        if self.method == "fit" and choices.one_in(4):
            self.arguments["validation_data"] = self.draw_validation(rows)
        if self.method in ("fit", "evaluate", "predict") and choices.one_in(24):
            self.arguments["x"] = self.draw_minibatches(rows)
            self.plain = None
            if choices.one_in(2):
                self.arguments.pop("y", None)

    def draw_options(self):
        choices, options = self.choices, {"verbose": 0} if "verbose" in OPTIONS[self.method] else {}
        for name in OPTIONS[self.method]:
            if not choices.one_in(3):
                continue
            value = choices.pick(SENSIBLE[name])
            if choices.one_in(5):
                thing = values.thing(choices)
                value = value if takes_too_long(name, thing) or callable(thing) else thing
                self.sure = self.tame = False
            options[name] = value
        if options.get("epochs", 1) is not None and "steps_per_epoch" in options:
            options.setdefault("epochs", 1)
        return options

    def take(self, name, given):
        """Notes what is known of an argument, and returns it."""
        if self.plain is not None:
            if given.plain is None:
                self.plain = None
            else:
                self.plain[name] = given.plain
                self.disguised = self.disguised or given.data is not given.plain
        self.tame, self.sure = self.tame and given.tame, self.sure and given.sure
        return given.data

    def draw_ports(self, name, ports, rows):
        choices = self.choices
        drawn = [
            self.take((name, number), values.rows(choices, port.draw_shape(choices), rows, port.classes))
            for number, port in enumerate(ports)
        ]
        if len(ports) == 1 and not choices.one_in(32):
            return drawn[0]
        self.sure = False
        if choices.one_in(16):  # too many, too few, or by names that are none
            self.plain = None
            drawn = choices.pick([[*drawn, drawn[0]], drawn[:-1], {"a": drawn[0]}, {"a": drawn[0], 3: drawn[0]}, {}])
        return drawn

    def draw_weights(self, rows):
        choices, ports = self.choices, self.subject.outputs
        shape = ports[0].shape if ports[0].classes and choices.one_in(2) else ()
        drawn = [
            self.take(("sample_weight", i), values.rows(choices, shape, rows, positive=True)) for i in range(len(ports))
        ]
        return drawn[0] if len(drawn) == 1 else drawn

    def draw_validation(self, rows):
        self.plain = None
        pair = self.draw_ports("x", self.subject.inputs, rows), self.draw_ports("y", self.subject.outputs, rows)
        if self.choices.one_in(4):
            return self.choices.pick(
                [pair[:1], (*pair, None), (*pair, pair[1]), [pair], list(pair), values.thing(self.choices)]
            )
        return pair

    def draw_minibatches(self, rows):
        choices = self.choices
        pairs = []
        for _ in range(choices.between(0, 2)):
            pair = self.draw_ports("x", self.subject.inputs, rows), self.draw_ports("y", self.subject.outputs, rows)
            pairs.append(choices.pick([pair, pair, (*pair, None), pair[0], values.thing(choices)]))
        return choices.pick([pairs, iter(pairs), (pair for pair in pairs)])

    def __repr__(self):
        return f"{self.subject.model.name}.{self.method}({self.arguments}, {self.options})"

    # ---- what must hold

    def make(self, arguments):
        return getattr(self.subject.model, self.method)(**arguments, **self.options)

    def judge(self):
        """Makes the call, and checks what it did."""
        state = self.subject.state
        state.mark()
        expected = self.expected(state)
        result, error = self.attempt(self.arguments, state)
        if expected is not None:
            self.compare(expected, result, error)
        if self.method == "forward" and error is None and self.choices.one_in(2):
            self.go_back(result)
        if self.method == "fit":
            self.subject.model.stop_training = False

    def attempt(self, arguments, state):
        """The result and the error of the call, one of them None; PromiseError where a promise was not kept."""
        try:
            result = self.make(arguments)
        except nn.NonFiniteLossError as error:
            if self.tame and self.method != "fit":
                raise PromiseError(f"{self.method}: tame numbers gave no finite loss", self, error) from error
            if self.method != "fit":
                self.require_unchanged(state, error)
            return None, error
        except Exception as error:
            require_refusal(error, self)
            if self.plain is not None or not hasattr(arguments["x"], "__next__"):
                self.require_unchanged(state, error)
            return None, error
        if self.tame and self.method != "fit" and not all_finite(result):
            raise PromiseError(f"{self.method}: tame numbers gave others", self, result)
        if self.method not in CHANGING or (self.method == "__call__" and not self.options.get("training")):
            self.require_unchanged(state, None)
        return result, None

    def require_unchanged(self, state, error):
        changed = "" if self.subject.stateful and error is None else state.changed()
        if changed:
            raise PromiseError(f"{self.method}: numbers changed", self, f"{changed}; {error!r}")

    def expected(self, state):
        """What plain arrays of the same numbers give: (result, numbers then, error); None where there are none."""
        if not self.plain or not self.disguised or self.subject.stateful:
            return None
        arguments = {}
        for (name, number), plain in self.plain.items():
            if number:
                arguments[name] = [
                    *(arguments[name] if isinstance(arguments[name], list) else [arguments[name]]),
                    plain,
                ]
            else:
                arguments[name] = plain
        result, error = self.attempt(arguments, state)
        after = state.now()
        state.put_back()
        return result, after, error

    def compare(self, expected, result, error):
        plain_result, after, plain_error = expected
        if (error is None) != (plain_error is None):
            if self.sure or error is None:
                raise PromiseError(
                    f"{self.method}: plain arrays are {'taken' if error else 'refused'}, these not",
                    self,
                    f"{plain_result!r} {plain_error!r} and {result!r} {error!r}",
                )
            return
        if error is not None:
            return
        if isinstance(result, nn.callbacks.History):
            result, plain_result = result.history, plain_result.history
        if not same_bits(result, plain_result):
            raise PromiseError(
                f"{self.method}: plain arrays give another result", self, f"{plain_result!r}, not {result!r}"
            )
        if self.subject.state.now() != after:
            raise PromiseError(f"{self.method}: plain arrays leave other weights", self)

    def go_back(self, result):
        """The backward pass of a forward one."""
        outputs = result if isinstance(result, list) else [result]
        given = [values.rows(self.choices, output.shape[1:], len(output)) for output in outputs]
        given = [one.data for one in given]
        state = self.subject.state
        state.mark()
        try:
            self.subject.model.backward(given[0] if len(given) == 1 else given)
        except Exception as error:
            require_refusal(error, f"backward({given}) of {self}")
            changed = state.changed()
            if changed:
                raise PromiseError(
                    "backward: numbers changed", f"backward({given}) of {self}", f"{changed}; {error!r}"
                ) from error
