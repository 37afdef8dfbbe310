"""Where a model errs: by arousal, genre and loudness, as the paper's last section asks. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from training.evaluation.metrics import Interval, interval_95, resampled_sums
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import NotInRunError
from training.evaluation.report.table import Table, figure

# Below this a group's interval is wider than anything it could be told apart from.
MIN_CLIPS = 10
_RATED_EDGES = (-1.0, -0.3, 0.0, 0.3, 1.0)
_HIGH = np.array([quadrant.corner[1] > 0 for quadrant in Quadrant])
_POSITIVE = np.array([quadrant.corner[0] > 0 for quadrant in Quadrant])

GROUP_COLUMNS = (
    "clips that are",
    "n",
    "accuracy (95 %)",
    "floor",
    "right about arousal",
    "right about valence",
    "most frequent slip",
)


@dataclass(frozen=True, slots=True)
class Group:
    """Clips that have something in common, and how often the model is right about them.

    Attributes:
        accuracy_interval: 95 %, over artists.
        floor: The best that a constant can do on these clips.
        right_about_arousal: How often the right half of the plane, high or low, was said.
        right_about_valence: How often the right half, positive or negative, was said.
        slip: The most frequent error in words, empty where there is none.
    """

    name: str
    n: int
    accuracy: float
    accuracy_interval: Interval
    floor: float
    right_about_arousal: float
    right_about_valence: float
    slip: str


def by_arousal(predictions: Predictions) -> list[Group]:
    """Group by the label's arousal, and where arousal was rated by how much of it."""
    high = _HIGH[predictions.truth]
    rows = {"high arousal (Q1, Q2)": high, "low arousal (Q3, Q4)": ~high}
    rated = predictions.arousal_true
    for low, top in pairwise(_RATED_EDGES):
        # The lowest ratings belong to the lowest part.
        above = rated > low if low > _RATED_EDGES[0] else rated >= low
        rows[f"arousal rated {low:g} to {top:g}"] = above & (rated <= top)
    return _groups(predictions, rows.items())


def by_genre(predictions: Predictions) -> list[Group]:
    """Group by genre, where it is known.

    Raises:
        NotInRunError: No clip has one.
    """
    genres = Counter(genre for genre in predictions.genre.tolist() if genre)
    if not genres:
        raise NotInRunError("No clip of this run has a genre.")
    return _groups(predictions, ((genre, predictions.genre == genre) for genre, _ in genres.most_common()))


def by_loudness(predictions: Predictions) -> list[Group]:
    """Group into quarters by mean level.

    Raises:
        NotInRunError: No clip has one.
    """
    level = predictions.loudness_db
    if not np.isfinite(level).any():
        raise NotInRunError("No clip of this run has a level.")
    edges = np.nanquantile(level, (0.25, 0.5, 0.75))
    quarter = np.where(np.isfinite(level), np.searchsorted(edges, level, side="right"), -1)
    names = (
        f"quietest quarter, below {edges[0]:.1f} dB",
        f"{edges[0]:.1f} to {edges[1]:.1f} dB",
        f"{edges[1]:.1f} to {edges[2]:.1f} dB",
        f"loudest quarter, above {edges[2]:.1f} dB",
    )
    return _groups(predictions, ((name, quarter == i) for i, name in enumerate(names)))


def _groups(predictions: Predictions, rows: Iterable[tuple[str, NDArray[np.bool_]]]) -> list[Group]:
    return [_group(name, predictions.where(members)) for name, members in rows if members.sum() >= MIN_CLIPS]


def _group(name: str, predictions: Predictions) -> Group:
    truth, said = predictions.truth, predictions.probabilities.argmax(axis=1)
    right = (truth == said).astype(float)
    drawn = resampled_sums(np.column_stack([right, np.ones_like(right)]), predictions.artist)
    return Group(
        name=name,
        n=len(truth),
        accuracy=float(right.mean()),
        accuracy_interval=interval_95(drawn[:, 0] / drawn[:, 1]),
        floor=float(np.bincount(truth).max() / len(truth)),
        right_about_arousal=float(np.mean(_HIGH[truth] == _HIGH[said])),
        right_about_valence=float(np.mean(_POSITIVE[truth] == _POSITIVE[said])),
        slip=_slip(truth, said),
    )


def _slip(truth: NDArray[np.int64], said: NDArray[np.int64]) -> str:
    slips = Counter((int(t), int(s)) for t, s in zip(truth, said, strict=True) if t != s)
    if not slips:
        return ""
    (label, answer), times = slips.most_common(1)[0]
    return f"Q{label + 1} called Q{answer + 1}, {100 * times / len(truth):.0f} %"


def group_table(title: str, note: str, groups: Iterable[Group]) -> Table:
    """Return groups as a table, each accuracy beside its floor."""
    rows = tuple(
        (
            group.name,
            group.n,
            figure(group.accuracy, group.accuracy_interval),
            group.floor,
            group.right_about_arousal,
            group.right_about_valence,
            group.slip,
        )
        for group in groups
    )
    return Table(title, note, GROUP_COLUMNS, rows)


def surest_mistakes(predictions: Predictions, n: int = 10) -> Table:
    """Return the errors that the model was surest of: wrong labels and real blind spots come first."""
    said = predictions.probabilities.argmax(axis=1)
    sure = np.where(said != predictions.truth, predictions.probabilities.max(axis=1), -1.0)
    order = [i for i in np.argsort(-sure, kind="stable")[:n] if sure[i] > 0]
    rows = tuple(
        (
            str(predictions.clip[i]),
            str(predictions.artist[i]),
            f"Q{predictions.truth[i] + 1}",
            f"Q{said[i] + 1}",
            float(sure[i]),
            float(predictions.probabilities[i, predictions.truth[i]]),
        )
        for i in order
    )
    columns = ("clip", "artist", "label", "said", "how sure", "given to the label")
    return Table("The surest mistakes", "Worth listening to: some are the label's.", columns, rows)
