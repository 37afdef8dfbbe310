"""Shares: playlists that anybody with a link may open, as on the pages of playlists."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.models import Album, Song
from recommender import selectors
from recommender.browse.selectors import album_songs
from recommender.models import Playlist
from recommender.requests import MAX_TITLE
from recommender.services import collecting, sharing
from recommender.subsonic import moods
from recommender.subsonic.answers import time_written
from recommender.subsonic.calls import Call, missing, not_found
from recommender.subsonic.numbers import ALBUM, PLAYLIST, SONG, key_of, number_of, read
from recommender.subsonic.shown import songs_shown


def get_shares(call: Call) -> dict[str, Any]:
    """Return the listener's playlists that have a link."""
    shared = selectors.playlists_of(call.listener).filter(share_token__isnull=False)
    return {"shares": {"share": [_shown(call, playlist) for playlist in shared]}}


@transaction.atomic
def create_share(call: Call) -> dict[str, Any]:
    """Share a playlist by a link, or songs and albums as a new one."""
    numbers = call.texts("id")
    if not numbers:
        raise missing("id")
    if len(numbers) == 1 and numbers[0].startswith(f"{PLAYLIST}-"):
        playlist = selectors.playlist_visible(call.listener, key_of(numbers[0], PLAYLIST))
    else:
        keys = [key for number in numbers for key in _songs(call, number)]
        title = (call.text("description").strip() or _("Shared songs"))[:MAX_TITLE]
        playlist = collecting.playlist_create_by_hand(listener=call.listener, title=title, song_ids=keys)
    sharing.playlist_share(playlist=playlist)
    return {"shares": {"share": [_shown(call, playlist)]}}


def update_share(call: Call) -> dict[str, Any]:
    """Say something else of a shared list; a link does not expire."""
    playlist = _shared(call)
    if "description" in call.parameters:
        about = call.text("description")
        collecting.playlist_describe(playlist=playlist, title=playlist.title, description=about)
    return {}


def delete_share(call: Call) -> dict[str, Any]:
    """Take the link of a list back; the list stays."""
    sharing.playlist_unshare(playlist=_shared(call))
    return {}


def _shared(call: Call) -> Playlist:
    playlist = selectors.playlist_visible(call.listener, key_of(call.required("id"), PLAYLIST))
    if playlist.share_token is None:
        raise not_found()
    return playlist


def _songs(call: Call, number: str) -> list[int]:
    slug = moods.slug_of(number)
    if slug is not None:
        return moods.mood_list(call.user, slug).song_ids
    kind, pk = read(number)
    if kind == SONG:
        keys = list(Song.objects.filter(pk=pk).values_list("pk", flat=True))
    else:
        album = Album.objects.filter(pk=pk).first() if kind == ALBUM else None
        keys = [song.pk for song in album_songs(album)] if album else []
    if not keys:
        raise not_found()
    return keys


def _shown(call: Call, playlist: Playlist) -> dict[str, Any]:
    keys = list(playlist.items.order_by("position").values_list("song_id", flat=True))
    where = reverse("recommender:shared_playlist", args=[playlist.share_token])
    return {
        "id": number_of(playlist),
        "url": call.request.build_absolute_uri(where),
        "description": playlist.description or playlist.title,
        "username": call.user.get_username(),
        "created": time_written(playlist.created_at),
        # Nobody counts who opens it.
        "visitCount": 0,
        "entry": songs_shown(call.user, keys),
    }
