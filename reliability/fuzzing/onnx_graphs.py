"""ONNX files: `nn.interop.onnx.load`, and what was loaded written again."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

import nncore as nn
from reliability.fuzzing import bytes_, guard, models
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

_FEED_FORWARD = ("dense", "branched", "images", "signals", "nested")
EDGES = (0, 1, -1, 2, 3, 7, 2**31 - 1, 2**31, -(2**31), 2**62, -(2**63), 10**7)


def _arithmetic() -> bytes:
    """Operators that no layer of ours writes, one after the other."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "shape": np.array([0, -1]),
        "two": np.array(2.0, np.float32),
        "pads": np.array([0, 1, 0, 1]),
        "zero": np.array(0.0, np.float32),
        "starts": np.array([1]),
        "ends": np.array([5]),
        "axes": np.array([1]),
        "steps": np.array([1]),
    }
    nodes = [
        ("Reshape", ["x", "shape"], "a", {}),
        ("Mul", ["a", "two"], "b", {}),
        ("Erf", ["b"], "c", {}),
        ("Sub", ["c", "a"], "d", {}),
        ("Pad", ["d", "pads", "zero"], "e", {"mode": "constant"}),
        ("Slice", ["e", "starts", "ends", "axes", "steps"], "f", {}),
        ("Clip", ["f", "zero", "two"], "g", {}),
        ("Softmax", ["g"], "h", {"axis": -1}),
        ("Concat", ["h", "g"], "y", {"axis": 1}),
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **options) for kind, inputs, output, options in nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_operatorsetid("", 17)], ir_version=8).SerializeToString()


@functools.cache
def seeds() -> dict[str, bytes]:
    """Graphs of models, and one of arithmetic."""
    found = {name: nn.interop.onnx.to_onnx(models.model(name)).SerializeToString() for name in _FEED_FORWARD}
    return {**found, "arithmetic": _arithmetic()}


@functools.cache
def _kinds() -> list[str]:
    from nncore.interop.onnx import readers  # noqa: F401  which fill the table
    from nncore.interop.onnx.importing import _READERS

    return sorted(_READERS)


def mutate(data: bytes, random: Random) -> bytes:
    """Another message, a field of which has another value, is doubled, or is not there."""
    import onnx
    from google.protobuf.message import DecodeError

    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError as error:
        raise ValueError("no message") from error
    for _ in range(random.choice((1, 1, 2, 3))):
        _change(proto, random)
    return proto.SerializeToString()


def _change(proto: Any, random: Random) -> None:
    messages = [proto]
    for message in messages:
        for field, value in message.ListFields():
            if field.message_type is not None:
                messages.extend(value if _is_list(field) else [value])
    # nodes, weights and shapes rather than what stands around them
    message = random.choice([one for one in messages if one.DESCRIPTOR.name != "ModelProto"] or messages)
    if message.DESCRIPTOR.name == "NodeProto" and not random.randrange(3):
        message.op_type = random.choice(_kinds())
        return
    fields = [field for field in message.DESCRIPTOR.fields if field.name not in ("doc_string", "metadata_props")]
    present = [field for field, _ in message.ListFields()]
    field = random.choice(present if present and random.randrange(4) else fields)
    values = getattr(message, field.name)
    if field.message_type is not None:
        if _is_list(field):
            _change_list(values, random)
        elif not random.randrange(4):
            message.ClearField(field.name)
        return
    if _is_list(field):
        kept = list(values)
        place = random.randrange(len(kept) + 1)
        kept[place : place + random.randrange(2)] = [
            _value(field, kept[place] if place < len(kept) else None, message, random)
        ] * random.randrange(3)
        del values[:]
        values.extend(kept)
    else:
        setattr(message, field.name, _value(field, values, message, random))


def _is_list(field: Any) -> bool:
    repeated: bool = field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
    return repeated


def _change_list(values: Any, random: Random) -> None:
    if not len(values):
        return
    place, other = random.randrange(len(values)), random.randrange(len(values))
    kind = random.randrange(3)
    if kind == 0:
        del values[place]
    elif kind == 1:
        values.add().CopyFrom(values[place])
    else:
        values[place].CopyFrom(type(values[other]).FromString(values[other].SerializeToString()))


def _value(field: Any, value: Any, message: Any, random: Random) -> Any:
    if field.cpp_type == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return bytes_.mutate(value or b"", random)
        names = [
            "x",
            "y",
            "a",
            "b",
            "c",
            "",
            "dense",
            "linear",
            "same",
            "SAME_UPPER",
            "nearest",
            "axis",
            "axes",
            "pads",
            "ä" * 40,
        ]
        return random.choice(names)
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return random.choice((0.0, 1.0, -1.0, 1e-30, 3e38, float("nan"), float("inf")))
    if field.cpp_type == field.CPPTYPE_ENUM:
        return random.choice([one.number for one in field.enum_type.values])
    low, high = (0, 2**64 - 1) if field.cpp_type == field.CPPTYPE_UINT64 else (-(2**63), 2**63 - 1)
    if field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32):
        low, high = (-(2**31), 2**31 - 1) if field.cpp_type == field.CPPTYPE_INT32 else (0, 2**32 - 1)
    return min(max(random.choice((*EDGES, (value or 0) + 1, (value or 0) - 1)), low), high)


def read(data: bytes, folder: Path) -> bool:
    """Loads; small models compute, and some of them what they do after they are written again."""
    path = guard.file(folder, "model.onnx", data)
    with guard.reading():
        model = nn.interop.onnx.load(path)
    if not models.can_compute(model):
        return True
    x = models.data_for(model)
    x = x if len(x) > 1 else x[0]
    with guard.reading():
        y = model.predict(x, verbose=0)
    if len(data) % 8 == 0:
        again = nn.interop.onnx.to_onnx(model)
        assert again.graph.node or not model.weights
    return all(np.shape(one)[0] == 2 for one in (y if isinstance(y, list) else [y]))


TARGET = Target("onnx_graphs", read, seeds, mutate)
