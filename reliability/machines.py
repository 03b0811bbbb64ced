"""Old and foreign processors, emulated: no instruction that they lack, and the bits that the variant gives natively.

Imports the library and trains a little on each processor that QEMU knows by name, and compares the weights with those
of this machine. Needs qemu-user. NumPy must run on the processor: newer ones need SSE4.2, which core2duo and qemu64
lack, and `--python` may name an interpreter whose NumPy is older. With `--aarch64` the kernels' whole suite runs on an
emulated AArch64, too, which needs its compiler (gcc-aarch64-linux-gnu).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys

import nncore
from reliability import ROOT

# Processors, and the variant that each is to choose.
PROCESSORS = {"Nehalem": "generic", "Westmere": "generic", "SandyBridge": "generic", "core2duo": "generic",
              "qemu64": "generic", "Haswell": "avx2", "EPYC": "avx2"}  # fmt: skip

TRAINING = """
import hashlib
import numpy as np
import nncore as nn
nn.config.set_num_threads(2)
random = np.random.default_rng(0)
x, y = random.standard_normal((64, 8, 8, 2)).astype("f4"), np.arange(64) % 3
model = nn.Sequential([nn.Input((8, 8, 2)), nn.layers.Conv2D(4, 3, activation="relu"), nn.layers.BatchNormalization(),
                       nn.layers.Flatten(), nn.layers.Dense(16, activation="tanh"), nn.layers.Dropout(0.2),
                       nn.layers.Dense(3, activation="softmax")], seed=1)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=2, verbose=0)
bits = hashlib.sha256(b"".join(np.ascontiguousarray(w).tobytes() for w in model.weights) + model.predict(x).tobytes())
print(nn.config.variant(), bits.hexdigest())
"""


def environment_of(python):
    """(The interpreter's program, the folders that it imports from) with nncore among them."""
    ask = "import json, os, sys; print(json.dumps([os.path.realpath(sys.executable), sys.path[1:]]))"
    program, folders = json.loads(subprocess.run([python, "-c", ask], capture_output=True, check=True).stdout)
    return program, [os.path.dirname(os.path.dirname(nncore.__file__)), *folders]


def run(command, folders, code, **environment):
    """Runs Python's code by a command."""
    code = f"import sys; sys.path[:] = {folders!r}\n{code}"
    return subprocess.run([*command, "-c", code], capture_output=True, text=True, check=False, timeout=600,
                          env={**os.environ, **environment})  # fmt: skip


def attempt(processor, python=sys.executable):
    """What came of a processor: ("same", "other" or "skipped", in words)."""
    program, folders = environment_of(python)
    emulator = shutil.which("qemu-x86_64")
    if emulator is None or os.uname().machine != "x86_64":
        return "skipped", "qemu-x86_64 is not here, or this machine is none of x86-64"
    emulated = [emulator, "-cpu", processor, program]
    if run(emulated, folders, "import numpy").returncode:
        return "skipped", "NumPy itself does not run there"
    variant = PROCESSORS[processor]
    native = run([program], folders, TRAINING, NNCORE_ISA=variant)
    got = run(emulated, folders, TRAINING)
    if got.returncode or native.returncode:
        return "other", f"exit code {got.returncode}: {(got.stderr + native.stderr)[-500:]}"
    if got.stdout != native.stdout or got.stdout.split()[0] != variant:
        return "other", f"{got.stdout.strip()}, natively {native.stdout.strip()}"
    return "same", f"{variant}, the bits of this machine"


def main(arguments=None):
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m reliability.machines", description=__doc__.split("\n")[0])
    parser.add_argument("processors", nargs="*", metavar="PROCESSOR", help=f"of {', '.join(PROCESSORS)} (default: all)")
    parser.add_argument("--python", default=sys.executable, help="an interpreter of this version (default: this one)")
    parser.add_argument("--aarch64", action="store_true", help="the kernels' suite on AArch64, too")
    given = parser.parse_args(arguments)
    if unknown := set(given.processors) - set(PROCESSORS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    found = []
    for processor in given.processors or PROCESSORS:
        result, words = attempt(processor, given.python)
        print(f"{processor}: {words}" if result != "other" else f"{processor}: BROKEN: {words}", flush=True)
        found.append(result)
    if given.aarch64:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_emulated.py", "-k", "neon"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path[1:]))}
        done = subprocess.run(command, cwd=ROOT / "tests", check=False, env=environment)
        found.append("other" if done.returncode else "same")
    print(f"{found.count('same')} emulated processors gave the same bits, {found.count('other')} did not, "
          f"{found.count('skipped')} could not be tried")  # fmt: skip
    return 1 if "other" in found or "same" not in found else 0


if __name__ == "__main__":
    raise SystemExit(main())
