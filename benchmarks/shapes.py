"""Sections 9 and 10: shapes that are no multiples of anything, and one huge minibatch."""

from . import page, peers, steps
from .peers import Task

HUGE_TITLE = "A tiny network, a huge minibatch"
TITLE = "Other shapes"

HUGE = Task((4, 32, 16, 4), 10_000, activation="tanh", loss="mse")
TASKS = (
    Task((37, 53, 11), 19),
    Task((101, 97, 89, 13), 31),
    Task((2000, 8, 3), 64),
    Task((20, *[32] * 10, 5), 32),
    Task((13, 64, 64, 1), 32, loss="mse"),
)


def measure_huge(run):
    """Section 9."""
    section = page.Section(HUGE_TITLE, "huge")
    names = run.contenders.installed("torch", "jax", "nncore")
    section.text(
        f"{'-'.join(map(str, HUGE.sizes))}, tanh, mean squared error, Adam, {HUGE.rows:,} rows as one minibatch, the "
        "example of SimpleChains.jl: microseconds of an epoch, which is one step. JAX compiles the epoch into one "
        "call. SimpleChains states 41 µs on 18 cores of an i9-10980XE and 164 µs on 4 cores of an i7-1165G7, where "
        "PyTorch took 1500 µs. There is no target."
    )
    _compare(section, run, [HUGE], names, run.thread_counts, "an epoch")
    return section


def measure(run):
    """Section 10."""
    section = page.Section(TITLE, "shapes")
    names = run.contenders.installed("torch", "nncore")
    section.text(
        "Odd widths and minibatches, many inputs and few units, ten hidden layers, one output (mean squared error; the "
        f"others: cross-entropy). ReLU, Adam, about {peers.ROWS} rows, otherwise as in section 3: microseconds of a "
        "step, and its products' share of the multiply-add peak of as many cores. There is no target."
    )
    _compare(section, run, TASKS[:2] if run.quick else TASKS, names, run.thread_counts[:1], "a step")
    return section


def name_of(task):
    """The network, with equal layers counted."""
    hidden = task.sizes[1:-1]
    if len(hidden) < 4 or len(set(hidden)) > 1:
        return str(task)
    return f"{task.sizes[0]}-{len(hidden)}×{hidden[0]}-{task.sizes[-1]}, {task.batch}"


def _compare(section, run, tasks, names, thread_counts, what):
    others = [name for name in names if name != "nncore"]
    rows = []
    for task in tasks:
        for threads in thread_counts:
            result = steps.measure_task(run, task, names, threads)
            section.results.append(result)
            row = [name_of(task), str(threads), *(page.microseconds(result["seconds"].get(name)) for name in names)]
            seconds = result["seconds"].get("nncore")
            row += [page.number(seconds and task.flops / seconds / 1e9), page.percent(result["share"])]
            rows.append([*row, *(page.number(steps.ratio(result, name)) for name in others)])
    headings = ["network, minibatch", "threads", *(f"{peers.title(name)}, {what}, µs" for name in names)]
    headings += ["nncore, GFLOP/s", "share of the peak", *(f"{peers.title(name)} / nncore" for name in others)]
    section.table(headings, rows)
