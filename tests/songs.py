"""Music made of notes that decay, each seed another song; and what happens to recordings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 22_050
SCALE_HZ = 220.0 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19]) / 12)
Sound = NDArray[np.float32]


def song(seed: int, seconds: float = 17.0) -> Sound:
    """Return two voices of one instrument in one key, as all songs here, over a quiet hiss: `(n_samples,)`."""
    rng = np.random.default_rng(seed)
    waveform = 0.002 * rng.standard_normal(round(seconds * RATE_HZ))
    for _ in range(2):
        start = 0
        while start < len(waveform):
            length = min(round(rng.uniform(0.15, 0.6) * RATE_HZ), len(waveform) - start)
            time_s = np.arange(length) / RATE_HZ
            note = sum(np.sin(2 * np.pi * k * rng.choice(SCALE_HZ) * time_s) / k for k in (1, 2, 3))
            waveform[start : start + length] += 0.15 * note * np.exp(-3 * time_s)
            start += length
    return waveform.astype(np.float32)


def with_noise(waveform: Sound, snr_db: float = 15.0) -> Sound:
    noise = np.random.default_rng(9).standard_normal(len(waveform))
    level = np.sqrt(np.mean(waveform**2)) * 10 ** (-snr_db / 20)
    noisy: Sound = (waveform + level * noise).astype(np.float32)
    return noisy
