"""Lists of albums and songs: by what they are, and by what the listener did with them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from django.db.models import Avg, Count, Max, Min, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core.caching import cached_while_large
from catalog.models import Album, Artist, Song
from catalog.selectors import song_search
from recommender.browse.selectors import albums_browse, albums_liked
from recommender.listener import listener_state, recency_of
from recommender.models import FeltRating, Listen, Player, StarRating
from recommender.requests import Listener
from recommender.retrieval import retrieve, songs_index
from recommender.rules import PLAYED
from recommender.subsonic.answers import Code, SubsonicError
from recommender.subsonic.browsing import albums_within, folder_of, songs_within
from recommender.subsonic.calls import Call
from recommender.subsonic.shown import (
    album_as_folder,
    albums_shown,
    artist_as_folder,
    artists_shown,
    songs_shown,
)

MOST_LISTED = 500
_MOST_STARRED = 5_000
# Random songs come from so many times as many, those that the listener likes more often than others.
_DRAWN_FROM = 2
# How much more often: liking lies in [-1, 1].
_LIKING_WEIGHT = 1.5
_RECENT_WEIGHT = 1.0
_STILL_PLAYING_S = 3600
SONGS_IN_ALBUM = 10


# --- Albums -----------------------------------------------------------------------------------------------------------


def get_album_list(call: Call) -> dict[str, Any]:
    """Return albums in one of many orders, as folders."""
    return {"albumList": {"album": [album_as_folder(album) for album in _albums(call)]}}


def get_album_list2(call: Call) -> dict[str, Any]:
    """Return albums in one of many orders."""
    return {"albumList2": {"album": _albums(call)}}


def _albums(call: Call) -> list[dict[str, Any]]:
    order = call.required("type")
    if order not in ORDERS:
        raise SubsonicError(Code.GENERIC, _("There is no list of the type “%(type)s”.") % {"type": order[:40]})
    offset, size = call.number("offset", 0), call.number("size", 10, least=1, most=MOST_LISTED)
    # What a row needs is read for those of one page only.
    found, root = ORDERS[order](call), folder_of(call)
    if isinstance(found, list):
        keys = found
        if root is not None:
            inside = set(albums_within(Album.objects.filter(pk__in=keys), root).values_list("pk", flat=True))
            keys = [key for key in keys if key in inside]
        keys = keys[offset : offset + size]
    else:
        keys = list(albums_within(found, root).values_list("pk", flat=True)[offset : offset + size])
    by_id = Album.objects.select_related("artist").in_bulk(keys)
    return albums_shown(call.user, [by_id[key] for key in keys if key in by_id])


def _by_year(call: Call) -> list[int]:
    """Return the keys of albums whose first year is among some, by it; backwards where the years are."""
    first, last = call.number("fromYear", 0), call.number("toYear", 9999)
    low, high = sorted((first, last))
    years = [(year if first <= last else -year, album) for album, year in _album_years().items() if low <= year <= high]
    return [album for _year, album in sorted(years)]


# Every song is read for it; albums of the last minutes are missing from a large library.
@cached_while_large(size=lambda years: SONGS_IN_ALBUM * len(years), seconds=300.0)
def _album_years() -> dict[int, int]:
    songs = Song.objects.filter(album__isnull=False, year__isnull=False).order_by()
    return dict(songs.values_list("album").annotate(first_year=Min("year")))


def _played(call: Call, value: Any) -> list[int]:
    """Return the keys of albums of which the listener played songs, by the greatest value."""
    mine = Listen.objects.filter(PLAYED, listener=call.user, song__album__isnull=False).order_by()
    counted = mine.values_list("song__album").annotate(value=value).order_by("-value", "song__album")
    return [album for album, _value in counted[:_MOST_STARRED]]


def _highest(call: Call) -> list[int]:
    """Return the keys of albums with stars, the best first: the album's own, or else the mean of its songs'."""
    stars = StarRating.objects.filter(listener=call.user).order_by()
    of_songs = dict(stars.filter(song__album__isnull=False).values_list("song__album").annotate(mean=Avg("stars")))
    best = of_songs | dict(stars.filter(album__isnull=False).values_list("album", "stars"))
    return sorted(best, key=lambda key: (-best[key], key))


ORDERS: dict[str, Callable[[Call], QuerySet[Album] | list[int]]] = {
    "random": lambda _call: Album.objects.order_by("?"),
    "newest": lambda _call: albums_browse(sort="newest"),
    "highest": _highest,
    "frequent": lambda call: _played(call, Count("pk")),
    "recent": lambda call: _played(call, Max("pk")),
    "alphabeticalByName": lambda _call: albums_browse(sort="title"),
    "alphabeticalByArtist": lambda _call: albums_browse(sort="artist"),
    "starred": lambda call: albums_liked(call.user),
    "byYear": _by_year,
    "byGenre": lambda call: albums_browse(genre=call.required("genre")),
}


# --- Songs ------------------------------------------------------------------------------------------------------------


def get_random_songs(call: Call) -> dict[str, Any]:
    """Return songs by chance, those that the listener likes or will like more often, those just played less."""
    size = call.number("size", 10, least=0, most=MOST_LISTED)
    songs = songs_within(song_search(genre=call.text("genre")), folder_of(call)).order_by()
    first, last = call.number("fromYear", 0), call.number("toYear", 9999)
    if (first, last) != (0, 9999):
        songs = songs.filter(year__range=(first, last))
    is_limited = "genre" in call.parameters or folder_of(call) is not None or (first, last) != (0, 9999)
    drawn = _drawn(songs, _DRAWN_FROM * size, is_limited=is_limited)
    return {"randomSongs": {"song": songs_shown(call.user, liked_first(call.listener, drawn)[:size])}}


def _drawn(songs: QuerySet[Song], n_songs: int, *, is_limited: bool) -> list[int]:
    """Return the keys of songs by chance."""
    if is_limited:
        keys = list(songs.values_list("pk", flat=True))
        return random.sample(keys, min(n_songs, len(keys)))
    # Sorting all songs by chance reads all of them: most numbers up to the highest are of a song.
    highest = Song.objects.aggregate(pk=Max("pk"))["pk"] or 0
    tried = random.sample(range(1, highest + 1), min(3 * n_songs, highest))
    found = list(songs.filter(pk__in=tried).values_list("pk", flat=True))
    if len(found) < n_songs:
        return list(songs.order_by("?").values_list("pk", flat=True)[:n_songs])
    return random.sample(found, n_songs)


def liked_first(listener: Listener, song_ids: list[int]) -> list[int]:
    """Order songs by chance, those that a listener is predicted to like earlier, those that they just played later."""
    index = songs_index()
    if not song_ids or not len(index):
        return song_ids
    state = listener_state(listener, index)
    if not state.history.like_signals and not state.history.plays:
        return song_ids
    pool = retrieve(index, (), always=song_ids)
    recency = recency_of(state.history.plays, pool.song_ids)
    liking = state.model.predict(pool.song_ids, pool.perceived, pool.embeddings).liking
    weights = dict(
        zip(
            pool.song_ids.tolist(),
            (_LIKING_WEIGHT * liking - _RECENT_WEIGHT * recency).tolist(),
            strict=True,
        )
    )
    # Sorted by a Gumbel variable plus the logarithm of a weight, the first n are drawn by these weights.
    chance = np.random.default_rng(random.getrandbits(64)).gumbel(size=len(song_ids))
    score = {song_id: weights.get(song_id, 0.0) + chance[place] for place, song_id in enumerate(song_ids)}
    return sorted(song_ids, key=lambda song_id: -score[song_id])


def get_songs_by_genre(call: Call) -> dict[str, Any]:
    """Return the songs of a genre, the newest first."""
    songs = songs_within(song_search(genre=call.required("genre")), folder_of(call))
    offset, size = call.number("offset", 0), call.number("count", 10, most=MOST_LISTED)
    keys = list(songs.values_list("pk", flat=True)[offset : offset + size])
    return {"songsByGenre": {"song": songs_shown(call.user, keys)}}


def get_now_playing(call: Call) -> dict[str, Any]:
    """Return what the listener's own players play."""
    now = timezone.now()
    playing = Player.objects.filter(listener=call.user).exclude(state=Player.State.STOPPED)
    entries = []
    for player in playing:
        elapsed_s = (now - player.reported_at).total_seconds()
        shown = songs_shown(call.user, [player.song_id])
        if elapsed_s > _STILL_PLAYING_S or not shown:
            continue
        moved_ms = 1000 * elapsed_s * player.rate if player.state == Player.State.PLAYING else 0
        position_ms = min(round(player.position_ms + moved_ms), 1000 * shown[0]["duration"])
        about = {
            "username": call.user.get_username(),
            "minutesAgo": int(elapsed_s // 60),
            "playerId": player.pk,
            "playerName": player.name,
            "state": player.state,
            "positionMs": position_ms,
            "playbackRate": player.rate,
        }
        entries.append({**shown[0], **about})
    return {"nowPlaying": {"entry": entries}}


# --- What is liked ----------------------------------------------------------------------------------------------------


def get_starred(call: Call) -> dict[str, Any]:
    """Return the artists, albums and songs that the listener likes, for those who browse by folders."""
    artists, albums, songs = _starred(call)
    return {
        "starred": {
            "artist": [artist_as_folder(artist) for artist in artists],
            "album": [album_as_folder(album) for album in albums],
            "song": songs,
        }
    }


def get_starred2(call: Call) -> dict[str, Any]:
    """Return the artists, albums and songs that the listener likes."""
    artists, albums, songs = _starred(call)
    return {"starred2": {"artist": artists, "album": albums, "song": songs}}


def _starred(call: Call) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    root = folder_of(call)
    artists = Artist.objects.filter(likes__listener=call.user).order_by("-likes__id")[:_MOST_STARRED]
    albums = albums_within(albums_liked(call.user), root)[:_MOST_STARRED]
    liked = FeltRating.objects.filter(listener=call.user, liked=True).order_by("-created_at", "-id")
    keys = list(liked.values_list("song_id", flat=True)[:_MOST_STARRED])
    if root is not None:
        inside = set(songs_within(Song.objects.filter(pk__in=keys), root).values_list("pk", flat=True))
        keys = [key for key in keys if key in inside]
    return artists_shown(call.user, artists), albums_shown(call.user, albums), songs_shown(call.user, keys)
