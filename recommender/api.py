"""Playlists and ratings over HTTP. A playlist needs no account: without one it belongs to the browser session."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from catalog.permissions import CanListen
from recommender import selectors, services
from recommender.exceptions import PlaylistChanged
from recommender.models import FeltRating, Playlist
from recommender.serializers import (
    FeedbackSerializer,
    PlayedSerializer,
    PlaylistCreateSerializer,
    PlaylistDetailSerializer,
    PlaylistItemSerializer,
    PlaylistSerializer,
    RatingCreateSerializer,
    RatingSerializer,
    RerankSerializer,
)
from recommender.values import Listener


@extend_schema_view(list=extend_schema(summary="Your playlists, newest first"))
class PlaylistViewSet(ListModelMixin, GenericViewSet[Playlist]):
    """The playlists of whoever asks; nobody sees another's, the staff included."""

    queryset = Playlist.objects.none()
    serializer_class = PlaylistSerializer
    permission_classes = (CanListen,)
    lookup_value_regex = r"\d+"

    @property
    def throttle_scope(self) -> str | None:
        """Only what ranks songs is limited beyond the general rate."""
        return "playlists" if self.action in {"create", "rerank"} else None

    def get_queryset(self) -> QuerySet[Playlist]:
        return selectors.playlists_of(self._listener())

    @extend_schema(
        summary="Make a playlist", request=PlaylistCreateSerializer, responses={201: PlaylistDetailSerializer}
    )
    def create(self, request: Request) -> Response:
        """Make a playlist for a quadrant or a point; a small catalog gives a shorter list and a `note`."""
        asked = PlaylistCreateSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        playlist = services.playlist_create(
            listener=self._listener(),
            target=asked.target,
            length=asked.validated_data["length"],
            filters=asked.filters_asked,
            seed=asked.validated_data.get("seed"),
        )
        where = reverse("playlist-detail", args=[playlist.pk])
        return Response(self._shown(playlist), status.HTTP_201_CREATED, headers={"Location": where})

    @extend_schema(summary="A playlist with its songs", responses=PlaylistDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Answer 404 for a playlist that is not yours."""
        return Response(self._shown(self._playlist(pk)))

    @extend_schema(summary="Delete a playlist", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete the list; what was heard and rated in it stays."""
        services.playlist_delete(playlist=self._playlist(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(summary="Rank the unplayed rest anew", request=None, responses=RerankSerializer)
    @action(detail=True, methods=["post"])
    def rerank(self, request: Request, pk: str) -> Response:
        """Choose the songs not played yet again, with all that is known of the listener by now."""
        result = services.playlist_rerank(playlist=self._playlist(pk), listener=self._listener())
        return Response(RerankSerializer(result).data)

    @extend_schema(
        summary="A song of the list began to play", request=PlayedSerializer, responses=PlaylistItemSerializer
    )
    @action(detail=True, methods=["post"], url_path=r"items/(?P<position>\d{1,4})/played")
    def played(self, request: Request, pk: str, position: str) -> Response:
        """Record a listen; the song keeps its place from now on."""
        believed = PlayedSerializer(data=request.data)
        believed.is_valid(raise_exception=True)
        playlist = self._playlist(pk)
        item = selectors.item_at(playlist, int(position))
        if believed.validated_data.get("song", item.song_id) != item.song_id:
            raise PlaylistChanged(f"Another song is at place {position} by now: load the playlist again.")
        services.listen_record(listener=self._listener(), song=item.song, playlist=playlist)
        shown = selectors.item_at(self._playlist(pk), int(position))
        return Response(PlaylistItemSerializer(shown).data)

    def _listener(self) -> Listener:
        return services.listener_from_request(self.request)

    def _playlist(self, pk: str) -> Playlist:
        return selectors.playlist_visible(self._listener(), int(pk))

    def _shown(self, playlist: Playlist) -> dict[str, Any]:
        loaded = selectors.playlist_visible(self._listener(), playlist.pk)
        return PlaylistDetailSerializer(loaded).data


@extend_schema_view(list=extend_schema(summary="Your ratings, newest first"))
class RatingViewSet(ListModelMixin, GenericViewSet[FeltRating]):
    """What songs did to the listener who asks; nobody sees another's."""

    queryset = FeltRating.objects.none()
    serializer_class = RatingSerializer
    permission_classes = (CanListen, IsAuthenticated)
    lookup_value_regex = r"\d+"
    throttle_scope = "ratings"

    def get_queryset(self) -> QuerySet[FeltRating]:
        return selectors.ratings_of(self._user())

    @extend_schema(
        summary="Rate a song, or change your rating", request=RatingCreateSerializer, responses=FeedbackSerializer
    )
    def create(self, request: Request) -> Response:
        """There is one rating per listener and song: a second one changes the first, answer by answer."""
        asked = RatingCreateSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        answers = dict(asked.validated_data)
        playlist_id = answers.pop("playlist", None)
        listener = services.listener_from_request(request)
        playlist = None if playlist_id is None else selectors.playlist_visible(listener, playlist_id)
        result = services.feedback_record(user=self._user(), playlist=playlist, **answers)
        return Response(FeedbackSerializer(result).data)

    @extend_schema(summary="One of your ratings", responses=RatingSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Answer 404 for a rating that is not yours."""
        return Response(RatingSerializer(selectors.rating_visible(self._user(), int(pk))).data)

    @extend_schema(summary="Withdraw a rating", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Forget what was said of the song."""
        rating = selectors.rating_visible(self._user(), int(pk))
        services.feedback_withdraw(user=self._user(), song=rating.song)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _user(self) -> User:
        user = self.request.user
        assert isinstance(user, User), "the permission lets nobody else in"
        return user
