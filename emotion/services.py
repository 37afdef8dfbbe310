"""Writes of the emotion app: analyse songs, store estimates, report the worker that does it."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone

from catalog.models import Song
from catalog.services import song_mark_failed, song_mark_tagged, songs_claim, songs_release, songs_renew
from emotion.exceptions import AudioUnreadableError, CheckpointError
from emotion.models import AnalysisWorker, EmotionEstimate
from emotion.signals import song_analysed

if TYPE_CHECKING:
    from emotion.predict import Prediction, Predictor

logger = logging.getLogger(__name__)

# Renewed with every batch of the network, which takes seconds on two cores: long enough for a slow machine, and a
# killed worker's songs are found within a minute and a half (the reconciler runs every 30 s).
LEASE_S = 60.0
_loading = threading.Lock()


def predictor_get() -> Predictor:
    """Return the process's predictor; the model is loaded on the first call and kept.

    Raises:
        emotion.exceptions.CheckpointError: The configured weights are missing or unusable.
        emotion.exceptions.DeviceUnavailableError: The configured device is not on this machine.
    """
    with _loading:
        return _predictor(str(settings.MOODPLANE_WEIGHTS or ""))


@cache
def _predictor(weights: str) -> Predictor:
    # Imported here because torch takes seconds, and the web server must not wait for it.
    from emotion.predict import Predictor

    if not weights:
        raise CheckpointError("There are no model weights; set MOODPLANE_WEIGHTS, or train with manage.py train.")
    return Predictor.load(
        Path(weights),
        engine=settings.MOODPLANE_ENGINE,
        device=settings.MOODPLANE_DEVICE,
        cache_dir=settings.MOODPLANE_VAR / "openvino",
    )


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
    """Store what one model version says of a song, and make it the current estimate."""
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
        },
    )
    return estimate


def worker_report(*, name: str) -> None:
    """Write down that a worker is alive and what it really runs on; a database that is away is only logged."""
    predictor = predictor_get()
    now = timezone.now()
    seen = {
        "device": predictor.engine.device,
        "engine": predictor.engine.name,
        "model_version": predictor.card.version,
        "seen_at": now,
    }
    try:
        AnalysisWorker.objects.update_or_create(name=name, defaults=seen, create_defaults={**seen, "started_at": now})
    except OperationalError as error:
        logger.warning("Could not report this worker: %s", error)


def worker_forget(*, name: str) -> None:
    """Remove a worker that stops in good order from the list."""
    AnalysisWorker.objects.filter(name=name).delete()


def song_spectrogram_png(song: Song) -> bytes:
    """Draw what the model heard of a song: 24 s of log-mel image with axes in seconds and Hz. Cached on disk.

    Raises:
        emotion.exceptions.AudioUnreadableError: The file cannot be decoded.
        FileNotFoundError: The song's file is gone.
    """
    from emotion.mel import MelConfig
    from emotion.spectrogram import draw

    config = MelConfig()
    target = settings.MOODPLANE_VAR / "spectrograms" / f"{song.content_hash}-{config.fingerprint}.png"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        png = io.BytesIO()
        draw(Path(song.audio.path), config).save(png, format="PNG", optimize=True)
        beside = target.with_suffix(f".{threading.get_ident()}.tmp")
        beside.write_bytes(png.getvalue())
        beside.replace(target)
    return bytes(target.read_bytes())
