"""Emotify: players of a game who ticked what songs made them feel, and whether they liked them.

Citation and licence: `training.datasets.emotify`. The felt point is the mean of the points of the emotions ticked
(`POINTS`); a row with none ticked has none. Perceived points and embeddings are the shipped model's.

The file does not name its players. A listener here is one age, gender and mother tongue, left out when a song comes
twice, which one player's did not; two people with one profile may still pass, which makes a listener look less
consistent than they are. A like is liked less disliked; neither is 0. `mood`, 1 to 5 before the game, is not used:
it is one number for the pleasantness of a whole game and correlates .04 with the valence felt, .03 within a profile.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.datasets import emotify
from training.datasets.base import Clip, LabelError, Row, table
from training.listener_study.protocol import Cohort, SongEstimates, estimate_clips, principal_directions

# (valence, arousal) of each emotion. Chosen by hand, in the quadrants as which the training data reads them, before any
# figure was looked at. Amazement and solemnity, which it reads as none, lie at mild pleasure with and without arousal.
POINTS = {
    "amazement": (0.5, 0.4),
    "solemnity": (0.1, -0.3),
    "tenderness": (0.5, -0.4),
    "nostalgia": (0.0, -0.4),
    "calmness": (0.5, -0.7),
    "power": (0.4, 0.7),
    "joyful_activation": (0.8, 0.6),
    "tension": (-0.6, 0.6),
    "sadness": (-0.6, -0.5),
}
# A listener with fewer answers cannot be held out, and teaches little.
MIN_ANSWERS = 15
N_DIRECTIONS = 8
_PROFILE = ("age", "gender", "mother tongue")


@dataclass(frozen=True, slots=True)
class EmotifyStudy:
    """The listeners, the recordings in the order of their song ids, and the shipped model's estimates of them."""

    cohort: Cohort
    clips: tuple[Clip, ...]
    estimates: SongEstimates


def load(folder: Path, weights: Path, work_dir: Path) -> EmotifyStudy:
    """Read a folder in the layout of Emotify: `data.csv` and the recordings; `work_dir` caches their estimates.

    Raises:
        DatasetError: A table or a recording is missing or cannot be read.
    """
    clips = emotify.read(folder, folder).clips
    estimates = estimate_clips(clips, weights, work_dir)
    places = {int(clip.song_id): place for place, clip in enumerate(clips)}
    listeners = {}
    for name, rows in _listeners(folder).items():
        songs = np.array([places[row.whole("track id")] for row in rows], np.int64)
        ticked = np.array([[row.applies(emotion) for emotion in emotify.GEMS] for row in rows], np.float64)
        likes = np.array([float(row.applies("liked")) - float(row.applies("disliked")) for row in rows])
        listeners[name] = estimates.ratings(songs, felt_point(ticked), likes=likes)
    basis = principal_directions(estimates.embeddings, N_DIRECTIONS)
    return EmotifyStudy(Cohort("Emotify", listeners, basis, estimates.recordings), clips, estimates)


def felt_point(ticked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (valence, arousal) `(n, 2)` of emotions ticked `(n, 9)`, columns as `GEMS`; NaN where none is."""
    count = ticked.sum(axis=1, keepdims=True)
    total = ticked @ np.array([POINTS[name] for name in emotify.GEMS])
    return np.asarray(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))


def _listeners(folder: Path) -> dict[str, list[Row]]:
    by_profile: dict[str, list[Row]] = defaultdict(list)
    for row in table(folder / "data.csv", "track id", *emotify.GEMS, "liked", "disliked", *_PROFILE):
        if _is_valid(row):
            by_profile[", ".join(row[column] for column in _PROFILE)].append(row)
    return {
        profile: rows
        for profile, rows in sorted(by_profile.items())
        if len(rows) >= MIN_ANSWERS and len({row["track id"] for row in rows}) == len(rows)
    }


def _is_valid(row: Row) -> bool:
    try:
        for column in (*emotify.GEMS, "liked", "disliked"):
            row.applies(column)
        return 1 <= row.whole("track id") <= 400
    except LabelError:
        # The dataset's own check names such a row; the other answers are valid without it.
        return False
