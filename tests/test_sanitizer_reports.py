"""What of the sanitizers' reports counts: faults of any kind, and of leaks those that nncore has made itself."""

import importlib
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

HEADLINE = "==7==ERROR: LeakSanitizer: detected memory leaks\n\n"
LEAK = "Direct leak of 16 byte(s) in 1 object(s) allocated from:\n    #0 0x7f in malloc (/lib/libasan.so+0xb)\n"
OURS = "    #1 0x7f in __pyx_f_7nncore_7_engine_grow nncore/_engine.c:1234\n"
IMPORTED = "    #2 0x7f in __pyx_pymod_exec__engine nncore/_engine.c:4321\n"
OTHERS = "    #1 0x7f in PyArray_NewFromDescr (/site-packages/numpy/_core/_multiarray_umath.so+0x1)\n"
SUMMARY = "\nSUMMARY: AddressSanitizer: 16 byte(s) leaked in 1 allocation(s).\n"
OVERFLOW = "=================\n==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x60\n" + OTHERS
UNDEFINED = "src_c/kernels/matmul.h:12:3: runtime error: left shift of 1 by 64 places\n" + OTHERS
RACE = "WARNING: ThreadSanitizer: data race (pid=7)\n" + OTHERS


@pytest.fixture
def sanitizers(monkeypatch):
    """The module of the command, behind everything that is installed."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])
    return importlib.import_module("reliability.sanitizers")


@pytest.mark.parametrize(
    ("text", "faults", "others"),
    [
        ("", 0, 0),
        (HEADLINE + LEAK + OTHERS + SUMMARY, 0, 1),
        (HEADLINE + LEAK + OURS + IMPORTED + SUMMARY, 0, 1),
        (HEADLINE + LEAK + OURS + OTHERS + SUMMARY, 1, 0),
        (HEADLINE + LEAK + OTHERS + "\n" + LEAK + OURS + "\n" + LEAK + OTHERS + SUMMARY, 1, 2),
        (HEADLINE + LEAK.replace("Direct", "Indirect") + OURS + SUMMARY, 1, 0),
        (OVERFLOW, 1, 0),
        (UNDEFINED + "\n" + UNDEFINED, 2, 0),
        (RACE + "\n" + RACE.replace("data race", "lock-order-inversion"), 2, 0),
        (OVERFLOW + HEADLINE + LEAK + OURS, 2, 0),
    ],
)
def test_faults(text, faults, others, sanitizers, tmp_path):
    (tmp_path / "log.7").write_text(text)
    (tmp_path / "log.8").write_text("nothing\n")
    found, left = sanitizers.faults(tmp_path)
    assert (found.total(), left) == (faults, others)


@pytest.mark.parametrize("place", ["src_c/threads.c:94", "(/tmp/a/nncore/_calls.cpython-311-x86_64-linux-gnu.so+0x12)",
                                   "nncore/embed.c:7", "/tmp/a/src_c/variants/../kernels/matmul.h:70"])  # fmt: skip
def test_places_of_nncore(place, sanitizers):
    assert sanitizers.is_ours(f"{LEAK}    #1 0x7f in function {place}\n")
    elsewhere = place.rpartition("/")[2]
    assert not sanitizers.is_ours(f"{LEAK}    #1 0x7f in function numpy/{elsewhere}\n")
