"""The data sets: what ships is what was published; what is read from files or the network is checked."""

import functools
import gzip
import hashlib
import http.server
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from nncore.datasets import digits, mnist

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx_bytes(array):
    """The IDX file, uncompressed, of an array of uint8."""
    header = bytes([0, 0, 8, array.ndim])
    return header + b"".join(length.to_bytes(4, "big") for length in array.shape) + array.tobytes()


@functools.cache
def small_arrays():
    """Four arrays as in MNIST, with 50 training and 20 test images of 28 x 28 random pixels."""
    rng = np.random.default_rng(0)
    return tuple(
        rng.integers(0, 256 if "images" in name else 10, shape, np.uint8)
        for name, shape in zip(NAMES, [(50, 28, 28), (50,), (20, 28, 28), (20,)], strict=True)
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with the four small files, plain."""
    for name, array in zip(NAMES, small_arrays(), strict=True):
        (tmp_path / name).write_bytes(idx_bytes(array))
    return tmp_path


def assert_small_arrays(data):
    (x_train, y_train), (x_test, y_test) = data
    for got, wanted in zip((x_train, y_train, x_test, y_test), small_arrays(), strict=True):
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, wanted)


# Digits


def test_digits_are_the_published_ones():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1437, 8, 8)
    assert y_train.shape == (1437,)
    assert x_test.shape == (360, 8, 8)
    assert y_test.shape == (360,)
    assert {a.dtype for a in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    with np.load(digits.DATA, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    # Of optdigits.tes in its order.
    assert hashlib.sha256(images.tobytes()).hexdigest().startswith("8f26b2bd9d135c256808f68f14fdabdd")
    assert hashlib.sha256(labels.tobytes()).hexdigest().startswith("8ba4f891220f5e4c9c819638d1602d74")
    assert int(images.max()) == 16


def test_digits_agree_with_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    published = datasets.load_digits()
    with np.load(digits.DATA, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["images"], published.images)
        np.testing.assert_array_equal(arrays["labels"], published.target)


def test_digits_split_gives_every_label_its_share_and_keeps_the_order():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    np.testing.assert_array_equal(np.bincount(y_test), [36, 36, 36, 36, 37, 36, 36, 36, 35, 36])
    with np.load(digits.DATA, allow_pickle=False) as arrays:
        labels = arrays["labels"]
    seen, test_rows = 0, []
    for label in range(10):
        for row in np.flatnonzero(labels == label):
            if seen % 5 == 0:
                test_rows.append(row)
            seen += 1
    with np.load(digits.DATA, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(x_test, arrays["images"][sorted(test_rows)])
        np.testing.assert_array_equal(y_test, labels[sorted(test_rows)])
        training_rows = np.setdiff1d(np.arange(len(labels)), test_rows)
        np.testing.assert_array_equal(x_train, arrays["images"][training_rows])
        np.testing.assert_array_equal(y_train, labels[training_rows])


def test_digits_are_new_and_writable_at_every_call():
    (x_train, _), _ = digits.load_data()
    x_train[:] = 99
    (again, _), _ = digits.load_data()
    assert int(again.max()) == 16


def test_digits_come_with_their_license_and_are_small():
    text = digits.DATA.with_name("DIGITS-LICENSE.txt").read_text(encoding="utf-8")
    assert "Alpaydin" in text
    assert "creativecommons.org/licenses/by/4.0" in text
    assert digits.DATA.stat().st_size < 50_000


# MNIST from a folder


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_reads_each_spelling(tmp_path, dotted, suffix):
    for name, array in zip(NAMES, small_arrays(), strict=True):
        content = idx_bytes(array)
        spelling = name.replace("-idx", ".idx") if dotted else name
        (tmp_path / (spelling + suffix)).write_bytes(gzip.compress(content) if suffix else content)
    assert_small_arrays(mnist.load_data(tmp_path))
    assert_small_arrays(mnist.load_data(str(tmp_path)))


def test_mnist_reads_files_that_a_browser_has_unpacked_without_renaming(folder):
    for name in NAMES:
        (folder / name).rename(folder / f"{name}.gz")
    assert_small_arrays(mnist.load_data(folder))


def test_mnist_looks_past_folders_that_are_called_like_a_file(folder):
    (folder / NAMES[0]).rename(folder / "train-images.idx3-ubyte")
    (folder / NAMES[0]).mkdir()
    assert_small_arrays(mnist.load_data(folder))


def test_mnist_arrays_are_writable(folder):
    (x_train, y_train), _ = mnist.load_data(folder)
    x_train[0] = 1
    y_train[0] = 1
    assert_small_arrays(mnist.load_data(folder))


def test_mnist_names_a_missing_file_and_folder(folder):
    (folder / NAMES[2]).unlink()
    with pytest.raises(FileNotFoundError, match=r"t10k-images-idx3-ubyte.*t10k-images\.idx3-ubyte\.gz"):
        mnist.load_data(folder)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        mnist.load_data(folder / "nowhere")
    with pytest.raises(NotADirectoryError, match="train-labels"):
        mnist.load_data(folder / NAMES[1])


GOOD = idx_bytes(small_arrays()[0])
BAD_FILES = {
    "empty": (b"", "magic number 0x00000803; it begins with 0x$"),
    "labels in place of images": (idx_bytes(small_arrays()[1]), "magic number 0x00000803; it begins with 0x00000801"),
    "floats": (b"\0\0\x0d\3" + GOOD[4:], "it begins with 0x00000d03"),
    "text": (b"<html>404</html>", "it begins with 0x3c68746d"),
    "cut in the header": (GOOD[:13], "header of 16 bytes; the file ends after 13"),
    "cut in the pixels": (GOOD[:-1], "39200 bytes after its header .its header says 50 x 28 x 28.; it holds 39199"),
    "too long": (GOOD + b"\0", "must end 39200 bytes after its header .*; it goes on"),
    "no image": (idx_bytes(np.zeros((0, 28, 28), np.uint8)), "must hold something; its header says 0 x 28 x 28"),
    "no pixel": (idx_bytes(np.zeros((50, 0, 28), np.uint8)), "must hold something; its header says 50 x 0 x 28"),
}


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("what", BAD_FILES)
def test_mnist_refuses_a_bad_file(folder, what, compress):
    content, message = BAD_FILES[what]
    (folder / NAMES[0]).write_bytes(gzip.compress(content) if compress else content)
    with pytest.raises(ValueError, match=message) as error:
        mnist.load_data(folder)
    assert str(folder / NAMES[0]) in str(error.value)


COMPRESSED = gzip.compress(GOOD)
BAD_GZIP_FILES = {
    "cut": COMPRESSED[: len(COMPRESSED) // 2],
    "cut in the header": COMPRESSED[:5],
    "cut in the checksum": COMPRESSED[:-6],
    "wrong checksum": COMPRESSED[:-8] + bytes(b ^ 255 for b in COMPRESSED[-8:-4]) + COMPRESSED[-4:],
    "wrong length": COMPRESSED[:-4] + b"\1\2\3\4",
    "damaged": COMPRESSED[:30] + b"\xff" * 20 + COMPRESSED[50:],
    "followed by something": COMPRESSED + b"something",
    # Three is no type of block.
    "not compressed": COMPRESSED[:10] + b"\xff" * 50,
    "an unknown method": COMPRESSED[:2] + b"\7" + COMPRESSED[3:],
}


@pytest.mark.parametrize("what", BAD_GZIP_FILES)
def test_mnist_refuses_a_bad_gzip_file(folder, what):
    (folder / NAMES[0]).unlink()
    path = folder / f"{NAMES[0]}.gz"
    path.write_bytes(BAD_GZIP_FILES[what])
    with pytest.raises(ValueError, match="gzip") as error:
        mnist.load_data(folder)
    assert str(path) in str(error.value)


def test_mnist_refuses_every_cut_and_every_flipped_bit_of_a_header(tmp_path):
    content = idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 2, 2))
    path = tmp_path / "file"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="file"):
            mnist.read_idx(path, dimensions=3)
    for bit in range(8 * 16):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="file"):
            mnist.read_idx(path, dimensions=3)


def test_mnist_refuses_counts_and_sizes_that_differ(folder):
    (folder / NAMES[3]).write_bytes(idx_bytes(small_arrays()[3][:-1]))
    with pytest.raises(ValueError, match=r"t10k-labels.* a label for each of the 20 images of t10k.*; it holds 19"):
        mnist.load_data(folder)
    (folder / NAMES[3]).write_bytes(idx_bytes(small_arrays()[3]))
    (folder / NAMES[2]).write_bytes(idx_bytes(small_arrays()[2][:, :27]))
    with pytest.raises(ValueError, match=r"size of the training images, \(28, 28\); they have \(27, 28\)"):
        mnist.load_data(folder)


@pytest.mark.parametrize(
    ("shape", "compress"),
    [
        ((0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), False),
        ((0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), True),
        ((1000, 100, 700), False),
        # As many as so long a compressed file could hold.
        ((1000, 100, 700), True),
    ],
)
def test_mnist_memory_is_bounded_by_the_file_and_not_by_its_header(tmp_path, shape, compress):
    content = bytes([0, 0, 8, 3]) + b"".join(length.to_bytes(4, "big") for length in shape)
    content += np.random.default_rng(0).bytes(100_000)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content) if compress else content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="it holds 100000"):
            mnist.read_idx(path, dimensions=3)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_mnist_stops_reading_where_the_header_says(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros((1, 28, 28), np.uint8)) + bytes(100_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="goes on"):
            mnist.read_idx(path, dimensions=3)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_mnist_itself():
    root = Path(__file__).resolve().parents[1]
    path = Path(os.environ.get("NNCORE_MNIST", root.parent / "shared" / "data" / "mnist"))
    if not path.is_dir():
        pytest.skip(f"no MNIST in {path}; set NNCORE_MNIST to a folder with its files")
    (x_train, y_train), (x_test, y_test) = mnist.load_data(path)
    assert x_train.shape == (60000, 28, 28)
    assert x_test.shape == (10000, 28, 28)
    np.testing.assert_array_equal(np.bincount(y_train), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
    np.testing.assert_array_equal(np.bincount(y_test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    assert y_train[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    # The mean of the published images; copies that went through a picture format differ in faint pixels.
    assert x_train.mean() == pytest.approx(33.3184, abs=0.01)
    assert x_test.mean() == pytest.approx(33.7912, abs=0.01)


# MNIST from the network


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves what the server's `files` has under a path: bytes, or a function that writes a response itself."""

    def do_GET(self):
        self.server.requests.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
        elif callable(content):
            content(self)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server with two mirrors, /first/ and /second/, of the small files; the cache is the folder `cache`."""
    published = {f"{name}.gz": gzip.compress(idx_bytes(a)) for name, a in zip(NAMES, small_arrays(), strict=True)}
    # Not ThreadingHTTPServer: one request at a time is what the tests are about.
    with http.server.HTTPServer(("127.0.0.1", 0), Mirror) as server:
        server.published = published
        server.requests = []
        server.files = {f"/{mirror}/{name}": c for mirror in ("first", "second") for name, c in published.items()}
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv("NNCORE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(mnist, "MIRRORS", (f"{address}/first/", f"{address}/second/"))
        monkeypatch.setattr(
            mnist,
            "REMOTE_FILES",
            tuple(mnist.RemoteFile(name, len(c), hashlib.sha256(c).hexdigest()) for name, c in published.items()),
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def assert_cache(tmp_path, published):
    """The cache holds the published files, nothing else."""
    folder = tmp_path / "cache" / "mnist"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == published


def test_mnist_is_downloaded_once(server, tmp_path, capsys):
    assert_small_arrays(mnist.load_data())
    assert server.requests == [f"/first/{name}.gz" for name in NAMES]
    assert_cache(tmp_path, server.published)
    assert capsys.readouterr().err.count("Downloading http://127.0.0.1") == 4
    assert_small_arrays(mnist.load_data())
    assert len(server.requests) == 4


def cut(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.wfile.write(b"cut")


def garbled(handler):
    handler.wfile.write(b"What?\r\n\r\n")


def hung_up(handler):
    handler.close_connection = True


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(bytes(1 << 20))
    except OSError:
        handler.server.requests.append("hung up on")


# What a mirror has in place of a published file, and the reason that is given.
FAILURES = {
    "missing": (lambda published: None, "404"),
    "damaged": (lambda published: published[:-1] + b"\0\0", "wanted 60 bytes, got more than 60"),
    "other content": (lambda published: published[:-1] + bytes([published[-1] ^ 1]), "wanted SHA-256 .*, got "),
    "a page": (lambda published: b"<html>Log in to this network</html>", "wanted 60 bytes, got 35"),
    "cut": (lambda published: cut, "wanted 60 bytes, got 3"),
    "garbled": (lambda published: garbled, "What"),
    "hung up": (lambda published: hung_up, "Remote end closed connection"),
    "endless": (lambda published: endless, "wanted 60 bytes, got more than 60"),
}


def break_mirror(server, mirror, what):
    """Make a mirror answer requests for the training labels wrongly."""
    path = f"/{mirror}/{NAMES[1]}.gz"
    server.files[path] = FAILURES[what][0](server.files[path])


@pytest.mark.parametrize("what", FAILURES)
def test_mnist_goes_to_the_second_mirror(server, tmp_path, what):
    break_mirror(server, "first", what)
    assert_small_arrays(mnist.load_data())
    assert f"/second/{NAMES[1]}.gz" in server.requests
    assert ("hung up on" in server.requests) == (what == "endless")
    assert_cache(tmp_path, server.published)


@pytest.mark.parametrize("what", FAILURES)
def test_mnist_download_fails_with_reasons_and_leaves_nothing_incomplete(server, tmp_path, what):
    break_mirror(server, "first", what)
    break_mirror(server, "second", what)
    reason = FAILURES[what][1].replace("60", str(len(server.published[f"{NAMES[1]}.gz"])))
    match = rf"/first/train-labels\S+: .*{reason}.*/second/train-labels\S+: .*{reason}.*load_data\('folder'\)"
    with pytest.raises(ConnectionError, match=match):
        mnist.load_data()
    assert_cache(tmp_path, {f"{NAMES[0]}.gz": server.published[f"{NAMES[0]}.gz"]})
    server.files = {f"/first/{name}": content for name, content in server.published.items()}
    assert_small_arrays(mnist.load_data())
    assert_cache(tmp_path, server.published)


def test_mnist_does_not_wait_for_ever(server, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(mnist, "TIMEOUT_SECONDS", 0.1)
    server.files = {f"/{mirror}/{NAMES[0]}.gz": lambda _: released.wait(1) for mirror in ("first", "second")}
    try:
        with pytest.raises(ConnectionError, match="timed out"):
            mnist.load_data()
    finally:
        released.set()


def test_mnist_says_what_to_do_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NNCORE_HOME", str(tmp_path / "cache"))
    with http.server.HTTPServer(("127.0.0.1", 0), Mirror) as server:
        port = server.server_port
    monkeypatch.setattr(mnist, "MIRRORS", (f"http://127.0.0.1:{port}/",))
    with pytest.raises(ConnectionError, match=r"refused.*Without a network.*folder"):
        mnist.load_data()
    assert list(tmp_path.rglob("*.*")) == []


def test_mnist_replaces_a_damaged_file_in_the_cache(server, tmp_path):
    mnist.load_data()
    path = tmp_path / "cache" / "mnist" / f"{NAMES[2]}.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert_small_arrays(mnist.load_data())
    assert server.requests[4:] == [f"/first/{NAMES[2]}.gz"]
    assert_cache(tmp_path, server.published)


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_mnist_leaves_nothing_behind_where_writing_fails(server, tmp_path, monkeypatch, function):
    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(OSError, match="No space left"):
            mnist.load_data()
    assert_cache(tmp_path, {})
    assert_small_arrays(mnist.load_data())


def test_mnist_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NNCORE_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert mnist.cache_folder() == tmp_path / ".cache" / "nncore"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert mnist.cache_folder() == tmp_path / ".cache" / "nncore"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert mnist.cache_folder() == tmp_path / "xdg" / "nncore"
    monkeypatch.setenv("NNCORE_HOME", "~/here")
    assert mnist.cache_folder() == tmp_path / "here"


def test_mnist_checksums_are_of_the_published_files():
    assert [file.name for file in mnist.REMOTE_FILES] == [f"{name}.gz" for name in NAMES]
    assert sum(file.size for file in mnist.REMOTE_FILES) == 11_594_722
    assert all(len(file.sha256) == 64 for file in mnist.REMOTE_FILES)
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in mnist.MIRRORS)
