"""Songs, albums and artists as players are told of them, with what one listener did with each.

Those of one answer are described together, by a few queries for all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import Count, Max, Min, Q, QuerySet, prefetch_related_objects
from django.db.models.functions import Coalesce

from catalog.core.caching import cached_while_large
from catalog.core.names import names_split
from catalog.models import Album, Artist, Song, artist_shown
from catalog.selectors import FURTHER_ARTISTS
from emotion.inference.quadrants import Quadrant
from emotion.loudness import REPLAY_GAIN_LUFS, Loudness, loudness_of
from emotion.models import EmotionEstimate, Waveform
from recommender.browse.selectors import Facts, albums_describe, artists_browse
from recommender.models import AlbumLike, ArtistLike, Bookmark, FeltRating, Listen, StarRating
from recommender.rules import PLAYED
from recommender.subsonic.answers import time_written
from recommender.subsonic.numbers import ALBUM, ARTIST, FOLDER, SINGLES, number_of, written

# More keys than these are no limit worth naming: a listener has fewer rows than the list is long.
_MANY = 1_000
# In the name of a folder or file such signs would mean something.
_IN_PATHS = str.maketrans("/\\\x00", "__ ")


class Opinions(NamedTuple):
    """What a listener said of songs, albums or artists, by their keys: when they liked them, and how many stars."""

    liked: dict[int, datetime]
    stars: dict[int, int]


class Plays(NamedTuple):
    """How often a listener played something, and when last."""

    n: int
    last: datetime


def songs_loaded(song_ids: Sequence[int]) -> list[Song]:
    """Return songs in the order of their keys, with what `songs_shown` needs; those that are gone are left out."""
    by_id = Song.objects.defer("search").in_bulk(song_ids)
    # Many songs share them; a join would read each as often.
    albums = Album.objects.in_bulk({song.album_id for song in by_id.values() if song.album_id is not None})
    owners = {song.artist_id for song in by_id.values()} | {album.artist_id for album in albums.values()}
    artists = Artist.objects.in_bulk(owners)
    for album in albums.values():
        album.artist = artists[album.artist_id]
    for song in by_id.values():
        song.artist = artists[song.artist_id]
        song.album = albums.get(song.album_id) if song.album_id is not None else None
    return [by_id[song_id] for song_id in song_ids if song_id in by_id]


def songs_shown(user: User, song_ids: Sequence[int], comments: Mapping[int, str] | None = None) -> list[dict[str, Any]]:
    """Describe songs in the order of their keys; `comments` by key are the reasons why they are in a list."""
    songs = songs_loaded(song_ids)
    keys = [song.pk for song in {song.pk: song for song in songs}.values()]
    prefetch_related_objects([song for song in songs if song.credit], FURTHER_ARTISTS)
    moods = dict(
        EmotionEstimate.objects.filter(is_current=True, song__in=keys)
        .with_effective()
        .values_list("song_id", "effective_quadrant")
    )
    measured = Waveform.objects.filter(song__in=keys, bpm__isnull=False)
    tempo = {song_id: bpm for song_id, bpm in measured.values_list("song_id", "bpm") if bpm is not None}
    said = opinions_of(user, Song, keys)
    plays = plays_of(user, "song", keys)
    marks = dict(Bookmark.objects.filter(listener=user, song__in=keys).values_list("song_id", "position_ms"))
    loudness = loudness_of(songs)
    words = {quadrant.value: quadrant.label for quadrant in Quadrant}
    shown = []
    for song in songs:
        pk = song.pk
        child = _song_shown(song)
        if pk in moods:
            child["moods"] = [words[moods[pk]]]
        if pk in tempo:
            child["bpm"] = round(tempo[pk])
        _opinion_add(child, pk, said, plays)
        child["replayGain"] = _replay_gain(loudness[pk])
        child["bookmarkPosition"] = marks.get(pk)
        child["comment"] = (comments or {}).get(pk) or None
        shown.append(child)
    return shown


def song_shown(user: User, song_id: int) -> dict[str, Any] | None:
    """Describe one song; None when there is none."""
    return next(iter(songs_shown(user, [song_id])), None)


def _song_shown(song: Song) -> dict[str, Any]:
    album, suffix = song.album, PurePath(str(song.audio.name)).suffix.removeprefix(".")
    genres = song.genres
    number = number_of(song)
    album_number = number_of(album) if album else None
    rate = song.bit_rate or (8 * song.size_bytes / song.duration_s if song.duration_s else 0)
    return {
        "id": number,
        "parent": album_number or number_of(song.artist),
        "isDir": False,
        "title": song.title,
        "album": album.title if album else None,
        "artist": song.by,
        "track": song.track_number,
        "year": song.year,
        "genre": genres[0] if genres else None,
        # The songs of an album mostly have one cover, which players then fetch once.
        "coverArt": album_number or number,
        "size": song.size_bytes,
        "contentType": song.mime_type,
        "suffix": suffix,
        "duration": round(song.duration_s),
        "bitRate": round(rate / 1000),
        "samplingRate": song.sample_rate_hz,
        "channelCount": song.channels,
        "path": path_of(song, suffix),
        "isVideo": False,
        "discNumber": song.disc_number,
        "created": time_written(song.created_at),
        "albumId": album_number,
        "artistId": number_of(song.artist),
        "type": "music",
        "mediaType": "song",
        "sortName": song.sort_key,
        "genres": [{"name": genre} for genre in genres],
        "artists": [_artist_named(artist) for artist in song.artists],
        "displayArtist": song.by,
        "albumArtists": [_artist_named(album.artist)] if album else [],
        "displayAlbumArtist": str(album.artist) if album else None,
        "moods": [],
    }


def path_of(song: Song, suffix: str) -> str:
    """Return where a song would lie in a library in order; where it does is nobody's business."""
    places = [str(song.album.artist), song.album.title] if song.album else [str(song.artist)]
    track = f"{song.track_number:02d} - " if song.track_number is not None else ""
    disc = f"{song.disc_number}-" if song.disc_number and track else ""
    names = [*places, f"{disc}{track}{song.title}"]
    return "/".join(name.translate(_IN_PATHS) for name in names) + (f".{suffix}" if suffix else "")


