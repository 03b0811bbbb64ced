"""ONNX graphs as models: those that nncore writes, those of PyTorch, made ones, and broken ones."""

import io
import re
import warnings

import numpy as np
import pytest

import nncore as nn
from peers import test_onnx

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
L = nn.layers
from_onnx, to_onnx = nn.interop.onnx.from_onnx, nn.interop.onnx.to_onnx

# Operators that are not read, of graphs that nncore writes; and what is written as more than operators one by one.
NOT_READ = {"Abs", "Equal", "Expand", "GRU", "GreaterOrEqual", "LSTM", "LessOrEqual", "RNN", "ReduceL2", "Scan",
            "Split", "Sqrt", "ConstantOfShape", "Log", "Where"}  # fmt: skip
NORMALIZING = {"RMSNormalization", "GroupNormalization"}  # in float64 LayerNormalization as well


def assert_same(got, wanted, dtype="float32"):
    got, wanted = (each if isinstance(each, list) else [each] for each in (got, wanted))
    limit = {"float32": 1e-5, "float64": 1e-12}[dtype]
    for one, other in zip(got, wanted, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=limit, atol=limit * np.abs(other).max(initial=1e-3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", test_onnx.LAYERS)
def test_layers_that_nncore_wrote(name, dtype):
    cls, shapes, options = test_onnx.LAYERS[name]
    model = test_onnx.alone(cls, shapes, options, dtype)
    proto = to_onnx(model)
    normalizing = cls in NORMALIZING | ({"LayerNormalization"} if dtype == "float64" else set())
    if {node.op_type for node in proto.graph.node} & NOT_READ or normalizing:
        with pytest.raises(ValueError, match="supported"):
            from_onnx(proto)
        return
    again = from_onnx(proto)
    assert (again.input_names, again.output_names) == (model.input_names, model.output_names)
    assert again.dtype == dtype
    x = [test_onnx.numbers((5, *shape), dtype, seed) for seed, shape in enumerate(shapes)]
    x = x if len(x) > 1 else x[0]
    assert_same(again.predict(x), model.predict(x), dtype)


@pytest.mark.parametrize("build", [test_onnx.lenet, test_onnx.residual_network])
def test_networks_that_nncore_wrote(build, tmp_path):
    """No layer is there that only turns tensors around, and the model can be trained and saved."""
    model = test_onnx.shaken(build())
    path = tmp_path / "model.onnx"
    nn.interop.onnx.export(model, path)
    again = nn.interop.onnx.load(path)
    assert not any(isinstance(layer, L.Permute) for layer in again.layers)
    assert again.count_params() == model.count_params()
    x = test_onnx.numbers((5, *model.input_shape[1:]), "float32")
    assert_same(again.predict(x), model.predict(x))
    again.save(tmp_path / "model.safetensors")
    assert_same(nn.models.load_model(tmp_path / "model.safetensors").predict(x), model.predict(x))
    again.compile("sgd", "mse")
    again.train_on_batch(x, np.zeros((5, again.output_shape[-1]), np.float32))
    assert not np.allclose(again.predict(x), model.predict(x), atol=1e-5)


def test_tables_and_shared_weights():
    tower = nn.Sequential([nn.Input((4,)), L.Embedding(9, 3), L.Flatten(), L.Dense(5)])
    a, b = nn.Input((4,), name="a"), nn.Input((4,), name="b")
    model = test_onnx.shaken(nn.Model([a, b], L.Subtract()([tower(a), tower(b)])))
    again = from_onnx(to_onnx(model, input_types={"b": "uint8"}))
    x = [np.random.default_rng(seed).integers(0, 9, (5, 4)) for seed in (0, 1)]
    assert again.count_params() == model.count_params()
    assert_same(again.predict(x), model.predict(x))


# ---------------------------------------------------------------- made graphs


def graph(nodes, inputs, outputs, constants=(), opset=17, **options):
    """A model of nodes (kind, inputs, outputs, attributes); extents of inputs without that of rows."""
    made = helper.make_graph(
        [helper.make_node(kind, list(given), list(found), **attributes) for kind, given, found, attributes in nodes],
        "made",
        [helper.make_tensor_value_info(name, FLOAT, ["n", *shape]) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in dict(constants).items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_operatorsetid("", opset)], ir_version=8, **options)


def node(kind, given, found="y", **attributes):
    return kind, given.split() if isinstance(given, str) else given, found.split(), attributes


def w(*shape, seed=3):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


SEVEN = {"x": (3, 7, 6)}  # channels first
CASES = {
    "Gemm transposed, a number for a bias": (
        [node("Gemm", "x w b", transB=1)], {"x": (4,)}, {"w": w(3, 4), "b": w(1)}),
    "Gemm without a bias": ([node("Gemm", "x w")], {"x": (4,)}, {"w": w(4, 3)}),
    "MatMul and its bias": ([node("MatMul", "x w", "z"), node("Add", "b z")], {"x": (5, 4)},
                            {"w": w(4, 3), "b": w(3)}),
    "MatMul that two read": ([node("MatMul", "x w", "z"), node("Add", "z b", "a"), node("Mul", "a z")], {"x": (5, 4)},
                             {"w": w(4, 3), "b": w(3)}),
    "MatMul of images": ([node("Conv", "x k", "z"), node("MatMul", "z w")], SEVEN,
                         {"k": w(4, 3, 2, 2), "w": w(5, 2)}),
    "MatMul of tensors": ([node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "x t")], {"x": (5, 4)}, {}),
    "Conv with unlike pads": ([node("Conv", "x w b", pads=[0, 2, 1, 1], strides=[2, 1], dilations=[1, 2])], SEVEN,
                              {"w": w(4, 3, 3, 2), "b": w(4)}),
    "Conv same": ([node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 2])], SEVEN, {"w": w(4, 3, 3, 3)}),
    "Conv by groups": ([node("Conv", "x w", group=3, pads=[1, 1, 1, 1])], SEVEN, {"w": w(6, 1, 3, 3)}),
    "Conv by two groups": ([node("Conv", "x w b", group=2)], {"x": (4, 6, 6)}, {"w": w(6, 2, 3, 3), "b": w(6)}),
    "Conv of one axis": ([node("Conv", "x w", pads=[2, 0])], {"x": (3, 9)}, {"w": w(4, 3, 3)}),
    "Conv by groups of one axis": ([node("Conv", "x w", pads=[2, 0], group=3)], {"x": (3, 9)}, {"w": w(3, 1, 3)}),
    "ConvTranspose": ([node("ConvTranspose", "x w b", strides=[2, 3], pads=[1, 0, 1, 2], output_padding=[1, 0])],
                      SEVEN, {"w": w(3, 4, 3, 4), "b": w(4)}),
    "ConvTranspose of one axis": ([node("ConvTranspose", "x w", strides=[2], pads=[1, 1])], {"x": (3, 5)},
                                  {"w": w(3, 4, 4)}),
    "MaxPool": ([node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 1])], SEVEN, {}),
    "MaxPool with pads behind Relu": (
        [node("Relu", "x", "z"), node("MaxPool", "z", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], SEVEN,
        {}),
    "MaxPool with ceil_mode that changes nothing": (
        [node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)], SEVEN, {}),
    "AveragePool with pads that count": (
        [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)], SEVEN, {}),
    "AveragePool same": ([node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1])], SEVEN, {}),
    "GlobalAveragePool and Flatten": ([node("GlobalAveragePool", "x", "z"), node("Flatten", "z")], SEVEN, {}),
    "GlobalMaxPool of one axis": ([node("GlobalMaxPool", "x")], {"x": (3, 9)}, {}),
    "ReduceMean": ([node("ReduceMean", "x", axes=[-1, -2], keepdims=0)], SEVEN, {}),
    "ReduceMax of the last axes but one": ([node("ReduceMax", "x", axes=[1, 2])], SEVEN, {}),
    "BatchNormalization": ([node("BatchNormalization", "x g b m v", epsilon=0.01)], SEVEN,
                           {"g": w(3), "b": w(3, seed=4), "m": w(3, seed=5), "v": abs(w(3))}),
    "BatchNormalization of features": ([node("BatchNormalization", "x g b m v")], {"x": (3,)},
                                       {"g": w(3), "b": w(3, seed=4), "m": w(3, seed=5), "v": abs(w(3))}),
    "LayerNormalization": ([node("LayerNormalization", "x g b", axis=-2, epsilon=0.01)], SEVEN,
                           {"g": w(7, 6), "b": w(7, 6)}),
    "Flatten of a convolution": ([node("Conv", "x w", "z"), node("Flatten", "z")], SEVEN, {"w": w(4, 3, 2, 2)}),
    "Reshape": ([node("Conv", "x w", "z"), node("Reshape", "z s", "r"), node("Relu", "r")], SEVEN,
                {"w": w(4, 3, 2, 2), "s": np.array([0, 5, -1])}),
    "Shapes that are computed": (
        [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Unsqueeze", "n axes", "rows"),
         node("Concat", "rows rest", "shape", axis=0), node("Reshape", "x shape")], SEVEN,
        {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}),
    "Squeeze and Unsqueeze": ([node("GlobalAveragePool", "x", "z"), node("Squeeze", "z a", "s"),
                               node("Unsqueeze", "s u")], SEVEN, {"a": np.array([-1, 2]), "u": np.array([1, -1])}),
    "Transpose of rows and back": (
        [node("Transpose", "x", "t", perm=[1, 0, 2]), node("MatMul", "t w", "m"), node("Tanh", "m", "h"),
         node("Transpose", "h", perm=[1, 0, 2])], {"x": (5, 4)}, {"w": w(4, 3)}),
    "Concat": ([node("Conv", "x w", "z"), node("Concat", "x z", axis=1)], SEVEN, {"w": w(4, 3, 1, 1)}),
    "Pad": ([node("Pad", "x p")], SEVEN, {"p": np.array([0, 0, 1, 2, 0, 0, 0, 3])}),
    "Pad channels and crop": ([node("Pad", "x p")], SEVEN, {"p": np.array([0, 1, -1, 0, 0, 2, 3, 0])}),
    "Slice": ([node("Slice", "x s e a")], SEVEN, {"s": np.array([1, -4]), "e": np.array([2**62, -1]),
                                                  "a": np.array([1, 3])}),
    "Resize": ([node("Resize", ["x", "", "s"], mode="nearest")], SEVEN, {"s": np.array([1, 1, 2, 3], np.float32)}),
    "Resize to extents": ([node("Resize", ["x", "", "", "s"], mode="linear")], {"x": (2, 3, 4)},
                          {"s": np.array([5, 2, 6, 8])}),
    "PRelu by channels": ([node("PRelu", "x s")], SEVEN, {"s": w(3, 1, 1)}),
    "Softmax of channels": ([node("Conv", "x w", "z"), node("Softmax", "z", axis=1)], SEVEN, {"w": w(4, 3, 1, 1)}),
    "numbers along an axis": ([node("Mul", "x a", "m"), node("Sub", "b m", "s"), node("Div", "s c", "d"),
                               node("Add", "d e")], SEVEN,
                              {"a": w(3, 1, 1), "b": w(6), "c": 2 + w(1, 7, 1), "e": w(1)}),
    "a number less a tensor": ([node("Sub", "a x", "s"), node("Neg", "s")], {"x": (4,)}, {"a": w(1)}),
    **{f"{kind} of tensors": ([node("Conv", "x w", "z"), node(kind, "x z x" if kind not in ("Sub", "Mul") else "x z")],
                              SEVEN, {"w": w(3, 3, 1, 1)}) for kind in ("Sum", "Sub", "Mul", "Max", "Min", "Mean")},
    "Add that repeats": ([node("GlobalAveragePool", "x", "z"), node("Add", "x z")], SEVEN, {}),
    **{f"Clip {name}": ([node("Clip", ["x", *bounds])], {"x": (9,)}, constants) for name, bounds, constants in [
        ("of both", ["a", "b"], {"a": np.float32(-0.4), "b": np.float32(0.3)}),
        ("below", ["a"], {"a": np.float32(0.2)}),
        ("above", ["", "b"], {"b": np.float32(0.3)}), ("above at 0", ["", "b"], {"b": np.float32(0)}),
        ("of none", [], {})]},
    **{kind: ([node(kind, "x", **attributes)], {"x": (9,)}, {}) for kind, attributes in {
        "Relu": {}, "Sigmoid": {}, "Tanh": {}, "Exp": {}, "Softplus": {}, "Softsign": {}, "HardSwish": {},
        "LeakyRelu": {"alpha": 0.3}, "Elu": {"alpha": 0.5}, "Celu": {"alpha": 0.5}, "Selu": {}, "LogSoftmax": {},
        "HardSigmoid": {"alpha": 1 / 6}, "Identity": {}, "Dropout": {}, "Cast": {"to": FLOAT}}.items()},
    "gelu, half of x first": (
        [node("Mul", "x r", "a"), node("Erf", "a", "b"), node("Add", "one b", "c"), node("Mul", "h x", "d"),
         node("Mul", "d c")], {"x": (9,)},
        {"r": np.float32(0.5**0.5), "one": np.float32(1), "h": np.float32(0.5)}),
    "HardSigmoid of others": ([node("HardSigmoid", "x", beta=0.4)], {"x": (9,)}, {}),
    "Constant": ([node("Constant", "", "c", value_float=2.5), node("Mul", "x c")], {"x": (9,)}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_made_graphs(name):
    nodes, inputs, constants = CASES[name]
    proto = graph(nodes, inputs, ["y"], constants)
    model = from_onnx(proto)
    assert model.output_names == ["y"]
    feeds = {name: 2 * test_onnx.numbers((5, *shape), "float32") for name, shape in inputs.items()}
    assert_same(model.predict(next(iter(feeds.values()))), test_onnx.computed(proto, feeds)[0])


def test_numbers_along_an_axis_are_not_trained():
    nodes, inputs, constants = CASES["numbers along an axis"]
    model = from_onnx(graph(nodes, inputs, ["y"], constants))
    assert model.trainable_variables == []
    x = test_onnx.numbers((5, 3, 7, 6), "float32")
    assert_same(model.forward(x, training=True), model.predict(x))


@pytest.mark.parametrize(("opset", "nodes", "constants"), [
    (7, [node("Clip", "x", min=-0.5, max=0.5)], {}),
    (7, [node("Softmax", "x", axis=1), ], {}),
    (9, [node("Unsqueeze", "x", "u", axes=[2]), node("Squeeze", "u", axes=[2])], {}),
    (12, [node("Dropout", "x")], {}),
    (18, [node("Unsqueeze", "x a", "u"), node("ReduceMean", "u b", keepdims=0)],
     {"a": np.array([1]), "b": np.array([1])}),
    (20, [node("Gelu", "x", approximate="tanh"), ], {}),
    (20, [node("Gelu", "x"), ], {}),
    (18, [node("Mish", "x"), ], {}),
], ids=str)  # fmt: skip
def test_older_and_newer_forms(opset, nodes, constants):
    proto = graph(nodes, {"x": (4,)}, ["y"], constants, opset=opset)
    x = test_onnx.numbers((5, 4), "float32")
    assert_same(from_onnx(proto).predict(x), test_onnx.computed(proto, {"x": x})[0])


def test_several_outputs_and_their_names():
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Identity", "a", "c")]
    proto = graph(nodes, SEVEN, ["x", "a", "b", "c"], {"w": w(4, 3, 2, 2)})
    model = from_onnx(proto)
    x = test_onnx.numbers((5, 3, 7, 6), "float32")
    assert len(set(model.output_names)) == 4
    assert model.output_names[1:3] == ["a", "b"]
    assert_same(model.predict(x)[1:], test_onnx.computed(proto, {"x": x})[1:])


# ---------------------------------------------------------------- PyTorch


def torch_modules():
    torch = pytest.importorskip("torch")
    net = torch.nn

    class Block(net.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.first = net.Sequential(net.Conv2d(inputs, outputs, 3, stride, 1, bias=False), net.BatchNorm2d(outputs))
            self.second = net.Sequential(net.Conv2d(outputs, outputs, 3, 1, 1), net.BatchNorm2d(outputs))
            self.short = net.Conv2d(inputs, outputs, 1, stride)

        def forward(self, x):
            return torch.relu(self.second(torch.relu(self.first(x))) + self.short(x))

    class View(net.Module):
        def forward(self, x):
            return x.view(x.size(0), -1)

    return {
        "perceptron": ((6,), [net.Linear(6, 8), net.LeakyReLU(), net.Linear(8, 8), net.SiLU(), net.BatchNorm1d(8),
                              net.GELU(), net.LayerNorm(8), net.Linear(8, 3), net.Softmax(-1)]),
        "residual": ((3, 32, 32), [net.Conv2d(3, 8, 7, 2, 3), net.ReLU(), net.MaxPool2d(3, 2, 1), Block(8, 8, 1),
                                   Block(8, 12, 2), net.AdaptiveAvgPool2d(1), net.Flatten(), net.Linear(12, 5)]),
        "mobile": ((3, 32, 32), [net.Conv2d(3, 8, 3, 2, 1), net.Hardswish(), net.Conv2d(8, 8, 3, 1, 1, groups=8),
                                 net.ReLU6(), net.Conv2d(8, 4, 1), net.PReLU(4), net.AvgPool2d(2), View(),
                                 net.Dropout(), net.Linear(256, 2)]),
        "decoder": ((4, 5, 6), [net.ConvTranspose2d(4, 6, 4, 2, 1), net.ELU(), net.Upsample(scale_factor=2),
                                net.AvgPool2d(3, 1, 1), net.Tanh()]),
        "sequence": ((4, 10), [net.Conv1d(4, 6, 3, padding=1), net.Tanh(), net.MaxPool1d(2), net.Conv1d(6, 3, 2)]),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["perceptron", "residual", "mobile", "decoder", "sequence"])
def test_modules_of_pytorch(name):
    torch = pytest.importorskip("torch")
    torch.manual_seed(2)
    shape, parts = torch_modules()[name]
    module = torch.nn.Sequential(*parts).eval()
    for kind, buffer in module.named_buffers():
        if buffer.dtype.is_floating_point:
            buffer.uniform_(*((0.2, 0.9) if kind.endswith("var") else (-0.1, 0.1)))
    x, file = torch.randn(5, *shape), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (x,), file, dynamo=False, opset_version=17, input_names=["x"],
                          dynamic_axes={"x": {0: "rows"}})  # fmt: skip
    wanted = module(x).detach().numpy()
    assert wanted.std(axis=0).max() > 1e-3
    model = from_onnx(onnx.load_model_from_string(file.getvalue()))
    assert_same(model.predict(x.numpy()), wanted)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(("nodes", "message"), [
    ([node("Sin", "x")], "operator 'Sin' is not supported"),
    ([node("Erf", "x")], "as a part of gelu only"),
    ([node("Div", "x two", "a"), node("Erf", "a", "b"), node("Add", "b one", "c"), node("Mul", "x c")], "part of gelu"),
    ([("Relu", ["x"], ["y"], {"domain": "com.example"})], "'Relu' of domain 'com.example'"),
    ([node("Conv", "x x")], "Conv of 'y' is supported with constant weights only"),
    ([node("Conv", "x w")], r"has a weight of \(4, 2, 3, 3\)"),
    ([node("Conv", "x v", kernel_shape=[2, 2])], "does not support kernel_shape"),
    ([node("Conv", "x v", auto_pad="SAME_LOWER")], "auto_pad='SAME_LOWER'"),
    ([node("MatMul", "x big")], r"has a weight of \(5, 2\)"),
    ([node("MaxPool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])], "never negative"),
    ([node("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)], "ceil_mode"),
    ([node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])], "pads that do not count"),
    ([node("Reshape", "x s")], "does not keep the rows"),
    ([node("Reshape", "x t")], "would mix the rows"),
    ([node("Flatten", "x", axis=2)], "along the axes of samples only"),
    ([node("Softmax", "x", axis=0)], "along the rows"),
    ([node("Concat", "x x", axis=0)], "along axes of samples only"),
    ([node("Add", "x big")], r"got \(5, 2\)"),
    ([node("Relu", "z")], "'z' is read before"),
    ([node("Resize", ["x", "", "r"])], "by whole factors"),
    ([node("Transpose", "x", perm=[0, 1])], r"axes \[0, 1\]"),
    ([node("Identity", "big")], "does not depend on any input"),
    ([node("Constant", "", "c"), node("Mul", "x c")], "must have one value; it has 0"),
    ([node("BatchNormalization", "x one one one one")], "do not fit"),
], ids=str)  # fmt: skip
def test_what_is_not_read_is_refused(nodes, message):
    constants = {"w": w(4, 2, 3, 3), "v": w(4, 3, 3, 3), "big": w(5, 2), "two": np.float32(2),
                 "s": np.array([3, -1]),
                 "t": np.array([-1, 7]), "one": w(1),
                 "r": np.array([1, 1, 1.5, 1], np.float32)}  # fmt: skip
    with pytest.raises(ValueError, match=message):
        from_onnx(graph(nodes, SEVEN, ["y"], constants))


def test_whole_numbers():
    """They may be numbers of rows, or become others first; ONNX divides them otherwise."""
    nodes = [node("Cast", "x", "z", to=FLOAT), node("Div", "z a")]
    proto = graph(nodes, {"x": (4,)}, ["y"], {"a": np.float32(2)})
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT32
    x = np.arange(20, dtype=np.int32).reshape(5, 4)
    assert_same(from_onnx(proto).predict(x), x / np.float32(2))
    del proto.graph.node[0]
    proto.graph.node[0].input[0] = "x"
    with pytest.raises(ValueError, match="Div of 'y' of whole numbers"):
        from_onnx(proto)
    table = graph([node("Cast", "x", "z", to=onnx.TensorProto.INT64), node("Gather", "t z")], {"x": (4,)}, ["y"],
                  {"t": w(7, 3)})  # fmt: skip
    with pytest.raises(ValueError, match="to floating-point numbers only"):
        from_onnx(table)
    table.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    x = np.random.default_rng(0).integers(0, 7, (5, 4), np.uint8)
    assert_same(from_onnx(table).predict(x), test_onnx.computed(table, {"x": x})[0])


def test_inputs_that_are_not_read():
    for shape, message in [((), "at least one axis"), (("m",), "of a known shape")]:
        with pytest.raises(ValueError, match=message):
            from_onnx(graph([node("Relu", "x")], {"x": shape}, ["y"]))
    with pytest.raises(ValueError, match="opset 5"):
        from_onnx(graph([node("Relu", "x")], {"x": (3,)}, ["y"], opset=5))
    with pytest.raises(TypeError, match=r"onnx\.ModelProto"):
        from_onnx("model.onnx")


def test_files_that_are_none(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(FileNotFoundError):
        nn.interop.onnx.load(path)
    for content in (b"", b"text that is no model", bytes(range(256))):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"no ONNX file|ONNX: opset 0"):
            nn.interop.onnx.load(path)


def test_weights_in_other_files_are_not_looked_for():
    proto = graph([node("Gemm", "x w")], {"x": (4,)}, ["y"], {"w": w(4, 3)})
    weight = proto.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(ValueError, match="in another file"):
        from_onnx(proto)


def test_small_files_that_ask_for_much_memory():
    """One weight that many layers read in ways of their own, and one of a shape that is longer than it."""
    nodes, last = [], "x"
    for number in range(30):
        nodes.append(node("Conv", f"{last} w", f"y{number}", strides=[number + 1]))
        nodes.append(node("GlobalMaxPool", f"y{number}", f"z{number}"))
        last = f"z{number}"
    with pytest.raises(ValueError, match="weights are more than 8 times"):
        from_onnx(graph(nodes, {"x": (1500, 1)}, [last], {"w": np.zeros((1500, 1500, 1), np.float16)}))
    proto = graph([node("Gemm", "x w")], {"x": (4,)}, ["y"], {"w": w(4, 3)})
    proto.graph.initializer[0].dims[0] = 2**40
    with pytest.raises(ValueError, match="not as long as its shape"):
        from_onnx(proto)
    nodes = [node("Concat", f"c{number} c{number}", f"c{number + 1}", axis=0) for number in range(20)]
    with pytest.raises(ValueError, match="constants are more than 8 times"):
        from_onnx(graph([*nodes, node("Add", "x c20")], {"x": (4,)}, ["y"], {"c0": w(64)}))


def test_broken_files(tmp_path):
    """Bytes that are others, or missing: a model, or ValueError."""
    models = [test_onnx.lenet(), nn.Sequential([
        nn.Input((6, 5, 4)), L.ZeroPadding2D(1), L.PReLU(shared_axes=[1, 2]), L.Conv2DTranspose(3, 3, strides=2),
        L.UpSampling2D(2), L.Cropping2D(1), L.LayerNormalization(), L.DepthwiseConv2D(2)])]  # fmt: skip
    whole = [to_onnx(model).SerializeToString() for model in models]
    random, path, refused = np.random.default_rng(4), tmp_path / "model.onnx", 0
    for _ in range(300):
        content = bytearray(whole[random.integers(len(whole))])
        for _ in range(random.integers(1, 5)):
            content[random.integers(min(len(content), random.choice([60, 900, 10**9])))] = random.integers(256)
        path.write_bytes(content[: random.integers(1, len(content))] if random.random() < 0.2 else content)
        try:
            nn.interop.onnx.load(path)
        except ValueError:
            refused += 1
    assert 100 < refused < 300


def test_what_is_read_is_listed():
    """The operators of the docstring and those of the table."""
    from nncore.interop.onnx import importing, readers  # noqa: F401

    named = set(re.findall(r"`([A-Z]\w+)`", from_onnx.__doc__)) - {"Permute"}
    assert named <= set(importing._READERS)
