"""A short form of `python -m reliability.fuzz_api`: some executions of each target, in processes of their own."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # behind the installed package

from reliability import fuzz_api  # noqa: E402
from reliability.api import arguments, judge, subjects, values  # noqa: E402
from reliability.api.choices import Choices, of_seed  # noqa: E402

RUNS = {"arguments": 1500, "doors": 1500, "graphs": 60}


@pytest.mark.parametrize("target", RUNS)
def test_executions(target, capsys):
    failures = fuzz_api.campaign(target, seed=20261122, runs=RUNS[target], first=0, share=RUNS[target])
    assert not failures, capsys.readouterr().out


def refusal(error):
    try:
        error()
    except Exception as raised:
        judge.require_refusal(raised, "a call")


def test_other_errors_are_found():
    with pytest.raises(judge.PromiseError, match="another error than is documented"):
        refusal(lambda: {}["x"])


def test_messages_of_others_are_found():
    with pytest.raises(judge.PromiseError, match="not the library's own"):
        refusal(lambda: np.zeros(3).reshape(2))


def test_changed_numbers_are_found(monkeypatch):
    """A library that changes weights before it looks at the data."""
    subject = subjects.subject(subjects.MAKERS.index(subjects.plain))
    original = subject.model.train_on_batch

    def careless(x, y=None, **options):
        subject.model.weights[0][...] += 1
        return original(x, y, **options)

    monkeypatch.setattr(subject.model, "train_on_batch", careless)
    assert any(kind_of(number) == "train_on_batch: numbers changed" for number in range(3000))


def kind_of(number):
    """The kind of a broken promise of one execution of arguments, or None."""
    try:
        arguments.run(Choices(of_seed("arguments", 1, number)))
    except judge.PromiseError as error:
        return error.kind
    return None


def test_every_decision_follows_from_bytes():
    drawn = [values.rows(Choices(of_seed("x", 3, 4)), (3,), 4) for _ in range(2)]
    assert repr(drawn[0].data) == repr(drawn[1].data)
    assert values.rows(Choices(b""), (3,), 4).sure
