"""A listener's ratings and plays, as the listener's model and the ranking take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from django.contrib.auth.models import User
from django.utils import timezone
from numpy.typing import NDArray

from catalog.core.points import Point
from recommender.felt_model.ratings import Ratings
from recommender.index.songs import SongIndex
from recommender.models import FeltRating, Listen
from recommender.reasons.reasons import LikeSignal
from recommender.requests import Listener
from recommender.retrieval.pool import retrieve
from recommender.selectors import listens_of

RECENT_LISTENS = 50
RECENT_HOURS = 24.0
# A listener's newest ratings and plays: the few coefficients of a model learn next to nothing from more, and the cost
# grows with every list.
RATINGS_LIMIT = 500
LISTENS_LIMIT = 500
LATELY = timedelta(minutes=30)
# How much a signal says of liking a song; an implicit one counts a quarter.
LIKE_OF = {
    LikeSignal.LIKED: 1.0,
    LikeSignal.DISLIKED: -1.0,
    LikeSignal.REPLAYED: 0.6,
    LikeSignal.COMPLETED: 0.3,
    LikeSignal.SKIPPED: -0.5,
}
IMPLICIT_WEIGHT = 0.25
_IMPLICIT = (LikeSignal.REPLAYED, LikeSignal.COMPLETED, LikeSignal.SKIPPED)
NOTHING_FELT_LIKE = -0.25
# A skip after this share of a song does not mean dislike.
EARLY_SHARE = 0.5
NAN = float("nan")


class _Rating(NamedTuple):
    """The fields read of a rating; a thousand rows of the whole model take three times as long."""

    song_id: int
    felt_valence: float | None
    felt_arousal: float | None
    liked: bool | None
    familiar: bool | None
    felt_nothing: bool
    skipped: bool
    mood_valence: float | None
    mood_arousal: float | None
    updated_at: datetime


class _Play(NamedTuple):
    """A play and how it ended."""

    song_id: int
    started_at: datetime
    outcome: str
    listened_s: float | None
    duration_s: float


@dataclass(frozen=True, slots=True)
class History:
    """`ratings` for the listener's model, `like_signals` by song, and `plays`, newest first.

    `felt_lately` holds, by song, the ratings of the last half hour: where the listener is now.
    """

    ratings: Ratings
    like_signals: dict[int, LikeSignal]
    felt_lately: dict[int, Point]
    plays: tuple[_Play, ...]


def history_of(listener: Listener, index: SongIndex) -> History:
    """Return what a listener said and did about songs that have an estimate; other songs are left out.

    A rating of a song outweighs implicit signals. At most the newest `RATINGS_LIMIT` ratings and `LISTENS_LIMIT` plays
    are read.
    """
    rated = _newest_ratings(listener.user)
    plays = _newest_plays(listener)
    implied = _implied(plays)
    signals = {
        song_id: signal
        for song_id in {*rated, *implied}
        if (signal := _signal(rated.get(song_id), implied.get(song_id)))
    }
    ratings = _ratings(rated, signals, index) if rated or signals else Ratings.none(index.n_dimensions)
    since = timezone.now() - LATELY
    lately = {song_id: _felt(rating) for song_id, rating in rated.items() if rating.updated_at >= since}
    felt_lately = {song_id: felt for song_id, felt in lately.items() if np.isfinite(felt).all()}
    return History(ratings, signals, felt_lately, plays)


def _ratings(rated: Mapping[int, _Rating], signals: Mapping[int, LikeSignal], index: SongIndex) -> Ratings:
    pool = retrieve(index, (), always=sorted({*rated, *signals}))
    rows = [(rated.get(song_id), signals.get(song_id)) for song_id in pool.song_ids.tolist()]
    return Ratings(
        song_ids=pool.song_ids,
        perceived=pool.perceived,
        felt=_points(_felt(rating) for rating, _ in rows),
        embeddings=pool.embeddings,
        weights=np.ones(len(rows)),
        likes=np.asarray([_like(rating, signal) for rating, signal in rows], np.float64),
        like_weights=np.asarray([IMPLICIT_WEIGHT if signal in _IMPLICIT else 1.0 for _, signal in rows], np.float64),
        moods=_points(_mood(rating) for rating, _ in rows),
        familiar=np.asarray([_familiar(rating) for rating, _ in rows], np.float64),
    )


def recency_of(plays: Sequence[_Play], song_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 1 for a song played within a day, halving with each day after, over the last `RECENT_LISTENS` only.

    Args:
        plays: newest first.
        song_ids: `(n,)`, ascending.
    """
    recency = np.zeros(len(song_ids))
    now = timezone.now()
    for play in plays[:RECENT_LISTENS]:
        row = int(np.searchsorted(song_ids, play.song_id))
        if row < len(song_ids) and song_ids[row] == play.song_id:
            recency[row] = max(recency[row], _recency(now, play.started_at))
    return recency


