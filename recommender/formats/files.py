"""Playlist files: M3U8, XSPF and JSPF out; M3U and JSPF in."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from xml.etree import ElementTree

from catalog.core.wording import gettext as _
from recommender.exceptions import ExchangeError

# Names the fields that only this project writes; other players skip them.
EXTENSION = "urn:moodplane:playlist:1"
# No name and no address is longer; reading need not be fast on more.
MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Track:
    """A song to be written: absolute addresses of its audio and its page, and its estimate.

    `valence` and `arousal` in [-1, 1] and `quadrant` such as "Q4" are the model's; None before the analysis.
    """

    location: str
    page: str
    title: str
    artist: str
    duration_s: float
    reason: str
    album: str = ""
    valence: float | None = None
    arousal: float | None = None
    quadrant: str = ""

    def extension(self) -> dict[str, object]:
        """Return the known fields that only this project writes."""
        known: dict[str, object] = {"reason": self.reason} if self.reason else {}
        if self.valence is not None and self.arousal is not None:
            known |= {"valence": round(self.valence, 4), "arousal": round(self.arousal, 4), "quadrant": self.quadrant}
        return known


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A song as a file names it; a missing field is empty or None."""

    location: str = ""
    page: str = ""
    title: str = ""
    artist: str = ""
    # As M3U has it: artist and title in one, in an order that is only a habit.
    label: str = ""
    duration_s: float | None = None

    @property
    def words(self) -> str:
        """The entry's name for people."""
        if self.artist and self.title:
            return f"{self.artist} – {self.title}"
        return self.title or self.label or self.location or self.page or _("an entry without a name")


class Sheet(NamedTuple):
    """A playlist as a file holds it."""

    title: str
    entries: tuple[FileEntry, ...]


def clean(text: str) -> str:
    """Return text on one line, cut to `MAX_TEXT`, without what a database cannot store: NUL and lone surrogates."""
    return " ".join(text[:MAX_TEXT].replace("\x00", "").encode("utf-8", "replace").decode("utf-8").split())


# --- Extended M3U in UTF-8 ------------------------------------------------------------------------------------------
#
# There is no standard; `#EXTM3U`, `#EXTINF` and `#PLAYLIST` are read by every player. What only this project knows of a
# song stands in a comment, which other players skip.

_OURS = "#MOODPLANE:"
# Seconds, then attributes such as tvg-name="a, b", then the label behind the first comma outside quotes.
_EXTINF = re.compile(r'#EXTINF:\s*(-?\d+(?:\.\d+)?)?((?:[^",]|"[^"]*")*)(?:,(.*))?', re.IGNORECASE)


def m3u_write(title: str, tracks: Iterable[Track]) -> str:
    """Return a playlist as M3U8 text."""
    lines = ["#EXTM3U", f"#PLAYLIST:{clean(title)}"]
    for track in tracks:
        lines += [
            f"#EXTINF:{round(track.duration_s)},{clean(track.artist)} - {clean(track.title)}",
            f"{_OURS}{json.dumps({'page': track.page, **track.extension()})}",
            track.location,
        ]
    return "\n".join([*lines, ""])


def m3u_read(text: str) -> Sheet:
    """Read a playlist; unknown lines are skipped.

    Raises:
        ExchangeError: it is the manifest of a stream, not a list of songs.
    """
    if "#EXT-X-" in text:
        raise ExchangeError(_("This is a stream manifest, not a list of songs."))
    title, entries, entry = "", [], FileEntry()
    for line in map(clean, text.splitlines()):
        if line.upper().startswith("#PLAYLIST:"):
            title = line[10:].strip()
        elif line.startswith(_OURS):
            entry = replace(entry, page=_m3u_page(line.removeprefix(_OURS)))
        elif extinf := _EXTINF.fullmatch(line):
            label = (extinf.group(3) or "").strip()
            entry = replace(entry, duration_s=_seconds(float(extinf.group(1) or "nan")), label=label)
        elif line and not line.startswith("#"):
            entries.append(replace(entry, location=line))
            entry = FileEntry()
    return Sheet(title=title, entries=tuple(entries))


def _m3u_page(text: str) -> str:
    try:
        ours = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return _text(ours.get("page")) if isinstance(ours, dict) else ""


def _seconds(duration: float, per_second: int = 1) -> float | None:
    """Return a duration in seconds, None where a file gives an impossible one: JSON has integers beyond all floats."""
    try:
        seconds = duration / per_second
    except OverflowError:
        return None
    return seconds if 0 < seconds < math.inf else None


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


# --- JSPF, the JSON form of XSPF. Source: https://www.xspf.org/jspf -------------------------------------------------


