"""scikit-learn's own tests of its multi-layer perceptrons: the installed module, with our classes in it."""

import importlib.util
import inspect
import sys

import pytest

pytest.importorskip("sklearn")

from nncore.interop import sklearn as ours

NAMES = ("MLPClassifier", "MLPRegressor")
# Tests of what is no part of the public interface, and what they look at.
PRIVATE = {"test_gradient": "calls _loss_grad_lbfgs, the NumPy function that scikit-learn hands to SciPy"}

pytestmark = pytest.mark.filterwarnings("ignore")  # as scikit-learn runs them


def load():
    """The module of tests, whose imports find our estimators in the place of scikit-learn's."""
    import sklearn.neural_network as theirs

    found = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    spec = importlib.util.spec_from_file_location("sklearn_test_mlp", found.origin)
    module = importlib.util.module_from_spec(spec)
    kept = {name: getattr(theirs, name) for name in NAMES}
    try:
        for name in NAMES:
            setattr(theirs, name, getattr(ours, name))
        spec.loader.exec_module(module)
    finally:
        for name in NAMES:
            setattr(theirs, name, kept[name])
    return module


MODULE = load()
TESTS = {name: test for name, test in vars(MODULE).items() if name.startswith("test_") and inspect.isfunction(test)}
for name, reason in PRIVATE.items():
    TESTS[name] = pytest.mark.xfail(reason=reason, strict=True, raises=AttributeError)(TESTS[name])
globals().update(TESTS)


@pytest.fixture
def global_random_seed():
    """That of scikit-learn's own runs."""
    return 42


def test_the_estimators_are_ours():
    assert {getattr(MODULE, name) for name in NAMES} == {getattr(ours, name) for name in NAMES}
    assert not any(getattr(sys.modules["sklearn.neural_network"], name) is getattr(ours, name) for name in NAMES)
    assert len(TESTS) > 35
