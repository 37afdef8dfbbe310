"""From a request to songs in order, each with its reason: retrieve, rank, explain, entries. It writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from catalog.core.charts import Point
from emotion.models import EmotionEstimate
from recommender.index.songs import SongIndex
from recommender.listener import ListenerState, Predicted, listener_state, recency_of
from recommender.ranking.journeys import Walk, nearest_to_path, path_length, place_targets, walk
from recommender.ranking.lists import RankedSong, Weights, distances, rank
from recommender.reasons.reasons import CLOSE_DISTANCE, FAR_DISTANCE, Evidence, Stage, journey_note, list_note, reason
from recommender.requests import NO_FILTERS, Listener, PlaylistRequest, Target
from recommender.retrieval import Pool, embedding_matrix, estimates_playable, retrieve, songs_index

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


class _Context(NamedTuple):
    """What a list is ranked for and from; `fixed` maps places to rows of the pool."""

    request: PlaylistRequest
    state: ListenerState
    pool: Pool
    predicted: Predicted
    fixed: dict[int, int]
    centre: _Centre | None

    @property
    def weights(self) -> Weights:
        around = self.centre is not None and self.centre.is_comparable
        return Weights.of(self.request.variety, around=around, journey=bool(self.request.path))

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
    """Songs for the free places, with `targets` and predicted `felt` points `(n_songs, 2)`; a journey has its plan."""

    songs: Sequence[RankedSong]
    targets: NDArray[np.float64]
    felt: NDArray[np.float64]
    note: str
    plan: Walk | None = None


def generate(
    *, listener: Listener, request: PlaylistRequest, fixed: Mapping[int, int] | None = None
) -> GeneratedPlaylist:
    """Choose and order songs for a listener, for the free places of a list as far as there are songs.

    `fixed` maps the places that are taken to the ids of their songs; a journey is planned on from the last of them.
    """
    taken = dict(fixed or {})
    index = songs_index()
    state = listener_state(listener, index, seed=request.seed, variety=request.variety)
    centre = None if request.around is None else _centre(request.around, index)
    if centre is not None:
        at = (np.asarray([centre.song_id]), centre.perceived, centre.embedding[None])
        felt_there = state.model.predict(*at, mood=request.mood).point[0]
        request = replace(request, target=Target(*_pair(felt_there)))

    pool = _retrieve(index, request, state, centre, always=list(taken.values()))
    rows = {place: row for place, song_id in taken.items() if (row := pool.row_of(song_id)) is not None}
    recency = recency_of(state.history.plays, pool.song_ids)
    # A fixed song was played in this very list; that is no reason to leave it out.
    recency[list(rows.values())] = 0.0
    likeness = None if centre is None else np.asarray(pool.embeddings @ centre.embedding)
    # On a journey the mood before differs from place to place.
    mood = None if request.path else request.mood
    predicted = state.predict(pool, mood=mood, recency=recency, likeness=likeness)

    context = _Context(request, state, pool, predicted, rows, centre)
    ranking = _rank_journey(context) if request.path else _rank_list(context)

    entries = tuple(
        Entry(
            position=song.position,
            song_id=song.song_id,
            reason=reason(_evidence(context, song, felt, ranking.plan)),
            felt=_pair(felt),
            perceived=_pair(pool.perceived[song.row]),
            target=_pair(target),
            terms={name: round(value, 4) for name, value in song.terms.as_dict().items()},
        )
        for song, felt, target in zip(ranking.songs, ranking.felt, ranking.targets, strict=True)
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
    index: SongIndex, request: PlaylistRequest, state: ListenerState, centre: _Centre | None, always: list[int]
) -> Pool:
    if request.path:
        points = place_targets(request.path, PATH_POINTS)
        # The mood before a song of a journey is where the song before it led.
        moods = [request.mood_before, *(_pair(point) for point in points[:-1])]
        return retrieve(index, state.queries(points, moods, [state.drawn]), request.filters, always)
    models = [state.model] if state.drawn is state.model else [state.model, state.drawn]
    queries = state.queries(np.asarray([request.target.point]), [request.mood], models)
    if centre is None:
        return retrieve(index, queries, request.filters, always)
    return retrieve(index, queries, request.filters, always, without=[centre.song_id], alike=centre.embedding)


# --- Rank a list ----------------------------------------------------------------------------------------------------


def _rank_list(context: _Context) -> _Ranking:
    request, candidates = context.request, context.predicted.candidates
    away = distances(candidates.felt, request.target.point)
    rows = _eligible(context, away)
    songs = rank(
        candidates.take(rows),
        np.tile(np.asarray(request.target.point), (request.length, 1)),
        weights=context.weights,
        fixed={place: int(np.searchsorted(rows, row)) for place, row in context.fixed.items()},
    )
    songs = [replace(song, row=int(rows[song.row])) for song in songs]
    chosen = [song.row for song in songs]
    note = context.list_note(
        songs, away[[*context.fixed.values(), *chosen]].tolist(), n_reachable=int((away <= FAR_DISTANCE).sum())
    )
    if request.around is not None and context.centre is None:
        deleted = _("The song this list was made around was deleted; only its mood remains.")
        note = f"{deleted} {note}".strip()
    targets = np.tile(np.asarray(request.target.point), (len(songs), 1))
    return _Ranking(songs, targets, candidates.felt[chosen], note)


def _eligible(context: _Context, away: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows to choose from, fixed ones included.

    Songs played within a day are left out when enough others are close to the target; the song that the list is around
    is always left out.
    """
    candidates = context.predicted.candidates
    allowed = np.ones(len(away), bool)
    if context.centre is not None:
        allowed &= candidates.song_ids != context.centre.song_id
    recent = candidates.recency >= 1.0
    # Fixed songs count as well, so that playing a list does not change what its rest is chosen from.
    if int((allowed & ~recent & (away <= CLOSE_DISTANCE)).sum()) >= context.request.length:
        allowed &= ~recent
    allowed[list(context.fixed.values())] = True
    return np.flatnonzero(allowed)


