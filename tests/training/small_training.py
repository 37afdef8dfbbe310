"""A network, images and a training small enough to be repeated many times in a test."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emotion.zoo.frontends import MelConfig
from training.data.augment import AugmentConfig
from training.fit.loop import ClipSet, FitConfig, FitTask, Outcome, alone, train

MEL = MelConfig(image_size=16)
SHORT = FitConfig(epochs=3, batch_size=8, learning_rate=1e-2, bf16=False)
# Everything that draws random numbers, so that a forgotten one shows.
RANDOM = replace(SHORT, augment=replace(AugmentConfig(), crop=True, noise_chance=0.5, stretch=0.1), ema_decay=0.9)
CPU = alone("cpu")


class Small(nn.Module):
    """A convolution, batch normalisation where wanted, dropout, and the two outputs of a quadrant network."""

    def __init__(self, *, norm: bool = True, dropout: float = 0.3) -> None:
        super().__init__()
        norms: list[nn.Module] = [nn.BatchNorm2d(8)] if norm else []
        self.maps = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), *norms, nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(8 * 49, 4)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.maps(images).flatten(1)
        return self.head(maps), maps[:, :64]


def four_kinds(n: int = 40, size: int = 16) -> ClipSet:
    """Images whose bright band gives the quadrant, in two windows each."""
    rng = np.random.default_rng(0)
    quadrants = np.arange(n) % 4
    images = rng.uniform(0, 0.2, (n, 2, size, size))
    band = size // 4
    for i, quadrant in enumerate(quadrants):
        images[i, :, band * quadrant : band * (quadrant + 1)] += 0.7
    return ClipSet(images.astype(np.float16), np.eye(4, dtype=np.float32)[quadrants])


def job(config: FitConfig = SHORT, *, data: ClipSet | None = None, **changes: Any) -> FitTask:
    return FitTask(
        **{
            "data": data or four_kinds(),
            "rows": np.arange(32),
            "validation_rows": np.arange(32, 40),
            "config": config,
            "front_end": MEL,
            "seed": 5,
            "processes": CPU,
            **changes,
        }
    )


def small(**options: Any) -> Small:
    torch.manual_seed(0)
    return Small(**options)


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def run(given: FitTask, network: nn.Module | None = None) -> tuple[nn.Module, Outcome]:
    network = network or small()
    return network, train(network, given)
