"""The convolutional recurrent network that Louro et al. adapt: four blocks of convolution and a recurrent network.

Louro et al. name the network and cite Choi et al.; the layers are those of Won et al.'s implementation: maps 64, 128,
128, 128, pools (2, 2), (3, 3), (4, 4), (4, 4), a two-layer GRU of 32 over time, whose last step is classified after
dropout. Choice of this project: the spectrogram of `louro_cnn`.

Source: Louro et al., section 3.2; Choi et al. (2017), Convolutional recurrent neural networks for music classification;
Won et al. (2020), Evaluation of CNN-based automatic music tagging models.
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

_POOLS = ((2, 2), (3, 3), (4, 4), (4, 4))


@dataclass(frozen=True, slots=True)
class LouroCrnnConfig:
    """The architecture's options, saved with every checkpoint."""

    image_size: tuple[int, int] = LOURO_MEL.network_shape  # Rows, and columns of three frames each.
    channels: tuple[int, ...] = (64, 128, 128, 128)  # Maps of each block.
    n_hidden: int = 32  # Of each layer of the recurrent network.
    dropout: float = 0.5

    @property
    def input_shape(self) -> tuple[int, ...]:
        return CHANNELS, *self.image_size


class LouroCrnn(Network):
    """Four blocks of convolution, a two-layer GRU over time, and a linear layer."""

    config: LouroCrnnConfig

    def __init__(self, config: LouroCrnnConfig) -> None:
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
    LouroCrnnConfig,
    title="Convolutional recurrent network of Louro et al.",
    paper="Louro et al., section 3.2",
    licence="Apache-2.0",
    front_end=LOURO_MEL,
    parameters=392_582,
    small=(SMALL_MEL, LouroCrnnConfig(SMALL_MEL.network_shape, (8, 16, 16, 16))),
)
def louro_crnn(config: LouroCrnnConfig) -> LouroCrnn:
    """Build the network."""
    return LouroCrnn(config)
