"""The listener's model: its prior, its posterior, and its predictions of what songs make the listener feel.

What listener u feels is one of two things. With probability stay_u the song leaves them as they were, and the answer is
the mood before within a little. Else the answer on each axis is x'(mean + w_u) + noise, w_u ~ N(0, variances), with
Student-t noise: x holds 1, the mood before, whether the song is familiar, its perceived point and its projected
embedding. `stay_u` has a Beta prior. All of the prior is learned from all listeners' ratings (`learning`).

Source: Laird and Ware (1982), Random-effects models for longitudinal data; Lange, Little and Taylor (1989), Robust
statistical modelling using the t distribution. SiTunes shows the share of songs that change nothing: half of its
answers lie within .12 of the mood before, a quarter beyond .30 (docs/listeners.md). For the posterior: Bishop (2006),
Pattern Recognition and Machine Learning, sections 3.3 (a linear model's posterior) and 9.4 (expectation maximisation);
the Student-t noise is a Gaussian whose precision is drawn for each answer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import lgamma, log, pi
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtr

from recommender.arrays import Bools, Floats, Ints

# An unknown mood counts as the mean mood before listening of the listeners of SiTunes.
TYPICAL_MOOD = (0.28, 0.07)
# 1, mood before (valence, arousal), familiar, perceived (valence, arousal); the projected embedding follows.
N_NAMED = 6
MOOD, FAMILIAR, PERCEIVED = slice(1, 3), 3, slice(4, 6)


@dataclass(frozen=True, slots=True)
class Ratings:
    """One listener's ratings, one row per song.

    `song_ids` `(m,)`; `perceived` and `felt` `(m, 2)` as (valence, arousal) in [-1, 1], `felt` NaN on an axis about
    which nothing was said; `embeddings` `(m, d)`; `weights` `(m,)`, 1 for an ordinary rating; `likes` `(m,)` in
    [-1, 1], NaN when nothing was said, each with its `like_weights` `(m,)`, 1 for saying it and less for implying it;
    `moods` `(m, 2)`, the mood before listening in [-1, 1], a row NaN when it is not known; `familiar` `(m,)`, 1 when
    the song was known already, -1 when it was new, 0 when nothing was said.
    """

    song_ids: Ints
    perceived: Floats
    felt: Floats
    embeddings: Floats
    weights: Floats
    likes: Floats
    like_weights: Floats
    moods: Floats
    familiar: Floats

    @classmethod
    def none(cls, n_dimensions: int) -> Ratings:
        """Return no ratings."""
        plane, line = np.zeros((0, 2)), np.zeros(0)
        embeddings = np.zeros((0, n_dimensions))
        return cls(np.zeros(0, np.int64), plane, plane, embeddings, line, line, line, plane, line)

    def rows(self, chosen: Bools | Ints) -> Ratings:
        """Return some rows, by a mask or by their numbers."""
        return Ratings(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    @property
    def mood_known(self) -> Ints:
        """1 where the mood before is known, else 0, `(m,)`."""
        return np.asarray(np.isfinite(self.moods).all(axis=1), np.int64)

    def with_feeling(self) -> Ratings:
        """Return the rows with a feeling on at least one axis and a usable song, whose other values are all finite."""
        felt = np.where(np.isfinite(self.felt), self.felt, np.nan)
        finite = np.isfinite(self.perceived).all(axis=1) & np.isfinite(felt).any(axis=1)
        finite &= np.isfinite(self.embeddings).all(axis=1) & np.isfinite(self.weights) & np.isfinite(self.familiar)
        return replace(self, felt=felt).rows(finite & (np.nan_to_num(self.weights) > 0))

    @property
    def axis_weights(self) -> Floats:
        """The weights by axis, `(m, 2)`: 0 on an axis about which nothing was said."""
        return np.asarray(self.weights[:, None] * np.isfinite(self.felt))

    def with_liking(self) -> Ratings:
        """Return the rows that state or imply a like or dislike."""
        finite = np.isfinite(self.likes) & np.isfinite(self.embeddings).all(axis=1) & np.isfinite(self.like_weights)
        return self.rows(finite & (np.nan_to_num(self.like_weights) > 0))


def features(perceived: Floats, embeddings: Floats, moods: Floats, familiar: Floats, basis: Floats) -> Floats:
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


def features_of(ratings: Ratings, basis: Floats) -> Floats:
    """Return the features `(m, 6 + r)` of rated songs."""
    return features(ratings.perceived, ratings.embeddings, ratings.moods, ratings.familiar, basis)


@dataclass(frozen=True, slots=True)
class Prior:
    """The belief about a listener before any rating; the first index is the axis of the felt point.

    `mean` and `variances` `(2, 6)`, of the coefficients of the named features (`ratings.features`); `timbre` `(2, d)`,
    the mean coefficients on embeddings, `(2, 0)` when none were learned; `timbre_variance` `(2,)`, of the coefficient
    on each projected dimension; `noise` `(2, 2)`, the noise's variance with the mood before unknown and known;
    `stay` `(2,)`, the Beta's counts of songs that changed nothing and that did; `stay_sd` `(2,)`, how exactly such an
    answer repeats the mood before; `liking` `(4,)`: mean and variance of how much a listener likes songs at large,
    variance of each coefficient of liking on the projected embedding, and variance of an answer.
    """

    mean: Floats
    variances: Floats
    timbre: Floats
    timbre_variance: Floats
    noise: Floats
    stay: Floats
    stay_sd: Floats
    liking: Floats

    @classmethod
    def default(cls) -> Prior:
        """Return the prior of a new installation: the felt point is the perceived one, moved by the mood before.

        All numbers but the slope of 1 on the perceived point are rounded from fits to real listeners: those of SiTunes
        for mood, spread, noise and liking (docs/listeners.md).
        """
        return cls(
            mean=np.array([[0.0, 0.45, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.45, 0.0, 0.0, 1.0]]),
            variances=np.array([[0.01, 0.03, 0.006, 0.005, 0.01, 0.004], [0.01, 0.006, 0.03, 0.005, 0.004, 0.01]]),
            timbre=np.zeros((2, 0)),
            timbre_variance=np.array([0.01, 0.01]),
            noise=np.array([[0.06, 0.045], [0.08, 0.045]]),
            stay=np.array([0.9, 2.1]),
            stay_sd=np.array([0.07, 0.07]),
            liking=np.array([0.0, 0.04, 0.08, 0.3]),
        )

    def coefficients(self, basis: Floats) -> Floats:
        """Return the mean coefficients `(2, 6 + r)` on features made with a basis `(r, d)`.

        Timbre learned on embeddings of another length is left out.
        """
        known = self.timbre.shape[1] == basis.shape[1]
        return np.hstack([self.mean, self.timbre @ basis.T if known else np.zeros((2, len(basis)))])

    def spread(self, basis: Floats) -> Floats:
        """Return the variances `(2, 6 + r)` of the coefficients between listeners."""
        return np.hstack([self.variances, np.repeat(self.timbre_variance[:, None], len(basis), axis=1)])

    def as_json(self) -> dict[str, Any]:
        """Return plain lists, for a row."""
        return {name: getattr(self, name).tolist() for name in self.__slots__}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Prior:
        """Read what `as_json` wrote.

        Raises:
            ValueError: it is not a prior, or holds a number that is not finite or a variance that is not positive.
        """
        try:
            read = cls(**{name: np.asarray(stored[name], np.float64) for name in cls.__slots__})
        except (KeyError, TypeError) as error:
            raise ValueError(f"This is not a stored prior: {error}") from error
        shapes = {"mean": (2, N_NAMED), "variances": (2, N_NAMED), "timbre_variance": (2,), "noise": (2, 2)}
        shapes |= {"stay": (2,), "stay_sd": (2,), "liking": (4,), "timbre": (2, read.timbre.shape[-1])}
        for name, shape in shapes.items():
            values = getattr(read, name)
            if values.shape != shape:
                raise ValueError(f"The stored prior's {name} has the shape {values.shape}, not {shape}.")
            if not np.isfinite(values).all():
                raise ValueError(f"The stored prior's {name} holds a number that is not finite.")
        positive = (read.variances, read.timbre_variance, read.noise, read.stay, read.stay_sd, read.liking[1:])
        if min(values.min() for values in positive) <= 0:
            raise ValueError("The stored prior holds a variance or a count that is not positive.")
        return read


# Degrees of freedom of the noise: an answer that fits nothing else counts little.
NOISE_DF = 4.0
_ITERATIONS = 10
_T_CONSTANT = lgamma((NOISE_DF + 1) / 2) - lgamma(NOISE_DF / 2) - 0.5 * log(NOISE_DF * pi)


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers set against the prior's mean.

    `x` `(m, p)`, features; `residuals` `(m, 2)`, what was felt less what the mean expects, 0 on an axis that was not
    answered; `noise` `(m, 2)`, variance; `unmoved` `(m, 2)`, what was felt less the mood before, NaN when either is
    not known; `weights` `(m, 2)`, 0 on an axis that was not answered.
    """

    x: Floats
    residuals: Floats
    noise: Floats
    unmoved: Floats
    weights: Floats

    @classmethod
    def of(cls, usable: Ratings, x: Floats, mean: Floats, noise: Floats) -> Answers:
        """Set usable ratings with features `x` against mean coefficients `(2, p)`; `noise` `(2, 2)` is as a prior's."""
        return cls(
            x=x,
            residuals=np.nan_to_num(usable.felt - x @ mean.T),
            noise=noise[:, usable.mood_known].T,
            unmoved=usable.felt - usable.moods,
            weights=usable.axis_weights,
        )


