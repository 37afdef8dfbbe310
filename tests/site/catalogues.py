"""Catalogues of messages, as translators write them (.po)."""

from __future__ import annotations

import re
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent.parent
LOCALE = ROOT / "locale"
DOMAINS = ("django", "djangojs")
# `%(name)s`, `%d` and `%%`, as Python and Django's scripts understand them; a percent sign before a space is a percent.
PLACE = re.compile(r"%\(\w+\)(?:\.\d)?[sdif]|%[sd]|%%")


def po_path(language: str, domain: str) -> Path:
    """Return where a catalogue lies."""
    return LOCALE / language / "LC_MESSAGES" / f"{domain}.po"


def read_po(path: Path) -> list[polib.POEntry]:
    """Return the messages in use."""
    return [entry for entry in polib.pofile(str(path), encoding="utf-8") if not entry.obsolete]


def translations(entry: polib.POEntry | polib.MOEntry) -> dict[int, str]:
    """Return the translation of each form; a message without a plural has one."""
    return {int(number): text for number, text in entry.msgstr_plural.items()} or {0: entry.msgstr}
