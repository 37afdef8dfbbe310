"""Each change of a waveform does what it promises, by what is measured in the sound, and is repeated by its seed."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from emotion.signal.audio import SAMPLE_RATE_HZ
from training.data.waveforms import (
    AUGMENTATIONS,
    cut_off,
    equalise,
    gain,
    noise,
    pitch_shift,
    power_shift,
    seven_band,
    time_shift,
    time_stretch,
)

N_SAMPLES = 5 * SAMPLE_RATE_HZ
CENTRES_HZ = (60.0, 140.0, 300.0, 600.0, 1400.0, 3000.0, 6000.0)


def tone(hz: float) -> NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(N_SAMPLES) / SAMPLE_RATE_HZ)).astype(np.float32)


def hiss() -> NDArray[np.float32]:
    return np.float32(0.1) * np.random.default_rng(0).standard_normal(N_SAMPLES, np.float32)


def beats() -> NDArray[np.float32]:
    """A short burst of noise every half second."""
    time_s = np.arange(N_SAMPLES) / SAMPLE_RATE_HZ
    return hiss() * np.exp(-20 * (time_s % 0.5)).astype(np.float32)


def loudest_hz(waveform: NDArray[np.float32]) -> float:
    """The frequency of the highest peak, away from the ends."""
    middle = waveform[SAMPLE_RATE_HZ:-SAMPLE_RATE_HZ]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 4 * len(middle)))
    return float(spectrum.argmax() * SAMPLE_RATE_HZ / (4 * len(middle)))


def level_db(waveform: NDArray[np.floating]) -> float:
    return float(10 * np.log10(np.mean(np.square(waveform, dtype=np.float64))))


def beat_s(waveform: NDArray[np.float32]) -> float:
    """The time between two beats."""
    step = 105
    envelope = np.abs(waveform).reshape(-1, step).mean(axis=1)
    alike = signal.correlate(envelope - envelope.mean(), envelope - envelope.mean())[len(envelope) - 1 :]
    first = round(0.3 * SAMPLE_RATE_HZ / step)
    return float((first + alike[first : round(0.8 * SAMPLE_RATE_HZ / step)].argmax()) * step / SAMPLE_RATE_HZ)


def response_db(before: NDArray[np.float32], after: NDArray[np.float32], hz: float) -> float:
    """The level of a filter at a frequency, of white noise before and after it."""
    hertz, crossed = signal.csd(before, after, SAMPLE_RATE_HZ, nperseg=8192)
    _, power = signal.welch(before, SAMPLE_RATE_HZ, nperseg=8192)
    return float(20 * np.log10(np.interp(hz, hertz, np.abs(crossed) / power)))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_its_seed_repeats_it_and_the_waveform_keeps_its_length_and_precision(name: str) -> None:
    change, waveform = AUGMENTATIONS[name], hiss()
    first, again, other = (change(waveform, np.random.default_rng(seed)) for seed in (1, 1, 3))
    assert first.shape == waveform.shape
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(waveform, hiss())


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_silence_stays_silent(name: str) -> None:
    assert not AUGMENTATIONS[name](np.zeros(N_SAMPLES, np.float32), np.random.default_rng(0)).any()


@pytest.mark.parametrize("snr_db", [10.0, 30.0])
def test_noise_is_as_far_below_the_sound_as_it_is_told(snr_db: float) -> None:
    waveform = tone(440)
    added = noise(waveform, np.random.default_rng(0), snr_db=(snr_db, snr_db)) - waveform
    assert level_db(waveform) - level_db(added) == pytest.approx(snr_db, abs=0.1)
    _, power = signal.welch(added, SAMPLE_RATE_HZ, nperseg=256)
    assert power[4:-4].max() < 1.5 * power[4:-4].min()


def test_a_gain_stays_within_its_limit_and_changes_the_level_alone() -> None:
    waveform = tone(440)
    raised = [gain(waveform, np.random.default_rng(seed), limit_db=6) for seed in range(50)]
    levels_db = [level_db(each) - level_db(waveform) for each in raised]
    assert -6 <= min(levels_db) < -4.5
    assert 4.5 < max(levels_db) <= 6
    assert np.allclose(raised[0] / raised[0].max(), waveform / waveform.max(), atol=1e-6)


def test_a_power_shift_goes_up_or_down_by_exactly_its_step() -> None:
    waveform = tone(440)
    shifts = [level_db(power_shift(waveform, np.random.default_rng(seed), step_db=4)) for seed in range(20)]
    found = {round(shift - level_db(waveform), 3) for shift in shifts}
    assert found == {-4.0, 4.0}


def test_a_filter_cuts_the_top_or_the_bottom_from_its_edge_on() -> None:
    narrow = partial(cut_off, lowpass_hz=(1000.0, 1000.0), highpass_hz=(1000.0, 1000.0))
    found = [narrow(hiss(), np.random.default_rng(seed)) for seed in range(8)]
    tilts = [[response_db(hiss(), each, hz) for hz in (250.0, 1000.0, 4000.0)] for each in found]
    for low, edge, high in tilts:
        assert edge == pytest.approx(-3, abs=0.6)
        assert max(low, high) == pytest.approx(0, abs=0.5)
        assert min(low, high) < -20
    assert {low < high for low, _, high in tilts} == {False, True}


@pytest.mark.parametrize("seed", range(3))
def test_a_pitch_shift_moves_a_tone_and_keeps_the_tempo(seed: int) -> None:
    semitones = np.random.default_rng(seed).uniform(-3, 3)
    shift = partial(pitch_shift, limit_semitones=3)
    assert loudest_hz(shift(tone(440), np.random.default_rng(seed))) == pytest.approx(
        440 * 2 ** (semitones / 12), rel=0.005
    )
    assert beat_s(shift(beats(), np.random.default_rng(seed))) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_a_time_stretch_changes_the_tempo_and_keeps_the_pitch(seed: int) -> None:
    rate = 1 + np.random.default_rng(seed).uniform(-0.2, 0.2)
    assert abs(rate - 1) > 0.02
    assert loudest_hz(time_stretch(tone(440), np.random.default_rng(seed))) == pytest.approx(440, rel=0.002)
    assert beat_s(time_stretch(beats(), np.random.default_rng(seed))) == pytest.approx(0.5 / rate, abs=0.01)


def test_a_time_shift_rotates() -> None:
    waveform = np.arange(1000, dtype=np.float32)
    found = time_shift(waveform, np.random.default_rng(0))
    start = int(found.argmin())
    assert start > 0
    assert np.array_equal(np.roll(found, -start), waveform)


@pytest.mark.parametrize("band", range(7))
def test_the_equaliser_changes_one_band(band: int) -> None:
    gain_db = np.zeros(7)
    gain_db[band] = 9
    found = [response_db(hiss(), equalise(hiss(), CENTRES_HZ, gain_db, (1.0,) * 7), hz) for hz in CENTRES_HZ]
    # A shelf has half of its gain at its centre.
    assert found[band] == pytest.approx(4.5 if band in (0, 6) else 9, abs=0.5)
    far = [level for number, level in enumerate(found) if abs(number - band) > 1]
    assert far == pytest.approx([0] * len(far), abs=1.0)


def test_the_equaliser_is_the_cookbooks() -> None:
    a, w = 10 ** (-12 / 40), 2 * np.pi * 600 / SAMPLE_RATE_HZ
    alpha = np.sin(w) / 1.4
    b, c = [1 + alpha * a, -2 * np.cos(w), 1 - alpha * a], [1 + alpha / a, -2 * np.cos(w), 1 - alpha / a]
    found = equalise(hiss(), CENTRES_HZ, (0, 0, 0, -12, 0, 0, 0), (0.7,) * 7)
    assert np.allclose(found, signal.lfilter(b, c, hiss()), atol=1e-6)


def test_the_seven_bands_are_changed_within_their_limit_and_apart() -> None:
    found = [seven_band(hiss(), np.random.default_rng(seed), limit_db=6, quality=(1, 1)) for seed in range(20)]
    levels_db = np.array([[response_db(hiss(), each, hz) for hz in CENTRES_HZ] for each in found])
    # Neighbours overlap.
    assert 4 < np.abs(levels_db).max() < 12
    assert np.abs(np.corrcoef(levels_db[:, 1], levels_db[:, 5])[0, 1]) < 0.6
    assert not np.array_equal(seven_band(hiss(), np.random.default_rng(0), limit_db=0), found[0])
    assert np.allclose(seven_band(hiss(), np.random.default_rng(0), limit_db=0), hiss(), atol=1e-5)
