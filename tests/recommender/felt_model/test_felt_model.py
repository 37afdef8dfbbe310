"""The listener's own model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.felt_model.learning import learn
from recommender.felt_model.model import MAX_SHIFT, TYPICAL_MOOD, ListenerModel, Prior, Ratings

N_DIMENSIONS = 64
BASIS = np.linalg.qr(np.random.default_rng(11).normal(size=(N_DIMENSIONS, 8)))[0].T
NOBODY = Ratings.none(N_DIMENSIONS)


def unit_rows(n_rows: int, seed: int = 0) -> NDArray[np.float64]:
    """Make embeddings that lie mostly where the basis sees them, as those of real songs do."""
    rng = np.random.default_rng(seed)
    rows: NDArray[np.float64] = rng.normal(size=(n_rows, 8)) @ BASIS + 0.1 * rng.normal(size=(n_rows, N_DIMENSIONS)) / 8
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def plane(n_rows: int, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(-1, 1, size=(n_rows, 2))


def ratings(
    perceived: NDArray[np.float64],
    felt: NDArray[np.float64],
    embeddings: NDArray[np.float64],
    likes: NDArray[np.float64] | None = None,
    moods: NDArray[np.float64] | None = None,
    like_weights: NDArray[np.float64] | None = None,
) -> Ratings:
    n_rows = len(perceived)
    return Ratings(
        song_ids=np.arange(n_rows),
        perceived=perceived,
        felt=felt,
        embeddings=embeddings,
        weights=np.ones(n_rows),
        likes=np.full(n_rows, np.nan) if likes is None else likes,
        like_weights=np.ones(n_rows) if like_weights is None else like_weights,
        moods=np.full((n_rows, 2), np.nan) if moods is None else moods,
        familiar=np.zeros(n_rows),
    )


def fitted(said: Ratings, prior: Prior | None = None) -> ListenerModel:
    return ListenerModel.fit(said, prior, BASIS)


def test_without_ratings_it_is_exactly_the_shared_model() -> None:
    perceived = plane(30)
    felt = fitted(NOBODY).predict(np.arange(30), perceived, unit_rows(30))
    assert np.array_equal(felt.point, perceived)
    assert not felt.shift.any()
    assert not felt.by_mood.any()
    assert not felt.liking.any()
    assert not felt.n_similar.any()


def test_an_axis_that_was_not_answered_is_not_learned_from() -> None:
    perceived, embeddings = plane(40) * 0.5, unit_rows(40)
    moods = plane(40, seed=9) * 0.5
    felt = perceived + np.array([0.3, -0.4])
    half = felt.copy()
    half[:, 0] = np.nan
    said, whole = (ratings(perceived, each, embeddings, moods=moods) for each in (half, felt))
    model, both = fitted(said), fitted(whole)
    # Nothing about valence; about arousal what the whole answers say, but for which songs changed nothing.
    assert not model.posterior.mean[0].any()
    assert not model.predict(np.arange(40), perceived, embeddings).by_ratings[:, 0].any()
    assert model.posterior.mean[1] == pytest.approx(both.posterior.mean[1], abs=0.05)
    learned = learn([said] * 6, BASIS, Prior.default())
    assert np.isfinite(np.concatenate([np.ravel(each) for each in learned.as_json().values()])).all()
    assert learned.noise[0] == pytest.approx(Prior.default().noise[0])
    assert learned.mean[0] == pytest.approx(Prior.default().mean[0], abs=1e-6)


def test_it_learns_a_listener_who_feels_everything_calmer() -> None:
    perceived = plane(40) * 0.5
    model = fitted(ratings(perceived, perceived + np.array([0.0, -0.4]), unit_rows(40)))
    unseen = plane(20, seed=5) * 0.5
    felt = model.predict(np.arange(100, 120), unseen, unit_rows(20, seed=9))
    assert np.abs(felt.shift[:, 1] + 0.4).max() < 0.2
    assert np.abs(felt.shift[:, 0]).max() < 0.1


def test_it_improves_with_ratings_on_songs_it_has_not_seen() -> None:
    """Personalisation must pay: the error on unseen songs falls from none to 5 to 20 ratings."""
    rng = np.random.default_rng(3)
    taste = rng.normal(size=(N_DIMENSIONS, 2)) * 0.1
    errors = []
    for n_ratings in (0, 5, 20):
        error = []
        for draw in range(20):
            embeddings, perceived = unit_rows(60, seed=draw), plane(60, seed=draw) * 0.6
            felt = perceived + np.array([0.25, -0.2]) + embeddings @ taste + rng.normal(size=(60, 2)) * 0.2
            seen = slice(0, n_ratings)
            model = fitted(ratings(perceived[seen], felt[seen], embeddings[seen]))
            predicted = model.predict(np.arange(100, 130), perceived[30:], embeddings[30:]).point
            error.append(np.abs(predicted - felt[30:]).mean())
        errors.append(np.mean(error))
    assert errors[0] > errors[1] > errors[2]


def test_similar_songs_follow_a_rating_more_than_others() -> None:
    embeddings = unit_rows(3)
    embeddings[1] = embeddings[0] + 0.3 * embeddings[1]
    embeddings[1] /= np.linalg.norm(embeddings[1])
    prior = replace(Prior.default(), timbre_variance=np.array([0.04, 0.04]))
    model = fitted(ratings(np.zeros((1, 2)), np.array([[0.0, -0.5]]), embeddings[:1]), prior)
    felt = model.predict(np.array([0, 1, 2]), np.zeros((3, 2)), embeddings)
    assert felt.shift[0, 1] < felt.shift[1, 1] < felt.shift[2, 1] < 0
    assert felt.by_own_rating.tolist() == [True, False, False]
    assert felt.n_similar.tolist() == [0, 1, 0]


def test_what_was_said_of_a_song_counts_for_that_song_most() -> None:
    """Half of what nothing else explains belongs to the song; the rest may have been the moment."""
    embeddings = np.repeat(unit_rows(1), 2, axis=0)
    model = fitted(ratings(np.zeros((1, 2)), np.array([[0.3, 0.0]]), embeddings[:1]))
    felt = model.predict(np.array([0, 1]), np.zeros((2, 2)), embeddings)
    assert 0 < felt.shift[1, 0] < felt.shift[0, 0] < 0.3


def test_one_rating_leaves_more_uncertainty_than_many() -> None:
    embeddings, perceived = unit_rows(30), plane(30)
    one = fitted(ratings(perceived[:1], perceived[:1], embeddings[:1]))
    many = fitted(ratings(perceived, perceived, embeddings))
    ids, probe = np.arange(100, 105), unit_rows(5, seed=8)
    assert (many.predict(ids, plane(5), probe).sd < one.predict(ids, plane(5), probe).sd).all()


def test_a_listener_who_puts_everything_into_a_corner_is_bounded() -> None:
    perceived = np.full((50, 2), 0.9)
    felt = fitted(ratings(perceived, np.full((50, 2), -1.0), unit_rows(50))).predict(
        np.arange(50), perceived, unit_rows(50)
    )
    assert np.abs(felt.shift).max() <= MAX_SHIFT + 1e-9
    assert np.abs(felt.point).max() <= 1.0


def test_contradictory_ratings_cancel_out() -> None:
    embedding = np.repeat(unit_rows(1), 2, axis=0)
    model = fitted(ratings(np.zeros((2, 2)), np.array([[0.9, 0.9], [-0.9, -0.9]]), embedding))
    assert np.abs(model.predict(np.array([9]), np.zeros((1, 2)), embedding[:1]).shift).max() < 1e-9


def test_one_rating_that_fits_nothing_else_counts_little() -> None:
    perceived, embeddings = np.zeros((11, 2)), unit_rows(11)
    felt = np.full((11, 2), 0.1)
    calm = fitted(ratings(perceived[:10], felt[:10], embeddings[:10]))
    felt[10] = -1.0
    startled = fitted(ratings(perceived, felt, embeddings))
    probe = (np.array([99]), np.zeros((1, 2)), unit_rows(1, seed=4))
    assert np.abs(startled.predict(*probe).point - calm.predict(*probe).point).max() < 0.06


def test_a_mood_before_moves_the_felt_point_and_nothing_else() -> None:
    felt = fitted(NOBODY).predict(np.arange(2), np.zeros((2, 2)), unit_rows(2), mood=(-0.5, 0.6))
    slope = Prior.default().mean[0, 1]
    assert felt.by_mood[:, 0] == pytest.approx(slope * (-0.5 - TYPICAL_MOOD[0]))
    assert felt.shift == pytest.approx(felt.by_mood)
    assert not felt.by_ratings.any()


def test_a_mood_can_be_given_for_each_song() -> None:
    moods = np.array([[0.5, 0.5], [np.nan, np.nan]])
    felt = fitted(NOBODY).predict(np.arange(2), np.zeros((2, 2)), unit_rows(2), mood=moods)
    assert felt.by_mood[0].any()
    assert not felt.by_mood[1].any()


def test_a_listener_whom_songs_do_not_move_is_learned() -> None:
    moods, perceived = plane(30, seed=3), plane(30)
    unmoved = fitted(ratings(perceived, moods, unit_rows(30), moods=moods))
    moved = fitted(ratings(perceived, np.clip(perceived + 0.3, -1, 1), unit_rows(30), moods=moods))
    assert unmoved.stay_share > 0.8 > 0.3 > moved.stay_share
    expected = unmoved.expect(np.array([[0.9, -0.9]]), (-0.2, 0.1))
    assert np.abs(expected - (-0.2, 0.1)).max() < 0.1
    # The effect of songs that move the listener stays the average: nothing was learned about it.
    assert np.abs(unmoved.posterior.mean).max() < 0.1


def test_without_a_mood_the_point_itself_is_expected() -> None:
    point = plane(3)
    assert fitted(NOBODY).expect(point, None) == pytest.approx(point, abs=1e-6)


def test_predictions_stay_on_the_plane() -> None:
    perceived = np.full((20, 2), 0.8)
    model = fitted(ratings(perceived, np.ones((20, 2)), unit_rows(20)))
    probe = model.predict(np.array([1]), np.array([[1.0, 1.0]]), unit_rows(1), mood=(1.0, 1.0))
    assert probe.point.max() <= 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers_are_left_out(bad: float) -> None:
    perceived, embeddings = plane(4) * 0.5, unit_rows(4)
    felt = perceived + 0.3
    clean = fitted(ratings(perceived[:1], felt[:1], embeddings[:1]))
    felt[1], perceived[2, 1], embeddings[3, 5] = bad, bad, bad
    dirty = fitted(ratings(perceived, felt, embeddings))
    assert len(dirty.song_ids) == 1
    assert np.allclose(dirty.coefficients, clean.coefficients)
    probe = dirty.predict(np.array([7]), np.array([[bad, 0.2]]), np.full((1, N_DIMENSIONS), bad))
    assert np.isfinite(probe.point).all()


def test_likes_are_a_model_of_their_own() -> None:
    embeddings = unit_rows(3)
    embeddings[1] = embeddings[0]
    silent = np.full((1, 2), np.nan)
    model = fitted(ratings(np.zeros((1, 2)), silent, embeddings[:1], likes=np.array([1.0])))
    felt = model.predict(np.array([0, 1, 2]), np.zeros((3, 2)), embeddings)
    assert not felt.shift.any()
    assert felt.liking[0] > felt.liking[1] > felt.liking[2]
    assert felt.liking[0] > 0.6


def test_an_implied_like_weighs_less_than_a_said_one() -> None:
    silent, embeddings = np.full((1, 2), np.nan), unit_rows(1)

    def liking(weight: float) -> float:
        said = ratings(np.zeros((1, 2)), silent, embeddings, np.array([1.0]), like_weights=np.array([weight]))
        return float(fitted(said).predict(np.array([5]), np.zeros((1, 2)), embeddings).liking[0])

    assert 0 < liking(0.25) < liking(1.0)


def test_the_linear_map_says_what_the_model_says() -> None:
    perceived, embeddings = plane(20) * 0.4, unit_rows(20)
    model = fitted(ratings(perceived, perceived + 0.2 * plane(20, seed=7), embeddings, likes=plane(20)[:, 0]))
    unseen, probes = plane(9, seed=2) * 0.3, unit_rows(9, seed=6)
    felt = model.predict(np.arange(100, 109), unseen, probes, mood=(0.1, 0.2))
    linear = model.linear(mood=(0.1, 0.2))
    mapped = linear.offset + unseen @ linear.on_perceived.T + probes @ linear.on_embedding.T
    assert mapped == pytest.approx(felt.point, abs=1e-9)
    liking = probes @ linear.liking
    assert np.ptp(felt.liking - liking) == pytest.approx(0, abs=1e-9)


def test_a_draw_is_repeatable_spreads_as_the_posterior_does_and_cools_to_the_mean() -> None:
    perceived, embeddings = plane(5), unit_rows(5)
    model = fitted(ratings(perceived, perceived, embeddings))
    probe = (np.array([50]), np.array([[0.1, 0.1]]), unit_rows(1, seed=3))
    assert np.array_equal(model.draw(4).predict(*probe).point, model.draw(4).predict(*probe).point)
    assert np.array_equal(model.draw(4, temperature=0.0).predict(*probe).point, model.predict(*probe).point)
    drawn = np.array([model.draw(seed).predict(*probe).point[0] for seed in range(400)])
    assert drawn.std(axis=0).max() == pytest.approx(model.predict(*probe).sd[0], rel=0.15)


def cohort(n_listeners: int, slope: float, stay: float, seed: int = 0) -> list[Ratings]:
    """Make listeners who differ in their bias, feel `slope` of the perceived point, and often feel nothing."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n_listeners):
        perceived, moods = rng.uniform(-0.6, 0.6, (40, 2)), rng.uniform(-0.5, 0.5, (40, 2))
        felt = slope * perceived + rng.normal(0, 0.15, 2) + rng.normal(0, 0.1, (40, 2))
        felt = np.where(rng.random((40, 1)) < stay, moods + rng.normal(0, 0.02, (40, 2)), felt)
        made.append(ratings(perceived, np.clip(felt, -1, 1), unit_rows(40, seed=number), moods=moods))
    return made


