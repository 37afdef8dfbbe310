"""Estimates in Postgres, as the index takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BigIntegerField, CharField, Count, Func, Max, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Cast, Greatest, Length
from django.utils import timezone

from catalog.models import UNKNOWN_ARTIST, Song
from emotion.models import EmotionEstimate, EstimateQuerySet, QuadrantOverride
from emotion.selectors import prevailing_model_version
from recommender.index.songs import IndexInfo
from recommender.index.table import SongRow, SongTable
from recommender.requests import NO_FILTERS, Filters

CHUNK = 10_000
# A row that was written this long before an index was built may have been committed after: it is looked at again.
LATE_COMMIT = timedelta(seconds=30)
BYTES_PER_VALUE = 4
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
        estimates = estimates.filter(song__genre__iexact=filters.genre.replace("\x00", ""))
    if filters.artist_id is not None:
        estimates = estimates.filter(song__artist_id=filters.artist_id)
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
    found: EstimateQuerySet = current
    return found


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
_CURRENT = """
    SELECT estimate.song_id, (extract(epoch FROM greatest(
        estimate.updated_at, song.tags_changed_at, override.changed_at
    )) * 1000000)::bigint
    FROM emotion_emotionestimate estimate
    LEFT JOIN catalog_song song ON song.id = estimate.song_id AND song.tags_changed_at IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT max(changed_at) AS changed_at FROM emotion_quadrantoverride WHERE song_id = estimate.song_id
    ) override ON true
    WHERE estimate.is_current AND estimate.song_id = ANY(%(asked)s)
"""
_FAILED = "SELECT id FROM catalog_song WHERE state = %(failed)s AND id = ANY(%(asked)s)"
_WRITTEN = """
    SELECT estimate.song_id, (extract(epoch FROM greatest(
        estimate.updated_at, song.tags_changed_at, override.changed_at
    )) * 1000000)::bigint
    FROM emotion_emotionestimate estimate JOIN catalog_song song ON song.id = estimate.song_id
    LEFT JOIN LATERAL (
        SELECT max(changed_at) AS changed_at FROM emotion_quadrantoverride WHERE song_id = estimate.song_id
    ) override ON true
    WHERE estimate.is_current AND estimate.song_id = ANY(%(asked)s) AND (
        estimate.song_id = ANY(%(always)s) OR (
            song.state <> %(failed)s
            AND (%(genre)s = '' OR upper(song.genre) = upper(%(genre)s))
            AND (%(artist)s::bigint IS NULL OR song.artist_id = %(artist)s)
            AND (%(decade)s::int IS NULL OR song.year BETWEEN %(decade)s AND %(decade)s + 9)
        )
    )
"""


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
        "genre": filters.genre.replace("\x00", ""),
        "artist": filters.artist_id,
        "decade": filters.decade,
    }
    with connection.cursor() as cursor:
        if filters != NO_FILTERS:
            cursor.execute(_WRITTEN, given)
            return dict(cursor.fetchall())
        cursor.execute(_CURRENT, given)
        written = dict(cursor.fetchall())
        cursor.execute(_FAILED, given)
        for (failed,) in cursor.fetchall():
            if failed not in always:
                written.pop(failed, None)
        return written


def n_dimensions_of(model_version: str) -> int:
    """Return the length that most of a version's embeddings have; 0 without any."""
    sizes = (
        EmotionEstimate.objects.filter(is_current=True, model_version=model_version)
        .order_by()
        .annotate(size=Length("embedding_bytes"))
        .values("size")
        .annotate(n=Count("pk"))
        .order_by("-n", "size")
        .values_list("size", flat=True)
    )
    return int(sizes[0] // BYTES_PER_VALUE) if sizes else 0


def song_rows(estimates: EstimateQuerySet) -> Iterator[SongRow]:
    """Yield estimates as rows, `CHUNK` at a time from the database."""
    unknown = UNKNOWN_ARTIST.casefold()
    effective = with_written_at(estimates.with_effective())
    for row in effective.values_list(*_FIELDS).iterator(chunk_size=CHUNK):
        song, artist, name_key, album, genre, year, written_at, quadrant, confidence, *odds = row
        valence, arousal, model_version, embedding = odds
        yield SongRow(
            song_id=song,
            artist_id=artist,
            is_unnamed=name_key == unknown,
            album_id=album,
            genre=genre,
            year=year,
            written_at=written_at,
            quadrant=quadrant,
            confidence=confidence,
            valence=valence,
            arousal=arousal,
            model_version=model_version,
            embedding=bytes(embedding),
        )


def table_of(estimates: EstimateQuerySet, model_version: str, n_dimensions: int) -> SongTable:
    """Return estimates in memory; what cannot be used is left out."""
    table, _ = SongTable.of_rows(list(song_rows(estimates)), model_version, n_dimensions)
    return SongTable.join([table], n_dimensions)
