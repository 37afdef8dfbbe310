"""Browsing: by folders, by tags, and what is like an artist or a song."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from catalog.core.caching import cached_while_large
from catalog.core.names import name_key, names_split
from catalog.models import Album, Artist, Song, WatchedFolder
from catalog.selectors import artist_named
from recommender.browse import folders
from recommender.browse.selectors import (
    OTHERS,
    SIGNS,
    album_songs,
    artist_albums,
    artist_songs,
    artists_browse,
    genres_counted,
    songs_top,
)
from recommender.retrieval import songs_ranked_alike
from recommender.subsonic.calls import Call, missing, not_found
from recommender.subsonic.numbers import ALBUM, ARTIST, FOLDER, SINGLES, SONG, key_of, number_of, read
from recommender.subsonic.shown import (
    album_as_folder,
    albums_shown,
    all_artists_shown,
    artist_as_folder,
    artists_shown,
    folder_number,
    folder_shown,
    singles_shown,
    song_shown,
    songs_shown,
)

# The folder that stands for the whole library, ordered by artists; others are those that the server watches.
EVERYTHING = 0
IGNORED_ARTICLES = "The"
_MOST_ALIKE = 20
_MOST_SINGLES = 1_000


# --- Folders ----------------------------------------------------------------------------------------------------------


def get_music_folders(call: Call) -> dict[str, Any]:
    """Return the whole library, and the folders that the server watches."""
    watched = [{"id": root.pk, "name": root.shown_name} for root in WatchedFolder.objects.order_by("path")]
    return {"musicFolders": {"musicFolder": [{"id": EVERYTHING, "name": _("All music")}, *watched]}}


def folder_of(call: Call) -> WatchedFolder | None:
    """Return the watched folder that a request is limited to; None for the whole library.

    Raises:
        SubsonicError: there is no such folder.
    """
    number = call.number("musicFolderId", EVERYTHING)
    return None if number == EVERYTHING else _root(number)


def songs_within(songs: QuerySet[Song], root: WatchedFolder | None) -> QuerySet[Song]:
    """Keep the songs that lie in a watched folder."""
    if root is None:
        return songs
    return songs.filter(pk__in=root.files.filter(missing_since=None, song__isnull=False).values("song"))


def albums_within(albums: QuerySet[Album], root: WatchedFolder | None) -> QuerySet[Album]:
    """Keep the albums of which a song lies in a watched folder."""
    if root is None:
        return albums
    songs = songs_within(Song.objects.filter(album__isnull=False), root)
    return albums.filter(pk__in=songs.order_by().values("album"))


def artists_within(artists: QuerySet[Artist], root: WatchedFolder | None) -> QuerySet[Artist]:
    """Keep the artists of whom a song lies in a watched folder."""
    if root is None:
        return artists
    return artists.filter(pk__in=songs_within(Song.objects.all(), root).order_by().values("artist"))


def get_indexes(call: Call) -> dict[str, Any]:
    """Return what stands first on the way through folders: artists, or what lies in a watched folder itself.

    Empty lists, if nothing has come or changed since the time that the player names.
    """
    changed_ms = _changed_ms()
    found: dict[str, Any] = {"ignoredArticles": IGNORED_ARTICLES, "lastModified": changed_ms}
    if changed_ms <= call.number("ifModifiedSince", -1, least=-1):
        return {"indexes": found}
    root = folder_of(call)
    if root is None:
        folded = ((shown["sortName"], artist_as_folder(shown)) for shown in all_artists_shown(call.user))
        return {"indexes": {**found, "index": _by_letter(folded)}}
    inside = folders.folders_in(root, b"")
    listed = [(name_key(each.name), {"id": folder_number(root.pk, each.path), "name": each.name}) for each in inside]
    songs = songs_shown(call.user, [song.pk for song in folders.songs_in(root, b"")])
    return {"indexes": {**found, "index": _by_letter(sorted(listed, key=lambda each: each[0])), "child": songs}}


def _changed_ms() -> int:
    """Return when a song last came or changed, in milliseconds since 1970."""
    newest = Song.objects.order_by("-id").values_list("created_at", flat=True).first()
    tagged = Song.objects.filter(tags_changed_at__isnull=False).order_by("-tags_changed_at")
    changed: list[datetime | None] = [newest, tagged.values_list("tags_changed_at", flat=True).first()]
    return max((int(1000 * moment.timestamp()) for moment in changed if moment is not None), default=0)


def _by_letter(named: Iterable[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    letters: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for key, shown in named:
        first = key[:1]
        letters[SIGNS if first < "a" else first.upper() if first <= "z" else OTHERS].append(shown)
    return [{"name": letter, "artist": listed} for letter, listed in letters.items()]


def get_music_directory(call: Call) -> dict[str, Any]:
    """Return what is in a folder: an artist's albums, an album's songs, or what lies in a folder of the disk."""
    number = call.required("id")
    if number.isascii() and number.isdecimal() and len(number) < 10:
        return _disk_folder(call, _root(int(number)), "")
    kind, _dash, rest = number.partition("-")
    if kind == FOLDER:
        root, _dot, path = rest.partition(".")
        return _disk_folder(call, _root(key_of(f"{FOLDER}-{root}", FOLDER)), path)
    kind, pk = read(number)
    if kind == ARTIST:
        artist = _artist(pk)
        own, on = artist_albums(artist)
        children = [album_as_folder(album) for album in albums_shown(call.user, [*own, *on])]
        children += songs_shown(call.user, _singles(artist))
        return {"directory": {"id": number, "name": str(artist), "child": children}}
    if kind == ALBUM:
        album = _album(pk)
        songs = songs_shown(call.user, [song.pk for song in album_songs(album)])
        above = number_of(album.artist)
        return {"directory": {"id": number, "parent": above, "name": album.title, "child": songs}}
    raise not_found()


def _disk_folder(call: Call, root: WatchedFolder, path: str) -> dict[str, Any]:
    try:
        at = folders.path_read(path)
    except ValueError as error:
        raise not_found() from error
    way = folders.way_to(at)
    number = folder_number(root.pk, path)
    inside = [folder_shown(root.pk, each.path, each.name, number) for each in folders.folders_in(root, at)]
    songs = songs_shown(call.user, [song.pk for song in folders.songs_in(root, at)])
    if way and not inside and not songs:
        raise not_found()
    above = None if not way else folder_number(root.pk, way[-2].path if len(way) > 1 else "")
    name = way[-1].name if way else root.shown_name
    return {"directory": {"id": number, "parent": above, "name": name, "child": [*inside, *songs]}}


def _root(number: int) -> WatchedFolder:
    root = WatchedFolder.objects.filter(pk=number).first()
    if root is None:
        raise not_found()
    return root


# --- Tags -------------------------------------------------------------------------------------------------------------


def get_genres(call: Call) -> dict[str, Any]:
    """Return the genres, with their numbers of songs and albums."""
    n_albums = _genre_albums()
    return {
        "genres": {
            "genre": [
                {"songCount": each.n_songs, "albumCount": n_albums.get(name_key(each.name), 0), "value": each.name}
                for each in genres_counted()
            ]
        }
    }


# Every song is read for it.
@cached_while_large(size=lambda counts: sum(counts.values()), seconds=600.0)
def _genre_albums() -> dict[str, int]:
    albums: dict[str, set[int]] = defaultdict(set)
    songs = Song.objects.filter(genre__gt="", album__isnull=False).order_by()
    for text, album in songs.values_list("genre", "album").distinct():
        for name in names_split(text):
            albums[name_key(name)].add(album or 0)
    return {key: len(some) for key, some in albums.items()}


def get_artists(call: Call) -> dict[str, Any]:
    """Return the artists by letter."""
    root = folder_of(call)
    artists = artists_within(artists_browse(), root)
    listed = all_artists_shown(call.user) if root is None else artists_shown(call.user, artists)
    letters = _by_letter((shown["sortName"], shown) for shown in listed)
    return {"artists": {"ignoredArticles": IGNORED_ARTICLES, "index": letters}}


def get_artist(call: Call) -> dict[str, Any]:
    """Return an artist's albums, those of others on which they appear, and their songs without an album as one."""
    artist = _artist(key_of(call.required("id"), ARTIST))
    own, on = artist_albums(artist)
    albums = albums_shown(call.user, [*own, *on])
    if singles := list(Song.objects.filter(pk__in=_singles(artist))):
        albums.append(singles_shown(artist, singles, _("Without an album")))
    [shown] = artists_shown(call.user, [artist])
    return {"artist": {**shown, "albumCount": len(albums), "album": albums}}


