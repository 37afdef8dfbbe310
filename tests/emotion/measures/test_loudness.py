"""Loudness by EBU R 128: the signals of EBU Tech 3341, made here, and what its gate and its channels do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.files.recording import Block
from emotion.measures.loudness import Loudness, LoudnessMeter
from emotion.signal.audio import stream_sound
from tests.audio_fixtures import make_audio

pytestmark = pytest.mark.unit
RATE_HZ = 48_000


def sine(*steps: tuple[float, float], frequency_hz: float = 997.0, phase: float = 0.0) -> NDArray[np.float32]:
    """Return a sine in steps of (peak in dBFS, seconds)."""
    levels = np.concatenate([np.full(round(seconds * RATE_HZ), 10 ** (level / 20)) for level, seconds in steps])
    time_s = np.arange(len(levels)) / RATE_HZ
    return (levels * np.sin(2 * np.pi * frequency_hz * time_s + phase)).astype(np.float32)


def loudness(*channels: NDArray[np.float32], layout: str = "stereo", n_block: int = 100_000) -> Loudness:
    sound = np.stack(channels)
    meter = LoudnessMeter()
    for start in range(0, sound.shape[1], n_block):
        piece = sound[:, start : start + n_block]
        meter.add(Block(piece.mean(axis=0), piece, layout), RATE_HZ)
    return meter.result()


@pytest.mark.parametrize(
    "steps",
    [
        [(-23, 20)],
        # The gate leaves out what is far below the rest, and what is below -70 LUFS altogether.
        [(-36, 10), (-23, 60), (-36, 10)],
        [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)],
        [(-26, 20), (-20, 20.1), (-26, 20)],
    ],
)
def test_the_signals_of_the_standard_read_minus_23(steps: list[tuple[float, float]]) -> None:
    tone = sine(*steps)
    assert loudness(tone, tone).integrated_lufs == pytest.approx(-23.0, abs=0.1)


def test_surround_weighs_its_channels_and_leaves_out_the_lowest() -> None:
    front, centre, back, bass = (sine((level, 20)) for level in (-28, -24, -30, -6))
    measured = loudness(front, front, centre, bass, back, back, layout="5.1(side)")
    assert measured.integrated_lufs == pytest.approx(-23.0, abs=0.1)


def test_mono_is_as_loud_as_the_same_on_two_speakers() -> None:
    tone = sine((-23, 5))
    mono = loudness(tone, layout="mono")
    assert mono == pytest.approx(loudness(tone, tone), abs=0.01)


@pytest.mark.parametrize(("level", "phase"), [(-6, 45), (-6, 0), (0, 45)])
def test_the_true_peak_is_that_between_the_samples(level: float, phase: float) -> None:
    tone = sine((level, 1), frequency_hz=RATE_HZ / 4, phase=np.radians(phase))
    # A sudden beginning would itself be higher between its samples.
    tone *= np.minimum(1, np.linspace(0, 10, len(tone), dtype=np.float32))
    assert loudness(tone, tone).true_peak_dbtp == pytest.approx(level, abs=0.2)


def test_blocks_of_any_size_measure_the_same() -> None:
    rng = np.random.default_rng(1)
    noise = (0.1 * rng.standard_normal((2, 5 * RATE_HZ)) * np.linspace(0.1, 1, 5 * RATE_HZ)).astype(np.float32)
    assert loudness(*noise, n_block=1_000) == loudness(*noise, n_block=77_777)


@pytest.mark.parametrize("sound", [np.zeros(RATE_HZ * 3), np.zeros(0), sine((-90, 3)), sine((-20, 0.1))])
def test_silence_and_less_than_a_moment_have_no_loudness(sound: NDArray[np.float32]) -> None:
    quiet = sound.astype(np.float32)
    assert loudness(quiet, quiet) == (None, None)
    assert LoudnessMeter().result() == (None, None)


def test_a_recording_that_goes_on_in_mono_is_measured_to_its_end() -> None:
    tone = sine((-23, 5))
    meter = LoudnessMeter()
    meter.add(Block(tone, np.stack([tone, tone]), "stereo"), RATE_HZ)
    meter.add(Block(tone * 4, tone[None] * 4, "mono"), RATE_HZ)
    assert meter.result().integrated_lufs == pytest.approx(-23 + 10 * np.log10(17 / 2), abs=0.2)


def test_a_file_is_measured_in_stereo_and_not_in_mono(tmp_path: Path) -> None:
    left = sine((-20, 6))
    apart = np.stack([left, sine((-20, 6), phase=np.pi)], axis=1)
    path = make_audio(tmp_path / "a.flac", waveform=apart, sample_rate_hz=RATE_HZ)
    meter = LoudnessMeter()
    for _mono in stream_sound(path, on_block=meter.add):
        pass
    assert meter.result().integrated_lufs == pytest.approx(-20.0, abs=0.1)
