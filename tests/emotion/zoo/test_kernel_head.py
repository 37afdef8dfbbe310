"""The kernel head: its components, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from emotion.zoo.kernel_head import KernelConfig, KernelData, KernelHead


def _fitted(n: int, d: int, n_components: int) -> tuple[KernelHead, KernelData]:
    rng = np.random.default_rng(5)
    quadrants = np.arange(n) % 4
    features = (rng.normal(0, 1, (n, d)) + 2.0 * np.eye(d)[quadrants]).astype(np.float32)
    nothing = np.full((n, 2), np.nan, np.float32)
    data = KernelData(features, np.eye(4, dtype=np.float32)[quadrants], nothing, np.ones(n))
    head = KernelHead(d, n_components, n_landmarks=n)
    head.fit(data, [d], KernelConfig(), seed=1)
    return head, data


@pytest.mark.parametrize(("n", "d"), [(30, 80), (80, 30)])
def test_components_are_the_principal_ones_with_more_clips_than_features_and_with_fewer(n: int, d: int) -> None:
    head, data = _fitted(n, d, n_components=6)
    standard = (data.features - head.mean.numpy()) / head.spread.numpy() / np.sqrt(d)
    wanted = PCA(6).fit(standard)
    # Directions have no sign.
    alike = np.abs(head.components.numpy() @ wanted.components_.T)
    np.testing.assert_allclose(alike, np.eye(6), atol=0.01)


def test_components_beyond_those_of_the_clips_are_directions_too() -> None:
    head, data = _fitted(12, 40, n_components=20)
    np.testing.assert_allclose(head.components.numpy() @ head.components.numpy().T, np.eye(20), atol=0.01)
    logits, points = head(torch.from_numpy(data.features))
    assert logits.argmax(dim=1).tolist() == data.targets.argmax(axis=1).tolist()
    assert not points.any()
