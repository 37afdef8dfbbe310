"""A table as data: the same one becomes Markdown in a model card, HTML in a report and JSON in a card's facts. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Cell = str | int | float | None

_NUMBER = re.compile(r"[-+−]?[\d.,]+( ?%)?( .*)?")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns.

    Attributes:
        title: A heading of its own.
        note: A sentence or two under the heading: what was measured, on what.
        columns: Names.
        rows: A cell is text, an integer, a float (shown with three digits) or None (shown as a dash). Text between
            double asterisks is bold.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    # Any and not Cell: mixed tuples lose what their items are, and `cell_text` takes whatever comes.
    rows: tuple[tuple[Any, ...], ...]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Table:
        """Read what `to_json` wrote.

        Raises:
            ValueError: A key is missing, or a row has more or fewer cells than there are columns.
        """
        try:
            rows = tuple(tuple(row) for row in raw["rows"])
            table = cls(str(raw["title"]), str(raw.get("note", "")), tuple(raw["columns"]), rows)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{raw!r:.80} is not a table: it needs title, columns and rows.") from error
        for row in table.rows:
            if len(row) != len(table.columns):
                raise ValueError(
                    f"A row of “{table.title}” has {len(row)} cells for {len(table.columns)} columns: {row}."
                )
        return table

    def to_json(self) -> dict[str, Any]:
        """Return the table as a plain dictionary."""
        return {
            "title": self.title,
            "note": self.note,
            "columns": [*self.columns],
            "rows": [[*row] for row in self.rows],
        }

    def to_markdown(self) -> str:
        """Return the rows as a Markdown table, without title and note."""
        lines = [self.columns, *(tuple(cell_text(cell) for cell in row) for row in self.rows)]
        head, *body = (f"| {' | '.join(_one_line(cell) for cell in line)} |" for line in lines)
        return "\n".join([head, "|---" * len(self.columns) + "|", *body])

    def to_html(self) -> str:
        """Return the rows as an HTML table, without title and note; everything in it is escaped."""
        head = "".join(
            f'<th scope="col"{_number_class(*column)}>{_markup(name)}</th>'
            for name, *column in zip(
                self.columns, *([cell_text(cell) for cell in row] for row in self.rows), strict=True
            )
        )
        body = "\n".join(f"<tr>{_row(row)}</tr>" for row in self.rows)
        return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def cell_text(cell: Cell) -> str:
    """Return a cell as people read it."""
    if cell is None or cell != cell:
        return "–"
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def figure(value: float, interval: Sequence[float] | None = None, *, bold: bool = False) -> str:
    """Return a figure with its interval, such as "**0.611** (0.523–0.697)"."""
    shown = f"**{value:.3f}**" if bold else f"{value:.3f}"
    if interval is None or any(end is None or end != end for end in interval):
        return shown
    # Between negative numbers a dash would read as a minus.
    between = " to " if interval[0] < 0 else "–"
    return f"{shown} ({interval[0]:.3f}{between}{interval[1]:.3f})"


def _one_line(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _row(row: Sequence[Cell]) -> str:
    first, *others = (cell_text(cell) for cell in row)
    cells = (f"<td{_number_class(cell)}>{_markup(cell)}</td>" for cell in others)
    return f'<th scope="row">{_markup(first)}</th>' + "".join(cells)


def _number_class(*cells: str) -> str:
    """Return the class of cells that all are numbers, or unknown: figures stand under figures."""
    known = [cell.replace("*", "") for cell in cells if cell != "–"]
    return ' class="number"' if known and all(map(_NUMBER.fullmatch, known)) else ""


def _markup(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text))
