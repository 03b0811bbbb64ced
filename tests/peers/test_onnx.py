"""Models as ONNX graphs: valid for ONNX's own checker, and the same predictions from onnxruntime.

In float64, which onnxruntime has no kernels for in some operators, it is ONNX's reference implementation that computes
those models.
"""

import doctest
import functools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import test_random_graphs as graphs

import nncore as nn

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
reference = pytest.importorskip("onnx.reference")

L = nn.layers
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def random(seed=0):
    return np.random.default_rng(seed)


def numbers(shape, dtype, seed=0):
    return random(seed).standard_normal(shape).astype(dtype)


def shaken(model):
    """The model with other weights than those that it begins with, biases and averages included; none is below 0.1
    where it was 1.
    """
    values = random(17)
    model.set_weights([w + values.uniform(-0.3, 0.3, w.shape) for w in model.get_weights()])
    return model


def session(proto):
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def computed(proto, feeds):
    """The outputs of a graph; by ONNX's reference implementation where onnxruntime has no kernel."""
    try:
        found = session(proto)
    except runtime.capi.onnxruntime_pybind11_state.NotImplemented:
        assert proto.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
        found = reference.ReferenceEvaluator(proto)
    return found.run(None, feeds)


def exported(model, **options):
    proto = nn.interop.onnx.to_onnx(model, **options)
    onnx.checker.check_model(proto, full_check=True)
    assert {node.op_type for node in proto.graph.node}.isdisjoint({"Loop", "If"})
    return proto


def check(model, *inputs, tolerance=None, **options):
    """Compares all outputs, for minibatches of five rows, of one and of two."""
    proto = exported(model, **options)
    assert [each.name for each in proto.graph.input] == model.input_names
    assert [each.name for each in proto.graph.output] == model.output_names
    for rows in (slice(0, 5), slice(0, 1), slice(1, 3)):
        parts = [x[rows] for x in inputs]
        wanted = model.predict(parts if len(parts) > 1 else parts[0])
        wanted = wanted if isinstance(wanted, list) else [wanted]
        got = computed(proto, dict(zip(model.input_names, parts, strict=True)))
        for name, one, other in zip(model.output_names, got, wanted, strict=True):
            assert one.shape == other.shape, name
            assert one.dtype == other.dtype, name
            limit = tolerance or TOLERANCE[model.dtype.name if hasattr(model.dtype, "name") else model.dtype]
            size = np.abs(other[np.isfinite(other)]).max(initial=1e-3)
            np.testing.assert_allclose(one, other, rtol=limit, atol=limit * size, err_msg=name)
    return proto


def kinds(proto):
    return [node.op_type for node in proto.graph.node]


# ---------------------------------------------------------------- every layer, alone


def case(name, *shapes, **options):
    return name, shapes or ((6,),), options


IMAGE, SEQUENCE = (6, 5, 4), (9, 4)
ACTIVATIONS = ["celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
               "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu",
               "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid",
               "squareplus", "swish", "tanh", "tanh_shrink"]  # fmt: skip
