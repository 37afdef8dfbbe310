"""Labelled images as a network's input, wherever they lie. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emotion.zoo.frontends import FrontEnd
from training.data.cache import Images
from training.fit.stability import renewing_statistics

_EVALUATION_BATCH = 32


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Labelled images, on disk, in memory or on a GPU.

    Attributes:
        images: `(n, n_places, rows, columns)` float16 in [0, 1]; the first place is the one evaluated.
        targets: `(n, 4)` float32 quadrant labels, each row summing to 1.
        lift: `(n,)` float32 added to each clip's image, for a dB reference of its own; None is zero.
        points: `(n, 2)` float32 rated valence and arousal in [-1, 1], NaN where unrated; None is nowhere.
    """

    images: NDArray[np.float16] | Images | Tensor
    targets: NDArray[np.float32]
    lift: NDArray[np.float32] | None = None
    points: NDArray[np.float32] | None = None

    @property
    def n_places(self) -> int:
        """Windows of each file."""
        return int(self.images.shape[1])

    def batch(self, rows: NDArray[np.int64], places: NDArray[np.int64], device: torch.device) -> Tensor:
        """Return images `(n, 1, rows, columns)` float32 in [0, 1] on a device."""
        if isinstance(self.images, Tensor):
            found = self.images[torch.from_numpy(rows), torch.from_numpy(places)]
        else:
            found = torch.from_numpy(np.ascontiguousarray(self.images[rows, places]))
        batch = found.to(device).float()[:, None]
        if self.lift is None:
            return batch
        lift = torch.from_numpy(self.lift[rows]).to(device).view(-1, 1, 1, 1)
        return (batch + lift).clamp(0.0, 1.0)

    def targets_of(self, rows: NDArray[np.int64], device: torch.device) -> Tensor:
        """Return labels `(n, 4)` on a device."""
        return torch.from_numpy(self.targets[rows]).to(device)

    def points_of(self, rows: NDArray[np.int64], device: torch.device) -> Tensor:
        """Return rated valence and arousal `(n, 2)` on a device, NaN where unrated."""
        if self.points is None:
            return torch.full((len(rows), 2), torch.nan, device=device)
        return torch.from_numpy(self.points[rows]).to(device)


@torch.inference_mode()
def predict(
    network: nn.Module, data: ImageSet, rows: NDArray[np.int64], frontend: FrontEnd, device: torch.device
) -> tuple[NDArray[np.float32], ...]:
    """Return what a network says of the first place of some clips, in float32.

    Args:
        network: Put into evaluation mode.
        data: All images.
        rows: Positions of the clips.
        frontend: What the images are.
        device: Where the network is.

    Returns:
        Logits `(n, 4)`, embeddings `(n, 64)` and, from a network that regresses, valence and arousal `(n, 2)`.
    """
    network.eval()
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, len(rows), _EVALUATION_BATCH):
        part = rows[start : start + _EVALUATION_BATCH]
        images = data.batch(part, np.zeros_like(part), device)
        parts.append(tuple(found.float().cpu() for found in network(frontend.tensor(images))))
    return tuple(torch.cat(column).numpy() for column in zip(*parts, strict=True))


def renew_statistics(
    network: nn.Module, data: ImageSet, rows: NDArray[np.int64], frontend: FrontEnd, device: torch.device
) -> None:
    """Measure the statistics of batch normalisation anew, in place, on the first place of some clips, unchanged.

    EfficientNet's own running statistics lag by a hundred steps. From scratch on 4QAED (B0 at 64 pixels, 125 steps) a
    network that was right on .54 of the validation clips was at .25, one quadrant for all, by its running ones.

    Args:
        network: Left in evaluation mode.
        data: All images.
        rows: Positions of the clips, two at least.
        frontend: What the images are.
        device: Where the network is.
    """
    with renewing_statistics(network):
        # A last batch of one image has no spread to measure.
        for start in range(0, len(rows) - 1, _EVALUATION_BATCH):
            part = rows[start : start + _EVALUATION_BATCH]
            network(frontend.tensor(data.batch(part, np.zeros_like(part), device)))
