"""Ratings, listens and mood check-ins over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from catalog.permissions import CanListen, user_of
from recommender import selectors
from recommender.models import FeltRating, Listen, MoodCheckIn, Playlist
from recommender.serializers.plane import PointSerializer
from recommender.serializers.ratings import (
    FeedbackSerializer,
    ListenCreateSerializer,
    ListenResultSerializer,
    ListenSerializer,
    MoodSerializer,
    RatingCreateSerializer,
    RatingSerializer,
)
from recommender.services import check_ins, feedback, listeners, listening
from recommender.values import ListenResult


def playlist_named(request: Request, pk: int | None) -> Playlist | None:
    """Return the caller's playlist that a request names, None when it names none.

    Raises:
        PlaylistNotFoundError: it is not the caller's.
    """
    if pk is None:
        return None
    return selectors.playlist_visible(listeners.listener_from_request(request), pk)


@extend_schema_view(list=extend_schema(summary="Your ratings, newest first"))
class RatingViewSet(ListModelMixin, GenericViewSet[FeltRating]):
    """The caller's ratings; no other account sees them."""

    queryset = FeltRating.objects.none()
    serializer_class = RatingSerializer
    permission_classes = (CanListen, IsAuthenticated)
    lookup_value_regex = r"\d+"
    throttle_scope = "ratings"

    def get_queryset(self) -> QuerySet[FeltRating]:
        return selectors.ratings_of(user_of(self.request))

    @extend_schema(
        summary="Rate a song, or change your rating", request=RatingCreateSerializer, responses=FeedbackSerializer
    )
    def create(self, request: Request) -> Response:
        """There is one rating per listener and song: a second one changes the first, answer by answer."""
        asked = RatingCreateSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        answers = dict(asked.validated_data)
        mood = answers.pop("mood", None)
        playlist = playlist_named(request, answers.pop("playlist", None))
        answers["mood"] = None if mood is None else (mood["valence"], mood["arousal"])
        result = feedback.feedback_record(user=user_of(self.request), playlist=playlist, **answers)
        return Response(FeedbackSerializer(result).data)

    @extend_schema(summary="One of your ratings", responses=RatingSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Answer 404 for a rating that is not yours."""
        return Response(RatingSerializer(selectors.rating_visible(user_of(self.request), int(pk))).data)

    @extend_schema(summary="Withdraw a rating", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete the rating."""
        rating = selectors.rating_visible(user_of(self.request), int(pk))
        feedback.feedback_withdraw(user=user_of(self.request), song=rating.song)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(list=extend_schema(summary="What you played, newest first"))
class ListenViewSet(ListModelMixin, GenericViewSet[Listen]):
    """The caller's listens; no other account sees them. Without an account they belong to the browser session."""

    queryset = Listen.objects.none()
    serializer_class = ListenSerializer
    permission_classes = (CanListen,)
    throttle_scope = "ratings"

    def get_queryset(self) -> QuerySet[Listen]:
        return selectors.listens_of(listeners.listener_from_request(self.request))

    @extend_schema(
        summary="Report that a song started or ended", request=ListenCreateSerializer, responses=ListenResultSerializer
    )
    def create(self, request: Request) -> Response:
        """Record a start, a completion or a skip; an early skip in a playlist re-ranks what was not played."""
        asked = ListenCreateSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        played: dict[str, Any] = {
            "listener": listeners.listener_from_request(request),
            "song": said["song"],
            "playlist": playlist_named(request, said.get("playlist")),
        }
        if said["outcome"] == Listen.Outcome.STARTED:
            result = ListenResult(listen=listening.listen_record(**played))
        else:
            completed = said["outcome"] == Listen.Outcome.COMPLETED
            result = listening.listen_finish(**played, listened_s=said["listened_s"], completed=completed)
        return Response(ListenResultSerializer(result).data)


@extend_schema_view(list=extend_schema(summary="Your moods, newest first"))
class MoodViewSet(ListModelMixin, GenericViewSet[MoodCheckIn]):
    """The caller's mood check-ins; no other account sees them, and none is ever required."""

    queryset = MoodCheckIn.objects.none()
    serializer_class = MoodSerializer
    permission_classes = (CanListen,)
    lookup_value_regex = r"\d+"
    throttle_scope = "ratings"

    def get_queryset(self) -> QuerySet[MoodCheckIn]:
        return selectors.check_ins_of(listeners.listener_from_request(self.request))

    @extend_schema(summary="Report your mood", request=PointSerializer, responses={201: MoodSerializer})
    def create(self, request: Request) -> Response:
        """It counts for half an hour: for ratings, for lists, and as the start of a journey."""
        asked = PointSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        mood = check_ins.check_in_create(listener=listeners.listener_from_request(request), **asked.validated_data)
        return Response(MoodSerializer(mood).data, status.HTTP_201_CREATED)

    @extend_schema(summary="Withdraw a mood", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete the check-in; ratings given meanwhile keep their mood."""
        listener = listeners.listener_from_request(request)
        check_ins.check_in_withdraw(listener=listener, check_in=selectors.check_in_visible(listener, int(pk)))
        return Response(status=status.HTTP_204_NO_CONTENT)
