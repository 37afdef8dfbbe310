"""Playlists over HTTP. A playlist needs no account: without one it belongs to the browser session."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ViewSet

from catalog.models import Song
from catalog.permissions import CanListen
from emotion.inference.quadrants import Quadrant
from emotion.models import quadrant_choices
from recommender import selectors
from recommender.exceptions import PlaylistChangedError
from recommender.formats.files import FORMATS, MAX_BYTES
from recommender.models import DEFAULT_VARIETY, Playlist, PlaylistItem
from recommender.neighbours import now_playing
from recommender.requests import MAX_LENGTH, MAX_PATH_POINTS, MAX_TITLE, Filters, Target, listener_of
from recommender.selectors import SharedSong
from recommender.services import feedback, playlists, sharing
from recommender.views.playlists import export_response

BIGINT = 2**63 - 1


class QuadrantField(serializers.ChoiceField):
    """A quadrant by its number; `Q4` is understood as well as `4`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=quadrant_choices(), **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        text = str(data).strip().upper().removeprefix("Q")
        return Quadrant(int(super().to_internal_value(text)))


class AxisField(serializers.FloatField):
    """A coordinate of the plane."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=-1.0, max_value=1.0, **kwargs)


class PointSerializer(serializers.Serializer[Any]):
    """A point of the plane."""

    valence = AxisField()
    arousal = AxisField()

    def validate(self, attrs: dict[str, float]) -> Any:
        """Return the point as the services take it."""
        return attrs["valence"], attrs["arousal"]


class FiltersSerializer(serializers.Serializer[Filters]):
    """What a playlist is limited to."""

    genre = serializers.CharField(required=False, allow_blank=True, max_length=100)
    artist = serializers.IntegerField(required=False, min_value=1, max_value=BIGINT)
    decade = serializers.IntegerField(
        required=False, min_value=1000, max_value=2990, help_text="The first year of ten, such as 1990."
    )

    def validate_decade(self, decade: int) -> int:
        """Refuse a year that begins no decade."""
        if decade % 10:
            raise ValidationError(_("Give a decade by its first year, such as 1990."))
        return decade


class PlaylistCreateSerializer(serializers.Serializer[Playlist]):
    """What a playlist is to be: one of a quadrant, a point, a song to stay around, or the path of a journey."""

    quadrant = QuadrantField(required=False)
    valence = AxisField(required=False)
    arousal = AxisField(required=False)
    around: serializers.PrimaryKeyRelatedField[Song] = serializers.PrimaryKeyRelatedField(
        required=False, queryset=Song.objects.all(), help_text="A song; the list sounds like it, without it."
    )
    path = serializers.ListField(
        child=PointSerializer(),
        required=False,
        min_length=2,
        max_length=MAX_PATH_POINTS,
        help_text=("A journey: from where the listener is to where they want to be, with waypoints between."),
    )
    length = serializers.IntegerField(min_value=1, max_value=MAX_LENGTH, default=12)
    filters = FiltersSerializer(required=False)
    mood = PointSerializer(required=False, help_text="How the listener is now, if they said; of a journey its start.")
    variety = serializers.FloatField(
        min_value=0.0, max_value=1.0, default=DEFAULT_VARIETY, help_text="0 prefers the best fit, 1 the most variety."
    )
    seed = serializers.IntegerField(
        required=False, min_value=0, max_value=BIGINT, help_text="The same seed, catalog and ratings: the same list."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for one thing that a list can be, and for a whole point."""
        point = [name for name in ("valence", "arousal") if name in attrs]
        asked = [name for name in ("quadrant", "around", "path") if name in attrs] + (["point"] if point else [])
        if len(asked) > 1:
            raise ValidationError(_("Give one of quadrant, point, song or path, not %(asked)s.") % {"asked": asked})
        if not asked or len(point) == 1:
            raise ValidationError(_("Give a quadrant, a point with valence and arousal, a song, or a path."))
        if "mood" in attrs and asked[0] in ("around", "path"):
            raise ValidationError(_("A mood goes with a quadrant or a point; a path already starts with it."))
        return attrs

    @property
    def target(self) -> Target:
        """The validated target of a quadrant or a point."""
        values = self.validated_data
        if "quadrant" in values:
            return Target.of_quadrant(values["quadrant"])
        return Target.of_point(values["valence"], values["arousal"])

    @property
    def limits(self) -> dict[str, Any]:
        """What every kind of list may say, as the services take it."""
        values = self.validated_data
        given = {name: values[name] for name in ("length", "variety", "seed") if name in values}
        return {"filters": Filters.from_json(values.get("filters", {})), **given}


