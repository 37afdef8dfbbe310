"""Four sets of tags: CAL500, CAL500exp, MTG-Jamendo (mood and theme) and MagnaTagATune.

Tags have no place on the plane of valence and arousal, and no quadrant is derived from them.

**CAL500**: 502 songs with 174 tags each, of music, emotion and use.
Paper: Turnbull, Barrington, Torres, Lanckriet (2007), Towards Musical Query-by-Semantic Description using the CAL500
Data Set, SIGIR. Source: http://calab1.ucsd.edu/~datasets/cal500/. Licence: UCSD, non-commercial. Labels:
`hardAnnotations.txt` is 1 where at least 80 % of at least two listeners agree on a tag; `softAnnotations.txt` has the
share of listeners. Layout, seen: `songNames.txt` (artist-title, one a line), `vocab.txt`, the two tables without a
header; and, as public code reads it, `CAL500_32kps/<song name>.mp3`.

**CAL500exp**: 3,223 segments of 500 songs of CAL500, each with 67 tags of its own.
Paper: Wang, Wang, Yang, Wang (2014), Towards time-varying music auto-tagging based on CAL500 expansion, ICME.
Source: http://slam.iis.sinica.edu.tw/demo/CAL500exp/. Licence: as CAL500. Labels: 0 or 1 for each segment and tag.
Layout, seen: `SegLabelHard/<song name>.csv` with `Start_Time`, `End_Time` in seconds and one column for each tag. The
audio is CAL500's, in this folder or in the one of CAL500 next to it. Segments of a song share its `song_id`.

**MTG-Jamendo**: 18,486 whole tracks with some of 59 tags that their uploaders gave, such as "calm" or "epic".
Paper: Bogdanov, Won, Tovstogan, Porter, Serra (2019), The MTG-Jamendo Dataset for Automatic Music Tagging, ICML.
Source: https://github.com/MTG/mtg-jamendo-dataset. Licence: CC BY-NC-SA 4.0 for the metadata, Creative Commons per
track for the audio. Layout, seen: `autotagging_moodtheme.tsv` (each further tag is a further column),
`autotagging_moodtheme-{train,validation,test}.tsv` of split 0, which lack the tags that not every split has (56 are
left), `moodtheme.txt`. Also read as in the repository: `data/autotagging_moodtheme.tsv`, `data/splits/split-0/`,
`data/tags/moodtheme.txt`. The audio is `audio/<PATH>`, or `audio-low/` with `.low.mp3`, from the repository's download
script.

**MagnaTagATune**: 25,863 clips of 29 s with some of 188 tags, mostly of instruments and genres, that players of a game
agreed on.
Paper: Law, West, Mandel, Bay, Downie (2009), Evaluation of Algorithms Using Games: The Case of Music Tagging, ISMIR.
Source: https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset. Licence: CC BY-NC-SA 3.0. Layout, as the dataset's
page and public code have it: `annotations_final.csv` (`clip_id`, one column for each tag, `mp3_path`) and
`clip_info_final.csv` (`clip_id`, `title`, `artist`, `album`, ...), both with tabs between quoted cells; the audio is
`0/` to `f/` with the files of `mp3_path`, here or in `mp3/`. Three of the published files are empty: validation names
them. There is no published split; the customary one takes folders 0 to b for training, c for validation, d to f for
testing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.datasets import base
from training.datasets.base import Clip, Dataset, DatasetError, LabelError, Reading, Row, one_of, required, table

_CAL500_AUDIO = "CAL500_32kps"
_TIMES = ("Start_Time", "End_Time")
_SECONDS = base.Scale(0, 7200)
_PREFIX = "mood/theme---"
_JAMENDO_SPLITS = {"train": "train", "validation": "val", "test": "test"}
_NOT_TAGS = ("clip_id", "mp3_path")


def read_cal500(folder: Path, work_dir: Path) -> Reading:
    """Read the hard annotations, row by row with the names of the songs."""
    tags = np.array(cal500_tags(folder))
    names = _lines(folder / "songNames.txt", "latin-1")
    labels = _matrix(folder / "hardAnnotations.txt", len(names), len(tags))
    clips: dict[str, Clip] = {}
    problems = []
    for line, (name, row) in enumerate(zip(names, labels, strict=True), start=1):
        if not np.isin(row, (0, 1)).all():
            value = row[~np.isin(row, (0, 1))][0]
            problems.append(f"hardAnnotations.txt, line {line}: {value:g} is neither 0 nor 1. The row is left out.")
        elif name in clips:
            problems.append(f"songNames.txt, line {line}: {name} is there already. The row is left out.")
        else:
            clips[name] = _cal500_clip("cal500", folder, name, name, tuple(tags[row == 1].tolist()))
    return Reading(tuple(clips.values()), tuple(problems))


def _cal500_clip(dataset: str, folder: Path, number: str, name: str, tags: tuple[str, ...]) -> Clip:
    artist, _, title = name.replace("_", " ").partition("-")
    audio = base.audio_file(folder / _CAL500_AUDIO, name)
    return Clip(f"{dataset}/{number}", dataset, name, base.artist_key(artist), audio, None, title=title, tags=tags)


def cal500_tags(folder: Path) -> list[str]:
    """Return the 174 tags, in the order of the tables."""
    return _lines(folder / "vocab.txt", "latin-1")


def _lines(path: Path, encoding: str) -> list[str]:
    return [line.strip() for line in required(path).read_text(encoding=encoding).splitlines() if line.strip()]


def _matrix(path: Path, n_rows: int, n_columns: int) -> NDArray[np.float64]:
    try:
        matrix = np.loadtxt(required(path), delimiter=",", ndmin=2)
    except ValueError as error:
        raise DatasetError(f"{path} cannot be read as a table of numbers ({error}).") from error
    if matrix.shape != (n_rows, n_columns):
        raise DatasetError(
            f"{path} has {matrix.shape[0]} rows of {matrix.shape[1]}; by songNames.txt and vocab.txt it should have "
            f"{n_rows} of {n_columns}."
        )
    return matrix


def read_cal500exp(folder: Path, work_dir: Path) -> Reading:
    """Read the table of each song; a clip is a segment."""
    audio = folder if (folder / _CAL500_AUDIO).is_dir() else folder.parent / "cal500"
    clips: list[Clip] = []
    problems: list[str] = []
    for path in _segment_tables(folder):
        for number, row in enumerate(table(path, *_TIMES), start=1):
            try:
                start_s, end_s = (row.number(column, _SECONDS) for column in _TIMES)
                if end_s <= start_s:
                    raise row.wrong("End_Time", f"it must be after Start_Time, {start_s:g}")
                clip = _cal500_clip("cal500exp", audio, f"{path.stem}/{number}", path.stem, _tags(row, _TIMES))
                clips.append(replace(clip, start_s=start_s, end_s=end_s))
            except LabelError as error:
                problems.append(str(error))
    return Reading(tuple(clips), tuple(problems))


def cal500exp_tags(folder: Path) -> list[str]:
    """Return the tags, in the order of the tables."""
    return _columns(table(_segment_tables(folder)[0], *_TIMES), _TIMES)


def _segment_tables(folder: Path) -> list[Path]:
    tables = sorted(required(folder / "SegLabelHard").glob("*.csv"))
    if not tables:
        raise DatasetError(f"Expected one table for each song in {folder / 'SegLabelHard'}; it holds none.")
    return tables


def _columns(rows: list[Row], others: tuple[str, ...]) -> list[str]:
    return [column for column in rows[0].cells if column not in others] if rows else []


def _tags(row: Row, others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(column for column in row.cells if column not in others and row.applies(column))


def read_jamendo(folder: Path, work_dir: Path) -> Reading:
    """Read tracks, tags and the published split 0."""
    tracks = one_of(folder / "autotagging_moodtheme.tsv", folder / "data" / "autotagging_moodtheme.tsv")
    audio, ending = folder / "audio", ".mp3"
    if not audio.is_dir() and (folder / "audio-low").is_dir():
        audio, ending = folder / "audio-low", ".low.mp3"
    splits: dict[str, str] = {}
    for name, split in _JAMENDO_SPLITS.items():
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


def jamendo_tags(folder: Path) -> list[str]:
    """Return the tags that the published list names."""
    path = one_of(folder / "moodtheme.txt", folder / "data" / "tags" / "moodtheme.txt")
    return [line.removeprefix(_PREFIX) for line in _lines(path, "utf-8")]


def read_magnatagatune(folder: Path, work_dir: Path) -> Reading:
    """Read tags and descriptions of the clips; clips cut from one track share its `song_id`."""
    annotations, info = folder / "annotations_final.csv", folder / "clip_info_final.csv"
    required(annotations, info)
    known = base.rows_by("clip_id", info, "artist", "album", "title", delimiter="\t")
    audio = folder / "mp3" if (folder / "mp3").is_dir() else folder

    def build(row: Row) -> Clip:
        name, path = row["clip_id"], row["mp3_path"]
        # Without the seconds that the clip was cut from, "...-30-59.mp3".
        song = re.sub(r"-\d+-\d+$", "", Path(path).stem)
        about = known.get(name, base.UNKNOWN).about(artist="artist", title="title", album="album")
        artist, tags = base.artist_key(about.pop("artist")) or f"song {song}", _tags(row, _NOT_TAGS)
        return Clip(f"magnatagatune/{name}", "magnatagatune", song, artist, audio / path, None, tags=tags, **about)

    return base.collect(table(annotations, *_NOT_TAGS, delimiter="\t"), build)


def magnatagatune_tags(folder: Path) -> list[str]:
    """Return the tags, in the order of the table."""
    return _columns(table(folder / "annotations_final.csv", *_NOT_TAGS, delimiter="\t"), _NOT_TAGS)


CAL500 = Dataset("cal500", "UCSD; non-commercial research", read_cal500, vocabulary=cal500_tags)
CAL500EXP = Dataset("cal500exp", "UCSD (CAL500); non-commercial research", read_cal500exp, vocabulary=cal500exp_tags)
_JAMENDO = "CC BY-NC-SA 4.0; audio Creative Commons per track"
JAMENDO = Dataset("jamendo", _JAMENDO, read_jamendo, vocabulary=jamendo_tags)
MAGNATAGATUNE = Dataset("magnatagatune", "CC BY-NC-SA 3.0", read_magnatagatune, vocabulary=magnatagatune_tags)
