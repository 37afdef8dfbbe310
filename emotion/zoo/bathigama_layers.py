"""What the networks of Bathigama and Madushika share: towers of convolutions, heads, and an LSTM over time.

Every network reads 5 s of a waveform, every 2.5 s; a song's answer is the mean of its chunks'. Convolutions are not
padded. All but the networks of valence and arousal end in 512 - dropout - 128 - 4.

Choices of this project, where neither text says anything: one FFT of 1,024 samples for all three spectra, whose
cepstral coefficients learn as well; dropout after the first dense layer of every network; SpecAugment on magnitudes and
mel powers. The author's code names 9 kHz as the upper end of the STFT, as here; the library that it calls ignores the
number on its default scale.

Source: Bathigama and Madushika, Music Emotion Recognition using Deep Neural Networks, and its abstract; shapes are
those of the first author's public code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion.signal.audio import SAMPLE_RATE_HZ
from emotion.zoo.embedding import Embedding
from emotion.zoo.frontends import Chunked, RawWaveform
from emotion.zoo.registry import Network
from emotion.zoo.spectra import Mel, Mfcc, SpecAugment, Stft

# Valence and arousal that stand for the quadrants 1 to 4.
CORNERS = ((0.6, 0.6), (-0.6, 0.6), (-0.6, -0.6), (0.6, -0.6))
CHUNK_S = 5.0
CHUNKS = Chunked(RawWaveform(CHUNK_S), hop_s=2.5)
SMALL_CHUNK = RawWaveform(CHUNK_S)
PAPER = "Bathigama and Madushika"

HIDDEN = (512, 128)
_LEAST_SD = 1e-3
_WIDEST = 10.0  # Standard deviations, beyond which the probability of a side no longer falls.
_KERNEL, _STRIDE = 1024, 256  # Samples of the first layer on a waveform.


@dataclass(frozen=True, slots=True)
class ChunkConfig:
    """The options of all these networks, saved with every checkpoint."""

    n_samples: int = round(CHUNK_S * SAMPLE_RATE_HZ)  # Of a chunk.
    dropout: float = 0.5
    divisor: int = 1  # Of the number of maps of every one-dimensional convolution, for a narrow network.

    @property
    def input_shape(self) -> tuple[int, ...]:
        return 1, self.n_samples


@dataclass(frozen=True, slots=True)
class SpectraConfig(ChunkConfig):
    """The options of networks that read spectra."""

    n_fft: int = 1024
    stft_hop: int = 256
    hop: int = 512  # Of all other spectra.
    n_mels: int = 128
    n_mfcc: int = 20
    stft_max_hz: float = 9000.0
    trainable: bool = True  # Whether the bases of all spectra learn.
    mask_chance: float = 0.0  # SpecAugment: how often a band and a stretch of time of a spectrum are blanked.


# Enough of a network that reads spectra to test it.
SMALL_SPECTRA: dict[str, Any] = {"dropout": 0.0, "divisor": 10, "n_fft": 256, "stft_hop": 1024, "n_mels": 32}


class Branch(nn.Sequential):
    """Layers from a waveform to maps `(n, n_maps, n_steps)` or `(n, n_maps, n_rows, n_steps)`."""

    def __init__(self, layers: Iterable[nn.Module], n_maps: int, n_rows: int = 1) -> None:
        super().__init__(*layers)
        self.n_maps = n_maps
        self.n_rows = n_rows


def block(
    n_inputs: int,
    n_outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int = 0,
    pool: nn.Module | None = None,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Return a one-dimensional convolution, a pool, batch normalisation, dropout and ReLU, in this order."""
    layers = nn.Sequential(nn.Conv1d(n_inputs, n_outputs, kernel, stride, padding))
    if pool is not None:
        layers.append(pool)
    return layers.extend([nn.BatchNorm1d(n_outputs), nn.Dropout(dropout), nn.ReLU()])


def raw_branch(
    config: ChunkConfig, n_blocks: int, *, kernel: int = _KERNEL, stride: int = _STRIDE, padded: bool = False
) -> Branch:
    """Return a convolution on samples, and blocks of a convolution of 7 and a pool of 3, both of stride 1.

    With `padded` a block leaves as many steps as it reads; else eight fewer.
    """
    n_maps = 250 // config.divisor
    layers = [block(1, n_maps, kernel, stride=stride, dropout=config.dropout)]
    for _ in range(n_blocks):
        pool = nn.MaxPool1d(3, stride=1, padding=int(padded))
        layers.append(block(n_maps, n_maps, 7, padding=3 * padded, pool=pool, dropout=config.dropout))
    return Branch(layers, n_maps)


