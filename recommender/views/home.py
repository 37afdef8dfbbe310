"""The home page with its mood pad and mood check-ins, and the journey page with its preview."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from catalog import selectors as catalog_selectors
from catalog.core.charts import Point
from catalog.core.htmx import wants_fragment
from emotion.inference.quadrants import Quadrant
from recommender import selectors
from recommender.forms import DECADES, LENGTHS, WAY_POINTS, JourneyForm, MoodForm
from recommender.generate import generate
from recommender.models import DEFAULT_VARIETY
from recommender.pad import pad_picture
from recommender.ranking.journeys import PRESETS
from recommender.reasons.reasons import mood_name
from recommender.requests import DEFAULT_LENGTH, journey_request, listener_of, new_seed
from recommender.services import feedback, playlists
from recommender.views.common import own_playlists, song_or_404, to, to_playlist

RECENT_PLAYLISTS = 4
# Where the points stand at first: in the middle, and where most want to be.
_AXES = ("valence", "arousal")
_START, _END = (0.0, 0.0), (0.6, -0.4)
# Fields of the home page's form that are no part of a journey's address.
_NOT_ASKED = ("csrfmiddlewaretoken", "aim", "valence", "arousal", "quadrant", "press")
# Names of songs change seldom, and a sweep over the plane points at many.
SONG_KEPT_S = 300


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The mood pad."""
    return render(request, "recommender/home.html", _home_context(request))


@require_GET
def home_body(request: HttpRequest) -> HttpResponse:
    """The mood pad again, for a home page that waits for the first analysed song."""
    return render(request, "recommender/partials/home_body.html", _home_context(request))


@require_GET
def analysis_progress(request: HttpRequest) -> HttpResponse:
    """How many songs are analysed, and in which quadrants; it polls itself until none waits."""
    context = {"progress": _progress(polled=True), "has_songs": True, "quadrants": _filled_corners()}
    return render(request, "recommender/partials/analysis_progress.html", context)


@require_POST
def mood_check_in(request: HttpRequest) -> HttpResponse:
    """Record a mood check-in."""
    form = MoodForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return to("home")
    feedback.check_in_create(listener=listener_of(request), **form.cleaned_data)
    return _mood_answer(request)


@require_POST
def mood_withdraw(request: HttpRequest) -> HttpResponse:
    """Withdraw the present mood check-in."""
    feedback.check_in_withdraw(listener=listener_of(request))
    return _mood_answer(request)


def _progress(*, polled: bool = False) -> dict[str, int | bool]:
    """Return how far the model got through the catalog; `polled` when a page asks again."""
    counts = catalog_selectors.state_counts()
    analysed, failed = counts["tagged"], counts["failed"]
    waiting = sum(counts[state] for state in catalog_selectors.PENDING_STATES)
    return {"analysed": analysed, "waiting": waiting, "failed": failed, "total": analysed + waiting, "polled": polled}


def _mood_answer(request: HttpRequest) -> HttpResponse:
    if not wants_fragment(request):
        return to("home")
    return render(request, "recommender/partials/mood_now.html", _mood_context(request))


def _mood_context(request: HttpRequest) -> dict[str, Any]:
    mood = selectors.check_in_latest(listener_of(request))
    return {"mood": mood, "mood_word": mood_name((mood.valence, mood.arousal)) if mood else ""}


def _home_context(request: HttpRequest) -> dict[str, Any]:
    quadrants = _filled_corners()
    return {
        "quadrants": quadrants,
        "has_songs": any(corner["count"] for corner in quadrants),
        "progress": _progress(),
        **_mood_context(request),
        "recent_playlists": own_playlists(request)[:RECENT_PLAYLISTS],
        **limits_context(),
    }


def _filled_corners() -> list[dict[str, Any]]:
    typical = pad_picture().typical
    return [{**corner, "covers": typical[corner["quadrant"]]} for corner in corners(selectors.quadrant_counts())]


def corners(counts: dict[Quadrant, int] | None = None) -> list[dict[str, Any]]:
    """Return the quadrants as they lie on a plane, row by row, each with how many songs it has."""
    order = (Quadrant.Q2, Quadrant.Q1, Quadrant.Q3, Quadrant.Q4)
    return [{"quadrant": quadrant, "count": (counts or {}).get(quadrant, 0)} for quadrant in order]


def limits_context() -> dict[str, Any]:
    """Return what a form offers to limit a list by."""
    return {
        "genres": catalog_selectors.genres(),
        "lengths": LENGTHS,
        "default_length": DEFAULT_LENGTH,
        "decades": DECADES,
        "default_variety": DEFAULT_VARIETY,
    }


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
    songs = selectors.songs_in_order([pk])
    return render(request, "recommender/partials/pad_song.html", {"song": songs[0] if songs else song_or_404(pk)})


@require_safe
def artist_options(request: HttpRequest) -> HttpResponse:
    """Artists whose name begins with what was typed so far, for the list under the field."""
    names = catalog_selectors.artists_named_like(request.GET.get("artist_name", "")[:100])
    return render(request, "recommender/partials/artist_options.html", {"names": names})


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
        return to("journey")
    playlist = playlists.journey_create(listener=listener_of(request), path=form.path, **form.limits)
    return to_playlist(playlist, "?play=1")


def _journey_aim(request: HttpRequest) -> HttpResponse:
    """Show the journey from the listener's mood to the point of the home page's pad."""
    form = MoodForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return to("home")
    query = request.POST.copy()
    for name in _NOT_ASKED:
        query.pop(name, None)
    start = selectors.mood_now(listener_of(request)) or _START
    end = (form.cleaned_data["valence"], form.cleaned_data["arousal"])
    for name, value in {**_written("start", start), **_written("end", end)}.items():
        query[name] = value
    return to("journey", rest=f"?{query.urlencode()}")


def _preview(request: HttpRequest, form: JourneyForm) -> dict[str, Any]:
    wanted = journey_request(form.path, **form.limits)
    same, another = request.GET.copy(), request.GET.copy()
    same["seed"], another["seed"] = str(wanted.seed), str(new_seed())
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
        # The same journey to play, and another one to look at.
        "asked": list(same.items()),
        "another": another.urlencode(),
    }


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
    # In the order of the journey.
    labels = {
        "start": _("Where you are"),
        "via": _("First waypoint"),
        "via2": _("Second waypoint"),
        "via3": _("Third waypoint"),
        "end": _("Where you want to be"),
    }
    return {
        "values": values,
        "mood_known": mood is not None,
        "points": [
            {
                "name": name,
                "label": label,
                "valence": values.get(f"{name}_valence", "0"),
                "arousal": values.get(f"{name}_arousal", "0"),
                "optional": name in WAY_POINTS,
                "counts": name not in WAY_POINTS or bool(values.get(name)),
            }
            for name, label in labels.items()
        ],
        "presets": [
            {"preset": each, "end": _written("end", each.end) if each.end else None, "variety": f"{each.variety or ''}"}
            for each in PRESETS.values()
        ],
    }


def _written(name: str, point: Point) -> dict[str, str]:
    """A point as the form's fields hold it, with a decimal point in every language."""
    return {f"{name}_valence": f"{point[0]:.2f}", f"{name}_arousal": f"{point[1]:.2f}"}
