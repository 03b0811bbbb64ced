"""Layers in NumPy: gradients, bits, exceptions, threads, weights, files."""

import copy
import functools
import json
import os
import pickle
import threading
import traceback

import numpy as np
import pytest
from custom_parts import OBJECTS, NumpyDense, NumpyReLU, ProductAndSum
from test_process import run

import nncore as nn
from nncore import _engine, _plan
from nncore.models import saving

X = np.random.default_rng(0).standard_normal((300, 6))
Y = np.random.default_rng(1).standard_normal((300, 2))


@pytest.fixture
def team(monkeypatch):
    """Three threads in every run, however small."""
    monkeypatch.setattr(_plan, "FLOPS_PER_THREAD", 1)
    _engine.set_pacing(False)
    with nn.config.threads(3):
        yield
    _engine.set_pacing(True)


def regression(*layers, optimizer="adam", dtype="float64", **compilation):
    model = nn.Sequential([nn.Input((6,)), *layers, nn.layers.Dense(2)], dtype=dtype, seed=5)
    model.compile(optimizer, **{"loss": "mse", **compilation})
    return model


def same(one, other):
    return all((a == b).all() for a, b in zip(one, other, strict=True))


# ---------------------------------------------------------------- gradients and bits


@pytest.mark.parametrize("shape", [(5, 4), (3, 2, 4), (70, 30)])
def test_gradients_of_weights_and_inputs(shape):
    x = np.random.default_rng(2).standard_normal(shape)
    assert nn.testing.check_gradients(NumpyDense(3), x) < 1e-7
    assert nn.testing.check_gradients(NumpyReLU(), x) < 1e-7


def test_several_inputs_and_outputs_are_lists():
    a, b = np.random.default_rng(3).standard_normal((2, 7, 4))
    assert nn.testing.check_gradients(ProductAndSum(), [a, b]) < 1e-7
    product, total = ProductAndSum()([a, b])
    assert (product == a * b).all()
    assert (total == a + b).all()


def test_gradients_in_a_graph_with_uses_of_all_kinds():
    """Two uses of a layer with weights, an input with two users, an output that nobody uses, a frozen layer."""
    inputs = nn.Input((4,))
    shared, frozen, both = NumpyDense(4), NumpyDense(4, trainable=False), ProductAndSum()
    hidden = shared(nn.layers.Dense(4, activation="relu")(inputs))
    product, _ = both([frozen(hidden), NumpyReLU()(hidden)])
    outputs = shared(nn.layers.Add()([product, hidden]))
    model = nn.Model(inputs, outputs, dtype="float64")
    model.compile("sgd", "mse")
    assert len(model.trainable_variables) == 4
    assert nn.testing.check_gradients(model, X[:9, :4], X[9:18, :4]) < 1e-7


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_has_the_bits_of_the_built_in_layer(dtype, team):
    models = [regression(nn.layers.Dense(32), layer, nn.layers.Dense(16), dtype=dtype) for layer in
              (nn.layers.ReLU(), NumpyReLU())]  # fmt: skip
    logs = [model.fit(X, Y, batch_size=50, epochs=3, verbose=0).history for model in models]
    assert logs[0] == logs[1]
    assert same(models[0].weights, models[1].weights)


def test_bits_do_not_depend_on_threads(team):
    weights = []
    for threads in (1, 2, 3):
        with nn.config.threads(threads):
            model = regression(NumpyDense(40), NumpyReLU(), nn.layers.Dense(30), NumpyDense(8))
            model.fit(X, Y, batch_size=100, epochs=2, verbose=0)
            weights.append(model.get_weights())
    assert same(weights[0], weights[1])
    assert same(weights[0], weights[2])


