"""Emotify: 400 excerpts of four genres, with the GEMS emotions that listeners felt.

Paper: Aljanaki, Wiering, Veltkamp (2016), Studying emotion induced by music through a crowdsourcing game.
Licence: asks for citation; treated as non-commercial. Labels: nine GEMS columns, 0 or 1 per listener and song.

The quadrant is the largest of four means over the song's listeners: (joyful activation, power) is Q1, tension is Q2,
(sadness, nostalgia) is Q3, (calmness, tenderness) is Q4. That is induced emotion read as a perceived label, the only
such reading in the training data, and the card says so.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import mutagen
import numpy as np

from emotion.quadrants import Quadrant
from training.datasets.base import Clip, Dataset, artist_key, required

CITATION = (
    "Aljanaki, Wiering, Veltkamp (2016). Studying emotion induced by music through a crowdsourcing game. IP&M 52."
)
LICENSE = "citation asked for; treated as non-commercial"
SOURCE = "http://www2.projects.science.uu.nl/memotion/emotifydata/"

_FIRST_TRACK = {"classical": 1, "rock": 101, "electronic": 201, "pop": 301}
_COLUMNS = {
    Quadrant.Q1: ("joyful_activation", "power"),
    Quadrant.Q2: ("tension",),
    Quadrant.Q3: ("sadness", "nostalgia"),
    Quadrant.Q4: ("calmness", "tenderness"),
}
# The same recording twice in the set, as (genre, file number): the second joins the first's group.
_DUPLICATES = {("rock", 76): ("rock", 70), ("pop", 66): ("pop", 59), ("rock", 75): ("rock", 72)}


def load(folder: Path, work_dir: Path) -> list[Clip]:
    """Read the ratings and average them per song; the artist comes from each file's tags."""
    ratings: dict[int, list[dict[str, str]]] = defaultdict(list)
    with required(folder / "data.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, skipinitialspace=True):
            ratings[int(row["track id"])].append(row)
    clips = []
    for track, rows in sorted(ratings.items()):
        genre = max((g for g, first in _FIRST_TRACK.items() if first <= track), key=_FIRST_TRACK.__getitem__)
        number = track - _FIRST_TRACK[genre] + 1
        audio = _audio(folder / genre, number)
        artist_file = _audio(folder / genre, _DUPLICATES.get((genre, number), (genre, number))[1])
        clips.append(Clip(f"emotify/{track}", "emotify", str(track), _artist(artist_file), audio, _quadrant(rows)))
    return clips


def _quadrant(rows: list[dict[str, str]]) -> Quadrant:
    def score(quadrant: Quadrant) -> float:
        return float(np.mean([[float(row[column]) for column in _COLUMNS[quadrant]] for row in rows]))

    return max(Quadrant, key=score)


def _artist(audio: Path) -> str:
    tags = mutagen.File(audio, easy=True) if audio.exists() else None
    names = (tags or {}).get("artist") or []
    return artist_key(names[0]) if names else f"song {audio.parent.name}/{audio.stem}"


def _audio(folder: Path, number: int) -> Path:
    official = folder / f"{number}.mp3"
    return official if official.exists() else folder / f"{number}.opus"


DATASET = Dataset("emotify", "emotify", LICENSE, load)
