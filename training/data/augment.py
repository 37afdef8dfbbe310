"""Random changes of log-mel images that leave the emotion alone.

Images are `(n, 1, n_mels, n_frames)` in [0, 1], where one unit is `MelConfig.range_db`; every function returns a new
batch on the same device, each image with its own draw from that device's generator.

Changes of images are far cheaper than new decoding and come close to those of the waveform, as the tests check: exactly
for gain, power shift, time shift, masking, bandwidth and crops (cached windows of the file); at each band's centre for
the equaliser; as a phase vocoder without its loss of 3 dB for time stretch and pitch shift (below 200 Hz, where a band
is wider than a semitone, a shift mostly blurs); in power, without phases, for noise, mixup and reverberation (late
decay without the colour of a room).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import librosa
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from emotion.zoo.frontends import MelConfig

# Ranges of centre frequencies in Hz: a low shelf, five bells and a high shelf.
EQ_BANDS_HZ = ((42, 95), (91, 204), (196, 441), (421, 948), (909, 2045), (1957, 4404), (4216, 9486))
_EQ_Q = (0.3, 1.0)
_LARGEST_MASK = 0.15
_REVERB_S = (0.3, 1.5)
_REVERB_DIRECT_DB = (-3.0, 12.0)
_NOISE_SPREAD_DB = 2.0
_NOISE_RANGE_DB = 20.0


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How far each change goes; zero switches it off, so that each can be tried alone."""

    gain_db: float = 10.0  # Random gain: largest change of level, either way.
    tilt_db: float = 8.0  # Largest boost or cut of one of three broad equaliser bells.
    lowpass_chance: float = 0.3  # How often the top of the spectrum is cut, as codecs do.
    mask_chance: float = 0.7  # Time-frequency masking: how often a band and a stretch of time are blanked.
    shift: bool = True  # Time shift: whether time is rotated by a random amount.
    mixup_alpha: float = 0.2  # Of the Beta distribution of mixing weights.
    power_db: float = 0.0  # Power shift: the level goes up or down by exactly this much.
    equaliser_db: float = 0.0  # Seven-band parametric equaliser: largest boost or cut of a band.
    stretch: float = 0.0  # Time stretch: largest change of tempo, as a fraction; pitch stays.
    pitch_semitones: float = 0.0  # Pitch shift: largest, either way; tempo stays.
    noise_chance: float = 0.0  # How often there is noise.
    noise_snr_db: float = 10.0  # Signal-to-noise ratio of the loudest noise; the softest is 20 dB below it.
    reverb_chance: float = 0.0  # How often a room of 0.3 to 1.5 s reverberation is added.
    crop: bool = False  # Random crops: whether any cached window of the file is drawn, in place of the centre one.

    @classmethod
    def off(cls) -> AugmentConfig:
        # Changes nothing, as the paper trains.
        return cls(gain_db=0, tilt_db=0, lowpass_chance=0, mask_chance=0, shift=False, mixup_alpha=0)


_DEFAULT_MEL = MelConfig()


def augment(images: Tensor, config: AugmentConfig, *, range_db: float, mel: MelConfig = _DEFAULT_MEL) -> Tensor:
    """Apply every enabled change of one clip at a time; `crop` and `mixup_alpha` are the loop's.

    Images are `(n, 1, rows, columns)` in [0, 1], `range_db` decibels to the unit; `mel` gives hertz and seconds.
    """
    n, _, rows, columns = images.shape
    out = images
    if config.stretch:
        out = time_stretch(out, 1 + _uniform(out, n, config.stretch))
    if config.pitch_semitones:
        out = pitch_shift(out, _uniform(out, n, config.pitch_semitones), mel)
    if config.shift:
        out = time_shift(out, torch.rand(n, device=out.device))
    if config.reverb_chance:
        decay_s, direct_db = _between(out, (n,), _REVERB_S), _between(out, (n,), _REVERB_DIRECT_DB)
        wet = reverberate(out, decay_s, direct_db, range_db, mel)
        out = torch.where(_chosen(out, n, config.reverb_chance).view(n, 1, 1, 1), wet, out)
    if config.noise_chance:
        snr_db = _between(out, (n,), (config.noise_snr_db, config.noise_snr_db + _NOISE_RANGE_DB))
        noisy = add_noise(out, snr_db, range_db, mel)
        out = torch.where(_chosen(out, n, config.noise_chance).view(n, 1, 1, 1), noisy, out)
    if config.gain_db or config.power_db or config.tilt_db or config.equaliser_db:
        out = change_level(out, _level_db(out, config, mel), range_db)
    if config.lowpass_chance:
        cut = 0.6 + 0.4 * torch.rand(n, device=out.device)
        out = lowpass(out, torch.where(_chosen(out, n, config.lowpass_chance), cut, 1.0))
    if config.mask_chance:
        bands, times = _mask(out, rows, config.mask_chance), _mask(out, columns, config.mask_chance)
        out = out * bands.view(n, 1, rows, 1) * times.view(n, 1, 1, -1)
    return out.clamp(0.0, 1.0)


