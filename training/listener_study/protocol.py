"""Held-out songs of held-out listeners, after 0, 1, 2, ... of their ratings, and the tables of the outcome.

One listener at a time is left out; the prior is learned from the others alone. Of the listener's songs k are drawn as
support and the others are predicted, many times; a song in the support is never predicted. Figures are per listener,
then their mean with a bootstrap interval over listeners. A listener is harmed when their error with k ratings is larger
than with none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.learning import learn
from recommender.felt_model.model import ListenerModel, Prior, Ratings, features_of
from training.evaluation.report.tables import Table
from training.listener_study.cohort import Cohort

SUPPORTS = (0, 1, 2, 5, 10, 20)
# Fewer songs than this left to predict say too little of a listener.
MIN_TESTED = 5
_RESAMPLES = 2000
# Penalties of the baselines, in answers, chosen before any result was seen.
_BIAS_ANSWERS = 3.0
_RIDGE_ANSWERS = 5.0

Interval = tuple[float, float, float]
Method = Callable[["HeldOut"], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One draw: what the others teach (`prior`, `centre` `(2,)`), the `support`, and the `tested` songs."""

    prior: Prior
    basis: NDArray[np.float64]
    centre: NDArray[np.float64]
    support: Ratings
    tested: Ratings

    def predict_shared(self, ratings: Ratings) -> NDArray[np.float64]:
        """Predict answers `(n, 2)` with the model of a listener without ratings."""
        return _expected(ListenerModel.fit(Ratings.none(ratings.embeddings.shape[1]), self.prior, self.basis), ratings)

    @property
    def residuals(self) -> NDArray[np.float64]:
        """Answers of the support less that model's, `(k, 2)`."""
        return self.support.felt - self.predict_shared(self.support)


def _expected(model: ListenerModel, ratings: Ratings) -> NDArray[np.float64]:
    songs = ratings.song_ids, ratings.perceived, ratings.embeddings, ratings.moods, ratings.familiar
    return model.expect(model.predict(*songs).point, ratings.moods)


def listener_model(held_out: HeldOut) -> NDArray[np.float64]:
    """Predict with the listener's own model: the median of the answer."""
    return _expected(ListenerModel.fit(held_out.support, held_out.prior, held_out.basis), held_out.tested)


def others_mean(held_out: HeldOut) -> NDArray[np.float64]:
    """Predict the mean answer of the others."""
    return np.tile(held_out.centre, (len(held_out.tested.song_ids), 1))


def support_mean(held_out: HeldOut) -> NDArray[np.float64]:
    """Predict the mean of the support, or of the others when there is none."""
    centre = held_out.support.felt.mean(axis=0) if len(held_out.support.song_ids) else held_out.centre
    return np.tile(centre, (len(held_out.tested.song_ids), 1))


def shared_and_bias(held_out: HeldOut) -> NDArray[np.float64]:
    """Shift the shared model by the support's mean residual, shrunk."""
    residuals = held_out.residuals
    shift = residuals.sum(axis=0) / (len(residuals) + _BIAS_ANSWERS)
    return np.asarray(np.clip(held_out.predict_shared(held_out.tested) + shift, -1, 1))


def shared_and_ridge(held_out: HeldOut) -> NDArray[np.float64]:
    """Fit the support's residuals from the shared model by ridge regression on all features."""
    x, tested = (features_of(part, held_out.basis) for part in (held_out.support, held_out.tested))
    coefficients = np.linalg.solve(x.T @ x + _RIDGE_ANSWERS * np.eye(x.shape[1]), x.T @ held_out.residuals)
    return np.clip(held_out.predict_shared(held_out.tested) + tested @ coefficients, -1, 1)


METHODS: Mapping[str, Method] = {
    "mean of the others": others_mean,
    "the listener's mean": support_mean,
    "everybody + bias": shared_and_bias,
    "everybody + ridge": shared_and_ridge,
    "ours": listener_model,
}


