"""What the status page shows: how many songs are where, how fast it goes, who works, what failed, what holds it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from celery import current_app
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from catalog.core.charts import Axes, Bar, Tick, round_top
from catalog.core.formats import file_size
from catalog.files.storage import media_disk_usage
from catalog.models import Song
from catalog.permissions import User, can_upload
from catalog.selectors import PENDING_STATES, failure_counts, state_counts
from emotion import selectors
from emotion.pages.activity import SPANS, Activity, activity, curve_progress

# The template draws 640 x 200 units; the margins hold the numbers of the axes.
_AXES = Axes(44, 632, 14, 168)
_PARTS_KEPT_S = 15
_BROKER_TIMEOUT_S = 1
_LOW_ON_DISK = 0.05
_STATE_WORDS = {
    Song.State.UPLOADED: gettext_lazy("just arrived"),
    Song.State.QUEUED: gettext_lazy("waiting for their turn"),
    Song.State.ANALYSING: gettext_lazy("being listened to now"),
    Song.State.ANALYSED: gettext_lazy("on the plane"),
    Song.State.FAILED: gettext_lazy("could not be analysed"),
}


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many songs are in a state, and what that means in plain words."""

    state: str
    words: str
    count: int


@dataclass(frozen=True, slots=True)
class Failure:
    """How many songs failed for one reason; `width` is its share of the most frequent reason in per cent."""

    code: str
    count: int
    width: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a chart's table."""

    at: datetime
    value: int


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart over time with its words and its table."""

    name: str
    title: str
    sentence: str
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]
    area: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Something that the analysis needs, and how it is."""

    name: str
    words: str
    is_well: bool


def status_context(*, user: User, span: str) -> dict[str, object]:
    """Gather the page; an unknown span is the last hour."""
    counts = state_counts()
    waiting = sum(counts[state] for state in PENDING_STATES)
    per_minute = selectors.throughput()
    span = span if span in SPANS else "hour"
    version = selectors.prevailing_model_version()
    curator = can_upload(user)
    return {
        "states": [StateCount(state, str(words), counts[state]) for state, words in _STATE_WORDS.items()],
        "waiting": waiting,
        "total": waiting + counts[Song.State.ANALYSED],
        "is_empty": not any(counts.values()),
        "tagged": counts[Song.State.ANALYSED],
        "per_minute": per_minute,
        "eta_s": waiting / per_minute * 60 if waiting and per_minute else None,
        "span": span,
        "plots": plots(activity(span), span),
        "workers": selectors.workers_alive(),
        "model_version": version,
        "reanalysis": selectors.reanalysis_latest(),
        "curves": curve_progress(version) if version else None,
        "failures": failures() if curator else [],
        "parts": parts() if curator else [],
    }


def plots(seen: Activity, span: str) -> list[Plot]:
    """Draw what was tagged as bars, and what waited as an area."""
    tagged, waiting = (replace(_AXES, y_range=(0, round_top(values))) for values in (seen.tagged, seen.waiting))
    return [
        Plot(
            name="tagged",
            title=_("Songs tagged per minute") if span == "hour" else _("Songs tagged per half hour"),
            sentence=_tagged_sentence(seen, span),
            ticks=tagged.count_ticks(),
            bars=tagged.bars(seen.tagged),
            area="",
            rows=_rows(seen, seen.tagged),
        ),
        Plot(
            name="waiting",
            title=_("Songs waiting"),
            sentence=_waiting_sentence(seen),
            ticks=waiting.count_ticks(),
            bars=(),
            area=waiting.step_area(seen.waiting) if seen.most_waiting else "",
            rows=_rows(seen, seen.waiting),
        ),
    ]


def _tagged_sentence(seen: Activity, span: str) -> str:
    n = seen.n_tagged
    if not n:
        return _("None in the last hour.") if span == "hour" else _("None in the last day.")
    words = (
        ngettext("%(n)d song in the last hour, at most %(most)d in one minute.",
                 "%(n)d songs in the last hour, at most %(most)d in one minute.", n)
        if span == "hour"
        else ngettext("%(n)d song in the last day, at most %(most)d in half an hour.",
                      "%(n)d songs in the last day, at most %(most)d in half an hour.", n)
    )  # fmt: skip
    return words % {"n": n, "most": max(seen.tagged)}


def _waiting_sentence(seen: Activity) -> str:
    if not seen.most_waiting:
        return _("Nothing waited.")
    return _("%(now)d now, at most %(most)d.") % {"now": seen.waiting[-1], "most": seen.most_waiting}


def _rows(seen: Activity, values: tuple[int, ...]) -> tuple[Row, ...]:
    """Return the steps at which something was there; long stretches of nothing need no lines."""
    return tuple(Row(seen.time_of(step), value) for step, value in enumerate(values) if value)


def failures() -> list[Failure]:
    """Return how many songs failed by reason, the most frequent first."""
    counts = sorted(failure_counts().items(), key=lambda item: (-item[1], item[0]))
    most = max((count for _code, count in counts), default=1)
    return [Failure(code, count, max(1, round(100 * count / most))) for code, count in counts]


def parts() -> list[Part]:
    """Return how the database, the queue and the disk are; asked at most every few seconds."""
    # The words are in the reader's language.
    key = f"status-parts-{get_language()}"
    known = cache.get(key)
    if known is None:
        known = [
            _asked(_("Database"), _database),
            _asked(_("Queue"), _broker),
            _asked(_("Disk"), _disk),
        ]
        cache.set(key, known, _PARTS_KEPT_S)
    return known


def _asked(name: str, ask: Callable[[], tuple[str, bool]]) -> Part:
    try:
        return Part(name, *ask())
    except (DatabaseError, OSError, OperationalError):
        return Part(name, _("does not answer"), is_well=False)


def _database() -> tuple[str, bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        size = cursor.fetchone()[0]
    return _("answers; it holds %(size)s") % {"size": file_size(size)}, True


def _broker() -> tuple[str, bool]:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=_BROKER_TIMEOUT_S)
    return _("answers"), True


def _disk() -> tuple[str, bool]:
    total_bytes, free_bytes = media_disk_usage()
    words = _("%(free)s of %(total)s free") % {"free": file_size(free_bytes), "total": file_size(total_bytes)}
    return words, free_bytes > _LOW_ON_DISK * total_bytes
