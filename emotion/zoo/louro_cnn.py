"""The convolutional baseline of Louro et al.: a fully convolutional network after Choi et al. on a log-mel image.

Louro et al. modify Choi's network to say one of four quadrants, and print neither layers nor frames. Choices of this
project: Choi's five blocks (FCN-5) as they are, a maximum over whatever time is left, so that clips of any length are
read, and dropout before the last layer. The image is that of Won et al. (2020), whose networks Louro et al. adapt: 96
bands to 8 kHz, a frame of 32 ms every 16 ms; here at 22,050 Hz, on Slaney's mel scale, scaled to [0, 1] and centred.

Source: Louro et al., section 3.1; Choi et al. (2016), Automatic tagging using deep convolutional neural networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from emotion.zoo.conv_blocks import conv_blocks, frames_in_a_row
from emotion.zoo.embedding import Embedding
from emotion.zoo.frontends import CHANNELS, MelConfig
from emotion.zoo.registry import Network, register_model

# A window of 704 samples, 32 ms, is the nearest that a fast Fourier transform likes; 353 are 16 ms.
LOURO_MEL = MelConfig(
    n_fft=704, hop_samples=353, n_mels=96, f_min_hz=0.0, f_max_hz=8000.0, reference_db=35.0, frames_as_channels=True
)
_POOLS = ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4))


@dataclass(frozen=True, slots=True)
class LouroCnnConfig:
    """The architecture's options, saved with every checkpoint."""

    image_size: tuple[int, int] = LOURO_MEL.network_shape  # Rows, and columns of three frames each.
    channels: tuple[int, ...] = (64, 128, 128, 128, 64)  # Maps of each block.
    dropout: float = 0.5

    @property
    def input_shape(self) -> tuple[int, ...]:
        return CHANNELS, *self.image_size


class Trunk(nn.Module):
    """Five blocks of convolution and a maximum over time."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.spec_bn = nn.BatchNorm2d(1)
        self.blocks = conv_blocks(channels, _POOLS)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the largest activation of each of the last maps, `(n, channels[-1])`, of `(n, 3, rows, columns)`."""
        maps: Tensor = self.blocks(self.spec_bn(frames_in_a_row(inputs)))
        return maps.amax(dim=(2, 3))


class LouroCnn(Network):
    """The trunk and a linear layer."""

    config: LouroCnnConfig

    def __init__(self, config: LouroCnnConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.channels)
        self.embedding = Embedding(config.channels[-1])
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.channels[-1], 4)

    def features(self, inputs: Tensor) -> Tensor:
        """Return what the last layer reads, `(n, channels[-1])`."""
        found: Tensor = self.trunk(inputs)
        return found

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        features = self.features(inputs)
        return self.classifier(self.dropout(features)), self.embedding(features)


# Of tests.
SMALL_MEL = replace(LOURO_MEL, window_s=2.5)


@register_model(
    LouroCnnConfig,
    title="Convolutional baseline of Louro et al.",
    paper="Louro et al., section 3.1",
    licence="Apache-2.0",
    front_end=LOURO_MEL,
    parameters=444_742,
    small=(SMALL_MEL, LouroCnnConfig(SMALL_MEL.network_shape, (8, 16, 16, 16, 32))),
)
def louro_cnn(config: LouroCnnConfig) -> LouroCnn:
    """Build the network."""
    return LouroCnn(config)
