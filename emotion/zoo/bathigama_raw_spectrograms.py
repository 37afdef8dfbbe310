"""Bathigama's one-dimensional convolutions on the waveform and on spectrograms that learn.

The waveform's branch is that of `bathigama_raw1d_va`, the others are those of `bathigama_spectrograms`; each is
averaged over 8 stretches of time, and 512 - 128 - 4 read all of them.

Source: Bathigama and Madushika; see `bathigama_layers`.
"""

from __future__ import annotations

from dataclasses import dataclass

from emotion.zoo.bathigama_layers import (
    CHUNKS,
    PAPER,
    SMALL_CHUNK,
    SMALL_SPECTRA,
    Pooled,
    QuadrantNetwork,
    SpectraConfig,
    spectral_branches,
    strided_branch,
)
from emotion.zoo.registry import register_model


@dataclass(frozen=True, slots=True)
class BathigamaRawSpectrogramsConfig(SpectraConfig):
    """The architecture's options, saved with every checkpoint."""

    dropout: float = 0.25
    units: int = 8  # Stretches of time that are averaged.


class BathigamaRawSpectrograms(QuadrantNetwork):
    """Convolutions on the samples, and over the time of three spectra."""

    config: BathigamaRawSpectrogramsConfig

    def __init__(self, config: BathigamaRawSpectrogramsConfig) -> None:
        branches = {"raw": strided_branch(config), **spectral_branches(config)}
        super().__init__(config, Pooled(branches, config.units))


@register_model(
    BathigamaRawSpectrogramsConfig,
    title="One-dimensional convolutions on the waveform and on spectrograms that learn",
    paper=PAPER,
    licence="Apache-2.0",
    front_end=CHUNKS,
    parameters=11_941_728,
    # Powers have variances beyond the largest half-precision number.
    saves_halves=False,
    small=(SMALL_CHUNK, BathigamaRawSpectrogramsConfig(**SMALL_SPECTRA, units=2)),
)
def bathigama_raw_spectrograms(config: BathigamaRawSpectrogramsConfig) -> BathigamaRawSpectrograms:
    """Build the network."""
    return BathigamaRawSpectrograms(config)
