"""The playlist formats, and reading a file by its content."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from catalog.core.wording import gettext as _
from recommender.exceptions import ExchangeError
from recommender.formats import jspf, m3u, xspf
from recommender.formats.values import Sheet, Track

MAX_BYTES = 2_000_000
MAX_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format that playlists are written in."""

    suffix: str
    name: str
    content_type: str
    write: Callable[[str, Iterable[Track]], str]


FORMATS: dict[str, FileFormat] = {
    each.suffix: each
    for each in (
        FileFormat("m3u8", "M3U8", "audio/x-mpegurl; charset=utf-8", m3u.write),
        FileFormat("xspf", "XSPF", "application/xspf+xml; charset=utf-8", xspf.write),
        FileFormat("jspf", "JSPF", "application/json; charset=utf-8", jspf.write),
    )
}


def sheet_read(content: bytes) -> Sheet:
    """Read a playlist file by its content, not by its name: M3U in UTF-8, UTF-16 or Latin-1, or JSPF.

    Raises:
        ExchangeError: it is too large, of another kind, or lists nothing.
    """
    if len(content) > MAX_BYTES:
        raise ExchangeError(
            _("A playlist file has at most %(most)d MB; this one is larger.") % {"most": MAX_BYTES // 1_000_000}
        )
    text = _text(content)
    if text.startswith("<"):
        raise ExchangeError(_("This looks like XML. Playlists can be imported as M3U, M3U8 or JSPF."))
    sheet = jspf.read(text) if text.startswith("{") else m3u.read(text)
    if not sheet.entries:
        raise ExchangeError(_("This file lists no songs."))
    if len(sheet.entries) > MAX_ENTRIES:
        raise ExchangeError(
            _("A playlist file lists at most %(most)d songs; this one lists %(n)d.")
            % {"most": MAX_ENTRIES, "n": len(sheet.entries)}
        )
    return sheet


def _text(content: bytes) -> str:
    """Decode a file; Latin-1 comes last, because every byte is valid in it."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
    elif b"\x00" in content:
        raise ExchangeError(_("This is not a text file. Playlists can be imported as M3U, M3U8 or JSPF."))
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    return text.replace("\x00", "").strip()
