"""From a request to songs in order, each with its reason: retrieve, rank, explain, entries. It writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from catalog.core.charts import Point
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate
from recommender.index.songs import SongIndex
from recommender.listener import ListenerState, Predicted, listener_state, recency_of
from recommender.ranking.journeys import end_quadrant, nearest_to_path, place_targets, walk
from recommender.ranking.lists import Candidates, RankedSong, Weights, distances, lies_in, nearest_inside, rank
from recommender.reasons.reasons import (
    CLOSE_DISTANCE,
    FAR_DISTANCE,
    Evidence,
    journey_note,
    list_note,
    reasons,
    region_note,
)
from recommender.requests import NO_FILTERS, Listener, PlaylistRequest, Target
from recommender.retrieval import (
    Pool,
    embedding_matrix,
    estimates_playable,
    recordings_of,
    retrieve,
    songs_index,
)

# Points of a journey around which songs are retrieved.
PATH_POINTS = 6
# A journey's search compares every song with every other; more than these made no journey better.
JOURNEY_SONGS = 300


class Entry(NamedTuple):
    """A song for a place: its reason, the predicted felt point, the place's target, and the terms of its rank."""

    position: int
    song_id: int
    reason: str
    felt: Point
    perceived: Point
    target: Point
    terms: dict[str, float]


class GeneratedPlaylist(NamedTuple):
    """The free places of a list, filled as far as there are songs; `note` says what of the request is missing."""

    entries: tuple[Entry, ...]
    note: str
    model_version: str


class _Centre(NamedTuple):
    """The song that a list is generated around; its embedding is zero when the index's model did not make it."""

    title: str
    song_id: int
    embedding: NDArray[np.float64]
    perceived: NDArray[np.float64]

    @property
    def is_comparable(self) -> bool:
        return bool(self.embedding.any())


class ListContext(NamedTuple):
    """What a list is ranked for and from.

    `fixed` maps places to rows of the pool; `choosable` `(n,)` are the songs that may come: no recording twice, fixed
    ones whatever they are.
    """

    request: PlaylistRequest
    state: ListenerState
    pool: Pool
    predicted: Predicted
    fixed: dict[int, int]
    centre: _Centre | None
    choosable: NDArray[np.bool_]

    @property
    def weights(self) -> Weights:
        around = self.centre is not None and self.centre.is_comparable
        return Weights.of(
            self.request.variety, around=around, journey=bool(self.request.path), region=self.quadrant is not None
        )

    @property
    def quadrant(self) -> Quadrant | None:
        """The region that a list is for, None when it is for a point."""
        return None if self.request.path or self.centre else self.request.target.quadrant

    def list_note(self, songs: Sequence[RankedSong], away: list[float], *, n_reachable: int) -> str:
        """Describe the whole list, `away` from its target; only songs placed now can be called played recently."""
        n_songs = n_analysed = len(away)
        if n_songs < self.request.length:
            # Only a list that came out short asks, because counting a large catalog is slow.
            n_analysed = max(estimates_playable(self.request.filters).count(), n_songs)
        return list_note(
            length=self.request.length,
            n_analysed=n_analysed,
            n_reachable=n_reachable,
            filtered=self.request.filters != NO_FILTERS,
            distances=away,
            n_recent=sum(1 for song in songs if self.predicted.candidates.recency[song.row] >= 1.0),
            what="journey" if self.request.path else "list",
        )


class _Ranking(NamedTuple):
    """Songs for the free places, with `targets` and predicted `felt` points `(n_songs, 2)`."""

    songs: Sequence[RankedSong]
    targets: NDArray[np.float64]
    felt: NDArray[np.float64]
    note: str


