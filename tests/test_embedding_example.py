"""The project examples/embedding is built against nncore, and runs."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import nncore as nn

FOLDER = Path(__file__).parents[1] / "examples" / "embedding"
COMPILER = os.environ.get("CC", "cc").split()
PYTHON_H = Path(sysconfig.get_paths()["include"], "Python.h")

pytestmark = pytest.mark.skipif(shutil.which(COMPILER[0]) is None or not PYTHON_H.exists(),
                                reason="needs a C compiler and Python's headers")  # fmt: skip


def run(*command, folder, given=None):
    """Runs a command in a folder, with this nncore; returns what it printed."""
    paths = [os.path.dirname(os.path.dirname(nn.__file__)), *(path for path in sys.path if "-packages" in path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CFLAGS": "-O0"}
    done = subprocess.run(command, cwd=folder, env=environment, input=given, capture_output=True, text=True,
                          timeout=300, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def project(tmp_path):
    return shutil.copytree(FOLDER, tmp_path / "project")


def test_modules_in_cython_and_c(project):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    run(sys.executable, "setup.py", "build_ext", "--inplace", folder=project)
    top, rows = run(sys.executable, "demo.py", folder=project).splitlines()
    assert float(top.removeprefix("furthest from the top: ")) < 0.1
    assert rows == "rows: 2000 same as predict: True"
    said = run(sys.executable, "-c", """
import numpy as np, nncore as nn, ranking, scoring
from nncore.embed import Predictor
model = nn.Sequential([nn.Input((3,)), nn.layers.Dense(2)])
for call in (lambda: scoring.score(model, bytes(12), bytearray(8)),
             lambda: scoring.score(Predictor(model), bytes(13), bytearray(8)),
             lambda: scoring.score(Predictor(model), bytes(24), bytearray(8)),
             lambda: ranking.climb(Predictor(model), np.zeros((2, 3), "f4")),
             lambda: ranking.climb(model, np.zeros((2, 3), "f4"))):
    try:
        call()
    except (TypeError, ValueError) as error:
        print(type(error).__name__)
print(scoring.score(Predictor(model), b"", bytearray()))
""", folder=project)  # fmt: skip
    assert said.split() == ["TypeError", "ValueError", "ValueError", "ValueError", "TypeError", "0"]


def test_program_in_c(project):
    variables = sysconfig.get_config_vars()
    if not variables.get("Py_ENABLE_SHARED"):
        pytest.skip("this Python has no shared library to embed")
    library = [f"-L{variables['LIBDIR']}", f"-Wl,-rpath,{variables['LIBDIR']}",
               f"-lpython{variables['LDVERSION']}"]  # fmt: skip
    run(*COMPILER, "-Wall", "-Wextra", "-Werror", f"-I{PYTHON_H.parent}", f"-I{nn.get_include()}", "predict.c", "-o",
        "predict", *library, "-pthread", folder=project)  # fmt: skip
    model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(7, activation="tanh"), nn.layers.Dense(3)])
    model.save(project / "model.safetensors")
    x = np.random.default_rng(0).standard_normal((33, 5)).astype(np.float32)
    rows = "\n".join(" ".join(f"{value:.9g}" for value in row) for row in x)
    printed = run("./predict", "model.safetensors", folder=project, given=rows)
    y = np.array([line.split() for line in printed.splitlines()], np.float32)
    assert np.array_equal(y, model.predict(x, verbose=0))
    assert run("./predict", "model.safetensors", folder=project, given="") == ""
