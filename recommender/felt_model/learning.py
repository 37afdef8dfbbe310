"""The prior learned from all listeners' ratings: empirical Bayes by expectation maximisation.

Source: Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data; Laird and Ware (1982), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender.arrays import Floats
from recommender.felt_model.model import N_NAMED, Answers, Posterior, Prior, Ratings, features_of, infer, learn_liking

_ROUNDS = 20
# The prior that learning starts from counts as this many listeners, so the first few people decide little.
PSEUDO_LISTENERS = 6.0
_PSEUDO_ANSWERS = 20.0
# How far the mean may lie from where learning starts: freely for the named features, little for each timbre.
_NAMED_ANCHOR, _TIMBRE_ANCHOR = 1.0, 0.05


@dataclass(frozen=True, slots=True)
class _Said:
    """One listener's usable ratings and their features `(m, p)`."""

    usable: Ratings
    x: Floats


@dataclass(slots=True)
class _State:
    """The estimates of one round: `mean` and `spread` `(2, p)`, `uncertainty` of the mean `(2, p, p)`, and the rest."""

    mean: Floats
    uncertainty: Floats
    spread: Floats
    noise: Floats
    stay: Floats
    stay_sd: Floats


def learn(listeners: Sequence[Ratings], basis: Floats, start: Prior) -> Prior:
    """Learn what listeners have in common.

    Args:
        listeners: the ratings of each.
        basis: `(r, d)`, onto which embeddings are projected.
        start: the belief before; returned unchanged when there is no usable rating.
    """
    said = [_usable(ratings, basis) for ratings in listeners]
    said = [each for each in said if len(each.x)]
    liking = learn_liking(listeners, basis, start.liking)
    if not said:
        return replace(start, liking=liking)
    state = _learn(said, basis, start)
    with_timbre = len(basis) > 0
    return Prior(
        mean=state.mean[:, :N_NAMED],
        variances=state.spread[:, :N_NAMED],
        timbre=state.mean[:, N_NAMED:] @ basis if with_timbre else start.timbre,
        timbre_variance=state.spread[:, N_NAMED] if with_timbre else start.timbre_variance,
        noise=state.noise,
        stay=state.stay,
        stay_sd=state.stay_sd,
        liking=liking,
    )


def _usable(ratings: Ratings, basis: Floats) -> _Said:
    usable = ratings.with_feeling()
    return _Said(usable, features_of(usable, basis))


def _learn(said: Sequence[_Said], basis: Floats, start: Prior) -> _State:
    anchor, spread = start.coefficients(basis), start.spread(basis)
    certainty = np.zeros((2, anchor.shape[1], anchor.shape[1]))
    state = _State(anchor, certainty, spread, start.noise, start.stay, start.stay_sd)
    for _ in range(_ROUNDS):
        found = [_posterior(each, state) for each in said]
        state.spread = _spread(found, spread)
        state.noise = _noise(said, found, state.noise, start.noise)
        state.stay, state.stay_sd = _stay(said, found, start)
        state.mean, state.uncertainty = _mean(said, found, state.spread, anchor)
    return state


def _posterior(said: _Said, state: _State) -> Posterior:
    extra = ((said.x @ state.uncertainty) * said.x).sum(axis=2)
    return infer(
        Answers.of(said.usable, said.x, state.mean, state.noise), state.spread, state.stay, state.stay_sd, extra
    )


def _spread(found: Sequence[Posterior], start: Floats) -> Floats:
    squares = np.sum([np.einsum("app->ap", each.covariance) + each.mean**2 for each in found], axis=0)
    learned = (squares + PSEUDO_LISTENERS * start) / (len(found) + PSEUDO_LISTENERS)
    if learned.shape[1] > N_NAMED:
        # One variance for all dimensions of timbre: which of them matters differs from listener to listener.
        learned[:, N_NAMED:] = learned[:, N_NAMED:].mean(axis=1, keepdims=True)
    return np.asarray(learned)


def _noise(said: Sequence[_Said], found: Sequence[Posterior], now: Floats, start: Floats) -> Floats:
    """Return the noise `(2, 2)`: what the precisions leave unexplained, by axis and by whether the mood was known."""
    known = np.concatenate([each.usable.mood_known for each in said])
    counted = np.concatenate([each.moved * said_by.usable.weights for each, said_by in zip(found, said, strict=True)])
    count = np.bincount(known, weights=counted, minlength=2)
    learned = np.empty((2, 2))
    for axis in (0, 1):
        # A precision holds 1 / noise, so the squares it weighs are in units of the noise as it was.
        squares = np.concatenate([each.precision[axis] * each.squares[axis] for each in found])
        total = now[axis] * np.bincount(known, weights=squares, minlength=2)
        learned[axis] = (total + _PSEUDO_ANSWERS * start[axis]) / (count + _PSEUDO_ANSWERS)
    return learned


def _stay(said: Sequence[_Said], found: Sequence[Posterior], start: Prior) -> tuple[Floats, Floats]:
    """Return the Beta's counts, as strong as they were, and how exactly the unmoved repeat their mood."""
    stayed = np.concatenate([(1 - each.moved) * by.usable.weights for each, by in zip(found, said, strict=True)])
    apart = np.concatenate([by.usable.felt - by.usable.moods for by in said])
    known = np.isfinite(apart).all(axis=1)
    shares = [
        each.stay[0] / each.stay.sum() for each, by in zip(found, said, strict=True) if by.usable.mood_known.any()
    ]
    strength = start.stay.sum()
    share = (start.stay[0] / strength * PSEUDO_LISTENERS + sum(shares)) / (PSEUDO_LISTENERS + len(shares))
    squares = (stayed[known, None] * apart[known] ** 2).sum(axis=0)
    variance = (squares + _PSEUDO_ANSWERS / 2 * start.stay_sd**2) / (stayed[known].sum() + _PSEUDO_ANSWERS / 2)
    return strength * np.array([share, 1 - share]), np.sqrt(variance)


def _mean(said: Sequence[_Said], found: Sequence[Posterior], spread: Floats, anchor: Floats) -> tuple[Floats, Floats]:
    """Return the mean coefficients `(2, p)` and their covariance `(2, p, p)`, deviations integrated out."""
    n_timbre = anchor.shape[1] - N_NAMED
    precision = 1.0 / np.r_[np.full(N_NAMED, _NAMED_ANCHOR), np.full(n_timbre, _TIMBRE_ANCHOR)]
    left = np.repeat(np.diag(precision)[None], 2, axis=0)
    right = precision * anchor
    within = np.apply_along_axis(np.diag, 1, 1.0 / spread)
    for each, posterior in zip(said, found, strict=True):
        weighted = posterior.precision[:, :, None] * each.x
        information = weighted.transpose(0, 2, 1) @ each.x
        weighted_felt = (weighted * each.usable.felt.T[:, :, None]).sum(axis=1)
        # Woodbury: one listener's answers share that listener's deviation, so they count less than their number.
        shared = information @ np.linalg.inv(within + information)
        left = left + information - shared @ information
        right = right + weighted_felt - (shared @ weighted_felt[:, :, None])[:, :, 0]
    covariance = np.linalg.inv(left)
    return (covariance @ right[:, :, None])[:, :, 0], covariance
