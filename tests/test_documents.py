"""Documents and docstrings: nothing public is left out, examples and links are true.

The Python of the documents themselves is run by .ci/run.
"""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import nncore as nn

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# Of each module the section of docs/training.md that its classes belong to; all of it where they are in several.
SECTIONS = {
    nn.losses: "## Maximum likelihood and losses",
    nn.optimizers: "## Optimizers",
    nn.optimizers.schedules: "## Schedules",
    nn.layers: "",
    nn.metrics: "## Metrics",
    nn.callbacks: "### Callbacks",
    nn.initializers: "## Initialisation",
    nn.regularizers: "## Regularisation",
    nn.constraints: "## Regularisation",
}
OTHERS = (nn, nn.activations, nn.config, nn.datasets.digits, nn.datasets.mnist, nn.interop.scipy, nn.models, nn.utils)


def short(value):
    return value.__name__.removeprefix("nncore.") if inspect.ismodule(value) else value


def public(module):
    """Name and thing of all that is public in a module, but for modules."""
    things = ((name, getattr(module, name)) for name in getattr(module, "__all__", ["load_data"]))
    return [(name, thing) for name, thing in things if not inspect.ismodule(thing)]


def prose(text):
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def section(text, heading):
    """A section of a document, with those below it; all of it without a heading."""
    if not heading:
        return text
    level, lines = heading.split()[0], text.splitlines()
    begin = lines.index(heading)
    rest = lines[begin + 1 :]
    ends = (i for i, line in enumerate(rest) if line.startswith("#") and len(line.split()[0]) <= len(level))
    return "\n".join(rest[: next(ends, None)])


@pytest.mark.parametrize(("module", "heading"), SECTIONS.items(), ids=short)
def test_every_public_class_is_in_the_document_about_training(module, heading):
    text = prose((ROOT / "docs" / "training.md").read_text(encoding="utf-8"))
    named = {word for span in re.findall(r"`([^`\n]+)`", section(text, heading)) for word in re.findall(r"\w+", span)}
    classes = {name for name, thing in public(module) if isinstance(thing, type) and name == thing.__name__}
    assert len(classes) > 2
    assert sorted(classes - named) == []


@pytest.mark.parametrize("module", [*SECTIONS, *OTHERS], ids=short)
def test_everything_public_has_a_docstring(module):
    things = [(name, thing) for name, thing in public(module) if not isinstance(thing, str)]
    assert things
    assert [name for name, thing in things if not (thing.__doc__ or "").strip()] == []


@pytest.mark.parametrize("module", [*SECTIONS, nn.models], ids=short)
def test_public_methods_have_docstrings(module):
    bare = []
    for name, cls in public(module):
        for member, value in vars(cls).items() if isinstance(cls, type) else ():
            function = value.fget if isinstance(value, property) else value
            if not member.startswith("_") and inspect.isfunction(function) and not inspect.getdoc(getattr(cls, member)):
                bare.append(f"{name}.{member}")
    assert bare == []


def test_examples_in_docstrings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [module.name for module in pkgutil.walk_packages(nn.__path__, "nncore.")]
    results = [
        doctest.testmod(importlib.import_module(name), extraglobs={"nn": nn, "np": np})
        for name in names
        if not name.endswith("__main__")
    ]
    assert sum(result.attempted for result in results) > 20
    assert sum(result.failed for result in results) == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document.read_text(encoding="utf-8"))):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        other = document.parent / path if path else document
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", prose(other.read_text(encoding="utf-8")), flags=re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, target