@dataclass(frozen=True, slots=True)
class MethodErrors:
    """Errors of one method, per listener: `absolute`, `squared` and `concordance` `{k: (n, 2)}`, NaN where too few."""

    absolute: dict[int, NDArray[np.float64]]
    squared: dict[int, NDArray[np.float64]]
    concordance: dict[int, NDArray[np.float64]]

    def harmed(self, k: int) -> tuple[int, int]:
        """Return how many listeners k ratings made worse, by the mean error of both axes, and of how many."""
        change = (self.absolute[k] - self.absolute[0]).mean(axis=1)
        finite = change[np.isfinite(change)]
        return int((finite > 0).sum()), len(finite)


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """`errors` by method; `liking` `{k: (n,)}`, mean absolute error of the like in [-1, 1], and of a constant."""

    cohort: str
    with_mood: bool
    listeners: tuple[str, ...]
    errors: dict[str, MethodErrors]
    liking: dict[int, NDArray[np.float64]]
    liking_floor: NDArray[np.float64]


def evaluate(
    cohort: Cohort,
    *,
    supports: tuple[int, ...] = SUPPORTS,
    n_draws: int = 20,
    seed: int = 0,
    methods: Mapping[str, Method] = METHODS,
) -> StudyOutcome:
    """Run the protocol on every listener with enough songs for 10 in the support.

    `n_draws` supports are drawn for each size: the same songs for every method, and each size a part of the next. The
    seed decides them, whatever the order of the listeners.
    """
    enough = min(10, max(supports)) + MIN_TESTED
    chosen = [name for name, each in cohort.listeners.items() if len(each.with_feeling().song_ids) >= enough]
    figures: dict[tuple[str, int], list[NDArray[np.float64]]] = {(m, k): [] for m in methods for k in supports}
    liking: dict[int, list[float]] = {k: [] for k in supports}
    floor = []
    for name in chosen:
        others = [ratings for other, ratings in cohort.listeners.items() if other != name]
        prior = learn(others, cohort.basis, Prior.default())
        centre = np.concatenate([ratings.with_feeling().felt for ratings in others]).mean(axis=0)
        likes = np.concatenate([ratings.with_liking().likes for ratings in others])
        own = cohort.listeners[name].with_feeling()
        rng = np.random.default_rng([seed, *name.encode()])
        orders = [rng.permutation(len(own.song_ids)) for _ in range(n_draws)]
        floor.append(float(np.abs(np.median(likes) - own.likes).mean()) if len(likes) else np.nan)
        for k in supports:
            draws = [
                HeldOut(prior, cohort.basis, centre, *parts) for order in orders if (parts := _draw(own, order, k))
            ]
            for method, predict in methods.items():
                figures[method, k].append(_figures([(draw.tested.felt, predict(draw)) for draw in draws]))
            liking[k].append(float(np.mean([_liking_error(draw) for draw in draws])) if draws else np.nan)
    errors = {
        method: MethodErrors(*({k: np.array(figures[method, k])[:, i] for k in supports} for i in range(3)))
        for method in methods
    }
    by_size = {k: np.array(values) for k, values in liking.items()}
    return StudyOutcome(cohort.name, cohort.knows_mood, tuple(chosen), errors, by_size, np.array(floor))


def _draw(ratings: Ratings, order: NDArray[np.int64], k: int) -> tuple[Ratings, Ratings] | None:
    support, tested = ratings.rows(order[:k]), ratings.rows(order[k:])
    tested = tested.rows(~np.isin(tested.song_ids, support.song_ids))
    return (support, tested) if len(tested.song_ids) >= MIN_TESTED else None


