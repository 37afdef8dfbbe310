"""A support vector machine on public taggers: it reads the spectrograms and the weights that are theirs."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from emotion.exceptions import CheckpointError
from emotion.zoo.frontends import musicnn_level
from emotion.zoo.hybrid_b3 import TAGGER_FEATURES, Tagger
from emotion.zoo.musicnn import _THEIRS, MUSICNN_FEATURES, MusiCnn
from emotion.zoo.tagger_svm import TaggerSvm, TaggerSvmConfig
from tests.audio_fixtures import make_waveform

FRAMES = 320
N_FEATURES = 2 * TAGGER_FEATURES + MUSICNN_FEATURES


def public(path: Path) -> dict[str, Tensor]:
    """Write weights in the layout of the public file, and return them."""
    torch.manual_seed(7)
    ours = {"norm": "bn0"}
    for name, (conv, norm) in _THEIRS.items():
        ours |= {f"{name}.conv": conv, f"{name}.norm": norm}
    state: dict[str, Tensor] = {"dense.weight": torch.zeros(200, MUSICNN_FEATURES)}
    for name, theirs in ours.items():
        for key, value in MusiCnn().get_submodule(name).state_dict().items():
            made = torch.rand_like(value) + 0.5 if value.is_floating_point() and "conv" not in name else value
            state[f"{theirs}.{key}"] = made
    save_file(state, path)
    return state


def test_it_is_the_public_network(tmp_path: Path) -> None:
    state = public(tmp_path / "musicnn.safetensors")
    network = MusiCnn()
    network.load(tmp_path / "musicnn.safetensors")
    level = torch.rand(1, 1, 96, 187)

    def norm(maps: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (state[f"{name}.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
        return nn.functional.batch_norm(maps, mean, var, weight, bias, eps=1e-3)

    # The public network has time first, and pads as TensorFlow does: the odd frame at the end.
    measured = norm(level.transpose(2, 3), "bn0")
    first = []
    for conv, name, padding in (
        ("f74", "bn74", (3, 3)),
        ("f77", "bn77", (3, 3)),
        ("s1", "bns1", (63, 64)),
        ("s2", "bns2", (31, 32)),
        ("s3", "bns3", (15, 16)),
    ):
        padded = nn.functional.pad(measured, (0, 0, *padding))
        maps = nn.functional.conv2d(padded, state[f"{conv}.weight"], state[f"{conv}.bias"])
        first.append(norm(torch.relu(maps), name).amax(dim=3))
    found = [torch.cat(first, dim=1)]
    for number in (1, 2, 3):
        maps = nn.functional.conv1d(found[-1], state[f"mid{number}.weight"], state[f"mid{number}.bias"], padding=3)
        maps = norm(torch.relu(maps), f"bnm{number}")
        found.append(maps + found[-1] if number > 1 else maps)
    whole = torch.cat(found, dim=1)
    assert whole.shape == (1, 753, 187)
    wanted = torch.cat([whole.mean(dim=2), whole.amax(dim=2)], dim=1)
    with torch.inference_mode():
        assert torch.allclose(network.features(level), wanted, rtol=1e-4, atol=1e-4)


def test_its_spectrogram_is_the_public_one() -> None:
    waveform = make_waveform(3, channels=1, frequency_hz=1000.0)[:, 0]
    at_16k = librosa.resample(waveform, orig_sr=22_050, target_sr=16_000, res_type="soxr_hq")
    power = librosa.feature.melspectrogram(y=at_16k, sr=16_000, n_fft=512, hop_length=256, n_mels=96)
    assert np.allclose(musicnn_level(waveform), np.log10(1e4 * power + 1), atol=1e-5)


def test_each_network_reads_its_own_spectrogram(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("first.pth", "second.pth", "musicnn.safetensors")]
    for file in files[:2]:
        torch.save(Tagger().state_dict(), file)
    public(files[2])
    config = TaggerSvmConfig(n_features=N_FEATURES, n_columns=N_FEATURES, tagger_frames=FRAMES, has_musicnn=True)
    network = TaggerSvm(config)
    network.load_taggers(files)
    inputs = torch.rand(1, *config.input_shape)
    changed = inputs.clone()
    changed[:, 1] += 1
    with torch.inference_mode():
        differs = (network.features(inputs) != network.features(changed))[0]
    assert differs.shape == (N_FEATURES,)
    assert not differs[: 2 * TAGGER_FEATURES].any()
    assert differs[2 * TAGGER_FEATURES :].any()


def test_what_is_no_musicnn_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    for name in ("other.safetensors", "missing.safetensors"):
        with pytest.raises(CheckpointError, match=f"{name} does not hold the weights of MusiCNN"):
            MusiCnn().load(tmp_path / name)
    with pytest.raises(ValueError, match="n_features is 1152; its taggers find 2658"):
        TaggerSvmConfig(has_musicnn=True)
