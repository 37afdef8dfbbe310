"""Reading functions of the recommender.

Songs come with `current_estimates`, a list with the current estimate or nothing, so that a page asks the database once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Avg, Count, Model, Prefetch, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core.caching import cached_while_large
from catalog.core.charts import Point
from catalog.models import Song
from catalog.selectors import SORTS as CATALOG_SORTS
from catalog.selectors import song_search
from catalog.uploads.scanning import missing_since_of
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate, PerceivedLabel
from emotion.selectors import (
    current_estimate,
    current_estimates,
    songs_in_quadrant,
    songs_in_quadrant_count,
    waveforms_within,
    with_highlight,
)
from recommender.exceptions import (
    CheckInNotFoundError,
    PlaylistItemNotFoundError,
    PlaylistNotFoundError,
    RatingNotFoundError,
    RecommenderError,
    ShareNotFoundError,
)
from recommender.models import FeltRating, Listen, MoodCheckIn, Playlist, PlaylistItem, SmartList
from recommender.reasons.reasons import public_reason
from recommender.requests import NOBODY, Listener
from recommender.retrieval import songs_ranked_alike
from recommender.rules import PLAY_SORTS, songs_by_plays, songs_limit

# A mood check-in holds for so long.
MOOD_HOLDS = timedelta(minutes=30)
# A playlist stays in the trash for so long; then it is deleted.
TRASH_HOLDS = timedelta(days=1)
# A page accepts an answer of this age on which songs are newer than the index.
ALIKE_LATE_S = 60.0
# So many matches of a search are ordered by how well they match; of more, the newest come first.
RANKED_AT_MOST = 5_000
# Exactly as the index on the tempo has it: a join that sorts takes 200 ms for 100,000 songs.
TEMPO_SORTS: dict[str, tuple[str, ...]] = {
    "slowest": ("waveform__bpm", "waveform__song_id"),
    "fastest": ("-waveform__bpm", "-waveform__song_id"),
}
SORTS = {**CATALOG_SORTS, **TEMPO_SORTS}
# What others felt is shown only from so many of them on, so that no single answer can be read from it.
OTHERS_LEAST = 5
# The answers of a rating can be undone; what the player reports of listening cannot.
RATING_ANSWERS = ("felt_valence", "felt_arousal", "liked", "familiar", "felt_nothing")
RATING_LISTENING = ("skipped", "listened_s")
RATING_CONTEXT = ("position", "target_valence", "target_arousal", "mood_valence", "mood_arousal")
ITEM_POINTS = ("felt_valence", "felt_arousal", "target_valence", "target_arousal")
PENDING_ANSWERS_KEY = "felt_kept"
_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)


Row = TypeVar("Row", bound=Model)


class FeltByOthers(NamedTuple):
    """The mean felt point of the other listeners, and their number."""

    n_listeners: int
    valence: float
    arousal: float


class SongEstimates(NamedTuple):
    """What each model said of a song, the current estimate first, then the newest; and songs that sound like it."""

    estimates: list[EmotionEstimate]
    similar: list[Song]


class SharedSong(NamedTuple):
    """A song of a shared playlist, with only what is true for every listener."""

    position: int
    song: Song
    estimate: EmotionEstimate | None
    reason: str


def playlists_of(listener: Listener) -> QuerySet[Playlist]:
    """Return a listener's playlists, newest first, without the trash; none without account and session."""
    return Playlist.objects.filter(listener.owns("owner")).filter(trashed_at=None)


def playlists_trashed(listener: Listener) -> QuerySet[Playlist]:
    """Return the playlists in a listener's trash, the latest first."""
    since = timezone.now() - TRASH_HOLDS
    return Playlist.objects.filter(listener.owns("owner")).filter(trashed_at__gte=since).order_by("-trashed_at")


def smart_lists_of(listener: Listener) -> QuerySet[SmartList]:
    """Return a listener's smart lists by title; none without account and session."""
    return SmartList.objects.filter(listener.owns("owner"))


def smart_list_visible(listener: Listener, pk: int) -> SmartList:
    """Return a smart list to its owner only.

    Raises:
        PlaylistNotFoundError: there is none, or it belongs to another listener.
    """
    return _first(
        smart_lists_of(listener).filter(pk=pk),
        PlaylistNotFoundError(_("This smart list does not exist or is not yours.")),
    )


