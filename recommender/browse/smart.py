"""Smart lists that everybody has."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy


class ReadyList(NamedTuple):
    """A smart list for everybody: its name in an address, its title, what it is, and its rules."""

    slug: str
    title: Promise | str
    about: Promise | str
    query: str


READY = (
    ReadyList(
        "bright-mornings",
        gettext_lazy("Bright mornings"),
        gettext_lazy("Pleasant, neither sleepy nor loud"),
        "valence_from=0.15&arousal_from=-0.3&arousal_to=0.4",
    ),
    ReadyList(
        "wind-down",
        gettext_lazy("Wind down"),
        gettext_lazy("Calm, and not sad"),
        "valence_from=0&arousal_to=-0.25",
    ),
    ReadyList(
        "full-of-energy",
        gettext_lazy("Full of energy"),
        gettext_lazy("The most energetic songs that are pleasant"),
        "valence_from=0&arousal_from=0.4",
    ),
    ReadyList(
        "liked-long-unheard",
        gettext_lazy("Liked but long unheard"),
        gettext_lazy("Liked by you, not played for 30 days"),
        "liked=on&unplayed_days=30",
    ),
    ReadyList(
        "never-played",
        gettext_lazy("Never played"),
        gettext_lazy("Songs that you have not heard here"),
        "plays_to=0",
    ),
    ReadyList("new", gettext_lazy("New this month"), gettext_lazy("Added in the last 30 days"), "added_days=30"),
)
READY_BY_SLUG = {each.slug: each for each in READY}
