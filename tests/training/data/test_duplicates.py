"""The same recording under another name is found; other music is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.exceptions import AudioUnreadableError
from tests.audio_fixtures import make_audio
from training.data import duplicates
from training.data.duplicates import Match, duplicate_groups, find_matches, group_labels, landmarks, landmarks_of
from training.data.splits import artist_grouped_folds
from training.datasets import DATASETS

RATE_HZ = 22_050
SCALE_HZ = 220.0 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19]) / 12)
Sound = NDArray[np.float32]


def song(seed: int, seconds: float = 17.0) -> Sound:
    """Return two voices of one instrument in one key, as all songs here, over a quiet hiss: `(n_samples,)`."""
    rng = np.random.default_rng(seed)
    waveform = 0.002 * rng.standard_normal(round(seconds * RATE_HZ))
    for _ in range(2):
        start = 0
        while start < len(waveform):
            length = min(round(rng.uniform(0.15, 0.6) * RATE_HZ), len(waveform) - start)
            time_s = np.arange(length) / RATE_HZ
            note = sum(np.sin(2 * np.pi * k * rng.choice(SCALE_HZ) * time_s) / k for k in (1, 2, 3))
            waveform[start : start + length] += 0.15 * note * np.exp(-3 * time_s)
            start += length
    return waveform.astype(np.float32)


def with_noise(waveform: Sound, snr_db: float = 15.0) -> Sound:
    noise = np.random.default_rng(9).standard_normal(len(waveform))
    level = np.sqrt(np.mean(waveform**2)) * 10 ** (-snr_db / 20)
    noisy: Sound = (waveform + level * noise).astype(np.float32)
    return noisy


def write(path: Path, waveform: Sound) -> Path:
    return make_audio(path, waveform=waveform[:, None], sample_rate_hz=RATE_HZ)


def as_opus(path: Path, waveform: Sound) -> Path:
    padded = np.interp(
        np.arange(len(waveform) * 48_000 // RATE_HZ) * RATE_HZ / 48_000, np.arange(len(waveform)), waveform
    )
    return make_audio(path, waveform=padded.astype(np.float32)[:, None], sample_rate_hz=48_000)


@pytest.fixture(scope="module")
def others() -> list[Sound]:
    """Eight songs without duplicates."""
    return [song(seed) for seed in range(100, 108)]


ALTERATIONS: dict[str, Callable[[Path, Sound], Path]] = {
    "mp3": lambda folder, sound: write(folder / "b.mp3", sound),
    "opus": lambda folder, sound: as_opus(folder / "b.opus", sound),
    "another level": lambda folder, sound: write(folder / "b.wav", 0.05 * sound),
    "noise": lambda folder, sound: write(folder / "b.wav", with_noise(sound)),
    "another cut": lambda folder, sound: write(folder / "b.wav", sound[6 * RATE_HZ + 123 :]),
    "all of it": lambda folder, sound: as_opus(folder / "b.opus", 0.3 * with_noise(sound[5 * RATE_HZ + 71 :], 20.0)),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_the_same_recording_is_found_and_nothing_else(tmp_path: Path, others: list[Sound], alteration: str) -> None:
    sound = song(1)
    paths = [write(tmp_path / f"other {i}.wav", other) for i, other in enumerate(others)]
    paths[3:3] = [write(tmp_path / "a.mp3", sound)]
    paths.append(ALTERATIONS[alteration](tmp_path, sound))
    [match] = find_matches(landmarks_of(paths, cache_dir=tmp_path / "landmarks"))
    assert (match.first, match.second) == (3, 9)


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
    first_6_s, first_2_s = (other[:, 0] < seconds * RATE_HZ / duplicates.HOP_SAMPLES for seconds in (6.0, 2.0))
    assert len(find_matches([peaks, other])) == 1
    assert find_matches([peaks, other[first_6_s]]) == []
    assert len(find_matches([peaks, peaks[peaks[:, 0] < 6.0 * RATE_HZ / duplicates.HOP_SAMPLES]])) == 1
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
    really = duplicates._compare

    def counting(clips: list[NDArray[np.int32]], first: int, second: int, offset: int) -> Match | None:
        compared.append((first, second))
        return really(clips, first, second, offset)

    monkeypatch.setattr(duplicates, "_compare", counting)
    assert len(find_matches([landmarks(sound) for sound in (*others, others[2])])) == 1
    assert (2, 8) in compared
    assert len(compared) <= 4


def test_a_hash_that_is_everywhere_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    steady = np.array([(frame, 50) for frame in range(0, 200, 4)], np.int32)
    monkeypatch.setattr(duplicates, "_compare", lambda *_: pytest.fail("compared"))
    assert find_matches([steady] * 10) == []


def test_groups_follow_matches_through_one_another() -> None:
    matches = [Match(0, 3, 0.0, 9.0, 0.5), Match(3, 4, 0.0, 9.0, 0.5), Match(1, 5, 0.0, 9.0, 0.5)]
    a, b, c, d, e, f = group_labels(6, matches)
    assert a == d == e
    assert b == f
    assert len({a, b, c}) == 3
    assert group_labels(3, []).tolist() == [0, 1, 2]


def test_landmarks_are_cached_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [write(tmp_path / f"{seed}.wav", song(seed, 6.0)) for seed in (1, 2)]
    first = landmarks_of(paths, cache_dir=tmp_path / "landmarks")
    monkeypatch.setattr(duplicates, "read_window_at", lambda *_, **__: pytest.fail("read again"))
    copy = tmp_path / "copy.wav"
    copy.write_bytes(paths[0].read_bytes())
    again = landmarks_of([paths[1], copy], cache_dir=tmp_path / "landmarks")
    assert all(np.array_equal(a, b) for a, b in zip(first, again[::-1], strict=True))
    assert not list((tmp_path / "landmarks").rglob("*.part"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("no music")
    for name in ("text.mp3", "nowhere.mp3"):
        with pytest.raises(AudioUnreadableError, match=name):
            duplicate_groups([tmp_path / name], cache_dir=tmp_path / "landmarks")


@pytest.mark.needs_data
def test_known_duplicates_of_the_real_sets_share_a_side(mer_data: Path, tmp_path: Path) -> None:
    known = [
        ("4qaed/MT0000523076", "4qaed/MT0000941301"),
        ("4qaed/MT0002161109", "4qaed/MT0033415296"),
        ("emotify/170", "emotify/176"),
        ("emotify/359", "emotify/366"),
        ("emotify/172", "emotify/175"),
    ]
    every = {
        clip.id: clip
        for name in ("4qaed", "emotify")
        for clip in DATASETS[name].load(mer_data / DATASETS[name].folder, tmp_path)
    }
    twins = [every[name] for pair in known for name in pair]
    clips = [*twins, *(clip for clip in list(every.values())[::65] if clip not in twins)]
    groups = duplicate_groups([clip.audio for clip in clips], cache_dir=tmp_path / "landmarks")
    assert len(set(groups)) == len(clips) - len(known)
    label = dict(zip((clip.id for clip in clips), groups, strict=True))
    assert all(label[a] == label[b] for a, b in known)


def test_folds_keep_what_was_found_together(tmp_path: Path, others: list[Sound]) -> None:
    from tests.training.data.test_splits import two_sources

    paths = [write(tmp_path / f"{i}.wav", sound) for i, sound in enumerate((*others[:3], others[1][RATE_HZ:]))]
    found = duplicate_groups(paths, cache_dir=tmp_path / "landmarks")
    clips = two_sources(200)
    labels = np.arange(len(clips)) + len(found)
    labels[[0, 50, 100, 150]] = found
    for fold in artist_grouped_folds(clips, seed=1, duplicates=labels).folds:
        sides = [{clips[50].id, clips[150].id} & set(getattr(fold, part)) for part in ("train", "validation", "test")]
        assert sorted(map(len, sides)) == [0, 0, 2]
