"""The sentences of `recommender.reasons.insights` that come in several forms, each of them whole. Pure.

`axis` is 0 for pleasantness and 1 for energy; `kind` is what the songs sound like, such as "calm", empty for all songs.
"""

from __future__ import annotations

from catalog.core.formats import percent
from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop

_AS_THEY_SOUND = (
    gettext_noop("In pleasantness, songs leave you about as they sound."),
    gettext_noop("In energy, songs leave you about as they sound."),
)
_KIND_AS_THEY_SOUND = (
    gettext_noop("In pleasantness, songs that sound %(kind)s leave you about as they sound."),
    gettext_noop("In energy, songs that sound %(kind)s leave you about as they sound."),
)
_WHETHER = (
    gettext_noop("Whether songs leave you sadder or happier than they sound."),
    gettext_noop("Whether songs leave you calmer or more energetic than they sound."),
)
_WHETHER_KIND = (
    gettext_noop("Whether songs that sound %(kind)s leave you sadder or happier than they sound."),
    gettext_noop("Whether songs that sound %(kind)s leave you calmer or more energetic than they sound."),
)
_CARRIED = (
    gettext_noop("About %(share)s of the pleasantness of your mood before stays with you while a song plays."),
    gettext_noop("About %(share)s of the energy of your mood before stays with you while a song plays."),
)
_HOW_MUCH_CARRIED = (
    gettext_noop(
        "How much of the pleasantness of your mood before stays with you while a song plays; "
        "among listeners at large it is about %(share)s."
    ),
    gettext_noop(
        "How much of the energy of your mood before stays with you while a song plays; "
        "among listeners at large it is about %(share)s."
    ),
)


def direction_word(axis: int, value: float) -> str:
    """Name a move along an axis, such as "calmer"."""
    if axis:
        return _("more energetic") if value > 0 else _("calmer")
    return _("happier") if value > 0 else _("sadder")


def as_they_sound(axis: int, kind: str) -> str:
    """Say that songs do what they sound like."""
    return _(_KIND_AS_THEY_SOUND[axis]) % {"kind": kind} if kind else _(_AS_THEY_SOUND[axis])


def whether_moved(axis: int, kind: str) -> str:
    """Say what is not known of songs yet."""
    return _(_WHETHER_KIND[axis]) % {"kind": kind} if kind else _(_WHETHER[axis])


def moved(axis: int, value: float, kind: str) -> str:
    """Say what songs do beyond what they sound like."""
    word = direction_word(axis, value)
    if not kind:
        return _("Songs leave you %(direction)s than they sound.") % {"direction": word}
    return _("Songs that sound %(kind)s leave you %(direction)s than they sound.") % {"kind": kind, "direction": word}


def carried(axis: int, share: float) -> str:
    """Say how much of the mood before stays."""
    return _(_CARRIED[axis]) % {"share": percent(share)}


def how_much_carried(axis: int, usual: float) -> str:
    """Say that how much of the mood before stays is not known yet, and what is usual."""
    return _(_HOW_MUCH_CARRIED[axis]) % {"share": percent(usual)}
