"""Training on a table: the validation part, the choices that nobody made, the best weights."""

import math
import sys
import time
from dataclasses import dataclass, field

import numpy as np

from nncore import callbacks
from nncore._interrupts import interrupts_wait
from nncore._tables import metrics, network
from nncore._tables.detection import detect
from nncore._tables.files import Predictor
from nncore._tables.reading import unknown_column
from nncore._tables.target import Raw
from nncore.callbacks.progress import ProgbarLogger

LEAST_ROWS = 10
SMALL = 5000  # rows; smaller tables hold out a fifth, larger ones a tenth
UPDATES = 6000
WARMUP = 0.05  # of all updates

# Learning rates that suit most tables, how many times the weight decay is that of AdamW, and further arguments.
OPTIMIZERS = {
    "adamw": ("AdamW", 3e-3, 1.0, {}),
    "adam": ("Adam", 3e-3, 0.0, {}),
    "nadam": ("Nadam", 3e-3, 0.0, {}),
    "rmsprop": ("RMSprop", 1e-3, 0.0, {}),
    "lion": ("Lion", 3e-4, 10.0, {}),
    "sgd": ("SGD", 0.03, 0.0, {"momentum": 0.9, "nesterov": True, "global_clipnorm": 5.0}),
}

@dataclass
class Options:
    """What a user may choose; None is chosen by the table."""

    task: str | None = None
    validation: object = None  # a share of the rows, or a Table
    seed: int = 0
    epochs: int | None = None
    batch_size: int | None = None
    hidden: tuple | None = None
    activation: str = "relu"
    dropout: float | None = None
    optimizer: str = "adamw"
    learning_rate: float | None = None
    weight_decay: float | None = None
    loss: str | None = None
    pieces: int | None = None
    patience: int | None = None
    time_limit: float | None = None  # seconds of the training
    balanced: bool = False
    drop: list = field(default_factory=list)
    categories: list = field(default_factory=list)
    bar: bool = True


class Interrupted(KeyboardInterrupt):
    """Ctrl-C after an epoch has ended; `predictor` is that of the best one."""

    def __init__(self, predictor, epoch):
        super().__init__("interrupted")
        self.predictor, self.epoch = predictor, epoch


class Task:
    """A table that is ready for training: what was found, rows of either part, columns and target that have learnt."""

    def __init__(self, table, target, options):
        if target not in table.frame.columns:
            raise unknown_column(table.path, target, table.frame.columns)
        if target in options.drop:
            raise ValueError(f"{target!r} is the target and cannot be left out by --drop")
        raw = Raw(table, target, options.task)
        self.table, self.options, self.note = table, options, raw.note
        _require_sense(options, raw.task)
        rows = np.flatnonzero(raw.known)
        self.without_target = len(raw.known) - len(rows)
        if len(rows) < LEAST_ROWS:
            raise ValueError(
                f"{table.path} has {len(rows)} rows with a target {target!r}; at least {LEAST_ROWS} are needed"
            )
        self.found = detect(table, target, options.drop, options.categories)
        training, held_out = self._parts(raw, rows)
        used = [each for each in self.found if each.kind != "left out"]
        parsed = type(table.frame)({each.name: each.parsed(table.frame[each.name]) for each in used})
        frame = parsed.iloc[training]
        self.columns = [each.fit(frame[each.name]) for each in used]
        self.target = raw.fit(training)
        self.x, self.y = network.inputs_of(self.columns, frame), raw.y[training]
        self.unknown_classes = 0
        self.validation = None
        if isinstance(options.validation, tuple):
            self.validation = self._other_rows(options.validation)
        elif len(held_out):
            self.validation = network.inputs_of(self.columns, parsed.iloc[held_out]), raw.y[held_out]

    def _parts(self, raw, rows):
        """Numbers of the rows for training and for validation, which has of each class its share."""
        share = self.options.validation
        if share is None:
            share = 0.2 if len(rows) < SMALL else 0.1
        if isinstance(share, tuple) or share == 0:
            return rows, rows[:0]
        random = np.random.default_rng(self.options.seed)
        if raw.task == "regression":
            mixed = random.permutation(rows)
            count = min(max(1, round(share * len(rows))), len(rows) - 2)
            return np.sort(mixed[count:]), np.sort(mixed[:count])
        parts, carried = [], 0.0
        for number in range(len(raw.classes)):
            own = random.permutation(rows[raw.y[rows] == number])
            # What rounding leaves over goes to the next class, so that rare ones have their share together.
            wanted = share * len(own) + carried
            count = min(max(round(wanted), 1 if len(own) >= 5 else 0), len(own) - 1)
            carried = min(max(wanted - count, -0.5), 0.5)
            parts.append(own[:count])
        held_out = np.sort(np.concatenate(parts))
        if not len(held_out):
            held_out = np.sort(random.permutation(rows)[:1])
        return np.setdiff1d(rows, held_out), held_out

    def _other_rows(self, other):
        """Inputs and targets of a validation table of its own."""
        predictor = Predictor(None, self.columns, self.target)
        if self.target.name not in other.frame.columns:
            raise unknown_column(other.path, self.target.name, other.frame.columns)
        y, known = self.target.read(other.frame[self.target.name])
        self.unknown_classes = int((~known).sum())
        if not known.any():
            raise ValueError(f"{other.path} has no row with a target {self.target.name!r} that can be compared")
        frame = other.frame.iloc[np.flatnonzero(known)]
        return predictor.inputs(frame, other.path), y[known]


