"""The command line: what it writes and prints, its exit codes, and that a failure is one line."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import nncore as nn
from nncore import _bench, cli

PACKAGE = Path(cli.__file__).parents[1]


def run(*arguments, cwd, **variables):
    """`python -m nncore` in a folder of its own, with further environment variables."""
    # The folder of the package that this process uses, wherever it is; a PYTHONPATH of the test comes before it.
    paths = [variables.pop("PYTHONPATH", None), str(PACKAGE.parent), os.environ.get("PYTHONPATH")]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths)), COLUMNS="120", **variables)
    return subprocess.run(
        [sys.executable, "-m", "nncore", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def assert_one_line(finished, pattern, code=1):
    assert finished.returncode == code
    assert re.fullmatch(pattern + "\n", finished.stderr), finished.stderr


# All commands


def test_every_module_is_a_command_and_says_what_it_does():
    modules = {path.stem for path in Path(cli.__file__).parent.glob("*.py") if not path.stem.startswith("_")}
    assert set(cli.COMMANDS) == modules
    parser = cli.command_parser()
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit) as left:
            parser.parse_args([name, "--help"])
        assert left.value.code == 0


@pytest.mark.parametrize("command", [None, *cli.COMMANDS])
def test_help(command, tmp_path):
    finished = run(*filter(None, [command, "--help"]), cwd=tmp_path)
    assert finished.returncode == 0
    assert finished.stderr == ""
    if command is None:
        assert all(re.search(rf"^ +{name} ", finished.stdout, re.MULTILINE) for name in cli.COMMANDS)
    else:
        assert re.search(rf"^examples:\n +(\w+=\S+ )*nncore {command}", finished.stdout, re.MULTILINE)


def test_version(tmp_path):
    finished = run("--version", cwd=tmp_path)
    assert finished.returncode == 0
    assert finished.stdout == f"nncore {nn.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "arguments are required: COMMAND"),
        (["dream"], "invalid choice: 'dream'"),
        (["demo", "--epochs", "0"], "argument --epochs: wanted a whole number of at least 1, got '0'"),
        (["demo", "--epochs", "1.5"], "argument --epochs: wanted a whole number of at least 1, got '1.5'"),
        (["demo", "--seed", "-1"], "argument --seed: wanted a whole number of at least 0, got '-1'"),
        (["demo", "--model", "a.h5"], "argument --model: wanted a path that ends in .safetensors, got 'a.h5'"),
        (["demo", "--picture", "a.gif"], "argument --picture: wanted a path that ends in .png, got 'a.gif'"),
        (["demo", "folder"], "unrecognized arguments: folder"),
        (["bench", "--seconds", "0"], "argument --seconds: wanted a number above 0, got '0'"),
        (["bench", "--seconds", "nan"], "argument --seconds: wanted a number above 0, got 'nan'"),
        (["bench", "--seconds", "inf"], "argument --seconds: wanted a number above 0, got 'inf'"),
        (["bench", "--seconds", "ten"], "argument --seconds: wanted a number above 0, got 'ten'"),
        (["bench", "--threads", "0"], "argument --threads: wanted a whole number of at least 1, got '0'"),
        (["info", "--all"], "unrecognized arguments: --all"),
    ],
)
def test_wrong_usage(arguments, message, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    errors = capsys.readouterr().err
    assert errors.startswith("usage: nncore")
    assert message in errors


def test_wrong_usage_of_a_process(tmp_path):
    finished = run("demo", "--epochs", "none", cwd=tmp_path)
    assert finished.returncode == 2
    assert finished.stderr.endswith("wanted a whole number of at least 1, got 'none'\n")
    assert list(tmp_path.iterdir()) == []


def command_that_raises(monkeypatch, error):
    """Make `nncore info` raise."""

    def fail(_):
        raise error

    monkeypatch.setattr("nncore.cli.info.run", fail)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(13, "Permission denied", "a.png"), "nncore info: [Errno 13] Permission denied: 'a.png'"),
        (ValueError("two\n  lines"), "nncore info: two lines"),
        (MemoryError(), "nncore info: MemoryError"),
        (nn.NonFiniteLossError("the loss is nan"), "nncore info: the loss is nan"),
    ],
)
def test_a_failure_is_one_line(monkeypatch, capsys, error, line):
    command_that_raises(monkeypatch, error)
    assert cli.main(["info"]) == 1
    assert capsys.readouterr().err == f"{line}\n"


def test_an_interrupt_is_one_line(monkeypatch, capsys):
    command_that_raises(monkeypatch, KeyboardInterrupt())
    assert cli.main(["info"]) == 130
    assert capsys.readouterr().err == "nncore info: interrupted\n"


@pytest.mark.parametrize("moment", ["__init__", "update", "close"])
def test_an_interrupt_within_the_bar_waits_for_its_end(monkeypatch, capsys, moment):
    import tqdm.auto

    interrupts = [signal.SIGINT]

    def interrupted(self, *arguments, **options):
        if interrupts:
            signal.raise_signal(interrupts.pop())
        getattr(tqdm.std.tqdm, moment)(self, *arguments, **options)

    monkeypatch.setattr(tqdm.auto, "tqdm", type("tqdm", (tqdm.std.tqdm,), {moment: interrupted}))
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(KeyboardInterrupt):
        model.fit(np.zeros((100, 4)), np.zeros(100), epochs=2)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    lines = capsys.readouterr().err
    assert "Epoch 1/2" in lines
    assert lines.endswith("\n")
    assert "Exception ignored" not in lines


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_an_interrupted_training_is_one_line(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    with open(tmp_path / "output", "w+") as output, open(tmp_path / "errors", "w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "nncore", "demo", "--epochs", "1000000"],
            cwd=folder,
            env=dict(os.environ, PYTHONPATH=str(PACKAGE.parent)),
            stdout=output,
            stderr=errors,
        )
        try:
            deadline = time.monotonic() + 60
            # The first epoch's bar: by then it trains.
            while "Epoch" not in (tmp_path / "errors").read_text() and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 130
        finally:
            process.kill()
            process.wait()
    assert len((tmp_path / "output").read_text().splitlines()) == 1
    messages = (tmp_path / "errors").read_text()
    assert messages.endswith("\nnncore demo: interrupted\n")
    assert "Traceback" not in messages
    assert list(folder.iterdir()) == []


def test_a_bug_keeps_its_traceback(monkeypatch):
    command_that_raises(monkeypatch, AttributeError("a bug"))
    with pytest.raises(AttributeError, match="a bug"):
        cli.main(["info"])


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_a_reader_may_leave(tmp_path):
    environment = dict(os.environ, PYTHONPATH=str(PACKAGE.parent))
    finished = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m nncore info 2> errors | true"],
        cwd=tmp_path,
        env=environment,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0
    assert (tmp_path / "errors").read_text() == ""


def test_asking_for_help_loads_no_plotting():
    script = "import sys, nncore.cli as c; c.command_parser(); print([m for m in sys.modules if 'matplotlib' in m])"
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=PACKAGE.parent, capture_output=True, text=True, timeout=60, check=True
    )
    assert finished.stdout == "[]\n"


# demo


def accuracy_of(output):
    """The accuracy that a demo printed, from its counts."""
    right, count = map(
        int, re.search(r"^Test accuracy: \S+% \((\d+) of (\d+) images\)$", output, re.MULTILINE).groups()
    )
    assert count == 360
    assert f"{right / count:.2%}" in output
    return right / count


def test_demo(tmp_path):
    image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")
    finished = run("demo", cwd=tmp_path, NNCORE_NUM_THREADS="2")
    assert finished.returncode == 0, finished.stderr
    assert accuracy_of(finished.stdout) >= 0.97
    assert re.search(rf"^Speed: [\d,]+ rows per second.*{nn.config.variant()}, 2 threads\)$", finished.stdout, re.M)
    assert finished.stdout.endswith("Model: nncore-demo.safetensors\nPicture: nncore-demo.png\n")
    assert {path.name for path in tmp_path.iterdir()} == {"nncore-demo.safetensors", "nncore-demo.png"}

    picture = image.imread(tmp_path / "nncore-demo.png")
    assert min(picture.shape[:2]) >= 1000
    assert picture[..., :3].std() > 0.1

    model = nn.models.load_model(tmp_path / "nncore-demo.safetensors")
    _, (x_test, y_test) = nn.datasets.digits.load_data()
    accuracy = (model.predict(x_test, verbose=0).argmax(axis=1) == y_test).mean()
    assert accuracy == accuracy_of(finished.stdout)


@pytest.mark.parametrize("seed", range(5))
def test_demo_reads_97_percent_for_any_seed(tmp_path, capsys, seed):
    assert cli.main(["demo", "--seed", str(seed), "--out", str(tmp_path)]) == 0
    assert accuracy_of(capsys.readouterr().out) >= 0.97


def test_demo_writes_where_it_is_told_and_only_there(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    finished = run("demo", "--epochs", 1, "--out", "a/b", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {"nncore-demo.safetensors", "nncore-demo.png"}
    finished = run("demo", "--epochs", 1, "--model", "c/m.safetensors", "--picture", "d/p.PNG", "--quiet", cwd=tmp_path)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"a/b/nncore-demo.safetensors", "a/b/nncore-demo.png", "c/m.safetensors", "d/p.PNG"}


def test_demo_gives_the_same_model_for_the_same_seed_and_any_number_of_threads(tmp_path):
    weights = []
    for folder, seed, threads in (("a", 3, 1), ("b", 3, 2), ("c", 4, 2)):
        arguments = ("demo", "--epochs", 2, "--seed", seed, "--out", folder, "--quiet")
        assert run(*arguments, cwd=tmp_path, NNCORE_NUM_THREADS=str(threads)).returncode == 0
        model = nn.models.load_model(tmp_path / folder / "nncore-demo.safetensors")
        weights.append(b"".join(weight.tobytes() for weight in model.get_weights()))
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_demo_without_matplotlib_trains_and_says_what_to_install(tmp_path, quiet):
    packages = tmp_path / "packages"
    (packages / "matplotlib").mkdir(parents=True)
    (packages / "matplotlib" / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'matplotlib'\")")
    folder = tmp_path / "out"
    finished = run("demo", *quiet, "--out", folder, cwd=tmp_path, PYTHONPATH=str(packages))
    assert finished.returncode == 0, finished.stderr
    line = "No picture, since matplotlib is missing (No module named 'matplotlib'): pip install 'nncore[demo]'"
    assert finished.stderr.splitlines()[-1] == line
    assert [path.name for path in folder.iterdir()] == ["nncore-demo.safetensors"]
    if quiet:
        assert finished.stdout == ""
        assert finished.stderr == f"{line}\n"
    else:
        assert accuracy_of(finished.stdout) >= 0.97
        assert "Picture" not in finished.stdout


def test_demo_fails_in_one_line_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    finished = run("demo", "--out", "file/folder", cwd=tmp_path)
    assert_one_line(finished, r"nncore demo: .*file.*")
    assert finished.stdout == ""
    (tmp_path / "nncore-demo.png").mkdir()
    finished = run("demo", "--epochs", 1, "--quiet", cwd=tmp_path)
    assert_one_line(finished, r"nncore demo: .*Is a directory.*nncore-demo\.png.*")


# info


def test_info(tmp_path):
    finished = run("info", cwd=tmp_path, NNCORE_ISA="generic", NNCORE_NUM_THREADS="1")
    assert finished.returncode == 0
    assert nn.__version__ in finished.stdout
    assert "generic" in finished.stdout


# bench


def test_bench(tmp_path):
    finished = run("bench", "--seconds", 0.5, "--threads", 1, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "1 thread\n" in finished.stdout
    rows = re.findall(r"^(\d+(?:-\d+)+) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+)x$", finished.stdout, re.MULTILINE)
    assert [(tuple(map(int, sizes.split("-"))), int(batch)) for sizes, batch, *_ in rows] == list(_bench.CONFIGURATIONS)
    for _, _, numpy_time, nncore_time, ratio in rows:
        assert float(ratio) == pytest.approx(float(numpy_time) / float(nncore_time), rel=0.05, abs=0.06)


def test_bench_fails_in_one_line(monkeypatch, capfd):
    monkeypatch.setattr(_bench, "__name__", "nncore._nothing")
    assert cli.main(["bench", "--threads", "1"]) == 1
    assert capfd.readouterr().err.endswith("nncore bench: the measurement ended with exit code 1\n")


def test_bench_compares_the_same_training():
    rng = np.random.default_rng(0)
    sizes, batch = (17, 64, 64, 6), 64
    x, y = rng.standard_normal((256, 17), dtype=np.float32), rng.integers(0, 6, 256)
    model = _bench.nncore_classifier(sizes)
    peer = _bench.NumpyClassifier(model.get_weights())
    before = model.get_weights()
    for _ in range(2):
        for i in range(0, 256, batch):
            peer.train_step(x[i : i + batch], y[i : i + batch])
    model.fit(x, y, batch_size=batch, epochs=2, shuffle=False, verbose=0)
    for got, wanted, first in zip(peer.weights, model.get_weights(), before, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-5)
        assert np.abs(wanted - first).max() > 5e-3


def test_bench_numpy_gradients_agree_with_differences():
    rng = np.random.default_rng(0)
    sizes, rows, h = (5, 7, 6, 4), 9, 1e-6
    weights = [rng.standard_normal(shape) for i, o in itertools.pairwise(sizes) for shape in ((i, o), (o,))]
    x, y = rng.standard_normal((rows, 5)), rng.integers(0, 4, rows)

    def loss(weights):
        z = x
        for i in range(0, len(weights), 2):
            z = (np.maximum(z, 0) if i else z) @ weights[i] + weights[i + 1]
        return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(rows), y])

    gradients = _bench.NumpyClassifier(weights).gradients(x, y)
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient.shape == weight.shape
        for place in np.ndindex(weight.shape):
            original = weight[place]
            weight[place] = original + h
            above = loss(weights)
            weight[place] = original - h
            below = loss(weights)
            weight[place] = original
            assert (above - below) / (2 * h) == pytest.approx(gradient[place], rel=1e-5, abs=1e-8)
