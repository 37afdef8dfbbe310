"""From a target to songs in order, each with its reason: reads the rows, asks the pure modules, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from emotion.models import EmotionEstimate
from recommender.adaptation import Felt, ListenerModel, Ratings
from recommender.candidates import Pool, embedding_matrix, estimates_playable, pool_near, songs_index
from recommender.explain import CLOSE_DISTANCE, FAR_DISTANCE, Evidence, list_note, reason
from recommender.index import SongIndex
from recommender.models import FeltRating, Listen
from recommender.ranking import Candidates, RankedSong, distances, rank
from recommender.values import NO_FILTERS, Filters, Listener, Target

RECENT_LISTENS = 50
RECENT_HOURS = 24.0
# A listener's newest ratings; the fit stays well under 5 ms.
RATINGS_LIMIT = 1000
# What is implied when nothing was said of liking; weaker than saying it.
SKIP_LIKE = -0.5
NOTHING_FELT_LIKE = -0.25


@dataclass(frozen=True, slots=True)
class Placement:
    """A song for a place, with the reason and the felt point that was predicted."""

    position: int
    song_id: int
    reason: str
    felt: tuple[float, float]
    perceived: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Composition:
    """The free places of a list, filled as far as there are songs."""

    placements: tuple[Placement, ...]
    note: str
    model_version: str


def compose(
    *,
    listener: Listener,
    target: Target,
    length: int,
    filters: Filters,
    seed: int,
    fixed: Mapping[int, int] | None = None,
) -> Composition:
    """Choose and order songs for a listener.

    Args:
        listener: whose ratings and recent listens count.
        target: where the list is to be on the plane, as felt.
        length: places in the list.
        filters: what it is limited to.
        seed: decides the exploration.
        fixed: places that are taken, each by the id of a song.
    """
    fixed = dict(fixed or {})
    index = songs_index()
    model = ListenerModel.fit(ratings_for_model(listener.user, index))
    pool = pool_near(index, _points(target, model), filters, always=list(fixed.values()))
    felt = model.predict(pool.song_ids, pool.perceived, pool.embeddings)
    recency = _recency(listener, pool)
    away = distances(felt.point, target.point)
    fixed_rows = {place: row for place, song_id in fixed.items() if (row := pool.row_of(song_id)) is not None}
    eligible = _eligible(recency, away, list(fixed_rows.values()), length - len(fixed_rows))
    ranked = _rank(pool, felt, recency, target, length, seed, fixed_rows, eligible)
    return Composition(
        placements=tuple(_placement(song, pool, felt, recency) for song in ranked),
        note=_note(ranked, fixed_rows, away, recency, length, filters),
        model_version=pool.model_version,
    )


def ratings_for_model(user: User | None, index: SongIndex) -> Ratings:
    """Return a user's ratings as the listener model takes them; songs without an estimate say nothing yet."""
    if user is None:
        return Ratings.none(index.n_dimensions)
    newest = FeltRating.objects.filter(listener=user).order_by("-updated_at")[:RATINGS_LIMIT]
    said = {rating.song_id: rating for rating in newest}
    estimates = list(EmotionEstimate.objects.filter(is_current=True, song_id__in=said).order_by("song_id"))
    ratings = [said[estimate.song_id] for estimate in estimates]
    return Ratings(
        song_ids=np.asarray([estimate.song_id for estimate in estimates], np.int64),
        perceived=np.asarray([(e.valence, e.arousal) for e in estimates], np.float64).reshape(-1, 2),
        felt=np.asarray([_felt_point(rating) for rating in ratings], np.float64).reshape(-1, 2),
        embeddings=embedding_matrix(estimates, index),
        weights=np.ones(len(ratings)),
        likes=np.asarray([_like(rating) for rating in ratings], np.float64),
    )


def listens_of(listener: Listener) -> QuerySet[Listen]:
    """Return what somebody played, newest first; nothing for nobody."""
    if listener.user is not None:
        return Listen.objects.filter(listener=listener.user)
    if not listener.session_key:
        return Listen.objects.none()
    return Listen.objects.filter(listener=None, session_key=listener.session_key)


def _points(target: Target, model: ListenerModel) -> list[tuple[float, float]]:
    """Return the target as perceived, and the point where this listener would have to be sent to feel it."""
    if model.n_ratings == 0:
        return [target.point]
    sent = np.clip(np.asarray(target.point) - np.asarray(model.bias), -1.0, 1.0)
    return [target.point, _pair(sent)]


