"""Where the lines of an emotion curve go: numbers in, SVG coordinates out; the template draws them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.core.charts import Axes, Tick, polyline
from catalog.core.formats import clock
from catalog.core.wording import gettext
from emotion.curves.curve import spread
from emotion.curves.sections import Section

# The template draws 560 x 232 units; the margins hold the numbers of the axes.
LEFT, RIGHT, TOP, BOTTOM = 34, 552, 10, 186
_STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_MAX_TICKS = 8


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
    axes = Axes(LEFT, RIGHT, TOP, BOTTOM, x_range=(0.0, duration_s), y_range=(-1.0, 1.0))
    spreads = spread(points[:, 2:])
    names = ("valence", "arousal")
    return CurveChart(
        traces=tuple(_trace(name, axes, times_s, points[:, i], spreads[i]) for i, name in enumerate(names)),
        strips=tuple(
            Strip(axes.x(part.start_s), round(axes.x(part.end_s) - axes.x(part.start_s), 1), part) for part in parts
        ),
        x_ticks=_x_ticks(axes, duration_s),
        y_ticks=axes.y_ticks((1, 0, -1), ("+1", "0", "\u22121")),
    )


def _trace(
    name: str,
    axes: Axes,
    times_s: NDArray[np.floating],
    values: NDArray[np.floating],
    spreads: NDArray[np.floating],
) -> Trace:
    lines, bands, dots = [], [], []
    for piece in _heard(values):
        at, middle = times_s[piece], values[piece]
        lower, upper = np.clip([middle - spreads[piece], middle + spreads[piece]], -1, 1)
        if len(at) == 1:
            # One window has no length on the axis of time: its band becomes a line.
            dots += axes.points(at, middle)
            lines.append(polyline(axes.points(np.repeat(at, 2), [lower[0], upper[0]])))
            continue
        lines.append(polyline(axes.points(at, middle)))
        bands.append(polyline([*axes.points(at, upper), *axes.points(at[::-1], lower[::-1])]))
    return Trace(name, tuple(lines), tuple(bands), tuple(dots))


def _heard(values: NDArray[np.floating]) -> Iterator[slice]:
    """Yield the stretches between silences."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~np.isnan(values), [False]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2):
        yield slice(int(start), int(end))


def _x_ticks(axes: Axes, duration_s: float) -> tuple[Tick, ...]:
    step_s = next((step for step in _STEPS_S if duration_s / step <= _MAX_TICKS), _STEPS_S[-1])
    times_s = range(0, int(duration_s) + 1, step_s)
    return axes.x_ticks(
        times_s,
        (gettext("%(count)d s") % {"count": time_s} if duration_s < 60 else clock(time_s) for time_s in times_s),
    )
