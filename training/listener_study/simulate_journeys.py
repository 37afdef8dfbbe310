"""Journeys of simulated listeners: do the songs lead in small steps from where they are to where they want to be? Pure.

What counts is what the songs truly do to the listener, each in the mood that the song before it truly left. The
journey is planned with the model after `HEARD` ratings, and compared with taking for each place the song that is
predicted nearest to its target, and with songs at random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from recommender.felt_model.model import ListenerModel, Prior
from recommender.felt_model.ratings import MOOD, TYPICAL_MOOD
from recommender.ranking.journey_path import PathQuality, path_quality, place_targets
from recommender.ranking.journey_planner import Drift, walk
from recommender.ranking.lists import Candidates, Weights, draw_temperature
from training.listener_study.simulate import VARIETY, Simulated, Songs
from training.listener_study.simulate_policies import candidates_of, joined

HEARD = 20
N_PLACES = 12
# A way shorter than this is no journey.
MIN_LENGTH = 0.5

Way = Callable[[Candidates, NDArray[np.float64], Drift, int], NDArray[np.int64]]


def planned(candidates: Candidates, path: NDArray[np.float64], drift: Drift, seed: int) -> NDArray[np.int64]:
    """Return the rows `(n_places,)` of the recommender's journey."""
    return walk(candidates, path, N_PLACES, weights=Weights.of(VARIETY, journey=True), drift=drift).rows


def nearest(candidates: Candidates, path: NDArray[np.float64], drift: Drift, seed: int) -> NDArray[np.int64]:
    """Return for each place the song predicted nearest to its target, of those left."""
    targets = place_targets(path, N_PLACES)
    rows: list[int] = []
    for mood, target in zip(np.vstack([path[:1], targets[:-1]]), targets, strict=True):
        away = np.hypot(*(drift.in_mood(candidates, mood).felt - target).T)
        away[rows] = np.inf
        rows.append(int(np.argmin(away)))
    return np.array(rows)


def at_random(candidates: Candidates, path: NDArray[np.float64], drift: Drift, seed: int) -> NDArray[np.int64]:
    """Return any songs."""
    return np.random.default_rng(seed).choice(len(candidates), N_PLACES, replace=False)


WAYS: Mapping[str, Way] = {"ours": planned, "nearest to each target": nearest, "random": at_random}


def journey_of(who: Simulated, seed: int) -> NDArray[np.float64]:
    """Return a path `(2, 2)` from the listener's first mood to the first quadrant that is far enough from it."""
    rng = np.random.default_rng(seed)
    corners = [np.array(quadrant.target) for quadrant in Quadrant]
    order = [corners[place] for place in rng.permutation(4)]
    start = who.moods[0]
    return np.vstack([start, next(end for end in order if np.hypot(*(end - start)) >= MIN_LENGTH)])


def model_of(who: Simulated, songs: Songs, prior: Prior, seed: int) -> ListenerModel:
    """Return the model after `HEARD` songs at random, one after the other in the sessions' moods."""
    rows = np.random.default_rng(seed).choice(len(songs), min(HEARD, len(songs)), replace=False)
    answers = [who.answer(songs, place % len(who.moods), int(row)) for place, row in enumerate(rows)]
    return ListenerModel.fit(joined(answers, songs), prior, songs.basis)


@dataclass(frozen=True, slots=True)
class Journey:
    """How a journey truly went, its mean true `liking`, and `again`, the share of songs by the last song's artist."""

    quality: PathQuality
    liking: float
    again: float


def journeys(who: Simulated, songs: Songs, prior: Prior, seed: int) -> dict[str, Journey]:
    """Return each way's journey of one listener.

    Args:
        who: the listener.
        songs: what there is.
        prior: what is believed of listeners at large.
        seed: of where they go, what they rated before, and the draw of the model.
    """
    model, path = model_of(who, songs, prior, seed), journey_of(who, seed)
    drawn = model.draw(seed, draw_temperature(VARIETY))
    drift = Drift(model.coefficients[:, MOOD], drawn.coefficients[:, MOOD], TYPICAL_MOOD)
    candidates = candidates_of(songs, model, drawn, None)
    return {name: _went(who, songs, way(candidates, path, drift, seed), path) for name, way in WAYS.items()}


def _went(who: Simulated, songs: Songs, rows: NDArray[np.int64], path: NDArray[np.float64]) -> Journey:
    artists = songs.artist_ids[rows]
    return Journey(
        quality=path_quality(truly_felt(who, songs, rows, path[0]), path),
        liking=float(who.likes(songs)[rows].mean()),
        again=float((artists[1:] == artists[:-1]).mean()),
    )


def truly_felt(
    who: Simulated, songs: Songs, rows: NDArray[np.int64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what songs `(n,)` do to a listener one after the other, `(n, 2)`, each in the mood the last one left."""
    points, mood = [], start
    for row in rows.tolist():
        mood = who.felt(songs, mood)[row]
        points.append(mood)
    return np.array(points)
