"""Everything that reads from the catalog."""

from __future__ import annotations

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import Count, F, Q, QuerySet

from catalog.models import Artist, Song, Upload
from catalog.permissions import User, can_upload, is_staff
from catalog.search import prefix_query

PENDING_STATES = (Song.State.UPLOADED, Song.State.QUEUED, Song.State.ANALYSING)


def song_search(*, query: str = "", artist_id: int | None = None, genre: str = "", state: str = "") -> QuerySet[Song]:
    """Return songs that match all that is asked; the best match first, or the newest when nothing was typed.

    Args:
        query: words, each of which must begin a word of title, artist, album or genre.
        artist_id: only this artist.
        genre: only this genre, in any case.
        state: only this state, such as "tagged".
    """
    songs = Song.objects.select_related("artist", "album")
    if artist_id is not None:
        songs = songs.filter(artist_id=artist_id)
    if genre:
        songs = songs.filter(genre__iexact=genre.replace("\x00", ""))
    if state:
        songs = songs.filter(state=state.replace("\x00", ""))
    return _matching(songs, query) if query.strip() else songs.order_by("-id")


def _matching(songs: QuerySet[Song], query: str) -> QuerySet[Song]:
    wanted = prefix_query(query)
    if not wanted:
        return songs.none()
    tsquery = SearchQuery(wanted, search_type="raw", config="simple")
    return songs.filter(search=tsquery).annotate(rank=SearchRank(F("search"), tsquery)).order_by("-rank", "-id")


def uploads_visible(user: User) -> QuerySet[Upload]:
    """Return the uploads that this person may see: the staff all, a curator their own."""
    uploads = Upload.objects.select_related("song__artist", "owner")
    if is_staff(user):
        return uploads
    return uploads.filter(owner_id=user.pk) if can_upload(user) else uploads.none()


def uploads_pending(uploads: QuerySet[Upload]) -> int:
    """Count the uploads whose state will still change by itself."""
    return uploads.filter(outcome=Upload.Outcome.ACCEPTED, song__state__in=PENDING_STATES).count()


def state_counts(song_ids: list[int] | None = None) -> dict[str, int]:
    """Count songs by state, states without songs included; of all songs, or of those given."""
    songs = Song.objects.order_by() if song_ids is None else Song.objects.order_by().filter(pk__in=song_ids)
    found = dict(songs.values_list("state").annotate(count=Count("pk")))
    return {state: found.get(state, 0) for state in Song.State.values}


def failure_counts() -> dict[str, int]:
    """Count failed songs by failure code, the most frequent first."""
    failed = Song.objects.filter(state=Song.State.FAILED).values_list("failure_code").annotate(count=Count("pk"))
    return dict(failed.order_by("-count", "failure_code"))


def songs_failed(song_ids: list[int]) -> QuerySet[Song]:
    """Return the failed ones of these songs."""
    return Song.objects.select_related("artist").filter(pk__in=song_ids, state=Song.State.FAILED).order_by("pk")


def genres() -> list[str]:
    """Return the genres that songs have, in alphabetical order."""
    return list(Song.objects.exclude(genre="").order_by("genre").values_list("genre", flat=True).distinct())


def artists() -> QuerySet[Artist]:
    """Return the artists that have songs, in alphabetical order, each with its `song_count`."""
    return Artist.objects.annotate(song_count=Count("songs", filter=Q(songs__isnull=False))).filter(song_count__gt=0)
