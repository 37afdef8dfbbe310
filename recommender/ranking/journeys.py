"""Journeys on the plane: presets, targets and quality of paths, and the search for songs, round gaps and replanned.

The iso principle: begin where the listener is, and go to where they want to be in small steps that do not turn back.
What is aimed at, measured, shown and said is one quantity: what each song is to this listener in a typical mood. The
mood before a later song would be a forecast of what the journey itself does, so it moves nothing here.

A journey ends with a song of the quadrant in which it is to end, whenever there is one.

The score of a path is the sum of its songs' terms and of the costs between neighbours: a step longer than necessary, a
step back, an artist or album again, the same sound again. The search keeps, for every song at a place, the best path
that ends in it (Viterbi with a memory of the songs used). Afterwards a place changes its song as long as that improves
the whole; in the end every song is the best for its place given the others, so that a term that decided is a fact.

Source: Altshuler (1948), A psychiatrist's experience with music as a therapeutic agent; Starcke, Mayr and von Georgi
(2021), Emotion modulation through music after sadness induction: the iso principle in a controlled experimental study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from catalog.core.charts import Point
from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, pgettext, pgettext_noop
from emotion.inference.quadrants import Quadrant
from recommender.arrays import Bools, Floats, Ints
from recommender.ranking.lists import (
    EPSILON,
    SPACING_DECAY,
    TERM_ROW,
    Candidates,
    RankedSong,
    Terms,
    Weights,
    distances,
    lies_in,
    terms_at,
    what_decided,
)

# A song this close to a point stands for it: a fifth of the pad's width.
NEAR = 0.4
# A step no longer than this is small, whatever the request: about a sixth of the pad's width.
SMALL_STEP = 0.35
# A point closer to the middle of the plane than this is of no quadrant in particular.
NEUTRAL_DISTANCE = 0.15
# A step may be this many times the even one before it is called a gap.
UNEVEN = 1.5
# A step against the way that is shorter than this is not felt as one.
BACK_TOLERANCE = 0.02
MAX_PLACES = 100


@dataclass(frozen=True, slots=True)
class Preset:
    """A journey with a name. `end` None stays where it starts; `variety` None leaves it to the listener."""

    key: str
    name_message: str
    description_message: str
    end: Point | None
    variety: float | None = None

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return pgettext("journey", self.name_message)

    @property
    def description(self) -> str:
        """A sentence on what it does."""
        return _(self.description_message)

    def path(self, start: Point) -> tuple[Point, ...]:
        """Return the path from where the listener is."""
        return (start, start if self.end is None else self.end)


PRESETS: dict[str, Preset] = {
    preset.key: preset
    for preset in (
        Preset("match", pgettext_noop("journey", "Match"), gettext_noop("Stay with how you feel now."), end=None),
        Preset(
            "lift",
            pgettext_noop("journey", "Lift"),
            gettext_noop("From how you feel now to happy and energetic."),
            end=Quadrant.Q1.target,
        ),
        Preset(
            "calm",
            pgettext_noop("journey", "Calm"),
            gettext_noop("From how you feel now to calm and content."),
            end=Quadrant.Q4.target,
        ),
        Preset(
            "focus",
            pgettext_noop("journey", "Focus"),
            gettext_noop("To an even, slightly pleasant mood, with few surprises."),
            end=(0.3, -0.15),
            variety=0.1,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class PathQuality:
    """How well a list of songs follows a path; distances on a plane 2 wide and 2 high.

    `largest_step` and `mean_step` from song to song; `monotone_share` of the steps that do not go back along the path,
    1 when there are none; `departure` is the distance of the first song to the start, `arrival` of the last to the end.
    """

    largest_step: float
    mean_step: float
    monotone_share: float
    departure: float
    arrival: float


def path_length(path: Floats) -> float:
    """Return the length of a path `(m, 2)`."""
    return float(_norms(np.diff(path, axis=0)).sum())


def place_targets(path: Sequence[Point] | Floats, n_places: int) -> Floats:
    """Return points `(n_places, 2)` at equal distances along a path, the first at its start and the last at its end.

    Args:
        path: `(m, 2)`, m >= 1; a single point, or a path that does not move, gives that point for every place.
        n_places: 1 gives the end.
    """
    corners = np.asarray(path, np.float64).reshape(-1, 2)
    along = np.concatenate([[0.0], np.cumsum(_norms(np.diff(corners, axis=0)))])
    if n_places <= 1 or along[-1] == 0.0:
        return np.repeat(corners[-1:], max(n_places, 0), axis=0)
    wanted = np.linspace(0.0, along[-1], n_places)
    return np.column_stack([np.interp(wanted, along, corners[:, axis]) for axis in (0, 1)])


def directions(targets: Floats) -> Floats:
    """Return the way `(n, 2)` into each place, of length 1; 0 for the first place and where the path stands still."""
    steps = np.diff(targets, axis=0, prepend=targets[:1])
    lengths = _norms(steps)[:, None]
    return np.divide(steps, lengths, out=np.zeros_like(steps), where=lengths > 0)


def path_quality(points: Floats, path: Sequence[Point] | Floats) -> PathQuality:
    """Measure how songs, felt at `points` `(n, 2)`, follow a path `(m, 2)`.

    Raises:
        ValueError: there are no songs.
    """
    if len(points) == 0:
        raise ValueError("A path without songs has no quality.")
    corners = np.asarray(path, np.float64).reshape(-1, 2)
    steps = np.diff(np.asarray(points, np.float64), axis=0)
    lengths = _norms(steps)
    forward = np.einsum("ij,ij->i", steps, directions(place_targets(corners, len(points)))[1:])
    return PathQuality(
        largest_step=float(lengths.max(initial=0.0)),
        mean_step=float(lengths.mean()) if len(lengths) else 0.0,
        monotone_share=float((forward >= -BACK_TOLERANCE).mean()) if len(forward) else 1.0,
        departure=float(_norms(points[:1] - corners[0])[0]),
        arrival=float(_norms(points[-1:] - corners[-1])[0]),
    )


def step_limit(path: Floats, n_places: int) -> float:
    """Return the longest step that is no gap, for so many songs on a path."""
    even = path_length(path) / max(n_places - 1, 1)
    return max(SMALL_STEP, UNEVEN * even)


def places_needed(path: Floats) -> int:
    """Return how many songs make the even step half of `SMALL_STEP`, at most `MAX_PLACES`."""
    return min(MAX_PLACES, int(np.ceil(path_length(path) / (0.5 * SMALL_STEP))) + 1)


def path_from(point: Point, path: Floats, walked: float) -> Floats:
    """Return the rest of a path `(m, 2)`, of which the share `walked` is done: a point, the corners ahead, the end."""
    along = np.concatenate([[0.0], np.cumsum(_norms(np.diff(path, axis=0)))])
    ahead = path[1:-1][along[1:-1] > walked * along[-1]]
    return np.vstack([np.asarray(point, np.float64)[None], ahead, path[-1:]])


def end_quadrant(end: Point) -> Quadrant | None:
    """Return the quadrant in which a journey is to end; None when its end is in the middle of the plane."""
    return None if max(map(abs, end)) < NEUTRAL_DISTANCE else Quadrant.from_valence_arousal(*end)


@dataclass(frozen=True, slots=True)
class Reach:
    """A path that a catalog can follow, and how it differs from the requested one.

    `path` `(m, 2)`; `from_start` and `from_end` are how far it begins and ends from the request, 0 where it does not
    differ; `quadrant` is that of the requested end; `gap` is the step on the straight way that was too long, and `hole`
    how far the emptiest part of that way is from any song, both 0 when the way was good; `via` is where a detour leads,
    None when there is none; `needed` is how many songs a way in small steps has, 0 when it was not looked for or there
    is none.
    """

    path: Floats
    from_start: float = 0.0
    from_end: float = 0.0
    quadrant: Quadrant | None = None
    gap: float = 0.0
    hole: float = 0.0
    via: Point | None = None
    needed: int = 0


def reach(points: Floats, path: Floats) -> Reach:
    """Move an end of a path to the nearest song where there is no song near it.

    Args:
        points: `(n, 2)`, n >= 1, where the songs are felt.
        path: `(m, 2)`, m >= 2. Its end moves to a song of the same quadrant if there is one.
    """
    start, away = _nearest(points, path[0])
    from_start = away if away > NEAR else 0.0
    start = start if from_start else path[:1]
    quadrant = end_quadrant((float(path[-1, 0]), float(path[-1, 1])))
    may_end = may_be_last(points, quadrant)
    end, away = _nearest(points[may_end], path[-1])
    from_end = away if away > NEAR else 0.0
    end = end if from_end else path[-1:]
    return Reach(np.vstack([start, path[1:-1], end]), from_start, from_end, quadrant)


def may_be_last(points: Floats, quadrant: Quadrant | None) -> Bools:
    """Return the songs, felt at points `(n, 2)`, with which a journey may end: those of a quadrant, all without any."""
    inside = np.ones(len(points), bool) if quadrant is None else lies_in(points, quadrant)
    return inside if inside.any() else np.ones(len(points), bool)


def _nearest(points: Floats, corner: Floats) -> tuple[Floats, float]:
    away = _norms(points - corner)
    nearest = int(np.argmin(away))
    return points[nearest : nearest + 1], float(away[nearest])


def way_round(points: Floats, wanted: Reach, limit: float) -> Reach:
    """Find the path nearest to the wanted one on which each song, of `points` `(n, 2)`, is a step within a limit away.

    A chain of songs from corner to corner becomes a detour. Where there is no chain, the path stays as it is.
    """
    songs = cKDTree(points)
    steps = songs.sparse_distance_matrix(songs, limit)
    last, may_end = len(wanted.path) - 1, np.flatnonzero(may_be_last(points, wanted.quadrant))
    here, way, needed = _by_distance(points, wanted.path[0])[:1], [wanted.path[:1]], 1
    for place, corner in enumerate(wanted.path[1:], 1):
        goals = _by_distance(points, corner)
        is_region = place == last and wanted.quadrant is not None
        chain = _chain(steps, int(here[0]), goals[np.isin(goals, may_end)] if is_region else goals[:1])
        if not len(chain):
            return wanted
        needed += len(chain) - 1
        here = chain[-1:]
        is_near = _norms(points[here] - corner)[0] <= NEAR
        way += [points[chain[1:-1]], corner[None] if is_near else points[here]]
    path = np.vstack(way)
    return replace(wanted, path=path, via=_furthest(path, wanted.path), needed=needed)


def _by_distance(points: Floats, corner: Floats) -> Ints:
    return np.argsort(_norms(points - corner), kind="stable")


def _chain(steps: Any, start: int, goals: Ints) -> Ints:
    """Return the shortest chain of steps from a song to the first goal that is reached; empty if none is."""
    cost, before = dijkstra(steps, indices=start, return_predecessors=True)
    reached = goals[np.isfinite(cost[goals])]
    if not len(reached):
        return reached
    chain = [int(reached[0])]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return np.asarray(chain[::-1], np.int64)


def _furthest(way: Floats, path: Floats) -> Point:
    """Return the point of a detour that is furthest from the path it replaces."""
    along = place_targets(path, MAX_PLACES)
    away = [float(_norms(along - point).min()) for point in way]
    point = way[int(np.argmax(away))]
    return float(point[0]), float(point[1])


def _norms(offsets: Floats) -> Floats:
    return np.asarray(np.hypot(offsets[:, 0], offsets[:, 1]))


# What a step costs for each unit of the plane that it is longer than it need be, and a step back for each unit.
STEP_WEIGHT = 1.0
BACK_WEIGHT = 2.0
# What a step that is not small costs besides, for each unit beyond, and a step back that is felt as one.
HARD_WEIGHT = 50.0
# A step this long is small whatever the even step is.
FREE_STEP = 0.12
# The even step may be exceeded by this factor before it costs.
SLACK = 1.25
# An artist right after themselves: only when there is no other way.
SAME_ARTIST_COST = 100.0
# Songs looked at for a place, plus one for each other place whose target is so near that it wants the same songs.
BREADTH = 32
SAME_SONGS_DISTANCE = 0.3
# Further apart than this, songs no longer cost each other anything that counts: .8 ** 12 is .07.
SPACING_WINDOW = 12
POLISH_ROUNDS = 4


def plan(
    candidates: Candidates,
    targets: Floats,
    *,
    weights: Weights,
    fixed: Mapping[int, int] | None = None,
    end: Quadrant | None = None,
) -> list[RankedSong]:
    """Choose the songs of a journey.

    Args:
        candidates: `n` songs, at least as many as there are places; the order of rows does not matter.
        targets: `(n_places, 2)`, where each place is to be; places count from 1.
        weights: what counts how much.
        fixed: places that are taken, each by the row of a candidate.
        end: the quadrant in which the last song is to be felt, if any is.

    Returns:
        A song for each free place, in order.

    Raises:
        ValueError: there are fewer songs than places.
    """
    if not len(targets):
        return []
    if len(candidates) < len(targets):
        raise ValueError(f"{len(candidates)} songs cannot fill {len(targets)} places.")
    order = np.argsort(candidates.song_ids, kind="stable")
    row_of = np.empty_like(order)
    row_of[order] = np.arange(len(order))
    taken = {position - 1: int(row_of[row]) for position, row in (fixed or {}).items() if position <= len(targets)}
    planner = Planner(candidates.take(order), np.asarray(targets, np.float64), weights, taken, end)
    rows = planner.polish(planner.search())
    return [planner.ranked(rows, place, order) for place in range(len(targets)) if place not in taken]


class Planner:
    """What a journey's songs score: alone at a place, and next to each other. Places count from 0."""

    def __init__(
        self, candidates: Candidates, targets: Floats, weights: Weights, taken: Mapping[int, int], end: Quadrant | None
    ) -> None:
        self._candidates = candidates
        self._felt = candidates.felt
        self._targets = targets
        self._taken = taken
        self._ways = directions(targets)
        steps = np.hypot(*np.diff(targets, axis=0, prepend=targets[:1]).T)
        self._free_steps = np.maximum(SLACK * steps, FREE_STEP)
        self._small_steps = np.maximum(UNEVEN * steps, SMALL_STEP)
        self._terms = [terms_at(candidates, target, weights) for target in targets]
        self._nodes = np.array([terms.sum(axis=0) for terms in self._terms])
        free = np.ones(len(candidates), bool)
        free[list(taken.values())] = False
        self._may_end = free & may_be_last(candidates.felt, end)
        self._may_end = self._may_end if self._may_end.any() else free
        self._may_start = free & (distances(candidates.felt, targets[0]) <= NEAR)
        self._may_start = self._may_start if self._may_start.any() else free
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

    def search(self) -> Ints:
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
            is_out = used[:, choices] | self._too_early(place, used, choices)
            if is_out.all():
                # Earlier places took all of them, on every path; whatever is left must do.
                choices = np.setdiff1d(np.flatnonzero(~used.all(axis=0)), list(self._taken.values()))
                is_out = used[:, choices] | self._too_early(place, used, choices)
            reached = scores[:, None] + self._between(place, rows, choices) + heat[:, choices]
            reached = np.where(is_out, -np.inf, reached)
            best = reached.argmax(axis=0)
            scores = reached[best, np.arange(len(choices))] + self._nodes[place, choices]
            alive = np.flatnonzero(np.isfinite(scores))
            best, rows, scores = best[alive], choices[alive], scores[alive]
            used = used[best]
            used[np.arange(len(rows)), rows] = True
            heat = SPACING_DECAY * heat[best] + self._beside[rows]
            history = np.column_stack([history[best], rows])
        return np.asarray(history[int(np.argmax(scores))], np.int64)

    def polish(self, rows: Ints) -> Ints:
        """Give each free place the best song for its neighbours, until nothing changes."""
        rows = rows.copy()
        for _round in range(POLISH_ROUNDS):
            before = rows.copy()
            for place in range(len(rows)):
                if place in self._taken:
                    continue
                scores = self.terms_beside(rows, place).sum(axis=0)
                allowed, apart = self.allowed(rows, place)
                choices = apart if apart.any() else allowed
                best = int(np.argmax(np.where(choices, scores, -np.inf)))
                if not choices[rows[place]] or scores[best] > scores[rows[place]] + EPSILON:
                    rows[place] = best
            if (rows == before).all():
                break
        return rows

    def ranked(self, rows: Ints, place: int, order: Ints) -> RankedSong:
        """Return the song at a place with its terms, given the others; `order` leads to the caller's rows."""
        terms = self.terms_beside(rows, place)
        allowed, apart = self.allowed(rows, place)
        row = int(rows[place])
        scores = np.where(allowed, terms.sum(axis=0), -np.inf)
        return RankedSong(
            position=place + 1,
            row=int(order[row]),
            song_id=int(self._candidates.song_ids[row]),
            terms=Terms(*terms[:, row].tolist()),
            distance=float(distances(self._felt[row][None], self._targets[place])[0]),
            kept_apart=bool(apart[row]) and bool(scores.max() > scores[row] + EPSILON),
            decided=what_decided(terms, apart if apart[row] else allowed, row),
        )

    def _choices_at(self, place: int) -> Ints:
        """Return the songs worth looking at for a place, the best first."""
        if place in self._taken:
            return np.array([self._taken[place]])
        nodes = self._nodes[place].copy()
        nodes[~self._fitting(place)] = nodes[list(self._taken.values())] = -np.inf
        rivals = distances(self._targets, self._targets[place]) <= SAME_SONGS_DISTANCE
        breadth = BREADTH + int(rivals.sum())
        best = np.argsort(-nodes, kind="stable")[: min(breadth, int(np.isfinite(nodes).sum()))]
        return np.asarray(best, np.int64)

    def _fitting(self, place: int) -> Bools:
        """Return the songs with which a journey may begin or end; anywhere else, all."""
        if place == len(self._targets) - 1:
            return self._may_end
        return np.ones(len(self._candidates), bool) if place else self._may_start

    def _too_early(self, place: int, used: Bools, choices: Ints) -> Bools:
        """Return which choices `(n_paths, n_choices)` would leave nothing to end with."""
        last = len(self._targets) - 1
        if place == last or last in self._taken:
            return np.zeros((len(used), len(choices)), bool)
        n_left = (~used[:, self._may_end]).sum(axis=1)
        return np.asarray((n_left <= 1)[:, None] & self._may_end[choices])

    def _between(self, place: int, rows: Ints, choices: Ints) -> Floats:
        """Return what the steps `(len(rows), len(choices))` into a place cost, and the same artist again."""
        offset = self._felt[choices][None] - self._felt[rows][:, None]
        leap, back = self._costs(place, offset)
        return np.asarray(-(leap + back) - SAME_ARTIST_COST * self._same_artist[np.ix_(rows, choices)])

    def _costs(self, place: int, offset: Floats) -> tuple[Floats, Floats]:
        """Return what steps into a place cost for being longer than need be, and for leading back."""
        length, back = np.hypot(offset[..., 0], offset[..., 1]), -(offset @ self._ways[place])
        leap = STEP_WEIGHT * np.maximum(length - self._free_steps[place], 0.0)
        leap += HARD_WEIGHT * np.maximum(length - self._small_steps[place], 0.0)
        turn = BACK_WEIGHT * np.maximum(back, 0.0) + HARD_WEIGHT * np.maximum(back - BACK_TOLERANCE, 0.0)
        return leap, turn

    def terms_beside(self, rows: Ints, place: int) -> Floats:
        """Return all terms `(n_terms, n)` of every song at a place, given the songs at the other places."""
        terms = self._terms[place].copy()
        window = np.arange(max(place - SPACING_WINDOW, 0), min(place + SPACING_WINDOW + 1, len(rows)))
        shares = np.where(window == place, 0.0, SPACING_DECAY ** (np.abs(window - place) - 1.0))
        for name, pairs in self._pairs.items():
            terms[TERM_ROW[name]] = shares @ pairs[rows[window]]
        for neighbour, into in ((place - 1, place), (place + 1, place + 1)):
            if 0 <= neighbour < len(rows):
                offset = self._felt - self._felt[rows[neighbour]]
                leap, back = self._costs(into, offset if neighbour < place else -offset)
                terms[TERM_ROW["step"]] -= leap
                terms[TERM_ROW["progress"]] -= back
        return terms

    def allowed(self, rows: Ints, place: int) -> tuple[Bools, Bools]:
        """Return which songs might have a place: all that are not elsewhere, and those that keep artists apart."""
        allowed = self._fitting(place).copy()
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
class Walk:
    """A planned journey, fixed places included.

    `found` is the path it follows; `targets` and `points` `(n_places, 2)` are where each place was to be and what its
    song is predicted to be felt like; `rows` `(n_places,)` are the songs; `songs` those of the free places.
    """

    found: Reach
    targets: Floats
    points: Floats
    rows: Ints
    songs: tuple[RankedSong, ...]

    @property
    def quality(self) -> PathQuality:
        """How the songs follow the path."""
        return path_quality(self.points, self.found.path)


