"""Edits the metadata of one song or thousands in one transaction, as a change that can be undone.

An editor sends prints of the fields that they saw; if one has changed since, nothing is saved.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from django.contrib.auth.models import User
from django.db import connection, models, transaction
from django.utils import timezone

from catalog.core.files import digest
from catalog.core.locks import Lock, advisory_lock
from catalog.core.names import name_key, names_join
from catalog.exceptions import EditConflictError
from catalog.files.tags import MAX_CREDIT_CHARS, MAX_GENRE_CHARS
from catalog.models import UNKNOWN_ARTIST, Album, Artist, Song, SongChange, SongEdit
from catalog.songs.services import (
    albums_get,
    artists_get,
    credit_kept,
    credit_names,
    further_artists_set,
    unused_remove,
)

# What an edit can change, by field: artists as their credit, the album by its title, and its artist where that is not
# the song's first one, by name; empty text and None for nothing, covers by path.
SongValues: TypeAlias = dict[str, Any]
FIELDS = ("title", "artist", "album", "album_artist", "genre", "year", "disc_number", "track_number", "cover")
# Those that are rows of their own.
_NAMES = {"artist", "album", "album_artist"}
FieldsLeft: TypeAlias = dict[int, list[str]]


def values_of(song: Song) -> SongValues:
    """Return the values of a song that was read with its artist, its album and that one's artist."""
    album = song.album
    return {
        "title": song.title,
        "artist": song.credit or song.artist.name,
        "album": album.title if album else "",
        "album_artist": album.artist.name if album and album.artist_id != song.artist_id else "",
        "genre": song.genre,
        "year": song.year,
        "disc_number": song.disc_number,
        "track_number": song.track_number,
        "cover": str(song.cover.name or ""),
    }


def values_clean(values: SongValues) -> SongValues:
    """Write names of artists and genres as they are stored: once each, with "; " between them."""
    most = {"artist": MAX_CREDIT_CHARS, "genre": MAX_GENRE_CHARS}
    joined = {name: names_join([values[name]], most[name]) for name in most if values.get(name)}
    return values | joined


def values_seen(songs: Iterable[Song]) -> dict[str, str]:
    """Return a print of each field over these songs, by which a later change is detected."""
    values = [(song.pk, values_of(song)) for song in sorted(songs, key=lambda song: song.pk)]
    return {field: print_of([(pk, each[field]) for pk, each in values]) for field in FIELDS}


def print_of(value: Any) -> str:
    """Return a short print of plain values."""
    return digest(json.dumps(value).encode())[:16]


def songs_locked(song_ids: Collection[int]) -> list[Song]:
    """Lock songs until the transaction ends, one edit at a time, and return those that still exist."""
    with advisory_lock(Lock.SONG_EDIT):
        songs = Song.objects.filter(pk__in=song_ids).select_related("artist", "album__artist").order_by("pk")
        return list(songs.select_for_update(of=("self",), no_key=True))


@transaction.atomic
def songs_edit(
    *,
    song_ids: Collection[int],
    values: SongValues,
    editor: User | None,
    seen: Mapping[str, str] | None = None,
    change: SongChange | None = None,
) -> SongChange | None:
    """Give songs new, cleaned values; skip deleted songs.

    Args:
        song_ids: The songs.
        values: By field.
        editor: Of the change.
        seen: Prints of the fields as the editor saw them.
        change: An existing change to extend.

    Returns:
        The change, or None if every song has these values already.

    Raises:
        EditConflictError: A field has changed meanwhile.
    """
    songs = songs_locked(song_ids)
    if seen is not None:
        now = values_seen(songs)
        if changed := [field for field in values if field in seen and seen[field] != now[field]]:
            raise EditConflictError(changed)
    values = values_clean(values)
    edits = _songs_write(songs, {song.pk: values for song in songs})
    if not edits:
        return None
    change = change or SongChange.objects.create(made_by=editor, n_songs=len(edits))
    for edit in edits:
        edit.change = change
    SongEdit.objects.bulk_create(edits, batch_size=500)
    return change


@transaction.atomic
def songs_follow(*, song_id: int, before: SongValues, after: SongValues) -> None:
    """Give a song what its file says now, in the fields that still have what the file said before.

    It is no change of a curator, and no step to undo.
    """
    for song in songs_locked([song_id]):
        now = values_of(song)
        wanted = {field: value for field, value in after.items() if now[field] == before[field] and value != now[field]}
        _songs_write([song], {song.pk: wanted})


@transaction.atomic
def songs_edit_each(*, wanted: Mapping[int, SongValues], change: SongChange) -> list[int]:
    """Give each song values of its own, within a change that is saved already; return the songs that changed."""
    edits = _songs_write(songs_locked(wanted), wanted)
    for edit in edits:
        edit.change = change
    SongEdit.objects.bulk_create(edits, batch_size=500)
    change.n_songs += len(edits)
    change.save(update_fields=["n_songs"])
    return [edit.song_id for edit in edits]


