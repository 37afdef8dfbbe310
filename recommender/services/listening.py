"""Listens: what was played and how it ended, implicit signals separate from ratings."""

from __future__ import annotations

import math
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Song
from recommender.exceptions import RatingInvalidError
from recommender.listener import EARLY_SHARE
from recommender.models import FeltRating, Listen, Playlist, PlaylistItem
from recommender.reasons.reasons import RerankTrigger
from recommender.selectors import listens_of
from recommender.services.playlists import playlist_lock, rest_rerank
from recommender.values import Listener, ListenResult

# A browser that reports the same start twice (two tabs, a retry) is one listen.
SAME_LISTEN_S = 10
# A song that was begun longer ago than this, and paused since, is not the one that ends now.
STILL_PLAYING = timedelta(hours=12)


@transaction.atomic
def listen_record(*, listener: Listener, song: Song, playlist: Playlist | None = None) -> Listen:
    """Record that a song began to play; in a playlist, its item keeps its place from now on.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    _mark_played(listener, song, playlist)
    since = timezone.now() - timedelta(seconds=SAME_LISTEN_S)
    same = listens_of(listener).filter(song=song, playlist=playlist, started_at__gte=since).first()
    return same or _begun(listener, song, playlist)


def listen_finish(
    *,
    listener: Listener,
    song: Song,
    playlist: Playlist | None = None,
    listened_s: float,
    completed: bool,
) -> ListenResult:
    """Record how the playing of a song ended; an early skip re-ranks what of the playlist was not played.

    A second report of the same end changes nothing. An existing rating of the song is updated too, but none is created.

    Args:
        listener: who listened.
        song: what was played.
        playlist: in which playlist, if in any.
        listened_s: seconds of listening.
        completed: it played to its end; else it was skipped.

    Raises:
        RatingInvalidError: the seconds are not a number, or below 0.
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    if not (math.isfinite(listened_s) and listened_s >= 0):
        raise RatingInvalidError(
            _("The seconds played are %(seconds)s; they must be 0 or more.") % {"seconds": listened_s}
        )
    listen, is_new = _end(listener, song, playlist, listened_s, completed)
    early = not completed and listened_s < EARLY_SHARE * song.duration_s
    if playlist is None or not early or not is_new:
        return ListenResult(listen=listen)
    # Two transactions: should the re-ranking fail, the skip is stored all the same.
    rerank = rest_rerank(playlist=playlist, listener=listener, because_of=song, trigger=RerankTrigger.SKIP)
    return ListenResult(listen=listen, rerank=rerank)


@transaction.atomic
def _end(
    listener: Listener, song: Song, playlist: Playlist | None, listened_s: float, completed: bool
) -> tuple[Listen, bool]:
    """Return the listen with its end, and whether the end is new."""
    _mark_played(listener, song, playlist)
    outcome = Listen.Outcome.COMPLETED if completed else Listen.Outcome.SKIPPED
    since = timezone.now() - STILL_PLAYING
    latest = listens_of(listener).filter(song=song, playlist=playlist, started_at__gte=since)
    listen = latest.select_for_update(of=("self",)).first() or _begun(listener, song, playlist)
    if listen.outcome != Listen.Outcome.STARTED:
        if (listen.outcome, listen.listened_s) == (outcome, listened_s):
            return listen, False
        listen = _begun(listener, song, playlist)
    listen.outcome, listen.listened_s = outcome, listened_s
    listen.save(update_fields=["outcome", "listened_s"])
    if listener.user is not None:
        said = FeltRating.objects.filter(listener=listener.user, song=song)
        said.update(skipped=not completed, listened_s=listened_s, updated_at=timezone.now())
    return listen, True


def _mark_played(listener: Listener, song: Song, playlist: Playlist | None) -> None:
    if playlist is not None:
        # The lock waits for a re-ranking under way, which would otherwise replace the item that is marked.
        playlist_lock(listener, playlist.pk)
        PlaylistItem.objects.filter(playlist=playlist, song=song, played_at=None).update(played_at=timezone.now())


def _begun(listener: Listener, song: Song, playlist: Playlist | None) -> Listen:
    return Listen.objects.create(**listener.owner_fields("listener"), song=song, playlist=playlist)
