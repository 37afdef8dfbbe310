"""MTG-Jamendo, mood and theme: 18,486 whole tracks with some of 59 tags, such as "calm" or "epic".

Labels: tags that the tracks' uploaders gave. No quadrant is derived from them.
Layout, seen: `autotagging_moodtheme.tsv` (each further tag is a further column),
`autotagging_moodtheme-{train,validation,test}.tsv` of split 0, which lack the tags that not every split has (56 are
left), `moodtheme.txt`. Also read as in the repository: `data/autotagging_moodtheme.tsv`, `data/splits/split-0/`,
`data/tags/moodtheme.txt`. The audio is `audio/<PATH>`, or `audio-low/` with `.low.mp3`, from the repository's download
script.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from training.datasets import base
from training.datasets.base import Clip, Dataset, Reading, Row, one_of, table

CITATION = "Bogdanov, Won, Tovstogan, Porter, Serra (2019). The MTG-Jamendo Dataset for Automatic Music Tagging. ICML."
LICENSE = "CC BY-NC-SA 4.0; audio Creative Commons per track"
SOURCE = "https://github.com/MTG/mtg-jamendo-dataset"

_PREFIX = "mood/theme---"
_SPLITS = {"train": "train", "validation": "val", "test": "test"}


def read(folder: Path, work_dir: Path) -> Reading:
    """Read tracks, tags and the published split 0."""
    tracks = one_of(folder / "autotagging_moodtheme.tsv", folder / "data" / "autotagging_moodtheme.tsv")
    audio, ending = folder / "audio", ".mp3"
    if not audio.is_dir() and (folder / "audio-low").is_dir():
        audio, ending = folder / "audio-low", ".low.mp3"
    splits: dict[str, str] = {}
    for name, split in _SPLITS.items():
        file = f"autotagging_moodtheme-{name}.tsv"
        path = one_of(folder / file, folder / "data" / "splits" / "split-0" / file)
        splits |= dict.fromkeys(base.rows_by("TRACK_ID", path, delimiter="\t"), split)

    def build(row: Row) -> Clip:
        track, path = row["TRACK_ID"], audio / row["PATH"].replace(".mp3", ending)
        tags = tuple(tag.removeprefix(_PREFIX) for tag in (row["TAGS"], *row.rest) if tag)
        clip = Clip(f"jamendo/{track}", "jamendo", track, row["ARTIST_ID"], path, None, tags=tags)
        return replace(clip, split=splits.get(track, ""), album=row["ALBUM_ID"])

    columns = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "TAGS")
    return base.collect(table(tracks, *columns, delimiter="\t"), build)


def vocabulary(folder: Path) -> list[str]:
    """Return the tags that the published list names."""
    path = one_of(folder / "moodtheme.txt", folder / "data" / "tags" / "moodtheme.txt")
    return [line.removeprefix(_PREFIX) for line in base.lines(path, "utf-8")]


DATASET = Dataset("jamendo", LICENSE, read, vocabulary=vocabulary)
