"""The emotion curve of a song as sections, words and the lines of a chart.

`emotion.curves.tracing` makes the points, with the image and the calibration of an analysis; pages import this module,
so it loads no model library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.core.charts import Axes, Tick, polyline
from catalog.core.wording import clock, gettext, ngettext
from emotion.inference.quadrants import Quadrant

HOP_S = 4.0
# Half an hour at four seconds; a longer song gets fewer points a minute.
MAX_POINTS = 450
# A row of points is valence, arousal, then the probabilities of the four quadrants.
N_COLUMNS = 6
# Neighbouring windows share most of their audio: fewer points than this are doubt of the model, not a change.
MIN_POINTS = 3
# More changes than this are counted instead of named.
MAX_NAMED = 4
# The template draws 560 x 232 units; the margins hold the numbers of the axes.
LEFT, RIGHT, TOP, BOTTOM = 34, 552, 10, 186
_STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)


def hop_for(duration_s: float) -> float:
    """Return the seconds between points: four, or the multiple of four that keeps a long song within its limit."""
    return HOP_S * max(1, math.ceil(duration_s / (HOP_S * MAX_POINTS)))


def times_s(n_points: int, *, hop_s: float, window_s: float) -> NDArray[np.float64]:
    """Return the times of a curve's points, `(n_points,)` seconds: the middle of each window."""
    return np.asarray(window_s / 2 + hop_s * np.arange(n_points), np.float64)


class Section(NamedTuple):
    """A stretch of a song in one quadrant; `confidence` is the quadrant's mean probability in it."""

    quadrant: Quadrant
    start_s: float
    end_s: float
    confidence: float


def sections(
    probabilities: NDArray[np.floating], times_s: NDArray[np.floating], duration_s: float
) -> tuple[Section, ...]:
    """Cut a song, from 0 to `duration_s`, where its emotion changes for longer than a moment.

    Rows of NaN of the probabilities `(n, 4)` at `times_s` `(n,)`, where the song is silent, belong to their
    neighbours. There is at least one section, unless every point is silent.
    """
    audible = ~np.isnan(probabilities[:, 0])
    points, at_s = probabilities[audible], times_s[audible]
    if not len(points):
        return ()
    # Each point is averaged with its two neighbours; the ends are repeated.
    padded = np.concatenate([points[:1], points, points[-1:]])
    runs = _without_moments(((padded[:-2] + padded[1:-1] + padded[2:]) / 3).argmax(axis=1))
    bounds = [0.0, *((at_s[end - 1] + at_s[end]) / 2 for _, _, end in runs[:-1]), duration_s]
    return tuple(
        Section(Quadrant(column + 1), float(bounds[i]), float(bounds[i + 1]), float(points[start:end, column].mean()))
        for i, (column, start, end) in enumerate(runs)
    )


def _without_moments(columns: NDArray[np.integer]) -> list[tuple[int, int, int]]:
    """Return runs (column, start, end) of at least `MIN_POINTS`; a shorter one joins what comes before it."""
    runs: list[tuple[int, int, int]] = []
    start = 0
    for column, group in groupby(int(column) for column in columns):
        end = start + len(list(group))
        if runs and (runs[-1][0] == column or end - start < MIN_POINTS):
            runs[-1] = (runs[-1][0], runs[-1][1], end)
        elif runs and runs[-1][2] - runs[-1][1] < MIN_POINTS:
            # Only the first run can still be short here; it joins what comes after it.
            runs[-1] = (column, runs[-1][1], end)
        else:
            runs.append((column, start, end))
        start = end
    return runs


def sentence(parts: Sequence[Section]) -> str:
    """Describe a curve in a sentence or two, such as `Starts calm, becomes tense after 1:20`."""
    if not parts:
        return gettext("There is no audible sound in it.")
    duration_s = parts[-1].end_s - parts[0].start_s
    sure = sum(part.confidence * (part.end_s - part.start_s) for part in parts) / max(duration_s, 1e-9)
    course = _course(parts)
    if sure >= 0.5:
        return course
    doubt = gettext("The model is unsure: %(percent)d %% on average.") % {"percent": round(sure * 100)}
    return f"{course} {doubt}"


