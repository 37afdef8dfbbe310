"""The prior learned from all listeners' ratings: empirical Bayes by expectation maximisation.

Source: Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data; Laird and Ware (1982), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recommender.arrays import Floats
from recommender.felt_model.model import (
    N_NAMED,
    Answers,
    Posterior,
    Prior,
    Ratings,
    features_of,
    infer,
    liking_features,
    liking_posterior,
)

_ROUNDS = 20
# The prior that learning starts from counts as this many listeners, so the first few people decide little.
PSEUDO_LISTENERS = 6.0
_PSEUDO_ANSWERS = 20.0
# How far the mean may lie from where learning starts: freely for the named features, little for each timbre.
_NAMED_ANCHOR, _TIMBRE_ANCHOR = 1.0, 0.05


def learn(listeners: Sequence[Ratings], basis: Floats, start: Prior) -> Prior:
    """Learn what listeners have in common.

    Args:
        listeners: the ratings of each.
        basis: `(r, d)`, onto which embeddings are projected.
        start: the belief before; returned unchanged when there is no usable rating.
    """
    liking = _learn_liking(listeners, basis, start.liking)
    usable = [ratings for ratings in (each.with_feeling() for each in listeners) if len(ratings.felt)]
    if not usable:
        return replace(start, liking=liking)
    xs = [features_of(ratings, basis) for ratings in usable]
    mean = anchor = start.coefficients(basis)
    spread = start_spread = start.spread(basis)
    noise, stay, stay_sd = start.noise, start.stay, start.stay_sd
    uncertainty = np.zeros((2, anchor.shape[1], anchor.shape[1]))
    for _ in range(_ROUNDS):
        posteriors = [
            infer(Answers.of(ratings, x, mean, noise), spread, stay, stay_sd, ((x @ uncertainty) * x).sum(axis=2))
            for ratings, x in zip(usable, xs, strict=True)
        ]
        spread = _spread(posteriors, start_spread)
        noise = _noise(usable, posteriors, noise, start.noise)
        stay, stay_sd = _stay(usable, posteriors, start)
        mean, uncertainty = _mean(usable, xs, posteriors, spread, anchor)
    with_timbre = len(basis) > 0
    return Prior(
        mean=mean[:, :N_NAMED],
        variances=spread[:, :N_NAMED],
        timbre=mean[:, N_NAMED:] @ basis if with_timbre else start.timbre,
        timbre_variance=spread[:, N_NAMED] if with_timbre else start.timbre_variance,
        noise=noise,
        stay=stay,
        stay_sd=stay_sd,
        liking=liking,
    )


def _spread(posteriors: Sequence[Posterior], start: Floats) -> Floats:
    squares = np.sum([np.einsum("app->ap", each.covariance) + each.mean**2 for each in posteriors], axis=0)
    learned = (squares + PSEUDO_LISTENERS * start) / (len(posteriors) + PSEUDO_LISTENERS)
    if learned.shape[1] > N_NAMED:
        # One variance for all dimensions of timbre: which of them matters differs from listener to listener.
        learned[:, N_NAMED:] = learned[:, N_NAMED:].mean(axis=1, keepdims=True)
    return np.asarray(learned)


def _noise(usable: Sequence[Ratings], posteriors: Sequence[Posterior], now: Floats, start: Floats) -> Floats:
    """Return the noise `(2, 2)`: what the precisions leave unexplained, by axis and by whether the mood was known."""
    known = np.concatenate([ratings.mood_known for ratings in usable])
    counted = np.concatenate([each.moved * by.axis_weights.T for each, by in zip(posteriors, usable, strict=True)], 1)
    learned = np.empty((2, 2))
    for axis in (0, 1):
        # A precision holds 1 / noise, so the squares it weighs are in units of the noise as it was.
        squares = np.concatenate([each.precision[axis] * each.squares[axis] for each in posteriors])
        total = now[axis] * np.bincount(known, weights=squares, minlength=2)
        count = np.bincount(known, weights=counted[axis], minlength=2)
        learned[axis] = (total + _PSEUDO_ANSWERS * start[axis]) / (count + _PSEUDO_ANSWERS)
    return learned


def _stay(usable: Sequence[Ratings], posteriors: Sequence[Posterior], start: Prior) -> tuple[Floats, Floats]:
    """Return the Beta's counts, as strong as they were, and how exactly the unmoved repeat their mood."""
    stayed = np.concatenate([(1 - each.moved) * by.weights for each, by in zip(posteriors, usable, strict=True)])
    apart = np.concatenate([ratings.felt - ratings.moods for ratings in usable])
    known = np.isfinite(apart)
    shares = [
        each.stay[0] / each.stay.sum() for each, by in zip(posteriors, usable, strict=True) if by.mood_known.any()
    ]
    strength = start.stay.sum()
    share = (start.stay[0] / strength * PSEUDO_LISTENERS + sum(shares)) / (PSEUDO_LISTENERS + len(shares))
    squares = (stayed[:, None] * np.where(known, apart, 0.0) ** 2).sum(axis=0)
    variance = (squares + _PSEUDO_ANSWERS / 2 * start.stay_sd**2) / (stayed @ known + _PSEUDO_ANSWERS / 2)
    return strength * np.array([share, 1 - share]), np.sqrt(variance)


