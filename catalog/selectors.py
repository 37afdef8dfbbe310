"""Everything that reads from the catalog."""

from collections.abc import Iterable
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Coalesce

from catalog.core.caching import cached_while_large
from catalog.core.names import name_key, name_keys, names_split
from catalog.core.sql import SearchWords
from catalog.models import Artist, FurtherArtist, PossibleDuplicate, Song, Upload
from catalog.permissions import User, can_upload, is_staff
from catalog.songs.search import prefix_query

PENDING_STATES = (Song.State.UPLOADED, Song.State.QUEUED, Song.State.ANALYSING)
# Songs without a year come last.
YEAR_DOWN = F("year").desc(nulls_last=True)
# How a list of songs can be ordered; ties are broken by the newest.
SORTS: dict[str, tuple[Any, ...]] = {
    "newest": ("-id",),
    "oldest": ("id",),
    "title": ("sort_key", "-id"),
    "year": (YEAR_DOWN, "-id"),
}
# Songs without a disc number are on the first, those without a track number come last.
ALBUM_ORDER: tuple[Any, ...] = (Coalesce("disc_number", 1), F("track_number").asc(nulls_last=True), "title", "id")
# The songs of an artist: album by album, then what is in none.
ARTIST_ORDER: tuple[Any, ...] = (F("album__sort_key").asc(nulls_last=True), "album_id", *ALBUM_ORDER)
# What `Song.artists` reads, for all songs of a list at once.
FURTHER_ARTISTS = Prefetch("further_artists", FurtherArtist.objects.select_related("artist"))


def song_search(
    *,
    query: str = "",
    artist_id: int | None = None,
    album_id: int | None = None,
    genre: str = "",
    state: str = "",
    decade: int | None = None,
    sort: str = "",
) -> QuerySet[Song]:
    """Return songs that match every argument; the best match first, or the newest without a query.

    The songs of an artist come album by album.

    Args:
        query: Words, each of which must begin a word of title, artist, album or genre.
        artist_id: Of one of the artists.
        album_id: Of the album, whose songs come in its order.
        genre: One of the genres, in upper or lower case.
        state: Such as "tagged".
        decade: Its first year, such as 1990.
        sort: A key of `SORTS`, in place of the best match.
    """
    songs = Song.objects.select_related("artist", "album")
    if artist_id is not None:
        songs = songs.filter(pk__in=ids_by_artist(artist=artist_id))
    if album_id is not None:
        songs = songs.filter(album_id=album_id)
    if genre:
        songs = songs.filter(genre__in=genre_texts(genre))
    if state:
        songs = songs.filter(state=state.replace("\x00", ""))
    if decade is not None:
        songs = songs.filter(year__range=(decade, decade + 9))
    if not query.strip():
        as_made = ALBUM_ORDER if album_id is not None else ARTIST_ORDER if artist_id is not None else SORTS["newest"]
        return songs.order_by(*SORTS.get(sort, as_made))
    prefixes = prefix_query(query)
    if not prefixes:
        return songs.none()
    tsquery = SearchQuery(prefixes, search_type="raw", config="simple")
    ranked = songs.filter(search=tsquery).annotate(rank=SearchRank(F("search"), tsquery))
    return ranked.order_by(*SORTS.get(sort, ("-rank", "-id")))


def words_in(rows: QuerySet[Any], name: str, *queries: str) -> QuerySet[Any]:
    """Return the rows in whose `name` each word of one of the queries begins a word."""
    prefixes = " | ".join(f"({each})" for query in queries if (each := prefix_query(query)))
    if not prefixes:
        return rows.none()
    words = SearchQuery(prefixes, search_type="raw", config="simple")
    found: QuerySet[Any] = rows.alias(words=SearchWords(name)).filter(words=words)
    return found


_SEARCHES = """
    SELECT asked.place, found.id
    FROM (
        SELECT place, to_tsquery('simple', prefixes) AS query
        FROM unnest(%s::text[]) WITH ORDINALITY AS listed (prefixes, place)
    ) AS asked
    CROSS JOIN LATERAL (
        SELECT id, ts_rank(search, asked.query) AS rank
        FROM catalog_song WHERE search @@ asked.query
        ORDER BY rank DESC, id DESC LIMIT %s
    ) AS found
    ORDER BY asked.place, found.rank DESC, found.id DESC
"""


def song_searches(queries: Iterable[str], limit: int) -> dict[str, list[int]]:
    """Return by query the ids of its best matches, as `song_search` has them; one statement for all."""
    prefixes = {query: prefix_query(query) for query in queries}
    distinct = sorted(set(filter(None, prefixes.values())))
    found: dict[str, list[int]] = {each: [] for each in ("", *distinct)}
    if distinct:
        with connection.cursor() as cursor:
            cursor.execute(_SEARCHES, [distinct, limit])
            for place, song_id in cursor.fetchall():
                found[distinct[place - 1]].append(song_id)
    return {query: found[each] for query, each in prefixes.items()}


