"""Peaks of a spectrogram: what two recordings share, where, and for how long."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.signal import landmarks as engine
from emotion.signal.landmarks import HOP_SAMPLES, Match, find_matches, landmarks
from tests.songs import RATE_HZ, Sound, song


@pytest.fixture(scope="module")
def others() -> list[Sound]:
    """Eight songs without duplicates."""
    return [song(seed) for seed in range(100, 108)]


def test_a_match_says_where_and_how_long() -> None:
    sound = song(1, 20.0)
    first, second = sound[: 12 * RATE_HZ], sound[4 * RATE_HZ :]
    [match] = find_matches([landmarks(first), landmarks(second)])
    assert match.offset_s == pytest.approx(-4.0, abs=0.05)
    assert match.overlap_s == pytest.approx(8.0, abs=0.5)


def test_different_songs_of_one_instrument_in_one_key_do_not_match(others: list[Sound]) -> None:
    assert find_matches([landmarks(other) for other in others]) == []


def test_another_take_is_another_recording() -> None:
    """The same notes played a little faster: a cover, which this search is not for."""
    sound = song(1)
    faster = np.interp(np.arange(0, len(sound) - 1, 1.06), np.arange(len(sound)), sound).astype(np.float32)
    assert find_matches([landmarks(sound), landmarks(faster)]) == []


def test_a_short_stretch_must_agree_better_than_a_long_one() -> None:
    peaks = landmarks(song(1, 20.0))
    rng = np.random.default_rng(0)
    some = peaks[rng.random(len(peaks)) < 0.3]
    strangers = np.column_stack([rng.integers(0, peaks[-1, 0], len(some)), rng.integers(0, 395, len(some))])
    other = np.vstack([some, strangers]).astype(np.int32)
    other = other[np.lexsort((other[:, 1], other[:, 0]))]
    first_6_s, first_2_s = (other[:, 0] < seconds * RATE_HZ / HOP_SAMPLES for seconds in (6.0, 2.0))
    assert len(find_matches([peaks, other])) == 1
    assert find_matches([peaks, other[first_6_s]]) == []
    assert len(find_matches([peaks, peaks[peaks[:, 0] < 6.0 * RATE_HZ / HOP_SAMPLES]])) == 1
    assert find_matches([peaks, peaks[: first_2_s.sum()]]) == []


def test_silence_matches_nothing() -> None:
    silence = np.zeros(5 * RATE_HZ, np.float32)
    found = [landmarks(waveform) for waveform in (silence, silence, song(1, 1.0), silence[:100])]
    assert [len(peaks) for peaks in found[:2]] == [0, 0]
    assert find_matches(found) == []
    assert find_matches([]) == []


def test_clips_that_share_nothing_never_meet(others: list[Sound], monkeypatch: pytest.MonkeyPatch) -> None:
    """The search is not allowed to compare everything with everything."""
    compared: list[tuple[int, int]] = []
    really = engine._compare

    def counting(clips: list[NDArray[np.int32]], first: int, second: int, offset: int) -> Match | None:
        compared.append((first, second))
        return really(clips, first, second, offset)

    monkeypatch.setattr(engine, "_compare", counting)
    assert len(find_matches([landmarks(sound) for sound in (*others, others[2])])) == 1
    assert (2, 8) in compared
    assert len(compared) <= 4


def test_a_hash_that_is_everywhere_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    steady = np.array([(frame, 50) for frame in range(0, 200, 4)], np.int32)
    monkeypatch.setattr(engine, "_compare", lambda *_: pytest.fail("compared"))
    assert find_matches([steady] * 10) == []