def time_shift(images: Tensor, share: Tensor) -> Tensor:
    """Rotate time by a `share` `(n,)` of the window."""
    columns = images.shape[3]
    steps = (share * columns).long().view(-1, 1, 1, 1)
    source = (torch.arange(columns, device=images.device) - steps) % columns
    return images.gather(3, source.expand_as(images))


def time_stretch(images: Tensor, speed: Tensor) -> Tensor:
    """Play at `speed` `(n,)`, 2.0 twice as fast, around the middle and at the same pitch; a short image repeats."""
    columns = images.shape[3]
    middle = (columns - 1) / 2
    offset = torch.arange(columns, device=images.device) - middle
    place = middle + offset * speed.view(-1, 1, 1, 1)
    before = place.floor()
    weight = (place - before).to(images.dtype)
    left = images.gather(3, (before.long() % columns).expand_as(images))
    right = images.gather(3, ((before.long() + 1) % columns).expand_as(images))
    return torch.lerp(left, right, weight.expand_as(left))


def pitch_shift(images: Tensor, semitones: Tensor, mel: MelConfig) -> Tensor:
    """Move the spectrum up or down by `semitones` `(n,)`; beyond the image is silence."""
    rows = images.shape[2]
    hz = row_frequencies_hz(mel, rows).to(images.device)
    wanted_hz = hz / 2 ** (semitones.view(-1, 1) / 12)
    above = torch.searchsorted(hz, wanted_hz.contiguous()).clamp(1, rows - 1)
    weight = (wanted_hz - hz[above - 1]) / (hz[above] - hz[above - 1])
    inside = ((weight >= -0.5) & (weight <= 1.5)).to(images.dtype)
    weight = weight.clamp(0, 1).to(images.dtype)

    def at(row: Tensor) -> Tensor:
        return images.gather(2, row[:, None, :, None].expand_as(images))

    moved = torch.lerp(at(above - 1), at(above), weight[:, None, :, None].expand_as(images))
    return moved * inside[:, None, :, None]


def change_level(images: Tensor, level_db: Tensor, range_db: float) -> Tensor:
    """Raise or lower bands by `level_db`, `(n, rows)` or `(n, 1)` for all; digital silence stays silence."""
    return torch.where(images > 0, images + level_db[:, None, :, None] / range_db, images)


def lowpass(images: Tensor, cut: Tensor) -> Tensor:
    """Blank the rows above `cut` `(n,)`, a share of the image's height."""
    rows = images.shape[2]
    height = torch.arange(rows, device=images.device).view(1, 1, rows, 1) / rows
    return images * (height < cut.view(-1, 1, 1, 1))


def reverberate(images: Tensor, decay_s: Tensor, direct_db: Tensor, range_db: float, mel: MelConfig) -> Tensor:
    """Add an exponential decay, as the late part of a room does.

    It falls by 60 dB in `decay_s` `(n,)`; the direct sound is `direct_db` `(n,)` above the whole decay.

    Source: Polack (1993), Playing billiards in the concert hall: reverberation as exponentially decaying noise.
    """
    n, columns = images.shape[0], images.shape[3]
    column_s = mel.window_s / columns
    taps = min(columns - 1, math.ceil(float(decay_s.max()) / column_s))
    time_s = column_s * torch.arange(taps + 1, device=images.device)
    tail = torch.exp(-math.log(1e6) * time_s / decay_s.view(n, 1))
    late = 10 ** (-direct_db.view(n, 1) / 10) * tail / tail.sum(1, keepdim=True)
    late[:, 0] += 1
    power = 10 ** ((images[:, 0].float() - 1) * range_db / 10)
    padded = functional.pad(power.transpose(0, 1), (taps, 0))
    wet = functional.conv1d(padded, late.flip(1)[:, None], groups=n).transpose(0, 1)
    return torch.where(images > 0, _from_power(wet, range_db)[:, None], images)


def add_noise(images: Tensor, snr_db: Tensor, range_db: float, mel: MelConfig) -> Tensor:
    """Add white noise, of equal power in every band, `snr_db` `(n,)` below the sound."""
    power = 10 ** ((images.float() - 1) * range_db / 10)
    # A band's reading is its power per hertz, so a wide band holds more of the sound than a narrow one.
    width = torch.gradient(row_frequencies_hz(mel, images.shape[2]).to(images.device))[0].view(1, 1, -1, 1)
    sound = (power * width / width.sum()).sum(dim=2, keepdim=True).mean(dim=3, keepdim=True)
    level = sound * 10 ** (-snr_db.view(-1, 1, 1, 1) / 10)
    ripple = 10 ** (_NOISE_SPREAD_DB / 10 * torch.randn_like(power))
    silent = images.amax(dim=(1, 2, 3), keepdim=True) <= 0
    return torch.where(silent, images, _from_power(power + level * ripple, range_db))


