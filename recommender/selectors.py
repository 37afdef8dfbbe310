"""Everything that reads in the recommender.

Songs come with `current_estimates`, a list with the current estimate or nothing, so that a page asks the database once.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db.models import Count, Prefetch, QuerySet
from django.utils import timezone

from catalog.models import Song
from catalog.selectors import song_search
from emotion.models import EmotionEstimate
from emotion.quadrants import Quadrant
from recommender.candidates import estimates_playable, songs_alike
from recommender.exceptions import (
    MoodNotFound,
    PlaylistItemNotFound,
    PlaylistNotFound,
    RatingNotFound,
    ShareNotFound,
)
from recommender.explain import public_reason
from recommender.models import FeltRating, MoodReport, Playlist, PlaylistItem
from recommender.values import Listener, Point

# What somebody said of their mood holds for so long.
MOOD_HOLDS = timedelta(minutes=30)
_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)


class PadPoint(NamedTuple):
    """A song as a dot on the mood pad."""

    song_id: int
    valence: float
    arousal: float
    quadrant: Quadrant


class SharedSong(NamedTuple):
    """A song of a shared playlist, with only what is true of the song whoever hears it."""

    position: int
    song: Song
    estimate: EmotionEstimate | None
    reason: str


def playlists_of(listener: Listener) -> QuerySet[Playlist]:
    """Return the playlists that belong to somebody, newest first; nothing for nobody."""
    if listener.user is not None:
        return Playlist.objects.filter(owner=listener.user)
    if not listener.session_key:
        return Playlist.objects.none()
    return Playlist.objects.filter(owner=None, session_key=listener.session_key)


def playlist_visible(listener: Listener, pk: int) -> Playlist:
    """Return a playlist to whom it belongs, and to nobody else, the staff included.

    Raises:
        PlaylistNotFound: there is none, or it is somebody else's.
    """
    playlist = playlists_of(listener).filter(pk=pk).prefetch_related(_items()).first()
    if playlist is None:
        raise PlaylistNotFound("There is no such playlist, or it is not yours.")
    return playlist


def playlist_shared(token: str) -> Playlist:
    """Return the playlist that a link opens.

    Raises:
        ShareNotFound: the link was taken back, or never was.
    """
    playlist = None
    if _TOKEN.fullmatch(token):
        playlist = Playlist.objects.filter(share_token=token).prefetch_related(_items()).first()
    if playlist is None:
        raise ShareNotFound("This link opens nothing any more: whoever shared the playlist took it back.")
    return playlist


def shared_songs(playlist: Playlist) -> list[SharedSong]:
    """Return the songs of a shared playlist, without anything that came from its listener."""
    return [
        SharedSong(item.position, item.song, estimate, _public_reason(estimate))
        for item in playlist.items.all()
        for estimate in [_estimate_of(item.song)]
    ]


def _public_reason(estimate: EmotionEstimate | None) -> str:
    return public_reason(Quadrant(estimate.quadrant), estimate.confidence) if estimate else ""


def _estimate_of(song: Song) -> EmotionEstimate | None:
    """Return the current estimate, which the selector of the song brought along or not."""
    found: list[EmotionEstimate] | None = getattr(song, "current_estimates", None)
    if found is None:
        return EmotionEstimate.objects.filter(song=song, is_current=True).first()
    return found[0] if found else None


def moods_of(listener: Listener) -> QuerySet[MoodReport]:
    """Return what somebody said of their mood, newest first; nothing for nobody."""
    if listener.user is not None:
        return MoodReport.objects.filter(listener=listener.user)
    if not listener.session_key:
        return MoodReport.objects.none()
    return MoodReport.objects.filter(listener=None, session_key=listener.session_key)


def moods_recent(listener: Listener) -> QuerySet[MoodReport]:
    """Return what somebody said of their mood so lately that it holds."""
    return moods_of(listener).filter(created_at__gte=timezone.now() - MOOD_HOLDS)


def mood_latest(listener: Listener) -> MoodReport | None:
    """Return the mood that holds now, if one was said."""
    return moods_recent(listener).first()


def mood_now(listener: Listener) -> Point | None:
    """Return the (valence, arousal) of the mood that holds now, if one was said."""
    latest = mood_latest(listener)
    return None if latest is None else (latest.valence, latest.arousal)


def mood_visible(listener: Listener, pk: int) -> MoodReport:
    """Return a mood to the listener who said it, and to nobody else.

    Raises:
        MoodNotFound: there is none, or it is somebody else's.
    """
    mood = moods_of(listener).filter(pk=pk).first()
    if mood is None:
        raise MoodNotFound("There is no such mood, or it is not yours.")
    return mood


def item_at(playlist: Playlist, position: int) -> PlaylistItem:
    """Return the item at a place of a playlist.

    Raises:
        PlaylistItemNotFound: the place is empty.
    """
    item = playlist.items.select_related("song__artist").filter(position=position).first()
    if item is None:
        raise PlaylistItemNotFound(f"This playlist has no song at place {position}.")
    return item


def ratings_of(user: User) -> QuerySet[FeltRating]:
    """Return what a listener said, newest first."""
    return FeltRating.objects.filter(listener=user).select_related("song__artist")


def rating_of(user: User, song: Song) -> FeltRating | None:
    """Return what a listener said of a song, if anything."""
    return FeltRating.objects.filter(listener=user, song=song).first()


def rating_visible(user: User, pk: int) -> FeltRating:
    """Return a rating to the listener who gave it, and to nobody else.

    Raises:
        RatingNotFound: there is none, or it is somebody else's.
    """
    rating = ratings_of(user).filter(pk=pk).first()
    if rating is None:
        raise RatingNotFound("There is no such rating, or it is not yours.")
    return rating


def quadrant_counts() -> dict[Quadrant, int]:
    """Count the songs that can be played by quadrant, empty quadrants included."""
    found = dict(estimates_playable().order_by().values_list("quadrant").annotate(n=Count("pk")))
    return {quadrant: found.get(quadrant.value, 0) for quadrant in Quadrant}


def pad_points(limit: int = 2000) -> list[PadPoint]:
    """Return the newest songs as dots on the plane."""
    rows = estimates_playable().order_by("-song_id").values_list("song_id", "valence", "arousal", "quadrant")
    return [PadPoint(song_id, v, a, Quadrant(quadrant)) for song_id, v, a, quadrant in rows[:limit]]


def songs_browse(
    *, query: str = "", quadrant: Quadrant | None = None, genre: str = "", artist_id: int | None = None
) -> QuerySet[Song]:
    """Return the songs that match all that is asked, in any state, each with `current_estimates`.

    Args:
        query: words to search for.
        quadrant: only songs whose current estimate is this quadrant.
        genre: only this genre.
        artist_id: only this artist.
    """
    songs = song_search(query=query, artist_id=artist_id, genre=genre)
    if quadrant is not None:
        tagged = EmotionEstimate.objects.filter(is_current=True, quadrant=quadrant.value)
        songs = songs.filter(pk__in=tagged.values("song_id"))
    return songs.prefetch_related(_current_estimates())


def similar_songs(song: Song, k: int = 6) -> list[Song]:
    """Return the songs that sound most like a song, best first, each with `current_estimates`."""
    return songs_in_order(songs_alike(song.pk, k))


def songs_in_order(song_ids: list[int]) -> list[Song]:
    """Return songs in the order of their ids, each with `current_estimates`; those that are gone are left out."""
    songs = Song.objects.filter(pk__in=song_ids).select_related("artist", "album")
    by_id = {song.pk: song for song in songs.prefetch_related(_current_estimates())}
    return [by_id[song_id] for song_id in song_ids if song_id in by_id]


def _current_estimates(lookup: str = "estimates") -> Prefetch[str, QuerySet[EmotionEstimate], str]:
    current = EmotionEstimate.objects.filter(is_current=True)
    return Prefetch(lookup, queryset=current, to_attr="current_estimates")


def _items() -> Prefetch[str, QuerySet[PlaylistItem], str]:
    songs = PlaylistItem.objects.select_related("song__artist", "song__album").order_by("position")
    return Prefetch("items", queryset=songs.prefetch_related(_current_estimates("song__estimates")))
