"""Emotion in Music and the later songs of DEAM: valence and arousal of Free Music Archive clips.

Papers: Soleymani et al. (2013), 1000 Songs for Emotional Analysis of Music; Aljanaki, Yang, Soleymani (2017),
Developing a benchmark for emotional analysis of music.
Licence: audio Creative Commons per track; non-commercial use. Scale: 1 to 9 on both axes.

The two are one audio collection: song ids up to 1000 are Emotion in Music, whose labels are read from its own files,
because DEAM's static file has valence and arousal swapped for them. Audio here is seconds 30 to 40 of each clip.
Converted by Table 2 of Cazzaniga et al.: strictly above 5 is high.
"""

from __future__ import annotations

import csv
from pathlib import Path

from emotion.quadrants import Quadrant
from training.datasets.base import Clip, Dataset, artist_key, required

CITATION = "Soleymani et al. (2013), CrowdMM; Aljanaki, Yang, Soleymani (2017), PLOS ONE 12(3)."
LICENSE = "audio Creative Commons per track; treated as non-commercial"
SOURCE = "https://cvml.unige.ch/databases/DEAM/"

LAST_EMOMUSIC_ID = 1000


def load_emomusic(folder: Path, work_dir: Path) -> list[Clip]:
    """Read the 744 songs of Emotion in Music; its audio cuts lie in DEAM's folder beside it."""
    deam = folder.parent / "deam"
    path = required(folder / "annotations" / "static_annotations.csv")
    with path.open(encoding="utf-8", newline="") as file:
        labels = {int(row["song_id"]): (row["mean_valence"], row["mean_arousal"]) for row in csv.DictReader(file)}
    return _clips("emomusic", deam, labels)


def load_deam(folder: Path, work_dir: Path) -> list[Clip]:
    """Read the songs of DEAM that are not in Emotion in Music."""
    labels: dict[int, tuple[str, str]] = {}
    for part in ("1_2000", "2000_2058"):
        path = folder / f"static_annotations_averaged_songs_{part}.csv"
        with required(path).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, skipinitialspace=True):
                if int(row["song_id"]) > LAST_EMOMUSIC_ID:
                    labels[int(row["song_id"])] = (row["valence_mean"], row["arousal_mean"])
    return _clips("deam", folder, labels)


def _clips(dataset: str, deam: Path, labels: dict[int, tuple[str, str]]) -> list[Clip]:
    with required(deam / "songs.csv").open(encoding="utf-8", newline="") as file:
        artists = {int(row["song_id"]): artist_key(row["artist"]) for row in csv.DictReader(file)}
    clips = []
    for song, (valence_1_9, arousal_1_9) in sorted(labels.items()):
        if song not in artists:
            continue
        valence, arousal = (float(valence_1_9) - 5.0) / 4.0, (float(arousal_1_9) - 5.0) / 4.0
        clips.append(
            Clip(
                id=f"{dataset}/{song}",
                dataset=dataset,
                song_id=str(song),
                artist=artists[song] or f"song {song}",
                audio=deam / "audio_10s" / f"{song}.opus",
                quadrant=Quadrant.from_valence_arousal(valence, arousal),
                valence=valence,
                arousal=arousal,
            )
        )
    return clips


EMOMUSIC = Dataset("emomusic", "emomusic", LICENSE, load_emomusic)
DEAM = Dataset("deam", "deam", LICENSE, load_deam)
