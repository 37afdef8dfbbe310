"""The queue that a listener takes from one player to another; a song may be in it twice, so that places count."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from recommender.models import PlayQueue
from recommender.subsonic.answers import Code, SubsonicError, time_written
from recommender.subsonic.calls import Call
from recommender.subsonic.numbers import SONG, key_of, song_keys, written
from recommender.subsonic.shown import songs_shown

MOST_QUEUED = 10_000


def get_play_queue(call: Call) -> dict[str, Any]:
    """Return the queue, and the number of the song that plays."""
    queue = _queue(call)
    shown = _shown(call, queue)
    at = queue.current_index
    current = queue.song_ids[at] if at is not None and at < len(queue.song_ids) else None
    return {"playQueue": {"current": written(SONG, current) if current is not None else None, **shown}}


def get_play_queue_by_index(call: Call) -> dict[str, Any]:
    """Return the queue, and the place of the song that plays."""
    queue = _queue(call)
    shown = _shown(call, queue)
    at, entries = queue.current_index, shown["entry"]
    if at is not None and len(entries) < len(queue.song_ids):
        # Songs that were deleted since move what follows up.
        here = {entry["id"] for entry in entries}
        at = sum(written(SONG, key) in here for key in queue.song_ids[:at])
    return {"playQueueByIndex": {"currentIndex": at if at is not None and at < len(entries) else None, **shown}}


def save_play_queue(call: Call) -> dict[str, Any]:
    """Keep a queue, with the song that plays by its number; without songs, none is kept."""
    keys = song_keys(call.texts("id"))
    current = key_of(call.text("current"), SONG) if call.text("current") else None
    if current is not None and current not in keys:
        raise SubsonicError(Code.GENERIC, _("The song that plays is not in the queue."))
    return _save(call, keys, keys.index(current) if current is not None else 0)


def save_play_queue_by_index(call: Call) -> dict[str, Any]:
    """Keep a queue, with the place of the song that plays; without songs, none is kept."""
    keys = song_keys(call.texts("id"))
    if keys:
        call.required("currentIndex")
    at = call.number("currentIndex", 0)
    if keys and at >= len(keys):
        raise SubsonicError(Code.MISSING, _("The song that plays is not in the queue."))
    return _save(call, keys, at)


def _save(call: Call, keys: list[int], at: int) -> dict[str, Any]:
    if len(keys) > MOST_QUEUED:
        raise SubsonicError(Code.GENERIC, _("A queue can have %(most)d songs.") % {"most": MOST_QUEUED})
    if not keys:
        PlayQueue.objects.filter(listener=call.user).delete()
        return {}
    values = {
        "song_ids": keys,
        "current_index": at,
        "position_ms": call.number("position", 0),
        "changed_by": call.player,
        "changed_at": timezone.now(),
    }
    PlayQueue.objects.update_or_create(listener=call.user, defaults=values)
    return {}


def _queue(call: Call) -> PlayQueue:
    # Nothing was kept: the protocol asks for a queue all the same.
    none = PlayQueue(listener=call.user, changed_at=call.user.date_joined)
    return PlayQueue.objects.filter(listener=call.user).first() or none


def _shown(call: Call, queue: PlayQueue) -> dict[str, Any]:
    return {
        "position": queue.position_ms,
        "username": call.user.get_username(),
        "changed": time_written(queue.changed_at),
        "changedBy": queue.changed_by,
        "entry": songs_shown(call.user, queue.song_ids),
    }
