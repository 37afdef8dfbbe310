"""4QAED: 900 thirty-second clips, 225 in each quadrant.

Paper: Panda, Malheiro, Paiva (2020), Novel Audio Features for Music Emotion Recognition.
Licence: research set with commercial previews; never redistributed. Labels: AllMusic mood tags validated by listeners.
"""

from __future__ import annotations

import csv
from pathlib import Path

from emotion.quadrants import Quadrant
from training.datasets.base import Clip, Dataset, artist_key, required

CITATION = "Panda, Malheiro, Paiva (2020). Novel Audio Features for Music Emotion Recognition. IEEE TAFFC 11(4)."
LICENSE = "research only; commercial previews, never redistributed"
SOURCE = "https://mir.dei.uc.pt/downloads.html"


def load(folder: Path, work_dir: Path) -> list[Clip]:
    """Read annotations and metadata; the audio is `Q?/<song>.mp3`, or the same name in another format."""
    with required(folder / "panda_dataset_taffc_metadata.csv").open(encoding="latin-1", newline="") as file:
        artists = {row["Song"]: row["Artist"] for row in csv.DictReader(file)}
    with required(folder / "panda_dataset_taffc_annotations.csv").open(encoding="utf-8", newline="") as file:
        labels = {row["Song"]: Quadrant[row["Quadrant"]] for row in csv.DictReader(file)}
    return [
        Clip(
            id=f"4qaed/{song}",
            dataset="4qaed",
            song_id=song,
            artist=artist_key(artists.get(song, "")) or f"song {song}",
            audio=_audio(folder / quadrant.name, song),
            quadrant=quadrant,
        )
        for song, quadrant in sorted(labels.items())
    ]


def _audio(folder: Path, song: str) -> Path:
    official = folder / f"{song}.mp3"
    return official if official.exists() else folder / f"{song}.opus"


DATASET = Dataset("4qaed", "4qaed", LICENSE, load)
