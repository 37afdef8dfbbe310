"""Bathigama's one-dimensional convolutions on spectrograms that learn: magnitudes, mel powers and cepstra.

Rows of each spectrum are channels of convolutions over time: three of 500 maps on the STFT, two of 100 on the mel
spectrogram, three of 16 on the cepstral coefficients; an average over time, and 512 - 128 - 4.

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
)
from emotion.zoo.registry import register_model


@dataclass(frozen=True, slots=True)
class BathigamaSpectrogramsConfig(SpectraConfig):
    """The architecture's options, saved with every checkpoint."""

    dropout: float = 0.15
    units: int = 1  # Stretches of time that are averaged.


class BathigamaSpectrograms(QuadrantNetwork):
    """Convolutions over the time of three spectra."""

    config: BathigamaSpectrogramsConfig

    def __init__(self, config: BathigamaSpectrogramsConfig) -> None:
        super().__init__(config, Pooled(spectral_branches(config), config.units))


@register_model(
    BathigamaSpectrogramsConfig,
    title="One-dimensional convolutions on spectrograms that learn",
    paper=PAPER,
    licence="Apache-2.0",
    front_end=CHUNKS,
    parameters=6_013_484,
    # Powers have variances beyond the largest half-precision number.
    saves_halves=False,
    small=(SMALL_CHUNK, BathigamaSpectrogramsConfig(**SMALL_SPECTRA)),
)
def bathigama_spectrograms(config: BathigamaSpectrogramsConfig) -> BathigamaSpectrograms:
    """Build the network."""
    return BathigamaSpectrograms(config)
