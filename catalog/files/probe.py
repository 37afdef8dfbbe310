"""Recognises audio by content: container, codec, duration, tags and cover; a faulty tag never refuses the audio.

The demuxer gets an open file without a name and only the formats listed here: a disguised playlist or concatenation
script could otherwise make FFmpeg open other files or addresses.
"""

import base64
import binascii
import logging
import os
import re
import struct
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av
import mutagen
from av.container import InputContainer
from av.stream import Disposition
from mutagen.flac import FLAC, Picture
from mutagen.id3 import ID3
from mutagen.mp4 import MP4Tags

from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, number
from catalog.exceptions import FileRejectedError

logger = logging.getLogger(__name__)

MIN_DURATION_S = 5.0
MAX_TEXT_CHARS = 300
MAX_GENRE_CHARS = 100
MAX_COVER_BYTES = 10 * 1024 * 1024

_ACCEPTED = gettext_noop("MP3, FLAC, Ogg Vorbis, Opus, WAV, AIFF and M4A/AAC")
_VIDEO = gettext_noop("This is a video (%(kind)s). Upload only its audio, for example as MP3 or M4A.")
_UNKNOWN_DATA = gettext_noop("unknown data")

# FFmpeg's demuxer -> the container, the media type, the extension, and the codecs that are accepted.
_DEMUXERS = {
    "mp3": ("mp3", "audio/mpeg", "mp3", ("mp3", "mp2")),
    "flac": ("flac", "audio/flac", "flac", ("flac",)),
    "ogg": ("ogg", "audio/ogg", "ogg", ("vorbis", "opus", "flac")),
    "wav": ("wav", "audio/wav", "wav", ("pcm_",)),
    "aiff": ("aiff", "audio/aiff", "aiff", ("pcm_",)),
    "mov,mp4,m4a,3gp,3g2,mj2": ("mp4", "audio/mp4", "m4a", ("aac", "alac", "mp3", "flac", "opus")),
    "aac": ("aac", "audio/aac", "aac", ("aac",)),
}
MEDIA_TYPES = frozenset(media_type for _, media_type, _, _ in _DEMUXERS.values())
_PICTURE = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
# The beginnings of accepted formats: (offset, magic, name).
_BEGINNINGS = (
    (4, b"ftyp", "M4A or MP4"),
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (8, b"WAVE", "WAV"),
    (8, b"AIF", "AIFF"),
)
_GUESSES = (
    (b"%PDF", gettext_noop("a PDF document")),
    (b"\x89PNG", gettext_noop("an image")),
    (b"\xff\xd8\xff", gettext_noop("an image")),
    (b"GIF8", gettext_noop("an image")),
    (b"PK\x03\x04", gettext_noop("a ZIP archive")),
    (b"Rar!", gettext_noop("an archive")),
    (b"\x7fELF", gettext_noop("a program")),
    (b"MThd", gettext_noop("a MIDI file")),
    (b"\x1aE\xdf\xa3", gettext_noop("a Matroska or WebM file")),
    (b"\x00\x00\x01\xba", gettext_noop("an MPEG video")),
    (b"0&\xb2u", gettext_noop("a Windows Media file")),
)
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

    The duration is that of the packets present, whatever the header says; only the first seconds are decoded.

    Raises:
        FileRejectedError: The catalog does not accept such a file.
    """
    with path.open("rb") as stream:
        if os.fstat(stream.fileno()).st_size == 0:
            raise FileRejectedError("empty_file", _("The file is empty (0 bytes). Copy it from its source again."))
        with _open(stream) as container:
            name, mime_type, extension, codecs = _DEMUXERS[container.format.name]
            _refuse_video(container)
            if not container.streams.audio:
                raise FileRejectedError("no_audio", _("This file has no audio track. Choose a file that has one."))
            codec = _codec(container, codecs)
            duration_s = _duration_checked(container, max_duration_s)
            context = container.streams.audio[0].codec_context
            sample_rate_hz, channels = int(context.sample_rate), int(context.channels)
            metadata = {key.lower(): value for key, value in container.metadata.items()}
        tags, cover = _tags_read(stream, metadata)
    extension = "opus" if (name, codec) == ("ogg", "opus") else extension
    return AudioFacts(name, codec, mime_type, extension, duration_s, sample_rate_hz, channels, tags, cover)


def _open(stream: BinaryIO) -> InputContainer:
    head = stream.read(4096)
    stream.seek(0)
    known = _format_after_id3(stream, head)
    options = {"format_whitelist": ",".join(_DEMUXERS), "protocol_whitelist": ""}
    try:
        return av.open(stream, mode="r", format=known, options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise _refusal(head) from error


def _format_after_id3(stream: BinaryIO, head: bytes) -> str | None:
    # Without a name, FFmpeg gives up on a tag (with its cover) larger than its probe window of 1 MiB.
    if head[:3] != b"ID3" or len(head) < 10:
        return None
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    stream.seek(10 + size)
    after = stream.read(4)
    stream.seek(0)
    if after == b"fLaC":
        return "flac"
    is_adts = len(after) > 1 and after[0] == 0xFF and after[1] & 0xF6 == 0xF0
    return "aac" if is_adts else "mp3"


def _refusal(head: bytes) -> FileRejectedError:
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return FileRejectedError("video", _(_VIDEO) % {"kind": "AVI"})
    cut_off = _(
        "It starts like %(format)s but cannot be read: it is damaged or truncated. Copy it from its source again."
    )
    for offset, magic, name in _BEGINNINGS:
        if head[offset : offset + len(magic)] == magic:
            return FileRejectedError("damaged", cut_off % {"format": name})
    return FileRejectedError(
        "not_audio",
        _("This is not an audio file: its content looks like %(guess)s. Moodplane accepts %(formats)s.")
        % {"guess": _(_guess(head)), "formats": _(_ACCEPTED)},
    )


def _guess(head: bytes) -> str:
    for magic, name in _GUESSES:
        if head.startswith(magic):
            return name
    try:
        # The window may end inside a character.
        text = head.decode("utf-8", errors="strict" if len(head) < 4096 else "ignore")
    except UnicodeDecodeError:
        return _UNKNOWN_DATA
    readable = sum(char.isprintable() or char.isspace() for char in text)
    return gettext_noop("text") if readable > 0.95 * len(text) else _UNKNOWN_DATA


def _refuse_video(container: InputContainer) -> None:
    for video in container.streams.video:
        # A cover is a video stream of one picture to FFmpeg.
        if video.disposition & _PICTURE:
            continue
        context = video.codec_context
        size = f", {context.width}x{context.height}" if context and context.width else ""
        kind = context.codec.canonical_name if context else _("unknown codec")
        raise FileRejectedError("video", _(_VIDEO) % {"kind": f"{kind}{size}"})


def _codec(container: InputContainer, codecs: tuple[str, ...]) -> str:
    context = container.streams.audio[0].codec_context
    codec = context.codec.canonical_name if context else ""
    if not any(codec == each or (each.endswith("_") and codec.startswith(each)) for each in codecs):
        known = _("The audio in this file is encoded as %(codec)s. Moodplane accepts %(formats)s.")
        unknown = _(
            "The audio in this file is copy-protected or has an unknown encoding. Moodplane accepts %(formats)s."
        )
        sentence = (known if codec else unknown) % {"codec": codec, "formats": _(_ACCEPTED)}
        raise FileRejectedError("unsupported_codec", sentence)
    return codec


def _duration_checked(container: InputContainer, max_duration_s: float) -> float:
    promised_s = container.duration / 1_000_000 if container.duration else 0.0
    present_s = decoded_s = 0.0
    # The file may end or break anywhere; the packets before that count.
    with suppress(av.FFmpegError, EOFError):
        for packet in container.demux(container.streams.audio[0]):
            if packet.duration and packet.time_base:
                present_s += float(packet.duration * packet.time_base)
            if decoded_s < MIN_DURATION_S:
                # MP3 and AAC begin mid-stream after a cut, so one bad packet says nothing about the next.
                with suppress(av.FFmpegError, EOFError):
                    frames: list[Any] = packet.decode()
                    decoded_s += sum(frame.samples / frame.sample_rate for frame in frames)
            if present_s > max_duration_s:
                break
    if present_s > max_duration_s:
        length = {"length": duration_words(max(present_s, promised_s)), "most": duration_words(max_duration_s)}
        sentence = _("It is %(length)s long; a song may last at most %(most)s. Split it and upload the parts.")
        raise FileRejectedError("too_long", sentence % length)
    if decoded_s < MIN_DURATION_S:
        raise _too_little(decoded_s, max(promised_s, present_s))
    # Codecs pad the first and last packet, and the header knows by how much: it wins when the two nearly agree.
    return promised_s if abs(promised_s - present_s) < 0.2 else present_s


def _too_little(decoded_s: float, promised_s: float) -> FileRejectedError:
    if decoded_s == 0.0:
        return FileRejectedError(
            "undecodable",
            _(
                "No audio could be decoded from this file: it is damaged, or only looks like audio. "
                "Copy it from its source again."
            ),
        )
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
