"""Creates songs, artists and albums, sends songs to their analysis, and deletes them. One content is one song."""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core import claims
from catalog.core.locks import advisory_lock, content_lock
from catalog.core.names import FolderHint, artists_split, file_name_read, name_key
from catalog.exceptions import FileRejectedError, SongNotRetryableError
from catalog.files.lyrics import lyrics_read
from catalog.files.probe import AudioFacts
from catalog.files.storage import StagedFile, bytes_place, content_name, file_place, media_exists, media_remove
from catalog.files.tags import MAX_COVER_BYTES, MAX_TEXT_CHARS, AudioTags, picture_type, text_clean
from catalog.files.transcoding import transcoded_remove
from catalog.models import (
    UNKNOWN_ARTIST,
    VARIOUS_ARTISTS,
    Album,
    Artist,
    EarlierContent,
    FurtherArtist,
    Lyrics,
    Song,
    SongEdit,
)
from catalog.signals import song_uploaded
from catalog.songs.lyrics import lyrics_set

# Raised when files are read otherwise than before; `manage.py reread` reads those of earlier versions again.
READER = 4
# An announcement follows the commit at once; one that took longer was lost with its process.
ANNOUNCE_LEASE_S = 60.0
# As programs write it; the first is ours.
_VARIOUS = frozenset(
    {VARIOUS_ARTISTS.casefold(), "various", "va", "v.a.", "v/a", "verschiedene interpreten", "diverse interpreten"}
)
_COVER_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}


def song_create(
    *, staged: StagedFile, facts: AudioFacts, file_name: str, hint: FolderHint | None = None
) -> tuple[Song, bool]:
    """Create a song from a staged file, or find the song with these bytes; return also whether it is new."""
    # Without the lock the loser of a race would rename its file over the winner's, or remove it under a new song.
    with advisory_lock(content_lock(staged.content_hash)):
        song = song_of_content(staged.content_hash)
        if song is None:
            return _song_insert(staged, facts, file_name, hint), True
        # If the media folder was lost, the same bytes repair the song.
        if not media_exists(song.audio):
            if song.content_hash != staged.content_hash:
                content_set(song=song, staged=staged, extension=facts.extension)
            else:
                file_place(staged, str(song.audio.name))
        return song, False


def song_of_content(content_hash: str) -> Song | None:
    """Return the song whose file has these bytes, or had them before tags were written into it here."""
    songs = Song.objects.select_related("artist")
    song = songs.filter(content_hash=content_hash).first()
    return song or songs.filter(earlier_contents__content_hash=content_hash).first()


def content_set(*, song: Song, staged: StagedFile, extension: str, **values: Any) -> None:
    """Give a song a file with the same sound under the lock of that content; the bytes it had stay its own.

    The old file is removed after the commit, with what was converted from it.
    """
    earlier = {song.content_hash: str(song.audio.name)}
    EarlierContent.objects.filter(content_hash=staged.content_hash).delete()
    EarlierContent.objects.get_or_create(content_hash=song.content_hash, defaults={"song": song})
    audio = content_name("audio", staged.content_hash, extension)
    file_place(staged, audio)
    changes = {"content_hash": staged.content_hash, "audio": audio, "size_bytes": staged.size_bytes, **values}
    Song.objects.filter(pk=song.pk).update(**changes)
    song.refresh_from_db(fields=list(changes))
    transaction.on_commit(lambda: media_forget(earlier, set()))


def _song_insert(staged: StagedFile, facts: AudioFacts, file_name: str, hint: FolderHint | None) -> Song:
    values = values_read(facts.tags, file_name, hint)
    names = credit_names(values["artist"])
    album_artist = values["album_artist"] or names[0]
    artists = artists_get([*names, album_artist])
    artist, album = artists[name_key(names[0])], None
    if values["album"]:
        by = artists[name_key(album_artist)]
        album = albums_get([(by, values["album"])])[by.pk, name_key(values["album"])]
    cover = cover_store(data=facts.cover.data) if facts.cover else ""
    audio = content_name("audio", staged.content_hash, facts.extension)
    file_place(staged, audio)
    song = Song.objects.create(
        title=values["title"],
        artist=artist,
        credit=credit_kept(values["artist"]),
        album=album,
        genre=values["genre"],
        year=values["year"],
        disc_number=values["disc_number"],
        track_number=values["track_number"],
        content_hash=staged.content_hash,
        audio=audio,
        cover=cover,
        mime_type=facts.mime_type,
        size_bytes=staged.size_bytes,
        duration_s=facts.duration_s,
        sample_rate_hz=facts.sample_rate_hz,
        channels=facts.channels,
        bit_rate=facts.bit_rate,
        **asdict(facts.tags.replay_gain),
        recording_id=facts.tags.recording_id,
        reader=READER,
    )
    if len(names) > 1:
        further_artists_set({song.pk: [artists[name_key(name)].pk for name in names[1:]]})
    if facts.tags.lyrics:
        lyrics_set(song_id=song.pk, read=lyrics_read(facts.tags.lyrics), source=Lyrics.Source.TAG)
    return song


