"""Bathigama's two-dimensional convolutions on the waveform and on spectrograms that learn, by quadrant.

The branch of `bathigama_raw2d`, six convolutions on the STFT, the first five on the mel spectrogram, the first three on
the cepstral coefficients, whose pools are longer in time; an average over 4 x 16 parts of each, and 512 - 128 - 4.

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
    image_branch,
    raw_image_branch,
    rows_of,
    spectra_of,
)
from emotion.zoo.registry import register_model

_MFCC_POOLS = ((2, 8), (2, 4), (1, 1))


@dataclass(frozen=True, slots=True)
class BathigamaSpectrograms2dConfig(SpectraConfig):
    """The architecture's options, saved with every checkpoint."""

    dropout: float = 0.15
    maps: tuple[int, ...] = (16, 32, 64, 128, 256, 256)  # Of each 3x3 convolution.
    units: tuple[int, int] = (4, 16)  # Parts of each image that are averaged, up and along.


class BathigamaSpectrograms2d(QuadrantNetwork):
    """Convolutions on four images of a waveform."""

    config: BathigamaSpectrograms2dConfig

    def __init__(self, config: BathigamaSpectrograms2dConfig) -> None:
        spectra, rows, pools = spectra_of(config), rows_of(config), [(2, 2)] * len(config.maps)
        branches = {
            "raw": raw_image_branch(config, config.maps, pools),
            "stft": image_branch(spectra["stft"], rows["stft"], config.maps, pools, config.dropout),
            "mel": image_branch(spectra["mel"], rows["mel"], config.maps[:-1], pools[:-1], config.dropout),
            "mfcc": image_branch(spectra["mfcc"], rows["mfcc"], config.maps[:3], _MFCC_POOLS, config.dropout),
        }
        super().__init__(config, Pooled(branches, config.units))


@register_model(
    BathigamaSpectrograms2dConfig,
    title="Two-dimensional convolutions on the waveform and on spectrograms that learn",
    paper=PAPER,
    licence="Apache-2.0",
    front_end=CHUNKS,
    parameters=33_513_568,
    # Powers have variances beyond the largest half-precision number.
    saves_halves=False,
    small=(SMALL_CHUNK, BathigamaSpectrograms2dConfig(**SMALL_SPECTRA, maps=(4, 8, 16), units=(1, 2))),
)
def bathigama_spectrograms2d(config: BathigamaSpectrograms2dConfig) -> BathigamaSpectrograms2d:
    """Build the network."""
    return BathigamaSpectrograms2d(config)
