"""Models of very many layers: no step of their life takes quadratic time, and none recurses along the layers."""

import copy
import pickle
import time

import numpy as np
import pytest

import nncore as nn

MANY = 1100


def _chain(depth):
    return nn.Sequential([nn.Input((3,)), *(nn.layers.Dense(3, activation="tanh") for _ in range(depth))])


def _added(depth):
    model = nn.Sequential()
    model.add(nn.Input((3,)))
    for _ in range(depth):
        model.add(nn.layers.Dense(3, activation="tanh"))
    return model


def _residual(depth):
    x = inputs = nn.Input((3,))
    for _ in range(depth // 2):
        x = nn.layers.Average()([x, nn.layers.Dense(3)(x)])
    return nn.Model(inputs, x)


@pytest.mark.parametrize("make", [_chain, _added, _residual])
def test_a_deep_model_lives(make, tmp_path):
    """Far more layers than Python may recurse: from building it to its copies."""
    model = make(MANY)
    model.compile(nn.optimizers.Adam(1e-9, global_clipnorm=1.0, use_ema=True), "mse")
    x, y = np.full((8, 3), 0.5, np.float32), np.zeros((8, 3), np.float32)
    model.fit(x, y, verbose=0)
    expected = model.predict(x)
    model.evaluate(x, y, verbose=0)
    model.forward(x, training=True)
    model.backward(y)
    lines = []
    model.summary(print_fn=lines.append)
    assert len("\n".join(lines).split("\n")) > MANY
    model.save(tmp_path / "m.safetensors")
    copies = [nn.models.load_model(tmp_path / "m.safetensors"), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    for twin in copies:
        assert (twin.predict(x) == expected).all()
    type(model).from_config(model.get_config())


def _seconds(function, depth):
    begin = time.process_time()
    function(depth)
    return time.process_time() - begin


def _training(depth):
    model = _chain(depth)
    model.compile(nn.optimizers.SGD(1e-9, momentum=0.5, global_clipnorm=1.0), "mse")
    model.fit(np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32), verbose=0)


@pytest.mark.parametrize("function", [_added, _training])
def test_time_grows_with_the_layers(function):
    """Four times the layers take about four times as long, and not sixteen times."""
    function(10)
    best = {200: np.inf, 800: np.inf}
    for _ in range(4):  # in turn, so that a busy moment of the machine is not all of one
        best = {depth: min(known, _seconds(function, depth)) for depth, known in best.items()}
    assert best[800] < 9 * best[200] + 0.05, best


def test_layers_added_one_by_one_have_weights_of_their_own():
    """They are those of the same layers in a list: none begins with another's numbers."""
    added, whole = _added(3), _chain(3)
    for one, other in zip(added.get_weights(), whole.get_weights(), strict=True):
        assert (one == other).all()
    kernels = added.get_weights()[::2]
    assert not (kernels[0] == kernels[1]).any()
    assert not (kernels[1] == kernels[2]).any()
    added.pop()
    added.add(nn.layers.Dense(3))
    assert not (added.get_weights()[-2] == kernels[0]).any()


def test_a_layer_that_is_refused_is_not_there_afterwards():
    model = _added(2)
    model.compile("sgd", "mse")
    for wrong in (nn.layers.Conv2D(2, 3), nn.layers.Reshape((5,))):
        with pytest.raises(ValueError, match=wrong.name):
            model.add(wrong)
        assert len(model.layers) == 2
        model.add(nn.layers.Dense(3, name=wrong.name))
        model.pop()
    model.add(nn.layers.Dense(4))
    model.compile("sgd", "mse")
    assert model.train_on_batch(np.ones((2, 3)), np.ones((2, 4))) > 0
    assert model.predict(np.ones((2, 3)), verbose=0).shape == (2, 4)
