"""Public pictures: what they show follows from the numbers, nobody's settings change, and nothing overlaps."""

import io
import itertools
import os
import subprocess
import sys
import textwrap
import types

import numpy as np
import pytest

import nncore as nn

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
from matplotlib.figure import Figure  # noqa: E402

layers = nn.layers
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((60, 2))
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)


def classifier(units=3, inputs=2, activation="softmax", loss="sparse_categorical_crossentropy"):
    model = nn.Sequential([nn.Input((inputs,)), layers.Dense(8, activation="tanh"), layers.Dense(units, activation)])
    model.compile(nn.optimizers.Adam(0.05), loss, metrics=["accuracy"])
    return model


def trained(epochs=4, **options):
    model = classifier()
    return model.fit(X, LABELS, epochs=epochs, verbose=0, **options)


def history_of(**curves):
    history = nn.callbacks.History()
    history.history = curves
    return history


def legend_of(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()] if axes.get_legend() else []


def texts_of(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def assert_nothing_overlaps(figure):
    """The words of axes: titles, labels, legends and ticks, none upon another, all inside."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    boxes = []
    for axes in figure.axes:
        words = [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        words += axes.get_legend().get_texts() if axes.get_legend() else []
        if axes.axison:
            for axis, low_high in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
                inside = sorted(low_high)
                for tick in axis.get_major_ticks():
                    if axis.get_visible() and inside[0] <= tick.get_loc() <= inside[1]:
                        words.append(tick.label1)
        boxes += [(word.get_text(), word.get_window_extent(renderer)) for word in words
                  if word.get_visible() and word.get_text().strip()]  # fmt: skip
    page = figure.bbox
    for text, box in boxes:
        assert box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1, text  # noqa: PT018
        assert box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1, text  # noqa: PT018
    for (a, first), (b, second) in itertools.combinations(boxes, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert width < 2 or height < 2, (a, b)


# ---- all of them

MODEL = classifier()


def image_model():
    return nn.Sequential([nn.Input((6, 6, 1)), layers.Conv2D(5, 3), layers.Flatten(), layers.Dense(2)])


PICTURES = {
    "history": lambda **o: trained(validation_split=0.3).plot(**o),
    "history, logarithmic": lambda **o: trained(30, validation_split=0.3).plot(log_scale=True, **o),
    "model": lambda: MODEL.plot(),
    "confusion": lambda **o: nn.plots.confusion_matrix([0, 1, 2, 2], [0, 1, 1, 2], **o),
    "confusion of names": lambda **o: nn.plots.confusion_matrix(
        RANDOM.integers(0, 7, 300), RANDOM.integers(0, 7, 300), normalize="true",
        display_labels=[f"a long name {i}" for i in range(7)], **o),
    "weights": lambda **o: nn.plots.weights(image_model(), **o),
    "kernels": lambda **o: nn.plots.weights(image_model(), 0, **o),
    "landscape": lambda **o: nn.plots.loss_landscape(MODEL, X, LABELS, resolution=5, **o),
    "landscape, one": lambda **o: nn.plots.loss_landscape(MODEL, X, LABELS, resolution=5, dimensions=1, **o),
    "boundary": lambda **o: nn.plots.decision_boundary(MODEL, X, LABELS, resolution=20, **o),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_nobodys_but_the_callers(name):
    with matplotlib.rc_context({"font.size": 21, "axes.grid": True, "figure.facecolor": "red"}):
        backend, before = matplotlib.get_backend(), dict(matplotlib.rcParams)
        figure = PICTURES[name]()
        assert dict(matplotlib.rcParams) == before
        assert matplotlib.get_backend() == backend
        png = figure._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert isinstance(figure, Figure)
    assert figure.get_facecolor() == (1, 1, 1, 1)  # the user's style stays outside
    assert not ("matplotlib.pyplot" in sys.modules and sys.modules["matplotlib.pyplot"].get_fignums())
    assert_nothing_overlaps(figure)


@pytest.mark.parametrize("name", [name for name in PICTURES if name != "model"])
def test_pictures_are_drawn_into_what_is_given(name):
    figure = Figure()
    option = "figure" if name.startswith(("history", "weights", "kernels")) else "ax"
    given = figure if option == "figure" else figure.add_subplot()
    assert PICTURES[name](**{option: given}) is figure
    assert figure.axes[0].has_data()
    with pytest.raises(TypeError, match=f"{option} must be .* of Matplotlib"):
        PICTURES[name](**{option: 3})


@pytest.mark.parametrize("name", PICTURES)
def test_without_matplotlib_the_extra_is_named(name, monkeypatch):
    monkeypatch.delitem(sys.modules, "nncore.plots._figure", raising=False)
    monkeypatch.delattr(nn.plots, "_figure", raising=False)
    for module in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"needs Matplotlib: pip install 'nncore\[plots\]'"):
        PICTURES[name]()


def test_neither_the_library_nor_its_modules_import_matplotlib_before_it_is_used():
    code = """
        import sys
        import nncore as nn
        nn.plots, nn.utils, nn.callbacks.History().__repr__
        model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit([[0.0, 1.0]], [1.0], verbose=0)._repr_html_()
        assert not any(name.split(".")[0] == "matplotlib" for name in sys.modules)
        model.plot()
        assert "matplotlib.pyplot" not in sys.modules
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(code)], check=True,
                   env={**os.environ, "DISPLAY": ""}, timeout=120)  # fmt: skip


