"""Creates and deletes songs, artists and albums. One content is one song."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import PurePath
from typing import IO

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from catalog.core.locks import advisory_lock, content_lock
from catalog.exceptions import FileRejectedError
from catalog.files.audio_tags import MAX_COVER_BYTES, AudioTags, picture_type, text_clean
from catalog.files.probe import AudioFacts
from catalog.files.storage import StagedFile, bytes_place, content_name, file_place, media_exists, media_remove
from catalog.models import UNKNOWN_ARTIST, Album, Artist, Song, SongEdit, name_key

_COVER_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}


def song_create(*, staged: StagedFile, facts: AudioFacts, file_name: str) -> tuple[Song, bool]:
    """Create a song from a staged file, or find the song that has these bytes; return also whether it is new."""
    # Without the lock the loser of a race would rename its file over the winner's, or remove it under a new song.
    with advisory_lock(content_lock(staged.content_hash)):
        song = Song.objects.select_related("artist").filter(content_hash=staged.content_hash).first()
        if song is None:
            return _song_insert(staged, facts, file_name), True
        # The media folder may be lost while the database is not: the same bytes repair the song.
        if not media_exists(song.audio):
            file_place(staged, str(song.audio.name))
        return song, False


def _song_insert(staged: StagedFile, facts: AudioFacts, file_name: str) -> Song:
    tags = facts.tags
    artist_name, title = _artist_and_title(tags, file_name)
    artist = artist_get(artist_name)
    album = None
    if tags.album:
        album, _is_new = Album.objects.select_for_update(no_key=True).get_or_create(
            artist=artist, title_key=name_key(tags.album), defaults={"title": tags.album}
        )
    cover = cover_store(data=facts.cover.data) if facts.cover else ""
    audio = content_name("audio", staged.content_hash, facts.extension)
    file_place(staged, audio)
    return Song.objects.create(
        title=title,
        artist=artist,
        album=album,
        genre=tags.genre,
        year=tags.year,
        track_number=tags.track_number,
        content_hash=staged.content_hash,
        audio=audio,
        cover=cover,
        mime_type=facts.mime_type,
        size_bytes=staged.size_bytes,
        duration_s=facts.duration_s,
        sample_rate_hz=facts.sample_rate_hz,
        channels=facts.channels,
    )


def _artist_and_title(tags: AudioTags, file_name: str) -> tuple[str, str]:
    if tags.title:
        return tags.artist or UNKNOWN_ARTIST, tags.title
    # Without a title, the name of the file is read as "Artist - Title" or as a title.
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
        raise FileRejectedError("cover_too_large", _("The image is larger than 10 MiB. Choose a smaller one."))
    if picture_type(data) is None:
        sentence = _("This is not a JPEG, PNG, GIF or WebP image.")
        raise FileRejectedError("cover_unknown", sentence)
    return data


def cover_store(*, data: bytes) -> str:
    """Store a checked picture, and return its name in the storage."""
    return bytes_place(data, "covers", _COVER_EXTENSIONS[picture_type(data) or ""])


def song_delete(*, song: Song) -> None:
    """Delete a song and, after the commit, its files; its uploads stay."""
    songs_delete(song_ids=[song.pk])


def songs_delete(*, song_ids: Collection[int]) -> int:
    """Delete songs, and after the commit their files; return how many there were."""
    with transaction.atomic():
        songs = Song.objects.filter(pk__in=song_ids).order_by("pk")
        rows = list(songs.select_for_update().values("pk", "content_hash", "audio", "cover", "artist", "album"))
        ids = [row["pk"] for row in rows]
        # Covers of earlier edits stay as long as the edits can be undone.
        edits = SongEdit.objects.filter(song__in=ids, after__has_key="cover").values_list("before", flat=True)
        covers = {row["cover"] for row in rows} | {str(before["cover"]) for before in edits}
        Song.objects.filter(pk__in=ids).delete()
        unused_remove({row["artist"] for row in rows}, {row["album"] for row in rows if row["album"]})
        audio_files = {row["content_hash"]: row["audio"] for row in rows}
        transaction.on_commit(lambda: _media_forget(audio_files, covers - {""}))
    return len(ids)


def _media_forget(audio_files: dict[str, str], covers: set[str]) -> None:
    for content_hash, audio in audio_files.items():
        with advisory_lock(content_lock(content_hash)):
            # The same bytes may have been uploaded again since the commit.
            if not Song.objects.filter(content_hash=content_hash).exists():
                media_remove(audio)
    for cover in covers:
        if not (SongEdit.objects.filter(before__cover=cover).exists() or Song.objects.filter(cover=cover).exists()):
            media_remove(cover)


def artist_get(name: str) -> Artist:
    """Find or create an artist; the row stays until the transaction ends."""
    # Without the lock, an edit that takes the artist's last song away could remove the row before ours points to it.
    artists = Artist.objects.select_for_update(no_key=True)
    artist, _is_new = artists.get_or_create(name_key=name_key(name), defaults={"name": name})
    return artist


def artists_get(names: Iterable[str]) -> dict[str, Artist]:
    """Find or create artists; return them by key, one object per row."""
    by_key = {name_key(name): name for name in names}
    artists = _artists_by_key(by_key)
    if missing := [Artist(name=name, name_key=key) for key, name in by_key.items() if key not in artists]:
        Artist.objects.bulk_create(missing, ignore_conflicts=True)
        artists |= _artists_by_key([artist.name_key for artist in missing])
    return artists


def _artists_by_key(keys: Collection[str]) -> dict[str, Artist]:
    artists = Artist.objects.filter(name_key__in=list(keys)).order_by("pk").select_for_update(no_key=True)
    return {artist.name_key: artist for artist in artists}


def albums_get(titles: Iterable[tuple[Artist, str]]) -> dict[tuple[int, str], Album]:
    """Find or create albums by artist and title; return them by the artist's id and the title's key."""
    by_key = {(artist.pk, name_key(title)): title for artist, title in titles}
    albums = _albums_by_key(by_key)
    missing = [
        Album(artist_id=key[0], title=title, title_key=key[1]) for key, title in by_key.items() if key not in albums
    ]
    if missing:
        Album.objects.bulk_create(missing, ignore_conflicts=True)
        albums |= _albums_by_key([(album.artist_id, album.title_key) for album in missing])
    return albums


def _albums_by_key(keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], Album]:
    artists, titles = {artist_id for artist_id, _ in keys}, {key for _, key in keys}
    albums = Album.objects.filter(artist_id__in=artists, title_key__in=titles).order_by("pk")
    return {(album.artist_id, album.title_key): album for album in albums.select_for_update(no_key=True)}


def unused_remove(artist_ids: Collection[int], album_ids: Collection[int]) -> None:
    """Delete those of these artists and albums that have no songs."""
    # Locked first, and read in a second statement: an edit that gave an artist a song held its row, and a statement
    # sees what was committed before it began.
    artists = list(Artist.objects.filter(pk__in=artist_ids).order_by("pk").select_for_update())
    albums = list(Album.objects.filter(pk__in=album_ids).order_by("pk").select_for_update())
    has_song = Exists(Song.objects.filter(album=OuterRef("pk")))
    Album.objects.filter(~has_song, pk__in=[album.pk for album in albums]).delete()
    has_song = Exists(Song.objects.filter(artist=OuterRef("pk")))
    has_album = Exists(Album.objects.filter(artist=OuterRef("pk")))
    Artist.objects.filter(~has_song, ~has_album, pk__in=[artist.pk for artist in artists]).delete()
