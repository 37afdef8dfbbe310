"""CAL500: 502 songs with 174 tags each, of music, emotion and use.

Labels: `hardAnnotations.txt` is 1 where at least 80 % of at least two listeners agree on a tag; `softAnnotations.txt`
has the share of listeners. Tags have no place on the plane of valence and arousal, and no quadrant is derived from
them.
Layout, seen: `songNames.txt` (artist-title, one a line), `vocab.txt`, the two tables without a header; and, as public
code reads it, `CAL500_32kps/<song name>.mp3`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.datasets import base
from training.datasets.base import Clip, Dataset, DatasetError, Reading, required

CITATION = (
    "Turnbull, Barrington, Torres, Lanckriet (2007). Towards Musical Query-by-Semantic Description using the CAL500 "
    "Data Set. SIGIR."
)
LICENSE = "UCSD; non-commercial research"
SOURCE = "http://calab1.ucsd.edu/~datasets/cal500/"

AUDIO_FOLDER = "CAL500_32kps"


def read(folder: Path, work_dir: Path) -> Reading:
    """Read the hard annotations, row by row with the names of the songs."""
    tags = np.array(vocabulary(folder))
    names = base.lines(folder / "songNames.txt", "latin-1")
    labels = _matrix(folder / "hardAnnotations.txt", len(names), len(tags))
    clips: dict[str, Clip] = {}
    problems = []
    for line, (name, row) in enumerate(zip(names, labels, strict=True), start=1):
        if not np.isin(row, (0, 1)).all():
            value = row[~np.isin(row, (0, 1))][0]
            problems.append(f"hardAnnotations.txt, line {line}: {value:g} is neither 0 nor 1. The row is left out.")
        elif name in clips:
            problems.append(f"songNames.txt, line {line}: {name} is there already. The row is left out.")
        else:
            clips[name] = song_clip("cal500", folder, name, name, tuple(tags[row == 1].tolist()))
    return Reading(tuple(clips.values()), tuple(problems))


def song_clip(dataset: str, folder: Path, number: str, name: str, tags: tuple[str, ...]) -> Clip:
    """Return the clip of a song, or of a segment of it, from the name of its file (artist-title)."""
    artist, _, title = name.replace("_", " ").partition("-")
    audio = base.audio_file(folder / AUDIO_FOLDER, name)
    return Clip(f"{dataset}/{number}", dataset, name, base.artist_key(artist), audio, None, title=title, tags=tags)


def vocabulary(folder: Path) -> list[str]:
    """Return the 174 tags, in the order of the tables."""
    return base.lines(folder / "vocab.txt", "latin-1")


def _matrix(path: Path, n_rows: int, n_columns: int) -> NDArray[np.float64]:
    try:
        matrix = np.loadtxt(required(path), delimiter=",", ndmin=2)
    except ValueError as error:
        raise DatasetError(f"{path} cannot be read as a table of numbers ({error}).") from error
    if matrix.shape != (n_rows, n_columns):
        raise DatasetError(
            f"{path} has {matrix.shape[0]} rows of {matrix.shape[1]}; by songNames.txt and vocab.txt it should have "
            f"{n_rows} of {n_columns}."
        )
    return matrix


DATASET = Dataset("cal500", LICENSE, read, vocabulary=vocabulary)