def playlist_visible(listener: Listener, pk: int) -> Playlist:
    """Return a playlist to its owner only, not even to the staff.

    Raises:
        PlaylistNotFoundError: there is none, or it belongs to another listener.
    """
    return _first(
        playlists_of(listener).filter(pk=pk).prefetch_related(_items()),
        PlaylistNotFoundError(_("This playlist does not exist or is not yours.")),
    )


def playlist_shared(token: str) -> Playlist:
    """Return the playlist that a link opens.

    Raises:
        ShareNotFoundError: the link was taken back, or never was.
    """
    shared = Playlist.objects.filter(share_token=token, trashed_at=None).prefetch_related(_items())
    error = ShareNotFoundError(_("This link no longer works: the owner has stopped sharing the playlist."))
    return _first(shared if _TOKEN.fullmatch(token) else shared.none(), error)


def _first(rows: QuerySet[Row], error: RecommenderError) -> Row:
    row = rows.first()
    if row is None:
        raise error
    return row


def shared_songs(playlist: Playlist) -> list[SharedSong]:
    """Return the songs of a shared playlist, without anything that came from its listener."""
    songs = [(item.position, item.song, estimate_of(item.song)) for item in playlist.items.all()]
    return [SharedSong(position, song, estimate, public_reason_of(estimate)) for position, song, estimate in songs]


def estimate_of(song: Song) -> EmotionEstimate | None:
    """Return the current estimate, which the selector of the song brought along or not."""
    estimates: list[EmotionEstimate] | None = getattr(song, "current_estimates", None)
    return next(iter(estimates), None) if estimates is not None else current_estimate(song)


def public_reason_of(estimate: EmotionEstimate | None) -> str:
    """Return the reason for a song that is true for every listener, empty before its analysis."""
    if estimate is None:
        return ""
    return public_reason(Quadrant(estimate.effective_quadrant), estimate.effective_confidence)


def listens_of(listener: Listener) -> QuerySet[Listen]:
    """Return a listener's listens, newest first; none without account and session."""
    return Listen.objects.filter(listener.owns("listener"))


def check_ins_of(listener: Listener) -> QuerySet[MoodCheckIn]:
    """Return a listener's mood check-ins, newest first; none without account and session."""
    return MoodCheckIn.objects.filter(listener.owns("listener"))


def check_ins_recent(listener: Listener) -> QuerySet[MoodCheckIn]:
    """Return the check-ins that still hold."""
    return check_ins_of(listener).filter(created_at__gte=timezone.now() - MOOD_HOLDS)


def check_in_latest(listener: Listener) -> MoodCheckIn | None:
    """Return the latest check-in that still holds, if any."""
    return check_ins_recent(listener).first()


def mood_now(listener: Listener) -> Point | None:
    """Return the (valence, arousal) of the check-in that still holds, if any."""
    latest = check_in_latest(listener)
    return None if latest is None else (latest.valence, latest.arousal)


def check_in_visible(listener: Listener, pk: int) -> MoodCheckIn:
    """Return a check-in to its listener only.

    Raises:
        CheckInNotFoundError: there is none, or it belongs to another listener.
    """
    return _first(
        check_ins_of(listener).filter(pk=pk), CheckInNotFoundError(_("This mood does not exist or is not yours."))
    )


def item_at(playlist: Playlist, position: int) -> PlaylistItem:
    """Return the item at a place of a playlist.

    Raises:
        PlaylistItemNotFoundError: the place is empty.
    """
    items = playlist.items.select_related("song__artist").filter(position=position)
    sentence = _("This playlist has no song at place %(place)s.") % {"place": position}
    return _first(items, PlaylistItemNotFoundError(sentence))


def item_values(item: PlaylistItem) -> dict[str, Any]:
    """Return all that is needed to restore an item of a playlist."""
    values = {name: getattr(item, name) for name in ("song_id", "position", "reason", *ITEM_POINTS, "terms")}
    return {**values, "played_at": item.played_at.isoformat() if item.played_at else None}


def ratings_of(user: User) -> QuerySet[FeltRating]:
    """Return a listener's ratings, newest first."""
    return FeltRating.objects.filter(listener=user).select_related("song__artist")


def rating_of(user: User, song: Song) -> FeltRating | None:
    """Return a listener's rating of a song, if any."""
    return FeltRating.objects.filter(listener=user, song=song).first()


def rating_answers(rating: FeltRating | None) -> dict[str, Any] | None:
    """Return the answers of a rating, None where there is no rating."""
    return None if rating is None else {name: getattr(rating, name) for name in RATING_ANSWERS}


