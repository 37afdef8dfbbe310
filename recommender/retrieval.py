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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from django.conf import settings
from django.db import connection
from django.db.models import BigIntegerField, CharField, Count, Func, Max, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Cast, Greatest, Length
from django.utils import timezone
from numpy.typing import NDArray

from catalog.models import UNKNOWN_ARTIST, FurtherArtist, PossibleDuplicate, Song
from catalog.selectors import genre_texts, ids_by_artist
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate, EstimateQuerySet, QuadrantOverride
from emotion.selectors import prevailing_model_version
from recommender.arrays import Floats, Ints
from recommender.exceptions import IndexUnavailableError
from recommender.index.songs import FeltQuery, IndexInfo, SongIndex, SongRow, SongTable
from recommender.index.versions import IndexReader
from recommender.requests import NO_FILTERS, Filters

logger = logging.getLogger(__name__)

CHUNK = 10_000
# A row that was written this long before an index was built may have been committed after: it is looked at again.
LATE_COMMIT = timedelta(seconds=30)
BYTES_PER_VALUE = 4
# More songs than these that must not come are left out of the search itself.
MANY = 100
# In the order of `SongRow`.
_FIELDS = (
    "song_id",
    "song__artist_id",
    "song__artist__name_key",
    "song__album_id",
    "song__genre",
    "song__year",
    "written_at",
    "effective_quadrant",
    "effective_confidence",
    "effective_valence",
    "effective_arousal",
    "model_version",
    "embedding_bytes",
)


def estimates_playable(filters: Filters = NO_FILTERS) -> EstimateQuerySet:
    """Return the current estimates of songs that can be played; a song in re-analysis stays playable."""
    estimates = EmotionEstimate.objects.filter(is_current=True).exclude(song__state=Song.State.FAILED)
    if filters.genre:
        estimates = estimates.filter(song__genre__in=genre_texts(filters.genre))
    if filters.artist_id is not None:
        estimates = estimates.filter(song_id__in=ids_by_artist(artist=filters.artist_id))
    if filters.decade is not None:
        estimates = estimates.filter(song__year__gte=filters.decade, song__year__lt=filters.decade + 10)
    return estimates


def rows_state() -> IndexInfo:
    """Return the state of the rows that an index is built from; adding, deleting, analysing or tagging changes it."""
    now = timezone.now()
    model_version = prevailing_model_version()
    tags = Func(
        Value("|"),
        *("song_id", "song__artist_id", "song__album_id", "song__year", "song__genre"),
        function="CONCAT_WS",
        output_field=CharField(),
    )
    hashed = Cast(Func(tags, function="hashtext", output_field=BigIntegerField()), BigIntegerField())
    state = estimates_playable().aggregate(n=Count("pk"), newest=Max("updated_at"), ids=Sum("pk"), tags=Sum(hashed))
    newest = max(filter(None, (state["newest"], edited_at())), default=None)
    written = newest.isoformat() if newest else ""
    fingerprint = f"{model_version}|{state['n']}|{state['ids'] or 0}|{written}|{state['tags'] or 0}"
    return IndexInfo(
        model_version=model_version,
        fingerprint=fingerprint,
        watermark=(now - LATE_COMMIT).isoformat(),
        n_songs=state["n"],
    )


def edited_at() -> datetime | None:
    """Return when curators last changed the tags or the quadrant of any song."""
    tags = Song.objects.aggregate(at=Max("tags_changed_at"))["at"]
    overrides = QuadrantOverride.objects.aggregate(at=Max("changed_at"))["at"]
    return max(filter(None, (tags, overrides)), default=None)