@transaction.atomic
def change_undo(*, change: SongChange, editor: User | None) -> FieldsLeft:
    """Undo a change once; return by song the fields that stay because they were edited since."""
    edits = {edit.song_id: edit for edit in change.edits.all()}
    songs = songs_locked(edits)
    if not change_close(change=change, editor=editor):
        return {}
    left: FieldsLeft = {}
    wanted: dict[int, SongValues] = {}
    for song in songs:
        now, edit = values_of(song), edits[song.pk]
        wanted[song.pk] = {field: edit.before[field] for field in edit.after if now[field] == edit.after[field]}
        if edited_since := [field for field in edit.after if field not in wanted[song.pk]]:
            left[song.pk] = edited_since
    _songs_write(songs, wanted)
    return left


def change_close(*, change: SongChange, editor: User | None) -> bool:
    """Mark a change as undone; return whether this is the first time."""
    undone = SongChange.objects.filter(pk=change.pk, undone_at=None)
    return bool(undone.update(undone_at=timezone.now(), undone_by=editor))


def _songs_write(songs: Sequence[Song], wanted: Mapping[int, SongValues]) -> list[SongEdit]:
    before = {song.pk: values_of(song) for song in songs}
    artists, albums = {song.artist_id for song in songs}, {song.album_id for song in songs if song.album_id}
    moved = [song for song in songs if _NAMES & wanted[song.pk].keys()]
    further = {song.pk: [each.artist_id for each in song.further_artists.all()] for song in moved if song.credit}
    _names_set(moved, wanted, further)
    edits, changed, now = [], [], timezone.now()
    for song in songs:
        for field in wanted[song.pk].keys() - _NAMES:
            setattr(song, field, wanted[song.pk][field])
        earlier = before[song.pk]
        if after := {field: value for field, value in values_of(song).items() if value != earlier[field]}:
            edits.append(SongEdit(song=song, before={field: earlier[field] for field in after}, after=after))
            song.tags_changed_at = now
            changed.append(song)
    if changed:
        # A new artist means a new album: albums of the same title by two artists are two rows.
        fields = {field for edit in edits for field in edit.after} - {"album_artist"}
        _rows_update(
            changed, [*sorted(fields | ({"artist", "credit", "album"} if moved else set())), "tags_changed_at"]
        )
        unused_remove(artists.union(*further.values()), albums)
    return edits


def _names_set(songs: Sequence[Song], wanted: Mapping[int, SongValues], further: Mapping[int, Sequence[int]]) -> None:
    values = {song.pk: values_of(song) | wanted[song.pk] for song in songs}
    names_of = {pk: credit_names(each["artist"] or UNKNOWN_ARTIST) for pk, each in values.items()}
    album_artists = {pk: each["album_artist"] or names_of[pk][0] for pk, each in values.items()}
    artists = artists_get({name for names in names_of.values() for name in names} | set(album_artists.values()))
    albums = albums_get(
        (artists[name_key(album_artists[pk])], each["album"]) for pk, each in values.items() if each["album"]
    )
    new_further: dict[int, list[int]] = {}
    for song in songs:
        edited, title = wanted[song.pk], values[song.pk]["album"]
        album_artist = artists[name_key(album_artists[song.pk])]
        album = albums[album_artist.pk, name_key(title)] if title else None
        # A name in another spelling respells the row of the song itself; other songs get the known spelling.
        if "artist" in edited:
            known = {song.artist_id, *further.get(song.pk, ())}
            for name in names_of[song.pk]:
                _respell(artists[name_key(name)], "name", name, known)
            first, *others = (artists[name_key(name)] for name in names_of[song.pk])
            song.artist, song.credit = first, credit_kept(values[song.pk]["artist"] or UNKNOWN_ARTIST)
            if [each.pk for each in others] != list(further.get(song.pk, ())):
                new_further[song.pk] = [each.pk for each in others]
        if edited.get("album_artist") and song.album:
            _respell(album_artist, "name", edited["album_artist"], {song.album.artist_id})
        if album:
            _respell(album, "title", title, {song.album_id})
        song.album = album
    if new_further:
        further_artists_set(new_further)


def _respell(row: Artist | Album, field: str, text: str, known: Collection[int | None]) -> None:
    if row.pk in known and getattr(row, field) != text:
        setattr(row, field, text)
        row.save(update_fields=[field])


def _rows_update(songs: Sequence[Song], field_names: Sequence[str]) -> None:
    # `bulk_update` writes a CASE with a branch per row and field, which takes seconds for a thousand songs.
    fields = [field for name in field_names if isinstance(field := Song._meta.get_field(name), models.Field)]
    columns = [(connection.ops.quote_name(str(field.column)), field.db_type(connection)) for field in fields]
    new = ", ".join(f"{column} = new.{column}" for column, _ in columns)
    arrays = ", ".join(f"%s::{kind}[]" for _, kind in [("id", "bigint"), *columns])
    names = ", ".join(["id", *(column for column, _ in columns)])
    # Only names and types of columns are put into the statement.
    sql = f"UPDATE catalog_song old SET {new} FROM unnest({arrays}) AS new({names}) WHERE old.id = new.id"  # noqa: S608
    values = [[field.get_db_prep_save(getattr(song, field.attname), connection) for song in songs] for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, [[song.pk for song in songs], *values])
