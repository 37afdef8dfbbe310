"""Writes single fields into the tags of a file, and says what was there; the sound and all other fields stay.

Each kind of tags has names of its own for a field; `Texts` are the values of one name, in order. Numbers are texts too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import mutagen
from mutagen.aiff import AIFF
from mutagen.flac import FLAC
from mutagen.id3 import ID3, TXXX, Encoding, Frames, ID3NoHeaderError
from mutagen.mp4 import MP4, AtomDataType, MP4FreeForm, MP4Tags
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from catalog.core.wording import gettext as _
from catalog.exceptions import TagsNotWritableError
from catalog.files.recording import end_of_tags
from catalog.files.tags import MAX_LYRICS_CHARS, TAG_FAULTS

Texts: TypeAlias = list[str]

# By field, the names under which each kind of tags has it: the first is the one that is read.
_ID3_NAMES: dict[str, tuple[str, ...]] = {
    "mood": ("TXXX:MOOD", "TMOO"),
    "bpm": ("TBPM",),
    "key": ("TKEY",),
    "track_gain": ("TXXX:REPLAYGAIN_TRACK_GAIN",),
    "track_peak": ("TXXX:REPLAYGAIN_TRACK_PEAK",),
}
_VORBIS_NAMES: dict[str, tuple[str, ...]] = {
    "mood": ("MOOD",),
    "bpm": ("BPM",),
    "key": ("INITIALKEY",),
    "track_gain": ("REPLAYGAIN_TRACK_GAIN",),
    "track_peak": ("REPLAYGAIN_TRACK_PEAK",),
}
# RFC 7845, 5.2.1: Opus has gains of its own and no peaks.
_OPUS_NAMES = {name: keys for name, keys in _VORBIS_NAMES.items() if not name.startswith("track_")} | {
    "track_r128": ("R128_TRACK_GAIN",)
}
_MP4_PREFIX = "----:com.apple.iTunes:"
_TEMPO = "tmpo"
_MP4_NAMES: dict[str, tuple[str, ...]] = {
    "mood": (f"{_MP4_PREFIX}MOOD",),
    "bpm": (_TEMPO,),
    "key": (f"{_MP4_PREFIX}initialkey",),
    "track_gain": (f"{_MP4_PREFIX}replaygain_track_gain",),
    "track_peak": (f"{_MP4_PREFIX}replaygain_track_peak",),
}
# What no other program writes has the same name everywhere.
_OWN = ("valence", "arousal", "confidence", "model")
FIELDS = ("mood", *_OWN, "bpm", "key", "track_gain", "track_peak", "track_r128")
_ID3V1_BYTES = 128


def _own(prefix: str) -> dict[str, tuple[str, ...]]:
    return {name: (f"{prefix}MOODPLANE_{name.upper()}",) for name in _OWN}


class TagFile:
    """The tags of one file; nothing is written before `save`.

    Raises:
        TagsNotWritableError: The file has no place for tags, or tags that cannot be written without loss.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._kind = _kind_of(path)
        except TAG_FAULTS as error:
            raise _not_writable(error) from error

    @property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """By field, the names that this kind of tags has for it; a field may have none."""
        return self._kind.names

    def get(self, name: str) -> Texts | None:
        """Return the values of a name, or None where the file has none."""
        return self._kind.get(name)

    def set(self, name: str, texts: Texts | None) -> None:
        """Give a name other values, or remove it."""
        self._kind.set(name, texts)

    def save(self) -> None:
        """Write the tags into the file."""
        try:
            self._kind.save(self._path)
        except TAG_FAULTS as error:
            raise _not_writable(error) from error


def _not_writable(error: Exception) -> Exception:
    if isinstance(error, TagsNotWritableError):
        return error
    if isinstance(error, OSError) and not isinstance(error, mutagen.MutagenError):
        # A full disk is no fault of the tags.
        return error
    return TagsNotWritableError(_("Its tags cannot be written: %(reason)s.") % {"reason": str(error).rstrip(".")})


# --- Kinds of tags ----------------------------------------------------------------------------------------------------


