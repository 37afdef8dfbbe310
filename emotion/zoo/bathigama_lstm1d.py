"""Bathigama's recurrent network on one-dimensional convolutions: an LSTM over the time of each branch.

The branches of waveform and spectrograms, an LSTM over the steps of each, whose last ones lead through 512 - 128 to 4.
The authors' code ran over the songs of a batch; this one runs over time.

Choices of this project: 128 hidden units in one layer; on the waveform three blocks of `bathigama_raw1d`, which leave
403 steps, since the strides of `bathigama_raw_spectrograms` would leave one.

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
    raw_branch,
    spectral_branches,
)
from emotion.zoo.registry import register_model


@dataclass(frozen=True, slots=True)
class BathigamaLstm1dConfig(SpectraConfig):
    """The architecture's options, saved with every checkpoint."""

    dropout: float = 0.3
    n_hidden: int = 128  # Of each LSTM.


class BathigamaLstm1d(QuadrantNetwork):
    """Convolutions on the samples and over the time of three spectra, and an LSTM on each."""

    config: BathigamaLstm1dConfig

    def __init__(self, config: BathigamaLstm1dConfig) -> None:
        branches = {"raw": raw_branch(config, 3), **spectral_branches(config)}
        super().__init__(config, RecurrentBranches(branches, config.n_hidden))


@register_model(
    BathigamaLstm1dConfig,
    title="LSTMs on one-dimensional convolutions of the waveform and of spectrograms that learn",
    paper=PAPER,
    licence="Apache-2.0",
    front_end=CHUNKS,
    parameters=8_241_368,
    # Powers have variances beyond the largest half-precision number.
    saves_halves=False,
    small=(SMALL_CHUNK, BathigamaLstm1dConfig(**SMALL_SPECTRA, n_hidden=16)),
)
def bathigama_lstm1d(config: BathigamaLstm1dConfig) -> BathigamaLstm1d:
    """Build the network."""
    return BathigamaLstm1d(config)
