"""How playlists and ratings look in the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.models import Song
from emotion.models import EmotionEstimate
from emotion.quadrants import Quadrant
from recommender.models import FeltRating, Playlist, PlaylistItem
from recommender.services.playlists import MAX_LENGTH
from recommender.values import Filters, Target

_BIGINT = 2**63 - 1


class QuadrantField(serializers.ChoiceField):
    """A quadrant by its number; `Q4` is understood as well as `4`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(quadrant.value, quadrant.label) for quadrant in Quadrant], **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        text = str(data).strip().upper().removeprefix("Q")
        return Quadrant(int(super().to_internal_value(text)))


class AxisField(serializers.FloatField):
    """A coordinate of the plane."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=-1.0, max_value=1.0, **kwargs)


class FiltersSerializer(serializers.Serializer[Filters]):
    """What a playlist is limited to."""

    genre = serializers.CharField(required=False, allow_blank=True, max_length=100)
    artist = serializers.IntegerField(required=False, min_value=1, max_value=_BIGINT)


class PlaylistCreateSerializer(serializers.Serializer[Playlist]):
    """A target, as a quadrant or as a point, and how long the list is to be."""

    quadrant = QuadrantField(required=False)
    valence = AxisField(required=False)
    arousal = AxisField(required=False)
    length = serializers.IntegerField(min_value=1, max_value=MAX_LENGTH, default=12)
    filters = FiltersSerializer(required=False)
    seed = serializers.IntegerField(
        required=False, min_value=0, max_value=_BIGINT, help_text="The same seed, catalog and ratings: the same list."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for a quadrant, or for a whole point, and not for both."""
        point = [name for name in ("valence", "arousal") if name in attrs]
        if "quadrant" in attrs and point:
            raise serializers.ValidationError("Give either a quadrant or a point, not both.")
        if "quadrant" not in attrs and len(point) != 2:
            raise serializers.ValidationError("Give a quadrant, or a point with valence and arousal.")
        return attrs

    @property
    def target(self) -> Target:
        """The validated target."""
        asked = self.validated_data
        if "quadrant" in asked:
            return Target.of_quadrant(asked["quadrant"])
        return Target.of_point(asked["valence"], asked["arousal"])

    @property
    def filters_asked(self) -> Filters:
        """The validated filters."""
        return Filters.from_json(self.validated_data.get("filters", {}))


class PlaylistSongSerializer(serializers.ModelSerializer[Song]):
    """A song as a playlist shows it: what is perceived in it, beside who made it."""

    artist = serializers.CharField(source="artist.name", read_only=True)
    quadrant = serializers.SerializerMethodField()
    confidence = serializers.SerializerMethodField()

    class Meta:
        model = Song
        fields = ["id", "title", "artist", "duration_s", "quadrant", "confidence"]

    @extend_schema_field(QuadrantField(allow_null=True))
    def get_quadrant(self, song: Song) -> int | None:
        estimate = _current(song)
        return estimate.quadrant if estimate else None

    def get_confidence(self, song: Song) -> float | None:
        estimate = _current(song)
        return estimate.confidence if estimate else None


class PlaylistItemSerializer(serializers.ModelSerializer[PlaylistItem]):
    """A song at its place, with the reason; `felt_*` is what this listener was predicted to feel."""

    song = PlaylistSongSerializer(read_only=True)

    class Meta:
        model = PlaylistItem
        fields = ["position", "song", "reason", "felt_valence", "felt_arousal", "played_at"]


class PlaylistSerializer(serializers.ModelSerializer[Playlist]):
    """A playlist without its songs, as lists show it."""

    quadrant = QuadrantField(source="target_quadrant", allow_null=True, read_only=True)
    valence = AxisField(source="target_valence", read_only=True)
    arousal = AxisField(source="target_arousal", read_only=True)
    length = serializers.IntegerField(source="requested_length", read_only=True, help_text="As it was asked for.")
    filters = FiltersSerializer(read_only=True)

    class Meta:
        model = Playlist
        fields = [
            "id",
            "title",
            "quadrant",
            "valence",
            "arousal",
            "length",
            "filters",
            "seed",
            "model_version",
            "note",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class PlaylistDetailSerializer(PlaylistSerializer):
    """A playlist with its songs in order."""

    items = PlaylistItemSerializer(many=True, read_only=True)

    class Meta(PlaylistSerializer.Meta):
        fields = [*PlaylistSerializer.Meta.fields, "items"]
        read_only_fields = fields


class RerankSerializer(serializers.Serializer[Any]):
    """What a re-ranking did to the songs not played yet."""

    changed = serializers.BooleanField()
    sentence = serializers.CharField()
    moved = serializers.ListField(child=serializers.IntegerField(), help_text="Songs that are new or moved.")


class PlayedSerializer(serializers.Serializer[Any]):
    """Which song the player believes to be at this place; it answers 409 when another one is."""

    song = serializers.IntegerField(required=False, min_value=1)


class RatingSerializer(serializers.ModelSerializer[FeltRating]):
    """What a song did to the listener."""

    class Meta:
        model = FeltRating
        fields = [
            "id",
            "song",
            "felt_valence",
            "felt_arousal",
            "liked",
            "familiar",
            "felt_nothing",
            "skipped",
            "listened_s",
            "playlist",
            "position",
            "model_version",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class RatingCreateSerializer(serializers.Serializer[FeltRating]):
    """Answers about one song; what is left out keeps its earlier answer."""

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


class FeedbackSerializer(serializers.Serializer[Any]):
    """The stored rating, and what it did to the playlist."""

    rating = RatingSerializer()
    rerank = RerankSerializer(allow_null=True)


def _current(song: Song) -> EmotionEstimate | None:
    """Return the current estimate that the selector brought along."""
    found: list[EmotionEstimate] = getattr(song, "current_estimates", [])
    return found[0] if found else None