def walk(
    candidates: Candidates,
    path: Floats,
    n_places: int,
    *,
    weights: Weights,
    fixed: Mapping[int, int] | None = None,
    here: Point | None = None,
) -> Walk:
    """Plan a journey; with fixed places, its rest from the last of them, unless they are as planned.

    Args:
        candidates: `n` songs, `n >= n_places >= 1`.
        path: `(m, 2)`, m >= 2, from where the listener is to where they want to be.
        n_places: songs in the journey.
        weights: what counts how much.
        fixed: places that are taken, each by the row of a candidate.
        here: the listener's rating of the last fixed song; None when there is none and the prediction counts.
    """
    path = np.asarray(path, np.float64)
    fresh = _fresh(candidates, path, n_places, weights)
    taken = {place: row for place, row in (fixed or {}).items() if place <= n_places}
    as_planned = all(int(fresh.rows[place - 1]) == row for place, row in taken.items())
    if not taken or (as_planned and here is None):
        return replace(fresh, songs=tuple(song for song in fresh.songs if song.position not in taken))
    # From where the last song left the listener.
    last = max(taken)
    targets = fresh.targets.copy()
    targets[last - 1] = candidates.felt[taken[last]] if here is None else here
    ahead = path_from(targets[last - 1], fresh.found.path, (last - 1) / max(n_places - 1, 1))
    targets[last:] = place_targets(ahead, n_places - last + 1)[1:]
    return _planned(candidates, fresh.found, targets, weights, taken)


