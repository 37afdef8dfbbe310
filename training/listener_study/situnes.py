"""SiTunes: listeners in daily life who said how they were before a song and how they felt after it. Pure.

Citation: Grigorev et al. (2024), SiTunes: A situational music recommendation dataset with physiological and
psychological signals (CHIIR). Licence: none stated at the source, so it is for measuring only. Stage 2 is read: 20
listeners here, felt valence and arousal before and after in [-1, 1], a rating of 1 to 5. There is no audio: what stands
for the perceived point is the catalog's own valence and energy, and for the embedding its other audio features and
genre. Stage 1 (no mood before, answered on another scale: no valence above .42) is left out.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.ratings import Ratings
from training.datasets.base import DatasetError
from training.listener_study.cohort import Cohort, principal_directions

INTERACTIONS = Path("Stage2") / "interactions.csv"
SONGS = Path("music_metadata") / "music_info.csv"
_PLANE = ("valence", "energy")
_NOT_SOUND = {"", "item_id", "general_genre", "general_genre_id", "key"}
# One column a genre against one a feature: a genre says more than one audio feature does.
_GENRE_WEIGHT = 2.0
N_DIRECTIONS = 3


def load(folder: Path) -> Cohort:
    """Read the listeners of a folder in the layout of SiTunes.

    Raises:
        DatasetError: a table is missing, or lacks a column, or a cell that must be a number is none.
    """
    songs = _rows(folder / SONGS)
    places = {row["item_id"]: place for place, row in enumerate(songs)}
    perceived, embeddings = _perceived(songs), _embeddings(songs)
    listeners: dict[str, list[dict[str, str]]] = {}
    for row in _rows(folder / INTERACTIONS):
        if _whole(row["item_id"]) in places:
            listeners.setdefault(_whole(row["user_id"]), []).append(row)
    return Cohort(
        name="SiTunes, stage 2",
        listeners={who: _ratings(rows, places, perceived, embeddings) for who, rows in sorted(listeners.items())},
        basis=principal_directions(embeddings, N_DIRECTIONS),
    )


def _ratings(
    rows: list[dict[str, str]],
    places: dict[str, int],
    perceived: NDArray[np.float64],
    embeddings: NDArray[np.float64],
) -> Ratings:
    songs = np.array([places[_whole(row["item_id"])] for row in rows], np.int64)
    return Ratings(
        song_ids=songs,
        perceived=perceived[songs],
        felt=_columns(rows, "emo_post_valence", "emo_post_arousal"),
        embeddings=embeddings[songs],
        weights=np.ones(len(rows)),
        likes=(_columns(rows, "rating")[:, 0] - 3.0) / 2.0,
        like_weights=np.ones(len(rows)),
        moods=_columns(rows, "emo_pre_valence", "emo_pre_arousal"),
        familiar=np.zeros(len(rows)),
    )


def _perceived(songs: list[dict[str, str]]) -> NDArray[np.float64]:
    """Return the catalog's valence and energy, in [0, 1] there, as a point of the plane `(n, 2)`."""
    return 2.0 * _filled(_columns(songs, *_PLANE)) - 1.0


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


def _whole(cell: str) -> str:
    """Return an id without the ".0" that some exports write."""
    return cell.removesuffix(".0")
