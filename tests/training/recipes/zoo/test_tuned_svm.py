"""The support vector machine is ranked, tuned and fitted on the clips of its fold alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emotion.zoo.svm import Svm, SvmConfig
from tests.training.recipes.zoo.inner_folds import assert_whole, training_groups
from training.fit import relieff
from training.recipes.zoo.tuned_svm import SVM_BOUNDS, fit_svm, numbers_of


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


def test_no_group_is_on_both_sides_of_an_inner_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    trained_on = training_groups(monkeypatch)
    inputs, quadrants = _clips(96)
    groups = np.random.default_rng(0).permutation(np.arange(96) // 6)
    inputs[:, 0] = torch.from_numpy(groups)
    fit_svm(Svm(SvmConfig(20, 4)), inputs, quadrants, groups=groups, seed=1, evaluations=1)
    assert_whole(trained_on, groups)
