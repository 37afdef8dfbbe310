"""The status page: how many songs are where, how fast they are analysed, by which workers, what failed and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from celery import current_app
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.models import Count, FloatField, IntegerField, QuerySet
from django.db.models.functions import Cast, Extract, Floor
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from catalog.core.charts import Axes, Bar, Tick, round_top
from catalog.core.wording import file_size
from catalog.files.storage import media_disk_usage
from catalog.models import Song
from catalog.permissions import User, can_upload
from catalog.selectors import PENDING_STATES, failure_counts, state_counts
from emotion import selectors
from emotion.models import EmotionCurve, EmotionEstimate, SoundPrint

# Every visitor reads the same, every few seconds.
_ACTIVITY_CACHED_S, _PARTS_CACHED_S = 5, 15
# Seconds of a step, and steps of a span.
SPANS = {"hour": (60, 60), "day": (1800, 48)}
# The share of the disk that should stay free.
_LOW_ON_DISK = 0.05
# The template draws 640 x 200 units; the margins hold the numbers of the axes.
_AXES = Axes(44, 632, 14, 168)
_STATE_WORDS = {
    Song.State.UPLOADED: gettext_lazy("just arrived"),
    Song.State.QUEUED: gettext_lazy("waiting"),
    Song.State.ANALYSING: gettext_lazy("being analysed"),
    Song.State.ANALYSED: gettext_lazy("on the plane"),
    Song.State.FAILED: gettext_lazy("could not be analysed"),
}


class Activity(NamedTuple):
    """Songs analysed in, and waiting at the end of, equal steps of time: the oldest first, ending now."""

    since: datetime
    step_s: int
    analysed: tuple[int, ...]
    waiting: tuple[int, ...]

    @property
    def n_analysed(self) -> int:
        return sum(self.analysed)


class Progress(NamedTuple):
    """How many songs are done with what follows their analysis."""

    done: int
    waiting: int
    failed: int

    @property
    def total(self) -> int:
        return sum(self)


class ActivityChart(NamedTuple):
    """A chart over time with its words and, as times and numbers, its table."""

    name: str
    title: str
    sentence: str
    ticks: tuple[Tick, ...]
    rows: list[dict[str, Any]]
    bars: tuple[Bar, ...] = ()
    area: str = ""


def status_context(*, user: User, span: str) -> dict[str, object]:
    """Gather the page; an unknown span is the last hour."""
    counts = state_counts()
    waiting = sum(counts[state] for state in PENDING_STATES)
    recent, per_minute = selectors.throughput()
    span = span if span in SPANS else "hour"
    version = selectors.prevailing_model_version()
    curator = can_upload(user)
    return {
        "states": [{"state": state, "words": words, "count": counts[state]} for state, words in _STATE_WORDS.items()],
        "waiting": waiting,
        "total": waiting + counts[Song.State.ANALYSED],
        "is_empty": not any(counts.values()),
        "analysed": counts[Song.State.ANALYSED],
        "recent": recent,
        "eta_s": waiting / per_minute * 60 if waiting and per_minute else None,
        "span": span,
        "plots": plots(activity(span), span),
        "workers": selectors.workers_alive(),
        "model_version": version,
        "reanalysis": selectors.reanalysis_latest(),
        "curves": curve_progress(version) if version else None,
        "sounds": sound_progress(counts[Song.State.ANALYSED]),
        "failures": failures() if curator else [],
        "parts": parts() if curator else [],
    }


def activity(span: str) -> Activity:
    """Return the activity of a span, `hour` or `day`; at most a few seconds old."""

    def read() -> Activity:
        step_s, n_steps = SPANS[span]
        since = timezone.now() - timedelta(seconds=step_s * n_steps)
        ended = Song.objects.filter(state__in=[Song.State.ANALYSED, Song.State.FAILED])
        return Activity(
            since=since,
            step_s=step_s,
            analysed=_by_step(EmotionEstimate.objects.filter(is_current=True), "analysed_at", since, step_s, n_steps),
            waiting=queue_lengths(
                Song.objects.filter(state__in=PENDING_STATES).count(),
                came=_by_step(Song.objects.all(), "created_at", since, step_s, n_steps),
                ended=_by_step(ended, "state_changed_at", since, step_s, n_steps),
            ),
        )

    return cast(Activity, cache.get_or_set(f"activity-{span}", read, _ACTIVITY_CACHED_S))


def queue_lengths(now: int, *, came: Sequence[int], ended: Sequence[int]) -> tuple[int, ...]:
    """Return how many songs waited at the end of each step, counted backwards from how many wait now."""
    # A song that was queued again counts from its upload: when it was queued again is not stored.
    lengths = [now]
    for arrived, left in zip(reversed(came[1:]), reversed(ended[1:]), strict=True):
        lengths.append(max(0, lengths[-1] - arrived + left))
    return tuple(reversed(lengths))


def _by_step(rows: QuerySet[Any], field: str, since: datetime, step_s: int, n_steps: int) -> tuple[int, ...]:
    seconds = Cast(Extract(field, "epoch"), FloatField()) - since.timestamp()
    step = Cast(Floor(seconds / float(step_s)), IntegerField())
    by_step = rows.filter(**{f"{field}__gte": since}).order_by().annotate(step=step).values_list("step")
    counts = dict(by_step.annotate(n=Count("pk")))
    # A row of the very moment of the query belongs to the last step.
    counts[n_steps - 1] = sum(n for place, n in counts.items() if place >= n_steps - 1)
    return tuple(counts.get(place, 0) for place in range(n_steps))


def curve_progress(model_version: str) -> Progress:
    """Return how far the emotion curves of a model got; at most a few seconds old."""

    def read() -> Progress:
        rows = EmotionCurve.objects.filter(model_version=model_version).order_by().values_list("state")
        states = dict(rows.annotate(n=Count("pk")))
        pending = sum(states.get(state, 0) for state in EmotionCurve.PENDING)
        return Progress(states.get(EmotionCurve.State.DONE, 0), pending, states.get(EmotionCurve.State.FAILED, 0))

    return cast(Progress, cache.get_or_set(f"curve-progress-{model_version}", read, _ACTIVITY_CACHED_S))


def sound_progress(n_analysed: int) -> Progress:
    """Return how many of the analysed songs were compared with the others by their sound; at most a few seconds old."""

    def read() -> Progress:
        prints = SoundPrint.objects.filter(song__state=Song.State.ANALYSED).order_by().values_list("state")
        states = dict(prints.annotate(n=Count("pk")))
        done, failed = states.get(SoundPrint.DONE, 0), states.get(SoundPrint.FAILED, 0)
        return Progress(done, max(0, n_analysed - done - failed), failed)

    return cast(Progress, cache.get_or_set("sound-progress", read, _ACTIVITY_CACHED_S))


def plots(seen: Activity, span: str) -> list[ActivityChart]:
    """Draw songs analysed as bars, and songs waiting as an area."""
    analysed, waiting = (replace(_AXES, y_range=(0, round_top(values))) for values in (seen.analysed, seen.waiting))
    title = _("Songs analysed per minute") if span == "hour" else _("Songs analysed per half hour")
    sentence, area = _("No songs were waiting."), ""
    if any(seen.waiting):
        sentence = _("%(now)d now, at most %(most)d.") % {"now": seen.waiting[-1], "most": max(seen.waiting)}
        area = waiting.step_area(seen.waiting)
    analysed_rows, waiting_rows = _rows(seen, seen.analysed), _rows(seen, seen.waiting)
    return [
        ActivityChart(
            "analysed",
            title,
            _analysed_sentence(seen, span),
            analysed.count_ticks(),
            analysed_rows,
            analysed.bars(seen.analysed),
        ),
        ActivityChart("waiting", _("Songs waiting"), sentence, waiting.count_ticks(), waiting_rows, area=area),
    ]


def _analysed_sentence(seen: Activity, span: str) -> str:
    if not (n := seen.n_analysed):
        return _("None in the last hour.") if span == "hour" else _("None in the last day.")
    words = (
        ngettext("%(n)d song in the last hour, at most %(most)d in one minute.",
                 "%(n)d songs in the last hour, at most %(most)d in one minute.", n)
        if span == "hour"
        else ngettext("%(n)d song in the last day, at most %(most)d in half an hour.",
                      "%(n)d songs in the last day, at most %(most)d in half an hour.", n)
    )  # fmt: skip
    return words % {"n": n, "most": max(seen.analysed)}


def _rows(seen: Activity, values: tuple[int, ...]) -> list[dict[str, Any]]:
    step = timedelta(seconds=seen.step_s)
    return [{"at": seen.since + i * step, "value": value} for i, value in enumerate(values) if value]


def failures() -> list[dict[str, Any]]:
    """Return how many songs failed by reason, the most frequent first; `width` is in per cent of that one."""
    counts = sorted(failure_counts().items(), key=lambda item: (-item[1], item[0]))
    return [{"code": code, "count": n, "width": max(1, round(100 * n / counts[0][1]))} for code, n in counts]


def parts() -> list[dict[str, Any]]:
    """Return how the database, the queue and the disk are; at most a few seconds old."""

    def read() -> list[dict[str, Any]]:
        states = []
        for name, check in ((_("Database"), _database), (_("Queue"), _broker), (_("Disk"), _disk)):
            try:
                words, is_well = check()
            except (DatabaseError, OSError, OperationalError):
                words, is_well = _("does not answer"), False
            states.append({"name": name, "words": words, "is_well": is_well})
        return states

    # The words are in the reader's language.
    return cast(list[dict[str, Any]], cache.get_or_set(f"status-parts-{get_language()}", read, _PARTS_CACHED_S))


def _database() -> tuple[str, bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return _("answers; it holds %(size)s") % {"size": file_size(cursor.fetchone()[0])}, True


def _broker() -> tuple[str, bool]:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=1)
    return _("answers"), True


def _disk() -> tuple[str, bool]:
    total_bytes, free_bytes = media_disk_usage()
    words = _("%(free)s of %(total)s free") % {"free": file_size(free_bytes), "total": file_size(total_bytes)}
    return words, free_bytes > _LOW_ON_DISK * total_bytes
