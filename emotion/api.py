"""Songs with their estimates, estimates by themselves, and what the caller says that songs express."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.models import Song
from catalog.permissions import CanListen, user_of
from emotion import selectors
from emotion.filters import EstimateFilter, SongFilter
from emotion.library.api import SongEditMixin
from emotion.models import EmotionEstimate, PerceivedLabel
from emotion.selectors import songs_with_estimates
from emotion.serializers import (
    CurveSerializer,
    EstimateSerializer,
    LabelSerializer,
    LabelSetSerializer,
    SongSerializer,
    WaveformSerializer,
    curve_json,
    waveform_json,
)
from emotion.services import labels


class SongViewSet(SongEditMixin, viewsets.ReadOnlyModelViewSet[Song]):
    """The songs of the catalog with their current estimate."""

    queryset = songs_with_estimates()
    serializer_class = SongSerializer
    filterset_class = SongFilter

    @extend_schema(
        summary="The emotion curve of a song: the model every few seconds",
        responses={200: CurveSerializer, 202: CurveSerializer},
    )
    @action(detail=True, filterset_class=None)
    def curve(self, request: Request, pk: str) -> Response:
        """Answer 202 while the curve is on its way, 404 where none will come, 422 with the reason where it failed."""
        song = get_object_or_404(Song, pk=pk)
        curve = selectors.curve_visible(song)
        code = status.HTTP_202_ACCEPTED if curve is None else status.HTTP_200_OK
        return Response(curve_json(song, curve), code)

    @extend_schema(summary="How loud a song is over its length, and its emotion", responses=WaveformSerializer)
    @action(detail=True, filterset_class=None)
    def waveform(self, request: Request, pk: str) -> Response:
        """What a player draws; lists that are not known yet are empty."""
        return Response(waveform_json(get_object_or_404(Song, pk=pk)))


class EstimateViewSet(viewsets.ReadOnlyModelViewSet[EmotionEstimate]):
    """What each model version said of each song, and what counts."""

    queryset = EmotionEstimate.objects.with_effective().order_by("-id")
    serializer_class = EstimateSerializer
    filterset_class = EstimateFilter


@extend_schema_view(list=extend_schema(summary="What you say that songs express, newest first"))
class LabelViewSet(ListModelMixin, viewsets.GenericViewSet[PerceivedLabel]):
    """Perceived labels of whoever asks; nobody sees another's. What a song did to you is a rating, not a label."""

    queryset = PerceivedLabel.objects.none()
    serializer_class = LabelSerializer
    permission_classes = (CanListen, IsAuthenticated)
    lookup_value_regex = r"\d+"
    throttle_scope = "ratings"

    def get_queryset(self) -> QuerySet[PerceivedLabel]:
        return selectors.labels_of(user_of(self.request))

    @extend_schema(
        summary="Say what a song expresses, or change your answer",
        request=LabelSetSerializer,
        responses=LabelSerializer,
    )
    def create(self, request: Request) -> Response:
        """There is one label per person and song: a second one replaces the first."""
        asked = LabelSetSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        label = labels.perceived_label_set(user=user_of(self.request), **asked.validated_data)
        return Response(LabelSerializer(label).data)

    @extend_schema(summary="One of your labels", responses=LabelSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Answer 404 for a label that is not yours."""
        return Response(LabelSerializer(selectors.label_visible(user_of(self.request), int(pk))).data)

    @extend_schema(summary="Take a label back", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Forget what was said of the song."""
        label = selectors.label_visible(user_of(self.request), int(pk))
        labels.perceived_label_remove(user=user_of(self.request), song=label.song)
        return Response(status=status.HTTP_204_NO_CONTENT)
