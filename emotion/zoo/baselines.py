"""What every system has to beat: the most frequent quadrant, and a logistic regression on twenty means."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from emotion.zoo.embedding import Embedding
from emotion.zoo.frontends import Features
from emotion.zoo.registry import Network, register_model

_N_QUADRANTS = 4


@dataclass(frozen=True, slots=True)
class BaselineConfig:
    """The architectures' options, saved with every checkpoint."""

    n_features: int = 20

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.n_features,)


class Majority(Network):
    """The shares of the quadrants in training, whatever it reads."""

    config: BaselineConfig
    log_shares: Tensor

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("log_shares", torch.zeros(_N_QUADRANTS))
        self.embedding = Embedding(config.n_features)

    @torch.no_grad()
    def fit(self, inputs: Tensor, quadrants: Tensor) -> None:
        """Count quadrants `(n,)`, 0 to 3; the inputs `(n, n_features)` are not looked at."""
        counts = torch.bincount(quadrants, minlength=_N_QUADRANTS) + 1.0
        self.log_shares.copy_((counts / counts.sum()).log())

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return self.log_shares.expand(inputs.shape[0], -1), self.embedding(inputs)


class Logistic(Network):
    """Multinomial logistic regression on standardised features."""

    config: BaselineConfig
    mean: Tensor
    spread: Tensor
    weights: Tensor
    intercepts: Tensor

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.n_features))
        self.register_buffer("spread", torch.ones(config.n_features))
        self.register_buffer("weights", torch.zeros(_N_QUADRANTS, config.n_features))
        self.register_buffer("intercepts", torch.zeros(_N_QUADRANTS))
        self.embedding = Embedding(config.n_features)

    @torch.no_grad()
    def fit(self, inputs: Tensor, quadrants: Tensor) -> None:
        """Fit to inputs `(n, n_features)` and quadrants `(n,)`, 0 to 3, of which every one is there."""
        self.mean.copy_(inputs.mean(dim=0))
        self.spread.copy_(inputs.std(dim=0, correction=0).clamp(min=1e-6))
        fitted = LogisticRegression(max_iter=1000).fit(self.standardised(inputs).numpy(), quadrants.numpy())
        self.weights.copy_(torch.from_numpy(fitted.coef_))
        self.intercepts.copy_(torch.from_numpy(fitted.intercept_))

    def standardised(self, inputs: Tensor) -> Tensor:
        """Return features `(n, n_features)` as the training clips scale them."""
        return (inputs - self.mean) / self.spread

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        standardised = self.standardised(inputs)
        return standardised @ self.weights.T + self.intercepts, self.embedding(standardised)


@register_model(
    BaselineConfig,
    title="The most frequent quadrant",
    paper="none: a floor",
    licence="Apache-2.0",
    front_end=Features(),
    parameters=0,
    saves_halves=False,
)
def majority(config: BaselineConfig) -> Majority:
    """Build the network."""
    return Majority(config)


@register_model(
    BaselineConfig,
    title="Logistic regression on the means of 20 MFCCs",
    paper="none: a floor",
    licence="Apache-2.0",
    front_end=Features(),
    parameters=0,
    saves_halves=False,
)
def logistic_means(config: BaselineConfig) -> Logistic:
    """Build the network."""
    return Logistic(config)
