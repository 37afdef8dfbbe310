"""From a wish to songs in order, each with its reason: reads the rows, asks the pure modules, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from catalog.core.points import Point
from emotion.models import EmotionEstimate
from recommender.index.songs import SongIndex
from recommender.listener.history import recency_of
from recommender.listener.state import Person, Predicted, person_of, predict
from recommender.ranking.journey_path import path_length, place_targets
from recommender.ranking.journey_planner import Walk, nearest_to_path, walk
from recommender.ranking.lists import RankedSong, Weights, distances, rank
from recommender.reasons.reasons import CLOSE_DISTANCE, FAR_DISTANCE, Evidence, Stage, journey_note, list_note, reason
from recommender.requests import Wish
from recommender.retrieval.pool import Pool, embedding_matrix, pool_for, songs_index
from recommender.retrieval.source import estimates_playable
from recommender.values import NO_FILTERS, Filters, Listener, Target

# Points of a journey around which songs are looked for.
PATH_POINTS = 6
# A journey's search compares every song with every other; more than these made no journey better.
JOURNEY_SONGS = 300


@dataclass(frozen=True, slots=True)
class Placement:
    """A song for a place: why, what is predicted to be felt, where the place was to be, and the terms of its rank."""

    position: int
    song_id: int
    reason: str
    felt: Point
    perceived: Point
    target: Point
    terms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Composition:
    """The free places of a list, filled as far as there are songs."""

    placements: tuple[Placement, ...]
    note: str
    model_version: str


@dataclass(frozen=True, slots=True)
class _Anchor:
    """The song that a list is made around."""

    title: str
    song_id: int
    embedding: NDArray[np.float64]
    perceived: NDArray[np.float64]

    @property
    def is_comparable(self) -> bool:
        """Whether its sound is known in the terms of the index's model."""
        return bool(self.embedding.any())


@dataclass(frozen=True, slots=True)
class _Task:
    """What a list is chosen for and from; `fixed` are rows of the pool by place."""

    wish: Wish
    person: Person
    predicted: Predicted
    fixed: dict[int, int]
    anchor: _Anchor | None = None

    @property
    def pool(self) -> Pool:
        return self.predicted.pool

    @property
    def weights(self) -> Weights:
        around = self.anchor is not None and self.anchor.is_comparable
        return Weights.of(self.wish.variety, around=around, journey=bool(self.wish.path))


def compose(*, listener: Listener, wish: Wish, fixed: Mapping[int, int] | None = None) -> Composition:
    """Choose and order songs for a listener.

    Args:
        listener: whose ratings, listens and mood count.
        wish: what the list is to be.
        fixed: places that are taken, each by the id of a song.

    Returns:
        The free places, filled as far as there are songs, and a note when that is not all that was wished for. Of a
        journey the rest is planned anew from the last place that is taken, unless nothing has changed.
    """
    index = songs_index()
    person = person_of(listener, index, seed=wish.seed, variety=wish.variety)
    task = _task(wish, person, index, dict(fixed or {}))
    return _journey(task) if wish.path else _list(task)


def predict_items(*, listener: Listener, song_ids: Sequence[int], mood: Point | None = None) -> dict[int, Point]:
    """Predict what a listener feels for given songs; those without an estimate are left out."""
    index = songs_index()
    pool = pool_for(index, (), always=list(song_ids))
    predicted = predict(person_of(listener, index), pool, mood=mood, recency=np.zeros(len(pool.song_ids)))
    points = predicted.candidates.felt
    return {song_id: _pair(point) for song_id, point in zip(pool.song_ids.tolist(), points, strict=True)}


# --- What there is to choose from -----------------------------------------------------------------------------------


def _task(wish: Wish, person: Person, index: SongIndex, fixed: dict[int, int]) -> _Task:
    anchor = None if wish.around is None else _anchor(wish.around, index)
    if anchor is not None:
        wish = replace(wish, target=_felt_target(anchor, person, wish.mood))
    pool = _pool(index, wish, person, anchor, always=list(fixed.values()))
    rows = {place: row for place, song_id in fixed.items() if (row := pool.row_of(song_id)) is not None}
    recency = recency_of(person.history.plays, pool.song_ids)
    # What is fixed was played in this very list; that is no reason to have left it out.
    recency[list(rows.values())] = 0.0
    likeness = None if anchor is None else np.asarray(pool.embeddings @ anchor.embedding)
    # On a journey the mood before is another at every place.
    mood = None if wish.path else wish.mood
    predicted = predict(person, pool, mood=mood, recency=recency, likeness=likeness)
    return _Task(wish=wish, person=person, predicted=predicted, fixed=rows, anchor=anchor)


