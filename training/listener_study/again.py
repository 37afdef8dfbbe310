"""The same song weeks later: how much of an answer belongs to the song and the listener, not to the day. Pure.

SiTunes asked the same listeners twice: stage 1 without and stage 2 with the mood before (layout and licence:
`situnes`). Where somebody heard a song in both, each answer is taken less that listener's mean of the stage, and the
two are correlated over all such songs. The stages differ in scale and occasion, so this is a lower bound.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.datasets.base import DatasetError, LabelError, Row, Scale, table

# What was answered: its column in stage 1 and in stage 2, and the scale.
QUESTIONS: Mapping[str, tuple[str, str, Scale]] = {
    "rating": ("rating", "rating", Scale(1, 5)),
    "felt valence": ("emo_valence", "emo_post_valence", Scale(-1, 1)),
    "felt arousal": ("emo_arousal", "emo_post_arousal", Scale(-1, 1)),
}
_RESAMPLES = 2000
Interval = tuple[float, float, float]


def again(folder: Path) -> dict[str, tuple[int, Interval]]:
    """Return for each question how many pairs there are, and their correlation with its interval over listeners.

    Raises:
        DatasetError: a stage is missing or lacks a column, or a cell is no answer, or nobody heard a song twice.
    """
    return {name: _correlated(*_pairs(folder, *question)) for name, question in QUESTIONS.items()}


def again_table(found: Mapping[str, tuple[int, Interval]]) -> str:
    """Return the correlations in Markdown."""
    lines = ["| the same song again | songs | correlation |", "|---|---|---|"]
    for name, (n_pairs, (value, low, high)) in found.items():
        lines.append(f"| {name} | {n_pairs} | {value:.2f} ({low:.2f} to {high:.2f}) |")
    return "\n".join(lines)


def _pairs(folder: Path, first: str, second: str, scale: Scale) -> tuple[list[str], NDArray[np.float64]]:
    """Return whose the pairs are, and the pairs `(n, 2)`, each less the listener's mean of its stage."""
    before, later = (
        _centred(folder / stage / "interactions.csv", column, scale)
        for stage, column in (("Stage1", first), ("Stage2", second))
    )
    both = sorted(set(before) & set(later))
    if len(both) < 2:
        raise DatasetError(f"In {folder} hardly a song was heard in both stages.")
    return [who for who, _ in both], np.array([(before[pair], later[pair]) for pair in both])


def _centred(path: Path, column: str, scale: Scale) -> dict[tuple[str, str], float]:
    """Return by listener and song the mean answer less the listener's mean."""
    answers: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in table(path, "user_id", "item_id", column):
        answers[_id(row, "user_id")][_id(row, "item_id")].append(_answer(row, column, scale))
    centred = {}
    for who, by_song in answers.items():
        mean = np.mean([value for values in by_song.values() for value in values])
        centred.update({(who, song): float(np.mean(values) - mean) for song, values in by_song.items()})
    return centred


def _id(row: Row, column: str) -> str:
    """Return an id without the ".0" that some exports write."""
    return row[column].removesuffix(".0")


def _answer(row: Row, column: str, scale: Scale) -> float:
    try:
        return row.number(column, scale)
    except LabelError as error:
        raise DatasetError(str(error)) from error


def _correlated(listeners: list[str], pairs: NDArray[np.float64]) -> tuple[int, Interval]:
    names, of = np.unique(listeners, return_inverse=True)
    rows = [np.flatnonzero(of == number) for number in range(len(names))]
    rng = np.random.default_rng(0)
    drawn = [
        pairs[np.concatenate([rows[n] for n in rng.integers(len(rows), size=len(rows))])] for _ in range(_RESAMPLES)
    ]
    # A resample of one listener with one song twice has no correlation.
    low, high = np.nanpercentile([_correlation(each) for each in drawn], [2.5, 97.5])
    return len(pairs), (_correlation(pairs), float(low), float(high))


def _correlation(pairs: NDArray[np.float64]) -> float:
    spread = pairs.std(axis=0)
    if spread.min() < 1e-12:
        return float("nan")
    return float(((pairs - pairs.mean(axis=0)) / spread).prod(axis=1).mean())
