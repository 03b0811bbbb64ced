"""Models' files for programs of C and Cython: `nn.embed.load`, and a call of what it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nncore as nn
from nncore import embed
from reliability.fuzzing import guard, models, safetensors
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from pathlib import Path


def read(data: bytes, folder: Path) -> bool:
    """Predicts what the model does, where it is small."""
    path = guard.file(folder, "model.safetensors", data)
    model = nn.models.load_model(path, compile=False)
    if not model.built or not models.can_compute(model):
        return False
    with guard.reading():
        predictor = embed.load(path)
        x = models.data_for(model)
        found = predictor(*x)
    wanted = model.predict(x if len(x) > 1 else x[0], verbose=0)
    pairs = zip(found, wanted, strict=True) if isinstance(found, list) else [(found, wanted)]
    for one, other in pairs:
        assert one.tobytes() == other.tobytes(), "other bits than predict's"
    return True


TARGET = Target("predictors", read, safetensors.seeds, safetensors.mutate)
