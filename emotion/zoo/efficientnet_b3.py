"""EfficientNetB3 with the paper's dense head, from scratch, pre-trained, or from ImageNet weights.

Source: Cazzaniga et al., section 4.2; Tan and Le (2019), EfficientNet. The code is efficientnet_pytorch's (Apache-2.0).
Unlike the paper by default: global average pooling in place of its literal Flatten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from efficientnet_pytorch import EfficientNet
from torch import Tensor, nn

from emotion.zoo.frontends import CHANNELS, MelConfig
from emotion.zoo.registry import HeadedNetwork, register_model


@dataclass(frozen=True, slots=True)
class EfficientNetConfig:
    """The architecture's options, saved with every checkpoint."""

    backbone: str = "efficientnet-b3"
    # The paper's literal Flatten (78.6 M weights at 300 px) instead of global average pooling (0.79 M).
    flatten: bool = False
    # Pixels on a side, or rows and columns.
    image_size: int | tuple[int, int] = 300
    # Whether valence and arousal have an output.
    regresses: bool = False

    @property
    def image_shape(self) -> tuple[int, int]:
        size = self.image_size
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    @property
    def input_shape(self) -> tuple[int, ...]:
        return CHANNELS, *self.image_shape


class EfficientNetB3(HeadedNetwork):
    """EfficientNetB3, or another of its family, under the paper's head."""

    config: EfficientNetConfig

    def __init__(self, config: EfficientNetConfig) -> None:
        backbone = EfficientNet.from_name(config.backbone, image_size=config.image_shape, include_top=False)
        # The memory-saving swish is a custom autograd function, which neither tracing nor OpenVINO can follow.
        backbone.set_swish(memory_efficient=False)
        channels = backbone._conv_head.out_channels
        rows, columns = (-(-pixels // 32) for pixels in config.image_shape)
        feature_size = channels * rows * columns if config.flatten else channels
        super().__init__(config, backbone, feature_size, regresses=config.regresses)

    def features(self, inputs: Tensor) -> Tensor:
        """Return the backbone's features, `(n, channels)` pooled or `(n, channels * rows * columns)` flattened."""
        maps: Tensor = self.backbone.extract_features(inputs)  # type: ignore[operator]
        return maps.flatten(1) if self.config.flatten else maps.mean(dim=(2, 3))

    def load_imagenet(self, file: Path | None = None) -> None:
        name = self.config.backbone
        if file is None:
            source = EfficientNet.from_pretrained(name, image_size=self.config.image_shape, include_top=False)
            state = source.state_dict()
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
            state = {key: value for key, value in state.items() if not key.startswith("_fc.")}
        self.backbone.load_state_dict(state)

    def skip_no_block(self) -> None:
        self.backbone._global_params = self.backbone._global_params._replace(drop_connect_rate=0.0)  # type: ignore[operator,union-attr]

    def saliency_blocks(self) -> Sequence[nn.Module]:
        return self.backbone._blocks  # type: ignore[return-value]


@register_model(
    EfficientNetConfig,
    title="EfficientNetB3 with the head of Cazzaniga et al.",
    paper="Cazzaniga et al., section 4.2",
    licence="Apache-2.0",
    front_end=MelConfig(),
    parameters=11_557_356,
    has_saliency=True,
    small=(MelConfig(image_size=64), EfficientNetConfig("efficientnet-b0", image_size=64, regresses=True)),
)
def efficientnet_b3(config: EfficientNetConfig) -> EfficientNetB3:
    """Build the network."""
    return EfficientNetB3(config)
