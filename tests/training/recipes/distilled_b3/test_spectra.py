from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.exceptions import AudioUnreadableError
from emotion.signal.audio import read_window
from emotion.zoo.frontends import MelConfig, log_mel_image
from tests.audio_fixtures import make_audio
from training.recipes.distilled_b3.distil import windows
from training.recipes.distilled_b3.mixtures import Spectra, spectra_of, stretch_at

pytestmark = pytest.mark.slow

MEL = MelConfig(hop_samples=1024, f_max_hz=8000.0, frames_as_channels=True)


def test_spectra_are_cached_by_content_and_a_bad_file_says_why(tmp_path: Path) -> None:
    good, bad = make_audio(tmp_path / "a.wav", 7), tmp_path / "b.wav"
    bad.write_bytes(b"nothing")
    first, refused = spectra_of([good, bad], config=MEL, cache_dir=tmp_path / "cache", workers=1)
    assert isinstance(first, Spectra)
    assert isinstance(refused, AudioUnreadableError)
    assert first.student.shape == (1 + 7 * 22_050 // 1024, 128)
    assert first.teacher.shape == (1 + 7 * 16_000 // 256, 96)
    assert -30 < first.level_db < -5
    (kept,) = (tmp_path / "cache").rglob("*.npz")
    kept_at = kept.stat().st_mtime_ns
    renamed = good.rename(tmp_path / "renamed.wav")
    (again,) = spectra_of([renamed], config=MEL, cache_dir=tmp_path / "cache", workers=1)
    assert isinstance(again, Spectra)
    assert np.array_equal(again.student, first.student)
    assert kept.stat().st_mtime_ns == kept_at


@pytest.mark.parametrize("seconds", [10, 31])
def test_a_window_is_what_serving_makes_of_the_file(tmp_path: Path, seconds: float) -> None:
    path = make_audio(tmp_path / "a.flac", seconds)
    (spectra,) = spectra_of([path], config=MEL, cache_dir=tmp_path / "cache", workers=1)
    assert isinstance(spectra, Spectra)
    (trained,) = windows([spectra], MEL)
    served = MEL.tensor(torch.from_numpy(log_mel_image(read_window(path).waveform, MEL)[None]))
    # Half precision and, at the ends of a window, frames that begin elsewhere; one unit is 22 dB.
    gap = (trained - served).abs()
    assert trained.shape == served.shape
    assert gap.median() < 0.1
    assert np.corrcoef(trained.flatten(), served.flatten())[0, 1] > 0.85


def test_a_short_clip_repeats_and_a_long_one_is_cut_where_asked() -> None:
    frames = np.arange(10, dtype=np.float16)[:, None]
    assert stretch_at(frames, 4, 0.5)[:, 0].tolist() == [3, 4, 5, 6]
    assert stretch_at(frames, 4, 1.0)[:, 0].tolist() == [6, 7, 8, 9]
    assert stretch_at(frames[:3], 7)[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 0]
