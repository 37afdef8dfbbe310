"""Random changes of waveforms that leave the emotion alone, by the names of the zoo's systems.

Waveforms are `(n_samples,)` float32 at 22,050 Hz, and stay as long as they are. Each change draws from a generator of
its own, so that the same seed gives the same change; limits are choices of this project, since no paper gives any.

Source: the names are those of Louro et al., section 3.1 (time shift, time stretch, pitch shift, power shift, seven-band
parametric equaliser, random gain), and of Bathigama et al. (noise, gain, filters, pitch, time shift and stretch).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from emotion.signal.audio import SAMPLE_RATE_HZ
from training.data.augment import EQ_BANDS_HZ

Waveform = NDArray[np.float32]
_Numbers = Sequence[float] | NDArray[np.floating]


def noise(waveform: Waveform, rng: np.random.Generator, *, snr_db: Sequence[float] = (10.0, 30.0)) -> Waveform:
    """Add white noise whose power is a random number of decibels below the waveform's; silence stays silent."""
    least_db, most_db = snr_db
    below = 10 ** (-rng.uniform(least_db, most_db) / 20)
    level = below * float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
    return waveform + np.float32(level) * rng.standard_normal(len(waveform), np.float32)


def gain(waveform: Waveform, rng: np.random.Generator, *, limit_db: float = 10.0) -> Waveform:
    """Raise or lower the level by up to `limit_db`; nothing is clipped."""
    return waveform * np.float32(10 ** (rng.uniform(-limit_db, limit_db) / 20))


def power_shift(waveform: Waveform, rng: np.random.Generator, *, step_db: float = 6.0) -> Waveform:
    """Raise or lower the level by exactly `step_db`; nothing is clipped."""
    return waveform * np.float32(10 ** (rng.choice((-step_db, step_db)) / 20))


def cut_off(
    waveform: Waveform,
    rng: np.random.Generator,
    *,
    lowpass_hz: Sequence[float] = (2000.0, 8000.0),
    highpass_hz: Sequence[float] = (60.0, 400.0),
) -> Waveform:
    """Cut the top or the bottom of the spectrum, by 12 dB an octave from a random frequency on.

    The filter is Butterworth's of second order.
    """
    kind, (low_hz, high_hz) = ("lowpass", lowpass_hz) if rng.random() < 0.5 else ("highpass", highpass_hz)
    edge_hz = low_hz * (high_hz / low_hz) ** rng.random()
    return _filtered(signal.butter(2, edge_hz, kind, fs=SAMPLE_RATE_HZ, output="sos"), waveform)


def pitch_shift(waveform: Waveform, rng: np.random.Generator, *, limit_semitones: float = 2.0) -> Waveform:
    """Move the pitch by up to `limit_semitones`, at the same tempo, with a phase vocoder."""
    steps = rng.uniform(-limit_semitones, limit_semitones)
    shifted = librosa.effects.pitch_shift(waveform, sr=SAMPLE_RATE_HZ, n_steps=steps, res_type="soxr_hq")
    return np.asarray(shifted, np.float32)


def time_stretch(waveform: Waveform, rng: np.random.Generator, *, limit: float = 0.2) -> Waveform:
    """Change the tempo by up to a share of `limit`, at the same pitch, with a phase vocoder.

    Of a slower waveform the middle stays, a faster one is repeated.
    """
    stretched = librosa.effects.time_stretch(waveform, rate=1 + rng.uniform(-limit, limit))
    start = max(0, len(stretched) - len(waveform)) // 2
    return np.resize(stretched[start : start + len(waveform)], len(waveform)).astype(np.float32)


def time_shift(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Rotate time by a random share: what is pushed out at the end comes back at the start."""
    return np.roll(waveform, rng.integers(len(waveform)))


def seven_band(
    waveform: Waveform, rng: np.random.Generator, *, limit_db: float = 12.0, quality: Sequence[float] = (0.3, 1.0)
) -> Waveform:
    """Raise or lower seven bands, of random centres and qualities, by up to `limit_db` each.

    Source: the bands are those of `training.data.augment`.
    """
    low_hz, high_hz = np.array(EQ_BANDS_HZ, float).T
    centre_hz = low_hz * (high_hz / low_hz) ** rng.random(len(EQ_BANDS_HZ))
    gain_db = rng.uniform(-limit_db, limit_db, len(EQ_BANDS_HZ))
    broadest, narrowest = quality
    return equalise(waveform, centre_hz, gain_db, rng.uniform(broadest, narrowest, len(EQ_BANDS_HZ)))


def equalise(waveform: Waveform, centre_hz: _Numbers, gain_db: _Numbers, quality: _Numbers) -> Waveform:
    """Filter through a low shelf, bells and a high shelf in a row, each with a centre, a gain and a quality.

    Source: Bristow-Johnson, Cookbook formulae for audio equalizer biquad filter coefficients.
    """
    sections = []
    for number, (hz, level_db, q) in enumerate(zip(centre_hz, gain_db, quality, strict=True)):
        a = 10 ** (level_db / 40)
        if number == 0:
            numerator, denominator = (a, a**1.5 / q, a**2), (a, a**0.5 / q, 1.0)
        elif number == len(centre_hz) - 1:
            numerator, denominator = (a**2, a**1.5 / q, a), (1.0, a**0.5 / q, a)
        else:
            numerator, denominator = (1.0, a / q, 1.0), (1.0, 1 / (a * q), 1.0)
        # The bilinear transform bends frequencies; what comes out at the centre is chosen to be the centre.
        bent = 2 * SAMPLE_RATE_HZ * np.tan(np.pi * hz / SAMPLE_RATE_HZ)
        powers = bent ** np.array([-2.0, -1.0, 0.0])
        sections.append(np.concatenate(signal.bilinear(numerator * powers, denominator * powers, SAMPLE_RATE_HZ)))
    return _filtered(np.array(sections), waveform)


def _filtered(sections: NDArray[np.floating], waveform: Waveform) -> Waveform:
    return np.asarray(signal.sosfilt(sections, waveform), np.float32)


# The papers have two names for a random gain.
AUGMENTATIONS: dict[str, Callable[..., Waveform]] = {
    "noise": noise,
    "gain": gain,
    "random_gain": gain,
    "power_shift": power_shift,
    "filter": cut_off,
    "pitch_shift": pitch_shift,
    "time_stretch": time_stretch,
    "time_shift": time_shift,
    "seven_band": seven_band,
}
