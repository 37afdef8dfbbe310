"""OpenL3 by a file of the user's: a tiny stand-in with its interface, and sentences where it is missing or another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from emotion.exceptions import CheckpointError
from emotion.zoo.frontends import Chunked, Features, ImageAndFeatures, MelConfig
from emotion.zoo.openl3 import N_FEATURES, VARIABLE, openl3_means
from tests.audio_fixtures import make_audio
from training.data.cache import prepared_of

SECOND = np.full(22_050, 0.5, np.float32)


def stand_in(path: Path, n_features: int = N_FEATURES, *, is_negative: bool = False) -> Path:
    """A network that gives each second's mean level, or its negative, times 1, 2, 3 and so on."""
    seconds = ops.parameter([-1, 1, 48_000], np.float32)
    mean = ops.reduce_mean(seconds, np.array([1, 2]), keep_dims=False)
    mean = ops.negative(mean) if is_negative else mean
    scaled = ops.multiply(ops.unsqueeze(mean, 1), np.arange(1, n_features + 1, dtype=np.float32)[None])
    openvino.save_model(openvino.Model([scaled], [seconds]), path, compress_to_fp16=False)
    return path


def test_a_song_is_the_mean_over_its_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(stand_in(tmp_path / "openl3.xml")))
    made = openl3_means(np.concatenate([SECOND, np.zeros_like(SECOND)]))
    assert made.shape == (N_FEATURES,)
    assert made[:2] == pytest.approx([0.25, 0.5], abs=0.01)
    assert Features("openl3").prepare(SECOND).shape == (N_FEATURES,)


def test_other_weights_under_the_same_name_give_other_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, file = [make_audio(tmp_path / "song.wav", 6.0)], tmp_path / "openl3.xml"
    monkeypatch.setenv(VARIABLE, str(file))
    front_end = Chunked(ImageAndFeatures(MelConfig(window_s=3.0, image_size=8), "openl3"), hop_s=3.0, window_s=6.0)
    made = []
    for is_negative in (False, True):
        stand_in(file, is_negative=is_negative)
        made += [
            np.asarray(prepared_of(paths, front_end=each, cache_dir=tmp_path / "cache"))
            for each in (Features("openl3"), front_end)
        ]
    assert np.abs(made[0]).max() > 0
    assert np.allclose(made[2], -made[0])
    assert np.allclose(made[3][..., 64:], -made[1][..., 64:])


def test_without_a_file_or_with_another_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(CheckpointError, match="OpenL3's weights do not come with Moodplane"):
        openl3_means(SECOND)
    monkeypatch.setenv(VARIABLE, str(stand_in(tmp_path / "small.xml", 3)))
    with pytest.raises(CheckpointError, match="not 512 numbers"):
        openl3_means(SECOND)
    (tmp_path / "text.onnx").write_text("nothing")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "text.onnx"))
    with pytest.raises(CheckpointError, match="is not a network that OpenVINO can read"):
        openl3_means(SECOND)
