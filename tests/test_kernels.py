"""Every kernel, real type and variant against reference.py, over the cases of cases.py."""

import functools
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from cases import GRADIENT, TABLE, UNWRITTEN, Block, cases
from guarded import GuardedMemory, PlainMemory, in_child
from harness import (
    DTYPES,
    FUSED,
    VARIANTS,
    Native,
    check,
    different_bits,
    expectation,
    expectations,
    outcome,
    pieces,
    wrong_elements,
)
from reference import REFERENCES, nearly

from nncore import _engine

KERNELS = list(_engine.KERNELS)
SHOWN = 10  # messages of a failed test


def native(variant):
    """The variant, or a skip that names it."""
    if variant not in _engine.variants():
        pytest.skip(f"this machine cannot run the variant {variant}")
    return Native(variant)


def require_table(kernel):
    """Fails where the kernel has no reference or no cases: nothing else could notice what it does."""
    assert kernel in REFERENCES, f"kernel {kernel} of kernels.def has no reference in reference.py"
    assert kernel in TABLE, f"kernel {kernel} of kernels.def has no cases in cases.py"


def report(messages):
    """Fails with the first messages, if there are any."""
    messages = list(messages)
    assert not messages, "\n".join([f"{len(messages)} failures:", *messages[:SHOWN]])


@functools.lru_cache(maxsize=4)  # a kernel's variants follow each other
def prepared(kernel, dtype, fused):
    return expectations(kernel, dtype, fused)


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_has_a_reference_and_cases(kernel):
    require_table(kernel)
    for dtype in DTYPES:
        found = cases(kernel, dtype)
        assert any(not case.timed for case in found), f"kernel {kernel} has no cases for {dtype}"
        names = {argument.name for argument in _engine.KERNELS[kernel].arguments}
        for case in found:
            assert set(case.arguments) == names, f"kernel {kernel}: arguments of case {case}"


def test_no_reference_and_no_cases_are_left_over():
    assert set(REFERENCES) == set(TABLE) == set(KERNELS)


@pytest.mark.parametrize("kernel", KERNELS)
def test_outputs_are_those_that_the_list_of_kernels_names(kernel):
    """What the reference says is written is an output in kernels.def, and every output is written by some case."""
    require_table(kernel)
    described = _engine.KERNELS[kernel]
    outputs = {argument.name for argument in described.arguments if "OUT" in argument.role}
    written = {name for case in cases(kernel, "float32") for name in expectation(case, True)}
    workers = {name for name in written if name.startswith("worker_")}
    assert written - workers == outputs
    if GRADIENT in workers:
        assert described.range in ("MATRIX", "TILE")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_values_between_guard_pages(kernel, dtype, variant):
    """Values within their tolerances; nothing read or written outside, at neither end; inputs and gaps untouched."""
    require_table(kernel)
    runner = native(variant)
    known = prepared(kernel, dtype, runner.fused)

    def run(note):
        for at_end in (True, False):
            memory = GuardedMemory(at_end)
            for case, expected in known:
                side = "end" if at_end else "beginning"
                note(f"{kernel} {variant} {dtype} [{case}] with guard pages at the {side} of its arrays")
                yield from check(case, expected, runner, memory)

    report(in_child(run))


def cut_anywhere(kernel):
    """Whether a kernel's block may be any part of its range."""
    described = _engine.KERNELS[kernel]
    names = [argument.name for argument in described.arguments]
    if "part_rows" in names or kernel in ("pair_rows", "pack_pairs", "pack_pairs_transposed"):
        return False  # a block of rows has a result of its own, or must begin at an even number
    return described.range not in ("ONCE", "TILE")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [kernel for kernel in KERNELS if cut_anywhere(kernel)])
def test_smaller_blocks_give_the_same_bits(kernel, dtype, variant):
    require_table(kernel)
    runner = native(variant)

    def run():
        memory = PlainMemory()
        for case in cases(kernel, dtype, timed=False):
            whole = outcome(case, runner, memory)
            for blocks in pieces(case):
                parts = outcome(case, runner, memory, blocks)
                yield from different_bits(case, whole, parts, ("one block", f"{len(blocks)} blocks"))

    report(run())


@pytest.mark.parametrize("variant", FUSED[1:])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_fused_variants_give_the_same_bits(kernel, dtype, variant):
    """All cases, by this variant and by the lowest other that has fused multiply-adds."""
    require_table(kernel)
    if kernel in ("matmul_pairs", "matmul_gradient_pairs") and _engine.bfloat16():
        pytest.skip("the processor's own products of bfloat16 may round otherwise")
    runner = native(variant)
    others = [name for name in _engine.variants() if name in FUSED and name != variant]
    if not others:
        pytest.skip(f"this machine has no other variant to compare {variant} with")
    other = Native(others[0])
    memory = PlainMemory()
    report(
        message
        for case in cases(kernel, dtype, timed=False)
        for message in different_bits(
            case, outcome(case, runner, memory), outcome(case, other, memory), (variant, other.name)
        )
    )


# ---------------------------------------------------------------- the tests' own tests


