"""Variants that this machine cannot run, emulated: the same bits as the native ones.

avx512 is compiled with SIMDe's emulation of its instructions into a library, and so are the products of bfloat16 that
take places in it, which need not give the same bits; neon is cross-compiled into a program
that QEMU runs. Both are built from the src_c beside this folder.
"""

import ast
import ctypes
import os
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
from cases import cases
from cases.gather import COLUMNS
from guarded import GuardedMemory, PlainMemory, in_child
from harness import DTYPES, FUSED, Native, check, different_bits, expectations, outcome, same_bits
from test_math_accuracy import FUNCTIONS, values_of
from test_matmul import all_edges, all_ends, long_chains

from nncore import _engine

HERE = pathlib.Path(__file__).parent
SOURCES = HERE.parent / "src_c"
KERNELS = list(_engine.KERNELS)
NATIVE = next((name for name in _engine.variants() if name in FUSED), None)

# struct call of c/calls.c
CALL = np.dtype(
    [("dtype", "i8"), ("kernel", "i8"), ("block", "i8", 4), ("rows", "i8"), ("first_row", "i8"), ("step", "i8"),
     ("update", "i8"), ("seed", "u8"), ("learning_rate", "f8"), ("coefficient", "f8", 8), ("gradient", "i8"),
     ("gradient_stride", "i8"), ("order", "i8"), ("nonfinite", "i8"), ("pointers", "i8"),
     ("slots", "i8", _engine.MAX_ARGUMENTS), ("bytes", "i8")]
)  # fmt: skip

# More would take minutes with SIMDe; and the source says what is rounded where at any level.
FLAGS = {variant: ["-Og", "-mavx2", "-mfma", "-Wno-psabi"] for variant in ("avx512", "bfloat16")} | {"neon": ["-Og"]}


def make_call(kernel, dtype, arguments, block, worker, place):
    """A record of CALL; `place` says where an array is."""
    call = np.zeros(1, CALL)
    record = call[0]
    described = _engine.KERNELS[kernel]
    record["dtype"], record["kernel"] = DTYPES.index(np.dtype(dtype).name), described.number
    record["block"][: len(block)] = block
    if len(block) == 2:
        record["block"][3] = 1
    record["step"] = 1
    for name in ("rows", "first_row", "step", "seed", "learning_rate"):
        if name in worker:
            record[name] = worker[name]
    record["update"] = worker.get("update", record["step"])
    if worker.get("coefficient") is not None:
        record["coefficient"] = worker["coefficient"]
    if worker.get("order") is not None:
        record["order"] = place(worker["order"])
    if worker.get("gradient") is not None:
        gradient = worker["gradient"]
        record["gradient"], record["gradient_stride"] = place(gradient), gradient.strides[0] // gradient.itemsize
    slots, numbers = record["slots"], record["slots"].view(np.float64)
    for i, argument in enumerate(described.arguments):
        value = arguments[argument.name]
        if argument.role == "SIZE":
            slots[i] = value
        elif argument.role == "SCALAR":
            numbers[i] = value
        else:
            record["pointers"] |= 1 << i
            slots[i] = 0 if value is None else place(value)
    return call


def address(array):
    return array.__array_interface__["data"][0]


def result(call):
    return {"nonfinite": bool(call[0]["nonfinite"]), "coefficient": call[0]["coefficient"].tolist(),
            "learning_rate": float(call[0]["learning_rate"])}  # fmt: skip


class Library:
    """Kernels in a shared library, called in this process. A runner, as harness.Native."""

    fused = True

    def __init__(self, path, name):
        self.name = name
        self._library = ctypes.CDLL(str(path))
        self._library.tested_call.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self._library.tested_panel_width.argtypes = [ctypes.c_int64]
        self._library.tested_panel_width.restype = ctypes.c_int64

    def panel_width(self, dtype):
        return self._library.tested_panel_width(DTYPES.index(np.dtype(dtype).name))

    def run(self, kernel, dtype, arguments, block, worker):
        call = make_call(kernel, dtype, arguments, block, worker, address)
        self._library.tested_call(address(call), None)
        return result(call)


