"""Retrieval: the songs that a playlist may choose from, found in the index and checked against the database.

The index answers from the rows that it was built from. Songs with newer estimates are scored one by one, and every song
found is compared with its row, in case it was deleted or changed since.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db.models import Count, Max, Sum
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate
from recommender.exceptions import IndexUnavailableError
from recommender.index.songs import FeltQuery, Hits, IndexInfo, SongIndex
from recommender.index.table import SongTable
from recommender.index.versions import IndexReader
from recommender.requests import NO_FILTERS, Filters
from recommender.retrieval.source import (
    BYTES_PER_VALUE,
    LATE_COMMIT,
    NewerState,
    edited_at,
    estimates_newer,
    estimates_playable,
    newer_state,
    song_rows,
    table_of,
    written_at,
)

__all__ = [
    "Pool",
    "embedding_matrix",
    "estimates_playable",
    "retrieve",
    "songs_index",
    "songs_known",
    "songs_ranked_alike",
]

logger = logging.getLogger(__name__)

# Songs taken for one list: several times the longest list, so that terms other than closeness count.
POOL_SIZE = 400
# With several queries each finds fewer, together up to this much more; each at least so many.
POOL_GROWTH = 1.5
LEAST_PER_QUERY = 100
# Songs that sound like the one a list is around.
ALIKE_SIZE = 200
# Songs that are found beyond those asked for, in place of some that cannot be played any more.
SPARE = 10
# Songs newer than the index that are searched as well, the newest first; a rebuild begins long before.
FRESH_LIMIT = 20_000
# Songs that lists are made of while there is no index, the newest first.
WITHOUT_INDEX_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Pool:
    """Estimates as arrays, a row per song in the order of their ids.

    `song_ids`, `artist_ids`, `album_ids` (0 for none), `years` (0 for none), `quadrants` and `confidence` `(n,)`;
    `perceived` `(n, 2)`; `embeddings` `(n, d)`, zero where an estimate is not by `model_version`, the index's, and
    therefore not comparable. Songs without a named artist count as by different artists.
    """

    song_ids: NDArray[np.int64]
    artist_ids: NDArray[np.int64]
    album_ids: NDArray[np.int64]
    years: NDArray[np.int16]
    quadrants: tuple[Quadrant, ...]
    confidence: NDArray[np.float64]
    perceived: NDArray[np.float64]
    embeddings: NDArray[np.float64]
    model_version: str

    @classmethod
    def of(cls, table: SongTable, model_version: str) -> Pool:
        """Return songs that are in the order of their ids."""
        return cls(
            song_ids=table.song_ids,
            artist_ids=np.where(table.unnamed, -table.song_ids, table.artist_ids),
            album_ids=table.album_ids,
            years=table.years,
            quadrants=tuple(Quadrant(quadrant) for quadrant in table.quadrants.tolist()),
            confidence=table.confidence,
            perceived=table.perceived,
            embeddings=table.embeddings.astype(np.float64),
            model_version=model_version,
        )

    def row_of(self, song_id: int) -> int | None:
        """Return the row of a song, None when it is not in the pool."""
        row = int(np.searchsorted(self.song_ids, song_id))
        return row if row < len(self.song_ids) and self.song_ids[row] == song_id else None


# --- The index ------------------------------------------------------------------------------------------------------


def songs_index() -> SongIndex:
    """Return the published index, or while there is none that can be used, one of the newest songs."""
    directory = Path(settings.MOODPLANE_INDEX_DIR)
    try:
        published = _reader(directory).current()
    except IndexUnavailableError as error:
        logger.warning("Lists are made of the newest %d songs only: %s", WITHOUT_INDEX_LIMIT, error)
        return _stand_in(directory).current()
    # One that was published before the first song was tagged knows no model to compare with.
    return published if len(published) else _stand_in(directory).current()


def songs_known() -> tuple[SongIndex, SongIndex | None]:
    """Return the index and the songs that are newer: the same two objects for as long as nothing changes."""
    index = songs_index()
    return index, _NEWER_SONGS.of(index) if index.info.index_version else None


def _index_of_newest(limit: int) -> SongIndex:
    """Build an index of the newest songs, by the model that made most of them, without looking at any other."""
    rows = list(song_rows(estimates_playable().order_by("-updated_at", "-pk")[:limit]))
    usual = Counter((row.model_version, len(row.embedding)) for row in rows).most_common(1)
    model_version, size = usual[0][0] if usual else ("", 0)
    table, _ = SongTable.of_rows(rows, model_version, size // BYTES_PER_VALUE)
    return SongIndex.build(SongTable.join([table], table.n_dimensions), IndexInfo(model_version=model_version))


class _StandIn:
    """An index of the newest songs while none is published, rebuilt when they change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: object = None
        self._index: SongIndex | None = None

    def current(self) -> SongIndex:
        newest = estimates_playable().order_by("-updated_at", "-pk")[:WITHOUT_INDEX_LIMIT]
        seen = newest.aggregate(n=Count("pk"), newest=Max("updated_at"), ids=Sum("pk")) | {"edited_at": edited_at()}
        with self._lock:
            if self._index is None or seen != self._seen:
                self._index, self._seen = _index_of_newest(WITHOUT_INDEX_LIMIT), seen
            return self._index


