"""CAL500exp: 3,223 segments of 500 songs of CAL500, each with 67 tags of its own.

Labels: 0 or 1 for each segment and tag. No quadrant is derived from them.
Layout, seen: `SegLabelHard/<song name>.csv` with `Start_Time`, `End_Time` in seconds and one column for each tag. The
audio is CAL500's, in this folder or in the one of CAL500 next to it. Segments of a song share its `song_id`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from training.datasets import base, cal500
from training.datasets.base import Clip, Dataset, DatasetError, LabelError, Reading, required, table

CITATION = "Wang, Wang, Yang, Wang (2014). Towards time-varying music auto-tagging based on CAL500 expansion. ICME."
LICENSE = "UCSD (CAL500); non-commercial research"
SOURCE = "http://slam.iis.sinica.edu.tw/demo/CAL500exp/"

_TIMES = ("Start_Time", "End_Time")
_SECONDS = base.Scale(0, 7200)


def read(folder: Path, work_dir: Path) -> Reading:
    """Read the table of each song; a clip is a segment."""
    audio = folder if (folder / cal500.AUDIO_FOLDER).is_dir() else folder.parent / "cal500"
    clips: list[Clip] = []
    problems: list[str] = []
    for path in _segment_tables(folder):
        for number, row in enumerate(table(path, *_TIMES), start=1):
            try:
                start_s, end_s = (row.number(column, _SECONDS) for column in _TIMES)
                if end_s <= start_s:
                    raise row.wrong("End_Time", f"it must be after Start_Time, {start_s:g}")
                place, tags = f"{path.stem}/{number}", row.tags(without=_TIMES)
                clip = cal500.song_clip("cal500exp", audio, place, path.stem, tags)
                clips.append(replace(clip, start_s=start_s, end_s=end_s))
            except LabelError as error:
                problems.append(str(error))
    return Reading(tuple(clips), tuple(problems))


def vocabulary(folder: Path) -> list[str]:
    """Return the tags, in the order of the tables."""
    return base.columns(table(_segment_tables(folder)[0], *_TIMES), without=_TIMES)


def _segment_tables(folder: Path) -> list[Path]:
    tables = sorted(required(folder / "SegLabelHard").glob("*.csv"))
    if not tables:
        raise DatasetError(f"Expected one table for each song in {folder / 'SegLabelHard'}; it holds none.")
    return tables


DATASET = Dataset("cal500exp", LICENSE, read, vocabulary=vocabulary)
