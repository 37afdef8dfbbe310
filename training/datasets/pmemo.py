"""PMEmo: the choruses of 794 songs from pop charts, 767 of them with valence and arousal.

Scale: 0 to 1 on both axes, as means over at least ten listeners, for the whole chorus and over time.
Converted by Table 2 of Cazzaniga et al.: strictly above .5 is high.
Layout, of the authors' `PMEmo2019` as public code reads it: `metadata.csv`, `annotations/static_annotations.csv`,
`annotations/dynamic_annotations.csv`, `chorus/<musicId>.mp3`. Read as well, and seen: all tables side by side, the
static one as `static_annotations_original_scale.csv`, and a few songs in `samples/`.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import numpy as np

from training.datasets import base
from training.datasets.base import Clip, Curve, Dataset, LabelError, Reading, Row, Scale, one_of, required, table

CITATION = "Zhang, Zhang, Yang, Sun (2018). The PMEmo Dataset for Music Emotion Recognition. ICMR."
LICENSE = "MIT repository; commercial songs, never redistributed"
SOURCE = "https://github.com/HuiZhangDB/PMEmo"

_SCALE = Scale(0, 1)
_VALENCE, _AROUSAL = "Valence(mean)", "Arousal(mean)"


def read(folder: Path, work_dir: Path) -> Reading:
    """Read the static annotations; each file is a chorus, so the labels cover all of it."""
    static = one_of(folder / "annotations" / "static_annotations.csv", folder / "static_annotations_original_scale.csv")
    songs = base.rows_by("musicId", required(folder / "metadata.csv"), "title", "artist")
    audio = next((folder / name for name in ("chorus", "samples") if (folder / name).is_dir()), folder / "chorus")

    def build(row: Row) -> Clip:
        song, point = str(row.whole("musicId")), row.point(_SCALE, valence=_VALENCE, arousal=_AROUSAL)
        about = songs.get(song, base.UNKNOWN).about(artist="artist", title="title", album="album")
        return base.song_clip("pmemo", song, base.audio_file(audio, song), point=point, **about)

    return base.collect(table(static, "musicId", _VALENCE, _AROUSAL), build, order=lambda clip: int(clip.song_id))


def curves(folder: Path) -> dict[str, list[Curve]]:
    """Return each song's mean curve, two points a second from second 15 of the chorus."""
    path = one_of(folder / "annotations" / "dynamic_annotations.csv", folder / "dynamic_annotations.csv")
    points: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for row in table(path, "musicId", "frameTime", _VALENCE, _AROUSAL):
        with suppress(LabelError):
            valence, arousal = row.point(_SCALE, valence=_VALENCE, arousal=_AROUSAL)
            points[f"pmemo/{row['musicId']}"].append((float(row["frameTime"]), valence, arousal))
    return {clip: [Curve(*np.array(sorted(samples), np.float64).T)] for clip, samples in points.items()}


DATASET = Dataset("pmemo", LICENSE, read, curves=curves)
