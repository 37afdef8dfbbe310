"""Reads of models, their history, and retrainings."""

from __future__ import annotations

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
        ModelNotFoundError: none of this version was imported.
    """
    model = ModelVersion.objects.filter(version=version).first()
    if model is None:
        known = ", ".join(ModelVersion.objects.values_list("version", flat=True)) or _("none yet")
        raise ModelNotFoundError(
            _("No model %(version)s was imported; known are: %(known)s.") % {"version": version, "known": known}
        )
    return model


def model_shown(pk: int) -> ModelVersion | None:
    """Return a model with all that happened to it."""
    events = ModelEvent.objects.select_related("by", "before")
    return (
        ModelVersion.objects.select_related("imported_by", "live_before")
        .prefetch_related(Prefetch("events", events))
        .filter(pk=pk)
        .first()
    )


def events_latest(limit: int = 10) -> list[ModelEvent]:
    """Return what was done with models lately, the newest first."""
    return list(ModelEvent.objects.select_related("model", "before", "by")[:limit])


def retraining_latest() -> Retraining | None:
    """Return the newest retraining."""
    return Retraining.objects.select_related("started_by", "model").first()


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often the live estimates say what people say."""

    labels: int
    agreeing: int
    raters: int
    songs: int

    @property
    def share(self) -> float:
        """The share of labels that agree; 0 without any."""
        return self.agreeing / self.labels if self.labels else 0.0


def listeners_agreement() -> Agreement:
    """Compare perceived labels with what the model says of the same songs, also where a curator overrode it."""
    labels = PerceivedLabel.objects.order_by().filter(song__estimates__is_current=True)
    counted = labels.aggregate(
        labels=Count("pk"),
        agreeing=Count("pk", filter=Q(quadrant=F("song__estimates__quadrant"))),
        raters=Count("rater", distinct=True),
        songs=Count("song", distinct=True),
    )
    return Agreement(**counted)


@dataclass(frozen=True, slots=True)
class AgreementWeek:
    """The labels that people set in one week, and how many of them say what the live estimates say."""

    begins: datetime
    labels: int
    agreeing: int

    @property
    def share(self) -> float:
        """The share of labels that agree."""
        return self.agreeing / self.labels


def agreement_by_week(weeks: int = 26) -> list[AgreementWeek]:
    """Compare what people said lately with what the model says, week by week, the oldest first; weeks without labels
    are left out.
    """
    labels = PerceivedLabel.objects.order_by().filter(
        song__estimates__is_current=True, updated_at__gte=timezone.now() - timedelta(weeks=weeks)
    )
    rows = labels.annotate(begins=TruncWeek("updated_at")).values_list("begins")
    agreeing = Count("pk", filter=Q(quadrant=F("song__estimates__quadrant")))
    counted = rows.annotate(labels=Count("pk"), agreeing=agreeing).order_by("begins")
    return [AgreementWeek(*row) for row in counted]


def estimates_by_version() -> dict[str, int]:
    """Count the current estimates by the version that made them, the most frequent first."""
    current = EmotionEstimate.objects.order_by().filter(is_current=True).values_list("model_version")
    return dict(current.annotate(n=Count("pk")).order_by("-n"))