# ---- histories


def test_curves_are_those_of_the_history():
    schedule = nn.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    history = trained(5, validation_data=(X, LABELS), validation_freq=2, callbacks=[schedule])
    figure = history.plot()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Accuracy", "Learning rate"]
    loss, accuracy, rate = figure.axes
    training, ring, validation = loss.get_lines()[0], loss.get_lines()[2], loss.get_lines()[1]
    np.testing.assert_array_equal(training.get_xydata().T, [range(1, 6), history.history["loss"]])
    np.testing.assert_array_equal(validation.get_xydata().T, [[2, 4], history.history["val_loss"]])
    best = int(np.argmin(history.history["val_loss"]))
    np.testing.assert_array_equal(ring.get_xydata(), [[(2, 4)[best], history.history["val_loss"][best]]])
    assert legend_of(loss)[:2] == ["training", "validation"]
    assert legend_of(loss)[2] == f"lowest {min(history.history['val_loss']):.3g}, epoch {(2, 4)[best]}"
    assert validation.get_linestyle() != training.get_linestyle()  # told apart in grey, too
    assert len(accuracy.get_lines()) == 2
    np.testing.assert_array_equal(rate.get_lines()[0].get_ydata(), history.history["learning_rate"])
    assert [axes.get_xlabel() for axes in figure.axes] == ["epoch"] * 3


def test_names_and_scales():
    history = history_of(loss=[3.0, 1.0, 0.1], val_loss=[2.0, 1.5, 0.5], accuracy=[0.0, 0.5, 0.6], mae=[1.0, 0.5, 0.2])
    titles = [axes.get_title(loc="left") for axes in history.plot(["mae", "loss"]).axes]
    assert titles == ["MAE", "Loss"]
    assert [axes.get_yscale() for axes in history.plot(log_scale=True).axes] == ["log", "linear", "log"]
    assert [axes.get_yscale() for axes in history.plot(log_scale="mae").axes] == ["linear", "linear", "log"]
    with pytest.raises(ValueError, match="'accuracy' has values that are not positive"):
        history.plot(log_scale=["accuracy"])
    with pytest.raises(ValueError, match="log_scale names 'accuracy', which is not drawn; drawn are: loss"):
        history.plot("loss", log_scale="accuracy")
    with pytest.raises(ValueError, match="there is no 'val_loss' in the history; there are: loss, accuracy, mae"):
        history.plot("val_loss")
    with pytest.raises(ValueError, match="'note' are no numbers"):
        history_of(note=["text"]).plot("note")
    with pytest.raises(ValueError, match="no epoch"):
        nn.callbacks.History().plot()


