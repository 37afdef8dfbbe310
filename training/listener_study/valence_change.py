"""The benchmark of SiTunes: does a song lift the listener's valence, keep it or let it drop?

The classes are those of the data set's authors, a change of more than .125 up or down, or less. They do not hold
listeners out; here each listener is predicted by what the others teach, either without any of their own answers, or,
answer by answer, with all that they gave before.

Citation: Grigorev et al. (2024), SiTunes: A situational music recommendation dataset with physiological and
psychological signals (CHIIR), the prediction of psychological satisfaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from recommender.felt_model.learning import learn
from recommender.felt_model.model import ListenerModel, Prior, Ratings, features_of
from training.datasets.base import DatasetError
from training.evaluation.metrics import accuracy_of, interval_95, macro_f1_of, resampled_sums
from training.evaluation.report.tables import Table
from training.listener_study.protocol import Cohort, Interval, interval_text

CLASSES = ("drop", "keep", "lift")
THRESHOLD = 0.125


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """`truth` `(n,)`, an index into `CLASSES`; `listeners` `(n,)`; by method the classes predicted, `(n,)`."""

    truth: NDArray[np.int64]
    listeners: NDArray[np.str_]
    predicted: dict[str, NDArray[np.int64]]

    def figures(self, method: str) -> tuple[Interval, Interval]:
        """Return accuracy and macro-F1 over all answers, each with its interval over listeners."""
        cells = np.eye(len(CLASSES) ** 2)[len(CLASSES) * self.truth + self.predicted[method]]
        shape = (-1, len(CLASSES), len(CLASSES))
        drawn = resampled_sums(cells, self.listeners).reshape(shape)
        whole = cells.sum(axis=0).reshape(shape)
        accuracy, f1 = ((float(of(whole)[0]), *interval_95(of(drawn))) for of in (accuracy_of, macro_f1_of))
        return accuracy, f1


def change_classes(ratings: Ratings) -> NDArray[np.int64]:
    """Return what each song did to the valence, `(n,)`: 0 drop, 1 keep, 2 lift."""
    change = ratings.felt[:, 0] - ratings.moods[:, 0]
    return np.asarray((change > -THRESHOLD).astype(np.int64) + (change > THRESHOLD))


def evaluate(cohort: Cohort) -> ChangeOutcome:
    """Predict every answer with a mood before.

    Raises:
        DatasetError: No mood before listening is known.
    """
    usable = {name: _usable(ratings) for name, ratings in cohort.listeners.items()}
    answers = {name: ratings for name, ratings in usable.items() if len(ratings.song_ids)}
    if len(answers) < 2:
        raise DatasetError(f"{cohort.name} does not say what two listeners felt before and after a song.")
    parts = []
    for name, own in answers.items():
        others = [ratings for other, ratings in answers.items() if other != name]
        parts.append(_predicted(own, others, cohort.basis))
    return ChangeOutcome(
        truth=np.concatenate([change_classes(ratings) for ratings in answers.values()]),
        listeners=np.repeat(list(answers), [len(ratings.song_ids) for ratings in answers.values()]),
        predicted={method: np.concatenate([part[method] for part in parts]) for method in parts[0]},
    )


def _usable(ratings: Ratings) -> Ratings:
    felt = ratings.with_feeling()
    return felt.rows(np.isfinite(felt.felt[:, 0]) & (felt.mood_known == 1))


def _predicted(own: Ratings, others: list[Ratings], basis: NDArray[np.float64]) -> Mapping[str, NDArray[np.int64]]:
    n = len(own.song_ids)
    prior = learn(others, basis, Prior.default())
    classes = np.concatenate([change_classes(each) for each in others])
    # A regression needs two classes; where there is one, it is the answer.
    regression = LogisticRegression(max_iter=1000) if np.ptp(classes) else DummyClassifier()
    regression.fit(np.vstack([features_of(each, basis)[:, 1:] for each in others]), classes)
    nothing = ListenerModel.fit(Ratings.none(own.embeddings.shape[1]), prior, basis)
    by_then = [ListenerModel.fit(own.rows(np.arange(row)), prior, basis) for row in range(n)]
    return {
        "the most frequent class of the others": np.full(n, np.bincount(classes, minlength=len(CLASSES)).argmax()),
        "logistic regression of the others": regression.predict(features_of(own, basis)[:, 1:]),
        "ours, nothing known of the listener": _classes_by(nothing, own),
        "ours, with the listener's answers before": np.array(
            [_classes_by(model, own.rows(np.array([row])))[0] for row, model in enumerate(by_then)]
        ),
    }


def _classes_by(model: ListenerModel, ratings: Ratings) -> NDArray[np.int64]:
    songs = ratings.song_ids, ratings.perceived, ratings.embeddings, ratings.moods, ratings.familiar
    point = model.predict(*songs).point
    below = [model.below(ratings.moods + limit, point, ratings.moods)[:, 0] for limit in (-THRESHOLD, THRESHOLD)]
    edges = np.stack([np.zeros(len(point)), *below, np.ones(len(point))])
    return np.diff(edges, axis=0).argmax(axis=0)


def change_table(outcome: ChangeOutcome) -> str:
    """Return every method's figures in Markdown, beneath how often each class occurs."""
    counts = np.bincount(outcome.truth, minlength=len(CLASSES))
    shares = ", ".join(f"{name} {count}" for name, count in zip(CLASSES, counts, strict=True))
    rows = tuple((method, *map(interval_text, outcome.figures(method))) for method in outcome.predicted)
    table = Table("", "", ("valence after a song", "accuracy", "macro-F1"), rows).to_markdown()
    return f"{len(outcome.truth)} answers: {shares}.\n\n{table}"