def _pool(index: SongIndex, wish: Wish, person: Person, anchor: _Anchor | None, always: list[int]) -> Pool:
    if wish.path:
        points = place_targets(wish.path, PATH_POINTS)
        # The mood before a song of a journey is where the song before it led.
        moods = [_mood_of(wish), *(_pair(point) for point in points[:-1])]
        return pool_for(index, person.queries(points, moods, [person.drawn]), wish.filters, always)
    maps = [person.model] if person.drawn is person.model else [person.model, person.drawn]
    queries = person.queries(np.asarray([wish.target.point]), [wish.mood], maps)
    if anchor is None:
        return pool_for(index, queries, wish.filters, always)
    return pool_for(index, queries, wish.filters, always, without=[anchor.song_id], alike=anchor.embedding)


def _mood_of(wish: Wish) -> Point | None:
    """Return how the listener said they are; a journey starts where they are."""
    return wish.mood or (wish.path[0] if wish.path else None)


def _anchor(song_id: int, index: SongIndex) -> _Anchor | None:
    """Return the song a list is around; None when it is gone or was never analysed."""
    current = EmotionEstimate.objects.filter(is_current=True, song_id=song_id).with_effective()
    estimate = current.select_related("song").first()
    if estimate is None:
        return None
    return _Anchor(
        title=estimate.song.title,
        song_id=song_id,
        embedding=embedding_matrix([estimate], index)[0],
        perceived=np.asarray([(estimate.effective_valence, estimate.effective_arousal)], np.float64),
    )


def _felt_target(anchor: _Anchor, person: Person, mood: Point | None) -> Target:
    felt = person.model.predict(np.asarray([anchor.song_id]), anchor.perceived, anchor.embedding[None], mood=mood)
    return Target(*_pair(felt.point[0]))


# --- A list ---------------------------------------------------------------------------------------------------------


def _list(task: _Task) -> Composition:
    wish, candidates = task.wish, task.predicted.candidates
    away = distances(candidates.felt, wish.target.point)
    rows = _eligible(task, away)
    targets = np.tile(np.asarray(wish.target.point), (wish.length, 1))
    fixed = {place: int(np.searchsorted(rows, row)) for place, row in task.fixed.items()}
    ranked = rank(candidates.take(rows), targets, weights=task.weights, fixed=fixed)
    songs = [replace(song, row=int(rows[song.row])) for song in ranked]
    return Composition(
        placements=tuple(_placement(task, song, targets[song.position - 1]) for song in songs),
        note=_note(task, songs, away),
        model_version=task.pool.model_version,
    )