def rating_values(rating: FeltRating | None) -> dict[str, Any] | None:
    """Return all that is needed to restore a rating, None where there is no rating."""
    if rating is None:
        return None
    names = (*RATING_ANSWERS, "playlist_id", *RATING_CONTEXT, *RATING_LISTENING, "model_version")
    return {**{name: getattr(rating, name) for name in names}, "created_at": rating.created_at.isoformat()}


def pending_answer(session: SessionBase, song: Song) -> FeltRating | None:
    """Return the answers in a visitor's session about a song, as an unsaved rating; None without any."""
    answers = session.get(PENDING_ANSWERS_KEY, {}).get(str(song.pk))
    if answers is None:
        return None
    return FeltRating(song=song, **{name: answers[name] for name in RATING_ANSWERS if name in answers})


def rating_visible(user: User, pk: int) -> FeltRating:
    """Return a rating to its listener only.

    Raises:
        RatingNotFoundError: there is none, or it belongs to another listener.
    """
    return _first(ratings_of(user).filter(pk=pk), RatingNotFoundError(_("This rating does not exist or is not yours.")))


def felt_by_others(user: AbstractBaseUser | AnonymousUser, song: Song) -> FeltByOthers | None:
    """Return what other listeners felt on average; None while fewer than `OTHERS_LEAST` rated it.

    The mean is rounded to a tenth, so that the next answer cannot be read off its change.
    """
    others = FeltRating.objects.filter(song=song, felt_valence__isnull=False, felt_arousal__isnull=False)
    if user.pk is not None:
        others = others.exclude(listener_id=user.pk)
    felt = others.aggregate(n=Count("pk"), valence=Avg("felt_valence"), arousal=Avg("felt_arousal"))
    if felt["n"] < OTHERS_LEAST:
        return None
    return FeltByOthers(felt["n"], round(felt["valence"], 1), round(felt["arousal"], 1))


@cached_while_large(size=lambda counts: sum(counts.values()))
def quadrant_counts() -> dict[Quadrant, int]:
    """Count the songs that can be played by quadrant, empty quadrants included."""
    # Few songs failed. Left out by their ids, the others are counted from an index, where a join reads every song.
    failed = Song.objects.filter(state=Song.State.FAILED).values("pk")
    playable = EmotionEstimate.objects.filter(is_current=True).exclude(song_id__in=failed)
    counts = Counter(dict(playable.order_by().values_list("quadrant").annotate(n=Count("pk"))))
    overridden = playable.with_effective().filter(is_overridden=True).order_by()
    for by_model, by_curator, n in overridden.values_list("quadrant", "effective_quadrant").annotate(n=Count("pk")):
        counts[by_model] -= n
        counts[by_curator] += n
    return {quadrant: counts[quadrant.value] for quadrant in Quadrant}


def songs_browse(
    *,
    query: str = "",
    quadrant: Quadrant | None = None,
    genre: str = "",
    artist_id: int | None = None,
    album_id: int | None = None,
    decade: int | None = None,
    bpm_from: int | None = None,
    bpm_to: int | None = None,
    key: int | None = None,
    sort: str = "",
    listener: Listener = NOBODY,
    **rules: Any,
) -> SongsFound:
    """Return the songs that match all that is asked, in any state, to be counted and cut into pages.

    `quadrant` is that of the current estimate, `decade` the first year of ten, `key` as `Waveform.key`, and `sort` a
    key of `SORTS` or one of `PLAY_SORTS`, empty for the best match, or the newest when nothing was typed. In an order
    by tempo there are only songs that have one. `rules` are the others of `recommender.rules`; `listener` is whose
    likes and plays they mean.
    """
    songs = song_search(query=query, artist_id=artist_id, album_id=album_id, genre=genre, decade=decade, sort=sort)
    measured = waveforms_within(bpm_from=bpm_from, bpm_to=bpm_to, key=key)
    if sort in TEMPO_SORTS:
        measured = measured.filter(bpm__isnull=False)
        songs = songs.filter(waveform__bpm__isnull=False).order_by(*TEMPO_SORTS[sort])
    is_measured = sort in TEMPO_SORTS or (bpm_from, bpm_to, key) != (None, None, None)
    if is_measured:
        # Of an index alone, where a join reads the waveforms.
        songs = songs.filter(pk__in=measured.values("song"))
    is_ranked = bool(query.strip()) and not sort
    songs = songs_limit(songs, rules, listener)
    if sort in PLAY_SORTS:
        songs = songs_by_plays(songs, sort, listener)
        if quadrant is not None:
            songs = songs_in_quadrant(songs, quadrant)
        return SongsFound(songs, songs.count)
    if quadrant is None:
        is_limited = is_measured and not (query.strip() or genre or artist_id or album_id or decade or rules)
        return SongsFound(songs, measured.count if is_limited else songs.count, is_ranked=is_ranked)
    count = partial(songs_in_quadrant_count, songs, quadrant)
    return SongsFound(songs_in_quadrant(songs, quadrant), count, is_ranked=is_ranked)


