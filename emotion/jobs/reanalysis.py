"""Re-analyses the catalog with a new live model, a batch at a time, behind the songs that are uploaded meanwhile."""

from __future__ import annotations

import logging

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from catalog.core import claims
from catalog.core.locks import Lock, advisory_lock
from catalog.models import Song
from emotion.exceptions import EmotionError, ReanalysisError
from emotion.models import EmotionEstimate, Reanalysis, ReanalysisItem
from emotion.selectors import served_version
from emotion.services.analysis import BATCH_SIZE, batch_analyse, predictor_get, songs_lock
from emotion.signals import song_analysed

logger = logging.getLogger(__name__)

_State = Reanalysis.State


def reanalysis_start(*, model_version: str, user: User | None = None) -> Reanalysis:
    """Start to replace the estimates of other models by the live one's; it supersedes a running re-analysis.

    Songs that this version analysed earlier get that estimate back at once.

    Raises:
        ReanalysisError: The version is not the live one.
    """
    with advisory_lock(Lock.REANALYSIS_START):
        live = served_version()
        if model_version != live:
            raise ReanalysisError(
                _("Model %(version)s is not live (%(live)s is): promote it first.")
                % {"version": model_version, "live": live or _("none")}
            )
        for old in Reanalysis.objects.filter(state__in=Reanalysis.ACTIVE):
            _close(old, _State.SUPERSEDED)
        ReanalysisItem.objects.exclude(reanalysis__state__in=Reanalysis.ACTIVE).delete()
        adopted = _estimates_adopt(model_version)
        job = Reanalysis.objects.create(model_version=model_version, started_by=user, n_adopted=len(adopted))
        _items_fill(job)
        if adopted:
            transaction.on_commit(lambda: song_analysed.send_robust(sender=EmotionEstimate, song_ids=adopted))
        REANALYSIS.wake_on_commit()
    return job


def reanalysis_pause(*, pk: int) -> Reanalysis:
    """Stop after the current batch, until it is resumed.

    Raises:
        ReanalysisError: It is not running.
    """
    refusal = gettext_noop("This re-analysis is %(state)s; it cannot be paused.")
    return _move(pk, (_State.RUNNING,), refusal, state=_State.PAUSED)


def reanalysis_resume(*, pk: int) -> Reanalysis:
    """Resume a paused re-analysis.

    Raises:
        ReanalysisError: It is not paused.
    """
    refusal = gettext_noop("This re-analysis is %(state)s; it cannot be resumed.")
    job = _move(pk, (_State.PAUSED,), refusal, state=_State.RUNNING, problem="")
    REANALYSIS.wake_on_commit()
    return job


def reanalysis_cancel(*, pk: int) -> Reanalysis:
    """End a re-analysis; the remaining songs keep their older estimates.

    Raises:
        ReanalysisError: It has ended.
    """
    refusal = gettext_noop("This re-analysis is %(state)s; it cannot be cancelled.")
    with transaction.atomic():
        job = _move(pk, Reanalysis.ACTIVE, refusal, state=_State.CANCELLED)
        _close(job, _State.CANCELLED)
    return job


def reanalysis_step() -> bool:
    """Analyse one batch of the running re-analysis; return whether there was one."""
    job = _running().first()
    if job is None or claims.due(Song.objects.all()).exists():
        return False
    try:
        predictor = predictor_get()
    except EmotionError as error:
        _running().update(problem=str(error))
        raise
    if predictor.card.version != job.model_version:
        logger.info("Re-analysis by %s ends: %s is live now.", job.model_version, predictor.card.version)
        _close(job, _State.SUPERSEDED)
        return False
    items = REANALYSIS.claim(BATCH_SIZE)
    batch_analyse(items, predictor)
    _running().update(problem="")
    _finish_if_done()
    return bool(items)


def _running() -> QuerySet[Reanalysis]:
    return Reanalysis.objects.filter(state=_State.RUNNING)


def _items() -> QuerySet[ReanalysisItem]:
    items = ReanalysisItem.objects.filter(reanalysis__state=_State.RUNNING).select_related("song")
    return items.none() if claims.due(Song.objects.all()).exists() else items


def _finish_if_done() -> None:
    for job in _running():
        # Songs that another worker finished with the old model meanwhile are added here.
        if not claims.pending(job.items.all()).exists() and not _items_fill(job):
            _close(job, _State.DONE)
            logger.info("Re-analysis by %s is done: %d songs, %d failed.", job.model_version, job.n_done, job.n_failed)


# Each tick closes a re-analysis whose worker was killed after its last song.
REANALYSIS = claims.register(
    claims.Kind(
        "reanalysis", ReanalysisItem, "emotion.tasks.reanalysis_go_on", _items, reanalysis_step, _finish_if_done
    )
)


def _move(pk: int, allowed: tuple[Reanalysis.State, ...], refusal: str, **changes: object) -> Reanalysis:
    moved = Reanalysis.objects.filter(pk=pk, state__in=allowed).update(**changes)
    job = Reanalysis.objects.filter(pk=pk).first()
    if job is None:
        raise ReanalysisError(_("This re-analysis does not exist."))
    if not moved:
        raise ReanalysisError(_(refusal) % {"state": job.get_state_display().lower()})
    return job


def _close(job: Reanalysis, state: Reanalysis.State) -> None:
    items = job.items.all()
    Reanalysis.objects.filter(pk=job.pk).update(
        state=state,
        finished_at=timezone.now(),
        n_done=items.filter(state=ReanalysisItem.DONE).count(),
        n_failed=items.filter(state=ReanalysisItem.FAILED).count(),
        n_total=items.count(),
    )
    job.refresh_from_db()


def _estimates_adopt(model_version: str) -> list[int]:
    """Make earlier estimates of a version current again; return their songs."""
    earlier = EmotionEstimate.objects.filter(model_version=model_version, is_current=False)
    song_ids = list(earlier.values_list("song_id", flat=True))
    songs_lock(song_ids=song_ids)
    EmotionEstimate.objects.filter(song_id__in=song_ids, is_current=True).update(is_current=False)
    # An update in SQL bypasses auto_now.
    earlier.filter(song_id__in=song_ids).update(is_current=True, updated_at=timezone.now())
    return song_ids


def _items_fill(job: Reanalysis) -> int:
    """Add the songs that still have another model's estimate; return how many."""
    have = ReanalysisItem.objects.filter(reanalysis=job, song=OuterRef("pk"))
    analysed = EmotionEstimate.objects.filter(song=OuterRef("pk"), is_current=True, model_version=job.model_version)
    songs = Song.objects.filter(~Exists(analysed), ~Exists(have), state=Song.State.ANALYSED).order_by("pk")
    items = [ReanalysisItem(reanalysis=job, song_id=pk) for pk in songs.values_list("pk", flat=True)]
    return len(ReanalysisItem.objects.bulk_create(items, batch_size=2000, ignore_conflicts=True))
