"""Analyses songs and stores what the network says of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models.fields.files import FieldFile
from django.utils import timezone

from catalog.core import claims
from catalog.core.claims import Job
from catalog.files.storage import local_copy, media_exists
from catalog.models import Song
from catalog.songs.services import songs_queue_unannounced
from emotion.exceptions import AudioUnreadableError
from emotion.models import EmotionEstimate, ReanalysisItem
from emotion.services.serving import predictor_get
from emotion.signals import song_analysed

if TYPE_CHECKING:
    from emotion.inference.predict import Prediction, Predictor

BATCH_SIZE = 8


def songs_analyse() -> list[int]:
    """Analyse the next queued songs, and return those that have an estimate now."""
    predictor = predictor_get()
    return batch_analyse(SONGS.claim(BATCH_SIZE), predictor)


SONGS = claims.register(
    claims.Kind(
        name="songs",
        model=Song,
        task="emotion.tasks.analyse_songs",
        rows=lambda: Song.objects.select_related("artist"),
        step=songs_analyse,
        prepare=songs_queue_unannounced,
    )
)


def batch_analyse(jobs: Sequence[Song | ReanalysisItem], predictor: Predictor) -> list[int]:
    """Analyse claimed jobs, and return the songs that have a new estimate.

    A file that cannot be analysed fails for good with a sentence; after any other error, which is raised, the
    unfinished jobs wait for another attempt.
    """
    analysed: list[int] = []
    try:
        with claims.released_on_error(jobs):
            results = predictor.predict([_song_of(job).audio for job in jobs], local=local_copy)
            for job, result in zip(jobs, results, strict=True):
                if _result_store(job, result, predictor):
                    analysed.append(_song_of(job).pk)
                claims.renew(*jobs)
    finally:
        if analysed:
            song_analysed.send_robust(sender=EmotionEstimate, song_ids=analysed)
    return analysed


def _song_of(job: Song | ReanalysisItem) -> Song:
    return job if isinstance(job, Song) else job.song


def _result_store(job: Song | ReanalysisItem, result: Prediction | AudioUnreadableError, predictor: Predictor) -> bool:
    song = _song_of(job)
    if isinstance(result, AudioUnreadableError):
        fail_unreadable(job, song.audio, result)
        return False
    with transaction.atomic():
        # The claim is given back first: a worker that lost it to another must not overwrite the other's estimate.
        if not claims.finish(job):
            return False
        estimate_upsert(song=song, prediction=result, predictor=predictor)
    return True


def fail_unreadable(job: Job, audio: FieldFile, error: AudioUnreadableError) -> bool:
    """Give a job up whose file cannot be analysed; one that is away may be on a disk that comes back."""
    return claims.fail(job, code=error.code, reason=str(error), is_transient=not media_exists(audio))


def estimate_upsert(*, song: Song, prediction: Prediction, predictor: Predictor) -> EmotionEstimate:
    """Store what one model version says of a song, and make it the current estimate."""
    songs_lock(song_ids=[song.pk])
    version = predictor.card.version
    song.estimates.filter(is_current=True).exclude(model_version=version).update(is_current=False)
    same = ("valence", "arousal", "window_start_s", "window_s", "is_partial", "decode_ms", "mel_ms", "network_ms")
    values: dict[str, Any] = {name: getattr(prediction, name) for name in same}
    values |= {f"p_q{i}": float(p) for i, p in enumerate(prediction.probabilities, start=1)}
    values |= {
        "is_current": True,
        "quadrant": prediction.quadrant.value,
        "embedding_bytes": prediction.embedding.astype("<f4").tobytes(),
        "engine": predictor.engine.name,
        "device": predictor.engine.device,
        "analysed_at": timezone.now(),
    }
    estimate, _ = EmotionEstimate.objects.update_or_create(song=song, model_version=version, defaults=values)
    return estimate


def songs_lock(*, song_ids: Collection[int]) -> None:
    """Lock songs until the transaction ends, so that one worker at a time makes an estimate of theirs current."""
    rows = Song.objects.filter(pk__in=song_ids).order_by("pk").select_for_update(of=("self",), no_key=True)
    list(rows.values_list("pk", flat=True))
