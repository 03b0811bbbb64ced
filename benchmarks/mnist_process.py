"""A process that trains on MNIST, from starting Python to an accuracy: it imports little.

    python -m benchmarks.mnist_process NAME THREADS SEED FOLDER ACCURACY

trains one library's network until the accuracy is reached, at least five epochs, and prints lines of JSON. With "data"
for a name it stops when it has NumPy and the data.
"""

import json
import pathlib
import sys
import time

from . import peers

SIZES, BATCH = (784, 256, 128, 10), 128
EPOCHS = 5
MOST_EPOCHS = 15


def _read(folder, name):
    """The rows of a file of the data set, read by NumPy alone: for processes without nncore."""
    import gzip

    import numpy as np

    spellings = [name, name.replace("-idx", ".idx")]
    paths = [pathlib.Path(folder, spelling + ending) for ending in ("", ".gz") for spelling in spellings]
    path = next(path for path in paths if path.is_file())
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        content = file.read()
    rows, dimensions = int.from_bytes(content[4:8], "big"), content[3]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(rows, -1)


def load(folder, by_nncore):
    """Images (rows, 784) of bytes and labels (rows,), for training and for the test."""
    if by_nncore:
        from nncore.datasets import mnist

        (x, y), (x_test, y_test) = mnist.load_data(folder)
        return x.reshape(-1, SIZES[0]), y, x_test.reshape(-1, SIZES[0]), y_test
    images, labels = (
        [_read(folder, f"{part}-{kind}") for part in ("train", "t10k")]
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )
    return images[0], labels[0].ravel(), images[1], labels[1].ravel()


def memory(peak):
    """Bytes that this process has in memory, or the most that it has had; where Linux does not say, the latter."""
    try:
        # Not getrusage, whose number begins with what the parent process had.
        status = pathlib.Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:" if peak else "VmRSS:")[1].split()[0])
    except (OSError, IndexError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def train(name, threads, seed, folder, accuracy):
    """One process: trains, and prints a line of JSON for each epoch, and one with its peak memory."""
    import numpy as np

    peers.pin(threads)
    x, y, x_test, y_test = load(folder, name == "nncore")
    if name != "data":
        if name != "nncore":  # which reads bytes
            x, x_test = (images / np.float32(255) for images in (x, x_test))
            y = y.astype(np.int64)
        network = peers.LIBRARIES[name].network(peers.Task(SIZES, BATCH), x, y, threads, shuffle=True, seed=seed)
        reached, epoch = 0.0, 0
        while epoch < EPOCHS or (reached < accuracy and epoch < MOST_EPOCHS):
            start = time.perf_counter()
            network.train(1)
            seconds = time.perf_counter() - start
            reached = max(reached, share := float((network.predict(x_test).argmax(axis=1) == y_test).mean()))
            epoch += 1
            print(json.dumps({"seconds": seconds, "accuracy": share}), flush=True)
    print(json.dumps({"memory": memory(peak=name != "data")}), flush=True)


if __name__ == "__main__":
    train(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], float(sys.argv[5]))
