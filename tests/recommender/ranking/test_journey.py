"""Journeys: targets along a path, the songs on it, how well they follow it, and what a catalog cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from recommender.ranking import journeys
from recommender.ranking.journeys import (
    PRESETS,
    Reach,
    directions,
    path_from,
    path_quality,
    place_targets,
    plan,
    reach,
    way_round,
)
from recommender.ranking.lists import TERM_NAMES, Candidates, RankedSong, Weights, rank, terms_at
from tests.recommender.ranking.test_lists import candidates, everything_at_work
from tests.recommender.real_songs import REAL, embeddings, points

DOWN = ((-0.6, 0.6), (0.6, -0.6))
PATHS = [DOWN, ((-0.6, -0.6), (0.6, 0.6)), ((-0.6, -0.6), (-0.6, 0.6), (0.6, 0.6)), ((0.2, 0.2), (0.2, 0.2))]


def walk(
    pool: Candidates, path: object, n_places: int, fixed: dict[int, int] | None = None
) -> tuple[list[RankedSong], NDArray[np.float64]]:
    songs = plan(pool, place_targets(path, n_places), weights=Weights.of(0.3), fixed=fixed)  # type: ignore[arg-type]
    return songs, pool.felt[[song.row for song in songs]]


def rows_on(*points: tuple[float, float], each: int = 8, spread: float = 0.05) -> NDArray[np.float64]:
    """Return points around some centres."""
    rng = np.random.default_rng(5)
    return np.concatenate([np.asarray(point) + rng.uniform(-spread, spread, size=(each, 2)) for point in points])


# --- The plane ----------------------------------------------------------------------------------------------------


def test_targets_run_from_start_to_end_in_equal_steps() -> None:
    targets = place_targets([(-0.5, 0.0), (0.5, 0.0), (0.5, 1.0)], 9)
    assert targets[0].tolist() == [-0.5, 0.0]
    assert targets[4].tolist() == [0.5, 0.0]
    assert targets[-1].tolist() == [0.5, 1.0]
    assert np.linalg.norm(np.diff(targets, axis=0), axis=1) == pytest.approx(np.full(8, 0.25))


@pytest.mark.parametrize(
    ("path", "n_places", "targets"),
    [
        (DOWN, 1, [[0.6, -0.6]]),
        (DOWN, 0, []),
        (((0.1, 0.2), (0.1, 0.2)), 3, [[0.1, 0.2]] * 3),
        ([(0.1, 0.2)], 2, [[0.1, 0.2]] * 2),
    ],
)
def test_targets_of_paths_without_a_way(path: object, n_places: int, targets: list[list[float]]) -> None:
    assert place_targets(path, n_places).tolist() == targets  # type: ignore[arg-type]


def test_directions_are_of_length_one_and_nothing_where_the_path_stands_still() -> None:
    assert directions(np.array([[0.0, 0.0], [0.5, 0.0], [0.5, 0.0], [0.5, 0.2]])).tolist() == [
        [0.0, 0.0],
        [1.0, 0.0],
        [0.0, 0.0],
        [0.0, 1.0],
    ]


def test_the_quality_of_a_path_is_measured_as_it_says() -> None:
    points = np.array([[-0.5, 0.0], [0.0, 0.0], [-0.1, 0.0], [0.4, 0.3]])
    quality = path_quality(points, [(-0.6, 0.0), (0.6, 0.0)])
    assert quality.largest_step == pytest.approx(np.hypot(0.5, 0.3))
    assert quality.monotone_share == pytest.approx(2 / 3)
    assert quality.departure == pytest.approx(0.1)
    assert quality.arrival == pytest.approx(np.hypot(0.2, 0.3))
    assert quality.mean_step == pytest.approx((0.5 + 0.1 + np.hypot(0.5, 0.3)) / 3)


def test_one_song_is_a_path_and_none_is_not() -> None:
    quality = path_quality(np.array([[0.5, -0.5]]), DOWN)
    assert (quality.largest_step, quality.mean_step, quality.monotone_share) == (0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="without songs"):
        path_quality(np.zeros((0, 2)), DOWN)


def test_the_rest_of_a_path_keeps_the_corners_ahead() -> None:
    path = np.array([[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [1.0, 0.5]])
    assert path_from((0.1, 0.3), path, 0.5).tolist() == [[0.1, 0.3], [0.5, 0.5], [1.0, 0.5]]
    assert path_from((0.1, 0.3), path, 0.0).tolist() == [[0.1, 0.3], [0.5, 0.0], [0.5, 0.5], [1.0, 0.5]]
    assert path_from((0.1, 0.3), path, 1.0).tolist() == [[0.1, 0.3], [1.0, 0.5]]


def test_presets_lead_from_where_the_listener_is() -> None:
    start = (-0.4, 0.5)
    assert set(PRESETS) == {"match", "lift", "calm", "focus"}
    assert PRESETS["match"].path(start) == (start, start)
    assert PRESETS["lift"].path(start) == (start, Quadrant.Q1.target)
    assert PRESETS["calm"].path(start) == (start, Quadrant.Q4.target)
    focus = PRESETS["focus"]
    assert focus.path(start)[0] == start
    assert Quadrant.from_valence_arousal(*focus.path(start)[1]) is Quadrant.Q4
    assert focus.variety == 0.1
    assert all(preset.key == key and preset.name and preset.description for key, preset in PRESETS.items())


# --- The songs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_journey_goes_on_in_small_steps_and_arrives(path: object) -> None:
    even = journeys.path_length(np.asarray(path)) / 11
    for seed in range(6):
        pool = candidates(400, n_artists=150, seed=seed)
        _, points = walk(pool, path, 12)
        quality = path_quality(points, path)  # type: ignore[arg-type]
        assert quality.monotone_share == 1.0
        assert quality.largest_step <= even + 0.2
        assert quality.arrival < 0.3
        assert quality.departure < 0.3


def test_it_walks_better_than_choosing_place_by_place() -> None:
    steps = []
    for seed in range(8):
        pool = candidates(150, n_artists=60, seed=seed)
        targets = place_targets(DOWN, 12)
        greedy = pool.felt[[song.row for song in rank(pool, targets, weights=Weights.of(0.3))]]
        _, planned = walk(pool, DOWN, 12)
        steps.append((path_quality(planned, DOWN).largest_step, path_quality(greedy, DOWN).largest_step))
    mean = np.mean(steps, axis=0)
    assert mean[0] < 0.85 * mean[1]


@pytest.mark.parametrize("n_artists", [2, 3, 10])
def test_no_artist_comes_twice_in_a_row(n_artists: int) -> None:
    for seed in range(6):
        pool = candidates(40, n_artists=n_artists, seed=seed)
        songs, _ = walk(pool, DOWN, 12)
        artists = [pool.artist_ids[song.row] for song in songs]
        assert all(one != other for one, other in pairwise(artists))


def test_a_single_artist_still_makes_a_journey_of_distinct_songs() -> None:
    songs, _ = walk(candidates(12, n_artists=1), DOWN, 12)
    assert len({song.song_id for song in songs}) == 12


def test_it_is_the_same_whatever_the_row_order() -> None:
    for seed in range(4):
        pool = everything_at_work(seed)
        shuffled = pool.take(np.random.default_rng(seed).permutation(len(pool)))
        one, other = walk(pool, DOWN, 10)[0], walk(shuffled, DOWN, 10)[0]
        assert [song.song_id for song in one] == [song.song_id for song in other]
        assert all(shuffled.song_ids[song.row] == song.song_id for song in other)


def test_another_draw_gives_another_way() -> None:
    pool = candidates(400, n_artists=150)
    rng = np.random.default_rng(0)
    ways = set()
    for _ in range(4):
        drawn = replace(pool, drawn=pool.felt + rng.normal(scale=0.08, size=pool.felt.shape))
        songs, points = walk(drawn, DOWN, 12)
        ways.add(tuple(song.song_id for song in songs))
        assert path_quality(points, DOWN).monotone_share >= 0.9
    assert len(ways) == 4


def test_fixed_places_stay_and_the_others_are_planned_around_them() -> None:
    pool = candidates(200, n_artists=80)
    fixed = {1: 17, 4: 33}
    songs, _ = walk(pool, DOWN, 10, fixed=fixed)
    assert [song.position for song in songs] == [2, 3, 5, 6, 7, 8, 9, 10]
    assert not {song.row for song in songs} & {17, 33}


def test_too_few_songs_are_refused() -> None:
    with pytest.raises(ValueError, match="3 songs cannot fill 5 places"):
        walk(candidates(3), DOWN, 5)


@pytest.mark.parametrize(("n_songs", "n_places"), [(1, 1), (2, 2), (9, 9), (100, 100), (120, 100)])
def test_every_song_may_be_needed(n_songs: int, n_places: int) -> None:
    songs, _ = walk(candidates(n_songs), PATHS[3], n_places)
    assert len({song.song_id for song in songs}) == n_places


def test_songs_without_embeddings_make_a_journey_too() -> None:
    pool = replace(candidates(60), embeddings=np.zeros((60, 8)))
    assert len(walk(pool, DOWN, 10)[0]) == 10


def test_a_term_decided_if_and_only_if_another_song_would_have_had_the_place_without_it() -> None:
    """The definition, checked against a plain sum over the whole path with one song changed and one term left out."""
    seen: set[str] = set()
    targets = place_targets(DOWN, 8)
    for seed in range(16):
        pool = everything_at_work(seed, n_songs=60)
        songs, _ = walk(pool, DOWN, 8)
        rows = [song.row for song in songs]
        scores = _Scores(pool, targets)
        chosen = scores.of(rows)
        for place in (0, 3, 7):
            others = [scores.of(changed) for changed in _changed(pool, rows, place, targets)]
            assert all(sum(other.values()) <= sum(chosen.values()) + 1e-9 for other in others)
            for name in TERM_NAMES:
                without = max(sum(other.values()) - other[name] for other in others)
                better = without > sum(chosen.values()) - chosen[name] + 1e-9
                assert (name in songs[place].decided) == better, (seed, place, name)
                seen |= {name} if better else set()
    assert {"step", "closeness", "novelty"} <= seen


class _Scores:
    """What a whole path scores by term, summed song by song and pair by pair."""

    def __init__(self, pool: Candidates, targets: NDArray[np.float64]) -> None:
        self.pool, self.targets = pool, targets
        self.weights = Weights.of(0.3)
        self.nodes = [terms_at(pool, target, self.weights) for target in targets]

    def of(self, rows: list[int]) -> dict[str, float]:
        scores = {
            name: float(sum(self.nodes[place][n, row] for place, row in enumerate(rows)))
            for n, name in enumerate(TERM_NAMES)
        }
        for later in range(len(rows)):
            for earlier in range(later):
                self._pair(scores, rows[earlier], rows[later], later - earlier)
        ways = directions(self.targets)
        for place in range(1, len(rows)):
            step = self.pool.felt[rows[place]] - self.pool.felt[rows[place - 1]]
            even = float(np.linalg.norm(self.targets[place] - self.targets[place - 1]))
            free = max(journeys.SLACK * even, journeys.FREE_STEP)
            small = max(journeys.UNEVEN * even, journeys.SMALL_STEP)
            length, back = float(np.linalg.norm(step)), -float(step @ ways[place])
            scores["step"] -= journeys.STEP_WEIGHT * max(length - free, 0.0)
            scores["step"] -= journeys.HARD_WEIGHT * max(length - small, 0.0)
            scores["progress"] -= journeys.BACK_WEIGHT * max(back, 0.0)
            scores["progress"] -= journeys.HARD_WEIGHT * max(back - journeys.BACK_TOLERANCE, 0.0)
        return scores

    def _pair(self, scores: dict[str, float], one: int, other: int, gap: int) -> None:
        pool, share = self.pool, 0.8 ** (gap - 1)
        alike = max(float(pool.embeddings[one] @ pool.embeddings[other]), 0.0)
        scores["diversity"] -= share * self.weights.diversity * alike
        scores["artist"] -= share * self.weights.artist * bool(pool.artist_ids[one] == pool.artist_ids[other])
        same_album = pool.album_ids[one] == pool.album_ids[other] > 0
        scores["album"] -= share * self.weights.album * bool(same_album)


def _changed(pool: Candidates, rows: list[int], place: int, targets: NDArray[np.float64]) -> Iterator[list[int]]:
    """Yield the path with every other song in a place that keeps artists apart and may begin or end it."""
    fits = {0: np.linalg.norm(pool.felt - targets[0], axis=1) <= journeys.NEAR}
    fits[len(rows) - 1] = journeys.may_be_last(pool.felt, None)
    beside = {int(pool.artist_ids[rows[n]]) for n in (place - 1, place + 1) if 0 <= n < len(rows)}
    for row in range(len(pool)):
        is_free = row not in rows and int(pool.artist_ids[row]) not in beside
        if is_free and (place not in fits or fits[place][row]):
            yield [*rows[:place], row, *rows[place + 1 :]]


# --- What a catalog cannot do -------------------------------------------------------------------------------------


def test_a_path_with_songs_at_both_ends_is_left_alone() -> None:
    found = reach(rows_on(*DOWN), np.asarray(DOWN))
    assert found.path.tolist() == [list(corner) for corner in DOWN]
    assert (found.from_start, found.from_end, found.gap, found.via) == (0.0, 0.0, 0.0, None)


def test_an_end_without_songs_moves_to_the_nearest_of_its_quadrant() -> None:
    points = rows_on((-0.6, 0.6), (0.0, 0.0))
    found = reach(points, np.asarray(DOWN))
    calm = points[(points[:, 0] > 0) & (points[:, 1] <= 0)]
    nearest = np.linalg.norm(calm - DOWN[1], axis=1)
    assert found.from_end == pytest.approx(nearest.min())
    assert found.path[-1].tolist() == calm[nearest.argmin()].tolist()
    assert (found.from_start, found.quadrant) == (0.0, Quadrant.Q4)
    backwards = reach(points, np.asarray(DOWN[::-1]))
    assert backwards.from_start == pytest.approx(np.linalg.norm(points - DOWN[1], axis=1).min())
    nothing_calm = reach(rows_on((-0.6, 0.6), (0.2, 0.2)), np.asarray(DOWN))
    assert nothing_calm.from_end > 0.4


def test_a_gap_is_gone_round_when_a_chain_leads_round_it() -> None:
    """From tense to calm with nothing in the middle, but songs by way of sad."""
    corner = (-0.6, -0.6)
    side = [(-0.6, y) for y in (0.3, 0.0, -0.3)] + [corner] + [(x, -0.6) for x in (-0.3, 0.0, 0.3)]
    points = rows_on(*DOWN, *side)
    found = way_round(points, Reach(np.asarray(DOWN), gap=1.7), 0.5)
    assert (found.gap, found.from_end) == (1.7, 0.0)
    assert found.needed == 8
    assert found.via is not None
    assert np.linalg.norm(np.subtract(found.via, corner)) < 0.35
    assert np.linalg.norm(np.diff(found.path, axis=0), axis=1).max() <= 0.5
    assert np.linalg.norm(found.path[-1] - DOWN[1]) < 0.1


def test_a_gap_that_nothing_leads_round_stays() -> None:
    points = rows_on((-0.6, 0.6), (-0.3, 0.3), DOWN[1])
    for quadrant in (None, Quadrant.Q4):
        wanted = Reach(np.asarray(DOWN), quadrant=quadrant)
        assert way_round(points, wanted, 0.5) is wanted


def test_a_detour_ends_with_the_nearest_song_of_its_quadrant_that_it_reaches() -> None:
    points = rows_on((-0.6, 0.6), (-0.4, 0.4), (-0.2, 0.2), (0.0, 0.0), (0.2, -0.2), DOWN[1])
    found = way_round(points, Reach(np.asarray(DOWN), quadrant=Quadrant.Q4), 0.35)
    assert np.linalg.norm(found.path[-1] - (0.2, -0.2)) < 0.1
    assert found.needed == 5


def test_way_points_stay_on_the_way_round() -> None:
    path = np.array([(-0.6, -0.6), (-0.6, 0.6), (0.6, 0.6)])
    ring = [(-0.6, y) for y in (-0.2, 0.2)] + [(x, 0.6) for x in (-0.2, 0.2)]
    found = way_round(rows_on(*path, *ring), Reach(path), 0.6)
    for corner in path:
        assert np.linalg.norm(found.path - corner, axis=1).min() < 0.1


@pytest.mark.parametrize(("n_places", "limit"), [(12, 0.35), (3, 1.5 * np.hypot(1.2, 1.2) / 2), (1, None)])
def test_a_long_way_in_few_songs_allows_longer_steps(n_places: int, limit: float | None) -> None:
    found = journeys.step_limit(np.asarray(DOWN), n_places)
    assert found == pytest.approx(limit if limit is not None else 1.5 * np.hypot(1.2, 1.2))


def test_songs_needed_for_small_steps() -> None:
    needed = journeys.places_needed(np.asarray(DOWN))
    assert journeys.path_length(np.asarray(DOWN)) / (needed - 1) <= 0.175
    assert journeys.places_needed(np.zeros((2, 2))) == 1


# --- The whole walk -----------------------------------------------------------------------------------------------


def everywhere(seed: int = 0, n_songs: int = 300) -> Candidates:
    return candidates(n_songs, n_artists=100, seed=seed)


def test_what_is_aimed_at_measured_and_shown_is_one_quantity() -> None:
    """The felt points of the songs themselves, whatever comes before them."""
    pool = everywhere()
    found = journeys.walk(pool, np.asarray(DOWN), 12, weights=Weights.of(0.3))
    assert (found.points == pool.felt[found.rows]).all()
    assert found.quality == path_quality(pool.felt[found.rows], found.found.path)
    for song in found.songs:
        assert song.distance == pytest.approx(np.linalg.norm(pool.felt[song.row] - found.targets[song.position - 1]))


@pytest.mark.parametrize("n_calm", [1, 2, 3, 8])
def test_a_journey_ends_in_the_quadrant_of_its_end_whatever_is_nearer(n_calm: int) -> None:
    """Calm songs just over the axis, sad ones at the very end's height."""
    calm = np.column_stack([np.full(n_calm, 0.1), np.linspace(-0.1, -0.3, n_calm)])
    sad = rows_on((-0.02, -0.6), (-0.2, -0.5), (-0.4, -0.2), (-0.5, 0.2), (-0.6, 0.6), each=4)
    felt = np.vstack([calm, np.minimum(sad, [[-0.01, 1.0]])])
    for seed in range(4):
        pool = candidates(len(felt), n_artists=30, seed=seed, felt=felt)
        found = journeys.walk(pool, np.asarray(DOWN), 10, weights=Weights.of(0.3, journey=True))
        assert Quadrant.from_valence_arousal(*found.points[-1]) is Quadrant.Q4
        assert np.linalg.norm(found.points[0] - DOWN[0]) <= journeys.NEAR


