"""The songs on the mood pad, encoded once per state of the index rather than per request."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.core.files import digest
from catalog.models import Song
from recommender.index.songs import SongIndex
from recommender.pad.encoding import encode
from recommender.retrieval.pool import songs_known


@dataclass(frozen=True, slots=True)
class PadPicture:
    """The payload that a browser draws, and an entity tag that all processes with the same songs share."""

    payload: bytes
    etag: str


class _Pad:
    """The last picture, valid while the index and its newer songs are the same objects."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: tuple[SongIndex, SongIndex | None] | None = None
        self._picture: PadPicture | None = None

    def current(self) -> PadPicture:
        index, fresh = songs_known()
        with self._lock:
            same = self._seen is not None and self._seen[0] is index and self._seen[1] is fresh
            if self._picture is None or not same:
                failed = _failed(fresh)
                self._picture, self._seen = picture_of(index, fresh, failed), (index, fresh)
            return self._picture


def picture_of(index: SongIndex, fresh: SongIndex | None = None, failed: NDArray[np.int64] | None = None) -> PadPicture:
    """Encode an index and newer songs, which replace those of the index.

    Args:
        index: the published songs.
        fresh: the newer songs.
        failed: ids of songs that are in `fresh` and cannot be played.
    """
    known = index.table
    song_ids, perceived, quadrants = known.song_ids, known.perceived, known.quadrants
    if fresh is not None and len(fresh):
        newer = fresh.table
        if failed is not None:
            newer = newer.take(~np.isin(newer.song_ids, failed))
        same = ~np.isin(song_ids, newer.song_ids)
        song_ids = np.concatenate([song_ids[same], newer.song_ids])
        perceived = np.concatenate([perceived[same], newer.perceived])
        quadrants = np.concatenate([quadrants[same], newer.quadrants])
        order = np.argsort(song_ids, kind="stable")
        song_ids, perceived, quadrants = song_ids[order], perceived[order], quadrants[order]
    payload = encode(song_ids, perceived, quadrants)
    return PadPicture(payload, f'"{digest(payload)[:24]}"')


def _failed(fresh: SongIndex | None) -> NDArray[np.int64]:
    """Return the ids of the newer songs that cannot be played; the index has none."""
    song_ids = [] if fresh is None else fresh.table.song_ids.tolist()
    failed = Song.objects.filter(pk__in=song_ids, state=Song.State.FAILED).values_list("pk", flat=True)
    return np.asarray(list(failed) if song_ids else [], np.int64)


_PAD = _Pad()


def pad_picture() -> PadPicture:
    """Return the songs as the mood pad shows them now."""
    return _PAD.current()
