"""Held-out songs of held-out listeners, after hearing 0, 1, 2, ... of their ratings. Pure.

One listener at a time is left out; what the others have in common is learned from them alone. Of the listener's songs
k are drawn as support and the others are predicted, many times; a song in the support is never predicted. Figures are
per listener, then their mean with a bootstrap interval over listeners. A listener is harmed when their error with k
ratings is larger than with none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.learning import learn
from recommender.felt_model.model import ListenerModel, Prior
from recommender.felt_model.ratings import Ratings, features_of
from training.listener_study.cohort import Cohort

SUPPORTS = (0, 1, 2, 5, 10, 20)
# Fewer songs than this left to predict say too little of a listener.
MIN_TESTED = 5
_RESAMPLES = 2000
# Penalties of the baselines, in answers: what a careful person would take without looking at the result.
_BIAS_ANSWERS = 3.0
_RIDGE_ANSWERS = 5.0

Method = Callable[["Held"], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Held:
    """One draw: what is known of the others (`prior`, `centre` `(2,)`), the `support`, and the songs to predict."""

    prior: Prior
    basis: NDArray[np.float64]
    centre: NDArray[np.float64]
    support: Ratings
    asked: Ratings


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of one method, per listener: `absolute`, `squared` and `concordance` `{k: (n, 2)}`, NaN where too few."""

    absolute: dict[int, NDArray[np.float64]]
    squared: dict[int, NDArray[np.float64]]
    concordance: dict[int, NDArray[np.float64]]


def ours(held: Held) -> NDArray[np.float64]:
    """Predict with the listener's own model: the median of what will be answered."""
    model = ListenerModel.fit(held.support, held.prior, held.basis)
    asked = held.asked
    felt = model.predict(asked.song_ids, asked.perceived, asked.embeddings, asked.moods, asked.familiar)
    return model.expect(felt.point, asked.moods)


def everybody(held: Held) -> NDArray[np.float64]:
    """Predict the mean answer of the others."""
    return np.tile(held.centre, (len(held.asked.song_ids), 1))


def listener_mean(held: Held) -> NDArray[np.float64]:
    """Predict the mean of the support, or of the others when there is none."""
    centre = held.support.felt.mean(axis=0) if len(held.support.song_ids) else held.centre
    return np.tile(centre, (len(held.asked.song_ids), 1))


def bias(held: Held) -> NDArray[np.float64]:
    """Shift the model of everybody by the support's mean residual, shrunk."""
    shared = _shared(held)
    residuals = held.support.felt - shared(held.support)
    shift = residuals.sum(axis=0) / (len(residuals) + _BIAS_ANSWERS)
    return np.clip(shared(held.asked) + shift, -1, 1)


def ridge(held: Held) -> NDArray[np.float64]:
    """Fit the support's residuals from the model of everybody by ridge regression on all features."""
    shared = _shared(held)
    x, asked = features_of(held.support, held.basis), features_of(held.asked, held.basis)
    residuals = held.support.felt - shared(held.support)
    coefficients = np.linalg.solve(x.T @ x + _RIDGE_ANSWERS * np.eye(x.shape[1]), x.T @ residuals)
    return np.clip(shared(held.asked) + asked @ coefficients, -1, 1)


METHODS: Mapping[str, Method] = {
    "mean of the others": everybody,
    "the listener's mean": listener_mean,
    "everybody + bias": bias,
    "everybody + ridge": ridge,
    "ours": ours,
}


def _shared(held: Held) -> Callable[[Ratings], NDArray[np.float64]]:
    nobody = ListenerModel.fit(held.support.rows(np.zeros(0, np.int64)), held.prior, held.basis)

    def predict(asked: Ratings) -> NDArray[np.float64]:
        felt = nobody.predict(asked.song_ids, asked.perceived, asked.embeddings, asked.moods, asked.familiar)
        return nobody.expect(felt.point, asked.moods)

    return predict


@dataclass(frozen=True, slots=True)
class Outcome:
    """`errors` by method; `liking` `{k: (n,)}`, mean absolute error of the like in [-1, 1], and of a constant."""

    cohort: str
    with_mood: bool
    listeners: tuple[str, ...]
    errors: dict[str, Errors]
    liking: dict[int, NDArray[np.float64]]
    liking_floor: NDArray[np.float64]


