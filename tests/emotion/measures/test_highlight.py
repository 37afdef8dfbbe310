"""Which half minute stands for a song."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.curves.curve import times_s
from emotion.measures.highlight import LENGTH_S, highlight_of

pytestmark = pytest.mark.unit


def curve(*parts: tuple[int, float, float]) -> NDArray[np.float32]:
    """Return points, four seconds apart: so many at a valence and an arousal."""
    points = np.full((sum(n for n, _v, _a in parts), 6), 0.25, np.float32)
    points[:, :2] = np.concatenate([np.full((n, 2), [valence, arousal]) for n, valence, arousal in parts])
    return points


def highlight(points: NDArray[np.float32], duration_s: float) -> float | None:
    return highlight_of(points, times_s(len(points), hop_s=4.0, window_s=24.0), duration_s)


def test_a_song_is_heard_where_it_is_most_itself() -> None:
    # 44 points, 200 s: happy, with a happier part and, for longer, a sad one that it is not about.
    points = curve((14, 0.3, 0.3), (10, 0.8, 0.7), (12, -0.6, -0.6), (8, 0.3, 0.3))
    assert 12 + 4 * 14 - 10 <= (highlight(points, 200.0) or 0) + LENGTH_S / 2 <= 12 + 4 * 24 + 10
    calm = curve((14, 0.3, -0.3), (10, 0.5, -0.8), (20, 0.3, -0.2))
    assert highlight(calm, 200.0) == highlight(points, 200.0)


def test_openings_and_endings_are_none() -> None:
    points = curve((6, 0.9, 0.9), (32, 0.5, 0.5), (6, 0.9, 0.9))
    start_s = highlight(points, 200.0)
    assert start_s is not None
    assert 20 <= start_s <= 200 - 30 - 10


def test_a_short_song_is_its_highlight_and_a_silent_one_has_none() -> None:
    assert highlight(curve((1, 0.2, 0.2)), 20.0) == 0.0
    assert highlight(curve((3, 0.2, 0.2)), 33.0) == 1.5
    silent = curve((10, np.nan, np.nan))
    assert highlight(silent, 60.0) is None


@pytest.mark.parametrize("hop_s", [16.0, 80.0])
def test_points_of_a_long_song_are_farther_apart_than_a_highlight(hop_s: float) -> None:
    points = curve((200, 0.1, 0.1), (1, 0.9, 0.9), (200, 0.1, 0.1))
    at_s = times_s(len(points), hop_s=hop_s, window_s=24.0)
    start_s = highlight_of(points, at_s, hop_s * 401)
    assert start_s is not None
    assert abs(start_s + 15 - at_s[200]) <= 2 * hop_s
