"""Makes and removes songs. One content is one song, however often and by how many people it is offered at once."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePath
from typing import IO

from django.db import transaction
from django.utils.translation import gettext as _

from catalog.core.locks import advisory_lock, content_lock
from catalog.exceptions import FileRejectedError
from catalog.files.audio_tags import MAX_COVER_BYTES, AudioTags, picture_type, text_clean
from catalog.files.probe import AudioFacts
from catalog.files.storage import StagedFile, bytes_place, content_name, file_place, media_exists, media_remove
from catalog.models import UNKNOWN_ARTIST, Song, SongEdit
from catalog.songs.naming import album_get, artist_get, unused_remove

_COVER_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}


def song_create(*, staged: StagedFile, facts: AudioFacts, file_name: str) -> tuple[Song, bool]:
    """Create a song from a staged file, or find the song that has these bytes.

    Returns:
        The song, and whether it is new.

    Raises:
        StorageFullError: The disk has no room for the cover.
    """
    # Without the lock the loser of a race would rename its file over the winner's, or remove it under a new song.
    with advisory_lock(content_lock(staged.content_hash)):
        song = Song.objects.select_related("artist").filter(content_hash=staged.content_hash).first()
        if song is None:
            return _song_insert(staged, facts, file_name), True
        # Somebody lost the media folder but kept the database: the same bytes heal the song.
        if not media_exists(song.audio):
            file_place(staged, str(song.audio.name))
        return song, False


def _song_insert(staged: StagedFile, facts: AudioFacts, file_name: str) -> Song:
    artist_name, title = _artist_and_title(facts.tags, file_name)
    artist = artist_get(artist_name)
    cover = facts.cover and bytes_place(facts.cover.data, "covers", _COVER_EXTENSIONS[facts.cover.mime_type])
    audio = content_name("audio", staged.content_hash, facts.extension)
    file_place(staged, audio)
    return Song.objects.create(
        title=title,
        artist=artist,
        album=album_get(facts.tags.album, artist),
        genre=facts.tags.genre,
        year=facts.tags.year,
        track_number=facts.tags.track_number,
        content_hash=staged.content_hash,
        audio=audio,
        cover=cover or "",
        mime_type=facts.mime_type,
        size_bytes=staged.size_bytes,
        duration_s=facts.duration_s,
        sample_rate_hz=facts.sample_rate_hz,
        channels=facts.channels,
    )


def _artist_and_title(tags: AudioTags, file_name: str) -> tuple[str, str]:
    if tags.title:
        return tags.artist or UNKNOWN_ARTIST, tags.title
    stem = text_clean(PurePath(file_name).stem.replace("_", " ")) or "Untitled"
    if " " not in stem:
        stem = stem.replace("-", " ")
    artist, dash, title = stem.partition(" - ")
    if dash and title.strip() and not re.fullmatch(r"[\d. ]*", artist):
        return tags.artist or artist.strip(), title.strip()
    return tags.artist or UNKNOWN_ARTIST, stem


def cover_check(*, stream: IO[bytes]) -> bytes:
    """Read a picture; raise FileRejectedError for one that browsers do not show or that is too large."""
    data = stream.read(MAX_COVER_BYTES + 1)
    if len(data) > MAX_COVER_BYTES:
        raise FileRejectedError("cover_too_large", _("The picture is larger than 10 MiB. Make it smaller first."))
    if picture_type(data) is None:
        raise FileRejectedError(
            "cover_unknown", _("This is not a JPEG, PNG, GIF or WebP picture, whatever its name says.")
        )
    return data


def cover_store(*, data: bytes) -> str:
    """Keep a picture that was checked, and return its name under the media root."""
    return bytes_place(data, "covers", _COVER_EXTENSIONS[picture_type(data) or ""])


def song_delete(*, song: Song) -> None:
    """Delete a song and, once that is committed, its files; its uploads stay and say so."""
    songs_delete(song_ids=[song.pk])


def songs_delete(*, song_ids: Collection[int]) -> int:
    """Delete songs, and after the commit their files; return how many there were."""
    with transaction.atomic():
        songs = Song.objects.filter(pk__in=song_ids).order_by("pk")
        rows = list(songs.select_for_update().values_list("pk", "content_hash", "audio", "cover", "artist", "album"))
        ids = [row[0] for row in rows]
        covers = {row[3] for row in rows} | _covers_replaced(ids)
        Song.objects.filter(pk__in=ids).delete()
        unused_remove({row[4] for row in rows}, {row[5] for row in rows if row[5]})
        transaction.on_commit(lambda: _media_forget([(row[1], row[2]) for row in rows], covers - {""}))
    return len(ids)


def _covers_replaced(song_ids: Collection[int]) -> set[str]:
    edits = SongEdit.objects.filter(song__in=song_ids, after__has_key="cover").values_list("before", flat=True)
    return {str(before["cover"]) for before in edits}


def _media_forget(audio_files: list[tuple[str, str]], covers: set[str]) -> None:
    for content_hash, audio in audio_files:
        with advisory_lock(content_lock(content_hash)):
            # Somebody may have uploaded the same bytes again since the commit.
            if not Song.objects.filter(content_hash=content_hash).exists():
                media_remove(audio)
    for cover in covers:
        wanted = SongEdit.objects.filter(before__cover=cover).exists() or Song.objects.filter(cover=cover).exists()
        if not wanted:
            media_remove(cover)
