"""The bill of materials of a wheel, CycloneDX 1.6 as JSON, for its .dist-info/sboms (PEP 770).

It names what is in the wheel and is not nncore's own: data, and code of others that is compiled into the modules. What
the wheel requires to be installed is in its METADATA. Libraries that auditwheel puts into a wheel for Linux are in
auditwheel's own bill beside this one.
"""

import json
import os
import sys
import uuid
from datetime import datetime, timezone
from importlib import metadata

FILE = "nncore.cdx.json"


def bill(version, openmp):
    """The document; `openmp` says whether the modules use OpenMP. The same input gives the same document."""
    parts = [
        _part("data", "Optical Recognition of Handwritten Digits", "1998", "CC-BY-4.0",
              reference="https://doi.org/10.24432/C50P49",
              description="nncore/datasets/digits.npz; E. Alpaydin and C. Kaynak"),
        _of_package("Cython", "Apache-2.0", "what Cython's compiler puts into each module"),
        _of_package("numpy", "BSD-3-Clause", "inline functions of NumPy's headers"),
    ]  # fmt: skip
    if openmp and not sys.platform.startswith("linux"):
        parts.append(_part("library", "LLVM OpenMP runtime", os.environ.get("NNCORE_LIBOMP_VERSION") or "unknown",
                           "Apache-2.0 WITH LLVM-exception", reference="https://openmp.llvm.org",
                           description="libomp, where the wheel carries it"))  # fmt: skip
    whole = {"type": "library", "bom-ref": f"pkg:pypi/nncore@{version}", "name": "nncore", "version": version,
             "purl": f"pkg:pypi/nncore@{version}", "licenses": [{"license": {"id": "MIT"}}]}  # fmt: skip
    tools = [{"type": "application", "name": name, "version": metadata.version(name)}
             for name in ("Cython", "setuptools")]  # fmt: skip
    about = {"lifecycles": [{"phase": "build"}], "tools": {"components": tools}, "component": whole}
    if os.environ.get("SOURCE_DATE_EPOCH"):
        moment = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), timezone.utc)
        about["timestamp"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    references = [part["bom-ref"] for part in parts]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": about,
        "components": parts,
        "dependencies": [{"ref": whole["bom-ref"], "dependsOn": references}, *({"ref": ref} for ref in references)],
    }
    # A number that is this document's and no other's, and the same for the same document.
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True)).urn
    return document


def write(folder, version, openmp):
    """Writes the bill into the folder sboms of a .dist-info."""
    (folder / "sboms").mkdir(exist_ok=True)
    text = json.dumps(bill(version, openmp), indent=2, sort_keys=True) + "\n"
    (folder / "sboms" / FILE).write_text(text, encoding="utf-8", newline="\n")


def _part(kind, name, version, license_, *, reference, description, **more):
    # SPDX's expressions stand in another field than its identifiers.
    licensed = {"expression": license_} if " " in license_ else {"license": {"id": license_}}
    return {"type": kind, "bom-ref": f"{name}@{version}", "name": name, "version": version, "licenses": [licensed],
            "description": description, "externalReferences": [{"type": "website", "url": reference}],
            **more}  # fmt: skip


def _of_package(name, license_, description):
    version = metadata.version(name)
    return _part("library", name, version, license_, reference=f"https://pypi.org/project/{name}/",
                 description=description, purl=f"pkg:pypi/{name.lower()}@{version}")  # fmt: skip
