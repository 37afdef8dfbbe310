"""Where the lines of a small chart go: numbers in, SVG coordinates out; templates draw them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.core.wording import (
    gettext,
    gettext_noop,
    ngettext,
    number,
)

# Of the drawing, in SVG units; the plot lies inside the margins, which hold the numbers of the axes.
WIDTH, HEIGHT = 320, 180
LEFT, RIGHT, TOP, BOTTOM = 40, 308, 12, 152

_TITLES = {
    "loss": gettext_noop("Loss in training"),
    "validation_loss": gettext_noop("Loss in validation"),
    "validation_accuracy": gettext_noop("Accuracy in validation"),
}


@dataclass(frozen=True, slots=True)
class Tick:
    """A number on an axis, and where it stands."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines and ticks in SVG units; `sentence` says for those who do not see it what it shows."""

    title: str
    sentence: str
    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def curve_chart(figure: str, lines: Mapping[str, Sequence[float]]) -> Chart:
    """Draw a figure of the training history over the epochs, one line per fold."""
    values = [value for line in lines.values() for value in line]
    low, high = (0.0, 1.0) if figure.endswith("accuracy") else (min(0.0, min(values)), max(values) or 1.0)
    longest = max(len(line) for line in lines.values())
    drawn, dots = [], []
    for line in lines.values():
        points = [(_x(i, longest - 1), _y(value, low, high)) for i, value in enumerate(line)]
        drawn.append(_path(points))
        if len(points) == 1:
            dots.append(points[0])
    first, last = ([line[place] for line in lines.values()] for place in (0, -1))
    return Chart(
        title=gettext(_TITLES[figure]) if figure in _TITLES else figure,
        sentence=_curve_sentence(_mean(first), _mean(last), longest, len(lines)),
        lines=tuple(drawn),
        dots=tuple(dots),
        x_ticks=(Tick(LEFT, "1"), Tick(RIGHT, str(longest))) if longest > 1 else (Tick(LEFT, "1"),),
        y_ticks=tuple(Tick(_y(value, low, high), number(value, 2)) for value in (low, (low + high) / 2, high)),
    )


def _curve_sentence(first: float, last: float, n_epochs: int, n_folds: int) -> str:
    said = {"first": number(first, 3), "last": number(last, 3), "epochs": n_epochs, "folds": n_folds}
    if n_folds > 1:
        return (
            gettext("%(first)s in the first epoch, %(last)s in the last of %(epochs)d (%(folds)d folds, means).") % said
        )
    return gettext("%(first)s in the first epoch, %(last)s in the last of %(epochs)d.") % said


def reliability_chart(bins: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw how often the model was right against how sure it was; the diagonal would be perfect."""
    points = [(_x(one["confidence"], 1.0), _y(one["accuracy"], 0.0, 1.0)) for one in bins]
    gaps = [one["accuracy"] - one["confidence"] for one in bins]
    too_sure = ngettext(
        "%(n)d group of clips; on the whole it is too sure, by %(gap)s on average.",
        "%(n)d groups of clips of equal size; on the whole it is too sure, by %(gap)s on average.",
        len(bins),
    )
    too_careful = ngettext(
        "%(n)d group of clips; on the whole it is not sure enough, by %(gap)s on average.",
        "%(n)d groups of clips of equal size; on the whole it is not sure enough, by %(gap)s on average.",
        len(bins),
    )
    sentence = too_sure if sum(gaps) < 0 else too_careful
    return Chart(
        title=gettext("How often it is right, by how sure it is"),
        sentence=sentence % {"n": len(bins), "gap": number(abs(_mean(gaps)), 3)},
        lines=(_path(points),),
        dots=tuple(points),
        x_ticks=tuple(Tick(_x(value, 1.0), number(value, 1)) for value in (0.0, 0.5, 1.0)),
        y_ticks=tuple(Tick(_y(value, 0.0, 1.0), number(value, 1)) for value in (0.0, 0.5, 1.0)),
    )


def share_chart(title: str, sentence: str, shares: Sequence[float]) -> Chart:
    """Draw shares in [0, 1] one after the other, the oldest first."""
    points = [(_x(i, max(len(shares) - 1, 1)), _y(share, 0.0, 1.0)) for i, share in enumerate(shares)]
    return Chart(
        title=title,
        sentence=sentence,
        lines=(_path(points),),
        dots=tuple(points),
        x_ticks=(),
        y_ticks=tuple(Tick(_y(value, 0.0, 1.0), number(value, 1)) for value in (0.0, 0.5, 1.0)),
    )


def _x(value: float, high: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * value / (high or 1.0), 1)


def _y(value: float, low: float, high: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * (value - low) / ((high - low) or 1.0), 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
