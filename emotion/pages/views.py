"""Pages of the emotion app: pictures, curve and labels of a song, and the state of the analysis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.formats import number_format
from django.utils.http import quote_etag
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.core.files import digest
from catalog.core.htmx import wants_fragment
from catalog.core.wording import clock
from catalog.files.storage import media_exists
from catalog.models import Song
from emotion import selectors
from emotion.curves.curve import curve_chart
from emotion.exceptions import CurveError, CurveNotFoundError, NotExplainableError
from emotion.inference.quadrants import Quadrant
from emotion.jobs import saliency
from emotion.models import EmotionEstimate, SaliencyMap, quadrant_choices
from emotion.pages.status import status_context
from emotion.serializers import waveform_json
from emotion.services import labels, pictures

# A browser shows a picture again without asking; afterwards it asks with the ETag.
_PICTURE_MAX_AGE_S = 3600


@require_safe
def spectrogram(request: HttpRequest, pk: int) -> HttpResponse:
    """The song's log-mel image as a PNG."""
    song = _song_with_file(pk)
    # The picture depends on the song's bytes and on the live model's images, so a match needs no drawing.
    name = f"{song.content_hash}-mel-{selectors.served_version()}"
    return _picture(request, name, lambda: pictures.song_spectrogram_png(song))


@require_safe
def saliency_picture(request: HttpRequest, pk: int) -> HttpResponse:
    """The same picture with what mattered for the estimate left bright; 404 until it is requested and computed."""
    song = _song_with_file(pk)
    estimate = selectors.current_estimate(song)
    row = selectors.saliency_of(estimate) if estimate else None
    if row is None or row.state != SaliencyMap.DONE:
        raise Http404(_("The estimate of song %(song)d has not been explained yet.") % {"song": pk})
    name = f"{song.content_hash}-saliency-{row.model_version}"
    return _picture(request, name, lambda: pictures.song_saliency_png(row))


def _song_with_file(pk: int) -> Song:
    song = get_object_or_404(Song, pk=pk)
    if not media_exists(song.audio):
        raise Http404(_("The file of song %(song)d is missing.") % {"song": pk})
    return song


def _picture(request: HttpRequest, name: str, draw: Callable[[], bytes]) -> HttpResponse:
    etag = quote_etag(name)
    response = get_conditional_response(request, etag=etag) or HttpResponse(draw(), content_type="image/png")
    response["ETag"] = etag
    patch_cache_control(response, private=True, max_age=_PICTURE_MAX_AGE_S)
    return response


@require_safe
def song_curve(request: HttpRequest, pk: int) -> HttpResponse:
    """The panel with the emotion curve, which reloads itself until the curve is there."""
    song = get_object_or_404(Song.objects.select_related("artist"), pk=pk)
    if not wants_fragment(request):
        return redirect(song.get_absolute_url() + "#emotion-curve")
    return render(request, "emotion/partials/curve.html", curve_panel(song))


@require_safe
def song_waveform(request: HttpRequest, pk: int) -> HttpResponse:
    """What the player draws of a song: its loudness and its emotion over its length, as JSON."""
    response = JsonResponse(waveform_json(get_object_or_404(Song, pk=pk)))
    # Names are in the reader's language, and another model may analyse the song: the browser asks whether it changed.
    patch_vary_headers(response, ["Accept-Language", "Cookie"])
    patch_cache_control(response, private=True, no_cache=True)
    response["ETag"] = quote_etag(digest(response.content)[:32])
    return get_conditional_response(request, etag=response["ETag"], response=response) or response


@require_http_methods(["GET", "HEAD", "POST"])
def song_saliency(request: HttpRequest, pk: int) -> HttpResponse:
    """The panel that explains the estimate; a POST requests the explanation, which a worker then computes."""
    song = get_object_or_404(Song.objects.select_related("artist"), pk=pk)
    problem = ""
    if request.method == "POST":
        try:
            saliency.saliency_request(song=song)
        except NotExplainableError as error:
            problem = str(error)
    if not wants_fragment(request):
        if problem:
            messages.error(request, problem)
        return redirect(song.get_absolute_url() + "#saliency")
    return render(request, "emotion/partials/saliency.html", saliency_panel(song, problem=problem))


class PerceivedForm(forms.Form):
    """A quadrant, or nothing, which withdraws the label."""

    quadrant = forms.TypedChoiceField(
        choices=quadrant_choices(), coerce=lambda value: Quadrant(int(value)), required=False, empty_value=None
    )


