"""Songs with their estimates, estimates by themselves, and the caller's labels of what songs express."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any, cast

import django_filters
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.models import Song
from catalog.permissions import CanListen, CanUpload, user_of
from catalog.selectors import FURTHER_ARTISTS, genre_texts, ids_by_artist, song_search
from catalog.songs.search import prefix_query
from emotion import selectors
from emotion.inference.quadrants import Quadrant
from emotion.library.services import library_edit
from emotion.measures.words import KEYS
from emotion.models import EmotionEstimate, PerceivedLabel, quadrant_name_choices
from emotion.serializers import (
    CurveSerializer,
    EstimateSerializer,
    LabelSerializer,
    LabelSetSerializer,
    SongEditSerializer,
    SongSerializer,
    WaveformSerializer,
    curve_json,
    waveform_json,
)
from emotion.services import estimate_export, labels


class SongFilter(django_filters.FilterSet):
    """`state`, `quadrant`, `artist`, `album`, `genre`, `bpm_from`, `bpm_to`, `key` and `q`, alone or together."""

    state = django_filters.ChoiceFilter(choices=Song.State.choices)
    quadrant = django_filters.ChoiceFilter(choices=quadrant_name_choices(), method="filter_quadrant", label="Q1 to Q4")
    artist = django_filters.NumberFilter(method="filter_artist", label="The id of one of the artists")
    album = django_filters.NumberFilter(field_name="album_id", label="The album's id")
    genre = django_filters.CharFilter(method="filter_genre", label="One of the genres")
    bpm_from = django_filters.NumberFilter(method="filter_measures", label="The slowest tempo, in beats per minute")
    bpm_to = django_filters.NumberFilter(method="filter_measures", label="The fastest tempo, in beats per minute")
    key = django_filters.ChoiceFilter(
        choices=list(enumerate(KEYS)), method="filter_measures", label="0 to 11: major from C, 12 to 23: minor"
    )
    q = django_filters.CharFilter(method="filter_query", label="Words of title, artist, album or genre")
    ordering = django_filters.OrderingFilter(fields=["id", "title", "created_at", "duration_s"])

    class Meta:
        model = Song
        fields: list[str] = []

    def filter_quadrant(self, songs: QuerySet[Song], _name: str, value: str) -> QuerySet[Song]:
        return selectors.songs_in_quadrant(songs, Quadrant[value])

    def filter_artist(self, songs: QuerySet[Song], _name: str, value: Any) -> QuerySet[Song]:
        return songs.filter(pk__in=ids_by_artist(artist=int(value)))

    def filter_genre(self, songs: QuerySet[Song], _name: str, value: str) -> QuerySet[Song]:
        return songs.filter(genre__in=genre_texts(value))

    def filter_measures(self, songs: QuerySet[Song], name: str, value: Any) -> QuerySet[Song]:
        return songs.filter(pk__in=selectors.waveforms_within(**{name: int(value)}).values("song"))

    def filter_query(self, songs: QuerySet[Song], _name: str, value: str) -> QuerySet[Song]:
        return (
            songs.filter(pk__in=song_search(query=value).order_by().values("pk"))
            if prefix_query(value)
            else songs.none()
        )


class EstimateFilter(django_filters.FilterSet):
    """`song`, `model_version`, `is_current` and `quadrant`."""

    song = django_filters.NumberFilter(field_name="song_id", label="The song's id")
    quadrant = django_filters.ChoiceFilter(choices=quadrant_name_choices(), method="filter_quadrant", label="Q1 to Q4")

    class Meta:
        model = EmotionEstimate
        fields = ["model_version", "is_current"]

    def filter_quadrant(self, estimates: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        return estimates.filter(effective_quadrant=Quadrant[value].value)


class CanEdit(CanUpload):
    """Who may add songs may change them."""

    message = gettext_lazy('Only curators can change songs. Ask the staff to add you to the group "curator".')


class SongViewSet(viewsets.ReadOnlyModelViewSet[Song]):
    """The songs of the catalog with their current estimate."""

    queryset = (
        selectors.songs_with_estimates()
        .select_related("waveform")
        .defer("waveform__peaks_bytes")
        .prefetch_related(FURTHER_ARTISTS)
    )
    serializer_class = SongSerializer
    filterset_class = SongFilter

    def get_permissions(self) -> Sequence[Any]:
        return [CanListen(), CanEdit()] if self.action == "partial_update" else super().get_permissions()

    @extend_schema(
        summary="Edit a song's fields or set its quadrant (curators)",
        request=SongEditSerializer,
        responses={
            200: SongSerializer,
            403: OpenApiResponse(description="Not a curator."),
            404: OpenApiResponse(description="No such song."),
        },
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Answer with the song as it is now; the change is in the history of the library, and can be undone there."""
        edit = SongEditSerializer(data=request.data)
        song = self.get_object()
        edit.is_valid(raise_exception=True)
        library_edit(song_ids=[song.pk], values=edit.values, override=edit.override, editor=cast(User, request.user))
        return Response(SongSerializer(self.get_object()).data)

    @extend_schema(summary="The emotion curve of a song", responses={200: CurveSerializer, 202: CurveSerializer})
    @action(detail=True, filterset_class=None)
    def curve(self, request: Request, pk: str) -> Response:
        """Answer 202 while the curve is on its way, 404 where none will come, 422 with the reason where it failed."""
        song = get_object_or_404(Song, pk=pk)
        curve = selectors.curve_visible(song)
        return Response(curve_json(song, curve), 202 if curve is None else 200)

    @extend_schema(summary="The waveform of a song and its emotion", responses=WaveformSerializer)
    @action(detail=True, filterset_class=None)
    def waveform(self, request: Request, pk: str) -> Response:
        """What a player draws; lists that are not known yet are empty."""
        return Response(waveform_json(get_object_or_404(Song, pk=pk)))


