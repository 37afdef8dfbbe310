"""The listener's own model: how what they feel differs from what the music expresses. Pure.

Felt minus perceived is a Bayesian linear regression on [1, perceived valence, perceived arousal, embedding]: the ladder
bias, bias and scale, ridge on frozen song features, fitted together in closed form. Each rung has a prior around
zero, so no ratings give exactly the shared model, and few ratings move it little.

Source: Bishop (2006), Pattern Recognition and Machine Learning, section 3.3 (posterior of a linear model).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Prior standard deviations on the plane's scale (each axis runs from -1 to 1). Their ratio to the noise is the
# shrinkage: with these, one rating moves its own song by about half of what was said and an unrelated one by a fifth.
BIAS_SD = 0.25
SCALE_SD = 0.2
EMBEDDING_SD = 0.35
# People asked again about the same song answer about this differently.
RATING_NOISE_SD = 0.4
# One misplaced thumb in a corner must not outvote everything else that was said.
MAX_RESIDUAL = 1.2
# However many ratings agree, a song tagged happy never becomes its opposite for somebody.
MAX_SHIFT = 0.8
# Songs whose embeddings are at least this close (cosine) are called similar.
SIMILAR_COSINE = 0.5
# A rating is said to have moved a song only when it alone moved it this far.
SUPPORT_SHIFT = 0.01
# Liking: one vote among this many imagined indifferent ones, so a single like is a nudge.
INDIFFERENT_VOTES = 1.0


@dataclass(frozen=True, slots=True)
class Ratings:
    """What one listener said, one row per rated song.

    `song_ids` `(m,)`; `perceived` and `felt` `(m, 2)` as (valence, arousal) in [-1, 1], a row of `felt` NaN when no
    feeling was given; `embeddings` `(m, d)`; `weights` `(m,)`, 1 for an ordinary rating; `likes` `(m,)` in [-1, 1],
    NaN when nothing was said.
    """

    song_ids: NDArray[np.int64]
    perceived: NDArray[np.float64]
    felt: NDArray[np.float64]
    embeddings: NDArray[np.float64]
    weights: NDArray[np.float64]
    likes: NDArray[np.float64]

    @classmethod
    def none(cls, n_dimensions: int) -> Ratings:
        """Return the ratings of somebody who has not rated anything."""
        plane = np.zeros((0, 2))
        line = np.zeros(0)
        return cls(np.zeros(0, np.int64), plane, plane, np.zeros((0, n_dimensions)), line, line)


@dataclass(frozen=True, slots=True)
class Felt:
    """What the listener is predicted to feel, one row per song.

    `point` `(n, 2)` in [-1, 1]; `shift` `(n, 2)`, point minus perceived; `sd` `(n,)`, the standard deviation of the
    shift; `n_similar` `(n,)`, rated similar songs that moved it the way it went; `by_own_rating` `(n,)`, whether
    a rating of the very song did; `liking` `(n,)` in [-1, 1]; `own_like` `(n,)`, what was said of the very song,
    else NaN.
    """

    point: NDArray[np.float64]
    shift: NDArray[np.float64]
    sd: NDArray[np.float64]
    n_similar: NDArray[np.int64]
    by_own_rating: NDArray[np.bool_]
    liking: NDArray[np.float64]
    own_like: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ListenerModel:
    """A fitted listener; make one with `ListenerModel.fit`."""

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    song_ids: NDArray[np.int64]
    features: NDArray[np.float64]
    pulls: NDArray[np.float64]
    liked: Ratings

    @classmethod
    def fit(cls, ratings: Ratings) -> ListenerModel:
        """Fit the posterior; rows that are not finite, and weights that are not positive, are left out.

        Args:
            ratings: what the listener said, `m` rows.

        Returns:
            The model; with no usable rating it predicts the shared model exactly.
        """
        n_dimensions = ratings.embeddings.shape[1]
        usable = _usable(ratings)
        features = _features(ratings.perceived[usable], ratings.embeddings[usable])
        residuals = ratings.felt[usable] - ratings.perceived[usable]
        residuals = np.clip(residuals, -MAX_RESIDUAL, MAX_RESIDUAL)
        precision = ratings.weights[usable, None] / RATING_NOISE_SD**2
        posterior = np.diag(1.0 / _prior_variances(n_dimensions)) + features.T @ (precision * features)
        covariance = np.linalg.inv(posterior).astype(np.float64)
        pulls = precision * residuals
        return cls(
            coefficients=covariance @ features.T @ pulls,
            covariance=covariance,
            song_ids=ratings.song_ids[usable],
            features=features,
            pulls=pulls,
            liked=_with_likes(ratings),
        )

    @property
    def n_ratings(self) -> int:
        """How many ratings of feeling it learned from."""
        return len(self.song_ids)

    @property
    def bias(self) -> tuple[float, float]:
        """The shift (valence, arousal) of a song that is neutral in everything."""
        return float(self.coefficients[0, 0]), float(self.coefficients[0, 1])

    def predict(
        self, song_ids: NDArray[np.int64], perceived: NDArray[np.float64], embeddings: NDArray[np.float64]
    ) -> Felt:
        """Predict what the listener feels.

        Args:
            song_ids: `(n,)`.
            perceived: `(n, 2)`, (valence, arousal) of the shared model in [-1, 1].
            embeddings: `(n, d)`, L2-normalised; a zero row when none is comparable.

        Returns:
            One row per song; values that are not finite count as 0.
        """
        perceived, embeddings = _finite(perceived), _finite(embeddings)
        features = _features(perceived, embeddings)
        projected = features @ self.covariance
        raw = np.clip(features @ self.coefficients, -MAX_SHIFT, MAX_SHIFT)
        point = np.clip(perceived + raw, -1.0, 1.0)
        shift = point - perceived
        n_similar, by_own = self._supporters(song_ids, projected, embeddings, shift)
        liking, own_like = _liking(self.liked, song_ids, embeddings)
        return Felt(
            point=point,
            shift=shift,
            sd=np.sqrt(np.einsum("ij,ij->i", projected, features)),
            n_similar=n_similar,
            by_own_rating=by_own,
            liking=liking,
            own_like=own_like,
        )

    def _supporters(
        self,
        song_ids: NDArray[np.int64],
        projected: NDArray[np.float64],
        embeddings: NDArray[np.float64],
        shift: NDArray[np.float64],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Count, per song, the ratings that moved it along the larger axis of its shift, and find its own."""
        axis = np.argmax(np.abs(shift), axis=1)
        direction = np.sign(np.take_along_axis(shift, axis[:, None], axis=1))
        influence = projected @ self.features.T
        contributions = influence * self.pulls[:, axis].T * direction
        supports = contributions >= SUPPORT_SHIFT
        own = np.asarray(song_ids)[:, None] == self.song_ids[None, :]
        similar = embeddings @ self.features[:, 3:].T >= SIMILAR_COSINE
        return (supports & similar & ~own).sum(axis=1), (supports & own).any(axis=1)