def jspf_write(title: str, tracks: Iterable[Track]) -> str:
    """Return a playlist as JSPF text."""
    written = [
        {
            **_fields(track),
            "location": [track.location],
            "identifier": [track.page],
            "extension": {EXTENSION: [track.extension()]},
        }
        for track in tracks
    ]
    return json.dumps({"playlist": {"title": title, "track": written}}, ensure_ascii=False)


def jspf_read(text: str) -> Sheet:
    """Read a playlist; fields of another kind than they should be count as missing.

    Raises:
        ExchangeError: it is not JSON, or holds no playlist.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExchangeError(_("This is not valid JSON: %(problem)s.") % {"problem": error}) from None
    playlist = document.get("playlist") if isinstance(document, dict) else None
    if not isinstance(playlist, dict) or not isinstance(playlist.get("track", []), list):
        raise ExchangeError(_('A JSPF file needs a "playlist" with a list of tracks; this one has none.'))
    entries = tuple(_jspf_entry(track) for track in playlist.get("track", []) if isinstance(track, dict))
    return Sheet(title=_text(playlist.get("title")), entries=entries)


def _jspf_entry(track: dict[str, Any]) -> FileEntry:
    duration_ms = track.get("duration")
    return FileEntry(
        location=_jspf_first(track.get("location")),
        page=_jspf_first(track.get("identifier")) or _text(track.get("info")),
        title=_text(track.get("title")),
        artist=_text(track.get("creator")),
        duration_s=_seconds(duration_ms, per_second=1000) if isinstance(duration_ms, int | float) else None,
    )


def _jspf_first(value: Any) -> str:
    """Return the first of some addresses; many writers put one where the format wants a list."""
    if isinstance(value, list):
        return next((text for each in value if (text := _text(each))), "")
    return _text(value)


# --- XSPF, written only: reading XML from strangers safely would need another library -------------------------------
#
# Source: https://www.xspf.org/spec

NAMESPACE = "http://xspf.org/ns/0/"
# Characters that XML 1.0 cannot hold, not even escaped.
_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xspf_write(title: str, tracks: Iterable[Track]) -> str:
    """Return a playlist as XSPF text."""
    playlist = ElementTree.Element("playlist", {"version": "1", "xmlns": NAMESPACE, "xmlns:mood": EXTENSION})
    _xspf_add(playlist, "title", title)
    track_list = ElementTree.SubElement(playlist, "trackList")
    for track in tracks:
        element = ElementTree.SubElement(track_list, "track")
        for name, value in _fields(track).items():
            _xspf_add(element, name, str(value))
        extension = ElementTree.SubElement(element, "extension", {"application": EXTENSION})
        for name, known in track.extension().items():
            _xspf_add(extension, f"mood:{name}", str(known))
    ElementTree.indent(playlist)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(playlist, encoding="unicode") + "\n"


def _fields(track: Track) -> dict[str, str | int]:
    """Return the known fields of XSPF, which JSPF has as well, in the order of the schema."""
    fields: dict[str, str | int] = {
        "location": track.location,
        "identifier": track.page,
        "title": track.title,
        "creator": track.artist,
        "annotation": track.reason,
        "info": track.page,
        "album": track.album,
        "duration": round(1000 * track.duration_s),
    }
    return {name: value for name, value in fields.items() if value}


def _xspf_add(parent: ElementTree.Element, name: str, text: str) -> None:
    # An empty element is not allowed where the schema wants an address, and says nothing elsewhere.
    if text:
        ElementTree.SubElement(parent, name).text = _IMPOSSIBLE.sub("", text)


# --- Every format ---------------------------------------------------------------------------------------------------

MAX_BYTES = 2_000_000
MAX_ENTRIES = 500


class FileFormat(NamedTuple):
    """A format that playlists are written in."""

    suffix: str
    name: str
    content_type: str
    write: Callable[[str, Iterable[Track]], str]


FORMATS: dict[str, FileFormat] = {
    each.suffix: each
    for each in (
        FileFormat("m3u8", "M3U8", "audio/x-mpegurl; charset=utf-8", m3u_write),
        FileFormat("xspf", "XSPF", "application/xspf+xml; charset=utf-8", xspf_write),
        FileFormat("jspf", "JSPF", "application/json; charset=utf-8", jspf_write),
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
    text = _decoded(content)
    if text.startswith("<"):
        raise ExchangeError(_("This looks like XML. Playlists can be imported as M3U, M3U8 or JSPF."))
    sheet = jspf_read(text) if text.startswith("{") else m3u_read(text)
    if not sheet.entries:
        raise ExchangeError(_("This file lists no songs."))
    if len(sheet.entries) > MAX_ENTRIES:
        raise ExchangeError(
            _("A playlist file lists at most %(most)d songs; this one lists %(n)d.")
            % {"most": MAX_ENTRIES, "n": len(sheet.entries)}
        )
    return sheet


def _decoded(content: bytes) -> str:
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
