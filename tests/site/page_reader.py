"""Reads pages as people and as machines do: their text, and the numbers that scripts and drawings take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser

from tests.site.catalogues import po_path, read_po

# Words that no German sentence has; names in this catalog of songs are German.
ENGLISH = re.compile(
    r"\b(the|of|and|you|your|with|this|that|what|when|how|from|yet|its|it|is|are|were|has|have|which|there|here|"
    r"song|been|will|can|cannot|does|more|less|than|about|every|only|sign|choose|save|delete|upload)\b"
)
# Said in English on purpose: names of formats, commands and codes.
SKIPPED = re.compile(r"^(code|pre|script|style|kbd)$")
SPOKEN = ("aria-label", "placeholder", "title", "alt", "aria-valuetext", "data-confirm")
MACHINES = re.compile(
    r"^(x|y|x1|x2|y1|y2|cx|cy|r|rx|ry|d|points|viewbox|width|height|transform|offset|min|max|step|value|low|high|"
    r"optimum|data-.*|style|datetime|maxlength|colspan|rowspan|start|cols|rows|pathlength)$"
)
# A sentence in a data attribute is for people; an address and a drawing have no word of three letters before a space.
WORDS = re.compile(r"[^\W\d_]{3,}[ .,:;!?]")

_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


@dataclass
class Reader(HTMLParser):
    """Takes a page apart: what people read, and the numbers that machines read."""

    said: list[str] = field(default_factory=list)
    numbers: list[tuple[str, str, str]] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.said += [given[name] for name in SPOKEN if given.get(name)]
        if given.get("name") != "csrfmiddlewaretoken":
            self.numbers += [
                (tag, name, value)
                for name, value in given.items()
                if MACHINES.match(name) and re.search(r"\d", value) and not WORDS.search(value)
            ]
        if SKIPPED.match(tag) or (given.get("lang", "de") != "de" and tag != "html"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open and data.strip():
            self.said.append(" ".join(data.split()))


def read(page: str) -> Reader:
    """Take a page apart."""
    reader = Reader()
    reader.feed(page)
    return reader


def english_in(name: str, page: str) -> Iterator[str]:
    """Yield what a German page says in English."""
    said = read(page).said
    for text in said:
        if ENGLISH.search(text):
            yield f"{name}: {text[:160]}"
    whole = " ".join(" ".join(said).split())
    yield from (f"{name}: {sentence}" for sentence in _sentences() if sentence in whole)


@cache
def _sentences() -> list[str]:
    """Messages of at least four words without places, which would stand on a page as they are."""
    messages = read_po(po_path("de", "django"))
    return [m.msgid for m in messages if m.msgid.count(" ") > 2 and "%" not in m.msgid and "\n" not in m.msgid]


def differing(name: str, german: str, english: str) -> Iterator[str]:
    """Yield the numbers for machines that a German page writes in another way.

    Numbers themselves may differ: some pages draw what time it is.
    """
    yield from (f"{name}: <{tag} {attribute}={way}>" for tag, attribute, way in _ways(german) - _ways(english))


def _ways(page: str) -> set[tuple[str, str, str]]:
    numbers = read(page).numbers
    return {(tag, name, _NUMBER.sub("0", part)) for tag, name, value in numbers for part in value.split()}
