"""What the analysis did over the last hour or day, read from when songs came and were done; nothing is recorded for it.

Pages ask every few seconds, and every visitor asks the same, so an answer is kept for as long as one interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, FloatField, IntegerField, QuerySet
from django.db.models.functions import Cast, Extract, Floor
from django.utils import timezone

from catalog.models import Song
from catalog.selectors import PENDING_STATES
from emotion.models import EmotionCurve, EmotionEstimate

_KEPT_S = 5
# A step of each span in seconds, and how many of them.
SPANS = {"hour": (60, 60), "day": (1800, 48)}


@dataclass(frozen=True, slots=True)
class Activity:
    """Equal steps of time, the oldest first, ending now."""

    since: datetime
    step_s: int
    tagged: tuple[int, ...]
    waiting: tuple[int, ...]

    @property
    def n_tagged(self) -> int:
        """Songs tagged in the whole span."""
        return sum(self.tagged)

    @property
    def most_waiting(self) -> int:
        """The longest the queue was at the end of a step."""
        return max(self.waiting, default=0)

    def time_of(self, step: int) -> datetime:
        """When a step began."""
        return self.since + timedelta(seconds=step * self.step_s)


@dataclass(frozen=True, slots=True)
class CurveProgress:
    """How many songs have their emotion curve by the model whose tags prevail."""

    done: int
    waiting: int
    failed: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.done + self.waiting + self.failed


def activity(span: str) -> Activity:
    """Return what was tagged and what waited over a span, `hour` or `day`; at most a few seconds old."""
    key = f"activity-{span}"
    known = cache.get(key)
    if known is None:
        step_s, n_steps = SPANS[span]
        known = _read(step_s, n_steps)
        cache.set(key, known, _KEPT_S)
    return known


def _read(step_s: int, n_steps: int) -> Activity:
    since = timezone.now() - timedelta(seconds=step_s * n_steps)
    tagged = EmotionEstimate.objects.filter(is_current=True)
    ended = Song.objects.filter(state__in=[Song.State.ANALYSED, Song.State.FAILED])
    return Activity(
        since=since,
        step_s=step_s,
        tagged=_by_step(tagged, "analysed_at", since, step_s, n_steps),
        waiting=queue_lengths(
            Song.objects.filter(state__in=PENDING_STATES).count(),
            came=_by_step(Song.objects.all(), "created_at", since, step_s, n_steps),
            ended=_by_step(ended, "state_changed_at", since, step_s, n_steps),
        ),
    )


def queue_lengths(now: int, *, came: Sequence[int], ended: Sequence[int]) -> tuple[int, ...]:
    """Return how many waited at the end of each step, told backwards from how many wait now.

    A song that was tried again counts from the beginning, because when it was queued again is not kept.
    """
    lengths = [now]
    for arrived, left in zip(reversed(came[1:]), reversed(ended[1:]), strict=True):
        lengths.append(max(0, lengths[-1] - arrived + left))
    return tuple(reversed(lengths))


def _by_step(rows: QuerySet[Any], field: str, since: datetime, step_s: int, n_steps: int) -> tuple[int, ...]:
    seconds = Cast(Extract(field, "epoch"), FloatField()) - since.timestamp()
    step = Cast(Floor(seconds / float(step_s)), IntegerField())
    counted = rows.filter(**{f"{field}__gte": since}).order_by().annotate(step=step).values_list("step")
    found = dict(counted.annotate(n=Count("pk")))
    # What came in the very moment of asking belongs to the last step.
    found[n_steps - 1] = found.get(n_steps - 1, 0) + sum(n for place, n in found.items() if place >= n_steps)
    return tuple(found.get(place, 0) for place in range(n_steps))


def curve_progress(model_version: str) -> CurveProgress:
    """Return how far the emotion curves of a model got; at most a few seconds old."""
    key = f"curve-progress-{model_version}"
    known = cache.get(key)
    if known is None:
        rows = EmotionCurve.objects.filter(model_version=model_version).order_by().values_list("state")
        states = dict(rows.annotate(n=Count("pk")))
        pending = sum(states.get(state, 0) for state in EmotionCurve.PENDING)
        known = CurveProgress(states.get(EmotionCurve.State.DONE, 0), pending, states.get(EmotionCurve.State.FAILED, 0))
        cache.set(key, known, _KEPT_S)
    return known
