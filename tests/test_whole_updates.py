"""Lamb, Adafactor and Muon, whose updates need a whole gradient or a whole parameter: against NumPy's float64."""

import pickle

import numpy as np
import pytest

import nncore as nn
import nncore._plan
from nncore import _engine

SHAPES = [(7,), (64, 33), (130, 100), (40, 150), (1, 9), (9, 1), (3, 3, 5, 70), ()]


def rng(seed=0):
    return np.random.default_rng(seed)


def rms(x):
    return np.sqrt((x * x).mean())


def norm(x):
    return np.sqrt((x * x).sum())


class Decaying:
    weight_decay = None

    def decay(self, theta):
        return self.weight_decay or 0


class Lamb(Decaying):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=None):
        self.weight_decay = weight_decay
        self.rate, self.betas, self.epsilon = learning_rate, (beta_1, beta_2), epsilon

    def step(self, t, theta, g, state):
        b1, b2 = self.betas
        m = state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
        v = state["v"] = b2 * state.get("v", 0) + (1 - b2) * g * g
        u = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + self.epsilon)
        ratio = norm(theta) / norm(u) if norm(theta) > 0 and norm(u) > 0 else 1
        return theta - ratio * self.rate * u


class Adafactor(Decaying):
    def __init__(self, learning_rate=0.001, beta_2_decay=-0.8, epsilon_1=1e-30, epsilon_2=1e-3, clip_threshold=1.0,
                 relative_step=True, weight_decay=None):  # fmt: skip
        self.weight_decay = weight_decay
        self.rate, self.power, self.threshold = learning_rate, beta_2_decay, clip_threshold
        self.epsilons = epsilon_1, epsilon_2

    def step(self, t, theta, g, state):
        beta = 1 - np.float64(t) ** self.power
        square = g * g + self.epsilons[0]

        def running(name, value):
            state[name] = beta * state.get(name, 0) + (1 - beta) * value
            return state[name]

        if theta.ndim >= 2:
            r, c = running("r", square.mean(-1)), running("c", square.mean(-2))
            v = (r / r.mean(-1, keepdims=True))[..., None] * c[..., None, :]
        else:
            v = running("v", square)
        u = g / np.sqrt(v)
        rate = min(self.rate, 1 / np.sqrt(t)) * max(self.epsilons[1], rms(theta))
        return theta - rate * u / max(1, rms(u) / self.threshold)


class Muon:
    def __init__(self, learning_rate=0.001, adam_beta_1=0.9, adam_beta_2=0.999, epsilon=1e-7, muon_a=3.4445,
                 muon_b=-4.7750, muon_c=2.0315, adam_lr_ratio=1, momentum=0.95, ns_steps=5, nesterov=True, rms_rate=0.2,
                 weight_decay=0.004, adam_weight_decay=0.004):  # fmt: skip
        self.rate, self.betas, self.ratio = learning_rate, (adam_beta_1, adam_beta_2), adam_lr_ratio
        self.abc, self.momentum, self.steps, self.nesterov = (muon_a, muon_b, muon_c), momentum, ns_steps, nesterov
        self.rms_rate, self.epsilon, self.decays = rms_rate, epsilon, (adam_weight_decay, weight_decay)

    def decay(self, theta):
        return self.decays[theta.ndim == 2] or 0

    def step(self, t, theta, g, state):
        if theta.ndim != 2:
            (b1, b2), rate = self.betas, self.rate * self.ratio
            m = state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
            v = state["v"] = b2 * state.get("v", 0) + (1 - b2) * g * g
            return theta - rate * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + self.epsilon)
        m = state["m"] = self.momentum * state.get("m", 0) + g
        x = g + self.momentum * m if self.nesterov else m
        turned = x.shape[0] > x.shape[1]
        x = x.T if turned else x
        x = x / (norm(x) + 1e-7)
        a, b, c = self.abc
        for _ in range(self.steps):
            gram = x @ x.T
            x = a * x + (b * gram + c * gram @ gram) @ x
        x = x.T if turned else x
        factor = 1 if self.rms_rate is None else np.sqrt(max(x.shape)) * self.rms_rate
        return theta - self.rate * factor * x


FORMULAS = {"Lamb": Lamb, "Adafactor": Adafactor, "Muon": Muon}

