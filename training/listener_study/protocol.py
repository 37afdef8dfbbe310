"""The listeners of a study, and held-out songs of held-out listeners after 0, 1, 2, ... of their ratings.

One listener at a time is left out; the prior is learned from the others alone. Of the listener's songs k are drawn as
support and the others are predicted, many times; a recording in the support is never predicted, under another name
either. Figures are per listener, then their mean with a bootstrap interval over listeners. A listener is harmed when
their error with k ratings is larger than with none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.files import write_atomic
from emotion.exceptions import AudioUnreadableError, CheckpointError
from emotion.inference import checkpoint
from recommender.felt_model.learning import learn
from recommender.felt_model.model import ListenerModel, Prior, Ratings, features_of
from recommender.index import songs as index_songs
from training.data.duplicates import duplicate_groups
from training.datasets.base import Clip, DatasetError
from training.evaluation.report.tables import Table

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
class Cohort:
    """The listeners of one study.

    `listeners` maps names to answers, a row each; songs of different listeners share ids. `basis` `(r, d)` has
    orthonormal rows onto which embeddings are projected. `recordings` has a label for each song id, equal for
    near-duplicates: no answer to one may predict another.
    """

    name: str
    listeners: dict[str, Ratings]
    basis: NDArray[np.float64]
    recordings: NDArray[np.int64]

    @property
    def n_ratings(self) -> int:
        """Answers of all listeners."""
        return sum(len(ratings.song_ids) for ratings in self.listeners.values())

    @property
    def knows_mood(self) -> bool:
        """Whether any listener's mood before listening is known."""
        return any(np.isfinite(ratings.moods).any() for ratings in self.listeners.values())

    def without_mood(self) -> Cohort:
        """Return the same answers without the moods before."""
        listeners = {
            name: replace(ratings, moods=np.full_like(ratings.moods, np.nan))
            for name, ratings in self.listeners.items()
        }
        return replace(self, listeners=listeners)


def principal_directions(embeddings: NDArray[np.float64], n_directions: int) -> NDArray[np.float64]:
    """Return orthonormal rows `(r, d)` along which embeddings `(n, d)` vary most, as the index chooses them."""
    directions = index_songs.principal_directions(embeddings.sum(axis=0), embeddings.T @ embeddings, len(embeddings))
    return directions[:n_directions]


@dataclass(frozen=True, slots=True)
class SongEstimates:
    """A row per song: `perceived` `(n, 2)` in [-1, 1], unit `embeddings` `(n, d)`, `confidence` `(n,)` in [0, 1].

    `recordings` `(n,)` are equal for near-duplicates.
    """

    perceived: NDArray[np.float64]
    embeddings: NDArray[np.float64]
    confidence: NDArray[np.float64]
    recordings: NDArray[np.int64]

    def ratings(
        self,
        songs: NDArray[np.int64],
        felt: NDArray[np.float64],
        *,
        likes: NDArray[np.float64] | None = None,
        moods: NDArray[np.float64] | None = None,
        familiar: NDArray[np.float64] | None = None,
    ) -> Ratings:
        """Return one listener's answers to songs `(n,)`, given as rows; None stands for a question not asked."""
        n = len(songs)
        return Ratings(
            song_ids=songs,
            perceived=self.perceived[songs],
            felt=felt,
            embeddings=self.embeddings[songs],
            weights=np.ones(n),
            likes=np.full(n, np.nan) if likes is None else likes,
            like_weights=np.ones(n),
            moods=np.full((n, 2), np.nan) if moods is None else moods,
            familiar=np.zeros(n) if familiar is None else familiar,
        )


def estimate_clips(clips: Sequence[Clip], weights: Path, work_dir: Path) -> SongEstimates:
    """Estimate clips of one dataset with a checkpoint, through the code that serves; `work_dir` caches the estimates.

    Raises:
        DatasetError: The audio of a clip cannot be read, or the model cannot be loaded.
    """
    from emotion.inference.predict import Predictor

    try:
        version = checkpoint.read_card(weights).version
    except CheckpointError as error:
        raise DatasetError(str(error)) from error
    path = work_dir / "estimates" / f"{clips[0].dataset}.{version}.npz"
    ids, audio = [clip.id for clip in clips], [clip.audio for clip in clips]
    if path.is_file():
        with np.load(path) as arrays:
            if arrays["ids"].tolist() == ids:
                return SongEstimates(**{name: arrays[name] for name in SongEstimates.__slots__})
    if missing := next((file for file in audio if not file.is_file()), None):
        raise DatasetError(f"{missing} is missing, so it cannot be analysed; fetch the recordings again.")
    results = []
    for file, result in zip(audio, Predictor.load(weights).predict(audio), strict=True):
        if isinstance(result, AudioUnreadableError):
            raise DatasetError(f"{file} cannot be analysed: {result}")
        results.append(result)
    estimates = SongEstimates(
        perceived=np.array([(result.valence, result.arousal) for result in results]),
        embeddings=np.array([result.embedding for result in results], np.float64),
        confidence=np.array([result.probabilities.max() for result in results]),
        recordings=duplicate_groups(audio, cache_dir=work_dir / "landmarks"),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: getattr(estimates, name) for name in SongEstimates.__slots__}
    write_atomic(path, lambda file: np.savez(file, ids=ids, **columns), durable=False)
    return estimates


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


