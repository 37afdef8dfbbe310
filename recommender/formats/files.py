"""Playlist files: M3U8, XSPF and JSPF out; M3U, PLS, XSPF and JSPF in."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from xml.etree import ElementTree

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from catalog.core.wording import gettext as _
from recommender.exceptions import ExchangeError

# Names the fields that only this project writes; other players skip them.
EXTENSION = "urn:moodplane:playlist:1"
# As ListenBrainz writes and reads it.
_RECORDINGS = "https://musicbrainz.org/recording/"
MAX_BYTES = 2_000_000
MAX_ENTRIES = 500
# No name is longer; reading need not be fast on more.
MAX_TEXT = 1000
# The longest path of Linux, each byte of it escaped.
MAX_ADDRESS = 3 * 4096
# Bytes that are no UTF-8, as Python's error handler "surrogateescape" keeps them.
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


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
    recording_id: str = ""  # At MusicBrainz.

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
    # As M3U and PLS have it: artist and title in one, in an order that is only a habit.
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


def clean(text: str, max_chars: int = MAX_TEXT) -> str:
    """Return text on one line, cut to `max_chars`, without what a database cannot store: NUL and lone surrogates."""
    return " ".join(text[:max_chars].replace("\x00", "").encode("utf-8", "replace").decode("utf-8").split())


def _room_check(entries: Sized) -> None:
    """Refuse another entry where there are enough: nobody waits for the end of a file of a million."""
    if len(entries) >= MAX_ENTRIES:
        sentence = _("A playlist file lists at most %(most)d songs; this one lists more.")
        raise ExchangeError(sentence % {"most": MAX_ENTRIES})


def _lines(text: str) -> Iterator[str]:
    """Yield the lines that are not blank; what else Unicode calls a line break occurs inside names."""
    return (line for found in re.finditer(r"[^\r\n]+", text) if (line := found.group().strip()))


def _clean_line(line: str, max_chars: int = MAX_TEXT) -> str:
    return clean(_reread(line), max_chars)


def _reread(text: str) -> str:
    """Read what is not UTF-8 as Windows-1252, or at last as Latin-1, in which every byte is valid."""
    if text.isascii() or not _NOT_UTF8.search(text):
        return text
    content = text.encode("utf-8", "surrogateescape")
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")


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
        ExchangeError: it is the manifest of a stream, or lists too many songs.
    """
    entries: list[FileEntry] = []
    title = ours = extinf = ""
    for line in _lines(text):
        if not line.startswith("#"):
            _room_check(entries)
            entries.append(replace(_m3u_named(extinf), location=_clean_line(line, MAX_ADDRESS), page=_m3u_page(ours)))
            ours = extinf = ""
        elif line.startswith("#EXT-X-"):
            raise ExchangeError(_("This is a stream manifest, not a list of songs."))
        elif line.startswith(_OURS):
            ours = line.removeprefix(_OURS)
        # Read when its path comes: of a thousand in a row only the last counts.
        elif line[:8].upper() == "#EXTINF:":
            extinf = line
        elif line[:10].upper() == "#PLAYLIST:":
            title = line[10:]
    return Sheet(title=_clean_line(title), entries=tuple(entries))


def _m3u_named(line: str) -> FileEntry:
    extinf = _EXTINF.fullmatch(_clean_line(line))
    if extinf is None:
        return FileEntry()
    label = (extinf.group(3) or "").strip()
    return FileEntry(label=label, duration_s=_seconds(float(extinf.group(1) or "nan")))


def _m3u_page(text: str) -> str:
    try:
        ours = _json(text)
    except ExchangeError:
        return ""
    return _text(ours.get("page"), MAX_ADDRESS) if isinstance(ours, dict) else ""


# --- PLS: File1, Title1 and Length1 below [playlist], in any order, as Winamp wrote them ----------------------------

_PLS_LINE = re.compile(r"(File|Title|Length)(\d{1,9})\s*=\s*(.*)", re.IGNORECASE)


