"""Emotion in Music and the later songs of DEAM: valence and arousal of Free Music Archive clips.

Papers: Soleymani et al. (2013), 1000 Songs for Emotional Analysis of Music, CrowdMM; Aljanaki, Yang, Soleymani (2017),
Developing a benchmark for emotional analysis of music, PLOS ONE 12(3).
Source: https://cvml.unige.ch/databases/DEAM/. Licence: audio Creative Commons per track; non-commercial use.
Scale: 1 to 9 on both axes, -1 to 1 over time.

The two are one audio collection: song ids up to 1000 are Emotion in Music, whose labels are read from its own files,
because DEAM's static file has valence and arousal swapped for them.
Converted by Table 2 of Cazzaniga et al.: strictly above 5 is high.

Layouts, seen: Emotion in Music has `annotations/{static_annotations,songs_info,...}.csv`; DEAM here has its annotation
files side by side, `songs.csv`, and `audio_10s/<id>.opus`, seconds 30 to 40 of each clip. The official audio takes
their place where it is: `clips_45sec/<id>.mp3` of Emotion in Music, `MEMD_audio/<id>.mp3` of DEAM. One folder serves
all clips of a dataset, so that they are all of one length. DEAM's official folders (`annotations/...`, `metadata/...`)
are read too; their names are from its manual and public code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from training.datasets import base
from training.datasets.base import Clip, Curve, Dataset, LabelError, Reading, Row, audio_file, one_of, required, table

_STATIC, _DYNAMIC = base.Scale(1, 9), base.Scale(-1, 1)
_LAST_EMOMUSIC_ID = 1000
# The folder of the cuts of each clip's seconds 30 to 40.
_CUTS, _CUT_START_S, _CUT_END_S = "audio_10s", 30.0, 40.0
_PER_SONG = Path("annotations", "annotations averaged per song")
_EMOMUSIC, _DEAM = ("mean_valence", "mean_arousal"), ("valence_mean", "arousal_mean")


def read_emomusic(folder: Path, work_dir: Path) -> Reading:
    """Read the 744 songs of Emotion in Music; its audio cuts lie in DEAM's folder next to it."""
    labels, info = (folder / "annotations" / f"{name}.csv" for name in ("static_annotations", "songs_info"))
    required(labels, info)
    songs = base.rows_by("song_id", info, "Artist", "Genre")
    return _read("emomusic", table(labels, "song_id", *_EMOMUSIC), songs, _emomusic_audio(folder), _EMOMUSIC)


def read_deam(folder: Path, work_dir: Path) -> Reading:
    """Read the songs of DEAM that are not in Emotion in Music."""
    names = [f"static_annotations_averaged_songs_{part}.csv" for part in ("1_2000", "2000_2058")]
    paths = [one_of(folder / name, folder / _PER_SONG / "song_level" / name) for name in names]
    songs = _deam_songs(folder)
    audio = _deam_audio(folder)
    rows = [row for path in paths for row in table(path, "song_id", *_DEAM)]
    return _read("deam", rows, songs, audio, _DEAM, lambda song: _is_later(song, songs, audio))


def _is_later(song: int, songs: Mapping[str, Row], audio: Path) -> bool:
    return song > _LAST_EMOMUSIC_ID and (audio.name != _CUTS or str(song) in songs)


def _read(
    dataset: str,
    rows: list[Row],
    songs: Mapping[str, Row],
    audio: Path,
    axes: tuple[str, str],
    wanted: Callable[[int], bool] = lambda _: True,
) -> Reading:
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


def _emomusic_audio(folder: Path) -> Path:
    places = (folder / "clips_45sec", folder / "clips_45seconds", folder / "clips_45sec" / "clips_45seconds")
    official = next((place for place in places if any(place.glob("*.mp3"))), None)
    return official or _deam_audio(folder.parent / "deam")


def _deam_audio(folder: Path) -> Path:
    cuts, official = folder / _CUTS, folder / "MEMD_audio"
    return cuts if cuts.is_dir() and not official.is_dir() else official


def _deam_songs(folder: Path) -> dict[str, Row]:
    if (folder / "songs.csv").exists():
        return base.rows_by("song_id", folder / "songs.csv", "artist")
    rows = [row for path in sorted(folder.rglob("metadata_20??.csv")) for row in table(path, encoding="latin-1")]
    return {row.get("song_id", "Id", "id"): row for row in rows}


def emomusic_curves(folder: Path) -> dict[str, list[Curve]]:
    """Return each song's mean curve, two points a second from second 15, as far as its audio reaches."""
    paths = [folder / "annotations" / f"{axis}_cont_average.csv" for axis in ("valence", "arousal")]
    return _curves("emomusic", paths, _emomusic_audio(folder), lambda _: True)


def deam_curves(folder: Path) -> dict[str, list[Curve]]:
    """Return each later song's mean curve, two points a second from second 15, as far as its audio reaches."""
    official = folder / _PER_SONG / "dynamic (per second annotations)"
    audio, songs = _deam_audio(folder), _deam_songs(folder)
    paths = [one_of(folder / f"{axis}.csv", official / f"{axis}.csv") for axis in ("valence", "arousal")]
    return _curves("deam", paths, audio, lambda song: _is_later(song, songs, audio))


def _curves(dataset: str, paths: list[Path], audio: Path, wanted: Callable[[int], bool]) -> dict[str, list[Curve]]:
    required(*paths)
    start_s, end_s = (_CUT_START_S, _CUT_END_S) if audio.name == _CUTS else (0.0, math.inf)
    valence, arousal = (
        {song: _samples(row, start_s, end_s) for row in table(path, "song_id") if wanted(song := row.whole("song_id"))}
        for path in paths
    )
    curves = {}
    for song in sorted(valence.keys() & arousal.keys()):
        times_s = sorted(valence[song].keys() & arousal[song].keys())
        if times_s:
            points = [np.array([samples[song][time] for time in times_s]) for samples in (valence, arousal)]
            curves[f"{dataset}/{song}"] = [Curve(np.array(times_s) - start_s, points[0], points[1])]
    return curves


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


_LICENCE = "audio Creative Commons per track; treated as non-commercial"
EMOMUSIC = Dataset("emomusic", _LICENCE, read_emomusic, curves=emomusic_curves)
DEAM = Dataset("deam", _LICENCE, read_deam, curves=deam_curves)
