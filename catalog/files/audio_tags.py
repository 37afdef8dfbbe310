"""Reads title, artist, album and cover from an audio file, and cleans text; a faulty tag never refuses the audio."""

from __future__ import annotations

import base64
import binascii
import logging
import re
import struct
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import mutagen
from mutagen.flac import FLAC, Picture
from mutagen.id3 import ID3
from mutagen.mp4 import MP4Tags

logger = logging.getLogger(__name__)

MAX_TEXT_CHARS = 300
MAX_GENRE_CHARS = 100
MAX_COVER_BYTES = 10 * 1024 * 1024

_FIELDS = ("title", "artist", "album", "genre", "date", "track")
_ID3_KEYS = {"title": "TIT2", "artist": "TPE1", "album": "TALB", "genre": "TCON", "date": "TDRC", "track": "TRCK"}
_MP4_KEYS = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "genre": "\xa9gen",
    "date": "\xa9day",
    "track": "trkn",
}
_VORBIS_KEYS = {**{name: name for name in _FIELDS}, "track": "tracknumber"}
_BIDI_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_COVER_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}

# Mutagen documents MutagenError, but a hostile tag also reaches its struct, index and text handling.
_TAG_FAULTS = (mutagen.MutagenError, OSError, ValueError, KeyError, IndexError, TypeError, struct.error)


@dataclass(frozen=True, slots=True)
class AudioTags:
    """What the file says of itself, cleaned; an empty string or None where it says nothing."""

    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    track_number: int | None = None


@dataclass(frozen=True, slots=True)
class Cover:
    """An embedded picture whose type was recognised by its content."""

    data: bytes
    mime_type: str


def text_clean(text: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Make text safe to store and show: composed (NFC), with single spaces, cut to `max_chars`.

    Control characters (NUL, which PostgreSQL refuses), lone surrogates and bidirectional overrides become spaces.
    """
    kept = "".join(" " if _is_unwanted(char) else char for char in text)
    return unicodedata.normalize("NFC", " ".join(kept.split()))[:max_chars].strip()


def _is_unwanted(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs") or char in _BIDI_OVERRIDES


def file_name_clean(name: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Return the name to show for an offered file: no folders, no control characters, extension kept when cut."""
    base = text_clean(re.split(r"[\\/]", name)[-1], max_chars=10_000).strip(". ") or "unnamed file"
    if len(base) <= max_chars:
        return base
    stem, dot, suffix = base.rpartition(".")
    if dot and len(suffix) <= 10:
        return stem[: max_chars - len(suffix) - 2] + "…" + dot + suffix
    return base[: max_chars - 1] + "…"


def tags_read(stream: BinaryIO, fallback: Mapping[str, str]) -> tuple[AudioTags, Cover | None]:
    """Return cleaned tags, and the first usable embedded picture.

    Args:
        stream: The open file; its position changes.
        fallback: The demuxer's metadata, with lower-case keys, for formats that mutagen does not read (RIFF INFO).
    """
    stream.seek(0)
    try:
        found = mutagen.File(stream)
        raw = _raw_fields(found)
        cover = next(_covers(found), None)
    except _TAG_FAULTS as error:
        logger.info("The tags are unreadable and were left out: %s", error)
        raw, cover = {}, None
    merged = {name: raw.get(name) or fallback.get(name, "") for name in _FIELDS}
    return _tags_clean(merged), cover


def _tags_clean(raw: Mapping[str, str]) -> AudioTags:
    return AudioTags(
        title=text_clean(raw["title"]),
        artist=text_clean(raw["artist"]),
        album=text_clean(raw["album"]),
        genre=text_clean(raw["genre"], MAX_GENRE_CHARS),
        year=_number(r"(?<!\d)([12]\d{3})(?!\d)", raw["date"]),
        track_number=_number(r"^\D{0,3}(\d{1,4})(?!\d)", raw["track"]),
    )


def _number(pattern: str, text: str) -> int | None:
    match = re.search(pattern, text)
    return int(match.group(1)) if match else None


def _raw_fields(found: Any) -> dict[str, str]:
    tags = getattr(found, "tags", None)
    if tags is None:
        return {}
    if isinstance(tags, ID3):
        return {name: _id3_text(tags.get(key)) for name, key in _ID3_KEYS.items()}
    keys = _MP4_KEYS if isinstance(tags, MP4Tags) else _VORBIS_KEYS
    return {name: _first_text(tags.get(key)) for name, key in keys.items()}


def _id3_text(frame: Any) -> str:
    # TCON's `genres` turns ID3v1 numbers such as "(17)" into names.
    return _first_text(getattr(frame, "genres", None) or getattr(frame, "text", None))


def _first_text(values: Any) -> str:
    for value in values or ():
        text = str(value[0]) if isinstance(value, tuple) else str(value)
        if text.strip("\x00 \t\r\n"):
            return text
    return ""


def _covers(found: Any) -> Iterator[Cover]:
    for data in _pictures(found):
        mime_type = picture_type(data)
        if mime_type and len(data) <= MAX_COVER_BYTES:
            yield Cover(data, mime_type)


def _pictures(found: Any) -> Iterator[bytes]:
    tags = getattr(found, "tags", None)
    if isinstance(found, FLAC):
        yield from (picture.data for picture in found.pictures)
    if isinstance(tags, ID3):
        yield from (frame.data for frame in tags.getall("APIC"))
    elif isinstance(tags, MP4Tags):
        yield from (bytes(data) for data in tags.get("covr", ()))
    elif tags is not None:
        for block in tags.get("metadata_block_picture") or ():
            yield from _picture_block(block)


def _picture_block(block: str) -> Iterator[bytes]:
    try:
        yield Picture(base64.b64decode(block)).data
    except (binascii.Error, *_TAG_FAULTS) as error:
        logger.info("An embedded picture is unreadable and was left out: %s", error)


def picture_type(data: bytes) -> str | None:
    """Return the media type of a picture by its content; None for what we do not serve."""
    # The declared type is ignored: these bytes are served to browsers later, so only real raster pictures pass.
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _COVER_MAGIC.items() if data.startswith(magic)), None)