def test_a_journey_to_the_middle_ends_anywhere_near_it() -> None:
    found = journeys.walk(everywhere(), np.asarray([DOWN[0], (0.05, -0.1)]), 8, weights=Weights.of(0.3))
    assert found.found.quadrant is None
    assert np.linalg.norm(found.points[-1] - (0.05, -0.1)) < 0.3


def test_what_was_played_as_planned_changes_nothing() -> None:
    for seed in range(4):
        pool = everything_at_work(seed)
        fresh = journeys.walk(pool, np.asarray(DOWN), 10, weights=Weights.of(0.3))
        fixed = {place: int(fresh.rows[place - 1]) for place in (1, 2, 5)}
        again = journeys.walk(pool, np.asarray(DOWN), 10, weights=Weights.of(0.3), fixed=fixed)
        assert (again.rows == fresh.rows).all()
        assert [song.position for song in again.songs] == [3, 4, 6, 7, 8, 9, 10]


def test_another_song_at_a_place_plans_the_rest_from_where_it_led() -> None:
    pool = everywhere()
    fresh = journeys.walk(pool, np.asarray(DOWN), 10, weights=Weights.of(0.3))
    far = int(np.argmin(np.linalg.norm(pool.felt - (-0.8, -0.8), axis=1)))
    fixed = {1: int(fresh.rows[0]), 3: far}
    found = journeys.walk(pool, np.asarray(DOWN), 10, weights=Weights.of(0.3), fixed=fixed)
    assert [song.position for song in found.songs] == [2, *range(4, 11)]
    assert found.rows[2] == far
    ahead = np.vstack([pool.felt[far], found.targets[3:]])
    steps = np.linalg.norm(np.diff(ahead, axis=0), axis=1)
    assert steps == pytest.approx(np.full(7, steps[0]))
    assert found.targets[-1].tolist() == list(DOWN[1])
    assert np.linalg.norm(found.points[-1] - DOWN[1]) < 0.4


