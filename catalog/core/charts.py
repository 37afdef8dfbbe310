"""Points on the plane, and the places of ticks, bars, lines and areas in SVG coordinates; templates draw them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

# Valence and arousal, each in [-1, 1].
Point = tuple[float, float]
_BAR_GAP = 0.22
_ROUND = (1, 2, 5)


class Tick(NamedTuple):
    """A label on an axis and its place."""

    at: float
    text: str


class Bar(NamedTuple):
    """The rectangle of a bar."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Axes:
    """The rectangle of a plot in SVG units, and the ranges of x (left to right) and y (bottom to top)."""

    left: float
    right: float
    top: float
    bottom: float
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)

    def x(self, value: float) -> float:
        """Return the x coordinate of a value; the left edge where the range is empty."""
        low, high = self.x_range
        return round(self.left + (self.right - self.left) * (float(value) - low) / ((high - low) or 1.0), 1)

    def y(self, value: float) -> float:
        """Return the y coordinate of a value; the bottom where the range is empty."""
        low, high = self.y_range
        return round(self.bottom - (self.bottom - self.top) * (float(value) - low) / ((high - low) or 1.0), 1)

    def points(self, xs: Iterable[float], ys: Iterable[float]) -> list[tuple[float, float]]:
        return [(self.x(x), self.y(y)) for x, y in zip(xs, ys, strict=True)]

    def x_ticks(self, values: Iterable[float], texts: Iterable[str]) -> tuple[Tick, ...]:
        """Return a tick per value on the lower axis."""
        return tuple(Tick(self.x(value), text) for value, text in zip(values, texts, strict=True))

    def y_ticks(self, values: Iterable[float], texts: Iterable[str]) -> tuple[Tick, ...]:
        """Return a tick per value on the upright axis."""
        return tuple(Tick(self.y(value), text) for value, text in zip(values, texts, strict=True))

    def count_ticks(self) -> tuple[Tick, ...]:
        """Return ticks at zero, at the top and, where that is a whole number, halfway."""
        top = round(self.y_range[1])
        values = (0, top // 2, top) if top % 2 == 0 else (0, top)
        return self.y_ticks(values, map(str, values))

    def bars(self, values: Sequence[float]) -> tuple[Bar, ...]:
        """Return a bar for each value above zero; every value has the same share of the width."""
        step = (self.right - self.left) / max(len(values), 1)
        width = round((1 - _BAR_GAP) * step, 1)
        starts = [round(self.left + i * step + _BAR_GAP / 2 * step, 1) for i in range(len(values))]
        return tuple(
            Bar(start, self.y(value), width, round(self.bottom - self.y(value), 1))
            for start, value in zip(starts, values, strict=True)
            if value > 0
        )

    def step_area(self, values: Sequence[float]) -> str:
        """Return the path of a stepped area under values that each have the same share of the width."""
        step = (self.right - self.left) / max(len(values), 1)
        steps = (f"V{self.y(value)}H{round(self.left + i * step, 1)}" for i, value in enumerate(values, start=1))
        return f"M{self.left} {self.bottom}{''.join(steps)}V{self.bottom}Z"


def polyline(points: Iterable[tuple[float, float]]) -> str:
    """Return the `points` attribute of a polyline or polygon."""
    return " ".join(f"{x},{y}" for x, y in points)


def round_top(values: Iterable[float]) -> int:
    """Return the smallest of 1, 2 or 5 times a power of ten that no value exceeds, at least 1."""
    highest = max(values, default=0)
    return next(int(step * 10**power) for power in count() for step in _ROUND if step * 10**power >= highest)