def get_album(call: Call) -> dict[str, Any]:
    """Return an album and its songs in order."""
    kind, pk = read(call.required("id"))
    if kind == SINGLES:
        artist = _artist(pk)
        keys = _singles(artist)
        songs = list(Song.objects.filter(pk__in=keys))
        if not songs:
            raise not_found()
        shown = singles_shown(artist, songs, _("Without an album"))
        return {"album": {**shown, "song": songs_shown(call.user, keys)}}
    if kind != ALBUM:
        raise not_found()
    album = _album(pk)
    [shown] = albums_shown(call.user, [album])
    return {"album": {**shown, "song": songs_shown(call.user, [song.pk for song in album_songs(album)])}}


def get_song(call: Call) -> dict[str, Any]:
    """Return one song."""
    shown = song_shown(call.user, key_of(call.required("id"), SONG))
    if shown is None:
        raise not_found()
    return {"song": shown}


def get_videos(call: Call) -> dict[str, Any]:
    """Answer that there are none."""
    return {"videos": {}}


def _artist(pk: int) -> Artist:
    artist = Artist.objects.filter(pk=pk).first()
    if artist is None:
        raise not_found()
    return artist


def _album(pk: int) -> Album:
    album = Album.objects.select_related("artist").filter(pk=pk).first()
    if album is None:
        raise not_found()
    return album