class Program:
    """Kernels in a program that is sent every call with its memory. A runner, as harness.Native."""

    fused = True

    def __init__(self, command, name):
        self.name = name
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1 << 20)
        self._widths = np.frombuffer(self._read(16), np.int64)

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)

    def _read(self, count):
        data = self._process.stdout.read(count)
        if len(data) < count:
            raise RuntimeError(f"the program ended with exit code {self._process.wait(10)}")
        return data

    def panel_width(self, dtype):
        return int(self._widths[DTYPES.index(np.dtype(dtype).name)])

    def run(self, kernel, dtype, arguments, block, worker):
        memory, places, bytes_ = [bytes(64)], {}, 64

        def place(array):
            """Memory of an array goes along once, with as many bytes beyond a multiple of 64."""
            nonlocal bytes_
            low, high = byte_bounds(array)
            if (low, high) not in places:
                gap = (low - bytes_) % 64 + 64
                memory.extend((bytes(gap), ctypes.string_at(low, high - low)))
                places[low, high] = bytes_ + gap
                bytes_ += gap + high - low
            return places[low, high] + address(array) - low

        call = make_call(kernel, dtype, arguments, block, worker, place)
        memory.append(bytes(64))
        call[0]["bytes"] = bytes_ + 64
        self._process.stdin.write(call.tobytes() + b"".join(memory))
        self._process.stdin.flush()
        call = np.frombuffer(self._read(CALL.itemsize), CALL)
        left = self._read(bytes_ + 64)
        for (low, high), start in places.items():
            ctypes.memmove(low, left[start : start + high - low], high - low)
        return result(call)


def byte_bounds(array):
    """Addresses of an array's first byte and of the one after its last."""
    start = address(array)
    if not array.size:
        return start, start
    reach = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
    return start + sum(min(r, 0) for r in reach), start + sum(max(r, 0) for r in reach) + array.itemsize


# ---------------------------------------------------------------- building


def compile_flags():
    """FLAGS of setup.py, without the level of optimisation."""
    for statement in ast.parse((HERE.parent / "setup.py").read_text()).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "FLAGS":
            return [flag for flag in ast.literal_eval(statement.value) if not flag.startswith("-O")]
    raise AssertionError("setup.py has no FLAGS")


def why_not(variant):
    """Why a variant cannot be emulated here; None if it can."""
    if not (SOURCES / "nncore.h").exists() or not (HERE.parent / "setup.py").exists():
        return "the sources of the kernels are not beside the tests"
    listed = re.findall(r"^KERNEL\((\w+)", (SOURCES / "kernels.def").read_text(), re.MULTILINE)
    if listed != KERNELS:
        return "the sources beside the tests are of another version than the installed package"
    if NATIVE is None:
        return "this machine has no variant with fused multiply-adds to compare with"
    if variant == "neon":
        wanted = ["aarch64-linux-gnu-gcc", "qemu-aarch64"]
    else:
        wanted = ["gcc"]
        if "avx2" not in _engine.variants():
            return "this machine has no AVX2 with FMA"
    missing = [program for program in wanted if shutil.which(program) is None]
    if missing:
        return f"{' and '.join(missing)} not found"
    if variant != "neon":
        command = ["gcc", "-E", "-include", "simde/x86/avx512.h", "-x", "c", os.devnull]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return "the headers of SIMDe are not installed"
    return None


def compile_command(variant, target):
    """The command that makes the library or program `target`."""
    common = [*compile_flags(), *FLAGS[variant], f"-DNN_TESTED_VARIANT=nn_variant_{variant}", f"-I{SOURCES}"]
    files = [str(HERE / "c" / "calls.c"), str(SOURCES / "variants" / f"{variant}.c"), "-o", str(target)]
    if variant == "neon":
        return ["aarch64-linux-gnu-gcc", *common, "-DNN_AARCH64=1", *files, "-static", "-lm"]
    if variant == "bfloat16":
        files.append(str(HERE / "c" / "bfloat16.c"))
    header = ["-include", str(HERE / "c" / "emulated_avx512.h")]
    return ["gcc", *common, "-DNN_X86_64=1", "-DNN_SIMD_EMULATED", *header, "-fPIC", "-shared", *files, "-lm"]