def _eligible(task: _Task, away: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows to choose from and those that are fixed.

    What was played within a day is left out when there are enough other songs close to the target, and so is the song
    that the list is around.
    """
    candidates, fixed = task.predicted.candidates, list(task.fixed.values())
    allowed = np.ones(len(away), bool)
    if task.anchor is not None:
        allowed &= candidates.song_ids != task.anchor.song_id
    recent = candidates.recency >= 1.0
    # What is fixed counts as well, so that playing a list does not change what its rest is chosen from.
    if int((allowed & ~recent & (away <= CLOSE_DISTANCE)).sum()) >= task.wish.length:
        allowed &= ~recent
    allowed[fixed] = True
    return np.flatnonzero(allowed)


def _note(task: _Task, songs: list[RankedSong], away: NDArray[np.float64]) -> str:
    """Speak of the whole list, what is fixed included; only songs placed now can be said to come back."""
    rows = [*task.fixed.values(), *(song.row for song in songs)]
    gone = task.wish.around is not None and task.anchor is None
    note = list_note(
        length=task.wish.length,
        n_tagged=_n_tagged(task.wish.filters, task.wish.length, len(rows)),
        n_reachable=int((away <= FAR_DISTANCE).sum()),
        filtered=task.wish.filters != NO_FILTERS,
        distances=away[rows].tolist(),
        n_recent=_n_recent(task, songs),
    )
    if not gone:
        return note
    lost = _("The song this list was made around is gone; only its mood is left.")
    return f"{lost} {note}".strip()


def _n_tagged(filters: Filters, length: int, n_songs: int) -> int:
    """Count the songs there are; only a list that came out short asks, for counting a large catalog takes long."""
    return max(estimates_playable(filters).count(), n_songs) if n_songs < length else n_songs


def _n_recent(task: _Task, songs: Sequence[RankedSong]) -> int:
    return sum(1 for song in songs if task.predicted.candidates.recency[song.row] >= 1.0)


# --- A journey ------------------------------------------------------------------------------------------------------


def _journey(task: _Task) -> Composition:
    planned = _walk(task)
    placements = [] if planned is None else [_step(task, song, planned) for song in planned.songs]
    return Composition(
        placements=tuple(placements), note=_journey_note(task, planned), model_version=task.pool.model_version
    )


def _step(task: _Task, song: RankedSong, planned: Walk) -> Placement:
    return _placement(task, song, planned.targets[song.position - 1], planned)


def _walk(task: _Task) -> Walk | None:
    """Plan a journey through the songs near it and those that are fixed; None when there are no songs."""
    candidates, path = task.predicted.candidates, np.asarray(task.wish.path)
    drift = task.person.drift
    near = nearest_to_path(candidates, path, drift, JOURNEY_SONGS)
    rows = np.union1d(near, np.asarray(list(task.fixed.values()), np.int64))
    if not len(rows):
        return None
    planned = walk(
        candidates.take(rows),
        path,
        min(task.wish.length, len(rows)),
        weights=task.weights,
        mood=task.wish.mood,
        drift=drift,
        fixed={place: int(np.searchsorted(rows, row)) for place, row in task.fixed.items()},
        here=_here(task),
    )
    songs = tuple(replace(song, row=int(rows[song.row])) for song in planned.songs)
    return replace(planned, rows=rows[planned.rows], songs=songs)


def _here(task: _Task) -> Point | None:
    """Return what the listener just said that the last song played did to them."""
    if not task.fixed:
        return None
    last = int(task.pool.song_ids[task.fixed[max(task.fixed)]])
    return task.person.history.felt_lately.get(last)


def _journey_note(task: _Task, planned: Walk | None) -> str:
    wish = task.wish
    n_songs = 0 if planned is None else len(planned.rows)
    short = list_note(
        length=wish.length,
        n_tagged=_n_tagged(wish.filters, wish.length, n_songs),
        n_reachable=n_songs,
        filtered=wish.filters != NO_FILTERS,
        distances=[0.0] * n_songs,
        n_recent=0 if planned is None else _n_recent(task, planned.songs),
        what="journey",
    )
    if planned is None:
        return short
    return f"{short} {journey_note(planned.found, planned.quality, asked=wish.path, n_places=n_songs)}".strip()


# --- Reasons --------------------------------------------------------------------------------------------------------


def _placement(task: _Task, song: RankedSong, target: NDArray[np.float64], planned: Walk | None = None) -> Placement:
    candidates = task.predicted.candidates
    felt = candidates.felt[song.row] if planned is None else planned.points[song.position - 1]
    return Placement(
        position=song.position,
        song_id=song.song_id,
        reason=reason(_evidence(task, song, felt, planned)),
        felt=_pair(felt),
        perceived=_pair(task.pool.perceived[song.row]),
        target=_pair(target),
        terms={name: round(value, 4) for name, value in song.terms.as_dict().items()},
    )


def _evidence(task: _Task, song: RankedSong, felt: NDArray[np.float64], planned: Walk | None) -> Evidence:
    row, candidates = song.row, task.predicted.candidates
    own_liking = candidates.liking[row] - task.predicted.shared_liking[row]
    # What the mood is before a later song of a journey, nobody said.
    mood = _mood_of(task.wish) if planned is None or song.position == 1 else None
    return Evidence(
        quadrant=task.pool.quadrants[row],
        confidence=float(task.pool.confidence[row]),
        distance=song.distance,
        decided=song.decided,
        helped=frozenset(name for name, value in song.terms.as_dict().items() if value > 0),
        by_ratings=_pair(candidates.rated[row] - candidates.shared[row]),
        by_mood=_pair(felt - candidates.rated[row]),
        mood=mood,
        n_similar=int(task.predicted.felt.n_similar[row]),
        by_own_rating=bool(task.predicted.felt.by_own_rating[row]),
        told=task.person.history.told.get(song.song_id),
        likes_known=bool(own_liking >= 0.5 * candidates.liking[row]),
        recency=float(candidates.recency[row]),
        kept_apart=song.kept_apart,
        around=_around(task, row),
        alike=float(candidates.likeness[row]),
        stage=None if planned is None else _stage(song.position, planned),
    )


def _around(task: _Task, row: int) -> str:
    """Return the title of the song a list is around, when the two can be compared."""
    comparable = task.anchor is not None and task.anchor.is_comparable and bool(task.pool.embeddings[row].any())
    return task.anchor.title if task.anchor is not None and comparable else ""


def _stage(position: int, planned: Walk) -> Stage:
    path = planned.found.path
    return Stage(position, len(planned.targets), end=_pair(path[-1]), moves=path_length(path) > 0)


def _pair(point: NDArray[np.float64]) -> Point:
    return float(point[0]), float(point[1])
