"""Arguments of all kinds: what is refused is refused in the library's words, before anything changes."""

import json

import numpy as np
import pytest

import nncore as nn
from nncore import _data

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
Y = np.linspace(0, 1, 4, dtype=np.float32)
MANY = np.array([1, 2])  # an array is neither true nor false, and has __index__
RAGGED = [[1.0], [1.0, 2.0]]


def compiled():
    model = nn.Sequential([nn.Input((3,)), nn.layers.Dense(1)], seed=1)
    model.compile("sgd", "mse")
    return model


REFUSED_CALLS = {
    "validation_steps": (lambda m: m.fit(X, Y, verbose=0, validation_data=(X, Y), validation_steps="x"), TypeError,
                         "validation_steps must be an integer, not 'x'"),
    "validation_batch_size": (lambda m: m.fit(X, Y, verbose=0, validation_data=(X, Y), validation_batch_size=MANY),
                              TypeError, "validation_batch_size must be an integer"),
    "validation_batch_size 0": (lambda m: m.fit(X, Y, verbose=0, validation_data=(X, Y), validation_batch_size=0),
                                ValueError, "validation_batch_size must be at least 1"),
    "text for validation": (lambda m: m.fit(X, Y, verbose=0, validation_data="xy"), ValueError, "got str"),
    "a set for validation": (lambda m: m.fit(X, Y, verbose=0, validation_data={1, 2}), ValueError, "got set"),
    "a number for validation": (lambda m: m.fit(X, Y, verbose=0, validation_data=3.5), ValueError, "got float"),
    "a list of class weights": (lambda m: m.fit(X, Y, verbose=0, class_weight=[1.0]), TypeError, "a dict from class"),
    "a class weight of text": (lambda m: m.train_on_batch(X, Y, class_weight={0: "a"}), TypeError, "weight of class 0"),
    "an array for callbacks": (lambda m: m.fit(X, Y, verbose=0, callbacks=MANY), TypeError, "callbacks must be"),
    "an array for verbose": (lambda m: m.predict(X, verbose=MANY), ValueError, "verbose must be"),
    "an array for shuffle": (lambda m: m.fit(X, Y, verbose=0, shuffle=MANY), TypeError, "shuffle must be"),
    "a split beyond all floats": (lambda m: m.fit(X, Y, verbose=0, validation_split=10**400), ValueError, r"\[0, 1\)"),
    "an array for return_dict": (lambda m: m.train_on_batch(X, Y, return_dict=MANY), TypeError, "return_dict must be"),
    "for that of a test": (lambda m: m.test_on_batch(X, Y, return_dict="yes"), TypeError, "return_dict must be"),
    "for that of evaluate": (lambda m: m.evaluate(X, Y, verbose=0, return_dict=MANY), TypeError, "return_dict must be"),
    "an array for training": (lambda m: m.forward(X, training=MANY), TypeError, "training must be True or False"),
    "for that of a call": (lambda m: m(X, training=MANY), TypeError, "training must be True or False"),
    "a weight beyond float32": (lambda m: m.train_on_batch(X, Y, sample_weight=np.full(4, 1e300)), ValueError,
                                "finite in float32"),
    "a class weight beyond float32": (lambda m: m.train_on_batch(X, Y, class_weight={0: 1e300}), ValueError,
                                      "weight of class 0 must lie in"),
    "an integer beyond all floats": (lambda m: m.predict([[10**400, 1, 1]]), TypeError, "x must hold real numbers"),
    "ragged weights": (lambda m: m.set_weights([RAGGED, [0]]), ValueError, "array 0 cannot be read"),
    "no list of weights": (lambda m: m.set_weights(3), TypeError, "weights must be a list, not 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_CALLS)
def test_refused_calls(case):
    call, error, words = REFUSED_CALLS[case]
    model = compiled()
    before = [weight.copy() for weight in model.weights]
    with pytest.raises(error, match=words):
        call(model)
    assert model.optimizer.iterations == 0
    assert all((one == two).all() for one, two in zip(before, model.weights, strict=True))


class Named(nn.metrics.Mean):
    """A metric."""


REFUSED = {
    "axes of an initializer": (lambda: nn.initializers.GlorotNormal(input_axes=3.5), TypeError, "input_axes must"),
    "an axis": (lambda: nn.initializers.VarianceScaling(output_axes=[None]), TypeError, "output_axes must"),
    "a mode": (lambda: nn.initializers.VarianceScaling(mode=MANY), ValueError, "unknown mode"),
    "a shape": (lambda: nn.initializers.Zeros()(2.5), TypeError, "shape must be a list, not 2.5"),
    "a type": (lambda: nn.initializers.Zeros()((2,), "wood"), TypeError, "dtype must be float32"),
    "a model's type": (lambda: nn.Sequential(dtype="wood"), ValueError, "dtype must be 'float32'"),
    "a reduction": (lambda: nn.losses.MeanSquaredError(reduction=MANY), ValueError, "unknown reduction"),
    "the name of a loss": (lambda: nn.losses.MeanSquaredError(name=b"a"), TypeError, "name must be a string"),
    "the name of a metric": (lambda: Named(name=3), TypeError, "name must be a string, not 3"),
    "the name of an optimizer": (lambda: nn.optimizers.SGD(name=b"a"), TypeError, "name must be a string"),
    "the name of a schedule": (lambda: nn.optimizers.schedules.CosineDecay(0.1, 9, name=MANY), TypeError, "name must"),
    "the name of a model": (lambda: nn.Sequential(name=b"a"), TypeError, "name must be a string"),
    "an axis of a loss": (lambda: nn.losses.BinaryCrossentropy(axis=MANY), ValueError, "argument 'axis'"),
    "an ignored class": (lambda: nn.losses.SparseCategoricalCrossentropy(ignore_class=MANY), TypeError, "an integer"),
    "ragged predictions": (lambda: nn.losses.MeanSquaredError()([0, 1], RAGGED), ValueError, "y_pred cannot be read"),
    "those of a function": (lambda: nn.losses.hinge(RAGGED, [1.0, 2.0]), ValueError, "y_true cannot be read"),
    "those of a metric": (lambda: nn.metrics.MeanSquaredError()([0, 1], [0, 1], RAGGED), ValueError, "sample_weight"),
    "those of an activation": (lambda: nn.activations.tanh(RAGGED), ValueError, "cannot be read"),
    "an activation of text": (lambda: nn.activations.tanh("a"), TypeError, "must hold real numbers"),
    "thresholds": (lambda: nn.metrics.AUC(thresholds=0.5), TypeError, "thresholds must be a list"),
    "classes": (lambda: nn.metrics.IoU(3, 1), TypeError, "target_class_ids must be a list"),
    "more classes than memory": (lambda: nn.metrics.MeanIoU(2**64), ValueError, "num_classes must be at most"),
    "a thing to describe": (lambda: nn.losses.serialize(3), TypeError, "has no get_config"),
    "gradients": (lambda: nn.optimizers.SGD().apply(3, [np.zeros(2)]), TypeError, "gradients must be a list"),
    "a ragged gradient": (lambda: nn.optimizers.SGD().apply([RAGGED], [np.zeros(2)]), ValueError, "gradient 0 cannot"),
    "a step": (lambda: nn.optimizers.schedules.LinearDecay(0.1, 9)(2**63), ValueError, "step must be at most"),
    "an array for a step": (lambda: nn.optimizers.schedules.LinearDecay(0.1, 9)(MANY), TypeError, "step must be"),
    "boundaries": (lambda: nn.optimizers.schedules.PiecewiseConstantDecay(1, [1.0]), TypeError, "boundaries must be"),
    "bins": (lambda: nn.layers.Hashing(10**30), ValueError, "num_bins must be at most"),
    "ragged keys": (lambda: nn.layers.Hashing(4)([[1], [2, 3]]), ValueError, "inputs cannot be read as an array"),
    "an encoding": (lambda: nn.layers.StringLookup(encoding="no such"), ValueError, "encoding must be the name"),
    "ragged constants": (lambda: nn.initializers.Constant(RAGGED), ValueError, "Constant: value cannot be read"),
    "sequences of text": (lambda: nn.utils.pad_sequences(["ab"]), ValueError, "sequence 0 is none of int32"),
    "weights of labels": (lambda: nn.metrics.AUC(multi_label=True, label_weights=1.0), TypeError, "label_weights must"),
    "a mode to monitor": (lambda: nn.callbacks.ReduceLROnPlateau(mode=MANY), ValueError, "mode must be 'auto'"),
    "a threshold": (lambda: nn.metrics.binary_accuracy([1.0], [1.0], None), TypeError, "threshold must be a number"),
    "no classes": (lambda: nn.metrics.categorical_accuracy(np.zeros((4, 0)), X), ValueError, "must not be empty"),
    "boundaries of bins": (lambda: nn.layers.Discretization({}), TypeError, "bin_boundaries must hold real numbers"),
    "a shape of samples": (lambda: nn.layers.Reshape(2.5), TypeError, "target_shape must be a list"),
    "dims": (lambda: nn.layers.Permute(1), TypeError, "dims must be a list"),
    "an axis of a constraint": (lambda: nn.constraints.UnitNorm(axis=MANY), TypeError, "axis must be an integer"),
    "an axis of a layer": (lambda: nn.layers.UnitNormalization(axis=MANY), TypeError, "axis must be an integer"),
    "no noise shape": (lambda: nn.layers.Dropout(0.5, noise_shape=[]), ValueError, "must begin with None"),
    "data_format": (lambda: nn.layers.GlobalMaxPooling2D(data_format=MANY), ValueError, "data_format"),
    "samples of nothing": (lambda: nn.layers.UnitNormalization()(np.zeros((4, 0))), ValueError, "no empty ones"),
    "inputs to add": (lambda: nn.layers.add(1.5), TypeError, "inputs must be a list"),
    "infinite classes": (lambda: nn.utils.to_categorical([np.inf]), ValueError, "holds the class inf"),
    "classes of text": (lambda: nn.utils.to_categorical([1], "3"), TypeError, "num_classes must be an integer"),
    "a norm's axis": (lambda: nn.utils.normalize(3.0), ValueError, "normalize: axis"),
    "sequences": (lambda: nn.utils.pad_sequences(np.array(3)), TypeError, "sequences must be a list"),
    "a seed": (lambda: nn.config.set_seed(MANY), TypeError, "a seed must be an integer"),
    "an action": (lambda: nn.config.set_nonfinite(MANY), ValueError, "'raise' or 'ignore'"),
    "a check": (lambda: nn.config.set_check_finite(MANY), TypeError, "True or False"),
    "prefetching": (lambda: nn.config.set_prefetch(MANY), TypeError, "True or False"),
    "a metric of nothing": (lambda: nn.metrics.MeanSquaredError()(np.zeros((4, 0)), np.zeros((4, 0))), ValueError,
                            "of no features"),
    "accuracy of nothing": (lambda: nn.metrics.BinaryAccuracy()(np.zeros((4, 0)), np.zeros((4, 0))), ValueError,
                            "of no features"),
    "no axis of a constraint": (lambda: nn.constraints.MaxNorm(axis=[]), ValueError, "at least one axis"),
    "what is off": (lambda: nn.layers.BatchNormalization(renorm=MANY), ValueError, "argument 'renorm'"),
    "an array that is empty": (lambda: nn.layers.Hashing(3, sparse=np.zeros(0)), ValueError, "argument 'sparse'"),
    "a momentum that is off": (lambda: nn.layers.BatchNormalization(renorm_momentum=MANY), TypeError, "renorm_"),
    "a distribution": (lambda: nn.initializers.VarianceScaling(distribution=MANY), ValueError, "unknown distribution"),
    "an aggregation": (lambda: nn.metrics.R2Score(MANY), ValueError, "class_aggregation must be"),
    "padding": (lambda: nn.layers.Conv1D(2, 3, padding=MANY), ValueError, "padding must be one of"),
    "annealing": (lambda: nn.optimizers.schedules.OneCycle(1.0, 2, annealing=MANY), ValueError, "annealing must be"),
    "layers of Muon": (lambda: nn.optimizers.Muon(exclude_layers=1.5), TypeError, "must be a list of str"),
    "a ragged table": (lambda: nn.layers.Embedding(4, 3, weights=RAGGED), ValueError, "weights cannot be read"),
    "a ragged alpha": (lambda: nn.losses.CategoricalFocalCrossentropy(alpha=RAGGED), TypeError, "alpha must"),
    "ragged labels": (lambda: nn.metrics.Precision(top_k=1)(RAGGED, [1.0, 2.0]), ValueError, "y_true cannot be read"),
    "training of a sequence": (lambda: nn.layers.LSTM(2)(np.ones((2, 3, 1)), training=MANY), TypeError, "True or"),
    "training of attention": (lambda: nn.layers.Attention()([np.ones((2, 3, 1))] * 2, training=MANY), TypeError,
                              "True or False"),
    "a gate": (lambda: nn.layers.MultiHeadAttention(1, 1, use_gate=MANY), ValueError, "argument 'use_gate'"),
    "axes of attention": (lambda: nn.layers.MultiHeadAttention(1, 1, attention_axes=MANY), TypeError, "attention_axes"),
    "a way to merge": (lambda: nn.layers.Bidirectional(nn.layers.LSTM(2), merge_mode=MANY), ValueError, "merge_mode"),
    "an axis to normalize": (lambda: nn.layers.Normalization(axis=np.zeros((1, 1))), TypeError, "axis must be"),
    "an interpolation": (lambda: nn.layers.UpSampling2D(interpolation=MANY), ValueError, "interpolation must be"),
    "a score": (lambda: nn.layers.Attention(score_mode=MANY), ValueError, "score_mode must be"),
    "where to pad": (lambda: nn.utils.pad_sequences([[1]], padding=MANY), ValueError, "padding must be 'pre'"),
    "a batch's shape": (lambda: nn.Input(batch_shape=len), TypeError, "batch_shape must be a list"),
    "a number to pad with": (lambda: nn.utils.pad_sequences([[1]], value=10**400), ValueError, "is none of int32"),
    "bytes to pad with": (lambda: nn.utils.pad_sequences([[1]], value=b"ab"), ValueError, "is none of int32"),
    "several to pad with": (lambda: nn.utils.pad_sequences([[1]], value=MANY), ValueError, "is none of int32"),
    "use_cudnn": (lambda: nn.layers.LSTM(2, use_cudnn=MANY), ValueError, "argument 'use_cudnn'"),
    "ragged classes": (lambda: nn.metrics.Precision(top_k=1)([0, 1], RAGGED), ValueError, "y_pred cannot be read"),
    "other classes": (lambda: nn.metrics.top_k_categorical_accuracy(np.ones(5), np.ones(3), k=1), ValueError,
                      "other classes"),
    "a number for one-hot": (lambda: nn.metrics.categorical_accuracy(1.0, np.ones(3)), ValueError, "other classes"),
    "text for a sequence": (lambda: nn.utils.pad_sequences(["ab"], dtype=None), ValueError, "no sequence but 'ab'"),
    "an average": (lambda: nn.metrics.F1Score(MANY), ValueError, "average must be"),
    "a method": (lambda: nn.layers.IntegerLookup(oov_method=MANY), ValueError, "oov_method must be"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    call, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        call()


def test_threads_that_nobody_can_count():
    before = nn.config.get_num_threads()
    with pytest.raises(ValueError, match="number of threads must be at most"):
        nn.config.set_num_threads(2**40)
    assert nn.config.get_num_threads() == before


def test_names_can_be_written():
    logits = nn.metrics.CategoricalCrossentropy(from_logits=np.True_, label_smoothing=np.float32(0.5), axis=np.int8(-1))
    for thing in (nn.losses.Huber(), nn.metrics.AUC(), nn.metrics.Precision(thresholds=np.float32(0.5)), logits):
        assert json.loads(json.dumps(thing.get_config())) == thing.get_config()


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch", "value_and_gradients"])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_targets_of_foreign_byte_order_after_others(method, shape):
    """The short way of a repeated call reads no bytes the wrong way around."""
    model, other = compiled(), compiled()
    native = Y.reshape(shape)
    losses = []
    for one, y in ((model, native), (other, native.astype(">f4"))):
        getattr(one, method)(X, native)
        result = getattr(one, method)(X, y)
        losses.append(result[0] if isinstance(result, tuple) else result)
    assert losses[0] == losses[1]
    assert all((one == two).all() for one, two in zip(model.weights, other.weights, strict=True))


def test_byte_order_and_layout_change_no_bits():
    loss, y_true, y_pred = nn.losses.SquaredHinge(), np.array([[0], [1]]), X[:2, :1]
    assert loss(y_true, y_pred) == loss(y_true, y_pred.astype(">f4"))
    assert loss.value_and_gradient(y_true, y_pred.astype(">f4"))[1].dtype == np.float32
    values = np.random.default_rng(3).standard_normal((7, 5, 3))
    assert nn.metrics.Sum()(values) == nn.metrics.Sum()(np.asfortranarray(values))


def test_numbers_of_rows_of_foreign_byte_order_stay_exact():
    model = nn.Sequential([nn.Input((1,)), nn.layers.Embedding(3, 2)])
    with pytest.raises(ValueError, match="whole numbers"):
        model.predict(np.array([[1e-310]], ">f8"))
    source = _data.as_source(np.array([[2**24 + 1]], ">i8"), np.dtype("float32"))
    assert source.array[0, 0] == 2**24 + 1


def test_classes_take_memory_for_the_rows_alone():
    rows = nn.utils.to_categorical([99_999, 3], 100_000)
    assert rows.shape == (2, 100_000)
    assert rows.sum() == rows[0, 99_999] + rows[1, 3] == 2


def test_more_steps_than_there_are():
    assert compiled().fit(iter([(X, Y)]), steps_per_epoch=10**18, verbose=0).history["loss"]
    assert compiled().predict(X, batch_size=2**62).shape == (4, 1)
