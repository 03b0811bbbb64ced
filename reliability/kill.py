"""Kills processes that write files, at random moments, and looks at what they leave under the final names.

A process of its own is forked for each kill, and killed (SIGKILL) somewhere in its saving. After each kill the file
must be whole and of one moment; temporary files must not add up; and a training that is gone on with after each kill
must end with the bits of one that was never killed.
"""

import argparse
import collections
import contextlib
import io
import os
import pathlib
import random
import signal
import tempfile
import time
import warnings

import numpy as np

import nncore as nn

WEIGHTS = 60_000
X = np.random.default_rng(0).standard_normal((640, 300)).astype("f4")
Y = np.arange(640) % 10


class BrokenError(Exception):
    """What must not be."""


def build():
    """A model whose file is written for as long as other parts of a save take."""
    model = nn.Sequential([nn.Input((300,)), nn.layers.Dense(WEIGHTS // 300, activation="relu"), nn.layers.Dense(10)])
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


class OfOneMoment:
    """`save` again and again, of weights that are all the same number, which the next save has one more of."""

    def __init__(self, folder, save, load):
        self.path, self._save, self._load = folder / "file.safetensors", save, load
        self.model, self.last = build(), 0.0

    def work(self):
        number = self.last
        while True:
            number += 1
            for weight in self.model.weights:
                weight[...] = number
            self._save(self.model, self.path)

    def check(self):
        if not self.path.exists():
            return
        found = {float(number) for weight in self._load(self.path).weights for number in np.unique(weight)}
        if len(found) != 1 or min(found) < self.last:
            raise BrokenError(f"{self.path.name} holds weights of several moments, or older ones: {sorted(found)[:5]}")
        self.last = found.pop()

    def end(self):
        self._save(self.model, self.path)


def _load_weights(path):
    model = build()
    model.load_weights(path)
    return model


class GoneOnWith:
    """A training that writes a backup after each minibatch; each process goes on from what the last one left."""

    def __init__(self, folder, callbacks, epochs):
        self.folder, self._callbacks, self._epochs = folder, callbacks, epochs
        self.steps, self.done = 0, False

    def work(self):
        self._train()
        os._exit(0)

    def _train(self):
        model = build()
        model.fit(X, Y, epochs=self._epochs, verbose=0, callbacks=self._callbacks(self.folder))
        return model

    def check(self):
        steps = []
        for path in self.folder.glob("*.safetensors"):
            model = nn.models.load_model(path)
            steps.append(model.optimizer.iterations)
        if max(steps, default=0) < self.steps:
            raise BrokenError(f"the backup went from {self.steps} steps to {max(steps, default=0)}")
        self.steps = max(steps, default=0)

    def end(self):
        alone, resumed = build(), self._train()
        alone.fit(X, Y, epochs=self._epochs, verbose=0)
        if not all(np.array_equal(a, b) for a, b in zip(alone.weights, resumed.weights, strict=True)):
            raise BrokenError("a training that was killed and gone on with ended with other bits than one that was not")


class OfTheCommandLine:
    """`nncore train --out`, which is killed at any time until a bit after its end."""

    def __init__(self, folder):
        self.path, self.table = folder / "file.safetensors", folder.parent / "table.csv"
        rows = "".join(f"{i},{i % 7},{i * i % 5},{'yes' if i % 3 else 'no'}\n" for i in range(60))
        self.table.write_text("a,b,c,answer\n" + rows)

    def work(self):
        while True:
            self.end()

    def check(self):
        if self.path.exists():
            from nncore._tables import files

            files.load(self.path)

    def end(self):
        from nncore.cli import main

        options = ["--target", "answer", "--epochs", "1", "--quiet", "--out", str(self.path)]
        with contextlib.redirect_stdout(io.StringIO()):
            code = main(["train", str(self.table), *options])
        if code:
            raise BrokenError("nncore train failed")


def kinds(folder, kills):
    """{what is killed: (its work in a new folder, the longest that a process lives)}."""
    epochs = max(1, kills // 2)

    def backup(folder):
        return nn.callbacks.BackupAndRestore(folder, save_freq=1, delete_checkpoint=False)

    def checkpoints(folder):
        path = folder / "{epoch}-{batch}.safetensors"
        return nn.callbacks.ModelCheckpoint(path, save_freq=1, keep_last=3, resume=True)

    def made(name):
        inner = folder / name
        inner.mkdir(parents=True)
        return inner

    found = {
        "model.save": (OfOneMoment(made("save"), lambda m, p: m.save(p), nn.models.load_model), 0.03),
        "save_weights": (OfOneMoment(made("weights"), lambda m, p: m.save_weights(p), _load_weights), 0.03),
        "BackupAndRestore": (GoneOnWith(made("backup"), backup, epochs), 0.15),
        "ModelCheckpoint": (GoneOnWith(made("checkpoints"), checkpoints, epochs), 0.15),
    }
    try:
        import pandas  # noqa: F401
    except ImportError:
        print("nncore train: left out, as pandas is not here")
    else:
        task = OfTheCommandLine(made("cli"))
        task.end()  # with all imports that it makes
        start = time.perf_counter()
        task.end()
        found["nncore train --out"] = task, 1.2 * (time.perf_counter() - start)
    return found


def killed(work, seconds):
    """Forks a process that works, and kills it after some time; whether it was still at it."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            import traceback

            traceback.print_exc()
        os._exit(9)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise BrokenError("a process ended with an error of its own, which stands above")
    return os.WIFSIGNALED(status)


def unfinished(folder):
    """Names of the temporary files."""
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


def main(arguments=None):
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m reliability.kill", description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="of each kind (default: 200)")
    parser.add_argument("--only", metavar="KIND", help="one kind alone")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (default: 0)")
    given = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
    moments, failures, total = random.Random(given.seed), 0, collections.Counter()
    with tempfile.TemporaryDirectory(prefix="nncore-kill-") as folder:
        for name, (task, longest) in kinds(pathlib.Path(folder), given.kills).items():
            if given.only not in (None, name):
                continue
            inner = getattr(task, "folder", None) or task.path.parent
            count = collections.Counter()
            try:
                task.check()
                for _ in range(given.kills):
                    count["kills"] += killed(task.work, moments.uniform(0, longest))
                    left = unfinished(inner)
                    count["while a file was being written"] += bool(left)
                    if len(left) > 1:
                        raise BrokenError(f"temporary files add up: {left}")
                    task.check()
                task.end()
                if left := unfinished(inner):
                    raise BrokenError(f"left in the end: {left}")
            except (BrokenError, ValueError, OSError) as error:
                failures += 1
                print(f"{name}: BROKEN after {count['kills']} kills: {error}")
                continue
            total += count
            said = ", ".join(f"{number} {what}" for what, number in count.items())
            print(f"{name}: {said}; no broken file, no litter")
    amid = total["while a file was being written"]
    print(f"{total['kills']} kills, {amid} of them while a file was being written: {failures} kinds of save broke")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
