"""A journey through a catalog: from start to end, round gaps without songs, and replanned from where it went.

The mood before a song is where the previous song led, so the same song has another effect early on a journey than
late. Only the mood before the first song is stated; from then on the targets of the places stand for it.

The score of a path is the sum of its songs' terms and of the costs between neighbours: a step longer than necessary, a
step back, an artist or album again, the same sound again. The search keeps, for every song at a place, the best path
that ends in it (Viterbi with a memory of the songs used), so a good beginning that leads nowhere is given up.
Afterwards a place changes its song as long as that improves the whole; in the end every song is the best for its place
given the others, so that a term that decided is a fact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catalog.core.charts import Point
from recommender.ranking.journey_path import (
    NEAR,
    PathQuality,
    Reach,
    directions,
    distances_to,
    path_from,
    path_quality,
    place_targets,
    reach,
    step_limit,
    way_round,
)
from recommender.ranking.lists import (
    EPSILON,
    SPACING_DECAY,
    TERM_ROW,
    Candidates,
    RankedSong,
    Weights,
    distances,
    terms_at,
    terms_of,
    what_decided,
)

# What a step costs for each unit of the plane that it is longer than it need be, and a step back for each unit.
STEP_WEIGHT = 1.0
BACK_WEIGHT = 2.0
# A step this long is small whatever the even step is.
FREE_STEP = 0.12
# The even step may be exceeded by this factor before it costs.
SLACK = 1.25
# An artist right after themselves: only when there is no other way.
SAME_ARTIST_COST = 100.0
# Songs looked at for a place, beside one for each other place whose target is so near that it wants the same songs.
BREADTH = 32
SAME_SONGS_DISTANCE = 0.3
# Further apart than this, songs no longer cost each other anything that counts: .8 ** 12 is .07.
SPACING_WINDOW = 12
POLISH_ROUNDS = 4


def plan(
    candidates: Candidates | Sequence[Candidates],
    targets: NDArray[np.float64],
    *,
    weights: Weights,
    fixed: Mapping[int, int] | None = None,
) -> list[RankedSong]:
    """Choose the songs of a journey.

    Args:
        candidates: `n` songs, at least as many as there are places; the order of rows does not matter. A sequence says
            for each place what the same songs are felt like there.
        targets: `(n_places, 2)`, where each place is to be; places count from 1.
        weights: what counts how much.
        fixed: places that are taken, each by the row of a candidate.

    Returns:
        A song for each free place, in order.

    Raises:
        ValueError: there are fewer songs than places.
    """
    places = [candidates] * len(targets) if isinstance(candidates, Candidates) else list(candidates)
    if not places:
        return []
    songs = places[0]
    if len(songs) < len(targets):
        raise ValueError(f"{len(songs)} songs cannot fill {len(targets)} places.")
    order = np.argsort(songs.song_ids, kind="stable")
    row_of = np.empty_like(order)
    row_of[order] = np.arange(len(order))
    taken = {position - 1: int(row_of[row]) for position, row in (fixed or {}).items() if position <= len(targets)}
    if (order != np.arange(len(order))).any():
        places = [place.take(order) for place in places]
    planner = _Planner(places, np.asarray(targets, np.float64), weights, taken)
    rows = planner.polish(planner.search())
    return [planner.ranked(rows, place, order) for place in range(len(targets)) if place not in taken]


class _Planner:
    """What a journey's songs score: alone at a place (`nodes`), and beside each other."""

    def __init__(
        self,
        places: Sequence[Candidates],
        targets: NDArray[np.float64],
        weights: Weights,
        taken: Mapping[int, int],
    ) -> None:
        self._candidates = candidates = places[0]
        self._felt = np.array([place.felt for place in places])
        self._targets = targets
        self._taken = taken
        self._ways = directions(targets)
        steps = np.hypot(*np.diff(targets, axis=0, prepend=targets[:1]).T)
        self._free_steps = np.maximum(SLACK * steps, FREE_STEP)
        self._terms = [terms_at(place, target, weights) for place, target in zip(places, targets, strict=True)]
        self._nodes = np.array([terms.sum(axis=0) for terms in self._terms])
        alike = np.maximum(candidates.embeddings @ candidates.embeddings.T, 0.0)
        same_album = (candidates.album_ids[:, None] == candidates.album_ids) & (candidates.album_ids > 0)
        self._same_artist = candidates.artist_ids[:, None] == candidates.artist_ids
        # What two songs cost each other next to each other; with every place between them it shrinks.
        self._pairs = {
            "diversity": -weights.diversity * alike,
            "artist": -weights.artist * self._same_artist,
            "album": -weights.album * same_album,
        }
        self._beside = self._pairs["diversity"] + self._pairs["artist"] + self._pairs["album"]
        self._choices = [self._choices_at(place) for place in range(len(targets))]

    def search(self) -> NDArray[np.int64]:
        """Return the rows `(n_places,)` of the best path found."""
        n_songs = len(self._candidates)
        rows = self._choices[0]
        scores = self._nodes[0, rows]
        used = np.zeros((len(rows), n_songs), bool)
        used[np.arange(len(rows)), rows] = True
        heat = self._beside[rows]
        history = rows[:, None]
        for place in range(1, len(self._targets)):
            choices = self._choices[place]
            if used[:, choices].all():
                # Earlier places took all of them, on every path; whatever is left must do.
                choices = np.setdiff1d(np.flatnonzero(~used.all(axis=0)), list(self._taken.values()))
            reached = scores[:, None] + self._between(place, rows, choices) + heat[:, choices]
            reached = np.where(used[:, choices], -np.inf, reached)
            best = reached.argmax(axis=0)
            scores = reached[best, np.arange(len(choices))] + self._nodes[place, choices]
            alive = np.flatnonzero(np.isfinite(scores))
            best, rows, scores = best[alive], choices[alive], scores[alive]
            used = used[best]
            used[np.arange(len(rows)), rows] = True
            heat = SPACING_DECAY * heat[best] + self._beside[rows]
            history = np.column_stack([history[best], rows])
        return np.asarray(history[int(np.argmax(scores))], np.int64)

    def polish(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give each free place the best song for its neighbours, until nothing changes."""
        rows = rows.copy()
        for _ in range(POLISH_ROUNDS):
            before = rows.copy()
            for place in range(len(rows)):
                if place not in self._taken:
                    self._improve(rows, place)
            if (rows == before).all():
                break
        return rows

    def ranked(self, rows: NDArray[np.int64], place: int, order: NDArray[np.int64]) -> RankedSong:
        """Return the song at a place with its terms, given the others; `order` leads to the caller's rows."""
        terms = self._terms_beside(rows, place)
        allowed, apart = self._allowed(rows, place)
        row = int(rows[place])
        scores = np.where(allowed, terms.sum(axis=0), -np.inf)
        return RankedSong(
            position=place + 1,
            row=int(order[row]),
            song_id=int(self._candidates.song_ids[row]),
            terms=terms_of(terms, row),
            distance=float(distances(self._felt[place, row][None], self._targets[place])[0]),
            kept_apart=bool(apart[row]) and bool(scores.max() > scores[row] + EPSILON),
            decided=what_decided(terms, apart if apart[row] else allowed, row),
        )

    def _improve(self, rows: NDArray[np.int64], place: int) -> None:
        scores = self._terms_beside(rows, place).sum(axis=0)
        allowed, apart = self._allowed(rows, place)
        choices = apart if apart.any() else allowed
        best = int(np.argmax(np.where(choices, scores, -np.inf)))
        if not choices[rows[place]] or scores[best] > scores[rows[place]] + EPSILON:
            rows[place] = best

    def _choices_at(self, place: int) -> NDArray[np.int64]:
        """Return the songs worth looking at for a place, the best first."""
        if place in self._taken:
            return np.array([self._taken[place]])
        nodes = self._nodes[place].copy()
        nodes[list(self._taken.values())] = -np.inf
        rivals = distances(self._targets, self._targets[place]) <= SAME_SONGS_DISTANCE
        breadth = BREADTH + int(rivals.sum())
        n_free = len(nodes) - len(set(self._taken.values()))
        best = np.argsort(-nodes, kind="stable")[: min(breadth, n_free)]
        return np.asarray(best, np.int64)

    def _between(self, place: int, rows: NDArray[np.int64], choices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what the steps `(len(rows), len(choices))` into a place cost, and the same artist again."""
        offset = self._felt[place, choices][None] - self._felt[place - 1, rows][:, None]
        cost = STEP_WEIGHT * self._excess(place, offset) + BACK_WEIGHT * self._back(place, offset)
        return np.asarray(-cost - SAME_ARTIST_COST * self._same_artist[np.ix_(rows, choices)])

    def _excess(self, place: int, offset: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.maximum(np.hypot(offset[..., 0], offset[..., 1]) - self._free_steps[place], 0.0))

    def _back(self, place: int, offset: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.maximum(-(offset @ self._ways[place]), 0.0))

    def _terms_beside(self, rows: NDArray[np.int64], place: int) -> NDArray[np.float64]:
        """Return all terms `(n_terms, n)` of every song at a place, given the songs at the other places."""
        terms = self._terms[place].copy()
        window = np.arange(max(place - SPACING_WINDOW, 0), min(place + SPACING_WINDOW + 1, len(rows)))
        shares = np.where(window == place, 0.0, SPACING_DECAY ** (np.abs(window - place) - 1.0))
        for name, pairs in self._pairs.items():
            terms[TERM_ROW[name]] = shares @ pairs[rows[window]]
        for neighbour, into in ((place - 1, place), (place + 1, place + 1)):
            if 0 <= neighbour < len(rows):
                offset = self._felt[place] - self._felt[neighbour, rows[neighbour]]
                offset = offset if neighbour < place else -offset
                terms[TERM_ROW["step"]] -= STEP_WEIGHT * self._excess(into, offset)
                terms[TERM_ROW["progress"]] -= BACK_WEIGHT * self._back(into, offset)
        return terms

    def _allowed(self, rows: NDArray[np.int64], place: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which songs might have a place: all that are not elsewhere, and those that keep artists apart."""
        allowed = np.ones(len(self._candidates), bool)
        allowed[rows] = False
        allowed[list(self._taken.values())] = False
        allowed[rows[place]] = True
        apart = allowed.copy()
        for neighbour in (place - 1, place + 1):
            if 0 <= neighbour < len(rows):
                apart &= ~self._same_artist[rows[neighbour]]
        return allowed, apart


# Points of a path around which songs are looked for.
_PARTS = 25


@dataclass(frozen=True, slots=True)
class Drift:
    """How the mood before moves the felt point: by `felt` `(2, 2)` times the mood less the `typical` one.

    `drawn` is the same of a draw from the listener's model.
    """

    felt: NDArray[np.float64]
    drawn: NDArray[np.float64]
    typical: Point

    @classmethod
    def none(cls) -> Drift:
        """Return the drift of a listener whose mood moves nothing."""
        return cls(np.zeros((2, 2)), np.zeros((2, 2)), (0.0, 0.0))

    def in_mood(self, candidates: Candidates, mood: NDArray[np.float64] | Point) -> Candidates:
        """Return candidates, predicted without a mood, as they are felt in one."""
        off = np.asarray(mood) - self.typical
        return replace(
            candidates,
            felt=np.clip(candidates.rated + self.felt @ off, -1.0, 1.0),
            drawn=np.clip(candidates.drawn + self.drawn @ off, -1.0, 1.0),
        )

    def settled(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the felt points `(n, 2)` for a listener whose mood is already where each song leads."""
        pull = np.eye(2) - self.felt
        if np.linalg.eigvals(self.felt).real.max() >= 1.0:
            return points  # A mood that only ever grows leads nowhere in particular.
        return np.clip(np.linalg.solve(pull, (points - self.felt @ np.asarray(self.typical)).T).T, -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Walk:
    """A planned journey, fixed places included.

    `found` is the path it follows; `targets` and `points` `(n_places, 2)` are where each place was to be and what its
    song is predicted to be felt like there; `rows` `(n_places,)` are the songs; `songs` those of the free places.
    """

    found: Reach
    targets: NDArray[np.float64]
    points: NDArray[np.float64]
    rows: NDArray[np.int64]
    songs: tuple[RankedSong, ...]

    @property
    def quality(self) -> PathQuality:
        """How the songs follow the path."""
        return path_quality(self.points, self.found.path)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a journey is planned for."""

    candidates: Candidates
    path: NDArray[np.float64]
    n_places: int
    mood: Point
    weights: Weights
    drift: Drift


def walk(
    candidates: Candidates,
    path: NDArray[np.float64],
    n_places: int,
    *,
    weights: Weights,
    mood: Point | None = None,
    drift: Drift | None = None,
    fixed: Mapping[int, int] | None = None,
    here: Point | None = None,
) -> Walk:
    """Plan a journey; with fixed places, its rest from the last of them, unless they are as planned.

    Args:
        candidates: `n` songs, `n >= n_places >= 1`, predicted without a mood.
        path: `(m, 2)`, m >= 2, from where the listener is to where they want to be.
        n_places: songs in the journey.
        weights: what counts how much.
        mood: how the listener feels before the first song; None for where the path starts.
        drift: how moods move felt points; None for not at all.
        fixed: places that are taken, each by the row of a candidate.
        here: the listener's rating of the last fixed song; None when there is none and the prediction counts.
    """
    path = np.asarray(path, np.float64)
    start = mood or (float(path[0, 0]), float(path[0, 1]))
    asked = _Asked(candidates, path, n_places, start, weights, drift or Drift.none())
    fresh = _fresh(asked)
    taken = {place: row for place, row in (fixed or {}).items() if place <= n_places}
    as_planned = all(int(fresh.rows[place - 1]) == row for place, row in taken.items())
    if not taken or (as_planned and here is None):
        return replace(fresh, songs=tuple(song for song in fresh.songs if song.position not in taken))
    return _onward(asked, fresh, taken, here)


def nearest_to_path(candidates: Candidates, path: NDArray[np.float64], drift: Drift, k: int) -> NDArray[np.int64]:
    """Return the rows, ascending, of the `k` songs that come first for some part of a path, every part alike."""
    if len(candidates) <= k:
        return np.arange(len(candidates))
    points = drift.settled(candidates.rated)
    away = np.array([distances_to(points, part) for part in place_targets(path, _PARTS)])
    rank_for_part = away.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.sort(np.argsort(rank_for_part.min(axis=0), kind="stable")[:k])


def _fresh(asked: _Asked) -> Walk:
    """Plan a journey as if nothing had been played, round a gap if songs lead round it."""
    settled = asked.drift.settled(asked.candidates.rated)
    arriving = place_targets(asked.path, asked.n_places + 1)[-2]
    at_start, at_end = (asked.drift.in_mood(asked.candidates, mood).felt for mood in (asked.mood, arriving))
    found = reach(at_start, at_end, settled, asked.path)
    straight = _planned(asked, found, place_targets(found.path, asked.n_places), {})
    gap, limit = straight.quality.largest_step, step_limit(found.path, asked.n_places)
    hole = _hole(asked, straight.targets)
    if gap <= limit and hole <= NEAR:
        return straight
    found = replace(found, gap=gap, hole=hole)
    other = way_round(settled, found, limit)
    around = _planned(asked, other, place_targets(other.path, asked.n_places), {})
    return around if around.quality.largest_step <= max(gap, limit) else replace(straight, found=found)


def _onward(asked: _Asked, fresh: Walk, taken: Mapping[int, int], here: Point | None) -> Walk:
    """Plan the rest of a journey from where its last song left the listener."""
    last = max(taken)
    if here is None:
        before = _moods(asked, fresh.targets)[last - 1]
        felt = asked.drift.in_mood(asked.candidates, before).felt[taken[last]]
        here = (float(felt[0]), float(felt[1]))
    targets = fresh.targets.copy()
    targets[last - 1] = here
    ahead = path_from(here, fresh.found.path, (last - 1) / max(asked.n_places - 1, 1))
    targets[last:] = place_targets(ahead, asked.n_places - last + 1)[1:]
    return _planned(asked, fresh.found, targets, taken)


def _planned(asked: _Asked, found: Reach, targets: NDArray[np.float64], fixed: Mapping[int, int]) -> Walk:
    felt_at = [asked.drift.in_mood(asked.candidates, mood) for mood in _moods(asked, targets)]
    songs = plan(felt_at, targets, weights=asked.weights, fixed=fixed)
    chosen = {**{song.position: song.row for song in songs}, **fixed}
    rows = np.asarray([chosen[place] for place in range(1, len(targets) + 1)], np.int64)
    points = np.asarray([each.felt[row] for each, row in zip(felt_at, rows, strict=True)])
    return Walk(found, targets, points, rows, tuple(songs))


def _moods(asked: _Asked, targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mood before each place: the stated one, then the target of the place before."""
    return np.vstack([np.asarray(asked.mood)[None], targets[:-1]])


def _hole(asked: _Asked, targets: NDArray[np.float64]) -> float:
    """Return how far the target that is furthest from all songs is from the nearest one."""
    moods = _moods(asked, targets)
    felt = (asked.drift.in_mood(asked.candidates, mood).felt for mood in moods)
    return max(float(distances_to(points, target).min()) for points, target in zip(felt, targets, strict=True))
