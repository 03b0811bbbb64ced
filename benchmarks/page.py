"""The page: sections of text and tables, and the targets that they checked."""

import math
import statistics
import textwrap
from typing import NamedTuple

NOTHING = "-"  # in a table, where nothing was measured

# Where a target is in seconds.
OTHER_MACHINE = (
    "Targets in seconds were set on two cores with AVX-512 that do 261 GFLOP/s each, and hold as they stand only for "
    "such a machine; the ratio to a peer beside them is what that peer needed there over the target, and is the one to "
    "read on another machine."
)


class Target(NamedTuple):
    """Something that is to be reached."""

    what: str
    wanted: str
    reached: str
    met: bool


class Section:
    """A chapter of the page, and the numbers behind it for the JSON file."""

    def __init__(self, title, name):
        self.title, self.name = title, name
        self.blocks = []
        self.targets = []
        self.results = []

    def text(self, sentences):
        """Adds a paragraph."""
        self.blocks.append(filled(sentences))

    def list(self, items):
        """Adds a list."""
        self.blocks.append("\n".join(filled(item, "- ", "  ") for item in items))

    def heading(self, heading):
        """Adds a heading inside the section."""
        self.blocks.append(f"### {heading}")

    def table(self, headings, rows):
        """Adds a table; columns of numbers stand on the right."""
        self.blocks.append(table(headings, rows))

    def target(self, what, wanted, reached, met):
        """Notes a target; returns "met" or "missed"."""
        self.targets.append(Target(what, wanted, reached, bool(met)))
        return verdict(met)

    def written(self, number=None):
        """The section in Markdown."""
        heading = f"## {self.title}" if number is None else f"## {number}. {self.title}"
        repeat = f"Repeat with `python -m benchmarks --only {self.name}`." if self.name else ""
        return "\n\n".join([heading, *self.blocks, repeat]).rstrip() + "\n"


def table(headings, rows):
    """A table in Markdown."""
    rules = ["---:" if all(map(_numeric, column)) else "---" for column in zip(*rows, strict=True)]
    rules[0] = "---"
    return "\n".join("| " + " | ".join(line) + " |" for line in [headings, rules, *rows])


def _numeric(cell):
    return not cell or cell == NOTHING or cell.lstrip("≤≥ -(")[:1].isdigit()


def filled(sentences, first="", then=""):
    """Lines of text of at most 120 characters."""
    return textwrap.fill(sentences, 120, initial_indent=first, subsequent_indent=then, break_long_words=False,
                         break_on_hyphens=False)  # fmt: skip


def number(value, digits=3):
    """A number with so many significant digits, without an exponent; NOTHING for None."""
    if value is None:
        return NOTHING
    if not value or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def microseconds(seconds):
    """Seconds as a number of microseconds; NOTHING for None."""
    return number(None if seconds is None else seconds * 1e6)


def percent(share, decimals=0):
    """A share; NOTHING for None."""
    return NOTHING if share is None else f"{share:.{decimals}%}"


def verdict(met):
    """What a table says of a target."""
    return "met" if met else "missed"


def ratio_to_best(seconds):
    """How many times as long as nncore the fastest of the others took; None without nncore or others."""
    others = [value for name, value in seconds.items() if name != "nncore"]
    return min(others) / seconds["nncore"] if others and "nncore" in seconds else None


def geometric_mean(values):
    """The geometric mean; None of nothing."""
    values = list(values)
    return statistics.geometric_mean(values) if values else None


def count(number, one, many=None):
    """Such as "1 thread" or "2 threads"."""
    return f"{number} {one}" if number == 1 else f"{number:,} {many or one + 's'}"


def summary(sections):
    """The targets of all sections, as one table."""
    rows = [
        [target.what, target.wanted, target.reached, verdict(target.met)]
        for section in sections
        for target in section.targets
    ]
    return table(["what", "target", "reached", ""], rows) if rows else ""
