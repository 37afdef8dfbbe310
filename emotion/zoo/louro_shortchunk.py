"""The ShortChunk CNN that Louro et al. adapt: seven blocks of convolution on segments of 3.5 s.

A song's answer is the mean of its segments'. The layers are those of Won et al.: maps 128, 128, 256, 256, 256, 256,
512, every pool 2x2, a maximum over time, then a hidden layer of 512 with batch normalisation, ReLU and dropout.

Choices of this project: 128 bands to 8 kHz, a frame of 32 ms every 16 ms, as in Won et al.; segments that do not
overlap.

Source: Louro et al., section 3.2; Won et al. (2020), Evaluation of CNN-based automatic music tagging models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from emotion.zoo.conv_blocks import conv_blocks, frames_in_a_row
from emotion.zoo.embedding import Embedding
from emotion.zoo.frontends import CHANNELS, Chunked
from emotion.zoo.louro_cnn import LOURO_MEL
from emotion.zoo.registry import Network, register_model

_SEGMENT_S = 3.5
_MEL = replace(LOURO_MEL, n_mels=128, window_s=_SEGMENT_S)


@dataclass(frozen=True, slots=True)
class LouroShortChunkConfig:
    """The architecture's options, saved with every checkpoint."""

    image_size: tuple[int, int] = _MEL.network_shape  # Rows, and columns of three frames each.
    channels: tuple[int, ...] = (128, 128, 256, 256, 256, 256, 512)  # Maps of each block, and the hidden layer's width.
    dropout: float = 0.5

    @property
    def input_shape(self) -> tuple[int, ...]:
        return CHANNELS, *self.image_size


class LouroShortChunk(Network):
    """Seven blocks of convolution, a maximum over time, and a hidden layer."""

    config: LouroShortChunkConfig

    def __init__(self, config: LouroShortChunkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels[-1]
        self.spec_bn = nn.BatchNorm2d(1)
        self.blocks = conv_blocks(config.channels, [(2, 2)] * len(config.channels))
        self.hidden = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU())
        self.embedding = Embedding(width)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(width, 4)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        maps = self.blocks(self.spec_bn(frames_in_a_row(inputs)))
        hidden = self.hidden(maps.amax(dim=(2, 3)))
        return self.classifier(self.dropout(hidden)), self.embedding(hidden)


_SMALL_MEL = replace(_MEL, window_s=1.0)


@register_model(
    LouroShortChunkConfig,
    title="ShortChunk CNN of Louro et al.",
    paper="Louro et al., section 3.2",
    licence="Apache-2.0",
    front_end=Chunked(_MEL, hop_s=_SEGMENT_S),
    parameters=3_663_750,
    small=(
        Chunked(_SMALL_MEL, hop_s=1.0, window_s=2.0),
        LouroShortChunkConfig(_SMALL_MEL.network_shape, (8, 8, 16, 16, 16, 16, 32)),
    ),
)
def louro_shortchunk(config: LouroShortChunkConfig) -> LouroShortChunk:
    """Build the network."""
    return LouroShortChunk(config)
