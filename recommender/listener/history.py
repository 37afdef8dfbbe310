"""What a listener said and did, as the listener's model and the ranking take it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from catalog.core.points import Point
from recommender.felt_model.ratings import Ratings
from recommender.index.songs import SongIndex
from recommender.models import FeltRating, Listen
from recommender.reasons.reasons import Told
from recommender.retrieval.pool import pool_for
from recommender.values import Listener

RECENT_LISTENS = 50
RECENT_HOURS = 24.0
# A listener's newest ratings and plays: from more, the few coefficients of a model learn next to nothing, and what they
# cost grows with every list.
RATINGS_LIMIT = 500
LISTENS_LIMIT = 500
LATELY = timedelta(minutes=30)
# What was said of liking a song, and what was only done; the latter counts a quarter.
LIKE_OF = {
    Told.LIKED: 1.0,
    Told.DISLIKED: -1.0,
    Told.REPLAYED: 0.6,
    Told.COMPLETED: 0.3,
    Told.SKIPPED: -0.5,
}
IMPLICIT_WEIGHT = 0.25
NOTHING_FELT_LIKE = -0.25
# Who skips later than this part of a song heard enough of it to have no quarrel with it.
EARLY_SHARE = 0.5
NAN = float("nan")


class _Said(NamedTuple):
    """What is read of a rating; a thousand rows of the whole model would take three times as long."""

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
    """That a song was played, and how it ended."""

    song_id: int
    started_at: datetime
    outcome: str
    listened_s: float | None
    duration_s: float


@dataclass(frozen=True, slots=True)
class History:
    """`ratings` for the listener's model, and by song what was `told` of liking it.

    `felt_lately` is by song what it was said to have done within the last half hour: where the listener is now;
    `plays` is what was played, newest first.
    """

    ratings: Ratings
    told: dict[int, Told]
    felt_lately: dict[int, Point]
    plays: tuple[_Play, ...]


def history_of(listener: Listener, index: SongIndex) -> History:
    """Return what somebody said and did of songs that have an estimate; the others say nothing yet.

    A rating of a song outweighs what was only done with it. At most the newest `RATINGS_LIMIT` ratings and
    `LISTENS_LIMIT` plays are read.
    """
    said = _newest_ratings(listener.user)
    plays = _newest_plays(listener)
    done = _done(plays)
    told = {song_id: what for song_id in {*said, *done} if (what := _told(said.get(song_id), done.get(song_id)))}
    ratings = _ratings(said, told, index) if said or told else Ratings.none(index.n_dimensions)
    since = timezone.now() - LATELY
    lately = {song_id: _felt(rating) for song_id, rating in said.items() if rating.updated_at >= since}
    felt_lately = {song_id: felt for song_id, felt in lately.items() if np.isfinite(felt).all()}
    return History(ratings, told, felt_lately, plays)


def _ratings(said: Mapping[int, _Said], told: Mapping[int, Told], index: SongIndex) -> Ratings:
    pool = pool_for(index, (), always=sorted({*said, *told}))
    rows = [(said.get(song_id), told.get(song_id)) for song_id in pool.song_ids.tolist()]
    return Ratings(
        song_ids=pool.song_ids,
        perceived=pool.perceived,
        felt=_points(_felt(rating) for rating, _ in rows),
        embeddings=pool.embeddings,
        weights=np.ones(len(rows)),
        likes=np.asarray([_like(rating, what) for rating, what in rows], np.float64),
        like_weights=np.asarray([_like_weight(what) for _, what in rows], np.float64),
        moods=_points(_mood(rating) for rating, _ in rows),
        familiar=np.asarray([_familiar(rating) for rating, _ in rows], np.float64),
    )


def ratings_for_model(user: User | None, index: SongIndex) -> Ratings:
    """Return a user's ratings and implicit likes as the listener's model takes them; nobody has none."""
    return history_of(Listener(user=user), index).ratings


def listens_of(listener: Listener) -> QuerySet[Listen]:
    """Return what somebody played, newest first; nothing for nobody."""
    if listener.user is not None:
        return Listen.objects.filter(listener=listener.user)
    if not listener.session_key:
        return Listen.objects.none()
    return Listen.objects.filter(listener=None, session_key=listener.session_key)


def recency_of(plays: Sequence[_Play], song_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 1 for a song played within a day, halving with each day after, over the last `RECENT_LISTENS` only.

    Args:
        plays: what was played, newest first.
        song_ids: `(n,)`, ascending.
    """
    recency = np.zeros(len(song_ids))
    now = timezone.now()
    for play in plays[:RECENT_LISTENS]:
        row = int(np.searchsorted(song_ids, play.song_id))
        if row < len(song_ids) and song_ids[row] == play.song_id:
            recency[row] = max(recency[row], _still_fresh(now, play.started_at))
    return recency


