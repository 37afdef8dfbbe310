"""How the API shows songs and what the network said of them."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.models import Album, Artist, Song
from emotion.models import EmotionEstimate, PerceivedLabel
from emotion.quadrants import Quadrant


class ArtistSerializer(serializers.ModelSerializer[Artist]):
    class Meta:
        model = Artist
        fields = ["id", "name"]


class AlbumSerializer(serializers.ModelSerializer[Album]):
    class Meta:
        model = Album
        fields = ["id", "title"]


class EstimateSerializer(serializers.ModelSerializer[EmotionEstimate]):
    """The perceived emotion of one song by one model version."""

    quadrant = serializers.SerializerMethodField(help_text="Q1 to Q4.")
    probabilities = serializers.SerializerMethodField(help_text="Calibrated, by quadrant.")

    class Meta:
        model = EmotionEstimate
        fields = [
            "id",
            "song",
            "model_version",
            "is_current",
            "quadrant",
            "probabilities",
            "valence",
            "arousal",
            "window_start_s",
            "window_s",
            "is_partial",
            "engine",
            "device",
            "decode_ms",
            "mel_ms",
            "network_ms",
            "updated_at",
        ]
        read_only_fields = fields

    def get_quadrant(self, estimate: EmotionEstimate) -> str:
        """The quadrant's name."""
        return Quadrant(estimate.quadrant).name

    def get_probabilities(self, estimate: EmotionEstimate) -> dict[str, float]:
        """Probability by quadrant name."""
        return {quadrant.name: estimate.probabilities[quadrant.index] for quadrant in Quadrant}


class SongSerializer(serializers.ModelSerializer[Song]):
    """A song of the catalog with its current estimate, which is null until it is tagged."""

    artist = ArtistSerializer(read_only=True)
    album = AlbumSerializer(read_only=True, allow_null=True)
    estimate = serializers.SerializerMethodField()
    audio_url = serializers.SerializerMethodField()
    cover_url = serializers.SerializerMethodField()

    class Meta:
        model = Song
        fields = [
            "id",
            "title",
            "artist",
            "album",
            "genre",
            "year",
            "track_number",
            "duration_s",
            "mime_type",
            "state",
            "failure_code",
            "failure_reason",
            "estimate",
            "audio_url",
            "cover_url",
            "created_at",
        ]
        read_only_fields = fields

    @extend_schema_field(EstimateSerializer(allow_null=True))
    def get_estimate(self, song: Song) -> dict[str, Any] | None:
        """The current estimate."""
        current = next(iter(song.current_estimates), None)  # type: ignore[attr-defined]
        return EstimateSerializer(current).data if current else None

    def get_audio_url(self, song: Song) -> str:
        """Address of the audio, which answers ranges."""
        return reverse("catalog:song_audio", args=[song.pk])

    def get_cover_url(self, song: Song) -> str:
        """Address of the cover."""
        return reverse("catalog:song_cover", args=[song.pk])


class LabelSerializer(serializers.ModelSerializer[PerceivedLabel]):
    """What the caller says that a song expresses."""

    quadrant = serializers.SerializerMethodField(help_text="Q1 to Q4.")

    class Meta:
        model = PerceivedLabel
        fields = ["id", "song", "quadrant", "valence", "arousal", "created_at", "updated_at"]
        read_only_fields = fields

    def get_quadrant(self, label: PerceivedLabel) -> str:
        """The quadrant's name."""
        return Quadrant(label.quadrant).name


class LabelSetSerializer(serializers.Serializer[PerceivedLabel]):
    """A song, the quadrant that it expresses and, if one likes, the exact point."""

    song = serializers.PrimaryKeyRelatedField(queryset=Song.objects.all())
    quadrant = serializers.ChoiceField(choices=[(quadrant.name, quadrant.label) for quadrant in Quadrant])
    valence = serializers.FloatField(min_value=-1.0, max_value=1.0, required=False)
    arousal = serializers.FloatField(min_value=-1.0, max_value=1.0, required=False)

    def validate_quadrant(self, name: str) -> Quadrant:
        """Turn the name into the quadrant."""
        return Quadrant[name]
