"""What the library's pages read. Albums and artists of one page are described by one query each, not one per row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Left, Length

from catalog.core.caching import cached_while_large
from catalog.core.names import name_key, names_split
from catalog.models import Album, Artist, FurtherArtist, Song
from catalog.selectors import ALBUM_ORDER, FURTHER_ARTISTS, ids_by_artist, song_search, words_in
from emotion.inference.quadrants import Quadrant
from emotion.models import UNKNOWN_SD, EmotionEstimate
from emotion.selectors import current_estimates
from recommender.browse.density import Estimated, density, outlines
from recommender.models import AlbumLike
from recommender.requests import Listener
from recommender.rules import plays_count
from recommender.selectors import estimate_of

ALBUM_SORTS: dict[str, tuple[Any, ...]] = {
    "title": ("sort_key", "id"),
    "artist": ("artist__sort_key", "sort_key", "id"),
    "newest": ("-id",),
}
# Songs from which a density is drawn and read; more change the picture by nothing.
MOST_IN_DENSITY = 400
# What begins with no letter, and what begins with a letter of another script.
SIGNS, OTHERS = "#", "…"


@dataclass(slots=True)
class Facts:
    """What a card says of an album or artist.

    `cover` is the song whose cover stands for it, `added_at` when its first song came, and `moods` the number of its
    songs by quadrant.
    """

    n_songs: int = 0
    first_year: int | None = None
    last_year: int | None = None
    total_s: float = 0.0
    cover: int | None = None
    added_at: datetime | None = None
    n_albums: int = 0
    moods: dict[Quadrant, int] = field(default_factory=dict)

    @property
    def years(self) -> str:
        """Such as "1969" or "1965–1971"; empty without any."""
        if self.first_year is None:
            return ""
        return f"{self.first_year}" if self.first_year == self.last_year else f"{self.first_year}–{self.last_year}"


class Letter(NamedTuple):
    """A letter to jump to, and the page on which the names with it begin; None where there are none."""

    name: str
    page: int | None


class Named(NamedTuple):
    """A genre or decade: how it is shown, what a query calls it, and its number of songs."""

    name: str
    value: str
    n_songs: int


class Disc(NamedTuple):
    """The songs of one disc, in order."""

    number: int
    songs: list[Song]


class MoodPlace(NamedTuple):
    """Where songs lie on the plane: regions with most of their density, their points, and their number by quadrant."""

    outlines: list[str]
    points: list[tuple[float, float]]
    moods: dict[Quadrant, int]

    @property
    def most(self) -> Quadrant:
        """The quadrant of most songs."""
        return max(self.moods, key=lambda quadrant: self.moods[quadrant])


# --- Albums -----------------------------------------------------------------------------------------------------------


def albums_browse(*, query: str = "", sort: str = "title", genre: str = "", decade: int | None = None) -> Any:
    """Return albums in an order, a key of `ALBUM_SORTS`; of a genre or decade those with a song of it."""
    albums = Album.objects.select_related("artist")
    if query.strip():
        albums = words_in(albums, "title", query)
        return albums.order_by(Length("sort_key"), "sort_key", "id")
    if genre or decade is not None:
        songs = song_search(genre=genre, decade=decade).order_by()
        albums = albums.filter(pk__in=songs.filter(album__isnull=False).values("album"))
    return albums.order_by(*ALBUM_SORTS.get(sort, ALBUM_SORTS["title"]))


def albums_describe(albums: Iterable[Album], *, moods: bool = False) -> list[Album]:
    """Return albums, each with its `facts`; with `moods` also the number of its songs by quadrant."""
    listed = list(albums)
    facts = _facts("album", [album.pk for album in listed], moods=moods)
    for album in listed:
        album.facts = facts[album.pk]  # type: ignore[attr-defined]
    return listed


def album_discs(songs: Sequence[Song]) -> list[Disc]:
    """Divide the songs of an album, which are in order, by disc."""
    return [Disc(number, list(group)) for number, group in groupby(songs, key=lambda song: song.disc_number or 1)]


def album_songs(album: Album) -> list[Song]:
    """Return the songs of an album in its order, each with its estimate and artists."""
    songs = Song.objects.filter(album=album).select_related("artist", "album__artist").order_by(*ALBUM_ORDER)
    return list(songs.prefetch_related(current_estimates(), FURTHER_ARTISTS))


# --- Artists ----------------------------------------------------------------------------------------------------------


def artists_browse(*, query: str = "") -> QuerySet[Artist]:
    """Return artists by name."""
    if query.strip():
        return words_in(Artist.objects.all(), "name", query).order_by(Length("sort_key"), "sort_key", "id")
    return Artist.objects.order_by("sort_key", "id")


def artists_describe(artists: Iterable[Artist]) -> list[Artist]:
    """Return artists, each with its `facts`."""
    listed = list(artists)
    ids = [artist.pk for artist in listed]
    facts = _facts("artist", ids, moods=True)
    for artist_id, n in Album.objects.filter(artist__in=ids).order_by().values_list("artist").annotate(n=Count("pk")):
        facts[artist_id].n_albums = n
    further = FurtherArtist.objects.filter(artist__in=ids).order_by().values_list("artist")
    for artist_id, n, song in further.annotate(n=Count("pk"), song=Min("song")):
        facts[artist_id].n_songs += n
        facts[artist_id].cover = facts[artist_id].cover or song
    for artist in listed:
        artist.facts = facts[artist.pk]  # type: ignore[attr-defined]
    return listed


def artist_albums(artist: Artist) -> tuple[list[Album], list[Album]]:
    """Return the albums of an artist, the latest first, and those of others on which they appear."""
    by_artist = ids_by_artist(artist=artist)
    on = Song.objects.filter(pk__in=by_artist, album__isnull=False).order_by().values("album")
    albums = Album.objects.filter(Q(artist=artist) | Q(pk__in=on)).select_related("artist").order_by("sort_key", "id")
    described = albums_describe(albums)
    described.sort(key=lambda album: -(album.facts.last_year or 0))  # type: ignore[attr-defined]
    own = [album for album in described if album.artist_id == artist.pk]
    return own, [album for album in described if album.artist_id != artist.pk]


def artist_songs(artist: Artist) -> QuerySet[Song]:
    """Return all songs of which an artist is one, the newest first."""
    return Song.objects.filter(pk__in=ids_by_artist(artist=artist)).order_by("-id")


def songs_top(songs: QuerySet[Song], listener: Listener, most: int) -> list[int]:
    """Return the ids of the songs that a listener played most often; the newest follow."""
    if listener.is_nobody:
        return list(songs.order_by("-id").values_list("pk", flat=True)[:most])
    ordered = songs.annotate(n_plays=plays_count(listener)).order_by("-n_plays", "-id")
    return list(ordered.values_list("pk", flat=True)[:most])


# --- Genres, decades, letters -----------------------------------------------------------------------------------------


@cached_while_large(size=lambda counts: sum(counts.values()))
def _genre_counts() -> dict[str, int]:
    songs = Song.objects.filter(genre__gt="").order_by()
    return dict(songs.values_list("genre").annotate(n=Count("pk")))


def genres_counted() -> list[Named]:
    """Return the genres in alphabetical order; a song of two genres counts for both."""
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    for text, n in sorted(_genre_counts().items(), reverse=True):
        for name in names_split(text):
            names[name_key(name)] = name
            counts[name_key(name)] += n
    return [Named(names[key], names[key], counts[key]) for key in sorted(names)]


@cached_while_large(size=lambda counts: sum(counts.values()))
def _decade_counts() -> dict[int, int]:
    decade = F("year") / 10 * 10
    songs = Song.objects.filter(year__gte=1000).order_by()
    return dict(songs.annotate(decade=decade).values_list("decade").annotate(n=Count("pk")))


def decades_counted() -> list[Named]:
    """Return the decades with songs, the latest first."""
    return [Named(f"{decade}", f"{decade}", n) for decade, n in sorted(_decade_counts().items(), reverse=True)]


def letters(rows: QuerySet[Any], per_page: int) -> list[Letter]:
    """Return the letters at which names in the order of their `sort_key` begin, with the page of the first."""
    counts = dict(rows.order_by().annotate(letter=Left("sort_key", 1)).values_list("letter").annotate(n=Count("pk")))
    by_letter: dict[str, int] = defaultdict(int)
    for letter, n in counts.items():
        by_letter[SIGNS if letter < "a" else letter.upper() if letter <= "z" else OTHERS] += n
    listed, before = [], 0
    for name in (SIGNS, *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", OTHERS):
        n = by_letter.get(name, 0)
        if n or name not in (SIGNS, OTHERS):
            listed.append(Letter(name, before // per_page + 1 if n else None))
        before += n
    return listed


# --- Moods ------------------------------------------------------------------------------------------------------------


def mood_place(songs: Iterable[Song]) -> MoodPlace | None:
    """Return where songs lie, which have their estimates with them; None where none is analysed."""
    return _place([estimate for song in songs if (estimate := estimate_of(song)) is not None])


def mood_place_of(songs: QuerySet[Song]) -> MoodPlace | None:
    """Return where the songs of a query lie, from at most `MOST_IN_DENSITY` of them; None where none is analysed."""
    of_songs = EmotionEstimate.objects.filter(is_current=True, song__in=songs.order_by().values("pk"))
    return _place(list(of_songs.with_effective().defer("embedding_bytes").order_by("-song")[:MOST_IN_DENSITY]))


def _place(estimates: Sequence[EmotionEstimate]) -> MoodPlace | None:
    if not estimates:
        return None
    moods = Counter(Quadrant(each.effective_quadrant) for each in estimates)
    songs = [
        Estimated(
            each.effective_valence,
            each.effective_arousal,
            each.valence_sd or UNKNOWN_SD,
            each.arousal_sd or UNKNOWN_SD,
        )
        for each in estimates
    ]
    points = [(round(song.valence, 2), round(song.arousal, 2)) for song in songs]
    return MoodPlace(outlines(density(songs)), list(dict.fromkeys(points)), {q: moods[q] for q in Quadrant})


def _facts(of: str, ids: Collection[int], *, moods: bool) -> dict[int, Facts]:
    """Describe albums or artists by the songs of theirs, in one query, and one for the moods."""
    facts = {pk: Facts() for pk in ids}
    if not facts:
        return facts
    songs = Song.objects.filter(**{f"{of}__in": list(ids)}).order_by().values(of)
    described = songs.annotate(
        n_songs=Count("pk"),
        first_year=Min("year"),
        last_year=Max("year"),
        total_s=Sum("duration_s"),
        added_at=Min("created_at"),
        with_cover=Min("pk", filter=~Q(cover="")),
        any_song=Min("pk"),
    )
    for row in described:
        cover = row.pop("with_cover") or row["any_song"]
        del row["any_song"]
        pk = row.pop(of)
        facts[pk] = Facts(**row, cover=cover)
    if not moods:
        return facts
    estimates = EmotionEstimate.objects.filter(is_current=True, **{f"song__{of}__in": list(ids)})
    counted = estimates.with_effective().order_by().values_list(f"song__{of}", "effective_quadrant")
    for pk, quadrant, n in counted.annotate(n=Count("pk")):
        facts[pk].moods[Quadrant(quadrant)] = n
    return facts


# --- What listeners like ----------------------------------------------------------------------------------------------


def album_is_liked(user: User | AnonymousUser, album: Album) -> bool:
    """Whether a listener likes an album; visitors like none."""
    return user.pk is not None and AlbumLike.objects.filter(listener=user.pk, album=album).exists()


def albums_liked(user: User | AnonymousUser) -> QuerySet[Album]:
    """Return the albums that a listener likes, the latest first."""
    if user.pk is None:
        return Album.objects.none()
    return Album.objects.filter(likes__listener=user.pk).select_related("artist").order_by("-likes__id")
