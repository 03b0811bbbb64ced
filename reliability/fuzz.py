"""Fuzzes every reader of files: ``python -m reliability.fuzz TARGET|all --runs N --seed S --corpus DIR``.

With atheris (``pip install atheris``) coverage of nncore's Python guides what is tried, and each target is a process of
its own; without it, or with ``--plain``, mutations of seeds and corpus alone. The same seed tries the same inputs.
Inputs that break something are written into ``--found``, and the run goes on.

``--write-corpus`` writes the seeds that the corpus lacks, which is all that made it.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from reliability import ROOT, fuzzing
from reliability.fuzzing import bytes_, guard
from reliability.fuzzing.target import seeds_of

if TYPE_CHECKING:
    from reliability.fuzzing.target import Target

CORPUS = ROOT / "reliability" / "corpus"
LONGEST = 1 << 14  # bytes of an input
SAID_EVERY = 30  # seconds
BYTES_SHARE = 0.2  # of mutations that know nothing of the input's structure


class Runner:
    """Runs inputs, counts them, and keeps one input for each place where something broke."""

    def __init__(self, target: Target, folder: Path, found: Path | None = None) -> None:
        self.target, self.folder, self.found = target, folder, found
        self.runs = self.accepted = 0
        self.broken: dict[str, bytes] = {}
        self.said_at = time.monotonic()
        self.remembers = True  # the input in work, in a file

    def run(self, data: bytes) -> bool:
        """Whether the input was accepted."""
        self.runs += 1
        if self.found is not None and self.remembers:  # what a crash of the process leaves
            (self.found / f"{self.target.name}-last").write_bytes(data)
        try:
            accepted = guard.run(self.target, data, self.folder, traced=self.runs % guard.TRACED_EVERY == 0)
        except AssertionError as error:
            self._keep(error, data)
            return False
        self.accepted += accepted
        if self.runs % 64 == 0 and time.monotonic() - self.said_at > SAID_EVERY:
            self.said_at = time.monotonic()
            print(self.said, flush=True)
        return accepted

    def _keep(self, error: AssertionError, data: bytes) -> None:
        cause = error.__cause__ or error
        frames = [frame for frame in traceback.extract_tb(cause.__traceback__) if "reliability" not in frame.filename]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else str(error)[:60]
        what = f"{type(cause).__name__} at {where}"
        if what in self.broken:
            return
        self.broken[what] = data
        print(f"{self.target.name}: {what}: {str(error)[:400]}", flush=True)
        if self.found is not None:
            path = self.found / f"{self.target.name}-{hashlib.sha256(what.encode()).hexdigest()[:8]}"
            path.write_bytes(data)
            path.with_suffix(".txt").write_text(what + "\n" + "".join(traceback.format_exception(cause)))

    @property
    def said(self) -> str:
        """One line on all of it."""
        return (
            f"{self.target.name}: {self.runs:,} executions, {self.accepted:,} accepted, {len(self.broken)} places broke"
        )


def mutated(target: Target, data: bytes, chosen: random.Random) -> bytes:
    """Another input, mostly of the same structure."""
    if chosen.random() > BYTES_SHARE:
        try:
            return target.mutate(data, chosen)[:LONGEST]
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError):
            pass  # bytes without the structure
    return bytes_.mutate(data, chosen)[:LONGEST]


def inputs_of(target: Target, corpus: Path) -> list[bytes]:
    """Seeds, and what the corpus has for a target."""
    kept = sorted((corpus / target.name).glob("*")) if corpus.is_dir() else []
    return [*dict.fromkeys([*seeds_of(target).values(), *(path.read_bytes() for path in kept)])]


def plain(runner: Runner, inputs: list[bytes], runs: int, seed: int) -> None:
    """Mutations of the inputs, and of what was accepted of these."""
    chosen, pool = random.Random(seed), list(inputs)
    for data in inputs:
        runner.run(data)
    for _ in range(runs - len(inputs)):
        data = mutated(runner.target, chosen.choice(pool), chosen)
        if runner.run(data) and len(data) < LONGEST:
            place = chosen.randrange(8 * len(inputs))
            if place + len(inputs) < len(pool):
                pool[len(inputs) + place] = data
            else:
                pool.append(data)


def guided(runner: Runner, inputs: list[bytes], runs: int, seed: int) -> None:
    """The same by atheris, which goes on from inputs that have reached something new. Ends the process."""
    import atheris

    runner.remembers = False  # libFuzzer does

    def once(data: bytes) -> None:
        runner.run(data)
        if runner.runs >= runs:
            print(runner.said, flush=True)
            os._exit(bool(runner.broken))

    def mutator(data: bytes, most: int, number: int) -> bytes:
        chosen = random.Random(number)
        if chosen.random() < 0.1:
            return atheris.Mutate(data, len(data))
        return mutated(runner.target, data, chosen)[:most]

    seeds = runner.folder / "seeds"
    seeds.mkdir()
    for number, data in enumerate(inputs):
        (seeds / f"{number:04}").write_bytes(data)
    options = [
        f"-seed={seed}",
        f"-max_len={LONGEST}",
        "-timeout=60",
        "-rss_limit_mb=6000",
        "-print_final_stats=0",
        "-verbosity=0",
        f"-artifact_prefix={runner.found or runner.folder}/{runner.target.name}-crash-",
    ]
    atheris.Setup([sys.argv[0], *options, str(seeds)], once, custom_mutator=mutator)
    atheris.Fuzz()


def _atheris() -> bool:
    import importlib.util

    return importlib.util.find_spec("atheris") is not None


def one(name: str, arguments: argparse.Namespace) -> int:
    """Fuzzes one target in this process; the exit code."""
    with_atheris = not arguments.plain and _atheris()
    if with_atheris:
        import atheris

        with atheris.instrument_imports(include=["nncore"]):
            target = fuzzing.find(name)
            seeds_of(target)
    else:
        target = fuzzing.find(name)
    if arguments.found is not None:
        arguments.found.mkdir(parents=True, exist_ok=True)
    faulthandler.enable()
    began = time.monotonic()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    inputs = inputs_of(target, arguments.corpus)
    with tempfile.TemporaryDirectory(dir=base) as folder, guard.watching():
        runner = Runner(target, Path(folder), arguments.found)
        for data in inputs:
            runner.run(data)  # what is imported late is here before memory is limited
        if sys.platform == "linux" and not arguments.unlimited:
            guard.limit_memory()
        (guided if with_atheris else plain)(runner, inputs, arguments.runs, arguments.seed)
    print(f"{runner.said}; {time.monotonic() - began:.0f} s", flush=True)
    return bool(runner.broken)


def write_corpus(name: str, corpus: Path) -> None:
    """Writes the seeds of a target that are not there."""
    folder = corpus / name
    folder.mkdir(parents=True, exist_ok=True)
    for seed, data in seeds_of(fuzzing.find(name)).items():
        if not (folder / seed).exists():
            (folder / seed).write_bytes(data)


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m reliability.fuzz", description="Fuzzes every reader of files.")
    parser.add_argument("target", choices=[*fuzzing.NAMES, "all"])
    parser.add_argument("--runs", type=int, default=10_000, help="executions of each target (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is tried (default: %(default)s)")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="a folder for each target (default: %(default)s)")
    parser.add_argument("--found", type=Path, help="where inputs go that break something")
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("--unlimited", action="store_true", help="address space without a limit, as sanitizers need it")
    parser.add_argument("--write-corpus", action="store_true", help="write seeds that the corpus lacks, and end")
    arguments = parser.parse_args()
    names = fuzzing.NAMES if arguments.target == "all" else [arguments.target]
    if arguments.write_corpus:
        for name in names:
            write_corpus(name, arguments.corpus)
        return 0
    if len(names) == 1:
        return one(names[0], arguments)
    rest = [word for word in sys.argv[1:] if word != "all"]
    codes = [
        subprocess.run([sys.executable, "-m", "reliability.fuzz", name, *rest], check=False).returncode
        for name in names
    ]
    print(f"{len(names)} targets, {sum(map(bool, codes))} with defects or without what they need")
    return any(codes)


if __name__ == "__main__":
    sys.exit(main())
