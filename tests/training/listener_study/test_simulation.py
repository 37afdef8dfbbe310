"""The simulator: the same seed gives the same, knowing everything costs nothing, and learning pays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recommender.felt_model.model import Prior, Ratings
from recommender.ranking.lists import liking_value
from training.listener_study import simulation, situnes
from training.listener_study.protocol import SongEstimates, principal_directions
from training.listener_study.simulation import (
    N_SESSIONS,
    POINT,
    POLICIES,
    SESSION_SONGS,
    PolicyContext,
    PolicyRun,
    SimulatedListener,
    SongPool,
    draw_listener,
    joined,
    mood_spread,
    oracle,
    run_policy,
    world_prior,
)

pytestmark = pytest.mark.slow

MOODS = np.diag([0.13, 0.16])
N_SONGS = 120


def _songs(n: int = N_SONGS) -> SongPool:
    rng = np.random.default_rng(11)
    embeddings = rng.standard_normal((n, 16))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return SongPool(
        estimates=SongEstimates(rng.uniform(-0.8, 0.8, (n, 2)), embeddings, rng.uniform(0.4, 0.9, n), np.arange(n)),
        artist_ids=np.arange(n) % (n // 2),
        popularity=rng.uniform(-1.0, 1.0, n),
        basis=principal_directions(embeddings, 4),
    )


def _listeners(n: int, songs: SongPool, prior: Prior | None = None, seed: int = 5) -> list[SimulatedListener]:
    return [draw_listener(prior or Prior.default(), songs, MOODS, (seed, number)) for number in range(n)]


def test_the_same_seed_draws_the_same_listener_and_another_does_not() -> None:
    songs = _songs()

    one, same = (draw_listener(Prior.default(), songs, MOODS, (5, 3)) for _ in range(2))
    other = draw_listener(Prior.default(), songs, MOODS, (5, 4))

    assert np.array_equal(one.coefficients, same.coefficients)
    assert np.array_equal(one.felt_noise, same.felt_noise)
    assert not np.array_equal(one.coefficients, other.coefficients)


def test_listeners_differ_as_much_as_the_prior_says() -> None:
    songs, prior = _songs(), Prior.default()

    drawn = np.array([each.coefficients for each in _listeners(400, songs)])

    assert drawn.mean(axis=0) == pytest.approx(prior.coefficients(songs.basis), abs=0.03)
    assert drawn.var(axis=0) == pytest.approx(prior.spread(songs.basis), rel=0.35)


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_plays_whole_sessions_without_a_song_twice_and_repeats_itself(name: str) -> None:
    songs = _songs()
    (listener,) = _listeners(1, songs)

    first, again = (run_policy(listener, songs, Prior.default(), POLICIES[name], seed=3, aim=POINT) for _ in range(2))

    assert first.rows.shape == (N_SESSIONS, SESSION_SONGS)
    assert all(len(np.unique(session)) == SESSION_SONGS for session in first.rows)
    assert np.array_equal(first.rows, again.rows)
    assert (first.regret.cumsum(axis=1) >= -1e-9).all()


def test_knowing_everything_costs_nothing() -> None:
    songs = _songs()
    for listener in _listeners(5, songs):
        course = run_policy(listener, songs, Prior.default(), oracle, seed=0, aim=POINT)

        assert course.regret == pytest.approx(0.0, abs=1e-12)


def test_a_song_is_worth_its_closeness_and_its_liking() -> None:
    songs = _songs()
    (listener,) = _listeners(1, songs)
    there = replace(listener, targets=np.tile(listener.felt(songs, listener.moods[0])[7], (N_SESSIONS, 1)))

    utility = there.utility(songs, 0, POINT)
    liked = liking_value(there.likes(songs))[7]

    assert utility[7] == pytest.approx(POINT.weights.closeness + POINT.weights.liking * liked)


def test_policies_meet_the_same_noise() -> None:
    songs = _songs()
    (listener,) = _listeners(1, songs)

    answers = [listener.answer(songs, 2, 9) for _ in range(2)]

    assert np.array_equal(answers[0].felt, answers[1].felt)
    assert np.array_equal(answers[0].likes, answers[1].likes)
    assert answers[0].likes[0] in (-1.0, 0.0, 1.0)


def test_an_unmoved_listener_answers_with_their_mood() -> None:
    songs = _songs()
    (listener,) = _listeners(
        1, songs, replace(Prior.default(), stay=np.array([1e6, 1e-3]), stay_sd=np.array([1e-6, 1e-6]))
    )

    felt = listener.answer(songs, 1, 4).felt[0]

    assert felt == pytest.approx(listener.moods[1], abs=1e-4)


def test_a_policy_sees_every_answer_and_no_more() -> None:
    songs = _songs()
    (listener,) = _listeners(1, songs)
    seen: list[int] = []

    def watching(context: PolicyContext) -> int:
        seen.append(len(context.ratings.song_ids))
        return max(context.played, default=-1) + 1

    run_policy(listener, songs, Prior.default(), watching, seed=0, aim=POINT)

    assert seen == list(range(N_SESSIONS * SESSION_SONGS))


def test_learning_pays_when_listeners_differ_and_answer_clearly() -> None:
    songs = _songs()
    clear = replace(
        Prior.default(),
        variances=np.full((2, 6), 0.04),
        timbre_variance=np.full(2, 0.2),
        noise=np.full((2, 2), 0.002),
        stay=np.array([0.1, 10.0]),
    )
    listeners = _listeners(12, songs, clear)

    def later_regret(name: str) -> float:
        courses = [
            run_policy(listener, songs, clear, POLICIES[name], number, POINT)
            for number, listener in enumerate(listeners)
        ]
        return float(np.mean([course.regret[1:].sum() for course in courses]))

    greedy, shared, random = (later_regret(name) for name in ("greedy", "no adaptation", "random"))
    assert greedy < 0.8 * shared
    assert shared < random


def test_a_world_takes_moods_from_one_study_and_sound_from_the_other() -> None:
    moods = replace(Prior.default(), mean=np.full((2, 6), 0.3), stay=np.array([2.0, 5.0]))
    sound = replace(Prior.default(), mean=np.full((2, 6), 0.7), timbre=np.ones((2, 16)))

    both = world_prior(moods_from=moods, songs_from=sound)

    assert both.mean[0].tolist() == [0.7, 0.3, 0.3, 0.3, 0.7, 0.7]
    assert both.stay.tolist() == [2.0, 5.0]
    assert both.timbre.sum() == 32.0


def test_the_spread_of_moods_leaves_out_unknown_ones() -> None:
    songs = _songs()
    (listener,) = _listeners(1, songs)
    said = joined([listener.answer(songs, session, 1) for session in range(N_SESSIONS)], songs)
    unknown = replace(said, moods=np.full_like(said.moods, np.nan))

    assert mood_spread([said, unknown]) == pytest.approx(np.cov(listener.moods.T))


def test_tables_and_numbers_call_it_a_simulation_and_agree() -> None:
    songs = _songs(60)
    listeners = _listeners(3, songs)
    done: list[str] = []

    courses = simulation.compare_policies(listeners, songs, Prior.default(), 0, POINT, done.append)
    went = [simulation.journeys(listener, songs, Prior.default(), number) for number, listener in enumerate(listeners)]
    figures = json.loads(json.dumps(simulation.as_json({POINT.name: courses}, went, len(songs))))

    assert figures["note"].startswith("A simulation")
    assert list(figures["policies"]["a point"]) == done
    assert figures["policies"]["a point"]["all-knowing"]["regret"][0] == pytest.approx(0.0, abs=1e-9)
    regret = figures["policies"]["a point"]["ours"]["regret"][0]
    assert f"| ours | {regret:.3f} (" in simulation.policy_table(courses, len(songs))
    assert f"{regret:.2f} |" in simulation.regret_table(courses).splitlines()[2]
    assert len(simulation.difference_table(courses).splitlines()) == len(done) + 1
    assert "| nearest to each target |" in simulation.journey_table(went)


def test_an_installation_without_ratings_differs_from_a_learned_one_only_in_its_prior() -> None:
    songs = _songs(60)
    listeners = _listeners(2, songs)

    courses = simulation.compare_policies(listeners, songs, Prior.default(), 0, POINT)

    assert _rows(courses["ours"]) == _rows(courses["ours, new installation"])


def test_coverage_counts_every_song_once() -> None:
    rows = np.arange(N_SESSIONS * SESSION_SONGS).reshape(N_SESSIONS, SESSION_SONGS)
    nothing = np.zeros(rows.shape)
    course = PolicyRun(rows, nothing, nothing, nothing > 0, nothing, nothing[:, 0])

    assert simulation.coverage([course, course], 200) == 0.25


@pytest.mark.parametrize("name", simulation.PLANNERS)
def test_a_journey_has_its_length_and_no_song_twice(name: str) -> None:
    songs = _songs()
    (listener,) = _listeners(1, songs)
    model = simulation.rated_model(listener, songs, Prior.default(), 1)
    candidates = simulation.candidates_of(songs, model, model, None)

    rows = simulation.PLANNERS[name](candidates, simulation.journey_path(listener, 1), 1)

    assert len(np.unique(rows)) == simulation.N_PLACES


def test_a_journey_leads_away_from_the_mood_before() -> None:
    songs = _songs()
    for number, listener in enumerate(_listeners(10, songs)):
        path = simulation.journey_path(listener, number)

        assert np.array_equal(path[0], listener.moods[0])
        assert np.hypot(*(path[1] - path[0])) >= simulation.MIN_LENGTH


def test_every_song_of_a_journey_is_felt_in_the_mood_that_the_last_one_left() -> None:
    songs = _songs()
    (listener,) = _listeners(1, songs)

    points = simulation.felt_along(listener, songs, np.array([4, 9]), listener.moods[0])

    assert np.array_equal(points[0], listener.felt(songs, listener.moods[0])[4])
    assert np.array_equal(points[1], listener.felt(songs, points[0])[9])


def test_planned_journeys_lead_further_in_smaller_steps_than_random_ones() -> None:
    songs = _songs()
    went = [
        simulation.journeys(listener, songs, Prior.default(), number)
        for number, listener in enumerate(_listeners(15, songs))
    ]

    for measure in ("mean step", "largest step", "arrival"):
        planned, random = (np.mean([each[name][measure] for each in went]) for name in ("ours", "random"))
        assert planned < 0.8 * random


def test_popularity_is_the_mean_like_and_little_known_songs_are_as_liked_as_the_others() -> None:
    said = replace(Ratings.none(2), song_ids=np.array([0, 1, 1]), likes=np.array([1.0, -1.0, -1.0]))

    popularity = simulation.mean_likes([said], 3)

    # Five more listeners of each song like it as all songs are liked, -1/3.
    assert popularity == pytest.approx([(1 - 5 / 3) / 6, (-2 - 5 / 3) / 7, -1 / 3])


@pytest.mark.needs_data
def test_real_moods_before_listening_differ(mer_data: Path) -> None:
    spread = mood_spread(list(situnes.load(mer_data / "situnes").listeners.values()))

    assert spread == pytest.approx(np.array([[0.133, 0.005], [0.005, 0.162]]), abs=0.002)


def _rows(courses: list[PolicyRun]) -> list[list[list[int]]]:
    return [course.rows.tolist() for course in courses]
