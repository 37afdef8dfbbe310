"""Playlists: made, made anew, named, kept, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from catalog.core.points import Point
from catalog.models import Song
from recommender.exceptions import PlaylistFixed, PlaylistNotFound
from recommender.generate import Composition, Placement, compose
from recommender.models import DEFAULT_VARIETY, Playlist, PlaylistItem
from recommender.reasons import reasons
from recommender.reasons.reasons import Cause
from recommender.requests import (
    DEFAULT_LENGTH,
    Wish,
    journey_wish,
    seed_or_new,
    target_around,
    title_checked,
    title_of,
    wish_check,
    wish_of,
)
from recommender.retrieval.source import estimates_playable
from recommender.selectors import DISCARDED_FOR, mood_now, playlist_visible, playlists_discarded, playlists_of
from recommender.values import NO_FILTERS, Filters, Listener, RerankResult, Target

T = TypeVar("T")


def playlist_create(
    *,
    listener: Listener,
    target: Target,
    length: int = DEFAULT_LENGTH,
    filters: Filters = NO_FILTERS,
    seed: int | None = None,
    mood: Point | None = None,
    variety: float = DEFAULT_VARIETY,
) -> Playlist:
    """Make a playlist for a target; a catalog too small for it gives a shorter list and a note that says so.

    Args:
        listener: whom it is for and belongs to.
        target: where it is to be on the plane.
        length: songs asked for, 1 to `MAX_LENGTH`.
        filters: what it is limited to.
        seed: the same seed, catalog and listener give the same list; None takes a new one.
        mood: how they are before listening; None takes what they said within the last half hour, if they did.
        variety: how far it may roam from what is known best, in [0, 1].

    Raises:
        PlaylistInvalid: a number is out of range, or the listener is nobody.
    """
    wish = Wish(target, length, seed_or_new(seed), filters, mood=mood, variety=variety)
    return _fulfil(listener, wish, kind=Playlist.Kind.MOOD)


def playlist_create_around(
    *,
    listener: Listener,
    song: Song,
    length: int = DEFAULT_LENGTH,
    filters: Filters = NO_FILTERS,
    seed: int | None = None,
    variety: float = DEFAULT_VARIETY,
) -> Playlist:
    """Make a playlist of songs like one, the song itself not among them.

    Raises:
        PlaylistInvalid: a number is out of range, the song has no estimate, or the listener is nobody.
    """
    wish = Wish(
        target=target_around(song),
        length=length,
        seed=seed_or_new(seed),
        filters=filters,
        around=song.pk,
        variety=variety,
    )
    return _fulfil(listener, wish, kind=Playlist.Kind.SONG, around=song)


def journey_create(
    *,
    listener: Listener,
    path: Sequence[Point],
    length: int = DEFAULT_LENGTH,
    filters: Filters = NO_FILTERS,
    seed: int | None = None,
    variety: float = DEFAULT_VARIETY,
) -> Playlist:
    """Make a journey from where the listener is, the first point of the path, to where they want to be, the last.

    Raises:
        PlaylistInvalid: the path has no end or leaves the plane, a number is out of range, or the listener is nobody.
    """
    wish = journey_wish(path=path, length=length, filters=filters, seed=seed, variety=variety)
    return _fulfil(listener, wish, kind=Playlist.Kind.JOURNEY)


def playlist_regenerate(*, playlist: Playlist, listener: Listener, seed: int | None = None) -> Playlist:
    """Make another list for the same wish; the old one stays.

    Raises:
        PlaylistFixed: it came from elsewhere, and was never a wish.
    """
    if playlist.kind == Playlist.Kind.IMPORTED:
        raise PlaylistFixed(_("This list came from elsewhere; there are no other songs for it."))
    wish = replace(wish_of(playlist), seed=seed_or_new(seed))
    if not wish.path:
        # How they were when they made the old one is over.
        wish = replace(wish, mood=None)
    return _fulfil(listener, wish, kind=Playlist.Kind(playlist.kind), around=playlist.seed_song)


def playlist_rename(*, playlist: Playlist, title: str) -> Playlist:
    """Give a playlist another title.

    Raises:
        PlaylistInvalid: the title is empty or too long.
    """
    playlist.title = title_checked(title)
    playlist.save(update_fields=["title", "updated_at"])
    return playlist


def playlist_save(*, playlist: Playlist, saved: bool = True) -> Playlist:
    """Keep a playlist among those saved, or no longer."""
    playlist.saved_at = (playlist.saved_at or timezone.now()) if saved else None
    playlist.save(update_fields=["saved_at", "updated_at"])
    return playlist


def playlist_delete(*, playlist: Playlist) -> None:
    """Delete a playlist, which the caller got from `playlist_visible`; what was heard and rated in it stays."""
    playlist.delete()


def playlist_discard(*, playlist: Playlist) -> None:
    """Throw a playlist away: nobody sees it any more, and for a day its listener can have it back."""
    playlist.discarded_at = timezone.now()
    playlist.save(update_fields=["discarded_at"])


def playlist_restore(*, listener: Listener, pk: int) -> Playlist:
    """Give a playlist back to the listener who threw it away.

    Raises:
        PlaylistNotFound: it was never thrown away, is deleted by now, or is somebody else's.
    """
    playlist = playlists_discarded(listener).filter(pk=pk).first()
    if playlist is None:
        raise PlaylistNotFound(_("This playlist is deleted for good, or it is not yours."))
    playlist.discarded_at = None
    playlist.save(update_fields=["discarded_at"])
    return playlist


def playlists_purge() -> int:
    """Delete what was thrown away longer ago than it can be had back, and return how many playlists that were."""
    old = Playlist.objects.filter(discarded_at__lt=timezone.now() - DISCARDED_FOR)
    n_old = old.count()
    old.delete()
    return n_old


def _fulfil(listener: Listener, wish: Wish, *, kind: Playlist.Kind, around: Song | None = None) -> Playlist:
    wish_check(listener, wish)
    if wish.mood is None:
        wish = replace(wish, mood=mood_now(listener))

    def create() -> Playlist:
        composition = compose(listener=listener, wish=wish)
        return _store(listener, wish, kind, around, composition)

    return twice_if_songs_vanish(create)


def _store(
    listener: Listener, wish: Wish, kind: Playlist.Kind, around: Song | None, composition: Composition
) -> Playlist:
    mood_valence, mood_arousal = wish.mood or (None, None)
    playlist = Playlist.objects.create(
        owner=listener.user,
        session_key="" if listener.user else listener.session_key,
        title=title_of(wish, around=around),
        kind=kind,
        target_quadrant=wish.target.quadrant,
        target_valence=wish.target.valence,
        target_arousal=wish.target.arousal,
        seed_song_id=wish.around,
        path=[list(point) for point in wish.path],
        mood_valence=mood_valence,
        mood_arousal=mood_arousal,
        variety=wish.variety,
        requested_length=wish.length,
        filters=wish.filters.as_json(),
        seed=wish.seed,
        model_version=composition.model_version,
        note=composition.note,
    )
    items_store(playlist, composition.placements)
    return playlist


def items_store(playlist: Playlist, placements: Iterable[Placement]) -> None:
    """Put songs at their places, which must be free."""
    PlaylistItem.objects.bulk_create(
        PlaylistItem(
            playlist=playlist,
            position=placement.position,
            song_id=placement.song_id,
            reason=placement.reason,
            felt_valence=placement.felt[0],
            felt_arousal=placement.felt[1],
            target_valence=placement.target[0],
            target_arousal=placement.target[1],
            terms=placement.terms,
        )
        for placement in placements
    )


def twice_if_songs_vanish(write: Callable[[], T]) -> T:
    """Write in a transaction, and again if a chosen song was deleted meanwhile; the second choice does not see it."""
    try:
        return _checked(write)
    except IntegrityError:
        return _checked(write)


@transaction.atomic
def _checked(write: Callable[[], T]) -> T:
    result = write()
    # Foreign keys would else be checked at commit, where nobody could choose again.
    connection.check_constraints()
    return result


ARRANGED = gettext_noop("You put this list in order by hand, so it stays as it is until you rank the rest again.")
FROM_ELSEWHERE = gettext_noop("This list came from elsewhere, so its songs stay as they are.")


def playlist_rerank(*, playlist: Playlist, listener: Listener) -> RerankResult:
    """Choose the songs not played yet anew because the listener asked; an order made by hand ends with it.

    Raises:
        PlaylistFixed: it came from elsewhere.
        PlaylistNotFound: it is not this listener's, or was deleted meanwhile.
    """

    def rerank() -> RerankResult:
        locked = playlist_lock(listener, playlist.pk)
        if locked.kind == Playlist.Kind.IMPORTED:
            raise PlaylistFixed(_(FROM_ELSEWHERE))
        locked.arranged_at = None
        return _rerank(locked, listener, None, Cause.RATING)

    return twice_if_songs_vanish(rerank)


def rest_rerank(
    *, playlist: Playlist, listener: Listener, because_of: Song, cause: Cause = Cause.RATING
) -> RerankResult:
    """Re-rank the rest of a playlist after something the listener did, unless they put it in order by hand.

    The playlist is locked, so two devices that rate at once re-rank one after the other.

    Raises:
        PlaylistNotFound: it is not this listener's, or was deleted meanwhile.
    """

    def rerank() -> RerankResult:
        locked = playlist_lock(listener, playlist.pk)
        if locked.kind == Playlist.Kind.IMPORTED:
            return RerankResult(changed=False, sentence=_(FROM_ELSEWHERE))
        if locked.arranged_at is not None:
            return RerankResult(changed=False, sentence=_(ARRANGED))
        return _rerank(locked, listener, because_of, cause)

    return twice_if_songs_vanish(rerank)


def playlist_lock(listener: Listener, pk: int) -> Playlist:
    """Lock a listener's playlist until the transaction ends.

    Raises:
        PlaylistNotFound: it is not this listener's, or was deleted meanwhile.
    """
    locked = playlists_of(listener).select_for_update(of=("self",)).filter(pk=pk).first()
    return locked or playlist_visible(listener, pk)


def _rerank(locked: Playlist, listener: Listener, because_of: Song | None, cause: Cause) -> RerankResult:
    items = list(locked.items.all())
    before = [item for item in items if item.played_at is None]
    played = {item.position: item.song_id for item in items if item.played_at is not None}
    composition = compose(listener=listener, wish=wish_of(locked), fixed=played)
    _replace_rest(locked, composition)
    return _result(before, composition.placements, because_of, cause)


def _replace_rest(playlist: Playlist, composition: Composition) -> None:
    playlist.items.filter(played_at=None).delete()
    items_store(playlist, composition.placements)
    playlist.note = composition.note
    playlist.model_version = composition.model_version
    playlist.save(update_fields=["note", "model_version", "arranged_at", "updated_at"])


def _result(
    before: list[PlaylistItem], after: tuple[Placement, ...], because_of: Song | None, cause: Cause
) -> RerankResult:
    """Compare the rest as it was with the rest as it is."""
    places = {item.song_id: item.position for item in before}
    moved = tuple(place.song_id for place in after if places.get(place.song_id) != place.position)
    changed = bool(moved) or len(before) != len(after)
    sentence = reasons.rerank_sentence(
        n_moved=len(moved),
        lean=_lean([item.song_id for item in before], [place.perceived for place in after]),
        title=because_of.title if because_of else "",
        cause=cause,
    )
    return RerankResult(changed=changed, sentence=sentence, moved=moved)


def _lean(before: list[int], after: list[tuple[float, float]]) -> tuple[float, float]:
    """Return how far the mean perceived point of the rest went: what the music says, not what is predicted."""
    known = estimates_playable().filter(song_id__in=before).with_effective()
    points = list(known.values_list("effective_valence", "effective_arousal"))
    if not points or not after:
        return 0.0, 0.0
    lean = np.mean(after, axis=0) - np.mean(points, axis=0)
    return float(lean[0]), float(lean[1])
