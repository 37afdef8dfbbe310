"""Analyses songs and stores what the network said of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.fields.files import FieldFile
from django.utils import timezone

from catalog.core import claims
from catalog.core.claims import Job
from catalog.files.storage import local_copy, media_exists
from catalog.models import Song
from catalog.songs.states import songs_queue_unannounced
from emotion.exceptions import AudioUnreadableError
from emotion.models import EmotionEstimate
from emotion.services.serving import predictor_get
from emotion.signals import song_analysed

if TYPE_CHECKING:
    from emotion.inference.predict import Prediction, Predictor

BATCH_SIZE = 8


def songs_analyse() -> list[int]:
    """Analyse the next queued songs, and return those that are tagged now.

    A file that cannot be heard fails for good with a sentence; after any other error, which is raised, the unfinished
    songs wait for another attempt.
    """
    predictor = predictor_get()
    songs = SONGS.claim(BATCH_SIZE)
    tagged: list[int] = []
    try:
        with claims.released_on_error(songs):
            results = predictor.predict([song.audio for song in songs], local=local_copy)
            for song, result in zip(songs, results, strict=True):
                if _result_store(song, result, predictor):
                    tagged.append(song.pk)
                claims.renew(*songs)
    finally:
        if tagged:
            song_analysed.send_robust(sender=EmotionEstimate, song_ids=tagged)
    return tagged


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


def _result_store(song: Song, result: Prediction | AudioUnreadableError, predictor: Predictor) -> bool:
    """Finish one claimed song; return whether it is tagged."""
    if isinstance(result, AudioUnreadableError):
        fail_unreadable(song, song.audio, result)
        return False
    with transaction.atomic():
        # The claim is given back first: a worker that lost it to another must not overwrite the other's estimate.
        if not claims.finish(song):
            return False
        estimate_upsert(song=song, prediction=result, predictor=predictor)
    return True


def fail_unreadable(job: Job, audio: FieldFile, error: AudioUnreadableError) -> bool:
    """Give a job up whose file cannot be heard; one that is away may be on a disk that comes back."""
    return claims.fail(job, code=error.code, reason=str(error), is_transient=not media_exists(audio))


def estimate_upsert(*, song: Song, prediction: Prediction, predictor: Predictor) -> EmotionEstimate:
    """Store what one model version says of a song, and make it the current estimate."""
    songs_hold([song.pk])
    version = predictor.card.version
    song.estimates.filter(is_current=True).exclude(model_version=version).update(is_current=False)
    p1, p2, p3, p4 = (float(p) for p in prediction.probabilities)
    estimate, _ = EmotionEstimate.objects.update_or_create(
        song=song,
        model_version=version,
        defaults={
            "is_current": True,
            "quadrant": prediction.quadrant.value,
            "p_q1": p1,
            "p_q2": p2,
            "p_q3": p3,
            "p_q4": p4,
            "valence": prediction.valence,
            "arousal": prediction.arousal,
            "embedding_bytes": prediction.embedding.astype("<f4").tobytes(),
            "window_start_s": prediction.window_start_s,
            "window_s": prediction.window_s,
            "is_partial": prediction.is_partial,
            "engine": predictor.engine.name,
            "device": predictor.engine.device,
            "decode_ms": prediction.decode_ms,
            "mel_ms": prediction.mel_ms,
            "network_ms": prediction.network_ms,
            "analysed_at": timezone.now(),
        },
    )
    return estimate


def songs_hold(song_ids: Collection[int]) -> None:
    """Lock songs until the transaction ends, so that one worker at a time makes an estimate of theirs current."""
    rows = Song.objects.filter(pk__in=song_ids).order_by("pk").select_for_update(of=("self",), no_key=True)
    list(rows.values_list("pk", flat=True))
