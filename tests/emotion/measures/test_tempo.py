"""Tempo of click tracks and of what has none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.measures.tempo import tempo_of
from emotion.signal.audio import SAMPLE_RATE_HZ

pytestmark = pytest.mark.unit


def clicks(bpm: float, seconds: float = 30.0, *, accents: tuple[float, ...] = (1.0,)) -> NDArray[np.float32]:
    """Return short bursts of noise on each beat, as loud as the accents in turn."""
    rng = np.random.default_rng(1)
    sound = 0.001 * rng.standard_normal(round(seconds * SAMPLE_RATE_HZ))
    burst = rng.standard_normal(800) * np.exp(-np.arange(800) / 150)
    starts = np.arange(0, len(sound) - 800, 60 / bpm * SAMPLE_RATE_HZ)
    for beat, start in enumerate(starts.astype(int)):
        sound[start : start + 800] += 0.5 * accents[beat % len(accents)] * burst
    return sound.astype(np.float32)


@pytest.mark.parametrize("bpm", [66, 84, 100, 120, 137.5, 150])
def test_clicks_have_their_tempo(bpm: float) -> None:
    tempo = tempo_of(clicks(bpm))
    assert tempo is not None
    assert tempo.bpm == pytest.approx(bpm, rel=0.005)
    assert tempo.steadiness > 0.9


def test_a_very_fast_pulse_names_its_half_or_is_it() -> None:
    tempo = tempo_of(clicks(200, accents=(1.0, 0.3)))
    assert tempo is not None
    assert tempo.bpm == pytest.approx(100, rel=0.01)


def test_where_half_or_double_is_nearly_as_likely_it_is_named() -> None:
    # From which ratio of the accents on the slower pulse wins is a matter of taste; on the way there both are named.
    found = [tempo_of(clicks(160, accents=(1.0, accent))) for accent in (1.0, 0.8, 0.6, 0.4, 0.2)]
    named = {round(other) for tempo in found if tempo and (other := tempo.other_bpm)}
    assert {round(tempo.bpm) for tempo in found if tempo} <= {80, 160}
    assert named
    assert named <= {80, 160}


def test_a_short_song_and_one_with_a_silent_half_have_a_tempo() -> None:
    assert tempo_of(clicks(110, seconds=6)).bpm == pytest.approx(110, rel=0.02)  # type: ignore[union-attr]
    half = np.concatenate([clicks(110, 30), np.zeros(30 * SAMPLE_RATE_HZ, np.float32)])
    assert tempo_of(half).bpm == pytest.approx(110, rel=0.01)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["silence", "nothing", "tone", "noise", "strokes at random"])
def test_what_has_no_beat_has_no_tempo(kind: str) -> None:
    n_samples = 60 * SAMPLE_RATE_HZ
    rng = np.random.default_rng(3)
    sound = {
        "silence": np.zeros(n_samples),
        "nothing": np.zeros(0),
        "tone": 0.3 * np.sin(2 * np.pi * 220 * np.arange(n_samples) / SAMPLE_RATE_HZ),
        "noise": 0.1 * rng.standard_normal(n_samples),
        "strokes at random": np.zeros(n_samples),
    }[kind].astype(np.float32)
    if kind == "strokes at random":
        for start in rng.integers(0, n_samples - 800, 60):
            sound[start : start + 800] += 0.5 * np.exp(-np.arange(800) / 150).astype(np.float32)
    assert tempo_of(sound) is None
