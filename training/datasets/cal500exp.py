"""CAL500exp: 3,223 segments of 500 songs of CAL500, each with 67 tags of its own.

Paper: Wang, Wang, Yang, Wang (2014), Towards time-varying music auto-tagging based on CAL500 expansion.
Licence: as CAL500, non-commercial. Labels: 0 or 1 for each segment and tag; no quadrant.
Layout, seen: `SegLabelHard/<song name>.csv` with `Start_Time`, `End_Time` in seconds and one column for each tag. The
audio is CAL500's, in its own folder or in the one of CAL500 beside this. Segments of a song share its `song_id`: keep
them on one side of a split.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets.base import Clip, Dataset, DatasetError, LabelError, Reading, Row, Scale, required, table
from training.datasets.cal500 import AUDIO_FOLDER, song_clip

CITATION = "Wang, Wang, Yang, Wang (2014). Towards time-varying music auto-tagging based on CAL500 expansion. ICME."
LICENSE = "UCSD (CAL500); non-commercial research"
SOURCE = "http://slam.iis.sinica.edu.tw/demo/CAL500exp/"

_TIMES = ("Start_Time", "End_Time")
_SECONDS = Scale(0, 7200)


def read(folder: Path, work_dir: Path) -> Reading:
    """Read the table of each song; a clip is a segment."""
    audio = folder if (folder / AUDIO_FOLDER).is_dir() else folder.parent / "cal500"
    clips: list[Clip] = []
    problems: list[str] = []
    for path in _tables(folder):
        for number, row in enumerate(table(path, *_TIMES), start=1):
            try:
                clips.append(_segment(row, path.stem, number, audio))
            except LabelError as error:
                problems.append(str(error))
    return Reading(tuple(clips), tuple(problems))


def _segment(row: Row, name: str, number: int, audio: Path) -> Clip:
    start_s, end_s = (row.number(column, _SECONDS) for column in _TIMES)
    if end_s <= start_s:
        raise row.wrong("End_Time", f"it must be after Start_Time, {start_s:g}")
    tags = tuple(column for column in row.cells if column not in _TIMES and row.applies(column))
    return song_clip("cal500exp", audio, f"{name}/{number}", name, tags, start_s=start_s, end_s=end_s)


def vocabulary(folder: Path) -> list[str]:
    """Return the tags, in the order of the tables."""
    rows = table(_tables(folder)[0], *_TIMES)
    return [column for column in rows[0].cells if column not in _TIMES] if rows else []


def _tables(folder: Path) -> list[Path]:
    tables = sorted(required(folder / "SegLabelHard").glob("*.csv"))
    if not tables:
        raise DatasetError(f"Expected one table for each song in {folder / 'SegLabelHard'}; it holds none.")
    return tables


DATASET = Dataset("cal500exp", "cal500exp", LICENSE, read, vocabulary=vocabulary)