def _support_mean(held_out: HeldOut) -> NDArray[np.float64]:
    # Without a support, that of the others.
    centre = held_out.support.felt.mean(axis=0) if len(held_out.support.song_ids) else held_out.centre
    return np.tile(centre, (len(held_out.tested.song_ids), 1))


def _shared_and_bias(held_out: HeldOut) -> NDArray[np.float64]:
    residuals = held_out.residuals
    shift = residuals.sum(axis=0) / (len(residuals) + _BIAS_ANSWERS)
    return np.asarray(np.clip(held_out.predict_shared(held_out.tested) + shift, -1, 1))


def _shared_and_ridge(held_out: HeldOut) -> NDArray[np.float64]:
    x, tested = (features_of(part, held_out.basis) for part in (held_out.support, held_out.tested))
    coefficients = np.linalg.solve(x.T @ x + _RIDGE_ANSWERS * np.eye(x.shape[1]), x.T @ held_out.residuals)
    return np.clip(held_out.predict_shared(held_out.tested) + tested @ coefficients, -1, 1)


METHODS: Mapping[str, Method] = {
    "mean of the others": lambda held_out: np.tile(held_out.centre, (len(held_out.tested.song_ids), 1)),
    "the listener's mean": _support_mean,
    "everybody + bias": _shared_and_bias,
    "everybody + ridge": _shared_and_ridge,
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

    `n_draws` supports of each size are drawn by the seed, the same for every method, each size a part of the next.
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
                HeldOut(prior, cohort.basis, centre, *parts)
                for order in orders
                if (parts := _draw(own, order, k, cohort.recordings))
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


def _draw(
    ratings: Ratings, order: NDArray[np.int64], k: int, recordings: NDArray[np.int64]
) -> tuple[Ratings, Ratings] | None:
    support, tested = ratings.rows(order[:k]), ratings.rows(order[k:])
    tested = tested.rows(~np.isin(recordings[tested.song_ids], recordings[support.song_ids]))
    return (support, tested) if len(tested.song_ids) >= MIN_TESTED else None


def _figures(pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Return mean absolute error, mean squared error and concordance, 0 for a constant, `(3, 2)`, over draws.

    Source: Lin (1989), A concordance correlation coefficient to evaluate reproducibility.
    """
    figures = []
    for felt, predicted in pairs:
        error = predicted - felt
        covariance = ((felt - felt.mean(axis=0)) * (predicted - predicted.mean(axis=0))).mean(axis=0)
        spread = felt.var(axis=0) + predicted.var(axis=0) + (felt.mean(axis=0) - predicted.mean(axis=0)) ** 2
        concordance = 2 * covariance / np.maximum(spread, 1e-12)
        figures.append((np.abs(error).mean(axis=0), (error**2).mean(axis=0), concordance))
    return np.asarray(np.mean(figures, axis=0)) if figures else np.full((3, 2), np.nan)


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


def error_table(outcome: StudyOutcome) -> str:
    """Return mean absolute errors of valence / arousal, a row per method and a column per support size."""
    rows = tuple((name, *map(_both_axes, errors.absolute.values())) for name, errors in outcome.errors.items())
    table = Table("", "", ("ratings", *map(str, outcome.liking)), rows).to_markdown()
    mood = "with the mood before" if outcome.with_mood else "without the mood before"
    return f"### {outcome.cohort}, {mood}: {len(outcome.listeners)} listeners\n\n{table}"


def detail_table(outcome: StudyOutcome) -> str:
    """Return every support size of our model with its intervals, the change from none, RMSE, CCC and harm."""
    errors = outcome.errors["ours"]
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
    return f"{table}\n\nLike by the others' median, for every listener: {floor}."


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