def _artist_named(artist: Artist) -> dict[str, Any]:
    return {"id": number_of(artist), "name": str(artist)}


def _replay_gain(loudness: Loudness) -> dict[str, Any] | None:
    """Return gains to -18 LUFS, to which ReplayGain 2 leads, and peaks of full scale 1."""
    if loudness.lufs is None and loudness.album_lufs is None:
        return None
    gains = {"trackGain": loudness.lufs, "albumGain": loudness.album_lufs}
    peaks = {"trackPeak": loudness.peak_db, "albumPeak": loudness.album_peak_db}
    return {name: round(REPLAY_GAIN_LUFS - lufs, 2) for name, lufs in gains.items() if lufs is not None} | {
        name: round(10 ** (decibels / 20), 6) for name, decibels in peaks.items() if decibels is not None
    }


# --- What a listener did ----------------------------------------------------------------------------------------------


def opinions_of(user: User, kind: type[Song] | type[Album] | type[Artist], keys: Collection[int]) -> Opinions:
    """Return what a listener said of songs, albums or artists."""
    what = kind._meta.model_name or ""
    rows: Any = {
        "song": FeltRating.objects.filter(liked=True),
        "album": AlbumLike.objects.all(),
        "artist": ArtistLike.objects.all(),
    }[what]
    within = {f"{what}__in": keys} if len(keys) <= _MANY else {f"{what}__isnull": False}
    here = {"listener": user, **within}
    liked = dict(rows.filter(**here).values_list(f"{what}_id", "created_at"))
    return Opinions(liked, dict(StarRating.objects.filter(**here).values_list(f"{what}_id", "stars")))


def plays_of(user: User, what: str, keys: Collection[int]) -> dict[int, Plays]:
    """Return how often a listener played songs, or songs of albums: `what` is "song" or "album"."""
    path = "song" if what == "song" else "song__album"
    played = Listen.objects.filter(PLAYED, listener=user, **{f"{path}__in": keys}).order_by()
    counted = played.values_list(path).annotate(n=Count("pk"), last=Max("started_at"))
    return {key: Plays(n, last) for key, n, last in counted}


def _opinion_add(
    shown: dict[str, Any], pk: int, said: Opinions, plays: Mapping[int, Plays] | None = None
) -> dict[str, Any]:
    if pk in said.liked:
        shown["starred"] = time_written(said.liked[pk])
    shown["userRating"] = said.stars.get(pk)
    if plays and pk in plays:
        shown["playCount"], shown["played"] = plays[pk].n, time_written(plays[pk].last)
    return shown


# --- Albums -----------------------------------------------------------------------------------------------------------


def albums_shown(user: User, albums: Iterable[Album]) -> list[dict[str, Any]]:
    """Describe albums as those who browse by tags know them."""
    described = albums_describe(albums)
    keys = [album.pk for album in described]
    genres = _genres_of(keys)
    said, plays = opinions_of(user, Album, keys), plays_of(user, "album", keys)
    return [_opinion_add(_album_shown(album, genres[album.pk]), album.pk, said, plays) for album in described]


def _genres_of(album_ids: Collection[int]) -> dict[int, list[str]]:
    songs = Song.objects.filter(album__in=album_ids, genre__gt="").order_by()
    genres: dict[int, dict[str, None]] = defaultdict(dict)
    for album, text in sorted(songs.values_list("album", "genre").distinct()):
        genres[album].update(dict.fromkeys(names_split(text)))
    return defaultdict(list, {pk: list(names) for pk, names in genres.items()})


