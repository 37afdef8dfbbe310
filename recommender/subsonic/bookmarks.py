"""Bookmarks: a place in a long song to go on from."""

from __future__ import annotations

from typing import Any

from catalog.models import Song
from recommender.models import Bookmark
from recommender.subsonic.answers import time_written
from recommender.subsonic.calls import Call, not_found
from recommender.subsonic.numbers import SONG, key_of
from recommender.subsonic.shown import songs_shown

MAX_COMMENT = 2_000
MOST_BOOKMARKS = 1_000


def get_bookmarks(call: Call) -> dict[str, Any]:
    """Return the listener's bookmarks, the latest first."""
    marks = list(Bookmark.objects.filter(listener=call.user)[:MOST_BOOKMARKS])
    songs = songs_shown(call.user, [mark.song_id for mark in marks])
    shown = [
        {
            "position": mark.position_ms,
            "username": call.user.get_username(),
            "comment": mark.comment or None,
            "created": time_written(mark.created_at),
            "changed": time_written(mark.updated_at),
            "entry": song,
        }
        for mark, song in zip(marks, songs, strict=True)
    ]
    return {"bookmarks": {"bookmark": shown}}


def create_bookmark(call: Call) -> dict[str, Any]:
    """Set the bookmark of a song."""
    key = key_of(call.required("id"), SONG)
    call.required("position")
    if not Song.objects.filter(pk=key).exists():
        raise not_found()
    values = {"position_ms": call.number("position", 0), "comment": call.text("comment")[:MAX_COMMENT]}
    Bookmark.objects.update_or_create(listener=call.user, song_id=key, defaults=values)
    return {}


def delete_bookmark(call: Call) -> dict[str, Any]:
    """Take the bookmark of a song away."""
    Bookmark.objects.filter(listener=call.user, song=key_of(call.required("id"), SONG)).delete()
    return {}
