"""The key of chords, in any tuning, and of what has none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.measures.tonality import KeyMeter, Tonality
from emotion.signal.audio import SAMPLE_RATE_HZ

pytestmark = pytest.mark.unit
# A cadence, in scale degrees above the tonic: I IV V I, and i iv V i.
MAJOR = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))
MINOR = ((0, 3, 7), (5, 8, 12), (7, 11, 14), (0, 3, 7))


def chords(
    tonic: int, cadence: tuple[tuple[int, ...], ...], *, cents: float = 0.0, each_s: float = 1.0
) -> NDArray[np.float32]:
    """Return a cadence played twice; `tonic` is 0 for C."""
    time_s = np.arange(round(each_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ

    def note(step: int) -> NDArray[np.floating]:
        hz = 261.63 * 2 ** ((tonic + step + cents / 100) / 12)
        return np.asarray(sum(np.sin(2 * np.pi * hz * n * time_s) / n for n in (1, 2, 3)))

    sound = [sum(note(step) for step in (*chord, chord[0] - 12)) for chord in cadence * 2]
    return (0.1 * np.concatenate(sound)).astype(np.float32)


def key_of(sound: NDArray[np.float32], n_piece: int = 30_000) -> Tonality | None:
    meter = KeyMeter()
    for start in range(0, len(sound), n_piece):
        meter.add(sound[start : start + n_piece])
    return meter.result()


@pytest.mark.parametrize("tonic", [0, 1, 5, 6, 9, 11])
def test_a_cadence_has_its_key(tonic: int) -> None:
    for cadence, first in ((MAJOR, 0), (MINOR, 12)):
        found = key_of(chords(tonic, cadence))
        assert found is not None
        assert found.key == first + tonic
        assert found.likeness > 0.83


@pytest.mark.parametrize("cents", [-40, 35])
def test_a_recording_in_another_tuning_has_the_same_key(cents: float) -> None:
    assert key_of(chords(9, MINOR, cents=cents)).key == 21  # type: ignore[union-attr]


def test_it_does_not_matter_in_which_pieces_a_song_comes() -> None:
    sound = chords(2, MAJOR)
    assert key_of(sound, 1_000) == key_of(sound, 100_000)


@pytest.mark.parametrize("level", [0.0, 1e-5])
def test_silence_has_no_key(level: float) -> None:
    assert key_of((level * chords(0, MAJOR)).astype(np.float32)) is None
    assert key_of(np.zeros(100, np.float32)) is None


def test_noise_has_no_key() -> None:
    noise = 0.1 * np.random.default_rng(2).standard_normal(30 * SAMPLE_RATE_HZ)
    assert key_of(noise.astype(np.float32)) is None