def nearest_to_path(candidates: Candidates, path: Floats, k: int) -> Ints:
    """Return the rows, ascending, of the `k` songs that come first for some part of a path, every part alike.

    Some of the quadrant in which the path ends are always among them.
    """
    if len(candidates) <= k:
        return np.arange(len(candidates))
    parts = place_targets(path, _PARTS)
    away = np.array([_norms(candidates.felt - part) for part in parts])
    may_end = may_be_last(candidates.felt, end_quadrant((float(parts[-1, 0]), float(parts[-1, 1]))))
    away = np.vstack([away, np.where(may_end, away[-1], np.inf)])
    rank_for_part = away.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.sort(np.argsort(rank_for_part.min(axis=0), kind="stable")[:k])


def _fresh(candidates: Candidates, path: Floats, n_places: int, weights: Weights) -> Walk:
    """Plan a journey as if nothing had been played, round a gap if songs lead round it."""
    reached = reach(candidates.felt, path)
    straight = _planned(candidates, reached, place_targets(reached.path, n_places), weights, {})
    gap, limit = straight.quality.largest_step, step_limit(reached.path, n_places)
    # How far the target that is furthest from all songs is from the nearest one.
    hole = max(float(_norms(candidates.felt - target).min()) for target in straight.targets)
    if gap <= limit and hole <= NEAR:
        return straight
    reached = replace(reached, gap=gap, hole=hole)
    other = way_round(candidates.felt, reached, limit)
    around = _planned(candidates, other, place_targets(other.path, n_places), weights, {})
    if around.quality.largest_step <= max(limit, gap - BACK_TOLERANCE):
        return around
    return replace(straight, found=replace(reached, needed=other.needed))


def _planned(candidates: Candidates, found: Reach, targets: Floats, weights: Weights, fixed: Mapping[int, int]) -> Walk:
    songs = plan(candidates, targets, weights=weights, fixed=fixed, end=found.quadrant)
    chosen = {**{song.position: song.row for song in songs}, **fixed}
    rows = np.asarray([chosen[place] for place in range(1, len(targets) + 1)], np.int64)
    return Walk(found, targets, candidates.felt[rows], rows, tuple(songs))
