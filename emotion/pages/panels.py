"""What the panels of a song's page show of its curve and of its tag; the page and their own addresses share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from catalog.core.formats import clock
from catalog.models import Song
from emotion import selectors
from emotion.curves.chart import CurveChart, curve_chart
from emotion.curves.sections import Section
from emotion.exceptions import CurveError, CurveNotFoundError
from emotion.models import EmotionEstimate, SaliencyMap

# A table of every point of a long song is of use to nobody; the API has them all.
_TABLE_ROWS = 40


@dataclass(frozen=True, slots=True)
class CurveRow:
    """A point of a curve as a line of the table; None where the song is silent."""

    time_s: float
    valence: float | None
    valence_sd: float | None
    arousal: float | None
    arousal_sd: float | None


@dataclass(frozen=True, slots=True)
class CurveDrawing:
    """A finished curve as the page shows it."""

    chart: CurveChart
    sentence: str
    sections: tuple[Section, ...]
    rows: tuple[CurveRow, ...]
    hop_s: float
    window_s: float
    model_version: str


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
    drawing = CurveDrawing(
        chart=curve_chart(read.points, read.times_s, song.duration_s, read.sections),
        sentence=read.sentence,
        sections=read.sections,
        rows=_rows(read),
        hop_s=curve.hop_s,
        window_s=curve.window_s,
        model_version=curve.model_version,
    )
    return {"song": song, "curve_state": "done", "curve": drawing}


def _rows(read: selectors.CurveReading) -> tuple[CurveRow, ...]:
    step = -(-len(read.points) // _TABLE_ROWS)
    rows = zip(read.times_s, read.points, *read.spreads, strict=True)
    return tuple(
        CurveRow(float(time_s), None, None, None, None)
        if point[0] != point[0]
        else CurveRow(float(time_s), float(point[0]), float(valence_sd), float(point[1]), float(arousal_sd))
        for time_s, point, valence_sd, arousal_sd in list(rows)[::step]
    )


def saliency_panel(song: Song, estimate: EmotionEstimate | None = None, problem: str = "") -> dict[str, Any]:
    """Return the context of `emotion/partials/attention.html`.

    Args:
        song: the song.
        estimate: its current tag, where the caller has it already.
        problem: why the explanation that was asked for cannot be made.
    """
    estimate = estimate or selectors.current_estimate(song)
    found = selectors.saliency_of(estimate) if estimate else None
    return {
        "song": song,
        "estimate": estimate,
        "attention": found,
        "attention_words": attention_words(found) if found and found.state == SaliencyMap.State.DONE else "",
        "attention_problem": problem or (_(found.failure_reason) if found else ""),
    }


def attention_words(found: SaliencyMap) -> str:
    """Say which seconds and which frequencies weighed most, such as `Most weight lies at 1:02 to 1:09 ...`."""
    seconds = _spans(found.weighed.get("seconds", []), clock)
    bands = _spans(found.weighed.get("bands_hz", []), _hz)
    if not seconds and not bands:
        return _("No second and no band of frequency stands out: the whole picture weighed about the same.")
    if not bands:
        sentence = _("What weighed most for “%(mood)s”: the seconds %(seconds)s, and all frequencies alike.")
    elif not seconds:
        sentence = _("What weighed most for “%(mood)s”: all seconds alike, and the frequencies %(bands)s.")
    else:
        sentence = _("What weighed most for “%(mood)s”: the seconds %(seconds)s, and the frequencies %(bands)s.")
    return sentence % {"mood": found.get_quadrant_display(), "seconds": seconds, "bands": bands}


def _spans(places: Sequence[Mapping[str, float]], words: Callable[[float], str]) -> str:
    spans = [_("%(start)s to %(end)s") % {"start": words(one["start"]), "end": words(one["end"])} for one in places]
    return _(" and ").join(spans)


def _hz(frequency_hz: float) -> str:
    if frequency_hz >= 1000:
        return f"{number_format(frequency_hz / 1000, 1)} kHz"
    return f"{round(frequency_hz, -1):.0f} Hz"
