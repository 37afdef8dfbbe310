"""Emotify: 400 excerpts of four genres, with the GEMS emotions that listeners felt.

Labels: nine GEMS columns, 0 or 1 per listener and song.

The quadrant is the largest of four means over the song's listeners: (joyful activation, power) is Q1, tension is Q2,
(sadness, nostalgia) is Q3, (calmness, tenderness) is Q4. That is induced emotion read as a perceived label, the only
such reading in the training data, and the card says so.

A song's tags are the emotions that at least a quarter of its listeners ticked: by that every song has one and none is
rarer than one song in seven, where half of the listeners would leave 119 of 400 songs without a tag.
Layout, seen: `data.csv`, `classical/`, `rock/`, `electronic/`, `pop/` with `1.mp3` to `100.mp3`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import mutagen
import numpy as np
from numpy.typing import ArrayLike

from emotion.inference.quadrants import Quadrant
from training.datasets.base import Clip, Dataset, LabelError, Reading, artist_key, audio_file, table

CITATION = (
    "Aljanaki, Wiering, Veltkamp (2016). Studying emotion induced by music through a crowdsourcing game. IP&M 52."
)
LICENSE = "citation asked for; treated as non-commercial"
SOURCE = "http://www2.projects.science.uu.nl/memotion/emotifydata/"

GEMS = (
    "amazement",
    "solemnity",
    "tenderness",
    "nostalgia",
    "calmness",
    "power",
    "joyful_activation",
    "tension",
    "sadness",
)
# Of a song's listeners, who have to feel an emotion for it to be one of the song's tags.
TAG_SHARE = 0.25
_FIRST_TRACK = {"classical": 1, "rock": 101, "electronic": 201, "pop": 301}
_COLUMNS = {
    Quadrant.Q1: ("joyful_activation", "power"),
    Quadrant.Q2: ("tension",),
    Quadrant.Q3: ("sadness", "nostalgia"),
    Quadrant.Q4: ("calmness", "tenderness"),
}
# The same recording twice in the set, as (genre, file number): the second joins the first's group.
_DUPLICATES = {("rock", 76): ("rock", 70), ("pop", 66): ("pop", 59), ("rock", 75): ("rock", 72)}


def read(folder: Path, work_dir: Path) -> Reading:
    """Read the ratings and average them per song; the artist comes from each file's tags."""
    ticked_by_song, problems = ratings(folder)
    clips = []
    for track, ticked in sorted(ticked_by_song.items()):
        genre = max((g for g, first in _FIRST_TRACK.items() if first <= track), key=_FIRST_TRACK.__getitem__)
        number = track - _FIRST_TRACK[genre] + 1
        artist = _artist(audio_file(folder / genre, str(_DUPLICATES.get((genre, number), (genre, number))[1])))
        clip = Clip(f"emotify/{track}", "emotify", str(track), artist, audio_file(folder / genre, str(number)), None)
        clip = replace(clip, quadrant=_quadrant(ticked), genre=genre, tags=tags_of(ticked), n_raters=len(ticked))
        clips.append(clip)
    return Reading(tuple(clips), tuple(problems))


def ratings(folder: Path) -> tuple[dict[int, list[list[float]]], list[str]]:
    """Return what each song's listeners ticked, `(n_listeners, 9)` by track, and a sentence for each row left out."""
    ticked: dict[int, list[list[float]]] = defaultdict(list)
    problems = []
    for row in table(folder / "data.csv", "track id", *GEMS):
        try:
            track = row.whole("track id")
            if not 1 <= track < 401:
                raise row.wrong("track id", "it must be from 1 to 400")
            ticked[track].append([float(row.applies(column)) for column in GEMS])
        except LabelError as error:
            problems.append(str(error))
    return ticked, problems


def tags_of(ticked: ArrayLike) -> tuple[str, ...]:
    """Return the tags of a song by what its listeners ticked, `(n_listeners, 9)`."""
    shares = np.asarray(ticked, np.float64).mean(axis=0)
    return tuple(name for name, share in zip(GEMS, shares, strict=True) if share >= TAG_SHARE)


def _quadrant(ticked: list[list[float]]) -> Quadrant:
    def score(quadrant: Quadrant) -> float:
        columns = [GEMS.index(name) for name in _COLUMNS[quadrant]]
        return float(np.mean([[row[column] for column in columns] for row in ticked]))

    return max(Quadrant, key=score)


def _artist(audio: Path) -> str:
    unknown = f"song {audio.parent.name}/{audio.stem}"
    try:
        tags = mutagen.File(audio, easy=True) if audio.exists() else None
    except mutagen.MutagenError:
        # A damaged file is named by the check of its audio.
        return unknown
    names = (tags or {}).get("artist") or []
    return artist_key(names[0]) if names else unknown


DATASET = Dataset("emotify", LICENSE, read)