def _figures(pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Return mean absolute error, mean squared error and concordance `(3, 2)`, the mean over draws."""
    if not pairs:
        return np.full((3, 2), np.nan)
    of_draws = [
        (np.abs(predicted - felt).mean(axis=0), ((predicted - felt) ** 2).mean(axis=0), _concordance(felt, predicted))
        for felt, predicted in pairs
    ]
    return np.asarray(np.mean(of_draws, axis=0))


def _concordance(felt: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Lin's concordance correlation per axis `(2,)`, 0 for a constant.

    Source: Lin (1989), A concordance correlation coefficient to evaluate reproducibility.
    """
    covariance = ((felt - felt.mean(axis=0)) * (predicted - predicted.mean(axis=0))).mean(axis=0)
    spread = felt.var(axis=0) + predicted.var(axis=0) + (felt.mean(axis=0) - predicted.mean(axis=0)) ** 2
    return np.asarray(2 * covariance / np.maximum(spread, 1e-12))


def _liking_error(held_out: HeldOut) -> float:
    model = ListenerModel.fit(held_out.support, held_out.prior, held_out.basis)
    liked = model.liking.predict(held_out.tested.song_ids, held_out.tested.embeddings)
    return float(np.nanmean(np.abs(liked - held_out.tested.likes)))


def interval(values: NDArray[np.float64]) -> Interval:
    """Return the mean over listeners and its bootstrap 95 % interval; listeners that are NaN are left out."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.nan, np.nan, np.nan
    picks = np.random.default_rng(0).integers(len(finite), size=(_RESAMPLES, len(finite)))
    low, high = np.percentile(finite[picks].mean(axis=1), [2.5, 97.5])
    return float(finite.mean()), float(low), float(high)


def interval_text(values: Interval, digits: Callable[[float], str] = "{:.3f}".format) -> str:
    """Return a mean with its interval."""
    mean, low, high = map(digits, values)
    return f"{mean} ({low} to {high})"


def heading(outcome: StudyOutcome) -> str:
    """Return the cohort, and whether its moods are used."""
    mood = "with the mood before" if outcome.with_mood else "without the mood before"
    return f"{outcome.cohort}, {mood}: {len(outcome.listeners)} listeners"


def error_table(outcome: StudyOutcome) -> str:
    """Return mean absolute errors of valence / arousal, a row per method and a column per support size."""
    rows = tuple((name, *map(_both_axes, errors.absolute.values())) for name, errors in outcome.errors.items())
    return Table("", "", ("ratings heard", *map(str, outcome.liking)), rows).to_markdown()


def detail_table(outcome: StudyOutcome, method: str = "ours") -> str:
    """Return, for one method, every support size with its intervals, the change from none, RMSE, CCC and harm."""
    errors = outcome.errors[method]
    columns: tuple[str, ...] = ("ratings", "listeners", "MAE valence", "MAE arousal", "change from none", "RMSE", "CCC")
    columns += ("harmed", "like, MAE")
    rows = []
    for k, absolute in errors.absolute.items():
        change = (absolute - errors.absolute[0]).mean(axis=1)
        worse, n = errors.harmed(k)
        valence, arousal, changed, like = (
            interval_text(interval(values), _short) for values in (*absolute.T, change, outcome.liking[k])
        )
        root, ccc = _both_axes(errors.squared[k], np.sqrt), _both_axes(errors.concordance[k])
        rows.append((k, n, valence, arousal, changed, root, ccc, f"{worse} of {n}", like))
    floor = interval_text(interval(outcome.liking_floor), _short)
    table = Table("", "", columns, tuple(rows)).to_markdown()
    return f"{table}\n\nLike by the others' median, whoever it is: {floor}."


def as_json(outcome: StudyOutcome) -> dict[str, Any]:
    """Return all figures: per method and support size, per axis, the mean and its interval."""
    return {
        "cohort": outcome.cohort,
        "with_mood": outcome.with_mood,
        "listeners": list(outcome.listeners),
        "methods": {
            name: {
                str(k): {
                    "mae_valence": interval(absolute[:, 0]),
                    "mae_arousal": interval(absolute[:, 1]),
                    "change": interval((absolute - errors.absolute[0]).mean(axis=1)),
                    "harmed": errors.harmed(k),
                    "per_listener": absolute.round(4).tolist(),
                }
                for k, absolute in errors.absolute.items()
            }
            for name, errors in outcome.errors.items()
        },
        "liking": {str(k): interval(values) for k, values in outcome.liking.items()},
        "liking_floor": interval(outcome.liking_floor),
    }


def _both_axes(values: NDArray[np.float64], then: Callable[[float], float] = float) -> str:
    # Means over the listeners left, `valence / arousal`.
    means = (axis[np.isfinite(axis)].mean() if np.isfinite(axis).any() else np.nan for axis in values.T)
    return " / ".join(_short(float(then(mean))) for mean in means)


def _short(value: float) -> str:
    # .171 for 0.171, as the field's tables have it, and a dash where no listener was left.
    if not np.isfinite(value):
        return "–"
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text
