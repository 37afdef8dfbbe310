"""Curators change songs through the API as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from catalog.files.audio_tags import MAX_GENRE_CHARS, MAX_TEXT_CHARS, text_clean
from catalog.models import Song
from catalog.permissions import CanListen, CanUpload
from emotion.choices import quadrant_name_choices
from emotion.inference.quadrants import Quadrant
from emotion.library.services import library_edit
from emotion.serializers import SongSerializer
from emotion.services.overrides import Override

_WORD = ("quadrant", "note")


class CanEdit(CanUpload):
    """Whoever may add songs may change them."""

    message = gettext_lazy('Only curators may change songs. Ask the staff to add you to the group "curator".')


class CleanTextField(serializers.CharField):
    """Text that is safe to keep, as that of a file's tags."""

    def to_internal_value(self, data: Any) -> str:
        """Return it without control characters and doubled spaces."""
        return text_clean(super().to_internal_value(data), self.max_length or MAX_TEXT_CHARS)


class SongEditSerializer(serializers.Serializer[Song]):
    """What is to change of a song; fields that are left out stay as they are."""

    title = CleanTextField(required=False, max_length=MAX_TEXT_CHARS)
    artist = CleanTextField(
        required=False, max_length=MAX_TEXT_CHARS, allow_blank=True, help_text="Empty: nobody named the artist."
    )
    album = CleanTextField(
        required=False, max_length=MAX_TEXT_CHARS, allow_blank=True, help_text="Its title; empty: of no album."
    )
    genre = CleanTextField(required=False, max_length=MAX_GENRE_CHARS, allow_blank=True)
    year = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=9999)
    track_number = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=9999)
    quadrant = serializers.ChoiceField(
        choices=quadrant_name_choices(),
        required=False,
        allow_null=True,
        help_text="What the song expresses, whatever the model heard; null lets the model's own serve again.",
    )
    note = CleanTextField(
        required=False, max_length=MAX_TEXT_CHARS, allow_blank=True, help_text="Why, together with a quadrant."
    )

    def validate_title(self, title: str) -> str:
        """Refuse a title that is made of nothing to be read."""
        if not title:
            raise serializers.ValidationError(gettext_lazy("A song needs a title."))
        return title

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A note is about a quadrant."""
        if "note" in attrs and "quadrant" not in attrs:
            raise serializers.ValidationError({"note": gettext_lazy("A note belongs to a quadrant: choose one.")})
        return attrs

    @property
    def values(self) -> dict[str, Any]:
        """The fields of the song itself."""
        return {name: value for name, value in self.validated_data.items() if name not in _WORD}

    @property
    def override(self) -> Override | None:
        """What is said of the quadrant, if anything."""
        if "quadrant" not in self.validated_data:
            return None
        name = self.validated_data["quadrant"]
        return Override(Quadrant[name] if name else None, self.validated_data.get("note", ""))


class SongEditMixin(GenericViewSet[Song]):
    """PATCH of a song, for curators."""

    def get_permissions(self) -> Sequence[Any]:
        """Let everybody read who may listen, and curators write."""
        if self.action == "partial_update":
            return [CanListen(), CanEdit()]
        return super().get_permissions()

    @extend_schema(
        summary="Change what is known of a song, or what it expresses (curators)",
        request=SongEditSerializer,
        responses={
            200: SongSerializer,
            403: OpenApiResponse(description="Not a curator."),
            404: OpenApiResponse(description="No such song."),
        },
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Answer with the song as it is now; the change is in the history of the library, and can be undone there."""
        song = self.get_object()
        asked = SongEditSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        library_edit(song_ids=[song.pk], values=asked.values, override=asked.override, editor=cast(User, request.user))
        return Response(SongSerializer(self.get_object()).data)
