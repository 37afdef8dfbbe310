"""Requests of the mood pad: every song as a dot, the song under the pointer, and names of artists."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from catalog.selectors import artists_named_like
from recommender.pad import pad_picture
from recommender.selectors import songs_in_order
from recommender.views.common import song_or_404

# Names of songs change seldom, and a sweep over the plane points at many.
SONG_KEPT_S = 300


@require_safe
@cache_control(private=True, no_cache=True)
def pad_points(request: HttpRequest) -> HttpResponse:
    """Where every song lies on the plane, as `recommender.pad` writes it; 304 if unchanged."""
    picture = pad_picture()
    response = HttpResponse(picture.payload, content_type="application/octet-stream", headers={"ETag": picture.etag})
    return get_conditional_response(request, etag=picture.etag, response=response) or response


@require_safe
@cache_control(private=True, max_age=SONG_KEPT_S)
def pad_song(request: HttpRequest, pk: int) -> HttpResponse:
    """The song under the pointer: title, artist and quadrant."""
    song = song_or_404(pk)
    context = {"song": (songs_in_order([pk]) or [song])[0]}
    return render(request, "recommender/partials/pad_song.html", context)


@require_safe
def artist_options(request: HttpRequest) -> HttpResponse:
    """Artists whose name begins with what was typed so far, for the list under the field."""
    names = artists_named_like(request.GET.get("artist_name", "")[:100])
    return render(request, "recommender/partials/artist_options.html", {"names": names})
