"""What must hold after a call, whatever it was given."""

import linecache
import os

import numpy as np

import nncore as nn
from reliability.api import values

PACKAGE = os.path.dirname(os.path.abspath(nn.__file__))


class PromiseError(AssertionError):
    """A call did not keep what the library promises: `kind` in a few words, of which call, and more."""

    def __init__(self, kind, call, detail=""):
        super().__init__(f"{kind}: {call}: {detail}")
        self.kind = kind


def place_of(error):
    """Where an exception comes from: its last frame, as "file:line"."""
    frame = _last_frame(error)
    return "?" if frame is None else f"{frame[0].removeprefix(PACKAGE + os.sep)}:{frame[1]}"


def require_refusal(error, what, allowed=(ValueError, TypeError)):
    """Raises PromiseError unless an exception is one of those documented, with a message that the library wrote itself.

    A message of NumPy's or Python's own says nothing of the argument that is wrong. In Python's source that is seen by
    the last frame, which must be a `raise` of the library's.
    """
    said = f"{type(error).__name__} at {place_of(error)}: {str(error)[:300]}"
    if not isinstance(error, allowed) or isinstance(error, UnicodeError):
        raise PromiseError("another error than is documented", what, said) from error
    file, line = _last_frame(error) or ("?", 0)
    if file == values.__file__:
        return  # the user's own error, of a thing that answers with one
    if isinstance(error, TypeError) and str(error).startswith("<lambda>() "):
        return  # a function of the user's that does not take what it is documented to be called with
    ours = file.startswith((PACKAGE, "nncore"))
    if not ours or (file.endswith(".py") and not linecache.getline(file, line).strip().startswith("raise ")):
        raise PromiseError("the message is not the library's own", what, said) from error
    if len(str(error)) < 12:
        raise PromiseError("the message says too little", what, said) from error


def _last_frame(error):
    trace = error.__traceback__
    if trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno


class State:
    """All numbers of a compiled model that a call may change, to be compared and put back."""

    def __init__(self, model):
        optimizer = model.optimizer
        variables = [] if optimizer is None else [optimizer.counter, *optimizer.variables]
        self.arrays = [*model.weights, model._forwards, *variables]  # an optimizer may have more when it is first used
        self.kept = self.now()

    def now(self):
        """The bytes of all numbers."""
        return [array.tobytes() for array in self.arrays]

    def mark(self):
        """Has `changed` and `put_back` mean the numbers of now; returns them."""
        self.kept = self.now()
        return self.kept

    def changed(self):
        """What is no longer as it was, or ""."""
        now = self.now()
        if now == self.kept:
            return ""
        return (
            f"arrays {[place for place, (a, b) in enumerate(zip(now, self.kept, strict=True)) if a != b]} of {len(now)}"
        )

    def put_back(self, kept=None):
        """Makes all numbers what they were, or what `now` said that they were."""
        for array, content in zip(self.arrays, self.kept if kept is None else kept, strict=True):
            array[...] = np.frombuffer(content, array.dtype).reshape(array.shape)


def same_bits(one, other):
    """Whether results, arrays or numbers or lists and dicts of them, have the same types, shapes and bits."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same_bits, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(same_bits, one.values(), other.values()))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return one == other or (one != one and other != other)


def all_finite(result):
    """Whether all numbers of a result are finite."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (list, tuple)):
        return all(map(all_finite, result))
    return result is None or bool(np.isfinite(result).all())