class EstimateViewSet(viewsets.ReadOnlyModelViewSet[EmotionEstimate]):
    """What each model version said of each song, and what counts."""

    queryset = EmotionEstimate.objects.with_effective().order_by("-id")
    serializer_class = EstimateSerializer
    filterset_class = EstimateFilter

    def get_permissions(self) -> Sequence[Any]:
        return [CanListen(), CanEdit()] if self.action == "export" else super().get_permissions()

    @extend_schema(
        summary="All current estimates as one file (curators)",
        parameters=[OpenApiParameter("suffix", str, OpenApiParameter.PATH, enum=list(estimate_export.FORMATS))],
        responses={(200, "text/csv"): OpenApiTypes.BINARY, 501: OpenApiResponse(description="No Parquet here.")},
    )
    @action(detail=False, url_path=r"export/(?P<suffix>csv|parquet)", filterset_class=None)
    def export(self, request: Request, suffix: str) -> HttpResponseBase:
        """Answer with a table of one line for each song; `all=1` adds the estimates of earlier models."""
        is_all = request.query_params.get("all") == "1"
        if suffix == "csv":
            response: HttpResponseBase = StreamingHttpResponse(
                estimate_export.estimates_csv(is_all=is_all), content_type="text/csv; charset=utf-8"
            )
        else:
            # Closed by the response.
            file = tempfile.TemporaryFile()  # noqa: SIM115
            estimate_export.estimates_parquet(file, is_all=is_all)
            file.seek(0)
            response = FileResponse(file, content_type="application/vnd.apache.parquet")
        response["Content-Disposition"] = f'attachment; filename="moodplane-estimates.{suffix}"'
        return response


@extend_schema_view(list=extend_schema(summary="Your labels, newest first"))
class LabelViewSet(ListModelMixin, viewsets.GenericViewSet[PerceivedLabel]):
    """Perceived labels of whoever asks; nobody sees another's. What a song did to you is a rating, not a label."""

    queryset = PerceivedLabel.objects.none()
    serializer_class = LabelSerializer
    permission_classes = (CanListen, IsAuthenticated)
    lookup_value_regex = r"\d+"
    throttle_scope = "ratings"

    def get_queryset(self) -> QuerySet[PerceivedLabel]:
        return PerceivedLabel.objects.filter(rater=user_of(self.request))

    @extend_schema(
        summary="Say what a song expresses, or change your answer",
        request=LabelSetSerializer,
        responses=LabelSerializer,
    )
    def create(self, request: Request) -> Response:
        """There is one label per person and song: a second one replaces the first."""
        label_set = LabelSetSerializer(data=request.data)
        label_set.is_valid(raise_exception=True)
        label = labels.perceived_label_set(user=user_of(self.request), **label_set.validated_data)
        return Response(LabelSerializer(label).data)

    @extend_schema(summary="One of your labels", responses=LabelSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Answer 404 for a label that is not yours."""
        return Response(LabelSerializer(selectors.label_visible(user_of(self.request), int(pk))).data)

    @extend_schema(summary="Withdraw a label", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Forget what was said of the song."""
        label = selectors.label_visible(user_of(self.request), int(pk))
        labels.perceived_label_remove(user=user_of(self.request), song=label.song)
        return Response(status=204)
