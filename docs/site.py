"""A hook of mkdocs: pages of the site that do not lie in docs/, and links to them."""

import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {".c": "c", ".py": "python", ".pyx": "cython"}
PAGES = ["CHANGELOG.md", "CONTRIBUTING.md", "examples/README.md", "examples/embedding/README.md"]


def on_files(files, config):
    """Adds the pages, and each example with its source."""
    for name in PAGES:
        files.append(File.generated(config, name, content=_links((ROOT / name).read_text("utf-8"), name)))
    for path in sorted((ROOT / "examples").rglob("*.*")):
        if path.suffix in SOURCES:
            page = f"# {path.name}\n\n```{SOURCES[path.suffix]}\n{path.read_text('utf-8')}```\n"
            name = path.relative_to(ROOT).with_suffix(".md").as_posix()
            files.append(File.generated(config, name, content=page))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links of files in docs/ to files beside it into links to their pages."""
    name = page.file.src_uri
    return markdown if name in PAGES else _links(markdown, f"docs/{name}")


def _links(markdown, source):
    """The links of a file of the checkout as those of a page: docs/ is the root there."""

    def link(match):
        target, anchor = match[1], match[2] or ""
        path = (ROOT / source).parent.joinpath(target).resolve()
        if "://" in target or not path.is_relative_to(ROOT):
            return match[0]
        path = path.relative_to(ROOT)
        if path.parts[:1] == ("docs",):
            path = path.relative_to("docs")
        elif path.parts[:1] == ("examples",) and path.suffix in SOURCES:
            path = path.with_suffix(".md")
        here = Path(source).relative_to("docs") if source.startswith("docs/") else Path(source)
        up = "../" * (len(here.parts) - 1)
        return f"]({up}{path.as_posix()}{anchor})"

    return re.sub(r"\]\(([^)#\s]+\.(?:md|pyx?|c))(#[^)]*)?\)", link, markdown)
