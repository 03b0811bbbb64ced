"""What wheels bring beside the code: the bill of materials, and where pinned requirements must agree with pyproject."""

import importlib.metadata
import importlib.util
import json
import re
from pathlib import Path

import pytest

import nncore as nn

ROOT = Path(__file__).parents[1]


@pytest.fixture
def sbom(monkeypatch):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "shipping" / "sbom.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return module


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
