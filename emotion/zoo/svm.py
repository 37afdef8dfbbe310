"""A support vector machine with a Gaussian kernel on chosen columns of a vector of features, as tensors.

It is fitted by scikit-learn's SVC (libsvm), one machine for each pair of quadrants, on standardised columns. Which
columns, C and gamma are chosen in training: `training.fit.relieff` and `training.fit.tuning`.

The score of a quadrant is the sum of tanh(f) over its three pairs, f being the decision value towards it: a vote that
counts for less near the border. The plain votes of SVC.predict give the same quadrant for about 96 of 100 clips, and
hardly say how sure they are: log loss .86 to .89 against .79 to .80, macro-F1 the same within .01 (600 clips of 4QAED,
100 plain features, ten folds). A temperature, fitted to the scores of clips left out in turn, makes logits of scores.

Source: Louro et al., section 3.1, after Panda et al. (2020), Novel audio features for music emotion recognition; Guo et
al. (2017), On calibration of modern neural networks, section 4 (temperature).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import Tensor

from emotion.zoo.embedding import Embedding
from emotion.zoo.frontends import Features
from emotion.zoo.registry import Network, register_model

if TYPE_CHECKING:
    from sklearn.svm import SVC

_N_CLASSES = 4
_PAIRS = tuple(combinations(range(_N_CLASSES), 2))
_CALIBRATION_FOLDS = 5
_LOG_TEMPERATURE = (-3.0, 3.0)
_SEED = 20261130


@dataclass(frozen=True, slots=True)
class SvmConfig:
    """The architecture's options, saved with every checkpoint; fitting sets `n_support`."""

    n_features: int = 20
    n_columns: int = 20  # Of the features, how many are read.
    c: float = 1.0  # Price of a training clip on the wrong side.
    gamma: float = 0.05  # Of the kernel exp(-gamma |x - y|^2).
    n_support: int = 1  # Support vectors; of an unfitted machine one.

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.n_features,)


