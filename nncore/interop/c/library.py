"""The functions that exported models are made of: nncore's kernels for one row, in the C of kernels/.

They do the same operations in the same order, element by element, so that results are the same bits. A model takes the
pieces that it needs, and those that they name: a piece goes from one empty line before column 1 to the next, and files
follow each other as in `FILES`. What `#if DOUBLE` at column 1 chooses is decided here.
"""

import functools
import importlib.resources
import re

FILES = ("arithmetic", "elementwise", "products", "windows", "normalization", "tensors", "sequences")

_DEFINED = re.compile(
    r"^#define (\w+)|^typedef union[^}]*\}\s*(\w+);|^typedef struct[^}]*\}\s*(\w+);|^typedef void (\w+)\(|"
    r"^typedef \w+ (\w+);|^enum \{ (\w+)|^static [^=(]*?\b(\w+)\(",
    re.MULTILINE,
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@functools.cache
def pieces(double):
    """The definitions in their order: (text, names that it defines, words in it)."""
    folder = importlib.resources.files("nncore.interop.c").joinpath("kernels")
    text = "\n\n".join(folder.joinpath(f"{name}.c").read_text(encoding="utf-8").strip() for name in FILES)
    found = []
    for piece in re.split(r"\n\n(?=\S)", _resolved(text, double).strip()):
        code = _COMMENT.sub("", piece)
        names = {name for match in _DEFINED.findall(code) for name in match if name}
        if names:
            found.append((piece.strip(), names, set(re.findall(r"[A-Za-z_]\w*", code))))
    return found


def _resolved(text, double):
    """The text with what `#if DOUBLE` chooses."""
    lines, choosing, keep = [], False, True
    for line in text.splitlines():
        if line == "#if DOUBLE":
            choosing, keep = True, double
        elif choosing and line == "#else":
            keep = not keep
        elif choosing and line == "#endif":
            choosing, keep = False, True
        elif keep:
            lines.append(line)
    return "\n".join(lines)


def words(double):
    """All words of the library: what a constant should not be called."""
    return set().union(*(used | names for _, names, used in pieces(double)))


def needed(names, double):
    """The text of the pieces that define these names, and of what they need."""
    found, wanted = set(), set(names)
    for number in range(len(pieces(double)) - 1, -1, -1):  # what is needed stands before what needs it
        _, defined, used = pieces(double)[number]
        if defined & wanted:
            found.add(number)
            wanted |= used
    return "\n\n".join(pieces(double)[number][0] for number in sorted(found))