OPTIONS = [
    ("Lamb", {}),
    ("Lamb", {"learning_rate": 0.05, "beta_1": 0.0, "beta_2": 0.9, "epsilon": 1e-3}),
    ("Adafactor", {}),
    ("Adafactor", {"learning_rate": 0.5, "beta_2_decay": -0.5, "epsilon_1": 1e-3, "epsilon_2": 0.7}),
    ("Adafactor", {"learning_rate": 0.05, "clip_threshold": 0.3, "relative_step": False}),
    ("Muon", {}),
    ("Muon", {"learning_rate": 0.02, "adam_beta_1": 0.5, "adam_beta_2": 0.9, "epsilon": 1e-3, "adam_lr_ratio": 0.3}),
    ("Muon", {"learning_rate": 0.02, "nesterov": False, "momentum": 0.5, "rms_rate": None, "weight_decay": 0.3}),
    ("Muon", {"muon_a": 3.0, "muon_b": -3.0, "muon_c": 1.1, "ns_steps": 2, "adam_weight_decay": None}),
    ("Muon", {"ns_steps": 0, "weight_decay": None, "momentum": 0.0}),
]


class Oracle:
    """A formula with everything around it, for all variables."""

    def __init__(self, kind, variables, clipnorm=None, clipvalue=None, global_clipnorm=None, use_ema=False,
                 ema_momentum=0.99, gradient_accumulation_steps=1, **options):  # fmt: skip
        self.formula, self.variables = FORMULAS[kind](**options), [v.copy() for v in variables]
        self.states, self.kept, self.updates = [{} for _ in variables], [], 0
        self.every, self.ema, self.averages = gradient_accumulation_steps, use_ema and ema_momentum, None
        self.clips = clipnorm or np.inf, clipvalue or np.inf, global_clipnorm or np.inf

    def step(self, gradients):
        number = self.updates + 1  # of the update that this step is part of
        self.kept.append(gradients)
        if len(self.kept) == self.every:
            self.update()
        if self.ema:  # in each step, as in Keras
            momentum = self.ema if number > 1 else 0
            old = self.averages or self.variables
            self.averages = [momentum * a + (1 - momentum) * v for a, v in zip(old, self.variables, strict=True)]

    def update(self):
        gradients = [np.clip(sum(parts) / self.every, -self.clips[1], self.clips[1])
                     for parts in zip(*self.kept, strict=True)]  # fmt: skip
        self.kept = []
        self.updates += 1
        whole = np.sqrt(sum(norm(g) ** 2 for g in gradients))
        for i, (theta, g) in enumerate(zip(self.variables, gradients, strict=True)):
            g = g * min(1, self.clips[0] / norm(g), self.clips[2] / whole)
            theta = theta * (1 - self.formula.rate * self.formula.decay(theta))
            self.variables[i] = self.formula.step(self.updates, theta, g, self.states[i])


def close(got, expected):
    """float64: 1e-12 of the largest element, as an orthogonalization moves all elements by about the same."""
    for one, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, wanted, rtol=1e-12, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_formulas_over_100_steps(kind, options):
    optimizer, random = getattr(nn.optimizers, kind)(**options), rng()
    variables = [random.standard_normal(s) for s in SHAPES]
    oracle = Oracle(kind, variables, **options)
    for _ in range(100):
        gradients = [np.asarray(random.standard_normal(s)) for s in SHAPES]
        optimizer.apply(gradients, variables)
        oracle.step(gradients)
    assert optimizer.iterations == 100
    close(variables, oracle.variables)


# ---------------------------------------------------------------- in a model, with everything around an update

KINDS = {"Lamb": {"learning_rate": 0.02}, "Adafactor": {"learning_rate": 0.3}, "Muon": {"learning_rate": 0.02}}
SURROUNDINGS = {
    "plain": {},
    "decay": {"weight_decay": 0.3},
    "norm": {"clipnorm": 0.02, "weight_decay": 0.1},
    "value": {"clipvalue": 1e-3},
    "global": {"global_clipnorm": 0.02},
    "average": {"use_ema": True, "ema_momentum": 0.8},
    "accumulated": {"gradient_accumulation_steps": 3},
    "all": {"weight_decay": 0.1, "global_clipnorm": 0.02, "use_ema": True, "gradient_accumulation_steps": 2},
}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_surrounding = pytest.mark.parametrize("around", SURROUNDINGS.values(), ids=SURROUNDINGS)


