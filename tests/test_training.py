"""Training mathematics of whole models: the lecture's example, gradients, updates against NumPy."""

import itertools

import numpy as np
import pytest

import nncore as nn

RNG_SEED = 20


def rng():
    return np.random.default_rng(RNG_SEED)


def test_worked_example_of_the_lecture():
    """Inputs (1, 2), ReLU units, squared error: every gradient as computed by hand."""
    model = nn.Sequential(
        [
            nn.Input((2,)),
            nn.layers.Dense(3, activation="relu", use_bias=False),
            nn.layers.Dense(1, use_bias=False),
        ]
    )
    model.set_weights([np.array([[2, -1, 1], [1, -1, 2]]), np.array([[-1], [3], [2]])])
    y = model.forward([[1, 2]])
    assert y.tolist() == [[6.0]]
    loss, dy = nn.losses.MeanSquaredError().value_and_gradient([[3]], y)
    assert loss == 9.0
    dx = model.backward(dy)
    hidden, output = model.gradients
    assert output.ravel().tolist() == [24.0, 0.0, 30.0]
    assert hidden.T.tolist() == [[-6.0, -12.0], [0.0, 0.0], [12.0, 24.0]]
    assert dx.tolist() == [[0.0, 18.0]]
    model.compile("sgd", "mse")
    loss, gradients = model.value_and_gradients([[1, 2]], [[3]])
    assert loss == 9.0
    assert all((a == b).all() for a, b in zip(gradients, model.gradients, strict=True))


def targets_for(loss, rows, units):
    """Random targets that suit a loss."""
    if loss.labels:
        return rng().integers(0, units, rows)
    if isinstance(loss, nn.losses.CategoricalCrossentropy):
        return rng().dirichlet(np.ones(units), rows)
    if isinstance(loss, nn.losses.BinaryCrossentropy):
        return rng().random((rows, units))
    return rng().standard_normal((rows, units))


LOSSES = {
    "mse": ("linear", nn.losses.MeanSquaredError()),
    "mse-tanh": ("tanh", nn.losses.MeanSquaredError()),
    "mse-softmax": ("softmax", nn.losses.MeanSquaredError()),
    "mse-sigmoid": ("sigmoid", nn.losses.MeanSquaredError()),
    "mse-relu": ("relu", nn.losses.MeanSquaredError()),
    "bce-logits": ("linear", nn.losses.BinaryCrossentropy(from_logits=True)),
    "bce": ("sigmoid", nn.losses.BinaryCrossentropy(label_smoothing=0.1)),
    "cce-logits": ("linear", nn.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)),
    "cce": ("softmax", nn.losses.CategoricalCrossentropy()),
    "scce-logits": ("linear", nn.losses.SparseCategoricalCrossentropy(from_logits=True)),
    "scce": ("softmax", nn.losses.SparseCategoricalCrossentropy()),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid", "softmax"])
def test_gradients_by_central_differences(name, hidden):
    activation, loss = LOSSES[name]
    rows, inputs, units = 7, 5, 4
    model = nn.Sequential(
        [
            nn.Input((inputs,)),
            nn.layers.Rescaling(0.7, 0.1),
            nn.layers.Dense(6, activation=hidden),
            nn.layers.Activation("tanh"),
            nn.layers.Dense(5, activation=hidden, use_bias=False),
            nn.layers.Dense(units, activation=activation, bias_initializer="ones"),
        ],
        dtype="float64",
        seed=3,
    )
    model.compile("sgd", loss)
    x, y = rng().standard_normal((rows, inputs)), targets_for(loss, rows, units)
    weight = rng().random(rows)
    _, gradients = model.value_and_gradients(x, y, sample_weight=weight)
    check_gradients(model, gradients, lambda: model.test_on_batch(x, y, sample_weight=weight))
    # the same through forward and backward, and the gradient of the inputs
    output = model.forward(x, training=False)
    value, dy = loss.value_and_gradient(y, output, sample_weight=weight)
    if "logits" in name or activation in ("linear", "tanh", "relu") or name.startswith("mse"):
        assert value == pytest.approx(model.test_on_batch(x, y, sample_weight=weight), rel=1e-13)
    dx = model.backward(dy)
    for stored, direct in zip(model.gradients, gradients, strict=True):
        np.testing.assert_allclose(stored, direct, rtol=1e-9, atol=1e-12)
    step = 1e-6
    for place in itertools.product(range(0, rows, 3), range(0, inputs, 2)):
        kept = x[place]
        x[place] = kept + step
        above = model.test_on_batch(x, y, sample_weight=weight)
        x[place] = kept - step
        below = model.test_on_batch(x, y, sample_weight=weight)
        x[place] = kept
        assert dx[place] == pytest.approx((above - below) / (2 * step), abs=5e-6, rel=5e-6)


