"""Ratings, listens, mood check-ins and all data of the caller over HTTP."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import logout
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ViewSet

from catalog.models import Song
from catalog.permissions import CanListen, user_of
from recommender import selectors
from recommender.api.playlists import AxisField, PointSerializer, RerankSerializer, validated
from recommender.models import FeltRating, Listen, MoodCheckIn, Playlist
from recommender.privacy import account_delete, learning_forget
from recommender.requests import listener_of
from recommender.services import feedback
from recommender.views.moodmap import export_response


class RatingSerializer(serializers.ModelSerializer[FeltRating]):
    """What a song did to the listener."""

    class Meta:
        model = FeltRating
        fields = [
            "id",
            "song",
            *selectors.RATING_ANSWERS,
            *selectors.RATING_LISTENING,
            "playlist",
            *selectors.RATING_CONTEXT,
            "model_version",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class RatingCreateSerializer(serializers.Serializer[FeltRating]):
    """Answers about one song; an omitted field keeps its earlier answer."""

    song: serializers.PrimaryKeyRelatedField[Song] = serializers.PrimaryKeyRelatedField(queryset=Song.objects.all())
    felt_valence = AxisField(required=False, allow_null=True)
    felt_arousal = AxisField(required=False, allow_null=True)
    liked = serializers.BooleanField(required=False, allow_null=True, default=None)
    familiar = serializers.BooleanField(required=False, allow_null=True, default=None)
    felt_nothing = serializers.BooleanField(default=False)
    skipped = serializers.BooleanField(default=False)
    listened_s = serializers.FloatField(required=False, allow_null=True, min_value=0)
    playlist = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, help_text="Its unplayed rest is re-ranked."
    )
    mood = PointSerializer(
        required=False, help_text="How the listener was before; left out, what they said within half an hour counts."
    )


class FeedbackSerializer(serializers.Serializer[Any]):
    """The stored rating, and what it did to the playlist."""

    rating = RatingSerializer()
    rerank = RerankSerializer(allow_null=True)


class ListenSerializer(serializers.ModelSerializer[Listen]):
    """A play of a song, and how it ended."""

    class Meta:
        model = Listen
        fields = ["id", "song", "playlist", "outcome", "listened_s", "started_at"]
        read_only_fields = fields


class ListenCreateSerializer(serializers.Serializer[Listen]):
    """A song began to play, ended, or was skipped."""

    song: serializers.PrimaryKeyRelatedField[Song] = serializers.PrimaryKeyRelatedField(queryset=Song.objects.all())
    outcome = serializers.ChoiceField(choices=Listen.Outcome.choices, default=Listen.Outcome.STARTED)
    listened_s = serializers.FloatField(required=False, min_value=0, help_text="Seconds played, once it ended.")
    playlist = serializers.IntegerField(required=False, allow_null=True, min_value=1)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require the seconds of listening once it ended."""
        if attrs["outcome"] != Listen.Outcome.STARTED and "listened_s" not in attrs:
            raise ValidationError({"listened_s": _("Give the number of seconds played.")})
        return attrs


class ListenResultSerializer(serializers.Serializer[Any]):
    """The stored listen, and what it did to the playlist: an early skip re-ranks what was not played."""

    listen = ListenSerializer()
    rerank = RerankSerializer(allow_null=True)


class MoodSerializer(serializers.ModelSerializer[MoodCheckIn]):
    """A mood check-in."""

    class Meta:
        model = MoodCheckIn
        fields = ["id", "valence", "arousal", "created_at"]
        read_only_fields = fields


