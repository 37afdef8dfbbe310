"""Translates messages of modules that import no Django: `catalog.apps` installs Django's functions.

The names are those that `makemessages` looks for.
"""

from __future__ import annotations

from collections.abc import Callable
from gettext import NullTranslations
from typing import Any

# The source language, until `install`.
_translator: Any = NullTranslations()
_number_format: Callable[[float, int], str] = "{0:.{1}f}".format


def install(translator: Any, number_format: Callable[[float, int], str]) -> None:
    """Translate with `gettext`, `ngettext` and `pgettext` of a translator, and format numbers its way, from now on."""
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
