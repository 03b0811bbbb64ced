"""What commands about tables print: texts of at most 80 columns, and JSON."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 80


def printer(as_json: bool, quiet: bool) -> Callable[[str], None]:
    """A function that prints what is no result: nowhere if quiet, on the error stream beside JSON."""

    def say(text: str) -> None:
        if text and not quiet:
            print(text, file=sys.stderr if as_json else sys.stdout, flush=True)

    return say


def print_json(report: dict[str, Any]) -> None:
    """One object on the standard output."""
    print(json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False, default=str))


def description(task: Any) -> dict[str, Any]:
    """What was found in a table, as JSON-able data."""
    frame, fitted = task.table.frame, {column.name: column for column in task.columns}
    columns = [
        {"name": found.name, "kind": fitted[found.name].kind, "detail": fitted[found.name].detail(),
         "missing": int(frame[found.name].isna().sum())}
        for found in task.found if found.name in fitted
    ]  # fmt: skip
    notes = [f"{each.name!r}: {each.note}" for each in task.found if each.note]
    if task.note:
        notes.append(f"{task.target.name!r}: {task.note}")
    if task.without_target:
        notes.append(f"{count(task.without_target, 'row')} without a target left out")
    if task.unknown_classes:
        notes.append(f"{count(task.unknown_classes, 'row')} of the validation table without a known target left out")
    return {
        "table": task.table.path,
        "form": task.table.form,
        "rows": {"all": len(frame), "training": len(task.y), "without_target": task.without_target,
                 "validation": len(task.validation[1]) if task.validation else 0},
        "target": {"name": task.target.name, "task": task.target.task, "detail": task.target.detail()},
        "columns": columns,
        "left_out": [{"name": found.name, "why": found.how} for found in task.found if found.kind == "left out"],
        "notes": notes,
    }  # fmt: skip


def columns_found(description: dict[str, Any]) -> str:
    """The table of columns, of those left out, and the notes."""
    rows = description["rows"]
    lines = textwrap.wrap(f"{description['table']}: {count(rows['all'], 'row')} ({description['form']})", WIDTH)
    lines.append("")
    columns = description["columns"]
    names = [column["name"] for column in columns] + [description["target"]["name"]]
    wide = min(30, max(map(len, names)))
    missing = any(column["missing"] for column in columns)
    room = WIDTH - wide - 12 - (10 if missing else 0) - 2
    head = f"{'column':{wide}}  {'kind':10}{'values':{room}}"
    lines.append((f"{head}{'missing':>10}" if missing else head).rstrip())
    target = {"name": description["target"]["name"], "kind": "target", "missing": 0,
              "detail": f"{description['target']['task']}, {description['target']['detail']}"}  # fmt: skip
    for column in [*columns, target]:
        line = f"{cut(column['name'], wide):{wide}}  {column['kind']:10}{cut(column['detail'], room):{room}}"
        lines.append(f"{line}{column['missing'] or '':>10,}".rstrip() if column["missing"] else line.rstrip())
    lines.append("")
    for left in description["left_out"]:
        lines += paragraph(f"Left out: {left['name']!r}, {left['why']}.")
    for note in description["notes"]:
        lines += paragraph(f"Note: {note}.")
    validation = f", {count(rows['validation'], 'row')} held out for validation" if rows["validation"] else ""
    lines += paragraph(f"Training on {count(rows['training'], 'row')}{validation}.")
    return "\n".join(lines)


def network_line(chosen: Any) -> str:
    """What the network is, and how it is trained."""
    sizes = "-".join(map(str, chosen["hidden"])) or "no"
    pieces = f", numbers also cut into {chosen['pieces']} pieces" if chosen["pieces"] else ""
    return "\n".join(paragraph(
        f"Network: {sizes} hidden units, {chosen['parameters']:,} parameters{pieces}. {chosen['optimizer']}, learning "
        f"rate {chosen['learning_rate']:g}, minibatches of {chosen['batch_size']}, at most "
        f"{count(chosen['epochs'], 'epoch')}."
    ))  # fmt: skip


def trained(report: dict[str, Any]) -> str:
    """The end of a training: how long, how good, where the model is."""
    training = report["training"]
    lines = paragraph(
        f"Trained {count(training['epochs_trained'], 'epoch')} in {training['seconds']:.1f} s, ended by "
        f"{training['ended_by']}; the weights are those of epoch {training['best_epoch']}."
    )
    lines += ["", measured(report), ""]
    lines += [f"Model: {report['model']}"]
    return "\n".join(lines)


def measured(report: dict[str, Any]) -> str:
    """The metrics beside the baseline's, and of each class."""
    ours, baseline, name = report["metrics"], report["baseline"], report["baseline"]["name"]
    on = report["measured_on"]
    title = f"On {count(ours['rows'], on + ' row' if on != 'all' else 'row')}"
    labels = ([("R²", "r2", ".4f"), ("RMSE", "rmse", ""), ("MAE", "mae", "")] if "r2" in ours else
              [("Accuracy", "accuracy", ".4f"), ("Balanced accuracy", "balanced_accuracy", ".4f"),
               ("Log loss", "log_loss", ".4f"), ("AUC", "auc", ".4f")])  # fmt: skip
    lines = [f"{title:36}{'model':>14}{name:>26}"]
    for label, key, form in labels:
        if key in ours:
            lines.append(f"{label:36}{number(ours[key], form):>14}{number(baseline.get(key), form):>26}")
    if "classes" in ours:
        lines += ["", *classes(ours["classes"])]
    return "\n".join(lines)


def classes(each: Any, most: int = 20) -> list[str]:
    """The table of classes, the largest where there are many."""
    wide = min(36, max([5, *map(len, each)]))
    lines = [f"{'class':{wide}}{'rows':>10}{'precision':>11}{'recall':>11}{'F1':>11}"]
    shown = sorted(each.items(), key=lambda item: -item[1]["rows"])[:most] if len(each) > most else each.items()
    for name, one in shown:
        numbers = "".join(f"{number(one[key], '.4f'):>11}" for key in ("precision", "recall", "f1"))
        lines.append(f"{cut(name, wide):{wide}}{one['rows']:>10,}{numbers}")
    if len(each) > most:
        lines.append(f"... and {len(each) - most} more; --json has all")
    return lines


def number(value: Any, form: str) -> str:
    """A number as text, - where there is none; five digits without a form."""
    if value is None:
        return "-"
    if not form:
        form = ",.0f" if 1e4 <= abs(value) < 1e12 else ",.5g"
    text = format(value, form)
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text


def count(n: int, word: str) -> str:
    """1 row, 2 rows."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def cut(text: str, width: int) -> str:
    """A text of at most so many signs, in one line."""
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - 3]}..."


def paragraph(text: str) -> list[str]:
    """Lines of at most 80 signs, the later ones set in."""
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
