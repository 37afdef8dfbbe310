"""Liking, a separate model: people like songs that move them little, and dislike some that move them.

A like in [-1, 1] is a linear function of the projected embedding plus how much the listener likes songs at large, with
Gaussian noise. A like implied by skipping or finishing a song has more noise than a stated one.

Source: Bishop (2006), Pattern Recognition and Machine Learning, sections 3.3 and 3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.ratings import Ratings

_ROUNDS = 20
_PSEUDO_LISTENERS, _PSEUDO_ANSWERS = 6.0, 20.0
# The part of what a like leaves unexplained that stays with the song: asked again days later about the same song,
# listeners of SiTunes gave ratings that correlate .48 (docs/listeners_simulation.md).
OWN_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class LikingModel:
    """Coefficients on 1 and the projected embedding: `mean` `(1 + r,)`, `covariance` `(1 + r, 1 + r)`.

    `own` maps a song to the residual of its own like; `said` maps it to the like itself.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    basis: NDArray[np.float64]
    own: dict[int, float]
    said: dict[int, float]

    @classmethod
    def fit(cls, ratings: Ratings, prior: NDArray[np.float64], basis: NDArray[np.float64]) -> LikingModel:
        """Fit to the rows that say or imply a like; `prior` `(4,)` is `Prior.liking`."""
        liked = ratings.with_liking()
        likes = np.clip(liked.likes, -1.0, 1.0)
        x = _features(liked.embeddings, basis)
        mean, covariance = _posterior(x, likes, liked.like_weights, prior)
        left = OWN_SHARE * np.minimum(liked.like_weights, 1.0) * (likes - x @ mean)
        songs = liked.song_ids.tolist()
        own = dict(zip(songs, left.tolist(), strict=True))
        return cls(mean, covariance, basis, own, dict(zip(songs, likes.tolist(), strict=True)))

    def predict(self, song_ids: NDArray[np.int64], embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected like in [-1, 1], `(n,)`."""
        x = _features(embeddings, self.basis)
        own = np.nan_to_num(_looked_up(self.own, song_ids))
        return np.clip(x @ self.mean + own, -1.0, 1.0)

    def said_of(self, song_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the stated or implied like of each song itself, `(n,)`, NaN without one."""
        return _looked_up(self.said, song_ids)

    def on_embedding(self) -> NDArray[np.float64]:
        """Return the coefficients `(d,)` on an embedding, without the intercept."""
        return np.asarray(self.mean[1:] @ self.basis)


def learn_liking(
    listeners: Sequence[Ratings], basis: NDArray[np.float64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Learn `Prior.liking` from all listeners' likes; `start` counts as a few listeners."""
    liked = [each for each in (ratings.with_liking() for ratings in listeners) if len(each.likes)]
    rows = [(_features(each.embeddings, basis), np.clip(each.likes, -1, 1), each.like_weights) for each in liked]
    prior = start
    for _ in range(_ROUNDS if rows else 0):
        prior = _improved(rows, prior, start)
    return prior


def _improved(
    rows: Sequence[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]],
    prior: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    found = [_posterior(x, likes, weights, prior) for x, likes, weights in rows]
    means = np.array([mean for mean, _ in found])
    squares = np.array([np.diag(covariance) for _, covariance in found])
    n = len(found) + _PSEUDO_LISTENERS
    at_large = (means[:, 0].sum() + _PSEUDO_LISTENERS * start[0]) / n
    spread = (((means[:, 0] - at_large) ** 2 + squares[:, 0]).sum() + _PSEUDO_LISTENERS * start[1]) / n
    timbre = prior[2]
    if means.shape[1] > 1:
        timbre = ((means[:, 1:] ** 2 + squares[:, 1:]).mean(axis=1).sum() + _PSEUDO_LISTENERS * start[2]) / n
    errors, answers = _PSEUDO_ANSWERS * start[3], _PSEUDO_ANSWERS
    for (x, likes, weights), (mean, covariance) in zip(rows, found, strict=True):
        errors += (weights * ((likes - x @ mean) ** 2 + np.einsum("mp,pq,mq->m", x, covariance, x))).sum()
        answers += weights.sum()
    return np.array([at_large, spread, timbre, errors / answers])


def _posterior(
    x: NDArray[np.float64], likes: NDArray[np.float64], weights: NDArray[np.float64], prior: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    at_large, spread, timbre, noise = prior
    expected = np.r_[at_large, np.zeros(x.shape[1] - 1)]
    precision = np.r_[1.0 / spread, np.full(x.shape[1] - 1, 1.0 / timbre)]
    weighted = weights[:, None] * x / noise
    covariance = np.linalg.inv(np.diag(precision) + weighted.T @ x)
    return covariance @ (precision * expected + weighted.T @ likes), covariance


def _features(embeddings: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hstack([np.ones((len(embeddings), 1)), embeddings @ basis.T])


def _looked_up(values: dict[int, float], song_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.array([values.get(song_id, np.nan) for song_id in np.asarray(song_ids).tolist()], np.float64)
