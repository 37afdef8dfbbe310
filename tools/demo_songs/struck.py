"""Instruments that ring and die away: strings that are plucked or hammered, bars, bells. Pure.

Each takes (frequency_hz, duration_s, brightness 0 to 1, rng) and returns one stroke that rings out; `duration_s` is
ignored, the note's end is cut by the mixer as a damper would.
"""

from __future__ import annotations

import numpy as np

from tools.demo_songs.oscillators import (
    SAMPLE_RATE_HZ,
    SINE,
    Signal,
    band_pass,
    clock_s,
    decay,
    fade_edges,
    low_pass,
    noise,
    oscillate,
    oscillate_along,
    samples,
    saw_table,
)

Rng = np.random.Generator


def piano(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """Hammered strings: stretched partials that die faster the higher they are, in two stages, slightly beating."""
    ring_s = float(np.clip(3.4 * (262.0 / frequency_hz) ** 0.45, 0.9, 5.0))
    tone = np.zeros(samples(1.15 * ring_s), dtype=np.float32)
    for k in range(1, int(min(16, 9000 / frequency_hz)) + 1):
        partial_hz = k * frequency_hz * (1.0 + 0.00035 * k * k) ** 0.5
        loudness = (abs(np.sin(np.pi * k / 8.3)) + 0.15) * k ** -(1.9 - 0.9 * brightness)
        tau_s = 0.42 * ring_s / (1.0 + 0.3 * (k - 1))
        n = min(tone.size, samples(5.5 * tau_s))
        envelope = 0.62 * decay(n, 0.3 * tau_s) + 0.38 * decay(n, tau_s)
        wave = oscillate(SINE, partial_hz, n, rng.random())
        if k <= 3:
            wave = 0.6 * wave + 0.4 * oscillate(SINE, partial_hz * 1.0006, n, rng.random())
        tone[:n] += np.float32(loudness) * envelope * wave
    n = samples(0.03)
    tone[:n] += 0.35 * brightness * decay(n, 0.006) * low_pass(noise(rng, n), 1800.0)
    return fade_edges(tone, attack_s=0.002, release_s=0.15)


def felt_piano(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A piano with felt between hammers and strings, as at night: soft-edged and dark."""
    return fade_edges(
        low_pass(piano(frequency_hz, duration_s, 0.3 * brightness, rng), 1100.0), attack_s=0.03, release_s=0.3
    )


def ukulele(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """Four short nylon strings on a small box."""
    string = _plucked_string(frequency_hz, rng, ring_s=1.0, damping=0.38 - 0.2 * brightness, pluck_at=0.22)
    return fade_edges(string + 0.4 * band_pass(string, 350.0, 700.0), attack_s=0.002, release_s=0.12)


def steel_pan(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A tuned oil drum: octave and twelfth bloom after the stroke."""
    tone = _ringing(frequency_hz, ((1.0, 1.0, 1.0), (2.0, 0.8, 0.7), (3.0, 0.35, 0.5)), 1.1, brightness, rng)
    return tone + _ringing(frequency_hz, ((4.02, 0.2, 0.4), (5.05, 0.15, 0.25)), 0.5, brightness, rng, size=tone.size)


def electric_piano(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A tine piano by frequency modulation: a mellow body and a short glassy tine."""
    n = samples(float(np.clip(2.8 * (262.0 / frequency_hz) ** 0.3, 1.2, 3.6)))
    cycles = clock_s(n).astype(np.float64) * frequency_hz
    body = oscillate(SINE, frequency_hz, n) * decay(n, 0.45) * (0.06 + 0.22 * brightness)
    tine = oscillate(SINE, 14.0 * frequency_hz, n) * decay(n, 0.07) * 0.05 * brightness
    tone = oscillate_along(SINE, cycles + body + tine) * decay(n, 0.85)
    tone += 0.15 * oscillate(SINE, 2.001 * frequency_hz, n) * decay(n, 0.5)
    return fade_edges(tone, attack_s=0.003, release_s=0.2)


def guitar(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A steel-strung guitar: a plucked string in a small wooden body."""
    string = _plucked_string(frequency_hz, rng, ring_s=2.6, damping=0.42 - 0.3 * brightness, pluck_at=0.19)
    body = low_pass(string, 240.0)
    return fade_edges(low_pass(string, 5500.0) + 0.5 * body, attack_s=0.003, release_s=0.2)


def nylon_guitar(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A classical guitar, plucked with the fingertip: rounder and shorter."""
    string = _plucked_string(frequency_hz, rng, ring_s=2.2, damping=0.5, pluck_at=0.3)
    soft = low_pass(string, 1500.0 + 2500.0 * brightness)
    return fade_edges(soft + 0.4 * low_pass(string, 220.0), attack_s=0.003, release_s=0.2)


def harp(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A harp: plucked near the middle of a long string, without a damper."""
    string = _plucked_string(frequency_hz, rng, ring_s=3.6, damping=0.5, pluck_at=0.42)
    return fade_edges(low_pass(string, 2200.0 + 3000.0 * brightness), attack_s=0.004, release_s=0.4)


def pizzicato(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A bowed instrument's string plucked by the finger: short and round."""
    string = _plucked_string(frequency_hz, rng, ring_s=0.7, damping=0.5, pluck_at=0.3)
    return fade_edges(low_pass(string, 2600.0), attack_s=0.002, release_s=0.15)


def plucked_bass(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A finger-played bass: a dark string over its own fundamental."""
    string = low_pass(
        _plucked_string(frequency_hz, rng, ring_s=1.6, damping=0.35, pluck_at=0.25), 500 + 1300 * brightness
    )
    n = string.size
    return fade_edges(string + 0.5 * oscillate(SINE, frequency_hz, n) * decay(n, 0.6), attack_s=0.004, release_s=0.1)


def _plucked_string(frequency_hz: float, rng: Rng, *, ring_s: float, damping: float, pluck_at: float) -> Signal:
    """Karplus-Strong, one whole period at a time so that numpy does the work.

    Source: Karplus & Strong (1983), Digital synthesis of plucked-string and drum timbres; the comb for the plucking
    point and the decay stretch from Jaffe & Smith (1983).
    """
    period = max(8, round(SAMPLE_RATE_HZ / frequency_hz))
    rounds = int(min(ring_s * 1.6, 4.5) * frequency_hz) + 2
    loss = 10.0 ** (-3.0 / (ring_s * (262.0 / frequency_hz) ** 0.35 * frequency_hz))
    cycle = noise(rng, period)
    cycle = cycle - np.roll(cycle, max(1, round(pluck_at * period)))
    for _ in range(2):
        cycle = 0.5 * (cycle + np.roll(cycle, 1))
    string = np.empty((rounds, period), dtype=np.float32)
    near, far = np.float32(loss * (1.0 - damping)), np.float32(loss * damping)
    for row in string:
        row[:] = cycle
        cycle = near * row
        cycle[1:] += far * row[:-1]
        cycle[0] += far * row[-1]
    # The averaging delays each round by `damping` samples; resampling puts the string exactly in tune.
    stretch = frequency_hz * (period + damping) / SAMPLE_RATE_HZ
    flat = string.ravel()
    tuned = np.interp(np.arange(0, flat.size - 1, stretch), np.arange(flat.size), flat).astype(np.float32)
    return tuned / np.float32(np.abs(tuned).max())


def bell(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A bell of inharmonic partials, the low ones longest.

    Source: Risset (1969), An introductory catalogue of computer synthesized sounds.
    """
    partials = (
        (0.56, 0.7, 1.0),
        (0.92, 0.5, 0.7),
        (1.19, 1.0, 0.55),
        (2.0, 0.9, 0.4),
        (2.74, 0.5, 0.3),
        (3.76, 0.4, 0.2),
    )
    return _ringing(frequency_hz, partials, 2.6, brightness, rng)


def glass_bell(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A small bright bell, nearly harmonic, for distant sparkle."""
    partials = ((1.0, 1.0, 1.0), (2.0, 0.4, 0.7), (3.01, 0.3, 0.45), (5.43, 0.25, 0.2))
    return _ringing(frequency_hz, partials, 1.9, brightness, rng)


def marimba(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A wooden bar over a resonator, tuned two octaves and a third apart."""
    partials = ((1.0, 1.0, 1.0), (3.93, 0.35, 0.25), (9.6, 0.18, 0.08))
    return _ringing(frequency_hz, partials, 0.65, brightness, rng)


def vibraphone(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A metal bar with its turning fans."""
    tone = _ringing(frequency_hz, ((1.0, 1.0, 1.0), (4.0, 0.22, 0.3), (10.0, 0.05, 0.1)), 2.2, brightness, rng)
    return tone * (1.0 + 0.22 * oscillate(SINE, 5.1, tone.size))


def music_box(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A comb of steel tongues, plucked by pins."""
    tone = _ringing(frequency_hz, ((1.0, 1.0, 1.0), (2.01, 0.25, 0.5), (6.27, 0.2, 0.12)), 1.5, brightness, rng)
    n = samples(0.012)
    tone[:n] += 0.12 * decay(n, 0.002) * band_pass(noise(rng, n), 3000.0, 9000.0)
    return tone


def synth_pluck(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A sawtooth pair whose filter snaps shut."""
    n = samples(0.9)
    detuned = frequency_hz * 1.004
    phase = rng.random()
    bright_hz = 2500.0 + 5000.0 * brightness
    bright = oscillate(saw_table(frequency_hz, bright_hz), frequency_hz, n, phase)
    bright += oscillate(saw_table(frequency_hz, bright_hz), detuned, n, phase + 0.4)
    dark = oscillate(saw_table(frequency_hz, 700.0), frequency_hz, n, phase)
    tone = bright * decay(n, 0.09) + dark * decay(n, 0.26)
    return fade_edges(tone, attack_s=0.002, release_s=0.1)


def _ringing(
    frequency_hz: float,
    partials: tuple[tuple[float, float, float], ...],
    ring_s: float,
    brightness: float,
    rng: Rng,
    size: int = 0,
) -> Signal:
    """Sum decaying sines given as (ratio, loudness, relative ring)."""
    n = size or samples(1.1 * ring_s)
    tone = np.zeros(n, dtype=np.float32)
    for number, (ratio, loudness, ring) in enumerate(partials):
        if ratio * frequency_hz < 15_000:
            level = np.float32(loudness * (0.45 + 0.75 * brightness) ** min(number, 2))
            tone += level * oscillate(SINE, ratio * frequency_hz, n, rng.random()) * decay(n, 0.32 * ring_s * ring)
    return fade_edges(tone, attack_s=0.002, release_s=0.25 * ring_s)