class SongsFound:
    """Songs in an order, read a page at a time, each with `current_estimates`; a paginator takes it for a list."""

    def __init__(self, songs: QuerySet[Song], count: Callable[[], int], *, is_ranked: bool = False) -> None:
        # What a row needs is read for the rows of one page only: joins and wide rows of all that is skipped before it
        # cost ten times as much at 100,000 songs.
        self._ids = songs.values_list("pk", flat=True)
        self._count = cache(count)
        self._is_ranked = is_ranked

    def __len__(self) -> int:
        return self._count()

    def __getitem__(self, part: int | slice) -> Any:
        ids = self.ids[part]
        return songs_in_order([ids])[0] if isinstance(ids, int) else songs_in_order(list(ids))

    @property
    def ids(self) -> QuerySet[Song, int]:
        """The keys of all of them, in order."""
        # Words that so many songs share do not rank them: they come as if nothing was typed.
        is_vague = self._is_ranked and len(self) > RANKED_AT_MOST
        return self._ids.order_by("-pk") if is_vague else self._ids

    def __iter__(self) -> Iterator[Song]:
        return iter(self[:])


def song_estimates(pk: int, k: int = 6) -> SongEstimates:
    """Return what the models said of a song, and the `k` songs that sound most like it, in one query.

    A song that is newer than the index may be missing among those for a minute.
    """
    ranked = songs_ranked_alike(pk, k, late_s=ALIKE_LATE_S)
    # A song in re-analysis stays playable, one that failed does not.
    alike = Q(song_id__in=ranked, is_current=True) & ~Q(song__state=Song.State.FAILED)
    estimates = with_highlight(EmotionEstimate.objects.filter(Q(song_id=pk) | alike).with_effective())
    estimates = estimates.select_related("song__artist", "song__album", "song__lyrics", "song__waveform")
    estimates = estimates.defer("embedding_bytes", "song__waveform__peaks_bytes")
    estimates = estimates.annotate(missing_since=missing_since_of("song"))
    of_song, by_id = [], {}
    for estimate in estimates.order_by("-is_current", "-id"):
        if estimate.song_id == pk:
            vars(estimate.song)["missing_since"] = estimate.missing_since
            of_song.append(estimate)
        else:
            by_id[estimate.song_id] = estimate
            estimate.song.current_estimates = [estimate]
    similar = [by_id[song_id].song for song_id in ranked if song_id in by_id][:k]
    return SongEstimates(of_song, similar if of_song and of_song[0].is_current else [])


def songs_in_order(song_ids: list[int]) -> list[Song]:
    """Return songs in the order of their ids, each with `current_estimates`; those that are gone are left out."""
    songs = Song.objects.filter(pk__in=song_ids).select_related("artist", "album")
    by_id = {song.pk: song for song in songs.prefetch_related(current_estimates())}
    return [by_id[song_id] for song_id in song_ids if song_id in by_id]


def _items() -> Prefetch[str, QuerySet[PlaylistItem], str]:
    songs = PlaylistItem.objects.select_related("song__artist", "song__album").order_by("position")
    return Prefetch("items", queryset=songs.prefetch_related(current_estimates("song__estimates")))


def hanging_on(song_ids: list[int]) -> dict[str, int]:
    """Count the rows that depend on songs and would be deleted with them."""
    return PlaylistItem.objects.filter(song__in=song_ids).aggregate(
        places=Count("pk"), playlists=Count("playlist", distinct=True)
    ) | {
        "ratings": FeltRating.objects.filter(song__in=song_ids).count(),
        "listens": Listen.objects.filter(song__in=song_ids).count(),
        "labels": PerceivedLabel.objects.filter(song__in=song_ids).count(),
    }
