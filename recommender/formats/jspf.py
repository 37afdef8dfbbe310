"""JSPF, the JSON form of XSPF.

Source: https://www.xspf.org/jspf
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from catalog.core.wording import gettext as _
from recommender.exceptions import ExchangeError
from recommender.formats.values import EXTENSION, FileEntry, Sheet, Track, clean


def write(title: str, tracks: Iterable[Track]) -> str:
    """Return a playlist as JSPF text."""
    return json.dumps({"playlist": {"title": title, "track": [_track(track) for track in tracks]}}, ensure_ascii=False)


def read(text: str) -> Sheet:
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
    entries = tuple(_entry(track) for track in playlist.get("track", []) if isinstance(track, dict))
    return Sheet(title=_text(playlist.get("title")), entries=entries)


def _track(track: Track) -> dict[str, Any]:
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


def _entry(track: dict[str, Any]) -> FileEntry:
    duration_ms = track.get("duration")
    known = isinstance(duration_ms, int | float) and math.isfinite(duration_ms) and duration_ms > 0
    return FileEntry(
        location=_first(track.get("location")),
        page=_first(track.get("identifier")) or _text(track.get("info")),
        title=_text(track.get("title")),
        artist=_text(track.get("creator")),
        duration_s=float(duration_ms) / 1000 if known and duration_ms is not None else None,
    )


def _first(value: Any) -> str:
    """Return the first of some addresses; many writers put one where the format wants a list."""
    if isinstance(value, list):
        return next((text for each in value if (text := _text(each))), "")
    return _text(value)


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""