def evaluate(
    cohort: Cohort,
    *,
    supports: tuple[int, ...] = SUPPORTS,
    n_draws: int = 20,
    seed: int = 0,
    start: Prior | None = None,
    methods: Mapping[str, Method] = METHODS,
    seen: Callable[[str], None] = lambda who: None,
) -> Outcome:
    """Run the protocol on every listener who has enough songs for 10 in the support.

    Args:
        cohort: who and what.
        supports: sizes of the support.
        n_draws: supports drawn for each size; the same songs for every method, and each size a part of the next.
        seed: decides the draws, whatever the order of the listeners.
        start: where learning the prior begins; None for a new installation's.
        methods: by name.
        seen: called with each listener that is done.
    """
    enough = min(10, max(supports)) + MIN_TESTED
    chosen = tuple(who for who, said in cohort.listeners.items() if len(said.with_feeling().song_ids) >= enough)
    per_listener = []
    for who in chosen:
        per_listener.append(_of_listener(cohort, who, supports, n_draws, seed, start or Prior.default(), methods))
        seen(who)
    errors = {
        name: Errors(
            *(
                {k: np.array([found[name][k][figure] for found, _ in per_listener]) for k in supports}
                for figure in range(3)
            )
        )
        for name in methods
    }
    liking = {k: np.array([likes[k] for _, likes in per_listener]) for k in supports}
    floor = np.array([likes[-1] for _, likes in per_listener])
    return Outcome(cohort.name, cohort.knows_mood, chosen, errors, liking, floor)


def _of_listener(
    cohort: Cohort,
    who: str,
    supports: tuple[int, ...],
    n_draws: int,
    seed: int,
    start: Prior,
    methods: Mapping[str, Method],
) -> tuple[dict[str, dict[int, NDArray[np.float64]]], dict[int, float]]:
    others = [said for name, said in cohort.listeners.items() if name != who]
    prior = learn(others, cohort.basis, start)
    centre = np.concatenate([said.with_feeling().felt for said in others]).mean(axis=0)
    likes = np.concatenate([said.with_liking().likes for said in others])
    said = cohort.listeners[who].with_feeling()
    orders = _orders(len(said.song_ids), n_draws, seed, who)
    figures: dict[str, dict[int, NDArray[np.float64]]] = {name: {} for name in methods}
    liking = {-1: float(np.abs(np.median(likes) - said.likes).mean()) if len(likes) else np.nan}
    for k in supports:
        draws = [draw for order in orders if (draw := _draw(said, order, k)) is not None]
        helds = [Held(prior, cohort.basis, centre, support, asked) for support, asked in draws]
        for name, method in methods.items():
            figures[name][k] = _figures([(held.asked.felt, method(held)) for held in helds])
        liking[k] = float(np.mean([_liking_error(held) for held in helds])) if helds else np.nan
    return figures, liking


def _orders(n_rows: int, n_draws: int, seed: int, who: str) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng([seed, *who.encode()])
    return [rng.permutation(n_rows) for _ in range(n_draws)]


def _draw(said: Ratings, order: NDArray[np.int64], k: int) -> tuple[Ratings, Ratings] | None:
    support, asked = said.rows(order[:k]), said.rows(order[k:])
    asked = asked.rows(~np.isin(asked.song_ids, support.song_ids))
    return (support, asked) if len(asked.song_ids) >= MIN_TESTED else None


def _figures(pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Return mean absolute error, mean squared error and concordance `(3, 2)`, the mean over draws."""
    if not pairs:
        return np.full((3, 2), np.nan)
    of_draws = [
        (np.abs(said - felt).mean(axis=0), ((said - felt) ** 2).mean(axis=0), _concordance(felt, said))
        for felt, said in pairs
    ]
    return np.asarray(np.mean(of_draws, axis=0))


def _concordance(felt: NDArray[np.float64], said: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Lin's concordance correlation per axis `(2,)`, 0 for a constant.

    Source: Lin (1989), A concordance correlation coefficient to evaluate reproducibility.
    """
    covariance = ((felt - felt.mean(axis=0)) * (said - said.mean(axis=0))).mean(axis=0)
    spread = felt.var(axis=0) + said.var(axis=0) + (felt.mean(axis=0) - said.mean(axis=0)) ** 2
    return np.asarray(2 * covariance / np.maximum(spread, 1e-12))


def _liking_error(held: Held) -> float:
    model = ListenerModel.fit(held.support, held.prior, held.basis)
    liked = model.liking.predict(held.asked.song_ids, held.asked.embeddings)
    return float(np.nanmean(np.abs(liked - held.asked.likes)))


def interval(values: NDArray[np.float64], seed: int = 0) -> tuple[float, float, float]:
    """Return the mean over listeners and its bootstrap 95 % interval; listeners that are NaN are left out."""
    kept = values[np.isfinite(values)]
    if not len(kept):
        return np.nan, np.nan, np.nan
    picks = np.random.default_rng(seed).integers(len(kept), size=(_RESAMPLES, len(kept)))
    low, high = np.percentile(kept[picks].mean(axis=1), [2.5, 97.5])
    return float(kept.mean()), float(low), float(high)


def harmed(errors: Errors, k: int) -> tuple[int, int]:
    """Return how many listeners k ratings made worse, by the mean error of both axes, and of how many."""
    change = errors.absolute[k].mean(axis=1) - errors.absolute[0].mean(axis=1)
    kept = change[np.isfinite(change)]
    return int((kept > 0).sum()), len(kept)
