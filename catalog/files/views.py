"""The bytes of songs and covers."""

from __future__ import annotations

from pathlib import PurePath

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from catalog.access import allowed
from catalog.files.covers import cover_placeholder
from catalog.files.streaming import file_response
from catalog.models import Song
from catalog.permissions import can_listen

_COVER_MIME_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}


@require_safe
@allowed(can_listen)
def song_audio(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Stream a song."""
    song = get_object_or_404(Song.objects.select_related("artist"), pk=pk)
    return file_response(
        request,
        name=str(song.audio.name),
        content_hash=song.content_hash,
        mime_type=song.mime_type,
        file_name=f"{song.artist.name} - {song.title}{PurePath(str(song.audio.name)).suffix}",
    )


@require_safe
@allowed(can_listen)
def song_cover(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send a song's cover, or a drawing when it has none."""
    song = get_object_or_404(Song, pk=pk)
    if not song.cover:
        response = HttpResponse(cover_placeholder(song.content_hash), content_type="image/svg+xml")
        response["Cache-Control"] = "private, max-age=86400"
        return response
    cover = PurePath(str(song.cover.name))
    return file_response(
        request,
        name=str(cover),
        content_hash=cover.stem,
        mime_type=_COVER_MIME_TYPES[cover.suffix],
        file_name=f"cover{cover.suffix}",
    )