def _course(parts: Sequence[Section]) -> str:
    if len(parts) == 1:
        return gettext("%(mood)s throughout.") % {"mood": parts[0].quadrant.label}
    first = {"mood": parts[0].quadrant.label.lower()}
    if len(parts) <= MAX_NAMED + 1:
        begin = gettext("Starts %(mood)s") % first
        change = gettext("becomes %(mood)s after %(time)s")
        changes = [change % {"mood": part.quadrant.label.lower(), "time": clock(part.start_s)} for part in parts[1:]]
        return gettext("%(begin)s, %(changes)s.") % {"begin": begin, "changes": gettext(", then ").join(changes)}
    lengths = {q: sum(part.end_s - part.start_s for part in parts if part.quadrant is q) for q in Quadrant}
    most = max(lengths, key=lambda quadrant: lengths[quadrant])
    return ngettext(
        "Starts %(mood)s, changes %(count)d time and ends %(end)s; it is %(most)s for %(percent)d %% of the time.",
        "Starts %(mood)s, changes %(count)d times and ends %(end)s; it is %(most)s for %(percent)d %% of the time.",
        len(parts) - 1,
    ) % {
        **first,
        "count": len(parts) - 1,
        "end": parts[-1].quadrant.label.lower(),
        "most": most.label.lower(),
        "percent": round(100 * lengths[most] / sum(lengths.values())),
    }


class Trace(NamedTuple):
    """One of the two lines: polylines with the band around each, and dots where a point stands alone."""

    name: str
    lines: tuple[str, ...]
    bands: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


class Strip(NamedTuple):
    """A section of the song as a coloured stretch below the plot."""

    x: float
    width: float
    section: Section


class CurveChart(NamedTuple):
    """All that the template draws, in SVG units."""

    traces: tuple[Trace, ...]
    strips: tuple[Strip, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def curve_chart(
    points: NDArray[np.floating],
    sd: NDArray[np.floating],
    times_s: NDArray[np.floating],
    duration_s: float,
    parts: tuple[Section, ...],
) -> CurveChart:
    """Draw points `(n, 6)`, uncertain by `(n, 2)`, at times `(n,)` over a song's seconds; rows of NaN leave a gap."""
    axes = Axes(LEFT, RIGHT, TOP, BOTTOM, x_range=(0.0, duration_s), y_range=(-1.0, 1.0))
    step_s = next((step for step in _STEPS_S if duration_s / step <= 8), _STEPS_S[-1])
    ticks_s = range(0, int(duration_s) + 1, step_s)
    return CurveChart(
        traces=tuple(
            _trace(name, axes, times_s, points[:, i], sd[:, i]) for i, name in enumerate(("valence", "arousal"))
        ),
        strips=tuple(
            Strip(axes.x(part.start_s), round(axes.x(part.end_s) - axes.x(part.start_s), 1), part) for part in parts
        ),
        x_ticks=axes.x_ticks(
            ticks_s,
            (gettext("%(count)d s") % {"count": tick_s} if duration_s < 60 else clock(tick_s) for tick_s in ticks_s),
        ),
        y_ticks=axes.y_ticks((1, 0, -1), ("+1", "0", "\u22121")),
    )


def _trace(
    name: str, axes: Axes, times_s: NDArray[np.floating], values: NDArray[np.floating], sd: NDArray[np.floating]
) -> Trace:
    lines, bands, dots = [], [], []
    between_silences = np.diff(np.concatenate([[False], ~np.isnan(values), [False]]).astype(np.int8))
    for start, end in np.flatnonzero(between_silences).reshape(-1, 2):
        at, middle, around = times_s[start:end], values[start:end], sd[start:end]
        lower, upper = np.clip([middle - around, middle + around], -1, 1)
        if len(at) == 1:
            # One window has no length on the axis of time: its band becomes a line.
            dots += axes.points(at, middle)
            lines.append(polyline(axes.points(np.repeat(at, 2), [lower[0], upper[0]])))
        else:
            lines.append(polyline(axes.points(at, middle)))
            bands.append(polyline([*axes.points(at, upper), *axes.points(at[::-1], lower[::-1])]))
    return Trace(name, tuple(lines), tuple(bands), tuple(dots))