WITH_PARAMETERS = {
    "relu with all": nn.activations.relu.with_parameters(negative_slope=0.3, max_value=0.8, threshold=0.2),
    "relu with a slope": nn.activations.relu.with_parameters(negative_slope=0.3),
    "relu with a limit": nn.activations.relu.with_parameters(max_value=0.7),
    "relu with a threshold": nn.activations.relu.with_parameters(threshold=0.4),
    "relu with a low limit": nn.activations.relu.with_parameters(threshold=0.6, max_value=0.3),
    "relu with a slope and a limit": nn.activations.relu.with_parameters(negative_slope=0.3, max_value=0.8),
    "leaky_relu": nn.activations.leaky_relu.with_parameters(negative_slope=0.7),
    "elu": nn.activations.elu.with_parameters(alpha=0.7),
    "celu": nn.activations.celu.with_parameters(alpha=0.7),
    "gelu by tanh": nn.activations.gelu.with_parameters(approximate=True),
    "squareplus": nn.activations.squareplus.with_parameters(b=0.3),
    "hard_shrink": nn.activations.hard_shrink.with_parameters(threshold=0.9),
    "soft_shrink": nn.activations.soft_shrink.with_parameters(threshold=0.9),
    "threshold": nn.activations.threshold.with_parameters(threshold=0.3, default_value=-2.0),
}
ALONG = {name: getattr(nn.activations, name).with_parameters(axis=1) for name in ("softmax", "log_softmax", "glu")}
LAYERS = {
    "Dense": case("Dense", units=5),
    "Dense relu": case("Dense", units=5, activation="relu"),
    "Dense without bias": case("Dense", units=5, use_bias=False),
    "Dense of matrices": case("Dense", (3, 4), units=5, activation="tanh"),
    "Dense of matrices without bias": case("Dense", (2, 3, 4), units=2, use_bias=False),
    **{f"Activation {name}": case("Activation", (3, 6), activation=name) for name in ACTIVATIONS},
    **{f"Activation {name}, parameters": case("Activation", (3, 6), activation=activation)
       for name, activation in WITH_PARAMETERS.items()},
    **{f"Activation {name} along another axis": case("Activation", (4, 3), activation=activation)
       for name, activation in ALONG.items()},
    "ReLU": case("ReLU", max_value=1.0, negative_slope=0.1, threshold=0.2),
    "LeakyReLU": case("LeakyReLU", negative_slope=0.2),
    "ELU": case("ELU", alpha=0.7),
    "PReLU": case("PReLU", (3, 4)),
    "PReLU shared": case("PReLU", (3, 4), shared_axes=[1]),
    "Softmax": case("Softmax", (3, 4)),
    "Softmax of another axis": case("Softmax", (3, 4, 2), axis=2),
    "Rescaling": case("Rescaling", scale=0.7, offset=-0.2),
    "Rescaling by nothing": case("Rescaling", scale=1.0),
    "Flatten": case("Flatten", (3, 4)),
    "Reshape": case("Reshape", (3, 4), target_shape=(2, -1, 3)),
    "Permute": case("Permute", (2, 3, 4), dims=(3, 1, 2)),
    "RepeatVector": case("RepeatVector", n=3),
    **{name: case(name, (3, 4), (3, 4), (3, 4)) for name in ("Add", "Multiply", "Average", "Maximum", "Minimum")},
    **{f"{name} broadcast": case(name, (3, 1), (4,), (3, 4)) for name in ("Add", "Multiply", "Average", "Maximum")},
    "Subtract broadcast": case("Subtract", (3, 1), (2, 3, 4)),
    "Concatenate": case("Concatenate", (3, 4), (3, 2), (3, 4)),
    "Concatenate of another axis": case("Concatenate", (3, 4), (1, 4), axis=1),
    "Dot": case("Dot", (6,), (6,), axes=1),
    "Dot of matrices": case("Dot", (3, 4), (5, 4), axes=2),
    "Dot of unlike axes": case("Dot", (3, 4), (4, 5), axes=(2, 1)),
    "Dot normalized": case("Dot", (3, 4), (3, 5), axes=1, normalize=True),
    "Dot of more axes": case("Dot", (2, 3, 4), (5, 3), axes=(2, 2)),
    **{name: case(name, *shapes, rate=0.4) for name, shapes in {
        "Dropout": ((6,),), "AlphaDropout": ((6,),), "GaussianDropout": ((6,),), "SpatialDropout1D": ((3, 4),),
        "SpatialDropout2D": ((2, 3, 4),)}.items()},
    "GaussianNoise": case("GaussianNoise", stddev=0.4),
    "BatchNormalization": case("BatchNormalization", epsilon=0.01),
    "BatchNormalization bare": case("BatchNormalization", (3, 4), center=False, scale=False),
    "BatchNormalization of another axis": case("BatchNormalization", (3, 4, 2), axis=1),
    "LayerNormalization": case("LayerNormalization", epsilon=0.01),
    "LayerNormalization of two axes": case("LayerNormalization", (3, 4), axis=(1, 2)),
    "LayerNormalization of the first axis": case("LayerNormalization", (3, 4, 2), axis=1, center=False),
    "LayerNormalization of outer axes": case("LayerNormalization", (3, 4, 2), axis=[1, 3], scale=False),
    "RMSNormalization": case("RMSNormalization", (3, 4)),
    "RMSNormalization of another axis": case("RMSNormalization", (3, 4, 2), axis=(1, 2)),
    "GroupNormalization": case("GroupNormalization", (3, 6), groups=2),
    "GroupNormalization of each channel": case("GroupNormalization", (5, 4, 3), groups=-1, scale=False),
    "GroupNormalization of another axis": case("GroupNormalization", (6, 4, 3), groups=3, axis=1, center=False),
    "UnitNormalization": case("UnitNormalization", (3, 4)),
    "UnitNormalization of two axes": case("UnitNormalization", (3, 4, 2), axis=(1, 3)),
    "Masking": case("Masking", (3, 4), mask_value=1.5),
    **{f"Conv2D {name}": case("Conv2D", IMAGE, filters=6, **options) for name, options in {
        "plain": {"kernel_size": 3}, "relu": {"kernel_size": (2, 3), "activation": "relu"},
        "same": {"kernel_size": (3, 4), "padding": "same", "activation": "softmax"},
        "strides": {"kernel_size": 3, "strides": (2, 1)},
        "strides same": {"kernel_size": 2, "strides": 3, "padding": "same"},
        "dilated": {"kernel_size": 2, "dilation_rate": (2, 3)},
        "dilated same": {"kernel_size": 3, "dilation_rate": 2, "padding": "same"},
        "groups": {"kernel_size": 3, "groups": 2}, "without bias": {"kernel_size": 1, "use_bias": False},
        "glu": {"kernel_size": 3, "activation": "glu"}}.items()},
    **{f"Conv1D {padding}": case("Conv1D", SEQUENCE, filters=6, kernel_size=3, padding=padding, groups=2, strides=2)
       for padding in ("valid", "same", "causal")},
    "Conv1D dilated": case("Conv1D", SEQUENCE, filters=6, kernel_size=2, dilation_rate=3, padding="causal"),
    **{f"Conv2DTranspose {name}": case("Conv2DTranspose", IMAGE, filters=3, **options) for name, options in {
        "plain": {"kernel_size": 3}, "strides": {"kernel_size": 3, "strides": 2, "activation": "relu"},
        "strides same": {"kernel_size": (4, 3), "strides": 2, "padding": "same"},
        "output padding": {"kernel_size": 3, "strides": 2, "output_padding": 1},
        "same output padding": {"kernel_size": 3, "strides": 2, "padding": "same", "output_padding": (0, 1)},
        "dilated": {"kernel_size": 2, "dilation_rate": 2, "use_bias": False},
        "small kernel": {"kernel_size": 2, "strides": 3},
        "small kernel same": {"kernel_size": (1, 2), "strides": 3, "padding": "same"}}.items()},
    **{f"Conv1DTranspose {name}": case("Conv1DTranspose", (5, 4), filters=6, **options) for name, options in {
        "": {"kernel_size": 3, "strides": 2}, "same": {"kernel_size": 4, "strides": 2, "padding": "same"},
        "dilated": {"kernel_size": 3, "dilation_rate": 2}}.items()},
    **{f"{name} {label}": case(name, (7, 5, 3), **options) for name in ("MaxPooling2D", "AveragePooling2D")
       for label, options in {
           "2": {"pool_size": 2}, "3 by 2": {"pool_size": (3, 2), "strides": (1, 2)},
           "same": {"pool_size": 3, "strides": 2, "padding": "same"},
           "even, same": {"pool_size": 2, "strides": 1, "padding": "same"}}.items()},
    **{f"{name} {label}": case(name, SEQUENCE, **options) for name in ("MaxPooling1D", "AveragePooling1D")
       for label, options in {
           "2": {"pool_size": 2}, "3": {"pool_size": 3, "strides": 1},
           "same": {"pool_size": 4, "strides": 3, "padding": "same"}}.items()},
    **{f"{kind}Pooling{axes}D{' keepdims' * keepdims}": case(f"{kind}Pooling{axes}D", (4, 5, 3)[2 - axes:],
                                                             keepdims=keepdims)
       for kind in ("GlobalMax", "GlobalAverage") for axes in (1, 2) for keepdims in (False, True)},
    "DepthwiseConv1D": case("DepthwiseConv1D", SEQUENCE, kernel_size=4, strides=2, padding="same"),
    "DepthwiseConv1D dilated": case("DepthwiseConv1D", SEQUENCE, kernel_size=2, dilation_rate=3, depth_multiplier=2),
    "DepthwiseConv2D": case("DepthwiseConv2D", (6, 7, 3), kernel_size=(2, 3), strides=2, padding="same"),
    "DepthwiseConv2D of several": case("DepthwiseConv2D", (6, 7, 3), kernel_size=2, depth_multiplier=3,
                                       use_bias=False, activation="relu"),
    "SeparableConv1D": case("SeparableConv1D", SEQUENCE, filters=5, kernel_size=3, activation="relu"),
    "SeparableConv1D causal steps": case("SeparableConv1D", SEQUENCE, filters=5, kernel_size=3, strides=2,
                                         padding="same", use_bias=False),
    "SeparableConv2D": case("SeparableConv2D", (6, 7, 3), filters=5, kernel_size=3, depth_multiplier=2),
    "UpSampling1D": case("UpSampling1D", (4, 3), size=3),
    "UpSampling2D": case("UpSampling2D", (3, 4, 2), size=(2, 3)),
    "UpSampling2D bilinear": case("UpSampling2D", (3, 4, 2), size=(2, 3), interpolation="bilinear"),
    "ZeroPadding1D": case("ZeroPadding1D", (4, 3), padding=(1, 2)),
    "ZeroPadding2D": case("ZeroPadding2D", (4, 3, 2), padding=((1, 0), (2, 3))),
    "Cropping1D": case("Cropping1D", (6, 3), cropping=(1, 2)),
    "Cropping2D": case("Cropping2D", (6, 7, 2), cropping=((1, 0), (2, 3))),
}  # fmt: skip
RECURRENT = {
    "": {},
    " sequences": {"return_sequences": True},
    " backwards": {"go_backwards": True},
    " sequences backwards": {"return_sequences": True, "go_backwards": True},
    " without bias": {"use_bias": False, "return_sequences": True},
    " relu": {"activation": "relu"},
    " states": {"return_state": True},
    " sequences and states backwards": {"return_sequences": True, "return_state": True, "go_backwards": True},
    " gelu": {"activation": "gelu", "return_sequences": True},
    " gelu backwards": {"activation": "gelu", "return_sequences": True, "go_backwards": True},
    " dropout": {"dropout": 0.3, "recurrent_dropout": 0.2},
}
GATED = {
    " softsign": {"recurrent_activation": "softsign", "return_sequences": True},
    " silu": {"recurrent_activation": "silu", "activation": "elu", "return_state": True},
    " hard_sigmoid": {"recurrent_activation": "hard_sigmoid", "activation": "linear"},
}
LAYERS |= {
    **{f"{cls}{name}": case(cls, (5, 4), units=3, **options) for cls in ("SimpleRNN", "LSTM", "GRU")
       for name, options in {**RECURRENT, **(GATED if cls != "SimpleRNN" else {})}.items()},
    **{f"GRU reset before{name}": case("GRU", (5, 4), units=3, reset_after=False, **options)
       for name, options in {**RECURRENT, **GATED}.items()},
}  # fmt: skip