class PlaylistChangeSerializer(serializers.Serializer[Playlist]):
    """What of a playlist may be changed."""

    title = serializers.CharField(required=False, max_length=MAX_TITLE)
    saved = serializers.BooleanField(required=False)


class PlaylistSongSerializer(serializers.ModelSerializer[Song]):
    """A song in a playlist, with its perceived quadrant."""

    artist = serializers.CharField(source="by", read_only=True, help_text="All its artists.")
    quadrant = serializers.SerializerMethodField()
    confidence = serializers.SerializerMethodField()

    class Meta:
        model = Song
        fields = ["id", "title", "artist", "duration_s", "quadrant", "confidence"]

    @extend_schema_field(QuadrantField(allow_null=True))
    def get_quadrant(self, song: Song) -> int | None:
        estimate = selectors.estimate_of(song)
        return estimate.effective_quadrant if estimate else None

    def get_confidence(self, song: Song) -> float | None:
        estimate = selectors.estimate_of(song)
        return estimate.effective_confidence if estimate else None


class PlaylistItemSerializer(serializers.ModelSerializer[PlaylistItem]):
    """A song at its place, with the reason; `felt_*` is what this listener was predicted to feel."""

    song = PlaylistSongSerializer(read_only=True)

    class Meta:
        model = PlaylistItem
        fields = ["position", "song", "reason", *selectors.ITEM_POINTS, "terms", "played_at"]


