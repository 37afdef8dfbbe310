"""Instruments that sound as long as they are held: bowed, blown, sung, electric. Pure.

Each takes (frequency_hz, duration_s, brightness 0 to 1, rng) and returns the held note with its release after it, mono
`(n,)` or, for ensembles spread over the stage, stereo `(2, n)`.
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
    formant_table,
    harmonic_table,
    low_pass,
    noise,
    oscillate,
    oscillate_along,
    saw_table,
    square_table,
    sung_cycles,
    swell,
    vibrato_cycles,
)

Rng = np.random.Generator

_BODY_OF_A_CELLO = ((220.0, 70.0, 0.8), (400.0, 120.0, 0.7), (700.0, 200.0, 0.6), (1900.0, 600.0, 0.5))
_BODY_OF_A_VIOLIN = ((290.0, 80.0, 0.6), (550.0, 150.0, 0.8), (1100.0, 300.0, 0.6), (2600.0, 800.0, 0.7))
_BODY_OF_A_SHAWM = ((450.0, 120.0, 0.8), (950.0, 200.0, 1.0), (2900.0, 500.0, 0.15))
_VOWEL_AH = ((700.0, 110.0, 1.0), (1150.0, 130.0, 0.55), (2600.0, 250.0, 0.2))
_VOWEL_OO = ((330.0, 90.0, 1.0), (800.0, 110.0, 0.3), (2300.0, 250.0, 0.06))
_ORGAN = harmonic_table([0.8, 1.0, 0.55, 0.5, 0.0, 0.25, 0.0, 0.2])
_CLARINET = harmonic_table([1.0, 0.03, 0.5, 0.05, 0.32, 0.07, 0.16, 0.05, 0.07])


def warm_pad(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """Five detuned sawtooths behind a filter that opens slowly and closes again."""
    envelope = swell(duration_s, attack_s=min(0.9, 0.45 * duration_s), release_s=1.3)
    dark = _ensemble(saw_table(frequency_hz, 420.0), frequency_hz, envelope.size, rng, cents=9.0)
    opened = _ensemble(
        saw_table(frequency_hz, 1100.0 + 900.0 * brightness), frequency_hz, envelope.size, rng, cents=7.0
    )
    return (dark + 0.5 * envelope**2 * opened) * envelope


def glass_pad(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """An airy pad: sines an octave and a twelfth apart, drifting against each other."""
    envelope = swell(duration_s, attack_s=min(1.2, 0.5 * duration_s), release_s=1.8)
    table = harmonic_table([1.0, 0.35, 0.14 + 0.1 * brightness, 0.05])
    return _ensemble(table, frequency_hz, envelope.size, rng, cents=6.0) * envelope


def strings(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A string section: detuned players with the resonances of a violin or a cello."""
    envelope = swell(duration_s, attack_s=min(0.35, 0.4 * duration_s), release_s=0.55, sag=0.15)
    body = _BODY_OF_A_CELLO if frequency_hz < 200 else _BODY_OF_A_VIOLIN
    table = formant_table(frequency_hz, body, tilt=1.35 - 0.35 * brightness)
    return _ensemble(table, frequency_hz, envelope.size, rng, cents=8.0, drift_hz=0.6) * envelope


