"""Files under their final names: whole in spite of full disks, kills, links, devices, and of others that write them."""

import contextlib
import errno
import io
import os
import pathlib
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest

import nncore as nn
from nncore import _files

resource = pytest.importorskip("resource", reason="limits of POSIX")

ROOT = pathlib.Path(__file__).resolve().parent.parent
X = np.random.default_rng(0).standard_normal((24, 5)).astype("f4")
Y = np.arange(24) % 3


def build(units=3, seed=0):
    # Named, as names that count upwards make files of other sizes.
    model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(units, activation="softmax", name="d")], name="m", seed=seed)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X, Y, verbose=0)
    return model


def fit_with(callback):
    build().fit(X, Y, verbose=0, callbacks=callback)


def predict_table(path):
    from nncore.cli import predict

    pandas = pytest.importorskip("pandas")
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
    predict._write(pandas.DataFrame({"a": np.arange(50)}), path)


def training_picture(path):
    pytest.importorskip("matplotlib")
    from nncore import _plots

    curves = {key: [1.0, 0.5] for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
    _plots.save_training_picture(path, curves, np.ones((4, 3, 3)), np.arange(4), np.arange(4), "t")


def image(path):
    pytest.importorskip("PIL")
    nn.utils.save_img(path, np.ones((9, 9, 3)))


def graph_picture(path):
    pytest.importorskip("matplotlib")
    nn.utils.plot_model(build(), path)


def onnx_file(path):
    pytest.importorskip("onnx")
    nn.interop.onnx.export(build(), path)


def trained_table(path):
    pytest.importorskip("pandas")
    from nncore.cli import main

    table = path.parent.parent / "table.csv"
    if not table.exists():
        table.write_text("a,b,y\n" + "".join(f"{i},{i % 7},{i % 2}\n" for i in range(60)))
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(["train", str(table), "--target", "y", "--epochs", "1", "--quiet", "--out", str(path)])
    if code:
        assert str(path) in said.getvalue()
        raise OSError(code, said.getvalue(), str(path))


# Everything that writes a file: the name in a folder, and a function of the path.
WRITERS = {
    "model.save": ("m.safetensors", lambda path: build().save(path)),
    "save_weights": ("w.safetensors", lambda path: build().save_weights(path)),
    "ModelCheckpoint": ("c.safetensors", lambda path: fit_with(nn.callbacks.ModelCheckpoint(path))),
    "ModelCheckpoint that resumes": (
        "r.safetensors", lambda path: fit_with(nn.callbacks.ModelCheckpoint(path, resume=True))),
    "BackupAndRestore": (
        "latest.safetensors",
        lambda path: fit_with(nn.callbacks.BackupAndRestore(path.parent, delete_checkpoint=False, save_freq=1))),
    "CSVLogger": ("log.csv", lambda path: fit_with(nn.callbacks.CSVLogger(path, append=True))),
    "c.export": ("m.c", lambda path: nn.interop.c.export(build(), path)),
    "onnx.export": ("m.onnx", onnx_file),
    "plot_model": ("graph.svg", graph_picture),
    "a training's picture": ("picture.png", training_picture),
    "save_img": ("image.png", image),
    "nncore predict, CSV": ("p.csv", predict_table),
    "nncore predict, gzip": ("p.csv.gz", predict_table),
    "nncore predict, Parquet": ("p.parquet", predict_table),
    "nncore train": ("t.safetensors", trained_table),
}  # fmt: skip


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Limit:
    """Files of this process cannot grow beyond so many bytes meanwhile: what fits is written, as on a full disk."""

    def __init__(self, size):
        self.size = size

    def __enter__(self):
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_write_that_fails_anywhere_leaves_the_old_file_and_names_the_path(kind, tmp_path):
    name, write = WRITERS[kind]
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / name
    write(path)
    size = path.stat().st_size
    assert size
    if kind == "CSVLogger":
        before = content(folder)
        limits = [size, size + 1, size + 5]
    else:
        path.write_bytes(b"")
        before = content(folder)
        limits = [0, size - 1] if "picture" in kind or kind == "plot_model" else [0, 1, size // 2, size - 1]
        if kind in ("BackupAndRestore", "ModelCheckpoint that resumes"):  # which read the old one first
            path.unlink()
            before = {}
    for limit in limits:
        with Limit(limit), pytest.raises(OSError, match=name) as caught:
            write(path)
        assert caught.value.filename == str(path)
        assert content(folder) == before
    write(path)
    assert path.stat().st_size
    assert len(content(folder)) == 1


@pytest.mark.parametrize("call", ["open", "fchmod", "fsync", "replace"])
def test_a_call_of_the_system_that_fails(call, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        _files.replace(path, b"new")
    monkeypatch.undo()
    assert caught.value.filename == str(path)
    assert content(tmp_path) == {"file": b"old"}


def test_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    done = []

    def noting(name, kind):
        real = getattr(os, name)

        def call(first, *others):
            done.append(kind(first))
            return real(first, *others)

        monkeypatch.setattr(os, name, call)

    noting("fsync", lambda handle: "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
    noting("replace", lambda path: "name")
    for name, write in (WRITERS[kind] for kind in ("model.save", "save_weights", "ModelCheckpoint", "c.export")):
        done.clear()
        write(tmp_path / name)
        assert done == ["file", "name", "folder"]


def test_links_go_on_pointing_where_they_do(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for target, link in ((elsewhere / "real", tmp_path / "absolute"), (elsewhere / "other", tmp_path / "relative"),
                         (tmp_path / "absolute", tmp_path / "of a link")):  # fmt: skip
        link.symlink_to(target if link.name == "absolute" else os.path.relpath(target, tmp_path))
        _files.replace(link, b"first")  # where nothing is there yet, too
        _files.replace(link, b"second")
        assert link.is_symlink()
        assert target.read_bytes() == b"second"
    assert names(elsewhere) == ["other", "real"]
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="circle"):
        _files.replace(tmp_path / "circle", b"")
    (tmp_path / "nowhere").symlink_to(tmp_path / "no folder" / "file")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        _files.replace(tmp_path / "nowhere", b"")


def names(folder):
    return sorted(os.listdir(folder))


def test_a_folder_and_a_missing_folder_are_named(tmp_path):
    model = build()
    with pytest.raises(IsADirectoryError) as caught:
        model.save(tmp_path)
    assert caught.value.filename == str(tmp_path)
    path = tmp_path / "missing" / "m.safetensors"
    with pytest.raises(FileNotFoundError) as caught:
        model.save(path)
    assert caught.value.filename == str(path)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as caught:
        model.save(tmp_path / "file" / "m.safetensors")
    assert names(tmp_path) == ["file"]


def test_names_as_long_as_the_system_has_them_and_of_any_letters(tmp_path):
    for name in ("n" * 255, "ü" * 127, "雪" * 85, "a b\n'\"\\$%.safetensors", os.fsdecode(b"\xff\xfe.bin")):
        _files.replace(tmp_path / name, b"first")
        _files.replace(tmp_path / name, b"second")
        assert names(tmp_path) == [name]
        (tmp_path / name).unlink()
    with pytest.raises(OSError, match="too long") as caught:
        _files.replace(tmp_path / ("n" * 256), b"")
    assert caught.value.filename == str(tmp_path / ("n" * 256))


def test_modes(tmp_path, monkeypatch):
    path = tmp_path / "file"
    mask = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", None)  # the whole process's, which other threads see
        _files.replace(path, b"new")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        for mode in (0o600, 0o664, 0o755, 0o444):
            path.chmod(mode)
            if not os.access(path, os.W_OK):
                continue
            _files.replace(path, b"newer")
            assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        monkeypatch.undo()
        os.umask(mask)


def as_nobody(function):
    """What a function returns in a process of a user who may nothing; where this is not root, in this one."""
    if os.geteuid():
        return function()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            answer = function()
        except BaseException as error:
            answer = repr(error)
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as file:
        answer = file.read()
    os.waitpid(child, 0)
    return answer


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_what_must_not_be_written_stays(tmp_path_factory):
    import tempfile

    folder = pathlib.Path(tempfile.mkdtemp())  # where any user may go, other than pytest's
    try:
        folder.chmod(0o777)
        model = build()
        model.save(folder / "kept")
        model.save(folder / "shared")
        before = content(folder)

        def attempt(path):
            def save():
                os.chdir(folder)
                try:
                    model.save(path)
                except PermissionError as error:
                    return f"{type(error).__name__} {error.filename}"
                return "written"

            return save

        (folder / "kept").chmod(0o444)
        assert as_nobody(attempt(folder / "kept")) == f"PermissionError {folder / 'kept'}"
        folder.chmod(0o555)
        for name in ("new", "shared"):
            (folder / "shared").chmod(0o666)
            assert as_nobody(attempt(folder / name)) == f"PermissionError {folder / name}"
        assert content(folder) == before
        folder.chmod(0o777)
        assert as_nobody(attempt(folder / "shared")) == "written"
        assert stat.S_IMODE((folder / "shared").stat().st_mode) == 0o666 & ~0o070 * (os.geteuid() == 0)
    finally:
        folder.chmod(0o777)
        import shutil

        shutil.rmtree(folder)


def test_an_owner_is_kept(tmp_path):
    if os.geteuid():
        pytest.skip("only root gives files away")
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, 1234, 2345)
    path.chmod(0o640)
    _files.replace(path, b"new")
    after = path.stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (1234, 2345, 0o640)


def test_devices_and_pipes_are_written_to_and_stay(tmp_path):
    model = build()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    model.save(pipe)
    reader.join(30)
    model.save(tmp_path / "m.safetensors")
    assert got == [(tmp_path / "m.safetensors").read_bytes()]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    null = tmp_path / "null"
    if os.geteuid() == 0:  # one that may break
        try:
            os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            model.save(null)
        except PermissionError:  # a container that has no devices
            return
        assert stat.S_ISCHR(null.stat().st_mode)
    else:
        model.save("/dev/null")


def test_what_killed_processes_leave_is_removed_and_what_is_in_work_stays(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    left = [tmp_path / f".{name}.nncore-0123abcd.part" for name in ("file", "epoch-3.safetensors")]
    foreign = [tmp_path / name for name in (".file.abc.part", "file.part", ".hidden", "x.nncore-0123abcd.part")]
    in_work = tmp_path / ".file.nncore-89abcdef.part"
    for path in (*left, *foreign, in_work):
        path.write_bytes(b"unfinished")
    with open(in_work, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _files.replace(tmp_path / "file", b"new")
        assert names(tmp_path) == sorted(path.name for path in (*foreign, in_work, tmp_path / "file"))
    _files.replace(tmp_path / "another", b"new")
    assert not in_work.exists()


def test_many_write_one_file_at_once(tmp_path):
    path = tmp_path / "file"
    contents = [bytes([number]) * 200_000 for number in range(8)]
    path.write_bytes(contents[0])
    failed, seen, done = [], set(), threading.Event()

    def write(content):
        try:
            for _ in range(15):
                _files.replace(path, content)
        except OSError as error:
            failed.append(error)

    def read():
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert not failed
    assert seen <= set(contents)
    assert names(tmp_path) == ["file"]


def test_a_row_of_a_log_is_there_or_not(tmp_path):
    path = tmp_path / "log"
    _files.append(path, b"one\n")
    with Limit(6), pytest.raises(OSError, match="log"):
        _files.append(path, b"another\n")
    assert path.read_bytes() == b"one\n"
    _files.append(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_kills_leave_whole_files():
    code = f"import sys, runpy; sys.path.append({str(ROOT)!r}); sys.argv = ['kill', '--kills', '6']; "
    code += "runpy.run_module('reliability.kill', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
