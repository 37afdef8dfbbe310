"""Analyses songs with the live model and stores what it says of them.

The model stays in this process's memory; it is loaded when first needed, and again when another is live.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models.fields.files import FieldFile
from django.utils import timezone

from catalog.core import claims
from catalog.core.claims import Job
from catalog.files.storage import local_copy, media_exists
from catalog.models import Song
from catalog.songs.services import songs_queue_unannounced
from emotion.exceptions import AudioUnreadableError, CheckpointError, EmotionError
from emotion.models import AnalysisWorker, EmotionEstimate, ReanalysisItem
from emotion.selectors import ServedModel, served_model
from emotion.signals import song_analysed

if TYPE_CHECKING:
    from emotion.inference.predict import Prediction, Predictor

logger = logging.getLogger(__name__)

BATCH_SIZE = 8


# At most one: two models do not fit on every machine.
_loaded: dict[ServedModel, Predictor] = {}
_loading = threading.Lock()


def predictor_get() -> Predictor:
    """Return the live model, ready to predict; loads it if the database names another than the one in memory.

    Raises:
        CheckpointError: The live weights are missing or unusable.
        emotion.exceptions.DeviceUnavailableError: The configured device is not on this machine.
    """
    with _loading:
        wanted = served_model()
        if wanted not in _loaded:
            _release()
            _loaded[wanted] = _load(wanted)
            logger.info("This process serves model %s.", _loaded[wanted].card.version)
        return _loaded[wanted]


def predictor_forget() -> None:
    """Free the model; the next call loads one again."""
    with _loading:
        _release()


def _release() -> None:
    if not _loaded:
        return
    _loaded.clear()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load(wanted: ServedModel) -> Predictor:
    # Imported here because torch takes seconds, and the web server must not wait for it.
    from emotion.inference.predict import Predictor

    if wanted.weights is None:
        raise CheckpointError("There are no model weights; set MOODPLANE_WEIGHTS, or train with manage.py train.")
    try:
        predictor = Predictor.load(
            wanted.weights,
            engine=settings.MOODPLANE_ENGINE,
            device=settings.MOODPLANE_DEVICE,
            cache_dir=settings.MOODPLANE_VAR / "openvino",
        )
    except CheckpointError as error:
        if not wanted.version:
            raise
        sentence = f"{error} It is the live model {wanted.version}: manage.py rollback leads back."
        raise CheckpointError(sentence) from error
    if wanted.version and predictor.card.version != wanted.version:
        raise CheckpointError(
            f"{wanted.weights} is model {predictor.card.version}, not the live {wanted.version}: import that again, "
            "or manage.py rollback."
        )
    return predictor


def worker_report(*, name: str) -> None:
    """Record that a worker is alive and what it runs on; an unreachable database is only logged."""
    now = timezone.now()
    seen = {"device": "", "engine": "", "model_version": "", "problem": "", "seen_at": now}
    try:
        try:
            # The model in memory is reported, not the live one: the thread that works changes it.
            predictor = [*_loaded.values(), None][0] or predictor_get()
            seen |= {"device": predictor.engine.device, "engine": predictor.engine.name}
            seen["model_version"] = predictor.card.version
        except EmotionError as error:
            seen["problem"] = str(error)
        AnalysisWorker.objects.update_or_create(name=name, defaults=seen, create_defaults={**seen, "started_at": now})
    except OperationalError as error:
        logger.warning("Could not report this worker: %s", error)


def worker_forget(*, name: str) -> None:
    """Delete the row of a worker that stops."""
    AnalysisWorker.objects.filter(name=name).delete()


def songs_analyse() -> list[int]:
    """Analyse the next queued songs, and return those that have an estimate now."""
    predictor = predictor_get()
    return batch_analyse(SONGS.claim(BATCH_SIZE), predictor)


SONGS = claims.register(
    claims.Kind("songs", Song, "emotion.tasks.analyse_songs", Song.objects.all, songs_analyse, songs_queue_unannounced)
)


def batch_analyse(jobs: Sequence[Song | ReanalysisItem], predictor: Predictor) -> list[int]:
    """Analyse claimed jobs, and return the songs that have a new estimate.

    A file that cannot be analysed fails permanently with a sentence; after any other error, which is raised, the
    unfinished jobs wait for another attempt.
    """
    analysed: list[int] = []
    try:
        with claims.released_on_error(jobs):
            songs = [job if isinstance(job, Song) else job.song for job in jobs]
            results = predictor.predict([song.audio for song in songs], local=local_copy)
            for job, song, result in zip(jobs, songs, results, strict=True):
                if _result_store(job, result, predictor):
                    analysed.append(song.pk)
                claims.renew(*jobs)
    finally:
        if analysed:
            song_analysed.send_robust(sender=EmotionEstimate, song_ids=analysed)
    return analysed


def _result_store(job: Song | ReanalysisItem, result: Prediction | AudioUnreadableError, predictor: Predictor) -> bool:
    song = job if isinstance(job, Song) else job.song
    if isinstance(result, AudioUnreadableError):
        fail_unreadable(job, song.audio, result)
        return False
    with transaction.atomic():
        # The claim is released first: a worker that lost it must not overwrite the other worker's estimate.
        if not claims.finish(job):
            return False
        _estimate_store(song, result, predictor)
    return True


def fail_unreadable(job: Job, audio: FieldFile, error: AudioUnreadableError) -> bool:
    """Fail a job whose file cannot be analysed; a missing file may be on a disk that comes back."""
    return claims.fail(job, code=error.code, reason=str(error), is_transient=not media_exists(audio))


def _estimate_store(song: Song, prediction: Prediction, predictor: Predictor) -> None:
    songs_lock(song_ids=[song.pk])
    version = predictor.card.version
    song.estimates.filter(is_current=True).exclude(model_version=version).update(is_current=False)
    values: dict[str, Any] = prediction._asdict()
    values |= {f"p_q{i}": float(p) for i, p in enumerate(values.pop("probabilities"), start=1)}
    values |= {
        "is_current": True,
        "quadrant": prediction.quadrant.value,
        "embedding_bytes": values.pop("embedding").astype("<f4").tobytes(),
        "engine": predictor.engine.name,
        "device": predictor.engine.device,
        "analysed_at": timezone.now(),
    }
    EmotionEstimate.objects.update_or_create(song=song, model_version=version, defaults=values)


def songs_lock(*, song_ids: Collection[int]) -> None:
    """Lock songs until the transaction ends, so that one worker at a time makes an estimate of theirs current."""
    rows = Song.objects.filter(pk__in=song_ids).order_by("pk").select_for_update(of=("self",), no_key=True)
    list(rows.values_list("pk", flat=True))
