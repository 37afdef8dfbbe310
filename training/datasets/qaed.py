"""4QAED: 900 thirty-second clips, 225 in each quadrant.

Labels: AllMusic mood tags validated by listeners, read as quadrants by the authors; there is no valence and arousal to
convert.
Layout, seen: `panda_dataset_taffc_annotations.csv`, `panda_dataset_taffc_metadata.csv`, `Q1/` to `Q4/` with
`<song>.mp3`.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets import base
from training.datasets.base import Clip, Dataset, Reading, Row, audio_file, collect, rows_by, song_clip

CITATION = "Panda, Malheiro, Paiva (2020). Novel Audio Features for Music Emotion Recognition. IEEE TAFFC 11(4)."
LICENSE = "research only; commercial previews, never redistributed"
SOURCE = "https://mir.dei.uc.pt/downloads.html"


def read(folder: Path, work_dir: Path) -> Reading:
    """Read annotations and metadata; the audio is `Q?/<song>.mp3`, or the same name in another format."""
    metadata, annotations = (folder / f"panda_dataset_taffc_{name}.csv" for name in ("metadata", "annotations"))
    base.required(metadata, annotations)
    songs = rows_by("Song", metadata, "Artist", "Title", encoding="latin-1")

    def build(row: Row) -> Clip:
        song, quadrant = row["Song"], row.quadrant("Quadrant")
        known = songs.get(song, base.UNKNOWN)
        about = known.about(artist="Artist", title="Title", genre="GenresStr")
        tags = tuple(tag for tag in known.get("MoodsStrSplit").split(", ") if tag)
        return song_clip("4qaed", song, audio_file(folder / quadrant.name, song), quadrant, tags=tags, **about)

    return collect(base.table(annotations, "Song", "Quadrant"), build, order=lambda clip: clip.song_id)


DATASET = Dataset("4qaed", LICENSE, read)
