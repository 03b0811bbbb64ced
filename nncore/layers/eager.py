"""A layer called on arrays: a plan of this one layer, made for the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks, _data, _engine, _ports, config
from nncore._plan import Builder
from nncore.layers.layer import WeightMaker, emit_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from nncore._typing import Array


def compute(layer: Any, inputs: Any, training: bool, states: Sequence[Any] = (), **options: Any) -> Any:
    """Returns the layer's output for arrays, which have one number of rows; a list of several.

    Builds the layer where it is not yet. `states` are more inputs, `options` those of this use.
    """
    several = _checks.sequence(f"layer {layer.name!r}", "inputs", inputs) if layer.merges else [inputs]
    given = [*several, *states]
    arrays = [_data.as_array(x, "inputs") for x in given]
    for array in arrays:
        if array.size == 0 or array.ndim == 0 or len(array) != len(arrays[0]):
            got = ", ".join(str(a.shape) for a in arrays)
            wanted = "arrays (rows, ...) of one number of rows, and no empty ones"
            raise ValueError(f"layer {layer.name!r} needs {wanted}; got {got}")
    dtype = _dtype(layer, arrays)
    shapes = [array.shape[1:] for array in arrays]
    layer.prepare(shapes)
    layer.build_for(shapes if layer.merges else shapes[0], WeightMaker(dtype, config.get_seed()))
    readers = [layer.readers(number) for number in range(len(arrays))]
    sources = [_data.as_source(array, dtype) for array in arrays]
    for source, (embeddings, _) in zip(sources, readers, strict=True):
        if embeddings:
            _data.check_indices(source, embeddings, "inputs")
    rows = len(arrays[0])
    builder = Builder(dtype, rows, training=training, statistics="forward")
    values = []
    for number, shape in enumerate(shapes):
        values.append(_ports.gather_input(builder, f"x{number}", shape, False, readers[number]))
    ys = emit_layer(builder, layer, values, options)
    for number, y in enumerate(ys):
        _ports.store(builder, f"output{number}", y)
    builder.finish()
    for number, source in enumerate(sources):
        _ports.bind_source(builder, f"x{number}", source)
    outputs = [_engine.aligned_zeros((rows, *y.shape), dtype) for y in ys]
    builder.bind(**{f"output{number}": output for number, output in enumerate(outputs)})
    threads = builder.threads(rows, config.get_num_threads())
    builder.plan.run(rows, seed=config.get_seed(), threads=threads)
    return outputs if len(outputs) > 1 else outputs[0]


def _dtype(layer: Any, arrays: Sequence[Array]) -> np.dtype[Any]:
    for weight in layer.weight_list():
        return weight.array.dtype  # type: ignore[no-any-return]
    return _engine.DTYPES[1 if all(array.dtype == _engine.DTYPES[1] for array in arrays) else 0]
