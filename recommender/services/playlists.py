"""Playlists: created, generated again, re-ranked, renamed, saved, moved to the trash, ordered by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar, Unpack

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from catalog.core.charts import Point
from catalog.models import Song
from emotion.models import EmotionEstimate
from recommender.exceptions import (
    PlaylistFixedError,
    PlaylistInvalidError,
    PlaylistItemNotFoundError,
    PlaylistNotFoundError,
    UndoTooLateError,
)
from recommender.generate import Entry, generate
from recommender.models import Playlist, PlaylistItem
from recommender.reasons.reasons import RerankTrigger, rerank_sentence
from recommender.requests import (
    Limits,
    Listener,
    PlaylistRequest,
    Target,
    journey_request,
    new_seed,
    owner_check,
    request_of,
    title_checked,
    title_of,
)
from recommender.retrieval import estimates_playable
from recommender.selectors import TRASH_HOLDS, mood_now, playlist_visible, playlists_of, playlists_trashed

P = ParamSpec("P")
T = TypeVar("T")

ARRANGED = gettext_noop("You ordered this list by hand, so it stays as it is until you rank the rest again.")
CHOSEN: dict[str, str] = {
    Playlist.Kind.IMPORTED: gettext_noop("This list was imported, so its songs stay as they are."),
    Playlist.Kind.BY_HAND: gettext_noop("You chose the songs of this list, so they stay as they are."),
}


class RerankResult(NamedTuple):
    """What a re-ranking did; `moved` are the songs that are new in the rest or at another place, in list order."""

    changed: bool
    sentence: str
    moved: tuple[int, ...] = ()


def _again_without_deleted_songs(write: Callable[P, T]) -> Callable[P, T]:
    """Write in a transaction, and once more if a chosen song was deleted meanwhile."""

    @transaction.atomic
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        result = write(*args, **kwargs)
        # Foreign keys would otherwise be checked at commit, too late to choose again.
        connection.check_constraints()
        return result

    @wraps(write)
    def written(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return checked(*args, **kwargs)
        except IntegrityError:
            return checked(*args, **kwargs)

    return written


def playlist_create(
    *, listener: Listener, target: Target, mood: Point | None = None, **limits: Unpack[Limits]
) -> Playlist:
    """Create a playlist for a target; a catalog too small for it gives a shorter list and a note that says so.

    `mood` is how the listener is before listening; None takes their check-in of the last half hour, if there is one.
    The same seed, catalog and listener give the same list.

    Raises:
        PlaylistInvalidError: a number is out of range, or the listener has neither account nor session.
    """
    return _create(listener, PlaylistRequest(target, mood=mood, **limits), Playlist.Kind.MOOD)


def playlist_create_around(*, listener: Listener, song: Song, **limits: Unpack[Limits]) -> Playlist:
    """Create a playlist of songs like one, without that song.

    Raises:
        PlaylistInvalidError: a number is out of range, the song has no estimate, or the listener is nobody.
    """
    current = EmotionEstimate.objects.filter(is_current=True, song=song).with_effective()
    point = current.values_list("effective_valence", "effective_arousal").first()
    if point is None:
        raise PlaylistInvalidError(
            _("The model has not analysed “%(title)s” yet, so there is no mood to start from.") % {"title": song.title}
        )
    request = PlaylistRequest(Target(*point), around=song.pk, **limits)
    return _create(listener, request, Playlist.Kind.SONG, around=song)


def journey_create(*, listener: Listener, path: Sequence[Point], **limits: Unpack[Limits]) -> Playlist:
    """Create a journey from where the listener is, the first point of the path, to where they want to be, the last.

    Raises:
        PlaylistInvalidError: the path has no end or leaves the plane, a number is out of range, or the listener is
            nobody.
    """
    return _create(listener, journey_request(path, **limits), Playlist.Kind.JOURNEY)


def playlist_regenerate(*, playlist: Playlist, listener: Listener, seed: int | None = None) -> Playlist:
    """Create another list for the same request; the old one stays.

    Raises:
        PlaylistFixedError: its songs were chosen one by one, so there is no request.
    """
    if playlist.kind in Playlist.CHOSEN:
        raise PlaylistFixedError(_("The songs of this list were chosen by hand; there are no others for it."))
    request = replace(request_of(playlist), seed=new_seed() if seed is None else seed)
    if not request.path:
        # The mood before the old list no longer holds.
        request = replace(request, mood=None)
    return _create(listener, request, Playlist.Kind(playlist.kind), around=playlist.seed_song)


def playlist_rename(*, playlist: Playlist, title: str) -> Playlist:
    """Give a playlist another title.

    Raises:
        PlaylistInvalidError: the title is empty or too long.
    """
    playlist.title = title_checked(title)
    playlist.save(update_fields=["title", "updated_at"])
    return playlist


def playlist_save(*, playlist: Playlist, saved: bool = True) -> Playlist:
    """Mark a playlist as saved, or no longer."""
    playlist.saved_at = (playlist.saved_at or timezone.now()) if saved else None
    playlist.save(update_fields=["saved_at", "updated_at"])
    return playlist


def playlist_delete(*, playlist: Playlist) -> None:
    """Delete a playlist that the caller got from `playlist_visible`; its listens and ratings stay."""
    playlist.delete()


def playlist_trash(*, playlist: Playlist) -> None:
    """Move a playlist to the trash: it is hidden, and for a day its listener can restore it."""
    playlist.trashed_at = timezone.now()
    playlist.save(update_fields=["trashed_at"])


def playlist_restore(*, listener: Listener, pk: int) -> Playlist:
    """Restore a playlist from its listener's trash.

    Raises:
        PlaylistNotFoundError: it is not in the trash, is deleted by now, or belongs to another listener.
    """
    playlist = playlists_trashed(listener).filter(pk=pk).first()
    if playlist is None:
        raise PlaylistNotFoundError(_("This playlist was deleted for good or is not yours."))
    playlist.trashed_at = None
    playlist.save(update_fields=["trashed_at"])
    return playlist


def playlists_purge() -> int:
    """Delete the playlists whose time in the trash is over, and return how many there were."""
    old = Playlist.objects.filter(trashed_at__lt=timezone.now() - TRASH_HOLDS)
    n_old = old.count()
    old.delete()
    return n_old


@_again_without_deleted_songs
def playlist_rerank(*, playlist: Playlist, listener: Listener) -> RerankResult:
    """Choose the unplayed songs again because the listener asked; an order made by hand ends with it.

    Raises:
        PlaylistFixedError: its songs were chosen one by one.
        PlaylistNotFoundError: it is not this listener's, or was deleted meanwhile.
    """
    locked = playlist_lock(listener, playlist.pk)
    if locked.kind in Playlist.CHOSEN:
        raise PlaylistFixedError(_(CHOSEN[locked.kind]))
    locked.arranged_at = None
    return _rerank(locked, listener, None, RerankTrigger.RATING)


@_again_without_deleted_songs
def rest_rerank(*, playlist: Playlist, listener: Listener, because_of: Song, trigger: RerankTrigger) -> RerankResult:
    """Re-rank the unplayed rest of a playlist after the listener did something, unless they ordered it by hand.

    The playlist is locked, so two devices that rate at once re-rank one after the other.

    Raises:
        PlaylistNotFoundError: it is not this listener's, or was deleted meanwhile.
    """
    locked = playlist_lock(listener, playlist.pk)
    if locked.kind in Playlist.CHOSEN:
        return RerankResult(changed=False, sentence=_(CHOSEN[locked.kind]))
    if locked.arranged_at is not None:
        return RerankResult(changed=False, sentence=_(ARRANGED))
    return _rerank(locked, listener, because_of, trigger)


def playlist_lock(listener: Listener, pk: int) -> Playlist:
    """Lock a listener's playlist until the transaction ends.

    Raises:
        PlaylistNotFoundError: it is not this listener's, or was deleted meanwhile.
    """
    locked = playlists_of(listener).select_for_update(of=("self",)).filter(pk=pk).first()
    return locked or playlist_visible(listener, pk)


@_again_without_deleted_songs
def _create(
    listener: Listener, request: PlaylistRequest, kind: Playlist.Kind, *, around: Song | None = None
) -> Playlist:
    owner_check(listener)
    if request.mood is None:
        request = replace(request, mood=mood_now(listener))
    generated = generate(listener=listener, request=request)
    mood_valence, mood_arousal = request.mood or (None, None)
    playlist = Playlist.objects.create(
        **listener.owner_fields("owner"),
        title=title_of(request, around=around, first_artist=_artist_of(generated.entries[:1])),
        kind=kind,
        target_quadrant=request.target.quadrant,
        target_valence=request.target.valence,
        target_arousal=request.target.arousal,
        seed_song_id=request.around,
        path=[list(point) for point in request.path],
        mood_valence=mood_valence,
        mood_arousal=mood_arousal,
        variety=request.variety,
        requested_length=request.length,
        filters=request.filters.as_json(),
        seed=request.seed,
        model_version=generated.model_version,
        note=generated.note,
    )
    _items_create(playlist, generated.entries)
    return playlist


def _artist_of(entries: Sequence[Entry]) -> str:
    song = Song.objects.select_related("artist").filter(pk__in=[entry.song_id for entry in entries]).first()
    return "" if song is None or song.artist.is_unknown else str(song.artist)


def _items_create(playlist: Playlist, entries: Iterable[Entry]) -> None:
    PlaylistItem.objects.bulk_create(
        PlaylistItem(
            playlist=playlist,
            position=entry.position,
            song_id=entry.song_id,
            reason=entry.reason,
            felt_valence=entry.felt[0],
            felt_arousal=entry.felt[1],
            target_valence=entry.target[0],
            target_arousal=entry.target[1],
            terms=entry.terms,
        )
        for entry in entries
    )


def _rerank(locked: Playlist, listener: Listener, because_of: Song | None, trigger: RerankTrigger) -> RerankResult:
    items = list(locked.items.all())
    before = {item.song_id: item.position for item in items if item.played_at is None}
    played = {item.position: item.song_id for item in items if item.played_at is not None}
    generated = generate(listener=listener, request=request_of(locked), fixed=played)
    locked.items.filter(played_at=None).delete()
    _items_create(locked, generated.entries)
    locked.note, locked.model_version = generated.note, generated.model_version
    locked.save(update_fields=["note", "model_version", "arranged_at", "updated_at"])
    after = generated.entries
    moved = tuple(entry.song_id for entry in after if before.get(entry.song_id) != entry.position)
    n_new = sum(1 for song_id in moved if song_id not in before)
    sentence = rerank_sentence(
        n_moved=len(moved) - n_new,
        n_new=n_new,
        lean=_lean(list(before), [entry.perceived for entry in after]),
        title=because_of.title if because_of else "",
        trigger=trigger,
    )
    return RerankResult(changed=bool(moved) or len(before) != len(after), sentence=sentence, moved=moved)


def _lean(before: list[int], after: list[Point]) -> Point:
    """Return how far the mean perceived point of the rest moved: what the music says, not what is predicted."""
    known = estimates_playable().filter(song_id__in=before).with_effective()
    points = list(known.values_list("effective_valence", "effective_arousal"))
    if not points or not after:
        return 0.0, 0.0
    valence, arousal = np.mean(after, axis=0) - np.mean(points, axis=0)
    return float(valence), float(arousal)


# --- Ordered by hand; from then on only the listener's request re-ranks it -------------------------------------------


@transaction.atomic
def item_move(
    *, playlist: Playlist, listener: Listener, song_id: int, position: int | None = None, by: int = 0
) -> None:
    """Put a song at another place from 1, or so many places further down; those between move up or down by one.

    Beyond either end means that end. The place at which the song is now is read under the lock.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
        PlaylistItemNotFoundError: the song is not in it.
    """
    locked, items = _locked(playlist, listener)
    item = _item_of(items, song_id)
    place = items.index(item) + 1 + by if position is None else position
    items.remove(item)
    _arrange(locked, items, item, place)


@transaction.atomic
def item_remove(*, playlist: Playlist, listener: Listener, song_id: int) -> PlaylistItem:
    """Take a song out and return its item; what follows moves up, and the list is from now on meant to be shorter.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
        PlaylistItemNotFoundError: the song is not in it.
    """
    locked, items = _locked(playlist, listener)
    item = _item_of(items, song_id)
    items.remove(item)
    item.delete()
    locked.requested_length = max(len(items), 1)
    _arrange(locked, items)
    return item


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
    locked.requested_length = len(items) + 1
    _arrange(locked, items, item, was["position"])
    return item


def _locked(playlist: Playlist, listener: Listener) -> tuple[Playlist, list[PlaylistItem]]:
    locked = playlist_lock(listener, playlist.pk)
    return locked, list(PlaylistItem.objects.filter(playlist=locked).select_related("song").order_by("position"))


def _item_of(items: list[PlaylistItem], song_id: int) -> PlaylistItem:
    for item in items:
        if item.song_id == song_id:
            return item
    raise PlaylistItemNotFoundError(_("That song is no longer in this playlist: reload the playlist."))


def _arrange(
    playlist: Playlist, items: list[PlaylistItem], item: PlaylistItem | None = None, position: int = 1
) -> None:
    """Number the items, after one is put at a place."""
    if item is not None:
        items.insert(min(max(position, 1), len(items) + 1) - 1, item)
    for place, each in enumerate(items, start=1):
        each.position = place
    PlaylistItem.objects.bulk_update(items, ["position"])
    playlist.arranged_at = timezone.now()
    # It spoke of the list as it was made.
    playlist.note = ""
    playlist.save(update_fields=["arranged_at", "note", "requested_length", "updated_at"])