class Faulty(Native):
    """Calls relu_forward, and then does what a wrong kernel might."""

    def __init__(self, fault):
        super().__init__("generic")
        self.fault = fault

    def run(self, kernel, dtype, arguments, block, worker):
        returned = super().run(kernel, dtype, arguments, block, worker)
        if kernel != "relu_forward":
            return returned
        x, y, row = arguments["x"], arguments["y"], block.row_begin
        beside = np.lib.stride_tricks.as_strided(y[row], (y.shape[1] + 1,), y.strides[1:])
        if self.fault == "wrong value":
            y[row, -1] = np.nextafter(y[row, -1], np.float32(np.inf))
        elif self.fault == "nothing written":
            y[row] = np.array(UNWRITTEN[4], np.uint32).view(np.float32)
        elif self.fault == "input changed":
            x[row, 0] += 1
        elif self.fault == "gap between rows":
            beside[-1] = 0
        elif self.fault == "before the array":
            np.lib.stride_tricks.as_strided(y[0], (2,), (-4,))[1] = 0
        elif self.fault == "outside the block":
            y[0, 0] = 1
        return returned


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("none", ""),
        ("wrong value", "elements are wrong"),
        ("nothing written", "elements are wrong"),
        ("input changed", "x is an input and was changed"),
        ("gap between rows", "around or between the rows of y"),
        ("before the array", "around or between the rows of y"),
        ("outside the block", "changed outside of the block"),
    ],
)
def test_a_fault_is_noticed(fault, message):
    case = next(
        case
        for case in cases("relu_forward", "float32")
        if case.block.row_begin and case.arguments["x"].stride != case.arguments["y"].stride > 20
    )
    messages = list(check(case, expectation(case, False), Faulty(fault), GuardedMemory(at_end=True)))
    assert len(messages) == (0 if fault == "none" else 1)
    assert all(message in found for found in messages)


def test_tolerances_are_per_element():
    got = np.array([1e30, 1.0, 1e-40, np.inf, np.nan, -0.0], np.float32)
    good = nearly(..., got.astype(np.float64), 2)
    assert not wrong_elements(got, good)[0].any()
    for place, value in ((1, 1 + 3e-7), (2, 1.5e-40), (3, 1e38), (3, -np.inf), (4, 1.0), (5, 1e-44), (0, np.nan)):
        wrong = got.copy()
        wrong[place] = value
        assert np.flatnonzero(wrong_elements(wrong, good)[0]).tolist() == [place]


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("kernel", ["store_rows", "relu_forward"])
@pytest.mark.parametrize("excess", ["read", "write"])
def test_guard_pages_crash(at_end, kernel, excess):
    """A kernel that is told of one element too many dies, in a process of its own, and without it lives."""
    program = textwrap.dedent(f"""
        import faulthandler, resource, sys
        import numpy as np
        from guarded import GuardedMemory
        from nncore import _kernels
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        memory = GuardedMemory({at_end})
        features, excess = 5, int(sys.argv[1])
        def array(count):
            region, offset, _, _ = memory.take(4 * count)
            return np.ndarray(count, np.float32, region, offset)
        def one_before(a):
            return np.lib.stride_tricks.as_strided(a, (6,), (4,)) if {at_end} else moved(a)
        def moved(a):
            import ctypes
            return np.frombuffer((ctypes.c_char * 4).from_address(a.ctypes.data - 4 * excess), np.float32)
        small, large = array(features), array(features + 1)
        x, y = (one_before(small), large) if {excess == "read"} else (large, one_before(small))
        outputs = {{"store_rows": "target"}}.get("{kernel}", "y")
        arguments = dict(x=x, features=features + excess, x_stride=8)
        arguments |= {{outputs: y, outputs + "_stride": 8}}
        _kernels.run("{kernel}", "float32", arguments, (0, 1))
        print("alive")
    """)
    for count, alive in ((0, True), (1, False)):
        paths = [p for p in sys.path if p]
        finished = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{program}", str(count)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (finished.stdout == "alive\n") == alive, finished.stderr
        if not alive:
            assert -finished.returncode in (signal.SIGSEGV, signal.SIGBUS), finished.stderr


def test_a_crash_names_its_case():
    def run(note):
        note("the first case")
        yield "a message"
        note("the second case")
        memory = GuardedMemory(at_end=True)
        region, _, _, _ = memory.take(8)
        np.lib.stride_tricks.as_strided(region[-1:], (2,), (1,))[1] = 0

    messages = in_child(run)
    assert len(messages) == 1
    assert "in: the second case" in messages[0]
    assert in_child(lambda note: ["a message"]) == ["a message"]
    assert "ZeroDivisionError" in in_child(lambda note: [1 // 0])[0]


def test_cases_are_the_same_each_time():
    first, second = (cases("dropout", "float64") for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert str(a) == str(b)
        assert a.worker == b.worker
        assert np.array_equal(a.arguments["x"].values, b.arguments["x"].values, equal_nan=True)


def test_pieces_cover_the_block():
    case = cases("pack", "float32")[9]
    for blocks in pieces(case):
        covered = np.zeros((40, 80), int)
        for block in blocks:
            assert isinstance(block, Block)
            covered[block.rows, block.columns] += 1
        assert covered.sum() == covered[case.block.rows, case.block.columns].size
        assert covered.max() == 1
