"""`python -m benchmarks`: measures, prints the page, writes it and the numbers behind it."""

import argparse
import datetime
import json
import os
import pathlib
import sys
import time
import traceback

# Kernels are measured on one core, and so is NumPy beside them: its BLAS counts threads when it is imported. The
# processes that measure everything else are given threads of their own.
for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[variable] = "1"

SECTIONS = ("machine", "products", "steps", "breakdown", "scaling", "mnist", "prediction", "calls", "huge", "shapes",
            "networks", "optimizers", "footprint", "kernels")  # fmt: skip
NOT_ON_THE_PAGE = ("kernels",)

HEAD = """\
# Benchmarks

What nncore does on one machine, beside other libraries and beside what the processor can do at most. Everything below
was measured by one command, {date}; it writes this file:

    {command}

Each section says what it measures, and can be repeated alone. The targets (`benchmarks/targets.py`) are ratios to other
libraries or shares of a peak, measured in the same run. All ratios to other libraries are their time over nncore's:
above 1, nncore is faster. Times are medians of rounds in which all contenders take turns.
"""
QUICK = "\n**A quick run, to see that everything works: short times, few rounds. Its numbers mean little.**\n"


def parse(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures nncore on this machine.")
    parser.add_argument("--quick", action="store_true", help="few cases, short times: to see that all runs")
    parser.add_argument("--only", metavar="SECTION[,SECTION]", help=f"some of: {', '.join(SECTIONS)}")
    parser.add_argument("--page", metavar="FILE", help="write the page there, in Markdown")
    parser.add_argument("--json", metavar="FILE", help="write all results there")
    parser.add_argument("--threads", type=int, metavar="N", help="of training and prediction (default: nncore's)")
    parser.add_argument(
        "--peers-python", metavar="PATH", default=sys.executable, help="interpreter with the other libraries"
    )
    parser.add_argument("--mnist", metavar="FOLDER", help="with MNIST's four files (default: $NNCORE_MNIST)")
    chosen = parser.parse_args(arguments)
    chosen.sections = [name for name in SECTIONS if name not in NOT_ON_THE_PAGE]
    if chosen.only:
        wanted = chosen.only.split(",")
        for name in wanted:
            if name not in SECTIONS:
                parser.error(f"--only: there is no section {name!r}; there are {', '.join(SECTIONS)}")
        chosen.sections = [name for name in SECTIONS if name in wanted]
    if chosen.threads is not None and chosen.threads < 1:
        parser.error("--threads: wanted a whole number of at least 1")
    return chosen


def measures():
    """The function of each section."""
    from . import (
        breakdown,
        calls,
        footprint,
        kernels,
        machine,
        mnist,
        networks,
        optimizers,
        prediction,
        products,
        scaling,
        shapes,
        steps,
    )

    modules = {"machine": machine, "products": products, "steps": steps, "breakdown": breakdown, "scaling": scaling,
               "mnist": mnist, "prediction": prediction, "calls": calls, "shapes": shapes, "networks": networks,
               "optimizers": optimizers, "footprint": footprint, "kernels": kernels}  # fmt: skip
    return {"huge": shapes.measure_huge, **{name: module.measure for name, module in modules.items()}}


def head(chosen):
    """The beginning of the page; of the command only what another machine needs."""
    command = "python -m benchmarks" + (" --quick" if chosen.quick else "")
    command += f" --only {chosen.only}" if chosen.only else ""
    command += f" --threads {chosen.threads}" if chosen.threads else ""
    command += " --peers-python PATH" if chosen.peers_python != sys.executable else ""
    date = datetime.date.today().isoformat()
    text = HEAD.format(date=date, command=f"{command} --page docs/benchmarks.md")
    return text + (QUICK if chosen.quick else "")


def main(arguments=None):
    """Measures what the command line asks for; returns 1 where a section failed."""
    chosen = parse(arguments)
    from . import contenders, mnist, page, peers, run

    began = time.perf_counter()
    sections, failed = [], []
    with contenders.Contenders(chosen.peers_python) as processes:
        here = run.Run(processes, chosen.threads, chosen.quick, mnist.find(chosen.mnist))
        available = measures()
        for name in chosen.sections:
            start = time.perf_counter()
            try:
                section = available[name](here)
            except Exception:  # the others are worth having
                traceback.print_exc()
                failed.append(name)
                continue
            print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
            sections.append(section)
            print(section.written(_number(name)), flush=True)
    summary = page.summary(sections)
    parts = [head(chosen)]
    if summary:
        parts.append(f"## Targets\n\n{summary}\n")
    if processes.failed:
        titles = ", ".join(peers.title(name) for name in sorted(processes.failed))
        parts.append(f"**Failed in some rows, which have no number of theirs: {titles}.**\n")
    if failed:
        parts.append(f"**Failed, and missing below: {', '.join(failed)}.**\n")
    parts += [section.written(_number(section.name)) for section in sections]
    minutes = round((time.perf_counter() - began) / 60)
    parts.append(f"The whole run took {page.count(minutes, 'minute')}.\n")
    if chosen.page:
        pathlib.Path(chosen.page).write_text("\n".join(parts))
    if chosen.json:
        results = {section.name: section.results for section in sections}
        pathlib.Path(chosen.json).write_text(json.dumps(results, indent=1) + "\n")
    print(summary, flush=True)
    return 1 if failed else 0


def _number(name):
    return SECTIONS.index(name) + 1


if __name__ == "__main__":
    sys.exit(main())
