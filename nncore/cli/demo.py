"""`nncore demo`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ._types import path_ending_in, whole_number

if TYPE_CHECKING:
    import argparse

    from nncore.models.model import Model

SUMMARY = "train on handwritten digits; write the model and a picture"

EXAMPLES = """\
  nncore demo
  nncore demo --epochs 5 --seed 1 --out results
  nncore demo --quiet --model digits.safetensors --picture digits.png"""

MODEL_NAME = "nncore-demo.safetensors"
PICTURE_NAME = "nncore-demo.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "--epochs",
        type=whole_number(1),
        default=30,
        metavar="N",
        help="how often to go through the training images (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="seed of the weights, the shuffling and the dropout (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        default=".",
        metavar="FOLDER",
        help=f"where to write {MODEL_NAME} and {PICTURE_NAME}; made where missing (default: the current folder)",
    )
    parser.add_argument(
        "--model",
        type=path_ending_in(".safetensors"),
        metavar="PATH",
        help="where to write the model, in place of FOLDER",
    )
    parser.add_argument(
        "--picture",
        type=path_ending_in(".png"),
        metavar="PATH",
        help="where to write the picture, in place of FOLDER",
    )
    parser.add_argument("--quiet", action="store_true", help="print only what went wrong")


def run(arguments: argparse.Namespace) -> None:
    """Train, report, and write the model and the picture."""
    import nncore as nn

    model_path = Path(arguments.model or Path(arguments.out, MODEL_NAME))
    picture_path = Path(arguments.picture or Path(arguments.out, PICTURE_NAME))
    # Before the training, so that a folder that cannot be made costs no wait.
    for path in (model_path, picture_path):
        path.parent.mkdir(parents=True, exist_ok=True)

    def report(line: str) -> None:
        if not arguments.quiet:
            print(line, flush=True)

    (x_train, y_train), (x_test, y_test) = nn.datasets.digits.load_data()
    model = digit_classifier(arguments.seed)
    report(f"Training {model.count_params():,} parameters on {len(y_train)} handwritten digits of 8 x 8 pixels")
    start = time.perf_counter()
    # Nothing is chosen by looking at the test images, so that they may be watched from the first epoch on.
    history = model.fit(
        x_train,
        y_train,
        batch_size=32,
        epochs=arguments.epochs,
        verbose=0 if arguments.quiet else 1,
        validation_data=(x_test, y_test),
    )
    seconds = time.perf_counter() - start

    predictions = model.predict(x_test).argmax(axis=1)
    right = int((predictions == y_test).sum())
    threads = nn.config.get_num_threads()
    report(f"Test accuracy: {right / len(y_test):.2%} ({right} of {len(y_test)} images)")
    report(
        f"Speed: {arguments.epochs * len(y_train) / seconds:,.0f} rows per second, tests after each epoch included "
        f"({seconds:.2f} s; {nn.config.variant()}, {threads} {'thread' if threads == 1 else 'threads'})"
    )
    model.save(model_path)
    report(f"Model: {model_path}")

    try:
        from nncore import _plots
    except ImportError as error:
        # Said in spite of --quiet: a file that was asked for will not be there.
        print(f"No picture, since matplotlib is missing ({error}): pip install 'nncore[demo]'", file=sys.stderr)
        return
    title = f"{model.count_params():,} parameters read {right / len(y_test):.1%} of {len(y_test)} test digits right"
    _plots.save_training_picture(picture_path, history.history, x_test, y_test, predictions, title)
    report(f"Picture: {picture_path}")


def digit_classifier(seed: int) -> Model:
    """A compiled network of three dense layers for images of 8 x 8 pixels with values of 0 to 16."""
    import nncore as nn

    model = nn.Sequential(
        [
            nn.Input((8, 8)),
            nn.layers.Rescaling(1 / 16),
            nn.layers.Flatten(),
            nn.layers.Dense(128, activation="relu"),
            nn.layers.Dropout(0.2),
            nn.layers.Dense(64, activation="relu"),
            nn.layers.Dropout(0.2),
            nn.layers.Dense(10, activation="softmax"),
        ],
        seed=seed,
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
