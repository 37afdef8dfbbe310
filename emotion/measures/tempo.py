"""Estimates the tempo of a recording from how its onsets repeat.

Onsets are rises of the log-mel spectrum. In windows of eight seconds two views of their repetition are multiplied: the
autocorrelation of the onset strength is high at a beat and at all its multiples, the Fourier spectrum at a beat and at
all its fractions, so that both are high only at the beat (Peeters 2006). What is left undecided, the octave, follows
the preference of listeners, a normal distribution over the logarithm of the tempo (van Noorden & Moelants 1999).

Source: Peeters (2006), Template-based estimation of time-varying tempo; Percival & Tzanetakis (2014), Streamlined
tempo estimation, for the compressed autocorrelation. Widths and weights were tuned by `bench/tempo_and_key.py --tune`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import librosa
import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from emotion.signal.audio import SAMPLE_RATE_HZ

SLOWEST_BPM, FASTEST_BPM = 40.0, 240.0
_N_FFT, _HOP = 1024, 128
_RATE_HZ = SAMPLE_RATE_HZ / _HOP
_N_MELS, _LOWEST_HZ, _HIGHEST_HZ = 40, 30.0, 10_000.0
# So far below the loudest band a rise counts nothing: -60 dB.
_FLOOR = 1e-3
_SMOOTH_S, _LOCAL_S = 0.012, 0.5
# A held tone wavers by .02 from frame to frame; the softest onsets of songs come to .6.
_LEAST_RISE = 0.1
# Where less than this share of the windows has onsets, nothing repeats.
_LEAST_EVENTFUL = 0.25
_WINDOW_S, _STEP_S = 8.0, 4.0
# A step of a quarter of a per cent.
_CANDIDATES = np.geomspace(SLOWEST_BPM, FASTEST_BPM, 720)
# Of the autocorrelation the beat and its next three multiples, the later ones less; of the spectrum the beat, its half
# and its quarter.
_MULTIPLES = (1, 2, 3, 4)
_HARMONICS = (1, 2, 4)
_PREFERRED_BPM, _OCTAVES = 105.0, 0.9
_PREFERENCE = np.exp(-0.5 * (np.log2(_CANDIDATES / _PREFERRED_BPM) / _OCTAVES) ** 2)
WITHIN = 0.04
# Where a smaller share of the windows agrees, there is no tempo of the whole.
LEAST_STEADY = 0.5
# Half or double is named where it scores so much of the best.
_NEARLY = 0.8

Numbers = NDArray[np.float64]


class Tempo(NamedTuple):
    """A tempo in beats per minute, its half or double where that is nearly as likely, and how steady it is."""

    bpm: float
    other_bpm: float | None
    steadiness: float  # The share of the windows that agree, half and double counting as the same, 0 to 1.


class Evidence(NamedTuple):
    """What a tempo is read from."""

    bpm: float
    steadiness: float
    half: float  # What half of it scores, the best being 1.
    double: float


def tempo_of(waveform: NDArray[np.float32]) -> Tempo | None:
    """Estimate the tempo of a waveform `(n_samples,)` at 22,050 Hz; None without a steady beat."""
    found = evidence(waveform)
    if found is None or found.steadiness < LEAST_STEADY:
        return None
    ratio, score = max(((0.5, found.half), (2.0, found.double)), key=lambda other: other[1])
    return Tempo(found.bpm, found.bpm * ratio if score >= _NEARLY else None, found.steadiness)


def evidence(waveform: NDArray[np.float32]) -> Evidence | None:
    """Return the best tempo and what speaks for it; None where little begins."""
    onsets = onset_strength(waveform)
    n_window, n_step = round(_WINDOW_S * _RATE_HZ), round(_STEP_S * _RATE_HZ)
    onsets = np.pad(onsets, (0, max(0, n_window - len(onsets))))
    windows = np.lib.stride_tricks.sliding_window_view(onsets, n_window)[::n_step]
    eventful = windows.max(axis=1) > _LEAST_RISE
    if eventful.mean() < _LEAST_EVENTFUL:
        return None
    windows = windows[eventful]
    repeats, spectra = _autocorrelations(windows), _spectra(windows)
    whole = _scores(repeats.mean(axis=0), spectra.mean(axis=0))
    best = int(whole.argmax())
    bpm = float(_CANDIDATES[best])
    of_windows = _CANDIDATES[_scores(repeats, spectra).argmax(axis=1)]
    agree = np.any([_near(of_windows, ratio * bpm) for ratio in (0.5, 1.0, 2.0)], axis=0)
    half, double = (
        float(whole[_near(_CANDIDATES, ratio * bpm)].max(initial=0.0) / whole[best]) for ratio in (0.5, 2.0)
    )
    return Evidence(bpm, float(agree.mean()), half, double)


def onset_strength(waveform: NDArray[np.float32]) -> Numbers:
    """Return how much begins, at 172 Hz: what rises in 40 mel bands, above its mean around; zeros in silence."""
    mel = librosa.filters.mel(
        sr=SAMPLE_RATE_HZ, n_fft=_N_FFT, n_mels=_N_MELS, fmin=_LOWEST_HZ, fmax=_HIGHEST_HZ, norm=None
    ).astype(np.float32)
    padded = np.pad(waveform, _N_FFT // 2)
    n_frames, n_piece = 1 + (len(padded) - _N_FFT) // _HOP, 2048
    bands = np.empty((n_frames, _N_MELS), np.float32)
    # In pieces: the whole spectrum of two minutes has 80 MB.
    for start in range(0, n_frames, n_piece):
        piece = padded[start * _HOP : (min(start + n_piece, n_frames) - 1) * _HOP + _N_FFT]
        spectrum = np.abs(librosa.stft(piece, n_fft=_N_FFT, hop_length=_HOP, center=False))
        bands[start : start + n_piece] = (mel @ spectrum).T
    loudest = float(bands.max(initial=0.0))
    if loudest <= 0:
        return np.zeros(n_frames)
    levels = np.log1p(bands / (loudest * _FLOOR))
    rises = np.maximum(np.diff(levels, axis=0, prepend=levels[:1]), 0).sum(axis=1, dtype=np.float64)
    smooth = gaussian_filter1d(rises, _SMOOTH_S * _RATE_HZ)
    return np.maximum(smooth - gaussian_filter1d(smooth, _LOCAL_S * _RATE_HZ), 0.0)


def _autocorrelations(windows: Numbers) -> Numbers:
    """Return the autocorrelation of each window `(n, n_window)` at the candidates and their multiples, `(n, 720)`."""
    n_window = windows.shape[1]
    spectra = np.abs(scipy.fft.rfft(windows, scipy.fft.next_fast_len(2 * n_window), axis=1))
    # Not squared: compressed, a few strong onsets do not hide the others.
    repeats = scipy.fft.irfft(spectra, axis=1)[:, :n_window]
    repeats = repeats / repeats[:, :1] * (n_window / (n_window - 0.9 * np.arange(n_window)))
    lags = 60.0 / _CANDIDATES * _RATE_HZ
    total = sum(math.sqrt(1 / multiple) * _at(repeats, multiple * lags) for multiple in _MULTIPLES)
    return np.asarray(total)


def _spectra(windows: Numbers) -> Numbers:
    """Return the Fourier magnitude of each window at the candidates and their harmonics, `(n, 720)`."""
    n_window = windows.shape[1]
    tapered = (windows - windows.mean(axis=1, keepdims=True)) * np.hanning(n_window)
    n_fft = scipy.fft.next_fast_len(8 * n_window)
    spectra = np.abs(scipy.fft.rfft(tapered, n_fft, axis=1)) / np.linalg.norm(windows, axis=1, keepdims=True)
    return np.asarray(sum(_at(spectra, harmonic * _CANDIDATES / 60.0 * n_fft / _RATE_HZ) for harmonic in _HARMONICS))


def _at(rows: Numbers, places: Numbers) -> Numbers:
    """Interpolate rows `(n, m)` at places between their columns; beyond the last one they are zero."""
    whole = np.minimum(places.astype(np.int64), rows.shape[1] - 2)
    between = places - whole
    return np.where(between <= 1, rows[:, whole] * (1 - between) + rows[:, whole + 1] * between, 0.0)


def _scores(repeats: Numbers, spectra: Numbers) -> Numbers:
    above = repeats - repeats.min(axis=-1, keepdims=True)
    return _normalised(above) * _normalised(spectra) * _PREFERENCE


def _normalised(rows: Numbers) -> Numbers:
    return rows / np.maximum(rows.max(axis=-1, keepdims=True), 1e-12)


def _near(bpm: Numbers, wanted: float) -> NDArray[np.bool_]:
    return np.abs(bpm / wanted - 1) <= WITHIN
