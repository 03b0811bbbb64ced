"""Training on all rows at once by SciPy's optimizers, L-BFGS above all.

Limited-memory BFGS suits small networks and data: it has no learning rate and no minibatches, and near a minimum it
converges much faster than the optimizers of `nn.optimizers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from nncore import _checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore._typing import Array, Inputs
    from nncore.models.model import Model

__all__ = ["MinimizeResult", "minimize"]

# Those of scipy.optimize.minimize that make use of a gradient, want nothing more, and may be told to stop.
METHODS = ("L-BFGS-B", "BFGS", "CG", "Newton-CG", "SLSQP")


class MinimizeResult(NamedTuple):
    """What `minimize` did."""

    loss: float  # with the weights that the model now has
    history: list[float]  # the loss at the beginning, and after each iteration
    iterations: int
    evaluations: int  # of the loss and its gradient
    success: bool  # the method stopped because it found a minimum, as far as `tolerance` goes
    message: str  # why the method stopped


def minimize(model: Model, x: Inputs, y: Inputs, sample_weight: Inputs | None = None,
             method: Literal["L-BFGS-B", "BFGS", "CG", "Newton-CG", "SLSQP"] = "L-BFGS-B", max_iterations: int = 100,
             tolerance: float = 1e-12, callback: Callable[[int, float], Any] | None = None,
             **options: Any) -> MinimizeResult:  # fmt: skip
    """Trains a compiled model on all rows at once, by `scipy.optimize.minimize`.

    Minimised is the loss with the penalties of regularizers, as a function of all trainable weights. The model's
    optimizer has no part in it. Weights are kept in the model's type and handed to SciPy as float64: with
    dtype="float32" the loss is exact to about seven digits, at which line searches give up; float64 goes on to the end.

    Dropout and noise draw the same numbers in each evaluation, so that the loss is a function of the weights; what is
    trained then is one thinned network. All rows are one minibatch, for which there must be memory.

    Parameters
    ----------
    model : Model, compiled
    x, y, sample_weight : as in `Model.fit`, arrays
    method : "L-BFGS-B", "BFGS", "CG", "Newton-CG" or "SLSQP"
    max_iterations : int
    tolerance : float
        SciPy's `tol`, which each method takes in its own way. L-BFGS-B stops when an iteration lessens the loss by no
        more than this share of it, or when no component of the gradient is larger.
    callback : function (iteration, loss), optional
        Called after each iteration, with the weights of it in the model. It ends the training by returning True.
    options
        Further ones of the method, such as maxcor=20 of L-BFGS-B.

    Returns
    -------
    MinimizeResult
        The weights are in the model.

    Raises
    ------
    ImportError
        Without SciPy: pip install nncore[scipy].
    ValueError
        For a weight with a constraint, and other bad arguments, before any weight has changed.
    NonFiniteLossError
        For a loss or gradient that is NaN or infinite. The weights are those of the last iteration.

    References
    ----------
    Byrd, Lu, Nocedal and Zhu, A limited memory algorithm for bound constrained optimization, 1995.

    Examples
    --------
    >>> import numpy as np, nncore as nn
    >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)], dtype="float64")
    >>> model.compile(loss="mse")
    >>> result = nn.interop.scipy.minimize(model, np.arange(4.0), 3 * np.arange(4.0) + 1)
    >>> [round(float(w.item()), 4) for w in model.weights]
    [3.0, 1.0]
    """
    try:
        import scipy.optimize
    except ImportError as error:
        raise ImportError("nn.interop.scipy needs SciPy: pip install 'nncore[scipy]'") from error
    if method not in METHODS:
        raise ValueError(f"minimize: method must be one of {', '.join(METHODS)}; got {method!r}")
    max_iterations = _checks.positive_integer("minimize", "max_iterations", max_iterations)
    tolerance = _checks.real_number("minimize", "tolerance", tolerance, 0)
    if callback is not None and not callable(callback):
        raise TypeError(f"minimize: callback must be a function of iteration and loss, not {callback!r}")
    objective = _FullBatch(model, x, y, sample_weight, callback)
    found = None
    try:
        found = scipy.optimize.minimize(objective.evaluate, objective.best, jac=True, method=method, tol=tolerance,
                                        callback=objective.end_iteration,
                                        options={"maxiter": max_iterations, **options})  # fmt: skip
    except _Stop:
        pass
    finally:
        objective.set_weights(objective.best if found is None else found.x)
    if found is None:
        loss, success, message = objective.history[-1], False, "the callback ended the training"
    else:
        loss, success, message = float(found.fun), bool(found.success), str(found.message)
    return MinimizeResult(loss, objective.history, len(objective.history) - 1, objective.evaluations, success, message)


class _Stop(Exception):  # noqa: N818  it is no error
    """The callback has had enough."""


class _FullBatch:
    """A model's loss as a function of one vector, that of all its trainable weights."""

    def __init__(self, model: Model, x: Any, y: Any, sample_weight: Any, callback: Any) -> None:
        self.model, self.data, self.callback = model, (x, y, sample_weight), callback
        # builds the model where it is not, and checks the data
        loss, _ = model.value_and_gradients(*self.data)
        self.weights = model.weight_list(trainable_only=True)
        if not self.weights:
            raise ValueError("minimize: the model has no trainable weights")
        for weight in self.weights:
            if weight.constraint is not None:
                raise ValueError(
                    f"minimize does not support constraints; weight {weight.name!r} has "
                    f"{type(weight.constraint).__name__}"
                )
        self.best = np.concatenate([weight.array.ravel() for weight in self.weights]).astype(np.float64)
        self.history = [loss]
        self.evaluations = 1
        self._recent = [(self.best, loss)]  # of this iteration, one of which is its result

    def set_weights(self, vector: Array) -> None:
        """Writes the vector into the model."""
        at = 0
        for weight in self.weights:
            size = weight.array.size
            weight.array[...] = vector[at : at + size].reshape(weight.array.shape)
            at += size

    def evaluate(self, vector: Array) -> tuple[float, Array]:
        """The loss and its gradient."""
        from nncore.models.training import NonFiniteLossError

        self.set_weights(vector)
        loss, gradients = self.model.value_and_gradients(*self.data)
        self.evaluations += 1
        gradient = np.concatenate([g.ravel() for g in gradients]).astype(np.float64)
        if not (np.isfinite(loss) and np.isfinite(gradient).all()):
            raise NonFiniteLossError(
                f"the loss or its gradient became NaN or infinite in iteration {len(self.history)}; the weights are "
                "those before it"
            )
        self._recent.append((vector.copy(), loss))
        return loss, gradient

    def end_iteration(self, vector: Array) -> None:
        """Takes note of an iteration's result, which is among what was evaluated in it."""
        losses = [loss for seen, loss in reversed(self._recent) if np.array_equal(seen, vector)]
        loss = losses[0] if losses else self.evaluate(vector)[0]
        self.best = vector.copy()
        self.history.append(loss)
        self._recent = [(self.best, loss)]
        if self.callback is not None:
            self.set_weights(vector)
            if self.callback(len(self.history) - 1, loss):
                raise _Stop
