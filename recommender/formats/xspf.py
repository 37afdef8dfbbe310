"""XSPF, written only: reading XML from strangers safely would need another library.

Source: https://www.xspf.org/spec
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from recommender.formats.values import EXTENSION, Track

NAMESPACE = "http://xspf.org/ns/0/"
# Characters that XML 1.0 cannot hold, not even escaped.
_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(title: str, tracks: Iterable[Track]) -> str:
    """Return a playlist as XSPF text."""
    playlist = ElementTree.Element("playlist", {"version": "1", "xmlns": NAMESPACE, "xmlns:mood": EXTENSION})
    _add(playlist, "title", title)
    track_list = ElementTree.SubElement(playlist, "trackList")
    for track in tracks:
        _track(track_list, track)
    ElementTree.indent(playlist)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(playlist, encoding="unicode") + "\n"


def _track(track_list: ElementTree.Element, track: Track) -> None:
    element = ElementTree.SubElement(track_list, "track")
    _add(element, "location", track.location)
    _add(element, "identifier", track.page)
    _add(element, "title", track.title)
    _add(element, "creator", track.artist)
    _add(element, "annotation", track.reason)
    _add(element, "info", track.page)
    _add(element, "album", track.album)
    _add(element, "duration", str(round(1000 * track.duration_s)))
    extension = ElementTree.SubElement(element, "extension", {"application": EXTENSION})
    for name, value in track.extension().items():
        _add(extension, f"mood:{name}", str(value))


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    # An empty element is not allowed where the schema wants an address, and says nothing elsewhere.
    if text:
        ElementTree.SubElement(parent, name).text = _IMPOSSIBLE.sub("", text)
