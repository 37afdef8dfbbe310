"""Hand-made features of a song: they are finite, named, and say what their names promise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.signal.audio import SAMPLE_RATE_HZ
from emotion.zoo.frontends import EXTRACTORS
from emotion.zoo.song_features import names, song_features

SECONDS = 6


def tone(*frequencies_hz: float, level: float = 0.2) -> NDArray[np.float32]:
    """Steady tones with three partials each."""
    times = np.arange(SECONDS * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    partials = [np.sin(2 * np.pi * n * hz * times) / n for hz in frequencies_hz for n in (1, 2, 3)]
    return np.asarray(level * np.sum(partials, axis=0) / len(frequencies_hz), np.float32)


def measured(waveform: NDArray[np.float32]) -> dict[str, float]:
    return dict(zip(names(), song_features(waveform).tolist(), strict=True))


def beats(per_minute: float) -> NDArray[np.float32]:
    """Short noises at a tempo."""
    waveform = np.zeros(SECONDS * SAMPLE_RATE_HZ, np.float32)
    noise = np.random.default_rng(0).normal(0, 0.3, 2000) * np.exp(-np.arange(2000) / 400)
    for start in np.arange(0, len(waveform) - 2000, 60 / per_minute * SAMPLE_RATE_HZ).astype(int):
        waveform[start : start + 2000] += noise.astype(np.float32)
    return waveform


def test_there_are_hundreds_each_with_a_name_of_its_own() -> None:
    assert len(set(names())) == len(names()) == EXTRACTORS["song_features"][1]
    assert len(names()) >= 400
    dimensions = {name.partition(":")[0] for name in names()}
    assert dimensions == {"melody", "harmony", "rhythm", "dynamics", "tone colour", "texture", "expressivity"}


@pytest.mark.parametrize("waveform", [np.zeros(SAMPLE_RATE_HZ, np.float32), tone(440.0), beats(120)])
def test_they_are_finite_whatever_is_heard(waveform: NDArray[np.float32]) -> None:
    assert np.isfinite(song_features(waveform)).all()


def test_level_pitch_mode_and_tempo_are_what_was_played() -> None:
    soft, loud = measured(tone(440.0, level=0.05)), measured(tone(440.0, level=0.5))
    assert loud["dynamics: level, mean"] - soft["dynamics: level, mean"] == pytest.approx(20, abs=0.1)
    low, high = measured(tone(220.0)), measured(tone(880.0))
    assert high["melody: pitch, mean"] - low["melody: pitch, mean"] == pytest.approx(24, abs=1)
    major, minor = measured(tone(261.6, 329.6, 392.0)), measured(tone(261.6, 311.1, 392.0))
    assert major["harmony: major over minor"] > minor["harmony: major over minor"] + 0.1
    # Half the tempo fits as well.
    assert min(abs(measured(beats(120))["rhythm: tempo"] - each) for each in (60, 120)) < 4
    assert measured(beats(120))["texture: share of percussion, mean"] > low["texture: share of percussion, mean"]
    assert measured(beats(180))["rhythm: onsets a second"] == pytest.approx(3, abs=0.3)


def test_another_key_changes_no_pitch_class() -> None:
    one, other = measured(tone(261.6, 329.6, 392.0)), measured(tone(311.1, 392.0, 466.2))
    for number in range(12):
        name = f"harmony: pitch class {number}, mean"
        assert one[name] == pytest.approx(other[name], abs=0.25)
