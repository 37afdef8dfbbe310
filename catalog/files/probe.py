"""Recognises audio by content: container, codec, duration, tags and cover; a faulty tag never refuses the audio."""

import base64
import binascii
import logging
import re
import struct
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import mutagen
from mutagen.flac import FLAC, Picture
from mutagen.id3 import ID3
from mutagen.mp4 import MP4Tags

from catalog.core.wording import gettext as _
from catalog.core.wording import number
from catalog.exceptions import FileRejectedError
from catalog.files.recording import PLACES, WINDOW_S, Recording

logger = logging.getLogger(__name__)

MIN_DURATION_S = 5.0
MAX_TEXT_CHARS = 300
MAX_GENRE_CHARS = 100
MAX_COVER_BYTES = 10 * 1024 * 1024

# By container: the media type and the extension.
_TYPES = {
    "mp3": ("audio/mpeg", "mp3"),
    "flac": ("audio/flac", "flac"),
    "ogg": ("audio/ogg", "ogg"),
    "wav": ("audio/wav", "wav"),
    "aiff": ("audio/aiff", "aiff"),
    "mp4": ("audio/mp4", "m4a"),
    "aac": ("audio/aac", "aac"),
}
# Most browsers play AAC in an MP4, and few ALAC.
_ALAC = 'audio/mp4; codecs="alac"'
MEDIA_TYPES = frozenset(media_type for media_type, _ in _TYPES.values()) | {_ALAC}
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


@dataclass(frozen=True, slots=True)
class AudioFacts:
    container: str
    codec: str
    mime_type: str
    extension: str
    duration_s: float
    sample_rate_hz: int
    channels: int
    tags: AudioTags
    cover: Cover | None


def probe(path: Path, *, max_duration_s: float = 2 * 3600.0) -> AudioFacts:
    """Recognise an audio file by its content.

    The duration is that of the sound that is there, whatever the header says.

    Raises:
        FileRejectedError: The catalog does not accept such a file.
    """
    if path.stat().st_size == 0:
        raise FileRejectedError("empty_file", _("The file is empty (0 bytes). Copy it from its source again."))
    with Recording(path, at_most_s=max_duration_s) as recording:
        _length_check(recording, max_duration_s)
        container, codec, metadata = recording.container, recording.codec, recording.metadata
        numbers = recording.duration_s, recording.sample_rate_hz, recording.channels
    with path.open("rb") as stream:
        tags, cover = _tags_read(stream, metadata)
    mime_type, extension = _TYPES[container]
    if codec == "alac":
        mime_type = _ALAC
    elif codec == "opus" and container == "ogg":
        extension = "opus"
    return AudioFacts(container, codec, mime_type, extension, *numbers, tags, cover)


def _length_check(recording: Recording, max_duration_s: float) -> None:
    present_s, promised_s = recording.duration_s, recording.promised_s
    if present_s > max_duration_s:
        length = {"length": duration_words(max(present_s, promised_s)), "most": duration_words(max_duration_s)}
        sentence = _("It is %(length)s long; a song may last at most %(most)s. Split it and upload the parts.")
        raise FileRejectedError("too_long", sentence % length)
    if present_s < MIN_DURATION_S:
        raise _too_little(present_s, promised_s)
    centre = recording.window(PLACES[0], WINDOW_S)
    # As analysis does, which listens elsewhere where the centre is damaged.
    if centre.is_damaged and all(recording.window(place, WINDOW_S).is_damaged for place in PLACES[1:]):
        rate_hz = recording.sample_rate_hz
        raise _too_little(centre.n_heard / rate_hz, len(centre.mono) / rate_hz)


def _too_little(decoded_s: float, promised_s: float) -> FileRejectedError:
    decoded = number(decoded_s, 1)
    if promised_s >= MIN_DURATION_S:
        sentence = _(
            "Only %(decoded)s s of its %(promised)s s can be decoded: it is damaged or truncated. "
            "Copy it from its source again."
        )
        return FileRejectedError("damaged", sentence % {"decoded": decoded, "promised": number(promised_s, 1)})
    sentence = _("It is %(decoded)s s long; a song must last at least %(least)d s to be analysed.")
    return FileRejectedError("too_short", sentence % {"decoded": decoded, "least": MIN_DURATION_S})


def duration_words(seconds: float) -> str:
    """Write a duration such as "3 h 0 min" or "4 min 5 s"."""
    whole = round(seconds)
    if whole >= 3600:
        return _("%(hours)d h %(minutes)d min") % {"hours": whole // 3600, "minutes": whole % 3600 // 60}
    if whole >= 60:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": whole // 60, "seconds": whole % 60}
    return _("%(seconds)d s") % {"seconds": whole}


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


def _tags_read(stream: BinaryIO, fallback: Mapping[str, str]) -> tuple[AudioTags, Cover | None]:
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
