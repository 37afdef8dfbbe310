"""The zoo's table: rows on disk, and the page that compares them with the papers and with each other."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.exceptions import TrainingError
from training.fit.run_folder import write_json
from training.recipes.zoo.standings import PROTOCOLS

KEY = ("system", "protocol", "data")
# What the pages and the tests between systems read of a row.
_TEXTS = (*KEY, "title", "paper", "folds", "note")
_NUMBERS = ("n", "parameters", "budget_min")
# Of a row of quadrants; one of tags names its head, and has figures of its own.
_FIGURES = ("macro_f1", "low", "high", "accuracy", "top3", "floor", "floor_accuracy", "floor_top3", "ece", "train_s")
_MORE: dict[str, Any] = {**dict.fromkeys((*_FIGURES, "infer_ms"), int | float), "by_fold": list, "cut": str}
_COLUMNS: dict[str, Any] = {**dict.fromkeys(_TEXTS, str), **dict.fromkeys(_NUMBERS, int | float)}


class TableError(TrainingError):
    """A file of results that is damaged; the message names it."""

    code = "zoo_table"


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table; none where there is no file yet.

    Raises:
        TableError: The file is damaged, or no table.
    """
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TableError(f"{path} is no table of results: {error}. Restore it, or delete it.") from error
    if not isinstance(rows, list):
        raise TableError(f"{path} is no table of results: it is no list. Restore it, or delete it.")
    for number, row in enumerate(rows, start=1):
        if problem := _problem(row):
            raise TableError(f"{path} is no table of results: row {number} {problem}. Restore it, or delete that row.")
    return rows


def _problem(row: Any) -> str:
    if not isinstance(row, dict):
        return "is no row"
    of_tags = "head" in row
    for name, kind in _COLUMNS.items() if of_tags else {**_COLUMNS, **_MORE}.items():
        if not isinstance(row.get(name), kind):
            return f"has {row[name]!r} as its {name}" if name in row else f"lacks its {name}"
    if not of_tags and row["protocol"] not in PROTOCOLS:
        return f"is of the protocol {row['protocol']}, which is not known"
    return ""


def row_put(path: Path, row: dict[str, Any]) -> None:
    """Write a row in place of the one of the same system, protocol and data."""
    key = [row[name] for name in KEY]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two trainings may end at once.
    with (path.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = [each for each in rows_of(path) if [each[name] for name in KEY] != key]
        write_json(path, sorted([*rows, row], key=lambda each: [each[name] for name in KEY]))


def is_done(rows: Sequence[dict[str, Any]], system: str, protocol: str, data: str, budget_min: float) -> bool:
    """Return whether the table has this row, trained with this budget."""
    wanted = [system, protocol, data, budget_min]
    return any([row["system"], row["protocol"], row["data"], row["budget_min"]] == wanted for row in rows)
