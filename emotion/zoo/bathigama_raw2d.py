"""Bathigama's two-dimensional convolutions on the waveform, by quadrant.

A convolution of 500 filters on the samples makes an image of filters and time, on which six 3x3 convolutions follow,
each with a pool of 2; an average over 1 x 4 parts of it, and 512 - 128 - 4. Of 5 s one column is left, so that the
parts are alike.

Source: Bathigama and Madushika; see `bathigama_layers`.
"""

from __future__ import annotations

from dataclasses import dataclass

from emotion.zoo.bathigama_layers import (
    CHUNKS,
    PAPER,
    SMALL_CHUNK,
    ChunkConfig,
    Pooled,
    QuadrantNetwork,
    raw_image_branch,
)
from emotion.zoo.registry import register_model


@dataclass(frozen=True, slots=True)
class BathigamaRaw2dConfig(ChunkConfig):
    """The architecture's options, saved with every checkpoint."""

    maps: tuple[int, ...] = (16, 32, 64, 128, 256, 256)  # Of each 3x3 convolution.
    units: tuple[int, int] = (1, 4)  # Parts of the image that are averaged, up and along.


class BathigamaRaw2d(QuadrantNetwork):
    """Convolutions on the samples, and on what they make as an image."""

    config: BathigamaRaw2dConfig

    def __init__(self, config: BathigamaRaw2dConfig) -> None:
        raw = raw_image_branch(config, config.maps, [(2, 2)] * len(config.maps))
        super().__init__(config, Pooled({"raw": raw}, config.units))


@register_model(
    BathigamaRaw2dConfig,
    title="Two-dimensional convolutions on the waveform",
    paper=PAPER,
    licence="Apache-2.0",
    front_end=CHUNKS,
    parameters=2_088_384,
    small=(SMALL_CHUNK, BathigamaRaw2dConfig(dropout=0.0, divisor=10, maps=(4, 8, 16))),
)
def bathigama_raw2d(config: BathigamaRaw2dConfig) -> BathigamaRaw2d:
    """Build the network."""
    return BathigamaRaw2d(config)
