"""The zoo's table: rows on disk, and the page that compares them with the papers and with each other."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.fit.run_folder import write_json

KEY = ("system", "protocol", "data")


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table; none where there is no file yet."""
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


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