def test_what_the_listener_says_they_feel_is_where_they_are() -> None:
    pool = everywhere()
    fresh = journeys.walk(pool, np.asarray(DOWN), 10, weights=Weights.of(0.3))
    fixed = {place: int(fresh.rows[place - 1]) for place in (1, 2)}
    sad = (-0.8, -0.5)
    found = journeys.walk(pool, np.asarray(DOWN), 10, weights=Weights.of(0.3), fixed=fixed, here=sad)
    steps = np.linalg.norm(np.diff(np.vstack([[sad], found.targets[2:]]), axis=0), axis=1)
    assert steps == pytest.approx(np.full(8, steps[0]))
    assert np.linalg.norm(found.points[2] - sad) < np.linalg.norm(fresh.points[2] - sad)
    unsaid = journeys.walk(pool, np.asarray(DOWN), 10, weights=Weights.of(0.3), here=sad)
    assert (unsaid.rows == fresh.rows).all()


def test_a_journey_that_is_over_has_no_rest() -> None:
    pool = everywhere()
    found = journeys.walk(pool, np.asarray(DOWN), 2, weights=Weights.of(0.3), fixed={1: 3, 2: 8})
    assert (found.songs, found.rows.tolist()) == ((), [3, 8])


def test_the_songs_near_a_path_stay() -> None:
    pool = everywhere(n_songs=1000)
    rows = journeys.nearest_to_path(pool, np.asarray(DOWN), 200)
    assert len(rows) == 200
    assert len(journeys.nearest_to_path(pool, np.asarray(PATHS[3]), 200)) == 200
    along = place_targets(DOWN, 50)
    away = np.array([np.linalg.norm(along - point, axis=1).min() for point in pool.felt])
    assert away[rows].max() < np.median(away)
    assert len(journeys.nearest_to_path(pool, np.asarray(DOWN), 1000)) == 1000


