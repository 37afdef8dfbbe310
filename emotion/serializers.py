"""Songs, their estimates and what curators change, as the API reads and writes them."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, cast

import numpy as np
from django.urls import reverse
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from numpy.typing import NDArray
from rest_framework import serializers

from catalog.files.tags import MAX_CREDIT_CHARS, MAX_GENRE_CHARS, MAX_TEXT_CHARS, text_clean
from catalog.models import Album, Artist, Lyrics, Song
from emotion.curves.curve import Section
from emotion.inference.quadrants import Quadrant
from emotion.library.services import Override
from emotion.loudness import Loudness, loudness_read
from emotion.measures.words import KEYS
from emotion.models import EmotionCurve, EmotionEstimate, PerceivedLabel, Waveform, quadrant_name_choices
from emotion.selectors import curve_read, waveform_read


class ArtistSerializer(serializers.ModelSerializer[Artist]):
    class Meta:
        model = Artist
        fields = ["id", "name"]


class AlbumSerializer(serializers.ModelSerializer[Album]):
    artist = ArtistSerializer(read_only=True, help_text="The album's, who may be another than the song's.")

    class Meta:
        model = Album
        fields = ["id", "title", "artist"]


class QuadrantName(serializers.CharField):
    """A stored quadrant by its name, Q1 to Q4; read only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def to_representation(self, value: Any) -> str:
        return Quadrant(value).name


