"""Section 3: training steps of nncore beside the same steps of other libraries, each in a process of its own."""

from . import page, peers, targets
from .peers import Task

TITLE = "Training steps beside other libraries"

# Layer sizes and rows of a minibatch, the smallest first.
CONFIGURATIONS = (
    ((4, 16, 16, 3), 32),
    ((64, 64, 10), 1),
    ((64, 64, 10), 32),
    ((17, 64, 64, 6), 64),
    ((17, 256, 256, 6), 256),
    ((784, 128, 10), 32),
    ((784, 256, 128, 10), 128),
    ((784, 1024, 1024, 10), 256),
    ((128, 512, 512, 512, 2), 1024),
)
LARGEST = CONFIGURATIONS[-2:]
QUICK = (CONFIGURATIONS[2], CONFIGURATIONS[6])


def tasks(run, optimizer="adam"):
    """The rows of the tables."""
    return [Task(*configuration, optimizer) for configuration in (QUICK if run.quick else CONFIGURATIONS)]


def measure_task(run, task, names, threads):
    """A dict for the JSON output: seconds of a step by library, and nncore's share of the multiply-add peak."""
    works = {name: run.work(name, "peers.training", threads, **task._asdict()) for name in names}
    medians, rounds = run.measure(works)
    seconds = {name: median / task.steps for name, median in medians.items()}
    return {
        "case": str(task),
        **task._asdict(),
        "threads": threads,
        "seconds": seconds,
        "rounds": {name: [time / task.steps for time in times] for name, times in rounds.items()},
        "share": run.share(task.flops, seconds.get("nncore"), threads),
        "best": page.ratio_to_best(seconds),
    }


def ratio(result, name):
    """How many times as long as nncore a library took; None where either is missing."""
    seconds = result["seconds"]
    return seconds[name] / seconds["nncore"] if name in seconds and "nncore" in seconds else None


def measure(run):
    """Section 3."""
    section = page.Section(TITLE, "steps")
    names = run.contenders.installed(*(name for name in peers.TRAINED if not run.quick or name != "sklearn"))
    section.text(
        f"ReLU classifiers, softmax cross-entropy, float32, over about {peers.ROWS} rows of random numbers that are "
        "not shuffled: forward, backward, update. Every library has the same number of threads and is pinned to as "
        "many processors. NumPy: one function a step, in place where that is easy. PyTorch: a call a minibatch, fused "
        "optimizer. JAX: the whole epoch compiled into one call, whose compilation is not in the time. scikit-learn: "
        "`partial_fit`. nncore: `fit`. SGD is without momentum. Each library is a process of its own; they take turns "
        f"of {run.seconds:g} s, {run.rounds} rounds, and the median counts. The share is that of the products in the "
        "multiply-add peak of as many cores."
    )
    for optimizer in ("adam", "sgd"):
        for threads in run.thread_counts:
            results = [measure_task(run, task, names, threads) for task in tasks(run, optimizer)]
            section.results += results
            _show(section, run, names, optimizer, threads, results)
    return section


def _show(section, run, names, optimizer, threads, results):
    section.heading(f"{'Adam' if optimizer == 'adam' else 'SGD'}, {page.count(threads, 'thread')}")
    others = [name for name in names if name != "nncore"]
    headings = ["network, minibatch", *(f"{peers.title(name)}, µs (over nncore's)" for name in others), "nncore, µs"]
    headings += ["share of the peak", "fastest of the others over nncore's"]
    stated = optimizer == "adam" and threads == 2 and "jax" in others
    rows = []
    for result in results:
        seconds = result["seconds"]
        row = [result["case"]]
        for name in others:
            row.append(f"{page.microseconds(seconds.get(name))} ({page.number(ratio(result, name))})")
        row += [page.microseconds(seconds.get("nncore")), page.percent(result["share"]), page.number(result["best"])]
        if stated:
            row += _beside_jax(result)
        rows.append(row)
    means = [page.geometric_mean(filter(None, (ratio(result, name) for result in results))) for name in others]
    means.append(page.geometric_mean(filter(None, (result["best"] for result in results))))
    cells = [f"({page.number(mean)})" for mean in means[:-1]]
    rows.append(["geometric mean", *cells, "", "", page.number(means[-1]), *[""] * (2 * stated)])
    section.table(headings + ["JAX over nncore's, target", ""] * stated, rows)
    if stated:
        section.text(
            "A row's own target is the ratio to JAX that follows from its target in microseconds, which was set beside "
            "JAX on a machine with AVX-512."
        )
    times = [result["rounds"]["nncore"] for result in results if "nncore" in result["rounds"]]
    if times:
        spread = max(max(rounds) / min(rounds) for rounds in times)
        section.text(f"nncore's slowest round took at most {page.number(spread)} times as long as its fastest.")
    if optimizer == "adam":
        section.list(_check(section, threads, results, means))


def _beside_jax(result):
    """The two cells of a row's own target."""
    jax, wanted = targets.STEPS[tuple(result["sizes"]), result["batch"]]
    reached = ratio(result, "jax")
    if reached is None:
        return ["", ""]
    return [page.number(jax / wanted), page.verdict(reached >= jax / wanted)]


def _check(section, threads, results, means):
    """Checks what is to be reached with Adam; returns the sentences that say so."""
    said = []
    where = f"Adam, {page.count(threads, 'thread')}"

    def check(what, wanted, reached, form=page.number):
        met = section.target(f"{where}: {what}", f"≥ {form(wanted)}", form(reached), reached >= wanted)
        said.append(f"{what}: {form(reached)}, target {form(wanted)}, {met}")

    compared = [result for result in results if ratio(result, "jax")]
    if compared:
        worst = min(compared, key=lambda result: result["best"])
        check("fastest peer / nncore, geometric mean", targets.BEST_PEER_MEAN, means[-1])
        check(f"fastest peer / nncore, worst row ({worst['case']})", targets.BEST_PEER_WORST, worst["best"])
    torch = page.geometric_mean(filter(None, (ratio(result, "torch") for result in results)))
    if torch:
        check("PyTorch / nncore, geometric mean", targets.TORCH_MEAN, torch)
    if not (compared and torch):
        said.append("not checked: what needs PyTorch and JAX beside nncore")
    for result in results:
        if (tuple(result["sizes"]), result["batch"]) in LARGEST and result["share"]:
            check(f"{result['case']}, share of the peak", targets.STEP_OF_PEAK, result["share"], page.percent)
    return said
