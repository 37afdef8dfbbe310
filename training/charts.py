"""Where the lines of a small chart go: numbers in, SVG coordinates out; templates draw them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Of the drawing, in SVG units; the plot lies inside the margins, which hold the numbers of the axes.
WIDTH, HEIGHT = 320, 180
LEFT, RIGHT, TOP, BOTTOM = 40, 308, 12, 152

_TITLES = {
    "loss": "Loss in training",
    "validation_loss": "Loss in validation",
    "validation_accuracy": "Accuracy in validation",
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
    folds = f" ({len(lines)} folds, means)" if len(lines) > 1 else ""
    return Chart(
        title=_TITLES.get(figure, figure),
        sentence=f"{_mean(first):.3f} in the first epoch, {_mean(last):.3f} in the last of {longest}{folds}.",
        lines=tuple(drawn),
        dots=tuple(dots),
        x_ticks=(Tick(LEFT, "1"), Tick(RIGHT, str(longest))) if longest > 1 else (Tick(LEFT, "1"),),
        y_ticks=tuple(Tick(_y(value, low, high), f"{value:.2f}") for value in (low, (low + high) / 2, high)),
    )


def reliability_chart(bins: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw how often the model was right against how sure it was; the diagonal would be perfect."""
    points = [(_x(one["confidence"], 1.0), _y(one["accuracy"], 0.0, 1.0)) for one in bins]
    gaps = [one["accuracy"] - one["confidence"] for one in bins]
    tendency = "too sure" if sum(gaps) < 0 else "not sure enough"
    return Chart(
        title="How often it is right, by how sure it is",
        sentence=f"{len(bins)} groups of clips of equal size; on the whole it is {tendency}, "
        f"by {abs(_mean(gaps)):.3f} on average.",
        lines=(_path(points),),
        dots=tuple(points),
        x_ticks=tuple(Tick(_x(value, 1.0), f"{value:.1f}") for value in (0.0, 0.5, 1.0)),
        y_ticks=tuple(Tick(_y(value, 0.0, 1.0), f"{value:.1f}") for value in (0.0, 0.5, 1.0)),
    )


def _x(value: float, high: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * value / (high or 1.0), 1)


def _y(value: float, low: float, high: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * (value - low) / ((high - low) or 1.0), 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
