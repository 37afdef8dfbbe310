"""Hears the catalog again with a new live model, in the background, a batch at a time.

A step claims a few songs and stores their estimates; the next message goes to the end of the queue, behind the songs
that were uploaded meanwhile.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from catalog.core import claims
from catalog.core.locks import Lock, advisory_lock
from catalog.files.storage import local_copy
from catalog.models import Song
from emotion.exceptions import AudioUnreadableError, EmotionError, ReanalysisError
from emotion.models import EmotionEstimate, Reanalysis, ReanalysisItem
from emotion.selectors import served_version
from emotion.services.analysis import BATCH_SIZE, estimate_upsert, fail_unreadable, songs_hold
from emotion.services.serving import predictor_get
from emotion.signals import song_analysed

if TYPE_CHECKING:
    from emotion.inference.predict import Prediction, Predictor

logger = logging.getLogger(__name__)

_Item = ReanalysisItem.State
_State = Reanalysis.State


def reanalysis_start(*, model_version: str, user: User | None = None) -> Reanalysis:
    """Begin to replace the estimates of other models by those of the live one; one that runs already is superseded.

    Songs that this version heard before (it was live once) get that estimate back at once.

    Raises:
        ReanalysisError: the version is not the live one.
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
    """Stop after the batch at hand, and keep what is left for later.

    Raises:
        ReanalysisError: it is not running.
    """
    return _move(pk, (_State.RUNNING,), "paused", state=_State.PAUSED)


def reanalysis_resume(*, pk: int) -> Reanalysis:
    """Go on with a paused one.

    Raises:
        ReanalysisError: it is not paused.
    """
    job = _move(pk, (_State.PAUSED,), "resumed", state=_State.RUNNING, problem="")
    REANALYSIS.wake_on_commit()
    return job


def reanalysis_cancel(*, pk: int) -> Reanalysis:
    """End it for good; what is done stays, and the other songs keep their older estimates.

    Raises:
        ReanalysisError: it is over already.
    """
    with transaction.atomic():
        job = _move(pk, Reanalysis.ACTIVE, "cancelled", state=_State.CANCELLED)
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
    _batch_analyse(items, predictor)
    _running().update(problem="")
    _finish_if_done()
    return bool(items)


def _running() -> QuerySet[Reanalysis]:
    return Reanalysis.objects.filter(state=_State.RUNNING)


def _items() -> QuerySet[ReanalysisItem]:
    """Return the songs of the running re-analysis; none while uploads wait, which go first."""
    items = ReanalysisItem.objects.filter(reanalysis__state=_State.RUNNING).select_related("song")
    return items.none() if claims.due(Song.objects.all()).exists() else items


def _finish_if_done() -> None:
    for job in _running():
        # Songs that another worker finished with the old model meanwhile come in here, so that none is left behind.
        if not claims.pending(job.items.all()).exists() and not _items_fill(job):
            _close(job, _State.DONE)
            logger.info("Re-analysis by %s is done: %d songs, %d failed.", job.model_version, job.n_done, job.n_failed)


REANALYSIS = claims.register(
    claims.Kind(
        name="reanalysis",
        model=ReanalysisItem,
        task="emotion.tasks.reanalysis_go_on",
        rows=_items,
        step=reanalysis_step,
        # The worker that finished the last song may have been killed before it closed the re-analysis.
        prepare=_finish_if_done,
    )
)


_REFUSED = {
    "paused": gettext_noop("This re-analysis is %(state)s; it cannot be paused."),
    "resumed": gettext_noop("This re-analysis is %(state)s; it cannot be resumed."),
    "cancelled": gettext_noop("This re-analysis is %(state)s; it cannot be cancelled."),
}


def _move(pk: int, allowed: tuple[Reanalysis.State, ...], verb: str, **changes: object) -> Reanalysis:
    moved = Reanalysis.objects.filter(pk=pk, state__in=allowed).update(**changes)
    job = Reanalysis.objects.filter(pk=pk).first()
    if job is None:
        raise ReanalysisError(_("There is no such re-analysis."))
    if not moved:
        raise ReanalysisError(_(_REFUSED[verb]) % {"state": job.get_state_display().lower()})
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
    # An update in SQL passes by auto_now.
    known.filter(song_id__in=song_ids).update(is_current=True, updated_at=timezone.now())
    return song_ids


def _songs_of_other_versions(model_version: str) -> QuerySet[Song]:
    heard = EmotionEstimate.objects.filter(song=OuterRef("pk"), is_current=True, model_version=model_version)
    return Song.objects.filter(~Exists(heard), state=Song.State.ANALYSED)


def _items_fill(job: Reanalysis) -> int:
    """Add the songs that still have another model's estimate; return how many."""
    have = ReanalysisItem.objects.filter(reanalysis=job, song=OuterRef("pk"))
    songs = _songs_of_other_versions(job.model_version).filter(~Exists(have))
    items = [ReanalysisItem(reanalysis=job, song_id=pk) for pk in songs.order_by("pk").values_list("pk", flat=True)]
    return len(ReanalysisItem.objects.bulk_create(items, batch_size=2000, ignore_conflicts=True))


def _batch_analyse(items: list[ReanalysisItem], predictor: Predictor) -> None:
    done: list[int] = []
    try:
        with claims.released_on_error(items):
            results = predictor.predict([item.song.audio for item in items], local=local_copy)
            for item, result in zip(items, results, strict=True):
                if _result_store(item, result, predictor):
                    done.append(item.song_id)
                claims.renew(*items)
    finally:
        if done:
            song_analysed.send_robust(sender=EmotionEstimate, song_ids=done)


def _result_store(item: ReanalysisItem, result: Prediction | AudioUnreadableError, predictor: Predictor) -> bool:
    """Finish one claimed item; return whether its song has a new estimate."""
    if isinstance(result, AudioUnreadableError):
        fail_unreadable(item, item.song.audio, result)
        return False
    with transaction.atomic():
        if not claims.finish(item):
            return False
        estimate_upsert(song=item.song, prediction=result, predictor=predictor)
    return True
