"""A short form of `python -m reliability.fuzz` for what reads other libraries' models."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))  # behind the installed package

from reliability import fuzz, fuzzing
from reliability.fuzzing import guard


@pytest.mark.parametrize(
    ("name", "package", "runs"),
    [("onnx_graphs", "onnx", 300), ("keras_models", "keras", 60), ("keras_files", "keras", 60)],
)
def test_what_reads_other_libraries_models_survives_mutations(name, package, runs, tmp_path):
    pytest.importorskip(package)
    target = fuzzing.find(name)
    runner = fuzz.Runner(target, tmp_path)
    inputs = fuzz.inputs_of(target, fuzz.CORPUS)
    with guard.watching():
        fuzz.plain(runner, inputs, runs, seed=7)
    assert not runner.broken
    assert runner.accepted
