"""A journey through a catalog: from start to end, round what cannot be crossed, and anew from where it went. Pure.

The mood before a song is where the song before it led, so the same song does something else early on a journey than
late. Only how a listener feels before the first song is told; from then on the targets of the places stand for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catalog.core.points import Point
from recommender.ranking.journey_path import (
    NEAR,
    PathQuality,
    Reach,
    distances_to,
    path_from,
    path_quality,
    place_targets,
    reach,
    step_limit,
    way_round,
)
from recommender.ranking.journey_search import plan
from recommender.ranking.lists import Candidates, RankedSong, Weights

# Points of a path around which songs are looked for.
_PARTS = 25


@dataclass(frozen=True, slots=True)
class Drift:
    """How the mood before moves what is felt: by `felt` `(2, 2)` times the mood less the `typical` one.

    `drawn` is the same of a draw from the listener's model.
    """

    felt: NDArray[np.float64]
    drawn: NDArray[np.float64]
    typical: Point

    @classmethod
    def none(cls) -> Drift:
        """Return that of somebody whose mood moves nothing."""
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
        """Return what songs are felt like by somebody whom such songs have brought where they lead, `(n, 2)`."""
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
        drift: how moods move what is felt; None for not at all.
        fixed: places that are taken, each by the row of a candidate.
        here: what the listener said the last fixed song did to them; None when they said nothing, and it is taken to
            have done what is predicted.
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
    """Plan a journey as if nothing had been played; round what cannot be crossed, if anything leads round it."""
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
    """Return the mood before each place: as told before the first, then where the place before was to lead."""
    return np.vstack([np.asarray(asked.mood)[None], targets[:-1]])


def _hole(asked: _Asked, targets: NDArray[np.float64]) -> float:
    """Return how far the target that is furthest from all songs is from the nearest one."""
    moods = _moods(asked, targets)
    felt = (asked.drift.in_mood(asked.candidates, mood).felt for mood in moods)
    return max(float(distances_to(points, target).min()) for points, target in zip(felt, targets, strict=True))
