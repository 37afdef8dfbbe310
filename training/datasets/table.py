"""Read the annotation tables that datasets come with, and say which row is wrong and why. Pure."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion.inference.quadrants import Quadrant
from training.datasets.base import Clip, DatasetError, Reading, required


class LabelError(ValueError):
    """A cell that holds no label of its scale; the message names file, line, column and value."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A rating scale; strictly above the midpoint is high.

    Source: Cazzaniga et al., Table 2.
    """

    low: float
    high: float

    def centred(self, value: float) -> float:
        """Return a rating as the project stores it, in [-1, 1] with the midpoint at 0."""
        half = (self.high - self.low) / 2
        return (value - (self.low + half)) / half


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        path: The table.
        line: Where the row ends in the file, counted from 1.
        cells: By column, without the blanks around them.
        rest: Cells beyond the last column.
    """

    path: Path
    line: int
    cells: Mapping[str, str]
    rest: tuple[str, ...] = ()

    def __getitem__(self, column: str) -> str:
        """Return the cell of a column that the table was said to have."""
        return self.cells[column]

    def get(self, *columns: str) -> str:
        """Return the first filled cell of some columns, which the table may lack; else nothing."""
        return next((self.cells[column] for column in columns if self.cells.get(column)), "")

    @property
    def place(self) -> str:
        """Say where the row is."""
        return f"{self.path.name}, line {self.line}"

    def number(self, column: str, scale: Scale) -> float:
        """Return a number on its scale.

        Raises:
            LabelError: It is none, or lies outside.
        """
        text = self[column]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not scale.low <= value <= scale.high:
            raise self.wrong(column, f"it must be a number from {scale.low:g} to {scale.high:g}")
        return value

    def applies(self, column: str) -> bool:
        """Return whether a tag applies, written as 0 or 1.

        Raises:
            LabelError: It is neither.
        """
        try:
            value = float(self[column])
        except ValueError:
            value = math.nan
        if value not in (0.0, 1.0):
            raise self.wrong(column, "it must be 0 or 1")
        return value == 1.0

    def point(self, scale: Scale, *, valence: str, arousal: str) -> tuple[float, float]:
        """Return valence and arousal in [-1, 1] from the columns of these names.

        Raises:
            LabelError: One is no number on the scale.
        """
        return scale.centred(self.number(valence, scale)), scale.centred(self.number(arousal, scale))

    def whole(self, column: str) -> int:
        """Return a whole number.

        Raises:
            LabelError: It is none.
        """
        try:
            return int(self[column])
        except ValueError:
            raise self.wrong(column, "it must be a whole number") from None

    def quadrant(self, column: str) -> Quadrant:
        """Return a quadrant written as "Q1" or "1".

        Raises:
            LabelError: It is none of the four.
        """
        try:
            return Quadrant(int(self[column].removeprefix("Q")))
        except ValueError:
            raise self.wrong(column, "it must be one of Q1, Q2, Q3, Q4") from None

    def wrong(self, column: str, rule: str) -> LabelError:
        """Return the error of a cell that breaks a rule."""
        return LabelError(f"{self.place}: {column} is {self[column]!r}; {rule}. The row is left out.")


# What is known of a song that a dataset labels and does not describe.
UNKNOWN = Row(Path(), 0, {})


def table(path: Path, *columns: str, delimiter: str = ",", encoding: str = "utf-8-sig") -> list[Row]:
    """Read a table with a header.

    Args:
        path: The file.
        columns: Columns that it must have.
        delimiter: Between cells.
        encoding: Of the text.

    Raises:
        DatasetError: The file is missing, is no text, or lacks a column.
    """
    try:
        with required(path).open(encoding=encoding, newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, skipinitialspace=True, restval="")
            rows = [_row(path, reader.line_num, cells) for cells in reader]
            header = [name.strip() for name in reader.fieldnames or ()]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as a table ({error}); fetch it again.") from error
    missing = [column for column in columns if column not in header]
    if missing:
        raise DatasetError(f"{path} has no column {', '.join(missing)}; its header is {', '.join(header)}.")
    return rows


def _row(path: Path, line: int, cells: dict[str | Any, str | Any]) -> Row:
    rest = tuple(cell.strip() for cell in cells.pop(None, ()))
    return Row(path, line, {name.strip(): cell.strip() for name, cell in cells.items()}, rest)


def collect(
    rows: Iterable[Row],
    build: Callable[[Row], Clip | None],
    *,
    order: Callable[[Clip], int | str] | None = None,
) -> Reading:
    """Build a clip from each row; leave out and name the rows with a wrong label or an id that came before.

    Args:
        rows: One for each clip.
        build: Returns the clip, or None where the row is not wanted; may raise `LabelError`.
        order: Sorts the clips; by default they stay in the order of the rows.
    """
    clips: dict[str, Clip] = {}
    problems: list[str] = []
    for row in rows:
        try:
            clip = build(row)
        except LabelError as error:
            problems.append(str(error))
            continue
        if clip is None:
            continue
        if clip.id in clips:
            problems.append(f"{row.place}: {clip.id} is there already. The row is left out.")
            continue
        clips[clip.id] = clip
    ordered = sorted(clips.values(), key=order) if order else clips.values()
    return Reading(tuple(ordered), tuple(problems))