def check_gradients(model, gradients, value):
    """Central differences for a sample of the elements of every weight."""
    step = 1e-6
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        flat, slope = variable.reshape(-1), gradient.reshape(-1)
        for i in range(0, flat.size, max(1, flat.size // 10)):
            kept = flat[i]
            flat[i] = kept + step
            above = value()
            flat[i] = kept - step
            below = value()
            flat[i] = kept
            assert slope[i] == pytest.approx((above - below) / (2 * step), abs=5e-6, rel=5e-6)


def test_backward_adds_into_the_gradients():
    model = nn.Sequential([nn.Input((3,)), nn.layers.Dense(4, activation="relu"), nn.layers.Dense(2)], dtype="float64")
    x, dy = rng().standard_normal((5, 3)), rng().standard_normal((5, 2))
    model.forward(x)
    model.backward(dy)
    once = [g.copy() for g in model.gradients]
    model.forward(x)
    model.backward(dy)
    for twice, single in zip(model.gradients, once, strict=True):
        np.testing.assert_allclose(twice, 2 * single, rtol=1e-14)
    model.zero_gradients()
    assert all(not g.any() for g in model.gradients)


class NumpyOptimizer:
    """The formulas of the public contract, in float64."""

    def __init__(self, kind, **options):
        self.kind, self.o, self.t, self.state = kind, options, 0, {}

    def step(self, index, theta, g):
        o, state = self.o, self.state.setdefault(index, {})
        zero = np.zeros_like(theta)
        if self.kind == "SGD":
            v = state["v"] = o.get("momentum", 0) * state.get("v", zero) - o["learning_rate"] * g
            if o.get("nesterov"):
                return theta + o["momentum"] * v - o["learning_rate"] * g
            return theta + v
        root = (lambda r: np.sqrt(r + o["epsilon"])) if o.get("epsilon_inside_sqrt", True) else (
            lambda r: np.sqrt(r) + o["epsilon"]
        )  # fmt: skip
        if self.kind == "Adam":
            s = state["s"] = o["beta_1"] * state.get("s", zero) + (1 - o["beta_1"]) * g
            r = state["r"] = o["beta_2"] * state.get("r", zero) + (1 - o["beta_2"]) * g * g
            s_hat, r_hat = s / (1 - o["beta_1"] ** self.t), r / (1 - o["beta_2"] ** self.t)
            return theta - o["learning_rate"] / root(r_hat) * s_hat
        r = state["r"] = o["rho"] * state.get("r", zero) + (1 - o["rho"]) * g * g
        under = r
        if o.get("centered"):
            m = state["m"] = o["rho"] * state.get("m", zero) + (1 - o["rho"]) * g
            under = r - m * m
        change = o["learning_rate"] / root(under) * g
        if o.get("momentum"):
            change = state["v"] = o["momentum"] * state.get("v", zero) + change
        return theta - change


OPTIMIZERS = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.8, "nesterov": True}),
    ("Adam", {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}),
    ("Adam", {"learning_rate": 0.01, "beta_1": 0.0, "beta_2": 0.9, "epsilon": 1e-3, "epsilon_inside_sqrt": False}),
    ("RMSprop", {"learning_rate": 0.01, "rho": 0.9, "epsilon": 1e-8}),
    ("RMSprop", {"learning_rate": 0.01, "rho": 0.7, "epsilon": 1e-4, "epsilon_inside_sqrt": False, "momentum": 0.5}),
    ("RMSprop", {"learning_rate": 0.01, "rho": 0.9, "epsilon": 1e-6, "centered": True, "momentum": 0.9}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
def test_optimizer_formulas_over_100_steps(kind, options):
    optimizer, oracle = getattr(nn.optimizers, kind)(**options), NumpyOptimizer(kind, **options)
    shapes = [(3, 5), (7,), (64, 33)]
    random = rng()
    variables = [random.standard_normal(s) for s in shapes]
    expected = [v.copy() for v in variables]
    for _ in range(100):
        gradients = [random.standard_normal(s) for s in shapes]
        optimizer.apply(gradients, variables)
        oracle.t += 1
        expected = [oracle.step(i, e, g) for i, (e, g) in enumerate(zip(expected, gradients, strict=True))]
    assert optimizer.iterations == 100
    for got, wanted in zip(variables, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


def test_apply_knows_a_variable_by_its_memory():
    optimizer = nn.optimizers.Adam()
    variable = np.zeros(5)
    for _ in range(2):
        optimizer.apply([np.ones(5)], [variable[:]])
    assert optimizer.iterations == 2
    with pytest.raises(ValueError, match="an optimizer for each model"):
        optimizer.apply([np.ones(5)], [variable.copy()])
    with pytest.raises(ValueError, match="gradient 0 has shape"):
        optimizer.apply([np.ones(4)], [variable])
    with pytest.raises(TypeError, match="float32 or float64"):
        nn.optimizers.SGD().apply([np.ones(4)], [np.ones(4, int)])
    with pytest.raises(ValueError, match="contiguous"):
        nn.optimizers.SGD().apply([np.ones(4)], [np.ones(8)[::2]])


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
@pytest.mark.parametrize("shape", [(4, 3, 2), (37, 53, 11), (130, 257, 3)])
def test_fit_takes_the_steps_of_numpy(kind, options, shape):
    inputs, hidden, classes = shape
    rows, batch = 95, 19
    x, y = rng().standard_normal((rows, inputs)), rng().integers(0, classes, rows)
    model = nn.Sequential(
        [nn.Input((inputs,)), nn.layers.Dense(hidden, activation="relu"), nn.layers.Dense(classes)],
        dtype="float64",
        seed=1,
    )
    model.compile(getattr(nn.optimizers, kind)(**options), nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    oracle = NumpyOptimizer(kind, **options)
    weights = model.get_weights()
    for _ in range(2):
        for begin in range(0, rows, batch):
            part, labels = x[begin : begin + batch], y[begin : begin + batch]
            a = np.maximum(part @ weights[0] + weights[1], 0)
            z = a @ weights[2] + weights[3]
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(batch), labels] -= 1
            p /= batch
            dz = (p @ weights[2].T) * (a > 0)
            gradients = [part.T @ dz, dz.sum(0), a.T @ p, p.sum(0)]
            oracle.t += 1
            weights = [oracle.step(i, w, g) for i, (w, g) in enumerate(zip(weights, gradients, strict=True))]
    model.fit(x, y, batch_size=batch, epochs=2, shuffle=False, verbose=0)
    for got, wanted in zip(model.weights, weights, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)


def test_minibatches_of_every_kind_see_every_row_once():
    """One row, an odd rest, all rows at once: plain gradient descent on a mean is known in closed form."""
    x = np.ones((10, 1))
    y = np.arange(10.0)[:, None]
    for batch in (1, 3, 10, 64):
        model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1, use_bias=False, kernel_initializer="zeros")],
                              dtype="float64")  # fmt: skip
        model.compile(nn.optimizers.SGD(0.01), "mse")
        model.fit(x, y, batch_size=batch, shuffle=False, verbose=0)
        weight = 0.0
        for begin in range(0, 10, batch):
            weight -= 0.01 * 2 * (weight - y[begin : begin + batch].mean())
        assert model.weights[0][0, 0] == pytest.approx(weight, rel=1e-12)