def _require_sense(options, task):
    """Raises ValueError for options that would change nothing."""
    if options.balanced and task == "regression":
        raise ValueError("--balanced is for classes, and the target is a number; see --task")
    if options.loss and task == "classification":
        raise ValueError("--loss is for a regression, and the target has classes; see --task")
    if options.patience and options.validation == 0:
        raise ValueError("--patience needs rows to validate with, and --validation 0 holds out none")


def train(task, begin=lambda chosen: None):
    """Trains a network for a `Task`, and calls `begin` with what was chosen before.

    Returns
    -------
    (Predictor, dict)
        What was trained, and a report of how, as JSON-able data.

    Raises
    ------
    Interrupted
        After Ctrl-C, where an epoch has ended.
    """
    import nncore as nn

    options, rows = task.options, len(task.y)
    chosen = _choices(options, rows, task.target)
    scales = sum(column.sizes[0] for column in task.columns)
    first = task.x[0][:, :scales] if scales else np.zeros((rows, 0), np.float32)
    ends = network.pieces_of(first, rows, options.pieces)
    model = network.build(task.columns, task.target, ends, chosen["hidden"], options.activation, chosen["dropout"],
                          options.seed)  # fmt: skip
    batch_size, epochs = chosen["batch_size"], chosen["epochs"]
    steps = -(-rows // batch_size) * epochs
    name, _, _, arguments = OPTIMIZERS[options.optimizer]
    schedule = _schedule(chosen["learning_rate"], steps)
    rate = schedule if options.time_limit is None else chosen["learning_rate"]
    classification = task.target.task == "classification"
    decay = {"weight_decay": chosen["weight_decay"]} if chosen["weight_decay"] else {}
    optimizer = getattr(nn.optimizers, name)(rate, **arguments, **decay)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(optimizer, chosen["loss"])
    best = callbacks.EarlyStopping("val_loss", patience=chosen["patience"], restore_best_weights=True)
    timed = Deadline(options.time_limit, schedule, steps)
    watching = [best] if task.validation else []
    watching += [timed] if options.time_limit else []
    watching += [TrainingBar(epochs)] if options.bar else []
    report = {**chosen, "hidden": list(chosen["hidden"]), "optimizer": name, "parameters": model.count_params(),
              "pieces": sum(len(each) - 1 for each in ends if len(each) > 2)}  # fmt: skip
    predictor = Predictor(model, task.columns, task.target)
    x = _given(task.x)
    weights = _balance(task.y) if options.balanced and classification else None
    begin(report)
    start = time.perf_counter()
    try:
        history = model.fit(
            x,
            _labels(task.target, task.y),
            batch_size=batch_size,
            epochs=epochs,
            verbose=0,
            class_weight=weights,
            validation_data=_validation(task),
            callbacks=watching,
        )
    except KeyboardInterrupt:
        if best.best_weights is None:
            raise
        with interrupts_wait():
            model.set_weights(best.best_weights)
            _finish(predictor, task, x)
            raise Interrupted(predictor, best.best_epoch + 1) from None
    report["seconds"] = time.perf_counter() - start
    report["epochs_trained"] = len(history.history["loss"])
    report["best_epoch"] = best.best_epoch + 1 if task.validation else report["epochs_trained"]
    report["ended_by"] = "time limit" if timed.passed else "early stopping" if best.stopped_epoch else "last epoch"
    _finish(predictor, task, x)
    return predictor, report


def results(predictor, task):
    """How good the predictions are: of the validation rows, or of the training rows where there are no others."""
    x, y = task.validation or (task.x, task.y)
    ours, baseline, name = metrics.measure(predictor.target, y, predictor.outputs(x))
    return {"measured_on": "validation" if task.validation else "training", "metrics": ours,
            "baseline": {"name": name, **baseline}}  # fmt: skip


def _finish(predictor, task, x):
    network.settle_unseen_levels(predictor.model, task.columns, task.x)
    if task.target.task == "regression":
        task.target.correct(predictor.model.predict(x, verbose=0), task.y)


def _choices(options, rows, target):
    """Sizes, rates and counts: those of the user, or what suits so many rows."""
    batch_size = options.batch_size or 1 << min(10, max(4, int(math.log2(max(1, rows / 100)))))
    per_epoch = -(-rows // batch_size)
    epochs = options.epochs or min(max(UPDATES // per_epoch, 12), 300)
    hidden = options.hidden
    if hidden is None:
        hidden = (128, 64) if rows >= 2000 else (64, 32) if rows >= 300 else (32,)
    dropout = options.dropout if options.dropout is not None else 0.1
    patience = options.patience if options.patience is not None else max(10, epochs // 2)
    _, usual_rate, decays, _ = OPTIMIZERS[options.optimizer]
    learning_rate = options.learning_rate or usual_rate
    weight_decay = options.weight_decay
    if weight_decay is None:
        weight_decay = decays * (0.3 if rows < SMALL else 0.1)
    if target.task == "classification":
        loss = "sparse_categorical_crossentropy"
    else:
        loss = options.loss or ("huber" if target.extreme else "mean_squared_error")
    return {"hidden": tuple(hidden), "dropout": dropout, "loss": loss, "batch_size": min(batch_size, rows),
            "epochs": epochs, "patience": patience, "learning_rate": learning_rate,
            "weight_decay": weight_decay}  # fmt: skip


def _schedule(rate, steps):
    """Up on a line, then down to 0 as a cosine."""
    from nncore.optimizers.schedules import CosineDecay

    warmup = int(steps * WARMUP)
    if not warmup:
        return CosineDecay(rate, steps)
    return CosineDecay(0.0, steps - warmup, warmup_target=rate, warmup_steps=warmup)


def _balance(y):
    counts = np.bincount(y)
    return {number: len(y) / (np.count_nonzero(counts) * count) for number, count in enumerate(counts) if count}


def _given(x):
    return x if len(x) > 1 else x[0]


def _validation(task):
    if task.validation is None:
        return None
    x, y = task.validation
    return _given(x), _labels(task.target, y)


def _labels(target, y):
    encoded = target.encode(y)
    return encoded if target.task == "classification" else encoded.astype(np.float32)


class Deadline(callbacks.Callback):
    """Ends training when its time has passed; the learning rate falls by time where that is sooner than by updates."""

    def __init__(self, seconds, schedule, steps):
        self.seconds, self.schedule, self.steps = seconds, schedule, steps
        self.passed = False

    def on_train_begin(self, logs=None):
        self._begin, self._done = time.perf_counter(), 0

    def on_train_batch_begin(self, batch, logs=None):
        time_share = (time.perf_counter() - self._begin) / self.seconds
        share = max(self._done / self.steps, min(time_share, 1.0))
        self.model.optimizer.learning_rate = max(float(self.schedule(round(share * self.steps))), 0.0)

    def on_train_batch_end(self, batch, logs=None):
        self._done += 1
        if time.perf_counter() - self._begin >= self.seconds:
            self.passed = self.model.stop_training = True


class TrainingBar(ProgbarLogger):
    """One bar for the whole training: epochs, the losses, the best epoch."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs, self.best, self.best_epoch = epochs, math.inf, 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        if self._bar is None:
            from tqdm import tqdm

            with interrupts_wait():
                self._rows = self.params.get("rows")
                self._bar = tqdm(total=self.epochs * self._rows, desc="Training", unit=" rows", unit_scale=True,
                                 dynamic_ncols=True, smoothing=0,
                                 mininterval=0.1 if sys.stderr.isatty() else 1.0)  # fmt: skip

    def progress(self, rows, logs):
        if self._bar is not None:
            with interrupts_wait():
                self._bar.update(self._epoch * self._rows + rows - self._bar.n)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        shown = {"epoch": f"{epoch + 1}/{self.epochs}", "loss": f"{logs.get('loss', math.nan):.4f}"}
        if "val_loss" in logs:
            if logs["val_loss"] < self.best:
                self.best, self.best_epoch = logs["val_loss"], epoch + 1
            shown["val_loss"] = f"{logs['val_loss']:.4f}"
            shown["best"] = f"{self.best:.4f} in {self.best_epoch}"
        if self._bar is not None:
            with interrupts_wait():
                self._bar.set_postfix(shown, refresh=False)
