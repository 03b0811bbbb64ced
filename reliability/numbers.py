"""Rows in files of more than 2**31 elements and 4 GiB: every way in which data are read finds the right ones.

A sparse file of 9 GB takes hardly any room on the disk: a few known rows are written into it, beyond the first 2**31
elements and 4 GiB among others, and the rest is zeros. `--quick` reads only what lies around those rows, which takes a
second or two; without it, whole epochs go through the file, shuffled and not. `--table` adds a weight of that size.

    python -m reliability.numbers [--quick] [--table] [--folder FOLDER] [--gigabytes 9]
"""

from __future__ import annotations

import argparse
import pathlib
import resource
import tempfile
import time

import numpy as np

import nncore as nn

FEATURES = 768


def sparse(path: pathlib.Path, dtype: str, gigabytes: float) -> np.memmap:
    """A file of zeros, rows of FEATURES elements, with numbers in the rows that `known` names."""
    rows = int(gigabytes * 1e9) // (FEATURES * np.dtype(dtype).itemsize)
    with open(path, "wb") as file:
        file.truncate(rows * FEATURES * np.dtype(dtype).itemsize)
    array = np.memmap(path, dtype, "r+", shape=(rows, FEATURES))
    for row in known(array):
        array[row] = content(row, dtype)
    array.flush()
    return np.memmap(path, dtype, "r", shape=array.shape)


