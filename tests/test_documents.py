"""Documents and docstrings: nothing public is left out, examples and links are true.

The Python of the documents themselves is run by .ci/run.
"""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import nncore as nn

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")),
             ROOT / "examples" / "README.md"]  # fmt: skip
# Of each module the section of docs/training.md that its classes belong to; all of it where they are in several.
SECTIONS = {
    nn.losses: "## Maximum likelihood and losses",
    nn.optimizers: "## Optimizers",
    nn.optimizers.schedules: "## Schedules",
    nn.layers: "",
    nn.metrics: "## Metrics",
    nn.callbacks: "### Callbacks",
    nn.initializers: "## Initialisation",
    nn.regularizers: "## Regularisation",
    nn.constraints: "## Regularisation",
}
OTHERS = (nn, nn.activations, nn.config, nn.datasets.digits, nn.datasets.mnist, nn.embed, nn.models, nn.plots,
          nn.saving, nn.testing, nn.utils, *(getattr(nn.interop, name) for name in nn.interop.__all__))  # fmt: skip
# Insides of bridges, which cannot be imported without what they bridge to.
INSIDES = ("nncore.interop.torch.reading", "nncore.interop.torch.writing")

X, Y = np.zeros((4, 3)), np.zeros((4, 1))


def regression(layers=(), **compilation):
    model = nn.Sequential([nn.Input((3,)), *layers, nn.layers.Dense(1, activation="sigmoid")])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **compilation})
    return model


def masked(layer, **compilation):
    model = nn.Sequential([nn.Input((3,)), nn.layers.Embedding(5, 2, mask_zero=True), layer, nn.layers.Dense(1)])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **compilation})
    return model


def assign_a_schedule():
    regression().optimizer.learning_rate = nn.optimizers.schedules.LinearDecay(0.1, 10)


