"""Journeys on the plane: presets, the target of each place, the quality of a path, the paths a catalog allows.

The iso principle: begin where the listener is, and go to where they want to be in small steps that do not turn back.

Source: Altshuler (1948), A psychiatrist's experience with music as a therapeutic agent; Starcke, Mayr and von Georgi
(2021), Emotion modulation through music after sadness induction: the iso principle in a controlled experimental study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from catalog.core.charts import Point
from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, pgettext, pgettext_noop
from emotion.inference.quadrants import Quadrant

# A song this close to a point stands for it: a fifth of the pad's width.
NEAR = 0.4
# A step no longer than this is small, whatever was asked for: a quarter of the pad's width.
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


def path_length(path: NDArray[np.float64]) -> float:
    """Return the length of a path `(m, 2)`."""
    return float(_norms(np.diff(path, axis=0)).sum())


def place_targets(path: Sequence[Point] | NDArray[np.float64], n_places: int) -> NDArray[np.float64]:
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


def directions(targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the way `(n, 2)` into each place, of length 1; 0 for the first place and where the path stands still."""
    steps = np.diff(targets, axis=0, prepend=targets[:1])
    lengths = _norms(steps)[:, None]
    return np.divide(steps, lengths, out=np.zeros_like(steps), where=lengths > 0)


def path_quality(points: NDArray[np.float64], path: Sequence[Point] | NDArray[np.float64]) -> PathQuality:
    """Measure how songs follow a path.

    Args:
        points: `(n, 2)`, the (valence, arousal) of each song in order.
        path: `(m, 2)`, the path to follow.

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


def step_limit(path: NDArray[np.float64], n_places: int) -> float:
    """Return the longest step that is no gap, for so many songs on a path."""
    even = path_length(path) / max(n_places - 1, 1)
    return max(SMALL_STEP, UNEVEN * even)


def places_needed(path: NDArray[np.float64]) -> int:
    """Return how many songs make the even step half of `SMALL_STEP`, at most `MAX_PLACES`."""
    return min(MAX_PLACES, int(np.ceil(path_length(path) / (0.5 * SMALL_STEP))) + 1)


def path_from(point: Point, path: NDArray[np.float64], walked: float) -> NDArray[np.float64]:
    """Return the rest of a path for a listener at a point: that point, the corners ahead, the end.

    Args:
        point: where the last song left them.
        path: `(m, 2)`, m >= 2.
        walked: how much of its length is done, in [0, 1].
    """
    along = np.concatenate([[0.0], np.cumsum(_norms(np.diff(path, axis=0)))])
    ahead = path[1:-1][along[1:-1] > walked * along[-1]]
    return np.vstack([np.asarray(point, np.float64)[None], ahead, path[-1:]])


@dataclass(frozen=True, slots=True)
class Reach:
    """A path that a catalog can follow, and how it differs from the requested one.

    `path` `(m, 2)`; `from_start` and `from_end` are how far it begins and ends from what was asked, 0 where it does not
    differ; `gap` is the step on the straight way that was too long, and `hole` how far the emptiest part of that way is
    from any song, both 0 when the way was good; `via` is where a detour leads, None when there is none; `stops` when
    the path ends before what cannot be crossed.
    """

    path: NDArray[np.float64]
    from_start: float = 0.0
    from_end: float = 0.0
    gap: float = 0.0
    hole: float = 0.0
    via: Point | None = None
    stops: bool = False


def reach(
    at_start: NDArray[np.float64], at_end: NDArray[np.float64], settled: NDArray[np.float64], path: NDArray[np.float64]
) -> Reach:
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


def _nearest(points: NDArray[np.float64], corner: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    away = distances_to(points, corner)
    nearest = int(np.argmin(away))
    return points[nearest : nearest + 1], float(away[nearest])


def distances_to(points: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances `(n,)` of points `(n, 2)` to one."""
    return _norms(points - target)


def way_round(points: NDArray[np.float64], wanted: Reach, limit: float) -> Reach:
    """Find the nearest path on which no song is further than a limit from the one before it.

    A chain of songs from corner to corner becomes a detour. Where there is no chain, the path stops at the point
    nearest to its next corner that a chain leads to.

    Args:
        points: `(n, 2)`, n >= 1.
        wanted: the path that cannot be walked.
        limit: the longest step allowed.
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


def _joined(way: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return a path of two points at least."""
    path = np.vstack(way)
    return path if len(path) > 1 else np.repeat(path, 2, axis=0)


def _chain(points: NDArray[np.float64], start: int, goal: int, limit: float) -> tuple[list[int], bool]:
    """Return the shortest chain of steps within a limit to the goal or the song nearest to it, and if it arrives."""
    songs = cKDTree(points)
    cost, before = dijkstra(songs.sparse_distance_matrix(songs, limit), indices=start, return_predecessors=True)
    is_reached = np.isfinite(cost)
    end = goal if is_reached[goal] else int(np.argmin(np.where(is_reached, _norms(points - points[goal]), np.inf)))
    chain = [end]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return chain[::-1], end == goal


def _furthest(way: NDArray[np.float64], path: NDArray[np.float64]) -> Point:
    """Return the point of a detour that is furthest from the path it replaces."""
    along = place_targets(path, MAX_PLACES)
    away = [float(_norms(along - point).min()) for point in way]
    point = way[int(np.argmax(away))]
    return float(point[0]), float(point[1])


def _norms(offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.hypot(offsets[:, 0], offsets[:, 1]))
