"""Reads of estimates and workers."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from catalog.models import Song
from emotion.models import AnalysisWorker, EmotionEstimate

WORKER_ALIVE_S = 30


def live_model_version() -> str:
    """Return the version whose estimates are current, or an empty string while nothing was ever estimated."""
    newest = EmotionEstimate.objects.filter(is_current=True).order_by("-updated_at").values_list("model_version")
    row = newest.first()
    return row[0] if row else ""


def current_estimate(song: Song) -> EmotionEstimate | None:
    """Return the current estimate of a song, if it has one."""
    return song.estimates.filter(is_current=True).first()


def workers_alive() -> list[AnalysisWorker]:
    """Return the analysis workers that reported within the last half minute."""
    since = timezone.now() - timedelta(seconds=WORKER_ALIVE_S)
    return list(AnalysisWorker.objects.filter(seen_at__gte=since))


def throughput(minutes: int = 10) -> float:
    """Return songs tagged per minute over the last `minutes`, counted from the first of them."""
    now = timezone.now()
    times = list(
        EmotionEstimate.objects.filter(updated_at__gte=now - timedelta(minutes=minutes))
        .order_by("updated_at")
        .values_list("updated_at", flat=True)
    )
    if not times:
        return 0.0
    elapsed_s = max((now - times[0]).total_seconds(), 1.0)
    return len(times) * 60.0 / elapsed_s


def songs_with_estimates() -> QuerySet[Song]:
    """Return songs, newest first, each with its current estimate (or none) in the list `current_estimates`."""
    current = Prefetch("estimates", EmotionEstimate.objects.filter(is_current=True), to_attr="current_estimates")
    return Song.objects.select_related("artist", "album").prefetch_related(current).order_by("-id")
