"""MTG-Jamendo, mood and theme: 18,486 whole tracks with some of 59 tags that their uploaders gave.

Paper: Bogdanov, Won, Tovstogan, Porter, Serra (2019), The MTG-Jamendo Dataset for Automatic Music Tagging.
Licence: CC BY-NC-SA 4.0 for the metadata, Creative Commons per track for the audio. Labels: tags such as "calm" or
"epic". They say nothing of valence and arousal, and no quadrant is made up from them.
Layout, seen: `autotagging_moodtheme.tsv` (each further tag is a further column), `autotagging_moodtheme-{train,
validation,test}.tsv` of split 0, which lack the tags that not every split has (56 are left), `moodtheme.txt`. Also read
as in the repository: `data/autotagging_moodtheme.tsv`, `data/splits/split-0/`, `data/tags/moodtheme.txt`. The audio is
`audio/<PATH>`, or `audio-low/` with `.low.mp3`, from the repository's download script.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets.base import Clip, Dataset, Reading, Row, collect, one_of, table

CITATION = "Bogdanov, Won, Tovstogan, Porter, Serra (2019). The MTG-Jamendo Dataset for Automatic Music Tagging. ICML."
LICENSE = "CC BY-NC-SA 4.0; audio Creative Commons per track"
SOURCE = "https://github.com/MTG/mtg-jamendo-dataset"

_PREFIX = "mood/theme---"
_SPLITS = {"train": "train", "validation": "val", "test": "test"}
_COLUMNS = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "TAGS")


def read(folder: Path, work_dir: Path) -> Reading:
    """Read tracks, tags and the published split 0."""
    tracks = one_of((folder / "autotagging_moodtheme.tsv", folder / "data" / "autotagging_moodtheme.tsv"))
    audio, ending = folder / "audio", ".mp3"
    if not audio.is_dir() and (folder / "audio-low").is_dir():
        audio, ending = folder / "audio-low", ".low.mp3"
    splits: dict[str, str] = {}
    for name, split in _SPLITS.items():
        file = f"autotagging_moodtheme-{name}.tsv"
        path = one_of((folder / file, folder / "data" / "splits" / "split-0" / file))
        splits |= {row["TRACK_ID"]: split for row in table(path, "TRACK_ID", delimiter="\t")}

    def build(row: Row) -> Clip:
        track = row["TRACK_ID"]
        return Clip(
            id=f"jamendo/{track}",
            dataset="jamendo",
            song_id=track,
            artist=row["ARTIST_ID"],
            audio=audio / row["PATH"].replace(".mp3", ending),
            quadrant=None,
            split=splits.get(track, ""),
            album=row["ALBUM_ID"],
            tags=tuple(tag.removeprefix(_PREFIX) for tag in (row["TAGS"], *row.rest) if tag),
        )

    return collect(table(tracks, *_COLUMNS, delimiter="\t"), build)


def vocabulary(folder: Path) -> list[str]:
    """Return the tags that the published list names."""
    path = one_of((folder / "moodtheme.txt", folder / "data" / "tags" / "moodtheme.txt"))
    return [
        line.strip().removeprefix(_PREFIX) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    ]


DATASET = Dataset("jamendo", "jamendo", LICENSE, read, vocabulary=vocabulary)