def alone(name, shapes, options, dtype):
    inputs = [nn.Input(shape) for shape in shapes]
    outputs = getattr(L, name)(**options)(inputs if len(inputs) > 1 else inputs[0])
    return shaken(nn.Model(inputs, outputs, dtype=dtype, seed=3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_layer(name, dtype):
    cls, shapes, options = LAYERS[name]
    model = alone(cls, shapes, options, dtype)
    inputs = [numbers((5, *shape), dtype, seed) for seed, shape in enumerate(shapes)]
    if cls == "Masking":
        inputs[0][::2, 1] = 1.5
    tolerance = None
    if dtype == "float64" and "gelu" in name and "tanh" not in name:
        if options.get("go_backwards"):
            pytest.skip("onnxruntime has no Erf of float64, and ONNX's reference no Scan backwards")
        tolerance = 1e-6  # the reference has the error function in float32
    check(model, *inputs, tolerance=tolerance)


def test_every_layer_is_written_or_refused():
    from nncore.interop.onnx import registry, writers  # noqa: F401

    classes = {name: getattr(L, name) for name in (*L._BY_CLASS, *L._LATER)}
    for name, cls in classes.items():
        assert registry.knows(cls) != (cls in registry.REFUSED), name
    tested = {getattr(L, name) for name, _, _ in LAYERS.values()}
    elsewhere = {L.InputLayer, L.Embedding, L.Bidirectional, L.TimeDistributed, L.RNN, L.Attention,
                 L.AdditiveAttention, L.MultiHeadAttention, L.Normalization, L.CategoryEncoding,
                 L.Discretization}  # fmt: skip
    assert {cls for cls in classes.values() if registry.knows(cls)} == tested | elsewhere


def test_every_activation_is_written():
    from nncore import _activation
    from nncore.interop.onnx.writers import activations

    assert activations.known_activations() == set(_activation.PLAIN)


# ---------------------------------------------------------------- inputs


def test_images_of_bytes():
    model = nn.Sequential([nn.Input((6, 5, 3), name="image"), L.Rescaling(1 / 255), L.Conv2D(4, 3), L.Flatten()])
    x = random().integers(0, 256, (5, 6, 5, 3), np.uint8)
    proto = check(shaken(model), x, input_types="uint8")
    assert proto.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert kinds(proto)[0] == "Cast"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", ["int8", "uint16", "int32", "int64", "bool", "float16", "float32", "float64"])
def test_types_of_inputs(given, dtype):
    model = nn.Sequential([nn.Input((3,)), L.Dense(2)], dtype=dtype)
    check(shaken(model), random().integers(0, 2, (5, 3)).astype(given), input_types=given)


@pytest.mark.parametrize("given", [None, "int32", "uint8", "float32"])
def test_numbers_of_rows(given):
    model = nn.Sequential([nn.Input((4,)), L.Embedding(7, 3), L.Flatten(), L.Dense(2)])
    x = random().integers(0, 7, (5, 4)).astype(given or "int64")
    proto = check(shaken(model), x, input_types=given)
    assert (np.dtype(given or "int64") == np.dtype("float32")) == ("Clip" in kinds(proto))


def test_computed_numbers_of_rows():
    """What is no number of a row gives NaN, as in nncore."""
    x = nn.Input((4,))
    model = shaken(nn.Model(x, L.Embedding(7, 3)(L.Rescaling(0.5)(x))))
    check(model, np.array([[0, 2, 12, 14], [1, 3, -2, 4]] * 3, np.float32))


def test_numbers_that_others_read_too():
    x = nn.Input((4,))
    model = nn.Model(x, [L.Dense(2)(x), L.Flatten()(L.Embedding(7, 3)(x))])
    check(shaken(model), random().integers(0, 7, (5, 4)).astype("float32"))
    check(model, random().integers(0, 7, (5, 4)), input_types="int64")


def test_inputs_by_name():
    a, b, c = (nn.Input((3,), name=name) for name in "abc")
    model = nn.Model([a, b, c], L.Concatenate(name="joined")([a, L.Dense(2)(b), c]))
    x = [numbers((5, 3), "float32"), np.arange(15).reshape(5, 3), np.ones((5, 3), bool)]
    check(shaken(model), *x, input_types={"b": "int64", "c": bool})
    check(model, *x, input_types=["float32", "int64", "bool"])
    for bad, message in [({"d": "int8"}, "'d'"), (["int8"], "3 inputs"), ("complex64", "complex64"),
                         ("float128", "float128"), ("str", "str")]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            nn.interop.onnx.to_onnx(model, input_types=bad)


# ---------------------------------------------------------------- graphs


def test_an_input_that_comes_out():
    x = nn.Input((3,), name="x")
    y = L.Dense(3, name="y")(x)
    model = nn.Model(x, [x, y, y, L.Activation("tanh", name="z")(y)])
    proto = exported(shaken(model))
    names = [each.name for each in proto.graph.output]
    assert names == ["x_output", "y", "y_#1", "z"]
    data = numbers((4, 3), "float32")
    for got, wanted in zip(computed(proto, {"x": data}), model.predict(data), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_an_input_that_nothing_reads():
    a, b = nn.Input((3,), name="a"), nn.Input((2,), name="b")
    check(shaken(nn.Model([a, b], L.Dense(2)(a))), numbers((5, 3), "float32"), numbers((5, 2), "float32"))


def test_names_that_would_clash():
    """Names of layers that look like those of operators, and of layers of other models."""
    inner = nn.Sequential([nn.Input((3,), name="in"), L.Dense(3, name="dense"), L.Dense(3, name="Gemm")], name="dense")
    x = nn.Input((3,), name="constant")
    y = L.Dense(3, name="Add")(inner(x))
    check(shaken(nn.Model(x, [y, inner(y)])), numbers((5, 3), "float32"))


def test_shared_layers_and_models():
    tower = nn.Sequential([nn.Input((6, 6, 2)), L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(4)])
    a, b = nn.Input((6, 6, 2), name="a"), nn.Input((6, 6, 2), name="b")
    model = nn.Model([a, b], L.Dot(axes=1, normalize=True)([tower(a), tower(b)]))
    proto = check(shaken(model), numbers((5, 6, 6, 2), "float32"), numbers((5, 6, 6, 2), "float32", 1))
    assert len([each for each in proto.graph.initializer if each.name.endswith("kernel")]) == 2


class Residual(L.Layer):
    def __init__(self, units, **common):
        super().__init__(**common)
        self.first, self.second = L.Dense(units, activation="relu"), L.Dense(units)
        self.dropout = L.Dropout(0.5)

    def call(self, inputs, training=None):
        y = self.second(self.first(inputs))
        return 0.5 * inputs - self.dropout(y) / 3 + 1


class TwoBranches(nn.Model):
    def __init__(self):
        super().__init__()
        self.body, self.left, self.right = Residual(6), L.Dense(2), L.Dense(3)

    def call(self, inputs):
        y = self.body(inputs)
        return [self.left(y), self.right(y)]


class Positive(L.Dense):
    """A layer of nncore with other defaults."""

    def __init__(self, units, **common):
        super().__init__(units, activation="softplus", **common)


def test_layers_and_models_of_ones_own():
    x = numbers((5, 6), "float32")
    check(shaken(nn.Sequential([nn.Input((6,)), Residual(6), Positive(3)])), x)
    model = TwoBranches()
    with pytest.raises(ValueError, match="no shape yet"):
        nn.interop.onnx.to_onnx(model)
    model.build((None, 6))
    check(shaken(model), x)
    inputs = nn.Input((6,))
    check(shaken(nn.Model(inputs, L.Concatenate()(model(inputs)))), x)


def test_a_model_whose_layers_are_transposed_once():
    model = nn.Sequential([
        nn.Input((12, 12, 3)), L.Conv2D(4, 3, padding="same", activation="relu"), L.ZeroPadding2D(1),
        L.BatchNormalization(), L.DepthwiseConv2D(3), L.PReLU(shared_axes=[1, 2]), L.MaxPooling2D(),
        L.SeparableConv2D(6, 2), L.LeakyReLU(), L.AveragePooling2D(2), L.UpSampling2D(), L.Cropping2D(1),
        L.Conv2DTranspose(5, 3, strides=2), L.Rescaling(0.5), L.GaussianNoise(0.1),
    ])  # fmt: skip
    proto = check(shaken(model), numbers((5, 12, 12, 3), "float32"))
    assert kinds(proto).count("Transpose") == 2
    assert kinds(proto)[0] == kinds(proto)[-1] == "Transpose"


def test_sequences_are_transposed_once():
    model = nn.Sequential([nn.Input((5, 4)), L.LSTM(3, return_sequences=True), L.Dense(4, activation="tanh"),
                           L.GRU(3, return_sequences=True), L.SimpleRNN(2)])  # fmt: skip
    assert kinds(check(shaken(model), numbers((5, 5, 4), "float32"))).count("Transpose") == 1


def test_branches_of_a_convolution():
    """Sums and joins of tensors that are there in other orders of axes; a permuted one is another."""
    x = nn.Input((6, 6, 4))
    a, b = L.Conv2D(4, 3, padding="same")(x), L.Conv2D(4, 1)(x)
    y = L.Concatenate()([L.Add()([a, b, x]), L.Permute((2, 1, 3))(a), L.Maximum()([x, L.Dense(4)(b)])])
    y = L.Concatenate(axis=1)([y, L.Conv2D(12, 1)(L.LayerNormalization()(y))])
    scale = L.Dense(12, activation="sigmoid")(L.GlobalAveragePooling2D()(y))
    y = L.Multiply()([y, L.Reshape((1, 1, 12))(scale)])
    z = L.Softmax(axis=1)(L.Conv2D(2, 1)(y))
    model = nn.Model(x, [y, z, L.GroupNormalization(3)(y), L.GlobalMaxPooling2D(keepdims=True)(a),
                         L.Conv1D(3, 2)(L.Reshape((72, 12))(y)), L.Conv2D(3, 2)(L.Permute((3, 2, 1))(b))])  # fmt: skip
    check(shaken(model), numbers((5, 6, 6, 4), "float32"))


BEHIND = [
    L.BatchNormalization(axis=1), L.BatchNormalization(axis=2), L.LayerNormalization(),
    L.LayerNormalization(axis=[1, 3]), L.RMSNormalization(axis=2),
    L.GroupNormalization(2, axis=2), L.UnitNormalization(axis=(1, 3)), L.PReLU(),
    L.PReLU(shared_axes=[1, 2]), L.PReLU(shared_axes=[2, 3]), L.Softmax(axis=2), L.Activation("glu"),
    L.GlobalAveragePooling2D(), L.GlobalMaxPooling2D(keepdims=True), L.ZeroPadding2D(((1, 0), (2, 3))),
    L.Cropping2D(((1, 0), (0, 2))), L.Flatten(), L.Permute((3, 1, 2)), L.Reshape((4, -1)), L.Dense(3),
    L.UpSampling2D((2, 3)), L.Masking(0.0), L.TimeDistributed(L.LSTM(2)), L.Rescaling(2.0),
]  # fmt: skip


@pytest.mark.parametrize("permuted", [False, True])
def test_layers_that_get_channels_first(permuted):
    """Each behind a convolution, in whose order of axes it computes, and behind one whose rows and columns change."""
    x = nn.Input((6, 6, 4))
    y = L.Conv2D(4, 2, padding="same")(x)
    y = L.Permute((2, 1, 3))(y) if permuted else y
    model = nn.Model(x, [L.deserialize(L.serialize(layer))(y) for layer in BEHIND])
    check(shaken(model), numbers((5, 6, 6, 4), "float32"))


# ---------------------------------------------------------------- sequences


def words(steps=7, count=9, rows=5, seed=0):
    """Numbers of words, with zeros behind them, before them, between them, and nothing else."""
    x = random(seed).integers(1, count, (rows, steps))
    x[0, 4:], x[1, :2], x[2, 3], x[3] = 0, 0, 0, 0
    return x


def masked(*layers, dtype="float32"):
    return shaken(nn.Sequential([nn.Input((7,)), L.Embedding(9, 4, mask_zero=True), *layers], dtype=dtype, seed=2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [
    {}, {"return_sequences": True}, {"go_backwards": True}, {"return_sequences": True, "go_backwards": True},
    {"zero": True}, {"return_sequences": True, "zero": True}, {"go_backwards": True, "zero": True},
    {"return_sequences": True, "go_backwards": True, "zero": True},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("cls", ["SimpleRNN", "LSTM", "GRU", "GRU reset before"])
def test_masks_of_recurrent_layers(cls, options, dtype):
    options = dict(options)
    zero = options.pop("zero", False)
    if cls == "GRU reset before":
        options["reset_after"] = False
    layer = getattr(L, cls.split()[0])(3, **options)
    layer.zero_output_for_mask = zero
    check(masked(layer, dtype=dtype), words())


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("with_mask", [False, True])
def test_bidirectional(mode, sequences, with_mask):
    x = nn.Input((7,))
    y = L.Embedding(9, 4, mask_zero=with_mask)(x)
    outputs = L.Bidirectional(L.LSTM(3, return_sequences=sequences), merge_mode=mode)(y)
    if mode is not None and sequences:
        outputs = [outputs, L.GRU(2)(outputs)]  # which gets the mask, too
    check(shaken(nn.Model(x, outputs)), words())


def test_bidirectional_with_states():
    x, states = nn.Input((5, 4)), [nn.Input((3,)) for _ in range(2)]
    layer = L.Bidirectional(L.GRU(3, return_sequences=True, return_state=True, go_backwards=True),
                            backward_layer=L.GRU(3, activation="relu", return_sequences=True, return_state=True))
    model = nn.Model([x, *states], layer(x, initial_state=states))  # fmt: skip
    check(shaken(model), numbers((5, 5, 4), "float32"), numbers((5, 3), "float32", 1), numbers((5, 3), "float32", 2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cls", ["SimpleRNN", "LSTM", "GRU"])
def test_initial_states(cls, dtype):
    """An encoder's states begin a decoder, which takes some of its own besides."""
    x, own = nn.Input((5, 4)), [nn.Input((3,)) for _ in range(2 if cls == "LSTM" else 1)]
    _, *states = getattr(L, cls)(3, return_state=True)(x, initial_state=own)
    outputs = getattr(L, cls)(3, return_state=True, return_sequences=True, use_bias=False)(x, initial_state=states)
    model = nn.Model([x, *own], outputs, dtype=dtype)
    check(shaken(model), numbers((5, 5, 4), dtype), *(numbers((5, 3), dtype, seed) for seed in range(1, len(own) + 1)))


def test_masks_go_on():
    """Through what hands them on, to a layer that reads them; and not through what does not."""
    x = nn.Input((7,))
    a, b = L.Embedding(9, 4, mask_zero=True)(x), L.Embedding(9, 4, mask_zero=True)(x)
    bare = L.Embedding(9, 4)(x)
    joined = L.Concatenate(axis=1)([a, bare, L.Masking(9.0)(b)])
    read = [
        L.Dense(3)(L.LayerNormalization()(L.Dropout(0.1)(a))),
        L.Add()([a, L.Masking(0.3)(bare)]),
        L.Multiply()([a, bare]),
        L.Concatenate()([a, b]),
        L.Concatenate()([a, bare]),
        joined,
        L.Reshape((7, 4))(a),
        L.LSTM(4, return_sequences=True)(a),
        L.TimeDistributed(L.Dense(3))(a),
        L.Conv1D(3, 2)(a),
        L.Permute((2, 1))(a),
        L.Activation("tanh")(a),
        L.RMSNormalization()(a),
    ]
    model = nn.Model(x, [L.GRU(2)(y) for y in read] + [L.GlobalAveragePooling1D()(y) for y in read])
    check(shaken(model), words())


def test_mean_of_masked_steps():
    """NaN where no step counts."""
    check(masked(L.GlobalAveragePooling1D()), words())
    check(masked(L.GlobalAveragePooling1D(keepdims=True), L.Flatten()), words())


def test_masks_of_more_axes():
    x = nn.Input((3, 7))
    y = L.Embedding(9, 4, mask_zero=True)(x)
    y = L.Concatenate(axis=2)([y, L.Masking(0.5)(y)])
    check(shaken(nn.Model(x, L.Masking(0.2)(L.Add()([y, y])))), random().integers(0, 9, (5, 3, 7)))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_masks_of_fewer_axes(axis):
    x = nn.Input((7,))
    parts = [L.TimeDistributed(L.Reshape((2, 2)))(L.Embedding(9, 4, mask_zero=zero)(x)) for zero in (True, axis > 1)]
    parts.append(parts[0] if axis == 3 else L.Masking(0.3)(L.TimeDistributed(L.Reshape((2, 2)))(L.Dense(4)(
        L.Embedding(9, 4)(x)))))  # fmt: skip
    y = L.Concatenate(axis)(parts)
    y = y if axis < 3 else L.GRU(2)(L.TimeDistributed(L.Flatten())(y))
    check(shaken(nn.Model(x, y)), words())


class Cell(L.Layer):
    """A cell of two states of unlike size."""

    def __init__(self, units, **common):
        super().__init__(**common)
        self.units, self.state_size = units, [units, 2 * units]
        self.of_input, self.of_state = L.Dense(units), L.Dense(units, use_bias=False)

    def call(self, inputs, states, training=None):
        h, past = states
        h = L.Activation("tanh")(self.of_input(inputs) + self.of_state(h))
        past = 0.5 * past + L.Concatenate()([h, L.Softmax()(h)])
        return L.Reshape((2, self.units))(past), [h, past]


class Plain(L.Layer):
    def __init__(self, units, **common):
        super().__init__(**common)
        self.state_size, self.dense = units, L.Dense(units, activation="softsign")

    def call(self, inputs, states):
        y = self.dense(L.Concatenate()([inputs, states[0]]))
        return y, [y]


class Keeping(L.Layer):
    """A cell whose state never changes and is what comes out."""

    state_size = 3

    def call(self, inputs, states):
        return states[0], states


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [
    {}, {"return_sequences": True}, {"go_backwards": True, "return_state": True},
    {"return_sequences": True, "go_backwards": True, "return_state": True}, {"unroll": True},
], ids=str)  # fmt: skip
def test_cells_of_ones_own(options, dtype):
    x = nn.Input((5, 4))
    layers = [L.RNN(Cell(3), **options), L.RNN([Plain(3), Cell(2)], **options)]
    outputs = [y for layer in layers for y in np.ravel(layer(x)).tolist()]
    check(shaken(nn.Model(x, outputs, dtype=dtype)), numbers((5, 5, 4), dtype))


def test_cells_with_initial_states_and_images():
    x, state = nn.Input((5, 4)), nn.Input((3,))
    model = nn.Model([x, state], L.RNN(Keeping(), return_state=True, return_sequences=True)(x, initial_state=state))
    check(model, numbers((5, 5, 4), "float32"), numbers((5, 3), "float32"))


class ConvolvingCell(L.Layer):
    def __init__(self, **common):
        super().__init__(**common)
        self.state_size = 72
        self.convolution = L.Conv2D(2, 3, padding="same")

    def call(self, inputs, states):
        y = self.convolution(L.Concatenate()([inputs, L.Reshape((6, 6, 2))(states[0])]))
        return y, [L.Flatten()(L.LeakyReLU()(y))]


def test_a_cell_over_images():
    model = nn.Sequential([nn.Input((4, 6, 6, 3)), L.RNN(ConvolvingCell(), return_sequences=True),
                           L.TimeDistributed(L.MaxPooling2D())])  # fmt: skip
    check(shaken(model), numbers((5, 4, 6, 6, 3), "float32"))


@pytest.mark.parametrize("inner", [
    L.Dense(3), L.Conv1D(3, 2), L.LSTM(3), L.Bidirectional(L.GRU(2, return_sequences=True)), L.BatchNormalization(),
    L.TimeDistributed(L.Dense(2)), nn.Sequential([nn.Input((6, 4)), L.Conv1D(3, 2), L.Flatten()]), L.Permute((2, 1)),
    L.Embedding(9, 2, mask_zero=True),
], ids=lambda layer: type(layer).__name__)  # fmt: skip
def test_time_distributed(inner):
    model = nn.Sequential([nn.Input((5, 6, 4)), L.TimeDistributed(inner)])
    x = numbers((5, 5, 6, 4), "float32")
    if isinstance(inner, L.Embedding):
        x = random().integers(0, 9, (5, 5, 6, 4)).astype(np.float32)
    check(shaken(model), x)


# ---------------------------------------------------------------- attention


MASKS = {"query_mask": (4,), "value_mask": (5,), "key_mask": (5,), "attention_mask": (4, 5)}


def bits(*shape, seed=0):
    return (random(seed).random(shape) < 0.6).astype(np.float32)


@pytest.mark.parametrize("options", [{}, {"value_dim": 6}, {"use_bias": False}, {"output_shape": 7}, {"dropout": 0.2}],
                         ids=str)  # fmt: skip
@pytest.mark.parametrize("masks", [(), ("query_mask",), ("value_mask", "key_mask"), ("attention_mask",), tuple(MASKS)],
                         ids=str)  # fmt: skip
@pytest.mark.parametrize("use", [{}, {"use_causal_mask": True, "return_attention_scores": True}], ids=str)
def test_multi_head_attention(options, masks, use):
    shapes = [(4, 6), (5, 7), (5, 8)]
    inputs = [nn.Input(shape) for shape in shapes]
    given = {name: nn.Input(MASKS[name]) for name in masks}
    layer = L.MultiHeadAttention(3, 4, **options)
    model = nn.Model([*inputs, *given.values()], layer(*inputs, **given, **use))
    x = [numbers((5, *shape), "float32", seed) for seed, shape in enumerate(shapes)]
    check(shaken(model), *x, *(bits(5, *MASKS[name], seed=seed) for seed, name in enumerate(masks)))


@pytest.mark.parametrize("shape", [(1, 5), (4, 1), (1, 1)])
def test_attention_masks_are_broadcast(shape):
    q, v, mask = nn.Input((4, 6)), nn.Input((5, 6)), nn.Input(shape)
    model = nn.Model([q, v, mask], L.MultiHeadAttention(2, 3)(q, v, attention_mask=mask))
    check(shaken(model), numbers((5, 4, 6), "float32"), numbers((5, 5, 6), "float32", 1), bits(5, *shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layer", [
    L.Attention, functools.partial(L.Attention, use_scale=True), functools.partial(L.Attention, score_mode="concat"),
    functools.partial(L.Attention, use_scale=True, score_mode="concat", dropout=0.2), L.AdditiveAttention,
    functools.partial(L.AdditiveAttention, use_scale=False),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("use", [{}, {"use_causal_mask": True, "return_attention_scores": True}], ids=str)
def test_attention(layer, use, dtype):
    query, value, key = nn.Input((4, 6)), nn.Input((5, 7)), nn.Input((5, 6))
    masks = [nn.Input((4,)), nn.Input((5,))]
    outputs = [layer()([query, value, key], **use), layer()([query, value, key], mask=masks, **use),
               layer()([query, key], mask=[None, masks[1]], **use)]  # fmt: skip
    outputs = [y for one in outputs for y in (one if isinstance(one, list) else [one])]
    model = nn.Model([query, value, key, *masks], outputs, dtype=dtype)
    x = [numbers((5, *shape), dtype, seed) for seed, shape in enumerate([(4, 6), (5, 7), (5, 6)])]
    check(shaken(model), *x, bits(5, 4).astype(dtype), bits(5, 5, seed=1).astype(dtype))


@pytest.mark.parametrize("causal", [False, True])
def test_masks_that_inputs_of_attention_bring(causal):
    x, z = nn.Input((7,)), nn.Input((7,))
    a, b = L.Embedding(9, 4, mask_zero=True)(x), L.Embedding(9, 4, mask_zero=True)(z)
    outputs = [L.MultiHeadAttention(2, 3)(a, a, use_causal_mask=causal), L.Attention()([a, b], use_causal_mask=causal),
               L.MultiHeadAttention(2, 3)(a, b, L.Masking(0.1)(b)), L.AdditiveAttention()([b, a])]  # fmt: skip
    model = nn.Model([x, z], [L.GRU(2)(y) for y in outputs])
    check(shaken(model), words(), words(seed=1)[::-1])


# ---------------------------------------------------------------- whole models


def lenet():
    return nn.Sequential([
        nn.Input((28, 28, 1)), L.Conv2D(6, 5, padding="same", activation="tanh"), L.AveragePooling2D(2),
        L.Conv2D(16, 5, activation="tanh"), L.AveragePooling2D(2), L.Flatten(), L.Dense(120, activation="tanh"),
        L.Dense(84, activation="tanh"), L.Dense(10, activation="softmax"),
    ])  # fmt: skip


def residual_network():
    x = nn.Input((16, 16, 3))
    y = L.Activation("relu")(L.BatchNormalization()(L.Conv2D(8, 3, padding="same", use_bias=False)(x)))
    for filters, strides in ((8, 1), (12, 2)):
        short = y if strides == 1 else L.Conv2D(filters, 1, strides=strides)(y)
        y = L.ReLU()(L.BatchNormalization()(L.Conv2D(filters, 3, strides=strides, padding="same")(y)))
        y = L.BatchNormalization()(L.Conv2D(filters, 3, padding="same")(y))
        y = L.ReLU()(L.Add()([y, short]))
    return nn.Model(x, L.Dense(5)(L.Dropout(0.3)(L.GlobalAveragePooling2D()(y))))


def sentiment():
    return nn.Sequential([nn.Input((20,)), L.Embedding(50, 12, mask_zero=True),
                          L.Bidirectional(L.LSTM(10, return_sequences=True)), L.LSTM(8), L.Dense(1, "sigmoid")])


def transformer():
    x = nn.Input((12,))
    y = L.Embedding(40, 16, mask_zero=True)(x)
    for _ in range(2):
        attended = L.MultiHeadAttention(4, 4, dropout=0.1)(y, y, use_causal_mask=True)
        y = L.LayerNormalization(epsilon=1e-6)(L.Add()([y, attended]))
        z = L.Dense(16)(L.Dense(32, activation="gelu")(y))
        y = L.LayerNormalization(epsilon=1e-6)(L.Add()([y, L.Dropout(0.1)(z)]))
    return nn.Model(x, L.Dense(40, activation="softmax")(y))


@pytest.mark.parametrize(("build", "transposed"), [(lenet, 2), (residual_network, 1)])
def test_networks_of_convolutions(build, transposed):
    model = shaken(build())
    proto = check(model, numbers((5, *model.input_shape[1:]), "float32"))
    assert kinds(proto).count("Transpose") == transposed
    assert set(kinds(proto)) <= {"Transpose", "Conv", "Tanh", "AveragePool", "Reshape", "Gemm", "Softmax", "Relu",
                                 "BatchNormalization", "Add", "ReduceMean"}  # fmt: skip


@pytest.mark.parametrize("build", [sentiment, transformer])
def test_networks_for_text(build):
    model = shaken(build())
    (_, steps), count = model.input_shape, model.layers[1 if build is transformer else 0].input_dim
    x = random().integers(0, count, (5, steps))
    x[:, -4:] = 0
    check(model, x)


def test_a_trained_model():
    """Averages of normalization have moved, and weights are no longer those of the seed."""
    x, y = numbers((64, 8, 8, 2), "float32"), random(1).integers(0, 3, 64)
    model = nn.Sequential([nn.Input((8, 8, 2)), L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU(), L.Flatten(),
                           L.Dense(3, activation="softmax")])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=3, verbose=0)
    check(model, x[:5])


def in_float32(model):
    """The same model with weights of float32, those of models inside as well."""
    config = json.loads(json.dumps(L.serialize(model)).replace('"float64"', '"float32"'))
    made = L.deserialize(config)
    made.set_weights(model.get_weights())
    return made


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_random_graphs(first):
    for seed in range(first, first + 20):
        case = graphs.Case(seed)
        x = case.x if isinstance(case.x, list) else [case.x]
        x = [data.astype("float32" if data.dtype == "float64" else data.dtype) for data in x]
        # what some exponentials add up to
        check(in_float32(case.model), *x, tolerance=5e-5, input_types=[data.dtype for data in x])


@pytest.mark.filterwarnings("ignore:dtype='mixed_bfloat16'")
def test_mixed_precision_is_exported_as_float32():
    model = nn.Sequential([nn.Input((200,)), L.Dense(200, activation="relu"), L.Dense(3)], dtype="mixed_bfloat16")
    proto = exported(model)
    assert proto.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    same = nn.Sequential([nn.Input((200,)), L.Dense(200, activation="relu"), L.Dense(3)])
    same.set_weights(model.get_weights())
    x = numbers((5, 200), "float32")
    (got,) = computed(proto, {model.input_names[0]: x})
    np.testing.assert_allclose(got, same.predict(x), rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- files and refusals


def small():
    return nn.Sequential([nn.Input((3,), name="x"), L.Dense(2, name="y")], name="small")


def test_a_file(tmp_path):
    path = tmp_path / "model.onnx"
    assert nn.interop.onnx.export(small(), path) is None
    proto = onnx.load(path)
    assert (proto.producer_name, proto.producer_version) == ("nncore", nn.__version__)
    assert {each.key: each.value for each in proto.metadata_props} == {"nncore": nn.__version__, "dtype": "float32"}
    assert proto.graph.name == "small"
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", 17)]
    assert proto.ir_version == 8
    extents = proto.graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_param or each.dim_value for each in extents] == ["batch", 3]
    nn.interop.onnx.export(small(), str(path))
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]


def test_a_refused_model_leaves_the_file_as_it_is(tmp_path):
    path = tmp_path / "model.onnx"
    nn.interop.onnx.export(small(), path)
    before = path.read_bytes()

    class Own(L.Layer):
        def forward(self, x):
            return x

    for layer, message in [(Own(name="mine"), "'mine' of class Own .*in Python"),
                           (L.LSTM(2, stateful=True, name="kept"), "'kept' is stateful"),
                           (L.TimeDistributed(Own(name="inside")), "'inside' of class Own")]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            nn.interop.onnx.export(nn.Sequential([nn.Input((4, 3)), layer]), path)
    for thing in (None, L.Dense(2), "model"):
        with pytest.raises(TypeError, match="exports models"):
            nn.interop.onnx.export(thing, path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]


def test_an_overridden_layer_is_not_taken_for_its_base():
    class Doubled(L.Dense):
        def emit(self, builder, x):
            return super().emit(builder, super().emit(builder, x))

    with pytest.raises(ValueError, match="class Doubled cannot be exported"):
        nn.interop.onnx.to_onnx(nn.Sequential([nn.Input((3,)), Doubled(3)]))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'nncore\[onnx\]'"):
        nn.interop.onnx.to_onnx(small())


def test_too_large_for_a_file(monkeypatch):
    monkeypatch.setattr(nn.interop.onnx, "MOST_BYTES", 10)
    with pytest.raises(ValueError, match="less than 2 GB; model 'small' has 32 bytes"):
        nn.interop.onnx.to_onnx(small())


def test_no_rows():
    model = nn.Sequential([nn.Input((4, 3)), L.Conv1D(2, 2, padding="same"), L.TimeDistributed(L.Dense(2)),
                           L.Flatten()])  # fmt: skip
    (got,) = computed(exported(model), {model.input_names[0]: np.zeros((0, 4, 3), np.float32)})
    assert got.shape == (0, 8)


def test_the_document(tmp_path, monkeypatch):
    """The Python of docs/interop.md's section, as one program."""
    text = (Path(__file__).parents[2] / "docs" / "interop.md").read_text(encoding="utf-8")
    section = next(part for part in text.split("\n## ") if part.startswith("ONNX"))
    blocks = re.findall(r"^```py$(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    assert blocks
    exec("".join(blocks), {})


@pytest.mark.parametrize("name", nn.interop.onnx.__all__)
def test_examples_of_docstrings(name, tmp_path, monkeypatch):
    """They are skipped where the package onnx is not there."""
    monkeypatch.chdir(tmp_path)
    nn.interop.onnx.export(small(), "model.onnx")
    text = getattr(nn.interop.onnx, name).__doc__.replace("# doctest: +SKIP", "")
    example = doctest.DocTestParser().get_doctest(text, {"nn": nn}, name, None, None)
    assert doctest.DocTestRunner().run(example).failed == 0
    assert example.examples
