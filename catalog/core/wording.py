"""Translates messages, and writes numbers, sizes and times, for modules that import no Django.

`catalog.apps` installs Django's functions; `makemessages` looks for these names.
"""

from collections.abc import Callable
from gettext import NullTranslations
from typing import Any

# The source language, until `install`.
_translator: Any = NullTranslations()
_number_format: Callable[[float, int], str] = "{0:.{1}f}".format


def install(translator: Any, number_format: Callable[[float, int], str]) -> None:
    """Set the translator, with `gettext`, `ngettext` and `pgettext`, and the format of numbers."""
    global _translator, _number_format
    _translator, _number_format = translator, number_format


def number(value: float, decimals: int = 0) -> str:
    """Format a number for people, such as "3.5" or "3,5"; never for a program, which expects a dot."""
    return _number_format(round(value, decimals), decimals)


def gettext(message: str) -> str:
    """Translate a message."""
    return str(_translator.gettext(message))


def ngettext(singular: str, plural: str, number: int) -> str:
    """Translate the form of a message that goes with a number."""
    return str(_translator.ngettext(singular, plural, number))


def pgettext(context: str, message: str) -> str:
    """Translate a message in the sense that the context names."""
    return str(_translator.pgettext(context, message))


def gettext_noop(message: str) -> str:
    """Mark a message in a table, translated when it is shown."""
    return message


def ngettext_noop(singular: str, plural: str) -> tuple[str, str]:
    """Mark both forms of a message in a table, translated when it is shown."""
    return singular, plural


def pgettext_noop(_context: str, message: str) -> str:
    """Mark a message with its context in a table, translated when it is shown."""
    return message


def file_size(n_bytes: float) -> str:
    """Write a size in binary units, such as `500 MiB` or `1.5 GiB`."""
    for unit in (gettext("bytes"), "KiB", "MiB", "GiB"):
        if n_bytes < 1024 or unit == "GiB":
            break
        n_bytes /= 1024
    return f"{number(n_bytes, 0 if n_bytes == int(n_bytes) else 1)} {unit}"


def clock(duration_s: float | None) -> str:
    """Write seconds as `3:07`, or `1:02:09` from an hour on; None is `0:00`."""
    minutes, seconds = divmod(round(duration_s or 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def percent(share: float) -> str:
    """Write a share in [0, 1] as `82 %`, with a space that does not break."""
    return f"{round(share * 100)}\u00a0%"
