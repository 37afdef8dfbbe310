"""Spectra agree with librosa's, in arrays and in a network, and their bases learn where they are asked to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emotion.inference.predict import compile_openvino
from emotion.signal.audio import SAMPLE_RATE_HZ
from emotion.zoo.spectra import Cqt, Mel, Mfcc, SpecAugment, Stft
from tests.audio_fixtures import make_waveform

pytestmark = pytest.mark.zoo
WAVEFORM = make_waveform(2, channels=1)[:, 0]
N_MELS = 64


def mfcc(*, trainable: bool = False) -> nn.Module:
    return nn.Sequential(Mel(N_MELS, trainable=trainable), Mfcc(13, N_MELS, trainable=trainable))


MADE: dict[str, Callable[..., nn.Module]] = {"stft": Stft, "mel": Mel, "mfcc": mfcc, "cqt": Cqt}


def spectrum_of(layer: nn.Module, waveform: NDArray[np.float32] = WAVEFORM) -> NDArray[np.float32]:
    with torch.no_grad():
        return np.asarray(layer(torch.from_numpy(waveform)[None, None])[0])


def expected_of(name: str) -> NDArray[np.floating]:
    numbers: dict[str, Any] = {"n_fft": 1024, "hop_length": 512, "pad_mode": "reflect"}
    if name == "stft":
        return np.asarray(np.abs(librosa.stft(WAVEFORM, n_fft=1024, hop_length=256, pad_mode="reflect")))
    if name == "mel":
        return librosa.feature.melspectrogram(y=WAVEFORM, sr=SAMPLE_RATE_HZ, n_mels=128, **numbers)
    return librosa.feature.mfcc(y=WAVEFORM, sr=SAMPLE_RATE_HZ, n_mfcc=13, n_mels=N_MELS, **numbers)


@pytest.mark.parametrize("name", ["stft", "mel", "mfcc"])
def test_it_agrees_with_librosa_to_a_ten_thousandth_of_the_largest_value(name: str) -> None:
    found, expected = spectrum_of(MADE[name]()), expected_of(name)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_the_constant_q_transform_agrees_with_librosa_to_one_percent_of_the_largest_value() -> None:
    # librosa resamples for each octave, and drops the last hundredth of each filter; at the ends, where a filter is
    # half outside, it mirrors each octave's samples.
    expected = np.abs(librosa.cqt(WAVEFORM, sr=SAMPLE_RATE_HZ, fmin=32.7, n_bins=84, pad_mode="reflect"))
    found = spectrum_of(Cqt())
    assert found.shape == expected.shape
    assert np.abs(found - expected)[:, 12:-12].max() < 0.01 * expected.max()


@pytest.mark.parametrize("semitone", [0, 21, 45, 80])
def test_the_constant_q_transform_is_largest_at_a_tones_semitone(semitone: int) -> None:
    time_s = np.arange(2 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    tone = np.sin(2 * np.pi * 32.7 * 2 ** (semitone / 12) * time_s).astype(np.float32)
    assert (spectrum_of(Cqt(), tone)[:, 20:-20].argmax(axis=0) == semitone).all()


def test_frequencies_of_the_fourier_transform_end_where_they_are_told() -> None:
    time_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    tone = np.sin(2 * np.pi * 4500.0 * time_s).astype(np.float32)
    found = spectrum_of(Stft(512, 128, f_max_hz=9000.0), tone)
    assert found.shape[0] == 257
    assert (found[:, 5:-5].argmax(axis=0) == 128).all()


@pytest.mark.parametrize("name", MADE)
def test_bases_learn_only_where_they_are_asked_to(name: str) -> None:
    waveform = torch.from_numpy(WAVEFORM)[None, None]
    learning, fixed = MADE[name](trainable=True), MADE[name]()
    assert [*fixed.parameters()] == []
    assert fixed.state_dict() == {}
    learning(waveform).square().mean().backward()
    slopes = [weight.grad for weight in learning.parameters()]
    assert slopes
    assert all(slope is not None and slope.isfinite().all() and slope.abs().max() > 0 for slope in slopes)
    assert torch.equal(learning(waveform), fixed(waveform))


@pytest.mark.parametrize("name", MADE)
def test_silence_has_a_finite_slope(name: str) -> None:
    layer = MADE[name](trainable=True)
    layer(torch.zeros(1, 1, len(WAVEFORM))).sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in layer.parameters())


@pytest.mark.parametrize("name", MADE)
def test_autocast_leaves_it_in_single_precision(name: str) -> None:
    layer, waveform = MADE[name](), torch.from_numpy(WAVEFORM)[None, None]
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(waveform)
    assert torch.equal(found, layer(waveform))


@pytest.mark.parametrize("name", MADE)
def test_openvino_agrees(name: str) -> None:
    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = MADE[name]()

        def forward(self, waveform: Tensor) -> tuple[Tensor]:
            return (self.layer(waveform),)

    waveform = np.stack([WAVEFORM[None], 0.1 * WAVEFORM[None]])
    found = compile_openvino(Alone(), waveform.shape[1:])(waveform)[0]
    with torch.no_grad():
        expected = MADE[name]()(torch.from_numpy(waveform)).numpy()
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()


def test_masks_blank_a_band_and_a_stretch_of_time_in_training_alone() -> None:
    torch.manual_seed(0)
    masked, spectrum = SpecAugment(1.0), torch.ones(200, 40, 60)
    found = masked(spectrum)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    bands, frames = 1 - found.amax(dim=2), 1 - found.amax(dim=1)
    for blank, length in ((bands, 40), (frames, 60)):
        widths = blank.sum(dim=1)
        assert 0.12 * length < widths.max() <= 0.15 * length + 1
        edges = (torch.nn.functional.pad(blank, (1, 1)).diff(dim=1) > 0).sum(dim=1)
        assert edges.max() == 1
    assert torch.equal(masked.eval()(spectrum), spectrum)
    assert torch.equal(SpecAugment(0.0)(spectrum), spectrum)