def generate(
    *,
    listener: Listener,
    request: PlaylistRequest,
    fixed: Mapping[int, int] | None = None,
    without: Sequence[int] = (),
) -> GeneratedPlaylist:
    """Choose and order songs for a listener, for the free places of a list as far as there are songs.

    `fixed` maps the places that are taken to the ids of their songs; a journey is planned on from the last of them.
    `without` are the ids of songs that must not come.
    """
    taken = dict(fixed or {})
    index = songs_index()
    state = listener_state(listener, index, seed=request.seed, variety=request.variety)
    centre = None if request.around is None else _centre(request.around, index)
    if centre is not None:
        at = (np.asarray([centre.song_id]), centre.perceived, centre.embedding[None])
        felt_there = state.model.predict(*at, mood=request.mood).point[0]
        request = replace(request, target=Target(*_pair(felt_there)))

    pool = _retrieve(index, request, state, centre, always=list(taken.values()), without=without)
    rows = {place: row for place, song_id in taken.items() if (row := pool.row_of(song_id)) is not None}
    recency = recency_of(state.history.plays, pool.song_ids)
    # A fixed song was played in this very list; that is no reason to leave it out.
    recency[list(rows.values())] = 0.0
    likeness = None if centre is None else np.asarray(pool.embeddings @ centre.embedding)
    # On a journey the mood before differs from place to place, and is a forecast everywhere but at the first.
    mood = None if request.path else request.mood
    predicted = state.predict(pool, mood=mood, recency=recency, likeness=likeness)

    choosable = _choosable(pool, list(rows.values()))
    context = ListContext(request, state, pool, predicted, rows, centre, choosable)
    ranking = _rank_journey(context) if request.path else _rank_list(context)
    said = reasons([_evidence(context, song, felt) for song, felt in zip(ranking.songs, ranking.felt, strict=True)])
    entries = tuple(
        Entry(
            position=song.position,
            song_id=song.song_id,
            reason=sentence,
            felt=_pair(felt),
            perceived=_pair(pool.perceived[song.row]),
            target=_pair(target),
            terms={name: round(value, 4) for name, value in song.terms.as_dict().items()},
        )
        for song, felt, target, sentence in zip(ranking.songs, ranking.felt, ranking.targets, said, strict=True)
    )
    return GeneratedPlaylist(entries, ranking.note, pool.model_version)


def predict_items(*, listener: Listener, song_ids: Sequence[int], mood: Point | None = None) -> dict[int, Point]:
    """Predict what a listener feels for given songs; those without an estimate are left out."""
    index = songs_index()
    pool = retrieve(index, (), always=list(song_ids))
    predicted = listener_state(listener, index).predict(pool, mood=mood, recency=np.zeros(len(pool.song_ids)))
    points = predicted.candidates.felt
    return {song_id: _pair(point) for song_id, point in zip(pool.song_ids.tolist(), points, strict=True)}


# --- Retrieve -------------------------------------------------------------------------------------------------------


def _centre(song_id: int, index: SongIndex) -> _Centre | None:
    """Return the song that a list is around; None when it is gone or was never analysed."""
    current = EmotionEstimate.objects.filter(is_current=True, song_id=song_id).with_effective()
    estimate = current.select_related("song").first()
    if estimate is None:
        return None
    return _Centre(
        title=estimate.song.title,
        song_id=song_id,
        embedding=embedding_matrix([estimate], index)[0],
        perceived=np.asarray([(estimate.effective_valence, estimate.effective_arousal)], np.float64),
    )


def _retrieve(
    index: SongIndex,
    request: PlaylistRequest,
    state: ListenerState,
    centre: _Centre | None,
    *,
    always: list[int],
    without: Sequence[int],
) -> Pool:
    if request.path:
        queries, quadrant = state.queries(place_targets(request.path, PATH_POINTS)), end_quadrant(request.path[-1])
        return retrieve(index, queries, request.filters, always, without=without, quadrant=quadrant)
    queries = state.queries(np.asarray([request.target.point]))
    if centre is None:
        return retrieve(index, queries, request.filters, always, without=without, quadrant=request.target.quadrant)
    without = [centre.song_id, *without]
    return retrieve(index, queries, request.filters, always, without=without, alike=centre.embedding)


