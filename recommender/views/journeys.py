"""The journey page: a start, up to three way-points, an end, and a preview of the songs on the way."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from catalog.core.htmx import wants_fragment
from catalog.core.points import Point
from recommender import selectors
from recommender.forms import WAY_POINTS, JourneyForm, MoodForm
from recommender.generate import generate
from recommender.ranking.journey_path import PRESETS
from recommender.requests import PlaylistRequest, journey_request, listener_of, seed_or_new
from recommender.services import playlists
from recommender.views.common import to_playlist
from recommender.views.home import corners, limits_context

# Where the points stand at first: in the middle, and where most want to be.
_AXES = ("valence", "arousal")
_START, _END = (0.0, 0.0), (0.6, -0.4)
# Fields of the home page's form that are no part of a journey's address.
_NOT_ASKED = ("csrfmiddlewaretoken", "aim", "valence", "arousal", "quadrant", "press")


@require_http_methods(["GET", "HEAD", "POST"])
def journey(request: HttpRequest) -> HttpResponse:
    """Choose a journey; a query that names one shows it before it is made, POST makes it."""
    if request.method == "POST":
        return _journey_aim(request) if "aim" in request.POST else _journey_create(request)
    form = JourneyForm(request.GET) if request.GET else None
    context: dict[str, Any] = {"form": form, **_form_context(request)}
    if form is not None and form.is_valid():
        context |= _preview(request, form)
    if wants_fragment(request):
        return render(request, "recommender/partials/journey_preview.html", context | {"is_fragment": True})
    return render(request, "recommender/journey.html", context | limits_context() | {"quadrants": corners()})


def _journey_create(request: HttpRequest) -> HttpResponse:
    form = JourneyForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return redirect("recommender:journey")
    playlist = playlists.journey_create(listener=listener_of(request), path=form.path, **form.limits)
    return to_playlist(playlist, "?play=1")


def _journey_aim(request: HttpRequest) -> HttpResponse:
    """Show the journey from the listener's mood to the point of the home page's pad."""
    form = MoodForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return redirect("recommender:home")
    asked = request.POST.copy()
    for name in _NOT_ASKED:
        asked.pop(name, None)
    start = selectors.mood_now(listener_of(request)) or _START
    end = (form.cleaned_data["valence"], form.cleaned_data["arousal"])
    for name, value in {**_written("start", start), **_written("end", end)}.items():
        asked[name] = value
    return redirect(f"{reverse('recommender:journey')}?{asked.urlencode()}")


def _preview(request: HttpRequest, form: JourneyForm) -> dict[str, Any]:
    limits = form.limits | {"seed": seed_or_new(form.limits["seed"])}
    wanted = journey_request(path=form.path, **limits)
    generated = generate(listener=listener_of(request), request=wanted)
    songs = {song.pk: song for song in selectors.songs_in_order([each.song_id for each in generated.entries])}
    entries = [each for each in generated.entries if each.song_id in songs]
    return {
        "path": wanted.path,
        "note": generated.note,
        "steps": [{"song": songs[each.song_id], "reason": each.reason} for each in entries],
        "way": [
            {"valence": each.felt[0], "arousal": each.felt[1], "title": songs[each.song_id].title} for each in entries
        ],
        **_queries(request, wanted),
    }


def _queries(request: HttpRequest, wanted: PlaylistRequest) -> dict[str, Any]:
    """The same journey to play, and another one to look at."""
    asked = request.GET.copy()
    asked["seed"] = str(wanted.seed)
    another: QueryDict = request.GET.copy()
    another["seed"] = str(seed_or_new(None))
    return {"asked": list(asked.items()), "another": another.urlencode()}


# --- The form -------------------------------------------------------------------------------------------------------


def _form_context(request: HttpRequest) -> dict[str, Any]:
    """The form's values: the query's, else the listener's mood check-in."""
    mood = None if "start_valence" in request.GET else selectors.mood_now(listener_of(request))
    start = mood or _START
    values: dict[str, Any] = {**_written("start", start), **_written("end", _END), **request.GET.dict()}
    preset = PRESETS.get(values.get("preset", ""))
    if preset is not None:
        values |= (
            _written("end", preset.end) if preset.end else {f"end_{axis}": values[f"start_{axis}"] for axis in _AXES}
        )
        values |= {} if preset.variety is None else {"variety": f"{preset.variety:.1f}"}
    return {
        "values": values,
        "mood_known": mood is not None,
        "points": _points(values),
        "presets": [
            {"preset": each, "end": _written("end", each.end) if each.end else None, "variety": f"{each.variety or ''}"}
            for each in PRESETS.values()
        ],
    }


def _points(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The points of the form in the order of the journey, with the values of their sliders."""
    labels = {
        "start": _("Where you are"),
        "via": _("First waypoint"),
        "via2": _("Second waypoint"),
        "via3": _("Third waypoint"),
        "end": _("Where you want to be"),
    }
    return [
        {
            "name": name,
            "label": label,
            "valence": values.get(f"{name}_valence", "0"),
            "arousal": values.get(f"{name}_arousal", "0"),
            "optional": name in WAY_POINTS,
            "counts": name not in WAY_POINTS or bool(values.get(name)),
        }
        for name, label in labels.items()
    ]


def _written(name: str, point: Point) -> dict[str, str]:
    """A point as the form's fields hold it, with a decimal point in every language."""
    return {f"{name}_valence": f"{point[0]:.2f}", f"{name}_arousal": f"{point[1]:.2f}"}
