"""Pictures of models, their weights and what they do, drawn by Matplotlib: the extra ``nncore[plots]``.

Each function returns a Matplotlib figure that is known to nobody else: ``figure.savefig("picture.png")`` writes it, and
a notebook shows it. pyplot, its current figure, the backend and all settings stay as they are. To draw into a figure of
one's own, give it: ``ax=plt.gca()``, or ``figure=plt.figure()`` where there are several axes.

The curves of a training are ``history.plot()``, the graph of a model is ``model.plot()``.
"""

from nncore.plots.boundary import decision_boundary
from nncore.plots.confusion import confusion_matrix
from nncore.plots.kernels import weights
from nncore.plots.landscape import loss_landscape, loss_landscape_values

__all__ = ["confusion_matrix", "decision_boundary", "loss_landscape", "loss_landscape_values", "weights"]
