"""Section 7: prediction beside other libraries."""

from . import page, peers, targets

TITLE = "Prediction"
SIZES = (784, 256, 128, 10)
ROWS = (1, 32, 1024, 10_000)
LIBRARIES = ("numpy", "torch", "onnxruntime", "nncore")


def work(name, threads, rows):
    """Predicts for so many rows when called: work for a contender."""
    import numpy as np

    task = peers.Task(SIZES, rows)
    x, y = (array[:rows] for array in peers.data(task))
    network = peers.LIBRARIES[name].network(task, x, y, threads)
    x = np.ascontiguousarray(x)

    def predict(calls):
        for _ in range(calls):
            network.predict(x)

    return predict


def measure(run):
    """Section 7."""
    section = page.Section(TITLE, "prediction")
    names = run.contenders.installed(*LIBRARIES)
    section.text(
        f"{'-'.join(map(str, SIZES))}, ReLU, float32, {page.count(run.threads, 'thread')}: microseconds of a call that "
        "returns a NumPy array for a NumPy array. NumPy: products with the bias and ReLU in place. PyTorch: in "
        "inference mode. nncore: `predict_on_batch`. Each library in a process of its own, in turns; medians."
    )
    rows, checked = [], []
    for count in ROWS:
        seconds, rounds = run.measure({name: run.work(name, "prediction.work", rows=count) for name in names})
        section.results.append({"rows": count, "seconds": seconds, "rounds": rounds})
        row = [f"{count:,}", *(page.microseconds(seconds.get(name)) for name in names)]
        rows.append([*row, page.number(page.ratio_to_best(seconds))])
        if count in targets.PREDICTION and "nncore" in seconds:
            checked += _check(section, count, seconds)
    section.table(["rows", *(f"{peers.title(name)}, µs" for name in names), "fastest of the others / nncore"], rows)
    section.text(page.OTHER_MACHINE)
    section.table(["", "target", "reached", ""], checked)
    return section


def _check(section, count, seconds):
    limit, others = targets.PREDICTION[count]
    own = seconds["nncore"]
    what = f"prediction for {page.count(count, 'row')}"
    wanted, reached = f"≤ {limit * 1e6:g} µs", f"{page.microseconds(own)} µs"
    lines = [[what, wanted, reached, section.target(what, wanted, reached, own <= limit)]]
    for name, peer_seconds in others.items():
        if name in seconds:
            compared = f"{what}, {peers.title(name)} / nncore"
            ratio, least = seconds[name] / own, targets.peer_ratio(limit, peer_seconds)
            wanted, reached = f"≥ {page.number(least)}", page.number(ratio)
            lines.append([compared, wanted, reached, section.target(compared, wanted, reached, ratio >= least)])
    return lines
