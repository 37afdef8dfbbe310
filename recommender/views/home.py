"""The home page: the mood pad with its requests, and mood check-ins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import get_conditional_response
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_POST, require_safe

from catalog import selectors as catalog_selectors
from catalog.core.htmx import wants_fragment
from catalog.selectors import artists_named_like
from emotion.inference.quadrants import Quadrant
from recommender import selectors
from recommender.forms import DECADES, LENGTHS, MoodForm
from recommender.models import DEFAULT_VARIETY
from recommender.pad.cache import pad_picture
from recommender.reasons.reasons import mood_name
from recommender.requests import DEFAULT_LENGTH, listener_of
from recommender.selectors import songs_in_order
from recommender.services import feedback
from recommender.views.common import own_playlists, song_or_404

RECENT_PLAYLISTS = 4


@dataclass(frozen=True, slots=True)
class TaggingProgress:
    """How far the model got through the catalog; `polled` when a page asks again."""

    tagged: int
    waiting: int
    failed: int
    polled: bool = False

    @property
    def total(self) -> int:
        """Songs that have been or will be tagged."""
        return self.tagged + self.waiting

    @classmethod
    def read(cls, *, polled: bool = False) -> TaggingProgress:
        """Count now."""
        counts = catalog_selectors.state_counts()
        waiting = sum(counts[state] for state in catalog_selectors.PENDING_STATES)
        return cls(tagged=counts["tagged"], waiting=waiting, failed=counts["failed"], polled=polled)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The mood pad."""
    return render(request, "recommender/home.html", _home_context(request))


@require_GET
def home_body(request: HttpRequest) -> HttpResponse:
    """The mood pad again, for a home page that waits for the first tagged song."""
    return render(request, "recommender/partials/home_body.html", _home_context(request))


@require_GET
def tagging_progress(request: HttpRequest) -> HttpResponse:
    """How many songs are tagged; it polls itself until none waits."""
    context = {"progress": TaggingProgress.read(polled=True), "has_songs": True}
    return render(request, "recommender/partials/tagging_progress.html", context)


@require_POST
def mood_check_in(request: HttpRequest) -> HttpResponse:
    """Record a mood check-in."""
    form = MoodForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return redirect("recommender:home")
    feedback.check_in_create(listener=listener_of(request), **form.cleaned_data)
    return _mood_answer(request)


@require_POST
def mood_withdraw(request: HttpRequest) -> HttpResponse:
    """Withdraw the present mood check-in."""
    feedback.check_in_withdraw(listener=listener_of(request))
    return _mood_answer(request)


def _mood_answer(request: HttpRequest) -> HttpResponse:
    if not wants_fragment(request):
        return redirect("recommender:home")
    return render(request, "recommender/partials/mood_now.html", _mood_context(request))


def _mood_context(request: HttpRequest) -> dict[str, Any]:
    mood = selectors.check_in_latest(listener_of(request))
    return {"mood": mood, "mood_word": mood_name((mood.valence, mood.arousal)) if mood else ""}


def _home_context(request: HttpRequest) -> dict[str, Any]:
    counts = selectors.quadrant_counts()
    return {
        "quadrants": corners(counts),
        "has_songs": any(counts.values()),
        "progress": TaggingProgress.read(),
        **_mood_context(request),
        "recent_playlists": own_playlists(request)[:RECENT_PLAYLISTS],
        **limits_context(),
    }


def corners(counts: dict[Quadrant, int] | None = None) -> list[dict[str, Any]]:
    """Return the quadrants as they lie on a plane, row by row, each with how many songs it has."""
    plane_order = (Quadrant.Q2, Quadrant.Q1, Quadrant.Q3, Quadrant.Q4)
    return [{"quadrant": quadrant, "count": (counts or {}).get(quadrant, 0)} for quadrant in plane_order]


def limits_context() -> dict[str, Any]:
    """Return what a form offers to limit a list by."""
    return {
        "genres": catalog_selectors.genres(),
        "lengths": LENGTHS,
        "default_length": DEFAULT_LENGTH,
        "decades": DECADES,
        "default_variety": DEFAULT_VARIETY,
    }


# Names of songs change seldom, and a sweep over the plane points at many.
SONG_KEPT_S = 300


@require_safe
@cache_control(private=True, no_cache=True)
def pad_points(request: HttpRequest) -> HttpResponse:
    """Where every song lies on the plane, as `recommender.pad.encoding` writes it; 304 if unchanged."""
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
