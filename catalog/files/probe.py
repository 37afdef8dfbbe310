"""Recognises audio by its content: container, codec, length, tags and cover.

The demuxer gets an open file, no name, and only the formats listed here: a playlist or a concatenation script in
disguise could otherwise make FFmpeg open other files or addresses.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import InputContainer
from av.stream import Disposition

from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, number
from catalog.exceptions import FileRejectedError
from catalog.files.audio_tags import AudioTags, Cover, tags_read

MIN_DURATION_S = 5.0
MAX_DURATION_S = 2 * 3600.0


def formats_taken() -> str:
    """Name the accepted formats."""
    return _("MP3, FLAC, Ogg Vorbis, Opus, WAV, AIFF and M4A/AAC")


def _video_words() -> str:
    return _("This is a video (%(kind)s). Upload only its audio, for example as MP3 or M4A.")


_UNKNOWN_DATA = gettext_noop("unknown data")

# FFmpeg's demuxer -> our name of the container, and the codecs that we take in it.
_DEMUXERS = {
    "mp3": ("mp3", ("mp3", "mp2")),
    "flac": ("flac", ("flac",)),
    "ogg": ("ogg", ("vorbis", "opus", "flac")),
    "wav": ("wav", ("pcm_",)),
    "aiff": ("aiff", ("pcm_",)),
    "mov,mp4,m4a,3gp,3g2,mj2": ("mp4", ("aac", "alac", "mp3", "flac", "opus")),
    "aac": ("aac", ("aac",)),
}
_MIME_TYPES = {
    "mp3": ("audio/mpeg", "mp3"),
    "flac": ("audio/flac", "flac"),
    "ogg": ("audio/ogg", "ogg"),
    "wav": ("audio/wav", "wav"),
    "aiff": ("audio/aiff", "aiff"),
    "mp4": ("audio/mp4", "m4a"),
    "aac": ("audio/aac", "aac"),
}
_PICTURE = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
# Formats that we take, when only their beginning is there: (offset, magic, name).
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


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """The content of an audio file."""

    container: str
    codec: str
    mime_type: str
    extension: str
    duration_s: float
    sample_rate_hz: int
    channels: int
    tags: AudioTags
    cover: Cover | None


def probe(path: Path, *, max_duration_s: float = MAX_DURATION_S) -> AudioFacts:
    """Recognise an audio file by its content.

    The length is that of the packets that are there, whatever the header promises; only the first seconds are decoded.

    Raises:
        FileRejectedError: The catalog does not take such a file.
    """
    with path.open("rb") as stream:
        if os.fstat(stream.fileno()).st_size == 0:
            raise FileRejectedError("empty_file", _("The file is empty (0 bytes). Copy it from its source again."))
        with _open(stream) as container:
            name, codecs = _DEMUXERS[container.format.name]
            _refuse_video(container)
            if not container.streams.audio:
                sentence = _("This file has no audio track. Choose a file that has one.")
                raise FileRejectedError("no_audio", sentence)
            codec = _codec(container, codecs)
            duration_s = _duration_checked(container, max_duration_s)
            context = container.streams.audio[0].codec_context
            sample_rate_hz, channels = int(context.sample_rate), int(context.channels)
            metadata = {key.lower(): value for key, value in container.metadata.items()}
        tags, cover = tags_read(stream, metadata)
    mime_type, extension = _MIME_TYPES[name]
    extension = "opus" if (name, codec) == ("ogg", "opus") else extension
    return AudioFacts(name, codec, mime_type, extension, duration_s, sample_rate_hz, channels, tags, cover)


def _open(stream: BinaryIO) -> InputContainer:
    head = stream.read(4096)
    stream.seek(0)
    form = _format_after_id3(stream, head)
    options = {"format_whitelist": ",".join(_DEMUXERS), "protocol_whitelist": ""}
    try:
        return av.open(stream, mode="r", format=form, options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise _refusal(head) from error


def _format_after_id3(stream: BinaryIO, head: bytes) -> str | None:
    # FFmpeg gives up when the tag (with its cover) is larger than its probe window of 1 MiB and there is no name.
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
        return FileRejectedError("video", _video_words() % {"kind": "AVI"})
    cut_off = _(
        "It starts like %(format)s but cannot be read: it is damaged or truncated. Copy it from its source again."
    )
    for offset, magic, name in _BEGINNINGS:
        if head[offset : offset + len(magic)] == magic:
            return FileRejectedError("damaged", cut_off % {"format": name})
    return FileRejectedError(
        "not_audio",
        _("This is not an audio file: its content looks like %(guess)s. Moodplane accepts %(formats)s.")
        % {"guess": _(_guess(head)), "formats": formats_taken()},
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
        raise FileRejectedError("video", _video_words() % {"kind": f"{kind}{size}"})


def _codec(container: InputContainer, codecs: tuple[str, ...]) -> str:
    context = container.streams.audio[0].codec_context
    codec = context.codec.canonical_name if context else ""
    if not any(codec == taken or (taken.endswith("_") and codec.startswith(taken)) for taken in codecs):
        known = _("The audio in this file is encoded as %(codec)s. Moodplane accepts %(formats)s.")
        unknown = _(
            "The audio in this file is copy-protected or has an unknown encoding. Moodplane accepts %(formats)s."
        )
        sentence = (known if codec else unknown) % {"codec": codec, "formats": formats_taken()}
        raise FileRejectedError("unsupported_codec", sentence)
    return codec


def _duration_checked(container: InputContainer, max_duration_s: float) -> float:
    promised_s = container.duration / 1_000_000 if container.duration else 0.0
    present_s, decoded_s = _audio_present(container, max_duration_s)
    if present_s > max_duration_s:
        length = {"length": duration_words(max(present_s, promised_s)), "most": duration_words(max_duration_s)}
        sentence = _("It is %(length)s long; a song may last at most %(most)s. Split it and upload the parts.")
        raise FileRejectedError("too_long", sentence % length)
    if decoded_s < MIN_DURATION_S:
        raise _too_little(decoded_s, max(promised_s, present_s))
    # Codecs pad the first and last packet; the header knows by how much, so it wins when the two nearly agree.
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


def _audio_present(container: InputContainer, max_duration_s: float) -> tuple[float, float]:
    present_s = decoded_s = 0.0
    # The file may end or break anywhere; what came before still counts.
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
    return present_s, decoded_s


def duration_words(seconds: float) -> str:
    """Write a duration such as "3 h 0 min" or "4 min 5 s"."""
    whole = round(seconds)
    if whole >= 3600:
        return _("%(hours)d h %(minutes)d min") % {"hours": whole // 3600, "minutes": whole % 3600 // 60}
    if whole >= 60:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": whole // 60, "seconds": whole % 60}
    return _("%(seconds)d s") % {"seconds": whole}
