"""The same recording under another name is found; other music is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emotion.exceptions import AudioUnreadableError
from emotion.signal.landmarks import Match, find_matches
from tests.audio_fixtures import make_audio
from tests.songs import RATE_HZ, Sound, song, with_noise
from training.data import duplicates
from training.data.duplicates import duplicate_groups, group_labels, landmarks_of
from training.data.splits import artist_grouped_folds
from training.datasets import DATASETS


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
