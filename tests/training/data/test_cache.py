"""The image cache: what training reads is what serving computes, whatever happened while it was built."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from emotion.exceptions import AudioUnreadableError
from emotion.inference.checkpoint import Card
from emotion.inference.predict import Outputs, Predictor
from emotion.zoo.efficientnet_b3 import EfficientNetConfig
from emotion.zoo.frontends import MelConfig, log_mel_image
from tests.audio_fixtures import make_audio, make_waveform
from training.data import cache
from training.data.cache import ImageCacheError, images_of, to_device

pytestmark = pytest.mark.slow

CONFIG = MelConfig(image_size=32, n_mels=48)
_FORK = multiprocessing.get_context("fork")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Three short recordings."""
    return [make_audio(tmp_path / f"{i}.wav", 5.5, seed=i) for i in range(3)]


def build(paths: list[Path], folder: Path) -> NDArray[np.float16]:
    return np.asarray(images_of(paths, config=CONFIG, cache_dir=folder / "cache", workers=1))


def served(paths: list[Path], config: MelConfig) -> NDArray[np.float32]:
    """Return the images that `emotion.inference.predict` gives to its engine."""
    given: list[NDArray[np.float32]] = []

    class Recorder:
        name = device = "recorder"

        def run(self, images: NDArray[np.float32]) -> Outputs:
            given.append(images.copy())
            return Outputs(np.zeros((len(images), 4), np.float32), np.ones((len(images), 64), np.float32), None)

    card = Card("a test", config, EfficientNetConfig())
    results = list(Predictor(card, Recorder()).predict(paths, workers=1))  # type: ignore[arg-type]
    assert not [result for result in results if isinstance(result, AudioUnreadableError)]
    return np.concatenate(given)


def with_a_silent_centre(rate_hz: int) -> NDArray[np.float32]:
    waveform = make_waveform(28, sample_rate_hz=rate_hz, channels=1, seed=5)
    waveform[round(1.8 * rate_hz) : round(26.2 * rate_hz)] = 0.0
    return waveform


@pytest.mark.parametrize("codec", ["wav", "mp3", "opus", "m4a"])
def test_serving_and_training_see_the_same_image_bit_for_bit(tmp_path: Path, codec: str) -> None:
    paths = [
        make_audio(tmp_path / f"long.{codec}", 25, seed=1, sample_rate_hz=48_000, channels=1),
        make_audio(tmp_path / f"short.{codec}", 6, seed=2, sample_rate_hz=48_000),
        make_audio(tmp_path / f"edges.{codec}", waveform=with_a_silent_centre(48_000), sample_rate_hz=48_000),
    ]
    config = MelConfig(image_size=64)
    images = images_of(paths, config=config, cache_dir=tmp_path / "cache")
    # Half precision is the cache's only liberty: what it keeps is the served image, rounded.
    assert np.asarray(images[:, 0]).tobytes() == served(paths, config).astype(np.float16).tobytes()


def test_the_silent_centre_of_these_tests_is_not_the_window_used(tmp_path: Path) -> None:
    """Guards the first test: a reader that took the centre blindly would make another image."""
    path = make_audio(tmp_path / "edges.wav", waveform=with_a_silent_centre(22_050))
    centre = log_mel_image(np.zeros(24 * 22_050, np.float32), CONFIG)
    assert images_of([path], config=CONFIG, cache_dir=tmp_path)[0, 0].max() > centre.max()


def test_another_place_is_another_window_and_a_short_clip_has_only_one(tmp_path: Path) -> None:
    rising = make_waveform(40) * np.linspace(0.1, 1.0, 40 * 22_050, dtype=np.float32)[:, None]
    paths = [make_audio(tmp_path / "long.wav", waveform=rising), make_audio(tmp_path / "short.wav", 6)]
    images = images_of(paths, config=CONFIG, cache_dir=tmp_path, places=(0.0, 0.5, 1.0))
    assert images.shape == (2, 3, 32, 32)
    level = np.asarray(images).mean(axis=(2, 3), dtype=float)
    assert level[0, 0] < level[0, 1] < level[0, 2]
    assert np.array_equal(images[1, 0], images[1, 1])
    assert np.array_equal(images[1, 0], images[1, 2])


