"""What a backbone makes of clips: the window that is served, other places in them, and changed copies. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from emotion.inference.engines import compile_openvino
from emotion.signal.mel import MelConfig
from emotion.zoo.networks import HeadedNetwork
from training.recipes.distilled_b3.mixtures import Composer, student_images
from training.recipes.distilled_b3.spectra import Spectra, stretch_at

BATCH = 32


class Backbone:
    """A backbone's pooled features, compiled by OpenVINO for a CPU."""

    def __init__(self, network: HeadedNetwork, mel: MelConfig, precision: str = "f32") -> None:
        """Compile the network's features.

        Args:
            network: Put in evaluation mode.
            mel: Gives the size of an image.
            precision: "f32", as served, or "bf16", twice as fast.
        """
        self._compiled = compile_openvino(_Features(network), mel.input_shape, precision=precision)

    def features(self, batches: Iterator[Tensor], *, total: int, name: str) -> NDArray[np.float32]:
        """Return `(n, feature_size)` of batches of network inputs; `total` and `name` are for the progress bar."""
        bar = tqdm(batches, total=-(-total // BATCH), desc=name, mininterval=10)
        return np.concatenate([np.array(self._compiled(batch.contiguous().numpy())[0], np.float32) for batch in bar])


class _Features(nn.Module):
    def __init__(self, network: HeadedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.features(images)


def windows(spectra: Sequence[Spectra], mel: MelConfig, place: float = 0.5) -> Iterator[Tensor]:
    """Yield batches of the network inputs of one window of each clip, unchanged.

    Args:
        spectra: Of each clip.
        mel: Frames as channels.
        place: Where the window lies in the room that it leaves: 0 first, 0.5 centre (the one served), 1 last.
    """
    frames = mel.image_shape[1]
    for start in range(0, len(spectra), BATCH):
        batch = np.stack([stretch_at(each.student, frames, place) for each in spectra[start : start + BATCH]])
        yield student_images(torch.from_numpy(batch), mel)


def changed(composer: Composer, clips: NDArray[np.int64], mel: MelConfig, seed: int) -> Iterator[Tensor]:
    """Yield batches of network inputs of a random, changed stretch of each named clip of a composer."""
    rng = np.random.default_rng(seed)
    for start in range(0, len(clips), BATCH):
        yield composer.views(clips[start : start + BATCH], mel.network_shape[1], rng)
