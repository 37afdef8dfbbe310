"""Everything that reads in the recommender.

Songs come with `current_estimates`, a list with the current estimate or nothing, so that a page asks the database once.
"""

from __future__ import annotations

from typing import NamedTuple

from django.contrib.auth.models import User
from django.db.models import Count, Prefetch, QuerySet

from catalog.models import Song
from catalog.selectors import song_search
from emotion.models import EmotionEstimate
from emotion.quadrants import Quadrant
from recommender.candidates import estimates_playable, songs_index
from recommender.exceptions import PlaylistItemNotFound, PlaylistNotFound, RatingNotFound
from recommender.models import FeltRating, Playlist, PlaylistItem
from recommender.values import Listener


class PadPoint(NamedTuple):
    """A song as a dot on the mood pad."""

    song_id: int
    valence: float
    arousal: float
    quadrant: Quadrant


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
    # A few more than asked for: some may have been deleted, or have failed, since the index was built.
    found = songs_index().like_song(song.pk, k + 10).song_ids.tolist()
    playable = estimates_playable().filter(song_id__in=found).values("song_id")
    songs = Song.objects.filter(pk__in=playable).select_related("artist", "album")
    by_id = {each.pk: each for each in songs.prefetch_related(_current_estimates())}
    return [by_id[song_id] for song_id in found if song_id in by_id][:k]


def _current_estimates(lookup: str = "estimates") -> Prefetch[str, QuerySet[EmotionEstimate], str]:
    current = EmotionEstimate.objects.filter(is_current=True)
    return Prefetch(lookup, queryset=current, to_attr="current_estimates")


def _items() -> Prefetch[str, QuerySet[PlaylistItem], str]:
    songs = PlaylistItem.objects.select_related("song__artist", "song__album").order_by("position")
    return Prefetch("items", queryset=songs.prefetch_related(_current_estimates("song__estimates")))
