"""Type checkers accept what users write, know its types, and report misuse: the files of `typed/` and the examples."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nncore

TESTS = Path(__file__).parent
FOLDER = Path(nncore.__file__).parent
FILES = [*sorted((TESTS / "typed").glob("*.py")), *sorted((TESTS.parent / "examples").glob("*.py"))]


def check(files, cache):
    """What mypy says of files that use the nncore at hand, in its strict mode; of nncore itself nothing."""
    environment = dict(os.environ)
    if FOLDER.parent.name not in ("site-packages", "dist-packages"):  # where mypy looks by itself
        environment["MYPYPATH"] = str(FOLDER.parent)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent",
               f"--cache-dir={cache}", *map(str, files)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cache)
    return done.returncode, done.stdout + done.stderr


def test_uses_misuses_and_examples(tmp_path):
    pytest.importorskip("mypy")
    code, said = check(FILES, tmp_path)
    assert code == 0, said
    # and it would say so: what is ignored there is reported here
    bare = tmp_path / "bare.py"
    lines = (TESTS / "typed" / "misuses.py").read_text().split("\n")
    wanted = [number for number, line in enumerate(lines, 1) if "# type: ignore" in line]
    bare.write_text("\n".join(line.split("  # type: ignore")[0] for line in lines))
    code, said = check([bare], tmp_path)
    got = {int(line.split(":")[1]) for line in said.splitlines() if ": error: " in line}
    assert code == 1
    assert sorted(got) == wanted


def test_the_package_says_that_it_has_types():
    assert (FOLDER / "py.typed").is_file()
    for name in ("_calls", "_engine", "_kernels"):
        assert (FOLDER / f"{name}.pyi").is_file()


@pytest.mark.parametrize("name", ["_calls", "_engine", "_kernels"])
def test_stubs_have_what_the_compiled_modules_have(name):
    module = getattr(__import__(f"nncore.{name}"), name)
    stub = ast.parse((FOLDER / f"{name}.pyi").read_text())
    known = {}
    for node in stub.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            known[node.name] = node
        elif isinstance(node, ast.AnnAssign):
            known[node.target.id] = node
    missing = [thing for thing in known if not hasattr(module, thing)]
    assert not missing, f"{name} has no {', '.join(missing)}"
    for cls in (node for node in known.values() if isinstance(node, ast.ClassDef)):
        own = getattr(module, cls.name)
        for member in cls.body:
            if isinstance(member, ast.FunctionDef):
                assert hasattr(own, member.name), f"{cls.name} has no {member.name}"
    # and what other modules of the package use of it is in the stub
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name:
                assert node.attr in known, f"{path.name} uses {name}.{node.attr}, which {name}.pyi does not have"


@pytest.mark.parametrize("package", ["", "datasets", "interop", "layers"])
def test_type_checkers_see_what_is_imported_later(package):
    tree = ast.parse((FOLDER / package / "__init__.py").read_text())
    seen = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    seen |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    seen |= {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
    names = (getattr(nncore, package) if package else nncore).__all__
    assert not {name for name in names if not name.startswith("__")} - seen


def test_types_cost_nothing_at_run_time():
    """Modules of types, and what they need, are imported by no program."""
    code = (
        "import sys, nncore as nn; nn.losses, nn.metrics, nn.optimizers, nn.callbacks, nn.utils\n"
        "print([name for name in ('nncore._typing', 'nncore._likes', 'typing_extensions') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"