def test_a_walk_goes_round_a_hole_and_says_so() -> None:
    side = [(-0.6, y) for y in (0.3, 0.0, -0.3, -0.6)] + [(x, -0.6) for x in (-0.3, 0.0, 0.3)]
    points = rows_on(*DOWN, *side)
    pool = candidates(len(points), n_artists=40, felt=points)
    found = journeys.walk(pool, np.asarray(DOWN), 14, weights=Weights.of(0.3))
    assert found.found.hole > journeys.NEAR
    assert found.found.via is not None
    assert found.quality.largest_step <= 0.5
    assert found.quality.arrival < 0.3


def test_a_walk_that_nothing_can_help_says_so() -> None:
    """One song at either end: the leap between them stays, and is owned up to."""
    pool = candidates(2, felt=np.asarray(DOWN))
    found = journeys.walk(pool, np.asarray(DOWN), 2, weights=Weights.of(0.3))
    assert set(found.rows.tolist()) == {0, 1}


# --- Real estimates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["demo", "catalog", "emotify"])
@pytest.mark.parametrize("n_places", [3, 10, 20])
def test_between_real_songs_every_journey_begins_and_ends_where_it_should(source: str, n_places: int) -> None:
    """Begins near its start or the song nearest to it, ends in the quadrant of its end, and each song comes once."""
    of_source = REAL["source"] == source
    felt = points()[of_source]
    pool = candidates(len(felt), n_artists=len(felt), felt=felt, embeddings=embeddings()[of_source])
    for start, end in permutations(Quadrant, 2):
        found = journeys.walk(
            pool, np.asarray([start.target, end.target]), n_places, weights=Weights.of(0.3, journey=True)
        )
        assert Quadrant.from_valence_arousal(*found.points[-1]) is end
        assert np.linalg.norm(found.points[0] - found.found.path[0]) <= journeys.NEAR
        assert len(set(found.rows.tolist())) == n_places
        assert (found.points == felt[found.rows]).all()