@dataclass(frozen=True, slots=True)
class Posterior:
    """Deviations from the mean: `mean` `(2, p)`, `covariance` `(2, p, p)`.

    `precision` `(2, m)`: how much each answer counts, 1 / variance; `squares` `(2, m)`: its expected squared error;
    `moved` `(m,)`: the probability that the song did something; `stay` `(2,)`: the Beta's counts by now.
    """

    mean: Floats
    covariance: Floats
    precision: Floats
    squares: Floats
    moved: Floats
    stay: Floats


def infer(
    answers: Answers, spread: Floats, stay: Floats, stay_sd: Floats, uncertainty: Floats | None = None
) -> Posterior:
    """Infer how a listener differs from the mean.

    Args:
        answers: `m` of them; without any, the result is the prior.
        spread: variances `(2, p)` of the deviations between listeners.
        stay: `(2,)`, the Beta's counts.
        stay_sd: `(2,)`, how exactly an answer repeats the mood when a song changed nothing.
        uncertainty: `(2, m)`, variance of each expectation, when the mean itself is being learned.
    """
    share = stay[0] / stay.sum()
    compared = np.isfinite(answers.unmoved)
    known: Bools = np.asarray(compared.any(axis=1))
    errors = np.where(compared, answers.unmoved, 0.0)
    repeats = (compared * (-0.5 * (errors / stay_sd) ** 2 - np.log(stay_sd) - 0.5 * log(2 * pi))).sum(axis=1)
    variance = answers.noise.T
    weights, row_weights = answers.weights.T, answers.weights.max(axis=1)
    moved = np.where(known, 1.0 - share, 1.0)
    precision = moved * weights / variance
    mean, covariance, squares = _regress(answers, precision, spread, uncertainty)
    for _ in range(_ITERATIONS if len(known) else 0):
        student = -0.5 * np.log(variance) - (NOISE_DF + 1) / 2 * np.log1p(squares / (NOISE_DF * variance))
        differs = (compared.T * (_T_CONSTANT + student)).sum(axis=0)
        gap = np.clip(log(share) - log(1 - share) + repeats - differs, -50, 50)
        moved = np.where(known, 1.0 / (1.0 + np.exp(gap)), 1.0)
        robust = (NOISE_DF + 1) / (NOISE_DF + squares / variance)
        precision = moved * robust * weights / variance
        mean, covariance, squares = _regress(answers, precision, spread, uncertainty)
        counts = _counts(stay, moved[known], row_weights[known])
        share = counts[0] / counts.sum()
    return Posterior(mean, covariance, precision, squares, moved, _counts(stay, moved[known], row_weights[known]))


