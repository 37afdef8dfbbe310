"""Bathigama's one-dimensional convolutions on the waveform, by quadrant.

A convolution of 250 filters on the samples, seven blocks of a convolution of 7 and a pool of 3, an average over 16
stretches of time, and 512 - 128 - 4. `kernel` and `stride` of the first layer, and `units`, the number of stretches,
are what the authors vary. The longest kernels leave fewer steps than seven blocks take away: `padded` keeps them, and
compares all kernels under one tower.

Source: Bathigama and Madushika; see `bathigama_layers`.
"""

from __future__ import annotations

from dataclasses import dataclass

from emotion.zoo.bathigama_layers import CHUNKS, PAPER, SMALL_CHUNK, ChunkConfig, Pooled, QuadrantNetwork, raw_branch
from emotion.zoo.registry import register_model


@dataclass(frozen=True, slots=True)
class BathigamaRaw1dConfig(ChunkConfig):
    """The architecture's options, saved with every checkpoint."""

    kernel: int = 1024  # Samples of the first layer.
    stride: int = 256
    padded: bool = False  # Whether blocks keep the number of steps.
    n_blocks: int = 7
    units: int = 16  # Stretches of time that are averaged.


class BathigamaRaw1d(QuadrantNetwork):
    """Convolutions on the samples."""

    config: BathigamaRaw1dConfig

    def __init__(self, config: BathigamaRaw1dConfig) -> None:
        raw = raw_branch(config, config.n_blocks, kernel=config.kernel, stride=config.stride, padded=config.padded)
        super().__init__(config, Pooled({"raw": raw}, config.units))


@register_model(
    BathigamaRaw1dConfig,
    title="One-dimensional convolutions on the waveform",
    paper=PAPER,
    licence="Apache-2.0",
    front_end=CHUNKS,
    parameters=5_439_192,
    small=(SMALL_CHUNK, BathigamaRaw1dConfig(dropout=0.0, divisor=10, n_blocks=2, units=4)),
)
def bathigama_raw1d(config: BathigamaRaw1dConfig) -> BathigamaRaw1d:
    """Build the network."""
    return BathigamaRaw1d(config)
