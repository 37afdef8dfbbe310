"""All songs on the plane in one compact answer: a dot each while they are few, else a density and some dots.

Browsers draw it (static/js/pad/points.js); docs/pad.md has the layout and what was measured.
"""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.files import digest
from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from recommender.arrays import Floats, Ints
from recommender.index.songs import SongIndex
from recommender.retrieval import songs_known

MAGIC = b"MPL1"
HEADER = struct.Struct("<4sIII")
# Up to so many songs each is a dot; 20,000 dots are drawn in a few milliseconds and weigh 80 kB.
DOTS_LIMIT = 20_000
# With a density, so many dots are shown as well; each can be pointed at.
DENSITY_DOTS = 4_000
# So many songs stand for a quadrant, by their covers: each is a picture of its full size.
TYPICAL_SONGS = 1
# Cells of the density along each axis.
CELLS = 64
# A coordinate takes 11 bits: a step is a third of a pixel on a plane of 600 pixels.
_LEVELS = 2047
_SAMPLE_SEED = 7
# A cell of a density with no more songs than these is too faint to be seen, so one of them is always a dot.
_LONELY = 8


def encode(song_ids: Ints, perceived: Floats, quadrants: NDArray[np.uint8], *, limit: int = DOTS_LIMIT) -> bytes:
    """Encode songs for the mood pad.

    Args:
        song_ids: `(n,)`, ascending and above 0.
        perceived: `(n, 2)`, valence and arousal in [-1, 1].
        quadrants: `(n,)`, 1 to 4.
        limit: from more songs than these on, a density takes the place of most dots.

    Returns:
        A header (magic, songs, dots, cells along an axis or 0), three bytes for each dot (valence and arousal of 11
        bits each and the quadrant of 2, low bits first), the differences of the dots' ids, and the songs in each cell
        row by row from the lowest arousal. The last two are LEB128: seven bits a byte, low ones first.
    """
    n_songs, counts = len(song_ids), None
    if n_songs > limit:
        places = np.clip(((perceived + 1.0) * (CELLS / 2)).astype(np.int64), 0, CELLS - 1)
        cells = places[:, 1] * CELLS + places[:, 0]
        counts = np.bincount(cells, minlength=CELLS * CELLS)
        by_chance = np.random.default_rng(_SAMPLE_SEED).choice(n_songs, min(DENSITY_DOTS, limit), replace=False)
        # One song of every cell that has few, so that nothing lonely is lost.
        lonely = np.flatnonzero(counts[cells] <= _LONELY)
        _, first = np.unique(cells[lonely], return_index=True)
        rows = np.union1d(by_chance, lonely[first])
        song_ids, perceived, quadrants = song_ids[rows], perceived[rows], quadrants[rows]
    header = HEADER.pack(MAGIC, n_songs, len(song_ids), 0 if counts is None else CELLS)
    levels = np.rint((np.clip(perceived, -1.0, 1.0) + 1.0) * (_LEVELS / 2)).astype("<u4")
    packed = levels[:, 0] | levels[:, 1] << 11 | (quadrants.astype("<u4") - 1) << 22
    dots = packed.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    density = b"" if counts is None else varints(counts)
    return b"".join((header, dots, varints(np.diff(song_ids, prepend=0)), density))


def varints(values: Ints) -> bytes:
    """Write numbers `(n,)` of at most 63 bits, none negative, as LEB128."""
    left = np.asarray(values, np.uint64)
    lengths = np.ones(len(left), np.int64)
    for bits in range(7, 63, 7):
        lengths += left >> np.uint64(bits) > 0
    ends = np.cumsum(lengths)
    written = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    for place in range(int(lengths.max(initial=0))):
        long_enough = lengths > place
        more = np.where(lengths[long_enough] > place + 1, 0x80, 0)
        digit = left[long_enough] >> np.uint64(7 * place) & np.uint64(0x7F)
        written[(ends - lengths)[long_enough] + place] = digit.astype(np.uint8) | more.astype(np.uint8)
    return written.tobytes()


@dataclass(frozen=True, slots=True)
class PadPicture:
    """The payload that a browser draws, and an entity tag that all processes with the same songs share.

    `typical` has the ids of the songs nearest to the target of each quadrant, at most `TYPICAL_SONGS`.
    """

    payload: bytes
    etag: str
    typical: dict[Quadrant, list[int]]


class _Pad:
    """The last picture, valid while the index and its newer songs are the same objects."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: tuple[SongIndex, SongIndex | None] | None = None
        self._picture: PadPicture | None = None

    def current(self) -> PadPicture:
        """Return the songs as the mood pad shows them now."""
        index, fresh = songs_known()
        with self._lock:
            same = self._seen is not None and self._seen[0] is index and self._seen[1] is fresh
            if self._picture is None or not same:
                self._picture, self._seen = _picture_of(index, fresh), (index, fresh)
            return self._picture


def _picture_of(index: SongIndex, fresh: SongIndex | None) -> PadPicture:
    """Encode an index and the newer songs that can be played, which replace those of the index."""
    columns: list[NDArray[Any]] = [index.table.song_ids, index.table.perceived, index.table.quadrants]
    if fresh is not None and len(fresh):
        newer = fresh.table
        failed = Song.objects.filter(pk__in=newer.song_ids.tolist(), state=Song.State.FAILED)
        newer = newer.take(~np.isin(newer.song_ids, list(failed.values_list("pk", flat=True))))
        same = ~np.isin(index.table.song_ids, newer.song_ids)
        added = newer.song_ids, newer.perceived, newer.quadrants
        columns = [np.concatenate([old[same], new]) for old, new in zip(columns, added, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        columns = [column[order] for column in columns]
    payload = encode(*columns)
    typical = {quadrant: _nearest_in(quadrant, *columns) for quadrant in Quadrant}
    return PadPicture(payload, f'"{digest(payload)[:24]}"', typical)


def _nearest_in(quadrant: Quadrant, song_ids: Ints, perceived: Floats, quadrants: NDArray[np.uint8]) -> list[int]:
    rows = np.flatnonzero(quadrants == quadrant.value)
    away = np.hypot(*(perceived[rows] - quadrant.target).T)
    if len(rows) > TYPICAL_SONGS:
        # To sort a million songs for two takes three times as long.
        nearest = np.argpartition(away, TYPICAL_SONGS)[:TYPICAL_SONGS]
        rows, away = rows[nearest], away[nearest]
    return [int(song_id) for song_id in song_ids[rows[np.argsort(away)]]]


pad_picture = _Pad().current