def _album_shown(album: Album, genres: Sequence[str]) -> dict[str, Any]:
    facts: Facts = album.facts  # type: ignore[attr-defined]
    number = number_of(album)
    return {
        "id": number,
        "name": album.title,
        "artist": str(album.artist),
        "artistId": number_of(album.artist),
        "coverArt": number,
        "songCount": facts.n_songs,
        "duration": round(facts.total_s),
        "created": time_written(facts.added_at) if facts.added_at else "1970-01-01T00:00:00Z",
        "year": facts.first_year,
        "genre": genres[0] if genres else None,
        "genres": [{"name": genre} for genre in genres],
        "artists": [_artist_named(album.artist)],
        "displayArtist": str(album.artist),
        "sortName": album.sort_key,
    }


def album_as_folder(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Turn an album into the folder that those who browse by folders know it as."""
    same = ("id", "artist", "artistId", "coverArt", "duration", "created", "year", "genre", "genres", "sortName")
    more = ("starred", "userRating", "playCount", "played")
    return {
        "parent": shown["artistId"],
        "isDir": True,
        "title": shown["name"],
        "album": shown["name"],
        "mediaType": "album",
        **{name: shown[name] for name in (*same, *more) if shown.get(name) is not None},
    }


def singles_shown(artist: Artist, songs: Sequence[Song], name: str) -> dict[str, Any]:
    """Describe the songs of an artist that are on no album as if they were on one."""
    return {
        "id": written(SINGLES, artist.pk),
        "name": name,
        "artist": str(artist),
        "artistId": number_of(artist),
        "coverArt": number_of(songs[0]),
        "songCount": len(songs),
        "duration": round(sum(song.duration_s for song in songs)),
        "created": time_written(min(song.created_at for song in songs)),
    }


# --- Artists ----------------------------------------------------------------------------------------------------------


class _ArtistRow(NamedTuple):
    """What is said of an artist to every listener."""

    pk: int
    name: str
    sort_key: str
    n_albums: int


def artists_shown(user: User, artists: Iterable[Artist]) -> list[dict[str, Any]]:
    """Describe artists as those who browse by tags know them."""
    listed = list(artists)
    counts = _album_counts(Album.objects.filter(artist__in=[artist.pk for artist in listed]))
    rows = (_ArtistRow(each.pk, each.name, each.sort_key, counts.get(each.pk, 0)) for each in listed)
    return _artists_shown(user, list(rows))


def all_artists_shown(user: User) -> list[dict[str, Any]]:
    """Describe all artists by name; in a large library, one may come a minute late."""
    return _artists_shown(user, _all_artists())


@cached_while_large(size=len, seconds=60.0)
def _all_artists() -> list[_ArtistRow]:
    counts = _album_counts(Album.objects.all())
    artists = artists_browse().values_list("pk", "name", "sort_key")
    return [_ArtistRow(pk, name, sort_key, counts.get(pk, 0)) for pk, name, sort_key in artists]


def _album_counts(albums: QuerySet[Album]) -> dict[int, int]:
    return dict(albums.order_by().values_list("artist").annotate(n=Count("pk")))


def _artists_shown(user: User, rows: Sequence[_ArtistRow]) -> list[dict[str, Any]]:
    said = opinions_of(user, Artist, [row.pk for row in rows])
    shown = []
    for pk, name, sort_key, n_albums in rows:
        number = written(ARTIST, pk)
        each = {
            "id": number,
            "name": artist_shown(name),
            "coverArt": number,
            "albumCount": n_albums,
            "sortName": sort_key,
        }
        if pk in said.liked:
            each["starred"] = time_written(said.liked[pk])
        shown.append(each)
    return shown


def artist_as_folder(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Turn an artist into the folder that those who browse by folders know them as."""
    return {name: shown[name] for name in ("id", "name", "starred") if name in shown}


def folder_number(root: int, path: str = "") -> str:
    """Return what players call a folder within a watched one; `path` is as an address has it."""
    return f"{FOLDER}-{root}.{path}"


def folder_shown(root: int, path: str, name: str, parent: str) -> dict[str, Any]:
    """Describe a folder of a watched one."""
    return {"id": folder_number(root, path), "parent": parent, "isDir": True, "title": name}


def cover_song(kind: str, pk: int) -> int | None:
    """Return the song whose cover stands for an album or an artist; None without any."""
    songs = {ALBUM: Song.objects.filter(album=pk), ARTIST: Song.objects.filter(artist=pk)}[kind].order_by()
    found = songs.aggregate(song=Coalesce(Min("pk", filter=~Q(cover="")), Min("pk")))["song"]
    return found if found is None else int(found)