def pls_read(text: str) -> Sheet:
    """Read a playlist in the order of its numbers; unknown lines are skipped.

    Raises:
        ExchangeError: it lists too many songs.
    """
    numbered: dict[int, dict[str, str]] = {}
    for line in _lines(text):
        if found := _PLS_LINE.match(line):
            key, number, value = found.group(1).lower(), int(found.group(2)), found.group(3)
            if number not in numbered:
                _room_check(numbered)
            numbered.setdefault(number, {})[key] = value
    entries = (
        FileEntry(
            location=_clean_line(fields.get("file", ""), MAX_ADDRESS),
            label=_clean_line(fields.get("title", "")),
            duration_s=_number(fields.get("length", "")),
        )
        for _place, fields in sorted(numbered.items())
    )
    return Sheet(title="", entries=tuple(entry for entry in entries if entry.location or entry.label))


def _is_pls(text: str) -> bool:
    return next((line for line in _lines(text) if not line.startswith(";")), "").lower() == "[playlist]"


def _seconds(duration: float) -> float | None:
    """Return a duration, None where a file gives an impossible one."""
    return duration if 0 < duration < math.inf else None


def _number(text: str) -> float | None:
    try:
        return _seconds(float(text[:MAX_TEXT]))
    except ValueError:
        return None


def _text(value: Any, max_chars: int = MAX_TEXT) -> str:
    return clean(value, max_chars) if isinstance(value, str) else ""


# --- JSPF, the JSON form of XSPF. Source: https://www.xspf.org/jspf -------------------------------------------------


def jspf_write(title: str, tracks: Iterable[Track]) -> str:
    """Return a playlist as JSPF text."""
    written = [
        {
            **_fields(track),
            "location": [track.location],
            "identifier": [track.page, *([f"{_RECORDINGS}{track.recording_id}"] if track.recording_id else [])],
            "extension": {EXTENSION: [track.extension()]},
        }
        for track in tracks
    ]
    return json.dumps({"playlist": {"title": title, "track": written}}, ensure_ascii=False)


def jspf_read(text: str) -> Sheet:
    """Read a playlist; fields of another kind than they should be count as missing.

    Raises:
        ExchangeError: it is not JSON, holds no playlist, or lists too many songs.
    """
    document = _json(text)
    playlist = document.get("playlist") if isinstance(document, dict) else None
    if not isinstance(playlist, dict) or not isinstance(playlist.get("track", []), list):
        raise ExchangeError(_('A JSPF file needs a "playlist" with a list of tracks; this one has none.'))
    entries: list[FileEntry] = []
    for track in playlist.get("track", []):
        if isinstance(track, dict):
            _room_check(entries)
            entries.append(_jspf_entry(track))
    return Sheet(title=_text(playlist.get("title")), entries=tuple(entries))


def _json(text: str) -> Any:
    try:
        # JSON has integers beyond all floats; as floats they are infinite.
        return json.loads(text, parse_int=float)
    except json.JSONDecodeError as error:
        sentence = _("This is not valid JSON from line %(line)d, column %(column)d on.")
        raise ExchangeError(sentence % {"line": error.lineno, "column": error.colno}) from None
    except RecursionError:
        raise ExchangeError(_("This is not valid JSON for a playlist: it is nested too deeply.")) from None


def _jspf_entry(track: dict[str, Any]) -> FileEntry:
    duration_ms = track.get("duration")
    return FileEntry(
        location=_jspf_first(track.get("location")),
        page=_jspf_first(track.get("identifier")) or _text(track.get("info"), MAX_ADDRESS),
        title=_text(track.get("title")),
        artist=_text(track.get("creator")),
        duration_s=_seconds(duration_ms / 1000) if isinstance(duration_ms, float) else None,
    )


def _jspf_first(value: Any) -> str:
    """Return the first of some addresses; many writers put one where the format wants a list."""
    if isinstance(value, list):
        return next((text for each in value if (text := _text(each, MAX_ADDRESS))), "")
    return _text(value, MAX_ADDRESS)


# --- XSPF. Source: https://www.xspf.org/spec ------------------------------------------------------------------------

