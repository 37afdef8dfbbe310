"""Wavetables, envelopes and noise: the small vocabulary from which every instrument is built. Pure.

Signals are float32 at 48,000 Hz, `(n_samples,)` mono or `(2, n_samples)` stereo.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

SAMPLE_RATE_HZ = 48_000
Signal = NDArray[np.float32]

_TABLE_BITS = 14
_TABLE_SAMPLES = 1 << _TABLE_BITS
_COUNTER = np.arange(32 * SAMPLE_RATE_HZ, dtype=np.uint32)


def samples(duration_s: float) -> int:
    """Return how many samples a duration has, at least one."""
    return max(1, round(duration_s * SAMPLE_RATE_HZ))


def clock_s(n: int) -> Signal:
    """Return the time of each of `n` samples, in seconds, `(n,)`."""
    return _COUNTER[:n].astype(np.float32) / np.float32(SAMPLE_RATE_HZ)


def harmonic_table(amplitudes: Sequence[float] | NDArray[np.floating]) -> Signal:
    """Build one cycle of a periodic wave from the amplitudes of its harmonics, first to last; peak 1, no DC."""
    spectrum = np.zeros(_TABLE_SAMPLES // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(amplitudes) + 1] = -1j * np.asarray(amplitudes, dtype=np.float64)
    cycle = np.fft.irfft(spectrum)
    return (cycle / np.abs(cycle).max()).astype(np.float32)


SINE = harmonic_table([1.0])


@lru_cache(maxsize=512)
def saw_table(frequency_hz: float, cutoff_hz: float) -> Signal:
    """Return a sawtooth cycle for a note of `frequency_hz`, without aliases, low-passed at 12 dB per octave."""
    k = np.arange(1, max(2, int(16_000 / frequency_hz)))
    return harmonic_table(1.0 / k / (1.0 + (k * frequency_hz / cutoff_hz) ** 2))


@lru_cache(maxsize=256)
def square_table(frequency_hz: float, cutoff_hz: float) -> Signal:
    """Return a square cycle: the odd harmonics of `saw_table`."""
    k = np.arange(1, max(2, int(16_000 / frequency_hz)))
    return harmonic_table((k % 2) / k / (1.0 + (k * frequency_hz / cutoff_hz) ** 2))


@lru_cache(maxsize=256)
def formant_table(frequency_hz: float, formants: tuple[tuple[float, float, float], ...], tilt: float = 1.0) -> Signal:
    """Return a cycle whose harmonics, falling as `k ** -tilt`, are shaped by resonances (centre Hz, width Hz, gain)."""
    k = np.arange(1, max(2, int(14_000 / frequency_hz)))
    heard_hz = k * frequency_hz
    body = np.full(k.size, 0.12)
    for centre_hz, width_hz, gain in formants:
        body += gain / (1.0 + ((heard_hz - centre_hz) / width_hz) ** 2)
    return harmonic_table(body * k**-tilt)


def oscillate(table: Signal, frequency_hz: float, n: int, phase: float = 0.0) -> Signal:
    """Play a table at a constant frequency for `n` samples from a phase in cycles, `(n,)`.

    A 32-bit integer accumulator wraps by itself, so a long note stays in tune to 1e-5 Hz.
    """
    step = np.uint32(round(frequency_hz / SAMPLE_RATE_HZ * 2**32) % 2**32)
    start = np.uint32(int(phase % 1.0 * 2**32))
    index = (_COUNTER[:n] * step + start) >> np.uint32(32 - _TABLE_BITS)
    # Looking up by the platform's own integer, unchecked, is six times faster than by uint32.
    return table.take(index.astype(np.intp), mode="clip")


def oscillate_along(table: Signal, cycles: NDArray[np.float64]) -> Signal:
    """Play a table along a phase given in cycles, `(n,)`: for vibrato, sweeps and frequency modulation."""
    return table.take((cycles * _TABLE_SAMPLES).astype(np.intp) & (_TABLE_SAMPLES - 1), mode="clip")


def vibrato_cycles(
    frequency_hz: float, n: int, *, rate_hz: float, depth_cents: float, onset_s: float = 0.0
) -> NDArray[np.float64]:
    """Return the phase in cycles, `(n,)`, of a note whose vibrato grows in over `onset_s` seconds."""
    time_s = _COUNTER[:n] / float(SAMPLE_RATE_HZ)
    ratio = np.log(2.0) / 1200.0 * depth_cents
    swing = 1.0 - oscillate(SINE, rate_hz, n, 0.25)
    grown = np.minimum(time_s / onset_s, 1.0) if onset_s else 1.0
    # The integral of a sine is a cosine over its angular rate; starting at zero keeps the attack in tune.
    return frequency_hz * (time_s + ratio * grown * swing / (2 * np.pi * rate_hz))


def sung_cycles(
    frequency_hz: float, n: int, *, rate_hz: float, depth_cents: float, scoop_cents: float, drop_cents: float
) -> NDArray[np.float64]:
    """Return the phase in cycles, `(n,)`, of a voice that slides up into its note, trembles, and sinks at its end."""
    time_s = _COUNTER[:n] / float(SAMPLE_RATE_HZ)
    left_s = time_s[-1] - time_s
    bend = -scoop_cents * np.exp(-time_s / 0.07) - drop_cents * np.exp(-left_s / 0.18)
    tremble = depth_cents * np.minimum(time_s / 0.8, 1.0) * np.sin(2 * np.pi * rate_hz * time_s)
    return np.cumsum(frequency_hz * 2.0 ** ((bend + tremble) / 1200.0)) / SAMPLE_RATE_HZ


def decay(n: int, tau_s: float) -> Signal:
    """Return an exponential decay from 1 with time constant `tau_s`, `(n,)`."""
    return np.exp(clock_s(n) * np.float32(-1.0 / tau_s))


def swell(hold_s: float, *, attack_s: float, release_s: float, sag: float = 0.0) -> Signal:
    """Return an envelope that rises smoothly, sags by a fraction while held, and falls to zero after `hold_s`."""
    n_hold, n_release = samples(hold_s), samples(release_s)
    n_attack = min(samples(attack_s), n_hold)
    envelope = np.ones(n_hold + n_release, dtype=np.float32)
    envelope[:n_attack] = _raised_cosine(n_attack)
    if sag:
        envelope[:n_hold] *= 1.0 - sag * (1.0 - decay(n_hold, 0.4 * hold_s + 0.2))
    envelope[n_hold:] = envelope[n_hold - 1] * _raised_cosine(n_release)[::-1] ** 2
    return envelope


def fade_edges(signal: Signal, *, attack_s: float, release_s: float) -> Signal:
    """Return a copy whose first and last moments are ramped, so that neither clicks."""
    n = signal.shape[-1]
    n_attack, n_release = min(samples(attack_s), n), min(samples(release_s), n)
    faded = signal.copy()
    faded[..., :n_attack] *= _raised_cosine(n_attack)
    faded[..., n - n_release :] *= _raised_cosine(n_release)[::-1]
    return faded


def noise(rng: np.random.Generator, n: int) -> Signal:
    """Return white noise of unit variance, `(n,)`."""
    return rng.standard_normal(n, dtype=np.float32)


def low_pass(signal: Signal, cutoff_hz: float, order: int = 2) -> Signal:
    """Filter out what lies above `cutoff_hz`, along the last axis."""
    return _filtered(signal, "lowpass", (cutoff_hz,), order)


def high_pass(signal: Signal, cutoff_hz: float, order: int = 2) -> Signal:
    """Filter out what lies below `cutoff_hz`, along the last axis."""
    return _filtered(signal, "highpass", (cutoff_hz,), order)


def band_pass(signal: Signal, low_hz: float, high_hz: float) -> Signal:
    """Keep what lies between two frequencies, along the last axis."""
    return _filtered(signal, "bandpass", (low_hz, high_hz), 1)


def _filtered(signal: Signal, kind: str, edges_hz: tuple[float, ...], order: int) -> Signal:
    return sosfilt(_filter(kind, edges_hz, order), signal).astype(np.float32, copy=False)


@lru_cache(maxsize=128)
def _filter(kind: str, edges_hz: tuple[float, ...], order: int) -> Signal:
    edges = edges_hz[0] if len(edges_hz) == 1 else edges_hz
    return butter(order, edges, kind, fs=SAMPLE_RATE_HZ, output="sos").astype(np.float32)


@lru_cache(maxsize=256)
def _raised_cosine(n: int) -> Signal:
    ramp = (0.5 - 0.5 * np.cos(np.pi * np.arange(n) / max(n, 1))).astype(np.float32)
    ramp.setflags(write=False)
    return ramp
