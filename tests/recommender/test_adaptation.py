"""The listener's own model."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.adaptation import MAX_SHIFT, ListenerModel, Ratings
from tests.conftest import ROOT

N_DIMENSIONS = 64


def unit_rows(n_rows: int, seed: int = 0) -> NDArray[np.float64]:
    rows = np.random.default_rng(seed).normal(size=(n_rows, N_DIMENSIONS))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def ratings(
    perceived: NDArray[np.float64],
    felt: NDArray[np.float64],
    embeddings: NDArray[np.float64],
    likes: NDArray[np.float64] | None = None,
) -> Ratings:
    n_rows = len(perceived)
    return Ratings(
        song_ids=np.arange(n_rows),
        perceived=perceived,
        felt=felt,
        embeddings=embeddings,
        weights=np.ones(n_rows),
        likes=np.full(n_rows, np.nan) if likes is None else likes,
    )


def plane(n_rows: int, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(-1, 1, size=(n_rows, 2))


def test_without_ratings_it_is_exactly_the_shared_model() -> None:
    model = ListenerModel.fit(Ratings.none(N_DIMENSIONS))
    perceived = plane(30)
    felt = model.predict(np.arange(30), perceived, unit_rows(30))
    assert np.array_equal(felt.point, perceived)
    assert not felt.shift.any()
    assert not felt.liking.any()
    assert not felt.n_similar.any()
    assert np.isnan(felt.own_like).all()


def test_it_recovers_a_listener_who_feels_everything_calmer() -> None:
    perceived = plane(40) * 0.5
    model = ListenerModel.fit(ratings(perceived, perceived + np.array([0.0, -0.4]), unit_rows(40)))
    unseen = plane(20, seed=5) * 0.5
    felt = model.predict(np.arange(100, 120), unseen, unit_rows(20, seed=9))
    assert np.abs(felt.shift[:, 1] + 0.4).max() < 0.2
    assert np.abs(felt.shift[:, 0]).max() < 0.1


def test_it_improves_with_ratings_on_songs_it_has_not_seen() -> None:
    """Personalisation must pay: the error on unseen songs falls from none to 5 to 20 ratings."""
    rng = np.random.default_rng(3)
    taste = rng.normal(size=(N_DIMENSIONS, 2)) * 0.4
    errors = []
    for n_ratings in (0, 5, 20):
        error = []
        for draw in range(20):
            embeddings, perceived = unit_rows(60, seed=draw), plane(60, seed=draw) * 0.6
            felt = perceived + np.array([0.25, -0.2]) + embeddings @ taste + rng.normal(size=(60, 2)) * 0.2
            seen = slice(0, n_ratings)
            model = ListenerModel.fit(ratings(perceived[seen], felt[seen], embeddings[seen]))
            predicted = model.predict(np.arange(100, 130), perceived[30:], embeddings[30:]).point
            error.append(np.abs(predicted - felt[30:]).mean())
        errors.append(np.mean(error))
    assert errors[0] > errors[1] > errors[2]


def test_similar_songs_follow_a_rating_more_than_others() -> None:
    embeddings = unit_rows(3)
    embeddings[1] = embeddings[0] + 0.3 * embeddings[1]
    embeddings[1] /= np.linalg.norm(embeddings[1])
    model = ListenerModel.fit(ratings(np.zeros((1, 2)), np.array([[0.0, -0.8]]), embeddings[:1]))
    felt = model.predict(np.array([0, 1, 2]), np.zeros((3, 2)), embeddings)
    assert felt.shift[0, 1] < felt.shift[1, 1] < felt.shift[2, 1] < 0
    assert felt.by_own_rating.tolist() == [True, False, False]
    assert felt.n_similar.tolist() == [0, 1, 0]


def test_one_rating_leaves_more_uncertainty_than_many() -> None:
    embeddings, perceived = unit_rows(30), plane(30)
    one = ListenerModel.fit(ratings(perceived[:1], perceived[:1], embeddings[:1]))
    many = ListenerModel.fit(ratings(perceived, perceived, embeddings))
    ids, probe = np.arange(100, 105), unit_rows(5, seed=8)
    assert (many.predict(ids, plane(5), probe).sd < one.predict(ids, plane(5), probe).sd).all()


def test_a_listener_who_puts_everything_into_a_corner_is_bounded() -> None:
    perceived = np.full((50, 2), 0.9)
    model = ListenerModel.fit(ratings(perceived, np.full((50, 2), -1.0), unit_rows(50)))
    felt = model.predict(np.arange(50), perceived, unit_rows(50))
    assert np.abs(felt.shift).max() <= MAX_SHIFT
    assert np.abs(felt.point).max() <= 1.0


def test_contradictory_ratings_cancel_out() -> None:
    embedding = np.repeat(unit_rows(1), 2, axis=0)
    felt = np.array([[0.9, 0.9], [-0.9, -0.9]])
    model = ListenerModel.fit(ratings(np.zeros((2, 2)), felt, embedding))
    assert np.abs(model.predict(np.array([9]), np.zeros((1, 2)), embedding[:1]).shift).max() < 1e-9


def test_predictions_stay_on_the_plane() -> None:
    perceived = np.full((20, 2), 0.8)
    model = ListenerModel.fit(ratings(perceived, np.ones((20, 2)), unit_rows(20)))
    assert model.predict(np.array([1]), np.array([[1.0, 1.0]]), unit_rows(1)).point.max() <= 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers_are_left_out(bad: float) -> None:
    perceived, embeddings = plane(4) * 0.5, unit_rows(4)
    felt = perceived + 0.3
    clean = ListenerModel.fit(ratings(perceived[:1], felt[:1], embeddings[:1]))
    felt[1, 0], perceived[2, 1], embeddings[3, 5] = bad, bad, bad
    dirty = ListenerModel.fit(ratings(perceived, felt, embeddings))
    assert dirty.n_ratings == 1
    assert np.allclose(dirty.coefficients, clean.coefficients)
    probe = dirty.predict(np.array([7]), np.array([[bad, 0.2]]), np.full((1, N_DIMENSIONS), bad))
    assert np.isfinite(probe.point).all()


def test_likes_are_a_term_of_their_own() -> None:
    embeddings = unit_rows(3)
    embeddings[1] = embeddings[0]
    silent = np.full((1, 2), np.nan)
    model = ListenerModel.fit(ratings(np.zeros((1, 2)), silent, embeddings[:1], likes=np.array([1.0])))
    felt = model.predict(np.array([0, 1, 2]), np.zeros((3, 2)), embeddings)
    assert not felt.shift.any()
    assert felt.liking.tolist() == pytest.approx([1.0, 0.5, 0.0])
    assert felt.own_like[0] == 1.0
    assert np.isnan(felt.own_like[1:]).all()


_TIMED_FIT = """
import time
import numpy as np
from recommender.adaptation import ListenerModel, Ratings

rng = np.random.default_rng(0)
n_ratings = 1000
ratings = Ratings(
    np.arange(n_ratings), rng.uniform(-1, 1, (n_ratings, 2)), rng.uniform(-1, 1, (n_ratings, 2)),
    rng.normal(size=(n_ratings, 64)), np.ones(n_ratings), np.ones(n_ratings),
)
times = []
for _ in range(9):
    begun = time.thread_time()
    ListenerModel.fit(ratings)
    times.append(time.thread_time() - begun)
print(min(times))
"""


def test_a_fit_takes_less_than_five_milliseconds() -> None:
    """One BLAS thread: several, on a busy machine, wait for each other longer than the whole fit takes."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    said = subprocess.run(
        [sys.executable, "-c", _TIMED_FIT], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(said.stdout) < 0.005