def _eligible(
    recency: NDArray[np.float64], away: NDArray[np.float64], fixed_rows: list[int], n_places: int
) -> NDArray[np.bool_]:
    """Leave out what was played within a day when there are enough other songs close to the target."""
    recent = recency >= 1.0
    free = np.ones(len(recency), bool)
    free[fixed_rows] = False
    enough = int((free & ~recent & (away <= CLOSE_DISTANCE)).sum()) >= n_places
    return free & ~recent if enough else free


def _rank(
    pool: Pool,
    felt: Felt,
    recency: NDArray[np.float64],
    target: Target,
    length: int,
    seed: int,
    fixed_rows: Mapping[int, int],
    eligible: NDArray[np.bool_],
) -> list[RankedSong]:
    """Rank the eligible rows and the fixed ones; rows of the result are rows of the pool."""
    taken = eligible.copy()
    taken[list(fixed_rows.values())] = True
    rows = np.flatnonzero(taken)
    candidates = Candidates(
        song_ids=pool.song_ids[rows],
        artist_ids=pool.artist_ids[rows],
        embeddings=pool.embeddings[rows],
        felt=felt.point[rows],
        confidence=pool.confidence[rows],
        liking=felt.liking[rows],
        recency=recency[rows],
    )
    fixed = {place: int(np.searchsorted(rows, row)) for place, row in fixed_rows.items()}
    ranked = rank(candidates, target.point, length=length, seed=seed, fixed=fixed)
    return [
        RankedSong(song.position, int(rows[song.row]), song.song_id, song.terms, song.distance, song.kept_apart)
        for song in ranked
    ]


def _placement(song: RankedSong, pool: Pool, felt: Felt, recency: NDArray[np.float64]) -> Placement:
    row = song.row
    own_like = float(felt.own_like[row])
    evidence = Evidence(
        quadrant=pool.quadrants[row],
        confidence=float(pool.confidence[row]),
        distance=song.distance,
        shift=_pair(felt.shift[row]),
        n_similar=int(felt.n_similar[row]),
        by_own_rating=bool(felt.by_own_rating[row]),
        liking=song.terms.liking,
        own_like=None if np.isnan(own_like) else own_like,
        recency=float(recency[row]),
        kept_apart=song.kept_apart,
    )
    return Placement(
        position=song.position,
        song_id=song.song_id,
        reason=reason(evidence),
        felt=_pair(felt.point[row]),
        perceived=_pair(pool.perceived[row]),
    )


def _note(
    ranked: list[RankedSong],
    fixed_rows: Mapping[int, int],
    away: NDArray[np.float64],
    recency: NDArray[np.float64],
    length: int,
    filters: Filters,
) -> str:
    """Speak of the whole list, what is fixed included; only songs placed now can be said to come back."""
    rows = [*fixed_rows.values(), *(song.row for song in ranked)]
    return list_note(
        length=length,
        n_tagged=max(estimates_playable(filters).count(), len(rows)),
        n_reachable=int((away <= FAR_DISTANCE).sum()),
        filtered=filters != NO_FILTERS,
        distances=away[rows].tolist(),
        n_recent=sum(1 for song in ranked if recency[song.row] >= 1.0),
    )


def _recency(listener: Listener, pool: Pool) -> NDArray[np.float64]:
    """Return 1 for a song played within a day, halving with each day after, over the last listens only."""
    recency = np.zeros(len(pool.song_ids))
    now = timezone.now()
    plays = listens_of(listener).values_list("song_id", "started_at")[:RECENT_LISTENS]
    for song_id, started_at in plays:
        row = pool.row_of(song_id)
        if row is not None:
            days_beyond = (now - started_at) / timedelta(hours=RECENT_HOURS) - 1.0
            recency[row] = max(recency[row], 0.5 ** max(days_beyond, 0.0))
    return recency


def _felt_point(rating: FeltRating) -> tuple[float, float]:
    if rating.felt_valence is None or rating.felt_arousal is None:
        return np.nan, np.nan
    return rating.felt_valence, rating.felt_arousal


def _like(rating: FeltRating) -> float:
    if rating.liked is not None:
        return 1.0 if rating.liked else -1.0
    if rating.felt_nothing:
        return NOTHING_FELT_LIKE
    return SKIP_LIKE if rating.skipped else np.nan


def _pair(point: NDArray[np.float64]) -> tuple[float, float]:
    return float(point[0]), float(point[1])
