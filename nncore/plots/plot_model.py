"""The graph of a model in a file, by Keras's name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks, _files

if TYPE_CHECKING:
    from nncore._typing import PathLikeStr
    from nncore.models.model import Model


def plot_model(model: Model, to_file: PathLikeStr | None = "model.png", show_shapes: bool = False,
               show_dtype: bool = False, show_layer_names: bool = False, rankdir: Literal["TB", "LR"] = "TB",
               expand_nested: bool = False, dpi: int = 200, show_layer_activations: bool = False,
               show_trainable: bool = False) -> Any:  # fmt: skip
    """Writes a picture of a model's graph, as `Model.plot` draws it, into a file.

    Needs Matplotlib, the extra ``nncore[plots]``, and no Graphviz.

    Parameters
    ----------
    model : Model
    to_file : path, optional
        Its ending says what it is: png, svg, pdf, jpg and what else Matplotlib writes. None writes nothing.
    show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable : bool
        What boxes say beside the class of the layer.
    rankdir : "TB" or "LR"
        Whether arrows go down or to the right.
    expand_nested : bool
        Whether models among the layers are drawn with their own graphs.
    dpi : int

    Returns
    -------
    Figure
        Which a notebook shows.

    Raises
    ------
    ImportError
        Without Matplotlib.
    ValueError
        For a model without a shape yet, and for an ending that Matplotlib does not know.

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)])
    >>> figure = nn.utils.plot_model(model, "model.svg", show_shapes=True)
    """
    if not hasattr(model, "graph"):
        raise TypeError(f"plot_model takes a model; got {model!r}")
    dpi = _checks.positive_integer("plot_model", "dpi", dpi)
    figure = model.plot(show_shapes=show_shapes, show_dtype=show_dtype, show_layer_names=show_layer_names,
                        rankdir=rankdir, expand_nested=expand_nested, show_trainable=show_trainable,
                        show_layer_activations=show_layer_activations, show_parameters=False)  # fmt: skip
    if to_file is not None:
        to_file = _checks.path("plot_model", "to_file", to_file)
        ending = os.path.splitext(to_file)[1].removeprefix(".").lower() or "png"
        known = figure.canvas.get_supported_filetypes()
        if ending not in known:
            raise ValueError(f"plot_model: to_file must end in one of {', '.join(sorted(known))}; got {to_file!r}")
        _files.replace(to_file, figure.encoded(ending, dpi))
    return figure