def test_dropout_scales_and_repeats():
    model = nn.Sequential([nn.Input((1000,)), nn.layers.Dropout(0.25)], seed=5)
    x = np.ones((20, 1000), np.float32)
    first = model.forward(x, training=True)
    assert set(np.unique(first)) == {0.0, np.float32(1 / 0.75)}
    assert abs((first == 0).mean() - 0.25) < 0.02
    dx = model.backward(np.ones_like(first))
    assert (dx == first).all(), "the backward pass must drop what the forward pass dropped"
    assert (model.forward(x, training=True) != first).any()
    assert (model.forward(x, training=False) == x).all()
    assert (model.predict(x) == x).all()
    twin = nn.Sequential([nn.Input((1000,)), nn.layers.Dropout(0.25)], seed=5)
    assert (twin.forward(x, training=True) == first).all()


def test_sample_and_class_weights_are_factors_of_the_rows():
    x, y = rng().standard_normal((12, 4)), rng().integers(0, 3, 12)
    weight = rng().random(12)
    factors = {0: 0.5, 2: 3.0}

    def model():
        m = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)], dtype="float64", seed=2)
        m.compile(nn.optimizers.SGD(0.5), nn.losses.SparseCategoricalCrossentropy(from_logits=True))
        return m

    weighted, by_class, both = model(), model(), model()
    weighted.fit(x, y, sample_weight=weight * np.array([factors.get(c, 1.0) for c in y]), verbose=0, shuffle=False)
    both.fit(x, y, sample_weight=weight, class_weight=factors, verbose=0, shuffle=False)
    by_class.fit(x, y, class_weight=factors, verbose=0, shuffle=False)
    assert (weighted.weights[0] == both.weights[0]).all()
    assert (weighted.weights[0] != by_class.weights[0]).any()
    zero = model()
    zero.fit(x, y, sample_weight=np.zeros(12), verbose=0)
    assert (zero.weights[0] == model().weights[0]).all()


