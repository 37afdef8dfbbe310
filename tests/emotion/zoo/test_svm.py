"""The support vector machine says what scikit-learn's does, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from emotion.zoo.svm import Svm, SvmConfig

N_FEATURES = 30
COLUMNS = np.array([4, 0, 17, 9, 2, 29, 11, 6])


@pytest.fixture(scope="module")
def clips() -> Callable[[int], tuple[Tensor, Tensor]]:
    """Make clips of four overlapping quadrants, in features of very different units."""

    def make(n: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(n)
        quadrants = np.arange(n) % 4
        features = rng.standard_normal((n, N_FEATURES))
        features[:, 4] += 1.2 * (quadrants < 2)
        features[:, 17] += 1.2 * (quadrants % 3 == 0)
        return torch.from_numpy(features * np.geomspace(1e-3, 1e3, N_FEATURES)).float(), torch.from_numpy(quadrants)

    return make


@pytest.fixture(scope="module")
def machine(clips: Callable[[int], tuple[Tensor, Tensor]]) -> Svm:
    fitted = Svm(SvmConfig(N_FEATURES, len(COLUMNS), c=2.0, gamma=0.1))
    fitted.select(COLUMNS)
    fitted.fit(*clips(240))
    return fitted


def test_decision_values_and_votes_are_those_of_scikit_learn(
    machine: Svm, clips: Callable[[int], tuple[Tensor, Tensor]]
) -> None:
    inputs, quadrants = clips(240)
    unseen, _ = clips(1000)
    scaler = StandardScaler().fit(inputs.numpy()[:, COLUMNS])
    theirs = SVC(C=2.0, gamma=0.1, decision_function_shape="ovo")
    theirs.fit(scaler.transform(inputs.numpy()[:, COLUMNS]), quadrants.numpy())
    scaled = scaler.transform(unseen.numpy()[:, COLUMNS])
    values = machine.pairs(machine.standardised(unseen))
    assert np.abs(values.numpy() - theirs.decision_function(scaled)).max() < 1e-3
    assert machine.config.n_support == len(theirs.support_vectors_)
    # Of equal votes libsvm takes the first.
    votes = (values.sign() @ machine.votes).argmax(dim=1).numpy()
    assert (votes == theirs.predict(scaled)).mean() > 0.998
    assert (machine(unseen)[0].argmax(dim=1).numpy() == theirs.predict(scaled)).mean() > 0.9


def test_probabilities_are_those_of_clips_that_it_has_not_seen(
    machine: Svm, clips: Callable[[int], tuple[Tensor, Tensor]]
) -> None:
    inputs, quadrants = clips(1000)
    logits = machine(inputs)[0]
    losses = [float(torch.nn.functional.cross_entropy(logits * factor, quadrants)) for factor in (0.5, 1, 2)]
    assert losses[1] == min(losses)
    assert losses[1] < np.log(4) - 0.1


def test_it_reads_only_the_chosen_columns(machine: Svm, clips: Callable[[int], tuple[Tensor, Tensor]]) -> None:
    inputs, _ = clips(40)
    others = np.setdiff1d(np.arange(N_FEATURES), COLUMNS)
    changed = inputs.clone()
    changed[:, others] = 7
    assert torch.equal(machine(changed)[0], machine(inputs)[0])
    changed[:, COLUMNS[0]] = 7
    assert not torch.equal(machine(changed)[0], machine(inputs)[0])


def test_a_column_without_spread_does_no_harm(clips: Callable[[int], tuple[Tensor, Tensor]]) -> None:
    inputs, quadrants = clips(80)
    inputs[:, 4] = 3.0
    fitted = Svm(SvmConfig(N_FEATURES, len(COLUMNS)))
    fitted.select(COLUMNS)
    fitted.fit(inputs, quadrants)
    assert fitted(inputs)[0].isfinite().all()


def test_clips_of_one_group_are_left_out_together(clips: Callable[[int], tuple[Tensor, Tensor]]) -> None:
    # Every clip is there twice: without groups its copy tells the answer, and temperature falls.
    inputs, quadrants = (each.repeat(2, *[1] * (each.ndim - 1)) for each in clips(80))
    temperatures = []
    for groups in (None, np.arange(160) % 80):
        fitted = Svm(SvmConfig(N_FEATURES, len(COLUMNS), c=8.0, gamma=0.5))
        fitted.select(COLUMNS)
        fitted.fit(inputs, quadrants, groups)
        temperatures.append(float(fitted.temperature))
    assert temperatures[0] < 0.7 * temperatures[1]


def test_too_few_groups_leave_the_temperature_alone(clips: Callable[[int], tuple[Tensor, Tensor]]) -> None:
    fitted = Svm(SvmConfig(N_FEATURES, len(COLUMNS)))
    fitted.fit(*clips(40), np.zeros(40, np.int64))
    assert float(fitted.temperature) == 1


def test_a_missing_quadrant_gets_a_sentence() -> None:
    with pytest.raises(ValueError, match="training clips of all four quadrants"):
        Svm(SvmConfig(3, 3)).fit(torch.randn(9, 3), torch.arange(9) % 3)
