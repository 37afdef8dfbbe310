"""Bayesian optimisation, and the support vector machine that it tunes inside a fold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emotion.zoo.svm import Svm, SvmConfig
from training.fit import relieff
from training.fit.tuning import SVM_BOUNDS, fit_svm, maximise, numbers_of

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


def _clips(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(n)
    quadrants = np.arange(n) % 4
    features = rng.standard_normal((n, 20))
    features[:, 3] += 2.0 * (quadrants < 2)
    features[:, 11] += 2.0 * (quadrants % 3 == 0)
    return torch.from_numpy(features).float(), torch.from_numpy(quadrants)


def test_a_machine_is_ranked_tuned_and_fitted_on_its_fold() -> None:
    inputs, quadrants = _clips(160)
    machine = Svm(SvmConfig(20, 4))
    found = fit_svm(machine, inputs, quadrants, groups=np.arange(160) // 4, seed=2, evaluations=10)
    assert {3, 11} <= set(machine.columns.tolist())
    c, gamma = numbers_of(found.point, 4)
    assert (machine.config.c, machine.config.gamma) == (c, gamma)
    assert 2.0 ** SVM_BOUNDS[0][0] <= c <= 2.0 ** SVM_BOUNDS[0][1]
    unseen, truth = _clips(400)
    assert (machine(unseen)[0].argmax(dim=1) == truth).float().mean() > 0.6
    assert found.score > 0.6


def test_features_are_ranked_without_the_clips_that_score_them(monkeypatch: pytest.MonkeyPatch) -> None:
    ranked: list[int] = []
    real = relieff.top_ranked

    def counted(features: np.ndarray, classes: np.ndarray, n: int) -> np.ndarray:
        ranked.append(len(features))
        return real(features, classes, n)

    monkeypatch.setattr(relieff, "top_ranked", counted)
    _, quadrants = _clips(100)
    # Noise that is chosen by all clips looks better than it is; chosen inside, it is worth nothing.
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal((100, 400))).float()
    found = fit_svm(Svm(SvmConfig(400, 5)), noise, quadrants, groups=np.arange(100), seed=0, evaluations=2)
    assert ranked == [80] * 5 + [100]
    assert found.score < 0.4
