"""Reads of models, estimates, labels and workers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db.models import Count, Max, Prefetch, QuerySet
from django.utils import timezone

from catalog.models import Song
from emotion.exceptions import LabelNotFound
from emotion.models import AnalysisWorker, EmotionEstimate, ModelVersion, PerceivedLabel, Reanalysis, ReanalysisItem

WORKER_ALIVE_S = 30


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The weights that workers ought to have loaded; `version` is empty where no model was registered."""

    weights: Path | None
    sha256: str = ""
    version: str = ""


def served_model() -> ServedModel:
    """Return the model that serves: the one MOODPLANE_WEIGHTS names, else the live one, else the shipped one."""
    live = None if settings.MOODPLANE_WEIGHTS_PINNED else live_model()
    if live is not None:
        return ServedModel(live.weights, live.weights_sha256, live.version)
    return ServedModel(Path(settings.MOODPLANE_WEIGHTS) if settings.MOODPLANE_WEIGHTS else None)


def served_version() -> str:
    """Return the version that serves, read from its card where it was not registered; empty when there is none."""
    served = served_model()
    if served.version or served.weights is None:
        return served.version
    try:
        return str(json.loads(served.weights.with_suffix(".json").read_text())["version"])
    except (OSError, ValueError, KeyError):
        return ""


def live_model() -> ModelVersion | None:
    """Return the live model's row."""
    return ModelVersion.objects.filter(state=ModelVersion.State.LIVE).first()


def prevailing_model_version() -> str:
    """Return the version that made most of the current estimates, of two equal ones the newer; empty without any.

    While a new live model is still hearing the catalog again, this is the old one until half of the songs are done: an
    index has one version's embeddings, and should have those of most songs.
    """
    made = EmotionEstimate.objects.filter(is_current=True).order_by().values_list("model_version")
    row = made.annotate(n=Count("pk"), newest=Max("updated_at")).order_by("-n", "-newest").first()
    return str(row[0]) if row else ""


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


@dataclass(frozen=True, slots=True)
class ReanalysisProgress:
    """How far a re-analysis got: songs by state, and what is left at the speed of the last ten minutes."""

    job: Reanalysis
    done: int
    failed: int
    total: int
    per_minute: float

    @property
    def handled(self) -> int:
        """Songs that need no more work."""
        return self.done + self.failed

    @property
    def left(self) -> int:
        """Songs still to be heard."""
        return self.total - self.handled

    @property
    def eta_s(self) -> float | None:
        """Seconds to go; None while there is no speed to tell it from."""
        return self.left / self.per_minute * 60 if self.left and self.per_minute else None


def reanalysis_latest() -> ReanalysisProgress | None:
    """Return the newest re-analysis and how far it got."""
    job = Reanalysis.objects.select_related("started_by").first()
    if job is None:
        return None
    if not job.is_active:
        return ReanalysisProgress(job, job.n_done, job.n_failed, job.n_total, 0.0)
    states = dict(job.items.order_by().values_list("state").annotate(n=Count("pk")))
    done, failed = (states.get(state, 0) for state in (ReanalysisItem.State.DONE, ReanalysisItem.State.FAILED))
    return ReanalysisProgress(job, done, failed, sum(states.values()), _reanalysis_per_minute(job))


def _reanalysis_per_minute(job: Reanalysis, minutes: int = 10) -> float:
    now = timezone.now()
    since = max(now - timedelta(minutes=minutes), job.started_at)
    recent = job.items.filter(state=ReanalysisItem.State.DONE, changed_at__gte=since)
    found = recent.aggregate(n=Count("pk"))
    return float(found["n"] * 60.0 / max((now - since).total_seconds(), 1.0))


def reanalysis_failures(job: Reanalysis, limit: int = 20) -> list[ReanalysisItem]:
    """Return the songs that a re-analysis could not hear, with the reason; they keep their older estimates."""
    failed = job.items.filter(state=ReanalysisItem.State.FAILED).select_related("song__artist")
    return list(failed.order_by("song_id")[:limit])


def labels_of(user: User) -> QuerySet[PerceivedLabel]:
    """Return what a person says that songs express, newest first."""
    return PerceivedLabel.objects.filter(rater=user)


def label_of(user: AbstractBaseUser | AnonymousUser, song: Song) -> PerceivedLabel | None:
    """Return what a person says that a song expresses, if anything; nothing for nobody."""
    return PerceivedLabel.objects.filter(rater_id=user.pk, song=song).first() if user.is_authenticated else None


def label_visible(user: User, pk: int) -> PerceivedLabel:
    """Return a label to the person who gave it, and to nobody else.

    Raises:
        LabelNotFound: there is none, or it is somebody else's.
    """
    label = labels_of(user).select_related("song").filter(pk=pk).first()
    if label is None:
        raise LabelNotFound("There is no such label, or it is not yours.")
    return label