@pytest.fixture
def all_threads(monkeypatch):
    """Plans use as many threads as they are given, however little there is to do."""
    monkeypatch.setattr(nncore._plan, "FLOPS_PER_THREAD", 1)
    _engine.set_pacing(False)
    yield
    _engine.set_pacing(True)


def network(dtype="float64"):
    """More rows than columns and fewer, one tile and several, and weights that the backward pass reads a copy of."""
    dense = nn.layers.Dense
    layers = [nn.Input((7,)), dense(150, activation="tanh", name="wide"), dense(90, activation="tanh", name="tall"),
              dense(3, name="last")]  # fmt: skip
    return nn.Sequential(layers, dtype=dtype, seed=4)


def data(rows=48):
    random = rng(1)
    return random.standard_normal((rows, 7)), random.standard_normal((rows, 3))


@pytest.mark.parametrize("threads", [1, 3])
@every_surrounding
@every_kind
def test_models_against_numpy(kind, around, threads, all_threads):
    """By training a model, that is put away and taken out again in between, and by `apply` on arrays."""
    x, y = data()
    options = {**KINDS[kind], **around}
    make = getattr(nn.optimizers, kind)
    model, arrays, optimizer = network(), network().get_weights(), make(**options)
    model.compile(make(**options), "mse")
    oracle = Oracle(kind, arrays, **options)
    with nn.config.threads(threads):
        for step in range(7):
            part = slice(step % 3 * 16, step % 3 * 16 + 16)
            _, gradients = model.value_and_gradients(x[part], y[part])
            oracle.step(gradients)
            optimizer.apply(gradients, arrays)
            model.train_on_batch(x[part], y[part])
            if step == 3:
                model = pickle.loads(pickle.dumps(model))
    close(model.weights, oracle.variables)
    close(arrays, oracle.variables)
    if oracle.averages:
        close([model.optimizer.state_of(w)["average"] for w in model.weights], oracle.averages)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_kind
def test_threads_cuts_and_files_do_not_change_a_bit(kind, dtype, all_threads, tmp_path):
    """With all that surrounds an update; one run is saved in the middle of the gradients of one update."""
    x, y = data(160)
    options = {**KINDS[kind], "clipnorm": 0.5, "use_ema": True, "gradient_accumulation_steps": 2, "weight_decay": 0.01}

    def train(model, begin, end):
        for first in range(begin, end, 16):
            model.train_on_batch(x[first : first + 16], y[first : first + 16])

    results = []
    for threads in (1, 2, 3):
        with nn.config.threads(threads):
            model = network(dtype)
            model.compile(getattr(nn.optimizers, kind)(**options), "mse")
            train(model, 0, 80)
            if threads == 3:
                model.save(tmp_path / "model.safetensors")
                model = nn.models.load_model(tmp_path / "model.safetensors")
            train(model, 80, 160)
            results.append([a.tobytes() for a in (*model.weights, *model.optimizer.variables)])
    assert results[0] == results[1] == results[2]
    whole = network(dtype)
    whole.compile(getattr(nn.optimizers, kind)(**{**options, "use_ema": False}), "mse")
    with nn.config.threads(2):
        whole.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    assert [w.tobytes() for w in whole.weights] == results[0][: len(whole.weights)]


@every_kind
def test_the_backward_pass_sees_the_updated_weight(kind):
    """Copies of weights that products read are refreshed by the phase that changes the weight."""
    x, y = data()
    model, stepwise = network(), network()
    for m in (model, stepwise):
        m.compile(getattr(nn.optimizers, kind)(0.05), "mse")
    model.fit(np.tile(x, (4, 1)), np.tile(y, (4, 1)), batch_size=48, shuffle=False, verbose=0)
    for _ in range(4):
        stepwise.set_weights(stepwise.get_weights())
        stepwise.train_on_batch(x, y)
    for one, other in zip(model.weights, stepwise.weights, strict=True):
        assert (one == other).all()


def test_constraints_come_after_the_last_phase():
    x, y = data()
    model = nn.Sequential([nn.Input((7,)), nn.layers.Dense(3, kernel_constraint="unit_norm")], dtype="float64", seed=1)
    model.compile("muon", "mse")
    model.train_on_batch(x, y)
    np.testing.assert_allclose((model.weights[0] ** 2).sum(axis=0), 1, rtol=1e-6)  # the constraint's own epsilon


# ---------------------------------------------------------------- values at the edges


