"""Artists and albums by name: spellings that differ only in case or spaces are one row, and rows without songs go."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db.models import Exists, OuterRef

from catalog.models import Album, Artist, Song, name_key


def artist_get(name: str) -> Artist:
    """Find an artist by name, or make one; it stays until the transaction ends."""
    # Without the lock, somebody who takes the artist's last song away could remove the row before ours points to it.
    artists = Artist.objects.select_for_update(no_key=True)
    artist, _ = artists.get_or_create(name_key=name_key(name), defaults={"name": name})
    return artist


def album_get(title: str, artist: Artist) -> Album | None:
    """Find an album of an artist by title, or make one; None for an empty title."""
    if not title:
        return None
    albums = Album.objects.select_for_update(no_key=True)
    album, _ = albums.get_or_create(artist=artist, title_key=name_key(title), defaults={"title": title})
    return album


def artists_get(names: Iterable[str]) -> dict[str, Artist]:
    """Find or make artists; return them by key, one object per row."""
    by_key = {name_key(name): name for name in names}
    found = _artists_by_key(by_key)
    if missing := [Artist(name=name, name_key=key) for key, name in by_key.items() if key not in found]:
        Artist.objects.bulk_create(missing, ignore_conflicts=True)
        found |= _artists_by_key([artist.name_key for artist in missing])
    return found


def _artists_by_key(keys: Collection[str]) -> dict[str, Artist]:
    artists = Artist.objects.filter(name_key__in=list(keys)).order_by("pk").select_for_update(no_key=True)
    return {artist.name_key: artist for artist in artists}


def albums_get(asked: Iterable[tuple[Artist, str]]) -> dict[tuple[int, str], Album]:
    """Find or make albums by artist and title; return them by the artist's id and the title's key."""
    by_key = {(artist.pk, name_key(title)): title for artist, title in asked}
    found = _albums_by_key(by_key)
    missing = [
        Album(artist_id=artist_id, title=title, title_key=key)
        for (artist_id, key), title in by_key.items()
        if (artist_id, key) not in found
    ]
    if missing:
        Album.objects.bulk_create(missing, ignore_conflicts=True)
        found |= _albums_by_key([(album.artist_id, album.title_key) for album in missing])
    return found


def _albums_by_key(keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], Album]:
    artists, titles = {artist_id for artist_id, _ in keys}, {key for _, key in keys}
    albums = Album.objects.filter(artist_id__in=artists, title_key__in=titles).order_by("pk")
    return {(album.artist_id, album.title_key): album for album in albums.select_for_update(no_key=True)}


def unused_remove(artist_ids: Collection[int], album_ids: Collection[int]) -> None:
    """Remove those of these artists and albums that have no song any more."""
    # Locked first, and looked at in a statement of its own: one who just gave an artist a song held its row, and a
    # statement sees what was committed before it began.
    artists = list(Artist.objects.filter(pk__in=artist_ids).order_by("pk").select_for_update().values_list("pk"))
    albums = list(Album.objects.filter(pk__in=album_ids).order_by("pk").select_for_update().values_list("pk"))
    has_song = Exists(Song.objects.filter(album=OuterRef("pk")))
    Album.objects.filter(~has_song, pk__in=[pk for (pk,) in albums]).delete()
    has_song = Exists(Song.objects.filter(artist=OuterRef("pk")))
    has_album = Exists(Album.objects.filter(artist=OuterRef("pk")))
    Artist.objects.filter(~has_song, ~has_album, pk__in=[pk for (pk,) in artists]).delete()