def _choosable(pool: Pool, fixed: list[int]) -> NDArray[np.bool_]:
    recordings = recordings_of(pool)
    allowed = np.zeros(len(recordings), bool)
    allowed[np.unique(recordings, return_index=True)[1]] = True
    allowed &= ~np.isin(recordings, recordings[fixed])
    allowed[fixed] = True
    return allowed


# --- Rank a list ----------------------------------------------------------------------------------------------------


class Ranked(NamedTuple):
    """A list's songs, with what they were chosen by: all candidates, and how far `(n,)` each is from what is aimed at.

    `rows` are those that were eligible.
    """

    songs: list[RankedSong]
    candidates: Candidates
    away: NDArray[np.float64]
    rows: NDArray[np.int64]


def rank_list(context: ListContext) -> Ranked:
    """Choose the songs of a list that is no journey; it reads no rows."""
    request, candidates, quadrant = context.request, context.predicted.candidates, context.quadrant
    # How sure the model is counts only where it is sure of the mood that is wanted.
    aim = quadrant or Quadrant.from_valence_arousal(*request.target.point)
    of_aim = np.asarray([each is aim for each in context.pool.quadrants], np.bool_)
    candidates = replace(
        candidates, confidence=np.where(of_aim, candidates.confidence, (1.0 - candidates.confidence) / 3)
    )
    where = np.asarray(request.target.point) if quadrant is None else nearest_inside(candidates.felt, quadrant)
    away = distances(candidates.felt, where)
    rows = _eligible(context, away)
    songs = rank(
        candidates.take(rows),
        np.tile(np.asarray(request.target.point), (request.length, 1)),
        weights=context.weights,
        fixed={place: int(np.searchsorted(rows, row)) for place, row in context.fixed.items()},
        quadrant=quadrant,
        seed=request.seed,
    )
    return Ranked([replace(song, row=int(rows[song.row])) for song in songs], candidates, away, rows)


def _rank_list(context: ListContext) -> _Ranking:
    request, quadrant = context.request, context.quadrant
    songs, candidates, away, _rows = rank_list(context)
    chosen = [song.row for song in songs]
    # In a region the sentence on its songs says how near the others are.
    far = away if quadrant is None else np.zeros_like(away)
    n_reachable = int(((away <= FAR_DISTANCE) & context.choosable).sum())
    placed = far[[*context.fixed.values(), *chosen]].tolist()
    note = context.list_note(songs, placed, n_reachable=n_reachable)
    if quadrant is not None:
        in_order = [row for _, row in sorted([*context.fixed.items(), *((song.position, song.row) for song in songs)])]
        inside = lies_in(candidates.felt[in_order], quadrant).tolist()
        note = f"{region_note(quadrant, inside, filtered=request.filters != NO_FILTERS)} {note}".strip()
    if request.around is not None and context.centre is None:
        deleted = _("The song this list was made around was deleted; only its mood remains.")
        note = f"{deleted} {note}".strip()
    targets = np.tile(np.asarray(request.target.point), (len(songs), 1))
    return _Ranking(songs, targets, candidates.felt[chosen], note)


def _close(context: ListContext, away: NDArray[np.float64]) -> NDArray[np.bool_]:
    quadrant = context.quadrant
    return away <= CLOSE_DISTANCE if quadrant is None else lies_in(context.predicted.candidates.felt, quadrant)


def _opposite(context: ListContext) -> NDArray[np.bool_]:
    """Return which songs `(n,)` are felt in the quadrant opposite to the region; none where there is no region."""
    felt = context.predicted.candidates.felt
    return np.zeros(len(felt), bool) if context.quadrant is None else lies_in(-felt, context.quadrant)


