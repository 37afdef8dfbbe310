"""Reads the tags and the cover of a file, and cleans text for the catalog; a faulty tag never refuses the audio."""

import base64
import binascii
import io
import logging
import re
import struct
import unicodedata
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple, cast

import mutagen
from mutagen.apev2 import APENoHeaderError, APEv2
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3, PIC, RVA2, SYLT, TXXX, UFID, USLT, Frame, Frames, ID3NoHeaderError, ParseID3v1
from mutagen.mp4 import MP4
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggspeex import OggSpeex
from mutagen.oggvorbis import OggVorbis

from catalog.core.names import MAX_NAMES, artists_split, credit_join, names_join
from catalog.files.recording import Behind, end_of_tags

logger = logging.getLogger(__name__)

MAX_TEXT_CHARS = 300
MAX_CREDIT_CHARS = 1000
MAX_GENRE_CHARS = 300
MAX_LYRICS_CHARS = 64 * 1024
MAX_COVER_BYTES = 10 * 1024 * 1024
# A larger cover becomes one of this width or height, unless it has more pixels than can be held.
_SCALED_PX = 1600
_MAX_SCALED_PIXELS = 40_000_000
# Of a picture before it is scaled; of a text, most of which is dropped.
_MAX_PICTURE_BYTES = 32 * 1024 * 1024
_MAX_FRAME_BYTES = 8 * 1024
_MAX_LYRICS_BYTES = 4 * MAX_LYRICS_CHARS
_MAX_CHUNKS = 2000

# By field, the names that each kind of tags has for it, the better first.
_ID3_KEYS = {
    "title": ("TIT2",),
    "artist": ("TPE1",),
    "artists": ("TXXX:ARTISTS",),
    "album": ("TALB",),
    "album_artist": ("TPE2", "TXXX:ALBUMARTIST", "TXXX:ALBUM ARTIST"),
    "compilation": ("TCMP", "TXXX:COMPILATION"),
    "genre": ("TCON",),
    "date": ("TDRC", "TYER", "TDRL", "TDOR"),
    "track": ("TRCK",),
    "disc": ("TPOS",),
    "recording": ("UFID:HTTP://MUSICBRAINZ.ORG",),
    "track_gain": ("TXXX:REPLAYGAIN_TRACK_GAIN",),
    "track_peak": ("TXXX:REPLAYGAIN_TRACK_PEAK",),
    "album_gain": ("TXXX:REPLAYGAIN_ALBUM_GAIN",),
    "album_peak": ("TXXX:REPLAYGAIN_ALBUM_PEAK",),
    "lyrics": ("TXXX:SYNCEDLYRICS", "TXXX:LYRICS", "TXXX:UNSYNCEDLYRICS"),
}
_MP4_KEYS: dict[str, tuple[str, ...]] = {
    "title": ("\xa9nam",),
    "artist": ("\xa9ART",),
    "artists": ("----:com.apple.iTunes:ARTISTS",),
    "album": ("\xa9alb",),
    "album_artist": ("aART",),
    "compilation": ("cpil",),
    "genre": ("\xa9gen",),
    "date": ("\xa9day",),
    "track": ("trkn",),
    "disc": ("disk",),
    "recording": ("----:com.apple.iTunes:MusicBrainz Track Id",),
    "lyrics": ("\xa9lyr", "----:com.apple.iTunes:LYRICS"),
}
# Written in capitals by some programs.
_MP4_KEYS |= {
    name: tuple(f"----:com.apple.iTunes:{key}" for key in (f"replaygain_{name}", f"REPLAYGAIN_{name.upper()}"))
    for name in ("track_gain", "track_peak", "album_gain", "album_peak")
}
# Vorbis comments, APEv2 and FFmpeg's metadata; their names differ in case only.
_NAMED_KEYS = {
    "title": ("title",),
    "artist": ("artist",),
    "artists": ("artists",),
    "album": ("album",),
    "album_artist": ("albumartist", "album artist", "album_artist"),
    "compilation": ("compilation",),
    "genre": ("genre",),
    "date": ("date", "year"),
    "track": ("tracknumber", "track"),
    "disc": ("discnumber", "disc"),
    "recording": ("musicbrainz_trackid",),
    "track_gain": ("replaygain_track_gain",),
    "track_peak": ("replaygain_track_peak",),
    "album_gain": ("replaygain_album_gain",),
    "album_peak": ("replaygain_album_peak",),
    "track_r128": ("r128_track_gain",),
    "album_r128": ("r128_album_gain",),
    "lyrics": ("syncedlyrics", "lyrics", "unsyncedlyrics", "unsynced lyrics"),
}
_INFO_KEYS = {
    b"INAM": "title",
    b"IART": "artist",
    b"IPRD": "album",
    b"IGNR": "genre",
    b"ICRD": "date",
    b"ITRK": "track",
    b"IPRT": "track",
}
_EMPTY = "\0 \t\r\n"
_BIDI_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# Without width, so that names that look alike are not alike; the joiners are letters' and emoji's own.
_NO_WIDTH = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
# Letters and signs to Unicode, and yet nothing to see.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_BLANK_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"})
_COVER_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}
# Of the frame SYLT: ID3v2.4, 4.9.
_MILLISECONDS, _WORDS_SUNG = 2, (0, 1, 2)
# The front cover, then what is not known to be something else, the back, and icons.
_FRONT, _BACK, _ICONS = 3, 4, (1, 2)
# A year alone or with separators, or the digits of a date.
_YEAR = re.compile(
    r"(?<!\d)([12]\d{3})(?!\d)|(?<!\d)((?:19|20)\d\d)(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12]\d|3[01])\d{0,6})?(?!\d)"
)
_NUMBER = re.compile(r"^\D{0,3}(\d{1,4})(?!\d)")
_DECIMAL = re.compile(r"([+-]?\d{1,5}(?:[.,]\d{1,12})?) *(?:db)?", re.ASCII | re.IGNORECASE)
# ReplayGain leads to -18 LUFS, and the gains of Opus to -23: RFC 7845, section 5.2.1.
_R128_UNITS_IN_DB, _R128_TO_REPLAY_GAIN_DB = 256, 5.0
_LYRICS_TIME = re.compile(r"^\s*\[\d{1,3}:\d{2}", re.ASCII | re.MULTILINE)
# Beyond these, a program has written something else.
_MOST_GAIN_DB, _MOST_PEAK = 60.0, 100.0
# Mutagen documents MutagenError, but a hostile tag also reaches its struct, index and text handling.
TAG_FAULTS = (
    *(mutagen.MutagenError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError),
    *(struct.error, zlib.error, EOFError, OverflowError),
)


