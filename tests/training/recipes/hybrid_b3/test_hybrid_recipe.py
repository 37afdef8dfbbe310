"""The whole recipe on made music, from a made trunk: features, heads, folds, card, checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.inference import checkpoint
from emotion.inference.estimate import Reading
from emotion.inference.predict import Prediction, Predictor
from emotion.inference.quadrants import Quadrant
from emotion.zoo.efficientnet_b3 import EfficientNetConfig
from emotion.zoo.frontends import MelConfig
from tests.networks import efficientnet
from tests.training.made_qaed import made_qaed
from training.data.splits import Folds
from training.evaluation import held_out
from training.evaluation.held_out import HeldOut, said_of_audio, said_of_spectra
from training.evaluation.predictions import Predictions
from training.exceptions import TrainingError
from training.fit.run_folder import RunError
from training.recipes.hybrid_b3.recipe import config_of, hybrid_of, train, trunk_weights
from training.recipes.registry import TrainJob

pytestmark = pytest.mark.slow

MEL = MelConfig(n_fft=1024, hop_samples=1024, n_mels=32, f_max_hz=8000.0, window_s=6.0, frames_as_channels=True)
CONFIG = 'recipe = "hybrid_b3"\nversion = "made"\ntrunk = "{trunk}"\ndatasets = ["4qaed"]\nseed = 2\nfolds = 2\n'


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, taggers: list[Path]) -> Iterator[TrainJob]:
    place = tmp_path_factory.mktemp("hybrid")
    made_qaed(place / "data", clips=14, seconds=6.5, artists=14)
    (place / "data" / "pretrained").symlink_to(taggers[0].parent)
    torch.manual_seed(1)
    network = efficientnet(EfficientNetConfig("efficientnet-b0", image_size=MEL.network_shape, regresses=True))
    trunk = place / "trunk.safetensors"
    checkpoint.save(network, checkpoint.Card("trunk", MEL, network.config), trunk)
    text = CONFIG.format(trunk=trunk)
    job = TrainJob(text, place / "data", place / "work", place / "run", False, False, "cpu", lambda line: None)
    with pytest.MonkeyPatch.context() as patch:
        # The made clips stand for those of a data set that may be passed on.
        patch.setattr(held_out, "NEVER_SHIPPED", frozenset())
        assert train(job) == place / "run"
        yield job


def test_a_run_leaves_everything_that_says_what_it_was(job: TrainJob) -> None:
    assert job.run_dir is not None
    facts = json.loads((job.run_dir / "run.json").read_text())
    assert facts["datasets"]["4qaed"]["clips"] == 56
    said = Predictions.load(job.run_dir / "predictions.npz")
    assert list(dict.fromkeys(said.protocol)) == ["held_out", "artist_grouped"]
    assert np.sum(said.protocol == "artist_grouped") == 56
    folds = Folds.load(job.run_dir / "splits.json")
    assert facts["split"]["sha256"] == folds.sha256
    card = checkpoint.read_card(job.run_dir / "made.safetensors")
    assert card.facts["test"].keys() == {"model", "fast"}
    assert card.reading != Reading()
    # The floor is .25, and features of random networks still say much of made music.
    assert said.of_protocol("artist_grouped").is_correct.mean() > 0.5


def test_the_checkpoint_serves_as_it_was_scored(job: TrainJob) -> None:
    assert job.run_dir is not None
    said = Predictions.load(job.run_dir / "predictions.npz").of_protocol("held_out")
    paths = {f"4qaed/{path.stem}": path for path in (job.data_root / "4qaed").rglob("*.opus")}
    predictor = Predictor.load(job.run_dir / "made.safetensors", engine="torch", device="cpu")
    for row, result in enumerate(predictor.predict([paths[clip] for clip in said.clip])):
        assert isinstance(result, Prediction)
        np.testing.assert_allclose(result.probabilities, said.probabilities[row], atol=0.002)
        assert result.quadrant is Quadrant.from_valence_arousal(result.valence, result.arousal)
        assert result.quadrant.index == said.probabilities[row].argmax()


def test_the_clips_that_the_gate_reads_are_of_the_test_and_say_the_same(job: TrainJob) -> None:
    assert job.run_dir is not None
    stored = HeldOut.load(job.run_dir / "held-out.npz")
    [fold] = Folds.load(job.run_dir / "splits.json").folds
    assert set(stored.clip.tolist()) <= set(fold.test)
    predictor = Predictor.load(job.run_dir / "made.safetensors", engine="torch", device="cpu")
    assert stored.fits(predictor.card.frontend)
    assert stored.fits(MEL)
    assert not stored.fits(replace(MEL, f_max_hz=7000.0))
    paths = {f"4qaed/{path.stem}": path for path in (job.data_root / "4qaed").rglob("*.opus")}
    clips = [replace(clip, audio=paths[clip.id]) for clip in stored.clips()]
    read, heard = said_of_spectra(predictor, stored), said_of_audio(predictor, clips, print)
    assert read.clip.tolist() == heard.clip.tolist() == stored.clip.tolist()
    np.testing.assert_allclose(read.probabilities, heard.probabilities, atol=0.1)
    assert said_of_audio(predictor, [replace(clips[0], audio=job.work_dir / "gone.opus")], print).clip.tolist() == []


def test_features_are_computed_once_and_a_stopped_run_is_repeated(job: TrainJob) -> None:
    assert job.run_dir is not None
    before = Predictions.load(job.run_dir / "predictions.npz")
    cached = {path: path.stat().st_mtime_ns for path in (job.work_dir / "hybrid-features").rglob("*.npy")}
    assert len(cached) == 56
    with pytest.raises(RunError):
        train(job)
    train(replace(job, resumes=True))
    assert {path: path.stat().st_mtime_ns for path in cached} == cached
    np.testing.assert_array_equal(Predictions.load(job.run_dir / "predictions.npz").logits, before.logits)


def test_what_cannot_be_built_says_so(job: TrainJob, taggers: list[Path]) -> None:
    with pytest.raises(ValueError, match=r"not a configuration of the recipe hybrid_b3: .*trunk"):
        config_of('recipe = "hybrid_b3"\nversion = "a"\ndatasets = ["4qaed"]\nseed = 1\n')
    with pytest.raises(ValueError, match=r"unknown datasets \['nowhere'\]"):
        config_of('version = "a"\ntrunk = "b"\ndatasets = ["nowhere"]\nseed = 1\n')
    with pytest.raises(ValueError, match="no checkpoint nothing"):
        trunk_weights("nothing")
    assert job.run_dir is not None
    with pytest.raises(TrainingError, match="is a hybrid_b3; a hybrid is built on an EfficientNetB3"):
        hybrid_of(job.run_dir / "made.safetensors", taggers)