def known(array: np.ndarray) -> list[int]:
    """Rows at both ends of the file, and on both sides of 2**31 and 2**32 elements and bytes."""
    sizes = (1, array.dtype.itemsize)
    places = [limit // FEATURES // size for limit in (2**31, 2**32, 2**33) for size in sizes]
    return sorted({row + aside for row in (0, *places, len(array) - 2) for aside in (0, 1) if row + aside < len(array)})


def content(row: int, dtype: str) -> np.ndarray:
    """What stands in a known row: another one in each."""
    return np.random.default_rng(row).integers(1, 100, FEATURES).astype(dtype)


def model_of(targets: int = 2) -> nn.Sequential:
    """A linear model with weights that tell rows apart."""
    model = nn.Sequential([nn.Input((FEATURES,)), nn.layers.Rescaling(1 / 128), nn.layers.Dense(targets)], seed=3)
    model.compile(nn.optimizers.SGD(1e-3), "mse")
    return model


def in_memory(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Copies of those rows, by NumPy."""
    return np.stack([np.array(array[row]) for row in rows])


def check_places(array: np.ndarray, done: list[str]) -> None:
    """Predictions, evaluations and training of chosen rows, by an order and by distances of gigabytes between rows."""
    rows = np.array(known(array))
    near = in_memory(array, rows)
    model, twin = model_of(), model_of()
    y = np.random.default_rng(1).random((len(array), 2), np.float32)

    # by distances: each view has the whole file between its rows
    for step in {max(1, (len(array) - 1) // 2), max(1, (len(array) - 1) // 3), len(array) - 1}:
        view = array[::step]
        wanted = in_memory(array, np.arange(0, len(array), step))
        assert (model.predict(view, verbose=0) == model.predict(wanted, verbose=0)).all()
        assert (model.predict_on_batch(view) == model.predict(wanted, verbose=0)).all()
        backwards = model.predict(view[::-1], verbose=0)
        assert (backwards == model.predict(wanted[::-1], verbose=0)).all()
        columns = array[::step, ::97]  # elements of a row apart: each column is an address of its own
        narrow = nn.Sequential([nn.Input((columns.shape[1],)), nn.layers.Dense(2)], seed=3)
        assert (narrow.predict(columns, verbose=0) == narrow.predict(np.array(columns), verbose=0)).all()
    done.append("rows and columns gigabytes apart")

    # by an order: fit takes the rows that a function names
    order = np.concatenate([rows, rows[::-1]])
    for given in (None, np.linspace(0.5, 1.5, len(array), dtype=np.float32)):
        chosen = None if given is None else given[order]
        one = model.fit(array, y, sample_weight=given, batch_size=len(order), steps_per_epoch=1, verbose=0,
                        shuffle=lambda count: np.r_[order, np.zeros(count - len(order), np.int64)])  # fmt: skip
        other = twin.fit(np.concatenate([near, near[::-1]]), y[order], sample_weight=chosen, batch_size=len(order),
                         shuffle=False, verbose=0)  # fmt: skip
        assert one.history == other.history, (one.history, other.history)
    assert all((a == b).all() for a, b in zip(model.get_weights(), twin.get_weights(), strict=True))
    done.append("rows chosen by an order, with sample weights")

    # the end of the file as a part of it
    last = array[-1000:]
    assert (model.predict(last, verbose=0) == model.predict(np.array(last), verbose=0)).all()
    done.append("the last rows")


def check_positions(done: list[str]) -> None:
    """Positions beyond 2**31 rows: data of one element that is every row."""
    rows = 2**31 + 1000
    x = np.broadcast_to(np.float32(2), (rows, 1))
    model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)])
    model.compile("sgd", "mse")
    ours = model.evaluate(x, x, batch_size=2**16, steps=3, verbose=0)
    assert abs(ours - model.evaluate(np.array(x[:10]), np.array(x[:10]), verbose=0)) < 1e-6 * ours
    model.fit(x, x, batch_size=2**10, steps_per_epoch=3, shuffle=False, verbose=0)
    done.append("data of more than 2**31 rows")


def check_table(done: list[str]) -> None:
    """A weight of more than 2**31 elements, 9 GB: a table, of which rows at its ends and around that place are used."""
    width = 33
    count = 2**31 // width + 1000
    places = np.array([0, 1, 2**31 // width - 1, 2**31 // width, 2**31 // width + 1, count - 2, count - 1])

    def model_with(rows: int) -> nn.Sequential:
        table = nn.layers.Embedding(rows, width, embeddings_initializer="zeros")
        model = nn.Sequential([nn.Input((2,)), table, nn.layers.Flatten(), nn.layers.Dense(1)], seed=3)
        model.compile(nn.optimizers.SGD(0.1), "mse")
        return model

    large, twin = model_with(count), model_with(len(places))
    rows = np.random.default_rng(2).integers(0, len(places), (50, 2))
    y = np.random.default_rng(3).random((50, 1), np.float32)
    one = large.fit(places[rows], y, batch_size=8, epochs=3, verbose=0)
    other = twin.fit(rows, y, batch_size=8, epochs=3, verbose=0)
    assert one.history == other.history, (one.history, other.history)
    assert (large.weights[0][places] == twin.weights[0]).all()
    assert twin.weights[0].all()
    assert (large.predict(places[rows], verbose=0) == twin.predict(rows, verbose=0)).all()
    done.append(f"a table of {large.weights[0].size:,} numbers")


def check_epochs(array: np.ndarray, done: list[str]) -> None:
    """Whole passes over the file."""
    model = model_of()
    rows = np.array(known(array))
    bias = model.predict(np.zeros((1, FEATURES), array.dtype), verbose=0)
    found = model.predict(array, verbose=0)
    assert (found[rows] == model.predict(in_memory(array, rows), verbose=0)).all()
    zeros = np.ones(len(array), bool)
    zeros[rows] = False
    assert (found[zeros] == bias).all()
    done.append("predict over the whole file")
    loss = model.evaluate(array, found, batch_size=4096, verbose=0)
    assert loss == 0, loss
    done.append("evaluate over the whole file")
    for shuffle in (False, True):
        weights = model.get_weights()
        model.fit(array, found, batch_size=4096, shuffle=shuffle, sample_weight=np.ones(len(array)), verbose=0)
        assert all((a == b).all() for a, b in zip(weights, model.get_weights(), strict=True))  # no gradient anywhere
        done.append(f"fit over the whole file, {'shuffled' if shuffle else 'in order'}")


def main(arguments: list[str] | None = None) -> None:
    """Runs what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m reliability.numbers", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="no whole passes over the files")
    parser.add_argument("--table", action="store_true", help="a weight of 9 GB in memory, too")
    parser.add_argument("--folder", type=pathlib.Path, help="where the sparse files are made; a temporary one")
    parser.add_argument("--gigabytes", type=float, default=9, help="of each file")
    options = parser.parse_args(arguments)
    begin, done = time.monotonic(), list[str]()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for dtype in ("float32", "uint8"):
            array = sparse(pathlib.Path(folder) / dtype, dtype, options.gigabytes)
            own: list[str] = []
            check_places(array, own)
            if not options.quick:
                check_epochs(array, own)
            done += [f"{dtype}: {what}" for what in own]
            print(f"{array.shape[0]:,} rows of {dtype}, {array.size:,} elements: {', '.join(own)}", flush=True)
    check_positions(done)
    if options.table:
        check_table(done)
        print(done[-1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{len(done)} ways to read data beyond 2**31 elements, all right, in {time.monotonic() - begin:.0f} s; "
          f"at most {peak} MiB resident")  # fmt: skip


if __name__ == "__main__":
    main()