def _recency(now: datetime, started_at: datetime) -> float:
    # Whole hours, so that re-ranking a minute later does not change a list.
    days_beyond = (now - started_at) // timedelta(hours=1) / RECENT_HOURS - 1.0
    return float(0.5 ** max(days_beyond, 0.0))


def _newest_ratings(user: User | None) -> dict[int, _Rating]:
    if user is None:
        return {}
    newest = FeltRating.objects.filter(listener=user).order_by("-updated_at", "-id")
    return {row[0]: _Rating(*row) for row in newest.values_list(*_Rating._fields)[:RATINGS_LIMIT]}


def _newest_plays(listener: Listener) -> tuple[_Play, ...]:
    # Ordered as the table's index is; by the key, a listener's rows are a few among millions.
    newest = listens_of(listener).order_by("-started_at", "-id")
    columns = "song_id", "started_at", "outcome", "listened_s", "song__duration_s"
    return tuple(_Play(*row) for row in newest.values_list(*columns)[:LISTENS_LIMIT])


def _implied(plays: Sequence[_Play]) -> dict[int, LikeSignal]:
    """Return what the ended plays of each song imply, given newest first; the last one decides between end and skip."""
    implied: dict[int, LikeSignal] = {}
    for play in plays:
        if play.outcome == Listen.Outcome.COMPLETED:
            later = implied.get(play.song_id)
            again = later in (LikeSignal.COMPLETED, LikeSignal.REPLAYED)
            implied[play.song_id] = LikeSignal.REPLAYED if again else later or LikeSignal.COMPLETED
        elif play.outcome == Listen.Outcome.SKIPPED and (play.listened_s or 0.0) < EARLY_SHARE * play.duration_s:
            implied.setdefault(play.song_id, LikeSignal.SKIPPED)
    return implied


def _signal(rating: _Rating | None, implied: LikeSignal | None) -> LikeSignal | None:
    if rating is not None and rating.liked is not None:
        return LikeSignal.LIKED if rating.liked else LikeSignal.DISLIKED
    if rating is not None and rating.felt_nothing:
        return None
    return LikeSignal.SKIPPED if rating is not None and rating.skipped else implied


def _felt(rating: _Rating | None) -> tuple[float, float]:
    if rating is not None and rating.felt_nothing:
        return _mood(rating)  # A song that leaves the listener cold leaves their mood.
    if rating is None or rating.felt_valence is None or rating.felt_arousal is None:
        return NAN, NAN
    return rating.felt_valence, rating.felt_arousal


def _mood(rating: _Rating | None) -> tuple[float, float]:
    if rating is None or rating.mood_valence is None or rating.mood_arousal is None:
        return NAN, NAN
    return rating.mood_valence, rating.mood_arousal


def _familiar(rating: _Rating | None) -> float:
    if rating is None or rating.familiar is None:
        return 0.0
    return 1.0 if rating.familiar else -1.0


def _like(rating: _Rating | None, signal: LikeSignal | None) -> float:
    if signal is not None:
        return LIKE_OF[signal]
    return NOTHING_FELT_LIKE if rating is not None and rating.felt_nothing else NAN


def _points(points: Iterable[tuple[float, float]]) -> NDArray[np.float64]:
    return np.asarray(list(points), np.float64).reshape(-1, 2)