@require_POST
def song_perceived(request: HttpRequest, pk: int) -> HttpResponse:
    """Store or withdraw what a person says that a song expresses; answers with the panel, or redirects to the page."""
    song = get_object_or_404(Song.objects.select_related("artist"), pk=pk)
    back = redirect(song)
    if not isinstance(request.user, User):
        return redirect_to_login(back["Location"])
    form = PerceivedForm(request.POST)
    if form.is_valid():
        if (quadrant := form.cleaned_data["quadrant"]) is None:
            labels.perceived_label_remove(user=request.user, song=song)
        else:
            labels.perceived_label_set(user=request.user, song=song, quadrant=quadrant)
    if not wants_fragment(request):
        return back
    context = {
        "song": song,
        "label": selectors.label_of(request.user, song),
        "label_problem": "" if form.is_valid() else _("Choose one of the four quadrants."),
    }
    return render(request, "emotion/partials/perceived_panel.html", context)


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """Queue, speed, workers and failures; the same address answers its own refresh with the fragment."""
    template = "emotion/partials/status_body.html" if wants_fragment(request) else "emotion/status.html"
    return render(request, template, status_context(user=request.user, span=request.GET.get("span", "")))


def curve_panel(song: Song, estimate: EmotionEstimate | None = None) -> dict[str, Any]:
    """Return the context of `emotion/partials/curve.html`; `curve_state` is done, waiting, failed or absent."""
    try:
        curve = selectors.curve_visible(song, estimate)
    except CurveError as error:
        return {"song": song, "curve_state": "failed", "curve_problem": str(error)}
    except CurveNotFoundError as error:
        return {"song": song, "curve_state": "absent", "curve_problem": str(error)}
    if curve is None:
        return {"song": song, "curve_state": "waiting"}
    read = selectors.curve_read(curve, duration_s=song.duration_s)
    # At most forty rows: the API has every point of a long song.
    step = -(-len(read.points) // 40)
    table = np.column_stack([read.times_s, read.points[:, :2], read.sd])[::step].tolist()
    names = ("time_s", "valence", "arousal", "valence_sd", "arousal_sd")
    drawing = {
        "chart": curve_chart(read.points, read.sd, read.times_s, song.duration_s, read.sections),
        "sentence": read.sentence,
        "sections": read.sections,
        "rows": [dict(zip(names, (None if math.isnan(v) else v for v in row), strict=True)) for row in table],
        "hop_s": curve.hop_s,
        "window_s": curve.window_s,
        "model_version": curve.model_version,
    }
    return {"song": song, "curve_state": "done", "curve": drawing}


def saliency_panel(song: Song, estimate: EmotionEstimate | None = None, problem: str = "") -> dict[str, Any]:
    """Return the context of `emotion/partials/saliency.html`; `problem` is why a request for it is refused."""
    estimate = estimate or selectors.current_estimate(song)
    row = selectors.saliency_of(estimate) if estimate else None
    return {
        "song": song,
        "estimate": estimate,
        "saliency": row,
        "saliency_words": saliency_sentence(row) if row and row.state == SaliencyMap.DONE else "",
        "saliency_problem": problem or (_(row.failure_reason) if row else ""),
    }


def saliency_sentence(saliency: SaliencyMap) -> str:
    """Say which seconds and which frequencies mattered most."""
    seconds = _spans(saliency.weighed.get("seconds", []), clock)
    bands = _spans(saliency.weighed.get("bands_hz", []), _hz)
    if not seconds and not bands:
        return _("No second and no frequency band stands out: the whole spectrogram contributed about equally.")
    if not bands:
        sentence = _("What mattered most for “%(mood)s”: the seconds %(seconds)s, and all frequencies alike.")
    elif not seconds:
        sentence = _("What mattered most for “%(mood)s”: all seconds alike, and the frequencies %(bands)s.")
    else:
        sentence = _("What mattered most for “%(mood)s”: the seconds %(seconds)s, and the frequencies %(bands)s.")
    return sentence % {"mood": saliency.get_quadrant_display(), "seconds": seconds, "bands": bands}


def _spans(spans: Sequence[dict[str, float]], write: Callable[[float], str]) -> str:
    written = [_("%(start)s to %(end)s") % {"start": write(s["start"]), "end": write(s["end"])} for s in spans]
    return _(" and ").join(written)


def _hz(frequency_hz: float) -> str:
    is_high = frequency_hz >= 1000
    return f"{number_format(frequency_hz / 1000, 1)} kHz" if is_high else f"{round(frequency_hz, -1):.0f} Hz"