# What docs/from-keras.md says is refused, by words of its rows, which stand there.
REFUSED = {
    "TypeError for functions and lambdas": [
        lambda: nn.layers.Dense(3, activation=lambda x: x), lambda: nn.layers.Dense(3, kernel_regularizer=lambda w: 0),
        lambda: nn.layers.Dense(3, kernel_constraint=lambda w: w)],
    "`relu` with a negative threshold": [
        lambda: nn.activations.relu(X, threshold=-1.0), lambda: nn.layers.Softmax(axis=0)(nn.Input((3, 4))),
        lambda: nn.layers.PReLU(alpha_regularizer="l2")],
    "`layer(tensor, training=True)`": [lambda: nn.layers.Dropout(0.5)(nn.Input((3,)), training=True)],
    "`dtype` of layers": [
        lambda: nn.layers.Dense(3, dtype="float32"), lambda: nn.losses.Hinge(dtype="float32"),
        lambda: nn.metrics.Mean(dtype="float32")],
    "a model with it cannot be saved": [
        lambda: regression([nn.layers.Dense(3, kernel_initializer=lambda shape, dtype: np.ones(shape))]).save("m")],
    "`Input` with `batch_size`": [
        lambda: nn.Input((3,), batch_size=4), lambda: nn.Input((3,), sparse=True), lambda: nn.Input((3,), ragged=True),
        lambda: nn.Input((3,), optional=True), lambda: nn.Input(tensor=X), lambda: nn.Input((None, 3))],
    "`Dropout(noise_shape=...)`": [lambda: nn.layers.Dropout(0.5, noise_shape=(4, 1))],
    "`GaussianDropout(1)`": [lambda: nn.layers.GaussianDropout(1), lambda: nn.layers.AlphaDropout(1)],
    "`BatchNormalization(renorm=": [
        lambda: nn.layers.BatchNormalization(renorm=True), lambda: nn.layers.BatchNormalization(synchronized=True),
        lambda: nn.layers.LayerNormalization(rms_scaling=True), lambda: nn.layers.Dense(3, lora_rank=2),
        lambda: nn.layers.Dense(3, quantization_config=1), lambda: nn.layers.Flatten(data_format="channels_first"),
        lambda: nn.layers.MaxPooling2D(data_format="channels_first")],
    "`UpSampling2D(interpolation=...)`": [lambda: nn.layers.UpSampling2D(interpolation="bicubic")],
    '`LSTM(activation="softmax")`': [
        lambda: nn.layers.LSTM(2, activation="softmax"), lambda: nn.layers.GRU(2, dropout=1),
        lambda: nn.layers.GRU(2, use_cudnn=True), lambda: nn.layers.LSTM(2, implementation=1),
        lambda: nn.layers.LSTM(2)(nn.Input((3, 4)), mask=nn.Input((3,))),
        lambda: nn.layers.Bidirectional(nn.layers.Dense(2)),
        lambda: nn.layers.Bidirectional(nn.layers.GRU(2), weights=[X])],
    "along axes that are not neighbours": [lambda: nn.constraints.MaxNorm(axis=(0, 2))(np.ones((2, 2, 2)))],
    "`axis` of cross-entropies": [
        lambda: nn.losses.BinaryCrossentropy(axis=1), lambda: nn.losses.CosineSimilarity(axis=1),
        lambda: nn.metrics.IoU(2, [0], axis=1)],
    "`BatchNormalization` of masked steps": [
        lambda: masked(nn.layers.BatchNormalization()).fit(np.zeros((4, 3)), np.zeros((4, 3, 1)), verbose=0)],
    "`MultiHeadAttention(attention_axes=": [
        lambda: nn.layers.MultiHeadAttention(2, 3, attention_axes=(2,)),
        lambda: nn.layers.MultiHeadAttention(2, 3, sliding_window=2),
        lambda: nn.layers.MultiHeadAttention(2, 3, flash_attention=True),
        lambda: nn.layers.MultiHeadAttention(2, 3, use_gate=True),
        lambda: nn.layers.MultiHeadAttention(2, 3)(nn.Input((2, 3, 4)), nn.Input((2, 3, 4)))],
    "`Embedding(lora_rank=...)`": [lambda: nn.layers.Embedding(3, 4, lora_rank=2)],
    "numbers outside of the table": [lambda: masked(nn.layers.Dropout(0.1)).predict(np.full((4, 3), 7))],
    "targets that broadcast": [lambda: regression().evaluate(X, np.zeros((4, 2)))],
    "`sample_weight` for each element": [
        lambda: regression().evaluate(X, Y, sample_weight=np.ones((4, 2))),
        lambda: masked(nn.layers.Dropout(0.1), weighted_metrics=[nn.metrics.AUC()]).evaluate(
            X, np.zeros((4, 3, 1)), sample_weight=np.ones((4, 3))),
        lambda: masked(nn.layers.Dropout(0.1)).fit(X, np.zeros((4, 3, 1)), class_weight={0: 2.0})],
    "metric `SparseCategoricalCrossentropy(ignore_class=...)`": [
        lambda: nn.metrics.SparseCategoricalCrossentropy(ignore_class=1),
        lambda: nn.metrics.SparseTopKCategoricalAccuracy(from_sorted_ids=True)],
    "`Muon(exclude_layers=...)`": [lambda: nn.optimizers.Muon(exclude_layers=["a"]).apply([X], [X.copy()])],
    "`loss_scale_factor`": [
        lambda: nn.optimizers.SGD(loss_scale_factor=2.0), lambda: nn.optimizers.AdamW(weight_decay=None)],
    "a schedule assigned to": [assign_a_schedule],
    "schedules of less than one step": [lambda: nn.optimizers.schedules.LinearDecay(0.1, 0.5)],
    "`compile(run_eagerly=True)`": [lambda: regression(run_eagerly=True)],
    "`load_model(safe_mode=False)`": [lambda: nn.models.load_model("m", safe_mode=False)],
    "`RNN(stateful=": [
        lambda: nn.layers.RNN(nn.layers.Dense(3)), lambda: nn.layers.TimeDistributed(nn.layers.Dense(3))(X, mask=X)],
    "an unknown `mode` warns": [
        lambda: nn.callbacks.EarlyStopping(mode="best"), lambda: nn.callbacks.EarlyStopping(patience=-1)],
    "a monitor whose direction": [
        lambda: regression().fit(X, Y, callbacks=[nn.callbacks.EarlyStopping("some")], verbose=0)],
    "`write_images`, `profile_batch`": [
        lambda: nn.callbacks.TensorBoard(write_images=True), lambda: nn.callbacks.TensorBoard(profile_batch=2)],
}  # fmt: skip


