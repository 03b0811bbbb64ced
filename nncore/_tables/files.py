"""A network with its columns and target: predictions for tables, and one file for all of it.

The file is that of `model.save`, whose description has a further part, ``table``: columns and target as JSON, under the
file's checksum. Reading it runs nothing and takes nothing for granted.
"""

import numpy as np

from nncore._tables import columns as kinds
from nncore._tables import target as targets
from nncore._tables.network import inputs_of, shapes_of
from nncore._tables.reading import nearest, quoted

PART = "table"
FORMAT = 1
MOST_COLUMNS = 100_000


class Predictor:
    """A network with the columns that it reads and the target that it predicts."""

    def __init__(self, model, columns, target):
        self.model, self.columns, self.target = model, columns, target

    def inputs(self, frame, path, allow_missing=False):
        """The network's inputs for a data frame; ValueError for columns that it lacks, unless these are allowed."""
        missing = [column.name for column in self.columns if column.name not in frame.columns]
        if missing and not (allow_missing and len(missing) < len(self.columns)):
            raise ValueError(_missing_columns(path, missing, frame.columns, self.columns))
        if missing:
            frame = frame.assign(**dict.fromkeys(missing, np.nan))
        return inputs_of(self.columns, frame)

    def outputs(self, x):
        """What the network gives for such inputs."""
        return self.model.predict(x if len(x) > 1 else x[0], verbose=0)

    def remarks(self, frame, kept=()):
        """What in a data frame was not in the training rows, as sentences; columns that are `kept` are of use."""
        said = []
        names = {column.name for column in self.columns} | {self.target.name, *kept}
        extra = [name for name in frame.columns if name not in names]
        if extra:
            said.append(f"{len(extra):,} columns are not used: {quoted(extra, 5)}" if len(extra) > 1 else
                        f"the column {extra[0]!r} is not used")  # fmt: skip
        for column in self.columns:
            if column.name not in frame.columns:
                said.append(f"the column {column.name!r} is not there; its values count as missing")
                continue
            series = frame[column.name]
            rows = int(column.strange(series).sum())
            if rows:
                said.append(f"{column.name!r} {column.STRANGE.format(f'{rows:,} rows' if rows > 1 else '1 row')}")
        return said

    def save(self, path, **about):
        """Writes the file; `about` is JSON-able data that nothing depends on."""
        from nncore.models import saving

        part = {"format": FORMAT, "columns": [kinds.describe(column) for column in self.columns],
                "target": targets.describe(self.target), "about": about}  # fmt: skip
        saving.save_model(self.model, path, True, **{PART: part})


def load(path):
    """(Predictor, what else was said about it) of a file; ValueError for one that is broken or of another kind."""
    from nncore.models import saving

    model, part = saving.load_with(path, PART)
    if part is None:
        raise ValueError(f"{path} is a model without a table: wanted a file that 'nncore train' has written")
    try:
        if not isinstance(part, dict) or part.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}, which this version knows")
        described = part.get("columns")
        if not isinstance(described, list) or not 0 < len(described) <= MOST_COLUMNS:
            raise ValueError("it has no list of columns")
        columns = [kinds.restore(data) for data in described]
        target = targets.restore(part.get("target"))
        names = [column.name for column in columns]
        if len({*names, target.name}) != len(names) + 1:
            raise ValueError("two columns have one name")
        _require_fit(model, columns, target)
    except ValueError as error:
        raise ValueError(f"{path}: the description of the table is wrong: {error}") from error
    about = part.get("about")
    return Predictor(model, columns, target), about if isinstance(about, dict) else {}


def _require_fit(model, columns, target):
    wanted = shapes_of(columns)
    got = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    if got != wanted:
        raise ValueError(f"the network's inputs are {got}, and the columns give {wanted}")
    outputs = [tuple(tensor.shape[1:]) for tensor in model.outputs]
    if outputs != [(target.outputs,)]:
        raise ValueError(f"the network's outputs are {outputs}, and the target needs {[(target.outputs,)]}")


def _missing_columns(path, missing, there, columns):
    parts = []
    for name in missing[:5]:
        close = nearest(name, [other for other in there if other not in {column.name for column in columns}])
        parts.append(repr(name) + (f" (is it {close[0]!r}?)" if close else ""))
    more = f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
    return (
        f"{path} lacks {len(missing)} of the {len(columns)} columns that the model reads: {', '.join(parts)}{more}. "
        "Rename or add them, or let all their values count as missing with --allow-missing"
    )