@pytest.mark.parametrize("curves", [
    {"loss": [1.0]},
    {"loss": [np.nan, 1.0, np.inf], "val_loss": [np.nan] * 3},
    {"val_loss": [1.0, 2.0]},
    {"loss": [5.0] * 400, "val_loss": np.linspace(1e-9, 1e9, 400).tolist()},
    {"f1": [np.array([0.1, 0.2, 0.3]), np.array([0.4, 0.5, 0.6])], "val_f1": [np.ones(3), np.ones(3)]},
    {"confusion": [np.ones((3, 4)), np.zeros((3, 4))]},
    {f"output_{i}_loss": [1.0, 2.0] for i in range(5)},
    {"a_metric_with_$math$_and_{braces}": [1.0, 2.0], "note": ["text", "more"]},
])  # fmt: skip
def test_all_kinds_of_values(curves):
    figure = history_of(**curves).plot(log_scale=len(curves) == 2)
    assert_nothing_overlaps(figure)


def test_histories_of_several_trainings_count_on():
    history = nn.callbacks.History()
    model = classifier()
    for _ in range(2):
        model.fit(X, LABELS, epochs=3, verbose=0, callbacks=history)
    assert history.epochs_of("loss") == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(history.plot().axes[0].get_lines()[0].get_xdata(), range(1, 7))


# ---- graphs


def residual(blocks):
    inputs = nn.Input((4,))
    x = layers.Dense(6)(inputs)
    for _ in range(blocks):
        x = layers.Add()([x, layers.Dense(6)(layers.ReLU()(layers.Dense(6)(x)))])
    return nn.Model(inputs, layers.Dense(2)(x), name="residual")


def towers():
    left, right, words = nn.Input((5,), name="left"), nn.Input((5,), name="right"), nn.Input((7,), name="words")
    shared = layers.Dense(3, activation="tanh", name="shared", trainable=False)
    inner = nn.Sequential([nn.Input((3,)), layers.Dense(4), layers.Dense(2, name="in_there")], name="inner")
    reader, state = layers.GRU(3, return_state=True, name="reader")(layers.Embedding(9, 2)(words))
    a = shared(left)
    joined = layers.Concatenate(name="joined")([a, shared(right), inner(a), reader, state, left])
    first, second = layers.Dense(1, activation="sigmoid", name="first")(joined), layers.Dense(2, name="second")(joined)
    return nn.Model([left, right, words], [first, second], name="towers")


GRAPHS = {
    "3 layers": lambda: nn.Sequential([nn.Input((4,)), layers.Dense(5), layers.Dense(2)]),
    "60 layers": lambda: nn.Sequential([nn.Input((4,)), *[layers.Dense(3) for _ in range(60)]]),
    "residual": lambda: residual(6),
    "towers": towers,
    "wide": lambda: nn.Model(x := nn.Input((2,)), layers.Add()([layers.Dense(2)(x) for _ in range(9)])),
    "nothing but an input": lambda: nn.Model(x := nn.Input((2,)), x),
    "an input that nobody reads": lambda: nn.Model([x := nn.Input((2,)), nn.Input((3,))], layers.Dense(1)(x)),
    "an odd name": lambda: nn.Sequential([nn.Input((2,)), layers.Dense(1, name="x$_1$ <b> " + "long" * 20)]),
}  # fmt: skip


def boxes_of(figure):
    from matplotlib.patches import FancyBboxPatch

    return [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]


@pytest.mark.parametrize(("name", "rankdir"),
                         [*((name, "TB") for name in GRAPHS), ("60 layers", "LR"), ("towers", "LR")])  # fmt: skip
def test_boxes_lie_apart_and_hold_their_words(name, rankdir):
    model = GRAPHS[name]()
    figure = model.plot(rankdir=rankdir, expand_nested=False)
    figure.draw_without_rendering()
    assert_nothing_overlaps(figure)
    width, height = figure.get_size_inches()
    assert max(width, height) < 40
    assert max(width, height) / min(width, height) < 9
    boxes = [patch.get_window_extent() for patch in boxes_of(figure)]
    nodes = model.graph.nodes
    assert len(boxes) == len(nodes)
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)
    renderer = figure.canvas.get_renderer()
    inside = 0
    for text in figure.axes[0].texts:
        extent = text.get_window_extent(renderer)
        for box in boxes:
            if box.overlaps(extent):
                assert box.x0 <= extent.x0 and extent.x1 <= box.x1, text.get_text()  # noqa: PT018
                assert box.y0 <= extent.y0 + 1 and extent.y1 - 1 <= box.y1, text.get_text()  # noqa: PT018
                inside += 1
    assert inside >= 2 * len(boxes)


