"""Section 5: training steps with more threads, and beside a process that keeps a processor busy."""

import contextlib
import os
import signal
import subprocess
import sys

from . import page, steps, targets

TITLE = "More threads, and a busy processor"
BUSY = "beside a busy processor"


class Spinner:
    """A process that spins on one processor, while it is let."""

    def __init__(self, processor):
        # It ends by itself should this process be killed.
        program = (
            f"import os\nos.sched_setaffinity(0, {{{processor}}})\n"
            f"while os.getppid() == {os.getpid()}:\n    for _ in range(10**6): pass"
        )
        self.process = subprocess.Popen([sys.executable, "-c", program])
        self.process.send_signal(signal.SIGSTOP)

    @contextlib.contextmanager
    def spinning(self):
        """Spins inside a `with` block."""
        self.process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGSTOP)

    def close(self):
        """Ends the process."""
        self.process.kill()
        self.process.wait()


def counts(threads):
    """1, 2, 4, ... and all threads."""
    return sorted({*(2**power for power in range(threads.bit_length()) if 2**power <= threads), threads})


def measure(run):
    """Section 5."""
    section = page.Section(TITLE, "scaling")
    numbers = counts(run.threads)
    section.text(
        "The rows of section 3 with Adam, nncore alone, on as many processors as threads: microseconds of a step, and "
        "how many times as fast all threads are as one. The engine chooses by itself not to use threads that do not "
        "pay."
    )
    if run.threads > 1 and hasattr(os, "sched_setaffinity"):
        section.text(
            f"Then, with {run.threads} threads, beside a process that spins on the last of the {run.threads} "
            "processors: how many times as long a step takes as with all of them free. The spinning process is "
            "stopped while others have their turn; the nncore beside it is a process of its own."
        )
        spinner = Spinner(sorted(os.sched_getaffinity(0))[run.threads - 1])
    else:
        section.text("One thread, or a system without pinning: nothing is measured beside a busy processor.")
        spinner = None
    try:
        rows = [_row(run, section, task, numbers, spinner) for task in steps.tasks(run)]
    finally:
        if spinner:
            spinner.close()
    headings = ["network, minibatch", *(f"{page.count(number, 'thread')}, µs" for number in numbers), "times as fast"]
    if spinner:
        headings += [f"{BUSY}, µs", "times as long", f"target ≤ {targets.BUSY_RATIO}"]
    section.table(headings, rows)
    ratios = [result["busy_ratio"] for result in section.results if result["busy_ratio"]]
    if ratios and run.threads == 2:
        worst = max(ratios)
        section.target("one of two processors busy: times as long, worst row", f"≤ {targets.BUSY_RATIO}",
                       page.number(worst), worst <= targets.BUSY_RATIO)  # fmt: skip
    return section


def _row(run, section, task, numbers, spinner):
    works = {number: run.work("nncore", "peers.training", number, **task._asdict()) for number in numbers}
    if spinner:
        busy = run.work("nncore", "peers.training", run.threads, **task._asdict())
        works[BUSY] = busy._replace(beside=spinner.spinning, process=BUSY)
    medians, rounds = run.measure(works)
    seconds = {label: median / task.steps for label, median in medians.items()}
    ratio = seconds[BUSY] / seconds[run.threads] if spinner else None
    section.results.append({"case": str(task), "seconds": seconds, "rounds": rounds, "busy_ratio": ratio})
    row = [str(task), *(page.microseconds(seconds[number]) for number in numbers)]
    row.append(page.number(seconds[1] / seconds[run.threads]))
    if spinner:
        row += [page.microseconds(seconds[BUSY]), page.number(ratio), page.verdict(ratio <= targets.BUSY_RATIO)]
    return row