def _counts(stay: Floats, moved: Floats, weights: Floats) -> Floats:
    return np.asarray(stay + np.array([weights @ (1 - moved), weights @ moved]))


def _regress(
    answers: Answers, precision: Floats, spread: Floats, uncertainty: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """Return mean `(2, p)`, covariance `(2, p, p)` and expected squared errors `(2, m)` for given precisions."""
    x = answers.x
    weighted = precision[:, :, None] * x
    information = weighted.transpose(0, 2, 1) @ x
    covariance = np.asarray(np.linalg.inv(information + np.eye(spread.shape[1]) / spread[:, None]), np.float64)
    pull = (weighted * answers.residuals.T[:, :, None]).sum(axis=1)
    mean = (covariance @ pull[:, :, None])[:, :, 0]
    squares = (answers.residuals.T - mean @ x.T) ** 2 + ((x @ covariance) * x).sum(axis=2)
    return mean, covariance, squares if uncertainty is None else squares + uncertainty


# The part of what a like leaves unexplained that stays with the song: asked again days later about the same song,
# listeners of SiTunes gave ratings that correlate .48 (docs/listeners_simulation.md).
OWN_LIKE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class LikingModel:
    """How much a listener likes songs: apart from the rest, since some songs that move little are liked.

    A like in [-1, 1] is a linear function of 1 and the projected embedding, with Gaussian noise, more of it when
    skipping or finishing a song implies the like: `mean` `(1 + r,)`, `covariance` `(1 + r, 1 + r)`. `own` maps a song
    to the residual of its own like.

    Source: Bishop (2006), Pattern Recognition and Machine Learning, sections 3.3 and 3.5.
    """

    mean: Floats
    covariance: Floats
    basis: Floats
    own: dict[int, float]

    @classmethod
    def fit(cls, ratings: Ratings, prior: Floats, basis: Floats) -> LikingModel:
        """Fit to the rows that say or imply a like; `prior` `(4,)` is `Prior.liking`."""
        liked = ratings.with_liking()
        likes = np.clip(liked.likes, -1.0, 1.0)
        x = liking_features(liked.embeddings, basis)
        mean, covariance = liking_posterior(x, likes, liked.like_weights, prior)
        left = OWN_LIKE_SHARE * np.minimum(liked.like_weights, 1.0) * (likes - x @ mean)
        return cls(mean, covariance, basis, dict(zip(liked.song_ids.tolist(), left.tolist(), strict=True)))

    def predict(self, song_ids: Ints, embeddings: Floats) -> Floats:
        """Return the expected like in [-1, 1], `(n,)`."""
        own = np.array([self.own.get(song_id, 0.0) for song_id in np.asarray(song_ids).tolist()], np.float64)
        return np.clip(liking_features(embeddings, self.basis) @ self.mean + own, -1.0, 1.0)


def liking_posterior(x: Floats, likes: Floats, weights: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """Return the mean `(1 + r,)` and covariance of a listener's coefficients of liking, given `Prior.liking`."""
    at_large, spread, timbre, noise = prior
    expected = np.r_[at_large, np.zeros(x.shape[1] - 1)]
    precision = np.r_[1.0 / spread, np.full(x.shape[1] - 1, 1.0 / timbre)]
    weighted = weights[:, None] * x / noise
    covariance = np.linalg.inv(np.diag(precision) + weighted.T @ x)
    return covariance @ (precision * expected + weighted.T @ likes), covariance


def liking_features(embeddings: Floats, basis: Floats) -> Floats:
    """Return the features `(n, 1 + r)` that liking is linear in."""
    return np.hstack([np.ones((len(embeddings), 1)), embeddings @ basis.T])


# However many ratings agree, a song that makes all listeners happy never becomes its opposite for one.
MAX_SHIFT = 0.8
# The part of what a rating leaves unexplained that belongs to the very song rather than to the moment. Asked again
# days later, listeners of SiTunes hardly repeated what they had felt (docs/listeners_simulation.md).
OWN_SHARE = 0.2
# Songs whose embeddings are at least this close (cosine) are called similar.
SIMILAR_COSINE = 0.5
# A rating is said to have moved a song only when it alone moved it this far.
SUPPORT_SHIFT = 0.01
_BISECTIONS = 25

Mood = tuple[float, float] | Floats | None


@dataclass(frozen=True, slots=True)
class Felt:
    """Predicted feelings, one row per song.

    `point` `(n, 2)` in [-1, 1], the felt point if the song changes anything; `shift` `(n, 2)`, point less perceived;
    `by_mood` `(n, 2)`, the part of the shift due to the mood before; `by_ratings` `(n, 2)`, the part that the
    listener's own ratings made; `sd` `(n,)`, standard deviation of the point, of the less certain axis; `n_similar`
    `(n,)`, rated similar songs that moved it the way it went; `by_own_rating` `(n,)`, whether a rating of the very song
    did; `liking` `(n,)` in [-1, 1].
    """

    point: Floats
    shift: Floats
    by_mood: Floats
    by_ratings: Floats
    sd: Floats
    n_similar: Ints
    by_own_rating: Bools
    liking: Floats


@dataclass(frozen=True, slots=True)
class LinearFelt:
    """The model as a linear map: felt = offset + on_perceived @ perceived + on_embedding @ embedding.

    `offset` `(2,)`; `on_perceived` `(2, 2)`; `on_embedding` `(2, d)`; `liking` `(d,)`, on the embedding. Effects of
    single songs are not in it.
    """

    offset: Floats
    on_perceived: Floats
    on_embedding: Floats
    liking: Floats


@dataclass(frozen=True, slots=True)
class ListenerModel:
    """A fitted listener; make one with `ListenerModel.fit`."""

    prior: Prior
    basis: Floats
    posterior: Posterior
    answers: Answers
    song_ids: Ints
    embeddings: Floats
    liking: LikingModel

    @classmethod
    def fit(cls, ratings: Ratings, prior: Prior | None = None, basis: Floats | None = None) -> ListenerModel:
        """Fit the posterior; rows that are not finite, and weights that are not positive, are left out.

        Args:
            ratings: what the listener said, `m` rows with embeddings `(m, d)`.
            prior: what all listeners have in common; None for that of a new installation.
            basis: `(r, d)`, orthonormal rows onto which embeddings are projected; None leaves embeddings out.

        Returns:
            The model; with no usable rating it predicts what the prior's mean does, exactly.
        """
        prior = prior or Prior.default()
        basis = np.zeros((0, ratings.embeddings.shape[1])) if basis is None else np.asarray(basis, np.float64)
        usable = ratings.with_feeling()
        usable = replace(usable, felt=np.clip(usable.felt, -1, 1), perceived=np.clip(usable.perceived, -1, 1))
        answers = Answers.of(usable, features_of(usable, basis), prior.coefficients(basis), prior.noise)
        return cls(
            prior=prior,
            basis=basis,
            posterior=infer(answers, prior.spread(basis), prior.stay, prior.stay_sd),
            answers=answers,
            song_ids=usable.song_ids,
            embeddings=usable.embeddings,
            liking=LikingModel.fit(ratings, prior.liking, basis),
        )

    @property
    def stay_share(self) -> float:
        """The expected share of songs that leave this listener as they were."""
        return float(self.posterior.stay[0] / self.posterior.stay.sum())

    @property
    def coefficients(self) -> Floats:
        """The listener's own coefficients `(2, 6 + r)` on `ratings.features`."""
        return np.asarray(self.prior.coefficients(self.basis) + self.posterior.mean)

    def predict(
        self, song_ids: Ints, perceived: Floats, embeddings: Floats, mood: Mood = None, familiar: Floats | None = None
    ) -> Felt:
        """Predict what songs do to the listener; values that are not finite count as 0.

        Args:
            song_ids: `(n,)`.
            perceived: `(n, 2)`, (valence, arousal) of the shared model in [-1, 1].
            embeddings: `(n, d)`, L2-normalised; a zero row when none is comparable.
            mood: (valence, arousal) before listening, one for all or `(n, 2)`; None when it is not known.
            familiar: `(n,)`, 1 known, -1 new, 0 or None when that is not known.
        """
        perceived, embeddings = (np.where(np.isfinite(each), each, 0.0) for each in (perceived, embeddings))
        x = self._features(perceived, embeddings, mood, familiar)
        shared = x @ self.prior.coefficients(self.basis).T
        by_ratings = np.clip(x @ self.posterior.mean.T + self._own_effect(song_ids), -MAX_SHIFT, MAX_SHIFT)
        point = np.clip(shared + by_ratings, -1.0, 1.0)
        n_similar, by_own = self._supporters(song_ids, x, embeddings, by_ratings)
        return Felt(
            point=point,
            shift=point - perceived,
            by_mood=x[:, MOOD] @ self.coefficients[:, MOOD].T,
            by_ratings=by_ratings,
            sd=np.sqrt(((x @ self.posterior.covariance) * x).sum(axis=2)).max(axis=0),
            n_similar=n_similar,
            by_own_rating=by_own,
            liking=self.liking.predict(song_ids, embeddings),
        )

    def expect(self, point: Floats, mood: Mood) -> Floats:
        """Return the median of what will be answered, `(n, 2)`: the mood again, or the song's point, as is likely.

        Args:
            point: `(n, 2)`, of `predict` with the same mood.
            mood: (valence, arousal) before listening, one for all or `(n, 2)`; where it is not known, the point
                itself is expected.
        """
        centre = point if mood is None else np.asarray(mood, np.float64)
        centre = np.where(np.isfinite(centre), centre, point)
        low, high = np.minimum(point, centre) - 0.5, np.maximum(point, centre) + 0.5
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            is_low = self.below(middle, point, centre) < 0.5
            low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
        return np.clip((low + high) / 2, -1.0, 1.0)

    def below(self, level: Floats, point: Floats, mood: Floats) -> Floats:
        """Return the probability `(n, 2)` that an answer lies below a level, given the song's point and the mood."""
        noise_sd = np.sqrt(self.prior.noise[:, 1])
        unmoved = ndtr((level - mood) / self.prior.stay_sd)
        moved = stdtr(NOISE_DF, (level - point) / noise_sd)
        return np.asarray(self.stay_share * unmoved + (1 - self.stay_share) * moved)

    def draw(self, seed: int, temperature: float = 1.0) -> ListenerModel:
        """Return a model whose coefficients are drawn from the posterior (Thompson sampling).

        Args:
            seed: the same seed gives the same draw.
            temperature: scales the posterior's standard deviation; 0 gives the mean back.

        Source: Thompson (1933); Chapelle and Li (2011), An empirical evaluation of Thompson sampling.
        """
        rng = np.random.default_rng(seed)
        axes = zip(self.posterior.mean, self.posterior.covariance, strict=True)
        felt = np.stack([_drawn(rng, mean, covariance, temperature) for mean, covariance in axes])
        liking = _drawn(rng, self.liking.mean, self.liking.covariance, temperature)
        return replace(self, posterior=replace(self.posterior, mean=felt), liking=replace(self.liking, mean=liking))

    def linear(self, mood: Mood = None) -> LinearFelt:
        """Return the model as a map from what the index holds; familiarity and single songs are left out."""
        x = self._features(np.zeros((1, 2)), np.zeros((1, self.basis.shape[1])), mood, None)
        coefficients = self.coefficients
        return LinearFelt(
            offset=(x @ coefficients.T)[0],
            on_perceived=coefficients[:, PERCEIVED],
            on_embedding=coefficients[:, N_NAMED:] @ self.basis,
            liking=self.liking.mean[1:] @ self.basis,
        )

    def _features(self, perceived: Floats, embeddings: Floats, mood: Mood, familiar: Floats | None) -> Floats:
        moods = np.broadcast_to(np.asarray((np.nan, np.nan) if mood is None else mood, np.float64), perceived.shape)
        known = np.zeros(len(perceived)) if familiar is None else familiar
        return features(perceived, embeddings, moods, known, self.basis)

    def _own_effect(self, song_ids: Ints) -> Floats:
        """Return the effects of the songs' own ratings beyond the coefficients, `(n, 2)`."""
        left = self.answers.residuals - self.answers.x @ self.posterior.mean.T
        trusted = np.minimum(self.posterior.precision.T * self.answers.noise, 1.0)
        effects = dict(zip(self.song_ids.tolist(), OWN_SHARE * trusted * left, strict=True))
        rows = [effects.get(song_id, (0.0, 0.0)) for song_id in np.asarray(song_ids).tolist()]
        return np.asarray(rows, np.float64).reshape(-1, 2)

    def _supporters(self, song_ids: Ints, x: Floats, embeddings: Floats, by_ratings: Floats) -> tuple[Ints, Bools]:
        """Count, per song, the similar songs whose ratings moved it along the larger axis, and find its own rating."""
        axis = np.argmax(np.abs(by_ratings), axis=1)
        direction = np.sign(np.take_along_axis(by_ratings, axis[:, None], axis=1))
        contributions = np.empty((len(x), len(self.song_ids)))
        for number, covariance in enumerate(self.posterior.covariance):
            pulls = self.posterior.precision[number] * self.answers.residuals[:, number]
            of_axis = axis == number
            contributions[of_axis] = x[of_axis] @ covariance @ (pulls[:, None] * self.answers.x).T
        supports = contributions * direction >= SUPPORT_SHIFT
        supports &= embeddings @ self.embeddings.T >= SIMILAR_COSINE
        supports &= np.asarray(song_ids)[:, None] != self.song_ids
        moved = np.abs(by_ratings).max(axis=1) >= SUPPORT_SHIFT
        return supports.sum(axis=1), np.isin(song_ids, self.song_ids) & moved


def _drawn(rng: np.random.Generator, mean: Floats, covariance: Floats, temperature: float) -> Floats:
    return np.asarray(mean + temperature * np.linalg.cholesky(covariance) @ rng.standard_normal(len(mean)))
