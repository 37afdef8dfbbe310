"""Reads catalogues of messages as translators wrote them (.po), and as programs use them (.mo)."""

from __future__ import annotations

import ast
import gettext
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LOCALE = ROOT / "locale"
DOMAINS = ("django", "djangojs")
# `%(name)s`, `%d` and `%%`, as Python and Django's scripts understand them; a percent sign before a space is a percent.
PLACE = re.compile(r"%\(\w+\)(?:\.\d)?[sdif]|%[sd]|%%")


@dataclass
class Message:
    """One message: `msgid` and the translation of each of its forms."""

    context: str = ""
    msgid: str = ""
    plural: str = ""
    translations: dict[int, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)

    @property
    def sources(self) -> list[str]:
        """The English forms."""
        return [self.msgid, self.plural] if self.plural else [self.msgid]

    @property
    def is_translated(self) -> bool:
        """Whether every form has words."""
        return len(self.translations) == len(self.sources) and all(self.translations.values())

    @property
    def keys(self) -> dict[str | tuple[str, int], str]:
        """The entries that Python's gettext keeps for it."""
        name = f"{self.context}\x04{self.msgid}" if self.context else self.msgid
        if not self.plural:
            return {name: self.translations[0]}
        return {(name, number): text for number, text in self.translations.items()}


def po_path(language: str, domain: str) -> Path:
    """Return where a catalogue lies."""
    return LOCALE / language / "LC_MESSAGES" / f"{domain}.po"


def read_po(path: Path) -> list[Message]:
    """Return the messages in use, without the header."""
    messages, current, part = [], Message(), ""
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("#,"):
            current.flags.update(flag.strip() for flag in line[2:].split(","))
        elif line.startswith(("msgctxt", "msgid", "msgstr")):
            part, _, text = line.partition(" ")
            _append(current, part, text)
        elif line.startswith('"'):
            _append(current, part, line)
        elif not line.strip():
            if current.msgid:
                messages.append(current)
            current, part = Message(), ""
    return messages


def _append(message: Message, part: str, quoted: str) -> None:
    text = str(ast.literal_eval(quoted))
    if part == "msgctxt":
        message.context += text
    elif part == "msgid":
        message.msgid += text
    elif part == "msgid_plural":
        message.plural += text
    else:
        number = int(part.removeprefix("msgstr").strip("[]") or 0)
        message.translations[number] = message.translations.get(number, "") + text


def read_mo(path: Path) -> dict[str | tuple[str, int], str]:
    """Return what a program finds, without the header."""
    with path.open("rb") as stream:
        found = dict(gettext.GNUTranslations(stream)._catalog)  # type: ignore[attr-defined]
    found.pop("", None)
    return found
