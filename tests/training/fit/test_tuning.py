"""Bayesian optimisation of made functions."""

from __future__ import annotations

import numpy as np
import pytest

from training.fit.tuning import maximise

BOUNDS = ((-5.0, 5.0), (0.0, 20.0))


def _hill(point: tuple[float, ...]) -> float:
    return -((point[0] - 2.0) ** 2) / 10 - ((point[1] - 15.0) ** 2) / 40


def test_it_climbs_a_hill_in_few_evaluations() -> None:
    found = maximise(_hill, BOUNDS, seed=1)
    assert found.score == pytest.approx(0, abs=0.02)
    assert np.abs(np.array(found.point) - [2, 15]).max() < 0.8
    assert found.points.shape == (25, 2)
    assert found.scores.max() == found.score
    low, high = np.array(BOUNDS).T
    assert ((found.points >= low) & (found.points <= high)).all()


def test_it_does_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    low, high = np.array(BOUNDS).T
    by_chance = [max(_hill(tuple(low + (high - low) * rng.random(2))) for _ in range(25)) for _ in range(40)]
    found = [maximise(_hill, BOUNDS, seed=seed).score for seed in range(4)]
    assert np.mean(found) > np.quantile(by_chance, 0.8)


def test_the_same_seed_tries_the_same_points() -> None:
    first, again = (maximise(_hill, BOUNDS, seed=3, evaluations=12) for _ in range(2))
    assert np.array_equal(first.points, again.points)
    assert not np.array_equal(first.points, maximise(_hill, BOUNDS, seed=4, evaluations=12).points)


def test_few_evaluations_and_a_flat_score_are_no_trouble() -> None:
    assert len(maximise(_hill, BOUNDS, seed=0, evaluations=3).scores) == 3
    assert maximise(lambda _: 0.5, BOUNDS, seed=0, evaluations=11).score == 0.5
