"""Songs with their estimates, and estimates by themselves: read-only."""

from __future__ import annotations

from rest_framework import viewsets

from catalog.models import Song
from emotion.filters import EstimateFilter, SongFilter
from emotion.models import EmotionEstimate
from emotion.selectors import songs_with_estimates
from emotion.serializers import EstimateSerializer, SongSerializer


class SongViewSet(viewsets.ReadOnlyModelViewSet[Song]):
    """The songs of the catalog with their current estimate."""

    queryset = songs_with_estimates()
    serializer_class = SongSerializer
    filterset_class = SongFilter


class EstimateViewSet(viewsets.ReadOnlyModelViewSet[EmotionEstimate]):
    """What each model version said of each song."""

    queryset = EmotionEstimate.objects.order_by("-id")
    serializer_class = EstimateSerializer
    filterset_class = EstimateFilter
