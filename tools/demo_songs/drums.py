"""The drum kit, stroke by stroke, and the grooves it plays. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache

import numpy as np

from tools.demo_songs.oscillators import (
    SAMPLE_RATE_HZ,
    SINE,
    Signal,
    band_pass,
    decay,
    fade_edges,
    high_pass,
    low_pass,
    noise,
    oscillate,
    oscillate_along,
    samples,
)

Rng = np.random.Generator

# Strokes of the same drum differ slightly, so that a hi-hat is not a machine gun.
_TAKES = 3


def _falling(start_hz: float, end_hz: float, fall_s: float, ring_s: float) -> Signal:
    n = samples(4.0 * ring_s)
    sweep_hz = end_hz + (start_hz - end_hz) * decay(n, fall_s).astype(np.float64)
    return oscillate_along(SINE, np.cumsum(sweep_hz) / SAMPLE_RATE_HZ) * decay(n, ring_s)


def _with_burst(tone: Signal, burst: Signal) -> Signal:
    n = min(tone.size, burst.size)
    tone[:n] += burst[:n]
    return tone


def _burst(rng: Rng, low_hz: float, high_hz: float, ring_s: float, level: float = 1.0) -> Signal:
    n = samples(5.0 * ring_s)
    return np.float32(level) * band_pass(noise(rng, n), low_hz, high_hz) * decay(n, ring_s)


def _kick(rng: Rng) -> Signal:
    return _with_burst(_falling(170.0, 49.0, 0.028, 0.13), _burst(rng, 1500.0, 5000.0, 0.004, 0.5))


def _soft_kick(rng: Rng) -> Signal:
    return low_pass(_falling(95.0, 46.0, 0.03, 0.12), 400.0)


def _hard_kick(rng: Rng) -> Signal:
    tone = _with_burst(_falling(260.0, 52.0, 0.03, 0.16), _burst(rng, 1800.0, 8000.0, 0.006, 1.2))
    return np.tanh(2.6 * tone)


def _snare(rng: Rng) -> Signal:
    n = samples(0.4)
    tone = (oscillate(SINE, 187.0, n) + 0.6 * oscillate(SINE, 331.0, n)) * decay(n, 0.045)
    return _with_burst(0.6 * tone, _burst(rng, 1200.0, 9000.0, 0.085, 1.3))


def _hard_snare(rng: Rng) -> Signal:
    return np.tanh(2.2 * _with_burst(_snare(rng), _burst(rng, 400.0, 6000.0, 0.12, 0.9)))


def _brush(rng: Rng) -> Signal:
    n = samples(0.3)
    sweep = np.sin(np.pi * np.linspace(0.0, 1.0, n, dtype=np.float32)) ** 2
    return band_pass(noise(rng, n), 2200.0, 7000.0) * (0.5 * sweep + decay(n, 0.03))


def _rim(rng: Rng) -> Signal:
    n = samples(0.12)
    tone = (oscillate(SINE, 820.0, n) + 0.7 * oscillate(SINE, 1690.0, n)) * decay(n, 0.012)
    return _with_burst(tone, _burst(rng, 2000.0, 8000.0, 0.006, 0.5))


def _clap(rng: Rng) -> Signal:
    clap = np.zeros(samples(0.42), dtype=np.float32)
    for delay_s, ring_s in ((0.0, 0.006), (0.011, 0.006), (0.023, 0.007), (0.034, 0.075)):
        hand = _burst(rng, 800.0, 3200.0, ring_s, 1.6)
        start = samples(delay_s)
        clap[start : start + hand.size] += hand[: clap.size - start]
    return clap


def _metal(n: int) -> Signal:
    ratios_hz = (2050.0, 3070.0, 3690.0, 4110.0, 5430.0, 8330.0)
    return np.sum([np.sign(oscillate(SINE, hz, n)) for hz in ratios_hz], axis=0).astype(np.float32) / 6.0


def _hat(rng: Rng) -> Signal:
    n = samples(0.14)
    return high_pass(noise(rng, n) + 0.8 * _metal(n), 7000.0, 4) * decay(n, 0.022)


def _open_hat(rng: Rng) -> Signal:
    n = samples(0.6)
    return high_pass(noise(rng, n) + 0.9 * _metal(n), 6500.0, 4) * decay(n, 0.13)


def _ride(rng: Rng) -> Signal:
    n = samples(1.2)
    ping = high_pass(_metal(n), 4500.0, 4) * (decay(n, 0.35) + 1.5 * decay(n, 0.02))
    return ping + 0.15 * high_pass(noise(rng, n), 6000.0) * decay(n, 0.25)


def _crash(rng: Rng) -> Signal:
    n = samples(2.4)
    return band_pass(noise(rng, n) + 0.7 * _metal(n), 3000.0, 11000.0) * (decay(n, 0.55) + decay(n, 0.05))


def _high_tom(rng: Rng) -> Signal:
    return _with_burst(_falling(210.0, 150.0, 0.06, 0.13), _burst(rng, 500.0, 3000.0, 0.012, 0.4))


def _low_tom(rng: Rng) -> Signal:
    return _with_burst(_falling(130.0, 84.0, 0.07, 0.19), _burst(rng, 400.0, 2400.0, 0.014, 0.4))


def _taiko(rng: Rng) -> Signal:
    return _with_burst(_falling(110.0, 58.0, 0.05, 0.3), _burst(rng, 150.0, 1500.0, 0.03, 0.9))


def _shaker(rng: Rng) -> Signal:
    n = samples(0.13)
    return fade_edges(band_pass(noise(rng, n), 4500.0, 11000.0), attack_s=0.03, release_s=0.09)


def _tambourine(rng: Rng) -> Signal:
    n = samples(0.3)
    return high_pass(noise(rng, n) + _metal(n), 6000.0) * (decay(n, 0.06) + 0.6 * decay(n, 0.01))


def _clave(rng: Rng) -> Signal:
    n = samples(0.12)
    return oscillate(SINE, 2480.0, n) * decay(n, 0.016)


def _conga(rng: Rng) -> Signal:
    return _with_burst(_falling(250.0, 208.0, 0.03, 0.09), _burst(rng, 800.0, 3500.0, 0.006, 0.5))


def _clank(rng: Rng) -> Signal:
    n = samples(0.5)
    ratios_hz = (317.0, 733.0, 1171.0, 1849.0, 2791.0)
    tone = np.sum([oscillate(SINE, hz, n, rng.random()) for hz in ratios_hz], axis=0).astype(np.float32)
    return np.tanh(1.5 * tone * decay(n, 0.07))


# Each drum: how it is struck, its level in the kit, and its place on the stage (-1 left to 1 right).
DRUMS: dict[str, tuple[Callable[[Rng], Signal], float, float]] = {
    "kick": (_kick, 1.0, 0.0),
    "soft kick": (_soft_kick, 0.9, 0.0),
    "hard kick": (_hard_kick, 0.9, 0.0),
    "snare": (_snare, 0.62, 0.05),
    "hard snare": (_hard_snare, 0.6, 0.05),
    "brush": (_brush, 0.3, 0.12),
    "rim": (_rim, 0.3, -0.15),
    "clap": (_clap, 0.55, -0.05),
    "hat": (_hat, 0.22, 0.3),
    "open hat": (_open_hat, 0.2, 0.3),
    "ride": (_ride, 0.22, 0.35),
    "crash": (_crash, 0.32, -0.3),
    "high tom": (_high_tom, 0.6, 0.35),
    "low tom": (_low_tom, 0.7, -0.35),
    "taiko": (_taiko, 0.9, -0.1),
    "shaker": (_shaker, 0.2, -0.4),
    "tambourine": (_tambourine, 0.2, 0.4),
    "clave": (_clave, 0.25, 0.45),
    "conga": (_conga, 0.45, -0.45),
    "clank": (_clank, 0.3, 0.25),
}

# One bar each; "X" accent, "x" stroke, "o" ghost. A grid is stretched over the bar whatever its length.
GROOVES: dict[str, dict[str, str]] = {
    "house": {
        "kick": "X...X...X...X...",
        "clap": "....X.......X...",
        "open hat": "..x...x...x...x.",
        "hat": "x.o.x.o.x.o.x.oo",
        "shaker": "oxoxoxoxoxoxoxox",
        "crash": "crash",
    },
    "disco": {
        "kick": "X...X...X...X..o",
        "snare": "....X.......X..o",
        "hat": "x.oox.oox.oox.oo",
        "open hat": "..x...x...x...x.",
        "conga": "...x..x....x.xx.",
        "crash": "crash",
    },
    "pop": {
        "kick": "X.....x.X.......",
        "snare": "....X.......X...",
        "hat": "x.x.x.x.x.x.x.x.",
        "tambourine": "..x...x...x...x.",
        "crash": "crash",
    },
    "train": {
        "soft kick": "X.......X.......",
        "snare": "o.oxo.oxo.oxo.ox",
        "tambourine": "....x.......x...",
        "clap": "....x.......x...",
    },
    "samba": {
        "soft kick": "X..xX..xX..xX..x",
        "rim": "x..x..x...x..x..",
        "shaker": "XoxoXoxoXoxoXoxo",
        "conga": "..x...xx..x...xx",
        "clave": "x..x..x...x.x...",
    },
    "arcade": {"kick": "X..x..x.X..x..x.", "snare": "....X.......X..x", "hat": "xoxoxoxoxoxoxoxo", "crash": "crash"},
    "jig": {"soft kick": "X.....X.....", "tambourine": "x.ox.ox.ox.o", "clap": "......x....."},
    "breakbeat": {
        "kick": "X.x.......x.....",
        "snare": "....X..o.o..X..o",
        "hat": "x.x.x.x.x.x.x.x.",
        "ride": "x...x...x...x...",
        "crash": "crash",
    },
    "two step": {
        "hard kick": "X.........X.....",
        "hard snare": "....X.......X...",
        "hat": "xoxxxoxxxoxxxoxx",
        "snare": ".......o.o.....o",
        "crash": "crash",
    },
    "machine": {
        "hard kick": "X..X..X.X..X..XX",
        "hard snare": "....X.......X.x.",
        "hat": "xxxxxxxxxxxxxxxx",
        "clank": "..x.x..x.x..x.x.",
        "crash": "crash",
    },
    "press": {
        "hard kick": "X..X..X.X..X.x",
        "hard snare": "......X.....X.",
        "hat": "xoxxoxxoxxoxxo",
        "clank": "X..x..x.X.x.x.",
        "crash": "crash",
    },
    "harrow": {
        "hard kick": "XxxXxxXxXxxXxx",
        "hard snare": "......X.....X.",
        "open hat": "x...x...x...x.",
        "crash": "crash",
    },
    "pursuit": {
        "taiko": "X..X......X..X..",
        "low tom": "..x...x.x...x.xx",
        "clank": "......X.......X.",
        "crash": "crash",
    },
    "gallop": {
        "hard kick": "X.xxX.xxX.xxX.xx",
        "hard snare": "....X.......X...",
        "ride": "x.x.x.x.x.x.x.x.",
        "crash": "crash",
    },
    "chase": {
        "taiko": "X..x..X.X..x..X...xx",
        "low tom": "..o.xo.x..o.xo.xo.o.",
        "hard snare": "............X.....xx",
        "shaker": "xoxoxoxoxoxoxoxoxoxo",
        "crash": "crash",
    },
    "storm": {
        "taiko": "X..X..X.X.X.",
        "hard snare": "......X....x",
        "low tom": "..x..x.x.x.x",
        "hat": "xoxoxoxoxoxo",
        "crash": "crash",
    },
    "night drive": {
        "hard kick": "X.....X...X..X..",
        "hard snare": "....X.......X...",
        "hat": "xxoxxxoxxxoxxxox",
        "low tom": "...........x..xx",
        "crash": "crash",
    },
    "dusty": {
        "soft kick": "X......x..x.....",
        "rim": "....x.......x...",
        "hat": "x.o.x.o.x.o.x.o.",
        "shaker": "..o...o...o...o.",
    },
    "brushes": {"soft kick": "X.......x.......", "brush": "o...X..oo...X..o"},
    "brush waltz": {"soft kick": "X...........", "brush": "....x...x..."},
    "soft waltz": {"soft kick": "X...........", "shaker": "....o...o..."},
    "campfire": {"soft kick": "x.......x.......", "shaker": "o.o.x.o.o.o.x.o.", "rim": "............o..."},
}
FILLS: dict[int, dict[str, str]] = {
    16: {"snare": "........x.xxX.xx", "high tom": "........X..x....", "low tom": "..........x...xX"},
    20: {"snare": "..........x.x.xxX.xx", "high tom": "..........X..x......", "low tom": "..............x..xxX"},
    14: {"snare": "......x.x.xxXx", "high tom": "......X..x....", "low tom": "..........x.xX"},
    12: {"snare": "......x.x.xx", "high tom": "......X..x..", "low tom": "........x..X"},
}
# Grooves too quiet for a fill.
GENTLE = frozenset({"dusty", "brushes", "brush waltz", "soft waltz", "campfire"})


@cache
def stroke(drum: str, take: int) -> Signal:
    """Return one of the takes of a drum, `(n,)`, at its level in the kit."""
    strike, level, _ = DRUMS[drum]
    sound = strike(np.random.default_rng(zlib.crc32(f"{drum} {take % _TAKES}".encode())))
    sound = fade_edges(sound, attack_s=0.0004, release_s=0.02)
    return np.float32(level) * sound / np.abs(sound).max()
