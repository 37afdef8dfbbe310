"""Search; without words, the whole library in pages, by which players keep a copy of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet

from catalog.core.files import digest
from catalog.models import Album, Artist, Song, WatchedFolder
from catalog.songs.spelling import corrected
from recommender.browse.selectors import albums_browse, artists_browse
from recommender.selectors import songs_browse
from recommender.subsonic.answers import time_written
from recommender.subsonic.browsing import albums_within, artists_within, folder_of, songs_within
from recommender.subsonic.calls import Call
from recommender.subsonic.lists import MOST_LISTED
from recommender.subsonic.shown import (
    album_as_folder,
    albums_shown,
    artist_as_folder,
    artists_shown,
    songs_shown,
)

_DEFAULT = 20
# Pages of a whole library are long: few of them are soon read.
_MOST_IN_PAGE = 2_000
# A player that reads page after page goes on where it was; after a pause it is found by counting.
_REMEMBERED_S = 600


def search2(call: Call) -> dict[str, Any]:
    """Return what has the words, for those who browse by folders."""
    artists, albums, songs = _found(call)
    return {
        "searchResult2": {
            "artist": [artist_as_folder(artist) for artist in artists],
            "album": [album_as_folder(album) for album in albums],
            "song": songs,
        }
    }


def search3(call: Call) -> dict[str, Any]:
    """Return what has the words; without any, all there is."""
    artists, albums, songs = _found(call)
    return {"searchResult3": {"artist": artists, "album": albums, "song": songs}}


def search(call: Call) -> dict[str, Any]:
    """Return the songs that have the words of any parameter: the search of the protocol's first versions."""
    words = " ".join(filter(None, (call.text(name) for name in ("artist", "album", "title", "any"))))
    offset, count = call.number("offset", 0), call.number("count", _DEFAULT, most=MOST_LISTED)
    found = songs_browse(query=words, listener=call.listener)
    newer_ms = call.number("newerThan", 0)
    songs = songs_shown(call.user, list(found.ids[offset : offset + count]))
    shown = [song for song in songs if not newer_ms or song["created"] > _moment(newer_ms)]
    return {"searchResult": {"offset": offset, "totalHits": len(found), "match": shown}}


def _moment(newer_ms: int) -> str:
    return time_written(datetime.fromtimestamp(min(newer_ms / 1000, 4e9), UTC))


Shown = list[dict[str, Any]]


def _found(call: Call) -> tuple[Shown, Shown, Shown]:
    # Some players put the words between quotes, also where there are none.
    words = call.text("query").strip().strip('"').strip()
    root = folder_of(call)
    if not words:
        return _everything(call, root)
    found = _matching(call, words, root)
    if not any(found) and (meant := corrected(words)):
        found = _matching(call, meant, root)
    return found


def _matching(call: Call, words: str, root: WatchedFolder | None) -> tuple[Shown, Shown, Shown]:
    artists = artists_within(artists_browse(query=words), root)[_part(call, "artist")]
    albums = albums_within(albums_browse(query=words), root)[_part(call, "album")]
    part = _part(call, "song")
    if root is None:
        keys = list(songs_browse(query=words).ids[part])
    else:
        inside = songs_within(Song.objects.filter(pk__in=songs_browse(query=words).ids.order_by()), root)
        keys = list(inside.order_by("-pk").values_list("pk", flat=True)[part])
    return artists_shown(call.user, artists), albums_shown(call.user, albums), songs_shown(call.user, keys)


def _part(call: Call, kind: str) -> slice:
    offset = call.number(f"{kind}Offset", 0)
    return slice(offset, offset + call.number(f"{kind}Count", _DEFAULT, most=_MOST_IN_PAGE))


# --- Everything -------------------------------------------------------------------------------------------------------


def _everything(call: Call, root: WatchedFolder | None) -> tuple[Shown, Shown, Shown]:
    artists = _page(call, "artist", artists_within(Artist.objects.all(), root), root)
    albums = _page(call, "album", albums_within(Album.objects.all(), root), root)
    songs = _page(call, "song", songs_within(Song.objects.all(), root), root)
    by_id = Artist.objects.in_bulk(artists)
    with_artist = Album.objects.select_related("artist").in_bulk(albums)
    return (
        artists_shown(call.user, [by_id[key] for key in artists if key in by_id]),
        albums_shown(call.user, [with_artist[key] for key in albums if key in with_artist]),
        songs_shown(call.user, songs),
    )


def _page(call: Call, kind: str, rows: QuerySet[Any], root: WatchedFolder | None) -> list[int]:
    """Return the keys of a page, in their order.

    A page that begins where this player's last one ended is read from there: nothing before it is counted, and nothing
    is left out where a row before it was deleted meanwhile.
    """
    part = _part(call, kind)
    if part.start == part.stop:
        return []
    keys = rows.order_by("pk").values_list("pk", flat=True)
    where = f"subsonic.page.{call.user.pk}.{digest(call.player.encode())[:16]}.{kind}.{root.pk if root else 0}"
    after = cache.get(f"{where}.{part.start}") if part.start else 0
    page = list(keys.filter(pk__gt=after)[: part.stop - part.start] if after is not None else keys[part])
    if page:
        cache.set(f"{where}.{part.start + len(page)}", page[-1], _REMEMBERED_S)
    return page
