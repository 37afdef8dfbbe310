"""Hybrid Augmented of Louro et al.: a convolutional network on the log-mel image and a dense one on features, together.

The convolutional part is that of `louro_cnn`, pre-trained with synthetic samples; the dense part reads all features;
what both find is concatenated and classified. Everything is trained on the clips of one fold.

Louro et al. print no layers. Choices of this project: features are standardised by a batch normalisation without
weights, which training measures on its own clips, and cut at six deviations; 256 and 64 units with dropout read them;
128 joint numbers pass a layer of 64, the embedding; the convolutional part goes on learning with the rest.

Source: Louro et al., section 3.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotion.zoo.frontends import CHANNELS, ImageAndFeatures
from emotion.zoo.louro_cnn import LOURO_MEL, SMALL_MEL, Trunk
from emotion.zoo.registry import EMBEDDING_SIZE, Network, register_model

_LARGEST = 6.0
# Features have units of their own, and some of them a tiny variance.
_EPSILON = 1e-10


@dataclass(frozen=True, slots=True)
class LouroHybridConfig:
    """The architecture's options, saved with every checkpoint."""

    image_size: tuple[int, int] = LOURO_MEL.network_shape  # Rows, and columns of three frames each.
    n_features: int = 20
    channels: tuple[int, ...] = (64, 128, 128, 128, 64)  # Maps of each block.
    hidden: tuple[int, int] = (256, 64)  # Units that read the features.
    dropout: float = 0.5

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Length of the flat input."""
        return (CHANNELS * math.prod(self.image_size) + self.n_features,)


class LouroHybrid(Network):
    """The trunk of the convolutional baseline, a dense network on features, and a joint head."""

    config: LouroHybridConfig

    def __init__(self, config: LouroHybridConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.channels)
        self.scaler = nn.BatchNorm1d(config.n_features, eps=_EPSILON, affine=False)
        first, second = config.hidden
        self.dense = nn.Sequential(
            nn.Linear(config.n_features, first),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(first, second),
            nn.ReLU(),
        )
        self.joint = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(config.channels[-1] + second, EMBEDDING_SIZE), nn.ReLU()
        )
        self.classifier = nn.Linear(EMBEDDING_SIZE, 4)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        rows, columns = self.config.image_size
        image, features = inputs.split((CHANNELS * rows * columns, self.config.n_features), dim=1)
        heard = self.trunk(image.reshape(-1, CHANNELS, rows, columns))
        measured = self.dense(self.scaler(features).clamp(-_LARGEST, _LARGEST))
        embedding = self.joint(torch.cat([heard, measured], dim=1))
        return self.classifier(embedding), embedding


@register_model(
    LouroHybridConfig,
    title="Hybrid Augmented of Louro et al.",
    paper="Louro et al., section 3.2",
    licence="Apache-2.0",
    front_end=ImageAndFeatures(LOURO_MEL),
    parameters=474_822,
    saves_halves=False,
    small=(
        ImageAndFeatures(SMALL_MEL),
        LouroHybridConfig(SMALL_MEL.network_shape, channels=(8, 16, 16, 16, 32), hidden=(32, 32)),
    ),
)
def louro_hybrid(config: LouroHybridConfig) -> LouroHybrid:
    """Build the network."""
    return LouroHybrid(config)