def test_a_short_clip_is_repeated_or_padded_as_asked(tmp_path: Path) -> None:
    path = make_audio(tmp_path / "short.wav", 8)
    repeated, padded = (
        images_of([path], config=CONFIG, cache_dir=tmp_path, padded=padded)[0, 0] for padded in (False, True)
    )
    assert padded[:, :9].mean() == pytest.approx(repeated[:, :9].mean(), abs=0.02)
    assert repeated[:, 12:].mean() == pytest.approx(repeated[:, :9].mean(), abs=0.02)
    assert not padded[:, 12:].any()


def test_the_images_of_another_configuration_or_shape_are_stored_apart(paths: list[Path], tmp_path: Path) -> None:
    whole_frames = MelConfig(n_mels=48, frames_as_channels=True)
    for config in (CONFIG, MelConfig(image_size=32, n_mels=64), whole_frames):
        images = images_of(paths[:1], config=config, cache_dir=tmp_path / "cache")
        assert images.shape == (1, 2, *config.image_shape)
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_a_cached_image_is_found_by_its_content_and_not_made_again(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(paths, tmp_path)
    monkeypatch.setattr(cache, "log_mel_image", lambda *_: pytest.fail("made again"))
    copy = tmp_path / "the same bytes under another name.wav"
    copy.write_bytes(paths[1].read_bytes())
    assert np.array_equal(build([copy, paths[0], copy], tmp_path), first[[1, 0, 1]])


def test_images_are_indexed_as_an_array_is(paths: list[Path], tmp_path: Path) -> None:
    build(paths[::-1], tmp_path)
    images = images_of(paths, config=CONFIG, cache_dir=tmp_path / "cache")
    array = np.asarray(images)
    rows = np.array([2, 0])
    assert len(images) == len(array)
    assert images.dtype == array.dtype
    for key in (
        1,
        -1,
        [2, 0],
        slice(0, 2),
        array[:, 0, 0, 0] >= 0,
        (rows, 0),
        (rows, np.array([1, 0])),
        (slice(None), 0),
        (slice(None), np.array([1, 0, 1])),
        (slice(1, None), slice(None), 5),
        (rows, slice(None), slice(2, 9), slice(None, None, 2)),
        (..., 3),
        ...,
    ):
        assert np.array_equal(images[key], array[key]), key
    with pytest.raises(IndexError):
        images[3]


def test_silent_files_are_all_named_and_the_others_stay(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = make_audio(tmp_path / "silent.wav", waveform=np.zeros((22_050 * 8, 1), np.float32))
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"this is no music")
    with pytest.raises(AudioUnreadableError, match=r"2 files .*silent\.wav.*broken\.mp3") as caught:
        build([paths[0], silent, broken, paths[1]], tmp_path)
    assert caught.value.code == "silent"
    with pytest.raises(AudioUnreadableError, match=r"nowhere\.wav is not there"):
        build([tmp_path / "nowhere.wav"], tmp_path)
    monkeypatch.setattr(cache, "log_mel_image", lambda *_: pytest.fail("made again"))
    assert len(build(paths[:2], tmp_path)) == 2


def test_no_files_are_no_images(tmp_path: Path) -> None:
    assert images_of([], config=CONFIG, cache_dir=tmp_path).shape == (0, 2, 32, 32)


# --- Killed, crowded, full ----------------------------------------------------------------------------------------


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_another_process(work: Callable[[], object]) -> int | None:
    process = _FORK.Process(target=work)
    process.start()
    process.join(60)
    return process.exitcode


@pytest.mark.parametrize("written", range(0, 400, 37))
def test_a_build_that_is_killed_goes_on_where_it_was(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """Writes go to the disk in small pieces here, and the process dies after some number of them."""
    monkeypatch.setattr(cache, "_BATCH", 1)
    pieces, really_write = [0], os.pwrite

    def write_a_little(descriptor: int, content: memoryview, offset: int) -> int:
        pieces[0] += 1
        if pieces[0] > written:
            die()
        return really_write(descriptor, content[: 11 if len(content) <= 32 else 37], offset)

    def build_and_die() -> None:
        monkeypatch.setattr(os, "pwrite", write_a_little)
        build(paths, tmp_path)

    assert in_another_process(build_and_die) == (-signal.SIGKILL if written < 350 else 0)
    assert np.array_equal(build(paths, tmp_path), build(paths, tmp_path / "afresh"))


def test_rows_that_a_power_cut_took_are_made_again(paths: list[Path], tmp_path: Path) -> None:
    first = build(paths, tmp_path)
    [folder] = (tmp_path / "cache").iterdir()
    os.truncate(folder / "images", (folder / "images").stat().st_size - 1)
    assert np.array_equal(build(paths, tmp_path), first)


def test_two_builds_at_once_make_one_good_cache(paths: list[Path], tmp_path: Path) -> None:
    processes = [
        _FORK.Process(target=build, args=(mine, tmp_path)) for mine in (paths, paths[::-1], [paths[1]], paths[1:])
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    [folder] = (tmp_path / "cache").iterdir()
    assert (folder / "index").stat().st_size == 3 * 32
    assert np.array_equal(build(paths, tmp_path), build(paths, tmp_path / "afresh"))


def test_a_full_disk_is_said_and_the_cache_stays_usable(paths: list[Path], tmp_path: Path) -> None:
    first = build(paths[:1], tmp_path)
    row_bytes = first[0].nbytes
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # The kernel then writes the second row in part and refuses the rest, as a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (row_bytes * 3 // 2, limits[1]))
        with pytest.raises(ImageCacheError, match=r"disk of .* is full .*1 clips' images are kept"):
            build(paths, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    [folder] = (tmp_path / "cache").iterdir()
    assert (folder / "images").stat().st_size == row_bytes
    assert np.array_equal(build(paths[:1], tmp_path), first)
    assert np.array_equal(build(paths, tmp_path), build(paths, tmp_path / "afresh"))


def test_a_disk_that_fills_while_names_are_written_keeps_no_nameless_row(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_write = os.pwrite

    def write(descriptor: int, content: memoryview, offset: int) -> int:
        if len(content) <= 96 and offset >= 40:
            raise OSError(errno.ENOSPC, "No space left on device")
        return really_write(descriptor, content[:40], offset)

    monkeypatch.setattr(os, "pwrite", write)
    with pytest.raises(ImageCacheError, match="0 clips' images are kept"):
        build(paths, tmp_path)
    monkeypatch.undo()
    [folder] = (tmp_path / "cache").iterdir()
    assert (folder / "index").stat().st_size == (folder / "images").stat().st_size == 0
    assert np.array_equal(build(paths, tmp_path), build(paths, tmp_path / "afresh"))


def test_a_build_that_cannot_fit_is_not_begun(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    monkeypatch.setattr(cache, "log_mel_image", lambda *_: pytest.fail("begun"))
    with pytest.raises(ImageCacheError, match=r"3 clips' images need 12 KiB and were not begun"):
        build(paths, tmp_path)


# --- On a device --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no GPU."))],
)
def test_the_whole_cache_is_loaded_onto_a_device(paths: list[Path], tmp_path: Path, device: str) -> None:
    images = images_of(paths, config=CONFIG, cache_dir=tmp_path)
    loaded = to_device(images, device)
    assert loaded.dtype == torch.float16
    assert loaded.device.type == device
    assert np.array_equal(loaded.cpu().numpy(), np.asarray(images))


def test_images_that_do_not_fit_a_device_are_refused(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = images_of(paths, config=CONFIG, cache_dir=tmp_path)
    monkeypatch.setattr(cache, "_free_bytes", lambda _: 3 * 2 * 32 * 32 * 2 - 1)
    with pytest.raises(ImageCacheError, match=r"3 clips' images need 12 KiB, but cpu has 12.0 KiB free"):
        to_device(images, "cpu")
