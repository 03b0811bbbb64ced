"""Libraries in processes of their own, which measure when asked: `Contenders` here, `serve` on their side.

A process runs on as many processors as it has threads, and its library is told so before it is imported. It makes work
by the name of a function of this package, and answers how long the work took: requests and answers are lines of JSON.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import time
from typing import Any, NamedTuple

from . import ROOT, peers, timing

PAUSE_SECONDS = 0.05  # between turns: a BLAS lets its idle threads spin for some 30 ms


class ContenderError(RuntimeError):
    """A contender failed."""

    def __init__(self, peer, reason):
        super().__init__(f"{peer}: {reason}")
        self.peer = peer


class Work(NamedTuple):
    """What a contender is to do again and again.

    `what`, "module.function" of this package, is called there with the contender's name, its threads and the
    arguments, and returns a function of a number of calls.
    """

    contender: str
    threads: int
    what: str
    arguments: dict
    beside: Any = contextlib.nullcontext  # makes a context manager, entered around each turn
    process: str = ""  # a name: in a process that only works of this name share


class Contenders:
    """The processes of a run, each started when it is first needed.

    Parameters
    ----------
    peers_python : str
        The interpreter that has the peers; nncore and NumPy are those of the running one.
    """

    def __init__(self, peers_python):
        self.peers_python = peers_python
        self.processes = {}
        self.failed = set()  # names of peers that could not do all that they were asked
        self.versions = peers.versions(peers.OWN) | self._versions_of_peers()
        self.missing = [name for name in peers.LIBRARIES if name not in self.versions]

    def _versions_of_peers(self):
        if self.peers_python == sys.executable:
            return peers.versions(peers.OTHERS)
        command = [self.peers_python, "-m", "benchmarks.peers"]
        try:
            finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            reason = getattr(error, "stderr", None) or error
            raise SystemExit(f"--peers-python: {self.peers_python} cannot say what it has: {reason}") from error
        return json.loads(finished.stdout)

    def installed(self, *names):
        """Those of the names that can be measured."""
        return [name for name in names if name in self.versions]

    def python_of(self, name):
        """The interpreter that runs a library."""
        return sys.executable if name in peers.OWN else self.peers_python

    def call(self, name, threads, what, **arguments):
        """The value that a function of this package returns in a contender's process."""
        return self._process(name, threads).ask(do="call", what=what, arguments=arguments)["value"]

    def take_turns(self, works, seconds, rounds):
        """Seconds of one call in each round, by label: without the peers that failed, which are noted.

        Parameters
        ----------
        works : dict from a label to Work
        seconds, rounds : as `timing.take_turns` takes them
        """
        made = {}
        for label, work in works.items():
            try:
                made[label] = self._make(work)
            except ContenderError as error:
                self.note_failure(error)
        try:
            while True:
                try:
                    return timing.take_turns(made, seconds, rounds, PAUSE_SECONDS)
                except ContenderError as error:
                    self.note_failure(error)
                    made = {label: measure for label, measure in made.items() if works[label].contender != error.peer}
        finally:
            self._forget()

    def note_failure(self, error):
        """Goes on without a peer; what nncore cannot do ends the section."""
        if error.peer == "nncore" or error.peer not in peers.LIBRARIES:
            raise error
        print(error, file=sys.stderr)
        self.failed.add(error.peer)

    def _make(self, work):
        """A function from a number of calls to the mean seconds of one."""
        process = self._process(work.contender, work.threads, work.process)
        number = process.ask(do="make", what=work.what, arguments=work.arguments)["made"]

        def measure(calls):
            with work.beside():
                return process.ask(do="time", made=number, calls=calls)["seconds"] / calls

        return measure

    def _process(self, name, threads, apart=""):
        key = name, threads, apart
        if key not in self.processes or self.processes[key].ended:
            self.processes[key] = Process(name, threads, self.python_of(name))
        return self.processes[key]

    def _forget(self):
        """Lets go of what was made: networks and data."""
        for process in self.processes.values():
            with contextlib.suppress(ContenderError):
                process.ask(do="forget")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.close()


class Process:
    """A process that serves one library."""

    def __init__(self, name, threads, python):
        self.name = name
        self.ended = False
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.contenders", name, str(threads)],
            cwd=ROOT,
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request):
        """Sends a request and returns the answer."""
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.ended = True
            raise ContenderError(self.name, f"ended with exit code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ContenderError(self.name, answer["error"])
        return answer

    def close(self):
        """Ends the process."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


def environment(threads):
    """The variables of a process that may use so many threads."""
    from nncore._bench import THREAD_VARIABLES

    counts = dict.fromkeys(THREAD_VARIABLES, str(threads))
    return {**os.environ, **counts, "JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore"}


def serve(name, threads):
    """Answers the requests of `Process` until there are no more; failures with {"error"}."""
    # Whatever a library prints must not meet the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    made = []
    for line in sys.stdin:
        try:
            answer = _answer(name, threads, made, **json.loads(line))
        except Exception as error:  # of any library: the others go on
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def _answer(name, threads, works, *, do, what="", arguments=None, made=0, calls=0):
    if do == "forget":
        works.clear()
        return {}
    if do == "time":
        start = time.perf_counter()
        works[made](calls)
        return {"seconds": time.perf_counter() - start}
    module, function = what.split(".")
    value = getattr(importlib.import_module(f"benchmarks.{module}"), function)(name, threads, **arguments)
    if do == "call":
        return {"value": value}
    works.append(value)
    return {"made": len(works) - 1}


if __name__ == "__main__":
    # Before any library is imported, as they count the processors then.
    peers.pin(int(sys.argv[2]))
    serve(sys.argv[1], int(sys.argv[2]))
