"""A kernel machine on the features of frozen networks, as a layer: logistic and ridge regression after a Nyström map.

Source: Williams and Seeger (2001), Using the Nyström method to speed up kernel machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """How a head is fitted; chosen on sources left out of training."""

    width: float = 1.0  # Of the kernel, in units of the median squared distance between clips and landmarks.
    decay: float = 2e-5  # Of the logistic regression's weights.
    ridge: float = 1.0  # Of the regression of valence and arousal.
    iterations: int = 40


@dataclass(frozen=True, slots=True)
class KernelData:
    """Training clips: features `(n, n_features)`, labels and weights."""

    features: NDArray[np.float32]
    targets: NDArray[np.float32]  # `(n, 4)` soft quadrant labels.
    points: NDArray[np.float32]  # `(n, 2)` rated valence and arousal, NaN where unrated.
    weights: NDArray[np.float64]  # `(n,)`, of mean 1.


class KernelHead(nn.Module):
    """Logits and point, linear in the similarity of a clip's features to those of landmarks.

    Features are standardised, each block to the same total variance, and reduced to principal components; similarity
    is exp(-width |x - landmark|^2).
    """

    mean: Tensor
    spread: Tensor
    block_scale: Tensor
    components: Tensor
    centre: Tensor
    landmarks: Tensor
    width: Tensor

    def __init__(self, n_features: int, n_components: int, n_landmarks: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("spread", torch.ones(n_features))
        self.register_buffer("block_scale", torch.ones(n_features))
        self.register_buffer("components", torch.zeros(n_components, n_features))
        self.register_buffer("centre", torch.zeros(n_components))
        self.register_buffer("landmarks", torch.zeros(n_landmarks, n_components))
        self.register_buffer("width", torch.ones(1))
        self.output = nn.Linear(n_landmarks, 6)

    def reduced(self, features: Tensor) -> Tensor:
        """Return the principal components `(n, n_components)` of features `(n, n_features)`."""
        standard = ((features - self.mean) / self.spread).clamp(-6, 6) * self.block_scale
        return standard @ self.components.T - self.centre

    def similarities(self, reduced: Tensor) -> Tensor:
        """Return the similarities `(n, n_landmarks)` of what `reduced` returned."""
        squares = reduced.square().sum(dim=1, keepdim=True) + self.landmarks.square().sum(dim=1)
        return torch.exp(-self.width * (squares - 2 * reduced @ self.landmarks.T).clamp(min=0))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits `(n, 4)` and points `(n, 2)` of features `(n, n_features)`."""
        return self.judge(self.reduced(features))

    def judge(self, reduced: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `forward` does, from what `reduced` returned."""
        output = self.output(self.similarities(reduced))
        return output[:, :4], output[:, 4:].clamp(-1, 1)

    @torch.no_grad()
    def fit(self, data: KernelData, block_sizes: Sequence[int], config: KernelConfig, *, seed: int) -> None:
        """Fit everything; `block_sizes` are the columns of blocks of features that weigh the same.

        Everything is rounded to half precision, in which it is saved: the head serves as it is scored.
        """
        features, weights = torch.from_numpy(data.features), data.weights
        scale = torch.cat([torch.full((size,), (size * len(block_sizes)) ** -0.5) for size in block_sizes])
        self._set(
            mean=features.mean(dim=0), spread=features.std(dim=0, correction=0).clamp(min=1e-3), block_scale=scale
        )
        standard = (((features - self.mean) / self.spread).clamp(-6, 6) * self.block_scale).double()
        centre = standard.mean(dim=0)
        components = _principal(standard - centre, len(self.components))
        self._set(components=components, centre=components @ centre)
        reduced = self.reduced(features)
        n, wanted = len(features), len(self.landmarks)
        rng = np.random.default_rng(seed)
        chosen = rng.choice(n, wanted, replace=n < wanted, p=weights / weights.sum())
        self._set(landmarks=reduced[torch.from_numpy(chosen)])
        median = torch.cdist(reduced, self.landmarks).square().median()
        self._set(width=config.width / median.clamp(min=1e-6).reshape(1))
        self.fit_output(self.similarities(reduced), data, config)

    @torch.no_grad()
    def fit_output(self, similarities: Tensor, data: KernelData, config: KernelConfig) -> None:
        """Fit the output layer alone, to similarities `(n, n_landmarks)` in place of the features."""
        # In the Nyström map, weights of equal length are functions of equal norm.
        values, vectors = torch.linalg.eigh(self.similarities(self.landmarks).double())
        whiten = vectors / values.clamp(min=1e-6).sqrt()
        mapped, weight = similarities.double() @ whiten, torch.from_numpy(data.weights)
        logistic = _logistic(mapped, torch.from_numpy(data.targets).double(), weight, config)
        ridge = _ridge(mapped, torch.from_numpy(data.points).double(), weight, config.ridge)
        coefficients = torch.cat([logistic, ridge], dim=1)
        self.output.weight.copy_((whiten @ coefficients[:-1]).T.half())
        self.output.bias.copy_(coefficients[-1].half())

    def _set(self, **buffers: Tensor) -> None:
        for name, values in buffers.items():
            getattr(self, name).copy_(values.half())


def _principal(centred: Tensor, wanted: int) -> Tensor:
    """Return the principal directions `(wanted, d)` of centred rows `(n, d)`, and any others beyond their number."""
    n, d = centred.shape
    if n >= d:
        return torch.linalg.eigh(centred.T @ centred)[1][:, -wanted:].flip(1).T
    # The smaller of the two matrices has the same eigenvalues.
    values, left = torch.linalg.eigh(centred @ centred.T)
    exist = values > 1e-9 * values[-1]
    found = (left[:, exist] / values[exist].sqrt()).T @ centred
    found = found[-wanted:].flip(0)
    others = torch.randn(wanted - len(found), d, dtype=found.dtype, generator=torch.Generator().manual_seed(0))
    return torch.linalg.qr(torch.cat([found, others]).T)[0].T


@torch.enable_grad()
def _logistic(mapped: Tensor, targets: Tensor, weight: Tensor, config: KernelConfig) -> Tensor:
    """Return coefficients `(n_features + 1, 4)`, the last of them the bias."""
    coefficients = torch.zeros(mapped.shape[1] + 1, 4, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([coefficients], max_iter=config.iterations, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        log_p = torch.log_softmax(mapped @ coefficients[:-1] + coefficients[-1], dim=1)
        found = -(weight[:, None] * targets * log_p).sum() / weight.sum()
        found = found + config.decay * coefficients[:-1].square().sum()
        found.backward()
        return found

    optimiser.step(loss)
    return coefficients.detach()


def _ridge(mapped: Tensor, points: Tensor, weight: Tensor, strength: float) -> Tensor:
    """Return coefficients `(n_features + 1, 2)` fitted to the rated clips; zeros where there are none."""
    rated = ~points[:, 0].isnan()
    columns = torch.cat([mapped[rated], torch.ones(int(rated.sum()), 1, dtype=torch.float64)], dim=1)
    weighed = columns * weight[rated, None]
    penalty = strength * torch.eye(columns.shape[1], dtype=torch.float64)
    # Without ratings the bias has nothing to be fitted to.
    penalty[-1, -1] = 1e-9
    return torch.linalg.solve(weighed.T @ columns + penalty, weighed.T @ points[rated])
