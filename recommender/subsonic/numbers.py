"""What players call songs, albums, artists, folders and lists: a letter pair for the kind, and a number."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.db.models import Model

from catalog.models import Album, Artist, Song
from recommender.models import Playlist
from recommender.subsonic.calls import not_found

SONG, ALBUM, ARTIST, PLAYLIST = "tr", "al", "ar", "pl"
# The songs of an artist that are on no album.
SINGLES = "si"
# A folder of a watched one: "fo-3.QWJiYQ", or "fo-3." for the whole.
FOLDER = "fo"
_NUMBER = re.compile(r"([a-z]{2})-([0-9]{1,18})", re.ASCII)
_KINDS: dict[type[Model], str] = {Song: SONG, Album: ALBUM, Artist: ARTIST, Playlist: PLAYLIST}


def written(kind: str, pk: int) -> str:
    """Write a number, such as "tr-17"."""
    return f"{kind}-{pk}"


def number_of(row: Song | Album | Artist | Playlist) -> str:
    """Return what players call a row."""
    return written(_KINDS[type(row)], row.pk)


def read(text: str) -> tuple[str, int]:
    """Return the kind and the key of a number.

    Raises:
        SubsonicError: it is none.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise not_found()
    return match[1], int(match[2])


def key_of(text: str, kind: str) -> int:
    """Return the key of a number of one kind.

    Raises:
        SubsonicError: it is none.
    """
    found, pk = read(text)
    if found != kind:
        raise not_found()
    return pk


def song_keys(texts: Sequence[str]) -> list[int]:
    """Return the keys of songs, in order.

    Raises:
        SubsonicError: one is no number of a song.
    """
    return [key_of(text, SONG) for text in texts]
