"""Convolutional blocks of the tagging networks, and the spectrogram that they read."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn

Pool = tuple[int, int]


class ConvBlock(nn.Module):
    """A 3x3 convolution, batch normalisation, ReLU and max pooling; names are those of the public state dicts.

    With `any_width` the last, incomplete stretch of a pool counts, so that an image of any width leaves something.

    Source: Choi et al. (2016), Automatic tagging using deep convolutional neural networks, section 3.
    """

    def __init__(self, inputs: int, outputs: int, pool: Pool, *, any_width: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.bn = nn.BatchNorm2d(outputs)
        self.mp = nn.MaxPool2d(pool)
        self.width = pool[1]
        self.any_width = any_width

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps `(n, outputs, rows, columns)`, smaller by the pool."""
        found = self.unpooled(maps)
        return self.mp(completed(found, self.width) if self.any_width else found)

    def unpooled(self, maps: Tensor) -> Tensor:
        """Return what the pool reads."""
        return torch.relu(self.bn(self.conv(maps)))


def conv_blocks(channels: Iterable[int], pools: Iterable[Pool]) -> nn.Sequential:
    """Return blocks in a row, from one channel on, for images of any width."""
    sizes = pairwise((1, *channels))
    return nn.Sequential(*(ConvBlock(*size, pool, any_width=True) for size, pool in zip(sizes, pools, strict=True)))


def completed(maps: Tensor, window: int) -> Tensor:
    """Lengthen the last axis by less than a window, with numbers that no maximum takes.

    A max pool of this window then reads what it would leave at the end, and an axis of any length leaves something, as
    with `ceil_mode`, which OpenVINO refuses on less than one window.
    """
    return nn.functional.pad(maps, (0, window - 1), value=-torch.inf)


def frames_in_a_row(image: Tensor) -> Tensor:
    """Undo `MelConfig.frames_as_channels`: `(n, 3, rows, columns)` becomes one channel `(n, 1, rows, 3 * columns)`."""
    return image.permute(0, 2, 3, 1).flatten(2)[:, None]


def frames_in_channels(image: Tensor) -> Tensor:
    """Undo `frames_in_a_row`: `(n, 1, rows, 3 * columns)` becomes `(n, 3, rows, columns)`."""
    return image[:, 0].unflatten(2, (-1, 3)).permute(0, 3, 1, 2)
