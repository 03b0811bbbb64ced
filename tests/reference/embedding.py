"""What the kernels of embedding.h compute."""

import numpy as np

from reference.base import Expected, exactly, reference, wide


@reference
def whole_indices(a, w, block):
    x = a.x[block.rows].astype(np.float64)
    whole = (x == np.floor(x)) & (x >= -(2.0**31)) & (x < 2.0**31)
    return {"y": exactly(block.rows, np.where(whole, x, -(2.0**31)).astype(np.int32))}


@reference
def embedding_forward(a, w, block):
    indices = a.indices[block.rows, : a.positions]
    known = (indices >= 0) & (indices < a.count)
    table = a.table.reshape(a.count, a.width)
    y = np.where(known[..., None], table[np.where(known, indices, 0)], w.real(np.nan))
    return {"y": exactly(block.rows, y.reshape(len(y), -1))}


@reference
def sort_indices(a, w, block):
    indices = a.indices[: w.rows, : a.positions].astype(np.int64).ravel()
    keys = np.where((indices >= 0) & (indices < a.count), indices, a.count)
    order, before = np.arange(len(keys)), None
    for byte in range(max(1, (int(a.count).bit_length() + 7) // 8)):
        before = order
        order = order[np.argsort(keys[order] >> 8 * byte & 255, kind="stable")]
    value = a.sorted.copy()
    for begin, places in ((0, order), (a.room, before)):
        value[begin : begin + len(keys)] = keys[places] << 32 | places
    assert (np.diff(keys[order]) >= 0).all()
    return {"sorted": exactly(slice(None), value)}


def gradient_of(a, w, dtype):
    """The sums over places of each row of the table, those of the absolute values, and how many there are."""
    places = w.rows * a.positions
    index, place = a.sorted[:places] >> 32, a.sorted[:places] & 0xFFFFFFFF
    dy = wide(a.dy)[: w.rows, : a.positions * a.width].reshape(places, a.width)[place]
    return index, dy


@reference
def embedding_gradient(a, w, block):
    index, dy = gradient_of(a, w, w.real)
    old = wide(w.gradient)
    value = old * (1 if a.accumulate else 0)
    magnitude, count = np.abs(value), 0
    for number, row in zip(index, dy, strict=True):
        if block.row_begin <= number < block.row_end:
            value[number - block.row_begin] += row[block.columns]
            magnitude[number - block.row_begin] += np.abs(row[block.columns])
            count += 1
    return {"worker_gradient": Expected(slice(None), value, count + 1, magnitude)}


@reference
def embedding_sgd(a, w, block):
    index, dy = gradient_of(a, w, w.real)
    table = a.parameter.reshape(a.count, a.width)
    value, magnitude = wide(table).copy(), np.abs(wide(table))
    rate, most = wide(w.real(w.learning_rate)), 1
    places = np.arange(len(index))
    first = np.concatenate([[True], index[1:] != index[:-1]]) if len(index) else np.zeros(0, bool)
    for start in np.flatnonzero(first & (places >= block.row_begin) & (places < block.row_end)):
        number = index[start]
        if number >= a.count:
            continue
        run = dy[index == number][:, block.columns]
        value[number, block.columns] -= rate * run.sum(axis=0)
        magnitude[number, block.columns] += rate * np.abs(run).sum(axis=0)
        most = max(most, len(run))
    shape = a.parameter.shape
    return {"parameter": Expected(slice(None), value.reshape(shape), most + 2, magnitude.reshape(shape))}