def test_a_graph_says_what_is_in_it():
    words = texts_of(towers().plot())
    assert words[:2] == ["towers", f"Model · 10 layers · {towers().count_params()} parameters · float32"]
    assert words.count("shared") == 2
    assert {"call 1 of 2, frozen", "call 2 of 2, frozen"} <= set(words)
    assert words.count("18 parameters") == 2  # shared counts once, and the Embedding has as many
    assert {"Dense · sigmoid", "GRU · tanh", "(None, 19)", "inner", "with weights", "frozen", "a model"} <= set(words)
    assert sum(word == "output" for word in words) == 2
    assert "in_there" not in words
    assert "in_there" in texts_of(towers().plot(expand_nested=True))


def test_arrows_lead_from_box_to_box():
    from matplotlib.patches import PathPatch

    model = towers()
    for rankdir, axis in (("TB", 1), ("LR", 0)):
        paths = [p for p in model.plot(rankdir=rankdir).axes[0].patches if isinstance(p, PathPatch)]
        edges = {(id(tensor.node), id(node)) for node in model.graph.nodes for tensor in node.inputs}
        assert len(paths) == len(edges)
        for path in paths:
            assert path.get_path().vertices[0][axis] < path.get_path().vertices[-1][axis]


def test_few_edges_cross():
    from nncore.plots import _layout

    boxes = [_layout.Vertex(1, 0.5, content="box") for _ in range(8)]
    # Two ranks whose order is turned around.
    edges = [(boxes[i], boxes[7 - i]) for i in range(4)]
    ranks, _ = _layout._ranked(boxes, edges)
    assert _layout._crossings(ranks) == 6
    _layout._order(ranks)
    assert _layout._crossings(ranks) == 0


def test_options_of_graphs(tmp_path):
    model = towers()
    bare = texts_of(model.plot(show_shapes=False, show_layer_names=False, show_parameters=False,
                               show_layer_activations=False))  # fmt: skip
    assert "reader" not in bare
    assert not any("(None" in word or word == "18 parameters" or "·" in word for word in bare[2:])
    assert "GRU" in bare
    assert {"trainable", "not trainable"} <= {part for word in texts_of(model.plot(show_trainable=True))
                                              for part in word.split(", ")}  # fmt: skip
    assert "float32" in texts_of(model.plot(show_dtype=True))
    with pytest.raises(ValueError, match="rankdir must be 'TB'"):
        model.plot(rankdir="up")
    with pytest.raises(ValueError, match="has no shape yet"):
        nn.Sequential([layers.Dense(2)]).plot()
    with pytest.raises(TypeError):
        model.plot(show_everything=True)


def test_plot_model_writes_files(tmp_path):
    from matplotlib import image

    model = towers()
    for name in ("m.svg", "m.pdf"):
        figure = nn.utils.plot_model(model, tmp_path / name, show_shapes=True, expand_nested=True)
        content = (tmp_path / name).read_bytes()
        assert len(content) > 1000
        nn.utils.plot_model(model, tmp_path / name, show_shapes=True, expand_nested=True)
        assert (tmp_path / name).read_bytes() == content
    sizes = []
    for dpi in (50, 100):
        nn.utils.plot_model(model, to_file=str(tmp_path / "dpi.png"), dpi=dpi)
        sizes.append(image.imread(tmp_path / "dpi.png").shape[0])
    assert sizes[1] == pytest.approx(2 * sizes[0], abs=2)
    assert isinstance(nn.utils.plot_model(model, to_file=None), Figure)
    assert figure.axes
    with pytest.raises(ValueError, match=r"to_file must end in one of .*png.*; got 'm.docx'"):
        nn.utils.plot_model(model, "m.docx")
    with pytest.raises(TypeError, match="plot_model takes a model"):
        nn.utils.plot_model(layers.Dense(3))


