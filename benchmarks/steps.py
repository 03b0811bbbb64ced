"""Training steps of nncore beside the peers, each in a process of its own, in turns."""

import itertools
import json
import math
import os
import statistics
import subprocess
import sys

from nncore._bench import THREAD_VARIABLES
from nncore.config import variant

from . import ROOT, peers, timing

# Layer sizes and rows of a minibatch. Those of --quick come first.
CONFIGURATIONS = (
    ((4, 16, 16, 3), 32),
    ((64, 64, 10), 32),
    ((784, 256, 128, 10), 128),
    ((64, 64, 10), 1),
    ((17, 64, 64, 6), 64),
    ((17, 256, 256, 6), 256),
    ((784, 128, 10), 32),
    ((784, 1024, 1024, 10), 256),
    ((128, 512, 512, 512, 2), 1024),
)
QUICK_CONFIGURATIONS = 3


def name_of(sizes, batch):
    """The network and the rows of a minibatch, for tables."""
    return f"{'-'.join(map(str, sizes))}, {batch}"


def flops_of(sizes, batch):
    """Floating-point operations of the matrix products of one step: no layer needs the gradient of the data."""
    pairs = [i * o for i, o in itertools.pairwise(sizes)]
    return 2.0 * batch * (3 * sum(pairs) - pairs[0])


class PeerError(RuntimeError):
    """A peer failed; the others go on."""

    def __init__(self, peer, reason):
        super().__init__(f"{peer}: {reason}")
        self.peer = peer


class Peer:
    """A process that trains one library's networks when asked."""

    def __init__(self, name, threads):
        self.name = name
        counts = dict.fromkeys(THREAD_VARIABLES, str(threads))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers", name, str(threads)],
            cwd=ROOT,
            env={**os.environ, **counts, "JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore"},
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
            raise PeerError(self.name, f"ended with exit code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(self.name, answer["error"])
        return answer

    def prepare(self, sizes, batch):
        """Makes the network; returns the function that `timing.take_turns` takes: its calls are epochs."""
        self.ask(sizes=sizes, batch=batch)
        return lambda epochs: self.ask(epochs=epochs)["seconds"] / epochs

    def close(self):
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()


def measure(names, threads, peaks=None, quick=False):
    """Measures and prints the tables; returns a list of dicts, one a configuration and peer.

    Parameters
    ----------
    names : list of str
        Of `peers.PEERS`.
    threads : int
        For every peer.
    peaks : what `peak.measure_all` returned, optional
        Gives the share of the multiply-add peak.
    """
    seconds, rounds = (0.05, 3) if quick else (0.3, 7)
    gflops = threads * peaks[variant()]["gflops"]["float32"] if peaks else None
    results, table = [], {}
    running = [Peer(name, threads) for name in names]
    print(f"### One training step, {threads} {'thread' if threads == 1 else 'threads'}: microseconds "
          "(nncore: share of the multiply-add peak)\n")  # fmt: skip
    print("| network, minibatch | " + " | ".join(peers.PEERS[name][1] for name in names) + " |")
    print("|---|" + "---:|" * len(names), flush=True)
    try:
        for sizes, batch in CONFIGURATIONS[:QUICK_CONFIGURATIONS] if quick else CONFIGURATIONS:
            row = _measure_configuration(running, sizes, batch, seconds, rounds)
            steps = peers.ROWS // batch
            name = name_of(sizes, batch)
            table[name] = {peer: statistics.median(times) / steps for peer, times in row.items()}
            for peer, times in row.items():
                rate = flops_of(sizes, batch) / table[name][peer] / 1e9
                results.append({"case": name, "contender": peer, "seconds": table[name][peer], "threads": threads,
                                "rounds": [time / steps for time in times], "gflops": rate,
                                "share": rate / gflops if gflops else None})  # fmt: skip
            print(f"| {name} | " + " | ".join(_cell(name, peer, results) for peer in names) + " |", flush=True)
    finally:
        for peer in running:
            peer.close()
    print()
    if "nncore" in names:
        _print_ratios(table, [name for name in names if name != "nncore"])
    return results


def _measure_configuration(running, sizes, batch, seconds, rounds):
    """Seconds of an epoch in each round, by peer; without the peers that failed."""
    contenders = {}
    for peer in running:
        try:
            contenders[peer.name] = peer.prepare(sizes, batch)
        except PeerError as error:
            print(error, file=sys.stderr)
    while True:
        try:
            return timing.take_turns(contenders, seconds, rounds)
        except PeerError as error:
            print(error, file=sys.stderr)
            del contenders[error.peer]


def _cell(name, peer, results):
    for result in results:
        if result["case"] == name and result["contender"] == peer:
            share = f" ({result['share']:.0%})" if result["share"] and peer == "nncore" else ""
            return f"{result['seconds'] * 1e6:.1f}{share}"
    return "failed"


def _print_ratios(table, names):
    print("### How many times as long as nncore\n")
    print("| network, minibatch | " + " | ".join(peers.PEERS[name][1] for name in names) + " | the fastest of them |")
    print("|---|" + "---:|" * (len(names) + 1))
    ratios = {name: [] for name in (*names, "fastest")}
    for case, row in table.items():
        if "nncore" not in row:
            continue
        cells = []
        here = {name: row[name] / row["nncore"] for name in names if name in row}
        if here:
            here["fastest"] = min(here.values())
        for name in ratios:
            cells.append(f"{here[name]:.2f}" if name in here else "-")
            if name in here:
                ratios[name].append(here[name])
        print(f"| {case} | {' | '.join(cells)} |")
    means = [_geometric_mean(values) for values in ratios.values()]
    print("| geometric mean | " + " | ".join(means) + " |\n", flush=True)


def _geometric_mean(values):
    return f"{math.exp(statistics.fmean(map(math.log, values))):.2f}" if values else "-"
