"""4QAED: 900 thirty-second clips, 225 in each quadrant.

Paper: Panda, Malheiro, Paiva (2020), Novel Audio Features for Music Emotion Recognition.
Licence: research set with commercial previews; never redistributed. Labels: AllMusic mood tags validated by listeners,
read as quadrants by the authors; there is no valence and arousal to convert.
Layout, seen: `panda_dataset_taffc_annotations.csv`, `panda_dataset_taffc_metadata.csv`, `Q1/` to `Q4/` with
`<song>.mp3`.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets.base import (
    UNKNOWN,
    Clip,
    Dataset,
    Reading,
    Row,
    artist_key,
    audio_file,
    collect,
    required,
    table,
)

CITATION = "Panda, Malheiro, Paiva (2020). Novel Audio Features for Music Emotion Recognition. IEEE TAFFC 11(4)."
LICENSE = "research only; commercial previews, never redistributed"
SOURCE = "https://mir.dei.uc.pt/downloads.html"


def read(folder: Path, work_dir: Path) -> Reading:
    """Read annotations and metadata; the audio is `Q?/<song>.mp3`, or the same name in another format."""
    metadata = folder / "panda_dataset_taffc_metadata.csv"
    annotations = folder / "panda_dataset_taffc_annotations.csv"
    required(metadata, annotations)
    songs = {row["Song"]: row for row in table(metadata, "Song", "Artist", "Title", encoding="latin-1")}

    def build(row: Row) -> Clip:
        song, quadrant = row["Song"], row.quadrant("Quadrant")
        known = songs.get(song, UNKNOWN)
        return Clip(
            id=f"4qaed/{song}",
            dataset="4qaed",
            song_id=song,
            artist=artist_key(known.get("Artist")) or f"song {song}",
            audio=audio_file(folder / quadrant.name, song),
            quadrant=quadrant,
            title=known.get("Title"),
            genre=known.get("GenresStr"),
            tags=tuple(tag for tag in known.get("MoodsStrSplit").split(", ") if tag),
        )

    return collect(table(annotations, "Song", "Quadrant"), build, order=lambda clip: clip.song_id)


DATASET = Dataset("4qaed", "4qaed", LICENSE, read)