@every_kind
def test_zero_gradients_and_zero_weights(kind):
    optimizer = getattr(nn.optimizers, kind)(0.1, weight_decay=None)
    for start in (0.0, 1.0):
        variables = [np.full((40, 50), start), np.full(9, start)]
        optimizer = getattr(nn.optimizers, kind)(0.1, weight_decay=None)
        optimizer.apply([np.zeros((40, 50)), np.zeros(9)], variables)
        if kind == "Muon":  # its Adam decays the vector
            variables = variables[:1]
        assert all((v == start).all() for v in variables)


@every_kind
def test_nan_and_infinity_reach_the_weight(kind):
    for value in (np.nan, np.inf):
        variable, gradient = np.ones((40, 50)), rng().standard_normal((40, 50))
        gradient[3, 4] = value
        getattr(nn.optimizers, kind)().apply([gradient], [variable])
        assert not np.isfinite(variable).all()


@every_kind
def test_running_means_do_not_stay_denormal(kind):
    variable = np.ones((5, 7), np.float32)
    optimizer = getattr(nn.optimizers, kind)()
    optimizer.apply([np.full((5, 7), 1e-30, np.float32)], [variable])
    for _ in range(400):
        optimizer.apply([np.zeros((5, 7), np.float32)], [variable])
    for array in optimizer.variables:
        tiny = np.abs(array) < np.finfo(np.float32).tiny
        assert (array[tiny] == 0).all()


# ---------------------------------------------------------------- which weights, and what is kept


def test_state():
    variables = [np.zeros((4, 3, 5, 7)), np.zeros((5, 7)), np.zeros(7)]
    expected = {
        "Lamb": [{"momentum": v.shape, "velocity": v.shape} for v in variables],
        "Adafactor": [{"row_means": (4, 3, 5), "column_means": (4, 3, 7)}, {"row_means": (5,), "column_means": (7,)},
                      {"velocity": (7,)}],
        "Muon": [{"momentum": (4, 3, 5, 7), "velocity": (4, 3, 5, 7)}, {"momentum": (5, 7)},
                 {"momentum": (7,), "velocity": (7,)}],
    }  # fmt: skip
    for kind, shapes in expected.items():
        optimizer = getattr(nn.optimizers, kind)()
        optimizer.build(variables)
        for variable, wanted in zip(variables, shapes, strict=True):
            assert {name: array.shape for name, array in optimizer.state_of(variable).items()} == wanted


@pytest.mark.parametrize(
    ("options", "by_adam"),
    [
        ({}, ["embedding/kernel"]),
        ({"exclude_embeddings": False}, []),
        ({"exclude_layers": ["last", "^wi.e/"]}, ["wide/kernel", "embedding/kernel", "last/kernel"]),
        ({"exclude_layers": ["l$"], "exclude_embeddings": False}, ["wide/kernel", "embedding/kernel", "last/kernel"]),
    ],
)  # fmt: skip
def test_muon_leaves_layers_to_adam(options, by_adam):
    """Also after the model has been put away, and for a layer in a model of a model."""
    x, y = data()
    dense = nn.layers.Dense
    inner = nn.Sequential([nn.Input((9,)), dense(8, name="embedding")], dtype="float64")
    model = nn.Sequential(
        [nn.Input((7,)), dense(9, name="wide"), inner, dense(3, name="last")], dtype="float64", seed=1
    )
    model.compile(nn.optimizers.Muon(**options), "mse")
    oracle = Oracle("Muon", model.weights)
    for i, path in enumerate(["wide/kernel", None, "embedding/kernel", None, "last/kernel", None]):
        if path in by_adam:  # Adam's formula goes by the number of axes
            oracle.variables[i] = oracle.variables[i][None]
    for step in range(4):
        gradients = model.value_and_gradients(x, y)[1]
        oracle.step([g.reshape(v.shape) for g, v in zip(gradients, oracle.variables, strict=True)])
        model.train_on_batch(x, y)
        if step == 1:
            model = pickle.loads(pickle.dumps(model))
    close(model.weights, [v.reshape(w.shape) for v, w in zip(oracle.variables, model.weights, strict=True)])


