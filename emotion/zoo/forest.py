"""A random forest on a vector of features, as flat tables of nodes that tensors walk through.

It is fitted by scikit-learn's RandomForestClassifier; probabilities are those of its `predict_proba`, logits their
logarithms. Choices of this project: 500 trees, grown until their leaves are pure on random sqrt(n_features) features,
as is scikit-learn's default; the embedding is a projection of the standardised features.

Source: Louro et al., section 3.3, after Koh and Dubnov (2021), Comparison and analysis of deep audio embeddings for
music emotion recognition; Breiman (2001), Random forests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emotion.zoo.embedding import Embedding
from emotion.zoo.frontends import Features
from emotion.zoo.registry import FrozenNetwork, register_model

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

_N_CLASSES = 4
# The probability of a quadrant that no tree votes for, so that its logarithm is finite.
_LEAST = 1e-6
_SEED = 20261130


class ForestLayer(nn.Module):
    """The probabilities of a fitted forest; a new one has trees of one leaf, which say nothing.

    A node has a feature, a threshold and two successors: the left one where the feature is at most the threshold. A
    leaf succeeds itself and has class frequencies.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    frequencies: Tensor
    roots: Tensor

    def __init__(self, n_trees: int, n_nodes: int, depth: int) -> None:
        super().__init__()
        self._allot(n_trees, n_nodes, depth)

    def _allot(self, n_trees: int, n_nodes: int, depth: int) -> None:
        self.depth = depth
        for name in ("feature", "left", "right"):
            self.register_buffer(name, torch.zeros(n_nodes, dtype=torch.int32))
        self.register_buffer("threshold", torch.zeros(n_nodes))
        self.register_buffer("frequencies", torch.full((n_nodes, _N_CLASSES), 1 / _N_CLASSES))
        self.register_buffer("roots", torch.zeros(n_trees, dtype=torch.int32))

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean frequencies `(n, 4)` of the leaves that features `(n, n_features)` reach."""
        return self.frequencies[self.leaves(features)].mean(dim=1)

    def leaves(self, features: Tensor) -> Tensor:
        """Return the node `(n, n_trees)` at which features `(n, n_features)` arrive in each tree."""
        node = self.roots.long().expand(features.shape[0], -1)
        for _ in range(self.depth):
            is_left = features.gather(1, self.feature[node].long()) <= self.threshold[node]
            node = torch.where(is_left, self.left[node], self.right[node]).long()
        return node

    def take(self, forest: RandomForestClassifier) -> None:
        """Become a fitted forest of scikit-learn, whose classes are among 0 to 3."""
        trees = [estimator.tree_ for estimator in forest.estimators_]
        bounds = np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])])
        self._allot(len(trees), int(bounds[-1]), max(tree.max_depth for tree in trees))
        self.roots.copy_(torch.from_numpy(bounds[:-1]))
        frequencies = np.zeros((bounds[-1], _N_CLASSES), np.float32)
        for start, end, tree in zip(bounds, bounds[1:], trees, strict=False):
            part, itself = slice(start, end), np.arange(tree.node_count)
            is_leaf = tree.children_left < 0
            self.left[part] = torch.from_numpy(start + np.where(is_leaf, itself, tree.children_left))
            self.right[part] = torch.from_numpy(start + np.where(is_leaf, itself, tree.children_right))
            self.feature[part] = torch.from_numpy(np.where(is_leaf, 0, tree.feature))
            self.threshold[part] = torch.from_numpy(_at_most(tree.threshold))
            votes = tree.value[:, 0]
            frequencies[start:end, forest.classes_] = votes / votes.sum(axis=1, keepdims=True)
        self.frequencies.copy_(torch.from_numpy(frequencies))


def _at_most(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    # Of a 32-bit number, "at most the threshold" is "at most the largest 32-bit number that is not above it".
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


@dataclass(frozen=True, slots=True)
class ForestOptions:
    """Options of every forest, saved with every checkpoint; fitting sets `n_nodes` and `depth`."""

    n_trees: int = 500
    min_leaf: int = 1  # The fewest training clips in a leaf.
    n_nodes: int = 1  # Of all trees together; of an unfitted forest one.
    depth: int = 0  # Of the deepest tree.


class ForestNetwork(FrozenNetwork):
    """A random forest on `n_features` numbers that `features` makes of the inputs; its config is a ForestOptions."""

    mean: Tensor
    spread: Tensor

    def __init__(self, config: Any, n_features: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("spread", torch.ones(n_features))
        self.forest = ForestLayer(config.n_trees, config.n_nodes, config.depth)
        self.embedding = Embedding(n_features)

    def fit_features(self, features: Tensor, quadrants: Tensor, groups: NDArray[np.int64] | None = None) -> None:
        # scikit-learn takes a second to import, and serving needs none of it.
        from sklearn.ensemble import RandomForestClassifier

        self.mean.copy_(features.mean(dim=0))
        self.spread.copy_(features.std(dim=0, correction=0).clamp(min=1e-6))
        grown = RandomForestClassifier(
            self.config.n_trees, min_samples_leaf=self.config.min_leaf, random_state=_SEED
        ).fit(features.cpu().numpy(), quadrants.cpu().numpy())
        self.forest.take(grown)
        self.forest.to(features.device)
        self.config = replace(self.config, n_nodes=len(self.forest.feature), depth=self.forest.depth)

    def judge(self, features: Tensor) -> tuple[Tensor, ...]:
        logits = self.forest(features).clamp(min=_LEAST).log()
        return logits, self.embedding((features - self.mean) / self.spread)


@dataclass(frozen=True, slots=True)
class ForestConfig(ForestOptions):
    """The architecture's options."""

    n_features: int = 20

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.n_features,)


class Forest(ForestNetwork):
    """A random forest on the features that the front end measures."""

    config: ForestConfig

    def __init__(self, config: ForestConfig) -> None:
        super().__init__(config, config.n_features)

    def features(self, inputs: Tensor) -> Tensor:
        return inputs


@register_model(
    ForestConfig,
    title="Random forest on features",
    paper="Louro et al., section 3.3",
    licence="Apache-2.0",
    front_end=Features(),
    parameters=0,
    saves_halves=False,
    small=(Features(window_s=6.0), ForestConfig(n_trees=50)),
)
def forest(config: ForestConfig) -> Forest:
    """Build the network."""
    return Forest(config)
