"""Edits the metadata of one song or thousands in one transaction, so that the change can be undone.

An editor sends prints of the fields as they saw them; if one has changed since, nothing is saved.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from catalog.core.bulk import rows_update
from catalog.core.files import digest
from catalog.core.locks import Lock, advisory_lock
from catalog.exceptions import EditConflictError
from catalog.models import UNKNOWN_ARTIST, Album, Artist, Song, SongChange, SongEdit, name_key
from catalog.songs.naming import albums_get, artists_get, unused_remove

_BATCH = 500


# What can be changed, by field: artist and album by their names, empty text and None for nothing, covers by path.
SongValues: TypeAlias = dict[str, Any]
FIELDS = ("title", "artist", "album", "genre", "year", "track_number", "cover")
_PLAIN = set(FIELDS) - {"artist", "album"}
FieldsLeft: TypeAlias = dict[int, list[str]]


def values_of(song: Song) -> SongValues:
    """Return the values of a song that was read with its artist and album."""
    return {
        "title": song.title,
        "artist": song.artist.name,
        "album": song.album.title if song.album else "",
        "genre": song.genre,
        "year": song.year,
        "track_number": song.track_number,
        "cover": str(song.cover.name or ""),
    }


def values_seen(songs: Iterable[Song]) -> dict[str, str]:
    """Return a short print of each field over songs, in the order of their ids; it tells whether any has changed."""
    values = [(song.pk, values_of(song)) for song in sorted(songs, key=lambda song: song.pk)]
    return {field: print_of([(pk, each[field]) for pk, each in values]) for field in FIELDS}


def print_of(value: Any) -> str:
    """Return a short print of plain values."""
    return digest(json.dumps(value).encode())[:16]


def songs_locked(song_ids: Collection[int]) -> list[Song]:
    """Lock songs until the transaction ends, one edit after the other, and return those that still exist."""
    with advisory_lock(Lock.SONG_EDIT):
        songs = Song.objects.filter(pk__in=song_ids).select_related("artist", "album").order_by("pk")
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
    """Give songs new values; deleted songs are skipped.

    Args:
        song_ids: The songs.
        values: The fields to change and their new values, cleaned.
        editor: Who changes them.
        seen: Prints of the fields as the editor saw them.
        change: The change that this belongs to, if any.

    Returns:
        The change, or None when every song has these values already.

    Raises:
        EditConflictError: A field has changed since the editor saw it.
    """
    songs = songs_locked(song_ids)
    _check_seen(songs, values, seen)
    wanted = {song.pk: values for song in songs}
    return _songs_write(songs, wanted, editor, change)


@transaction.atomic
def change_undo(*, change: SongChange, editor: User | None) -> FieldsLeft:
    """Undo a change once; return by song the fields that stay, because they have been edited since."""
    edits = {edit.song_id: edit for edit in change.edits.all()}
    songs = songs_locked(edits)
    if not change_close(change=change, editor=editor):
        return {}
    kept: FieldsLeft = {}
    wanted: dict[int, SongValues] = {}
    for song in songs:
        now, edit = values_of(song), edits[song.pk]
        ours = [field for field in edit.after if now[field] == edit.after[field]]
        if left := [field for field in edit.after if field not in ours]:
            kept[song.pk] = left
        wanted[song.pk] = {field: edit.before[field] for field in ours}
    _songs_write(songs, wanted, editor, change, is_undo=True)
    return kept


def change_close(*, change: SongChange, editor: User | None) -> bool:
    """Note that a change was undone; return whether it had not been."""
    undone = SongChange.objects.filter(pk=change.pk, undone_at=None)
    return bool(undone.update(undone_at=timezone.now(), undone_by=editor))


def _check_seen(songs: Sequence[Song], values: SongValues, seen: Mapping[str, str] | None) -> None:
    if seen is None:
        return
    now = values_seen(songs)
    if other := [field for field in values if field in seen and seen[field] != now[field]]:
        raise EditConflictError(other)


def _songs_write(
    songs: Sequence[Song],
    wanted: Mapping[int, SongValues],
    editor: User | None,
    change: SongChange | None,
    *,
    is_undo: bool = False,
) -> SongChange | None:
    before = {song.pk: values_of(song) for song in songs}
    left = _places_of(songs)
    moved = _names_set(songs, wanted)
    for song in songs:
        for field in _PLAIN & set(wanted[song.pk]):
            setattr(song, field, wanted[song.pk][field])
    differing = {song.pk: _difference(before[song.pk], values_of(song)) for song in songs}
    changed = [song for song in songs if differing[song.pk]]
    if not changed:
        return None
    # A new artist takes the album along: albums of the same title by two artists are two rows.
    fields = {field for each in differing.values() for field in each} | ({"album"} if moved else set())
    now = timezone.now()
    for song in changed:
        song.tags_changed_at = now
    rows_update(changed, [*sorted(fields), "tags_changed_at"])
    unused_remove(*left)
    if is_undo:
        return change
    change = change or SongChange.objects.create(made_by=editor, n_songs=len(changed))
    edits = [_edit_of(change, song, before[song.pk], differing[song.pk]) for song in changed]
    SongEdit.objects.bulk_create(edits, batch_size=_BATCH)
    return change


def _difference(before: SongValues, after: SongValues) -> dict[str, Any]:
    return {field: value for field, value in after.items() if value != before[field]}


def _edit_of(change: SongChange, song: Song, before: SongValues, after: dict[str, Any]) -> SongEdit:
    earlier = {field: before[field] for field in after}
    return SongEdit(change=change, song=song, before=earlier, after=after)


def _places_of(songs: Iterable[Song]) -> tuple[set[int], set[int]]:
    songs = list(songs)
    return {song.artist_id for song in songs}, {song.album_id for song in songs if song.album_id}


def _names_set(songs: Sequence[Song], wanted: Mapping[int, SongValues]) -> list[Song]:
    moved = [song for song in songs if "artist" in wanted[song.pk] or "album" in wanted[song.pk]]
    names = {song.pk: wanted[song.pk].get("artist", song.artist.name) or UNKNOWN_ARTIST for song in moved}
    titles = {song.pk: wanted[song.pk].get("album", song.album.title if song.album else "") for song in moved}
    artists = artists_get(names.values())
    for song in moved:
        song.artist = _spelled(artists[name_key(names[song.pk])], names[song.pk], song.artist_id)
    asked = [(song.artist, titles[song.pk]) for song in moved if titles[song.pk]]
    albums = albums_get(asked)
    for song in moved:
        title = titles[song.pk]
        album = albums[song.artist_id, name_key(title)] if title else None
        song.album = _album_spelled(album, title, song.album_id) if album else None
    return moved


# An artist whose own song gets the name in another spelling is respelled; songs of others take the known spelling.
def _spelled(artist: Artist, name: str, earlier_id: int) -> Artist:
    if artist.pk == earlier_id and artist.name != name:
        artist.name = name
        artist.save(update_fields=["name"])
    return artist


def _album_spelled(album: Album, title: str, earlier_id: int | None) -> Album:
    if album.pk == earlier_id and album.title != title:
        album.title = title
        album.save(update_fields=["title"])
    return album