class _Id3:
    def __init__(self, tags: ID3, save: Callable[[int], None]) -> None:
        self._tags, self._save = tags, save
        # Frames of 2.3 stay such: conversion would drop some of them.
        self._version = 3 if tags.version[:2] == (2, 3) else 4
        # A frame of 2.4 alone.
        moods = ("TXXX:MOOD",) if self._version == 3 else _ID3_NAMES["mood"]
        self.names = _ID3_NAMES | {"mood": moods} | _own("TXXX:")

    def _key(self, name: str) -> str:
        # Descriptions differ in case between programs.
        return next((key for key in self._tags if key.casefold() == name.casefold()), name)

    def get(self, name: str) -> Texts | None:
        frame = self._tags.get(self._key(name))
        return None if frame is None else [str(text)[:MAX_LYRICS_CHARS] for text in frame.text]

    def set(self, name: str, texts: Texts | None) -> None:
        self._tags.delall(self._key(name))
        if texts is None:
            return
        is_latin = all(text.isascii() for text in texts)
        encoding = Encoding.LATIN1 if is_latin else Encoding.UTF8 if self._version == 4 else Encoding.UTF16
        kind, _colon, description = name.partition(":")
        self._tags.add(
            TXXX(encoding=encoding, desc=description, text=texts)
            if kind == "TXXX"
            else Frames[kind](encoding=encoding, text=texts)
        )

    def save(self, path: Path) -> None:
        self._save(self._version)


def _mp3(path: Path) -> _Id3:
    try:
        tags = ID3(path, translate=False, load_v1=False)
        if tags.version < (2, 3, 0):
            tags = ID3(path, load_v1=False)
    except ID3NoHeaderError:
        tags = ID3()

    def save(version: int) -> None:
        with path.open("r+b") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _ID3V1_BYTES))
            last = file.read()
            tags.save(file, v2_version=version, v23_sep=None)
            if last[:3] == b"TAG":
                # Mutagen makes them anew from the others, which may say something else.
                file.seek(-_ID3V1_BYTES, 2)
                file.write(last)

    return _Id3(tags, save)


def _chunked(path: Path, kind: type[WAVE] | type[AIFF]) -> _Id3:
    file: Any = kind(path, translate=False)
    if file.tags is None:
        file.add_tags()
    return _Id3(file.tags, lambda version: file.tags.save(path, v2_version=version, v23_sep=None))


class _Vorbis:
    def __init__(self, file: Any) -> None:
        self._file = file
        if file.tags is None:
            file.add_tags()
        self.names = (_OPUS_NAMES if isinstance(file, OggOpus) else _VORBIS_NAMES) | _own("")

    def get(self, name: str) -> Texts | None:
        return [text[:MAX_LYRICS_CHARS] for text in self._file.tags.get(name, ())] or None

    def set(self, name: str, texts: Texts | None) -> None:
        if texts is not None:
            self._file.tags[name] = texts
        elif name in self._file.tags:
            del self._file.tags[name]

    def save(self, path: Path) -> None:
        self._file.save(path)


class _Mp4:
    def __init__(self, file: Any) -> None:
        self._file = file
        if file.tags is None:
            file.add_tags()
        self._tags: MP4Tags = file.tags
        self.names = _MP4_NAMES | _own(_MP4_PREFIX)

    def _key(self, name: str) -> str:
        return next((key for key in self._tags if key.casefold() == name.casefold()), name)

    def get(self, name: str) -> Texts | None:
        values = self._tags.get(self._key(name))
        if values is None:
            return None
        return [bytes(value).decode() if isinstance(value, bytes) else str(value) for value in values]

    def set(self, name: str, texts: Texts | None) -> None:
        self._tags.pop(self._key(name), None)
        if texts is None:
            return
        if name == _TEMPO:
            self._tags[name] = [int(text) for text in texts]
        else:
            self._tags[name] = [MP4FreeForm(text.encode(), AtomDataType.UTF8) for text in texts]

    def save(self, path: Path) -> None:
        self._file.save(path)


def _kind_of(path: Path) -> _Id3 | _Vorbis | _Mp4:
    with path.open("rb") as stream:
        start = end_of_tags(stream)
        stream.seek(start)
        head = stream.read(12)
    if head[:4] == b"fLaC":
        return _Vorbis(FLAC(path))
    if not start and head[:4] == b"OggS":
        return _Vorbis(mutagen.File(path, options=[OggVorbis, OggOpus, OggFLAC]))
    if not start and head[4:8] == b"ftyp":
        return _Mp4(MP4(path))
    if not start and head[:4] == b"RIFF":
        return _chunked(path, WAVE)
    if not start and head[:4] == b"FORM":
        return _chunked(path, AIFF)
    is_mpeg = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
    if is_mpeg and head[1] & 0x06:
        return _mp3(path)
    if is_mpeg:
        raise TagsNotWritableError(
            _("Raw AAC has no place for tags. Put it into an M4A file without changing the sound.")
        )
    raise TagsNotWritableError(
        _("It begins with tags, or other bytes, that are not its own; they are left as they are.")
    )
