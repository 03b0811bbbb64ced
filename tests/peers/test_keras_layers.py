"""Each layer and option: the same outputs, gradients and training as Keras's."""

import numpy as np
import pytest

from peers import sides


def L(name, *shapes, **options):  # noqa: N802
    """A layer with the shapes of a sample of its inputs."""
    return name, shapes or ((6,),), options


DENSE = {
    "plain": L("Dense", units=5),
    "relu": L("Dense", units=5, activation="relu"),
    "without bias": L("Dense", units=5, use_bias=False),
    "matrices": L("Dense", (3, 4), units=5, activation="tanh"),
    "more axes": L("Dense", (2, 3, 4), units=2),
    "l1": L("Dense", units=5, kernel_regularizer="l1", bias_regularizer="l1"),
    "l2": L("Dense", units=5, kernel_regularizer="l2", bias_regularizer="l2"),
    "activity": L("Dense", units=5, activation="tanh", activity_regularizer="l2"),
    "activity of matrices": L("Dense", (3, 4), units=5, activation="tanh", activity_regularizer="l1"),
}
IMAGE = (6, 5, 4)
CONVOLUTIONS = {
    "plain": L("Conv2D", IMAGE, filters=6, kernel_size=3),
    "relu": L("Conv2D", IMAGE, filters=6, kernel_size=(2, 3), activation="relu"),
    "same": L("Conv2D", IMAGE, filters=6, kernel_size=(3, 4), padding="same", activation="tanh"),
    "strides": L("Conv2D", IMAGE, filters=6, kernel_size=3, strides=(2, 1)),
    "strides same": L("Conv2D", IMAGE, filters=6, kernel_size=2, strides=3, padding="same"),
    "dilated": L("Conv2D", IMAGE, filters=6, kernel_size=2, dilation_rate=(2, 3)),
    "dilated same": L("Conv2D", IMAGE, filters=6, kernel_size=3, dilation_rate=2, padding="same"),
    "groups": L("Conv2D", IMAGE, filters=6, kernel_size=3, groups=2, activation="relu"),
    "without bias": L("Conv2D", IMAGE, filters=6, kernel_size=1, use_bias=False),
    "regularized": L("Conv2D", IMAGE, filters=6, kernel_size=3, kernel_regularizer="l2", bias_regularizer="l1",
                     activity_regularizer="l2"),
}  # fmt: skip
TRANSPOSED = {
    "plain": L("Conv2DTranspose", IMAGE, filters=3, kernel_size=3),
    "strides": L("Conv2DTranspose", IMAGE, filters=3, kernel_size=3, strides=2, activation="relu"),
    "strides same": L("Conv2DTranspose", IMAGE, filters=3, kernel_size=(4, 3), strides=2, padding="same"),
    "output padding": L("Conv2DTranspose", IMAGE, filters=3, kernel_size=3, strides=2, output_padding=1),
    "same output padding": L("Conv2DTranspose", IMAGE, filters=3, kernel_size=3, strides=2, padding="same",
                             output_padding=1),
    "dilated": L("Conv2DTranspose", IMAGE, filters=3, kernel_size=2, dilation_rate=2, use_bias=False),
    "small kernel": L("Conv2DTranspose", IMAGE, filters=3, kernel_size=2, strides=3),
}  # fmt: skip
ACTIVATIONS = ["relu", "relu6", "sigmoid", "tanh", "softmax", "log_softmax", "linear", "elu", "selu", "celu", "gelu",
               "glu", "softplus", "softsign", "silu", "swish", "leaky_relu", "exponential", "hard_sigmoid", "hard_silu",
               "hard_swish", "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink", "threshold", "log_sigmoid",
               "mish", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus"]  # fmt: skip
# (steps, features); options that all recurrent layers have, then those of one class.
RECURRENT = {
    "": {},
    " sequences": {"return_sequences": True},
    " backwards": {"go_backwards": True},
    " sequences backwards": {"return_sequences": True, "go_backwards": True},
    " without bias": {"use_bias": False, "return_sequences": True},
    " relu": {"activation": "relu"},
    " linear": {"activation": "linear", "return_sequences": True},
    " gelu": {"activation": "gelu", "return_sequences": True},
    " unrolled": {"unroll": True},
    " regularized": {"kernel_regularizer": "l2", "recurrent_regularizer": "l1", "bias_regularizer": "l2"},
    " constrained": {"kernel_constraint": "max_norm", "recurrent_constraint": "unit_norm",
                     "bias_constraint": "non_neg"},
}  # fmt: skip
GATED = {
    " softsign": {"recurrent_activation": "softsign", "return_sequences": True},
    " activity": {"activity_regularizer": "l2"},  # Keras's SimpleRNN takes no notice of it
    " silu": {"recurrent_activation": "silu", "activation": "elu"},
}
RECURRENT_LAYERS = {
    **{f"{cls}{name}": L(cls, (5, 4), units=3, **options) for cls in ("SimpleRNN", "LSTM", "GRU")
       for name, options in {**RECURRENT, **(GATED if cls != "SimpleRNN" else {})}.items()},
    **{f"GRU reset before{name}": L("GRU", (5, 4), units=3, reset_after=False, **options)
       for name, options in {**RECURRENT, **GATED}.items()},
    "LSTM without unit_forget_bias": L("LSTM", (5, 4), units=3, unit_forget_bias=False),
    "LSTM of many units": L("LSTM", (3, 9), units=37, return_sequences=True),
    "GRU of many units": L("GRU", (3, 9), units=37, return_sequences=True),
}  # fmt: skip
# Of means with padding "same" only those with as much before as after: elsewhere Keras over PyTorch repeats the edge.
LAYERS = {
    **RECURRENT_LAYERS,
    **{f"Dense {name}": case for name, case in DENSE.items()},
    **{f"Activation {name}": L("Activation", activation=name) for name in ACTIVATIONS if name != "threshold"},
    "Activation softmax of matrices": L("Activation", (3, 4), activation="softmax"),
    "Activation regularized": L("Activation", activation="tanh", activity_regularizer="l2"),
    "ReLU": L("ReLU"),
    "ReLU with options": L("ReLU", max_value=1.0, negative_slope=0.1, threshold=0.2),
    "LeakyReLU": L("LeakyReLU", negative_slope=0.2),
    "ELU": L("ELU", alpha=0.7),
    "PReLU": L("PReLU", (3, 4)),
    "PReLU shared": L("PReLU", (3, 4), shared_axes=[1]),
    "Softmax": L("Softmax", (3, 4)),
    "Softmax of another axis": L("Softmax", (3, 4), axis=1),
    "Rescaling": L("Rescaling", scale=0.7, offset=-0.2),
    "Flatten": L("Flatten", (3, 4)),
    "Reshape": L("Reshape", (3, 4), target_shape=(2, 6)),
    "Reshape -1": L("Reshape", (3, 4), target_shape=(2, -1, 3)),
    "Permute": L("Permute", (2, 3, 4), dims=(3, 1, 2)),
    "RepeatVector": L("RepeatVector", n=3),
    **{name: L(name, (3, 4), (3, 4), (3, 4)) for name in ("Add", "Multiply", "Average", "Maximum", "Minimum")},
    **{f"{name} broadcast": L(name, (3, 1), (4,), (3, 4)) for name in ("Add", "Multiply", "Average", "Maximum")},
    "Subtract": L("Subtract", (3, 4), (3, 4)),
    "Subtract broadcast": L("Subtract", (3, 1), (3, 4)),
    "Concatenate": L("Concatenate", (3, 4), (3, 2), (3, 4)),
    "Concatenate of another axis": L("Concatenate", (3, 4), (1, 4), axis=1),
    "Dot": L("Dot", (6,), (6,), axes=1),
    "Dot of matrices": L("Dot", (3, 4), (5, 4), axes=2),
    "Dot of unlike axes": L("Dot", (3, 4), (4, 5), axes=(2, 1)),
    "Dot normalized": L("Dot", (3, 4), (3, 5), axes=1, normalize=True),
    "Dropout 0": L("Dropout", rate=0.0),
    "GaussianDropout 0": L("GaussianDropout", rate=0.0),
    "GaussianNoise 0": L("GaussianNoise", stddev=0.0),
    "AlphaDropout 0": L("AlphaDropout", rate=0.0),
    "SpatialDropout1D 0": L("SpatialDropout1D", (3, 4), rate=0.0),
    "SpatialDropout2D 0": L("SpatialDropout2D", (2, 3, 4), rate=0.0),
    "BatchNormalization": L("BatchNormalization"),
    "BatchNormalization with options": L("BatchNormalization", momentum=0.7, epsilon=0.01),
    "BatchNormalization bare": L("BatchNormalization", center=False, scale=False),
    "BatchNormalization of matrices": L("BatchNormalization", (3, 4)),
    "BatchNormalization regularized": L("BatchNormalization", beta_regularizer="l2", gamma_regularizer="l1"),
    "LayerNormalization": L("LayerNormalization"),
    "LayerNormalization with options": L("LayerNormalization", (3, 4), epsilon=0.01),
    "LayerNormalization bare": L("LayerNormalization", center=False, scale=False),
    "LayerNormalization of two axes": L("LayerNormalization", (3, 4), axis=(1, 2)),
    "RMSNormalization": L("RMSNormalization", (3, 4)),
    "GroupNormalization": L("GroupNormalization", (3, 6), groups=2),
    "UnitNormalization": L("UnitNormalization", (3, 4)),
    **{f"Conv2D {name}": case for name, case in CONVOLUTIONS.items()},
    **{f"Conv1D {padding}": L("Conv1D", (9, 4), filters=6, kernel_size=3, padding=padding, groups=2)
       for padding in ("valid", "same", "causal")},
    "Conv1D dilated": L("Conv1D", (9, 4), filters=6, kernel_size=2, dilation_rate=3, padding="causal"),
    "Conv1D strides": L("Conv1D", (9, 4), filters=6, kernel_size=2, strides=2, activation="tanh"),
    **{f"Conv2DTranspose {name}": case for name, case in TRANSPOSED.items()},
    "Conv1DTranspose": L("Conv1DTranspose", (5, 4), filters=6, kernel_size=3, strides=2),
    "Conv1DTranspose same": L("Conv1DTranspose", (5, 4), filters=6, kernel_size=4, strides=2, padding="same"),
    "Conv1DTranspose dilated": L("Conv1DTranspose", (5, 4), filters=6, kernel_size=3, dilation_rate=2),
    **{f"{name} {label}": L(name, (7, 5, 3), **options) for name in ("MaxPooling2D", "AveragePooling2D")
       for label, options in {
           "2": {"pool_size": 2}, "3 by 2": {"pool_size": (3, 2), "strides": (1, 2)},
           "same": {"pool_size": 3, "strides": 2, "padding": "same"},
           "even, same": {"pool_size": 2, "strides": 1, "padding": "same"},
       }.items()},
    **{f"{name} {label}": L(name, (9, 4), **options) for name in ("MaxPooling1D", "AveragePooling1D")
       for label, options in {
           "2": {"pool_size": 2}, "3": {"pool_size": 3, "strides": 1},
           "same": {"pool_size": 3, "strides": 2, "padding": "same"},
       }.items()},
    **{f"{kind}Pooling{axes}D{' keepdims' * keepdims}": L(f"{kind}Pooling{axes}D", (4, 5, 3)[2 - axes:],
                                                          keepdims=keepdims)
       for kind in ("GlobalMax", "GlobalAverage") for axes in (1, 2) for keepdims in (False, True)},
    "DepthwiseConv1D": L("DepthwiseConv1D", (9, 4), kernel_size=3),
    "DepthwiseConv1D same": L("DepthwiseConv1D", (9, 4), kernel_size=4, strides=2, padding="same"),
    "DepthwiseConv1D dilated": L("DepthwiseConv1D", (9, 4), kernel_size=2, dilation_rate=3, depth_multiplier=2),
    "DepthwiseConv2D": L("DepthwiseConv2D", (6, 7, 3), kernel_size=3, activation="relu"),
    "DepthwiseConv2D same": L("DepthwiseConv2D", (6, 7, 3), kernel_size=(2, 3), strides=2, padding="same"),
    "DepthwiseConv2D dilated": L("DepthwiseConv2D", (6, 7, 3), kernel_size=3, dilation_rate=2, padding="same"),
    "DepthwiseConv2D of several": L("DepthwiseConv2D", (6, 7, 3), kernel_size=2, depth_multiplier=3, use_bias=False),
    "DepthwiseConv2D regularized": L("DepthwiseConv2D", (6, 7, 3), kernel_size=2, depthwise_regularizer="l2",
                                     bias_regularizer="l1", activity_regularizer="l2"),
    "SeparableConv1D": L("SeparableConv1D", (9, 4), filters=5, kernel_size=3, activation="relu"),
    "SeparableConv1D same": L("SeparableConv1D", (9, 4), filters=5, kernel_size=3, padding="same"),
    "SeparableConv2D": L("SeparableConv2D", (6, 7, 3), filters=5, kernel_size=3, depth_multiplier=2),
    "SeparableConv2D same": L("SeparableConv2D", (6, 7, 3), filters=5, kernel_size=2, strides=2, padding="same",
                              pointwise_regularizer="l2", depthwise_regularizer="l1", activation="tanh"),
    "UpSampling1D": L("UpSampling1D", (4, 3), size=3),
    "UpSampling2D": L("UpSampling2D", (3, 4, 2), size=(2, 3)),
    "UpSampling2D bilinear": L("UpSampling2D", (3, 4, 2), size=(2, 3), interpolation="bilinear"),
    "ZeroPadding1D": L("ZeroPadding1D", (4, 3), padding=(1, 2)),
    "ZeroPadding2D": L("ZeroPadding2D", (4, 3, 2), padding=((1, 0), (2, 3))),
    "Cropping1D": L("Cropping1D", (6, 3), cropping=(1, 2)),
    "Cropping2D": L("Cropping2D", (6, 7, 2), cropping=((1, 0), (2, 3))),
    "ActivityRegularization": L("ActivityRegularization", l1=0.01, l2=0.02),
}

# PyTorch's derivative of hard_sigmoid is the float32 nearest to 1/6, in float64 as well.
SINGLE = {"Activation hard_sigmoid"}

CONSTRAINTS = {
    "non_neg": ("NonNeg", {}),
    "max_norm": ("MaxNorm", {"max_value": 0.6}),
    "max_norm of another axis": ("MaxNorm", {"max_value": 0.6, "axis": 1}),
    "unit_norm": ("UnitNorm", {"axis": 0}),
    "min_max_norm": ("MinMaxNorm", {"min_value": 0.3, "max_value": 0.6, "rate": 0.7}),
}


def model_around(name, shapes, options):
    """The layer between Dense layers, so that it has to give a gradient: `build(package)`."""

    def build(package):
        inputs = [package.Input(shape) for shape in shapes]
        before = [package.layers.Dense(shape[-1], activation="tanh", name=f"before_{number}")(x)
                  for number, (x, shape) in enumerate(zip(inputs, shapes, strict=True))]  # fmt: skip
        y = getattr(package.layers, name)(**options)(before if len(before) > 1 else before[0])
        y = package.layers.Dense(3, name="after")(package.layers.Flatten()(y))
        return package.Model(inputs if len(inputs) > 1 else inputs[0], y)

    return build


def arrays(shapes, dtype, rows=9):
    made = [sides.noise((rows, *shape), dtype, seed) for seed, shape in enumerate(shapes)]
    return made if len(made) > 1 else made[0]


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", LAYERS)
def test_layer(case, dtype):
    name, shapes, options = LAYERS[case]
    sides.has("layers", name)
    if name == "Activation":
        sides.has("activations", options["activation"])
    if options.get("activation") == "glu":
        pytest.skip("Keras takes its shape for that of the input, and cannot go on from there")
    ours, theirs = sides.pair(model_around(name, shapes, options), dtype)
    for model in (ours, theirs):
        package = sides.keras if model is theirs else sides.nncore
        model.compile(package.optimizers.SGD(0.05), "mse")
    x, y = arrays(shapes, dtype), sides.noise((9, 3), dtype, 99)
    sides.compare(ours, theirs, x, y, "float32" if case in SINGLE else dtype)


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", LAYERS)
def test_layer_alone(case, dtype):
    """The layer is the whole model: shapes, the gradient with respect to its inputs, and losses right behind it."""
    name, shapes, options = LAYERS[case]
    sides.has("layers", name)
    if name == "Activation":
        sides.has("activations", options["activation"])

    def build(package):
        inputs = [package.Input(shape) for shape in shapes]
        inputs = inputs if len(inputs) > 1 else inputs[0]
        return package.Model(inputs, getattr(package.layers, name)(**options)(inputs))

    ours, theirs = sides.pair(build, dtype)
    if options.get("activation") != "glu":  # of which Keras says the shape of its input
        assert ours.output_shape == theirs.output_shape
    x = arrays(shapes, dtype)
    y = sides.noise(ours.predict(x).shape, dtype, 99)
    theirs.compile("sgd", "mse")
    output = ours.forward(x, training=True)
    wanted = sides.keras_gradients(theirs, x, y)
    sides.assert_close(output, wanted.output, dtype, "output")
    if options.get("activity_regularizer") or name == "ActivityRegularization":
        return  # penalties are no part of `forward` and `backward`
    got = ours.backward(2 * (output - y) / y.size)
    sides.assert_close(got if isinstance(got, list) else [got], wanted.inputs,
                       "float32" if case in SINGLE else dtype, "gradients of inputs")  # fmt: skip


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", CONSTRAINTS)
def test_constraint(case, dtype):
    name, options = CONSTRAINTS[case]

    def build(package):
        constraint = getattr(package.constraints, name)(**options)
        bias = package.constraints.NonNeg()
        return package.Sequential([
            package.Input((5,)),
            package.layers.Dense(7, activation="tanh", kernel_constraint=constraint, bias_constraint=bias),
            package.layers.Dense(2),
        ])  # fmt: skip

    ours, theirs = sides.pair(build, dtype)
    for model, package in ((ours, sides.nncore), (theirs, sides.keras)):
        model.compile(package.optimizers.SGD(0.1), "mse")
    sides.compare(ours, theirs, sides.noise((8, 5), dtype), sides.noise((8, 2), dtype, 1), dtype)
    w = sides.noise((4, 3), dtype, 2)
    made = [getattr(package.constraints, name)(**options) for package in (sides.nncore, sides.keras)]
    sides.assert_close(made[0](w), sides.numbers(made[1](sides.keras.ops.convert_to_tensor(w))), dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", sides.DTYPES)
def test_activation_function(name, dtype):
    """On arrays, over wide ranges, with special values where both sides are defined."""
    sides.has("activations", name)
    function, other = (getattr(package.activations, name) for package in (sides.nncore, sides.keras))
    x = np.concatenate([np.linspace(-8, 8, 64), np.linspace(-60, 60, 28), [-0.0, 0.0, 1e-30, -1e-30]]).astype(dtype)
    x = x.reshape(4, -1)
    extra = {"threshold": 0.5, "default_value": -1.0} if name == "threshold" else {}
    wanted = sides.numbers(other(sides.keras.ops.convert_to_tensor(x), **extra))
    got = function(x, **extra)
    assert got.dtype == np.dtype(dtype)
    tolerance = sides.TOLERANCE[dtype]
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "SpatialDropout1D"])
def test_noise_has_the_moments_of_keras(name):
    """Means and deviations of 200,000 numbers: each side's error is below 5 / sqrt(200,000) deviations, 0.011."""
    shape = (200, 10, 100)
    x = np.full(shape, 1.5, np.float32)
    options = {"stddev": 0.3} if name == "GaussianNoise" else {"rate": 0.3}
    results = []
    for package in (sides.nncore, sides.keras):
        results.append(sides.numbers(getattr(package.layers, name)(**options, seed=1)(x, training=True)))
    ours, theirs = results
    # dropped channels count ten times, as their ten steps are dropped together
    limit = 0.011 * (np.sqrt(10) if name == "SpatialDropout1D" else 1) * 2
    assert abs(ours.mean() - theirs.mean()) < limit * theirs.std()
    assert abs(ours.std() / theirs.std() - 1) < 2 * limit
    assert abs((ours == ours.min()).mean() - (theirs == theirs.min()).mean()) < limit