@pytest.mark.parametrize("x_type", ["u1", "i4", "f2", "f4", "f8", ">f4", "?"])
def test_inputs_of_any_type_and_order_train_alike(x_type):
    x = (rng().random((40, 6)) * 2).astype(int).astype(x_type)
    y = rng().integers(0, 3, 40)

    def trained(data, labels):
        m = nn.Sequential([nn.Input((6,)), nn.layers.Dense(3)], seed=4)
        m.compile("sgd", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
        m.fit(data, labels, epochs=2, batch_size=7, verbose=0)
        return m.get_weights()[0]

    expected = trained(x.astype("f4"), y)
    wide = np.zeros((80, 12), x_type)
    wide[::2, 3:9] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    for data in (x, np.asfortranarray(x), wide[::2, 3:9], x[::-1][::-1], read_only, x.tolist()):
        assert (trained(data, y) == expected).all()
    for labels in (y.astype("u1"), y.astype("f8"), y[:, None], y.tolist(), y.astype(">i2")):
        assert (trained(x, labels) == expected).all()


@pytest.mark.parametrize(
    ("optimizer", "seen"),
    [
        (nn.optimizers.Adam(), 2),
        (nn.optimizers.RMSprop(centered=True, momentum=0.9), 3),
        (nn.optimizers.SGD(momentum=0.9), 1),
    ],
)
def test_means_of_a_parameter_without_gradient_do_not_stay_denormal(optimizer, seen):
    weight = np.ones((3, 70), np.float32)
    optimizer.apply([np.full((3, 70), 1e-3, np.float32)], [weight])
    tiny = np.float32(1e-40)
    assert len(optimizer.variables) == seen
    for state in optimizer.variables:
        state[...] = tiny
    for _ in range(32):
        optimizer.apply([np.zeros((3, 70), np.float32)], [weight])
    assert all((state == 0).all() for state in optimizer.variables)
