"""One structure of an answer, rendered as XML, JSON or JSONP.

Handlers return what JSON has. In XML a number, a truth or a text is an attribute, an object a child element, and each
value of a list a child element of its own.

Source: OpenSubsonic, https://opensubsonic.netlify.app/docs/api-reference/
"""

from __future__ import annotations

import functools
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from django.conf import settings
from django.http import HttpResponse

PROTOCOL = "1.16.1"
SERVER = "Moodplane"
FORMATS = ("xml", "json", "jsonp")
_NAMESPACE = "http://subsonic.org/restapi"
# What XML 1.0 cannot hold, however it is written.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CALLBACK = re.compile(r"[A-Za-z_$][\w$.]{0,99}", re.ASCII)
# Texts that stand between tags, by the element that they are in, where others are attributes.
_ELEMENTS = frozenset(
    {"biography", "notes", "musicBrainzId", "lastFmUrl", "smallImageUrl", "mediumImageUrl", "largeImageUrl"}
)
_WITH_ELEMENTS = frozenset({"artistInfo", "artistInfo2", "albumInfo"})
# The text of an element itself.
_TEXT = "value"


class Code(IntEnum):
    """What went wrong."""

    GENERIC = 0
    MISSING = 10
    WRONG_SECRET = 40
    NOT_SUPPORTED = 42
    CONFLICTING = 43
    WRONG_KEY = 44
    NOT_ALLOWED = 50
    NOT_FOUND = 70


class SubsonicError(Exception):
    """A request that is answered by a code and a sentence; `status` and `retry_s` are for HTTP."""

    def __init__(self, code: Code, sentence: str, *, status: int = 200, retry_s: int = 0) -> None:
        super().__init__(sentence)
        self.code, self.status, self.retry_s = code, status, retry_s


def time_written(moment: datetime) -> str:
    """Write a moment for an answer, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@functools.cache
def server_version() -> str:
    """Return the version of this program."""
    project = tomllib.loads((Path(settings.BASE_DIR) / "pyproject.toml").read_text())
    return str(project["project"]["version"])


def answer(body: Mapping[str, Any], *, form: str = "xml", callback: str = "", status: int = 200) -> HttpResponse:
    """Render the answer to a request that succeeded; what is None is left out."""
    return _rendered({"status": "ok", **_head(), **body}, form, callback, status)


def failure(error: SubsonicError, *, form: str = "xml", callback: str = "") -> HttpResponse:
    """Render the answer to a request that failed."""
    described = {"code": int(error.code), "message": str(error)}
    response = _rendered({"status": "failed", **_head(), "error": described}, form, callback, error.status)
    if error.retry_s:
        response["Retry-After"] = str(error.retry_s)
    return response


def _head() -> dict[str, Any]:
    return {"version": PROTOCOL, "type": SERVER, "serverVersion": server_version(), "openSubsonic": True}


def _rendered(body: Mapping[str, Any], form: str, callback: str, status: int) -> HttpResponse:
    if form == "xml":
        text = "".join(_element("subsonic-response", body, f' xmlns="{_NAMESPACE}"'))
        return HttpResponse(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}', "text/xml; charset=utf-8", status)
    text = json.dumps({"subsonic-response": _without_none(body)}, ensure_ascii=False, separators=(",", ":"))
    if form == "jsonp" and _CALLBACK.fullmatch(callback):
        return HttpResponse(f"/**/{callback}({text});", "application/javascript; charset=utf-8", status)
    return HttpResponse(text, "application/json; charset=utf-8", status)


def _without_none(value: Any) -> Any:
    # Called for no scalar: a page of songs has ten thousand of them.
    if isinstance(value, list):
        return [_without_none(each) if isinstance(each, dict | list) else each for each in value]
    return {
        name: _without_none(each) if isinstance(each, dict | list) else each
        for name, each in value.items()
        if each is not None
    }


def _element(name: str, value: Any, head: str = "") -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"<{name}>{_text(value)}</{name}>"
        return
    given = {key: each for key, each in value.items() if each is not None}
    inside = {key: each for key, each in given.items() if _is_inside(name, key, each)}
    attributes = (f" {key}={quoteattr(_written(each))}" for key, each in given.items() if key not in inside)
    yield f"<{name}{head}{''.join(attributes)}"
    if not inside:
        yield "/>"
        return
    yield ">"
    for key, each in inside.items():
        if key == _TEXT:
            yield _text(each)
            continue
        for one in each if isinstance(each, list | tuple) else [each]:
            yield from _element(key, one)
    yield f"</{name}>"


def _is_inside(name: str, key: str, value: Any) -> bool:
    """Whether a value stands between the tags of an element, and not among its attributes."""
    is_text = key == _TEXT or (key in _ELEMENTS and name in _WITH_ELEMENTS)
    return is_text or isinstance(value, Mapping | list | tuple)


def _text(value: Any) -> str:
    return escape(_written(value))


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _UNWRITABLE.sub("", str(value))
