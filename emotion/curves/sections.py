"""Say in words how a curve goes: the stretches of a song that carry one emotion. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from catalog.core.formats import clock
from catalog.core.wording import gettext, ngettext
from emotion.inference.quadrants import Quadrant

# Neighbouring windows share most of what they hear, so fewer points than this are the model's doubt, not a change.
MIN_POINTS = 3
# More changes than this are counted instead of told.
MAX_TOLD = 4
_UNSURE_BELOW = 0.5


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a song in one quadrant; `confidence` is the quadrant's mean probability in it."""

    quadrant: Quadrant
    start_s: float
    end_s: float
    confidence: float


def sections(
    probabilities: NDArray[np.floating], times_s: NDArray[np.floating], duration_s: float
) -> tuple[Section, ...]:
    """Cut a song where its emotion changes for longer than a moment.

    Args:
        probabilities: `(n, 4)`, rows of NaN where the song is silent: those belong to what surrounds them.
        times_s: `(n,)`, where the points stand.
        duration_s: The song's length; the first section begins at 0, the last one ends here.

    Returns:
        At least one section, unless every point is silent.
    """
    heard = ~np.isnan(probabilities[:, 0])
    points, places = probabilities[heard], times_s[heard]
    if not len(points):
        return ()
    runs = _without_moments(_smoothed(points).argmax(axis=1))
    bounds = [0.0, *((places[end - 1] + places[end]) / 2 for _, _, end in runs[:-1]), duration_s]
    return tuple(
        Section(Quadrant(column + 1), float(bounds[i]), float(bounds[i + 1]), float(points[start:end, column].mean()))
        for i, (column, start, end) in enumerate(runs)
    )


def _smoothed(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Average each point with its two neighbours; the ends are repeated."""
    padded = np.concatenate([points[:1], points, points[-1:]])
    return (padded[:-2] + padded[1:-1] + padded[2:]) / 3


def _without_moments(columns: NDArray[np.integer]) -> list[tuple[int, int, int]]:
    """Return runs (column, start, end) of at least `MIN_POINTS`; a shorter one joins what comes before it."""
    kept: list[tuple[int, int, int]] = []
    start = 0
    for column, group in groupby(int(column) for column in columns):
        end = start + len(list(group))
        if kept and (kept[-1][0] == column or end - start < MIN_POINTS):
            kept[-1] = (kept[-1][0], kept[-1][1], end)
        elif kept and kept[-1][2] - kept[-1][1] < MIN_POINTS:
            # Only the first run can still be short here; it joins what comes after it.
            kept[-1] = (column, kept[-1][1], end)
        else:
            kept.append((column, start, end))
        start = end
    return kept


def sentence(parts: Sequence[Section]) -> str:
    """Tell a curve in a sentence or two, such as `Starts calm, becomes tense after 1:20.`"""
    if not parts:
        return gettext("There is nothing to hear in it.")
    duration_s = parts[-1].end_s - parts[0].start_s
    sure = sum(part.confidence * (part.end_s - part.start_s) for part in parts) / max(duration_s, 1e-9)
    told = _told(parts)
    if sure >= _UNSURE_BELOW:
        return told
    doubt = gettext("The model is not sure of it: %(percent)d %% on average.") % {"percent": round(sure * 100)}
    return f"{told} {doubt}"


def _told(parts: Sequence[Section]) -> str:
    if len(parts) == 1:
        return gettext("%(mood)s from beginning to end.") % {"mood": parts[0].quadrant.label}
    first = {"mood": parts[0].quadrant.label.lower()}
    if len(parts) <= MAX_TOLD + 1:
        begin = gettext("Starts %(mood)s") % first
        change = gettext("becomes %(mood)s after %(time)s")
        changes = [change % {"mood": part.quadrant.label.lower(), "time": clock(part.start_s)} for part in parts[1:]]
        return gettext("%(begin)s, %(changes)s.") % {"begin": begin, "changes": gettext(", then ").join(changes)}
    lengths = {q: sum(part.end_s - part.start_s for part in parts if part.quadrant is q) for q in Quadrant}
    most = max(lengths, key=lambda quadrant: lengths[quadrant])
    n_changes = len(parts) - 1
    told = ngettext(
        "Starts %(mood)s, changes %(count)d time and ends %(end)s; it is %(most)s for %(percent)d %% of the time.",
        "Starts %(mood)s, changes %(count)d times and ends %(end)s; it is %(most)s for %(percent)d %% of the time.",
        n_changes,
    )
    return told % {
        **first,
        "count": n_changes,
        "end": parts[-1].quadrant.label.lower(),
        "most": most.label.lower(),
        "percent": round(100 * lengths[most] / sum(lengths.values())),
    }
