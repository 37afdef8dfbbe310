"""Reads of models, their history, and retrainings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Count, F, Prefetch, Q, QuerySet, When
from django.db.models.functions import TruncWeek
from django.utils import timezone
from django.utils.translation import gettext as _

from emotion.models import EmotionEstimate, ModelVersion, PerceivedLabel
from training.exceptions import ModelNotFoundError
from training.models import ModelEvent, Retraining


def models_all() -> QuerySet[ModelVersion]:
    """Return all models: the live one, then the newest."""
    live_first = Case(When(state=ModelVersion.State.LIVE, then=0), default=1)
    return ModelVersion.objects.select_related("imported_by", "live_before").order_by(live_first, "-id")


def model_named(version: str) -> ModelVersion:
    """Return a model.

    Raises:
        ModelNotFoundError: None of this version was imported.
    """
    model = ModelVersion.objects.filter(version=version).first()
    if model is None:
        known = ", ".join(ModelVersion.objects.values_list("version", flat=True)) or _("none yet")
        raise ModelNotFoundError(
            _("Model %(version)s has not been imported; known models: %(known)s.")
            % {"version": version, "known": known}
        )
    return model


def model_shown(pk: int) -> ModelVersion | None:
    """Return a model with its events."""
    events = ModelEvent.objects.select_related("by", "before")
    return models_all().prefetch_related(Prefetch("events", events)).filter(pk=pk).first()


def events_latest(limit: int = 10) -> list[ModelEvent]:
    """Return the latest events of models, the newest first."""
    return list(ModelEvent.objects.select_related("model", "before", "by")[:limit])


def retraining_latest() -> Retraining | None:
    """Return the newest retraining."""
    return Retraining.objects.select_related("started_by", "model").first()


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many perceived labels agree with the live estimates, overall or in the week that begins at `begins`."""

    labels: int
    agreeing: int
    raters: int = 0
    songs: int = 0
    begins: datetime | None = None

    @property
    def share(self) -> float:
        """The share of labels that agree; 0 without any."""
        return self.agreeing / self.labels if self.labels else 0.0


_AGREEING = Count("pk", filter=Q(quadrant=F("song__estimates__quadrant")))


def _labels_estimated() -> QuerySet[PerceivedLabel]:
    return PerceivedLabel.objects.order_by().filter(song__estimates__is_current=True)


def listeners_agreement() -> Agreement:
    """Compare perceived labels with the model's estimates of the same songs, also where a curator overrode them."""
    people = {"raters": Count("rater", distinct=True), "songs": Count("song", distinct=True)}
    return Agreement(**_labels_estimated().aggregate(labels=Count("pk"), agreeing=_AGREEING, **people))


def songs_labelled() -> int:
    """Count the songs whose raters prefer one quadrant; a retraining learns from those whose files are here."""
    votes: dict[int, list[int]] = defaultdict(list)
    counted = PerceivedLabel.objects.order_by().values_list("song_id", "quadrant").annotate(n=Count("pk"))
    for song_id, _quadrant, n in counted:
        votes[song_id].append(n)
    return sum(1 for each in votes.values() if each.count(max(each)) == 1)


def agreement_by_week(weeks: int = 26) -> list[Agreement]:
    """Compare recent labels with the model's estimates by week, the oldest first; empty weeks are left out."""
    recent = _labels_estimated().filter(updated_at__gte=timezone.now() - timedelta(weeks=weeks))
    by_week = recent.annotate(begins=TruncWeek("updated_at")).values("begins")
    return [Agreement(**row) for row in by_week.annotate(labels=Count("pk"), agreeing=_AGREEING).order_by("begins")]


def estimates_by_version() -> dict[str, int]:
    """Count the current estimates by the version that made them, the most frequent first."""
    current = EmotionEstimate.objects.order_by().filter(is_current=True).values_list("model_version")
    return dict(current.annotate(n=Count("pk")).order_by("-n"))