def strided_branch(config: ChunkConfig) -> Branch:
    """Return a convolution on samples, and three of 13 with a stride of 5: of 5 s, a single step is left."""
    n_maps = 250 // config.divisor
    layers = [block(1, n_maps, _KERNEL, stride=_STRIDE, dropout=config.dropout)]
    layers += [block(n_maps, n_maps, 13, stride=5, dropout=config.dropout) for _ in range(3)]
    return Branch(layers, n_maps)


def spectra_of(config: SpectraConfig) -> dict[str, list[nn.Module]]:
    """Return the layers that make each spectrum of a waveform."""

    def mel() -> list[nn.Module]:
        made = Mel(config.n_mels, config.n_fft, config.hop, trainable=config.trainable)
        return [made, SpecAugment(config.mask_chance)]

    stft = Stft(config.n_fft, config.stft_hop, f_max_hz=config.stft_max_hz, trainable=config.trainable)
    mfcc = Mfcc(config.n_mfcc, config.n_mels, trainable=config.trainable)
    return {"stft": [stft, SpecAugment(config.mask_chance)], "mel": mel(), "mfcc": [*mel(), mfcc]}


def rows_of(config: SpectraConfig) -> dict[str, int]:
    """Return the number of rows of each spectrum."""
    return {"stft": config.n_fft // 2 + 1, "mel": config.n_mels, "mfcc": config.n_mfcc}


def spectrum_branch(spectrum: Iterable[nn.Module], n_rows: int, maps: Sequence[int]) -> Branch:
    """Return a spectrum, whose rows are channels, and blocks of a convolution of 3 over time and a pool of 2."""
    blocks = [block(*sizes, 3, pool=nn.MaxPool1d(2)) for sizes in pairwise((n_rows, *maps))]
    return Branch([*spectrum, *blocks], maps[-1])


def spectral_branches(config: SpectraConfig) -> dict[str, Branch]:
    """Return the one-dimensional branches of the three spectra."""
    spectra, rows, d = spectra_of(config), rows_of(config), config.divisor
    maps = {"stft": (500 // d,) * 3, "mel": (100 // d,) * 2, "mfcc": (16,) * 3}
    return {name: spectrum_branch(spectra[name], rows[name], maps[name]) for name in maps}


def image_branch(
    layers: Iterable[nn.Module],
    n_rows: int,
    maps: Sequence[int],
    pools: Iterable[tuple[int, int]],
    dropout: float,
) -> Branch:
    """Return layers that make `n_rows` rows, and 3x3 convolutions on them as an image, each with a pool.

    The last two drop whole maps.
    """
    blocks: list[nn.Module] = [*layers, nn.Unflatten(1, (1, n_rows))]
    for number, (sizes, pool) in enumerate(zip(pairwise((1, *maps)), pools, strict=True)):
        blocks += [nn.Conv2d(*sizes, 3), nn.MaxPool2d(pool), nn.BatchNorm2d(sizes[1])]
        if number >= len(maps) - 2:
            blocks.append(nn.Dropout2d(dropout))
        blocks.append(nn.ReLU())
        n_rows = (n_rows - 2) // pool[0]
    return Branch(blocks, maps[-1], n_rows)


def raw_image_branch(config: ChunkConfig, maps: Sequence[int], pools: Iterable[tuple[int, int]]) -> Branch:
    """Return a convolution on samples whose maps are the rows of an image, and convolutions on that."""
    n_rows = 500 // config.divisor
    first = block(1, n_rows, _KERNEL, stride=_STRIDE, pool=nn.MaxPool1d(2))
    return image_branch([first], n_rows, maps, pools, config.dropout)


class Pooled(nn.Module):
    """The maps of branches, averaged to `units` steps, or rows and steps, and laid side by side."""

    def __init__(self, branches: Mapping[str, Branch], units: int | tuple[int, int]) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(branches)
        n_maps = sum(each.n_maps for each in branches.values())
        self.pool: nn.Module
        if isinstance(units, tuple):
            self.pool, self.n_features = nn.AdaptiveAvgPool2d(units), n_maps * units[0] * units[1]
        else:
            self.pool, self.n_features = nn.AdaptiveAvgPool1d(units), n_maps * units

    def forward(self, waveform: Tensor) -> Tensor:
        """Return `(n, n_features)`."""
        return torch.cat([self.pool(branch(waveform)).flatten(1) for branch in self.branches.values()], dim=1)


class Recurrent(nn.Module):
    """An LSTM over the steps of a branch, whose maps and rows are its inputs; its last step."""

    def __init__(self, branch: Branch, n_hidden: int) -> None:
        super().__init__()
        self.branch = branch
        self.lstm = _Lstm(branch.n_maps * branch.n_rows, n_hidden, batch_first=True)

    def forward(self, waveform: Tensor) -> Tensor:
        return self.last_step(self.branch(waveform))

    def last_step(self, maps: Tensor) -> Tensor:
        """Return `(n, n_hidden)` of what the branch makes."""
        # Rounding to half precision adds up over hundreds of steps.
        with torch.autocast(maps.device.type, enabled=False):
            outputs, _ = self.lstm(maps.float().flatten(1, -2).transpose(1, 2))
        last: Tensor = outputs[:, -1]
        return last


class _Lstm(nn.LSTM):
    def check_forward_args(
        self,
        input: Tensor,  # noqa: A002
        hidden: tuple[Tensor, Tensor],  # type: ignore[override]
        batch_sizes: Tensor | None,
    ) -> None:
        # torch compares shapes, which stand still in the traces that OpenVINO makes, and warns of it each time.
        pass


class RecurrentBranches(nn.Module):
    """The last steps of LSTMs, one for each branch, side by side."""

    def __init__(self, branches: Mapping[str, Branch], n_hidden: int) -> None:
        super().__init__()
        self.branches = nn.ModuleDict({name: Recurrent(branch, n_hidden) for name, branch in branches.items()})
        self.n_features = n_hidden * len(branches)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return `(n, n_features)`."""
        return torch.cat([branch(waveform) for branch in self.branches.values()], dim=1)


def dense(n_inputs: int, dropout: float) -> nn.Sequential:
    """Return the hidden layers of the head: 512, dropout, and 128."""
    first, last = HIDDEN
    return nn.Sequential(nn.Linear(n_inputs, first), nn.Dropout(dropout), nn.ReLU(), nn.Linear(first, last), nn.ReLU())


class QuadrantNetwork(Network):
    """Features of a waveform, two hidden layers, and four quadrants."""

    def __init__(self, config: ChunkConfig, features: Pooled | RecurrentBranches) -> None:
        super().__init__()
        self.config = config
        self.features = features
        self.hidden = dense(features.n_features, config.dropout)
        self.embedding = Embedding(HIDDEN[-1])
        self.classifier = nn.Linear(HIDDEN[-1], 4)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        hidden = self.hidden(self.features(inputs))
        return self.classifier(hidden), self.embedding(hidden)


class GaussianNetwork(Network):
    """Means and standard deviations of valence and arousal, from 128 hidden activations of a waveform.

    A quadrant's probability is that of its two sides under the two normal distributions; a song's point are the means.

    The authors regress both on those of a song's raters. Ratings come here without deviations, so that of an answer
    is regressed on what it will be: the absolute error times sqrt(pi / 2), whose mean is the standard deviation of a
    normal error. A clip without a rating has the point that stands for its quadrant.
    """

    corners: Tensor

    def __init__(self, config: ChunkConfig, hidden: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.hidden = hidden
        self.embedding = Embedding(HIDDEN[-1])
        self.means = nn.Linear(HIDDEN[-1], 2)
        self.deviations = nn.Linear(HIDDEN[-1], 2)
        corners = torch.tensor(CORNERS)
        self.register_buffer("corners", corners, persistent=False)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return logits, embeddings, points and deviations; in training points are not limited."""
        hidden = self.hidden(inputs)
        means, sds = self.means(hidden).float(), functional.softplus(self.deviations(hidden).float()) + _LEAST_SD
        logits, embedding = quadrant_logits(means, sds), self.embedding(hidden)
        return logits, embedding, means if self.training else means.clamp(-1, 1), sds

    def losses(self, outputs: tuple[Tensor, ...], targets: Tensor, points: Tensor) -> Tensor:
        """Return the root of the batch's mean squared error of means and deviations, the same for each clip.

        Source: the authors' code, sqrt(mse + 1e-6).
        """
        _, _, means, sds = outputs
        errors = means - torch.where(points.isnan(), targets @ self.corners, points)
        spread = sds - math.sqrt(math.pi / 2) * errors.detach().abs()
        return (torch.cat([errors, spread]).square().mean() + 1e-6).sqrt().expand(len(targets))


def quadrant_logits(means: Tensor, sds: Tensor) -> Tensor:
    """Return log probabilities `(n, 4)` of the quadrants, of normal valence and arousal `(n, 2)`."""
    scaled = (means / sds).clamp(-_WIDEST, _WIDEST) / math.sqrt(2)
    (v_high, a_high), (v_low, a_low) = ((0.5 * torch.erfc(side)).log().unbind(dim=1) for side in (-scaled, scaled))
    return torch.stack([v_high + a_high, v_low + a_high, v_low + a_low, v_high + a_low], dim=1)
