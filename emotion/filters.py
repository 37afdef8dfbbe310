"""What songs and estimates can be filtered by in the API."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet

from catalog.models import Song
from catalog.selectors import song_search
from catalog.songs.search import prefix_query
from emotion.choices import quadrant_name_choices
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate
from emotion.selectors import songs_in_quadrant

_QUADRANTS = quadrant_name_choices()


class SongFilter(django_filters.FilterSet):
    """`state`, `quadrant`, `artist`, `genre` and `q`, alone or together."""

    state = django_filters.ChoiceFilter(choices=Song.State.choices)
    quadrant = django_filters.ChoiceFilter(choices=_QUADRANTS, method="filter_quadrant", label="Q1 to Q4")
    artist = django_filters.NumberFilter(field_name="artist_id", label="The artist's id")
    genre = django_filters.CharFilter(field_name="genre", lookup_expr="iexact")
    q = django_filters.CharFilter(method="filter_query", label="Words of title, artist, album or genre")
    ordering = django_filters.OrderingFilter(fields=["id", "title", "created_at", "duration_s"])

    class Meta:
        model = Song
        fields: list[str] = []

    def filter_quadrant(self, songs: QuerySet[Song], name: str, value: str) -> QuerySet[Song]:
        """Keep the songs whose current estimate is in a quadrant."""
        return songs_in_quadrant(songs, Quadrant[value])

    def filter_query(self, songs: QuerySet[Song], name: str, value: str) -> QuerySet[Song]:
        """Keep the songs that match words by full text."""
        if not prefix_query(value):
            return songs.none()
        return songs.filter(pk__in=song_search(query=value).order_by().values("pk"))


class EstimateFilter(django_filters.FilterSet):
    """`song`, `model_version`, `is_current` and `quadrant`."""

    song = django_filters.NumberFilter(field_name="song_id", label="The song's id")
    quadrant = django_filters.ChoiceFilter(choices=_QUADRANTS, method="filter_quadrant", label="Q1 to Q4")

    class Meta:
        model = EmotionEstimate
        fields = ["model_version", "is_current"]

    def filter_quadrant(self, estimates: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Keep the estimates of which a quadrant counts, read `with_effective`."""
        return estimates.filter(effective_quadrant=Quadrant[value].value)