def test_optimizers_regularizers_and_constraints_see_the_gradients():
    """The same updates as of Dense, within 1e-12: the products round otherwise."""
    models = []
    for kind, names in ((nn.layers.Dense, ("kernel_regularizer", "kernel_constraint")),
                        (NumpyDense, ("regularizer", "constraint"))):  # fmt: skip
        options = (nn.regularizers.L1L2(0.01, 0.02), nn.constraints.MaxNorm(1.0))
        hidden = kind(5, **dict(zip(names, options, strict=True)))
        optimizer = nn.optimizers.Adam(0.01, global_clipnorm=0.5, gradient_accumulation_steps=2, use_ema=True)
        models.append(regression(hidden, nn.layers.Activation("tanh"), optimizer=optimizer))
    models[1].set_weights(models[0].get_weights())
    logs = [model.fit(X, Y, epochs=3, batch_size=64, verbose=0).history["loss"] for model in models]
    np.testing.assert_allclose(*logs, rtol=1e-12)
    for a, b in zip(models[0].weights, models[1].weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_what_forward_stored_is_there_in_backward_whatever_came_between():
    layer = NumpyDense(3)
    inputs = nn.Input((6,))
    model = nn.Model(inputs, layer(inputs) + layer(2.0 * inputs), dtype="float64")
    model.forward(X[:4])
    model.predict(X[4:20])  # the same layer, other rows
    model.zero_gradients()
    model.backward(np.ones((4, 3)))
    np.testing.assert_allclose(model.gradients[0], np.tile(3 * X[:4].sum(axis=0)[:, None], 3), rtol=1e-12)


def test_training_says_how_it_is_called():
    layer = NumpyDense(2)
    model = nn.Sequential([nn.Input((6,)), layer], dtype="float64")
    model.compile("sgd", "mse")
    for call, training in ((lambda: model.fit(X, Y, verbose=0), True), (lambda: model.evaluate(X, Y), False),
                           (lambda: model.forward(X), True), (lambda: model.predict(X), False),
                           (lambda: layer(X, training=True), True), (lambda: layer(X), False)):  # fmt: skip
        call()
        assert layer.training is training


def test_arrays_are_views_that_cannot_be_written_to():
    class Writes(nn.layers.Layer):
        def forward(self, x):
            assert x.dtype == np.float32
            assert x.shape == (3, 2, 3)
            x[0] = 1

    with pytest.raises(ValueError, match="read-only"):
        Writes()(X[:3].reshape(3, 2, 3).astype("f"))


# ---------------------------------------------------------------- weights


def test_add_weight_takes_both_orders_and_names():
    class Weights(nn.layers.Layer):
        def build(self, input_shape):
            self.made = [
                self.add_weight("a", (2,), "ones"),
                self.add_weight((2, 3), "ones"),
                self.add_weight(4),
                self.add_weight(name="b", shape=(), initializer=nn.initializers.Constant(7), dtype="float32"),
                self.add_weight(shape=(2,), initializer="zeros", trainable=False, constraint="non_neg"),
            ]

        def forward(self, x):
            return x

    layer = Weights()
    layer(X.astype("f"))
    assert [w.name for w in layer.made] == ["a", "weight_1", "weight_2", "b", "weight_4"]
    assert [w.shape for w in layer.made] == [(2,), (2, 3), (4,), (), (2,)]
    assert float(layer.made[3]) == 7
    assert layer.made[2].any()
    assert len(layer.trainable_variables) == 4
    assert len(layer.non_trainable_variables) == 1


def test_a_weight_is_an_array_that_keeps_its_memory():
    layer = NumpyDense(2)
    layer(X)
    w, memory = layer.w, layer.w.value
    assert w.shape == (6, 2)
    assert w.ndim == 2
    assert len(w) == 6
    assert w.T.shape == (2, 6)
    assert w.numpy() is memory
    np.testing.assert_array_equal((2 * w - w / 1 + abs(w) * 0)[1], np.asarray(w)[1])
    assert np.exp(w).shape == (6, 2)
    assert (w > 2).sum() == 0
    assert np.allclose(w @ np.eye(2), memory)
    kept = w
    w += 1
    w -= np.ones(2)
    w[0, 1] = 5
    w.assign_add(1).assign_sub(2)
    assert w is kept
    assert w.value is memory
    assert memory[0, 1] == 4
    assert layer.weights[0] is memory
    assert w == kept
    assert w != layer.b
    assert {w: 1}[kept] == 1


@pytest.mark.parametrize(("build", "error", "words"), [
    (lambda layer: layer.add_weight(shape=(2,), initializer="zeroed"), ValueError, "unknown initializer"),
    (lambda layer: layer.add_weight(shape=(0,)), ValueError, "extent"),
    (lambda layer: layer.add_weight(shape=(2.5,)), TypeError, "integer"),
    (lambda layer: layer.add_weight(3, (2,), "zeros"), TypeError, "name of a weight"),
    (lambda layer: layer.add_weight(shape=(2,), dtype="int32"), ValueError, "int32"),
    (lambda layer: layer.add_weight(shape=(2,), autocast=False), TypeError, "autocast"),
])  # fmt: skip
def test_a_bad_weight_is_refused_and_the_layer_can_be_built_again(build, error, words):
    class Tries(nn.layers.Layer):
        broken = True

        def build(self, input_shape):
            self.add_weight(shape=(1,))
            if self.broken:
                build(self)

        def forward(self, x):
            return x

    layer = Tries()
    with pytest.raises(error, match=words):
        layer(X)
    layer.broken = False
    layer(X)
    assert len(layer.weights) == 1


def test_weights_in_the_constructor_are_refused():
    class Early(nn.layers.Layer):
        def __init__(self):
            super().__init__()
            self.add_weight(shape=(2,))

    with pytest.raises(RuntimeError, match="add_weight is for build"):
        Early()


# ---------------------------------------------------------------- mistakes and exceptions


class Trouble(NumpyReLU):
    """Raises in the call of `place` that `after` counts down to."""

    place, after = "", 0

    def count(self, place):
        if place == self.place:
            self.after -= 1
            if self.after == 0:
                raise KeyError("trouble")

    def forward(self, x):
        self.count("forward")
        return super().forward(x)

    def backward(self, dy):
        self.count("backward")
        return super().backward(dy)


@pytest.mark.parametrize("place", ["forward", "backward"])
@pytest.mark.parametrize("threads", [1, 3])
def test_an_exception_leaves_the_weights_of_the_last_minibatch(place, threads, team):
    with nn.config.threads(threads):
        layer, twin = Trouble(), regression(nn.layers.Dense(16), NumpyReLU())
        model = regression(nn.layers.Dense(16), layer)
        layer.place, layer.after = place, 4
        with pytest.raises(KeyError, match="trouble") as caught:
            model.fit(X, Y, batch_size=32, shuffle=False, verbose=0)
        frames = traceback.extract_tb(caught.tb)
        assert [frame.name for frame in frames][-1] == "count"
        assert place in [frame.name for frame in frames]
        assert model.optimizer.iterations == 3
        twin.fit(X[:96], Y[:96], batch_size=32, shuffle=False, verbose=0)
        assert same(model.weights, twin.weights)
        model.fit(X[96:], Y[96:], batch_size=32, shuffle=False, verbose=0)
        twin.fit(X[96:], Y[96:], batch_size=32, shuffle=False, verbose=0)
        assert same(model.weights, twin.weights)


@pytest.mark.parametrize("call", ["predict", "evaluate", "forward", "train_on_batch", "value_and_gradients"])
def test_an_exception_comes_out_of_every_call(call):
    layer = Trouble()
    model = regression(layer)
    layer.place = "forward"
    arguments = (X[:8],) if call in ("predict", "forward") else (X[:8], Y[:8])
    for _ in range(2):
        getattr(model, call)(*arguments)  # and then the short way of the second call
    layer.after = 1
    before = model.get_weights()
    with pytest.raises(KeyError, match="trouble"):
        getattr(model, call)(*arguments)
    assert same(model.weights, before)
    getattr(model, call)(*arguments)


def layer_of(forward=lambda x: x, backward=lambda dy: dy):
    cls = type("Made", (nn.layers.Layer,), {"forward": lambda self, x: forward(x)})
    if backward is not None:
        cls.backward = lambda self, dy: backward(dy)
    return cls(name="made")


@pytest.mark.parametrize(("layer", "error", "words"), [
    (lambda: layer_of(lambda x: x[:, :3]), ValueError, r"layer 'made': forward must .* \(8, 6\).* shape \(8, 3\)"),
    (lambda: layer_of(lambda x: None), ValueError, r"forward must .* returned nothing"),
    (lambda: layer_of(lambda x: [x, x]), ValueError, "forward must"),
    (lambda: layer_of(lambda x: x * 1j), TypeError, "complex"),
    (lambda: layer_of(backward=lambda dy: dy.T), ValueError, r"backward must .* \(8, 6\).* shape \(6, 8\)"),
    (lambda: layer_of(backward=lambda dy: None), ValueError, "backward must"),
    (lambda: layer_of(backward=None), TypeError, "'made' has no backward"),
])  # fmt: skip
def test_results_are_checked(layer, error, words):
    model = regression(nn.layers.Dense(6), layer())
    before = model.get_weights()
    with pytest.raises(error, match=words):
        model.train_on_batch(X[:8], Y[:8])
    assert same(model.weights, before)
    assert model.optimizer.iterations == 0


def test_backward_is_not_needed_where_nothing_is_trained_before():
    model = regression(layer_of(backward=None))
    model.fit(X, Y, verbose=0)


def test_a_layer_without_forward_and_call_says_so():
    with pytest.raises(NotImplementedError, match=r"Bare needs forward\(x\)"):
        type("Bare", (nn.layers.Layer,), {})()(X)


def test_inputs_are_one_or_several_and_that_is_clear():
    a, b = nn.Input((4,)), nn.Input((4,))
    with pytest.raises(ValueError, match="compute_output_shape"):
        NumpyReLU()([a, b])
    with pytest.raises(ValueError, match="a list of 1"):
        NumpyReLU()([a])
    layer = NumpyReLU()
    layer(a)
    with pytest.raises(ValueError, match="one input in one place"):
        layer([a, b])


def test_a_layer_that_gives_nothing_is_refused():
    class Nothing(nn.layers.Layer):
        def compute_output_shape(self, input_shape):
            return (0,)

        def forward(self, x, training=False):
            return np.zeros((len(x), 0), x.dtype)

    for make in (lambda: nn.Sequential([nn.Input((3,)), Nothing()]), lambda: Nothing()(nn.Input((3,)))):
        with pytest.raises(ValueError, match=r"'nothing.*': a sample of shape \(0,\) has no element"):
            make()


# ---------------------------------------------------------------- threads and signals


def test_functions_are_called_by_the_thread_that_called(team):
    class Where(NumpyReLU):
        def forward(self, x):
            threads.add(threading.get_ident())
            return super().forward(x)

    threads = set()
    model = regression(nn.layers.Dense(64), Where())
    with np.errstate(all="raise"):
        model.fit(X, Y, epochs=5, verbose=0)
    assert threads == {threading.get_ident()}


def test_models_in_several_threads_train_as_if_alone(team):
    def made(seed):
        model = nn.Sequential([nn.Input((6,)), nn.layers.Dense(20), NumpyDense(20), NumpyReLU(), nn.layers.Dense(2)],
                              seed=seed)  # fmt: skip
        model.compile("adam", OBJECTS["Squares"](), metrics=[OBJECTS["AbsoluteError"]()])
        return model

    alone, together = [made(seed) for seed in range(4)], [made(seed) for seed in range(4)]
    for model in alone:
        model.fit(X, Y, epochs=3, verbose=0)
    workers = [threading.Thread(target=functools.partial(m.fit, X, Y, epochs=3, verbose=0)) for m in together]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
    for a, b in zip(alone, together, strict=True):
        assert same(a.weights, b.weights)


def test_a_layer_may_use_another_model_and_not_its_own(team):
    class Uses(NumpyReLU):
        def forward(self, x):
            assert (used.predict(np.ones((40, 6))) == expected).all()
            return super().forward(x)

    used = regression(nn.layers.Dense(16), NumpyReLU())
    expected = used.predict(np.ones((40, 6)))
    model = regression(nn.layers.Dense(8), Uses())
    model.fit(X, Y, verbose=0)
    used = model
    with pytest.raises(RuntimeError, match="in use"):
        model.fit(X, Y, verbose=0)


SETUP = """
    import os, signal, sys, threading, time
    import numpy as np
    import nncore as nn
    import nncore._engine, nncore._plan
    nncore._plan.FLOPS_PER_THREAD = 1
    nncore._engine.set_pacing(False)
    nn.config.set_num_threads(3)
    class ReLU(nn.layers.Layer):
        def forward(self, x):
            self.positive = x > 0
            return np.maximum(x, 0)
        def backward(self, dy):
            return dy * self.positive
    x = np.random.default_rng(0).standard_normal((2000, 30)).astype("f4")
    model = nn.Sequential([nn.Input((30,)), nn.layers.Dense(40), ReLU(), nn.layers.Dense(30)])
    model.compile("adam", "mse")
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_stops_training_and_the_model_goes_on():
    code = SETUP + """
    def interrupt():
        time.sleep(0.7)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)
    sent = []
    threading.Thread(target=interrupt).start()
    try:
        model.fit(x, x, epochs=100000, verbose=0)
    except KeyboardInterrupt:
        assert time.perf_counter() - sent[0] < 5
    steps = model.optimizer.iterations
    model.fit(x, x, verbose=0)
    assert steps > 0 and np.isfinite(model.evaluate(x, x))
    print("stopped")
    """
    assert run(code) == "stopped"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_training_goes_on_after_a_fork():
    code = SETUP + """
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    model.fit(x, x, verbose=0)
    reader, writer = os.pipe()
    child = os.fork()
    model.fit(x, x, verbose=0)
    digest = repr([float(w.sum()) for w in model.weights])
    if child == 0:
        os.write(writer, digest.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1000).decode() == digest
    print("same")
    """
    assert run(code) == "same"


# ---------------------------------------------------------------- files


def all_kinds():
    inputs = nn.Input((6,))
    hidden = NumpyDense(6, regularizer="l2", name="own")(inputs)
    product, total = ProductAndSum()([hidden, NumpyReLU()(inputs)])
    outputs = nn.layers.Dense(2)(nn.layers.Concatenate()([product, OBJECTS["Residual"](6)(total)]))
    model = nn.Model(inputs, outputs, dtype="float64")
    metrics = [OBJECTS["AbsoluteError"](), OBJECTS["largest_error"]]
    model.compile("adam", OBJECTS["Squares"](name="mine"), metrics=metrics)
    model.fit(X, Y, verbose=0)
    return model


def test_a_file_gives_the_model_again_and_training_goes_on(tmp_path):
    model = all_kinds()
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"unknown layer 'Custom>\w+': custom_objects="):
        nn.models.load_model(tmp_path / "m")
    copies = [nn.models.load_model(tmp_path / "m", custom_objects=OBJECTS), copy.deepcopy(model),
              pickle.loads(pickle.dumps(model))]  # fmt: skip
    with nn.saving.custom_object_scope(OBJECTS):
        copies.append(nn.saving.load_model(tmp_path / "m"))
    expected = model.evaluate(X, Y, return_dict=True)
    assert list(expected) == ["loss", "absolute_error", "largest_error"]
    model.fit(X, Y, verbose=0)
    for twin in copies:
        assert twin.get_layer("own").regularizer == "l2"
        assert twin.evaluate(X, Y, return_dict=True) == expected
        twin.fit(X, Y, verbose=0)
        assert same(twin.weights, model.weights)


def test_registered_classes_and_functions_need_no_dict(tmp_path, monkeypatch):
    known = nn.saving.get_custom_objects()
    monkeypatch.setattr(nn._custom_objects, "_registered", dict(known))

    @nn.saving.register_keras_serializable(package="tests")
    class Registered(NumpyReLU):
        pass

    @nn.saving.register_keras_serializable("tests", "other")
    def of_rows(y_true, y_pred):
        return (y_true - y_pred).sum(axis=1)

    assert nn.saving.get_registered_name(Registered) == "tests>Registered"
    assert nn.saving.get_registered_object("tests>other") is of_rows
    model = regression(Registered(), metrics=[of_rows])
    model.save(tmp_path / "m")
    twin = nn.models.load_model(tmp_path / "m")
    assert type(twin.layers[0]) is Registered
    assert twin.evaluate(X, Y) == model.evaluate(X, Y)
    with pytest.raises(ValueError, match="without get_config"):
        nn.saving.register_keras_serializable()(object)


def test_a_class_of_a_known_name_is_not_taken_for_the_librarys(tmp_path):
    own = type("Dense", (NumpyReLU,), {})
    regression(own()).save(tmp_path / "m")
    with pytest.raises(ValueError, match="unknown layer 'Custom>Dense'"):
        nn.models.load_model(tmp_path / "m")
    assert type(nn.models.load_model(tmp_path / "m", {"Dense": own}).layers[0]) is own


@pytest.mark.parametrize("name", ["os>system", "builtins>eval", "Custom>print", "print"])
def test_names_in_a_file_are_looked_up_and_never_run(name, tmp_path):
    model = regression(NumpyReLU())
    for place in ("layer", "loss", "model"):
        saved = saving.state_of(model)
        text = json.dumps(saved["state"])
        state = json.loads(text.replace("Custom>NumpyReLU", name if place == "layer" else "Custom>NumpyReLU"))
        if place == "loss":
            state["compiled"]["loss"] = name
        if place == "model":
            state["class_name"] = name
        saving._write(tmp_path / "m", state, saved["tensors"], True)
        with pytest.raises(ValueError, match="unknown"):
            nn.models.load_model(tmp_path / "m", custom_objects=OBJECTS)


def test_arguments_of_a_constructor_are_the_configuration_where_files_can_hold_them():
    expected = {"units": 3, "regularizer": "l1", "name": "a", "trainable": True}
    assert NumpyDense(3, "l1", name="a").get_config() == expected
    frozen = NumpyDense(3, name="a")
    frozen.trainable = False
    assert frozen.get_config()["trainable"] is False
    with pytest.raises(NotImplementedError, match="made with regularizer=<"):
        NumpyDense(3, nn.regularizers.L2()).get_config()

    class Any(NumpyReLU):
        def __init__(self, *numbers):
            super().__init__()

    with pytest.raises(NotImplementedError, match=r"\*numbers"):
        Any(1, 2).get_config()


def test_custom_objects_must_be_a_dict(tmp_path):
    regression().save(tmp_path / "m")
    with pytest.raises(TypeError, match="custom_objects must be a dict"):
        nn.models.load_model(tmp_path / "m", custom_objects=[NumpyReLU])
