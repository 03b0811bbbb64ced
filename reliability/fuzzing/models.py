"""Small models of all kinds of layers, and files of them."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import nncore as nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nncore._typing import Array, Config

L = nn.layers


def _chain(shape: tuple[int, ...], *layers: Any, **options: Any) -> Any:
    return nn.Sequential([nn.Input(shape, name="x"), *layers], name="model", seed=1, **options)


def dense(compiled: bool = True) -> Any:
    """Two layers, trained a step."""
    model = _chain(
        (3,),
        L.Dense(4, activation="relu", kernel_regularizer="l2", name="a"),
        L.Dropout(0.2, seed=3, name="d"),
        L.Dense(2, activation="softmax", name="b"),
    )
    if compiled:
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.train_on_batch(np.ones((2, 3), np.float32), np.array([0, 1]))
    return model


def scheduled() -> Any:
    """A schedule, momentum and accumulation."""
    rate = nn.optimizers.schedules.Warmup(nn.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9), 3)
    model = _chain((2,), L.Dense(1, name="a", kernel_constraint="non_neg"), dtype="float64")
    model.compile(
        nn.optimizers.SGD(rate, momentum=0.9, clipnorm=1.0, gradient_accumulation_steps=2),
        nn.losses.Huber(0.7),
        metrics=[nn.metrics.MeanSquaredError(name="m")],
    )
    model.train_on_batch(np.ones((2, 2)), np.ones((2, 1)))
    return model


def branched() -> Any:
    """Two inputs, a shared layer, arithmetic, two outputs."""
    a, b = nn.Input((4,), name="a"), nn.Input((4,), name="b")
    shared = L.Dense(3, activation="tanh", name="s")
    joined = L.Concatenate(name="j")([shared(a), shared(b)])
    return nn.Model(
        [a, b], [L.Dense(1, name="o")(joined), L.Multiply(name="p")([shared(a), shared(b)])], name="m", seed=2
    )


def images() -> Any:
    """Convolutions and their kin."""
    return _chain(
        (6, 6, 2),
        L.Conv2D(3, 3, strides=2, padding="same", activation="relu", name="c"),
        L.BatchNormalization(name="n"),
        L.DepthwiseConv2D(2, depth_multiplier=2, name="w"),
        L.UpSampling2D(2, name="u"),
        L.ZeroPadding2D(1, name="z"),
        L.MaxPooling2D(2, name="p"),
        L.Conv2DTranspose(2, 2, strides=2, name="t"),
        L.Cropping2D(1, name="k"),
        L.SeparableConv2D(2, 2, name="q"),
        L.GlobalAveragePooling2D(name="g"),
        L.Dense(1, name="o"),
    )


def signals() -> Any:
    """Windows over sequences."""
    return _chain(
        (9, 2),
        L.Conv1D(4, 3, padding="causal", dilation_rate=2, groups=2, name="c"),
        L.GroupNormalization(2, name="n"),
        L.AveragePooling1D(2, name="p"),
        L.SpatialDropout1D(0.1, seed=1, name="d"),
        L.LeakyReLU(name="l"),
        L.PReLU(name="r"),
        L.LayerNormalization(name="y"),
        L.Flatten(name="f"),
        L.RepeatVector(2, name="v"),
        L.Permute((2, 1), name="e"),
        L.Reshape((-1,), name="h"),
        L.UnitNormalization(name="u"),
    )


def words() -> Any:
    """Numbers of words, masks, recurrent layers."""
    return _chain(
        (4,),
        L.Embedding(5, 3, mask_zero=True, name="e"),
        L.Bidirectional(L.GRU(2, return_sequences=True, name="g"), name="b"),
        L.LSTM(2, return_sequences=True, name="l"),
        L.TimeDistributed(L.Dense(2, name="t"), name="d"),
        L.SimpleRNN(2, name="r"),
    )


def attended() -> Any:
    """Attention of both kinds."""
    x = nn.Input((3, 4), name="x")
    y = L.MultiHeadAttention(2, 2, name="m")(x, x, use_causal_mask=True)
    z = L.Attention(name="a")([L.Add(name="s")([x, y]), x])
    return nn.Model(
        x, L.Dense(1, name="o")(L.GlobalMaxPooling1D(name="g")(L.RMSNormalization(name="n")(z))), name="m", seed=1
    )


def prepared() -> Any:
    """Layers that encode data."""
    a, b, c = nn.Input((1,), dtype="string", name="a"), nn.Input((2,), name="b"), nn.Input((1,), name="c")
    levels = L.StringLookup(vocabulary=["r", "g"], output_mode="one_hot", name="v")(a)
    numbers = L.Normalization(mean=[1.0, 2.0], variance=[1.0, 0.5], name="n")(b)
    bins = L.CategoryEncoding(3, output_mode="one_hot", name="e")(
        L.Discretization(bin_boundaries=[0.0, 1.0], name="d")(c)
    )
    return nn.Model([a, b, c], L.Dense(1, name="o")(L.Concatenate(name="j")([levels, numbers, bins])), name="m", seed=1)


def texts() -> Any:
    """Texts into numbers."""
    return _chain(
        (1,),
        L.TextVectorization(vocabulary=["to", "be"], output_sequence_length=3, name="t"),
        L.Embedding(4, 2, name="e"),
        L.Flatten(name="f"),
        L.Dense(1, name="o"),
    )


def nested() -> Any:
    """A model in a model, one layer in both."""
    inner = _chain((3,), L.Dense(3, name="i"), L.Activation("gelu", name="g"))
    x = nn.Input((3,), name="x")
    return nn.Model(
        x,
        L.Subtract(name="o")([inner(x), L.GaussianNoise(0.1, seed=1, name="n")(inner.layers[0](x))]),
        name="m",
        seed=1,
    )


ALL: dict[str, Callable[[], Any]] = {
    "dense": dense,
    "scheduled": scheduled,
    "branched": branched,
    "images": images,
    "signals": signals,
    "words": words,
    "attended": attended,
    "prepared": prepared,
    "texts": texts,
    "nested": nested,
}


@functools.cache
def model(name: str) -> Any:
    """One of `ALL`, made once."""
    return ALL[name]()


def file_of(save: Callable[[str], Any]) -> bytes:
    """What a function writes that is given a path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        save(str(path))
        return path.read_bytes()


