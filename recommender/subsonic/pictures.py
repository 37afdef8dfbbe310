"""Pictures that players can show: covers in a size, and drawings for what has none. They know no SVG."""

from __future__ import annotations

import io
from pathlib import PurePath

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate
from emotion.pages.covers import COLOURS, initial_of

DRAWN_TYPE = "image/png"
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
# Of a picture in memory; larger ones were left out when the song came.
_MOST_PIXELS = 50_000_000
_DAY_S = 86_400


def cover_response(request: HttpRequest, song: Song, size_px: int) -> HttpResponseBase:
    """Send a song's cover, at most so wide and high, or a drawing when it has none."""
    cover = PurePath(str(song.cover.name)) if song.cover else None
    quadrant, name = None, ""
    if cover is not None:
        etag = quote_etag(f"{cover.stem}-{size_px}")
    else:
        current = EmotionEstimate.objects.filter(song=song, is_current=True).with_effective()
        quadrant = current.values_list("effective_quadrant", flat=True).first()
        name = initial_of(song.album.title if song.album else song.title)
        etag = quote_etag(f"{name.encode().hex()}-{quadrant or 0}-{size_px}")
    unchanged = get_conditional_response(request, etag=etag) if request.method in ("GET", "HEAD") else None
    response = unchanged or _made(cover, name, quadrant, size_px)
    response["ETag"] = etag
    response["Cache-Control"] = f"private, max-age={_DAY_S}"
    return response


def _made(cover: PurePath | None, name: str, quadrant: int | None, size_px: int) -> HttpResponse:
    scaled = cover_scaled(str(cover), size_px) if cover is not None else None
    if scaled is not None:
        return HttpResponse(scaled, content_type="image/jpeg")
    mood = Quadrant(quadrant) if quadrant else None
    return HttpResponse(initial_drawn(name or "♪", size_px, mood), content_type=DRAWN_TYPE)


def cover_scaled(name: str, size_px: int) -> bytes | None:
    """Return a stored cover as a JPEG of at most so many pixels each way; None if it is gone or cannot be read."""
    try:
        with default_storage.open(name, "rb") as file, Image.open(file, formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            # JPEG is decoded at a fraction of its size, in a tenth of the time.
            image.draft("RGB", (size_px, size_px))
            image.thumbnail((size_px, size_px))
            out = io.BytesIO()
            image.convert("RGB").save(out, "JPEG", quality=85)
            return out.getvalue()
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def initial_drawn(name: str, size_px: int, quadrant: Quadrant | None = None) -> bytes:
    """Return a PNG: the first letter of a name on the colour of a mood, as pages draw it."""
    ground, ink = COLOURS[quadrant]
    image = Image.new("RGB", (size_px, size_px), ground)
    font = ImageFont.load_default(size_px / 2)
    ImageDraw.Draw(image).text((size_px / 2, size_px / 2), initial_of(name), fill=ink, font=font, anchor="mm")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
