"""Section 4: where the time of a training step goes, and how far it is from what the machine could do."""

import statistics

from . import page, steps
from .peers import Task

TITLE = "Where the time of a training step goes"
FAMILIES = ("products", "element-wise", "update", "packing", "reports")
UPDATES = ("sgd", "adam", "rmsprop")  # the first word of an optimizer's kernel


def family(kernel):
    """What a kernel's time counts as."""
    if kernel.startswith("matmul"):
        return "products"
    if kernel.split("_")[0] in UPDATES or kernel == "prefetch":  # of what an update reads
        return "update"
    if kernel.startswith(("pack", "pair")):
        return "packing"
    if kernel in ("accumulate_sum", "require_finite") or kernel.endswith(("_accuracy", "_absolute_error")):
        return "reports"
    return "element-wise"


def spend(name, threads, seconds, rounds, **task):
    """Seconds of a step, with and without its kernels being timed, and those in each kernel: called in a contender.

    The engine uses all threads that it allows the network, and does not try fewer.
    """
    from nncore import _engine

    from . import peers, timing

    task = Task(**task)
    network = peers.Nncore(task, *peers.data(task), threads)
    network.train(1)
    program = next(program for program in network.model._programs.values() if program.kind == "train")
    plan, used = program.builder.plan, program.builder.threads(task.batch, threads)
    _engine.set_pacing(False)
    try:
        epochs = timing.calls_lasting(lambda count: _seconds(network, count) / count, seconds)
        turns = []
        for _ in range(rounds):
            plain = _seconds(network, epochs)
            plan.measure(True)
            timed = _seconds(network, epochs)
            turns.append((timed, plain, [(kernel, spent) for kernel, _, spent in plan.measured()]))
            plan.measure(False)
    finally:
        _engine.set_pacing(True)
    count = epochs * task.steps
    timed, _, kernels = sorted(turns)[rounds // 2]
    return {
        "threads": used,
        "step": statistics.median(plain for _, plain, _ in turns) / count,
        "timed_step": timed / count,
        "clock": max(0.0, statistics.median(timed - plain for timed, plain, _ in turns)) / count,
        "kernels": [(kernel, spent / count) for kernel, spent in kernels],
    }


def _seconds(network, epochs):
    import time

    start = time.perf_counter()
    network.train(epochs)
    return time.perf_counter() - start


def shares(spent):
    """What part of a step each family takes, waiting included: they sum to one.

    Reading the clock takes about as long as a small kernel. What it cost is taken off evenly, as in a small network
    each kernel is called once in a step; in a large one it does not matter.
    """
    threads, kernels = spent["threads"], spent["kernels"]
    clock = spent["clock"] * threads / sum(time > 0 for _, time in kernels)
    seconds = dict.fromkeys(FAMILIES, 0.0)
    for kernel, time in kernels:
        seconds[family(kernel)] += max(0.0, time - clock)
    seconds["waiting"] = threads * spent["timed_step"] - sum(time for _, time in kernels)
    return {family: time / sum(seconds.values()) for family, time in seconds.items()}


def floors(run, task, threads):
    """The least seconds of a step by arithmetic and by memory; None without limits.

    Arithmetic: the products at the multiply-add peak. Memory: parameters and optimizer state are read and written
    once, inputs and targets read once, at the rate of an update of an array as large as parameters and state.
    """
    if run.limits is None:
        return None, None
    state = 3 if task.optimizer == "adam" else 1
    elements = state * task.parameters
    moved = 2 * 4 * elements + task.batch * (4 * task.sizes[0] + 8)
    rate = run.limits.gigabytes("update", elements // threads, threads) * 1e9
    return task.flops / run.peak(threads), moved / rate


def measure(run):
    """Section 4."""
    section = page.Section(TITLE, "breakdown")
    section.text(
        "The rows of section 3, every call of a kernel timed by the engine (`Plan.measure`): microseconds of a step, "
        "and what part of it is *products*, the matrix products; *element-wise*, gathering the minibatch, activations, "
        "loss, gradients of biases, sums of gradients that come in parts; *update*, the optimizer; *packing*, the "
        "mirrors of weights and other copies for the products; *reports*, sums of the loss and the test that it is "
        "finite; *waiting*, all the rest: threads waiting for each other, taking and opening blocks, and what a call "
        "of `fit` does once. With several threads these are means over the threads. Reading the clock makes a step "
        "longer by the column *clock*; this is taken off evenly from all kernels, and is not in the column *step*. "
        "Unlike in section 3, the engine uses all threads that it allows a network (the column *threads*), and does "
        "not try fewer."
    )
    section.text(
        "The two floors: the floating-point operations of the products over the measured peak of these cores, and "
        "parameters and optimizer state read and written once, inputs and targets read once, over the bandwidth "
        "measured on these cores for an update of an array of the size of parameters and state. The last column is the "
        "larger floor as a share of the step."
    )
    for optimizer in ("adam", "sgd"):
        for threads in run.thread_counts:
            section.heading(f"{'Adam' if optimizer == 'adam' else 'SGD'}, {page.count(threads, 'thread')}")
            rows = [_row(run, section, task, threads) for task in steps.tasks(run, optimizer)]
            section.table(
                ["network, minibatch", "threads", "step, µs", "clock, µs", *FAMILIES, "waiting",
                 "floor by arithmetic, µs", "floor by memory, µs", "larger floor / step"],
                rows,
            )  # fmt: skip
    return section


def _row(run, section, task, threads):
    spent = run.contenders.call("nncore", threads, "breakdown.spend", seconds=run.seconds, rounds=min(run.rounds, 5),
                                **task._asdict())  # fmt: skip
    families = shares(spent)
    arithmetic, memory = floors(run, task, spent["threads"])
    section.results.append({"case": str(task), "optimizer": task.optimizer, **spent, "families": families,
                            "floor_arithmetic": arithmetic, "floor_memory": memory})  # fmt: skip
    reached = max(arithmetic, memory) / spent["step"] if arithmetic else None
    return [str(task), str(spent["threads"]), page.microseconds(spent["step"]), page.microseconds(spent["clock"]),
            *map(page.percent, families.values()), page.microseconds(arithmetic),
            page.microseconds(memory), page.percent(reached)]  # fmt: skip
