"""The bytes of songs and covers: whole, in part, or not at all because the browser has them already.

Source: RFC 9110, sections 13 (conditional requests) and 14 (range requests).
"""

import re
from collections.abc import Iterator
from pathlib import PurePath
from urllib.parse import quote

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.http import content_disposition_header, http_date, parse_http_date_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from catalog.exceptions import RangeNotSatisfiableError, SongFileLostError
from catalog.models import Song
from catalog.permissions import allowed, can_listen

_CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)
_COVER_MIME_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}
_RINGS = 5


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
        file_name=f"{song.by} - {song.title}{PurePath(str(song.audio.name)).suffix}",
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


def cover_placeholder(content_hash: str) -> str:
    """Return an SVG picture, 300 by 300: neutral rings that follow from the hash."""
    # Grey, because in Moodplane colour means a quadrant; attributes alone show under a strict security policy.
    numbers = bytes.fromhex(content_hash[: 2 + 4 * _RINGS])
    centre_x, centre_y = 90 + numbers[0] % 120, 90 + numbers[-1] % 120
    rings = "".join(
        f'<circle cx="{centre_x}" cy="{centre_y}" r="{30 + 34 * ring + numbers[1 + ring] % 22}" '
        f'stroke-width="{1 + numbers[1 + _RINGS + ring] % 7}"/>'
        for ring in range(_RINGS)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 300" width="300" height="300">'
        '<rect width="300" height="300" fill="#8b8794"/>'
        f'<g fill="none" stroke="#f4f2f7" stroke-opacity="0.55">{rings}</g></svg>'
    )


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
    request: HttpRequest, *, name: str, content_hash: str, mime_type: str, file_name: str
) -> HttpResponseBase:
    """Answer GET or HEAD for a stored file, to a caller who has checked the permission.

    Range, If-Range, If-None-Match and If-Modified-Since are honoured; the content hash is the entity tag.

    Returns:
        200, 206, 304 or 416; with `MOODPLANE_X_ACCEL` a header that makes nginx send the file; with
        `MOODPLANE_MEDIA_ORIGIN` GET gets a redirect to an address that the storage signs.

    Raises:
        SongFileLostError: The file is missing.
    """
    # A HEAD request asks for our headers; signed addresses answer GET alone.
    if settings.MOODPLANE_MEDIA_ORIGIN and request.method == "GET":
        # A signed address expires: the next request is checked again and gets another.
        return HttpResponseRedirect(default_storage.url(name), headers={"Cache-Control": "no-store"})
    if settings.MOODPLANE_X_ACCEL:
        response: HttpResponseBase = HttpResponse(content_type=mime_type)
        response["X-Accel-Redirect"] = f"{str(settings.MOODPLANE_X_ACCEL).rstrip('/')}/{quote(name)}"
    else:
        response = _answer(request, name, f'"{content_hash}"', mime_type)
    response["Content-Disposition"] = content_disposition_header(False, file_name) or "inline"
    response["X-Content-Type-Options"] = "nosniff"
    # A shared cache must not open a private catalog.
    response["Cache-Control"] = "private, max-age=3600"
    patch_vary_headers(response, ["Cookie"])
    return response


def _answer(request: HttpRequest, name: str, etag: str, mime_type: str) -> HttpResponseBase:
    try:
        size_bytes, mtime = default_storage.size(name), default_storage.get_modified_time(name).timestamp()
    except FileNotFoundError as error:
        raise SongFileLostError(
            _("The file of this song is no longer on the server. Upload the same file again to restore it.")
        ) from error
    response = get_conditional_response(request, etag, int(mtime)) or _part(request, name, size_bytes, mtime, etag)
    response["ETag"] = etag
    response["Last-Modified"] = http_date(mtime)
    response["Accept-Ranges"] = "bytes"
    if response.status_code in (200, 206):
        response["Content-Type"] = mime_type
    return response


def _part(request: HttpRequest, name: str, size_bytes: int, mtime: float, etag: str) -> HttpResponseBase:
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
    response = StreamingHttpResponse(_read(name, sent), status=206 if part else 200)
    response["Content-Length"] = str(len(sent))
    if part:
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size_bytes}"
    return response


def _read(name: str, part: range) -> Iterator[bytes]:
    left_bytes = len(part)
    # Opened at the first chunk, so that an unread response holds no file.
    with default_storage.open(name, "rb") as stream:
        stream.seek(part.start)
        while left_bytes and (chunk := stream.read(min(_CHUNK_BYTES, left_bytes))):
            left_bytes -= len(chunk)
            yield chunk
