"""Random changes of log-mel images that leave the emotion alone. Pure.

Images are `(n, 1, n_mels, n_frames)` in [0, 1], where one unit is `MelConfig.range_db`; every function returns a new
batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How far each change goes; zero switches it off.

    Attributes:
        gain_db: Largest change of level, either way.
        tilt_db: Largest boost or cut of one of three broad equaliser bands.
        lowpass_chance: How often the top of the spectrum is cut, as codecs do.
        mask_chance: How often a band and a stretch of time are blanked (SpecAugment).
        shift: Whether time is rotated by a random amount.
        mixup_alpha: Of the Beta distribution of mixing weights.
    """

    gain_db: float = 10.0
    tilt_db: float = 8.0
    lowpass_chance: float = 0.3
    mask_chance: float = 0.7
    shift: bool = True
    mixup_alpha: float = 0.2


def augment(images: Tensor, config: AugmentConfig, *, range_db: float) -> Tensor:
    """Apply every enabled change, each image with its own draw."""
    n, _, bands, frames = images.shape
    out = images
    if config.shift:
        shift = torch.randint(0, frames, (n,)).tolist()
        out = torch.stack([torch.roll(image, s, dims=-1) for image, s in zip(out, shift, strict=True)])
    level = _uniform(n, config.gain_db).view(n, 1, 1, 1) + _equaliser(n, bands, config.tilt_db).view(n, 1, bands, 1)
    # Digital silence stays silence: the floor of the image is not lifted by gain.
    out = torch.where(out > 0, out + level / range_db, out)
    height = torch.arange(bands).view(1, 1, bands, 1) / bands
    cut = torch.where(torch.rand(n) < config.lowpass_chance, 0.6 + 0.4 * torch.rand(n), torch.ones(n))
    out = out * (height < cut.view(n, 1, 1, 1))
    if config.mask_chance:
        out = out * _mask(n, bands, config.mask_chance, 0.15).view(n, 1, bands, 1)
        out = out * _mask(n, frames, config.mask_chance, 0.15).view(n, 1, 1, frames)
    return out.clamp(0.0, 1.0)


def _uniform(n: int, limit: float) -> Tensor:
    return (torch.rand(n) * 2 - 1) * limit


def _equaliser(n: int, bands: int, limit_db: float) -> Tensor:
    """Return `(n, bands)` dB: three bell-shaped boosts or cuts at random centres."""
    position = torch.linspace(0, 1, bands).view(1, 1, bands)
    centre, width = torch.rand(n, 3, 1), 0.1 + 0.3 * torch.rand(n, 3, 1)
    bells = torch.exp(-0.5 * ((position - centre) / width) ** 2)
    return (bells * _uniform(3 * n, limit_db).view(n, 3, 1)).sum(dim=1)


def _mask(n: int, length: int, chance: float, largest: float) -> Tensor:
    """Return `(n, length)` of ones with one random stretch of zeros in most rows.

    Source: Park et al. (2019), SpecAugment.
    """
    width = torch.rand(n, 1) * largest * (torch.rand(n, 1) < chance)
    start = torch.rand(n, 1) * (1 - width)
    position = torch.linspace(0, 1, length).view(1, length)
    return ((position < start) | (position >= start + width)).float()


def mixup(tensors: list[Tensor], alpha: float) -> list[Tensor]:
    """Mix each row of every tensor with that of the same random partner and weight.

    Source: Zhang et al. (2018), mixup.
    """
    if alpha <= 0:
        return tensors
    n = len(tensors[0])
    partner = torch.randperm(n)
    weight = torch.distributions.Beta(alpha, alpha).sample((n,))
    weight = torch.maximum(weight, 1 - weight)

    def mixed(tensor: Tensor) -> Tensor:
        w = weight.view(n, *[1] * (tensor.ndim - 1))
        return w * tensor + (1 - w) * tensor[partner]

    return [mixed(tensor) for tensor in tensors]


def soft_quadrants(valence: float, arousal: float, spread: float) -> tuple[float, float, float, float]:
    """Return quadrant probabilities of a rated point whose ratings scatter by `spread` on each axis.

    A clip rated just above the midpoint says little about which side it is on; a hard label would say all.

    Args:
        valence: In [-1, 1].
        arousal: In [-1, 1].
        spread: Standard deviation of the rating.
    """
    high_v = 0.5 * (1 + math.erf(valence / (spread * math.sqrt(2))))
    high_a = 0.5 * (1 + math.erf(arousal / (spread * math.sqrt(2))))
    return high_a * high_v, high_a * (1 - high_v), (1 - high_a) * (1 - high_v), (1 - high_a) * high_v