@functools.cache
def _reader(directory: Path) -> IndexReader:
    return IndexReader(directory)


@functools.cache
def _stand_in(directory: Path) -> _StandIn:
    return _StandIn()


# --- The pool -------------------------------------------------------------------------------------------------------


def retrieve(
    index: SongIndex,
    queries: Sequence[FeltQuery],
    filters: Filters = NO_FILTERS,
    always: Sequence[int] = (),
    *,
    without: Sequence[int] = (),
    alike: NDArray[np.floating] | None = None,
) -> Pool:
    """Return the songs to choose from: the best of each query, those that sound alike, and some whatever they are.

    Args:
        index: where to look.
        queries: who wants to feel what.
        filters: limit the result, but not `always`.
        always: ids of songs that must be in the pool if they still exist.
        without: ids of songs that must not be, unless they are in `always`.
        alike: `(d,)`, an embedding; songs that sound like it are found as well.
    """
    fresh = _newer_than(index, searched=bool(queries) or alike is not None)
    per_query = _per_query(len(queries))
    stale = [*without, *always]
    rows = [hits.rows for hits in _hits(index, queries, filters, alike, per_query + len(without))]
    found = _take(index, rows, [*stale, *fresh.table.song_ids.tolist()])
    rows = [hits.rows for hits in _hits(fresh, queries, filters, alike, per_query + len(without))]
    newer = _take(fresh, rows, stale)
    given = index.table.rows_of(np.asarray(always, np.int64))
    asked = index.table.take(given[given >= 0])
    songs = SongTable.join([found, newer, asked], index.n_dimensions)
    return Pool.of(_checked_with_rows(songs, index, filters, always), index.info.model_version)


def songs_ranked_alike(song_id: int, k: int, late_s: float = 0.0) -> list[int]:
    """Return the songs that sound most like a song, best first, and a few to spare: some may be gone or have failed.

    Args:
        song_id: the song.
        k: how many are wanted.
        late_s: so many seconds late newer songs may be seen.
    """
    index = songs_index()
    fresh = _newer_than(index, late_s=late_s)
    embedding = _embedding_of(song_id, index, fresh)
    hits = [each.like_embedding(embedding, k + SPARE, without=song_id) for each in (index, fresh)]
    replaced = np.isin(hits[0].song_ids, fresh.table.song_ids)
    scores = dict(zip(hits[0].song_ids[~replaced].tolist(), hits[0].scores[~replaced].tolist(), strict=True))
    scores |= dict(zip(hits[1].song_ids.tolist(), hits[1].scores.tolist(), strict=True))
    return sorted(scores, key=lambda each: (-scores[each], each))


def _embedding_of(song_id: int, index: SongIndex, fresh: SongIndex) -> NDArray[np.floating]:
    """Return a song's embedding `(d,)`, zero when there is nothing to compare; the rows are asked only at last."""
    for each in (fresh, index):
        row = int(each.table.rows_of(np.asarray([song_id]))[0])
        if row >= 0:
            return np.asarray(each.table.embeddings[row])
    estimates = list(EmotionEstimate.objects.filter(is_current=True, song_id=song_id))
    return embedding_matrix(estimates, index)[0] if estimates else np.zeros(index.n_dimensions)


