"""ReliefF on made data."""

from __future__ import annotations

import numpy as np
import pytest

from training.fit.relieff import relieff, top_ranked


def _made(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return twenty columns, of which 3 and 11 together tell four classes."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, 20)).astype(np.float32)
    classes = 2 * (features[:, 3] > 0) + (features[:, 11] > 0)
    return features, classes.astype(np.int64)


@pytest.mark.parametrize("seed", range(3))
def test_the_two_columns_that_matter_come_first(seed: int) -> None:
    features, classes = _made(seed=seed)
    weights = relieff(features, classes)
    assert set(top_ranked(features, classes, 2)) == {3, 11}
    assert min(weights[[3, 11]]) > 3 * np.delete(weights, [3, 11]).max()


def test_columns_that_tell_only_together_are_found() -> None:
    # Exclusive or: each column alone is independent of the class.
    rng = np.random.default_rng(4)
    features = rng.standard_normal((400, 10))
    classes = ((features[:, 2] > 0) ^ (features[:, 7] > 0)).astype(np.int64)
    assert set(top_ranked(features, classes, 2)) == {2, 7}


def test_units_do_not_matter_and_a_constant_weighs_nothing() -> None:
    features, classes = _made()
    scaled = features * np.geomspace(1e-3, 1e3, 20).astype(np.float32) + 5
    assert relieff(scaled, classes) == pytest.approx(relieff(features, classes), abs=1e-3)
    features[:, 5] = 7
    assert relieff(features, classes)[5] == 0


def test_it_is_the_sum_over_clips_of_the_sources() -> None:
    features, classes = _made(n=40, seed=9)
    classes[:4] = [0, 1, 2, 3]
    scaled = (features - features.min(axis=0)) / np.ptp(features, axis=0)
    k, wanted = 3, np.zeros(20)
    for i in range(40):
        for label in range(4):
            others = [j for j in np.flatnonzero(classes == label) if j != i]
            nearest = sorted(others, key=lambda j: float(np.abs(scaled[i] - scaled[j]).sum()))[:k]
            difference = np.abs(scaled[i] - scaled[nearest]).mean(axis=0)
            share, own = (classes == label).mean(), (classes == classes[i]).mean()
            wanted += -difference if label == classes[i] else share / (1 - own) * difference
    assert relieff(features, classes, neighbours=k) == pytest.approx(wanted / 40, abs=1e-6)


def test_a_class_of_one_clip_lends_what_it_has() -> None:
    features, classes = _made(n=30)
    classes[:] = np.arange(30) % 2
    classes[0] = 2
    assert np.isfinite(relieff(features, classes)).all()


def test_no_more_columns_than_there_are() -> None:
    features, classes = _made(n=60)
    assert sorted(top_ranked(features, classes, 100)) == list(range(20))
