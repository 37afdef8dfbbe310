"""A listener's ratings and plays, as the listener's model and the ranking take them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from django.utils import timezone

from catalog.core.charts import Point
from emotion.inference.quadrants import Quadrant
from recommender.arrays import Floats, Ints
from recommender.felt_model.model import Felt, ListenerModel, Prior, Ratings
from recommender.index.songs import FeltQuery, SongIndex
from recommender.models import FeltPrior, FeltRating, Listen, StarRating
from recommender.ranking.lists import Candidates, draw_temperature, lies_in
from recommender.reasons.reasons import LikeSignal
from recommender.requests import Listener
from recommender.retrieval import Pool, retrieve
from recommender.selectors import listens_of

logger = logging.getLogger(__name__)

RECENT_LISTENS = 50
RECENT_HOURS = 24.0
# A listener's newest ratings and plays: the few coefficients of a model learn next to nothing from more, and the cost
# grows with every list.
RATINGS_LIMIT = 500
LISTENS_LIMIT = 500
LATELY = timedelta(minutes=30)
# How much a signal says of liking a song; an implicit one counts a quarter. Stars say it themselves: `liking_of_stars`.
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
_FAMILIAR = {True: 1.0, False: -1.0, None: 0.0}
# The answers of SiTunes by the quadrant of the mood before (rows) and of the song (columns): 7 of 546 are about a calm
# song in a tense mood. So many answers say as much of a mood's effect as is known before any: the variance of an answer
# by the variance of the effect between listeners, times the mean square of a mood less the typical one.
ANSWERS_IN_MOODS = np.array([[132, 54, 13, 29], [52, 14, 5, 7], [36, 12, 6, 8], [106, 37, 12, 23]])
MOOD_ANSWERS = 20


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


_UNRATED = _Rating(0, None, None, None, None, False, False, None, None, datetime.min)  # noqa: DTZ901  # Never compared.


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
    rated: dict[int, _Rating] = {}
    stars: dict[int, int] = {}
    if listener.user is not None:
        newest = FeltRating.objects.filter(listener=listener.user).order_by("-updated_at", "-id")
        rated = {row[0]: _Rating(*row) for row in newest.values_list(*_Rating._fields)[:RATINGS_LIMIT]}
        given = StarRating.objects.filter(listener=listener.user, song__isnull=False).order_by("-updated_at", "-id")
        stars = {song_id or 0: n for song_id, n in given.values_list("song_id", "stars")[:RATINGS_LIMIT]}
    # Ordered as the table's index is; by the key, a listener's rows are a few among millions.
    listens = listens_of(listener).order_by("-started_at", "-id")
    columns = "song_id", "started_at", "outcome", "listened_s", "song__duration_s"
    plays = tuple(_Play(*row) for row in listens.values_list(*columns)[:LISTENS_LIMIT])
    implied = _implied(plays)
    signals = {
        song_id: signal
        for song_id in {*rated, *implied, *stars}
        if (signal := _signal(rated.get(song_id, _UNRATED), implied.get(song_id), stars.get(song_id)))
    }
    ratings = _ratings(rated, signals, stars, index) if rated or signals else Ratings.none(index.n_dimensions)
    since = timezone.now() - LATELY
    lately = {song_id: _felt(rating) for song_id, rating in rated.items() if rating.updated_at >= since}
    felt_lately = {song_id: (v, a) for song_id, (v, a) in lately.items() if v is not None and a is not None}
    return History(ratings, signals, felt_lately, plays)


def _ratings(
    rated: Mapping[int, _Rating], signals: Mapping[int, LikeSignal], stars: Mapping[int, int], index: SongIndex
) -> Ratings:
    pool = retrieve(index, (), always=sorted({*rated, *signals}))
    song_ids = pool.song_ids.tolist()
    rows = [(rated.get(song_id, _UNRATED), signals.get(song_id)) for song_id in song_ids]
    likes = [
        _like(rating, signal, stars.get(song_id)) for song_id, (rating, signal) in zip(song_ids, rows, strict=True)
    ]
    # What is None becomes NaN.
    return Ratings(
        song_ids=pool.song_ids,
        perceived=pool.perceived,
        felt=np.asarray([_felt(rating) for rating, _ in rows], np.float64).reshape(-1, 2),
        embeddings=pool.embeddings,
        weights=np.ones(len(rows)),
        likes=np.asarray(likes, np.float64),
        like_weights=np.asarray([IMPLICIT_WEIGHT if signal in _IMPLICIT else 1.0 for _, signal in rows], np.float64),
        moods=np.asarray([_mood(rating) for rating, _ in rows], np.float64).reshape(-1, 2),
        familiar=np.asarray([_FAMILIAR[rating.familiar] for rating, _ in rows], np.float64),
    )


def recency_of(plays: Sequence[_Play], song_ids: Ints) -> Floats:
    """Return `(n,)` 1 for a song played within a day, halving with each day after, over the last `RECENT_LISTENS` only.

    `plays` are newest first, `song_ids` `(n,)` ascending.
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