def test_learning_finds_what_the_listeners_have_in_common() -> None:
    prior = learn(cohort(30, slope=0.4, stay=0.3), BASIS, Prior.default())
    assert prior.mean[0, 4] == pytest.approx(0.4, abs=0.08)
    assert prior.mean[1, 5] == pytest.approx(0.4, abs=0.08)
    assert prior.stay[0] / prior.stay.sum() == pytest.approx(0.3, abs=0.06)
    assert np.sqrt(prior.variances[:, 0]) == pytest.approx(0.15, abs=0.06)
    assert np.sqrt(prior.noise[:, 1]) == pytest.approx(0.1, abs=0.05)


def test_a_learned_prior_helps_a_listener_who_said_nothing() -> None:
    everybody = cohort(21, slope=0.4, stay=0.0)
    prior, new = learn(everybody[:20], BASIS, Prior.default()), everybody[20]
    asked = (new.song_ids, new.perceived, new.embeddings)
    naive = np.abs(fitted(NOBODY).predict(*asked).point - new.felt).mean()
    learned = np.abs(fitted(NOBODY, prior).predict(*asked).point - new.felt).mean()
    assert learned < naive


def test_nobody_teaches_nothing() -> None:
    start = Prior.default()
    assert learn([], BASIS, start).as_json() == start.as_json()
    assert learn([NOBODY], BASIS, start).as_json() == start.as_json()


def test_a_prior_is_stored_and_read_whole() -> None:
    prior = learn(cohort(3, slope=0.5, stay=0.1), BASIS, Prior.default())
    assert Prior.from_json(prior.as_json()).as_json() == prior.as_json()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("noise", [[0.1, 0.1], [0.1, -1.0]], "not positive"),
        ("mean", [[0.0] * 6, [float("nan")] * 6], "not finite"),
        ("stay", [1.0], "shape"),
    ],
)
def test_a_broken_prior_is_refused(name: str, value: list[object], sentence: str) -> None:
    stored = Prior.default().as_json() | {name: value}
    with pytest.raises(ValueError, match=sentence):
        Prior.from_json(stored)


def test_a_prior_of_other_embeddings_keeps_what_does_not_depend_on_them() -> None:
    prior = learn(cohort(5, slope=0.5, stay=0.1), BASIS, Prior.default())
    other = np.eye(3, 32)
    assert prior.coefficients(other)[:, :6] == pytest.approx(prior.mean)
    assert not prior.coefficients(other)[:, 6:].any()
