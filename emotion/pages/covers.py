"""The cover of a song, or a drawing in its place: the first letter of the album on the colour of the song's mood."""

from __future__ import annotations

import unicodedata
from pathlib import PurePath
from xml.sax.saxutils import escape

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.views.decorators.http import require_safe

from catalog.core.files import digest
from catalog.files.views import COVER_MIME_TYPES, file_response
from catalog.models import Song
from catalog.permissions import allowed, can_listen
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate

_RINGS = 5
# Ground and ink of each quadrant, for both themes: the hues of static/css/tokens.css, which a picture cannot read, at a
# lightness that keeps the ink readable. Grey before the analysis.
COLOURS: dict[Quadrant | None, tuple[str, str]] = {
    Quadrant.Q1: ("#eec75f", "#3a2c00"),
    Quadrant.Q2: ("#b8401f", "#ffffff"),
    Quadrant.Q3: ("#3c4a94", "#ffffff"),
    Quadrant.Q4: ("#7cc4b4", "#06302a"),
    None: ("#6f6b78", "#ffffff"),
}


@require_safe
@allowed(can_listen)
def song_cover(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send a song's cover, or a drawing when it has none."""
    song = get_object_or_404(Song.objects.select_related("album"), pk=pk)
    if song.cover:
        cover = PurePath(str(song.cover.name))
        return file_response(
            request,
            name=str(cover),
            content_hash=cover.stem,
            mime_type=COVER_MIME_TYPES[cover.suffix],
            file_name=f"cover{cover.suffix}",
        )
    current = EmotionEstimate.objects.filter(song=song, is_current=True).with_effective()
    quadrant = current.values_list("effective_quadrant", flat=True).first()
    name = song.album.title if song.album else song.title
    # The songs of an album without a cover have one picture; their moods may differ.
    pattern = digest(name.encode()) if song.album else song.content_hash
    picture = cover_placeholder(pattern, initial_of(name), Quadrant(quadrant) if quadrant else None)
    etag = quote_etag(digest(picture.encode())[:32])
    made = HttpResponse(picture, content_type="image/svg+xml")
    response = get_conditional_response(request, etag=etag, response=made) or made
    response["ETag"] = etag
    # Soon asked again: the mood comes with the analysis, and a cover may be added.
    response["Cache-Control"] = "private, max-age=600, stale-while-revalidate=86400"
    return response


def initial_of(name: str) -> str:
    """Return the first letter or digit of a name, in upper case with its accents; a note where there is none."""
    for place, char in enumerate(name):
        if unicodedata.category(char)[0] in "LN":
            marks = name[place + 1 :]
            n_marks = next((n for n, mark in enumerate(marks) if not unicodedata.combining(mark)), len(marks))
            return (char + marks[: min(n_marks, 3)]).upper()[:4]
    return "♪"


def cover_placeholder(pattern: str, initial: str, quadrant: Quadrant | None) -> str:
    """Return an SVG picture, 300 by 300: a letter and rings, which follow from a hash, on the colour of a mood."""
    # Attributes alone show under a strict security policy.
    ground, ink = COLOURS[quadrant]
    numbers = bytes.fromhex(pattern[: 2 + 4 * _RINGS])
    centre_x, centre_y = 90 + numbers[0] % 120, 90 + numbers[-1] % 120
    rings = "".join(
        f'<circle cx="{centre_x}" cy="{centre_y}" r="{30 + 34 * ring + numbers[1 + ring] % 22}" '
        f'stroke-width="{1 + numbers[1 + _RINGS + ring] % 7}"/>'
        for ring in range(_RINGS)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 300" width="300" height="300">'
        f'<rect width="300" height="300" fill="{ground}"/>'
        f'<g fill="none" stroke="{ink}" stroke-opacity="0.22">{rings}</g>'
        f'<text x="150" y="150" dy="0.36em" text-anchor="middle" font-family="system-ui, sans-serif" font-size="150" '
        f'font-weight="700" fill="{ink}">{escape(initial)}</text></svg>'
    )