@extend_schema_serializer(deprecate_fields=["heard"])
class EstimateSerializer(serializers.ModelSerializer[EmotionEstimate]):
    """What one model version says of one song, and what counts: that, or a curator's override."""

    quadrant = QuadrantName(source="effective_quadrant", help_text="The quadrant that counts, Q1 to Q4.")
    set_by_curator = serializers.BooleanField(
        source="is_overridden", read_only=True, help_text="Whether a curator's word counts in place of the model's."
    )
    valence = serializers.FloatField(
        source="effective_valence", read_only=True, help_text="The valence that counts, -1 to 1."
    )
    arousal = serializers.FloatField(
        source="effective_arousal", read_only=True, help_text="The arousal that counts, -1 to 1."
    )
    model_quadrant = QuadrantName(source="quadrant", help_text="What the model says, Q1 to Q4.")
    model_valence = serializers.FloatField(source="valence", read_only=True)
    model_arousal = serializers.FloatField(source="arousal", read_only=True)
    model_valence_sd = serializers.FloatField(source="valence_sd", read_only=True, help_text="Its uncertainty.")
    model_arousal_sd = serializers.FloatField(source="arousal_sd", read_only=True, help_text="Its uncertainty.")
    between = serializers.SerializerMethodField(
        help_text="Quadrants between which the model is undecided; mostly none."
    )
    heard = QuadrantName(source="quadrant", help_text="Use `model_quadrant`; goes with the release after 0.2.0.")
    probabilities = serializers.SerializerMethodField(help_text="The model's, calibrated, by quadrant.")

    class Meta:
        model = EmotionEstimate
        fields = [
            "id", "song", "model_version", "is_current", "quadrant", "set_by_curator", "valence", "arousal",
            "model_quadrant", "model_valence", "model_arousal", "model_valence_sd", "model_arousal_sd", "between",
            "heard", "probabilities", "window_start_s", "window_s", "is_partial", "engine", "device", "decode_ms",
            "mel_ms", "network_ms", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_between(self, estimate: EmotionEstimate) -> list[str]:
        return [quadrant.name for quadrant in estimate.between]

    def get_probabilities(self, estimate: EmotionEstimate) -> dict[str, float]:
        return {quadrant.name: estimate.probabilities[quadrant.index] for quadrant in Quadrant}


class MeasuresSerializer(serializers.ModelSerializer[Waveform]):
    """What was measured of a song without a model; null where it cannot be said."""

    key_name = serializers.SerializerMethodField(help_text='The key in English, such as "A minor".')

    class Meta:
        model = Waveform
        fields = [
            "loudness_lufs", "true_peak_dbtp", "bpm", "bpm_other", "bpm_confidence", "key", "key_name",
            "key_confidence",
        ]  # fmt: skip
        read_only_fields = fields

    def get_key_name(self, waveform: Waveform) -> str | None:
        return None if waveform.key is None else KEYS[waveform.key]


class SongSerializer(serializers.ModelSerializer[Song]):
    """A song of the catalog with its current estimate, which is null until it is tagged."""

    artist = ArtistSerializer(read_only=True, help_text="The first of its artists.")
    artists = ArtistSerializer(many=True, read_only=True, help_text="All its artists, in their order.")
    artist_credit = serializers.CharField(source="by", read_only=True, help_text="All its artists, as to be shown.")
    genre = serializers.CharField(read_only=True, help_text='All its genres, with "; " between them.')
    genres = serializers.ListField(child=serializers.CharField(), read_only=True)
    album = AlbumSerializer(read_only=True, allow_null=True)
    estimate = serializers.SerializerMethodField()
    measures = serializers.SerializerMethodField()
    highlight_s = serializers.SerializerMethodField(
        help_text="Where the half minute begins that stands for the song; null until its curve is there."
    )
    audio_url = serializers.SerializerMethodField(help_text="Address of the audio, which answers ranges.")
    cover_url = serializers.SerializerMethodField(help_text="Address of the cover.")

    class Meta:
        model = Song
        fields = [
            "id", "title", "artist", "artists", "artist_credit", "album", "genre", "genres", "year", "disc_number",
            "track_number", "duration_s", "mime_type", "state",
            "failure_code", "failure_reason", "estimate", "measures", "highlight_s", "audio_url", "cover_url",
            "created_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(EstimateSerializer(allow_null=True))
    def get_estimate(self, song: Song) -> dict[str, Any] | None:
        current = next(iter(song.current_estimates), None)  # type: ignore[attr-defined]
        return EstimateSerializer(current).data if current else None

    @extend_schema_field(MeasuresSerializer(allow_null=True))
    def get_measures(self, song: Song) -> dict[str, Any] | None:
        waveform = getattr(song, "waveform", None)
        return MeasuresSerializer(waveform).data if waveform and waveform.measures_version else None

    def get_highlight_s(self, song: Song) -> float | None:
        current = next(iter(song.current_estimates), None)  # type: ignore[attr-defined]
        return getattr(current, "highlight_s", None)

    def get_audio_url(self, song: Song) -> str:
        return reverse("catalog:song_audio", args=[song.pk])

    def get_cover_url(self, song: Song) -> str:
        return reverse("emotion:song_cover", args=[song.pk])


class CleanTextField(serializers.CharField):
    """Text that may be left out, as clean as that of a file's tags."""

    def __init__(self, *, max_length: int = MAX_TEXT_CHARS, **options: Any) -> None:
        super().__init__(required=False, max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> str:
        return text_clean(super().to_internal_value(data), cast(int, self.max_length))


class SongEditSerializer(serializers.Serializer[Song]):
    """What is to change of a song; fields that are left out stay as they are."""

    title = CleanTextField()
    artist = CleanTextField(
        max_length=MAX_CREDIT_CHARS,
        allow_blank=True,
        help_text='All its artists, such as "Ann feat. Bob; Cyd"; empty if unknown.',
    )
    album = CleanTextField(allow_blank=True, help_text="Its title; empty: of no album.")
    album_artist = CleanTextField(allow_blank=True, help_text="The album's artist; empty: the song's first.")
    genre = CleanTextField(
        max_length=MAX_GENRE_CHARS, allow_blank=True, help_text='All its genres, such as "Rock; Pop".'
    )
    year = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=9999)
    disc_number = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=9999)
    track_number = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=9999)
    quadrant = serializers.ChoiceField(
        quadrant_name_choices(),
        required=False,
        allow_null=True,
        help_text="What the song expresses, regardless of the model's estimate; null restores the model's estimate.",
    )
    note = CleanTextField(allow_blank=True, help_text="Why, together with a quadrant.")

    def validate_title(self, title: str) -> str:
        if not title:
            raise serializers.ValidationError(gettext_lazy("A song needs a title."))
        return title

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "note" in attrs and "quadrant" not in attrs:
            raise serializers.ValidationError({"note": gettext_lazy("A note needs a quadrant: choose one.")})
        return attrs

    @property
    def values(self) -> dict[str, Any]:
        return {name: value for name, value in self.validated_data.items() if name not in ("quadrant", "note")}

    @property
    def override(self) -> Override | None:
        if "quadrant" not in self.validated_data:
            return None
        name = self.validated_data["quadrant"]
        return Override(Quadrant[name] if name else None, self.validated_data.get("note", ""))


class LabelSerializer(serializers.ModelSerializer[PerceivedLabel]):
    """What the caller says that a song expresses."""

    quadrant = QuadrantName(help_text="Q1 to Q4.")

    class Meta:
        model = PerceivedLabel
        fields = ["id", "song", "quadrant", "valence", "arousal", "created_at", "updated_at"]
        read_only_fields = fields


class LabelSetSerializer(serializers.Serializer[PerceivedLabel]):
    """A song, the quadrant that it expresses and, if one likes, the exact point."""

    song = serializers.PrimaryKeyRelatedField(queryset=Song.objects.all())
    quadrant = serializers.ChoiceField(choices=quadrant_name_choices())
    valence = serializers.FloatField(min_value=-1.0, max_value=1.0, required=False)
    arousal = serializers.FloatField(min_value=-1.0, max_value=1.0, required=False)

    def validate_quadrant(self, name: str) -> Quadrant:
        return Quadrant[name]


