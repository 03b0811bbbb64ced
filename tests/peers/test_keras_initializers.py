"""Initializers: the same distributions as Keras's, by the test of Kolmogorov and Smirnov."""

import numpy as np
import pytest

from peers import sides

SHAPE = (150, 160)
# Of 24,000 numbers on each side, drawn from one distribution, the largest distance of the two empirical distribution
# functions exceeds sqrt(-ln(p / 2) / 24,000) with probability p; for p = 1e-6 that is 0.025.
DISTANCE = 0.025
RANDOM = {
    "RandomUniform": [{}, {"minval": -1.0, "maxval": 3.0}],
    "RandomNormal": [{}, {"mean": 1.0, "stddev": 0.3}],
    "TruncatedNormal": [{}, {"mean": 1.0, "stddev": 0.3}],
    "VarianceScaling": [
        {}, {"scale": 2.0, "mode": "fan_out", "distribution": "uniform"},
        {"mode": "fan_avg", "distribution": "untruncated_normal"},
    ],
    **{name: [{}] for name in ("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform",
                               "LecunNormal")},
}  # fmt: skip
FIXED = {
    "Zeros": [((3, 4), {})],
    "Ones": [((3, 4), {})],
    "Constant": [((3, 4), {"value": 0.7})],
    "Identity": [((4, 4), {}), ((3, 5), {"gain": 2.0})],
}
ORTHOGONAL = [((30, 50), {}), ((50, 30), {"gain": 2.0}), ((5, 6, 20), {})]


def draws(name, options, shape):
    ours, theirs = sides.both("float32")
    seed = {"seed": 5} if name in (*RANDOM, "Orthogonal") else {}
    return [sides.numbers(getattr(package.initializers, name)(**options, **seed)(shape)) for package in (ours, theirs)]


@pytest.mark.parametrize("shape", [SHAPE, (4, 5, 24, 50)])
@pytest.mark.parametrize(("name", "options"), [(name, o) for name, variants in RANDOM.items() for o in variants])
def test_distribution(name, options, shape):
    sides.has("initializers", name)
    ours, theirs = (values.ravel() for values in draws(name, options, shape))
    everything = np.sort(np.concatenate([ours, theirs]))
    shares = [np.searchsorted(np.sort(values), everything, side="right") / values.size for values in (ours, theirs)]
    assert np.abs(shares[0] - shares[1]).max() < DISTANCE
    # ends of the range: where it is bounded, 24,000 draws come within a thousandth of it, or a hundredth if truncated
    for end in (np.min, np.max):
        if name.endswith("Uniform"):
            assert abs(end(ours) - end(theirs)) < 1e-3 * np.ptp(theirs)
        elif "untruncated_normal" not in options.values() and name != "RandomNormal":
            assert abs(end(ours) - end(theirs)) < 1e-2 * np.ptp(theirs)


@pytest.mark.parametrize(("name", "shape", "options"), [(n, *case) for n, cases in FIXED.items() for case in cases])
def test_fixed(name, shape, options):
    sides.has("initializers", name)
    ours, theirs = draws(name, options, shape)
    assert (ours == theirs).all()


@pytest.mark.parametrize(("shape", "options"), ORTHOGONAL)
def test_orthogonal(shape, options):
    """Both have rows or columns of length `gain` at right angles."""
    sides.has("initializers", "Orthogonal")
    for values in draws("Orthogonal", options, shape):
        matrix = values.reshape(-1, shape[-1]).astype(np.float64)
        matrix = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
        expected = options.get("gain", 1.0) ** 2 * np.eye(matrix.shape[1])
        np.testing.assert_allclose(matrix.T @ matrix, expected, atol=1e-5)


def test_every_initializer_is_in_the_table():
    known = {name for name in sides.nncore.initializers.__all__ if name in sides.keras_classes("initializers")}
    aliases = {"Initializer", "IdentityInitializer", "OrthogonalInitializer", "Orthogonal"}
    assert {name for name in known if name[0].isupper()} - aliases <= {*RANDOM, *FIXED}
