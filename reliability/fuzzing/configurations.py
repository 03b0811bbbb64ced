"""Configurations as JSON: `from_config` and `deserialize` of models, layers, optimizers, schedules, losses, metrics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

import nncore as nn
from nncore.layers.layer import weights_of_at_most
from reliability.fuzzing import guard, json_, models
from reliability.fuzzing.target import REFUSALS, Target

if TYPE_CHECKING:
    from pathlib import Path

READERS: dict[str, Any] = {
    "Sequential": nn.Sequential.from_config,
    "Model": nn.Model.from_config,
    "layer": nn.layers.deserialize,
    "optimizer": nn.optimizers.deserialize,
    "schedule": nn.optimizers.schedules.deserialize,
    "loss": nn.losses.deserialize,
    "metric": nn.metrics.deserialize,
    "initializer": nn.initializers.deserialize,
    "regularizer": nn.regularizers.deserialize,
    "constraint": nn.constraints.deserialize,
}
_LAYERS = {
    "Dense": {"units": 3},
    "Embedding": {"input_dim": 4, "output_dim": 2},
    "Hashing": {"num_bins": 3, "output_mode": "one_hot"},
    "Masking": {"mask_value": 0.5},
    "GaussianDropout": {"rate": 0.2},
    "AlphaDropout": {"rate": 0.1},
    "Rescaling": {"scale": 2.0},
    "ELU": {"alpha": 0.5},
    "Softmax": {"axis": 1},
    "IntegerLookup": {"vocabulary": [1, 2]},
    "Dot": {"axes": 1},
    "AdditiveAttention": {},
    "MaxPooling1D": {"pool_size": 2},
    "UpSampling1D": {"size": 2},
    "Conv1DTranspose": {"filters": 2, "kernel_size": 3},
}
_SCHEDULES = {
    "CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 10},
    "PiecewiseConstantDecay": {"boundaries": [2, 5], "values": [0.1, 0.2, 0.3]},
    "PolynomialDecay": {"initial_learning_rate": 0.1, "decay_steps": 5},
    "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": 3},
}
_OTHERS = {
    "optimizer": [
        nn.optimizers.AdamW(),
        nn.optimizers.RMSprop(centered=True),
        nn.optimizers.Adafactor(),
        nn.optimizers.Muon(),
    ],
    "loss": [
        nn.losses.CategoricalCrossentropy(label_smoothing=0.1),
        nn.losses.CosineSimilarity(),
        nn.losses.BinaryCrossentropy(),
    ],
    "metric": [
        nn.metrics.AUC(num_thresholds=5),
        nn.metrics.MeanIoU(3),
        nn.metrics.F1Score(threshold=0.5),
        nn.metrics.Precision(top_k=2),
        nn.metrics.TopKCategoricalAccuracy(2),
    ],
    "initializer": [nn.initializers.VarianceScaling(2.0), nn.initializers.Orthogonal(), nn.initializers.Constant(0.5)],
    "regularizer": [nn.regularizers.L1L2(0.1, 0.2)],
    "constraint": [nn.constraints.MaxNorm(2.0), nn.constraints.MinMaxNorm(0.1, 1.0)],
}


def _documents() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in models.ALL:
        made = models.model(name)
        found[name] = {"kind": type(made).__name__, "config": made.get_config()}
    for kind, family in (("layer", _LAYERS), ("schedule", _SCHEDULES)):
        found |= {
            f"{kind}-{name}": {"kind": kind, "config": {"class_name": name, "config": config}}
            for name, config in family.items()
        }
    for kind, things in _OTHERS.items():
        found |= {
            f"{kind}-{type(thing).__name__}": {
                "kind": kind,
                "config": {"class_name": type(thing).__name__, "config": thing.get_config()},
            }
            for thing in things
        }
    return found


DOCUMENTS = json_.Documents(_documents)


def read(data: bytes, folder: Path) -> bool:
    """Makes what is described; described again it is the same; small models compute."""
    document = json.loads(data)
    if not isinstance(document, dict) or document.get("kind") not in READERS:
        raise ValueError("no kind")
    reader = READERS[document["kind"]]
    with guard.reading(), weights_of_at_most(1 << 18):
        made = reader(document.get("config"))
    if made is None:
        return False
    config = _described(made)
    again = reader(
        json.loads(config)
        if isinstance(made, nn.Model) and document["kind"] != "layer"
        else {"class_name": type(made).__name__, "config": json.loads(config)}
    )
    assert _described(again) == config, "described otherwise after a second time"
    if isinstance(made, nn.Model) and made.built and len(data) % 4 == 0 and models.can_compute(made):
        with guard.reading():
            models.compute(made)
    if isinstance(made, nn.optimizers.Optimizer):
        weight = np.ones((3, 2), np.float32)
        with guard.reading():
            made.apply([weight / 2], [weight])
    return True


def _described(made: Any) -> str:
    config: str = json.dumps(made.get_config())
    return config


# A configuration has no weights whose size would bound those that it asks for; here they are bounded by hand.
TARGET = Target("configurations", read, DOCUMENTS.seeds, DOCUMENTS.mutate, REFUSALS)
