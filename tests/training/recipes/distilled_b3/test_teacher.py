from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.zoo.hybrid_b3 import Taggers
from tests.audio_fixtures import make_audio
from training.recipes.distilled_b3.mixtures import Spectra
from training.recipes.distilled_b3.teacher import Judge, TaggerFeatures, teacher_features

pytestmark = pytest.mark.slow


def loaded(*files: Path) -> Taggers:
    made = Taggers(len(files))
    made.load(files)
    return made


def test_compiled_taggers_say_what_torch_does_to_bf16(taggers: list[Path], clips: list[Spectra]) -> None:
    level_db = np.stack([clip.teacher.T[None, :, :400].astype(np.float32) for clip in clips])
    compiled = TaggerFeatures(taggers).features(torch.from_numpy(level_db)).numpy()
    with torch.inference_mode():
        exact = loaded(*taggers).features(torch.from_numpy(level_db)).numpy()
    assert compiled.shape == (len(clips), 1152)
    assert np.abs(compiled - exact).mean() < 0.02 * np.abs(exact).mean() + 1e-3


def test_denormal_weights_are_read_as_zero(taggers: list[Path], tmp_path: Path) -> None:
    state = torch.load(taggers[0], weights_only=True)
    state["layer3.conv.weight"][0] = 1e-40
    torch.save(state, tmp_path / "old.pth")
    [read] = loaded(tmp_path / "old.pth")
    assert (read.state_dict()["layer3.conv.weight"][0] == 0).all()


def test_features_are_those_of_the_taggers_and_measures_of_the_file(
    taggers: list[Path], clips: list[Spectra], tmp_path: Path
) -> None:
    paths = [make_audio(tmp_path / f"{i}.wav", 6, seed=i) for i in range(2)]
    found = teacher_features(clips[:2], paths, TaggerFeatures(taggers), tmp_path / "measures", workers=1)
    assert found.shape == (2, 1152 + 18)
    assert np.isfinite(found).all()
    again = teacher_features(clips[:2], paths, TaggerFeatures(taggers), tmp_path / "measures", workers=1)
    assert np.array_equal(found, again)
    assert len(list((tmp_path / "measures").glob("*.npy"))) == 2


def test_the_judge_is_right_and_knows_how_sure_to_be() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(240) % 4
    features = (np.eye(4)[truth] * 1.6 + rng.normal(size=(240, 4))).astype(np.float32)
    groups = np.arange(240) // 3
    judge = Judge()
    soft_targets = judge.fit(features[:160], truth[:160], groups[:160])
    assert soft_targets.shape == (160, 4)
    assert np.allclose(soft_targets.sum(axis=1), 1, atol=1e-5)
    said = judge.logits(features[160:])
    right = said.argmax(axis=1) == truth[160:]
    confidence = (np.exp(said) / np.exp(said).sum(axis=1, keepdims=True)).max(axis=1)
    assert right.mean() > 0.5
    assert confidence.mean() == pytest.approx(right.mean(), abs=0.15)
