"""Bathigama's second network of valence and arousal, which adds a constant-Q transform to waveform and spectrograms.

The branches of `bathigama_raw_spectrograms` and one of three convolutions of 100 maps on 84 semitones, each averaged
over 16 stretches of time and reduced by 512 - 128 - 64; the five times 64 lead through 512 - 128 to two linear means
and two softplus deviations. Choice of this project: ReLU after every dense layer.

Source: Bathigama and Madushika; see `bathigama_layers`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotion.zoo.bathigama_layers import (
    CHUNKS,
    HIDDEN,
    PAPER,
    SMALL_CHUNK,
    SMALL_SPECTRA,
    GaussianNetwork,
    Pooled,
    SpectraConfig,
    dense,
    spectral_branches,
    spectrum_branch,
    strided_branch,
)
from emotion.zoo.registry import register_model
from emotion.zoo.spectra import Cqt, SpecAugment

_REDUCED = 64


@dataclass(frozen=True, slots=True)
class BathigamaCqtConfig(SpectraConfig):
    """The architecture's options, saved with every checkpoint."""

    dropout: float = 0.25
    units: int = 16  # Stretches of time that are averaged.
    n_cqt: int = 84  # Semitones.
    cqt_min_hz: float = 32.7


class _Reduced(nn.Module):
    """Each of five branches, averaged and reduced to 64 numbers, side by side."""

    def __init__(self, config: BathigamaCqtConfig) -> None:
        super().__init__()
        cqt = [
            Cqt(config.n_cqt, config.hop, f_min_hz=config.cqt_min_hz, trainable=config.trainable),
            SpecAugment(config.mask_chance),
        ]
        branches = {
            "raw": strided_branch(config),
            **spectral_branches(config),
            "cqt": spectrum_branch(cqt, config.n_cqt, (100 // config.divisor,) * 3),
        }
        self.branches = nn.ModuleDict()
        for name, branch in branches.items():
            pooled = Pooled({name: branch}, config.units)
            self.branches[name] = nn.Sequential(
                pooled, dense(pooled.n_features, config.dropout), nn.Linear(HIDDEN[-1], _REDUCED), nn.ReLU()
            )

    def forward(self, waveform: Tensor) -> Tensor:
        return torch.cat([branch(waveform) for branch in self.branches.values()], dim=1)


class BathigamaCqt(GaussianNetwork):
    """Five branches, and normal distributions."""

    config: BathigamaCqtConfig

    def __init__(self, config: BathigamaCqtConfig) -> None:
        reduced = _Reduced(config)
        n_features = _REDUCED * len(reduced.branches)
        super().__init__(config, nn.Sequential(reduced, dense(n_features, config.dropout)))


@register_model(
    BathigamaCqtConfig,
    title="Waveform, spectrograms and constant-Q transform that learn, for valence and arousal",
    paper=PAPER,
    licence="Apache-2.0",
    front_end=CHUNKS,
    parameters=17_486_916,
    # Powers have variances beyond the largest half-precision number.
    saves_halves=False,
    small=(SMALL_CHUNK, BathigamaCqtConfig(**SMALL_SPECTRA, units=2, n_cqt=24, cqt_min_hz=523.0)),
)
def bathigama_cqt(config: BathigamaCqtConfig) -> BathigamaCqt:
    """Build the network."""
    return BathigamaCqt(config)