def _singles(artist: Artist) -> list[int]:
    songs = artist_songs(artist).filter(album=None).order_by("sort_key", "id")
    return list(songs.values_list("pk", flat=True)[:_MOST_SINGLES])


# --- About artists and albums -----------------------------------------------------------------------------------------


def get_artist_info(call: Call) -> dict[str, Any]:
    """Return artists whose songs sound alike; nothing is fetched from elsewhere, and pictures have numbers."""
    return {"artistInfo": _artist_info(call, as_folders=True)}


def get_artist_info2(call: Call) -> dict[str, Any]:
    """Return the same for those who browse by tags."""
    return {"artistInfo2": _artist_info(call, as_folders=False)}


def _artist_info(call: Call, *, as_folders: bool) -> dict[str, Any]:
    kind, pk = read(call.required("id"))
    artist = artist_behind(kind, pk)
    alike = artists_shown(call.user, _artists_alike(call, artist, call.number("count", _MOST_ALIKE, most=100)))
    similar = [artist_as_folder(each) for each in alike] if as_folders else alike
    return {"similarArtist": similar}


def artist_behind(kind: str, pk: int) -> Artist:
    """Return an artist by their own number, or that of an album or song of theirs.

    Raises:
        SubsonicError: there is none.
    """
    owned = {ALBUM: Q(albums=pk), SONG: Q(songs=pk), ARTIST: Q(pk=pk), SINGLES: Q(pk=pk)}
    artist = Artist.objects.filter(owned[kind]).first() if kind in owned else None
    if artist is None:
        raise not_found()
    return artist


def _artists_alike(call: Call, artist: Artist, most: int) -> list[Artist]:
    """Return the artists of the songs that sound most like those that stand for an artist."""
    ranked: dict[int, None] = {}
    for song_id in songs_top(artist_songs(artist), call.listener, 3):
        ranked |= dict.fromkeys(songs_ranked_alike(song_id, 4 * most))
    of_songs = dict(Song.objects.filter(pk__in=ranked).values_list("pk", "artist_id"))
    keys = list(dict.fromkeys(of_songs[song_id] for song_id in ranked if song_id in of_songs))
    by_id = Artist.objects.in_bulk([key for key in keys if key != artist.pk][:most])
    return [by_id[key] for key in keys if key in by_id and not by_id[key].is_unknown]


def get_album_info(call: Call) -> dict[str, Any]:
    """Answer that nothing is known of an album beyond what it says itself; nothing is fetched from elsewhere."""
    kind, pk = read(call.required("id"))
    named = {ALBUM: Q(pk=pk), SONG: Q(songs=pk)}
    if kind not in named or not Album.objects.filter(named[kind]).exists():
        raise not_found()
    return {"albumInfo": {}}


def get_top_songs(call: Call) -> dict[str, Any]:
    """Return the songs of an artist that the listener played most; the newest follow."""
    if call.text("id"):
        artist: Artist | None = _artist(key_of(call.text("id"), ARTIST))
    elif call.text("artist"):
        artist = artist_named(call.text("artist"))
    else:
        raise missing("artist")
    if artist is None:
        return {"topSongs": {}}
    keys = songs_top(artist_songs(artist), call.listener, call.number("count", 50, most=500))
    return {"topSongs": {"song": songs_shown(call.user, keys)}}
