"""What follows when a list has ended: a few songs at a time around its mood, which belong to no playlist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from catalog.models import Song
from emotion.models import EmotionEstimate
from recommender.generate import generate
from recommender.models import Playlist
from recommender.requests import Listener, PlaylistRequest, Target, new_seed, request_of
from recommender.selectors import songs_in_order

# Few, so that what the listener says of them is heard soon.
SONGS_AT_A_TIME = 5
# No song comes again among so many; of a smaller catalog, those come first that were heard longest ago.
HEARD_MOST = 50
_ASKED_LIKE = frozenset({Playlist.Kind.MOOD, Playlist.Kind.SONG})


def songs_more(
    *, listener: Listener, heard: Sequence[int], playlist: Playlist | None = None, around: int | None = None
) -> list[tuple[Song, str]]:
    """Choose the songs that follow, each with its reason; none where there is no mood to go by. It writes nothing.

    `heard` are the ids of the songs before, the last one last. A list that was made for a mood goes on with that, and
    others with songs like `around`, their last one.
    """
    request = _request(playlist, around)
    if request is None:
        return []
    last = list(dict.fromkeys(reversed(heard)))[:HEARD_MOST]
    while True:
        made = generate(listener=listener, request=request, without=last)
        if len(made.entries) == request.length or len(last) <= 1:
            break
        last = last[: len(last) // 2]
    songs = songs_in_order([entry.song_id for entry in made.entries])
    reasons = {entry.song_id: entry.reason for entry in made.entries}
    return [(song, reasons[song.pk]) for song in songs]


def _request(playlist: Playlist | None, around: int | None) -> PlaylistRequest | None:
    if playlist is not None and playlist.kind in _ASKED_LIKE:
        # The mood before the list no longer holds.
        return replace(request_of(playlist), length=SONGS_AT_A_TIME, seed=new_seed(), mood=None)
    current = EmotionEstimate.objects.filter(is_current=True, song=around).with_effective()
    point = current.values_list("effective_valence", "effective_arousal").first()
    return PlaylistRequest(Target(*point), around=around, length=SONGS_AT_A_TIME) if point else None
