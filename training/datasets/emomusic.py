"""Emotion in Music: valence and arousal of 744 clips of the Free Music Archive, the first songs of DEAM.

Scale: 1 to 9 on both axes, -1 to 1 over time. Converted by Table 2 of Cazzaniga et al.: strictly above 5 is high.
Layout, seen: `annotations/{static_annotations,songs_info,...}.csv`. The audio is `clips_45sec/<id>.mp3`, or that of
DEAM's folder next to it, cuts included. One folder serves all clips, so that they are all of one length.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets import base, deam
from training.datasets.base import Curve, Dataset, Reading, required, table

CITATION = "Soleymani, Caro, Schmidt, Sha, Yang (2013). 1000 Songs for Emotional Analysis of Music. CrowdMM."
LICENSE = "audio Creative Commons per track; treated as non-commercial"
SOURCE = "https://cvml.unige.ch/databases/DEAM/"

_AXES = ("mean_valence", "mean_arousal")


def read(folder: Path, work_dir: Path) -> Reading:
    """Read the 744 songs of Emotion in Music; its audio cuts lie in DEAM's folder next to it."""
    labels, info = (folder / "annotations" / f"{name}.csv" for name in ("static_annotations", "songs_info"))
    required(labels, info)
    songs = base.rows_by("song_id", info, "Artist", "Genre")
    return deam.read_songs("emomusic", table(labels, "song_id", *_AXES), songs, _audio(folder), _AXES)


def _audio(folder: Path) -> Path:
    places = (folder / "clips_45sec", folder / "clips_45seconds", folder / "clips_45sec" / "clips_45seconds")
    official = next((place for place in places if any(place.glob("*.mp3"))), None)
    return official or deam.audio_folder(folder.parent / "deam")


def curves(folder: Path) -> dict[str, list[Curve]]:
    """Return each song's mean curve, two points a second from second 15, as far as its audio reaches."""
    paths = [folder / "annotations" / f"{axis}_cont_average.csv" for axis in ("valence", "arousal")]
    return deam.mean_curves("emomusic", paths, _audio(folder))


DATASET = Dataset("emomusic", LICENSE, read, curves=curves)
