"""The limits that kernels and steps are held against: multiply-adds a second, and bytes a second.

Of one core, and of several at once, each with a thread pinned to it. peak.c is compiled for the occasion. Without a
compiler there are no limits, and the tables say so.
"""

import ctypes
import os
import pathlib
import platform
import subprocess
import tempfile
import threading
import time

import numpy as np

from nncore import _engine

from . import ROOT

# Elements of an array of float32: two fit into a second-level cache of 256 KiB; none fits into a last-level one.
CACHED = 16 * 1024
IN_MEMORY = 16 * 1024 * 1024
SIZES = {"cache": CACHED, "memory": IN_MEMORY}
ROUNDS = 25  # short ones: of a busy machine too, some are undisturbed
SECONDS = 0.004  # of a round; longer where threads must meet first
SECONDS_TOGETHER = 0.02
STEP = 64  # a pass takes a multiple of so many elements


class NoCompilerError(RuntimeError):
    """peak.c could not be compiled."""


class Limits:
    """Measures what one variant's vectors can do at most.

    Parameters
    ----------
    variant : str

    Raises
    ------
    NoCompilerError
    """

    def __init__(self, variant):
        with tempfile.TemporaryDirectory() as folder:
            self.passes = _compile(variant, folder)

    def gflops(self, dtype, cores=1):
        """Multiply-adds, two operations each, of so many cores together."""
        suffix = {"float32": "f32", "float64": "f64"}[dtype]
        flops = getattr(self.passes, f"flops_of_round_{suffix}")()
        return cores * flops / _best([getattr(self.passes, f"multiply_adds_{suffix}")] * cores) / 1e9

    def gigabytes(self, kind, count, cores=1):
        """Bytes of float32 that passes move, of so many cores together.

        Parameters
        ----------
        kind : "map" or "update"
            "map" reads one array and writes another, "update" reads and writes one. An array that is only written
            counts twice, as the processor reads its lines before it writes them.
        count : int, elements of an array; each core has its own
        """
        count = -(-count // STEP) * STEP
        functions = []
        for _ in range(cores):
            x, y = (_engine.aligned_zeros(count, np.float32) for _ in range(2))
            x[:] = y[:] = 1
            if kind == "map":
                functions.append(lambda n, x=x, y=y: self.passes.map_f32(_at(x), _at(y), count, n))
            else:
                functions.append(lambda n, y=y: self.passes.update_f32(_at(y), count, n))
        moved = 4 * count * (3 if kind == "map" else 2)
        return cores * moved / _best(functions) / 1e9

    def traffic(self, reads, updates):
        """A function of no argument: one pass over arrays of float32 of equal sizes, read alone or updated."""
        arrays = [*reads, *updates]
        assert arrays[0].size % STEP == 0, "a pass goes over whole stretches"
        pointers = (ctypes.c_void_p * len(arrays))(*map(_at, arrays))
        return lambda: self.passes.traffic_f32(pointers, len(reads), len(updates), arrays[0].size)

    def measure(self, cores=1):
        """All of it: {"gflops": {dtype: rate}, "gigabytes": {kind: {size: rate}}}."""
        return {
            "gflops": {dtype: self.gflops(dtype, cores) for dtype in ("float32", "float64")},
            "gigabytes": {
                kind: {size: self.gigabytes(kind, count, cores) for size, count in SIZES.items()}
                for kind in ("map", "update")
            },
        }


def _compile(variant, folder):
    """The functions of peak.c. All instruction sets that the machine has are allowed: the header chooses its own."""
    native = "-mcpu=native" if platform.machine().lower() in ("aarch64", "arm64") else "-march=native"
    library = pathlib.Path(folder, f"peak_{variant}.so")
    command = [*os.environ.get("CC", "cc").split(), "-std=c11", "-O3", native, "-ffp-contract=off", "-shared", "-fPIC",
               f'-DNN_SIMD_HEADER="simd/{variant}.h"', f"-I{ROOT / 'src_c'}", str(ROOT / "benchmarks" / "peak.c"),
               "-o", str(library), "-lm"]  # fmt: skip
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoCompilerError(f"the compiler {command[0]!r} cannot be started ({error})") from error
    if finished.returncode:
        raise NoCompilerError(f"{command[0]!r} does not compile peak.c:\n{finished.stderr.strip()}")
    passes = ctypes.CDLL(str(library))
    passes.traffic_f32.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64]
    for suffix in ("f32", "f64"):
        getattr(passes, f"flops_of_round_{suffix}").restype = ctypes.c_int64
        getattr(passes, f"multiply_adds_{suffix}").restype = ctypes.c_double
        getattr(passes, f"multiply_adds_{suffix}").argtypes = [ctypes.c_int64]
        getattr(passes, f"map_{suffix}").argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
        getattr(passes, f"update_{suffix}").argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    return passes


def _at(array):
    return array.ctypes.data


def _best(functions):
    """The least seconds that one repetition of all functions takes, each in a thread on a core of its own.

    A function takes the number of repetitions.
    """
    seconds = SECONDS if len(functions) == 1 else SECONDS_TOGETHER
    repetitions, lasted = 1, timed(functions[0], 1)
    while lasted < seconds / 2:
        repetitions *= 2
        lasted = timed(functions[0], repetitions)
    if len(functions) == 1:
        return min(timed(functions[0], repetitions) for _ in range(ROUNDS)) / repetitions
    return min(_together(functions, repetitions)) / repetitions


def _together(functions, repetitions):
    """The seconds of each round in which all functions run, from the first one's beginning to the last one's end."""
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    barrier = threading.Barrier(len(functions))
    spans = [[] for _ in functions]

    def run(number):
        if processors:
            os.sched_setaffinity(0, {processors[number % len(processors)]})  # of this thread alone
        for _ in range(ROUNDS):
            barrier.wait()
            begin = time.perf_counter()
            functions[number](repetitions)
            spans[number].append((begin, time.perf_counter()))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [max(end for _, end in round_) - min(begin for begin, _ in round_) for round_ in zip(*spans, strict=True)]


def timed(function, *arguments):
    """Seconds that a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start
