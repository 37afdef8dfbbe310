"""Makes and removes songs. One content is one song, however often and by how many people it is offered at once."""

from __future__ import annotations

import re
from pathlib import PurePath

from django.db import connection, transaction

from catalog.models import UNKNOWN_ARTIST, Album, Artist, Song
from catalog.probe import AudioFacts
from catalog.services.storage import (
    StagedFile,
    bytes_place,
    content_name,
    file_place,
    media_exists,
    media_remove,
)
from catalog.tags import AudioTags, text_clean

_COVER_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}


def song_create(*, staged: StagedFile, facts: AudioFacts, file_name: str) -> tuple[Song, bool]:
    """Make a song of a staged file, or find the song that these bytes already are.

    Args:
        staged: the bytes, on the media disk.
        facts: what the probe found in them.
        file_name: the cleaned name; the title comes from it when the tags have none.

    Returns:
        The song, and whether it is new.

    Raises:
        StorageFull: if the disk has no room for the cover.
    """
    with transaction.atomic():
        _content_lock(staged.content_hash)
        song = Song.objects.select_related("artist").filter(content_hash=staged.content_hash).first()
        if song is None:
            return _song_insert(staged, facts, file_name), True
        # Somebody lost the media folder but kept the database: the same bytes heal the song.
        if not media_exists(str(song.audio.name)):
            file_place(staged, str(song.audio.name))
        return song, False


def _content_lock(content_hash: str) -> None:
    """Wait for anyone who stores or deletes the same bytes right now; the end of the transaction lets go.

    Without it the loser of a race would rename its file over the winner's, or remove it under a song being made.
    """
    key = int.from_bytes(bytes.fromhex(content_hash[:16]), "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def _song_insert(staged: StagedFile, facts: AudioFacts, file_name: str) -> Song:
    artist_name, title = _artist_and_title(facts.tags, file_name)
    artist = artist_get(artist_name)
    cover = facts.cover and bytes_place(facts.cover.data, "covers", _COVER_EXTENSIONS[facts.cover.mime_type])
    audio = content_name("audio", staged.content_hash, facts.extension)
    file_place(staged, audio)
    return Song.objects.create(
        title=title,
        artist=artist,
        album=_album_get(facts.tags.album, artist),
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
    """Take the tags' word; without a title, read the name of the file as "Artist - Title" or as a title."""
    if tags.title:
        return tags.artist or UNKNOWN_ARTIST, tags.title
    stem = text_clean(PurePath(file_name).stem.replace("_", " ")) or "Untitled"
    if " " not in stem:
        stem = stem.replace("-", " ")
    artist, dash, title = stem.partition(" - ")
    if dash and title.strip() and not re.fullmatch(r"[\d. ]*", artist):
        return tags.artist or artist.strip(), title.strip()
    return tags.artist or UNKNOWN_ARTIST, stem


def name_key(name: str) -> str:
    """Key under which spellings that differ only in case or spaces are one name."""
    return " ".join(name.casefold().split())[:300]


def artist_get(name: str) -> Artist:
    """Find an artist by name, or make one."""
    artist, _ = Artist.objects.get_or_create(name_key=name_key(name), defaults={"name": name})
    return artist


def _album_get(title: str, artist: Artist) -> Album | None:
    if not title:
        return None
    album, _ = Album.objects.get_or_create(artist=artist, title_key=name_key(title), defaults={"title": title})
    return album


def song_delete(*, song: Song) -> None:
    """Delete a song and, once that is committed, its files; its uploads stay and say so."""
    content_hash, audio, cover = song.content_hash, str(song.audio.name), song.cover.name
    with transaction.atomic():
        song.delete()
        transaction.on_commit(lambda: _media_forget(content_hash, audio, cover))


def _media_forget(content_hash: str, audio: str, cover: str | None) -> None:
    with transaction.atomic():
        _content_lock(content_hash)
        # Somebody may have uploaded the same bytes again since the commit.
        if not Song.objects.filter(content_hash=content_hash).exists():
            media_remove(audio)
        if cover and not Song.objects.filter(cover=cover).exists():
            media_remove(cover)