def _signal(rating: _Rating, implied: LikeSignal | None, stars: int | None) -> LikeSignal | None:
    if rating.liked is not None:
        return LikeSignal.LIKED if rating.liked else LikeSignal.DISLIKED
    if stars is not None and liking_of_stars(stars):
        return LikeSignal.MANY_STARS if liking_of_stars(stars) > 0 else LikeSignal.FEW_STARS
    if rating.felt_nothing:
        return None
    return LikeSignal.SKIPPED if rating.skipped else implied


def _mood(rating: _Rating) -> tuple[float | None, float | None]:
    return rating.mood_valence, rating.mood_arousal


def _felt(rating: _Rating) -> tuple[float | None, float | None]:
    # A song that leaves the listener cold leaves their mood.
    return _mood(rating) if rating.felt_nothing else (rating.felt_valence, rating.felt_arousal)


def liking_of_stars(stars: int) -> float:
    """Return what one to five stars say of liking a song, in [-1, 1]; nothing of what it did to the listener."""
    return (stars - 3) / 2


def _like(rating: _Rating, signal: LikeSignal | None, stars: int | None) -> float | None:
    if signal in (LikeSignal.MANY_STARS, LikeSignal.FEW_STARS) and stars is not None:
        return liking_of_stars(stars)
    return LIKE_OF[signal] if signal is not None else NOTHING_FELT_LIKE if rating.felt_nothing else None


@dataclass(frozen=True, slots=True)
class Predicted:
    """Candidates, a row per song of a pool, and the prediction and shared liking `(n,)` that they were made of."""

    candidates: Candidates
    felt: Felt
    shared_liking: Floats


