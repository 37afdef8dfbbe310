"""The emotion curve: the model over a whole song, one point every few seconds. Pure, and light: pages read from it.

A point is what the model says of the 24 s around it, exactly as it tags a song: the same image, the same calibration.
`emotion.curves.tracing` makes them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant

HOP_S = 4.0
# A song of half an hour at four seconds; a longer one gets fewer points a minute instead of more work.
MAX_POINTS = 450
# What a row of points holds: valence, arousal, then the probabilities of the four quadrants.
N_COLUMNS = 6


def hop_for(duration_s: float) -> float:
    """Return the seconds between points: four, or the multiple of four that keeps a long song within its limit."""
    return HOP_S * max(1, math.ceil(duration_s / (HOP_S * MAX_POINTS)))


def times_s(n_points: int, *, hop_s: float, window_s: float) -> NDArray[np.float64]:
    """Return where the points of a curve stand, `(n_points,)` seconds: in the middle of what each of them heard."""
    return np.asarray(window_s / 2 + hop_s * np.arange(n_points), np.float64)


def spread(probabilities: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Tell how far valence and arousal may be off, from the calibrated probabilities of the quadrants.

    Each quadrant is taken at the point that stands for it (0.6 from both axes, as a playlist's target); the spread is
    the standard deviation of these points under the probabilities. It is 0 for a model that is sure of one side of the
    axis and at most 0.6 for one that cannot tell the sides apart.

    Args:
        probabilities: `(..., 4)`, in quadrant order.

    Returns:
        Standard deviations of valence and arousal, each `(...)`, in [0, 0.6].
    """
    stands = np.array([quadrant.target for quadrant in Quadrant])
    mean = probabilities @ stands
    variance = np.maximum(probabilities @ np.square(stands) - np.square(mean), 0.0)
    return np.sqrt(variance[..., 0]), np.sqrt(variance[..., 1])
