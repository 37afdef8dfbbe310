"""A convolutional autoencoder of log-mel images, and a random forest on what it finds.

The autoencoder is trained without labels on the clips of a fold; DeepSMOTE makes synthetic samples between its codes.
Louro et al. print no layers. Choices of this project: five convolutions of 3x3 with stride 2, batch normalisation and
ReLU, then a linear layer to 256 numbers; back the same way, each stage enlarged to its size by repetition. The forest
reads segments of 6 s, and a song's answer is the mean of its segments'.

Source: Louro et al., section 3.3; Dablain et al. (2021), DeepSMOTE: fusing deep learning and SMOTE for imbalanced data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor, nn

from emotion.zoo.conv_blocks import frames_in_a_row, frames_in_channels
from emotion.zoo.forest import ForestNetwork, ForestOptions
from emotion.zoo.frontends import CHANNELS, Chunked
from emotion.zoo.louro_cnn import LOURO_MEL
from emotion.zoo.registry import register_model

_SEGMENT_S = 6.0
_MEL = replace(LOURO_MEL, window_s=_SEGMENT_S)


@dataclass(frozen=True, slots=True)
class AutoencoderConfig:
    """The shape of an autoencoder."""

    image_size: tuple[int, int] = _MEL.network_shape  # Rows, and columns of three frames each.
    channels: tuple[int, ...] = (16, 32, 64, 128, 128)  # Maps of each convolution.
    n_latent: int = 256  # Numbers that an image becomes.

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Rows and columns of the image, one channel, and of the maps of each convolution."""
        rows, columns = self.image_size
        sizes = [(rows, CHANNELS * columns)]
        for _ in self.channels:
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        return sizes


class Encoder(nn.Module):
    """From images to codes."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.convolutions = nn.Sequential()
        for sizes in pairwise((1, *config.channels)):
            self.convolutions.extend(
                [nn.Conv2d(*sizes, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(sizes[1]), nn.ReLU()]
            )
        rows, columns = config.sizes[-1]
        self.latent = nn.Linear(config.channels[-1] * rows * columns, config.n_latent)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return codes `(n, n_latent)` of network inputs `(n, 3, *image_size)`."""
        return self.latent(self.convolutions(frames_in_a_row(inputs)).flatten(1))


class Decoder(nn.Module):
    """From codes to images."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.shape = (config.channels[-1], *config.sizes[-1])
        rows, columns = config.sizes[-1]
        self.start = nn.Linear(config.n_latent, config.channels[-1] * rows * columns)
        self.convolutions = nn.Sequential()
        for size, channels in zip(reversed(config.sizes[:-1]), pairwise(reversed((1, *config.channels))), strict=True):
            self.convolutions.extend(
                [nn.BatchNorm2d(channels[0]), nn.ReLU(), nn.Upsample(size), nn.Conv2d(*channels, 3, padding=1)]
            )

    def forward(self, codes: Tensor) -> Tensor:
        """Return network inputs `(n, 3, *image_size)` of codes `(n, n_latent)`."""
        maps = self.start(codes).reshape(-1, *self.shape)
        return frames_in_channels(self.convolutions(maps))


class Autoencoder(nn.Module):
    """An encoder and its decoder; inputs and outputs are what the networks of this front end read."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the reconstruction of inputs `(n, 3, *image_size)`."""
        return self.decoder(self.encoder(inputs))

    def losses(self, inputs: Tensor) -> Tensor:
        """Return the mean squared error `(n,)` of the reconstruction of each input."""
        return (self(inputs) - inputs).square().mean(dim=(1, 2, 3))


@dataclass(frozen=True, slots=True)
class LouroAutoencoderRfConfig(ForestOptions):
    """The architecture's options, saved with every checkpoint."""

    image_size: tuple[int, int] = _MEL.network_shape
    channels: tuple[int, ...] = (16, 32, 64, 128, 128)
    n_latent: int = 256

    @property
    def autoencoder(self) -> AutoencoderConfig:
        """The shape of the autoencoder whose encoder the forest reads."""
        return AutoencoderConfig(self.image_size, self.channels, self.n_latent)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return CHANNELS, *self.image_size


class LouroAutoencoderRf(ForestNetwork):
    """A random forest on the codes of an encoder, which is trained elsewhere."""

    config: LouroAutoencoderRfConfig

    def __init__(self, config: LouroAutoencoderRfConfig) -> None:
        super().__init__(config, config.n_latent)
        self.encoder = Encoder(config.autoencoder).requires_grad_(False)

    def features(self, inputs: Tensor) -> Tensor:
        codes: Tensor = self.encoder(inputs)
        return codes


_SMALL_MEL = replace(LOURO_MEL, window_s=3.0)


@register_model(
    LouroAutoencoderRfConfig,
    title="Random forest on the codes of an autoencoder",
    paper="Louro et al., section 3.3",
    licence="Apache-2.0",
    front_end=Chunked(_MEL, hop_s=_SEGMENT_S),
    parameters=1_425_008,
    saves_halves=False,
    small=(
        _SMALL_MEL,
        LouroAutoencoderRfConfig(
            n_trees=50, image_size=_SMALL_MEL.network_shape, channels=(4, 8, 8, 16, 16), n_latent=32
        ),
    ),
)
def louro_autoencoder_rf(config: LouroAutoencoderRfConfig) -> LouroAutoencoderRf:
    """Build the network."""
    return LouroAutoencoderRf(config)
