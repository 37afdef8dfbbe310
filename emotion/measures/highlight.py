"""Finds the thirty seconds of a song that stand for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LENGTH_S = 30.0
# Openings and endings are thinner than the song between them, and a fade is no highlight.
_OPENING, _ENDING = 0.1, 0.05


def highlight_of(points: NDArray[np.floating], times_s: NDArray[np.floating], duration_s: float) -> float | None:
    """Return the second at which the highlight begins; None where every point is silent.

    `points` `(n, 2+)` at `times_s` `(n,)` have valence and arousal in their first columns; rows of NaN are silent. The
    highlight is where the song goes farthest in its own direction, from the centre of the plane to the mean of its
    points: a calm song is heard at its calmest and a tense one at its tensest, as the list means it that the listener
    looks at. Where a song is least like its mean is often its opening.
    """
    audible = ~np.isnan(points[:, 0])
    if not audible.any():
        return None
    last_s = duration_s - LENGTH_S
    if last_s <= 0:
        return 0.0
    plane, at_s = points[audible, :2].astype(np.float64), times_s[audible]
    strength = plane @ plane.mean(axis=0)
    around = np.abs(at_s[:, None] - at_s) <= LENGTH_S / 2
    means = around @ strength / around.sum(axis=1)
    earliest_s, latest_s = _OPENING * duration_s, last_s - _ENDING * duration_s
    starts_s = at_s - LENGTH_S / 2
    is_inside = (starts_s >= earliest_s) & (starts_s <= latest_s)
    if not is_inside.any():
        return float(np.clip(last_s / 2, 0.0, last_s))
    return float(starts_s[is_inside][means[is_inside].argmax()])
