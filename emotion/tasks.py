"""Celery tasks: ids in, one service call. Each may run twice without harm."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import InterfaceError, OperationalError

from catalog.songs.states import songs_queue, songs_reconcile
from emotion.jobs.curves import curve_step, curves_queue, curves_tick
from emotion.jobs.reanalysis import reanalysis_step, reanalysis_tick
from emotion.jobs.saliency import attention_make, attention_tick
from emotion.services.analysis import songs_analyse

logger = logging.getLogger(__name__)

BATCH_SIZE = 8
CURVES_STALE_S = 60
_TRANSIENT = (OperationalError, InterfaceError, OSError)


@shared_task(
    name="emotion.tasks.analyse_songs",
    autoretry_for=_TRANSIENT,
    retry_backoff=2,
    retry_backoff_max=60,
    max_retries=5,
)
def analyse_songs(song_ids: list[int]) -> None:
    """Analyse the songs of a batch that are still queued."""
    tagged = songs_analyse(song_ids=song_ids)
    logger.info("Tagged %d of %d songs.", len(tagged), len(song_ids))


@shared_task(name="emotion.tasks.songs_reconcile_task")
def songs_reconcile_task() -> None:
    """Enqueue again what was lost on its way."""
    songs_enqueue(songs_reconcile())


@shared_task(
    name="emotion.tasks.reanalysis_go_on",
    autoretry_for=_TRANSIENT,
    retry_backoff=2,
    retry_backoff_max=60,
    max_retries=5,
)
def reanalysis_go_on(reanalysis_id: int, chain: str) -> None:
    """Take one step of a re-analysis, and send the next one to the end of the queue."""
    wait_s = reanalysis_step(pk=reanalysis_id, chain=chain)
    if wait_s is not None:
        reanalysis_go_on.apply_async([reanalysis_id, chain], countdown=wait_s or None)


@shared_task(name="emotion.tasks.reanalysis_tick_task")
def reanalysis_tick_task() -> None:
    """Start a re-analysis again whose messages were lost."""
    reanalysis_tick()


@shared_task(
    name="emotion.tasks.curves_go_on",
    autoretry_for=_TRANSIENT,
    retry_backoff=2,
    retry_backoff_max=60,
    max_retries=5,
)
def curves_go_on() -> None:
    """Make one curve, and send the next step to the end of the queue."""
    if curve_step():
        curves_start()


@shared_task(name="emotion.tasks.curves_tick_task")
def curves_tick_task() -> None:
    """Begin again with curves whose messages were lost, and with songs that have none."""
    if curves_tick():
        curves_start()


@shared_task(
    name="emotion.tasks.explain_tag",
    autoretry_for=_TRANSIENT,
    retry_backoff=2,
    retry_backoff_max=60,
    max_retries=5,
)
def explain_tag(attention_id: int) -> None:
    """Find out where the network looked; then curves go on, which made way for it."""
    attention_make(pk=attention_id)
    curves_start()


@shared_task(name="emotion.tasks.attention_tick_task")
def attention_tick_task() -> None:
    """Ask again for explanations that were lost on their way, and forget those of other models."""
    for pk in attention_tick():
        explain_tag.delay(pk)


def curves_start() -> None:
    """Send one step to the analysis queue; a step that finds nothing to do, or songs that wait, sends none after it."""
    # A message that nobody took in time is not missed: the tick starts again.
    curves_go_on.apply_async(expires=CURVES_STALE_S)


def curves_announced(song_ids: list[int]) -> None:
    """Queue the curves of songs that were just tagged."""
    if curves_queue(song_ids=song_ids):
        curves_start()


def songs_enqueue(song_ids: list[int]) -> None:
    """Send queued songs to the workers in batches."""
    for start in range(0, len(song_ids), BATCH_SIZE):
        analyse_songs.delay(song_ids[start : start + BATCH_SIZE])


def songs_announced(song_ids: list[int]) -> None:
    """Queue songs that just arrived, and send them to the workers."""
    songs_enqueue(songs_queue(song_ids=song_ids))
