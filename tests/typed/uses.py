"""What users write, with the types that it must have. Read by type checkers, and never run: see ../test_typing.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import nncore as nn
from nncore.layers.tensor import Tensor

Array = NDArray[Any]


def models(x: NDArray[np.float32], y: NDArray[np.int64]) -> None:
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(8, activation="relu", name="first"), nn.layers.Dense(3)])
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    history = model.fit(x, y, batch_size=32, epochs=2, verbose=0, callbacks=[nn.callbacks.EarlyStopping("loss")],
                        validation_data=(x, y), class_weight={0: 1.0, 1: 2.0})  # fmt: skip
    assert_type(history, nn.callbacks.History)
    assert_type(history.history["loss"], list[Any])
    assert_type(model.fit(x.tolist(), [0, 1, 2], verbose="auto"), nn.callbacks.History)
    assert_type(model.predict(x), Array | Any)
    assert_type(model.predict_on_batch(x), Array | Any)
    assert_type(model(x), Array | Any)
    assert_type(model.predict(x).argmax(1), Any)
    assert_type(model.evaluate(x, y, return_dict=True), dict[str, Any])
    loss, accuracy = model.evaluate(x, y)
    print(f"{loss:.3f} {accuracy:.2%}")
    assert_type(model.value_and_gradients(x, y), tuple[float, list[Array]])
    assert_type(model.weights, list[Array])
    assert_type(model.trainable_variables, list[Array])
    assert_type(model.count_params(), int)
    assert_type(model.metrics_names, list[str])
    assert_type(model.optimizer.learning_rate, float | Any)
    model.optimizer.learning_rate = 0.1
    model.add(nn.layers.Dropout(0.5))
    model.save(Path("model.safetensors"))
    assert_type(nn.models.load_model("model.safetensors"), nn.Model)
    model.summary(print_fn=print)
    first = model.get_layer("first")
    print(first.kernel.shape, model.layers[0].units, model.output_shape[-1])


def graphs(x: Array) -> None:
    a, b = nn.Input((4,)), nn.Input((2,), name="b")
    hidden = nn.layers.Dense(8, activation=nn.activations.relu)(a)
    assert_type(nn.layers.Concatenate()([hidden, b]).name, str)
    assert_type(a + 2 * b - a / 3, Tensor)
    model = nn.Model([a, b], nn.layers.Dense(1)(nn.layers.Concatenate()([hidden, b])), dtype="float64", seed=1)
    model.compile(loss=["mse"], optimizer=nn.optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0))
    model.fit({"a": x, "b": x}, {"y": x}, sample_weight=x[:, 0])
    first, second = nn.Model(a, [hidden, b])(x)
    sequence = nn.Input((5, 3))
    output, state = nn.layers.GRU(4, return_state=True)(sequence)
    nn.layers.LSTM(4, return_sequences=True)(sequence, initial_state=[state, state])
    nn.layers.Bidirectional(nn.layers.LSTM(4), merge_mode="sum")(sequence)
    nn.layers.MultiHeadAttention(2, 4)(sequence, sequence, use_causal_mask=True)
    assert_type(nn.layers.Dense(3)(x), Array | Any)
    print(first, second, output)


def data() -> None:
    model = nn.Sequential([nn.layers.Dense(1)])

    def batches() -> Iterator[tuple[Array, Array]]:
        while True:
            yield np.zeros((8, 2)), np.zeros((8, 1))

    class Lines(nn.utils.PyDataset):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> tuple[Array, Array]:
            return np.full((8, 2), index), np.zeros((8, 1))

    model.fit(batches(), steps_per_epoch=3)
    model.fit(Lines(), validation_data=batches(), validation_steps=1)
    model.fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    (x, y), _ = nn.datasets.digits.load_data()
    assert_type(x, Array)
    assert_type(nn.utils.to_categorical(y, 10), Array)
    result = nn.interop.scipy.minimize(model, x, y, callback=lambda iteration, loss: loss < 0.1)
    assert_type(result.loss, float)
    assert_type(result.history, list[float])


def arrays(y_true: Array, y_pred: Array) -> None:
    loss = nn.losses.Huber(0.5, reduction="none", name="robust")
    assert_type(loss(y_true, y_pred), float | Any)
    assert_type(loss.value_and_gradient(y_true, y_pred), tuple[float, Array])
    assert_type(nn.losses.mean_squared_error(y_true, y_pred), Array)
    metric = nn.metrics.AUC(curve="PR", thresholds=[0.2, 0.5])
    metric.update_state(y_true, y_pred, sample_weight=[1.0, 2.0])
    assert_type(metric.result(), float | Any)
    assert_type(nn.activations.relu(y_pred, negative_slope=0.1), Array)
    assert_type(nn.activations.relu.with_parameters(negative_slope=0.1).name, str)
    assert_type(nn.initializers.get("he_normal")((3, 4)), Array)
    assert_type(nn.regularizers.get(None), nn.regularizers.Regularizer | None)
    optimizer = nn.optimizers.AdamW(nn.optimizers.schedules.CosineDecay(0.1, 100), weight_decay=0.1, use_ema=True)
    optimizer.apply([y_pred], [y_pred])
    assert_type(optimizer.iterations, int)
    assert_type(nn.optimizers.schedules.OneCycle(0.1, 100)(3), float)
    with nn.config.threads(2):
        assert_type(nn.config.get_num_threads(), int)


class Scale(nn.layers.Layer):
    """A layer in NumPy."""

    def __init__(self, factor: float = 2.0, **common: Any) -> None:
        super().__init__(**common)
        self.factor = factor

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.offset = self.add_weight("offset", (input_shape[-1],), "zeros")

    def forward(self, x: Array, training: bool = False) -> Array:
        return np.multiply(x, self.factor) + self.offset.array

    def backward(self, dy: Array) -> Array:
        self.gradients[0][...] += dy.sum(axis=0)
        return np.multiply(dy, self.factor)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, **super().get_config()}


class Block(nn.layers.Layer):
    """A layer made of others."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.dense = nn.layers.Dense(units)

    def call(self, inputs: Tensor) -> Tensor:
        return self.dense(inputs) + inputs


