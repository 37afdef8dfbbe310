"""What listeners collect by hand: playlists of songs that they chose, and albums that they like."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Album, Song
from emotion.selectors import prevailing_model_version
from recommender.exceptions import PlaylistInvalidError
from recommender.generate import predict_items
from recommender.models import AlbumLike, Playlist, PlaylistItem, SmartList
from recommender.requests import Listener, owner_check, title_checked
from recommender.services.playlists import playlist_lock

MAX_SONGS = 5_000
MAX_DESCRIPTION = 2_000


@transaction.atomic
def playlist_create_by_hand(
    *, listener: Listener, title: str, description: str = "", song_ids: Sequence[int] = ()
) -> Playlist:
    """Create a playlist of chosen songs, or an empty one to fill later.

    Raises:
        PlaylistInvalidError: the title is empty or too long, there are too many songs, or the listener is nobody.
    """
    owner_check(listener)
    playlist = Playlist.objects.create(
        **listener.owner_fields("owner"),
        title=title_checked(title),
        description=description_checked(description),
        kind=Playlist.Kind.BY_HAND,
        target_valence=0.0,
        target_arousal=0.0,
        requested_length=1,
        seed=0,
        model_version=prevailing_model_version(),
        saved_at=timezone.now(),
        arranged_at=timezone.now(),
    )
    _add(playlist, listener, song_ids)
    return playlist


@transaction.atomic
def playlist_add(*, playlist: Playlist, listener: Listener, song_ids: Sequence[int]) -> list[int]:
    """Add songs to the end of a playlist, and return those that were not in it; from now on it is ordered by hand.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
        PlaylistInvalidError: it would become too long.
    """
    return _add(playlist_lock(listener, playlist.pk), listener, song_ids)


@transaction.atomic
def playlist_fill(*, playlist: Playlist, listener: Listener, song_ids: Sequence[int]) -> None:
    """Give a playlist exactly these songs, in this order; those that stay keep their reasons.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
        PlaylistInvalidError: it would become too long.
    """
    locked = playlist_lock(listener, playlist.pk)
    wanted = list(dict.fromkeys(song_ids))
    locked.items.exclude(song__in=wanted).delete()
    kept = {item.song_id: item for item in locked.items.all()}
    # Numbered without gaps, so that new ones follow.
    for place, item in enumerate(kept.values(), start=1):
        item.position = place
    PlaylistItem.objects.bulk_update(kept.values(), ["position"])
    new = {item.song_id: item for item in locked.items.filter(song__in=_add(locked, listener, wanted))}
    places = {**kept, **new}
    ordered = [places[song_id] for song_id in wanted if song_id in places]
    for place, item in enumerate(ordered, start=1):
        item.position = place
    PlaylistItem.objects.bulk_update(ordered, ["position"])
    locked.requested_length = max(len(ordered), 1)
    locked.arranged_at, locked.note = timezone.now(), ""
    locked.save(update_fields=["requested_length", "arranged_at", "note", "updated_at"])


def playlist_describe(*, playlist: Playlist, title: str, description: str) -> Playlist:
    """Give a playlist another title and description.

    Raises:
        PlaylistInvalidError: the title is empty, or one of them is too long.
    """
    playlist.title, playlist.description = title_checked(title), description_checked(description)
    playlist.save(update_fields=["title", "description", "updated_at"])
    return playlist


def album_like(*, user: User, album: Album, liked: bool) -> None:
    """Like an album, or no longer."""
    if liked:
        AlbumLike.objects.get_or_create(listener=user, album=album)
    else:
        AlbumLike.objects.filter(listener=user, album=album).delete()


def smart_list_create(*, listener: Listener, title: str, query: str) -> SmartList:
    """Name a song list by its rules, which `query` holds as `SongFilterForm.query` gives them.

    Raises:
        PlaylistInvalidError: the title is empty or too long, or the listener is nobody.
    """
    owner_check(listener)
    return SmartList.objects.create(**listener.owner_fields("owner"), title=title_checked(title), query=query)


def smart_list_change(*, smart_list: SmartList, title: str, query: str) -> SmartList:
    """Give a smart list another title and other rules.

    Raises:
        PlaylistInvalidError: the title is empty or too long.
    """
    smart_list.title, smart_list.query = title_checked(title), query
    smart_list.save(update_fields=["title", "query", "updated_at"])
    return smart_list


def smart_list_delete(*, smart_list: SmartList) -> None:
    """Delete a smart list; its songs stay."""
    smart_list.delete()


def description_checked(description: str) -> str:
    """Return a description without spaces around it.

    Raises:
        PlaylistInvalidError: it is too long.
    """
    text = description.replace("\x00", "").strip()
    if len(text) > MAX_DESCRIPTION:
        sentence = _("The description has %(n)d characters; it can have %(most)d.")
        raise PlaylistInvalidError(sentence % {"n": len(text), "most": MAX_DESCRIPTION})
    return text


def _add(locked: Playlist, listener: Listener, song_ids: Sequence[int]) -> list[int]:
    here = set(PlaylistItem.objects.filter(playlist=locked).values_list("song_id", flat=True))
    # A song that was deleted meanwhile is left out, and no other is while this lasts.
    asked = dict.fromkeys(song_ids)
    known = set(Song.objects.filter(pk__in=asked).select_for_update(no_key=True).values_list("pk", flat=True))
    new = [song_id for song_id in asked if song_id in known and song_id not in here]
    if len(here) + len(new) > MAX_SONGS:
        raise PlaylistInvalidError(_("A playlist can have %(most)d songs.") % {"most": MAX_SONGS})
    if not new:
        return []
    felt = predict_items(listener=listener, song_ids=new)
    PlaylistItem.objects.bulk_create(
        PlaylistItem(
            playlist=locked,
            position=place,
            song_id=song_id,
            reason="",
            felt_valence=valence,
            felt_arousal=arousal,
        )
        for place, song_id in enumerate(new, start=len(here) + 1)
        for valence, arousal in [felt.get(song_id, (None, None))]
    )
    locked.requested_length = len(here) + len(new)
    locked.arranged_at, locked.note = timezone.now(), ""
    locked.save(update_fields=["requested_length", "arranged_at", "note", "updated_at"])
    return new
