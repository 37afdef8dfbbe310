"""Changes to a playlist by hand; from then on only the listener's request re-ranks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Song
from recommender.exceptions import PlaylistItemNotFoundError, UndoTooLateError
from recommender.models import Playlist, PlaylistItem
from recommender.services.playlists import playlist_lock
from recommender.values import Listener


@transaction.atomic
def item_move(*, playlist: Playlist, listener: Listener, song_id: int, position: int) -> None:
    """Put a song at another place; the songs between move up or down by one.

    Args:
        playlist: in which it is.
        listener: whose playlist it is.
        song_id: the song.
        position: its new place from 1; beyond either end means that end.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
        PlaylistItemNotFoundError: the song is not in it.
    """
    locked, items = _locked(playlist, listener)
    item = _item_of(items, song_id)
    items.remove(item)
    items.insert(min(max(position, 1), len(items) + 1) - 1, item)
    _number(locked, items)


@transaction.atomic
def item_shift(*, playlist: Playlist, listener: Listener, song_id: int, by: int) -> None:
    """Move a song by so many places, down if above 0; the place it is at is read under the lock.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
        PlaylistItemNotFoundError: the song is not in it.
    """
    items = _locked(playlist, listener)[1]
    place = items.index(_item_of(items, song_id)) + 1
    item_move(playlist=playlist, listener=listener, song_id=song_id, position=place + by)


@transaction.atomic
def item_remove(*, playlist: Playlist, listener: Listener, song_id: int) -> None:
    """Take a song out; what follows moves up, and the list is from now on meant to be shorter.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
        PlaylistItemNotFoundError: the song is not in it.
    """
    locked, items = _locked(playlist, listener)
    item = _item_of(items, song_id)
    items.remove(item)
    item.delete()
    locked.requested_length = max(len(items), 1)
    _number(locked, items)


@transaction.atomic
def item_restore(*, playlist: Playlist, listener: Listener, was: Mapping[str, Any]) -> PlaylistItem:
    """Put a song back that was taken out, at the place where it was, as `item_values` noted it.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
        UndoTooLateError: the song is in the list again, or is no longer in the catalog.
    """
    locked, items = _locked(playlist, listener)
    song_id = was["song_id"]
    if any(item.song_id == song_id for item in items) or not Song.objects.filter(pk=song_id).exists():
        raise UndoTooLateError(_("The list has changed in the meantime, so it was left as it is."))
    # Last until all places are renumbered.
    item = PlaylistItem.objects.create(playlist=locked, **{**was, "position": len(items) + 1})
    items.insert(min(max(was["position"], 1), len(items) + 1) - 1, item)
    locked.requested_length = len(items)
    _number(locked, items)
    return item


def _locked(playlist: Playlist, listener: Listener) -> tuple[Playlist, list[PlaylistItem]]:
    locked = playlist_lock(listener, playlist.pk)
    return locked, list(PlaylistItem.objects.filter(playlist=locked).order_by("position"))


def _item_of(items: list[PlaylistItem], song_id: int) -> PlaylistItem:
    for item in items:
        if item.song_id == song_id:
            return item
    raise PlaylistItemNotFoundError(_("That song is no longer in this playlist: reload the playlist."))


def _number(playlist: Playlist, items: list[PlaylistItem]) -> None:
    for position, item in enumerate(items, start=1):
        item.position = position
    PlaylistItem.objects.bulk_update(items, ["position"])
    playlist.arranged_at = timezone.now()
    playlist.save(update_fields=["arranged_at", "requested_length", "updated_at"])
