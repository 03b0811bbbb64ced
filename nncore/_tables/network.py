"""The network for a table.

Numbers go in as they are and in *pieces*: min(1, max(0, (z - a) / (b - a))) for neighbours a < b among quantiles of
the training rows, so that a function of one column is a sum over the first layer's inputs. (Gorishniy, Rubachev,
Babenko, On Embeddings for Numerical Features in Tabular Deep Learning, 2022.) It is a dense layer that is not trained.
"""

import math

import numpy as np

MOST_PIECES = 32  # of one column
ALL_PIECES = 1024
ROWS_PER_PIECE = 20
_NARROWEST = 1e-3  # standard deviations
# hard_sigmoid(x) is (x + 3) / 6 between -3 and 3.
_SLOPE, _HALF = 6.0, 3.0


def inputs_of(columns, frame):
    """The network's inputs for a data frame: float32 (rows, scales and switches) if there are any, then the indices."""
    encoded = [column.encode(frame[column.name]) for column in columns]
    numbers = [each.scales for each in encoded] + [each.switches for each in encoded]
    arrays = [each.index[:, None] for each in encoded if each.index is not None]
    return [np.hstack(numbers), *arrays] if sum(array.shape[1] for array in numbers) else arrays


def shapes_of(columns):
    """The shapes of these inputs without rows."""
    width = sum(column.sizes[0] + column.sizes[1] for column in columns)
    return ([(width,)] if width else []) + [(1,) for column in columns if column.sizes[2]]


def pieces_of(scales, rows, pieces=None):
    """For each column of `scales` the ends of its pieces, an increasing array; one of two numbers is no piece."""
    count = pieces
    if count is None:
        count = min(MOST_PIECES, min(ALL_PIECES, rows // ROWS_PER_PIECE) // max(1, scales.shape[1]))
    if count < 2:
        return [np.zeros(1)] * scales.shape[1]
    return [_ends(scales[:, column], count) for column in range(scales.shape[1])]


def _ends(z, count):
    levels = np.unique(z)
    ends = levels if len(levels) <= count + 1 else np.unique(np.quantile(z, np.linspace(0, 1, count + 1)))
    kept = [float(ends[0])]
    for end in ends[1:]:
        if end - kept[-1] >= _NARROWEST:
            kept.append(float(end))
    return np.array(kept)


def build(columns, target, ends, hidden, activation, dropout, seed):
    """The network, not compiled; `ends` are those of the pieces."""
    import nncore as nn

    inputs, parts = [], []
    places = [place for place, each in enumerate(ends) if len(each) > 2]
    width = sum(column.sizes[0] + column.sizes[1] for column in columns)
    cutting = None
    if width:
        inputs.append(nn.Input((width,), name="numbers"))
        parts.append(inputs[0])
        if places:
            count = sum(len(ends[place]) - 1 for place in places)
            cutting = nn.layers.Dense(count, activation="hard_sigmoid", trainable=False, name="pieces")
            parts.append(cutting(inputs[0]))
    for number, column in enumerate(column for column in columns if column.sizes[2]):
        levels = column.sizes[2]
        inputs.append(nn.Input((1,), name=f"levels_{number}"))
        vector = nn.layers.Embedding(levels, embedding_width(levels), name=f"embedding_{number}")(inputs[-1])
        parts.append(nn.layers.Flatten()(vector))
    h = nn.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    for units in hidden:
        h = nn.layers.Dense(units, activation=activation, kernel_initializer="he_normal")(h)
        if dropout:
            h = nn.layers.Dropout(dropout)(h)
    if hidden and width:  # what is linear need not go through the hidden layers
        h = nn.layers.Concatenate()([h, inputs[0]])
    last = nn.layers.Dense(target.outputs, activation=None if target.task == "regression" else "softmax", name="output")
    model = nn.Model(inputs if len(inputs) > 1 else inputs[0], last(h), seed=seed)
    if cutting is not None:
        cutting.set_weights(_cuts(ends, places, width))
    if target.task == "classification":
        bias = np.log(np.maximum(target.shares, 1e-4))  # begins with the shares of the classes
        last.set_weights([last.get_weights()[0], (bias - bias.mean()).astype(np.float32)])
    return model


def embedding_width(levels):
    """How many numbers stand for a level."""
    return min(24, math.ceil(1.6 * levels**0.5))


def _cuts(ends, places, width):
    kernel, bias = [], []
    for place in places:
        for low, high in zip(ends[place][:-1], ends[place][1:], strict=True):
            column = np.zeros(width, np.float32)
            column[place] = _SLOPE / (high - low)
            kernel.append(column)
            bias.append(-_SLOPE * low / (high - low) - _HALF)
    return [np.stack(kernel, axis=1), np.array(bias, np.float32)]


def settle_unseen_levels(model, columns, inputs):
    """Gives the vector of each embedding's unseen levels the mean over the training rows of the others'."""
    first = len(inputs) - sum(column.sizes[2] > 0 for column in columns)
    for number, index in enumerate(inputs[first:]):
        layer = model.get_layer(f"embedding_{number}")
        table = layer.get_weights()[0]
        counts = np.bincount(index.reshape(-1), minlength=len(table))
        if not counts.all():
            table[counts == 0] = (counts @ table) / counts.sum()
            layer.set_weights([table])