# --- Rank a journey -------------------------------------------------------------------------------------------------


def _rank_journey(context: _Context) -> _Ranking:
    """Plan a journey through the songs near it and the fixed ones."""
    request, candidates, drift = context.request, context.predicted.candidates, context.state.drift
    path = np.asarray(request.path)
    near = nearest_to_path(candidates, path, drift, JOURNEY_SONGS)
    rows = np.union1d(near, np.asarray(list(context.fixed.values()), np.int64))
    if not len(rows):
        return _Ranking([], np.zeros((0, 2)), np.zeros((0, 2)), context.list_note([], [], n_reachable=0))
    last = context.fixed[max(context.fixed)] if context.fixed else None
    plan = walk(
        candidates.take(rows),
        path,
        min(request.length, len(rows)),
        weights=context.weights,
        mood=request.mood,
        drift=drift,
        fixed={place: int(np.searchsorted(rows, row)) for place, row in context.fixed.items()},
        # What the listener just felt for the last song played, if they said so.
        here=None if last is None else context.state.history.felt_lately.get(int(context.pool.song_ids[last])),
    )
    songs = tuple(replace(song, row=int(rows[song.row])) for song in plan.songs)
    plan = replace(plan, rows=rows[plan.rows], songs=songs)
    n_songs = len(plan.rows)
    short = context.list_note(songs, [0.0] * n_songs, n_reachable=n_songs)
    note = f"{short} {journey_note(plan.found, plan.quality, asked=request.path, n_places=n_songs)}".strip()
    places = [song.position - 1 for song in songs]
    return _Ranking(songs, plan.targets[places], plan.points[places], note, plan)


# --- Explain --------------------------------------------------------------------------------------------------------


def _evidence(context: _Context, song: RankedSong, felt: NDArray[np.float64], plan: Walk | None) -> Evidence:
    row, predicted, candidates = song.row, context.predicted, context.predicted.candidates
    own_liking = candidates.liking[row] - predicted.shared_liking[row]
    centre = context.centre
    stage = None
    if plan is not None:
        path = plan.found.path
        stage = Stage(song.position, len(plan.targets), end=_pair(path[-1]), moves=path_length(path) > 0)
    comparable = centre is not None and centre.is_comparable and bool(context.pool.embeddings[row].any())
    return Evidence(
        quadrant=context.pool.quadrants[row],
        confidence=float(context.pool.confidence[row]),
        distance=song.distance,
        decided=song.decided,
        helped=frozenset(name for name, value in song.terms.as_dict().items() if value > 0),
        by_ratings=_pair(candidates.rated[row] - candidates.shared[row]),
        by_mood=_pair(felt - candidates.rated[row]),
        # The mood before a later song of a journey is predicted, not stated.
        mood=context.request.mood_before if plan is None or song.position == 1 else None,
        n_similar=int(predicted.felt.n_similar[row]),
        by_own_rating=bool(predicted.felt.by_own_rating[row]),
        like_signal=context.state.history.like_signals.get(song.song_id),
        likes_known=bool(own_liking >= 0.5 * candidates.liking[row]),
        recency=float(candidates.recency[row]),
        kept_apart=song.kept_apart,
        around=centre.title if centre is not None and comparable else "",
        alike=float(candidates.likeness[row]),
        stage=stage,
    )


def _pair(point: NDArray[np.float64]) -> Point:
    return float(point[0]), float(point[1])
