"""A listener's mood map: each rated song from its perceived to its felt point, their drift, and the insights.

It reads rows and writes nothing; `recommender.reasons.insights` words the insights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import groupby
from math import sqrt
from statistics import fmean, stdev
from typing import NamedTuple

from django.contrib.auth.models import User
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from catalog.core.charts import Axes, Point, Tick
from catalog.models import artist_shown
from emotion.models import EmotionEstimate
from emotion.templatetags.moodplane import plane_x, plane_y
from recommender.felt_model.model import ListenerModel
from recommender.listener import current_prior, history_of
from recommender.models import FeltRating
from recommender.reasons.insights import Topic, topics_of
from recommender.reasons.reasons import mood_name
from recommender.requests import Listener
from recommender.retrieval import songs_index

# Drawn on the plane; more would be a tangle. The table has all of them.
ARROWS_LIMIT = 120
# From about so many ratings with a feeling on, something is learned.
RATINGS_WANTED = 10
# Ratings to a point of the drift, unless there are months enough with so many each.
DRIFT_GROUP = 10
DRIFT_MONTH_LEAST, DRIFT_MONTHS_LEAST = 5, 3
DRIFT_POINTS_LIMIT = 24


class Line(NamedTuple):
    """A line on the small plane, from where a song sounds to where it was felt."""

    x1: str
    y1: str
    x2: str
    y2: str

    @property
    def path(self) -> str:
        """The same as SVG draws it."""
        return f"M{self.x1} {self.y1}L{self.x2} {self.y2}"


@dataclass(frozen=True, slots=True)
class RatedSong:
    """A rating as the map shows it; `perceived` is None while the song has no estimate."""

    pk: int
    song_id: int
    title: str
    artist: str
    felt: Point | None
    perceived: Point | None
    felt_nothing: bool
    liked: bool | None
    rated_at: datetime
    updated_at: datetime
    felt_on_one_axis: str = ""

    @property
    def shift(self) -> Point | None:
        """Felt less perceived, where both are known."""
        if self.felt is None or self.perceived is None:
            return None
        return self.felt[0] - self.perceived[0], self.felt[1] - self.perceived[1]

    @property
    def line(self) -> Line:
        """Its line on the small plane."""
        assert self.perceived is not None, "only drawn where both are known"
        assert self.felt is not None, "only drawn where both are known"
        return Line(
            plane_x(self.perceived[0]), plane_y(self.perceived[1]), plane_x(self.felt[0]), plane_y(self.felt[1])
        )

    @property
    def perceived_word(self) -> str:
        """The perceived mood in a word."""
        return mood_name(self.perceived) if self.perceived else ""

    @property
    def felt_word(self) -> str:
        """The felt mood in a word; where only one axis was answered, that."""
        return mood_name(self.felt) if self.felt else self.felt_on_one_axis

    @property
    def sentence(self) -> str:
        """The map's sentence for pointer, focus and screen reader."""
        values = {"title": self.title, "artist": self.artist, "heard": self.perceived_word, "felt": self.felt_word}
        if self.felt_nothing and self.perceived:
            pattern = _("%(title)s by %(artist)s sounds %(heard)s; you felt nothing.")
        elif self.felt_nothing:
            pattern = _("%(title)s by %(artist)s has not been analysed yet; you felt nothing.")
        elif self.felt_word and self.perceived:
            pattern = _("%(title)s by %(artist)s sounds %(heard)s; you felt %(felt)s.")
        elif self.felt_word:
            pattern = _("%(title)s by %(artist)s has not been analysed yet; you felt %(felt)s.")
        elif self.perceived:
            pattern = _("%(title)s by %(artist)s sounds %(heard)s; you did not say what you felt.")
        else:
            pattern = _("%(title)s by %(artist)s has not been analysed yet; you did not say what you felt.")
        return pattern % values


@dataclass(frozen=True, slots=True)
class DriftPoint:
    """The mean of felt less perceived over some ratings: which ones, how many, the means and their standard errors."""

    label: str
    n: int
    valence: float
    arousal: float
    valence_se: float
    arousal_se: float


@dataclass(frozen=True)
class MoodMap:
    """Everything that the page shows except the moods."""

    ratings: list[RatedSong]
    drift: list[DriftPoint]
    drift_by_month: bool
    topics: list[Topic]

    @cached_property
    def with_feeling(self) -> list[RatedSong]:
        """The ratings that the plane could show."""
        return [each for each in self.ratings if each.shift is not None]

    @property
    def wanted(self) -> int:
        """How many ratings it takes until something is learned."""
        return RATINGS_WANTED

    @property
    def is_early(self) -> bool:
        """Whether there are few ratings and nothing is known from them yet."""
        findings = [finding for topic in self.topics for finding in topic.findings]
        return len(self.with_feeling) < RATINGS_WANTED and not any(finding.known for finding in findings)

    @property
    def arrows(self) -> list[RatedSong]:
        """The ratings that the plane shows, oldest first, so that the newest lie on top."""
        return self.with_feeling[:ARROWS_LIMIT][::-1]