class Classifier(nn.Model):
    def __init__(self) -> None:
        super().__init__()
        self.block = Block(3)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self.block(inputs)


class Quantile(nn.losses.Loss):
    def call(self, y_true: Array, y_pred: Array) -> Array:
        values: Array = np.abs(y_true - y_pred)
        return values

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        slope: Array = np.sign(y_pred - y_true)
        return slope


class Largest(nn.metrics.Metric):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.largest = float(np.max(y_pred))

    def result(self) -> float:
        return self.largest


class Note(nn.callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.stop_training = (logs or {})["loss"] < 0.1
        assert_type(self.model, nn.Model | Any)


def everyday(x: Array, words: list[str]) -> None:
    lookup = nn.layers.StringLookup(output_mode="one_hot", num_oov_indices=2)
    lookup.adapt(words)
    assert_type(lookup.get_vocabulary(), list[Any])
    assert_type(lookup(np.array(words)), Array | Any)
    nn.layers.Normalization(axis=-1).adapt(x)
    nn.layers.Discretization(num_bins=4, epsilon=0.1).adapt([x, x])
    nn.layers.CategoryEncoding(3, output_mode="count")(x, count_weights=x)
    vectorization = nn.layers.TextVectorization(ngrams=2, standardize=None, output_sequence_length=5)
    assert_type(vectorization.vocabulary_size(), int)
    assert_type(nn.utils.pad_sequences([[1], [2, 3]], maxlen=2, padding="post"), Array)
    (x_train, y_train), (x_test, y_test) = nn.utils.split_dataset((x, x), left_size=0.8)
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)])
    checkpoint = nn.callbacks.ModelCheckpoint("{epoch}.safetensors", keep_last=2, resume=True)
    history = model.fit(x_train, y_train, callbacks=[checkpoint, nn.callbacks.BackupAndRestore("backup")])
    history.plot(names="loss", log_scale=True).savefig("curves.png")
    model.plot(rankdir="LR").savefig("model.png")
    nn.plots.confusion_matrix(y_test, model.predict(x_test), normalize="true", display_labels=["a", "b", "c"])
    steps, losses = nn.plots.loss_landscape_values(model, x, x, dimensions=1)
    print(losses.shape, steps.shape)


def bridges(x: Array, module: Any) -> None:
    model = nn.interop.torch.from_torch(module, (4,), seed=1)
    assert_type(model, nn.Model)
    assert_type(nn.interop.keras.from_keras("model.keras", compile=False), nn.Model)
    nn.interop.onnx.export(model, Path("model.onnx"), input_types="uint8")
    assert_type(nn.interop.onnx.load("model.onnx"), nn.Model)
    nn.interop.c.export(model, "model.c", header="model.h")
    classifier = nn.interop.sklearn.MLPClassifier((8, 8), activation=["relu", "tanh"], dropout=0.1, n_jobs=2)
    assert_type(classifier.fit(x, x[:, 0]).predict(x), Array)
    nn.interop.sklearn.NNRegressor(lambda: model, epochs=3).partial_fit(x, x[:, 0])
    assert_type(nn.embed.load("model.safetensors", threads=2), nn.embed.Predictor)
