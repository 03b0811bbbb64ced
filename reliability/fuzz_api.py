"""Calls of the API with anything: arguments of a model's methods, graphs of layers, a model's life, and other doors.

Each execution follows from its bytes, which follow from a seed and its number. After each it is checked that only
ValueError and TypeError left the library, with a message of its own, that a refused call changed nothing, that results
of tame data are finite, and that the same numbers in another disguise give the same bits. The executions run in
processes of their own, so that a crash or a hang is found, and named by its number:

    python -m reliability.fuzz_api --runs 1000000 --seed 1
    python -m reliability.fuzz_api --target arguments --seed 1 --only 4711      # one execution once more
"""

import argparse
import collections
import faulthandler
import importlib
import multiprocessing
import resource
import signal
import sys
import time
import traceback

from reliability.api.choices import Choices, of_seed

TARGETS = ("arguments", "doors", "graphs", "life")
RENEWED = {"arguments": 64, "doors": 64, "graphs": 8, "life": 1}  # executions after which a process shows that it lives
HANG_SECONDS = 300
MEMORY = 4 << 30  # bytes of a process, so that what asks for more gets a MemoryError


def execute(target, seed, number):
    """One execution of a target."""
    importlib.import_module(f"reliability.api.{target}").run(Choices(of_seed(target, seed, number)))


def family(error):
    """What failures have in common that are one defect."""
    cause = error.__cause__ or error
    trace = traceback.extract_tb(cause.__traceback__)
    frames = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in trace[-2:]]
    return f"{getattr(error, 'kind', '')} | {type(cause).__name__} {' '.join(frames)}"


def describe(error):
    """What went wrong, and the last steps of the way there."""
    cause = error.__cause__ or error
    return "".join([f"{error!r}"[:3000], "\n", *traceback.format_tb(cause.__traceback__)[-3:], f"{cause!r}"[:500]])


def work(target, seed, numbers, at, found):
    """Executes numbers one after the other, in a process of its own; `at` tells which one is in work."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which the background jobs of a shell ignore
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    known = collections.Counter()
    for number in numbers:
        at.value = number
        if number % RENEWED[target] == 0:
            faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            execute(target, seed, number)
        except Exception as error:
            name = family(error)
            known[name] += 1
            if known[name] == 1:
                found.put((number, name, describe(error)))
    faulthandler.cancel_dump_traceback_later()
    found.put((-1, "", dict(known)))


def campaign(target, seed, runs, first, share):
    """All executions of a target; returns how many there were, and how many families of failures."""
    context = multiprocessing.get_context("spawn")
    begin, number, end, failures = time.monotonic(), first, first + runs, collections.Counter()
    while number < end:
        at, found = context.Value("q", number), context.SimpleQueue()
        stop = min(end, number + share)
        process = context.Process(target=work, args=(target, seed, range(number, stop), at, found))
        process.start()
        finished = False
        while not finished and (process.is_alive() or not found.empty()):
            if found.empty():
                time.sleep(0.05)
                continue
            place, name, text = found.get()
            if place < 0:
                failures.update(text)
                finished = True
            else:
                print(f"--- {target}, seed {seed}, number {place}: {name}\n{text}", flush=True)
        process.join()
        if finished:
            number = stop
        else:
            failures["a crash or a hang"] += 1
            print(f"--- {target}, seed {seed}, number {at.value}: exit code {process.exitcode}", flush=True)
            number = at.value + 1
        seconds = time.monotonic() - begin
        print(
            f"{target}: {number - first:,} of {runs:,} executions in {seconds:.0f} s, "
            f"{len(failures)} kinds of failures",
            flush=True,
        )
    for name, count in failures.most_common():
        print(f"    {count} times: {name}")
    return len(failures)


def main():
    parser = argparse.ArgumentParser(prog="python -m reliability.fuzz_api", description=__doc__.partition("\n")[0])
    parser.add_argument("--target", action="append", choices=TARGETS, help="all, unless given")
    parser.add_argument(
        "--runs",
        type=int,
        default=20_000,
        help="executions of arguments and doors; graphs are a "
        "hundredth of it, dozens of lives a thousandth (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first execution")
    parser.add_argument("--only", type=int, help="one execution, in this process")
    parser.add_argument("--share", type=int, default=100_000, help="executions of one process")
    options = parser.parse_args()
    if options.only is not None:
        execute(options.target[0], options.seed, options.only)
        return 0
    broken = total = 0
    for target in options.target or TARGETS:
        runs = max(1, options.runs // {"graphs": 100, "life": 1000}.get(target, 1))
        broken += campaign(target, options.seed, runs, options.first, options.share)
        total += runs
    print(f"{total:,} executions with seed {options.seed}: {broken} kinds of failures")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
