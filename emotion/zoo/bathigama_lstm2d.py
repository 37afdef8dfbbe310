"""Bathigama's recurrent network on two-dimensional convolutions: an LSTM over the time of each branch.

The images of `bathigama_spectrograms2d`, an LSTM over the columns of each, whose last ones lead through 512 - 128 to 4.
The authors' code ran over the songs of a batch; this one runs over time.

Choices of this project: 128 hidden units in one layer; pools halve time in the first three convolutions only, since
six would leave one column.

Source: Bathigama and Madushika; see `bathigama_layers`.
"""

from __future__ import annotations

from dataclasses import dataclass

from emotion.zoo.bathigama_layers import (
    CHUNKS,
    PAPER,
    SMALL_CHUNK,
    SMALL_SPECTRA,
    QuadrantNetwork,
    RecurrentBranches,
    SpectraConfig,
    image_branch,
    raw_image_branch,
    rows_of,
    spectra_of,
)
from emotion.zoo.registry import register_model

_POOLS = ((2, 2), (2, 2), (2, 2), (2, 1), (2, 1), (2, 1))
_MFCC_POOLS = ((2, 2), (2, 2), (1, 1))


@dataclass(frozen=True, slots=True)
class BathigamaLstm2dConfig(SpectraConfig):
    """The architecture's options, saved with every checkpoint."""

    dropout: float = 0.3
    maps: tuple[int, ...] = (16, 32, 64, 128, 256, 256)  # Of each 3x3 convolution, six at most.
    n_hidden: int = 128  # Of each LSTM.


class BathigamaLstm2d(QuadrantNetwork):
    """Convolutions on four images of a waveform, and an LSTM on each."""

    config: BathigamaLstm2dConfig

    def __init__(self, config: BathigamaLstm2dConfig) -> None:
        spectra, rows, pools = spectra_of(config), rows_of(config), _POOLS[: len(config.maps)]
        branches = {
            "raw": raw_image_branch(config, config.maps, pools),
            "stft": image_branch(spectra["stft"], rows["stft"], config.maps, pools, config.dropout),
            "mel": image_branch(spectra["mel"], rows["mel"], config.maps[:-1], pools[:-1], config.dropout),
            "mfcc": image_branch(spectra["mfcc"], rows["mfcc"], config.maps[:3], _MFCC_POOLS, config.dropout),
        }
        super().__init__(config, RecurrentBranches(branches, config.n_hidden))


@register_model(
    BathigamaLstm2dConfig,
    title="LSTMs on two-dimensional convolutions of the waveform and of spectrograms that learn",
    paper=PAPER,
    licence="Apache-2.0",
    front_end=CHUNKS,
    parameters=8_515_680,
    # Powers have variances beyond the largest half-precision number.
    saves_halves=False,
    small=(SMALL_CHUNK, BathigamaLstm2dConfig(**SMALL_SPECTRA, maps=(4, 8, 16), n_hidden=16)),
)
def bathigama_lstm2d(config: BathigamaLstm2dConfig) -> BathigamaLstm2d:
    """Build the network."""
    return BathigamaLstm2d(config)
