"""Two tiny architectures that are no EfficientNet: one reads raw waveforms in chunks, one is fitted to features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotion.zoo import registry
from emotion.zoo.frontends import Chunked, Features, RawWaveform
from emotion.zoo.registry import EMBEDDING_SIZE, Network

CHUNK_S = 2.0
RAW_FRONT_END = Chunked(RawWaveform(CHUNK_S), hop_s=1.0, window_s=6.0)
FEATURES = Features(window_s=6.0)
NAMES = ("tiny_raw", "tiny_features")


@dataclass(frozen=True, slots=True)
class TinyRawConfig:
    channels: int = 8

    @property
    def input_shape(self) -> tuple[int, ...]:
        return RAW_FRONT_END.input_shape


class TinyRaw(Network):
    def __init__(self, config: TinyRawConfig) -> None:
        super().__init__()
        self.config = config
        self.convolutions = nn.Sequential(
            nn.Conv1d(1, config.channels, 1024, 256), nn.BatchNorm1d(config.channels), nn.ReLU()
        )
        self.hidden = nn.Linear(2 * config.channels, EMBEDDING_SIZE)
        self.classifier = nn.Linear(EMBEDDING_SIZE, 4)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        maps = self.convolutions(inputs)
        embedding = torch.relu(self.hidden(torch.cat([maps.mean(dim=-1), maps.amax(dim=-1)], dim=1)))
        return self.classifier(embedding), embedding


@dataclass(frozen=True, slots=True)
class TinyFeaturesConfig:
    n_features: int = 20

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.n_features,)


class TinyFeatures(Network):
    """The quadrant of the nearest of four centroids, in features scaled as the training clips are."""

    def __init__(self, config: TinyFeaturesConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.n_features))
        self.register_buffer("spread", torch.ones(config.n_features))
        self.register_buffer("centroids", torch.zeros(4, config.n_features))

    def fit(self, inputs: Tensor, targets: Tensor) -> None:
        self.mean, self.spread = inputs.mean(dim=0), inputs.std(dim=0).clamp(min=1e-6)
        scaled = (inputs - self.mean) / self.spread
        self.centroids = torch.stack([scaled[targets == quadrant].mean(dim=0) for quadrant in range(4)])

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        scaled = (inputs - self.mean) / self.spread
        logits = -(scaled[:, None] - self.centroids).square().sum(dim=-1)
        return logits, nn.functional.pad(scaled, (0, EMBEDDING_SIZE - self.config.n_features))


@contextmanager
def registered() -> Iterator[None]:
    """The zoo has the two as well until the block ends."""
    registry.list_models()

    @registry.register_model(
        TinyRawConfig,
        title="tiny",
        paper="none",
        licence="none",
        front_end=RAW_FRONT_END,
        parameters=9_564,
        has_saliency=False,
    )
    def tiny_raw(config: TinyRawConfig) -> TinyRaw:
        return TinyRaw(config)

    @registry.register_model(
        TinyFeaturesConfig,
        title="tiny",
        paper="none",
        licence="none",
        front_end=FEATURES,
        parameters=0,
        saves_halves=False,
    )
    def tiny_features(config: TinyFeaturesConfig) -> TinyFeatures:
        return TinyFeatures(config)

    try:
        yield
    finally:
        for name in NAMES:
            del registry._ARCHITECTURES[name]
