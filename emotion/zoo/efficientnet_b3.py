"""EfficientNetB3 with the paper's dense head. Pure.

Source: Cazzaniga et al., section 4.2; Tan and Le (2019), EfficientNet.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from efficientnet_pytorch import EfficientNet
from torch import Tensor, nn

EMBEDDING_SIZE = 64
_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The architecture's options, saved with every checkpoint.

    Attributes:
        backbone: A name that efficientnet_pytorch knows.
        flatten: The paper's literal Flatten (78.6 M weights at 300 px) instead of global average pooling (0.79 M).
        image_size: Pixels on a side, or rows and columns.
        regresses: Whether valence and arousal have an output of their own.
    """

    backbone: str = "efficientnet-b3"
    flatten: bool = False
    image_size: int | tuple[int, int] = 300
    regresses: bool = False

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns of an image."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else (size[0], size[1])


class QuadrantNetwork(nn.Module):
    """EfficientNetB3 - 512 - dropout .5 - 128 - dropout .3 - 64 - dropout .1 - 4.

    The 64 activations before the last layer are the song's embedding; a second output may read valence and arousal from
    them.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = EfficientNet.from_name(config.backbone, image_size=config.image_shape, include_top=False)
        # The memory-saving swish is a custom autograd function, which neither tracing nor OpenVINO can follow.
        self.backbone.set_swish(memory_efficient=False)
        channels = self.backbone._conv_head.out_channels
        rows, columns = (-(-pixels // 32) for pixels in config.image_shape)
        self.feature_size = channels * rows * columns if config.flatten else channels
        self.head = nn.Sequential(
            nn.Linear(self.feature_size, 512),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(512, 128),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(128, EMBEDDING_SIZE),
            nn.ReLU(),
            nn.Dropout(0.1),
        )
        self.classifier = nn.Linear(EMBEDDING_SIZE, 4)
        self.regressor = nn.Sequential(nn.Linear(EMBEDDING_SIZE, 2), nn.Tanh()) if config.regresses else None

    def features(self, images: Tensor) -> Tensor:
        """Return the backbone's features, `(n, channels)` pooled or `(n, channels * side * side)` flattened."""
        maps = self.backbone.extract_features(images)
        return maps.flatten(1) if self.config.flatten else maps.mean(dim=(2, 3))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Classify images.

        Args:
            images: `(n, 3, rows, columns)` from `emotion.inference.mel.network_input`.

        Returns:
            Logits `(n, 4)` in quadrant order, embeddings `(n, 64)` and, from a network that regresses, valence and
            arousal `(n, 2)` in [-1, 1].
        """
        return self.judge(self.features(images))

    def judge(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return what `forward` does, from the backbone's features `(n, feature_size)`."""
        embedding = self.head(features)
        logits = self.classifier(embedding)
        return (logits, embedding) if self.regressor is None else (logits, embedding, self.regressor(embedding))


def channels_last(network: _Module) -> _Module:
    """Lay a network's weights out as its convolutions are fastest on; changed in place."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def load_imagenet_backbone(network: QuadrantNetwork, file: Path | None = None) -> None:
    """Start the backbone from ImageNet weights.

    Args:
        network: Changed in place.
        file: A state dict of efficientnet_pytorch on disk; without it the library downloads its own.
    """
    name = network.config.backbone
    if file is None:
        source = EfficientNet.from_pretrained(name, image_size=network.config.image_shape, include_top=False)
        state = source.state_dict()
    else:
        state = torch.load(file, map_location="cpu", weights_only=True)
        state = {key: value for key, value in state.items() if not key.startswith("_fc.")}
    network.backbone.load_state_dict(state)