def _mean(
    usable: Sequence[Ratings], xs: Sequence[Floats], posteriors: Sequence[Posterior], spread: Floats, anchor: Floats
) -> tuple[Floats, Floats]:
    """Return the mean coefficients `(2, p)` and their covariance `(2, p, p)`, deviations integrated out."""
    n_timbre = anchor.shape[1] - N_NAMED
    precision = 1.0 / np.r_[np.full(N_NAMED, _NAMED_ANCHOR), np.full(n_timbre, _TIMBRE_ANCHOR)]
    left = np.repeat(np.diag(precision)[None], 2, axis=0)
    right = precision * anchor
    within = np.eye(spread.shape[1]) / spread[:, None]
    for ratings, x, posterior in zip(usable, xs, posteriors, strict=True):
        weighted = posterior.precision[:, :, None] * x
        information = weighted.transpose(0, 2, 1) @ x
        weighted_felt = (weighted * np.nan_to_num(ratings.felt).T[:, :, None]).sum(axis=1)
        # Woodbury: one listener's answers share that listener's deviation, so they count less than their number.
        shared = information @ np.linalg.inv(within + information)
        left = left + information - shared @ information
        right = right + weighted_felt - (shared @ weighted_felt[:, :, None])[:, :, 0]
    covariance = np.linalg.inv(left)
    return (covariance @ right[:, :, None])[:, :, 0], covariance


def _learn_liking(listeners: Sequence[Ratings], basis: Floats, start: Floats) -> Floats:
    """Learn `Prior.liking` from all listeners' likes; `start` counts as a few listeners."""
    liked = [each for each in (ratings.with_liking() for ratings in listeners) if len(each.likes)]
    rows = [(liking_features(each.embeddings, basis), np.clip(each.likes, -1, 1), each.like_weights) for each in liked]
    prior = start
    for _ in range(_ROUNDS if rows else 0):
        posteriors = [liking_posterior(*row, prior) for row in rows]
        means = np.array([mean for mean, _ in posteriors])
        squares = np.array([np.diag(covariance) for _, covariance in posteriors])
        n = len(posteriors) + PSEUDO_LISTENERS
        at_large = (means[:, 0].sum() + PSEUDO_LISTENERS * start[0]) / n
        spread = (((means[:, 0] - at_large) ** 2 + squares[:, 0]).sum() + PSEUDO_LISTENERS * start[1]) / n
        timbre = prior[2]
        if means.shape[1] > 1:
            timbre = ((means[:, 1:] ** 2 + squares[:, 1:]).mean(axis=1).sum() + PSEUDO_LISTENERS * start[2]) / n
        errors, answers = _PSEUDO_ANSWERS * start[3], _PSEUDO_ANSWERS
        for (x, likes, weights), (mean, covariance) in zip(rows, posteriors, strict=True):
            errors += (weights * ((likes - x @ mean) ** 2 + np.einsum("mp,pq,mq->m", x, covariance, x))).sum()
            answers += weights.sum()
        prior = np.array([at_large, spread, timbre, errors / answers])
    return prior
