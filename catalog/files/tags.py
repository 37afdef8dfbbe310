"""Reads the tags and the cover of a file, and cleans text for the catalog; a faulty tag never refuses the audio."""

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
_ID3_KEYS = dict(zip(_FIELDS, ("TIT2", "TPE1", "TALB", "TCON", "TDRC", "TRCK"), strict=True))
_MP4_KEYS = dict(zip(_FIELDS, ("\xa9nam", "\xa9ART", "\xa9alb", "\xa9gen", "\xa9day", "trkn"), strict=True))
_VORBIS_KEYS = {**dict(zip(_FIELDS, _FIELDS, strict=True)), "track": "tracknumber"}
_BIDI_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_COVER_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}
# Mutagen documents MutagenError, but a hostile tag also reaches its struct, index and text handling.
_TAG_FAULTS = (mutagen.MutagenError, OSError, ValueError, KeyError, IndexError, TypeError, struct.error)


@dataclass(frozen=True, slots=True)
class AudioTags:
    """Cleaned tags of a file; an empty string or None where a tag is missing."""

    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    track_number: int | None = None


@dataclass(frozen=True, slots=True)
class Cover:
    """An embedded picture, its type recognised by content."""

    data: bytes
    mime_type: str


def text_clean(text: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Make text safe to store and show: composed (NFC), with single spaces, cut to `max_chars`.

    Control characters (NUL, which PostgreSQL refuses), lone surrogates and bidirectional overrides become spaces.
    """
    is_unsafe = (unicodedata.category(char) in ("Cc", "Cs") or char in _BIDI_OVERRIDES for char in text)
    safe = "".join(" " if unsafe else char for char, unsafe in zip(text, is_unsafe, strict=True))
    return unicodedata.normalize("NFC", " ".join(safe.split()))[:max_chars].strip()


def file_name_clean(name: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Return a file name to show: no folders, no control characters, extension preserved when cut."""
    base = text_clean(re.split(r"[\\/]", name)[-1], max_chars=10_000).strip(". ") or "unnamed file"
    if len(base) <= max_chars:
        return base
    stem, dot, suffix = base.rpartition(".")
    if dot and len(suffix) <= 10:
        return stem[: max_chars - len(suffix) - 2] + "…" + dot + suffix
    return base[: max_chars - 1] + "…"


def tags_read(stream: BinaryIO, fallback: Mapping[str, str]) -> tuple[AudioTags, Cover | None]:
    """Return the tags and the cover of an open file; `fallback` has the demuxer's own reading of its tags."""
    # The demuxer's metadata is the fallback for formats that mutagen does not read (RIFF INFO).
    stream.seek(0)
    try:
        file = mutagen.File(stream)
        raw = _raw_fields(getattr(file, "tags", None))
        covers = ((data, picture_type(data)) for data in _pictures(file))
        cover = next((Cover(data, kind) for data, kind in covers if kind and len(data) <= MAX_COVER_BYTES), None)
    except _TAG_FAULTS as error:
        logger.info("Skipped unreadable tags: %s", error)
        raw, cover = {}, None
    fields = {name: raw.get(name) or fallback.get(name, "") for name in _FIELDS}
    tags = AudioTags(
        title=text_clean(fields["title"]),
        artist=text_clean(fields["artist"]),
        album=text_clean(fields["album"]),
        genre=text_clean(fields["genre"], MAX_GENRE_CHARS),
        year=_number(r"(?<!\d)([12]\d{3})(?!\d)", fields["date"]),
        track_number=_number(r"^\D{0,3}(\d{1,4})(?!\d)", fields["track"]),
    )
    return tags, cover


def _number(pattern: str, text: str) -> int | None:
    match = re.search(pattern, text)
    return int(match.group(1)) if match else None


def _raw_fields(tags: Any) -> dict[str, str]:
    if tags is None:
        return {}
    if isinstance(tags, ID3):
        frames = {name: tags.get(key) for name, key in _ID3_KEYS.items()}
        # TCON's `genres` turns ID3v1 numbers such as "(17)" into names.
        return {
            name: _first_text(getattr(frame, "genres", None) or getattr(frame, "text", None))
            for name, frame in frames.items()
        }
    keys = _MP4_KEYS if isinstance(tags, MP4Tags) else _VORBIS_KEYS
    return {name: _first_text(tags.get(key)) for name, key in keys.items()}


def _first_text(values: Any) -> str:
    # MP4 gives the track as (number, total).
    texts = (str(value[0]) if isinstance(value, tuple) else str(value) for value in values or ())
    return next((text for text in texts if text.strip("\x00 \t\r\n")), "")


def _pictures(file: Any) -> Iterator[bytes]:
    tags = getattr(file, "tags", None)
    if isinstance(file, FLAC):
        yield from (picture.data for picture in file.pictures)
    if isinstance(tags, ID3):
        yield from (frame.data for frame in tags.getall("APIC"))
    elif isinstance(tags, MP4Tags):
        yield from (bytes(data) for data in tags.get("covr", ()))
    elif tags is not None:
        for block in tags.get("metadata_block_picture") or ():
            try:
                yield Picture(base64.b64decode(block)).data
            except (binascii.Error, *_TAG_FAULTS) as error:
                logger.info("Skipped an unreadable embedded picture: %s", error)


def picture_type(data: bytes) -> str | None:
    """Return the media type of a picture by its content; None for types that the catalog does not serve."""
    # The declared type is ignored: browsers receive these bytes later, so only real raster pictures pass.
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _COVER_MAGIC.items() if data.startswith(magic)), None)