def embedding_matrix(estimates: Sequence[EmotionEstimate], index: SongIndex) -> NDArray[np.float64]:
    """Return embeddings `(n, d)`; a row that the index's model did not make, or that is not finite, is zero."""
    matrix = np.zeros((len(estimates), index.n_dimensions))
    for row, estimate in enumerate(estimates):
        embedding = estimate.embedding
        usable = estimate.model_version == index.info.model_version and len(embedding) == index.n_dimensions
        if usable and np.isfinite(embedding).all():
            matrix[row] = embedding
    return matrix


def _newer_than(index: SongIndex, *, searched: bool = True, late_s: float = 0.0) -> SongIndex:
    """Return the songs that are newer than a published index; one made of the rows just now has seen them all."""
    if searched and index.info.index_version:
        return _NEWER_SONGS.of(index, late_s)
    return index.of_newer(SongTable.none(index.n_dimensions))


def _per_query(n_queries: int) -> int:
    return POOL_SIZE if n_queries <= 1 else max(round(POOL_GROWTH * POOL_SIZE / n_queries), LEAST_PER_QUERY)


def _hits(
    index: SongIndex, queries: Sequence[FeltQuery], filters: Filters, alike: NDArray[np.floating] | None, k: int
) -> list[Hits]:
    allowed = None
    if filters != NO_FILTERS:
        allowed = index.table.matching(filters.genre.replace("\x00", ""), filters.artist_id, filters.decade)
    hits = index.best_each(queries, k, allowed)
    return hits if alike is None else [*hits, index.like_embedding(alike, ALIKE_SIZE, allowed=allowed)]


def _take(index: SongIndex, rows: Sequence[NDArray[np.int64]], without: Sequence[int]) -> SongTable:
    found = np.unique(np.concatenate([np.zeros(0, np.int64), *rows]))
    return index.table.take(found[~np.isin(index.table.song_ids[found], without)])


def _checked_with_rows(songs: SongTable, index: SongIndex, filters: Filters, always: Sequence[int]) -> SongTable:
    """Return the songs that still exist, each as its row has it now.

    A song can be deleted or re-analysed at any moment, so this query comes last.
    """
    asked = sorted({*songs.song_ids.tolist(), *always})
    there = written_at(asked, filters, always)
    same = np.asarray([there.get(song_id) for song_id in songs.song_ids.tolist()], np.float64) == songs.updated_us
    changed = set(there) - set(songs.song_ids[same].tolist())
    if same.all() and not changed:
        return songs
    current = EmotionEstimate.objects.filter(is_current=True, song_id__in=changed)
    reread = table_of(current, index.info.model_version, index.n_dimensions) if changed else SongTable.none()
    return SongTable.join([songs.take(same), reread] if len(reread) else [songs.take(same)], index.n_dimensions)


# --- Songs newer than the index -------------------------------------------------------------------------------------


class _NewerSongs:
    """The songs newer than an index; only changed ones are read again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._index: SongIndex | None = None
        self._seen = NewerState(0, None, 0)
        self._fresh: SongIndex | None = None
        self._looked_at = 0.0

    def of(self, index: SongIndex, late_s: float = 0.0) -> SongIndex:
        """Return an index of the newest `FRESH_LIMIT` songs whose estimates this one has not seen.

        Args:
            index: the published one.
            late_s: an answer of so many seconds ago is good enough.
        """
        with self._lock:
            now = time.monotonic()
            if index is self._index and self._fresh is not None and now - self._looked_at < late_s:
                return self._fresh
            self._looked_at = now
            seen = newer_state(index.info.watermark, FRESH_LIMIT)
            if index is not self._index or self._fresh is None:
                self._fresh, self._seen = self._read(index, None, index.info.watermark), seen
            elif seen != self._seen:
                newest = self._seen.newest
                since = index.info.watermark if newest is None else (newest - LATE_COMMIT).isoformat()
                self._fresh, self._seen = self._read(index, self._fresh.table, since), seen
            self._index = index
            return self._fresh

    def _read(self, index: SongIndex, known: SongTable | None, since: str) -> SongIndex:
        table = table_of(estimates_newer(since)[:FRESH_LIMIT], index.info.model_version, index.n_dimensions)
        rows = index.table.rows_of(table.song_ids)
        table = table.take((rows < 0) | (index.table.updated_us[rows] != table.updated_us))
        if known is not None:
            unchanged = known.take(~np.isin(known.song_ids, table.song_ids))
            table = SongTable.join([unchanged, table], index.n_dimensions)
        return index.of_newer(table)


_NEWER_SONGS = _NewerSongs()