def test_excluded_layers_need_a_model():
    variable = np.ones((3, 4))
    optimizer = nn.optimizers.Muon(exclude_layers=["last"])
    with pytest.raises(ValueError, match="exclude_layers goes by the paths of variables"):
        optimizer.apply([np.ones((3, 4))], [variable])
    assert (variable == 1).all()
    assert not optimizer.variables
    model = network()
    optimizer.build(model.weights, model.paths_of(model.weights))
    optimizer.apply([np.ones(w.shape) for w in model.weights], model.weights)
    model.compile(optimizer, "mse")
    model.train_on_batch(*data())
    assert optimizer.iterations == 2
    assert ["velocity" in optimizer.state_of(w) for w in model.weights] == [False, True, False, True, True, True]


@pytest.mark.parametrize(("kind", "options"), [*OPTIONS, ("Muon", {"exclude_layers": ["a", "b"], "name": "m"})])
def test_configurations(kind, options):
    optimizer = getattr(nn.optimizers, kind)(**options)
    config = nn.optimizers.serialize(optimizer)
    again = nn.optimizers.deserialize(config)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config() == {**optimizer.get_config(), **options}
    assert isinstance(nn.optimizers.get(kind.lower()), type(optimizer))


REFUSED = {
    "beta": (lambda: nn.optimizers.Lamb(beta_1=1.0), ValueError, "Lamb: beta_1 must lie in"),
    "epsilon": (lambda: nn.optimizers.Lamb(epsilon=-1), ValueError, "Lamb: epsilon must lie in"),
    "scale": (lambda: nn.optimizers.Lamb(loss_scale_factor=2.0), ValueError, "loss_scale_factor"),
    "decay": (lambda: nn.optimizers.Adafactor(beta_2_decay=0.8), ValueError, "beta_2_decay must lie in"),
    "epsilon 2": (lambda: nn.optimizers.Adafactor(epsilon_2="x"), TypeError, "epsilon_2 must be a number"),
    "threshold": (lambda: nn.optimizers.Adafactor(clip_threshold=0), ValueError, "clip_threshold must lie in"),
    "relative": (lambda: nn.optimizers.Adafactor(relative_step=None), TypeError, "relative_step must be True or False"),
    "momentum": (lambda: nn.optimizers.Muon(momentum=1.0), ValueError, "Muon: momentum must lie in"),
    "steps": (lambda: nn.optimizers.Muon(ns_steps=2.5), TypeError, "ns_steps must be an integer"),
    "many steps": (lambda: nn.optimizers.Muon(ns_steps=10**7), ValueError, "Muon: ns_steps must be at most 1000"),
    "negative steps": (lambda: nn.optimizers.Muon(ns_steps=-1), ValueError, "ns_steps must be at least 0"),
    "rms": (lambda: nn.optimizers.Muon(rms_rate=-0.2), ValueError, "rms_rate must lie in"),
    "ratio": (lambda: nn.optimizers.Muon(adam_lr_ratio=-1), ValueError, "adam_lr_ratio must lie in"),
    "adam's decay": (lambda: nn.optimizers.Muon(adam_weight_decay=-1), ValueError, "adam_weight_decay must lie in"),
    "layers": (lambda: nn.optimizers.Muon(exclude_layers="last"), TypeError, "must be a list of str, not 'last'"),
    "layer": (lambda: nn.optimizers.Muon(exclude_layers=[3]), TypeError, "must be a list of str"),
    "expression": (lambda: nn.optimizers.Muon(exclude_layers=["("]), ValueError, "no regular expression"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    make, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(("kind", "share"), [("Adafactor", 0.2), ("Lamb", 2.01)])
def test_memory_of_an_update(kind, share):
    """A gradient that is given is read where it lies; Adafactor keeps sums of rows and columns, Lamb two moments."""
    weight = np.ones((512, 512), np.float32)
    optimizer = getattr(nn.optimizers, kind)()
    optimizer.apply([np.ones_like(weight)], [weight])
    arrays = [*optimizer.variables, *optimizer._work.values()]
    assert sum(a.nbytes for a in arrays) < share * weight.nbytes


def test_adafactor_where_rows_and_columns_have_no_gradient():
    """In float32 the product of two means of 1e-30 is zero, and their roots' is not."""
    gradient, weight = np.zeros((4, 5), np.float32), np.ones((4, 5), np.float32)
    gradient[1, 2] = 0.5
    nn.optimizers.Adafactor().apply([gradient], [weight])
    assert np.isfinite(weight).all()
    assert weight[1, 2] < 1
    assert (weight[0] == 1).all()