@pytest.fixture(scope="module")
def compilers(tmp_path_factory):
    """Compilers at work, side by side: {variant: (process, target) or the reason why there is none}."""
    folder, found = tmp_path_factory.mktemp("emulated"), {}
    for variant in FLAGS:
        reason = why_not(variant)
        if reason is None:
            target = folder / (variant if variant == "neon" else f"{variant}.so")
            with open(folder / f"{variant}.log", "w") as log:
                found[variant] = subprocess.Popen(compile_command(variant, target), stderr=log), target
        else:
            found[variant] = reason
    yield found
    for process, _ in (compiler for compiler in found.values() if not isinstance(compiler, str)):
        process.kill()  # where no test wanted what it makes
        process.wait()


def built(compilers, variant):
    """The library or program of a variant, or a skip that says why there is none."""
    if isinstance(compilers[variant], str):
        pytest.skip(f"{variant}: {compilers[variant]}")
    process, target = compilers[variant]
    if process.wait():
        pytest.fail(f"{variant} does not compile:\n{(target.parent / f'{variant}.log').read_text()[-4000:]}")
    return target


@pytest.fixture(scope="module")
def neon(compilers):
    """The neon variant in QEMU. First, as its compiler is done first."""
    program = Program(["qemu-aarch64", str(built(compilers, "neon"))], "emulated neon")
    yield program
    program.close()


@pytest.fixture(scope="module")
def avx512(compilers):
    """The avx512 variant by SIMDe."""
    return Library(built(compilers, "avx512"), "emulated avx512")


@pytest.fixture(scope="module")
def bfloat16(compilers):
    """The products of bfloat16 by SIMDe."""
    return Library(built(compilers, "bfloat16"), "emulated bfloat16")


# ---------------------------------------------------------------- tests


def report(messages):
    messages = list(messages)
    assert not messages, "\n".join([f"{len(messages)} failures:", *messages[:10]])


def differences(kernel, runner, memory, note=lambda text: None):
    """Yields where the emulated variant leaves other bits than the native one."""
    native, plain = Native(NATIVE), PlainMemory()
    for dtype in DTYPES:
        for case in cases(kernel, dtype, timed=False):
            if isinstance(runner, Program) and case.arguments.get("type") == COLUMNS:
                continue  # a table of addresses, which are of this process's memory
            note(f"{kernel} {runner.name} {dtype} [{case}]")
            got = outcome(case, runner, memory)
            yield from different_bits(case, got, outcome(case, native, plain), (runner.name, NATIVE))


@pytest.mark.parametrize("kernel", KERNELS)
def test_neon_gives_the_same_bits(kernel, neon):
    report(differences(kernel, neon, PlainMemory()))


def function_differences(runner):
    """Yields where exp, log, tanh and sigmoid leave other bits, at places all over the floats and doubles."""
    random = np.random.default_rng(1)
    anywhere = [random.integers(0, 1 << bits, 100_000, f"u{bits // 8}").view(f"f{bits // 8}") for bits in (32, 64)]
    near = [(random.standard_normal(100_000) * 20).astype(dtype) for dtype in DTYPES]
    for x in anywhere + near:
        for kernel in FUNCTIONS:
            got, expected = (values_of(kernel, x, by) for by in (runner, Native(NATIVE)))
            for place in np.flatnonzero(~same_bits(got, expected))[:1]:
                yield f"{kernel} {x.dtype}: of {x[place]!r} it is {got[place]!r}, by {NATIVE} {expected[place]!r}"


def test_functions_give_the_same_bits_on_neon(neon):
    report(function_differences(neon))


def test_functions_give_the_same_bits_on_avx512(avx512):
    report(function_differences(avx512))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("check", [all_edges, all_ends, long_chains])
def test_each_element_of_a_product_is_one_chain_on_neon(check, dtype, neon):
    report(check(neon, dtype, step=13))


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("kernel", KERNELS)
def test_avx512_gives_the_same_bits_between_guard_pages(kernel, at_end, avx512):
    report(in_child(lambda note: differences(kernel, avx512, GuardedMemory(at_end), note)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("check", [all_edges, all_ends, long_chains])
def test_each_element_of_a_product_is_one_chain_on_avx512(check, dtype, avx512):
    report(check(avx512, dtype, step=5))


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("kernel", ["matmul_pairs", "matmul_gradient_pairs"])
def test_products_of_bfloat16_between_guard_pages(kernel, at_end, bfloat16):
    def run(note):
        memory = GuardedMemory(at_end)
        for case, expected in expectations(kernel, "float32", True):
            note(f"{kernel} [{case}]")
            yield from check(case, expected, bfloat16, memory)

    report(in_child(run))
