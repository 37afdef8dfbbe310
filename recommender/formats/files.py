"""Playlist files: M3U8, XSPF and JSPF out; M3U and JSPF in."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any
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


@dataclass(frozen=True, slots=True)
class Sheet:
    """A playlist as a file holds it."""

    title: str
    entries: tuple[FileEntry, ...]


def clean(text: str) -> str:
    """Return text on one line, cut to `MAX_TEXT`, without what a database cannot store: NUL and lone surrogates."""
    return " ".join(text[:MAX_TEXT].replace("\x00", "").encode("utf-8", "replace").decode("utf-8").split())


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
    title, entries, said = "", [], FileEntry()
    for line in map(clean, text.splitlines()):
        if line.upper().startswith("#PLAYLIST:"):
            title = line[10:].strip()
        elif line.startswith("#"):
            said = _m3u_told(line, said)
        elif line:
            entries.append(replace(said, location=line))
            said = FileEntry()
    return Sheet(title=title, entries=tuple(entries))


def _m3u_told(line: str, said: FileEntry) -> FileEntry:
    if line.startswith(_OURS):
        return replace(said, page=_m3u_page(line.removeprefix(_OURS)))
    found = _EXTINF.fullmatch(line)
    if found is None:
        return said
    duration_s = float(found.group(1) or "nan")
    known = math.isfinite(duration_s) and duration_s > 0
    return replace(said, duration_s=duration_s if known else None, label=(found.group(3) or "").strip())


def _m3u_page(text: str) -> str:
    try:
        ours = json.loads(text)
    except ValueError:
        return ""
    page = ours.get("page", "") if isinstance(ours, dict) else ""
    return clean(page) if isinstance(page, str) else ""


def jspf_write(title: str, tracks: Iterable[Track]) -> str:
    """Return a playlist as JSPF text."""
    return json.dumps(
        {"playlist": {"title": title, "track": [_jspf_track(track) for track in tracks]}}, ensure_ascii=False
    )


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
    return Sheet(title=_jspf_text(playlist.get("title")), entries=entries)


def _jspf_track(track: Track) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "location": [track.location],
        "identifier": [track.page],
        "title": track.title,
        "creator": track.artist,
        "album": track.album,
        "duration": round(1000 * track.duration_s),
        "info": track.page,
        "annotation": track.reason,
        "extension": {EXTENSION: [track.extension()]},
    }
    return {name: value for name, value in fields.items() if value}


def _jspf_entry(track: dict[str, Any]) -> FileEntry:
    duration_ms = track.get("duration")
    known = isinstance(duration_ms, int | float) and math.isfinite(duration_ms) and duration_ms > 0
    return FileEntry(
        location=_jspf_first(track.get("location")),
        page=_jspf_first(track.get("identifier")) or _jspf_text(track.get("info")),
        title=_jspf_text(track.get("title")),
        artist=_jspf_text(track.get("creator")),
        duration_s=float(duration_ms) / 1000 if known and duration_ms is not None else None,
    )


def _jspf_first(value: Any) -> str:
    """Return the first of some addresses; many writers put one where the format wants a list."""
    if isinstance(value, list):
        return next((text for each in value if (text := _jspf_text(each))), "")
    return _jspf_text(value)


def _jspf_text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


NAMESPACE = "http://xspf.org/ns/0/"
# Characters that XML 1.0 cannot hold, not even escaped.
_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xspf_write(title: str, tracks: Iterable[Track]) -> str:
    """Return a playlist as XSPF text."""
    playlist = ElementTree.Element("playlist", {"version": "1", "xmlns": NAMESPACE, "xmlns:mood": EXTENSION})
    _xspf_add(playlist, "title", title)
    track_list = ElementTree.SubElement(playlist, "trackList")
    for track in tracks:
        _xspf_track(track_list, track)
    ElementTree.indent(playlist)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(playlist, encoding="unicode") + "\n"


def _xspf_track(track_list: ElementTree.Element, track: Track) -> None:
    element = ElementTree.SubElement(track_list, "track")
    _xspf_add(element, "location", track.location)
    _xspf_add(element, "identifier", track.page)
    _xspf_add(element, "title", track.title)
    _xspf_add(element, "creator", track.artist)
    _xspf_add(element, "annotation", track.reason)
    _xspf_add(element, "info", track.page)
    _xspf_add(element, "album", track.album)
    _xspf_add(element, "duration", str(round(1000 * track.duration_s)))
    extension = ElementTree.SubElement(element, "extension", {"application": EXTENSION})
    for name, value in track.extension().items():
        _xspf_add(extension, f"mood:{name}", str(value))


def _xspf_add(parent: ElementTree.Element, name: str, text: str) -> None:
    # An empty element is not allowed where the schema wants an address, and says nothing elsewhere.
    if text:
        ElementTree.SubElement(parent, name).text = _IMPOSSIBLE.sub("", text)


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
    text = _text(content)
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
