"""Playlists in the API."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.core.charts import Point
from catalog.models import Song
from emotion.models import EmotionEstimate
from recommender.formats.registry import MAX_BYTES
from recommender.models import DEFAULT_VARIETY, Playlist, PlaylistItem
from recommender.requests import MAX_LENGTH, MAX_PATH_POINTS, MAX_TITLE
from recommender.selectors import SharedSong
from recommender.serializers.plane import BIGINT, AxisField, PointSerializer, QuadrantField
from recommender.values import Filters, Target


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
            raise serializers.ValidationError(_("Give a decade by its first year, such as 1990."))
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
            raise serializers.ValidationError(
                _("Give one of quadrant, point, song or path, not %(asked)s.") % {"asked": asked}
            )
        if not asked or len(point) == 1:
            raise serializers.ValidationError(
                _("Give a quadrant, a point with valence and arousal, a song, or a path.")
            )
        if "mood" in attrs and asked[0] in ("around", "path"):
            raise serializers.ValidationError(
                _("A mood goes with a quadrant or a point; a path already starts with it.")
            )
        return attrs

    @property
    def target(self) -> Target:
        """The validated target of a quadrant or a point."""
        asked = self.validated_data
        if "quadrant" in asked:
            return Target.of_quadrant(asked["quadrant"])
        return Target.of_point(asked["valence"], asked["arousal"])

    @property
    def path_asked(self) -> list[Point]:
        """The validated path of a journey; empty for anything else."""
        return [(point["valence"], point["arousal"]) for point in self.validated_data.get("path", [])]

    @property
    def limits(self) -> dict[str, Any]:
        """What every kind of list may say, as the services take it."""
        asked = self.validated_data
        return {
            "length": asked["length"],
            "filters": Filters.from_json(asked.get("filters", {})),
            "variety": asked["variety"],
            "seed": asked.get("seed"),
        }


class PlaylistChangeSerializer(serializers.Serializer[Playlist]):
    """What of a playlist may be changed."""

    title = serializers.CharField(required=False, max_length=MAX_TITLE)
    saved = serializers.BooleanField(required=False)


class PlaylistSongSerializer(serializers.ModelSerializer[Song]):
    """A song in a playlist, with its perceived quadrant."""

    artist = serializers.CharField(source="artist.name", read_only=True)
    quadrant = serializers.SerializerMethodField()
    confidence = serializers.SerializerMethodField()

    class Meta:
        model = Song
        fields = ["id", "title", "artist", "duration_s", "quadrant", "confidence"]

    @extend_schema_field(QuadrantField(allow_null=True))
    def get_quadrant(self, song: Song) -> int | None:
        estimate = _current(song)
        return estimate.effective_quadrant if estimate else None

    def get_confidence(self, song: Song) -> float | None:
        estimate = _current(song)
        return estimate.effective_confidence if estimate else None


class PlaylistItemSerializer(serializers.ModelSerializer[PlaylistItem]):
    """A song at its place, with the reason; `felt_*` is what this listener was predicted to feel."""

    song = PlaylistSongSerializer(read_only=True)

    class Meta:
        model = PlaylistItem
        fields = [
            "position",
            "song",
            "reason",
            "felt_valence",
            "felt_arousal",
            "target_valence",
            "target_arousal",
            "terms",
            "played_at",
        ]


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
    """A playlist file: M3U, M3U8 or JSPF."""

    file = serializers.FileField()

    def validate_file(self, file: Any) -> Any:
        """Refuse a file that is too large before it is read."""
        if file.size > MAX_BYTES:
            raise serializers.ValidationError(
                _("A playlist file has at most %(most)d MB.") % {"most": MAX_BYTES // 1_000_000}
            )
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


def _current(song: Song) -> EmotionEstimate | None:
    """Return the current estimate that the selector prefetched."""
    found: list[EmotionEstimate] = getattr(song, "current_estimates", [])
    return found[0] if found else None
