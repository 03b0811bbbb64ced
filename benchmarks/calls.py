"""Section 8: calls from Python, a minibatch at a time."""

import itertools

from . import page, targets
from .peers import Task

TITLE = "Calls from Python"
SIZES = (64, 64, 10)
ROWS = (1, 32)
MINIBATCHES = 1024  # of an epoch of fit
KINDS = ("fit", "train_on_batch", "forward and backward", "predict_on_batch")


def work(name, threads, kind, rows):
    """Makes calls of one kind: work for a contender. A call of `fit` is an epoch of MINIBATCHES."""
    import numpy as np

    from . import peers

    task = Task(SIZES, rows)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows * MINIBATCHES, SIZES[0]), dtype=np.float32)
    y = rng.integers(0, SIZES[-1], len(x))
    network = peers.Nncore(task, x, y, threads)
    model = network.model
    minibatches = itertools.cycle([(x[i : i + rows], y[i : i + rows]) for i in range(0, len(x), rows)])
    dy = rng.standard_normal((rows, SIZES[-1]), dtype=np.float32)

    def train_on_batch(calls):
        for x, y in itertools.islice(minibatches, calls):
            model.train_on_batch(x, y)

    def forward_and_backward(calls):
        for x, _ in itertools.islice(minibatches, calls):
            model.forward(x)
            model.backward(dy)

    def predict_on_batch(calls):
        for x, _ in itertools.islice(minibatches, calls):
            model.predict_on_batch(x)

    return dict(zip(KINDS, (network.train, train_on_batch, forward_and_backward, predict_on_batch), strict=True))[kind]


def measure(run):
    """Section 8."""
    section = page.Section(TITLE, "calls")
    section.text(
        f"{'-'.join(map(str, SIZES))}, ReLU, cross-entropy, Adam, nncore alone: microseconds of a minibatch inside "
        f"`fit` over {MINIBATCHES} of them; of a call of `train_on_batch`, with other rows each time; of "
        "`forward` with the `backward` that belongs to it, which adds to the gradients and updates nothing; and of "
        "`predict_on_batch`. In one process, in turns; medians."
    )
    rows = []
    for count in ROWS:
        works = {kind: run.work("nncore", "calls.work", kind=kind, rows=count) for kind in KINDS}
        seconds, rounds = run.measure(works)
        seconds["fit"] /= MINIBATCHES
        beyond = seconds["train_on_batch"] - seconds["fit"]
        section.results.append({"rows": count, "seconds": seconds, "beyond": beyond, "rounds": rounds})
        said = section.target(
            f"train_on_batch beyond the step inside fit, {page.count(count, 'row')}",
            f"≤ {targets.CALL_SECONDS * 1e6:g} µs", f"{page.microseconds(beyond)} µs", beyond <= targets.CALL_SECONDS
        )  # fmt: skip
        rows.append(
            [str(count), *(page.microseconds(seconds[kind]) for kind in KINDS), page.microseconds(beyond), said]
        )
    headings = ["rows of a minibatch", "step inside fit, µs", *(f"{kind}, µs" for kind in KINDS[1:])]
    headings += ["train_on_batch beyond the step, µs", f"target ≤ {targets.CALL_SECONDS * 1e6:g}"]
    section.table(headings, rows)
    return section
