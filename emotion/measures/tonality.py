"""Estimates the key of a recording from how often and how loudly each of the twelve notes sounds.

The peaks of the spectrum are counted by pitch while the song is decoded; at the end the count is tuned (recordings are
rarely at 440 Hz exactly), folded to twelve notes and compared with how often these occur in pieces of each key.

Source: Krumhansl & Schmuckler (Krumhansl 1990) for the comparison; Albrecht & Shanahan (2013), The use of large
corpora to train a new type of key-finding algorithm, for the profiles; Gómez (2006) for peaks and tuning.
"""

from __future__ import annotations

from typing import NamedTuple

import librosa
import numpy as np
from numpy.typing import NDArray

from emotion.signal.audio import SAMPLE_RATE_HZ, SILENCE_RMS

_N_FFT, _HOP = 8192, 4096
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 2500.0
# A peak quieter than this share of the loudest of its frame counts nothing.
_LEAST_SHARE = 0.01
# Of a semitone.
_STEPS = 10
_C_HZ = 440.0 * 2 ** (-9 / 12)
# Shares of the notes from the tonic on, in 490 pieces in major and minor.
_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
# A song whose notes resemble no key more than this has none; noise and drums come to .6.
_LEAST_LIKE = 0.6

Numbers = NDArray[np.float64]


class Tonality(NamedTuple):
    """A key, 0 to 11 major from C in semitones, 12 to 23 minor; and how much the notes resemble it."""

    key: int
    likeness: float  # A correlation, 0.6 to 1.


class KeyMeter:
    """Takes in a song at 22,050 Hz as it is decoded, and gives its key at the end."""

    def __init__(self) -> None:
        self._pitches = np.zeros(12 * _STEPS)
        self._left = np.zeros(0, np.float32)

    def add(self, mono: NDArray[np.float32]) -> None:
        """Take in the next samples."""
        samples = np.concatenate([self._left, mono])
        n_frames = max(0, 1 + (len(samples) - _N_FFT) // _HOP)
        self._left = samples[n_frames * _HOP :]
        if n_frames:
            self._count(samples[: (n_frames - 1) * _HOP + _N_FFT])

    def _count(self, samples: NDArray[np.float32]) -> None:
        spectrum = np.abs(librosa.stft(samples, n_fft=_N_FFT, hop_length=_HOP, center=False)).T
        lowest, highest = (round(hz * _N_FFT / SAMPLE_RATE_HZ) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
        below, here, above = (spectrum[:, lowest + step : highest + step] for step in (-1, 0, 1))
        # A sine of full scale has the height N / 4 under this window.
        floor = np.maximum(_LEAST_SHARE * here.max(axis=1, keepdims=True), SILENCE_RMS * _N_FFT / 4)
        frames, bins = np.nonzero((here > below) & (here >= above) & (here > floor))
        if not len(frames):
            return
        # The height between bins, by a parabola through the logarithms of three.
        left, middle, right = (np.log(each[frames, bins] + 1e-9) for each in (below, here, above))
        shift = 0.5 * (left - right) / np.minimum(left - 2 * middle + right, -1e-9)
        heights = np.exp(middle - 0.25 * (left - right) * shift).astype(np.float64)
        pitches = 12 * _STEPS * np.log2((bins + lowest + shift) * SAMPLE_RATE_HZ / _N_FFT / _C_HZ)
        # Of a frame with much sound each peak counts less, so that a loud part does not decide alone.
        norms = np.sqrt(np.bincount(frames, heights**2, len(here)))
        np.add.at(self._pitches, np.round(pitches).astype(np.int64) % (12 * _STEPS), heights / np.sqrt(norms[frames]))

    def notes(self) -> Numbers:
        """Return how much each of the twelve notes sounded, from C on; tuned, in units of its own."""
        places = np.arange(12 * _STEPS) / _STEPS
        off = float(np.angle(np.sum(self._pitches * np.exp(2j * np.pi * places)))) / (2 * np.pi)
        apart = (places[None] - off - np.arange(12)[:, None] + 6) % 12 - 6
        return np.where(np.abs(apart) <= 0.5, np.cos(np.pi * apart) ** 2, 0.0) @ self._pitches

    def result(self) -> Tonality | None:
        """Return the key of all that was taken in; None where its notes resemble no key."""
        of_keys = likenesses(self.notes())
        best = int(of_keys.argmax())
        return Tonality(best, float(of_keys[best])) if of_keys[best] >= _LEAST_LIKE else None


def likenesses(notes: Numbers) -> Numbers:
    """Return the correlation of twelve notes with each of the 24 keys; zeros where all notes are alike."""
    spread = float(notes.std())
    if spread <= 1e-9:
        return np.zeros(24)
    profiles = np.stack([np.roll(mode, tonic) for mode in (_MAJOR, _MINOR) for tonic in range(12)])
    profiles = (profiles - profiles.mean(axis=1, keepdims=True)) / profiles.std(axis=1, keepdims=True)
    return np.asarray(profiles @ ((notes - notes.mean()) / spread) / 12)