def with_written_at(estimates: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate `written_at`: when what the index holds of a song last changed, be it estimate, override or tags."""
    overrides = QuadrantOverride.objects.filter(song=OuterRef("song_id")).order_by("-changed_at")
    overridden_at = Subquery(overrides.values("changed_at")[:1])
    # PostgreSQL's GREATEST passes over what is missing.
    return estimates.annotate(written_at=Greatest("updated_at", "song__tags_changed_at", overridden_at))


def estimates_newer(since: str) -> EstimateQuerySet:
    """Return the current estimates of songs of which something was written after a moment, the newest first."""
    current: Any = with_written_at(EmotionEstimate.objects.filter(is_current=True)).order_by("-written_at", "-pk")
    if since:
        # Three short scans of indexes; a comparison with the greatest of the three would read every row.
        estimates = EmotionEstimate.objects.filter(is_current=True, updated_at__gt=since).order_by().values("song_id")
        overrides = QuadrantOverride.objects.filter(changed_at__gt=since).order_by().values("song_id")
        songs = Song.objects.filter(tags_changed_at__gt=since).order_by().values("pk")
        current = current.filter(song_id__in=estimates.union(overrides, songs))
    return cast("EstimateQuerySet", current)


class NewerState(NamedTuple):
    """What was written after a moment: any change of it changes this."""

    n: int
    newest: datetime | None
    ids: int


# These are asked for every list. Written out, they take a third of the time that the ORM needs to make them.
_NEWER = """
    SELECT count(*), max(at), coalesce(sum(id), 0)::bigint FROM (
        (SELECT id, updated_at AS at FROM emotion_emotionestimate
         WHERE is_current AND updated_at > %(since)s ORDER BY updated_at DESC LIMIT %(limit)s)
        UNION ALL
        (SELECT id, changed_at FROM emotion_quadrantoverride
         WHERE changed_at > %(since)s ORDER BY changed_at DESC LIMIT %(limit)s)
        UNION ALL
        (SELECT id, tags_changed_at FROM catalog_song
         WHERE tags_changed_at > %(since)s ORDER BY tags_changed_at DESC LIMIT %(limit)s)
    ) newer
"""
# Songs are wide rows, and those of one list lie all over the table: without filters nobody reads them. What is asked of
# the three tables, indexes hold.
_WRITTEN = """
    SELECT estimate.song_id, (extract(epoch FROM greatest(
        estimate.updated_at, song.tags_changed_at, override.changed_at
    )) * 1000000)::bigint
    FROM emotion_emotionestimate estimate {}
    LEFT JOIN LATERAL (
        SELECT max(changed_at) AS changed_at FROM emotion_quadrantoverride WHERE song_id = estimate.song_id
    ) override ON true
    WHERE estimate.is_current AND estimate.song_id = ANY(%(asked)s) {}
"""
_UNFILTERED = _WRITTEN.format(
    "LEFT JOIN catalog_song song ON song.id = estimate.song_id AND song.tags_changed_at IS NOT NULL", ""
)
_FAILED = "SELECT id FROM catalog_song WHERE state = %(failed)s AND id = ANY(%(asked)s)"
_FILTERED = _WRITTEN.format(
    "JOIN catalog_song song ON song.id = estimate.song_id",
    """AND (
        estimate.song_id = ANY(%(always)s) OR (
            song.state <> %(failed)s
            AND (%(genres)s::text[] IS NULL OR song.genre = ANY(%(genres)s))
            AND (%(artist)s::bigint IS NULL OR song.artist_id = %(artist)s OR EXISTS (
                SELECT 1 FROM catalog_furtherartist WHERE song_id = song.id AND artist_id = %(artist)s
            ))
            AND (%(decade)s::int IS NULL OR song.year BETWEEN %(decade)s AND %(decade)s + 9)
        )
    )""",
)


def newer_state(since: str, limit: int) -> NewerState:
    """Return what was written after a moment, at most `limit` estimates, overrides and tags; without one, of all."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWER, {"since": since or "-infinity", "limit": limit})
        return NewerState(*cursor.fetchone())


def written_at(song_ids: Sequence[int], filters: Filters, always: Sequence[int]) -> dict[int, int]:
    """Return when what the index holds of songs was last written, in microseconds since 1970, as `with_written_at`.

    Args:
        song_ids: the songs; those that cannot be played, or that a filter excludes, are left out.
        filters: as for `estimates_playable`.
        always: songs that are not left out as long as they exist.
    """
    given = {
        "asked": list(song_ids),
        "always": list(always),
        "failed": Song.State.FAILED.value,
        "genres": genre_texts(filters.genre) if filters.genre else None,
        "artist": filters.artist_id,
        "decade": filters.decade,
    }
    with connection.cursor() as cursor:
        if filters != NO_FILTERS:
            cursor.execute(_FILTERED, given)
            return dict(cursor.fetchall())
        cursor.execute(_UNFILTERED, given)
        written = dict(cursor.fetchall())
        cursor.execute(_FAILED, given)
        for (failed,) in cursor.fetchall():
            if failed not in always:
                written.pop(failed, None)
        return written


def n_dimensions_of(model_version: str) -> int:
    """Return the length that most of a version's embeddings have; 0 without any."""
    estimates = EmotionEstimate.objects.filter(is_current=True, model_version=model_version).order_by()
    sizes = estimates.annotate(size=Length("embedding_bytes")).values("size").annotate(n=Count("pk"))
    usual = sizes.order_by("-n", "size").first()
    return int(usual["size"] // BYTES_PER_VALUE) if usual else 0


def song_rows(estimates: EstimateQuerySet) -> Iterator[SongRow]:
    """Yield estimates as rows, `CHUNK` at a time from the database."""
    unknown = UNKNOWN_ARTIST.casefold()
    effective = with_written_at(estimates.with_effective())
    for song, artist, name_key, *others, embedding in effective.values_list(*_FIELDS).iterator(chunk_size=CHUNK):
        yield SongRow._make((song, artist, name_key == unknown, *others, bytes(embedding)))


def table_of(estimates: EstimateQuerySet, model_version: str, n_dimensions: int) -> SongTable:
    """Return estimates in memory; what cannot be used is left out."""
    return SongTable.join([SongTable.of_rows(list(song_rows(estimates)), model_version, n_dimensions)[0]])


# Songs taken for one list: several times the longest list, so that terms other than closeness count.
POOL_SIZE = 400
# With several queries each finds fewer, together up to this much more; each at least so many.
POOL_GROWTH = 1.5
LEAST_PER_QUERY = 100
# Songs that sound like the one a list is around.
ALIKE_SIZE = 200
# What two copies of one recording have in common, if they were only encoded differently: the cosine of their
# embeddings, and their length to so many seconds.
SAME_SOUND = 0.995
SAME_LENGTH_S = 0.2
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

    song_ids: Ints
    artist_ids: Ints
    album_ids: Ints
    years: NDArray[np.int16]
    quadrants: tuple[Quadrant, ...]
    confidence: Floats
    perceived: Floats
    embeddings: Floats
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


def songs_index() -> SongIndex:
    """Return the published index, or while there is none that can be used, one of the newest songs."""
    directory = Path(settings.MOODPLANE_INDEX_DIR)
    try:
        published = _reader(directory).current()
    except IndexUnavailableError as error:
        logger.warning("Lists are made of the newest %d songs only: %s", WITHOUT_INDEX_LIMIT, error)
        return _STAND_IN.current()
    # One that was published before the first song was tagged knows no model to compare with.
    return published if len(published) else _STAND_IN.current()


def songs_known() -> tuple[SongIndex, SongIndex | None]:
    """Return the index and the songs that are newer: the same two objects for as long as nothing changes."""
    index = songs_index()
    return index, _NEWER_SONGS.of(index) if index.info.index_version else None


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
                rows = list(song_rows(newest))
                # The model that made most of them is the one to compare by.
                usual = Counter((row.model_version, len(row.embedding)) for row in rows).most_common(1)
                model_version, size = usual[0][0] if usual else ("", 0)
                table = SongTable.join([SongTable.of_rows(rows, model_version, size // BYTES_PER_VALUE)[0]])
                self._index, self._seen = SongIndex.build(table, IndexInfo(model_version=model_version)), seen
            return self._index


_reader = functools.cache(IndexReader)
_STAND_IN = _StandIn()


def retrieve(
    index: SongIndex,
    queries: Sequence[FeltQuery],
    filters: Filters = NO_FILTERS,
    always: Sequence[int] = (),
    *,
    without: Sequence[int] = (),
    alike: NDArray[np.floating] | None = None,
    quadrant: Quadrant | None = None,
) -> Pool:
    """Return the songs to choose from: the best of each query, those that sound alike, and some whatever they are.

    Args:
        index: where to look.
        queries: who wants to feel what.
        filters: limit the result, but not `always`.
        always: ids of songs that must be in the pool if they still exist.
        without: ids of songs that must not be, unless they are in `always`.
        alike: `(d,)`, an embedding; songs that sound like it are found as well.
        quadrant: its songs that are best for the last query are found as well.
    """
    fresh = _newer_than(index, searched=bool(queries) or alike is not None)
    per_query = POOL_SIZE if len(queries) <= 1 else max(round(POOL_GROWTH * POOL_SIZE / len(queries)), LEAST_PER_QUERY)
    wanted = queries, filters, alike, quadrant, per_query + min(len(without), MANY)
    excluded = [*without, *always]
    given = index.table.rows_of(np.asarray(always, np.int64))
    parts = [
        _found(index, *wanted, [*excluded, *fresh.table.song_ids.tolist()]),
        _found(fresh, *wanted, excluded),
        index.table.take(given[given >= 0]),
    ]
    return Pool.of(_checked_with_rows(SongTable.join(parts), index, filters, always), index.info.model_version)


def recordings_of(pool: Pool) -> Ints:
    """Return for each song of a pool `(n,)` the first song that is, or may be, the same recording.

    Songs may be the same that a curator has not told apart since they were marked on upload, or that sound the same
    and last equally long: of different songs, one sounds like another more often than it lasts as long.
    """
    first = np.arange(len(pool.song_ids))
    marked = PossibleDuplicate.objects.filter(
        song__in=pool.song_ids.tolist(), other__in=pool.song_ids.tolist(), verdict=PossibleDuplicate.Verdict.OPEN
    )
    pairs = [(pool.row_of(other), pool.row_of(song)) for song, other in marked.values_list("song_id", "other_id")]
    alike = np.argwhere(np.triu(pool.embeddings @ pool.embeddings.T, 1) >= SAME_SOUND).tolist()
    if alike:
        rows = sorted({row for pair in alike for row in pair})
        lasting = Song.objects.filter(pk__in=pool.song_ids[rows].tolist()).values_list("pk", "duration_s")
        lasts = {pool.row_of(song_id): duration_s for song_id, duration_s in lasting}
        pairs += [(one, other) for one, other in alike if _same_length(lasts.get(one), lasts.get(other))]
    for one, other in pairs:
        if one is not None and other is not None:
            low, high = sorted((int(first[one]), int(first[other])))
            first[first == high] = low
    return pool.song_ids[first]


def _same_length(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and abs(one - other) <= SAME_LENGTH_S


def songs_ranked_alike(song_id: int, k: int, late_s: float = 0.0) -> list[int]:
    """Return the `k` songs that sound most like a song, best first, and a few to spare for those gone or failed.

    Newer songs may be seen `late_s` seconds late.
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
    """Return a song's embedding `(d,)`, zero when there is nothing to compare; the database is read last."""
    for each in (fresh, index):
        row = int(each.table.rows_of(np.asarray([song_id]))[0])
        if row >= 0:
            return np.asarray(each.table.embeddings[row])
    estimates = list(EmotionEstimate.objects.filter(is_current=True, song_id=song_id))
    return embedding_matrix(estimates, index)[0] if estimates else np.zeros(index.n_dimensions)


def embedding_matrix(estimates: Sequence[EmotionEstimate], index: SongIndex) -> Floats:
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


def _found(
    index: SongIndex,
    queries: Sequence[FeltQuery],
    filters: Filters,
    alike: NDArray[np.floating] | None,
    quadrant: Quadrant | None,
    k: int,
    without: Sequence[int],
) -> SongTable:
    allowed = None
    if filters != NO_FILTERS:
        further: list[int] = []
        if filters.artist_id is not None:
            further += FurtherArtist.objects.filter(artist=filters.artist_id).values_list("song_id", flat=True)
        allowed = index.table.matching(filters.genre.replace("\x00", ""), filters.artist_id, filters.decade, further)
    # A few are found and dropped; many would crowd out the others.
    if len(without) > MANY:
        others = ~np.isin(index.table.song_ids, without)
        allowed = others if allowed is None else allowed & others
    rows = [hits.rows for hits in index.best_each(queries, k, allowed)]
    if quadrant is not None and len(index) > k:
        inside = index.table.quadrants == quadrant
        rows += [
            hits.rows for hits in index.best_each(queries[-1:], k, inside if allowed is None else inside & allowed)
        ]
    if alike is not None:
        rows.append(index.like_embedding(alike, ALIKE_SIZE, allowed=allowed).rows)
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
    return SongTable.join([songs.take(same), reread] if len(reread) else [songs.take(same)])


class _NewerSongs:
    """The songs newer than an index; only changed ones are read again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._index: SongIndex | None = None
        self._seen = NewerState(0, None, 0)
        self._fresh: SongIndex | None = None
        self._looked_at = 0.0

    def of(self, index: SongIndex, late_s: float = 0.0) -> SongIndex:
        """Index the newest `FRESH_LIMIT` songs that a published index has not seen, as of at most `late_s` s ago."""
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
            table = SongTable.join([unchanged, table])
        return index.of_newer(table)


_NEWER_SONGS = _NewerSongs()
