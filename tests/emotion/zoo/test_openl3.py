"""OpenL3 by a file of the user's: a tiny stand-in with its interface, and sentences where it is missing or another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from emotion.exceptions import CheckpointError
from emotion.zoo.frontends import Features
from emotion.zoo.openl3 import N_FEATURES, VARIABLE, openl3_means

SECOND = np.full(22_050, 0.5, np.float32)


def stand_in(path: Path, n_features: int = N_FEATURES) -> Path:
    """A network that gives each second's mean level times 1, 2, 3 and so on."""
    seconds = ops.parameter([-1, 1, 48_000], np.float32)
    mean = ops.reduce_mean(seconds, np.array([1, 2]), keep_dims=False)
    scaled = ops.multiply(ops.unsqueeze(mean, 1), np.arange(1, n_features + 1, dtype=np.float32)[None])
    openvino.save_model(openvino.Model([scaled], [seconds]), path, compress_to_fp16=False)
    return path


def test_a_song_is_the_mean_over_its_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(stand_in(tmp_path / "openl3.xml")))
    made = openl3_means(np.concatenate([SECOND, np.zeros_like(SECOND)]))
    assert made.shape == (N_FEATURES,)
    assert made[:2] == pytest.approx([0.25, 0.5], abs=0.01)
    assert Features("openl3").prepare(SECOND).shape == (N_FEATURES,)


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