@dataclass(frozen=True, slots=True)
class ReplayGain:
    """The gains in dB that lead a song, or its whole album, to -18 LUFS, and the highest samples, of full scale 1.0."""

    track_gain_db: float | None = None
    track_peak: float | None = None
    album_gain_db: float | None = None
    album_peak: float | None = None


@dataclass(frozen=True, slots=True)
class AudioTags:
    """Cleaned tags of a file; an empty string or None where a tag is missing.

    `artist` is the credit of all artists, and `genre` all genres between semicolons: see `catalog.core.names`.
    """

    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    track_number: int | None = None
    disc_number: int | None = None
    album_artist: str = ""
    is_compilation: bool = False
    replay_gain: ReplayGain = field(default_factory=ReplayGain)
    lyrics: str = ""  # As written; `catalog.files.lyrics` reads them.
    recording_id: str = ""  # Of the recording at MusicBrainz.


@dataclass(frozen=True, slots=True)
class Cover:
    """An embedded picture, its type recognised by content."""

    data: bytes
    mime_type: str


def text_clean(text: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Make text safe to store and show: composed (NFC), with single spaces, cut to `max_chars`; empty if nothing shows.

    Control characters (NUL, which PostgreSQL refuses), lone surrogates and bidirectional overrides become spaces.
    """
    # Cut first: cleaning takes the square of a text's length, if all of it is accents.
    text = text.strip(_EMPTY)[: 8 * max_chars].translate(_NO_WIDTH)
    is_unsafe = (unicodedata.category(char) in ("Cc", "Cs") or char in _BIDI_OVERRIDES for char in text)
    safe = "".join(" " if unsafe else char for char, unsafe in zip(text, is_unsafe, strict=True))
    clean = unicodedata.normalize("NFC", " ".join(safe.split()))[:max_chars].strip()
    return clean if any(_shows(char) for char in clean) else ""


def _shows(char: str) -> bool:
    return unicodedata.category(char) not in _BLANK_CATEGORIES and char not in _BLANK


def file_name_clean(name: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Return a file name to show: no folders, no control characters, extension preserved when cut."""
    base = re.split(r"[\\/]", name)[-1]
    if len(base) > 4 * max_chars:
        base = base[: 4 * max_chars - 20] + base[-20:]
    base = text_clean(base, max_chars=4 * max_chars).strip(". ") or "unnamed file"
    if len(base) <= max_chars:
        return base
    stem, dot, suffix = base.rpartition(".")
    if dot and len(suffix) <= 10:
        return stem[: max_chars - len(suffix) - 2] + "…" + dot + suffix
    return base[: max_chars - 1] + "…"


def tags_read(stream: BinaryIO, fallback: Mapping[str, str]) -> tuple[AudioTags, Cover | None]:
    """Return the tags and the cover of an open file; `fallback` has the demuxer's own reading of its tags."""
    sources: list[_Source] = []
    for reader in _readers(stream):
        try:
            sources.append(reader())
        except (ID3NoHeaderError, APENoHeaderError):
            continue
        except TAG_FAULTS as error:
            logger.info("Skipped unreadable tags: %s", error)
    sources.append(_named({key: [value] for key, value in fallback.items()}))
    return _tags(sources), _cover(picture for source in sources for picture in source.pictures)


# --- What a field may hold --------------------------------------------------------------------------------------------


class _Source(NamedTuple):
    """The raw fields and pictures of one kind of tags; a file may have several."""

    fields: dict[str, list[str]]
    pictures: Sequence[tuple[int, bytes]] = ()


def _tags(sources: Sequence[_Source]) -> AudioTags:
    def values(name: str, max_chars: int = MAX_TEXT_CHARS) -> list[str]:
        for source in sources:
            found = (text_clean(text, max_chars) for text in source.fields.get(name, ())[: 4 * MAX_NAMES])
            if clean := [text for text in found if text]:
                return clean
        return []

    def first(name: str) -> str:
        return next(iter(values(name)), "")

    return AudioTags(
        title=first("title"),
        artist=credit_join(values("artist", MAX_CREDIT_CHARS), values("artists"), MAX_CREDIT_CHARS),
        album=first("album"),
        genre=names_join(values("genre"), MAX_GENRE_CHARS),
        year=next((year for date in values("date") if (year := _year(date))), None),
        track_number=_number(first("track")),
        disc_number=_number(first("disc")),
        album_artist=next(iter(artists_split(first("album_artist"))), ""),
        is_compilation=first("compilation").casefold() in ("1", "true", "yes"),
        replay_gain=ReplayGain(
            track_gain_db=_gain(first("track_gain"), first("track_r128")),
            track_peak=_peak(first("track_peak")),
            album_gain_db=_gain(first("album_gain"), first("album_r128")),
            album_peak=_peak(first("album_peak")),
        ),
        recording_id=_identifier(first("recording")),
        lyrics=_lyrics([text for source in sources for text in source.fields.get("lyrics", ())]),
    )


def _lyrics(texts: Sequence[str]) -> str:
    """Return the first lyrics with times, or else the first."""
    cut = [text[:MAX_LYRICS_CHARS] for text in texts if text.strip(_EMPTY)]
    return next((text for text in cut if _LYRICS_TIME.search(text)), next(iter(cut), ""))


def _gain(replay_gain: str, r128: str) -> float | None:
    gain_db = _decimal(replay_gain)
    if gain_db is None and (units := _decimal(r128)) is not None:
        gain_db = units / _R128_UNITS_IN_DB + _R128_TO_REPLAY_GAIN_DB
    return gain_db if gain_db is not None and abs(gain_db) <= _MOST_GAIN_DB else None


def _peak(text: str) -> float | None:
    peak = _decimal(text)
    return peak if peak is not None and 0 < peak <= _MOST_PEAK else None


def _decimal(text: str) -> float | None:
    match = _DECIMAL.fullmatch(text)
    return float(match.group(1).replace(",", ".")) if match else None


def _identifier(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""


def _year(text: str) -> int | None:
    match = _YEAR.search(text)
    return int(match.group(1) or match.group(2)) if match else None


def _number(text: str) -> int | None:
    match = _NUMBER.search(text)
    # 0 stands for none.
    return int(match.group(1)) or None if match else None


# --- Kinds of tags ----------------------------------------------------------------------------------------------------


def _readers(stream: BinaryIO) -> Iterator[Callable[[], _Source]]:
    """Yield what reads the tags of a file, the more trusted first."""
    start = end_of_tags(stream)
    stream.seek(start)
    head = stream.read(12)
    inner = Behind(stream, start)
    inner.seek(0)
    if head[:4] == b"fLaC":
        yield lambda: _vorbis(FLAC(inner))
    elif head[:4] == b"OggS":
        yield lambda: _vorbis(mutagen.File(inner, options=[OggVorbis, OggOpus, OggFLAC, OggSpeex]))
    elif head[4:8] == b"ftyp":
        yield lambda: _mp4(MP4(inner).tags)
    elif head[:4] in (b"RIFF", b"FORM"):
        yield lambda: _id3_chunk(inner, big_endian=head[:4] == b"FORM")
        yield lambda: _info(inner)
    yield lambda: _id3(stream)
    yield lambda: _ape(stream)
    yield lambda: _id3v1(stream)


def _bounded(name: str, kind: type[Frame], max_bytes: int) -> type[Frame]:
    """Return a kind of ID3 frame that reads no more than so many bytes, packed or not."""

    def from_data(cls: type[Frame], header: Any, flags: int, data: bytes) -> Frame:
        frame = cls()
        frame._readData(header, _frame_data(header, flags, data, max_bytes))
        return frame

    return cast("type[Frame]", type(name, (kind,), {"_fromData": classmethod(from_data)}))


def _frame_data(header: Any, flags: int, data: bytes, max_bytes: int) -> bytes:
    is_new = header.version >= header._V24
    is_packed = flags & (Frame.FLAG24_COMPRESS if is_new else Frame.FLAG23_COMPRESS)
    if flags & (Frame.FLAG24_ENCRYPT if is_new else Frame.FLAG23_ENCRYPT):
        raise mutagen.id3.ID3JunkFrameError
    # The length of the unpacked frame, as its writer says.
    if is_packed or (is_new and flags & Frame.FLAG24_DATALEN):
        data = data[4:]
    if is_new and (flags & Frame.FLAG24_UNSYNCH or header.f_unsynch):
        data = data.replace(b"\xff\x00", b"\xff")
    if is_packed:
        try:
            data = zlib.decompressobj().decompress(data, max_bytes)
        except zlib.error as error:
            raise mutagen.id3.ID3JunkFrameError from error
    return data[:max_bytes]


# The frames that are read; the others stay what they are, bytes. Those of version 2.2 have three letters.
_TEXT_FRAMES = ("TIT2", "TPE1", "TPE2", "TALB", "TCON", "TRCK", "TPOS", "TCMP", "TDRC", "TYER", "TDRL", "TDOR")
_OLD_FRAMES = {"TT2": "TIT2", "TP1": "TPE1", "TP2": "TPE2", "TAL": "TALB", "TCO": "TCON", "TRK": "TRCK"} | {
    "TPA": "TPOS",
    "TCP": "TCMP",
    "TYE": "TYER",
}
# Dates as they are written: mutagen takes 15.03.2021 for the year 15.
_FRAMES = {
    name: _bounded(name, Frames["TIT2" if name[:3] in ("TDR", "TDO", "TYE") else name], _MAX_FRAME_BYTES)
    for name in _TEXT_FRAMES
}
_FRAMES |= {old: _FRAMES[new] for old, new in _OLD_FRAMES.items()} | {
    "TXXX": _bounded("TXXX", TXXX, _MAX_FRAME_BYTES),
    "RVA2": _bounded("RVA2", RVA2, _MAX_FRAME_BYTES),
    "UFID": _bounded("UFID", UFID, _MAX_FRAME_BYTES),
    "USLT": _bounded("USLT", USLT, _MAX_LYRICS_BYTES),
    "ULT": _bounded("USLT", USLT, _MAX_LYRICS_BYTES),
    "SYLT": _bounded("SYLT", SYLT, _MAX_LYRICS_BYTES),
    "SLT": _bounded("SYLT", SYLT, _MAX_LYRICS_BYTES),
    "APIC": _bounded("APIC", APIC, _MAX_PICTURE_BYTES),
    "PIC": _bounded("APIC", PIC, _MAX_PICTURE_BYTES),
}


def _id3(stream: Any) -> _Source:
    stream.seek(0)
    return _id3_source(dict(ID3(stream, known_frames=_FRAMES, translate=False, load_v1=False).items()))


def _id3_source(tags: Mapping[str, Any]) -> _Source:
    frames = {key.upper(): frame for key, frame in tags.items()}
    # TCON's `genres` turns ID3v1 numbers such as "(17)" into names.
    texts = {key: getattr(frame, "genres", None) or getattr(frame, "text", None) for key, frame in frames.items()}
    texts |= {key: [frame.data] for key, frame in frames.items() if key.startswith("UFID")}
    pictures = [(int(frame.type), frame.data) for key, frame in frames.items() if key.startswith("APIC")]
    fields = _fields(_ID3_KEYS, texts)
    for name in ("track", "album"):
        if (volume := frames.get(f"RVA2:{name.upper()}")) is not None and not fields[f"{name}_gain"]:
            fields[f"{name}_gain"], fields[f"{name}_peak"] = [f"{volume.gain:.4f}"], [f"{volume.peak:.6f}"]
    fields["lyrics"] += [_timed_lyrics(frame) for key, frame in frames.items() if key.startswith("SYLT")]
    fields["lyrics"] += [str(frame.text) for key, frame in frames.items() if key.startswith("USLT")]
    return _Source(fields, pictures)


def _timed_lyrics(frame: Any) -> str:
    """Return the lyrics of a frame SYLT in the LRC format; empty where it has other times, or no words."""
    if frame.format != _MILLISECONDS or frame.type not in _WORDS_SUNG:
        return ""
    # Pieces are lines, or else syllables, and line feeds say where a line begins.
    has_breaks = any("\n" in text for text, _time_ms in frame.text)
    lines: list[str] = []
    is_begun = False
    for text, time_ms in frame.text:
        if has_breaks and is_begun and not text.startswith("\n"):
            lines[-1] += " ".join(text.splitlines())
        else:
            minutes, seconds = divmod(time_ms / 1000, 60)
            lines.append(f"[{int(minutes):02d}:{seconds:06.3f}]{' '.join(text.lstrip().splitlines())}")
        is_begun = not text.endswith("\n")
    return "\n".join(lines)


def _id3v1(stream: BinaryIO) -> _Source:
    stream.seek(0, io.SEEK_END)
    stream.seek(max(0, stream.tell() - 128))
    frames = ParseID3v1(stream.read(128)) or {}
    return _id3_source({key: frame for key, frame in frames.items() if any(map(str, frame.text))})


def _ape(stream: BinaryIO) -> _Source:
    stream.seek(0)
    tags = APEv2(stream)
    texts, pictures = {}, []
    for key, value in tags.items():
        if key.lower().startswith("cover art"):
            # The name of the picture's file stands before its bytes.
            data = value.value if isinstance(value.value, bytes) else b""
            pictures.append((_BACK if "back" in key.lower() else _FRONT, data.partition(b"\0")[2]))
        elif isinstance(value.value, str):
            most = _MAX_LYRICS_BYTES if "lyrics" in key.lower() else _MAX_FRAME_BYTES
            texts[key] = value.value[:most].split("\0")
    return _named(texts)._replace(pictures=pictures)


def _vorbis(file: Any) -> _Source:
    pictures = [(picture.type, picture.data) for picture in getattr(file, "pictures", ())]
    tags: dict[str, list[str]] = {}
    for key, value in file.tags or ():
        tags.setdefault(key.lower(), []).append(value)
    for block in tags.get("metadata_block_picture", ()):
        try:
            picture = Picture(base64.b64decode(block))
            pictures.append((picture.type, picture.data))
        except (binascii.Error, *TAG_FAULTS) as error:
            logger.info("Skipped an unreadable embedded picture: %s", error)
    return _named(tags)._replace(pictures=pictures)


def _mp4(tags: Any) -> _Source:
    tags = tags or {}
    return _Source(_fields(_MP4_KEYS, tags), [(_FRONT, bytes(data)) for data in tags.get("covr", ())])


def _named(tags: Mapping[str, Sequence[str]]) -> _Source:
    return _Source(_fields(_NAMED_KEYS, {key.lower(): values for key, values in tags.items()}))


def _fields(keys: Mapping[str, Sequence[str]], tags: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        name: [text for key in each for text in _texts(tags.get(key))][: 4 * MAX_NAMES] for name, each in keys.items()
    }


def _texts(values: Any) -> list[str]:
    if isinstance(values, bool):
        return [str(values)]
    texts = []
    for value in values or ():
        # MP4 gives the track as (number, total), and free-form fields as bytes.
        text = value[0] if isinstance(value, tuple) else value
        texts.append(bytes(text).decode("utf-8", "replace") if isinstance(text, bytes) else str(text))
    return [text for text in texts if text.strip(_EMPTY)]


# --- Chunks of WAV and AIFF -------------------------------------------------------------------------------------------


def _chunks(stream: Any, start: int, stop: int, *, big_endian: bool) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, place and size of the chunks of a file or of a list in it."""
    for _number_of_chunk in range(_MAX_CHUNKS):
        stream.seek(start)
        head = stream.read(8)
        if start + 8 > stop or len(head) < 8:
            return
        size = int.from_bytes(head[4:], "big" if big_endian else "little")
        yield head[:4], start + 8, min(size, stop - start - 8)
        start += 8 + size + size % 2


def _size_of(stream: Any) -> int:
    stream.seek(0, io.SEEK_END)
    return int(stream.tell())


def _id3_chunk(stream: Any, *, big_endian: bool) -> _Source:
    for name, start, size in _chunks(stream, 12, _size_of(stream), big_endian=big_endian):
        if name.lower() == b"id3 ":
            stream.seek(start)
            return _id3(io.BytesIO(stream.read(min(size, _MAX_PICTURE_BYTES))))
    raise ID3NoHeaderError


def _info(stream: Any) -> _Source:
    """Read the list INFO of a WAV, whose code page nobody says: UTF-8 where it is valid, or Windows-1252."""
    fields: dict[str, list[str]] = {}
    for name, start, size in _chunks(stream, 12, _size_of(stream), big_endian=False):
        stream.seek(start)
        if name != b"LIST" or stream.read(4) != b"INFO":
            continue
        for key, place, n_bytes in _chunks(stream, start + 4, start + size, big_endian=False):
            if key in _INFO_KEYS:
                stream.seek(place)
                fields.setdefault(_INFO_KEYS[key], []).append(_decoded(stream.read(min(n_bytes, _MAX_FRAME_BYTES))))
    return _Source(fields)


def _decoded(data: bytes) -> str:
    data = data.rstrip(b"\0")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


# --- Pictures ---------------------------------------------------------------------------------------------------------


def _cover(pictures: Iterable[tuple[int, bytes]]) -> Cover | None:
    """Return the picture that stands for the song: the front cover, if there is one."""
    order = {_FRONT: 0, _BACK: 2} | dict.fromkeys(_ICONS, 3)
    for _kind, data in sorted(pictures, key=lambda picture: order.get(picture[0], 1)):
        mime_type = picture_type(data)
        if mime_type and len(data) <= MAX_COVER_BYTES:
            return Cover(data, mime_type)
        if mime_type and (scaled := _scaled(data)):
            return Cover(scaled, "image/jpeg")
    return None


def _scaled(data: bytes) -> bytes | None:
    """Return a picture as a JPEG of at most `_SCALED_PX`; None if it cannot be read or has too many pixels."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "GIF", "WEBP")) as image:
            if image.width * image.height > _MAX_SCALED_PIXELS:
                logger.info("Left out a cover of %d x %d pixels.", image.width, image.height)
                return None
            image.draft("RGB", (_SCALED_PX, _SCALED_PX))
            image.thumbnail((_SCALED_PX, _SCALED_PX))
            out = io.BytesIO()
            image.convert("RGB").save(out, "JPEG", quality=88)
            return out.getvalue()
    # Pillow's decoders raise what they like.
    except Exception as error:
        logger.info("Left out a cover that cannot be read: %s", error)
        return None


def picture_type(data: bytes) -> str | None:
    """Return the media type of a picture by its content; None for types that the catalog does not serve."""
    # The declared type is ignored: browsers receive these bytes later, so only real raster pictures pass.
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _COVER_MAGIC.items() if data.startswith(magic)), None)
