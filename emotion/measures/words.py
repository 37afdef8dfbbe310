"""Says a tempo, a key and a loudness in words; pages import this module, so it loads no library of sound."""

from __future__ import annotations

from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, number

# By the number of a key: major from C, then minor, each as it is mostly written.
KEYS = (
    gettext_noop("C major"),
    gettext_noop("D flat major"),
    gettext_noop("D major"),
    gettext_noop("E flat major"),
    gettext_noop("E major"),
    gettext_noop("F major"),
    gettext_noop("F sharp major"),
    gettext_noop("G major"),
    gettext_noop("A flat major"),
    gettext_noop("A major"),
    gettext_noop("B flat major"),
    gettext_noop("B major"),
    gettext_noop("C minor"),
    gettext_noop("C sharp minor"),
    gettext_noop("D minor"),
    gettext_noop("E flat minor"),
    gettext_noop("E minor"),
    gettext_noop("F minor"),
    gettext_noop("F sharp minor"),
    gettext_noop("G minor"),
    gettext_noop("G sharp minor"),
    gettext_noop("A minor"),
    gettext_noop("B flat minor"),
    gettext_noop("B minor"),
)
# On songs with known keys and tempi (docs/measures.md): of keys below this likeness .6 were right, above it .9.
SURE_LIKENESS = 0.83
SURE_STEADINESS = 0.75


def key_name(key: int) -> str:
    """Name a key, such as `A minor`."""
    return _(KEYS[key])


def key_words(key: int, likeness: float) -> str:
    """Name a key as surely as it is known, such as `A minor` or `perhaps A minor`."""
    return key_name(key) if likeness >= SURE_LIKENESS else _("perhaps %(key)s") % {"key": key_name(key)}


def tempo_words(bpm: float, other_bpm: float | None, steadiness: float) -> str:
    """Say a tempo as surely as it is known, such as `120 BPM`, `about 120 BPM` or `about 120 BPM, or 60`."""
    values = {"bpm": number(bpm), "other": number(other_bpm or 0.0)}
    if other_bpm is not None:
        return _("about %(bpm)s BPM, or %(other)s") % values
    return (_("%(bpm)s BPM") if steadiness >= SURE_STEADINESS else _("about %(bpm)s BPM")) % values


def loudness_words(loudness_lufs: float) -> str:
    """Say a loudness, such as `−14.2 LUFS`."""
    return f"{number(loudness_lufs, 1).replace('-', chr(0x2212))} LUFS"
