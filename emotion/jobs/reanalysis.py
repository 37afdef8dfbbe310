"""Hears the catalog again with a new live model, in the background, a batch at a time.

A step is one message: it claims a few songs under SKIP LOCKED and stores their estimates, and the next message goes to
the end of the queue, behind the songs that were uploaded meanwhile. Everything else lives in rows, so a killed worker
or an emptied broker costs at most the claims of one batch: `reanalysis_tick` starts a new chain of messages, and the
token in the row makes whatever is left of the old chain stop.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from catalog.core.locks import Lock, advisory_lock
from catalog.models import Song
from emotion.exceptions import AudioUnreadableError, EmotionError, ReanalysisNotPossible
from emotion.models import EmotionEstimate, Reanalysis, ReanalysisItem
from emotion.selectors import served_version
from emotion.services.analysis import LEASE_S, estimate_upsert
from emotion.services.overrides import estimates_settle, songs_hold
from emotion.services.serving import predictor_get
from emotion.signals import song_analysed

if TYPE_CHECKING:
    from emotion.inference.predict import Prediction, Predictor

logger = logging.getLogger(__name__)

BATCH_SIZE = 8
MAX_ATTEMPTS = 3
# While uploads wait, or the last claims of another worker run, it looks again after this long.
YIELD_S = 2.0
# A file that cannot be opened may be on a disk that comes back.
RETRY_S = 60.0
STALE_S = 60.0

_Item = ReanalysisItem.State
_State = Reanalysis.State
_LOST = gettext_noop("The analysis of this song was begun three times and never came to an end; see the worker's log.")


def reanalysis_start(*, model_version: str, user: User | None = None) -> Reanalysis:
    """Begin to replace the estimates of other models by those of the live one; one that runs already is superseded.

    Songs that this version heard before (it was live once) get that estimate back at once.

    Raises:
        ReanalysisNotPossible: the version is not the live one.
    """
    with advisory_lock(Lock.REANALYSIS_START):
        live = served_version()
        if model_version != live:
            raise ReanalysisNotPossible(
                _("Model %(version)s is not live (%(live)s is): promote it first.")
                % {"version": model_version, "live": live or _("none")}
            )
        for old in Reanalysis.objects.filter(state__in=Reanalysis.ACTIVE):
            _close(old, _State.SUPERSEDED)
        ReanalysisItem.objects.exclude(reanalysis__state__in=Reanalysis.ACTIVE).delete()
        adopted = _estimates_adopt(model_version)
        job = Reanalysis.objects.create(
            model_version=model_version,
            started_by=user,
            chain=secrets.token_hex(8),
            beat_at=timezone.now(),
            n_adopted=len(adopted),
        )
        _items_fill(job)
        transaction.on_commit(lambda: _begin(job, adopted))
    return job


def reanalysis_pause(*, pk: int) -> Reanalysis:
    """Stop after the batch at hand, and keep what is left for later.

    Raises:
        ReanalysisNotPossible: it is not running.
    """
    return _move(pk, (_State.RUNNING,), "paused", state=_State.PAUSED)


def reanalysis_resume(*, pk: int) -> Reanalysis:
    """Go on with a paused one.

    Raises:
        ReanalysisNotPossible: it is not paused.
    """
    job = _move(pk, (_State.PAUSED,), "resumed", state=_State.RUNNING, problem="")
    _chain_anew(job)
    return job


def reanalysis_cancel(*, pk: int) -> Reanalysis:
    """End it for good; what is done stays, and the other songs keep their older estimates.

    Raises:
        ReanalysisNotPossible: it is over already.
    """
    with transaction.atomic():
        job = _move(pk, Reanalysis.ACTIVE, "cancelled", state=_State.CANCELLED)
        _close(job, _State.CANCELLED)
    return job


def reanalysis_tick() -> None:
    """Start a new chain of messages for one whose chain has broken off."""
    stale = timezone.now() - dt.timedelta(seconds=STALE_S)
    for job in Reanalysis.objects.filter(state=_State.RUNNING, beat_at__lt=stale):
        _chain_anew(job)


def reanalysis_step(*, pk: int, chain: str) -> float | None:
    """Analyse one batch.

    Returns:
        Seconds until the next step is due; None when there is none to come from this chain.
    """
    running = Reanalysis.objects.filter(pk=pk, chain=chain, state=_State.RUNNING)
    if not running.update(beat_at=timezone.now()):
        return None
    job = Reanalysis.objects.get(pk=pk)
    if Song.objects.filter(state=Song.State.QUEUED).exists():
        return YIELD_S
    try:
        predictor = predictor_get()
    except EmotionError as error:
        running.update(problem=str(error))
        raise
    if predictor.card.version != job.model_version:
        logger.info("Re-analysis by %s ends: %s is live now.", job.model_version, predictor.card.version)
        _close(job, _State.SUPERSEDED)
        return None
    items = _claim(job)
    if not items:
        return _finish_or_wait(job)
    _batch_analyse(items, predictor)
    running.update(problem="")
    return 0.0


def _begin(job: Reanalysis, adopted: list[int]) -> None:
    from emotion.tasks import reanalysis_go_on

    if adopted:
        song_analysed.send_robust(sender=EmotionEstimate, song_ids=adopted)
    reanalysis_go_on.delay(job.pk, job.chain)


def _chain_anew(job: Reanalysis) -> None:
    from emotion.tasks import reanalysis_go_on

    chain = secrets.token_hex(8)
    # Conditional, so that of two ticks at once only one starts a chain.
    if Reanalysis.objects.filter(pk=job.pk, chain=job.chain).update(chain=chain, beat_at=timezone.now()):
        transaction.on_commit(lambda: reanalysis_go_on.apply_async([job.pk, chain], expires=STALE_S))


_REFUSED = {
    "paused": gettext_noop("This re-analysis is %(state)s; it cannot be paused."),
    "resumed": gettext_noop("This re-analysis is %(state)s; it cannot be resumed."),
    "cancelled": gettext_noop("This re-analysis is %(state)s; it cannot be cancelled."),
}


def _move(pk: int, allowed: tuple[Reanalysis.State, ...], verb: str, **changes: object) -> Reanalysis:
    moved = Reanalysis.objects.filter(pk=pk, state__in=allowed).update(**changes)
    job = Reanalysis.objects.filter(pk=pk).first()
    if job is None:
        raise ReanalysisNotPossible(_("There is no such re-analysis."))
    if not moved:
        raise ReanalysisNotPossible(_(_REFUSED[verb]) % {"state": job.get_state_display().lower()})
    return job


def _close(job: Reanalysis, state: Reanalysis.State) -> None:
    """End a job, and keep in its own row what its items said."""
    items = job.items.all()
    Reanalysis.objects.filter(pk=job.pk).update(
        state=state,
        finished_at=timezone.now(),
        n_done=items.filter(state=_Item.DONE).count(),
        n_failed=items.filter(state=_Item.FAILED).count(),
        n_total=items.count(),
    )
    job.refresh_from_db()


def _estimates_adopt(model_version: str) -> list[int]:
    """Make estimates of a version that was live before current again; return their songs."""
    known = EmotionEstimate.objects.filter(model_version=model_version, is_current=False)
    song_ids = list(known.values_list("song_id", flat=True))
    songs_hold(song_ids)
    EmotionEstimate.objects.filter(song_id__in=song_ids, is_current=True).update(is_current=False)
    # The time makes the index see them: it looks for what is newer than itself.
    known.filter(song_id__in=song_ids).update(is_current=True, updated_at=timezone.now())
    estimates_settle(song_ids=song_ids)
    return song_ids


def _songs_of_other_versions(model_version: str) -> QuerySet[Song]:
    heard = EmotionEstimate.objects.filter(song=OuterRef("pk"), is_current=True, model_version=model_version)
    return Song.objects.filter(~Exists(heard), state=Song.State.TAGGED)


def _items_fill(job: Reanalysis) -> int:
    """Add the songs that still have another model's estimate; return how many."""
    have = ReanalysisItem.objects.filter(reanalysis=job, song=OuterRef("pk"))
    songs = _songs_of_other_versions(job.model_version).filter(~Exists(have))
    items = [ReanalysisItem(reanalysis=job, song_id=pk) for pk in songs.order_by("pk").values_list("pk", flat=True)]
    return len(ReanalysisItem.objects.bulk_create(items, batch_size=2000, ignore_conflicts=True))