def _usable(ratings: Ratings) -> NDArray[np.bool_]:
    finite = np.isfinite(ratings.perceived).all(axis=1) & np.isfinite(ratings.felt).all(axis=1)
    finite &= np.isfinite(ratings.embeddings).all(axis=1) & np.isfinite(ratings.weights)
    return finite & (np.nan_to_num(ratings.weights) > 0)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, 0.0)


def _features(perceived: NDArray[np.float64], embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `(n, 3 + d)`: 1, valence, arousal, embedding."""
    return np.hstack([np.ones((len(perceived), 1)), perceived, embeddings])


def _prior_variances(n_dimensions: int) -> NDArray[np.float64]:
    scales = [BIAS_SD, SCALE_SD, SCALE_SD, *[EMBEDDING_SD] * n_dimensions]
    return np.square(np.asarray(scales))


def _with_likes(ratings: Ratings) -> Ratings:
    """Keep the rows that say something about liking."""
    said = np.isfinite(ratings.likes) & np.isfinite(ratings.embeddings).all(axis=1)
    return Ratings(
        song_ids=ratings.song_ids[said],
        perceived=ratings.perceived[said],
        felt=ratings.felt[said],
        embeddings=ratings.embeddings[said],
        weights=ratings.weights[said],
        likes=np.clip(ratings.likes[said], -1.0, 1.0),
    )


def _liking(
    liked: Ratings, song_ids: NDArray[np.int64], embeddings: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shrunken mean like of similar songs, and what was said of the very song (NaN when nothing was)."""
    closeness = embeddings @ liked.embeddings.T
    closeness = np.where(closeness >= SIMILAR_COSINE, closeness, 0.0)
    liking = closeness @ liked.likes / (closeness.sum(axis=1) + INDIFFERENT_VOTES)
    own_like = np.full(len(embeddings), np.nan)
    said = dict(zip(liked.song_ids.tolist(), liked.likes.tolist(), strict=True))
    for row, song_id in enumerate(np.asarray(song_ids).tolist()):
        own_like[row] = said.get(song_id, np.nan)
    return np.where(np.isnan(own_like), liking, own_like), own_like
