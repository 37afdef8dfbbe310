"""Ratings, listens and mood check-ins in the API."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from catalog.models import Song
from recommender.models import FeltRating, Listen, MoodCheckIn
from recommender.serializers.plane import AxisField, PointSerializer
from recommender.serializers.playlists import RerankSerializer


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
            "target_valence",
            "target_arousal",
            "mood_valence",
            "mood_arousal",
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
            raise serializers.ValidationError({"listened_s": _("Give the number of seconds played.")})
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