# ---- files in parts, for mutations


def parts(data: bytes) -> tuple[Config, dict[str, Array]]:
    """(description, tensors) of a model's file, checked by nothing; ValueError for what is none."""
    import safetensors.numpy

    size = int.from_bytes(data[:8], "little")
    if not 2 <= size <= len(data) - 8:
        raise ValueError("no header")
    described = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["nncore"])
    try:
        tensors = safetensors.numpy.load(data)
    except Exception as error:
        raise ValueError("no tensors") from error
    return json.loads(described["model"]), dict(sorted(tensors.items()))  # else in any order


def whole(state: Any, tensors: dict[str, Array]) -> bytes:
    """A file of these parts whose checksum holds."""
    from safetensors.numpy import save

    from nncore.models import saving

    text = json.dumps(state)
    return save(tensors, metadata={"nncore": json.dumps({"sha256": saving._digest(text, tensors), "model": text})})


DTYPES = ("float32", "float64", "float16", "int8", "uint8", "int64", "bool")


def mutate_tensors(tensors: dict[str, Array], random: Any) -> dict[str, Array]:
    """Tensors of which one has another name, shape, type or numbers, or is not there."""
    changed = dict(tensors)
    with np.errstate(all="ignore"):
        _change(changed, random)
    return changed


def _change(changed: dict[str, Array], random: Any) -> None:
    name = random.choice([*changed, "weights.0"])
    array = changed.get(name, np.ones(1, np.float32))
    kind = random.randrange(8)
    if kind == 0:
        changed.pop(name, None)
    elif kind == 1:
        changed[
            random.choice(
                [
                    "weights.x",
                    "weights.",
                    "weights.1.5",
                    "weights.-1",
                    "optimizer.9",
                    "training.0",
                    "weights.٣",
                    name + "0",
                ]
            )
        ] = array
    elif kind == 2:
        changed[name] = array.astype(random.choice(DTYPES))
    elif kind == 3:
        changed[name] = np.ones(
            [random.choice((0, 1, 2, 3, 4)) for _ in range(random.randrange(5))], random.choice(DTYPES)
        )
    elif kind == 4:
        changed[name] = np.ascontiguousarray(array.T)
    elif kind == 5:
        other = random.choice([*changed, name])
        changed[name], changed[other] = changed.get(other, array), array
    elif array.size:
        array = array.copy()
        array.reshape(-1)[random.randrange(array.size)] = random.choice(
            (0, 1, -1, 127) if array.dtype.kind != "f" else (0.0, np.nan, np.inf, -np.inf, 3e38, 1e-42)
        )
        changed[name] = array


def same(a: Any, b: Any) -> bool:
    """Whether two models have the same description and the same bits."""
    from nncore.models import saving

    first, second = saving.state_of(a), saving.state_of(b)
    return (
        json.dumps(first["state"]) == json.dumps(second["state"])
        and list(first["tensors"]) == list(second["tensors"])
        and all(
            one.dtype == other.dtype and one.tobytes() == other.tobytes()
            for one, other in zip(first["tensors"].values(), second["tensors"].values(), strict=True)
        )
    )


MOST_ELEMENTS = 20_000  # of a sample in all layers, where a model is to compute


def is_small(shapes: Iterable[Any]) -> bool:
    """Whether tensors of these shapes are few elements together."""
    return sum(int(np.prod([float(n or 1) for n in shape])) for shape in shapes) <= MOST_ELEMENTS


def can_compute(made: Any) -> bool:
    """Whether a model is so small that calling it is cheap."""
    tensors = [tensor for node in made.graph.nodes for tensor in node.outputs]
    return (
        len(tensors) < 60
        and is_small(tensor.sample_shape for tensor in tensors)
        and made.count_params() <= MOST_ELEMENTS
    )


def data_for(made: Any, rows: int = 2) -> list[Array]:
    """Numbers for a model's inputs; small whole ones, so that they are good for an `Embedding`."""
    return [np.ones((rows, *tensor.sample_shape), np.float32) for tensor in made.inputs]


def compute(made: Any) -> None:
    """A prediction of a model, and a step of its gradients: a refusal is one of the caller's, who hands it on."""
    x = data_for(made)
    x = x if len(x) > 1 else x[0]
    y = made.predict(x, verbose=0)
    for array, tensor in zip(y if isinstance(y, list) else [y], made.outputs, strict=True):
        assert array.shape == (2, *tensor.sample_shape), f"{array.shape} and not {tensor.sample_shape}"
    made.forward(x, training=True)
    made.backward(y)
