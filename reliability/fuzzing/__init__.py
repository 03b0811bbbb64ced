"""Targets of `python -m reliability.fuzz`: what reads bytes of a stranger's, each a plain function of bytes.

```
target      what a target is
guard       what must not happen while one runs: events, time, memory, warnings
bytes_      mutations of any bytes, and of text
json_       mutations of JSON: values by their names, from everywhere in the seeds
models      small models, from which seeds are made
the others  one target each
```
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reliability.fuzzing.target import Target

NAMES = (
    "idx",
    "safetensors",
    "weights",
    "backups",
    "predictors",
    "table_models",
    "csv_tables",
    "parquet_tables",
    "configurations",
    "vocabularies",
    "images",
    "onnx_graphs",
    "keras_models",
    "keras_files",
)


def find(name: str) -> Target:
    """The target of a name; ImportError where it needs a package that is not here."""
    if name not in NAMES:
        raise ValueError(f"there is no target {name!r}; there are: {', '.join(NAMES)}")
    return importlib.import_module(f"{__name__}.{name}").TARGET
