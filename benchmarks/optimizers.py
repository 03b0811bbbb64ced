"""Section 12: what an optimizer's update of a large variable costs beside the memory that it has to move."""

import statistics

import numpy as np

import nncore as nn

from . import page, peak

TITLE = "Updates of large variables"
SIDE = 4096  # of the variable, and of its gradient
WANTED = 1 / 1.15


def optimizers():
    """An optimizer of each kind, by what the table calls it. Muon is left out: its time is that of products."""
    o = nn.optimizers
    return {
        "SGD": o.SGD(0.01), "SGD, momentum": o.SGD(0.01, momentum=0.9), "SGD, decay": o.SGD(0.01, weight_decay=0.01),
        "Adagrad": o.Adagrad(), "Adadelta": o.Adadelta(), "RMSprop": o.RMSprop(),
        "RMSprop, centered, momentum": o.RMSprop(momentum=0.9, centered=True), "Adam": o.Adam(),
        "Adam, amsgrad": o.Adam(amsgrad=True), "AdamW": o.AdamW(), "Adamax": o.Adamax(), "Nadam": o.Nadam(),
        "Lion": o.Lion(), "Ftrl": o.Ftrl(), "Adam, clipvalue": o.Adam(clipvalue=0.1),
        "Adam, clipnorm": o.Adam(clipnorm=1.0), "Adam, averages": o.Adam(use_ema=True), "Lamb": o.Lamb(),
        "Adafactor": o.Adafactor(),
    }  # fmt: skip


def passes_of(name, kept):
    """(Arrays that are only read, arrays that are read and written) of each pass over memory that an update needs.

    One pass reads the gradient, and updates the parameter and the `kept` arrays of state. A norm needs all of a
    gradient or of an update before any of it is used: clipnorm reads the gradient before, Lamb updates moments before
    the parameter, and Adafactor needs the gradient's squares, then the norms of parameter and update.
    """
    if "clipnorm" in name:
        return [(1, 0), (1, 1 + kept)]
    return {"Lamb": [(2, 2), (2, 1)], "Adafactor": [(1, 0), (2, 0), (1, 1)]}.get(name, [(1, 1 + kept)])


def measure(run):
    """Section 12: on one core, as `optimizer.apply` on one variable."""
    section = page.Section(TITLE, "optimizers")
    section.text(
        f"`optimizer.apply` on one float32 variable of {SIDE} × {SIDE}, one core: the arrays that an update reads and "
        "writes at least, over the seconds that it takes, and the share of the bandwidth, which is that of a pass that "
        "reads one array and updates another. Where a norm needs all of a gradient or of an update first, there are "
        "two passes or three. The last column goes by other floors: the time of passes over as many arrays, read or "
        f"updated likewise, that do nothing else. All take turns; medians. Wanted: {WANTED:.0%} of the bandwidth."
    )
    if run.limits is None:
        section.text(f"There is no floor here: {run.no_limits}.")
        return section
    threads = nn.config.get_num_threads()
    nn.config.set_num_threads(1)
    try:
        arrays = [np.ones((SIDE, SIDE), np.float32) for _ in range(6)]
        section.results = [_measured(run, name, optimizer, arrays) for name, optimizer in optimizers().items()]
    finally:
        nn.config.set_num_threads(threads)
    section.table(["optimizer", "passes", "arrays moved", "ms", "GB/s", "share of bandwidth", "share of equal passes"],
                  [[r["optimizer"], str(r["passes"]), str(r["arrays"]), page.number(1e3 * r["seconds"]),
                    page.number(r["gigabytes"]), f"{r['share']:.0%}", f"{r['floor'] / r['seconds']:.0%}"]
                   for r in section.results])  # fmt: skip
    least = min(section.results, key=lambda result: result["share"])
    section.target("updates of a large variable, least share of the bandwidth", f"{WANTED:.0%}",
                   f"{least['share']:.0%} ({least['optimizer']})", least["share"] >= WANTED)  # fmt: skip
    return section


def _measured(run, name, optimizer, arrays):
    rng = np.random.default_rng(0)
    parameter = rng.standard_normal((SIDE, SIDE), np.float32)
    gradient = 0.01 * rng.standard_normal((SIDE, SIDE), np.float32)
    optimizer.build([parameter])
    passes = passes_of(name, sum(array.size == parameter.size for array in optimizer.variables))
    floors = [run.limits.traffic(arrays[:reads], arrays[reads : reads + updates]) for reads, updates in passes]
    stream = run.limits.traffic(arrays[:1], arrays[1:2])
    kinds = [lambda: optimizer.apply([gradient], [parameter]), stream, *floors]
    count = 4 if run.quick else 14
    rounds = [[peak.timed(one) for one in kinds] for _ in range(count)][2:]  # the first ones make memory and plan
    seconds, of_stream, *others = (statistics.median(times) for times in zip(*rounds, strict=True))
    moved = sum(reads + 2 * updates for reads, updates in passes)
    return {"optimizer": name, "passes": len(passes), "arrays": moved, "seconds": seconds, "floor": sum(others),
            "gigabytes": moved * parameter.nbytes / seconds / 1e9, "share": moved / 3 * of_stream / seconds,
            "rounds": rounds}  # fmt: skip
