"""A convolutional recurrent network that begins with the convolutions of a network trained on MagnaTagATune.

Louro et al. pre-train Won et al.'s convolutional recurrent network on MagnaTagATune. Neither its weights nor that audio
is at hand; the convolutions of musicnn's VGG, trained on the same tags, are. Choice of this project: they take the
place of the four blocks of `louro_crnn`. There are five of 128 maps, of convolution, ReLU, then batch normalisation,
with pools (1, 4), (2, 2), (2, 2), (2, 2), (4, 4) of bands and frames. The two-layer GRU of 32 is that of `louro_crnn`;
a step is 64 frames, 1.02 s. Everything goes on learning.

The VGG reads log10(10,000 m + 1) of the power m of 96 bands, measured at 16 kHz. The same is computed here of the image
of `louro_cnn`: the tags of 16 clips of 4QAED differ by at most .05 from those of the original input.

Source: Louro et al., section 3.3; Pons and Serra (2019), musicnn: pre-trained convolutional neural networks for music
audio tagging, weights under the ISC licence; Won et al. (2020), Evaluation of CNN-based automatic music tagging models.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from emotion.exceptions import CheckpointError
from emotion.zoo.conv_blocks import completed, frames_in_a_row
from emotion.zoo.embedding import Embedding
from emotion.zoo.frontends import CHANNELS, IMAGE_CENTRE, IMAGE_SPREAD
from emotion.zoo.louro_cnn import LOURO_MEL, SMALL_MEL
from emotion.zoo.recurrent import LastStep
from emotion.zoo.registry import Network, register_model

# Windows and strides of the pools, in bands and frames.
_POOLS = (((1, 4), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((4, 4), (4, 4)))
_NORM_EPSILON = 1e-3
# Of the original's analysis window, in samples at 16 kHz: the power of a band grows with the square of the window.
_THEIR_WINDOW = 512


@dataclass(frozen=True, slots=True)
class LouroCrnnTransferConfig:
    """The architecture's options, saved with every checkpoint."""

    image_size: tuple[int, int] = LOURO_MEL.network_shape  # Rows, and columns of three frames each.
    n_maps: int = 128  # Of every block; the public weights have 128.
    n_hidden: int = 32  # Of each layer of the recurrent network.
    dropout: float = 0.5

    @property
    def input_shape(self) -> tuple[int, ...]:
        return CHANNELS, *self.image_size


class _Block(nn.Module):
    def __init__(self, n_inputs: int, n_outputs: int, window: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_inputs, n_outputs, 3, padding=1)
        self.bn = nn.BatchNorm2d(n_outputs, eps=_NORM_EPSILON)
        self.window, self.stride = window, stride

    def forward(self, maps: Tensor) -> Tensor:
        found = self.bn(torch.relu(self.conv(maps)))
        return nn.functional.max_pool2d(completed(found, self.window[1]), self.window, self.stride)


class LouroCrnnTransfer(Network):
    """Five blocks of a tagger, a two-layer GRU over time, and a linear layer."""

    config: LouroCrnnTransferConfig

    def __init__(self, config: LouroCrnnTransferConfig) -> None:
        super().__init__()
        self.config = config
        self.spec_bn = nn.BatchNorm2d(1, eps=_NORM_EPSILON)
        sizes = [1] + [config.n_maps] * len(_POOLS)
        self.blocks = nn.Sequential(*(_Block(sizes[i], sizes[i + 1], *pool) for i, pool in enumerate(_POOLS)))
        self.recurrent = LastStep(config.n_maps, config.n_hidden)
        self.embedding = Embedding(config.n_hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.n_hidden, 4)

    def load_taggers(self, files: Sequence[Path]) -> None:
        """Begin with the convolutions of musicnn's VGG, one safetensors file whose kernels have time first.

        Raises:
            CheckpointError: The file is missing or holds another network.
        """
        [file] = files
        names = {"spec_bn": "bn0"}
        for number in range(len(_POOLS)):
            names |= {f"blocks.{number}.conv": f"c{number + 1}", f"blocks.{number}.bn": f"bn{number + 1}"}
        try:
            theirs = load_file(file)
            for ours, name in names.items():
                prefix = f"{name}."
                part = {key.removeprefix(prefix): value for key, value in theirs.items() if key.startswith(prefix)}
                if ours.endswith(".conv"):
                    part["weight"] = part["weight"].transpose(2, 3)
                self.get_submodule(ours).load_state_dict(part)
        except (OSError, RuntimeError, KeyError, SafetensorError) as error:
            raise CheckpointError(f"{file} does not hold the weights of musicnn's VGG: {error}") from error

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        last = self.recurrent(self.blocks(self.spec_bn(_as_they_measure(inputs))))
        return self.classifier(self.dropout(last)), self.embedding(last)


def _as_they_measure(inputs: Tensor) -> Tensor:
    level_db = (frames_in_a_row(inputs) * IMAGE_SPREAD + IMAGE_CENTRE - 1) * LOURO_MEL.range_db + LOURO_MEL.reference_db
    level_db = level_db + 20 * math.log10(_THEIR_WINDOW / LOURO_MEL.n_fft)
    return torch.log10(1e4 * torch.exp(level_db * (math.log(10) / 10)) + 1)


@register_model(
    LouroCrnnTransferConfig,
    title="Convolutional recurrent network on the convolutions of a tagger",
    paper="Louro et al., section 3.3",
    licence="Apache-2.0; weights that it starts from ISC",
    front_end=LOURO_MEL,
    parameters=614_918,
    small=(SMALL_MEL, LouroCrnnTransferConfig(SMALL_MEL.network_shape, n_maps=16)),
)
def louro_crnn_transfer(config: LouroCrnnTransferConfig) -> LouroCrnnTransfer:
    """Build the network."""
    return LouroCrnnTransfer(config)
