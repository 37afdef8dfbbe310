from pathlib import Path

import numpy as np
import pytest

from emotion.audio import read_window
from emotion.mel import MelConfig, log_mel_image
from tests.audio_fixtures import make_audio
from training import cache
from training.cache import images_of

CONFIG = MelConfig(image_size=64)


def test_training_and_serving_see_the_same_image(tmp_path: Path) -> None:
    paths = [make_audio(tmp_path / f"{i}.wav", 28, seed=i) for i in range(2)]
    images = images_of(paths, config=CONFIG, cache_dir=tmp_path / "cache", workers=1)
    for path, cached in zip(paths, images, strict=True):
        served = log_mel_image(read_window(path).waveform, CONFIG)
        assert np.array_equal(cached[0], served.astype(np.float16))
        assert not np.array_equal(cached[0], cached[1])


def test_what_is_cached_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_audio(tmp_path / "a.wav", 6)
    first = images_of([path], config=CONFIG, cache_dir=tmp_path / "cache", workers=1)
    # Processes are forked, so they would meet this too.
    monkeypatch.setattr(cache, "_images", lambda *_: pytest.fail("made again"))
    copy = tmp_path / "the same bytes under another name.wav"
    copy.write_bytes(path.read_bytes())
    assert np.array_equal(first, images_of([copy], config=CONFIG, cache_dir=tmp_path / "cache", workers=1))


def test_another_configuration_is_another_cache(tmp_path: Path) -> None:
    path = make_audio(tmp_path / "a.wav", 6)
    for config in (CONFIG, MelConfig(image_size=64, n_mels=96)):
        images_of([path], config=config, cache_dir=tmp_path / "cache", workers=1)
    assert len(list((tmp_path / "cache").iterdir())) == 2