def _eligible(context: ListContext, away: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows to choose from, fixed ones included; `away` `(n,)` from the target or the region.

    Songs played within a day are left out when enough others are close to the target; the song that the list is around
    is always left out. Where the songs of the region, or close to the point, are too few, the nearest others join them,
    those of the opposite quadrant last, whatever the mood before made of them; a list around a song goes by sound as
    well, and chooses from all.
    """
    candidates = context.predicted.candidates
    allowed = context.choosable.copy()
    if context.centre is not None:
        allowed &= candidates.song_ids != context.centre.song_id
    close = _close(context, away)
    recent = candidates.recency >= 1.0
    fixed = list(context.fixed.values())
    # Fixed songs count as well, so that playing a list does not change what its rest is chosen from.
    if int((allowed & ~recent & close).sum()) >= context.request.length:
        allowed &= ~recent
    allowed[fixed] = True
    if context.centre is not None:
        return np.flatnonzero(allowed)
    free = allowed.copy()
    free[fixed] = False
    others = np.flatnonzero(free & ~close)
    n_missing = max(context.request.length - len(fixed) - int((free & close).sum()), 0)
    nearest = others[np.lexsort((away[others], _opposite(context)[others]))[:n_missing]]
    return np.sort(np.concatenate([np.flatnonzero(free & close), nearest, fixed]).astype(np.int64))


# --- Rank a journey -------------------------------------------------------------------------------------------------


def _rank_journey(context: ListContext) -> _Ranking:
    """Plan a journey through the songs near it and the fixed ones."""
    request, candidates = context.request, context.predicted.candidates
    path = np.asarray(request.path)
    single = np.flatnonzero(context.choosable)
    near = single[nearest_to_path(candidates.take(single), path, JOURNEY_SONGS)]
    rows = np.union1d(near, np.asarray(list(context.fixed.values()), np.int64))
    if not len(rows):
        return _Ranking([], np.zeros((0, 2)), np.zeros((0, 2)), context.list_note([], [], n_reachable=0))
    last = context.fixed[max(context.fixed)] if context.fixed else None
    plan = walk(
        candidates.take(rows),
        path,
        min(request.length, len(rows)),
        weights=context.weights,
        fixed={place: int(np.searchsorted(rows, row)) for place, row in context.fixed.items()},
        # What the listener just felt for the last song played, if they said so.
        here=None if last is None else context.state.history.felt_lately.get(int(context.pool.song_ids[last])),
    )
    songs = tuple(replace(song, row=int(rows[song.row])) for song in plan.songs)
    n_songs = len(plan.rows)
    short = context.list_note(songs, [0.0] * n_songs, n_reachable=n_songs)
    note = f"{short} {journey_note(plan, asked=request.path)}".strip()
    places = [song.position - 1 for song in songs]
    return _Ranking(songs, plan.targets[places], plan.points[places], note)


# --- Explain --------------------------------------------------------------------------------------------------------


def _evidence(context: ListContext, song: RankedSong, felt: NDArray[np.float64]) -> Evidence:
    row, predicted, candidates = song.row, context.predicted, context.predicted.candidates
    own_liking = candidates.liking[row] - predicted.shared_liking[row]
    history = context.state.history
    return Evidence(
        decided=song.decided,
        helped=frozenset(name for name, value in song.terms.as_dict().items() if value > 0),
        by_ratings=_pair(candidates.rated[row] - candidates.shared[row]),
        by_mood=_pair(felt - candidates.rated[row]),
        # A journey's first point is where it starts, whether or not the listener said that they are there.
        mood=None if context.request.path else context.request.mood,
        target=context.request.target.point,
        n_similar=int(predicted.felt.n_similar[row]),
        by_own_rating=bool(predicted.felt.by_own_rating[row]),
        like_signal=history.like_signals.get(song.song_id),
        likes_known=bool(own_liking >= 0.5 * candidates.liking[row]),
        # To somebody who has heard nothing here, every song is new.
        is_new=bool(history.plays or history.ratings.song_ids.size) and not candidates.recency[row] > 0,
        kept_apart=song.kept_apart,
        around="" if context.centre is None else context.centre.title,
        alike=float(candidates.likeness[row]),
        on_journey=bool(context.request.path),
    )


def _pair(point: NDArray[np.float64]) -> Point:
    return float(point[0]), float(point[1])
