"""The two networks of Liu et al. on a square power spectrogram: a simple one, and a deep one.

Four layers of convolution (5x5, then 3x3) and 2x2 max-pooling, and one hidden layer with dropout; the deep network has
more maps and three hidden layers. The paper gives at most 50 maps for the simple one, 100 to 200 for the deep one, and
no other sizes: those are choices of this project, as is an average over what pooling leaves to 4x4, which keeps the
hidden layer small.

The paper's head is a softmax with a threshold on every tag. It is the default, since quadrants exclude each other; for
tags each may have a sigmoid of its own. The paper has 513 frequencies for whole songs and 257 for segments of 5 s under
both networks; by default the deep one has 513 here, the simple one 257.

Source: Liu et al., sections 2.3 and 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion.zoo.embedding import Embedding
from emotion.zoo.frontends import PowerSpectrogram
from emotion.zoo.registry import Network, register_model

HEADS = ("softmax", "sigmoid")
_POOLED = 4


@dataclass(frozen=True, slots=True)
class LiuConfig:
    """The architecture's options, saved with every checkpoint.

    Raises:
        ValueError: The head is not known.
    """

    size: int = 257  # Rows and columns of the spectrogram.
    maps: tuple[int, ...] = (16, 32, 50, 50)  # Of each convolution.
    hidden: tuple[int, ...] = (256,)
    dropout: float = 0.5
    n_classes: int = 4  # Quadrants, or tags.
    head: str = "softmax"  # "softmax" over all classes, or a "sigmoid" for each.

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ValueError(f"head is {self.head!r}; it can be {' or '.join(HEADS)}")

    @property
    def input_shape(self) -> tuple[int, ...]:
        return 1, self.size, self.size


class Liu(Network):
    """Convolutions, hidden layers and a linear layer."""

    config: LiuConfig

    def __init__(self, config: LiuConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.Sequential()
        for number, (before, after) in enumerate(pairwise((1, *config.maps))):
            kernel = 5 if number == 0 else 3
            convolution = nn.Conv2d(before, after, kernel, padding=kernel // 2)
            self.blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)))
        self.pool = nn.AdaptiveAvgPool2d(_POOLED)
        self.hidden = nn.Sequential()
        for before, after in pairwise((config.maps[-1] * _POOLED**2, *config.hidden)):
            self.hidden.extend([nn.Linear(before, after), nn.ReLU(), nn.Dropout(config.dropout)])
        self.embedding = Embedding(config.hidden[-1])
        self.classifier = nn.Linear(config.hidden[-1], config.n_classes)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        hidden = self.hidden(self.pool(self.blocks(inputs)).flatten(1))
        return self.classifier(hidden), self.embedding(hidden)

    def losses(self, outputs: tuple[Tensor, ...], targets: Tensor, points: Tensor) -> Tensor | None:
        """Return the summed binary cross-entropy of the tags of each clip; None for the softmax."""
        if self.config.head == "softmax":
            return None
        tags = functional.binary_cross_entropy_with_logits(outputs[0].float(), targets, reduction="none")
        return tags.sum(dim=1)

    def shares(self, logits: Tensor) -> Tensor:
        """Return what a threshold is laid on, `(n, n_classes)` in [0, 1]."""
        return torch.softmax(logits, dim=1) if self.config.head == "softmax" else torch.sigmoid(logits)


_SMALL = PowerSpectrogram(size=65, window_s=4.0)


@register_model(
    LiuConfig,
    title="Simple network of Liu et al.",
    paper="Liu et al., section 3.4",
    licence="Apache-2.0",
    front_end=PowerSpectrogram(),
    parameters=248_436,
    small=(_SMALL, LiuConfig(size=65, maps=(8, 8, 16, 16), hidden=(32,))),
)
def liu_simple(config: LiuConfig) -> Liu:
    """Build the network."""
    return Liu(config)


def complex_config(
    size: int = 513,
    maps: tuple[int, ...] = (100, 150, 150, 200),
    hidden: tuple[int, ...] = (512, 256, 128),
    **options: Any,
) -> LiuConfig:
    """Return the options of the deep network, which differ in their defaults."""
    return LiuConfig(size, maps, hidden, **options)


@register_model(
    complex_config,
    title="Complex network of Liu et al.",
    paper="Liu et al., section 3.4",
    licence="Apache-2.0",
    front_end=PowerSpectrogram(size=513),
    parameters=2_415_452,
    small=(_SMALL, LiuConfig(size=65, maps=(8, 16, 16, 32), hidden=(32, 32, 32))),
)
def liu_complex(config: LiuConfig) -> Liu:
    """Build the network."""
    return Liu(config)