def _claim(job: Reanalysis) -> list[ReanalysisItem]:
    now = timezone.now()
    due = Q(state=_Item.WAITING, due_at__isnull=True) | Q(state__in=(_Item.WAITING, _Item.CLAIMED), due_at__lt=now)
    with transaction.atomic():
        lost = job.items.filter(due, attempts__gte=MAX_ATTEMPTS)
        lost.update(state=_Item.FAILED, failure_code="worker_lost", failure_reason=_LOST, changed_at=now)
        rows = job.items.filter(due).select_for_update(skip_locked=True).order_by("song_id")[:BATCH_SIZE]
        ids = [item.pk for item in rows]
        ReanalysisItem.objects.filter(pk__in=ids).update(
            state=_Item.CLAIMED, attempts=F("attempts") + 1, due_at=_in(LEASE_S), changed_at=now
        )
    return list(ReanalysisItem.objects.filter(pk__in=ids).select_related("song").order_by("song_id"))


def _batch_analyse(items: list[ReanalysisItem], predictor: Predictor) -> None:
    done: list[int] = []
    unfinished = {item.pk for item in items}
    try:
        results = predictor.predict([Path(item.song.audio.path) for item in items])
        for item, result in zip(items, results, strict=True):
            if _result_store(item, result, predictor):
                done.append(item.song_id)
            unfinished.discard(item.pk)
            ReanalysisItem.objects.filter(pk__in=unfinished, state=_Item.CLAIMED).update(due_at=_in(LEASE_S))
    finally:
        # An error of the whole batch (memory, a disk) is not the songs' fault alone: they are tried again in a while.
        ReanalysisItem.objects.filter(pk__in=unfinished, state=_Item.CLAIMED).update(
            state=_Item.WAITING, due_at=_in(RETRY_S)
        )
        if done:
            song_analysed.send_robust(sender=EmotionEstimate, song_ids=done)


