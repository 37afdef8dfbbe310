"""Journeys on the plane: presets, targets and quality of paths, and the search for songs, round gaps and replanned.

The iso principle: begin where the listener is, and go to where they want to be in small steps that do not turn back.
The mood before a song is where the previous song led, so the same song has another effect early on a journey than
late. Only the mood before the first song is stated; from then on the targets of the places stand for it.

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
    terms_at,
    what_decided,
)

# A song this close to a point stands for it: a fifth of the pad's width.
NEAR = 0.4
# A step no longer than this is small, whatever the request: a quarter of the pad's width.
SMALL_STEP = 0.5
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


@dataclass(frozen=True, slots=True)
class Reach:
    """A path that a catalog can follow, and how it differs from the requested one.

    `path` `(m, 2)`; `from_start` and `from_end` are how far it begins and ends from the request, 0 where it does not
    differ; `gap` is the step on the straight way that was too long, and `hole` how far the emptiest part of that way is
    from any song, both 0 when the way was good; `via` is where a detour leads, None when there is none; `stops` when
    the path ends before what cannot be crossed.
    """

    path: Floats
    from_start: float = 0.0
    from_end: float = 0.0
    gap: float = 0.0
    hole: float = 0.0
    via: Point | None = None
    stops: bool = False


def reach(at_start: Floats, at_end: Floats, settled: Floats, path: Floats) -> Reach:
    """Move an end of a path to the nearest song where there is no song near it.

    Args:
        at_start: `(n, 2)`, n >= 1, the felt points of songs for a listener at the start.
        at_end: `(n, 2)`, the same for a listener about to arrive.
        settled: `(n, 2)`, the same for a listener whose mood is already where the song leads.
        path: `(m, 2)`, m >= 2.
    """
    start, away = _nearest(at_start, path[0])
    from_start = away if away > NEAR else 0.0
    path = np.vstack([start if from_start else path[:1], path[1:]])
    if _nearest(at_end, path[-1])[1] <= NEAR:
        return Reach(path, from_start=from_start)
    end, from_end = _nearest(settled, path[-1])
    return Reach(np.vstack([path[:-1], end]), from_start=from_start, from_end=from_end)


def _nearest(points: Floats, corner: Floats) -> tuple[Floats, float]:
    away = _norms(points - corner)
    nearest = int(np.argmin(away))
    return points[nearest : nearest + 1], float(away[nearest])


def way_round(points: Floats, wanted: Reach, limit: float) -> Reach:
    """Find the path nearest to the wanted one on which each song, of `points` `(n, 2)`, is a step within a limit away.

    A chain of songs from corner to corner becomes a detour. Where there is no chain, the path stops at the point
    nearest to its next corner that a chain leads to.
    """
    songs = [int(np.argmin(_norms(points - corner))) for corner in wanted.path]
    way = [wanted.path[:1]]
    for start, goal, corner in zip(songs, songs[1:], wanted.path[1:], strict=False):
        chain, arrives = _chain(points, start, goal, limit)
        if not arrives:
            way.append(points[chain[1:]])
            end = way[-1][-1:] if len(chain) > 1 else way[-2][-1:]
            missing = float(_norms(end - wanted.path[-1])[0])
            return replace(wanted, path=_joined(way), from_end=wanted.from_end + missing, stops=True)
        way += [points[chain[1:-1]], corner[None]]
    return replace(wanted, path=_joined(way), via=_furthest(_joined(way), wanted.path))


def _joined(way: list[Floats]) -> Floats:
    """Return a path of two points at least."""
    path = np.vstack(way)
    return path if len(path) > 1 else np.repeat(path, 2, axis=0)


def _chain(points: Floats, start: int, goal: int, limit: float) -> tuple[list[int], bool]:
    """Return the shortest chain of steps within a limit to the goal or the song nearest to it, and if it arrives."""
    songs = cKDTree(points)
    cost, before = dijkstra(songs.sparse_distance_matrix(songs, limit), indices=start, return_predecessors=True)
    is_reached = np.isfinite(cost)
    end = goal if is_reached[goal] else int(np.argmin(np.where(is_reached, _norms(points - points[goal]), np.inf)))
    chain = [end]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return chain[::-1], end == goal


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
    candidates: Candidates | Sequence[Candidates],
    targets: Floats,
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
    """What a journey's songs score: alone at a place (`nodes`), and next to each other."""

    def __init__(
        self, places: Sequence[Candidates], targets: Floats, weights: Weights, taken: Mapping[int, int]
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

    def polish(self, rows: Ints) -> Ints:
        """Give each free place the best song for its neighbours, until nothing changes."""
        rows = rows.copy()
        for _round in range(POLISH_ROUNDS):
            before = rows.copy()
            for place in range(len(rows)):
                if place in self._taken:
                    continue
                scores = self._terms_beside(rows, place).sum(axis=0)
                allowed, apart = self._allowed(rows, place)
                choices = apart if apart.any() else allowed
                best = int(np.argmax(np.where(choices, scores, -np.inf)))
                if not choices[rows[place]] or scores[best] > scores[rows[place]] + EPSILON:
                    rows[place] = best
            if (rows == before).all():
                break
        return rows

    def ranked(self, rows: Ints, place: int, order: Ints) -> RankedSong:
        """Return the song at a place with its terms, given the others; `order` leads to the caller's rows."""
        terms = self._terms_beside(rows, place)
        allowed, apart = self._allowed(rows, place)
        row = int(rows[place])
        scores = np.where(allowed, terms.sum(axis=0), -np.inf)
        return RankedSong(
            position=place + 1,
            row=int(order[row]),
            song_id=int(self._candidates.song_ids[row]),
            terms=Terms(*terms[:, row].tolist()),
            distance=float(distances(self._felt[place, row][None], self._targets[place])[0]),
            kept_apart=bool(apart[row]) and bool(scores.max() > scores[row] + EPSILON),
            decided=what_decided(terms, apart if apart[row] else allowed, row),
        )

    def _choices_at(self, place: int) -> Ints:
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

    def _between(self, place: int, rows: Ints, choices: Ints) -> Floats:
        """Return what the steps `(len(rows), len(choices))` into a place cost, and the same artist again."""
        offset = self._felt[place, choices][None] - self._felt[place - 1, rows][:, None]
        leap, back = self._costs(place, offset)
        return np.asarray(-(leap + back) - SAME_ARTIST_COST * self._same_artist[np.ix_(rows, choices)])

    def _costs(self, place: int, offset: Floats) -> tuple[Floats, Floats]:
        """Return what steps into a place cost for being longer than need be, and for leading back."""
        excess = np.maximum(np.hypot(offset[..., 0], offset[..., 1]) - self._free_steps[place], 0.0)
        return STEP_WEIGHT * excess, BACK_WEIGHT * np.maximum(-(offset @ self._ways[place]), 0.0)

    def _terms_beside(self, rows: Ints, place: int) -> Floats:
        """Return all terms `(n_terms, n)` of every song at a place, given the songs at the other places."""
        terms = self._terms[place].copy()
        window = np.arange(max(place - SPACING_WINDOW, 0), min(place + SPACING_WINDOW + 1, len(rows)))
        shares = np.where(window == place, 0.0, SPACING_DECAY ** (np.abs(window - place) - 1.0))
        for name, pairs in self._pairs.items():
            terms[TERM_ROW[name]] = shares @ pairs[rows[window]]
        for neighbour, into in ((place - 1, place), (place + 1, place + 1)):
            if 0 <= neighbour < len(rows):
                offset = self._felt[place] - self._felt[neighbour, rows[neighbour]]
                leap, back = self._costs(into, offset if neighbour < place else -offset)
                terms[TERM_ROW["step"]] -= leap
                terms[TERM_ROW["progress"]] -= back
        return terms

    def _allowed(self, rows: Ints, place: int) -> tuple[Bools, Bools]:
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

    felt: Floats
    drawn: Floats
    typical: Point

    @classmethod
    def none(cls) -> Drift:
        """Return the drift of a listener whose mood moves nothing."""
        return cls(np.zeros((2, 2)), np.zeros((2, 2)), (0.0, 0.0))

    def in_mood(self, candidates: Candidates, mood: Floats | Point) -> Candidates:
        """Return candidates, predicted without a mood, as they are felt in one."""
        off = np.asarray(mood) - self.typical
        return replace(
            candidates,
            felt=np.clip(candidates.rated + self.felt @ off, -1.0, 1.0),
            drawn=np.clip(candidates.drawn + self.drawn @ off, -1.0, 1.0),
        )

    def settled(self, points: Floats) -> Floats:
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
    targets: Floats
    points: Floats
    rows: Ints
    songs: tuple[RankedSong, ...]

    @property
    def quality(self) -> PathQuality:
        """How the songs follow the path."""
        return path_quality(self.points, self.found.path)


@dataclass(frozen=True, slots=True)
class _Task:
    """What a journey is planned for."""

    candidates: Candidates
    path: Floats
    n_places: int
    mood: Point
    weights: Weights
    drift: Drift


def walk(
    candidates: Candidates,
    path: Floats,
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
    task = _Task(candidates, path, n_places, start, weights, drift or Drift.none())
    fresh = _fresh(task)
    taken = {place: row for place, row in (fixed or {}).items() if place <= n_places}
    as_planned = all(int(fresh.rows[place - 1]) == row for place, row in taken.items())
    if not taken or (as_planned and here is None):
        return replace(fresh, songs=tuple(song for song in fresh.songs if song.position not in taken))
    return _onward(task, fresh, taken, here)


def nearest_to_path(candidates: Candidates, path: Floats, drift: Drift, k: int) -> Ints:
    """Return the rows, ascending, of the `k` songs that come first for some part of a path, every part alike."""
    if len(candidates) <= k:
        return np.arange(len(candidates))
    points = drift.settled(candidates.rated)
    away = np.array([_norms(points - part) for part in place_targets(path, _PARTS)])
    rank_for_part = away.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.sort(np.argsort(rank_for_part.min(axis=0), kind="stable")[:k])


def _fresh(task: _Task) -> Walk:
    """Plan a journey as if nothing had been played, round a gap if songs lead round it."""
    settled = task.drift.settled(task.candidates.rated)
    arriving = place_targets(task.path, task.n_places + 1)[-2]
    at_start, at_end = (task.drift.in_mood(task.candidates, mood).felt for mood in (task.mood, arriving))
    reached = reach(at_start, at_end, settled, task.path)
    straight = _planned(task, reached, place_targets(reached.path, task.n_places), {})
    gap, limit = straight.quality.largest_step, step_limit(reached.path, task.n_places)
    felt = (task.drift.in_mood(task.candidates, mood).felt for mood in _moods(task, straight.targets))
    # How far the target that is furthest from all songs is from the nearest one.
    hole = max(float(_norms(points - target).min()) for points, target in zip(felt, straight.targets, strict=True))
    if gap <= limit and hole <= NEAR:
        return straight
    reached = replace(reached, gap=gap, hole=hole)
    other = way_round(settled, reached, limit)
    around = _planned(task, other, place_targets(other.path, task.n_places), {})
    return around if around.quality.largest_step <= max(gap, limit) else replace(straight, found=reached)


def _onward(task: _Task, fresh: Walk, taken: Mapping[int, int], here: Point | None) -> Walk:
    """Plan the rest of a journey from where its last song left the listener."""
    last = max(taken)
    if here is None:
        before = _moods(task, fresh.targets)[last - 1]
        felt = task.drift.in_mood(task.candidates, before).felt[taken[last]]
        here = (float(felt[0]), float(felt[1]))
    targets = fresh.targets.copy()
    targets[last - 1] = here
    ahead = path_from(here, fresh.found.path, (last - 1) / max(task.n_places - 1, 1))
    targets[last:] = place_targets(ahead, task.n_places - last + 1)[1:]
    return _planned(task, fresh.found, targets, taken)


def _planned(task: _Task, found: Reach, targets: Floats, fixed: Mapping[int, int]) -> Walk:
    felt_at = [task.drift.in_mood(task.candidates, mood) for mood in _moods(task, targets)]
    songs = plan(felt_at, targets, weights=task.weights, fixed=fixed)
    chosen = {**{song.position: song.row for song in songs}, **fixed}
    rows = np.asarray([chosen[place] for place in range(1, len(targets) + 1)], np.int64)
    points = np.asarray([each.felt[row] for each, row in zip(felt_at, rows, strict=True)])
    return Walk(found, targets, points, rows, tuple(songs))


def _moods(task: _Task, targets: Floats) -> Floats:
    """Return the mood before each place: the stated one, then the target of the place before."""
    return np.vstack([np.asarray(task.mood)[None], targets[:-1]])