def _still_fresh(now: datetime, started_at: datetime) -> float:
    # Whole hours, so that a list ranked again a minute later is not another one for that.
    days_beyond = (now - started_at) // timedelta(hours=1) / RECENT_HOURS - 1.0
    return float(0.5 ** max(days_beyond, 0.0))


def _newest_ratings(user: User | None) -> dict[int, _Said]:
    if user is None:
        return {}
    newest = FeltRating.objects.filter(listener=user).order_by("-updated_at", "-id")
    return {row[0]: _Said(*row) for row in newest.values_list(*_Said._fields)[:RATINGS_LIMIT]}


def _newest_plays(listener: Listener) -> tuple[_Play, ...]:
    # Ordered as the table's index is, and not by the key, of which a listener's rows are a few among millions.
    newest = listens_of(listener).order_by("-started_at", "-id")
    columns = "song_id", "started_at", "outcome", "listened_s", "song__duration_s"
    return tuple(_Play(*row) for row in newest.values_list(*columns)[:LISTENS_LIMIT])


def _done(plays: Sequence[_Play]) -> dict[int, Told]:
    """Return what the ended plays of each song amount to; the last one decides between end and skip."""
    done: dict[int, Told] = {}
    for play in plays:
        if play.outcome == Listen.Outcome.COMPLETED:
            done[play.song_id] = _again(done.get(play.song_id))
        elif play.outcome == Listen.Outcome.SKIPPED and (play.listened_s or 0.0) < EARLY_SHARE * play.duration_s:
            done.setdefault(play.song_id, Told.SKIPPED)
    return done


def _again(later: Told | None) -> Told:
    """Return what a completion amounts to, given what the song's later listens amount to."""
    if later is None:
        return Told.COMPLETED
    return Told.REPLAYED if later is Told.COMPLETED else later


def _told(rating: _Said | None, done: Told | None) -> Told | None:
    if rating is not None and rating.liked is not None:
        return Told.LIKED if rating.liked else Told.DISLIKED
    if rating is not None and rating.felt_nothing:
        return None
    return Told.SKIPPED if rating is not None and rating.skipped else done


def _felt(rating: _Said | None) -> tuple[float, float]:
    if rating is not None and rating.felt_nothing:
        return _mood(rating)  # Whom a song leaves cold feels as before.
    if rating is None or rating.felt_valence is None or rating.felt_arousal is None:
        return NAN, NAN
    return rating.felt_valence, rating.felt_arousal


def _mood(rating: _Said | None) -> tuple[float, float]:
    if rating is None or rating.mood_valence is None or rating.mood_arousal is None:
        return NAN, NAN
    return rating.mood_valence, rating.mood_arousal


def _familiar(rating: _Said | None) -> float:
    if rating is None or rating.familiar is None:
        return 0.0
    return 1.0 if rating.familiar else -1.0


def _like(rating: _Said | None, told: Told | None) -> float:
    if told is not None:
        return LIKE_OF[told]
    return NOTHING_FELT_LIKE if rating is not None and rating.felt_nothing else NAN


def _like_weight(told: Told | None) -> float:
    return IMPLICIT_WEIGHT if told in (Told.REPLAYED, Told.COMPLETED, Told.SKIPPED) else 1.0


def _points(points: Iterable[tuple[float, float]]) -> NDArray[np.float64]:
    return np.asarray(list(points), np.float64).reshape(-1, 2)
