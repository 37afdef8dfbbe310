"""Where the lines of a small chart go: numbers in, SVG coordinates out; templates draw them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from catalog.core.charts import Axes, Tick, polyline
from catalog.core.wording import gettext, gettext_noop, ngettext, number

# The template draws 320 x 180 units; the margins hold the numbers of the axes.
AXES = Axes(40, 308, 12, 152)
_HALVES = (0.0, 0.5, 1.0)

_TITLES = {
    "loss": gettext_noop("Loss in training"),
    "validation_loss": gettext_noop("Loss in validation"),
    "validation_accuracy": gettext_noop("Accuracy in validation"),
}


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
    axes = replace(AXES, x_range=(1, longest), y_range=(low, high))
    drawn = [axes.points(range(1, len(line) + 1), line) for line in lines.values()]
    first, last = ([line[place] for line in lines.values()] for place in (0, -1))
    return Chart(
        title=gettext(_TITLES[figure]) if figure in _TITLES else figure,
        sentence=_curve_sentence(_mean(first), _mean(last), longest, len(lines)),
        lines=tuple(map(polyline, drawn)),
        dots=tuple(points[0] for points in drawn if len(points) == 1),
        x_ticks=axes.x_ticks(epochs := sorted({1, longest}), map(str, epochs)),
        y_ticks=axes.y_ticks(levels := (low, (low + high) / 2, high), (number(level, 2) for level in levels)),
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
    points = AXES.points([one["confidence"] for one in bins], [one["accuracy"] for one in bins])
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
        lines=(polyline(points),),
        dots=tuple(points),
        x_ticks=AXES.x_ticks(_HALVES, (number(value, 1) for value in _HALVES)),
        y_ticks=AXES.y_ticks(_HALVES, (number(value, 1) for value in _HALVES)),
    )


def share_chart(title: str, sentence: str, shares: Sequence[float]) -> Chart:
    """Draw shares in [0, 1] one after the other, the oldest first."""
    points = replace(AXES, x_range=(0, max(len(shares) - 1, 1))).points(range(len(shares)), shares)
    return Chart(
        title=title,
        sentence=sentence,
        lines=(polyline(points),),
        dots=tuple(points),
        x_ticks=(),
        y_ticks=AXES.y_ticks(_HALVES, (number(value, 1) for value in _HALVES)),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