def values_read(tags: AudioTags, file_name: str, hint: FolderHint | None = None) -> dict[str, Any]:
    """Return what a file says of its song, by the names of `catalog.songs.editing`; its name says what tags do not."""
    named = file_name_read(file_name, hint)
    title, artist = tags.title or text_clean(named.title) or "Untitled", tags.artist
    # A name of which the tags say otherwise is not to be trusted.
    if not tags.title or name_key(named.title) == name_key(tags.title):
        artist = artist or named.artist
    artist = artist or UNKNOWN_ARTIST
    is_named = not tags.title
    album = tags.album or (named.album if is_named else "")
    album_artist = tags.album_artist or (VARIOUS_ARTISTS if tags.is_compilation else "")
    if name_key(album_artist) in _VARIOUS:
        album_artist = VARIOUS_ARTISTS
    if not album or name_key(album_artist) == name_key(credit_names(artist)[0]):
        album_artist = ""
    return {
        "title": title,
        "artist": artist,
        "album": album,
        "album_artist": album_artist,
        "genre": tags.genre,
        "year": tags.year,
        "disc_number": tags.disc_number or (named.disc_number if is_named else None),
        "track_number": tags.track_number or (named.track_number if is_named else None),
    }


def credit_names(credit: str) -> list[str]:
    """Return the artists of a credit: at least one."""
    return [name[:MAX_TEXT_CHARS] for name in artists_split(credit)] or [credit[:MAX_TEXT_CHARS] or UNKNOWN_ARTIST]


def credit_kept(credit: str) -> str:
    """Return a credit as a song keeps it: empty where it is its artist's name."""
    return "" if name_key(credit_names(credit)[0]) == name_key(credit) else credit


def further_artists_set(artist_ids: Mapping[int, Sequence[int]]) -> None:
    """Give songs their artists beside the first ones, by the song's id, in place of those they have."""
    FurtherArtist.objects.filter(song__in=list(artist_ids)).delete()
    rows = [
        FurtherArtist(song_id=song_id, artist_id=artist_id, place=place)
        for song_id, ids in artist_ids.items()
        for place, artist_id in enumerate(ids, start=1)
    ]
    FurtherArtist.objects.bulk_create(rows, batch_size=1000)


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
    return bytes_place(data, "covers", _cover_extension(data))


def cover_name(*, data: bytes) -> str:
    """Return the name that a checked picture would have in the storage."""
    return content_name("covers", hashlib.sha256(data).hexdigest(), _cover_extension(data))


def _cover_extension(data: bytes) -> str:
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
        artists = {row["artist"] for row in rows} | further_artist_ids(ids)
        Song.objects.filter(pk__in=ids).delete()
        unused_remove(artists, {row["album"] for row in rows if row["album"]})
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
                transcoded_remove(content_hash=content_hash)
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


def further_artist_ids(song_ids: Collection[int]) -> set[int]:
    """Return the artists of songs beside their first ones."""
    return set(FurtherArtist.objects.filter(song__in=song_ids).order_by().values_list("artist_id", flat=True))


def unused_remove(artist_ids: Collection[int], album_ids: Collection[int]) -> None:
    """Delete those of these artists and albums that have no songs, and the artists of such albums."""
    artist_ids = {*artist_ids, *Album.objects.filter(pk__in=album_ids).values_list("artist_id", flat=True)}
    # Locked first and read in a second statement, which sees the songs that edits gave these rows meanwhile.
    artists = list(Artist.objects.filter(pk__in=artist_ids).order_by("pk").select_for_update())
    albums = list(Album.objects.filter(pk__in=album_ids).order_by("pk").select_for_update())
    has_song = Exists(Song.objects.filter(album=OuterRef("pk")))
    Album.objects.filter(~has_song, pk__in=[album.pk for album in albums]).delete()
    has_song = Exists(Song.objects.filter(artist=OuterRef("pk")))
    has_album = Exists(Album.objects.filter(artist=OuterRef("pk")))
    is_further = Exists(FurtherArtist.objects.filter(artist=OuterRef("pk")))
    Artist.objects.filter(~has_song, ~is_further, ~has_album, pk__in=[artist.pk for artist in artists]).delete()
