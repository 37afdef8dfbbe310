"""How pages write numbers, and show songs with their estimates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from catalog.core.wording import clock, file_size, percent
from catalog.models import Song
from emotion.inference.quadrants import Quadrant, place_words
from emotion.library.views import song_panel
from emotion.measures.words import key_words, loudness_words, tempo_words
from emotion.models import EFFECTIVE, EmotionEstimate, QuadrantOverride, Waveform
from emotion.pages.views import curve_panel, saliency_panel

register = template.Library()
for write in (clock, file_size, percent, place_words):
    register.filter(write)

MINUS = "\u2212"
# Whole phrases: "ago" changes the case of the noun in other languages.
_AGO: dict[str, Any] = {
    "year": ngettext_lazy("%(num)d year ago", "%(num)d years ago", "num"),
    "month": ngettext_lazy("%(num)d month ago", "%(num)d months ago", "num"),
    "week": ngettext_lazy("%(num)d week ago", "%(num)d weeks ago", "num"),
    "day": ngettext_lazy("%(num)d day ago", "%(num)d days ago", "num"),
    "hour": ngettext_lazy("%(num)d hour ago", "%(num)d hours ago", "num"),
    "minute": ngettext_lazy("%(num)d minute ago", "%(num)d minutes ago", "num"),
}


@register.filter
def grouped(number: int) -> str:
    """Write a large count with its thousands apart, as the language does, such as `100,000`."""
    return number_format(number, force_grouping=True)


@register.filter
def ago(moment: datetime) -> str:
    """Write how long ago a moment was, in its largest unit, such as `3 hours ago`."""
    if timezone.now() - moment < timedelta(minutes=1):
        return _("just now")
    return timesince(moment, time_strings=_AGO, depth=1)


@register.filter
def roughly(duration_s: float) -> str:
    """Write an estimated duration without false precision, such as `about 4 minutes`."""
    minutes = round(duration_s / 60)
    if minutes < 1:
        return _("less than a minute")
    if minutes < 90:
        return ngettext("about %(n)d minute", "about %(n)d minutes", minutes) % {"n": minutes}
    hours = round(minutes / 60)
    return ngettext("about %(n)d hour", "about %(n)d hours", hours) % {"n": hours}


@register.filter
def signed(value: float) -> str:
    """Write a coordinate of the plane as `+0.42` or `−0.42`, with a true minus sign."""
    # Django cuts digits off; and a rounded zero has no sign of its own.
    rounded = round(value, 2)
    return f"{'+' if rounded >= 0 else MINUS}{number_format(abs(rounded), 2)}"


@register.filter
def plane_x(valence: float) -> str:
    """Place a valence in [-1, 1] on the small plane, from left to right."""
    # In a view box of 100, with a margin of 5 that keeps a point on the edge whole.
    return f"{5 + 45 * (valence + 1):.2f}"


@register.filter
def plane_y(arousal: float) -> str:
    """Place an arousal in [-1, 1] on the small plane; SVG counts downwards."""
    return plane_x(-arousal)


@register.filter
def quadrant(number: int | str) -> Quadrant:
    """Turn a stored quadrant number into the quadrant, with its label and description."""
    return Quadrant(int(number))


@register.inclusion_tag("emotion/partials/curve.html")
def emotion_curve(song: Song, estimate: EmotionEstimate) -> dict[str, Any]:
    """Show the emotion curve of a song, or that it is on its way."""
    return curve_panel(song, estimate)


@register.inclusion_tag("emotion/partials/measures.html")
def song_measures(song: Song) -> dict[str, Any]:
    """Show the tempo, the key and the loudness of a song, as far as they are known."""
    row: Waveform | None = getattr(song, "waveform", None)
    facts = {
        "tempo": tempo_words(row.bpm, row.bpm_other, row.bpm_confidence or 0.0) if row and row.bpm else "",
        "key": key_words(row.key, row.key_confidence or 0.0) if row and row.key is not None else "",
        "loudness": loudness_words(row.loudness_lufs) if row and row.loudness_lufs is not None else "",
    }
    return {**facts, "any": any(facts.values())}


@register.inclusion_tag("emotion/partials/saliency.html", takes_context=True)
def emotion_saliency(context: template.RequestContext, song: Song, estimate: EmotionEstimate) -> dict[str, Any]:
    """Show what the model reads of a song, and where it looked when it analysed it."""
    return {"csrf_token": context.get("csrf_token"), **saliency_panel(song, estimate)}


@register.inclusion_tag("emotion/partials/curator_tools.html", takes_context=True)
def curator_tools(context: template.RequestContext, song: Song, estimate: EmotionEstimate | None) -> dict[str, Any]:
    """Show what a curator can do with a song; the including template checks for one."""
    return {"csrf_token": context.get("csrf_token"), "estimate": estimate, **song_panel(song)}


@register.inclusion_tag("emotion/partials/mood_word.html", takes_context=True)
def mood_word(context: template.RequestContext, estimate: EmotionEstimate) -> dict[str, Any]:
    """Show what a curator set, with the name only for curators, or between which moods the model is undecided."""
    set_by = ""
    if estimate.is_overridden and context.get("can_upload"):
        current = QuadrantOverride.objects.filter(song=estimate.song_id, is_current=True)
        set_by = current.values_list("change__made_by__username", flat=True).first() or ""
    return {"estimate": estimate, "set_by": set_by, "between": estimate.between}


@register.simple_tag
def estimates_of(rows: Iterable[Any]) -> dict[int, EmotionEstimate]:
    """Return the current estimates of rows' songs by `song_id`, in one query for a whole page."""
    ids = {row.song_id for row in rows if row.song_id is not None}
    current = EmotionEstimate.objects.filter(song_id__in=ids, is_current=True).with_effective()
    return {estimate.song_id: estimate for estimate in current.defer("embedding_bytes")}


@register.filter
def row_version(song: Song, estimate: EmotionEstimate | str | None) -> str:
    """Write all that the row of a song shows of it, so that a row that is kept by it is never old."""
    shown: list[object] = [song.pk, song.title, song.artist_id, song.by, song.album_id, song.album and song.album.title]
    shown += [song.genre, song.state, song.duration_s, song.mime_type, song.bit_rate, song.year]
    # A template gives an empty string for what is not there.
    if isinstance(estimate, EmotionEstimate):
        shown += [getattr(estimate, name) for name in (*EFFECTIVE, "highlight_s")]
    return repr(shown)


@register.filter
def of_song(estimates: dict[int, EmotionEstimate], song_id: int | None) -> EmotionEstimate | None:
    """Pick the estimate of a song, if it has one."""
    return estimates.get(song_id or 0)
