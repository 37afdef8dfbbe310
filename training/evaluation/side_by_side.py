"""Two models' scores beside each other, source by source. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.core.wording import gettext, gettext_noop

# What is compared, and its interval where there is one.
_FIGURES = {
    "accuracy": (gettext_noop("Accuracy (95 %)"), "accuracy_interval"),
    "macro_f1": (gettext_noop("Macro-F1 (95 %)"), "macro_f1_interval"),
    "ece": (gettext_noop("Calibration error"), ""),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of one model, with its 95 % interval if it has one."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Row:
    """A figure on one source by both models; `difference` is the second less the first."""

    source: str
    figure: str
    cells: tuple[Cell | None, Cell | None]
    difference: float | None


def side_by_side(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Row]:
    """Put the reports of two models beside each other, source by source; what one lacks stays empty."""
    ours, theirs = first.get("scores", {}), second.get("scores", {})
    return [
        _row(source, figure, ours.get(source, {}), theirs.get(source, {}))
        for source in dict.fromkeys([*ours, *theirs])
        for figure in _FIGURES
    ]


def _row(source: str, figure: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Row:
    name, interval = _FIGURES[figure]
    a, b = _cell(ours, figure, interval), _cell(theirs, figure, interval)
    return Row(source, gettext(name), (a, b), b.value - a.value if a and b else None)


def _cell(scores: Mapping[str, Any], figure: str, interval: str) -> Cell | None:
    if figure not in scores:
        return None
    between = scores.get(interval)
    return Cell(float(scores[figure]), (float(between[0]), float(between[1])) if between else None)