def short(value):
    return value.__name__.removeprefix("nncore.") if inspect.ismodule(value) else value


def public(module):
    """Name and thing of all that is public in a module, but for modules."""
    things = ((name, getattr(module, name)) for name in getattr(module, "__all__", ["load_data"]))
    return [(name, thing) for name, thing in things if not inspect.ismodule(thing)]


def prose(text):
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def section(text, heading):
    """A section of a document, with those below it; all of it without a heading."""
    if not heading:
        return text
    level, lines = heading.split()[0], text.splitlines()
    begin = lines.index(heading)
    rest = lines[begin + 1 :]
    ends = (i for i, line in enumerate(rest) if line.startswith("#") and len(line.split()[0]) <= len(level))
    return "\n".join(rest[: next(ends, None)])


@pytest.mark.parametrize(("module", "heading"), SECTIONS.items(), ids=short)
def test_every_public_class_is_in_the_document_about_training(module, heading):
    text = prose((ROOT / "docs" / "training.md").read_text(encoding="utf-8"))
    named = {word for span in re.findall(r"`([^`\n]+)`", section(text, heading)) for word in re.findall(r"\w+", span)}
    classes = {name for name, thing in public(module) if isinstance(thing, type) and name == thing.__name__}
    assert len(classes) > 2
    assert sorted(classes - named) == []


@pytest.mark.parametrize("module", [*SECTIONS, *OTHERS], ids=short)
def test_everything_public_has_a_docstring(module):
    things = [(name, thing) for name, thing in public(module) if not isinstance(thing, str)]
    assert things
    assert [name for name, thing in things if not (thing.__doc__ or "").strip()] == []


@pytest.mark.parametrize("module", [*SECTIONS, nn.models], ids=short)
def test_public_methods_have_docstrings(module):
    bare = []
    for name, cls in public(module):
        for member, value in vars(cls).items() if isinstance(cls, type) else ():
            function = value.fget if isinstance(value, property) else value
            if not member.startswith("_") and inspect.isfunction(function) and not inspect.getdoc(getattr(cls, member)):
                bare.append(f"{name}.{member}")
    assert bare == []


def test_examples_in_docstrings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [module.name for module in pkgutil.walk_packages(nn.__path__, "nncore.")]
    results = [
        doctest.testmod(importlib.import_module(name), extraglobs={"nn": nn, "np": np})
        for name in names
        if not name.endswith("__main__") and not name.startswith(INSIDES)
    ]
    assert sum(result.attempted for result in results) > 20
    assert sum(result.failed for result in results) == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document.read_text(encoding="utf-8"))):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        other = document.parent / path if path else document
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", prose(other.read_text(encoding="utf-8")), flags=re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, target


def rows_of_differences():
    text = (ROOT / "docs" / "from-keras.md").read_text(encoding="utf-8")
    return [line for line in section(text, "## Every difference").splitlines() if line.startswith("|")]


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_said_to_be_refused_is(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len([row for row in rows_of_differences() if words in row]) == 1
    for attempt in REFUSED[words]:
        with pytest.raises((ValueError, TypeError)):
            attempt()


def test_what_is_said_to_be_missing_is():
    rows = [row.split("|")[2] for row in rows_of_differences() if row.startswith("| missing")]
    spans = {span for row in rows for span in re.findall(r"`([\w.]+)`", row)} - {"datasets", "mnist", "utils"}
    assert len(spans) > 40
    there = []
    for span in spans:
        *path, name = span.split(".")
        owners = [nn] if path else [nn, *SECTIONS]  # names without a module must be in none
        for step in path if path[:1] != ["keras"] else path[1:]:
            owners = [getattr(owner, step) for owner in owners if hasattr(owner, step)]
        there += [span for owner in owners if hasattr(owner, name)]
    assert there == []


def test_the_reference_has_every_public_module():
    pages = "".join(path.read_text("utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    described = set(re.findall(r"^::: (\S+)$", pages, re.MULTILINE))
    modules = [f"nncore.{name}" for name in nn.__all__ if inspect.ismodule(getattr(nn, name)) and name != "interop"]
    assert {*modules, *(f"nncore.interop.{name}" for name in nn.interop.__all__)} <= described
