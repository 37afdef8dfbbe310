"""Answers requests for a file: whole, in part, or not at all because the browser has it already.

Source: RFC 9110, sections 13 (conditional requests) and 14 (range requests).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header, http_date, parse_etags, parse_http_date_safe
from django.utils.translation import gettext as _

from catalog.exceptions import RangeNotSatisfiableError, SongFileLostError

_CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a file; both ends belong to it."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return self.last - self.first + 1


def byte_range_parse(header: str, size_bytes: int) -> ByteRange | None:
    """Parse a Range header, such as `bytes=0-99`, `bytes=100-` or `bytes=-500`, and cut it at the end of the file.

    Returns:
        None for what a server may ignore: another unit, several ranges, or nonsense; the answer is then the whole file.

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
        return ByteRange(size_bytes - suffix, size_bytes - 1)
    first = int(first_text)
    if last_text and int(last_text) < first:
        return None
    if first >= size_bytes:
        raise RangeNotSatisfiableError
    return ByteRange(first, min(int(last_text), size_bytes - 1) if last_text else size_bytes - 1)


def file_response(
    request: HttpRequest, *, name: str, content_hash: str, mime_type: str, file_name: str
) -> HttpResponseBase:
    """Answer GET or HEAD for a stored file, to a caller who has checked the permission.

    Range, If-Range, If-None-Match and If-Modified-Since are honoured; the content hash is the entity tag.

    Returns:
        200, 206, 304 or 416; with `MOODPLANE_X_ACCEL` an order to nginx to do the same; with `MOODPLANE_MEDIA_ORIGIN`
        GET gets a redirect to the address that the storage signs.

    Raises:
        SongFileLostError: The file is missing.
    """
    # A HEAD request asks for our headers; signed addresses answer GET alone.
    if settings.MOODPLANE_MEDIA_ORIGIN and request.method == "GET":
        # A signed address ends: the next request asks for permission again and gets another.
        return HttpResponseRedirect(default_storage.url(name), headers={"Cache-Control": "no-store"})
    if settings.MOODPLANE_X_ACCEL:
        response: HttpResponseBase = HttpResponse(content_type=mime_type)
        response["X-Accel-Redirect"] = f"{str(settings.MOODPLANE_X_ACCEL).rstrip('/')}/{quote(name)}"
    else:
        response = _answer(request, name, f'"{content_hash}"', mime_type)
    response["Content-Disposition"] = content_disposition_header(False, file_name) or "inline"
    response["X-Content-Type-Options"] = "nosniff"
    # A closed catalog must not stay open in a shared cache.
    response["Cache-Control"] = "private, max-age=3600"
    patch_vary_headers(response, ["Cookie"])
    return response


def _answer(request: HttpRequest, name: str, etag: str, mime_type: str) -> HttpResponseBase:
    try:
        size_bytes, mtime = default_storage.size(name), default_storage.get_modified_time(name).timestamp()
    except FileNotFoundError as error:
        raise SongFileLostError(
            _("The file of this song is no longer on the server. Uploading the same file again brings it back.")
        ) from error
    response = _choose(request, name, size_bytes, mtime, etag)
    response["ETag"] = etag
    response["Last-Modified"] = http_date(mtime)
    response["Accept-Ranges"] = "bytes"
    if response.status_code in (200, 206):
        response["Content-Type"] = mime_type
    return response


def _choose(request: HttpRequest, name: str, size_bytes: int, mtime: float, etag: str) -> HttpResponseBase:
    if _is_fresh(request, etag, mtime):
        return HttpResponse(status=304)
    try:
        part = _wanted_part(request, size_bytes, mtime, etag)
    except RangeNotSatisfiableError:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size_bytes}"})
    whole = ByteRange(0, size_bytes - 1)
    if request.method == "HEAD":
        response: HttpResponseBase = HttpResponse()
    else:
        response = StreamingHttpResponse(_read(name, part or whole), status=206 if part else 200)
    response["Content-Length"] = str((part or whole).length)
    if part:
        response["Content-Range"] = f"bytes {part.first}-{part.last}/{size_bytes}"
    return response


def _is_fresh(request: HttpRequest, etag: str, mtime: float) -> bool:
    wanted = request.headers.get("If-None-Match")
    if wanted is not None:
        return any(tag == "*" or tag.removeprefix("W/") == etag for tag in parse_etags(wanted))
    since = parse_http_date_safe(request.headers.get("If-Modified-Since", ""))
    return since is not None and int(mtime) <= since


def _wanted_part(request: HttpRequest, size_bytes: int, mtime: float, etag: str) -> ByteRange | None:
    header = request.headers.get("Range")
    # Only GET defines ranges; for HEAD the header is ignored.
    if header is None or request.method != "GET":
        return None
    condition = request.headers.get("If-Range")
    # A date counts only when it is exactly the file's; a weak or foreign entity tag never does.
    is_same = condition is None or condition.strip() == etag or parse_http_date_safe(condition) == int(mtime)
    if not is_same:
        return None
    return byte_range_parse(header, size_bytes)


def _read(name: str, part: ByteRange) -> Iterator[bytes]:
    left_bytes = part.length
    with default_storage.open(name, "rb") as stream:
        stream.seek(part.first)
        while left_bytes and (chunk := stream.read(min(_CHUNK_BYTES, left_bytes))):
            left_bytes -= len(chunk)
            yield chunk
