"""Emotion curves against those that people drew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion.inference.predict import Predictor
from tests.audio_fixtures import make_audio
from tests.training.made_models import made_weights
from training.datasets import Clip, Curve
from training.evaluation.curves import Followed, curve_table, follow


def followed(artist: str, drawn: np.ndarray, estimated: np.ndarray) -> Followed:
    return Followed("vgmidi", artist, np.column_stack([drawn, drawn]), np.column_stack([estimated, -estimated]))


def test_songs_that_differ_rightly_and_change_wrongly_are_told_apart() -> None:
    rise = np.linspace(-0.1, 0.1, 9)
    songs = [followed(f"artist {i}", level + rise, level - rise) for i, level in enumerate((-0.6, -0.2, 0.3, 0.6))]
    [row] = curve_table(songs).rows
    name, n, points, valence, arousal, changing, valence_within, arousal_within = row
    assert (name, n, points, changing) == ("vgmidi", 4, 36, 4)
    assert float(valence.split()[0]) > 0.9
    assert float(arousal.split()[0]) < -0.9
    assert float(valence_within.split()[0]) == pytest.approx(-1)
    assert float(arousal_within.split()[0]) == pytest.approx(1)


def test_clips_too_short_to_change_have_no_correlation_within() -> None:
    points = [followed(f"artist {i}", np.array([level]), np.array([level])) for i, level in enumerate(np.arange(6) / 9)]
    [row] = curve_table(points).rows
    assert row[3].startswith("1.000")
    assert row[5:] == (0, None, None)


@pytest.mark.slow
def test_curves_are_read_off_at_the_times_of_the_estimates(tmp_path: Path) -> None:
    clip = Clip("vgmidi/1", "vgmidi", "1", "series", make_audio(tmp_path / "a.wav", seconds=44), None)
    time_s = np.arange(0.0, 45.0)
    drawn = [Curve(time_s, time_s / 50, -time_s / 50, "a"), Curve(time_s[:29], time_s[:29] / 50, time_s[:29] / 50, "b")]
    predictor = Predictor.load(made_weights(tmp_path, "small"), engine="torch", device="cpu")
    log: list[str] = []
    missing = replace(clip, id="vgmidi/2", audio=tmp_path / "missing.wav")
    [found] = follow(predictor, [clip, missing], {clip.id: drawn, missing.id: drawn}, log=log.append)
    # Windows of 24 s have their middle at 12 s, then every four seconds; the second listener stops at 28 s.
    assert found.drawn[:, 0] == pytest.approx(np.arange(12, 29, 4) / 50)
    assert found.drawn[:, 1] == pytest.approx(np.zeros(5))
    assert found.estimated.shape == (5, 2)
    assert len(log) == 1
    assert "vgmidi/2" in log[0]
