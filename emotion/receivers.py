"""Queues work after signals, and reports the workers of the analysis queue."""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery import signals
from django.db import close_old_connections, connection
from django.dispatch import receiver

from catalog.signals import song_replaced, song_uploaded
from catalog.songs.services import songs_queue
from emotion.exceptions import EmotionError
from emotion.jobs.curves import CURVES, curves_queue
from emotion.models import EmotionCurve, SaliencyMap, SoundPrint, Waveform
from emotion.services.analysis import SONGS, predictor_get, worker_forget, worker_report
from emotion.signals import song_analysed

logger = logging.getLogger(__name__)

REPORT_EVERY_S = 5.0


@receiver(song_uploaded, dispatch_uid="emotion.songs_announced")
def enqueue_uploaded(sender: object, song_ids: list[int], **kwargs: Any) -> None:
    """Queue songs that were uploaded."""
    if songs_queue(song_ids=song_ids):
        SONGS.wake()


@receiver(song_replaced, dispatch_uid="emotion.songs_replaced")
def forget_sound(sender: object, song_ids: list[int], **kwargs: Any) -> None:
    """Delete what was made of the earlier sound of songs; their estimates stay until they are analysed again."""
    for model in (EmotionCurve, Waveform, SoundPrint, SaliencyMap):
        model._default_manager.filter(song__in=song_ids).delete()


@receiver(song_analysed, dispatch_uid="emotion.curves_announced")
def enqueue_curves(sender: object, song_ids: list[int], **kwargs: Any) -> None:
    """Queue the curves of songs that were analysed."""
    if curves_queue(song_ids=song_ids):
        CURVES.wake()


@signals.celeryd_after_setup.connect(dispatch_uid="emotion.load_model")
def load_model(sender: str, instance: Any, **kwargs: Any) -> None:
    """Load the model before an analysis worker takes work, and log its device; without either it does not start."""
    if "gpu" not in instance.app.amqp.queues.consume_from:
        return
    try:
        predictor = predictor_get()
    except EmotionError as error:
        raise SystemExit(f"This worker does not start: {error}") from error
    version, engine = predictor.card.version, predictor.engine
    logger.warning("Analysis worker %s: model %s on %s with %s.", sender, version, engine.device, engine.name)


@signals.worker_ready.connect(dispatch_uid="emotion.start_reporting")
def start_reporting(sender: Any, **kwargs: Any) -> None:
    """Report an analysis worker every few seconds from a thread, since the solo pool is silent while it works."""
    if "gpu" not in sender.app.amqp.queues.consume_from:
        return
    name = str(sender.hostname)
    stopping = threading.Event()

    def report() -> None:
        while not stopping.is_set():
            close_old_connections()
            worker_report(name=name)
            stopping.wait(REPORT_EVERY_S)
        connection.close()

    thread = threading.Thread(target=report, name="worker-report", daemon=True)
    thread.start()

    def stop_reporting(**_: Any) -> None:
        # The thread ends first: a report after the row is deleted would restore the row.
        stopping.set()
        thread.join(REPORT_EVERY_S)
        worker_forget(name=name)

    signals.worker_shutdown.connect(stop_reporting, weak=False, dispatch_uid="emotion.stop_reporting")
