"""One listener's ratings as arrays, and the features that explain felt emotion."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

# An unknown mood counts as the mean mood before listening of the listeners of SiTunes.
TYPICAL_MOOD = (0.28, 0.07)
# 1, mood before (valence, arousal), familiar, perceived (valence, arousal); the projected embedding follows.
N_NAMED = 6
MOOD, FAMILIAR, PERCEIVED = slice(1, 3), 3, slice(4, 6)


@dataclass(frozen=True, slots=True)
class Ratings:
    """One listener's ratings, one row per song.

    `song_ids` `(m,)`; `perceived` and `felt` `(m, 2)` as (valence, arousal) in [-1, 1], a row of `felt` NaN when no
    feeling was given; `embeddings` `(m, d)`; `weights` `(m,)`, 1 for an ordinary rating; `likes` `(m,)` in [-1, 1],
    NaN when nothing was said, each with its `like_weights` `(m,)`, 1 for saying it and less for implying it;
    `moods` `(m, 2)`, the mood before listening in [-1, 1], a row NaN when it is not known; `familiar` `(m,)`, 1 when
    the song was known already, -1 when it was new, 0 when nothing was said.
    """

    song_ids: NDArray[np.int64]
    perceived: NDArray[np.float64]
    felt: NDArray[np.float64]
    embeddings: NDArray[np.float64]
    weights: NDArray[np.float64]
    likes: NDArray[np.float64]
    like_weights: NDArray[np.float64]
    moods: NDArray[np.float64]
    familiar: NDArray[np.float64]

    @classmethod
    def none(cls, n_dimensions: int) -> Ratings:
        """Return no ratings."""
        plane, line = np.zeros((0, 2)), np.zeros(0)
        embeddings = np.zeros((0, n_dimensions))
        return cls(np.zeros(0, np.int64), plane, plane, embeddings, line, line, line, plane, line)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Ratings:
        """Return some rows, by a mask or by their numbers."""
        return Ratings(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    @property
    def mood_known(self) -> NDArray[np.int64]:
        """1 where the mood before is known, else 0, `(m,)`."""
        return np.asarray(np.isfinite(self.moods).all(axis=1), np.int64)

    def with_feeling(self) -> Ratings:
        """Return the rows with a feeling and a usable song; a row with a value that is not finite is left out."""
        finite = np.isfinite(self.perceived).all(axis=1) & np.isfinite(self.felt).all(axis=1)
        finite &= np.isfinite(self.embeddings).all(axis=1) & np.isfinite(self.weights) & np.isfinite(self.familiar)
        return self.rows(finite & (np.nan_to_num(self.weights) > 0))

    def with_liking(self) -> Ratings:
        """Return the rows that state or imply a like or dislike."""
        finite = np.isfinite(self.likes) & np.isfinite(self.embeddings).all(axis=1) & np.isfinite(self.like_weights)
        return self.rows(finite & (np.nan_to_num(self.like_weights) > 0))


def features(
    perceived: NDArray[np.float64],
    embeddings: NDArray[np.float64],
    moods: NDArray[np.float64],
    familiar: NDArray[np.float64],
    basis: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the features that felt emotion is linear in.

    Args:
        perceived: `(n, 2)`, (valence, arousal) in [-1, 1].
        embeddings: `(n, d)`, L2-normalised; a zero row when none is comparable.
        moods: `(n, 2)` in [-1, 1]; a NaN row, for an unknown mood, counts as a typical one.
        familiar: `(n,)`, 1 known, -1 new, 0 not said.
        basis: `(r, d)`, orthonormal rows onto which embeddings are projected.

    Returns:
        `(n, 6 + r)`: 1, mood before less the typical one, familiar, perceived point, projected embedding.
    """
    known = np.isfinite(moods).all(axis=1, keepdims=True)
    moods = np.where(known, moods - np.asarray(TYPICAL_MOOD), 0.0)
    return np.hstack([np.ones((len(perceived), 1)), moods, familiar[:, None], perceived, embeddings @ basis.T])


def features_of(ratings: Ratings, basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the features `(m, 6 + r)` of rated songs."""
    return features(ratings.perceived, ratings.embeddings, ratings.moods, ratings.familiar, basis)
