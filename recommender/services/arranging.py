"""The order of a playlist, changed by hand. From then on nothing re-ranks it unasked."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from recommender.exceptions import PlaylistItemNotFound
from recommender.models import Playlist, PlaylistItem
from recommender.services.reranking import playlist_lock
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
        PlaylistNotFound: the playlist is not this listener's.
        PlaylistItemNotFound: the song is not in it.
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
        PlaylistNotFound: the playlist is not this listener's.
        PlaylistItemNotFound: the song is not in it.
    """
    _, items = _locked(playlist, listener)
    place = items.index(_item_of(items, song_id)) + 1
    item_move(playlist=playlist, listener=listener, song_id=song_id, position=place + by)


@transaction.atomic
def item_remove(*, playlist: Playlist, listener: Listener, song_id: int) -> None:
    """Take a song out; what follows moves up, and the list is from now on meant to be shorter.

    Raises:
        PlaylistNotFound: the playlist is not this listener's.
        PlaylistItemNotFound: the song is not in it.
    """
    locked, items = _locked(playlist, listener)
    item = _item_of(items, song_id)
    items.remove(item)
    item.delete()
    locked.requested_length = max(len(items), 1)
    _number(locked, items)


def _locked(playlist: Playlist, listener: Listener) -> tuple[Playlist, list[PlaylistItem]]:
    locked = playlist_lock(listener, playlist.pk)
    return locked, list(PlaylistItem.objects.filter(playlist=locked).order_by("position"))


def _item_of(items: list[PlaylistItem], song_id: int) -> PlaylistItem:
    for item in items:
        if item.song_id == song_id:
            return item
    raise PlaylistItemNotFound("That song is not in this playlist any more: load the playlist again.")


def _number(playlist: Playlist, items: list[PlaylistItem]) -> None:
    for position, item in enumerate(items, start=1):
        item.position = position
    PlaylistItem.objects.bulk_update(items, ["position"])
    playlist.arranged_at = timezone.now()
    playlist.save(update_fields=["arranged_at", "requested_length", "updated_at"])
