import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from emotion.zoo.frontends import MelConfig, fill_window, log_mel, log_mel_image
from tests.audio_fixtures import make_waveform


def tone(frequency_hz: float, seconds: float = 24.0) -> NDArray[np.float32]:
    time_s = np.arange(round(seconds * 22_050)) / 22_050
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def test_an_image_has_the_paper_s_size_and_range() -> None:
    image = log_mel_image(make_waveform(24)[:, 0], MelConfig())
    assert image.shape == (300, 300)
    assert image.dtype == np.float32
    assert 0 <= image.min() < image.max() <= 1


def test_rows_go_from_low_to_high() -> None:
    rows = [log_mel_image(tone(hz), MelConfig()).mean(axis=1).argmax() for hz in (200, 1000, 5000)]
    assert rows == sorted(rows)
    assert rows[0] < rows[1] < rows[2]


def test_loudness_still_matters() -> None:
    config = MelConfig()
    loud, quiet = log_mel_image(tone(440), config), log_mel_image(tone(440) / np.float32(10), config)
    # Twenty decibels less, in units of the image's range.
    assert (loud - quiet).max() == pytest.approx(20 / config.range_db, abs=0.01)


def test_a_short_waveform_is_repeated() -> None:
    waveform = tone(440, 6)
    filled = fill_window(waveform, MelConfig())
    assert len(filled) == 24 * 22_050
    assert np.array_equal(filled[: len(waveform)], filled[len(waveform) : 2 * len(waveform)])


def test_the_same_samples_give_the_same_bits() -> None:
    waveform = make_waveform(10)[:, 0]
    assert np.array_equal(log_mel_image(waveform, MelConfig()), log_mel_image(waveform.copy(), MelConfig()))


def test_the_fingerprint_changes_with_every_number() -> None:
    base = MelConfig(f_max_hz=8000.0)
    # Songs are read at one sample rate.
    names = [field.name for field in dataclasses.fields(base) if field.name != "sample_rate_hz"]
    changed = {dataclasses.replace(base, **{name: getattr(base, name) + 1}).fingerprint for name in names}
    assert len(changed | {base.fingerprint}) == len(names) + 1


def test_input_is_centred_and_repeated_over_colours() -> None:
    inputs = MelConfig().tensor(torch.full((2, 300, 300), 0.75))
    assert inputs.shape == (2, 3, 300, 300)
    assert torch.all(inputs == 1.0)


FRAMES = MelConfig(hop_samples=1024, frames_as_channels=True)


def test_frames_become_channels_in_their_order() -> None:
    rows, columns = FRAMES.image_shape
    assert (rows, columns, FRAMES.network_shape) == (128, 516, (128, 172))
    time = np.broadcast_to(np.arange(columns, dtype=np.float32) / columns, (1, rows, columns))
    inputs = FRAMES.tensor(torch.from_numpy(time.copy())).numpy()
    assert inputs.shape == (1, 3, 128, 172)
    in_order = inputs.transpose(0, 2, 3, 1).reshape(1, rows, columns) * 0.25 + 0.5
    assert np.allclose(in_order, time, atol=1e-6)


def test_an_image_of_frames_is_not_resized() -> None:
    rng = np.random.default_rng(0)
    waveform = rng.normal(0, 0.1, 24 * 22_050).astype(np.float32)
    image = log_mel_image(waveform, FRAMES)
    assert image.shape == FRAMES.image_shape
    level_db = log_mel(waveform, FRAMES)[:, : image.shape[1]]
    assert np.array_equal(image, np.clip((level_db - 40) / 90 + 1, 0, 1).astype(np.float32))