def short_strings(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """The same section playing short, hard strokes near the heel of the bow."""
    envelope = swell(duration_s, attack_s=0.012, release_s=0.12, sag=0.5)
    body = _BODY_OF_A_CELLO if frequency_hz < 200 else _BODY_OF_A_VIOLIN
    table = formant_table(frequency_hz, body, tilt=1.0 - 0.35 * brightness)
    tone = _ensemble(table, frequency_hz, envelope.size, rng, cents=10.0)
    scrape = band_pass(noise(rng, envelope.size), 1500.0, 5000.0) * decay(envelope.size, 0.02)
    return (tone + 0.25 * scrape) * envelope


def tremolo_strings(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """The section trembling on one note."""
    tone = strings(frequency_hz, duration_s, 0.5 + 0.5 * brightness, rng)
    bowing = oscillate_along(SINE, vibrato_cycles(12.5, tone.shape[-1], rate_hz=0.7, depth_cents=80.0))
    return tone * (0.62 + 0.38 * bowing)


def cello(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """One bowed string with a vibrato that grows, and a breath of rosin."""
    envelope = swell(duration_s, attack_s=min(0.16, 0.4 * duration_s), release_s=0.3, sag=0.2)
    cycles = vibrato_cycles(frequency_hz, envelope.size, rate_hz=5.2, depth_cents=16.0, onset_s=0.7)
    table = formant_table(frequency_hz, _BODY_OF_A_CELLO, tilt=1.3 - 0.3 * brightness)
    rosin = band_pass(noise(rng, envelope.size), 900.0, 3200.0)
    return (oscillate_along(table, cycles) + 0.02 * rosin) * envelope


def violin(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A solo fiddle: brighter, quicker to speak, faster in its vibrato."""
    envelope = swell(duration_s, attack_s=min(0.06, 0.4 * duration_s), release_s=0.18, sag=0.2)
    cycles = vibrato_cycles(frequency_hz, envelope.size, rate_hz=5.9, depth_cents=18.0, onset_s=0.45)
    table = formant_table(frequency_hz, _BODY_OF_A_VIOLIN, tilt=1.15 - 0.3 * brightness)
    return (oscillate_along(table, cycles) + 0.02 * band_pass(noise(rng, envelope.size), 1500.0, 5000.0)) * envelope


def weeping_cello(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """The same string played as a voice sobs: slides into the note, a slow wide vibrato, a fall at the end."""
    envelope = swell(duration_s, attack_s=min(0.3, 0.4 * duration_s), release_s=0.45, sag=0.35)
    cycles = sung_cycles(frequency_hz, envelope.size, rate_hz=4.7, depth_cents=20.0, scoop_cents=70.0, drop_cents=35.0)
    table = formant_table(frequency_hz, _BODY_OF_A_CELLO, tilt=1.5 - 0.3 * brightness)
    rosin = band_pass(noise(rng, envelope.size), 700.0, 2400.0)
    return (oscillate_along(table, cycles) + 0.012 * rosin) * envelope


def duduk(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A double reed of apricot wood: dark, breathy, bent like a human voice."""
    envelope = swell(duration_s, attack_s=min(0.18, 0.4 * duration_s), release_s=0.3, sag=0.25)
    cycles = sung_cycles(frequency_hz, envelope.size, rate_hz=5.1, depth_cents=22.0, scoop_cents=110.0, drop_cents=60.0)
    table = formant_table(frequency_hz, _BODY_OF_A_SHAWM, tilt=1.7 - 0.2 * brightness)
    breath = band_pass(noise(rng, envelope.size), 800.0, 2500.0)
    return (oscillate_along(table, cycles) + 0.03 * breath) * envelope


def lone_voice(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """One singer, mouth nearly closed."""
    envelope = swell(duration_s, attack_s=min(0.25, 0.4 * duration_s), release_s=0.4, sag=0.2)
    cycles = sung_cycles(frequency_hz, envelope.size, rate_hz=5.0, depth_cents=24.0, scoop_cents=60.0, drop_cents=40.0)
    breath = band_pass(noise(rng, envelope.size), 600.0, 2200.0)
    return (oscillate_along(formant_table(frequency_hz, _VOWEL_OO, tilt=1.8), cycles) + 0.025 * breath) * envelope


def shriek(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """Many bows at the bridge, none on the same pitch: slides, noise and trembling."""
    envelope = swell(duration_s, attack_s=0.02, release_s=0.1, sag=0.2)
    n = envelope.size
    table = formant_table(frequency_hz, _BODY_OF_A_VIOLIN, tilt=0.75)
    bows = []
    for _ in range(6):
        off_hz = frequency_hz * 2.0 ** (rng.normal(0.0, 35.0) / 1200.0)
        slide = float(rng.uniform(20.0, 160.0))
        cycles = sung_cycles(
            off_hz, n, rate_hz=rng.uniform(6.0, 8.5), depth_cents=30.0, scoop_cents=slide, drop_cents=-slide
        )
        bows.append(oscillate_along(table, cycles + rng.random()))
    scrape = 0.5 * band_pass(noise(rng, n), 2500.0, 8000.0)
    tremble = 0.6 + 0.4 * oscillate(SINE, 13.0, n, rng.random())
    return np.stack([sum(bows[:3]) + scrape, sum(bows[3:]) + scrape]).astype(np.float32) * envelope * tremble


def siren(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A pair of sawtooths that climb a tritone over the length of the note, getting louder and brighter."""
    envelope = swell(duration_s, attack_s=0.9 * duration_s, release_s=0.12)
    n = envelope.size
    rise = np.minimum(clock_s(n).astype(np.float64) / max(duration_s, 0.1), 1.0)
    cycles = np.cumsum(frequency_hz * 2.0 ** (rise**2 * 0.5)) / SAMPLE_RATE_HZ
    dark, bright = saw_table(frequency_hz, 900.0), saw_table(frequency_hz, 6000.0)
    left = oscillate_along(dark, cycles) + rise.astype(np.float32) * oscillate_along(bright, cycles)
    right = oscillate_along(dark, 1.013 * cycles) + rise.astype(np.float32) * oscillate_along(bright, 1.013 * cycles)
    return np.stack([left, right]) * envelope


def braam(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """Low brass blown far too hard: overdriven, rasping, opening as it is held."""
    envelope = swell(duration_s, attack_s=0.03, release_s=0.35, sag=0.25)
    n = envelope.size
    open_up = np.minimum(clock_s(n) / np.float32(0.35), 1.0)
    low = _ensemble(saw_table(frequency_hz, 700.0), frequency_hz, n, rng, cents=18.0)
    rasp = _ensemble(saw_table(frequency_hz, 4500.0), frequency_hz, n, rng, cents=30.0)
    flutter = 0.8 + 0.2 * oscillate(SINE, 23.0, n, rng.random())
    return np.tanh(0.9 * (low + open_up * rasp) * flutter) * envelope


def accordion(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """Two reeds per key, tuned a little apart so that they shimmer."""
    envelope = swell(duration_s, attack_s=min(0.03, 0.4 * duration_s), release_s=0.06)
    table = saw_table(frequency_hz, 2600.0 + 1600.0 * brightness)
    straight = oscillate(table, frequency_hz, envelope.size, rng.random())
    return (straight + 0.8 * oscillate(table, frequency_hz * 1.006, envelope.size, rng.random())) * envelope


def choir(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """Voices on "ah", each with its own drift."""
    envelope = swell(duration_s, attack_s=min(0.5, 0.4 * duration_s), release_s=0.9)
    vowel = _VOWEL_AH if brightness > 0.4 else _VOWEL_OO
    table = formant_table(frequency_hz, vowel, tilt=0.8)
    return _ensemble(table, frequency_hz, envelope.size, rng, cents=11.0, drift_hz=4.6) * envelope


def organ(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """Drawbars through a slowly turning speaker."""
    envelope = swell(duration_s, attack_s=0.025, release_s=0.12)
    cycles = vibrato_cycles(frequency_hz * 0.5, envelope.size, rate_hz=1.1 + 4.5 * brightness, depth_cents=7.0)
    return oscillate_along(_ORGAN, cycles) * envelope


def flute(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A column of air: few harmonics, a chiff at the start, breath throughout."""
    envelope = swell(duration_s, attack_s=min(0.07, 0.4 * duration_s), release_s=0.16)
    n = envelope.size
    cycles = vibrato_cycles(frequency_hz, n, rate_hz=4.9, depth_cents=12.0, onset_s=0.6)
    table = harmonic_table([1.0, 0.22 + 0.25 * brightness, 0.1 + 0.1 * brightness, 0.03, 0.015])
    breath = band_pass(noise(rng, n), frequency_hz * 0.9, min(frequency_hz * 3.0, 12_000.0))
    return (oscillate_along(table, cycles) + (0.035 + 0.22 * decay(n, 0.03)) * breath) * envelope


def whistle(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A tin whistle, straight and cheerful."""
    envelope = swell(duration_s, attack_s=0.02, release_s=0.07)
    n = envelope.size
    cycles = vibrato_cycles(frequency_hz, n, rate_hz=6.0, depth_cents=9.0, onset_s=0.3)
    breath = band_pass(noise(rng, n), frequency_hz, min(frequency_hz * 2.5, 14_000.0))
    return (oscillate_along(harmonic_table([1.0, 0.4, 0.18, 0.08]), cycles) + 0.05 * breath) * envelope


def clarinet(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A closed pipe: mostly odd harmonics, soft-edged."""
    envelope = swell(duration_s, attack_s=min(0.06, 0.4 * duration_s), release_s=0.14)
    cycles = vibrato_cycles(frequency_hz, envelope.size, rate_hz=4.4, depth_cents=5.0, onset_s=0.8)
    return oscillate_along(_CLARINET, cycles) * envelope


def brass(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A section whose brightness follows its loudness, as brass does."""
    envelope = swell(duration_s, attack_s=min(0.05, 0.4 * duration_s), release_s=0.14, sag=0.3)
    dark = _ensemble(saw_table(frequency_hz, 600.0), frequency_hz, envelope.size, rng, cents=6.0)
    blare = _ensemble(
        saw_table(frequency_hz, 2500.0 + 2500.0 * brightness), frequency_hz, envelope.size, rng, cents=6.0
    )
    return (dark + 0.8 * envelope**3 * blare) * envelope


def saw_lead(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """Two sawtooths and a delayed vibrato."""
    envelope = swell(duration_s, attack_s=0.012, release_s=0.14, sag=0.25)
    cycles = vibrato_cycles(frequency_hz, envelope.size, rate_hz=5.6, depth_cents=14.0, onset_s=0.4)
    table = saw_table(frequency_hz, 1800.0 + 4200.0 * brightness)
    return (oscillate_along(table, cycles) + 0.7 * oscillate_along(table, 1.0035 * cycles + 0.3)) * envelope


def square_lead(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A games console's square wave."""
    envelope = swell(duration_s, attack_s=0.004, release_s=0.05, sag=0.45)
    cycles = vibrato_cycles(frequency_hz, envelope.size, rate_hz=6.5, depth_cents=15.0, onset_s=0.25)
    return oscillate_along(square_table(frequency_hz, 3500.0 + 4000.0 * brightness), cycles) * envelope


def power_guitar(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """An electric guitar's string before the amplifier; the layer's drive is the amplifier."""
    envelope = swell(duration_s, attack_s=0.006, release_s=0.07, sag=0.35)
    n = envelope.size
    table = saw_table(frequency_hz, 2600.0 + 1800.0 * brightness)
    left = oscillate(table, frequency_hz * 0.9988, n, rng.random())
    right = oscillate(table, frequency_hz * 1.0012, n, rng.random())
    return np.stack([left, right]) * envelope


def reese_bass(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """Sawtooths far enough apart to growl, over a steady octave below."""
    envelope = swell(duration_s, attack_s=0.01, release_s=0.08)
    n = envelope.size
    growl = _ensemble(saw_table(frequency_hz, 900.0 + 1500.0 * brightness), frequency_hz, n, rng, cents=24.0)
    return (growl + 0.6 * oscillate(SINE, frequency_hz, n)) * envelope


def saw_bass(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A synthesiser bass whose filter closes within each note."""
    envelope = swell(duration_s, attack_s=0.005, release_s=0.05, sag=0.3)
    n = envelope.size
    bright = oscillate(saw_table(frequency_hz, 1400.0 + 2600.0 * brightness), frequency_hz, n)
    dark = oscillate(saw_table(frequency_hz, 300.0), frequency_hz, n)
    return (dark + 0.7 * decay(n, 0.11) * bright) * envelope


def sub_bass(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A sine with a little second harmonic, so that small speakers hint at it."""
    envelope = swell(duration_s, attack_s=0.02, release_s=0.12)
    return oscillate(harmonic_table([1.0, 0.22, 0.08]), frequency_hz, envelope.size) * envelope


def bowed_bass(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """A double bass, bowed slowly."""
    envelope = swell(duration_s, attack_s=min(0.4, 0.4 * duration_s), release_s=0.7)
    table = formant_table(frequency_hz, ((110.0, 50.0, 1.0), (300.0, 120.0, 0.4)), tilt=1.4)
    return oscillate(table, frequency_hz, envelope.size, rng.random()) * envelope


def wind(frequency_hz: float, duration_s: float, brightness: float, rng: Rng) -> Signal:
    """Air that moves through a landscape: noise in two drifting bands, pitched only faintly."""
    envelope = swell(duration_s, attack_s=0.45 * duration_s, release_s=1.5)
    n = envelope.size
    air = low_pass(noise(rng, n), 700.0) + 0.4 * band_pass(noise(rng, n), frequency_hz * 1.9, frequency_hz * 2.1)
    gusts = 0.6 + 0.4 * np.sin(2 * np.pi * clock_s(n) * 0.13 + np.float32(rng.random() * 6.0))
    return air * gusts * envelope


def _ensemble(table: Signal, frequency_hz: float, n: int, rng: Rng, *, cents: float, drift_hz: float = 0.0) -> Signal:
    """Play five detuned voices across the stage, `(2, n)`: two left, two right, one in the middle."""
    spread = np.array([-1.0, -0.45, 0.0, 0.5, 1.0]) * cents + rng.uniform(-0.8, 0.8, 5)
    voices = []
    for number, detune_cents in enumerate(spread):
        pitch_hz = frequency_hz * 2.0 ** (detune_cents / 1200.0)
        if drift_hz and number % 2:
            cycles = vibrato_cycles(pitch_hz, n, rate_hz=drift_hz * rng.uniform(0.85, 1.15), depth_cents=0.6 * cents)
            voices.append(oscillate_along(table, cycles + rng.random()))
        else:
            voices.append(oscillate(table, pitch_hz, n, rng.random()))
    left = voices[0] + voices[3] + 0.7 * voices[2]
    right = voices[1] + voices[4] + 0.7 * voices[2]
    return np.stack([left, right])