def seven_band_response_db(hz: Tensor, centre_hz: Tensor, gain_db: Tensor, q: Tensor) -> Tensor:
    """Return the response `(n, rows)` dB at `hz` `(rows,)` of a low shelf, five bells and a high shelf in a row.

    Their centres, gains and qualities are `(n, 7)`.

    Source: Bristow-Johnson, Cookbook formulae for audio equalizer biquad filter coefficients, in their analogue
    prototypes; the bands are those of the seven-band equaliser that Louro et al. name.
    """
    a = 10 ** (gain_db / 40)[..., None]
    s = 1j * hz / centre_hz[..., None]
    q = q[..., None]
    bell = (s**2 + s * a / q + 1) / (s**2 + s / (a * q) + 1)
    low = a * (s**2 + s * a.sqrt() / q + a) / (a * s**2 + s * a.sqrt() / q + 1)
    high = a * (a * s**2 + s * a.sqrt() / q + 1) / (s**2 + s * a.sqrt() / q + a)
    response = torch.cat([low[:, :1], bell[:, 1:-1], high[:, -1:]], dim=1)
    return 20 * response.abs().log10().sum(dim=1)


@lru_cache(maxsize=16)
def row_frequencies_hz(mel: MelConfig, rows: int) -> Tensor:
    """Return the frequency `(rows,)` in the middle of each row of an image of this height, in Hz, low to high."""
    low, high = (float(librosa.hz_to_mel(hz)) for hz in (mel.f_min_hz, mel.f_max_hz))
    band = (np.arange(rows) + 0.5) * mel.n_mels / rows - 0.5
    return torch.from_numpy(librosa.mel_to_hz(low + (band + 1) * (high - low) / (mel.n_mels + 1))).float()


def _level_db(images: Tensor, config: AugmentConfig, mel: MelConfig) -> Tensor:
    n, rows = images.shape[0], images.shape[2]
    level = _uniform(images, n, config.gain_db).view(n, 1)
    if config.power_db:
        level = level + config.power_db * (2.0 * _chosen(images, n, 0.5) - 1).view(n, 1)
    if config.tilt_db:
        position = torch.linspace(0, 1, rows, device=images.device).view(1, 1, rows)
        centre, width = _between(images, (n, 3, 1), (0, 1)), _between(images, (n, 3, 1), (0.1, 0.4))
        bells = torch.exp(-0.5 * ((position - centre) / width) ** 2)
        level = level + (bells * _uniform(images, 3 * n, config.tilt_db).view(n, 3, 1)).sum(dim=1)
    if config.equaliser_db:
        low, high = torch.tensor(EQ_BANDS_HZ, dtype=torch.float32, device=images.device).unbind(1)
        centre_hz = low * (high / low) ** torch.rand(n, len(EQ_BANDS_HZ), device=images.device)
        gain_db = _uniform(images, n * len(EQ_BANDS_HZ), config.equaliser_db).view(n, -1)
        q = _between(images, (n, len(EQ_BANDS_HZ)), _EQ_Q)
        level = level + seven_band_response_db(row_frequencies_hz(mel, rows).to(images.device), centre_hz, gain_db, q)
    return level


def _mask(images: Tensor, length: int, chance: float) -> Tensor:
    # Source: Park et al. (2019), SpecAugment.
    n = len(images)
    width = _between(images, (n, 1), (0, _LARGEST_MASK)) * _chosen(images, n, chance).view(n, 1)
    start = _between(images, (n, 1), (0, 1)) * (1 - width)
    position = torch.linspace(0, 1, length, device=images.device).view(1, length)
    return ((position < start) | (position >= start + width)).to(images.dtype)


def _from_power(power: Tensor, range_db: float) -> Tensor:
    return 10 * power.clamp_min(1e-20).log10() / range_db + 1


def _uniform(images: Tensor, n: int, limit: float) -> Tensor:
    return _between(images, (n,), (-limit, limit))


def _between(images: Tensor, shape: tuple[int, ...], ends: tuple[float, float]) -> Tensor:
    return ends[0] + (ends[1] - ends[0]) * torch.rand(shape, device=images.device)


def _chosen(images: Tensor, n: int, chance: float) -> Tensor:
    return torch.rand(n, device=images.device) < chance


def mixup(tensors: list[Tensor], alpha: float) -> list[Tensor]:
    """Mix each row of every tensor with that of the same random partner and weight.

    Source: Zhang et al. (2018), mixup.
    """
    if alpha <= 0:
        return tensors
    n, device = len(tensors[0]), tensors[0].device
    partner = torch.randperm(n, device=device)
    ends = torch.full((n,), alpha, device=device)
    weight = torch.distributions.Beta(ends, ends).sample()
    weight = torch.maximum(weight, 1 - weight)

    def mixed(tensor: Tensor) -> Tensor:
        w = weight.view(n, *[1] * (tensor.ndim - 1))
        return w * tensor + (1 - w) * tensor[partner]

    return [mixed(tensor) for tensor in tensors]


def soft_quadrants(valence: float, arousal: float, spread: float) -> tuple[float, float, float, float]:
    """Return quadrant probabilities of a rated point whose ratings scatter by `spread` on each axis."""
    high_v, high_a = (0.5 * (1 + math.erf(value / (spread * math.sqrt(2)))) for value in (valence, arousal))
    return high_a * high_v, high_a * (1 - high_v), (1 - high_a) * (1 - high_v), (1 - high_a) * high_v
