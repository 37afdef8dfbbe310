"""The convolutional baseline of Louro et al. with two gated recurrent units, which read what the maps become over time.

Louro et al. say that two units were integrated, not where. Choices of this project: they are stacked on the last block,
64 wide, and their last step is classified. Choi's pools would leave them one step of 24 s, so those of the last three
blocks are shorter in time: a step is 64 frames, 1.02 s.

Source: Louro et al., section 3.2; Choi et al. (2016), Automatic tagging using deep convolutional neural networks.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from emotion.zoo.conv_blocks import conv_blocks, frames_in_a_row
from emotion.zoo.embedding import Embedding
from emotion.zoo.frontends import CHANNELS
from emotion.zoo.louro_cnn import LOURO_MEL, SMALL_MEL
from emotion.zoo.recurrent import LastStep
from emotion.zoo.registry import Network, register_model

_POOLS = ((2, 4), (2, 4), (2, 2), (3, 2), (4, 1))


@dataclass(frozen=True, slots=True)
class LouroCnnGruConfig:
    """The architecture's options, saved with every checkpoint."""

    image_size: tuple[int, int] = LOURO_MEL.network_shape  # Rows, and columns of three frames each.
    channels: tuple[int, ...] = (64, 128, 128, 128, 64)  # Maps of each block.
    n_hidden: int = 64  # Of each recurrent unit.
    dropout: float = 0.5

    @property
    def input_shape(self) -> tuple[int, ...]:
        return CHANNELS, *self.image_size


class LouroCnnGru(Network):
    """Five blocks of convolution, two recurrent units over time, and a linear layer."""

    config: LouroCnnGruConfig

    def __init__(self, config: LouroCnnGruConfig) -> None:
        super().__init__()
        self.config = config
        self.spec_bn = nn.BatchNorm2d(1)
        self.blocks = conv_blocks(config.channels, _POOLS)
        self.recurrent = LastStep(config.channels[-1], config.n_hidden)
        self.embedding = Embedding(config.n_hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.n_hidden, 4)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        last = self.recurrent(self.blocks(self.spec_bn(frames_in_a_row(inputs))))
        return self.classifier(self.dropout(last)), self.embedding(last)


@register_model(
    LouroCnnGruConfig,
    title="Convolutional baseline of Louro et al. with recurrent units",
    paper="Louro et al., section 3.2",
    licence="Apache-2.0",
    front_end=LOURO_MEL,
    parameters=494_662,
    small=(SMALL_MEL, LouroCnnGruConfig(SMALL_MEL.network_shape, (8, 16, 16, 16, 32), n_hidden=32)),
)
def louro_cnn_gru(config: LouroCnnGruConfig) -> LouroCnnGru:
    """Build the network."""
    return LouroCnnGru(config)
