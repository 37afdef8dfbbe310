"""Where the lines of an emotion curve go: numbers in, SVG coordinates out; the template draws them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.core.wording import gettext
from emotion.curves.curve import spread
from emotion.curves.sections import Section

# Of the drawing, in SVG units; the plot lies inside the margins, which hold the numbers of the axes.
WIDTH, HEIGHT = 560, 232
LEFT, RIGHT, TOP, BOTTOM = 34, 552, 10, 186
_STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_MAX_TICKS = 8


@dataclass(frozen=True, slots=True)
class Tick:
    """A number on an axis, and where it stands."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Trace:
    """One of the two lines: polylines with the band around each of them, and dots where a point stands alone."""

    name: str
    lines: tuple[str, ...]
    bands: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Strip:
    """A section of the song as a coloured stretch below the plot."""

    x: float
    width: float
    section: Section


@dataclass(frozen=True, slots=True)
class CurveChart:
    """All that the template draws, in SVG units."""

    traces: tuple[Trace, ...]
    strips: tuple[Strip, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def curve_chart(
    points: NDArray[np.floating],
    times_s: NDArray[np.floating],
    duration_s: float,
    parts: tuple[Section, ...],
) -> CurveChart:
    """Draw a curve over the seconds of its song.

    Args:
        points: `(n, 6)` valence, arousal and probabilities; rows of NaN leave a gap.
        times_s: `(n,)`, where the points stand.
        duration_s: The song's length, at the right edge.
        parts: The song's sections.
    """
    x = LEFT + (RIGHT - LEFT) * times_s / max(duration_s, 1e-9)
    spreads = spread(points[:, 2:])
    names = ("valence", "arousal")
    return CurveChart(
        traces=tuple(_trace(name, x, points[:, i], spreads[i]) for i, name in enumerate(names)),
        strips=tuple(_strip(part, duration_s) for part in parts),
        x_ticks=tuple(_x_ticks(duration_s)),
        y_ticks=tuple(Tick(round(float(_y(value)), 1), text) for value, text in ((1, "+1"), (0, "0"), (-1, "\u22121"))),
    )


def _trace(name: str, x: NDArray[np.floating], values: NDArray[np.floating], spreads: NDArray[np.floating]) -> Trace:
    lines, bands, dots = [], [], []
    for piece in _heard(values):
        at, middle = x[piece], values[piece]
        lower, upper = np.clip([middle - spreads[piece], middle + spreads[piece]], -1, 1)
        if len(at) == 1:
            # One window has no length on the axis of time: its band becomes a line.
            dots.append((round(float(at[0]), 1), round(float(_y(middle)[0]), 1)))
            lines.append(_pairs(np.repeat(at, 2), np.array([lower[0], upper[0]])))
            continue
        lines.append(_pairs(at, middle))
        bands.append(_pairs(np.concatenate([at, at[::-1]]), np.concatenate([upper, lower[::-1]])))
    return Trace(name, tuple(lines), tuple(bands), tuple(dots))


def _heard(values: NDArray[np.floating]) -> Iterator[slice]:
    """Yield the stretches between silences."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~np.isnan(values), [False]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2):
        yield slice(int(start), int(end))


def _strip(part: Section, duration_s: float) -> Strip:
    scale = (RIGHT - LEFT) / max(duration_s, 1e-9)
    return Strip(round(LEFT + part.start_s * scale, 1), round((part.end_s - part.start_s) * scale, 1), part)


def _x_ticks(duration_s: float) -> Iterator[Tick]:
    step_s = next((step for step in _STEPS_S if duration_s / step <= _MAX_TICKS), _STEPS_S[-1])
    for time_s in range(0, int(duration_s) + 1, step_s):
        text = gettext("%(count)d s") % {"count": time_s} if duration_s < 60 else f"{time_s // 60}:{time_s % 60:02d}"
        yield Tick(round(LEFT + (RIGHT - LEFT) * time_s / duration_s, 1), text)


def _y(values: NDArray[np.floating] | float) -> NDArray[np.floating]:
    return np.asarray(BOTTOM - (BOTTOM - TOP) * (np.asarray(values) + 1) / 2)


def _pairs(x: NDArray[np.floating], values: NDArray[np.floating]) -> str:
    return " ".join(f"{at:.1f},{height:.1f}" for at, height in zip(x, _y(values), strict=True))
