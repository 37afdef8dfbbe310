"""The forest says what scikit-learn's does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier

from emotion.zoo.forest import Forest, ForestConfig, ForestLayer

N, N_FEATURES = 200, 12


def _made(n_classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    quadrants = rng.integers(0, n_classes, N)
    features = rng.standard_normal((N, N_FEATURES)).astype(np.float32)
    features[:, 0] += quadrants
    return features, quadrants


def test_probabilities_and_leaves_are_those_of_scikit_learn() -> None:
    features, quadrants = _made()
    forest = Forest(ForestConfig(n_features=N_FEATURES, n_trees=30, min_leaf=2))
    forest.fit(torch.from_numpy(features), torch.from_numpy(quadrants))
    theirs = RandomForestClassifier(30, min_samples_leaf=2, random_state=20261130).fit(features, quadrants)
    unseen = np.random.default_rng(5).standard_normal((500, N_FEATURES)).astype(np.float32) * 3
    for asked in (features, unseen):
        inputs = torch.from_numpy(asked)
        assert np.array_equal((forest.forest.leaves(inputs) - forest.forest.roots).numpy(), theirs.apply(asked))
        assert np.abs(forest.forest(inputs).numpy() - theirs.predict_proba(asked)).max() < 1e-6
        logits, embedding = forest(inputs)
        assert np.array_equal(logits.argmax(dim=1).numpy(), theirs.predict_proba(asked).argmax(axis=1))
        assert embedding.shape == (len(asked), 64)


def test_a_feature_on_the_threshold_goes_left_as_in_scikit_learn() -> None:
    # Few values, so that thresholds lie between neighbouring ones, and inputs lie on thresholds.
    rng = np.random.default_rng(1)
    features = rng.integers(0, 3, (N, 4)).astype(np.float32) * np.float32(0.1)
    quadrants = rng.integers(0, 4, N)
    theirs = RandomForestClassifier(20, random_state=0).fit(features, quadrants)
    layer = ForestLayer(1, 1, 0)
    layer.take(theirs)
    asked = np.concatenate([features, (features + np.float32(0.05)).astype(np.float32)])
    assert np.abs(layer(torch.from_numpy(asked)).numpy() - theirs.predict_proba(asked)).max() < 1e-6


def test_quadrants_that_no_clip_has_get_nothing() -> None:
    features, quadrants = _made(n_classes=2)
    forest = Forest(ForestConfig(n_features=N_FEATURES, n_trees=10))
    forest.fit(torch.from_numpy(features), torch.from_numpy(2 * quadrants + 1))
    probabilities = forest.forest(torch.from_numpy(features))
    assert not probabilities[:, [0, 2]].any()
    assert forest(torch.from_numpy(features))[0].isfinite().all()


def test_its_options_say_how_large_it_has_grown() -> None:
    features, quadrants = _made()
    forest = Forest(ForestConfig(n_features=N_FEATURES, n_trees=5))
    forest.fit(torch.from_numpy(features), torch.from_numpy(quadrants))
    again = Forest(forest.config)
    again.load_state_dict(forest.state_dict())
    inputs = torch.from_numpy(features)
    assert torch.equal(again(inputs)[0], forest(inputs)[0])
    assert forest.config.depth > 1


def test_a_new_forest_says_nothing() -> None:
    logits, _ = Forest(ForestConfig(n_features=3, n_trees=2))(torch.randn(4, 3))
    assert logits.exp().numpy() == pytest.approx(0.25)
