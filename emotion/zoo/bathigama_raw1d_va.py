"""Bathigama's one-dimensional convolutions on the waveform, for means and deviations of valence and arousal.

A convolution of 250 filters on the samples, three of 13 with a stride of 5, an average over 16 stretches of time, 512 -
128, and two linear means and two softplus deviations. Of 5 s the strides leave one step, so that all 16 stretches hold
the same: the authors' shapes are kept as they are.

Source: Bathigama and Madushika; see `bathigama_layers`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from emotion.zoo.bathigama_layers import (
    CHUNKS,
    PAPER,
    SMALL_CHUNK,
    ChunkConfig,
    GaussianNetwork,
    Pooled,
    dense,
    strided_branch,
)
from emotion.zoo.registry import register_model


@dataclass(frozen=True, slots=True)
class BathigamaRaw1dVaConfig(ChunkConfig):
    """The architecture's options, saved with every checkpoint."""

    dropout: float = 0.2
    units: int = 16  # Stretches of time that are averaged.


class BathigamaRaw1dVa(GaussianNetwork):
    """Convolutions on the samples, and normal distributions."""

    config: BathigamaRaw1dVaConfig

    def __init__(self, config: BathigamaRaw1dVaConfig) -> None:
        pooled = Pooled({"raw": strided_branch(config)}, config.units)
        super().__init__(config, nn.Sequential(pooled, dense(pooled.n_features, config.dropout)))


@register_model(
    BathigamaRaw1dVaConfig,
    title="One-dimensional convolutions on the waveform, for valence and arousal",
    paper=PAPER,
    licence="Apache-2.0",
    front_end=CHUNKS,
    parameters=4_811_192,
    small=(SMALL_CHUNK, BathigamaRaw1dVaConfig(dropout=0.0, divisor=10, units=1)),
)
def bathigama_raw1d_va(config: BathigamaRaw1dVaConfig) -> BathigamaRaw1dVa:
    """Build the network."""
    return BathigamaRaw1dVa(config)
