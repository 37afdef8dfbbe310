"""Moves songs between states. Every move is conditional under a lock: two workers never both win the same song."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Greatest, Least
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from catalog.exceptions import SongNotRetryable
from catalog.models import Song
from catalog.signals import song_uploaded

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
# An announcement is made at once after the commit; one that took longer was lost with its process.
ANNOUNCE_LEASE_S = 60.0
QUEUE_LEASE_S = 120.0
QUEUE_LEASE_MAX_S = 3600.0

WORKER_LOST = "worker_lost"
# Stored as it stands here, and translated when it is shown.
_WORKER_LOST_SENTENCE = gettext_noop(
    "The analysis was begun three times and never came to an end. The file may be too much for the worker's "
    "memory, or the worker was stopped; see the status page, then retry."
)
_State = Song.State


def songs_announce(*, song_ids: Sequence[int]) -> None:
    """Tell the other apps, after the commit, that songs are ready to be analysed.

    A receiver that fails (a broker that is down) is logged and does not undo the upload: `songs_reconcile` finds
    the songs again.
    """
    ids = list(song_ids)
    if ids:
        transaction.on_commit(lambda: song_uploaded.send_robust(sender=Song, song_ids=ids))


def songs_queue(*, song_ids: Iterable[int]) -> list[int]:
    """Queue uploaded or failed songs anew; return those that were not queued already."""
    return _move(
        Q(pk__in=list(song_ids), state__in=[_State.UPLOADED, _State.FAILED]),
        state=_State.QUEUED,
        attempts=0,
        failure_code="",
        failure_reason="",
        lease_expires_at=_in(QUEUE_LEASE_S),
    )


def songs_claim(*, song_ids: Iterable[int], lease_s: float) -> list[Song]:
    """Take queued songs for analysis; songs that somebody else took are left out.

    Args:
        song_ids: the songs wanted.
        lease_s: how long the claim holds, seconds; after it the songs count as lost.

    Returns:
        The songs taken, in the order of their ids, with their artist. `attempts` counts this one.
    """
    taken = _move(
        Q(pk__in=list(song_ids), state=_State.QUEUED),
        state=_State.ANALYSING,
        attempts=F("attempts") + 1,
        lease_expires_at=_in(lease_s),
    )
    return list(Song.objects.select_related("artist").filter(pk__in=taken).order_by("pk"))


def songs_renew(*, song_ids: Iterable[int], lease_s: float) -> None:
    """Hold claims for longer, from a worker that is alive and still at it."""
    Song.objects.filter(pk__in=list(song_ids), state=_State.ANALYSING).update(lease_expires_at=_in(lease_s))


def song_mark_tagged(*, song_id: int, attempt: int | None = None) -> bool:
    """Finish a claimed song; return whether the claim was still held.

    Args:
        song_id: the song.
        attempt: the claim's `attempts`: a worker that was given up and replaced then cannot finish for the other.
    """
    return bool(_move(_claimed([song_id], attempt), state=_State.TAGGED, lease_expires_at=None))


def song_mark_failed(*, song_id: int, code: str, reason: str, attempt: int | None = None) -> bool:
    """Give a claimed song up for good; return whether the claim was still held.

    Args:
        song_id: the song.
        code: stable, for programs and counts.
        reason: a sentence that a curator understands.
        attempt: as in `song_mark_tagged`.
    """
    return bool(
        _move(
            _claimed([song_id], attempt),
            state=_State.FAILED,
            failure_code=code,
            failure_reason=reason,
            lease_expires_at=None,
        )
    )


def songs_release(*, song_ids: Iterable[int]) -> list[int]:
    """Put claimed songs back into the queue after a transient error; return those that went back."""
    return _move(_claimed(list(song_ids), None), state=_State.QUEUED, lease_expires_at=_in(QUEUE_LEASE_S))


def song_retry(*, song: Song) -> None:
    """Let a failed song be analysed once more.

    Raises:
        SongNotRetryable: if it has not failed.
    """
    if not songs_retry(song_ids=[song.pk]):
        song.refresh_from_db(fields=["state"])
        state = song.get_state_display().lower()
        raise SongNotRetryable(_("This song is %(state)s; only a failed one can be retried.") % {"state": state})
    song.refresh_from_db()


def songs_reanalyse(*, song_ids: Iterable[int]) -> list[int]:
    """Let tagged and failed songs be heard anew; what is known of them serves until then.

    Returns:
        Those that are on their way now and were not before: a second click finds none.
    """
    return _analysed_anew(song_ids, [_State.TAGGED, _State.FAILED])


def songs_retry(*, song_ids: Iterable[int]) -> list[int]:
    """Let the failed ones of these songs be analysed once more; return those."""
    return _analysed_anew(song_ids, [_State.FAILED])


def _analysed_anew(song_ids: Iterable[int], states: list[Song.State]) -> list[int]:
    with transaction.atomic():
        moved = _move(
            Q(pk__in=list(song_ids), state__in=states),
            state=_State.UPLOADED,
            attempts=0,
            failure_code="",
            failure_reason="",
            lease_expires_at=None,
        )
        songs_announce(song_ids=moved)
    return moved


def songs_reconcile() -> list[int]:
    """Find the songs that were lost on their way and put them back into the queue.

    Lost are: claims whose lease ran out, queued songs whose message nobody took, and uploaded songs whose
    announcement never arrived. A song whose analysis was begun three times is given up instead.

    Returns:
        Ids of queued songs that must be enqueued again.
    """
    with transaction.atomic():
        now = timezone.now()
        is_expired = Q(lease_expires_at__lt=now) | Q(lease_expires_at__isnull=True)
        given_up = _move(
            is_expired & Q(state__in=[_State.ANALYSING, _State.QUEUED], attempts__gte=MAX_ATTEMPTS),
            state=_State.FAILED,
            failure_code=WORKER_LOST,
            failure_reason=_WORKER_LOST_SENTENCE,
            lease_expires_at=None,
        )
        unannounced = Q(state=_State.UPLOADED, state_changed_at__lt=now - dt.timedelta(seconds=ANNOUNCE_LEASE_S))
        lost = _move(
            unannounced | (is_expired & Q(state=_State.ANALYSING)),
            state=_State.QUEUED,
            lease_expires_at=_in(QUEUE_LEASE_S),
        )
        waiting = _wait_longer(is_expired & Q(state=_State.QUEUED), now)
    if given_up or lost or waiting:
        logger.warning("Reconciled: %d given up, %d lost, %d still waiting.", len(given_up), len(lost), len(waiting))
    return sorted([*lost, *waiting])


def _wait_longer(condition: Q, now: dt.datetime) -> list[int]:
    """Renew the lease of queued songs, without calling it a change of state.

    The lease doubles with the time already waited: behind a long backlog, or with no worker for a night, a song is
    enqueued again a few times and not every two minutes.
    """
    ids = _locked(condition)
    waited = ExpressionWrapper(Value(now) - F("state_changed_at"), output_field=DurationField())
    doubled = ExpressionWrapper(Value(now) + waited, output_field=DateTimeField())
    at_least, at_most = Value(_in(QUEUE_LEASE_S)), Value(_in(QUEUE_LEASE_MAX_S))
    Song.objects.filter(pk__in=ids).update(lease_expires_at=Least(Greatest(doubled, at_least), at_most))
    return ids


def _claimed(song_ids: list[int], attempt: int | None) -> Q:
    claimed = Q(pk__in=song_ids, state=_State.ANALYSING)
    return claimed if attempt is None else claimed & Q(attempts=attempt)


def _move(condition: Q, **changes: object) -> list[int]:
    """Apply changes to the songs that meet the condition; return their ids."""
    with transaction.atomic():
        ids = _locked(condition)
        Song.objects.filter(pk__in=ids).update(state_changed_at=timezone.now(), **changes)
    return ids


def _locked(condition: Q) -> list[int]:
    """Lock the songs that meet the condition, always in the same order, so that two callers cannot deadlock.

    Whoever comes second waits, and then no longer sees the songs that the first one moved. The weaker NO KEY lock
    does not wait for somebody who is only storing a rating or a playlist item of the song.
    """
    rows = Song.objects.filter(condition).order_by("pk").select_for_update(of=("self",), no_key=True)
    return list(rows.values_list("pk", flat=True))


def _in(seconds: float) -> dt.datetime:
    return timezone.now() + dt.timedelta(seconds=seconds)
