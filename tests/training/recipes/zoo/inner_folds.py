"""Which groups the inner folds of a support vector machine train on."""

from __future__ import annotations

import numpy as np
import pytest

from training.fit import relieff


def training_groups(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Note the groups of the clips of every ranking, which stand in the first column."""
    found: list[np.ndarray] = []
    real = relieff.top_ranked

    def noted(features: np.ndarray, classes: np.ndarray, n: int) -> np.ndarray:
        found.append(features[:, 0].astype(int))
        return real(features, classes, n)

    monkeypatch.setattr(relieff, "top_ranked", noted)
    return found


def assert_whole(trained_on: list[np.ndarray], groups: np.ndarray) -> None:
    """Each inner fold trains on all clips of a group or none; the last ranking is that of all clips."""
    sizes = np.bincount(groups)
    assert len(trained_on) == 6
    for part in trained_on:
        heard = np.bincount(part, minlength=len(sizes))
        assert ((heard == 0) | (heard == sizes)).all()
    assert [len(part) < len(groups) for part in trained_on] == [True] * 5 + [False]
