"""Limits of a song list beyond search, genre and decade: by mood, sound, and what one listener did with the songs.

A smart list is such a list with a name. Each limit is a field of `recommender.forms.SongFilterForm`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import Greatest
from django.utils import timezone

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate, QuadrantOverride
from recommender.models import FeltRating, Listen
from recommender.requests import Listener

# A song counts as played from here on, or at its end.
HEARD_S = 30.0
PLAYED = Q(outcome=Listen.Outcome.COMPLETED) | Q(listened_s__gte=HEARD_S)
# Orders that only a listener has.
PLAY_SORTS = ("plays", "played")

Ids = QuerySet[Any]


def songs_limit(songs: QuerySet[Song], rules: Mapping[str, Any], listener: Listener) -> QuerySet[Song]:
    """Keep the songs that meet every rule."""
    for name, value in rules.items():
        if name in _OF_SONG:
            songs = songs.filter(**{_OF_SONG[name]: value})
        elif name in _OF_LISTENER:
            songs = _OF_LISTENER[name](songs, value, listener)
    if of_estimate := {_OF_ESTIMATE[name]: value for name, value in rules.items() if name in _OF_ESTIMATE}:
        songs = songs.filter(pk__in=_estimated(of_estimate))
    return songs


def _estimated(limits: Mapping[str, Any]) -> Ids:
    """Return the ids of the songs whose effective estimate meets the limits."""
    # As in `emotion.selectors.songs_in_quadrant`: the few overrides are hashed, and an index answers for the rest.
    overrides = QuadrantOverride.objects.filter(is_current=True, quadrant__isnull=False).values("song")
    current = EmotionEstimate.objects.filter(is_current=True)
    by_model = current.exclude(song__in=overrides)
    if "sure__gte" in limits:
        by_model = by_model.alias(sure=Greatest("p_q1", "p_q2", "p_q3", "p_q4"))
    effective = {f"effective_{name.replace('sure', 'confidence')}": value for name, value in limits.items()}
    by_curator = current.filter(song__in=overrides).with_effective().filter(**effective)
    return _ids(by_model.filter(**limits)).union(_ids(by_curator))


def songs_by_plays(songs: QuerySet[Song], sort: str, listener: Listener) -> QuerySet[Song]:
    """Return the songs that a listener played, the most played or the last played first."""
    if listener.is_nobody:
        return songs.none()
    played = songs.filter(_theirs(listener))
    if sort == "played":
        return played.annotate(last=Max("listens__id")).order_by("-last")
    return played.annotate(n_plays=plays_count(listener)).filter(n_plays__gt=0).order_by("-n_plays", "-id")


def plays_count(listener: Listener) -> Count:
    """Return how often a listener played a song, for a query of songs."""
    played = Q(listens__outcome=Listen.Outcome.COMPLETED) | Q(listens__listened_s__gte=HEARD_S)
    return Count("listens", filter=_theirs(listener) & played)


def _theirs(listener: Listener) -> Q:
    owner = listener.owner_fields("listener")
    return Q(**{f"listens__{name}": value for name, value in owner.items()})


def _ids(rows: QuerySet[Any]) -> Ids:
    return rows.order_by().values("song")


def _listens(listener: Listener) -> QuerySet[Listen]:
    return Listen.objects.filter(listener.owns("listener"))


def _ratings(listener: Listener) -> QuerySet[FeltRating]:
    return FeltRating.objects.filter(listener=listener.user) if listener.user else FeltRating.objects.none()


def _liked(songs: QuerySet[Song], value: bool, listener: Listener) -> QuerySet[Song]:
    return songs.filter(pk__in=_ids(_ratings(listener).filter(liked=True)))


def _felt(songs: QuerySet[Song], value: Quadrant, listener: Listener) -> QuerySet[Song]:
    valence, arousal = value.corner
    sides = {
        f"felt_valence__{'gt' if valence > 0 else 'lt'}": 0.0,
        f"felt_arousal__{'gt' if arousal > 0 else 'lt'}": 0.0,
    }
    return songs.filter(pk__in=_ids(_ratings(listener).filter(**sides)))


def _plays_from(songs: QuerySet[Song], value: int, listener: Listener) -> QuerySet[Song]:
    often = _listens(listener).filter(PLAYED).order_by().values("song").annotate(n=Count("pk")).filter(n__gte=value)
    return songs.filter(pk__in=often.values("song"))


def _plays_to(songs: QuerySet[Song], value: int, listener: Listener) -> QuerySet[Song]:
    often = _listens(listener).filter(PLAYED).order_by().values("song").annotate(n=Count("pk")).filter(n__gt=value)
    return songs.exclude(pk__in=often.values("song"))


def _unplayed_days(songs: QuerySet[Song], value: int, listener: Listener) -> QuerySet[Song]:
    since = timezone.now() - timedelta(days=value)
    return songs.exclude(pk__in=_ids(_listens(listener).filter(started_at__gte=since)))


def _added_days(songs: QuerySet[Song], value: int, listener: Listener) -> QuerySet[Song]:
    return songs.filter(created_at__gte=timezone.now() - timedelta(days=value))


_OF_LISTENER: dict[str, Callable[[QuerySet[Song], Any, Listener], QuerySet[Song]]] = {
    "liked": _liked,
    "felt": _felt,
    "plays_from": _plays_from,
    "plays_to": _plays_to,
    "unplayed_days": _unplayed_days,
    "added_days": _added_days,
}
_OF_SONG = {
    "year_from": "year__gte",
    "year_to": "year__lte",
    "minutes_from": "duration_s__gte",
    "minutes_to": "duration_s__lte",
}
_OF_ESTIMATE = {
    "valence_from": "valence__gte",
    "valence_to": "valence__lte",
    "arousal_from": "arousal__gte",
    "arousal_to": "arousal__lte",
    "sure_from": "sure__gte",
}
# Rules that `recommender.selectors.songs_browse` reads from an index of what was measured.
MEASURED = frozenset({"bpm_from", "bpm_to", "key"})
# Every rule, as a query names it.
RULES = MEASURED | {*_OF_LISTENER, *_OF_SONG, *_OF_ESTIMATE}
