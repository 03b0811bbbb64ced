"""What all pictures share: figures of their own, away from pyplot; style, colours, checks. Imports Matplotlib."""

import contextlib
import io

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.figure import FigureBase

from nncore._plots import QUIET_COLOR, STYLE, TEST_COLOR, TRAINING_COLOR

__all__ = ["QUIET_COLOR", "TEST_COLOR", "TRAINING_COLOR", "Figure", "axes", "categorical", "compact", "diverging",
           "figures", "grid_shape", "plain_numbers", "style"]  # fmt: skip

# Okabe and Ito, Color universal design, 2008: told apart with any kind of colour vision.
_CATEGORIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")

# Matplotlib writes the time into these, unless told not to.
_UNDATED = {"svg": {"Date": None}, "svgz": {"Date": None}, "pdf": {"CreationDate": None}}


class Figure(MatplotlibFigure):
    """A figure that pyplot does not know of: nothing keeps it alive or shows it but who has it. Notebooks show it."""

    def __init__(self, size, **options):
        super().__init__(figsize=size, layout="constrained", **options)
        FigureCanvasAgg(self)
        self.get_layout_engine().set(w_pad=0.1, h_pad=0.08)

    def _repr_png_(self):
        return self.encoded("png", self.dpi)

    def encoded(self, ending, dpi):
        """The content of a file with such an ending. The same picture has the same bytes: no date, no drawn names."""
        content = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "nncore"}):
            self.savefig(content, format=ending, dpi=dpi, metadata=_UNDATED.get(ending))
        return content.getvalue()


def style():
    """A context in which a picture looks as it should, whatever the user's own settings are."""
    return matplotlib.style.context(["default", {**STYLE, "axes.grid": False}])


@contextlib.contextmanager
def axes(ax, size):
    """Gives the axes to draw into: those given, as they are, or the only ones of a new figure."""
    if ax is not None:
        if not isinstance(ax, Axes):
            raise TypeError(f"ax must be axes of Matplotlib, as plt.gca() gives; got {ax!r}")
        yield ax
        return
    with style():
        yield Figure(size).add_subplot()


@contextlib.contextmanager
def figures(figure, size):
    """Gives the figure to draw into: the one given, or a new one."""
    if figure is not None:
        if not isinstance(figure, FigureBase):
            raise TypeError(f"figure must be a figure of Matplotlib, as plt.figure() gives; got {figure!r}")
        yield figure
        return
    with style():
        yield Figure(size)


def grid_shape(count, most_columns=3):
    """Rows and columns of a grid for so many pictures."""
    columns = 2 if count == 4 else min(count, most_columns)
    return -(-count // columns), columns


def categorical(count):
    """So many colours that can be told apart, as far as there are so many."""
    if count <= len(_CATEGORIES):
        return list(_CATEGORIES[:count])
    return [matplotlib.colormaps["viridis"](place) for place in np.linspace(0, 1, count)]


def diverging():
    """Colours of numbers below and above zero: blue, white, orange."""
    colors = ["#0b4a86", TRAINING_COLOR, "white", TEST_COLOR, "#8a3d00"]
    return LinearSegmentedColormap.from_list("below and above", colors)


def plain_numbers(axis):
    """Labels of a logarithmic axis as 0.05, and not as powers: as many as there is room for."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1,) if decades > 3 else (1, 2, 5) if decades > 0.8 else range(1, 10)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def compact(number):
    """A number in few characters."""
    number = float(number)
    if number == round(number) and abs(number) < 1e5:
        return f"{number:,.0f}"
    return f"{number:.3g}"
