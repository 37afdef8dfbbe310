"""The journey page: a start, an end, and a preview of the songs on the way."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from recommender import selectors, services
from recommender.composition import compose
from recommender.forms import JourneyForm
from recommender.journey import PRESETS
from recommender.services.playlists import seed_or_new
from recommender.values import Wish
from recommender.views.common import listener_of, to_playlist, wants_fragment
from recommender.views.home import limits_context

# Where the pads stand before anybody moved them: in the middle, and where most want to be.
_DEFAULTS = {"start_valence": 0.0, "start_arousal": 0.0, "end_valence": 0.6, "end_arousal": -0.4}


@require_http_methods(["GET", "HEAD", "POST"])
def journey(request: HttpRequest) -> HttpResponse:
    """Choose a journey; a query that names one shows it before it is made, POST makes it."""
    if request.method == "POST":
        return _journey_create(request)
    form = JourneyForm(request.GET) if request.GET else None
    context: dict[str, Any] = {"form": form, "values": _values(request), "presets": PRESETS.values()}
    if form is not None and form.is_valid():
        context |= _preview(request, form)
    if wants_fragment(request):
        return render(request, "recommender/partials/journey_preview.html", context)
    return render(request, "recommender/journey.html", context | limits_context())


def _journey_create(request: HttpRequest) -> HttpResponse:
    form = JourneyForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return redirect("recommender:journey")
    playlist = services.journey_create(listener=listener_of(request), path=form.path, **form.limits)
    return to_playlist(playlist, "?play=1")


def _preview(request: HttpRequest, form: JourneyForm) -> dict[str, Any]:
    limits = form.limits | {"seed": seed_or_new(form.limits["seed"])}
    wish = services.journey_wish(path=form.path, **limits)
    composition = compose(listener=listener_of(request), wish=wish)
    songs = {song.pk: song for song in selectors.songs_in_order([each.song_id for each in composition.placements])}
    placements = [each for each in composition.placements if each.song_id in songs]
    return {
        "path": wish.path,
        "note": composition.note,
        "steps": [{"song": songs[each.song_id], "reason": each.reason} for each in placements],
        "way": [
            {"valence": each.felt[0], "arousal": each.felt[1], "title": songs[each.song_id].title}
            for each in placements
        ],
        **_queries(request, wish),
    }


def _queries(request: HttpRequest, wish: Wish) -> dict[str, Any]:
    """The same journey to play, and another one to look at."""
    asked = request.GET.copy()
    asked["seed"] = str(wish.seed)
    another: QueryDict = request.GET.copy()
    another["seed"] = str(seed_or_new(None))
    return {"asked": list(asked.items()), "another": another.urlencode()}


def _values(request: HttpRequest) -> dict[str, Any]:
    """What the form shows: what was asked, else how the listener said they are."""
    mood = None if "start_valence" in request.GET else selectors.mood_now(listener_of(request))
    start = {} if mood is None else {"start_valence": mood[0], "start_arousal": mood[1]}
    return {**_DEFAULTS, **start, "mood_known": mood is not None, **request.GET.dict()}
