"""The rest of a playlist, ranked again with all that is known of the listener by now."""

from __future__ import annotations

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from catalog.models import Song
from recommender.exceptions import PlaylistFixed
from recommender.generate import Composition, Placement, compose
from recommender.models import Playlist, PlaylistItem
from recommender.reasons import reasons
from recommender.reasons.reasons import Cause
from recommender.retrieval.pool import estimates_playable
from recommender.selectors import playlist_visible, playlists_of
from recommender.services.playlists import items_store, twice_if_songs_vanish
from recommender.services.requests import wish_of
from recommender.values import Listener, RerankResult

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
