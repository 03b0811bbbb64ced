"""A short form of `python -m reliability.fuzz`: what once broke a reader, and some mutations of every seed."""

import importlib.util
import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # behind the installed package

from reliability import fuzz, fuzzing  # noqa: E402
from reliability.fuzzing import guard  # noqa: E402
from reliability.fuzzing.target import Target  # noqa: E402

RUNS = {"idx": 1500, "vocabularies": 600, "weights": 300, "configurations": 150, "images": 300}
OTHERS = 100
pytestmark = pytest.mark.skipif(not hasattr(guard.signal, "SIGPROF"), reason="time is limited by a signal")


def found(name):
    try:
        target = fuzzing.find(name)
        target.seeds()
    except ImportError as error:
        pytest.skip(f"needs {error.name}")
    return target


@pytest.mark.parametrize("name", fuzzing.NAMES)
def test_every_reader_accepts_its_seeds_and_survives_mutations(name, tmp_path):
    target = found(name)
    runner = fuzz.Runner(target, tmp_path)
    with guard.watching():
        for data in fuzz.seeds_of(target).values():
            runner.run(data)
        assert runner.accepted * 2 > runner.runs
        fuzz.plain(runner, fuzz.inputs_of(target, fuzz.CORPUS), RUNS.get(name, OTHERS), seed=7)
    assert not runner.broken
    assert runner.runs > RUNS.get(name, OTHERS)


def judged(read, tmp_path, **options):
    target = Target("one", read, dict, **options)
    with guard.watching():
        return guard.run(target, b"data", tmp_path, traced=True)


def raises(error):
    def read(data, folder):
        raise error

    return read


def watched(action):
    def read(data, folder):
        with guard.reading():
            action(folder)
        return True

    return read


def endless(data, folder):
    while True:
        pass


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (raises(KeyError("a")), "KeyError"),
        (raises(MemoryError()), "MemoryError"),
        (raises(ValueError()), "without a word"),
        (watched(lambda folder: (folder / "a").write_text("b")), "for writing"),
        (watched(lambda folder: __import__("os").system("true")), "os.system"),
        (watched(lambda folder: eval("1 + 1")), "compiled"),
        (watched(lambda folder: importlib.util.find_spec("never_heard_of.inside")), "never_heard_of"),
        (lambda data, folder: bytearray(200 << 20), "at once"),
        (endless, "longer"),
    ],
)
def test_the_guard_sees_what_it_is_there_for(read, said, tmp_path):
    with pytest.raises(AssertionError, match=said):
        judged(read, tmp_path, seconds=1.0)


def test_refusals_and_acceptance(tmp_path):
    assert judged(lambda data, folder: True, tmp_path)
    assert not judged(raises(ValueError("wanted another")), tmp_path)
    assert not judged(raises(KeyError("a")), tmp_path, refusals=(KeyError,))


@pytest.mark.parametrize("name", ["idx", "safetensors", "configurations"])
def test_the_same_seed_tries_the_same(name):
    target = found(name)
    data = next(iter(target.seeds().values()))
    tried = [[fuzz.mutated(target, data, random.Random(seed)) for seed in range(20)] for _ in range(2)]
    assert tried[0] == tried[1]
    assert len(set(tried[0])) > 10
