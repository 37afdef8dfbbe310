"""EfficientNetB3 and two public taggers under one kernel head; the embedding is that of EfficientNetB3's dense head.

The taggers are fully convolutional (five 3x3 blocks on a 96-band mel spectrogram at 16 kHz).

Source: Cazzaniga et al. (EfficientNetB3 and its head); Choi et al. (2016), Automatic tagging using deep convolutional
neural networks; weights of Won et al. (2020), Evaluation of CNN-based automatic music tagging models, Apache-2.0.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emotion.exceptions import CheckpointError
from emotion.zoo.conv_blocks import ConvBlock
from emotion.zoo.efficientnet_b3 import EfficientNetB3, EfficientNetConfig
from emotion.zoo.frontends import TAGGER_MELS, ImageAndTaggerMel, MelConfig
from emotion.zoo.kernel_head import KernelConfig, KernelData, KernelHead
from emotion.zoo.registry import FrozenNetwork, register_model

_BLOCKS = ((1, 64, (2, 4)), (64, 128, (2, 4)), (128, 128, (2, 4)), (128, 128, (3, 5)), (128, 64, (4, 4)))
TAGGER_FEATURES = 2 * 128 + 2 * 128 + 64
N_TAGGERS = 2


@dataclass(frozen=True, slots=True)
class HybridConfig:
    """The architecture's options, saved with every checkpoint."""

    backbone: str = "efficientnet-b3"  # A name that efficientnet_pytorch knows.
    image_size: tuple[int, int] = (128, 172)  # Rows and columns of the image.
    tagger_frames: int = 1501  # Of the taggers' spectrogram.
    n_components: int = 256  # Principal components that the kernel compares.
    n_landmarks: int = 512  # Training clips that it compares them with.

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Length of the flat input."""
        return (3 * math.prod(self.image_size) + TAGGER_MELS * self.tagger_frames,)


class Tagger(nn.Module):
    """The convolutional part of a tagger; parameter names are those of the public state dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.spec_bn = nn.BatchNorm2d(1)
        for number, block in enumerate(_BLOCKS, start=1):
            self.add_module(f"layer{number}", ConvBlock(*block))

    def forward(self, level_db: Tensor) -> Tensor:
        """Pool the activations of the last three blocks.

        Args:
            level_db: `(n, 1, 96, n_frames)` power mel spectrogram in dB, 320 frames (5.1 s) at least.

        Returns:
            `(n, 576)`: mean and standard deviation over the maps of blocks 3 and 4, and the maximum over that of
            block 5, which on 24 s is what the tagger's own output layer reads.
        """
        maps, pooled = self.spec_bn(level_db), []
        for number in range(1, len(_BLOCKS)):
            maps = getattr(self, f"layer{number}")(maps)
            if number >= 3:
                pooled += [maps.mean(dim=(2, 3)), maps.float().std(dim=(2, 3), correction=0)]
        last = getattr(self, f"layer{len(_BLOCKS)}")
        pooled.append(last.unpooled(maps).amax(dim=(2, 3)))
        return torch.cat(pooled, dim=1)


class Taggers(nn.ModuleList):
    """Several taggers as one function."""

    def __init__(self, n: int = N_TAGGERS) -> None:
        super().__init__(Tagger() for _ in range(n))

    @torch.no_grad()
    def load(self, files: Sequence[Path]) -> None:
        """Take the convolutions of public taggers, state dicts of PyTorch.

        Raises:
            CheckpointError: A file is missing or holds another network.
        """
        for tagger, file in zip(self, files, strict=True):
            try:
                theirs = torch.load(file, map_location="cpu", weights_only=True)
                # They have a spectrogram and an output layer as well.
                tagger.load_state_dict({name: theirs[name] for name in tagger.state_dict() if name in theirs})
            except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
                raise CheckpointError(f"{file} does not hold the weights of a public tagger: {error}") from error
            for value in tagger.state_dict().values():
                if value.is_floating_point():
                    # Weight decay left denormal numbers, on which a processor is twenty times slower.
                    value[value.abs() < 1e-20] = 0.0
        self.eval()

    def features(self, level_db: Tensor) -> Tensor:
        """Return what all of them find in `(n, 1, 96, n_frames)`, `(n, 576 * n_taggers)`."""
        return torch.cat([tagger(level_db) for tagger in self], dim=1)


class HybridB3(FrozenNetwork):
    """EfficientNetB3 with its dense head, two taggers, and a kernel head on the features of all three networks."""

    config: HybridConfig

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        self.config = config
        self.image = EfficientNetB3(EfficientNetConfig(config.backbone, image_size=config.image_size, regresses=True))
        self.taggers = Taggers()
        self.block_sizes = (self.image.feature_size, N_TAGGERS * TAGGER_FEATURES)
        self.kernel = KernelHead(sum(self.block_sizes), config.n_components, config.n_landmarks)
        # The networks are trained elsewhere, and the head is fitted in closed form.
        self.requires_grad_(False)

    def fit_features(self, features: Tensor, quadrants: Tensor, groups: NDArray[np.int64] | None = None) -> None:
        n = len(features)
        targets = nn.functional.one_hot(quadrants, 4).float().numpy()
        points, weights = np.full((n, 2), np.nan, np.float32), np.ones(n)
        data = KernelData(features.numpy(), targets, points, weights)
        self.kernel.fit(data, self.block_sizes, KernelConfig(), seed=0)

    def features(self, inputs: Tensor) -> Tensor:
        """Return the features of the image, then of the taggers, `(n, sum(block_sizes))`."""
        rows, columns = self.config.image_size
        image, mel = inputs.split((3 * rows * columns, TAGGER_MELS * self.config.tagger_frames), dim=1)
        of_image = self.image.features(image.reshape(-1, 3, rows, columns))
        level_db = mel.reshape(-1, 1, TAGGER_MELS, self.config.tagger_frames)
        return torch.cat([of_image, self.taggers.features(level_db)], dim=1)

    def judge(self, features: Tensor) -> tuple[Tensor, ...]:
        logits, points = self.kernel(features)
        return logits, self.image.head(features[:, : self.block_sizes[0]]), points

    def saliency_blocks(self) -> Sequence[nn.Module]:
        return self.image.saliency_blocks()


_MEL = MelConfig(hop_samples=1024, f_max_hz=8000.0, frames_as_channels=True)
_SMALL_MEL = replace(_MEL, window_s=6.0)
_SMALL = ImageAndTaggerMel(_SMALL_MEL)


@register_model(
    HybridConfig,
    title="EfficientNetB3 with two public taggers and a kernel head",
    paper="Cazzaniga et al.; Choi et al. (2016)",
    licence="Apache-2.0",
    front_end=ImageAndTaggerMel(_MEL),
    parameters=12_449_528,
    has_saliency=True,
    small=(
        _SMALL,
        HybridConfig(
            "efficientnet-b0", _SMALL_MEL.network_shape, _SMALL.tagger_shape[1], n_components=8, n_landmarks=16
        ),
    ),
)
def hybrid_b3(config: HybridConfig) -> HybridB3:
    """Build the network."""
    return HybridB3(config)