def ids_by_artist(**artist: Any) -> QuerySet[Any]:
    """Return the ids of the songs of which `artist` (or `artist__name_key`) is one; each half uses an index."""
    first = Song.objects.filter(**artist).order_by().values("pk")
    return first.union(FurtherArtist.objects.filter(**artist).order_by().values("song_id"))


def uploads_visible(user: User) -> QuerySet[Upload]:
    """Return the uploads that a user may see: the staff all, a curator theirs."""
    uploads = Upload.objects.select_related("song__artist", "owner")
    if is_staff(user):
        return uploads
    return uploads.filter(owner_id=user.pk) if can_upload(user) else uploads.none()


def duplicates_open(song_id: Any) -> QuerySet[PossibleDuplicate]:
    """Return the undecided possible duplicates of a song, given by id or expression."""
    return PossibleDuplicate.objects.filter(song_id=song_id, verdict=PossibleDuplicate.Verdict.OPEN)


def songs_in_question() -> QuerySet[Song]:
    """Return the songs that may be the same recording as an older one, which nobody has decided."""
    return Song.objects.filter(Exists(duplicates_open(OuterRef("pk"))))


def uploads_settled(user: User) -> QuerySet[Upload]:
    """Return a user's uploads that need no attention: analysed and not in question, or duplicates."""
    in_question = Q(song__possible_duplicates__verdict=PossibleDuplicate.Verdict.OPEN)
    tagged = Q(outcome=Upload.Outcome.ACCEPTED, song__state=Song.State.ANALYSED) & ~in_question
    return Upload.objects.filter(tagged | Q(outcome=Upload.Outcome.DUPLICATE), owner_id=user.pk)


def state_counts(song_ids: list[int] | None = None) -> dict[str, int]:
    """Count songs by state, of all songs or of those given; states without songs count zero."""
    return dict(_all_states()) if song_ids is None else _by_state(Song.objects.filter(pk__in=song_ids))


@cached_while_large(size=lambda counts: sum(counts.values()))
def _all_states() -> dict[str, int]:
    return _by_state(Song.objects.all())


def _by_state(songs: QuerySet[Song]) -> dict[str, int]:
    counts = dict(songs.order_by().values_list("state").annotate(count=Count("pk")))
    return {state: counts.get(state, 0) for state in Song.State.values}


def failure_counts() -> dict[str, int]:
    """Count failed songs by failure code, the most frequent first."""
    failed = Song.objects.filter(state=Song.State.FAILED).values_list("failure_code").annotate(count=Count("pk"))
    return dict(failed.order_by("-count", "failure_code"))


# One step of the index per genre, where DISTINCT would read an entry per song.
_GENRES = """
    WITH RECURSIVE known AS (
        (SELECT genre FROM catalog_song WHERE genre > '' ORDER BY genre LIMIT 1)
        UNION ALL
        SELECT (SELECT genre FROM catalog_song WHERE genre > known.genre ORDER BY genre LIMIT 1)
        FROM known WHERE known.genre IS NOT NULL
    )
    SELECT genre FROM known WHERE genre IS NOT NULL
"""


# Each is a step of the index, which takes as long as counting so many rows.
@cached_while_large(size=lambda texts: 25 * len(texts))
def _genre_texts() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_GENRES)
        return [genre for (genre,) in cursor.fetchall()]


def genres() -> list[str]:
    """Return the genres that songs have, in alphabetical order."""
    names = {name_key(name): name for text in reversed(_genre_texts()) for name in names_split(text)}
    return sorted(names.values())


def genre_texts(genre: str) -> list[str]:
    """Return the texts, as songs have them, of which a genre is one."""
    key = name_key(genre.replace("\x00", ""))
    return [text for text in _genre_texts() if key in name_keys(text)]


def artists_named_like(words: str, limit: int = 10) -> list[str]:
    """Return the names of artists with songs in which `words` begin the name or a later word of it."""
    key = name_key(words.replace("\x00", ""))
    if not key:
        return []
    begins = Q(name_key__startswith=key) | Q(name_key__contains=f" {key}")
    has_song = Exists(Song.objects.filter(artist=OuterRef("pk")))
    is_further = Exists(FurtherArtist.objects.filter(artist=OuterRef("pk")))
    artists = Artist.objects.filter(begins, has_song | is_further)
    return list(artists.order_by("name_key").values_list("name", flat=True)[:limit])


def artist_named(name: str) -> Artist | None:
    """Return the artist of this name, ignoring case and spaces."""
    return Artist.objects.filter(name_key=name_key(name.replace("\x00", ""))).first()