class PlaylistSerializer(serializers.ModelSerializer[Playlist]):
    """A playlist without its songs, as lists show it."""

    quadrant = QuadrantField(source="target_quadrant", allow_null=True, read_only=True)
    valence = AxisField(source="target_valence", read_only=True)
    arousal = AxisField(source="target_arousal", read_only=True)
    length = serializers.IntegerField(source="requested_length", read_only=True, help_text="As it was asked for.")
    filters = FiltersSerializer(read_only=True)
    around = serializers.IntegerField(source="seed_song_id", allow_null=True, read_only=True)
    path = serializers.SerializerMethodField()
    shared = serializers.SerializerMethodField()

    class Meta:
        model = Playlist
        fields = [
            "id",
            "title",
            "kind",
            "quadrant",
            "valence",
            "arousal",
            "around",
            "path",
            "mood_valence",
            "mood_arousal",
            "variety",
            "length",
            "filters",
            "seed",
            "model_version",
            "note",
            "saved_at",
            "arranged_at",
            "shared",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields

    @extend_schema_field(PointSerializer(many=True))
    def get_path(self, playlist: Playlist) -> list[dict[str, float]]:
        return [{"valence": valence, "arousal": arousal} for valence, arousal in playlist.path]

    @extend_schema_field(serializers.BooleanField())
    def get_shared(self, playlist: Playlist) -> bool:
        return playlist.share_token is not None


class PlaylistDetailSerializer(PlaylistSerializer):
    """A playlist with its songs in order."""

    items = PlaylistItemSerializer(many=True, read_only=True)
    import_report = serializers.JSONField(read_only=True, help_text="Of a list from a file: what was not found.")

    class Meta(PlaylistSerializer.Meta):
        fields = [*PlaylistSerializer.Meta.fields, "import_report", "items"]
        read_only_fields = fields


class NowSerializer(serializers.Serializer[Any]):
    """A mood by its word, or a point."""

    mood = serializers.ChoiceField(
        choices=[(word, word) for word in now_playing.MOODS], required=False, help_text="In place of a point."
    )
    valence = AxisField(required=False)
    arousal = AxisField(required=False)
    length = serializers.IntegerField(min_value=1, max_value=MAX_LENGTH, default=20)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for one of the two."""
        has_point = "valence" in attrs and "arousal" in attrs
        if ("mood" in attrs) == has_point:
            raise ValidationError(_("Give a mood, or valence and arousal."))
        mood, length = attrs.get("mood"), attrs["length"]
        point = None if mood else (attrs["valence"], attrs["arousal"])
        return {"mood": mood, "point": point, "length": length}


class RerankSerializer(serializers.Serializer[Any]):
    """What a re-ranking did to the songs not played yet."""

    changed = serializers.BooleanField()
    sentence = serializers.CharField()
    moved = serializers.ListField(child=serializers.IntegerField(), help_text="Songs that are new or moved.")


class PlayedSerializer(serializers.Serializer[Any]):
    """Which song the player believes to be at this place; it answers 409 when another one is."""

    song = serializers.IntegerField(required=False, min_value=1)


class ItemMoveSerializer(serializers.Serializer[Any]):
    """Where a song is to go."""

    song = serializers.IntegerField(min_value=1, max_value=BIGINT)
    position = serializers.IntegerField(
        min_value=1, max_value=32_767, help_text="From 1; beyond the end means the end."
    )


class ShareSerializer(serializers.Serializer[Any]):
    """The link that opens a playlist to everyone."""

    token = serializers.CharField()
    url = serializers.URLField()


class ImportSerializer(serializers.Serializer[Any]):
    """A playlist file: M3U, M3U8, PLS, XSPF or JSPF."""

    file = serializers.FileField()

    def validate_file(self, file: Any) -> Any:
        """Refuse a file that is too large before it is read."""
        if file.size > MAX_BYTES:
            raise ValidationError(_("A playlist file has at most %(most)d MB.") % {"most": MAX_BYTES // 1_000_000})
        return file


class SharedItemSerializer(serializers.Serializer[SharedSong]):
    """A song of a shared playlist: nothing of it comes from the listener who shared it."""

    position = serializers.IntegerField()
    song = PlaylistSongSerializer()
    reason = serializers.CharField()


class SharedPlaylistSerializer(serializers.Serializer[Any]):
    """A shared playlist, as every holder of the link sees it."""

    title = serializers.CharField()
    items = SharedItemSerializer(many=True)


def validated(serializer: serializers.BaseSerializer[Any]) -> Any:
    """Return the values of a request.

    Raises:
        ValidationError: they are not valid.
    """
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


_SUFFIX = OpenApiParameter("suffix", str, OpenApiParameter.PATH, enum=list(FORMATS))
_TOKEN = OpenApiParameter("token", str, OpenApiParameter.PATH, description="The token from the link.")
_SONG = OpenApiParameter("song", int, OpenApiParameter.PATH)
# What ranks songs or searches for many of them.
_COSTLY = {"now", "create", "rerank", "regenerate", "import_file"}


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
        return selectors.playlists_of(listener_of(self.request))

    @extend_schema(
        summary="A list for a mood that any device plays",
        parameters=[NowSerializer],
        responses={(200, "audio/x-mpegurl"): OpenApiTypes.STR},
    )
    @action(detail=False, methods=["get"])
    def now(self, request: Request) -> HttpResponse:
        """Answer with an M3U8 whose addresses need no account, and expire after twelve hours. Nothing is stored."""
        wanted = validated(NowSerializer(data=request.query_params))
        site = request.build_absolute_uri("/")
        title, tracks = now_playing.tracks_now(listener=listener_of(request), site=site, **wanted)
        file_format = FORMATS["m3u8"]
        # It is another list each time.
        headers = {"Cache-Control": "no-store"}
        return HttpResponse(file_format.write(title, tracks), content_type=file_format.content_type, headers=headers)

    @extend_schema(
        summary="Make a playlist", request=PlaylistCreateSerializer, responses={201: PlaylistDetailSerializer}
    )
    def create(self, request: Request) -> Response:
        """For a quadrant, a point, around a song, or a journey; a small catalog gives a shorter list and a `note`."""
        serializer = PlaylistCreateSerializer(data=request.data)
        values = validated(serializer)
        limits: dict[str, Any] = {"listener": listener_of(request), **serializer.limits}
        if "around" in values:
            playlist = playlists.playlist_create_around(song=values["around"], **limits)
        elif "path" in values:
            playlist = playlists.journey_create(path=values["path"], **limits)
        else:
            playlist = playlists.playlist_create(target=serializer.target, mood=values.get("mood"), **limits)
        return _created(request, playlist)

    @extend_schema(summary="A playlist with its songs", responses=PlaylistDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Answer 404 for a playlist that is not yours."""
        return Response(PlaylistDetailSerializer(self._playlist(pk)).data)

    @extend_schema(
        summary="Rename, save or unsave a playlist",
        request=PlaylistChangeSerializer,
        responses=PlaylistDetailSerializer,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the title, and whether it is among those saved."""
        values = validated(PlaylistChangeSerializer(data=request.data))
        playlist = self._playlist(pk)
        if "title" in values:
            playlists.playlist_rename(playlist=playlist, title=values["title"])
        if "saved" in values:
            playlists.playlist_save(playlist=playlist, saved=values["saved"])
        return _shown(request, playlist)

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
        return _created(
            request, playlists.playlist_regenerate(playlist=self._playlist(pk), listener=listener_of(request))
        )

    @extend_schema(summary="Re-rank the unplayed rest", request=None, responses=RerankSerializer)
    @action(detail=True, methods=["post"])
    def rerank(self, request: Request, pk: str) -> Response:
        """Choose the unplayed songs again, with everything known about the listener by now."""
        result = playlists.playlist_rerank(playlist=self._playlist(pk), listener=listener_of(request))
        return Response(RerankSerializer(result).data)

    @extend_schema(
        summary="Report that a song of the list started", request=PlayedSerializer, responses=PlaylistItemSerializer
    )
    @action(detail=True, methods=["post"], url_path=r"items/(?P<position>\d{1,4})/played")
    def played(self, request: Request, pk: str, position: str) -> Response:
        """Record a listen; the song keeps its place from now on."""
        believed = validated(PlayedSerializer(data=request.data))
        playlist = self._playlist(pk)
        item = selectors.item_at(playlist, int(position))
        if believed.get("song", item.song_id) != item.song_id:
            raise PlaylistChangedError(
                _("Another song is now at place %(place)s: reload the playlist.") % {"place": position}
            )
        feedback.listen_record(listener=listener_of(request), song=item.song, playlist=playlist)
        shown = selectors.item_at(self._playlist(pk), int(position))
        return Response(PlaylistItemSerializer(shown).data)

    @extend_schema(summary="Move a song", request=ItemMoveSerializer, responses=PlaylistDetailSerializer)
    @action(detail=True, methods=["post"], url_path="items/move")
    def move(self, request: Request, pk: str) -> Response:
        """Order the list by hand; from then on ratings do not re-rank it unasked."""
        place = validated(ItemMoveSerializer(data=request.data))
        playlist = self._playlist(pk)
        playlists.item_move(
            playlist=playlist, listener=listener_of(request), song_id=place["song"], position=place["position"]
        )
        return _shown(request, playlist)

    @extend_schema(summary="Remove a song", parameters=[_SONG], responses=PlaylistDetailSerializer)
    @action(detail=True, methods=["delete"], url_path=r"songs/(?P<song>\d+)")
    def remove(self, request: Request, pk: str, song: str) -> Response:
        """What follows moves up; the list counts as ordered by hand."""
        playlist = self._playlist(pk)
        playlists.item_remove(playlist=playlist, listener=listener_of(request), song_id=int(song))
        return _shown(request, playlist)

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
        """Look for the songs of an M3U, PLS, XSPF or JSPF file here; `import_report` says what was not found."""
        file = validated(ImportSerializer(data=request.data))["file"]
        playlist = sharing.playlist_import(
            listener=listener_of(request),
            content=file.read(),
            file_name=file.name,
            site=request.build_absolute_uri("/"),
        )
        return _created(request, playlist)

    def _playlist(self, pk: str) -> Playlist:
        return selectors.playlist_visible(listener_of(self.request), int(pk))


def _shown(request: Request, playlist: Playlist) -> Response:
    loaded = selectors.playlist_visible(listener_of(request), playlist.pk)
    return Response(PlaylistDetailSerializer(loaded).data)


def _created(request: Request, playlist: Playlist) -> Response:
    response = _shown(request, playlist)
    response.status_code = status.HTTP_201_CREATED
    response["Location"] = reverse("playlist-detail", args=[playlist.pk])
    return response


class SharedViewSet(ViewSet):
    """A playlist opened by a link: its songs, and nothing about its listener."""

    permission_classes = (CanListen,)
    lookup_field = "token"
    lookup_value_regex = r"[\w-]+"
    throttle_scope: str | None = None

    @extend_schema(summary="A shared playlist", parameters=[_TOKEN], responses=SharedPlaylistSerializer)
    def retrieve(self, request: Request, token: str) -> Response:
        """Answer 404 once the link was taken back."""
        playlist = selectors.playlist_shared(token)
        shown = {"title": playlist.title, "items": selectors.shared_songs(playlist)}
        return Response(SharedPlaylistSerializer(shown).data)

    # Copying predicts for every song.
    @extend_schema(summary="Save a copy", parameters=[_TOKEN], request=None, responses={201: PlaylistDetailSerializer})
    @action(detail=True, methods=["post"], throttle_scope="playlists")
    def copy(self, request: Request, token: str) -> Response:
        """Copy it to a playlist of the caller's."""
        shared = selectors.playlist_shared(token)
        return _created(request, sharing.playlist_copy(shared=shared, listener=listener_of(request)))
