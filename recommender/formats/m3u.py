"""Extended M3U in UTF-8.

There is no standard; `#EXTM3U`, `#EXTINF` and `#PLAYLIST` are read by every player. What only
this project knows of a song stands in a comment, which other players skip.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import replace

from catalog.core.wording import gettext as _
from recommender.exceptions import ExchangeError
from recommender.formats.values import FileEntry, Sheet, Track, clean

_OURS = "#MOODPLANE:"
# Seconds, then attributes such as tvg-name="a, b", then the label behind the first comma outside quotes.
_EXTINF = re.compile(r'#EXTINF:\s*(-?\d+(?:\.\d+)?)?((?:[^",]|"[^"]*")*)(?:,(.*))?', re.IGNORECASE)


def write(title: str, tracks: Iterable[Track]) -> str:
    """Return a playlist as M3U8 text."""
    lines = ["#EXTM3U", f"#PLAYLIST:{clean(title)}"]
    for track in tracks:
        lines += [
            f"#EXTINF:{round(track.duration_s)},{clean(track.artist)} - {clean(track.title)}",
            f"{_OURS}{json.dumps({'page': track.page, **track.extension()})}",
            track.location,
        ]
    return "\n".join([*lines, ""])


def read(text: str) -> Sheet:
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
            said = _told(line, said)
        elif line:
            entries.append(replace(said, location=line))
            said = FileEntry()
    return Sheet(title=title, entries=tuple(entries))


def _told(line: str, said: FileEntry) -> FileEntry:
    if line.startswith(_OURS):
        return replace(said, page=_page(line.removeprefix(_OURS)))
    found = _EXTINF.fullmatch(line)
    if found is None:
        return said
    duration_s = float(found.group(1) or "nan")
    known = math.isfinite(duration_s) and duration_s > 0
    return replace(said, duration_s=duration_s if known else None, label=(found.group(3) or "").strip())


def _page(text: str) -> str:
    try:
        ours = json.loads(text)
    except ValueError:
        return ""
    page = ours.get("page", "") if isinstance(ours, dict) else ""
    return clean(page) if isinstance(page, str) else ""
