"""How numbers of songs and estimates are written on pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from catalog.core.formats import clock, file_size, percent
from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate
from emotion.pages.views import curve_panel, saliency_panel

register = template.Library()
for write in (clock, file_size, percent):
    register.filter(write)

# The small plane is drawn in a 100 by 100 view box, with a margin so that a point on the edge stays whole.
_PLANE_SIZE = 100.0
_PLANE_MARGIN = 5.0
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
    """Write how long ago something was, in its largest unit, such as `3 hours ago`."""
    if timezone.now() - moment < timedelta(minutes=1):
        return _("just now")
    return timesince(moment, time_strings=_AGO, depth=1)


@register.filter
def roughly(duration_s: float) -> str:
    """Write a guess at a duration without more precision than it has, such as `about 4 minutes`."""
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
    return f"{'+' if value >= 0 else MINUS}{number_format(abs(value), 2)}"


@register.filter
def plane_x(valence: float) -> str:
    """Place a valence in [-1, 1] on the small plane, from left to right."""
    return _place(valence)


@register.filter
def plane_y(arousal: float) -> str:
    """Place an arousal in [-1, 1] on the small plane; SVG counts downwards."""
    return _place(-arousal)


@register.filter
def quadrant(number: int | str) -> Quadrant:
    """Turn a stored quadrant number into the quadrant, with its label and description."""
    return Quadrant(int(number))


@register.inclusion_tag("emotion/partials/curve.html")
def emotion_curve(song: Song, estimate: EmotionEstimate) -> dict[str, Any]:
    """Show the emotion curve of a song, or that it is on its way."""
    return curve_panel(song, estimate)


@register.inclusion_tag("emotion/partials/saliency.html", takes_context=True)
def emotion_saliency(context: template.RequestContext, song: Song, estimate: EmotionEstimate) -> dict[str, Any]:
    """Show what the model looks at in a song, and where it looked when it tagged it."""
    return {"csrf_token": context.get("csrf_token"), **saliency_panel(song, estimate)}


def _place(value: float) -> str:
    span = _PLANE_SIZE - 2 * _PLANE_MARGIN
    return f"{_PLANE_MARGIN + (value + 1) / 2 * span:.2f}"
