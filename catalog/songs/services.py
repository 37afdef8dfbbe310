"""Creates songs, artists and albums, sends songs to their analysis, and deletes them. One content is one song."""

import datetime as dt
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePath
from typing import IO

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core import claims
from catalog.core.locks import advisory_lock, content_lock
from catalog.exceptions import FileRejectedError, SongNotRetryableError
from catalog.files.probe import AudioFacts
from catalog.files.storage import StagedFile, bytes_place, content_name, file_place, media_exists, media_remove
from catalog.files.tags import MAX_COVER_BYTES, AudioTags, picture_type, text_clean
from catalog.models import UNKNOWN_ARTIST, Album, Artist, Song, SongEdit, name_key
from catalog.signals import song_uploaded

# An announcement follows the commit at once; one that took longer was lost with its process.
ANNOUNCE_LEASE_S = 60.0
_COVER_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}


def song_create(*, staged: StagedFile, facts: AudioFacts, file_name: str) -> tuple[Song, bool]:
    """Create a song from a staged file, or find the song with these bytes; return also whether it is new."""
    # Without the lock the loser of a race would rename its file over the winner's, or remove it under a new song.
    with advisory_lock(content_lock(staged.content_hash)):
        song = Song.objects.select_related("artist").filter(content_hash=staged.content_hash).first()
        if song is None:
            return _song_insert(staged, facts, file_name), True
        # If the media folder was lost, the same bytes repair the song.
        if not media_exists(song.audio):
            file_place(staged, str(song.audio.name))
        return song, False


def _song_insert(staged: StagedFile, facts: AudioFacts, file_name: str) -> Song:
    tags = facts.tags
    artist_name, title = _artist_and_title(tags, file_name)
    artist = artists_get([artist_name])[name_key(artist_name)]
    album = albums_get([(artist, tags.album)])[artist.pk, name_key(tags.album)] if tags.album else None
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
    # Without a title, the file's name is "Artist - Title" or a title.
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
        raise FileRejectedError("cover_unknown", _("This is not a JPEG, PNG, GIF or WebP image."))
    return data


def cover_store(*, data: bytes) -> str:
    """Store a checked picture, and return its name in the storage."""
    return bytes_place(data, "covers", cover_extension(data))


def cover_extension(data: bytes) -> str:
    """Return the extension of a checked picture."""
    return _COVER_EXTENSIONS[picture_type(data) or ""]


def songs_announce(*, song_ids: Sequence[int]) -> None:
    """Announce after the commit that songs are ready to be analysed.

    A failing receiver (no broker) is logged and does not undo the upload: the tick finds the songs.
    """
    ids = list(song_ids)
    if ids:
        transaction.on_commit(lambda: song_uploaded.send_robust(sender=Song, song_ids=ids))


def songs_queue(*, song_ids: Iterable[int]) -> list[int]:
    """Queue uploaded or failed songs; return the ids of those that were not queued yet."""
    return claims.reset(Song.objects.filter(pk__in=list(song_ids), state__in=[Song.State.UPLOADED, Song.State.FAILED]))


def songs_queue_unannounced() -> None:
    """Queue uploaded songs whose announcement never arrived."""
    before = timezone.now() - dt.timedelta(seconds=ANNOUNCE_LEASE_S)
    claims.reset(Song.objects.filter(state=Song.State.UPLOADED, state_changed_at__lt=before))


def song_retry(*, song: Song) -> None:
    """Analyse a failed song again; raise SongNotRetryableError for any other."""
    if not songs_retry(song_ids=[song.pk]):
        song.refresh_from_db(fields=["state"])
        state = song.get_state_display().lower()
        raise SongNotRetryableError(_("This song is %(state)s; only failed songs can be retried.") % {"state": state})
    song.refresh_from_db()


def songs_retry(*, song_ids: Iterable[int]) -> list[int]:
    """Analyse the failed ones of these songs again; return their ids."""
    return songs_reanalyse(song_ids=song_ids, states=[Song.State.FAILED])


def songs_reanalyse(
    *, song_ids: Iterable[int], states: Collection[Song.State] = (Song.State.ANALYSED, Song.State.FAILED)
) -> list[int]:
    """Analyse analysed and failed songs again; return the ids of those that were not waiting yet."""
    with transaction.atomic():
        rows = Song.objects.filter(pk__in=list(song_ids), state__in=states)
        moved = claims.reset(rows, state=Song.State.UPLOADED)
        songs_announce(song_ids=moved)
    return moved


def songs_delete(*, song_ids: Collection[int]) -> int:
    """Delete songs and, after the commit, their files; their uploads stay. Return how many were deleted."""
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
        transaction.on_commit(lambda: media_forget(audio_files, covers - {""}))
    return len(ids)


def media_forget(audio_files: dict[str, str], covers: set[str]) -> None:
    """Remove audio, given by content hash, and covers that nothing uses any more."""
    for content_hash, audio in audio_files.items():
        with advisory_lock(content_lock(content_hash)):
            # The same bytes may have been uploaded again since the commit.
            if not Song.objects.filter(content_hash=content_hash).exists():
                media_remove(audio)
    for cover in covers:
        if not (SongEdit.objects.filter(before__cover=cover).exists() or Song.objects.filter(cover=cover).exists()):
            media_remove(cover)


def artists_get(names: Iterable[str]) -> dict[str, Artist]:
    """Find or create artists; return them by key, one object per row. The rows stay until the transaction ends."""
    # Without the locks, an edit of an artist's last song could remove the row before a new song points to it.
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
    # Locked first and read in a second statement, which sees the songs that edits gave these rows meanwhile.
    artists = list(Artist.objects.filter(pk__in=artist_ids).order_by("pk").select_for_update())
    albums = list(Album.objects.filter(pk__in=album_ids).order_by("pk").select_for_update())
    has_song = Exists(Song.objects.filter(album=OuterRef("pk")))
    Album.objects.filter(~has_song, pk__in=[album.pk for album in albums]).delete()
    has_song = Exists(Song.objects.filter(artist=OuterRef("pk")))
    has_album = Exists(Album.objects.filter(artist=OuterRef("pk")))
    Artist.objects.filter(~has_song, ~has_album, pk__in=[artist.pk for artist in artists]).delete()
