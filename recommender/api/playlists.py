"""Playlists over HTTP. A playlist needs no account: without one it belongs to the browser session."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from catalog.permissions import CanListen
from recommender import selectors
from recommender.exceptions import PlaylistChangedError
from recommender.exporting import export_response
from recommender.formats.registry import FORMATS
from recommender.models import Playlist
from recommender.serializers.playlists import (
    ImportSerializer,
    ItemMoveSerializer,
    PlayedSerializer,
    PlaylistChangeSerializer,
    PlaylistCreateSerializer,
    PlaylistDetailSerializer,
    PlaylistItemSerializer,
    PlaylistSerializer,
    RerankSerializer,
    ShareSerializer,
)
from recommender.services import arranging, importing, listeners, listening, playlists, sharing
from recommender.values import Listener

_SUFFIX = OpenApiParameter("suffix", str, OpenApiParameter.PATH, enum=list(FORMATS))
_SONG = OpenApiParameter("song", int, OpenApiParameter.PATH)
# What ranks songs or searches for many of them.
_COSTLY = {"create", "rerank", "regenerate", "import_file"}


@extend_schema_view(list=extend_schema(summary="Your playlists, newest first"))
class PlaylistViewSet(ListModelMixin, GenericViewSet[Playlist]):
    """The caller's playlists; no other account sees them, the staff included."""

    queryset = Playlist.objects.none()
    serializer_class = PlaylistSerializer
    permission_classes = (CanListen,)
    lookup_value_regex = r"\d+"

    @property
    def throttle_scope(self) -> str | None:
        """Only what costs much is limited beyond the general rate."""
        return "playlists" if self.action in _COSTLY else None

    def get_queryset(self) -> QuerySet[Playlist]:
        return selectors.playlists_of(self._listener())

    @extend_schema(
        summary="Make a playlist", request=PlaylistCreateSerializer, responses={201: PlaylistDetailSerializer}
    )
    def create(self, request: Request) -> Response:
        """For a quadrant, a point, around a song, or a journey; a small catalog gives a shorter list and a `note`."""
        asked = PlaylistCreateSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return self._created(_make(self._listener(), asked))

    @extend_schema(summary="A playlist with its songs", responses=PlaylistDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Answer 404 for a playlist that is not yours."""
        return Response(self._shown(self._playlist(pk)))

    @extend_schema(
        summary="Rename, save or unsave a playlist",
        request=PlaylistChangeSerializer,
        responses=PlaylistDetailSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the title, and whether it is among those saved."""
        asked = PlaylistChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        playlist = self._playlist(pk)
        if "title" in asked.validated_data:
            playlists.playlist_rename(playlist=playlist, title=asked.validated_data["title"])
        if "saved" in asked.validated_data:
            playlists.playlist_save(playlist=playlist, saved=asked.validated_data["saved"])
        return Response(self._shown(playlist))

    @extend_schema(summary="Delete a playlist", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete the list; its listens and ratings stay."""
        playlists.playlist_delete(playlist=self._playlist(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Make another list from the same request", request=None, responses={201: PlaylistDetailSerializer}
    )
    @action(detail=True, methods=["post"])
    def regenerate(self, request: Request, pk: str) -> Response:
        """Make a new list with another seed; this one stays. Answer 409 for a list from a file."""
        return self._created(playlists.playlist_regenerate(playlist=self._playlist(pk), listener=self._listener()))

    @extend_schema(summary="Re-rank the unplayed rest", request=None, responses=RerankSerializer)
    @action(detail=True, methods=["post"])
    def rerank(self, request: Request, pk: str) -> Response:
        """Choose the unplayed songs again, with everything known about the listener by now."""
        result = playlists.playlist_rerank(playlist=self._playlist(pk), listener=self._listener())
        return Response(RerankSerializer(result).data)

    @extend_schema(
        summary="Report that a song of the list started", request=PlayedSerializer, responses=PlaylistItemSerializer
    )
    @action(detail=True, methods=["post"], url_path=r"items/(?P<position>\d{1,4})/played")
    def played(self, request: Request, pk: str, position: str) -> Response:
        """Record a listen; the song keeps its place from now on."""
        believed = PlayedSerializer(data=request.data)
        believed.is_valid(raise_exception=True)
        playlist = self._playlist(pk)
        item = selectors.item_at(playlist, int(position))
        if believed.validated_data.get("song", item.song_id) != item.song_id:
            raise PlaylistChangedError(
                _("Another song is now at place %(place)s: reload the playlist.") % {"place": position}
            )
        listening.listen_record(listener=self._listener(), song=item.song, playlist=playlist)
        shown = selectors.item_at(self._playlist(pk), int(position))
        return Response(PlaylistItemSerializer(shown).data)

    @extend_schema(summary="Move a song", request=ItemMoveSerializer, responses=PlaylistDetailSerializer)
    @action(detail=True, methods=["post"], url_path="items/move")
    def move(self, request: Request, pk: str) -> Response:
        """Order the list by hand; from then on ratings do not re-rank it unasked."""
        asked = ItemMoveSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        playlist, place = self._playlist(pk), asked.validated_data
        arranging.item_move(
            playlist=playlist, listener=self._listener(), song_id=place["song"], position=place["position"]
        )
        return Response(self._shown(playlist))

    @extend_schema(summary="Remove a song", parameters=[_SONG], responses=PlaylistDetailSerializer)
    @action(detail=True, methods=["delete"], url_path=r"songs/(?P<song>\d+)")
    def remove(self, request: Request, pk: str, song: str) -> Response:
        """What follows moves up; the list counts as ordered by hand."""
        playlist = self._playlist(pk)
        arranging.item_remove(playlist=playlist, listener=self._listener(), song_id=int(song))
        return Response(self._shown(playlist))

    @extend_schema(summary="Share by link", request=None, responses=ShareSerializer)
    @action(detail=True, methods=["post"])
    def share(self, request: Request, pk: str) -> Response:
        """Return the link that opens the list to everyone, a new one if there is none."""
        token = sharing.playlist_share(playlist=self._playlist(pk))
        url = request.build_absolute_uri(reverse("recommender:shared_playlist", args=[token]))
        return Response(ShareSerializer({"token": token, "url": url}).data)

    @extend_schema(summary="Stop sharing", request=None, responses={204: None})
    @share.mapping.delete
    def unshare(self, request: Request, pk: str) -> Response:
        """Withdraw the link; sharing again makes another one."""
        sharing.playlist_unshare(playlist=self._playlist(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="A playlist as a file",
        parameters=[_SUFFIX],
        responses={(200, FORMATS[suffix].content_type.partition(";")[0]): OpenApiTypes.STR for suffix in FORMATS},
    )
    @action(detail=True, methods=["get"], url_path=r"export/(?P<suffix>m3u8|xspf|jspf)")
    def export(self, request: Request, pk: str, suffix: str) -> HttpResponse:
        """Absolute addresses of audio and song pages; valence, arousal, quadrant and reason in the extension."""
        return export_response(self._playlist(pk), suffix, request.build_absolute_uri("/"))

    @extend_schema(
        summary="Import a playlist file",
        request={"multipart/form-data": ImportSerializer},
        responses={201: PlaylistDetailSerializer},
    )
    @action(detail=False, methods=["post"], url_path="import", url_name="import", parser_classes=[MultiPartParser])
    def import_file(self, request: Request) -> Response:
        """Look for the songs of an M3U or JSPF file in the catalog; `import_report` says what was not found."""
        asked = ImportSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        file = asked.validated_data["file"]
        playlist = importing.playlist_import(
            listener=self._listener(),
            content=file.read(),
            file_name=file.name,
            site=request.build_absolute_uri("/"),
        )
        return self._created(playlist)

    def _listener(self) -> Listener:
        return listeners.listener_from_request(self.request)

    def _playlist(self, pk: str) -> Playlist:
        return selectors.playlist_visible(self._listener(), int(pk))

    def _shown(self, playlist: Playlist) -> dict[str, Any]:
        loaded = selectors.playlist_visible(self._listener(), playlist.pk)
        return PlaylistDetailSerializer(loaded).data

    def _created(self, playlist: Playlist) -> Response:
        where = reverse("playlist-detail", args=[playlist.pk])
        return Response(self._shown(playlist), status.HTTP_201_CREATED, headers={"Location": where})


def _make(listener: Listener, asked: PlaylistCreateSerializer) -> Playlist:
    said = asked.validated_data
    if "around" in said:
        return playlists.playlist_create_around(listener=listener, song=said["around"], **asked.limits)
    if "path" in said:
        return playlists.journey_create(listener=listener, path=asked.path_asked, **asked.limits)
    mood = (said["mood"]["valence"], said["mood"]["arousal"]) if "mood" in said else None
    return playlists.playlist_create(listener=listener, target=asked.target, mood=mood, **asked.limits)
