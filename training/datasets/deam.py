"""DEAM, its songs after Emotion in Music: valence and arousal of Free Music Archive clips.

Scale: 1 to 9 on both axes, -1 to 1 over time. Converted by Table 2 of Cazzaniga et al.: strictly above 5 is high.
Song ids up to 1000 are Emotion in Music, whose labels `training.datasets.emomusic` reads from its own files, because
DEAM's static file has valence and arousal swapped for them.
Layout, seen: annotation files side by side, `songs.csv`, and `audio_10s/<id>.opus`, seconds 30 to 40 of each clip. The
official audio, `MEMD_audio/<id>.mp3`, takes their place where it is. One folder serves all clips, so that they are all
of one length. The official folders (`annotations/...`, `metadata/...`) are read too; their names are from the manual
and public code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from training.datasets import base
from training.datasets.base import Clip, Curve, Dataset, LabelError, Reading, Row, audio_file, one_of, required, table

CITATION = "Aljanaki, Yang, Soleymani (2017). Developing a benchmark for emotional analysis of music. PLOS ONE 12(3)."
LICENSE = "audio Creative Commons per track; treated as non-commercial"
SOURCE = "https://cvml.unige.ch/databases/DEAM/"

_STATIC, _DYNAMIC = base.Scale(1, 9), base.Scale(-1, 1)
_LAST_EMOMUSIC_ID = 1000
# The folder of the cuts of each clip's seconds 30 to 40.
_CUTS, _CUT_START_S, _CUT_END_S = "audio_10s", 30.0, 40.0
_PER_SONG = Path("annotations", "annotations averaged per song")
_AXES = ("valence_mean", "arousal_mean")


def read(folder: Path, work_dir: Path) -> Reading:
    """Read the songs of DEAM that are not in Emotion in Music."""
    names = [f"static_annotations_averaged_songs_{part}.csv" for part in ("1_2000", "2000_2058")]
    paths = [one_of(folder / name, folder / _PER_SONG / "song_level" / name) for name in names]
    songs = _songs(folder)
    audio = audio_folder(folder)
    rows = [row for path in paths for row in table(path, "song_id", *_AXES)]
    return read_songs("deam", rows, songs, audio, _AXES, lambda song: _is_later(song, songs, audio))


def _is_later(song: int, songs: Mapping[str, Row], audio: Path) -> bool:
    return song > _LAST_EMOMUSIC_ID and (audio.name != _CUTS or str(song) in songs)


def read_songs(
    dataset: str,
    rows: list[Row],
    songs: Mapping[str, Row],
    audio: Path,
    axes: tuple[str, str],
    wanted: Callable[[int], bool] = lambda _: True,
) -> Reading:
    """Build the clips of the wanted songs from their rows and what is known of the songs, by id."""

    def build(row: Row) -> Clip | None:
        song = row.whole("song_id")
        if not wanted(song):
            return None
        about = songs.get(str(song), base.UNKNOWN).about(
            artist=("artist", "Artist"),
            title=("title", "Song title", "Track"),
            album=("album", "Album"),
            genre=("genre", "Genre"),
        )
        point = row.point(_STATIC, valence=axes[0], arousal=axes[1])
        path = audio_file(audio, str(song), official=".opus" if audio.name == _CUTS else ".mp3")
        return base.song_clip(dataset, str(song), path, point=point, **about)

    return base.collect(rows, build, order=lambda clip: int(clip.song_id))


def audio_folder(folder: Path) -> Path:
    """Return the folder of DEAM's official audio, or of the cuts where only these are available."""
    cuts, official = folder / _CUTS, folder / "MEMD_audio"
    return cuts if cuts.is_dir() and not official.is_dir() else official


def _songs(folder: Path) -> dict[str, Row]:
    if (folder / "songs.csv").exists():
        return base.rows_by("song_id", folder / "songs.csv", "artist")
    rows = [row for path in sorted(folder.rglob("metadata_20??.csv")) for row in table(path, encoding="latin-1")]
    return {row.get("song_id", "Id", "id"): row for row in rows}


def curves(folder: Path) -> dict[str, list[Curve]]:
    """Return each later song's mean curve, two points a second from second 15, as far as its audio reaches."""
    official = folder / _PER_SONG / "dynamic (per second annotations)"
    audio, songs = audio_folder(folder), _songs(folder)
    paths = [one_of(folder / f"{axis}.csv", official / f"{axis}.csv") for axis in ("valence", "arousal")]
    return mean_curves("deam", paths, audio, lambda song: _is_later(song, songs, audio))


def mean_curves(
    dataset: str, paths: list[Path], audio: Path, wanted: Callable[[int], bool] = lambda _: True
) -> dict[str, list[Curve]]:
    """Read the tables of valence and arousal; times count from the start of the audio, whole or cut."""
    required(*paths)
    start_s, end_s = (_CUT_START_S, _CUT_END_S) if audio.name == _CUTS else (0.0, math.inf)
    valence, arousal = (
        {song: _samples(row, start_s, end_s) for row in table(path, "song_id") if wanted(song := row.whole("song_id"))}
        for path in paths
    )
    by_clip = {}
    for song in sorted(valence.keys() & arousal.keys()):
        times_s = sorted(valence[song].keys() & arousal[song].keys())
        if times_s:
            points = [np.array([samples[song][time] for time in times_s]) for samples in (valence, arousal)]
            by_clip[f"{dataset}/{song}"] = [Curve(np.array(times_s) - start_s, points[0], points[1])]
    return by_clip


def _samples(row: Row, start_s: float, end_s: float) -> dict[float, float]:
    samples = {}
    for column, text in row.cells.items():
        if not text or not column.startswith("sample_"):
            continue
        time_s = float(column.removeprefix("sample_").removesuffix("ms")) / 1000
        if start_s <= time_s < end_s:
            with suppress(LabelError):
                samples[time_s] = row.number(column, _DYNAMIC)
    return samples


DATASET = Dataset("deam", LICENSE, read, curves=curves)
