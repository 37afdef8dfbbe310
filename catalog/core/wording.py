"""Translates messages of modules that import no Django: `catalog.apps` installs Django's functions.

The names are those that `makemessages` looks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Translator(Protocol):
    """What speaks a language; `django.utils.translation` is one."""

    def gettext(self, message: str) -> str:
        """Return the message in the language that is active now."""

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """Return the form of the message that goes with the number."""

    def pgettext(self, context: str, message: str) -> str:
        """Return the message in the sense that the context names."""


class NumberFormat(Protocol):
    """What writes a number; `django.utils.formats.number_format` is one."""

    def __call__(self, value: float, decimal_pos: int) -> str:
        """Return the number with so many decimals, in the way of the language that is active now."""


@dataclass(frozen=True, slots=True)
class _English:
    def gettext(self, message: str) -> str:
        return message

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return singular if number == 1 else plural

    def pgettext(self, context: str, message: str) -> str:
        return message


def _english_number(value: float, decimal_pos: int) -> str:
    return f"{value:.{decimal_pos}f}"


_translator: Translator = _English()
_number_format: NumberFormat = _english_number


def install(translator: Translator, number_format: NumberFormat) -> None:
    """Let this process speak through a translator, and write numbers in its way, from now on."""
    global _translator, _number_format
    _translator, _number_format = translator, number_format


def number(value: float, decimals: int = 0) -> str:
    """Write a number for people, such as "3.5" or "3,5"; never for a program, which wants a dot."""
    return _number_format(round(value, decimals), decimals)


def gettext(message: str) -> str:
    """Return the message in the language that is active now."""
    return _translator.gettext(message)


def gettext_noop(message: str) -> str:
    """Mark a message that is kept in a table, and is translated only when it is said."""
    return message


def ngettext_noop(singular: str, plural: str) -> tuple[str, str]:
    """Mark both forms of a message that is kept in a table, and is translated only when it is said."""
    return singular, plural


def ngettext(singular: str, plural: str, number: int) -> str:
    """Return the form of the message that goes with the number."""
    return _translator.ngettext(singular, plural, number)


def pgettext_noop(context: str, message: str) -> str:
    """Mark a message, in the sense that the context names, that is translated only when it is said."""
    return message


def pgettext(context: str, message: str) -> str:
    """Return the message in the sense that the context names."""
    return _translator.pgettext(context, message)
