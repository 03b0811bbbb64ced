"""The limits that kernels are held against: multiply-adds a second, and bytes a second, of one core.

peak.c is compiled for the occasion. Without a compiler there are no limits, and the tables say so.
"""

import ctypes
import os
import pathlib
import platform
import subprocess
import tempfile
import time

import numpy as np

from nncore import _engine

from . import ROOT

# Elements of an array of float32: two fit into a second-level cache of 256 KiB; none fits into a last-level one.
CACHED = 16 * 1024
IN_MEMORY = 16 * 1024 * 1024
SIZES = {"cache": CACHED, "memory": IN_MEMORY}
ROUNDS = 25  # short ones: of a busy machine too, some are undisturbed


class NoCompilerError(RuntimeError):
    """peak.c could not be compiled."""


def measure(variant, seconds=0.004):
    """The limits of one variant on one core.

    Returns
    -------
    dict
        gflops: of multiply-adds, two operations each, by dtype. gigabytes: a second, of float32, by pass and size.
        "map" reads one array and writes another, "update" reads and writes one. An array that is only written
        counts twice, as the processor reads its lines before it writes them.

    Raises
    ------
    NoCompilerError
    """
    with tempfile.TemporaryDirectory() as folder:
        passes = _compile(variant, folder)
        gflops = {"float32": _gflops(passes, "f32", seconds), "float64": _gflops(passes, "f64", seconds)}
        gigabytes = {"map": {}, "update": {}}
        for size, count in SIZES.items():
            x, y = (_engine.aligned_zeros(count, np.float32) for _ in range(2))
            x[:] = y[:] = 1
            mapped = _best(lambda n, x=x, y=y: passes.map_f32(_at(x), _at(y), x.size, n), seconds)
            updated = _best(lambda n, y=y: passes.update_f32(_at(y), y.size, n), seconds)
            gigabytes["map"][size] = 3 * x.nbytes / mapped / 1e9
            gigabytes["update"][size] = 2 * y.nbytes / updated / 1e9
        return {"gflops": gflops, "gigabytes": gigabytes}


def measure_all(seconds=0.004):
    """The limits of every variant that this machine can run; None and the reason on one line without a compiler."""
    try:
        return {variant: measure(variant, seconds) for variant in _engine.variants()}
    except NoCompilerError as error:
        print(f"No peaks were measured: {error}\n", flush=True)
        return None


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
    for suffix in ("f32", "f64"):
        getattr(passes, f"flops_of_round_{suffix}").restype = ctypes.c_int64
        getattr(passes, f"multiply_adds_{suffix}").restype = ctypes.c_double
        getattr(passes, f"multiply_adds_{suffix}").argtypes = [ctypes.c_int64]
        getattr(passes, f"map_{suffix}").argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
        getattr(passes, f"update_{suffix}").argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    return passes


def _at(array):
    return array.ctypes.data


def _gflops(passes, suffix, seconds):
    flops = getattr(passes, f"flops_of_round_{suffix}")()
    return flops / _best(getattr(passes, f"multiply_adds_{suffix}"), seconds) / 1e9


def _best(function, seconds):
    """The least seconds of one repetition, of several turns of about `seconds`; `function` takes their number."""
    repetitions, lasted = 1, _timed(function, 1)
    while lasted < seconds / 2:
        repetitions *= 2
        lasted = _timed(function, repetitions)
    return min(_timed(function, repetitions) for _ in range(ROUNDS)) / repetitions


def _timed(function, argument):
    start = time.perf_counter()
    function(argument)
    return time.perf_counter() - start


def print_table(peaks):
    """One row a variant."""
    print("### Limits of one core\n")
    print("| variant | GFLOP/s, float32 | GFLOP/s, float64 | GB/s, map in cache | update in cache | "
          "map in memory | update in memory |")  # fmt: skip
    print("|---|---:|---:|---:|---:|---:|---:|")
    for variant, limits in peaks.items():
        gigabytes = [limits["gigabytes"][kind][size] for size in SIZES for kind in ("map", "update")]
        numbers = [*limits["gflops"].values(), *gigabytes]
        print(f"| {variant} | " + " | ".join(f"{number:.1f}" for number in numbers) + " |")
    print(flush=True)
