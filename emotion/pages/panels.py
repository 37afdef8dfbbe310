"""What the panels of a song's page show of its curve and of its estimate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from catalog.core.formats import clock
from catalog.models import Song
from emotion import selectors
from emotion.curves.curve import curve_chart
from emotion.exceptions import CurveError, CurveNotFoundError
from emotion.models import EmotionEstimate, SaliencyMap

# A table of every point of a long song helps nobody; the API has them all.
_TABLE_ROWS = 40


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
    step = -(-len(read.points) // _TABLE_ROWS)
    table = np.column_stack([read.times_s, read.points[:, :2], *read.spreads])[::step].tolist()
    names = ("time_s", "valence", "arousal", "valence_sd", "arousal_sd")
    drawing = {
        "chart": curve_chart(read.points, read.times_s, song.duration_s, read.sections),
        "sentence": read.sentence,
        "sections": read.sections,
        # A silent point is NaN, which is not equal to itself.
        "rows": [dict(zip(names, (v if v == v else None for v in row), strict=True)) for row in table],
        "hop_s": curve.hop_s,
        "window_s": curve.window_s,
        "model_version": curve.model_version,
    }
    return {"song": song, "curve_state": "done", "curve": drawing}


def saliency_panel(song: Song, estimate: EmotionEstimate | None = None, problem: str = "") -> dict[str, Any]:
    """Return the context of `emotion/partials/attention.html`.

    Args:
        song: The song.
        estimate: Its current estimate, where the caller has it already.
        problem: Why the explanation that was asked for cannot be made.
    """
    estimate = estimate or selectors.current_estimate(song)
    saliency = selectors.saliency_of(estimate) if estimate else None
    is_done = saliency is not None and saliency.state == SaliencyMap.State.DONE
    return {
        "song": song,
        "estimate": estimate,
        "attention": saliency,
        "attention_words": saliency_sentence(saliency) if saliency and is_done else "",
        "attention_problem": problem or (_(saliency.failure_reason) if saliency else ""),
    }


def saliency_sentence(saliency: SaliencyMap) -> str:
    """Say which seconds and which frequencies weighed most, such as `Most weight lies at 1:02 to 1:09 ...`."""
    seconds = _spans(saliency.weighed.get("seconds", []), clock)
    bands = _spans(saliency.weighed.get("bands_hz", []), _hz)
    if not seconds and not bands:
        return _("No second and no band of frequency stands out: the whole picture weighed about the same.")
    if not bands:
        sentence = _("What weighed most for “%(mood)s”: the seconds %(seconds)s, and all frequencies alike.")
    elif not seconds:
        sentence = _("What weighed most for “%(mood)s”: all seconds alike, and the frequencies %(bands)s.")
    else:
        sentence = _("What weighed most for “%(mood)s”: the seconds %(seconds)s, and the frequencies %(bands)s.")
    return sentence % {"mood": saliency.get_quadrant_display(), "seconds": seconds, "bands": bands}


def _spans(spans: Sequence[dict[str, float]], write: Callable[[float], str]) -> str:
    written = [_("%(start)s to %(end)s") % {"start": write(s["start"]), "end": write(s["end"])} for s in spans]
    return _(" and ").join(written)


def _hz(frequency_hz: float) -> str:
    if frequency_hz >= 1000:
        return f"{number_format(frequency_hz / 1000, 1)} kHz"
    return f"{round(frequency_hz, -1):.0f} Hz"
