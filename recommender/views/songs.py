"""Songs: found, looked at, and taken as the middle of a list."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from catalog import selectors as catalog_selectors
from emotion.models import EmotionEstimate
from emotion.quadrants import Quadrant
from emotion.selectors import current_estimate, label_of
from recommender import selectors, services
from recommender.forms import SongFilterForm
from recommender.views.common import listener_of, song_or_404, to_playlist, wants_fragment
from recommender.views.feedback import felt_context

SONGS_PER_PAGE = 30
SIMILAR_SONGS = 6


@require_safe
def song_list(request: HttpRequest) -> HttpResponse:
    """Search and browse."""
    filters = SongFilterForm(request.GET).filters
    songs = selectors.songs_browse(
        query=filters.q, quadrant=filters.quadrant, genre=filters.genre, artist_id=filters.artist_id
    )
    page = Paginator(songs, SONGS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "filters": filters, "query_string": _query_without_page(request)}
    if wants_fragment(request):
        return render(request, "recommender/partials/song_results.html", context)
    context |= {
        "quadrants": list(Quadrant),
        "genres": catalog_selectors.genres(),
        "artists": catalog_selectors.artists(),
    }
    return render(request, "recommender/song_list.html", context)


@require_safe
def song_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One song: what the model hears in it, what it did to the listener, and what sounds alike."""
    song = song_or_404(pk)
    estimate = current_estimate(song)
    context = {
        "estimate": estimate,
        "bars": _bars(estimate) if estimate else [],
        "window_end_s": estimate.window_start_s + estimate.window_s if estimate else None,
        "similar": selectors.similar_songs(song, k=SIMILAR_SONGS) if estimate else [],
        "label": label_of(request.user, song),
    }
    return render(request, "recommender/song_detail.html", context | felt_context(request, song))


@require_POST
def song_playlist(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a list of songs like one."""
    playlist = services.playlist_create_around(listener=listener_of(request), song=song_or_404(pk))
    return to_playlist(playlist, "?play=1")


def _bars(estimate: EmotionEstimate) -> list[dict[str, Any]]:
    return [{"quadrant": quadrant, "probability": estimate.probabilities[quadrant.index]} for quadrant in Quadrant]


def _query_without_page(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    return query.urlencode()
