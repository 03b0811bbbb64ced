"""What happened in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore.callbacks.callback import Callback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._typing import Logs


class History(Callback):
    """What `fit` returns: `history` maps each name to its value in every epoch, `epoch` lists the epochs.

    It is added to every `fit`, behind the callbacks that were given, and so records what they add to the logs. One that
    is given to several calls of `fit` appends to `history` in each. `plot` draws the curves; a notebook shows them.
    """

    carried: tuple[str, ...] = ("history", "epoch", "_epochs")

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self._epochs: dict[str, list[int]] = {}  # of each name the epochs, counted from 1, that its values are of

    def set_state(self, state: dict[str, Any]) -> None:
        kinds = {name: {"epoch": list}.get(name, dict) for name in self.carried if name in state}
        values = [value for name, kind in kinds.items() if kind is dict and isinstance(state[name], dict)
                  for value in state[name].values()]  # fmt: skip
        if not all(isinstance(state[name], kind) for name, kind in kinds.items()) or any(
            not isinstance(value, list) for value in values
        ):
            raise ValueError("a History's state holds lists of epochs, and of values by name")
        super().set_state(state)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self._epochs.setdefault(name, []).append(epoch + 1)
        self.model.history = self

    # ---- beyond Keras: pictures

    def curves_of(self, name: str) -> tuple[list[Any], list[Any]]:
        """Returns the values of a name in training and in validation; an empty list for what there is not."""
        return self.history.get(name, []), self.history.get(f"val_{name}", [])

    def epochs_of(self, name: str) -> list[int]:
        """Returns the epochs, counted from 1, that the values of a name are of."""
        values = self.history.get(name, [])
        epochs = self._epochs.get(name, [])
        counted = len(epochs) == len(values) and epochs == sorted(set(epochs))
        return list(epochs) if counted else list(range(1, len(values) + 1))  # of several trainings

    def plot(self, names: str | Sequence[str] | None = None, log_scale: bool | str | Sequence[str] = False,
             figure: Any = None) -> Any:  # fmt: skip
        """Draws loss, metrics and learning rate over the epochs, those of training and validation in one picture each.

        Needs Matplotlib, the extra ``nncore[plots]``; the picture is one as `nncore.plots` says.

        Parameters
        ----------
        names : str or list of str, optional
            Which ones, without "val_"; all unless given.
        log_scale : bool, str or list of str
            Whether heights are on a logarithmic scale: all whose values are positive, or those named.
        figure : Matplotlib figure, optional
            Drawn into; a new one unless given.

        Returns
        -------
        Figure
            With one of its `axes` for each name.

        Raises
        ------
        ImportError
            Without Matplotlib.
        ValueError
            For a history without epochs, names that are not in it, and values that have no logarithm.

        Examples
        --------
        >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> history = model.fit(np.arange(9.0), 3 * np.arange(9.0), epochs=3, validation_split=0.2, verbose=0)
        >>> history.plot().axes[0].get_title(loc="left")
        'Loss'
        """
        from nncore.plots import curves

        return curves.plot(self, names, log_scale, figure)

    def __repr__(self) -> str:
        if not self.history:
            return "<History: no epoch>"
        count = max(map(len, self.history.values()))
        last = ", ".join(f"{name} {_short(values[-1])}" for name, values in self.history.items() if len(values))
        return f"<History: {count} {'epoch' if count == 1 else 'epochs'}; at last {last}>"

    def _repr_html_(self) -> str:
        from nncore.callbacks.history_html import html

        return html(self)


def _short(value: Any) -> str:
    try:
        return f"{float(value):.4g}"
    except (TypeError, ValueError):
        return str(value).replace("\n", " ")