def _result_store(item: ReanalysisItem, result: Prediction | AudioUnreadableError, predictor: Predictor) -> bool:
    """Finish one claimed item; return whether its song has a new estimate."""
    # Whoever lost the claim to another worker changes nothing: that one stores the estimate, once.
    mine = ReanalysisItem.objects.filter(pk=item.pk, state=_Item.CLAIMED, attempts=item.attempts)
    now = timezone.now()
    if isinstance(result, AudioUnreadableError):
        if not Path(item.song.audio.path).exists() and item.attempts < MAX_ATTEMPTS:
            mine.update(state=_Item.WAITING, due_at=_in(RETRY_S), changed_at=now)
        else:
            mine.update(state=_Item.FAILED, failure_code=result.code, failure_reason=str(result), changed_at=now)
        return False
    with transaction.atomic():
        if not mine.update(state=_Item.DONE, due_at=None, changed_at=now):
            return False
        estimate_upsert(song=item.song, prediction=result, predictor=predictor)
    return True


def _finish_or_wait(job: Reanalysis) -> float | None:
    # Songs that another worker finished with the old model meanwhile come in here, so that none is left behind.
    if _items_fill(job):
        return 0.0
    if job.items.filter(state__in=(_Item.WAITING, _Item.CLAIMED)).exists():
        return YIELD_S
    _close(job, _State.DONE)
    logger.info("Re-analysis by %s is done: %d songs, %d failed.", job.model_version, job.n_done, job.n_failed)
    return None


def _in(seconds: float) -> dt.datetime:
    return timezone.now() + dt.timedelta(seconds=seconds)
