"""Where the bars and the steps of a chart over time go: counts in, SVG coordinates out; templates draw them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Of the drawing, in SVG units; the plot lies inside the margins, which hold the numbers of the axes.
WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 44, 632, 14, 168
_GAP = 0.22
_NICE = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in SVG units."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A number on the upright axis, and where it stands."""

    at: float
    text: str


def top_of(values: Sequence[float]) -> int:
    """Return the round number (1, 2 or 5 times a power of ten) at which an axis over the values ends, at least 1."""
    highest = max(values, default=0)
    power = 1
    while True:
        for step in _NICE:
            if step * power >= highest:
                return step * power
        power *= 10


def ticks(top: int) -> tuple[Tick, ...]:
    """Return nought, the end of the axis and, where it is a whole number, the middle."""
    values = (0, top // 2, top) if top % 2 == 0 else (0, top)
    return tuple(Tick(_y(value, top), str(value)) for value in values)


def bars(values: Sequence[float], top: int) -> tuple[Bar, ...]:
    """Return a bar for each value above nought, from left to right."""
    step = (RIGHT - LEFT) / max(len(values), 1)
    width = round(step * (1 - _GAP), 2)
    return tuple(
        Bar(round(LEFT + step * (i + _GAP / 2), 2), _y(value, top), width, round(BOTTOM - _y(value, top), 2))
        for i, value in enumerate(values)
        if value > 0
    )


def area(values: Sequence[float], top: int) -> str:
    """Return the path of a stepped area under the values, each of which lasts one step."""
    step = (RIGHT - LEFT) / max(len(values), 1)
    way = [f"M{LEFT} {BOTTOM}"]
    for i, value in enumerate(values):
        way.append(f"V{_y(value, top)}H{round(LEFT + step * (i + 1), 2)}")
    return "".join([*way, f"V{BOTTOM}Z"])


def _y(value: float, top: int) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * value / top, 2)
