"""Reads the files of songs again, as the program reads them today, without touching what a curator has decided.

What is read again is one change, with what it was before, like an edit: it can be undone in the library.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from catalog.core.names import FolderHint
from catalog.exceptions import FileRejectedError, ReadingInterruptedError
from catalog.files.isolation import probe_isolated
from catalog.files.lyrics import SongLyrics, lyrics_read
from catalog.files.probe import AudioFacts
from catalog.files.storage import local_copy
from catalog.models import UNKNOWN_ARTIST, Lyrics, Song, SongChange, SongEdit, Upload
from catalog.songs.editing import SongValues, songs_edit_each, songs_locked, values_of
from catalog.songs.lyrics import lyrics_set
from catalog.songs.services import READER, cover_name, cover_store, values_read

# Each may hold a cover.
BATCH = 16
_FACTS = ("duration_s", "mime_type", "sample_rate_hz", "channels", "bit_rate")
# Lengths that differ by less are shown alike.
_SAME_LENGTH_S = 0.05
_TOGETHER = dt.timedelta(minutes=10)
# A file's name says them where its tags have no title.
_OF_NAME = ("title", "artist", "album", "album_artist", "disc_number", "track_number")


@dataclass(slots=True)
class Reread:
    """What a file says of its song today, other than the song has it.

    `values` are those of an edit and `facts` those of the sound, each by field; `kept` are the fields that a curator
    decided otherwise, and `problem` says why the file could not be read.
    """

    song: Song
    values: SongValues = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    cover: bytes = b""
    lyrics: SongLyrics | None = None
    lyrics_change: tuple[str, str] | None = None
    problem: str = ""
    is_lost: bool = False

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """By field, the value before and after."""
        before = values_of(self.song)
        values = {name: (before[name], value) for name, value in self.values.items()}
        facts = {name: (getattr(self.song, name), value) for name, value in self.facts.items()}
        return values | facts | ({"lyrics": self.lyrics_change} if self.lyrics_change else {})


def songs_due(*, songs: QuerySet[Song] | None = None, again: bool = False) -> QuerySet[Song]:
    """Return the songs whose file an earlier version of the program read; with `again`, all of them."""
    songs = Song.objects.all() if songs is None else songs
    return songs if again else songs.filter(reader__lt=READER)


def songs_reread(song_ids: Sequence[int]) -> Iterator[list[Reread]]:
    """Read the files of songs again, `BATCH` at a time; nothing is written."""
    for start in range(0, len(song_ids), BATCH):
        songs = Song.objects.filter(pk__in=song_ids[start : start + BATCH]).order_by("pk").defer("search")
        rows = list(songs.select_related("artist", "album__artist"))
        accepted = Upload.objects.filter(song__in=rows, outcome=Upload.Outcome.ACCEPTED).order_by("-pk")
        uploads = {upload.song_id: upload for upload in accepted}
        kept = fields_decided([song.pk for song in rows])
        yield [_song_reread(song, uploads.get(song.pk), kept[song.pk]) for song in rows]


def fields_decided(song_ids: Collection[int]) -> dict[int, set[str]]:
    """Return by song the fields that a curator has edited, or put back after they were read again."""
    standing = Q(change__is_reread=False, change__undone_at=None) | (
        Q(change__is_reread=True) & ~Q(change__undone_at=None)
    )
    fields: dict[int, set[str]] = defaultdict(set)
    for song_id, after in SongEdit.objects.filter(standing, song__in=song_ids).values_list("song_id", "after"):
        fields[song_id] |= set(after)
        # One says whose the other is.
        if "album" in after:
            fields[song_id].add("album_artist")
    return fields


def _song_reread(song: Song, upload: Upload | None, decided: Collection[str]) -> Reread:
    try:
        with local_copy(song.audio) as path:
            facts = probe_isolated(path)
    except FileRejectedError as error:
        return Reread(song, problem=str(error))
    except ReadingInterruptedError as error:
        return Reread(song, problem=str(error), is_lost=True)
    except OSError as error:
        return Reread(song, problem=f"It cannot be read: {error.strerror or error}.", is_lost=True)
    now, said = values_of(song), _values_said(song, facts, upload)
    cover = facts.cover.data if facts.cover else b""
    if cover:
        said["cover"] = cover_name(data=cover)
    read = {name: getattr(facts, name) for name in _FACTS} | asdict(facts.tags.replay_gain)
    read["recording_id"] = facts.tags.recording_id
    changed = {name: value for name, value in said.items() if value != now[name]}
    lyrics = lyrics_read(facts.tags.lyrics)
    return Reread(
        song,
        values={name: value for name, value in changed.items() if name not in decided},
        facts={name: value for name, value in read.items() if _differs(name, getattr(song, name), value)},
        kept=[name for name in changed if name in decided],
        cover=cover,
        lyrics=lyrics,
        lyrics_change=_lyrics_change(song, lyrics),
    )


def _lyrics_change(song: Song, read: SongLyrics | None) -> tuple[str, str] | None:
    kept = Lyrics.objects.filter(song=song).first()
    texts = kept.text if kept else "", read.text if read else ""
    # Those of a file beside it stay.
    return None if texts[0] == texts[1] or (kept and kept.source != Lyrics.Source.TAG) else texts


def _values_said(song: Song, facts: AudioFacts, upload: Upload | None) -> SongValues:
    is_named = not facts.tags.title and upload is not None and not song.reader
    hint = _beside(upload) if upload and is_named else None
    values = values_read(facts.tags, upload.file_name if upload else "", hint)
    if not facts.tags.title and not is_named:
        # The folder that explained the name is not known any more.
        values = {name: value for name, value in values.items() if name not in _OF_NAME}
    # What a file does not say may have come from elsewhere.
    return {name: value for name, value in values.items() if value not in ("", None, UNKNOWN_ARTIST)}


def _beside(upload: Upload) -> FolderHint:
    """Return the files that arrived with one, in place of its folder, which is not stored."""
    span = upload.created_at - _TOGETHER, upload.created_at + _TOGETHER
    same = Upload.objects.filter(owner=upload.owner_id, outcome=upload.outcome, created_at__range=span)
    return FolderHint(names=tuple(same.exclude(pk=upload.pk).values_list("file_name", flat=True)[:500]))


def _differs(name: str, before: Any, after: Any) -> bool:
    return abs(before - after) > _SAME_LENGTH_S if name == "duration_s" else bool(before != after)


@transaction.atomic
def rereads_apply(
    *, rereads: Sequence[Reread], change: SongChange | None = None
) -> tuple[SongChange | None, list[int]]:
    """Write what files say, once each; return the change, new where there was none, and the songs whose tags changed.

    A field that a curator has decided meanwhile stays, and a song that another run has read meanwhile too.
    """
    songs = {song.pk: song for song in songs_locked([each.song.pk for each in rereads])}
    decided = fields_decided(songs)
    wanted: dict[int, SongValues] = {}
    for each in rereads:
        song = songs.get(each.song.pk)
        if song is None or song.reader != each.song.reader:
            continue
        values = {name: value for name, value in each.values.items() if name not in decided[song.pk]}
        if "cover" in values:
            values["cover"] = cover_store(data=each.cover)
        if values:
            wanted[song.pk] = values
        # A file that is lost may come back, and an interrupted reading may succeed.
        if not each.is_lost:
            Song.objects.filter(pk=song.pk).update(reader=READER, **each.facts)
        if not each.problem:
            lyrics_set(song_id=song.pk, read=each.lyrics, source=Lyrics.Source.TAG)
    if not wanted:
        return change, []
    change = change or SongChange.objects.create(is_reread=True)
    return change, songs_edit_each(wanted=wanted, change=change)