@dataclass(frozen=True, slots=True)
class ListenerState:
    """A fitted listener; make one with `listener_state`.

    `shared` is the model of all listeners, `model` that of this one, fitted to `history`, `drawn` a draw from its
    posterior.
    """

    shared: ListenerModel
    model: ListenerModel
    drawn: ListenerModel
    history: History

    def queries(self, points: Floats) -> list[FeltQuery]:
        """Return the queries for some points `(n, 2)`, by the model and by the draw where it differs.

        They leave the mood before out: it moves no song over an axis, and hardly ever past many others.
        """
        maps = [model.linear() for model in ([self.model] if self.drawn is self.model else [self.model, self.drawn])]
        return [FeltQuery(point, felt) for point in points for felt in maps]

    def predict(self, pool: Pool, *, mood: Point | None, recency: Floats, likeness: Floats | None = None) -> Predicted:
        """Predict what the listener feels for every song of a pool.

        Args:
            pool: `n` songs.
            mood: the stated mood before listening; None when there is none.
            recency: `(n,)`, 1 for a song played within a day, falling to 0.
            likeness: `(n,)`, the cosine with the song that a list is around; None for 0.
        """
        songs = pool.song_ids, pool.perceived, pool.embeddings
        shared = self.shared.predict(*songs)
        felt = self.model.predict(*songs)
        moved = felt.point
        if mood is not None:
            by_mood = self.model.linear(mood).offset - self.model.linear().offset
            moved = moved_by_mood(felt.point, self._known_share(pool.perceived, mood)[:, None] * by_mood)
        drawn, drawn_liking = moved, felt.liking
        if self.drawn is not self.model:
            # Predicting with the drawn model would also find the ratings that moved each song, which costs most and
            # which a draw does not need: the change of its coefficients is enough.
            draw, model = self.drawn.linear(), self.model.linear()
            change = pool.perceived @ (draw.on_perceived - model.on_perceived).T
            change += pool.embeddings @ (draw.on_embedding - model.on_embedding).T + (draw.offset - model.offset)
            # A rating of the very song halves the doubt about it, and so what a draw may change.
            change[felt.by_own_rating] *= 0.5
            drawn = np.clip(moved + change, -1.0, 1.0)
            drawn_liking = np.clip(felt.liking + pool.embeddings @ (draw.liking - model.liking), -1.0, 1.0)
        candidates = Candidates(
            song_ids=pool.song_ids,
            artist_ids=pool.artist_ids,
            album_ids=pool.album_ids,
            embeddings=pool.embeddings,
            shared=shared.point,
            rated=felt.point,
            felt=moved,
            drawn=drawn,
            confidence=pool.confidence,
            liking=felt.liking,
            drawn_liking=drawn_liking,
            recency=recency,
            likeness=np.zeros(len(pool.song_ids)) if likeness is None else likeness,
        )
        return Predicted(candidates, felt, shared.liking)

    def _known_share(self, perceived: Floats, mood: Point) -> Floats:
        """Return how much of a mood's effect on songs `(n, 2)` answers support, `(n,)` in [0, 1).

        Answers support it that were given for songs of the same quadrant in a mood of the same quadrant.
        """
        of_mood = Quadrant.from_valence_arousal(*mood)
        ratings = self.history.ratings.with_feeling()
        own = ratings.perceived[lies_in(ratings.moods, of_mood) & np.isfinite(ratings.moods).all(axis=1)]
        share = np.zeros(len(perceived))
        for quadrant in Quadrant:
            n_answers = ANSWERS_IN_MOODS[of_mood.index, quadrant.index] + int(lies_in(own, quadrant).sum())
            share[lies_in(perceived, quadrant)] = n_answers / (n_answers + MOOD_ANSWERS)
        return share


def moved_by_mood(rated: Floats, shift: Floats) -> Floats:
    """Move points `(n, 2)` by a mood's effect `(n, 2)`, on each axis at most half of the way to where it is 0."""
    moved = rated + shift
    return np.clip(np.where(rated > 0, np.maximum(moved, rated / 2), np.minimum(moved, rated / 2)), -1.0, 1.0)


def listener_state(listener: Listener, index: SongIndex, *, seed: int = 0, variety: float = 0.0) -> ListenerState:
    """Fit a listener's model.

    Args:
        listener: whose ratings and listens count.
        index: whose embeddings the model lives on.
        seed: decides the draw.
        variety: how far the draw may go, in [0, 1]; 0 is the model itself.
    """
    history = history_of(listener, index)
    prior, basis = current_prior(), index.basis
    model = ListenerModel.fit(history.ratings, prior, basis)
    temperature = draw_temperature(variety)
    return ListenerState(
        shared=ListenerModel.fit(Ratings.none(index.n_dimensions), prior, basis),
        model=model,
        # A generator takes no negative seed; a playlist's may be one.
        drawn=model.draw(seed % 2**63, temperature) if temperature else model,
        history=history,
    )


def current_prior() -> Prior:
    """Return the prior learned last; that of a new installation when there is none or it cannot be read."""
    row = FeltPrior.objects.filter(is_current=True).only("parameters").first()
    if row is None:
        return Prior.default()
    try:
        return Prior.from_json(row.parameters)
    except ValueError as error:
        logger.warning("The prior of all listeners cannot be read, so the built-in one is used: %s", error)
        return Prior.default()