def mood_map(user: User) -> MoodMap:
    """Read a listener's map; without ratings it is empty."""
    ratings = rated_songs(user)
    if not ratings:
        return MoodMap([], [], drift_by_month=False, topics=[])
    index = songs_index()
    history = history_of(Listener(user=user), index)
    model = ListenerModel.fit(history.ratings, current_prior(), index.basis)
    topics = topics_of(model, history.ratings, {each.song_id: each.title for each in ratings})
    return MoodMap(ratings, *drift_of(ratings), topics)


def rated_songs(user: User) -> list[RatedSong]:
    """Return a listener's ratings, the latest change first, each with the song's place on the plane as of now."""
    current = EmotionEstimate.objects.filter(is_current=True, song__felt_ratings__listener=user).with_effective()
    points = current.values_list("song_id", "effective_valence", "effective_arousal")
    perceived = {song_id: _point(valence, arousal) for song_id, valence, arousal in points}
    rows = FeltRating.objects.filter(listener=user).order_by("-updated_at", "-pk")
    fields = "pk", "song_id", "song__title", "song__artist__name", "song__credit", "felt_valence", "felt_arousal"
    found = rows.values_list(*fields, "felt_nothing", "liked", "created_at", "updated_at")
    return [
        RatedSong(
            *(pk, song_id, title, artist_shown(artist, credit), _point(valence, arousal), perceived.get(song_id)),
            *(nothing, liked, created_at, updated_at, _word(valence, arousal)),
        )
        for (pk, song_id, title, artist, credit, valence, arousal, nothing, liked, created_at, updated_at) in found
    ]


def _word(valence: float | None, arousal: float | None) -> str:
    if valence is not None and arousal is None:
        return _("pleasant") if valence >= 0 else _("unpleasant")
    if arousal is not None and valence is None:
        return _("energetic") if arousal >= 0 else _("calm")
    return ""


def drift_of(ratings: Sequence[RatedSong]) -> tuple[list[DriftPoint], bool]:
    """Return how felt less perceived changed, and whether it is by month.

    It is by month where at least `DRIFT_MONTHS_LEAST` months have `DRIFT_MONTH_LEAST` ratings each (others are left
    out), else by `DRIFT_GROUP` ratings, of which a last group that is not full is left out.
    """
    moved = sorted((each for each in ratings if each.shift is not None), key=lambda each: each.rated_at)
    months = [
        (date_format(month, "M Y"), list(songs))
        for month, songs in groupby(
            moved, key=lambda each: each.rated_at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        )
    ]
    months = [(label, songs) for label, songs in months if len(songs) >= DRIFT_MONTH_LEAST]
    if len(months) >= DRIFT_MONTHS_LEAST:
        return [_drift_point(*each) for each in months[-DRIFT_POINTS_LIMIT:]], True
    starts = range(0, len(moved) - DRIFT_GROUP + 1, DRIFT_GROUP)
    groups = [
        (_("%(first)d to %(last)d") % {"first": start + 1, "last": start + DRIFT_GROUP}, start) for start in starts
    ]
    return [_drift_point(label, moved[at : at + DRIFT_GROUP]) for label, at in groups[-DRIFT_POINTS_LIMIT:]], False


def _drift_point(label: str, songs: Sequence[RatedSong]) -> DriftPoint:
    valences, arousals = zip(*(each.shift for each in songs if each.shift is not None), strict=True)
    n = len(valences)
    errors = [stdev(values) / sqrt(n) for values in (valences, arousals)]
    return DriftPoint(label, n, fmean(valences), fmean(arousals), *errors)


def _point(valence: float | None, arousal: float | None) -> Point | None:
    return None if valence is None or arousal is None else (valence, arousal)


# In SVG units; the margins hold the words and numbers.
_AXES = Axes(34.0, 306.0, 12.0, 148.0)
_LEAST_SPAN = 0.4


@dataclass(frozen=True, slots=True)
class DriftMark:
    """A mean and its standard error, in SVG units."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DriftChart:
    """Two lines, the numbers at the side, and where zero is."""

    valence: list[DriftMark]
    arousal: list[DriftMark]
    zero: float
    ticks: tuple[Tick, ...]
    first: str
    last: str


def drift_chart(drift: Sequence[DriftPoint]) -> DriftChart | None:
    """Draw the drift; one point alone is no line."""
    if len(drift) < 2:
        return None
    reach = max(max(abs(p.valence) + p.valence_se, abs(p.arousal) + p.arousal_se) for p in drift)
    span = max(reach, _LEAST_SPAN)
    axes = replace(_AXES, x_range=(0, len(drift) - 1), y_range=(-span, span))

    def mark(number: int, mean: float, error: float) -> DriftMark:
        return DriftMark(axes.x(number), axes.y(mean), axes.y(mean - error), axes.y(mean + error))

    return DriftChart(
        valence=[mark(number, p.valence, p.valence_se) for number, p in enumerate(drift)],
        arousal=[mark(number, p.arousal, p.arousal_se) for number, p in enumerate(drift)],
        zero=axes.y(0.0),
        ticks=axes.y_ticks((span, -span), (f"{sign}{number_format(span, 1)}" for sign in "+\u2212")),
        first=drift[0].label,
        last=drift[-1].label,
    )
