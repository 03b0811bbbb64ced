"""What happened in training."""

from nncore.callbacks.callback import Callback


class History(Callback):
    """What `fit` returns: `history` maps each name to its value in every epoch, `epoch` lists the epochs.

    It is added to every `fit`, behind the callbacks that were given, and so records what they add to the logs. One that
    is given to several calls of `fit` appends to `history` in each.
    """

    def __init__(self):
        self.history = {}
        self.epoch = []

    def on_train_begin(self, logs=None):
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self
