"""How models and histories show themselves: in one line, as a table, in a notebook."""

import re
import xml.etree.ElementTree

import numpy as np
import pytest

import nncore as nn

layers = nn.layers


def chain():
    return nn.Sequential([nn.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(3)], name="chain")


def graph():
    a, b = nn.Input((4,), name="a"), nn.Input((4,), name="b")
    shared = layers.Dense(5, name="shared", trainable=False)
    inner = nn.Sequential([nn.Input((5,)), layers.Dense(6, name="deep"), layers.Dense(2)], name="inner")
    joined = layers.Concatenate(name="joined")([shared(a), shared(b), inner(shared(a))])
    long = "a_name_that_is_very_long_indeed_" * 2
    outputs = [layers.Dense(1, name="one")(joined), layers.Dense(2, name=long)(joined)]
    return nn.Model([a, b], outputs, name="graph")


def images():
    x = inputs = nn.Input((16, 16, 3), name="picture")
    for _ in range(2):
        x = layers.Add()([layers.BatchNormalization()(layers.Conv2D(3, 3, padding="same")(x)), x])
    return nn.Model(inputs, layers.GlobalAveragePooling2D(name="global_average_pooling")(x), name="images")


class Mine(nn.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.first = layers.Dense(4, name="first")

    def call(self, x):
        return self.first(x) + 1


def mine():
    model = Mine()
    model.build((None, 2))
    return model


MODELS = [chain, graph, images, mine]


def table(model, **options):
    """The lines between the rules, and the others."""
    said = []
    model.summary(print_fn=said.append, **options)
    (text,) = said
    rules = [place for place, line in enumerate(text.splitlines()) if set(line) == {"-"}]
    lines = text.splitlines()
    return lines[rules[1] + 1 : rules[2]], lines[: rules[1]] + lines[rules[2] :]


def named(rows, name):
    """The row that begins with a name, whose cells are apart by at least two blanks."""
    (row,) = [re.split(r"\s{2,}", line.strip()) for line in rows if re.match(rf"[| ]*{name}\b", line)]
    return row


# ---- one line


def test_representations():
    assert repr(chain()) == "<Sequential 'chain': (None, 4) -> (None, 3), 2 layers, 67 parameters of float32>"
    assert repr(graph()).startswith("<Model 'graph': (None, 4), (None, 4) -> (None, 1), (None, 2), 7 layers, ")
    assert repr(nn.Sequential([layers.Dense(3)], name="new")) == "<Sequential 'new': no shape yet>"
    assert repr(nn.Sequential(name="empty")) == "<Sequential 'empty': no shape yet>"
    assert repr(mine()) == "<Mine 'mine': (None, 2) -> (None, 4), 1 layer, 12 parameters of float32>"
    history = nn.callbacks.History()
    assert repr(history) == "<History: no epoch>"
    history.history = {"loss": [2.0, 1 / 3], "val_loss": [0.5], "f1": [np.ones(2), np.zeros(2)], "note": ["a", "b\nc"]}
    assert repr(history) == "<History: 2 epochs; at last loss 0.3333, val_loss 0.5, f1 [0. 0.], note b c>"


# ---- tables


@pytest.mark.parametrize("options", [
    {}, {"expand_nested": True}, {"show_trainable": True}, {"expand_nested": True, "show_trainable": True},
    {"line_length": 60}, {"line_length": 132, "show_trainable": True}, {"positions": [0.3, 0.6, 0.75, 0.9, 1.0]},
    {"line_length": 90, "positions": [30, 50, 65, 80, 90]},
])  # fmt: skip
@pytest.mark.parametrize("make", MODELS)
def test_nothing_is_too_wide_and_nothing_is_lost(make, options):
    model = make()
    rows, rest = table(model, **options)
    assert max(map(len, rows + rest)) <= options.get("line_length", 80)
    assert all(line == line.rstrip() and line.isascii() for line in rows + rest)
    together = re.sub(r"[\s|]", "", "".join(line[:200] for line in rows))
    for layer in model.layers:
        if "positions" not in options and options.get("line_length", 80) >= 80:
            assert layer.name[:10] in together
    columns = [*rest[2:]]
    assert f"{model.count_params():,} parameters" in "\n".join(columns)


def test_a_chain():
    model = chain()
    rows, rest = table(model)
    first, second = (layer.name for layer in model.layers)
    assert [line.split() for line in rows] == [[first, "(Dense)", "(None,", "8)", "40"],
                                               [second, "(Dense)", "(None,", "3)", "27"]]  # fmt: skip
    assert rest[0] == "Model 'chain'"
    assert "connected" not in rest[2]
    assert "67 parameters, 67 of them trainable, 268 bytes of float32" in rest


def test_a_graph():
    rows, rest = table(graph(), line_length=200)
    assert "connected to" in rest[2]
    assert named(rows, "joined") == ["joined (Concatenate)", "(None, 12)", "0", "shared, shared, inner"]
    assert named(rows, "shared") == ["shared (Dense)", "(None, 5)", "25", "a / b / a"]
    assert named(rows, "a") == ["a (InputLayer)", "(None, 4)", "0"]
    assert not any("deep" in row for row in rows)


def test_expanded_models_and_trainable_layers():
    rows, _ = table(graph(), expand_nested=True, show_trainable=True, line_length=200)
    deep = next(row for row in rows if "deep" in row)
    assert deep.startswith("| deep (Dense)")
    assert named(rows, "shared")[-1] == "no"
    assert named(rows, "one")[-1] == "yes"
    assert named(rows, "joined")[-1] == "-"


def test_shapes_stay_in_one_line_at_80_columns():
    rows, _ = table(images())
    assert sum("(None, 16, 16, 3)" in row for row in rows) == 7


def test_a_range_of_layers():
    def first_words(**options):
        return [row.split()[0] for row in table(graph(), line_length=200, **options)[0]]

    assert first_words(layer_range=["shared", "joined"])[0] == "shared"
    assert first_words(layer_range=["joined", "one"]) == ["joined", "one"]
    assert first_words(layer_range=["jo.n", "on"]) == ["joined", "one"]


def test_what_the_optimizer_keeps_is_said():
    model = chain()
    model.compile("adam", "mse")
    model.train_on_batch(np.zeros((2, 4)), np.zeros((2, 3)))
    assert "optimizer 'adam': 134 numbers of state" in table(model)[1]


def test_print_is_the_rule(capsys):
    chain().summary()
    assert capsys.readouterr().out.startswith("Model 'chain'\n----")


@pytest.mark.parametrize(("options", "message"), [
    ({"line_length": 20}, "line_length must be at least 40; got 20"),
    ({"positions": [0.5, 0.4, 0.6, 1.0]}, "positions must be 4 growing numbers"),
    ({"positions": [0.5, 1.0]}, "positions must be 4 growing numbers, where columns end"),
    ({"positions": [0.01, 0.4, 0.6, 1.0]}, "too narrow"),
    ({"layer_range": ["one"]}, "layer_range must be two names"),
    ({"layer_range": ["one", "nobody"]}, "names 'nobody', and there is no such layer"),
    ({"layer_range": ["one", "("]}, "no regular expression"),
    ({"layer_range": ["one", "shared"]}, "'shared' comes before 'one'"),
])  # fmt: skip
def test_tables_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        graph().summary(**options)


# ---- notebooks


def elements(html):
    """The tree of what must be well formed; it has no scripts, and loads nothing."""
    assert "<script" not in html
    assert "http" not in html
    return xml.etree.ElementTree.fromstring(html.replace(" open>", ">"))


@pytest.mark.parametrize("make", MODELS)
def test_models_as_html(make):
    model = make()
    html = model._repr_html_()
    tree = elements(html)
    text = "".join(tree.itertext())
    for layer in model.layers:
        assert f"{layer.name} (" in text
    assert f"{model.count_params():,} parameters" in text
    assert len(html) < 6000


def test_names_in_html_are_escaped():
    name = "<img src=x onerror='alert(1)'>&\""
    model = nn.Sequential([nn.Input((2,)), layers.Dense(1, name=name)], name=name)
    tree = elements(model._repr_html_())
    assert not list(tree.iter("img"))
    assert name in "".join(tree.itertext())
    assert not list(elements(nn.Sequential([layers.Dense(1)], name=name)._repr_html_()).iter("img"))
    history = nn.callbacks.History()
    history.history = {name: [1.0, 2.0]}
    assert name in "".join(elements(history._repr_html_()).itertext())


def test_long_models_are_cut():
    model = nn.Sequential([nn.Input((2,)), *[layers.Dense(2) for _ in range(100)]])
    html = model._repr_html_()
    assert "and 60 more layers" in html
    assert "<details>" in html  # folded away
    assert "<details open>" in chain()._repr_html_()


def points(polyline):
    return [tuple(map(float, point.split(","))) for point in polyline.get("points").split()]


def test_curves_in_html():
    model = chain()
    model.compile("sgd", "mse")
    x, y = np.ones((20, 4)), np.ones((20, 3))
    history = model.fit(x, y, epochs=5, verbose=0, validation_data=(x, y), validation_freq=2)
    tree = elements(history._repr_html_())
    (drawn,) = tree.iter("svg")
    training, validation = (points(line) for line in drawn.iter("polyline"))
    assert len(training) == 5
    assert len(validation) == 2
    assert [p[0] for p in validation] == [training[1][0], training[3][0]]  # their own epochs
    assert training[0][1] < training[-1][1]  # down, as y grows downwards
    text = "".join(tree.itertext())
    assert f"{history.history['loss'][-1]:.4g}" in text
    assert "5 epochs" in text


@pytest.mark.parametrize("curves", [
    {}, {"loss": []}, {"loss": [1.0]}, {"loss": [np.nan, np.inf]}, {"loss": [1.0] * 5}, {"f1": [np.ones(3)]},
    {"note": ["text"]}, {"val_loss": [1.0, 2.0]}, {"loss": [0.1] * 100_000},
    {f"metric_{i}": [1.0, 2.0] for i in range(40)},
])  # fmt: skip
def test_all_kinds_of_histories(curves):
    history = nn.callbacks.History()
    history.history = curves
    html = history._repr_html_()
    elements(html)
    assert "nan" not in re.sub(r">[^<]*<", "><", html)  # in no coordinate
    assert len(html) < 12_000
    assert repr(history).startswith("<History: ")


@pytest.mark.parametrize(("optimizer", "said"), [
    (nn.optimizers.Adam(), "Adam()"),
    (nn.optimizers.Adam(0.05, use_ema=True, name="mine"), "Adam(learning_rate=0.05, use_ema=True, name='mine')"),
    (nn.optimizers.SGD(0.5, 0.9, clipnorm=1.0), "SGD(learning_rate=0.5, clipnorm=1.0, momentum=0.9)"),
    (nn.optimizers.AdamW(nn.optimizers.schedules.CosineDecay(0.1, 9)), "AdamW(learning_rate='CosineDecay')"),
])  # fmt: skip
def test_an_optimizer_says_what_is_not_usual_about_it(optimizer, said):
    assert repr(optimizer) == said
