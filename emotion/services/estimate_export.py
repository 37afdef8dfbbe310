"""Writes the estimates of all songs as a table: CSV, or Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from catalog.core.files import write_atomic
from emotion.exceptions import FormatMissingError
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate

FORMATS = ("csv", "parquet")
# By column: where it is read, and its kind, as Parquet has it.
_COLUMNS: dict[str, tuple[str, str]] = {
    "song": ("song_id", "int64"),
    "title": ("song__title", "string"),
    "artist": ("song__artist__name", "string"),
    "album": ("song__album__title", "string"),
    "year": ("song__year", "int32"),
    "duration_s": ("song__duration_s", "float64"),
    "content_sha256": ("song__content_hash", "string"),
    "recording_id": ("song__recording_id", "string"),
    "model_version": ("model_version", "string"),
    "is_current": ("is_current", "bool_"),
    "quadrant": ("quadrant", "string"),
    "valence": ("valence", "float64"),
    "arousal": ("arousal", "float64"),
    "valence_sd": ("valence_sd", "float64"),
    "arousal_sd": ("arousal_sd", "float64"),
    "p_q1": ("p_q1", "float64"),
    "p_q2": ("p_q2", "float64"),
    "p_q3": ("p_q3", "float64"),
    "p_q4": ("p_q4", "float64"),
    "effective_quadrant": ("effective_quadrant", "string"),
    "effective_valence": ("effective_valence", "float64"),
    "effective_arousal": ("effective_arousal", "float64"),
    "is_overridden": ("is_overridden", "bool_"),
    "bpm": ("song__waveform__bpm", "float64"),
    "key": ("song__waveform__key", "int32"),
    "loudness_lufs": ("song__waveform__loudness_lufs", "float64"),
    "analysed_at": ("analysed_at", "timestamp"),
}
_ROWS_AT_ONCE = 5000
# What a spreadsheet would take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _rows(*, is_all: bool) -> Iterator[list[Any]]:
    estimates = EmotionEstimate.objects.with_effective().order_by("song_id", "pk")
    if not is_all:
        estimates = estimates.filter(is_current=True)
    names = list(_COLUMNS)
    quadrants = [names.index("quadrant"), names.index("effective_quadrant")]
    values = estimates.values_list(*(source for source, _kind in _COLUMNS.values()))
    for row in values.iterator(chunk_size=_ROWS_AT_ONCE):
        cells = list(row)
        for place in quadrants:
            cells[place] = Quadrant(cells[place]).name
        yield cells


def estimates_csv(*, is_all: bool = False) -> Iterator[bytes]:
    """Yield a table in UTF-8 with a header line; `is_all` adds the estimates of earlier models.

    Text that a spreadsheet would read as a formula is prefixed with an apostrophe.
    """
    rows = _rows(is_all=is_all)
    head: list[list[Any]] = [list(_COLUMNS)]
    while part := head or [[_cell(value) for value in row] for row in islice(rows, _ROWS_AT_ONCE)]:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(part)
        yield text.getvalue().encode()
        head = []


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def estimates_parquet(out: BinaryIO, *, is_all: bool = False) -> None:
    """Write a Parquet file, compressed with Zstandard, some thousand rows at a time.

    Raises:
        FormatMissingError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise FormatMissingError(
            "Parquet needs the package pyarrow, which is not installed: pip install pyarrow. CSV needs nothing."
        ) from error
    kinds = [pa.timestamp("us", "UTC") if kind == "timestamp" else getattr(pa, kind)() for _, kind in _COLUMNS.values()]
    schema = pa.schema(list(zip(_COLUMNS, kinds, strict=True)))
    rows = _rows(is_all=is_all)
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        while part := list(islice(rows, _ROWS_AT_ONCE)):
            columns = [pa.array(column, kind) for column, kind in zip(zip(*part, strict=True), kinds, strict=True)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def estimates_export(*, path: Path, suffix: str, is_all: bool = False) -> None:
    """Write a table into a file, as one step.

    Raises:
        FormatMissingError: There is no such format here.
        OSError: The file cannot be written.
    """

    def write(out: BinaryIO) -> None:
        if suffix == "parquet":
            estimates_parquet(out, is_all=is_all)
        else:
            out.writelines(estimates_csv(is_all=is_all))

    write_atomic(path, write)
