"""Analyses songs and stores what the network said of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from catalog.models import Song
from catalog.songs.states import (
    song_mark_failed,
    song_mark_tagged,
    songs_claim,
    songs_release,
    songs_renew,
)
from emotion.exceptions import AudioUnreadableError
from emotion.models import EmotionEstimate
from emotion.services.overrides import estimates_settle, songs_hold
from emotion.services.serving import predictor_get
from emotion.signals import song_analysed

if TYPE_CHECKING:
    from emotion.inference.predict import Prediction, Predictor

# Renewed with every batch of the network, which takes seconds on two cores: long enough for a slow machine, and a
# killed worker's songs are found within a minute and a half (the reconciler runs every 30 s).
LEASE_S = 60.0


def songs_analyse(*, song_ids: Sequence[int]) -> list[int]:
    """Analyse the songs of a list that are still queued, and return those that are tagged now.

    Songs that somebody else claimed, or that were deleted meanwhile, are left alone. A file that cannot be heard
    fails for good with a sentence; any other error puts the unfinished songs back into the queue and is raised.
    """
    predictor = predictor_get()
    claimed = songs_claim(song_ids=song_ids, lease_s=LEASE_S)
    unfinished = {song.pk: song for song in claimed}
    tagged: list[int] = []
    try:
        results = predictor.predict([Path(song.audio.path) for song in claimed])
        for song, result in zip(claimed, results, strict=True):
            if _result_store(song, result, predictor):
                tagged.append(song.pk)
            del unfinished[song.pk]
            songs_renew(song_ids=unfinished, lease_s=LEASE_S)
    except Exception:
        songs_release(song_ids=list(unfinished))
        raise
    finally:
        if tagged:
            song_analysed.send_robust(sender=EmotionEstimate, song_ids=tagged)
    return tagged


def _result_store(song: Song, result: Prediction | AudioUnreadableError, predictor: Predictor) -> bool:
    """Finish one claimed song; return whether it is tagged."""
    if isinstance(result, AudioUnreadableError):
        if not Path(song.audio.path).exists():
            # The song's file went away under us: a deleted song, or a disk that is not mounted for the moment.
            raise FileNotFoundError(song.audio.path)
        song_mark_failed(song_id=song.pk, code=result.code, reason=str(result), attempt=song.attempts)
        return False
    with transaction.atomic():
        # The claim is given back first: a worker that lost it to another must not overwrite the other's estimate.
        if not song_mark_tagged(song_id=song.pk, attempt=song.attempts):
            return False
        estimate_upsert(song=song, prediction=result, predictor=predictor)
    return True


def estimate_upsert(*, song: Song, prediction: Prediction, predictor: Predictor) -> EmotionEstimate:
    """Store what one model version says of a song, and make it the current estimate; a curator's word still serves."""
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
            "heard_quadrant": None,
            "heard_valence": None,
            "heard_arousal": None,
            "embedding_bytes": prediction.embedding.astype("<f4").tobytes(),
            "window_start_s": prediction.window_start_s,
            "window_s": prediction.window_s,
            "is_partial": prediction.is_partial,
            "engine": predictor.engine.name,
            "device": predictor.engine.device,
            "decode_ms": prediction.decode_ms,
            "mel_ms": prediction.mel_ms,
            "network_ms": prediction.network_ms,
            "heard_at": timezone.now(),
        },
    )
    if estimates_settle(song_ids=[song.pk]):
        estimate.refresh_from_db()
    return estimate
