"""Listeners who said what songs did to them, from one study. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.ratings import Ratings
from recommender.index import songs


@dataclass(frozen=True, slots=True)
class Cohort:
    """The listeners of one study.

    `listeners` maps who to what they said, a row per answer; songs of different listeners share ids. `basis` `(r, d)`,
    orthonormal rows onto which embeddings are projected.
    """

    name: str
    listeners: dict[str, Ratings]
    basis: NDArray[np.float64]

    @property
    def n_ratings(self) -> int:
        """Answers of all listeners."""
        return sum(len(ratings.song_ids) for ratings in self.listeners.values())

    @property
    def knows_mood(self) -> bool:
        """Whether anybody's mood before listening is known."""
        return any(np.isfinite(ratings.moods).any() for ratings in self.listeners.values())

    def without_mood(self) -> Cohort:
        """Return the same answers as if nobody had been asked how they were."""
        listeners = {
            who: replace(ratings, moods=np.full_like(ratings.moods, np.nan)) for who, ratings in self.listeners.items()
        }
        return replace(self, listeners=listeners)


def principal_directions(embeddings: NDArray[np.float64], n_directions: int) -> NDArray[np.float64]:
    """Return orthonormal rows `(r, d)` along which embeddings `(n, d)` vary most, as the index chooses them."""
    return songs.principal_directions(embeddings.sum(axis=0), embeddings.T @ embeddings, len(embeddings))[:n_directions]