class Svm(Network):
    """Six support vector machines, one for each pair of quadrants."""

    config: SvmConfig
    columns: Tensor
    mean: Tensor
    spread: Tensor
    support: Tensor
    coefficients: Tensor
    intercepts: Tensor
    temperature: Tensor
    votes: Tensor

    def __init__(self, config: SvmConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("columns", torch.arange(config.n_columns))
        self.register_buffer("mean", torch.zeros(config.n_columns))
        self.register_buffer("spread", torch.ones(config.n_columns))
        self.register_buffer("support", torch.zeros(config.n_support, config.n_columns))
        self.register_buffer("coefficients", torch.zeros(config.n_support, len(_PAIRS)))
        self.register_buffer("intercepts", torch.zeros(len(_PAIRS)))
        self.register_buffer("temperature", torch.ones(1))
        self.register_buffer("votes", torch.from_numpy(_votes()), persistent=False)
        self.embedding = Embedding(config.n_columns)

    def select(self, columns: NDArray[np.int64]) -> None:
        """Read these `(config.n_columns,)` columns of the features."""
        self.columns.copy_(torch.from_numpy(columns))

    @torch.no_grad()
    def fit(self, inputs: Tensor, quadrants: Tensor, groups: NDArray[np.int64] | None = None) -> None:
        """Fit the scaler, the machines and the temperature to inputs `(n, n_features)` and quadrants `(n,)`, 0 to 3.

        The temperature is fitted to clips that were left out, those of one of `groups` `(n,)` together.

        Raises:
            ValueError: A quadrant has no clip.
        """
        # scikit-learn takes a second to import, and serving needs none of it.
        from sklearn.preprocessing import StandardScaler

        chosen, targets = inputs[:, self.columns].double().cpu().numpy(), quadrants.cpu().numpy()
        if len(np.unique(targets)) < _N_CLASSES:
            raise ValueError("A support vector machine needs training clips of all four quadrants.")
        scaler = StandardScaler().fit(chosen)
        self.mean.copy_(torch.from_numpy(scaler.mean_))
        self.spread.copy_(torch.from_numpy(scaler.scale_))
        machine = self._machine().fit(self.standardised(inputs).double().cpu().numpy(), targets)
        self.support = torch.from_numpy(machine.support_vectors_).to(self.mean)
        self.coefficients = torch.from_numpy(_by_pair(machine)).to(self.mean)
        self.intercepts.copy_(torch.from_numpy(machine.intercept_))
        self.temperature.fill_(self._temperature(chosen, targets, groups))
        self.config = replace(self.config, n_support=len(self.support))

    def standardised(self, inputs: Tensor) -> Tensor:
        """Return the chosen columns `(n, n_columns)` as the training clips scale them."""
        return (inputs[:, self.columns] - self.mean) / self.spread

    def pairs(self, standardised: Tensor) -> Tensor:
        """Return decision values `(n, 6)`: for quadrants 1 and 2, 1 and 3 and so on, positive for the first of them."""
        squares = standardised.square().sum(dim=1, keepdim=True) + self.support.square().sum(dim=1)
        distances = (squares - 2 * standardised @ self.support.T).clamp(min=0)
        return torch.exp(-self.config.gamma * distances) @ self.coefficients + self.intercepts

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        standardised = self.standardised(inputs)
        scores = torch.tanh(self.pairs(standardised)) @ self.votes
        return scores / self.temperature, self.embedding(standardised)

    def _machine(self) -> SVC:
        from sklearn.svm import SVC

        return SVC(C=self.config.c, gamma=self.config.gamma, decision_function_shape="ovo")

    def _temperature(
        self, chosen: NDArray[np.float64], targets: NDArray[np.int64], groups: NDArray[np.int64] | None
    ) -> float:
        from scipy.optimize import minimize_scalar
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        # Groups of a quadrant, or clips where there are none; of fewer than two no fold could learn it.
        ids = np.arange(len(targets)) if groups is None else groups
        n_folds = min(_CALIBRATION_FOLDS, *(len(np.unique(ids[targets == quadrant])) for quadrant in range(_N_CLASSES)))
        if n_folds < 2:
            return 1.0
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        folds = list(kind(n_folds, shuffle=True, random_state=_SEED).split(chosen, targets, groups))
        if any(len(np.unique(targets[train])) < _N_CLASSES for train, _ in folds):
            return 1.0
        machine = make_pipeline(StandardScaler(), self._machine())
        values = cross_val_predict(machine, chosen, targets, cv=folds, method="decision_function")
        scores = np.tanh(values) @ _votes()

        def log_loss(log_temperature: float) -> float:
            log_p = log_softmax(scores / np.exp(log_temperature), axis=1)
            return -float(log_p[np.arange(len(targets)), targets].mean())

        return float(np.exp(minimize_scalar(log_loss, bounds=_LOG_TEMPERATURE, method="bounded").x))


def _votes() -> NDArray[np.float32]:
    # `(6, 4)`: each pair speaks for its first quadrant and against its second.
    votes = np.zeros((len(_PAIRS), _N_CLASSES), np.float32)
    for pair, (first, second) in enumerate(_PAIRS):
        votes[pair, first], votes[pair, second] = 1, -1
    return votes


def _by_pair(machine: SVC) -> NDArray[np.float64]:
    """Return the weight `(n_support, 6)` of each support vector in each pair's machine.

    libsvm keeps, in the row of a vector's class, its weight against each of the three other classes.
    """
    ends = np.cumsum(machine.n_support_)
    members = [slice(end - n, end) for end, n in zip(ends, machine.n_support_, strict=True)]
    weights = np.zeros((len(machine.support_vectors_), len(_PAIRS)))
    for pair, (first, second) in enumerate(_PAIRS):
        weights[members[first], pair] = machine.dual_coef_[second - 1, members[first]]
        weights[members[second], pair] = machine.dual_coef_[first, members[second]]
    return weights


@register_model(
    SvmConfig,
    title="Support vector machine on ranked features",
    paper="Louro et al., section 3.1",
    licence="Apache-2.0",
    front_end=Features(),
    parameters=0,
    saves_halves=False,
    small=(Features(window_s=6.0), SvmConfig(n_columns=10)),
)
def svm(config: SvmConfig) -> Svm:
    """Build the network."""
    return Svm(config)
