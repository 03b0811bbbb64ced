"""Models that begin with layers that encode data, as C and in predictors."""

import numpy as np
import pytest
from test_c_export import Compiled, pytestmark  # noqa: F401  which skips without a compiler of C

import nncore as nn
from nncore import embed

L = nn.layers
DATA = np.random.default_rng(3).normal(2, 3, (100, 3, 4))
MEAN, VARIANCE = [0.1, -2.0, 3.0, 0.7], [0.3, 4.0, 0.0, 1e-20]


def adapted(**options):
    layer = L.Normalization(**options)
    layer.adapt(DATA)
    return layer


NORMALIZATIONS = {
    "adapted": adapted,
    "adapted, first axis, inverse": lambda: adapted(axis=1, invert=True),
    "adapted, no axis": lambda: adapted(axis=None),
    "given": lambda: L.Normalization(mean=MEAN, variance=VARIANCE),
}


@pytest.mark.parametrize(("case", "dtype"), [(case, "float32") for case in NORMALIZATIONS] + [("given", "float64")])
def test_normalization_has_the_bits_of_predict(case, dtype, tmp_path):
    model = nn.Sequential([nn.Input((3, 4)), NORMALIZATIONS[case](), L.Flatten(), L.Dense(3)], dtype=dtype, seed=1)
    x = DATA[:7].astype(dtype)
    wanted = model.predict(x, verbose=0)
    assert np.array_equal(Compiled(model, tmp_path)(x)[0], wanted)
    assert np.array_equal(embed.Predictor(model)(x), wanted)


ENCODINGS = {
    "CategoryEncoding": lambda: L.CategoryEncoding(5, "one_hot", name="it"),
    "Discretization": lambda: L.Discretization([0.0, 1.0], output_mode="one_hot", name="it"),
    "Hashing": lambda: L.Hashing(5, output_mode="one_hot", name="it"),
    "IntegerLookup": lambda: L.IntegerLookup(vocabulary=[3, 4], output_mode="one_hot", name="it"),
    "StringLookup": lambda: L.StringLookup(vocabulary=["a"], output_mode="one_hot", name="it"),
    "TextVectorization": lambda: L.TextVectorization(vocabulary=["a"], output_mode="multi_hot", name="it"),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_encodings_are_refused_by_name(name, tmp_path):
    numbers, keys = nn.Input((4,)), nn.Input((1,))
    model = nn.Model([numbers, keys], L.Concatenate()([L.Dense(2)(numbers), ENCODINGS[name]()(keys)]))
    with pytest.raises(ValueError, match=rf"c\.export.*'it' \({name}\).*encodes data"):
        nn.interop.c.export(model, tmp_path / "m.c")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=rf"Predictor.*'it' \({name}\).*encodes data"):
        embed.Predictor(model)
