"""Playlists: made, ranked again, listened to, deleted."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catalog.models import Song
from emotion.quadrants import Quadrant
from recommender import explain
from recommender.candidates import estimates_playable
from recommender.composition import Composition, Placement, compose, listens_of
from recommender.exceptions import PlaylistInvalid
from recommender.models import Listen, Playlist, PlaylistItem
from recommender.selectors import playlist_visible, playlists_of
from recommender.values import NO_FILTERS, Filters, Listener, RerankResult, Target

T = TypeVar("T")

MAX_LENGTH = 100
# A browser that reports the same start twice (two tabs, a retry) is one listen.
SAME_LISTEN_S = 10


def playlist_create(
    *,
    listener: Listener,
    target: Target,
    length: int = 12,
    filters: Filters = NO_FILTERS,
    seed: int | None = None,
) -> Playlist:
    """Make a playlist for a target; a catalog too small for it gives a shorter list and a note that says so.

    Args:
        listener: whom it is for and belongs to.
        target: where it is to be on the plane.
        length: songs asked for, 1 to `MAX_LENGTH`.
        filters: what it is limited to.
        seed: the same seed, catalog and listener give the same list; None takes a new one.

    Raises:
        PlaylistInvalid: the length is out of range, or the listener is nobody.
    """
    _check(listener, length)
    chosen_seed = secrets.randbits(53) if seed is None else seed

    def create() -> Playlist:
        composition = compose(listener=listener, target=target, length=length, filters=filters, seed=chosen_seed)
        return _store(listener, target, length, filters, chosen_seed, composition)

    return _twice_if_songs_vanish(create)


def playlist_rerank(*, playlist: Playlist, listener: Listener) -> RerankResult:
    """Choose the songs not played yet anew, with all that is known of the listener by now."""
    return rest_rerank(playlist=playlist, listener=listener)


def rest_rerank(*, playlist: Playlist, listener: Listener, because_of: Song | None = None) -> RerankResult:
    """Re-rank the rest of a playlist; `because_of` names the song whose rating is the cause.

    The playlist is locked, so two devices that rate at once re-rank one after the other.

    Raises:
        PlaylistNotFound: it is not this listener's, or was deleted meanwhile.
    """

    def rerank() -> RerankResult:
        locked = playlist_lock(listener, playlist.pk)
        items = list(locked.items.all())
        before = [item for item in items if item.played_at is None]
        played = {item.position: item.song_id for item in items if item.played_at is not None}
        composition = _compose_again(locked, listener, fixed=played)
        _replace_rest(locked, composition)
        return _result(before, composition.placements, because_of)

    return _twice_if_songs_vanish(rerank)


def playlist_lock(listener: Listener, pk: int) -> Playlist:
    """Lock a listener's playlist until the transaction ends.

    Raises:
        PlaylistNotFound: it is not this listener's, or was deleted meanwhile.
    """
    locked = playlists_of(listener).select_for_update().filter(pk=pk).first()
    return locked or playlist_visible(listener, pk)


@transaction.atomic
def listen_record(*, listener: Listener, song: Song, playlist: Playlist | None = None) -> Listen:
    """Record that a song began to play; in a playlist, its item keeps its place from now on.

    Raises:
        PlaylistNotFound: the playlist is not this listener's.
    """
    if playlist is not None:
        # The lock waits for a re-ranking under way, which would otherwise replace the item that is marked.
        playlist_lock(listener, playlist.pk)
        PlaylistItem.objects.filter(playlist=playlist, song=song, played_at=None).update(played_at=timezone.now())
    since = timezone.now() - timedelta(seconds=SAME_LISTEN_S)
    same = listens_of(listener).filter(song=song, playlist=playlist, started_at__gte=since).first()
    if same is not None:
        return same
    session_key = "" if listener.user else listener.session_key
    return Listen.objects.create(listener=listener.user, session_key=session_key, song=song, playlist=playlist)


def playlist_delete(*, playlist: Playlist) -> None:
    """Delete a playlist, which the caller got from `playlist_visible`; what was heard and rated in it stays."""
    playlist.delete()


def target_of(playlist: Playlist) -> Target:
    """Return the target of a stored playlist."""
    quadrant = None if playlist.target_quadrant is None else Quadrant(playlist.target_quadrant)
    return Target(valence=playlist.target_valence, arousal=playlist.target_arousal, quadrant=quadrant)


def _check(listener: Listener, length: int) -> None:
    if not 1 <= length <= MAX_LENGTH:
        raise PlaylistInvalid(f"A playlist has 1 to {MAX_LENGTH} songs, not {length}.")
    if listener.user is None and not listener.session_key:
        raise PlaylistInvalid("A playlist must belong to a user or to a browser session.")


def _store(
    listener: Listener, target: Target, length: int, filters: Filters, seed: int, composition: Composition
) -> Playlist:
    playlist = Playlist.objects.create(
        owner=listener.user,
        session_key="" if listener.user else listener.session_key,
        title=_title(target, filters),
        target_quadrant=target.quadrant,
        target_valence=target.valence,
        target_arousal=target.arousal,
        requested_length=length,
        filters=filters.as_json(),
        seed=seed,
        model_version=composition.model_version,
        note=composition.note,
    )
    _store_items(playlist, composition.placements)
    return playlist


def _compose_again(playlist: Playlist, listener: Listener, *, fixed: Mapping[int, int]) -> Composition:
    return compose(
        listener=listener,
        target=target_of(playlist),
        length=playlist.requested_length,
        filters=Filters.from_json(playlist.filters),
        seed=playlist.seed,
        fixed=fixed,
    )


def _replace_rest(playlist: Playlist, composition: Composition) -> None:
    playlist.items.filter(played_at=None).delete()
    _store_items(playlist, composition.placements)
    playlist.note = composition.note
    playlist.model_version = composition.model_version
    playlist.save(update_fields=["note", "model_version", "updated_at"])


def _twice_if_songs_vanish(write: Callable[[], T]) -> T:
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


def _store_items(playlist: Playlist, placements: tuple[Placement, ...]) -> None:
    PlaylistItem.objects.bulk_create(
        PlaylistItem(
            playlist=playlist,
            position=placement.position,
            song_id=placement.song_id,
            reason=placement.reason,
            felt_valence=placement.felt[0],
            felt_arousal=placement.felt[1],
        )
        for placement in placements
    )


def _title(target: Target, filters: Filters) -> str:
    where = target.quadrant or Quadrant.from_valence_arousal(target.valence, target.arousal)
    mood = where.label if target.quadrant else f"Around {target.valence:+.1f}, {target.arousal:+.1f} ({where.label})"
    return f"{mood} · {filters.genre}" if filters.genre else mood


def _result(before: list[PlaylistItem], after: tuple[Placement, ...], because_of: Song | None) -> RerankResult:
    """Compare the rest as it was with the rest as it is."""
    places = {item.song_id: item.position for item in before}
    moved = tuple(place.song_id for place in after if places.get(place.song_id) != place.position)
    changed = bool(moved) or len(before) != len(after)
    sentence = explain.rerank_sentence(
        n_moved=len(moved),
        lean=_lean([item.song_id for item in before], [place.perceived for place in after]),
        title=because_of.title if because_of else "",
    )
    return RerankResult(changed=changed, sentence=sentence, moved=moved)


def _lean(before: list[int], after: list[tuple[float, float]]) -> tuple[float, float]:
    """Return how far the mean perceived point of the rest went: what the music says, not what is predicted."""
    points = list(estimates_playable().filter(song_id__in=before).values_list("valence", "arousal"))
    if not points or not after:
        return 0.0, 0.0
    lean = np.mean(after, axis=0) - np.mean(points, axis=0)
    return float(lean[0]), float(lean[1])
