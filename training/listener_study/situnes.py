"""SiTunes: listeners in daily life who rated their mood before a song and their feeling after it.

Citation: Grigorev et al. (2024), SiTunes: A situational music recommendation dataset with physiological and
psychological signals (CHIIR). Licence: none stated at the source, so it is for measuring only.

Stage 2 is the cohort: 20 listeners here, felt valence and arousal before and after in [-1, 1], a rating of 1 to 5.
There is no audio: the catalog's own valence and energy take the place of the perceived point, and its other audio
features and genre that of the embedding. Stage 1 (no mood before, another scale: no valence above .42) only serves the
retest reliability. It correlates both stages' answers to the same song, each less its listener's mean of the stage; as
the stages differ in scale and occasion, the correlation is a lower bound.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.datasets.base import DatasetError, LabelError, Scale, table
from training.evaluation.report.tables import Table
from training.listener_study.protocol import Cohort, Interval, SongEstimates, principal_directions

INTERACTIONS = Path("Stage2") / "interactions.csv"
SONGS = Path("music_metadata") / "music_info.csv"
_PLANE = ("valence", "energy")
_NOT_SOUND = {"", "item_id", "general_genre", "general_genre_id", "key"}
# One column a genre against one a feature: a genre says more than one audio feature does.
_GENRE_WEIGHT = 2.0
N_DIRECTIONS = 3
# Each question's column in stage 1 and in stage 2, and its scale.
QUESTIONS: Mapping[str, tuple[str, str, Scale]] = {
    "rating": ("rating", "rating", Scale(1, 5)),
    "felt valence": ("emo_valence", "emo_post_valence", Scale(-1, 1)),
    "felt arousal": ("emo_arousal", "emo_post_arousal", Scale(-1, 1)),
}
_RESAMPLES = 2000


def load(folder: Path) -> Cohort:
    """Read the listeners of a folder in the layout of SiTunes.

    Raises:
        DatasetError: A table is missing, or lacks a column, or a cell that must be a number is none.
    """
    songs = _rows(folder / SONGS)
    places = {row["item_id"]: place for place, row in enumerate(songs)}
    # The catalog's valence and energy lie in [0, 1].
    perceived = 2.0 * _filled(_columns(songs, *_PLANE)) - 1.0
    estimates = SongEstimates(perceived, _embeddings(songs), np.ones(len(songs)), np.arange(len(songs)))
    by_listener: dict[str, list[dict[str, str]]] = {}
    for row in _rows(folder / INTERACTIONS):
        if _id(row["item_id"]) in places:
            by_listener.setdefault(_id(row["user_id"]), []).append(row)
    listeners = {
        name: estimates.ratings(
            np.array([places[_id(row["item_id"])] for row in rows], np.int64),
            _columns(rows, "emo_post_valence", "emo_post_arousal"),
            likes=(_columns(rows, "rating")[:, 0] - 3.0) / 2.0,
            moods=_columns(rows, "emo_pre_valence", "emo_pre_arousal"),
        )
        for name, rows in sorted(by_listener.items())
    }
    basis = principal_directions(estimates.embeddings, N_DIRECTIONS)
    return Cohort("SiTunes, stage 2", listeners, basis, estimates.recordings)


def _embeddings(songs: list[dict[str, str]]) -> NDArray[np.float64]:
    """Return the standardised features and the genre as unit rows `(n, d)`; they are the songs', no listener's."""
    sound = _filled(_columns(songs, *(name for name in songs[0] if name not in _NOT_SOUND)))
    scale = sound.std(axis=0)
    standardised = (sound - sound.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    genres = sorted({row["general_genre"] for row in songs})
    genre = np.array([[row["general_genre"] == name for name in genres] for row in songs], np.float64)
    rows = np.hstack([standardised, _GENRE_WEIGHT * (genre - genre.mean(axis=0))])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(values), np.nanmean(values, axis=0), values)


def _columns(rows: list[dict[str, str]], *names: str) -> NDArray[np.float64]:
    """Return the numbers of some columns `(n, k)`, NaN for an empty cell."""
    try:
        return np.array([[float(row[name] or "nan") for name in names] for row in rows])
    except KeyError as error:
        raise DatasetError(f"A table of SiTunes has no column {error}.") from error
    except ValueError as error:
        raise DatasetError(f"A table of SiTunes holds a cell that is no number: {error}") from error


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}. Name the folder that holds Stage2.") from error
    if not rows:
        raise DatasetError(f"{path} has no rows.")
    return rows


def _id(cell: str) -> str:
    # Some exports write ".0" after an id.
    return cell.removesuffix(".0")


def retest_reliability(folder: Path) -> dict[str, tuple[int, Interval]]:
    """Return for each question the number of pairs, and their correlation with its interval over listeners.

    Raises:
        DatasetError: A stage is missing or lacks a column, a cell is no answer, or the stages hardly share a song.
    """
    reliability = {}
    for name, (first, second, scale) in QUESTIONS.items():
        before = _centred(folder / "Stage1" / "interactions.csv", first, scale)
        later = _centred(folder / INTERACTIONS, second, scale)
        both = sorted(set(before) & set(later))
        if len(both) < 2:
            raise DatasetError(f"In {folder} hardly a song was answered in both stages.")
        pairs = np.array([(before[pair], later[pair]) for pair in both])
        reliability[name] = len(pairs), _correlation_interval([listener for listener, _ in both], pairs)
    return reliability


def retest_table(reliability: Mapping[str, tuple[int, Interval]]) -> str:
    """Return the correlations in Markdown."""
    rows = tuple(
        (name, n_pairs, f"{value:.2f} ({low:.2f} to {high:.2f})")
        for name, (n_pairs, (value, low, high)) in reliability.items()
    )
    return Table("", "", ("the same song again", "songs", "correlation"), rows).to_markdown()


def _centred(path: Path, column: str, scale: Scale) -> dict[tuple[str, str], float]:
    """Return by listener and song the mean answer less the listener's mean."""
    answers: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    try:
        for row in table(path, "user_id", "item_id", column):
            answers[_id(row["user_id"])][_id(row["item_id"])].append(row.number(column, scale))
    except LabelError as error:
        raise DatasetError(str(error)) from error
    centred = {}
    for listener, by_song in answers.items():
        mean = np.mean([value for values in by_song.values() for value in values])
        centred.update({(listener, song): float(np.mean(values) - mean) for song, values in by_song.items()})
    return centred


def _correlation_interval(listeners: list[str], pairs: NDArray[np.float64]) -> Interval:
    names, of = np.unique(listeners, return_inverse=True)
    rows = [np.flatnonzero(of == number) for number in range(len(names))]
    rng = np.random.default_rng(0)
    drawn = [
        pairs[np.concatenate([rows[n] for n in rng.integers(len(rows), size=len(rows))])] for _ in range(_RESAMPLES)
    ]
    # A resample of one listener with one song twice has no correlation.
    low, high = np.nanpercentile([_correlation(each) for each in drawn], [2.5, 97.5])
    return _correlation(pairs), float(low), float(high)


def _correlation(pairs: NDArray[np.float64]) -> float:
    spread = pairs.std(axis=0)
    if spread.min() < 1e-12:
        return float("nan")
    return float(((pairs - pairs.mean(axis=0)) / spread).prod(axis=1).mean())
