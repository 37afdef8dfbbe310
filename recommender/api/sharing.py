"""Shared playlists over HTTP, for every holder of the link."""

from __future__ import annotations

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from catalog.permissions import CanListen
from recommender import selectors
from recommender.serializers.playlists import PlaylistDetailSerializer, SharedPlaylistSerializer
from recommender.services import listeners, sharing

_TOKEN = OpenApiParameter("token", str, OpenApiParameter.PATH, description="The token from the link.")


class SharedViewSet(ViewSet):
    """A playlist opened by a link: its songs, and nothing about its listener."""

    permission_classes = (CanListen,)
    lookup_field = "token"
    lookup_value_regex = r"[\w-]+"

    @property
    def throttle_scope(self) -> str | None:
        """Copying predicts for every song."""
        return "playlists" if self.action == "copy" else None

    @extend_schema(summary="A shared playlist", parameters=[_TOKEN], responses=SharedPlaylistSerializer)
    def retrieve(self, request: Request, token: str) -> Response:
        """Answer 404 once the link was taken back."""
        playlist = selectors.playlist_shared(token)
        shown = {"title": playlist.title, "items": selectors.shared_songs(playlist)}
        return Response(SharedPlaylistSerializer(shown).data)

    @extend_schema(summary="Save a copy", parameters=[_TOKEN], request=None, responses={201: PlaylistDetailSerializer})
    @action(detail=True, methods=["post"])
    def copy(self, request: Request, token: str) -> Response:
        """Copy it to a playlist of the caller's."""
        listener = listeners.listener_from_request(request)
        made = sharing.playlist_copy(shared=selectors.playlist_shared(token), listener=listener)
        playlist = selectors.playlist_visible(listener, made.pk)
        where = reverse("playlist-detail", args=[playlist.pk])
        return Response(PlaylistDetailSerializer(playlist).data, status.HTTP_201_CREATED, headers={"Location": where})
