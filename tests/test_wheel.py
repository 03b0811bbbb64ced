"""What builds wheels, and what they bring beside the code: flags, archives, bills of materials, pinned requirements."""

import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

import nncore as nn

ROOT = Path(__file__).parents[1]


def shipping(name):
    """A module of shipping/, which is not installed."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "shipping" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def compilers(monkeypatch):
    for name in ("CC", "CFLAGS", "CPPFLAGS", "LDFLAGS", "ARCHFLAGS", "NNCORE_REQUIRE_OPENMP"):
        monkeypatch.delenv(name, raising=False)
    return shipping("compilers")


@pytest.mark.parametrize(("platform", "processor", "wanted"), [
    ("linux-x86_64", "x86_64", "x86_64"),
    ("linux-aarch64", "aarch64", "aarch64"),
    ("linux-riscv64", "riscv64", "riscv64"),
    ("macosx-14.0-arm64", "x86_64", "arm64"),
    ("macosx-10.9-universal2", "arm64", "arm64"),
    ("win-amd64", "AMD64", "amd64"),
])  # fmt: skip
def test_the_processor_is_the_one_that_is_built_for(compilers, monkeypatch, platform, processor, wanted):
    monkeypatch.setattr(compilers.sysconfig, "get_platform", lambda: platform)
    monkeypatch.setattr(compilers.platform, "machine", lambda: processor)
    assert compilers.machine() == wanted
    # Code of variants is of one processor, where Python's own flags ask for two.
    assert os.environ.get("ARCHFLAGS") == (f"-arch {wanted}" if "universal2" in platform else None)
    os.environ.pop("ARCHFLAGS", None)


def test_openmp_is_looked_for_where_the_environment_says(compilers, monkeypatch):
    commands = []

    def run(command, **options):
        commands.append(command)
        return subprocess.CompletedProcess(command, "-lomp" not in command, "", "")

    monkeypatch.setattr(compilers.subprocess, "run", run)
    monkeypatch.setattr(compilers.sys, "platform", "darwin")
    for name, value in {"CC": "ccache clang", "CPPFLAGS": "-I/keg/include", "LDFLAGS": "-L/keg/lib"}.items():
        monkeypatch.setenv(name, value)
    assert compilers.openmp_flags() == (["-Xpreprocessor", "-fopenmp"], ["-lomp"])
    assert commands[0][:3] == ["ccache", "clang", "-I/keg/include"]
    assert commands[0][-2:] == ["-L/keg/lib", "-lomp"]


def test_a_wheel_is_not_built_for_one_thread_unsaid(compilers, monkeypatch, capsys):
    monkeypatch.setenv("CC", "no-such-compiler")
    assert compilers.openmp_flags() == ([], [])
    assert "one thread" in capsys.readouterr().err
    monkeypatch.setenv("NNCORE_REQUIRE_OPENMP", "1")
    with pytest.raises(SystemExit, match=r"NNCORE_REQUIRE_OPENMP=1.*no-such-compiler"):
        compilers.openmp_flags()


def test_a_source_distribution_is_its_files_and_nothing_else(tmp_path):
    made = []
    for number, mask in enumerate((0o022, 0o077)):
        folder = tmp_path / str(number) / "nncore-1.2.3"
        before = os.umask(mask)
        try:
            for name in ("b/run", "a") if number else ("a", "b/run"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(f"content of {name}\n")
                os.utime(folder / name, (1e9 + number, 1e9 + number))
            os.link(folder / "a", folder / "c") if number else (folder / "c").write_text("content of a\n")
            (folder / "b/run").chmod(0o777 & ~mask)
        finally:
            os.umask(before)
        made.append(tmp_path / f"{number}.tar.gz")
        shipping("archives").write(made[-1], folder, 1700000000)
    assert made[0].read_bytes() == made[1].read_bytes()
    with tarfile.open(made[0]) as archive:
        files = {entry.name: (entry.mode, entry.mtime) for entry in archive if entry.isfile()}
        assert archive.extractfile("nncore-1.2.3/c").read() == b"content of a\n"
    assert files == {f"nncore-1.2.3/{name}": (mode, 1700000000)
                     for name, mode in (("a", 0o644), ("b/run", 0o755), ("c", 0o644))}  # fmt: skip


@pytest.fixture
def sbom(monkeypatch):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return shipping("sbom")


def test_the_bill_names_each_part_once_and_every_license(sbom):
    bill = sbom.bill("1.2.3", openmp=True)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    whole = bill["metadata"]["component"]
    assert (whole["name"], whole["version"], whole["purl"]) == ("nncore", "1.2.3", "pkg:pypi/nncore@1.2.3")
    references = [part["bom-ref"] for part in bill["components"]]
    assert len(set(references)) == len(references)
    assert bill["dependencies"][0] == {"ref": whole["bom-ref"], "dependsOn": references}
    for part in [whole, *bill["components"]]:
        assert part["licenses"]
    assert re.fullmatch("urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])


def test_the_bill_is_the_same_for_the_same_wheel_and_another_for_another(sbom, tmp_path):
    for name, version in (("a", "1.2.3"), ("b", "1.2.3"), ("c", "1.2.4")):
        (tmp_path / name).mkdir()
        sbom.write(tmp_path / name, version, openmp=True)
    a, b, c = ((tmp_path / name / "sboms" / sbom.FILE).read_bytes() for name in "abc")
    assert a == b
    assert json.loads(a)["serialNumber"] != json.loads(c)["serialNumber"]


def test_the_bill_has_data_that_the_package_ships(sbom):
    named = json.dumps(sbom.bill("1.2.3", openmp=False))
    for path in (ROOT / "nncore" / "datasets").glob("*.npz"):
        assert f"nncore/datasets/{path.name}" in named


def test_the_bill_has_the_runtime_that_auditwheel_does_not_list(sbom, monkeypatch):
    for platform, wanted in (("linux", 0), ("darwin", 1), ("win32", 1)):
        monkeypatch.setattr(sbom.sys, "platform", platform)
        names = [part["name"] for part in sbom.bill("1.2.3", openmp=True)["components"]]
        assert names.count("LLVM OpenMP runtime") == wanted


def test_an_installed_wheel_has_the_bill():
    files = importlib.metadata.distribution("nncore").files if _installed() else None
    if files is None:
        pytest.skip("nncore is not installed from a wheel")
    bills = [file for file in files if file.match("*.dist-info/sboms/nncore.cdx.json")]
    assert len(bills) == 1
    assert json.loads(bills[0].read_text())["metadata"]["component"]["version"] == nn.__version__


def _installed():
    """Whether the package that runs is that of a wheel, and not a checkout's."""
    try:
        distribution = importlib.metadata.distribution("nncore")
    except importlib.metadata.PackageNotFoundError:
        return False
    return Path(distribution.locate_file("nncore")).resolve() == Path(nn.__file__).resolve().parent and any(
        file.match("*.dist-info/WHEEL") for file in distribution.files or ()
    )


@pytest.mark.parametrize("name", ["build", "wheels"])
def test_what_builds_wheels_is_pinned_with_hashes(name):
    wanted = {re.split("[>;\\[ ]", line)[0] for line in (ROOT / "requirements" / f"{name}.in").read_text().splitlines()
              if line and line[0] not in "#-"}  # fmt: skip
    pinned = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?(\S*)[^\n]*\\\n +--hash=sha256:[0-9a-f]{64}",
                        (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE)  # fmt: skip
    assert all(version.startswith("==") for _, version in pinned)
    assert wanted <= {package for package, _ in pinned}


def test_pinned_tools_are_those_of_the_build_system():
    project = (ROOT / "pyproject.toml").read_text()
    required = re.search(r"\[build-system\]\nrequires = \[(.*)\]", project)[1].replace('"', "").split(", ")
    lines = (ROOT / "requirements" / "build.in").read_text().splitlines()
    assert sorted(required) == sorted(line for line in lines if line and line[0] != "#")