NAMESPACE = "http://xspf.org/ns/0/"
# 500 songs with a hundred elements each.
_MAX_ELEMENTS = 50_000
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


def xspf_read(content: bytes) -> Sheet:
    """Read a playlist in the encoding that it names.

    Raises:
        ExchangeError: it is not XSPF, defines entities or anything else in a DTD, or lists too many songs.
    """
    target = _XspfTarget()
    # A DTD multiplies what a small file says, by entities or by attributes.
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    try:
        parser.feed(content.lstrip())
        parser.close()
    except DefusedXmlException:
        raise ExchangeError(_("This XML has a document type (DTD); a playlist needs none, and none is read.")) from None
    except ElementTree.ParseError as error:
        line, column = error.position
        sentence = _("This is not valid XML from line %(line)d, column %(column)d on.")
        raise ExchangeError(sentence % {"line": line, "column": column + 1}) from None
    except (LookupError, ValueError):
        raise ExchangeError(_("The encoding of this XML cannot be read. Save it as UTF-8.")) from None
    return Sheet(title=target.title, entries=tuple(target.entries))


class _XspfTarget:
    """Takes elements as they are parsed; no tree is built of what a stranger sends."""

    def __init__(self) -> None:
        self.title = ""
        self.entries: list[FileEntry] = []
        self._n_elements = 0
        self._open: list[str] = []
        self._text: list[str] = []
        self._fields: dict[str, str] = {}

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self._n_elements += 1
        if self._n_elements > _MAX_ELEMENTS:
            raise ExchangeError(_("This XML has too many elements for a playlist."))
        self._open.append(tag.rpartition("}")[2])
        if self._open[0] != "playlist":
            raise ExchangeError(
                _("This XML is no XSPF playlist. Playlists can be imported as M3U, M3U8, PLS, XSPF or JSPF.")
            )
        self._text = []

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, _tag: str) -> None:
        match self._open:
            case [_, "title"]:
                self.title = clean("".join(self._text))
            case [_, "trackList", "track"]:
                _room_check(self.entries)
                self.entries.append(self._entry())
                self._fields = {}
            case [_, "trackList", "track", name]:
                # Of several addresses the first is meant.
                self._fields[name] = self._fields.get(name) or "".join(self._text)
        self._open.pop()
        self._text = []

    def _entry(self) -> FileEntry:
        read = self._fields.get
        duration_ms = _number(read("duration", ""))
        return FileEntry(
            location=clean(read("location", ""), MAX_ADDRESS),
            page=clean(read("identifier", "") or read("info", ""), MAX_ADDRESS),
            title=clean(read("title", "")),
            artist=clean(read("creator", "")),
            duration_s=duration_ms / 1000 if duration_ms else None,
        )


# --- Every format ---------------------------------------------------------------------------------------------------


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
    """Read a playlist file by its content, not by its name: M3U, PLS, XSPF or JSPF.

    Raises:
        ExchangeError: it is too large, of another kind, or lists nothing or too much.
    """
    if len(content) > MAX_BYTES:
        raise ExchangeError(
            _("A playlist file has at most %(most)d MB; this one is larger.") % {"most": MAX_BYTES // 1_000_000}
        )
    text = _decoded(content)
    if text.startswith("<"):
        sheet = xspf_read(content)
    elif text.startswith("{"):
        sheet = jspf_read(_reread(text))
    else:
        sheet = pls_read(text) if _is_pls(text) else m3u_read(text)
    if not sheet.entries:
        raise ExchangeError(_("This file lists no songs."))
    return sheet


def _decoded(content: bytes) -> str:
    """Decode a file; bytes that are not UTF-8 are kept for the line they are in, since players mix encodings."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
    elif b"\x00" in content:
        raise ExchangeError(_("This is not a text file. Playlists can be imported as M3U, M3U8, PLS, XSPF or JSPF."))
    else:
        text = content.decode("utf-8-sig", errors="surrogateescape")
    return text.replace("\x00", "").strip()
