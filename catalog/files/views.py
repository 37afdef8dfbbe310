"""The bytes of songs and other files: whole, in part, or not at all because the browser has them already.

Source: RFC 9110, sections 13 (conditional requests) and 14 (range requests).
"""

import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import PurePath
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.files.storage import Storage, default_storage
from django.core.signing import BadSignature, TimestampSigner
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.http import content_disposition_header, http_date, parse_http_date_safe
from django.views.decorators.http import require_safe

from catalog.exceptions import RangeNotSatisfiableError, TranscodersBusyError
from catalog.files.encoding import Encoding
from catalog.files.storage import file_lost
from catalog.files.transcoding import song_transcode, transcoded_storage
from catalog.models import Lyrics, Song
from catalog.permissions import allowed, can_listen

_CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)
COVER_MIME_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}
SIGNED_FOR = timedelta(hours=12)
_SIGNER = TimestampSigner(salt="catalog.song_audio")
# Most songs take less.
RETRY_AFTER_S = 3


@require_safe
@allowed(can_listen)
def song_audio(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Stream a song: as it is, or in the encoding that the query asks for with `as`."""
    song = get_object_or_404(Song.objects.select_related("artist"), pk=pk)
    try:
        return song_response(request, song, Encoding(request.GET["as"]) if "as" in request.GET else None)
    except ValueError:
        return HttpResponseBadRequest(f"Songs are converted to {', '.join(Encoding)}.", content_type="text/plain")
    except TranscodersBusyError as error:
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return HttpResponse(str(error), status=error.status, headers=headers, content_type="text/plain")


def song_audio_signature(pk: int) -> str:
    """Return the end of an address that plays a song for whoever has it, until it expires."""
    return _SIGNER.sign_object(pk)


@require_safe
@login_not_required
def song_audio_signed(request: HttpRequest, pk: int, signature: str) -> HttpResponseBase:
    """Stream a song to a device that cannot sign in: its address says who let it, and until when."""
    try:
        if _SIGNER.unsign_object(signature, max_age=SIGNED_FOR) != pk:
            raise Http404
    except BadSignature as error:
        raise Http404 from error
    return song_response(request, get_object_or_404(Song.objects.select_related("artist"), pk=pk))


def song_response(request: HttpRequest, song: Song, encoding: Encoding | None = None) -> HttpResponseBase:
    """Answer GET or HEAD for a song as it is, or in an encoding, to a caller who has checked the permission.

    Raises:
        TranscodersBusyError: The same request can succeed in a few seconds.
        FileRejectedError: The song cannot be decoded.
        SongFileLostError, StorageFullError: The song's file is missing, or the disk has no room.
    """
    named = f"{song.by} - {song.title}"
    if encoding is None:
        return file_response(
            request,
            name=str(song.audio.name),
            content_hash=song.content_hash,
            mime_type=song.mime_type,
            file_name=f"{named}{PurePath(str(song.audio.name)).suffix}",
        )
    return file_response(
        request,
        name=song_converted(request, song, encoding),
        content_hash=f"{song.content_hash}-{encoding}",
        mime_type=encoding.mime_type,
        file_name=f"{named}.{encoding.extension}",
        storage=transcoded_storage(),
    )


def song_converted(request: HttpRequest, song: Song, encoding: Encoding) -> str:
    """Return the name, in `transcoded_storage`, of a song in an encoding, while who asks still listens."""
    return song_transcode(song=song, encoding=encoding, is_wanted=lambda: _is_connected(request))


def _is_connected(request: HttpRequest) -> bool:
    """Whether who asks still listens; true where the server does not say."""
    connection = request.META.get("gunicorn.socket")
    if connection is None:
        return True
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b"")
    except BlockingIOError:
        return True
    except (OSError, ValueError) as error:
        # Of an encrypted connection nothing can be looked at.
        return isinstance(error, ValueError)


@require_safe
@allowed(can_listen)
def song_lyrics(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show a song's lyrics alone, for the player; nothing when it has none."""
    lyrics = Lyrics.objects.filter(song=pk).first()
    if lyrics is None:
        return HttpResponse(status=204)
    response = render(request, "catalog/partials/lyrics.html", {"lyrics": lyrics})
    patch_cache_control(response, private=True, no_cache=True)
    return response


def byte_range_parse(header: str, size_bytes: int) -> range | None:
    """Parse a Range header, such as `bytes=0-99`, `bytes=100-` or `bytes=-500`, and cut it at the end of the file.

    Returns:
        None for a header that a server may ignore, and answer with the whole file: another unit, several ranges, or no
        valid range.

    Raises:
        RangeNotSatisfiableError: No byte of the file is in the range.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.group(1, 2) == ("", ""):
        return None
    first_text, last_text = match.group(1, 2)
    if not first_text:
        suffix = min(int(last_text), size_bytes)
        if suffix == 0:
            raise RangeNotSatisfiableError
        return range(size_bytes - suffix, size_bytes)
    first = int(first_text)
    if last_text and int(last_text) < first:
        return None
    if first >= size_bytes:
        raise RangeNotSatisfiableError
    return range(first, min(int(last_text) + 1, size_bytes) if last_text else size_bytes)


def file_response(
    request: HttpRequest,
    *,
    name: str,
    content_hash: str,
    mime_type: str,
    file_name: str,
    storage: Storage = default_storage,
) -> HttpResponseBase:
    """Answer GET or HEAD for a stored file, to a caller who has checked the permission.

    Range, If-Range, If-None-Match and If-Modified-Since are honoured; the content hash is the entity tag.

    Returns:
        200, 206, 304 or 416; with `MOODPLANE_X_ACCEL` a header that makes nginx send the file; with
        `MOODPLANE_MEDIA_ORIGIN` GET gets a redirect to an address that the storage signs.

    Raises:
        SongFileLostError: The file is missing.
    """
    is_media = storage is default_storage
    # A HEAD request asks for our headers; signed addresses answer GET alone.
    if is_media and settings.MOODPLANE_MEDIA_ORIGIN and request.method == "GET":
        # A signed address expires: the next request is checked again and gets another.
        return HttpResponseRedirect(storage.url(name), headers={"Cache-Control": "no-store"})
    if is_media and settings.MOODPLANE_X_ACCEL:
        response: HttpResponseBase = HttpResponse(content_type=mime_type)
        response["X-Accel-Redirect"] = f"{str(settings.MOODPLANE_X_ACCEL).rstrip('/')}/{quote(name)}"
    else:
        response = _answer(request, storage, name, f'"{content_hash}"', mime_type)
    response["Content-Disposition"] = content_disposition_header(False, file_name) or "inline"
    response["X-Content-Type-Options"] = "nosniff"
    # A shared cache must not open a private catalog.
    response["Cache-Control"] = "private, max-age=3600"
    patch_vary_headers(response, ["Cookie"])
    return response


def _answer(request: HttpRequest, storage: Storage, name: str, etag: str, mime_type: str) -> HttpResponseBase:
    try:
        size_bytes, mtime = storage.size(name), storage.get_modified_time(name).timestamp()
    except FileNotFoundError as error:
        raise file_lost() from error
    unchanged = get_conditional_response(request, etag, int(mtime))
    response = unchanged or _part(request, storage, name, size_bytes, mtime, etag)
    response["ETag"] = etag
    response["Last-Modified"] = http_date(mtime)
    response["Accept-Ranges"] = "bytes"
    if response.status_code in (200, 206):
        response["Content-Type"] = mime_type
    return response


def _part(
    request: HttpRequest, storage: Storage, name: str, size_bytes: int, mtime: float, etag: str
) -> HttpResponseBase:
    if request.method == "HEAD":
        # Ranges are defined for GET only.
        return HttpResponse(headers={"Content-Length": str(size_bytes)})
    condition = request.headers.get("If-Range")
    # Only an exact date counts, and no weak or foreign entity tag.
    is_same = condition is None or condition.strip() == etag or parse_http_date_safe(condition) == int(mtime)
    try:
        part = byte_range_parse(request.headers.get("Range", ""), size_bytes) if is_same else None
    except RangeNotSatisfiableError:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size_bytes}"})
    sent = part or range(size_bytes)
    response = StreamingHttpResponse(_read(storage, name, sent), status=206 if part else 200)
    response["Content-Length"] = str(len(sent))
    if part:
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size_bytes}"
    return response


def _read(storage: Storage, name: str, part: range) -> Iterator[bytes]:
    left_bytes = len(part)
    # Opened at the first chunk, so that an unread response holds no file.
    with storage.open(name, "rb") as stream:
        stream.seek(part.start)
        while left_bytes and (chunk := stream.read(min(_CHUNK_BYTES, left_bytes))):
            left_bytes -= len(chunk)
            yield chunk
