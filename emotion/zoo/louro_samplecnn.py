"""The Sample CNN that Louro et al. adopt: one-dimensional convolutions of three samples on the waveform itself.

The layers are Lee et al.'s for 59,049 samples at 22,050 Hz (2.68 s): a convolution of 3 with stride 3, then blocks of a
convolution of 3 and a pool of 3, maps 128, 128, 128, 256 six times, 512, and a last convolution of 1 with 512 and
dropout. A song's answer is the mean of its segments'.

Choices of this project: segments that do not overlap, and a maximum over whatever time is left, which for 59,049
samples is one step.

Source: Louro et al., section 3.2; Lee et al. (2017), Sample-level deep convolutional neural networks for music
auto-tagging using raw waveforms.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from emotion.signal.audio import SAMPLE_RATE_HZ
from emotion.zoo.conv_blocks import completed
from emotion.zoo.embedding import Embedding
from emotion.zoo.frontends import Chunked, RawWaveform
from emotion.zoo.registry import Network, register_model

_N_SAMPLES = 3**10


@dataclass(frozen=True, slots=True)
class LouroSampleCnnConfig:
    """The architecture's options, saved with every checkpoint."""

    n_samples: int = _N_SAMPLES
    # Maps of each layer: the first has a stride of 3, the last a kernel of 1, the others are followed by a pool of 3.
    channels: tuple[int, ...] = (128, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512)
    dropout: float = 0.5

    @property
    def input_shape(self) -> tuple[int, ...]:
        return 1, self.n_samples


class LouroSampleCnn(Network):
    """Ten convolutions of three samples, one of a single step, and a linear layer."""

    config: LouroSampleCnnConfig

    def __init__(self, config: LouroSampleCnnConfig) -> None:
        super().__init__()
        self.config = config
        first, *pooled, last = pairwise((1, *config.channels))
        self.first = _layer(*first, kernel=3, stride=3)
        self.pooled = nn.ModuleList(_layer(*sizes, kernel=3) for sizes in pooled)
        self.last = _layer(*last, kernel=1)
        self.embedding = Embedding(config.channels[-1])
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.channels[-1], 4)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        maps = self.first(inputs)
        for layer in self.pooled:
            maps = nn.functional.max_pool1d(completed(layer(maps), 3), 3)
        features = self.last(maps).amax(dim=2)
        return self.classifier(self.dropout(features)), self.embedding(features)


def _layer(n_inputs: int, n_outputs: int, *, kernel: int, stride: int = 1) -> nn.Sequential:
    padding = kernel // 2 if stride == 1 else 0
    convolution = nn.Conv1d(n_inputs, n_outputs, kernel, stride, padding)
    return nn.Sequential(convolution, nn.BatchNorm1d(n_outputs), nn.ReLU())


_SEGMENT_S = _N_SAMPLES / SAMPLE_RATE_HZ
_SMALL_N = 3**8
_SMALL_S = _SMALL_N / SAMPLE_RATE_HZ


@register_model(
    LouroSampleCnnConfig,
    title="Sample CNN of Louro et al.",
    paper="Louro et al., section 3.2",
    licence="Apache-2.0",
    front_end=Chunked(RawWaveform(_SEGMENT_S), hop_s=_SEGMENT_S),
    parameters=1_846_276,
    small=(
        Chunked(RawWaveform(_SMALL_S), hop_s=_SMALL_S, window_s=2 * _SMALL_S),
        LouroSampleCnnConfig(_SMALL_N, (16, 16, 16, 16, 32, 32, 32, 32, 32)),
    ),
)
def louro_samplecnn(config: LouroSampleCnnConfig) -> LouroSampleCnn:
    """Build the network."""
    return LouroSampleCnn(config)