def playlist_named(request: Request, pk: int | None) -> Playlist | None:
    """Return the caller's playlist that a request names, None when it names none.

    Raises:
        PlaylistNotFoundError: it is not the caller's.
    """
    if pk is None:
        return None
    return selectors.playlist_visible(listener_of(request), pk)


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
        answers = dict(validated(RatingCreateSerializer(data=request.data)))
        playlist = playlist_named(request, answers.pop("playlist", None))
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
        return selectors.listens_of(listener_of(self.request))

    @extend_schema(
        summary="Report that a song started or ended", request=ListenCreateSerializer, responses=ListenResultSerializer
    )
    def create(self, request: Request) -> Response:
        """Record a start, a completion or a skip; an early skip in a playlist re-ranks what was not played."""
        listened = validated(ListenCreateSerializer(data=request.data))
        played: dict[str, Any] = {
            "listener": listener_of(request),
            "song": listened["song"],
            "playlist": playlist_named(request, listened.get("playlist")),
        }
        if listened["outcome"] == Listen.Outcome.STARTED:
            result = feedback.ListenResult(feedback.listen_record(**played))
        else:
            completed = listened["outcome"] == Listen.Outcome.COMPLETED
            result = feedback.listen_finish(**played, listened_s=listened["listened_s"], completed=completed)
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
        return selectors.check_ins_of(listener_of(self.request))

    @extend_schema(summary="Report your mood", request=PointSerializer, responses={201: MoodSerializer})
    def create(self, request: Request) -> Response:
        """It counts for half an hour: for ratings, for lists, and as the start of a journey."""
        valence, arousal = validated(PointSerializer(data=request.data))
        mood = feedback.check_in_create(listener=listener_of(request), valence=valence, arousal=arousal)
        return Response(MoodSerializer(mood).data, status.HTTP_201_CREATED)

    @extend_schema(summary="Withdraw a mood", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete the check-in; ratings given meanwhile keep their mood."""
        listener = listener_of(request)
        feedback.check_in_withdraw(listener=listener, check_in=selectors.check_in_visible(listener, int(pk)))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PasswordSerializer(serializers.Serializer[Any]):
    """The password again, before something that cannot be undone."""

    password = serializers.CharField(trim_whitespace=False, write_only=True, style={"input_type": "password"})

    def validate_password(self, password: str) -> str:
        """Compare it with the caller's."""
        if not self.context["request"].user.check_password(password):
            raise ValidationError(_("This is not your password. Nothing was deleted."))
        return password


class MeViewSet(ViewSet):
    """The caller's data: all of it as a file, and the ways to delete it."""

    permission_classes = (CanListen, IsAuthenticated)
    throttle_scope = "playlists"

    @extend_schema(summary="All your data, as JSON", responses={(200, "application/json"): OpenApiTypes.OBJECT})
    @action(detail=False)
    def export(self, request: Request) -> HttpResponseBase:
        """Every kind of row that belongs to the caller; `fields` says what each field means."""
        return export_response(user_of(request), "json")

    @extend_schema(summary="All your data, as CSV", responses={(200, "application/zip"): OpenApiTypes.BINARY})
    @action(detail=False, url_path="export/csv", url_name="export-csv")
    def export_csv(self, request: Request) -> HttpResponseBase:
        """One table per kind of row; `README.txt` says what each column means."""
        return export_response(user_of(request), "csv")

    @extend_schema(summary="Delete your ratings and what was learned", request=None, responses={204: None})
    @action(detail=False, methods=["post"], throttle_scope="ratings")
    def forget(self, request: Request) -> Response:
        """Delete ratings, moods and listens; playlists stay as lists of songs. Twice is the same as once."""
        learning_forget(user=user_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    # A stolen token must not allow guessing the password.
    @extend_schema(summary="Delete your account and all its data", request=PasswordSerializer, responses={204: None})
    @action(detail=False, methods=["post"], url_path="delete", url_name="delete", throttle_scope="auth")
    def delete_account(self, request: Request) -> Response:
        """Delete the account and all that belongs to it; songs stay. The token opens nothing from then on."""
        validated(PasswordSerializer(data=request.data, context={"request": request}))
        account_delete(user=user_of(request))
        logout(request._request)
        return Response(status=status.HTTP_204_NO_CONTENT)