def test_models_with_call_have_graphs():
    class Mine(nn.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = layers.Dense(4), layers.Dense(2)

        def call(self, x):
            return self.second(self.first(x)) + x

    model = Mine()
    model.build((None, 2))
    assert {"Dense"} <= set(texts_of(model.plot()))


# ---- confusion matrices


def numbers_in(figure):
    """{(row, column): text} of a matrix."""
    return {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in figure.axes[0].texts}


def test_counts():
    figure = nn.plots.confusion_matrix([0, 0, 0, 1, 2, 2], [0, 0, 2, 1, 2, 0])
    matrix = figure.axes[0].get_images()[0].get_array()
    np.testing.assert_array_equal(matrix, [[2, 0, 1], [0, 1, 0], [1, 0, 1]])
    assert numbers_in(figure) == {(0, 0): "2", (0, 2): "1", (1, 1): "1", (2, 0): "1", (2, 2): "1"}
    assert figure.axes[0].get_title(loc="left") == "66.7% of 6 right"
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("predicted", "true")


@pytest.mark.parametrize(("normalize", "wanted"), [
    ("true", [[2 / 3, 1 / 3], [0, 1]]), ("pred", [[1, 0.5], [0, 0.5]]), ("all", [[0.5, 0.25], [0, 0.25]])])
def test_shares(normalize, wanted):
    figure = nn.plots.confusion_matrix([0, 0, 0, 1], [0, 0, 1, 1], normalize=normalize)
    np.testing.assert_allclose(figure.axes[0].get_images()[0].get_array(), wanted)
    assert numbers_in(figure)[1, 1] == f"{100 * wanted[1][1]:.0f}%"


@pytest.mark.parametrize(("true", "predicted", "labels", "wanted"), [
    ([0, 1, 1], [[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.6, 0.4, 0]], None, [[1, 0, 0], [1, 1, 0], [0, 0, 0]]),
    (np.eye(2)[[0, 1]], np.array([[0.3, 0.7], [0.1, 0.9]]), None, [[0, 1], [0, 1]]),
    ([0, 1, 1, 0], [0.2, 0.8, 0.4, 0.6], None, [[1, 1], [1, 1]]),
    ([[0], [1]], [[0.2], [0.8]], None, [[1, 0], [0, 1]]),
    ([False, True], [0.9, 0.9], None, [[0, 1], [0, 1]]),
    (["cat", "dog", "dog"], ["dog", "dog", "cat"], None, [[0, 1], [1, 1]]),
    (["cat", "dog", "dog"], ["dog", "dog", "cat"], ["dog", "cat"], [[1, 1], [1, 0]]),
    ([3, 7, 7, 5], [3, 7, 3, 5], [7, 3], [[1, 1], [0, 1]]),
    ([1, 2], [1.0, 2.0], None, [[1, 0], [0, 1]]),
    ([0.0, 2.0], [[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]], None, [[0, 0, 1], [0, 0, 0], [0, 0, 1]]),
    (["dog", "cat"], [[0.1, 0.9], [0.1, 0.9]], ["cat", "dog"], [[0, 1], [0, 1]]),
])  # fmt: skip
def test_all_kinds_of_labels(true, predicted, labels, wanted):
    figure = nn.plots.confusion_matrix(true, predicted, labels=labels)
    np.testing.assert_array_equal(figure.axes[0].get_images()[0].get_array(), wanted)


def test_it_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    true, predicted, weight = RANDOM.integers(0, 5, 200), RANDOM.integers(0, 5, 200), RANDOM.random(200)
    for options in ({}, {"normalize": "true"}, {"normalize": "pred"}, {"sample_weight": weight}, {"labels": [3, 0, 1]}):
        figure = nn.plots.confusion_matrix(true, predicted, **options)
        np.testing.assert_allclose(figure.axes[0].get_images()[0].get_array(),
                                   metrics.confusion_matrix(true, predicted, **options), rtol=1e-12)  # fmt: skip


@pytest.mark.parametrize(("arguments", "options", "message"), [
    (([0, 1], [0]), {}, "y_true has 2 rows, and y_pred 1"),
    (([], []), {}, "there are no rows"),
    (([0], [0]), {"normalize": "rows"}, "normalize must be None, 'true', 'pred' or 'all'"),
    (([0, 1], [0, 1]), {"display_labels": ["a"]}, "1 names for 2 classes"),
    (([0, 1], [0, 1]), {"labels": [5]}, "none of the labels"),
    ((["a", "b"], np.eye(2)), {}, "labels must name the columns"),
    (([0, 1], [0, 1]), {"labels": [1, 1]}, "named twice"),
    (([0, 1], [0, 1]), {"sample_weight": [1]}, "sample_weight must have shape"),
    ((np.zeros((2, 2, 2)), [0, 1]), {}, r"y_true must be \(rows,\)"),
])  # fmt: skip
def test_confusion_matrices_that_cannot_be(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        nn.plots.confusion_matrix(*arguments, **options)


# ---- weights


def test_histograms_count_all_numbers():
    model = image_model()
    figure = nn.plots.weights(model)
    assert len(figure.axes) == len(model.weights)
    for axes, weight in zip(figure.axes, model.weights, strict=True):
        assert sum(patch.get_height() for patch in axes.patches) == weight.size
        assert " × ".join(map(str, weight.shape)) in axes.get_xlabel()
    model.weights[0][0, 0, 0, 0] = np.nan
    assert "1 not finite" in nn.plots.weights(model, 0, kind="histogram").axes[0].get_xlabel()


def images_in(figure):
    return [image.get_array() for image in figure.axes[0].get_images()]


def test_kernels_are_images():
    kernel = RANDOM.standard_normal((3, 4, 1, 6))
    for picture, image in zip(np.moveaxis(kernel[:, :, 0], -1, 0), images_in(nn.plots.weights(kernel)), strict=True):
        np.testing.assert_array_equal(picture, image)
    limits = {image.get_clim() for image in nn.plots.weights(kernel).axes[0].get_images()}
    assert limits == {(-np.abs(kernel).max(), np.abs(kernel).max())}
    assert len(images_in(nn.plots.weights(kernel, max_images=4))) == 4
    assert "4 of 6" in nn.plots.weights(kernel, max_images=4).axes[0].get_title(loc="left")
    color = RANDOM.standard_normal((5, 5, 3, 2))
    (first, _) = images_in(nn.plots.weights(color))
    np.testing.assert_allclose(first, (color[..., 0] / np.abs(color).max() + 1) / 2)
    many = RANDOM.standard_normal((3, 3, 16, 8))
    np.testing.assert_allclose(images_in(nn.plots.weights(many))[2], np.sqrt((many[..., 2] ** 2).mean(-1)))
    few = RANDOM.standard_normal((3, 3, 2, 4))
    np.testing.assert_array_equal(images_in(nn.plots.weights(few))[1], few[:, :, 1, 0])
    matrix = RANDOM.standard_normal((12, 5))
    np.testing.assert_array_equal(images_in(nn.plots.weights(matrix, kind="image"))[0], matrix)
    np.testing.assert_array_equal(images_in(nn.plots.weights(matrix, image_shape=(3, 4)))[4],
                                  matrix[:, 4].reshape(3, 4))  # fmt: skip
    nn.plots.weights(np.zeros((3, 3, 1, 2))).savefig(io.BytesIO())


def test_weights_are_named_in_many_ways():
    model = image_model()
    name = model.layers[0].name
    for layer in (0, name, model.layers[0]):
        assert nn.plots.weights(model, layer).axes[0].get_title(loc="left").startswith(f"{name}/kernel: 5 kernels")
    assert nn.plots.weights(model.layers[0]).axes[0].get_title(loc="left").startswith(name)
    for arguments, options, error, message in (
        ((model, "nobody"), {}, ValueError, "there is no layer 'nobody'"),
        ((model, 1), {}, ValueError, "layer '.*' has no weights"),
        ((model,), {"kind": "image"}, ValueError, "name the layer"),
        ((model,), {"kind": "dots"}, ValueError, "kind must be"),
        ((np.zeros((6, 2)),), {"image_shape": (2, 2)}, ValueError, "does not have 6 pixels"),
        ((np.zeros(6),), {"kind": "image"}, ValueError, "is no image"),
        (("text",), {}, TypeError, "takes a model, a layer or an array"),
        ((np.zeros((3, 2)), 0), {}, TypeError, "layer is for models"),
    ):
        with pytest.raises(error, match=message):
            nn.plots.weights(*arguments, **options)


# ---- landscapes


def test_directions_are_scaled_filter_by_filter():
    """Steps of 1 are as long as each filter, and biases stay."""
    model = nn.Sequential([
        nn.Input((6, 6, 2)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.DepthwiseConv2D(2),
        layers.Conv2DTranspose(3, 2), layers.Flatten(), layers.Dense(2)])  # fmt: skip
    model.compile("sgd", "mse")
    x, y = RANDOM.standard_normal((5, 6, 6, 2)), RANDOM.standard_normal((5, 2))
    kept, seen = model.get_weights(), []
    evaluate = model.evaluate
    model.evaluate = lambda *a, **k: (seen.append(model.get_weights()), evaluate(*a, **k))[1]
    nn.plots.loss_landscape_values(model, x, y, resolution=3, dimensions=1, span=0.5)
    moved = [after - before for before, after in zip(kept, seen[-1], strict=True)]  # at + 0.5
    axes = [(0, 1, 2), None, None, None, None, None, (0, 1), None, (0, 1, 3), None, (0,), None]
    for number, (weight, step, others) in enumerate(zip(kept, moved, axes, strict=True)):
        if others is None:
            assert not step.any(), number
            continue
        lengths = [np.sqrt((a.astype(float) ** 2).sum(others)) for a in (weight, step)]
        np.testing.assert_allclose(lengths[1], 0.5 * lengths[0], rtol=1e-4)
    assert all((a == b).all() for a, b in zip(kept, model.weights, strict=True))


def test_a_landscape_is_the_loss_around_the_weights():
    model = nn.Sequential([nn.Input((2,)), layers.Dense(1)], dtype="float64")
    model.compile("sgd", "mse")
    y = X @ [1.0, -2.0]
    model.fit(X, y, epochs=2, verbose=0)
    before = [a.copy() for a in (*model.weights, *model.optimizer.variables)]
    steps, losses = nn.plots.loss_landscape_values(model, X, y, resolution=5, span=2)
    assert all((a == b).all() for a, b in zip(before, (*model.weights, *model.optimizer.variables), strict=True))
    np.testing.assert_array_equal(steps, [-2, -1, 0, 1, 2])
    assert losses[2, 2] == model.evaluate(X, y)
    # A quadratic function of the steps: its second differences are the same everywhere.
    np.testing.assert_allclose(np.diff(losses, 3, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.diff(losses, 3, axis=1), 0, atol=1e-9)
    assert losses.min() < losses.max()
    again = nn.plots.loss_landscape_values(model, X, y, resolution=5, span=2)[1]
    other = nn.plots.loss_landscape_values(model, X, y, resolution=5, span=2, seed=1)[1]
    np.testing.assert_array_equal(losses, again)
    assert (losses != other).any()
    line = nn.plots.loss_landscape_values(model, X, y, resolution=5, span=2, dimensions=1)[1]
    np.testing.assert_allclose(line, losses[2])  # the first direction is the same one


def test_weights_come_back_whatever_happens(monkeypatch):
    model = classifier()
    kept, calls = model.get_weights(), []

    def evaluate(*arguments, **options):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return {"loss": 1.0}

    monkeypatch.setattr(model, "evaluate", evaluate)
    with pytest.raises(KeyboardInterrupt):
        nn.plots.loss_landscape(model, X, LABELS)
    assert all((a == b).all() for a, b in zip(kept, model.weights, strict=True))


def test_landscapes_that_cannot_be():
    model = classifier()
    for options, message in (({"dimensions": 3}, "dimensions must be 1 or 2"), ({"resolution": 1}, "at least 2 places"),
                             ({"span": 0}, "a span above 0")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            nn.plots.loss_landscape(model, X, LABELS, **options)
    with pytest.raises(ValueError, match="needs a loss"):
        nn.plots.loss_landscape(nn.Sequential([nn.Input((2,)), layers.Dense(1)]), X, LABELS)
    no_kernel = nn.Sequential([nn.Input((2,)), layers.BatchNormalization()])
    no_kernel.compile("sgd", "mse")
    with pytest.raises(ValueError, match="no trainable weights but biases"):
        nn.plots.loss_landscape(no_kernel, X, X)


# ---- decision boundaries


def test_regions_are_the_models_decisions():
    class Halves:
        def predict(self, places):
            return np.stack([places[:, 0] < 0, (places[:, 0] >= 0) & (places[:, 1] < 0), (places >= 0).all(1)], 1) * 1.0

    figure = nn.plots.decision_boundary(Halves(), X, LABELS, resolution=41, class_names=["a", "b", "c"])
    image = figure.axes[0].get_images()[0].get_array()
    assert image.shape == (41, 41, 3)
    corners = [tuple(np.round(image[i, j], 6)) for i, j in ((0, 0), (-1, 0), (0, -1), (-1, -1))]
    assert corners[0] == corners[1]  # left, below and above
    assert len(set(corners)) == 3
    assert legend_of(figure.axes[0]) == ["a", "b", "c"]
    left, right = figure.axes[0].get_xlim()
    assert left < X[:, 0].min()
    assert right > X[:, 0].max()
    drawn = sum(len(line.get_xdata()) for line in figure.axes[0].get_lines())
    assert drawn == len(X)


def test_single_outputs_have_a_line_at_their_threshold():
    def predicts(function):
        return types.SimpleNamespace(predict=function)

    def levels(figure):
        return [c.levels.tolist() for c in figure.axes[0].collections if hasattr(c, "levels")]

    sigmoid = predicts(lambda p: 1 / (1 + np.exp(-p[:, :1])))
    assert levels(nn.plots.decision_boundary(sigmoid, X, X[:, 0] > 0)) == [[0.5]]
    assert levels(nn.plots.decision_boundary(sigmoid, X)) == [[0.5]]
    logits = predicts(lambda p: p[:, 0])
    assert levels(nn.plots.decision_boundary(logits, X, X[:, 0] > 0)) == [[0.0]]
    assert levels(nn.plots.decision_boundary(logits, X, X[:, 0])) == []  # a regression
    assert levels(nn.plots.decision_boundary(logits, X, X[:, 0], threshold=0.25)) == [[0.25]]


def test_classifiers_of_scikit_learns_with_names():
    naive_bayes = pytest.importorskip("sklearn.naive_bayes")
    names = np.array(["ant", "bee", "cow"])[LABELS]
    figure = nn.plots.decision_boundary(naive_bayes.GaussianNB().fit(X, names), X, names, resolution=9)
    assert legend_of(figure.axes[0]) == ["ant", "bee", "cow"]
    assert sum(len(line.get_xdata()) for line in figure.axes[0].get_lines()) == len(X)


def test_other_features_stand_at_their_medians():
    seen = []

    class Model:
        def predict(self, places):
            seen.append(places)
            return places[:, 0]

    x = RANDOM.standard_normal((31, 4)).astype(np.float32)
    figure = nn.plots.decision_boundary(Model(), x, features=(3, 1), resolution=10, feature_names=list("abcd"))
    (places,) = seen
    assert places.shape == (100, 4)
    assert places.dtype == np.float32
    assert (places[:, [0, 2]] == np.median(x, axis=0)[[0, 2]]).all()
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("d", "b")
    assert "2 other features at the median" in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize(("x", "y", "options", "message"), [
    (X[:, 0], None, {}, r"x must be \(rows, features\)"),
    (X[:0], None, {}, "at least one row"),
    (X, LABELS[:5], {}, "x has 60 rows, and y 5"),
    (X, None, {"features": (0, 2)}, "features must be two of 2"),
    (X, None, {"features": (1, 1)}, "features must be two of 2"),
    (X, None, {"resolution": 1}, "resolution must be at least 2"),
    (X, LABELS, {"class_names": ["a", "b"]}, "2 names for 3 classes"),
])  # fmt: skip
def test_boundaries_that_cannot_be(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        nn.plots.decision_boundary(MODEL, x, y, **options)