class SectionSerializer(serializers.Serializer[Section]):
    """A stretch of a song that carries one emotion."""

    quadrant = serializers.CharField(source="quadrant.name", help_text="Q1 to Q4.")
    start_s = serializers.FloatField()
    end_s = serializers.FloatField()
    confidence = serializers.FloatField(help_text="Mean probability of the quadrant in it.")


def _numbers_field(**options: Any) -> serializers.ListField:
    return serializers.ListField(child=serializers.FloatField(allow_null=True), required=False, **options)


class CurveSerializer(serializers.Serializer[Any]):
    """The emotion curve of a song: lists of the same length, a number for each point, null where the song is silent.

    Each point is what the model says of the `window_s` seconds around it.
    """

    song = serializers.IntegerField()
    state = serializers.ChoiceField(["waiting", "done"], help_text="While it waits there is nothing below.")
    model_version = serializers.CharField(required=False)
    hop_s = serializers.FloatField(required=False, help_text="Seconds from one point to the next.")
    window_s = serializers.FloatField(required=False)
    times_s = serializers.ListField(child=serializers.FloatField(), required=False)
    valence = _numbers_field()
    arousal = _numbers_field()
    valence_sd = _numbers_field(
        help_text="Standard deviation of the quadrants' points (0.6 from the axis) under the calibrated probabilities."
    )
    arousal_sd = _numbers_field()
    probabilities = serializers.DictField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)),
        required=False,
        help_text="By quadrant, calibrated.",
    )
    sections = SectionSerializer(many=True, required=False)
    summary = serializers.CharField(required=False)


def curve_json(song: Song, curve: EmotionCurve | None) -> dict[str, Any]:
    """Return a curve in the shape of `CurveSerializer`; without one, that it waits."""
    if curve is None:
        return {"song": song.pk, "state": "waiting"}
    read = curve_read(curve, duration_s=song.duration_s)
    return {
        "song": song.pk,
        "state": "done",
        "model_version": curve.model_version,
        "hop_s": curve.hop_s,
        "window_s": curve.window_s,
        "times_s": read.times_s.tolist(),
        "valence": _numbers(read.points[:, 0]),
        "arousal": _numbers(read.points[:, 1]),
        "valence_sd": _numbers(read.sd[:, 0]),
        "arousal_sd": _numbers(read.sd[:, 1]),
        "probabilities": {q.name: _numbers(read.points[:, 2 + q.index]) for q in Quadrant},
        "sections": [SectionSerializer(section).data for section in read.sections],
        "summary": read.sentence,
    }


class WaveformSectionSerializer(SectionSerializer):
    """The same, with the quadrant's name in the reader's language."""

    label = serializers.CharField(source="quadrant.label", help_text="Such as Calm.")  # type: ignore[assignment]


class LoudnessSerializer(serializers.Serializer[Any]):
    """How loud a song and its album are: as measured, or as tags say; null where nobody knows."""

    lufs = serializers.FloatField(allow_null=True, help_text="Integrated, by EBU R 128.")
    peak_db = serializers.FloatField(allow_null=True, help_text="The highest peak, in dB of full scale.")
    album_lufs = serializers.FloatField(allow_null=True, help_text="The same of all songs of its album.")
    album_peak_db = serializers.FloatField(allow_null=True)

    def to_representation(self, instance: Loudness) -> dict[str, float | None]:
        return {name: None if value is None else round(value, 2) for name, value in asdict(instance).items()}


class WaveformSerializer(serializers.Serializer[Any]):
    """How loud a song is over its length, and which emotion it carries where; empty lists for what is not known yet."""

    song = serializers.IntegerField()
    duration_s = serializers.FloatField()
    peaks = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=255),
        help_text="Equal parts of the song, at most 500; 255 is its loudest part.",
    )
    sections = WaveformSectionSerializer(many=True)
    loudness = LoudnessSerializer()
    has_lyrics = serializers.BooleanField()


def waveform_json(song: Song) -> dict[str, Any]:
    """Return the waveform of a song in the shape of `WaveformSerializer`."""
    peaks, sections = waveform_read(song)
    return {
        "song": song.pk,
        "duration_s": song.duration_s,
        "peaks": peaks.tolist(),
        "sections": [dict(WaveformSectionSerializer(section).data) for section in sections],
        "loudness": LoudnessSerializer(loudness_read(song)).data,
        "has_lyrics": Lyrics.objects.filter(song=song).exists(),
    }


def _numbers(values: NDArray[np.floating]) -> list[float | None]:
    return [None if math.isnan(value) else round(float(value), 4) for value in values]
