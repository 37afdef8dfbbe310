"""The whole recipe on made music: pre-training, heads, folds, card; then a new head with local labels."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emotion.inference import checkpoint
from emotion.inference.predict import Prediction, Predictor
from emotion.inference.quadrants import Quadrant
from emotion.zoo.frontends import MelConfig
from tests.audio_fixtures import make_audio
from tests.networks import load_efficientnet
from tests.training.made_qaed import made_qaed
from training.data.splits import Folds, SplitError
from training.datasets import Clip
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import read_run
from training.fit.run_folder import RunError
from training.recipes.distilled_b3.cards import evaluate
from training.recipes.distilled_b3.recipe import refit, run, train
from training.recipes.registry import RetrainJob, TrainJob

pytestmark = pytest.mark.slow

CONFIG = """\
method = "flagship"
version = "b0-made"
datasets = ["4qaed"]
seed = 2
backbone = "efficientnet-b0"
views = 1
timbres = 0
head_seeds = 2
folds = 2

[mel]
n_fft = 1024
hop_samples = 1024
n_mels = 32
f_max_hz = 8000.0
window_s = 6.0
frames_as_channels = true

[head]
epochs = 3
batch_size = 16

[[distil.stages]]
crop_columns = 43
steps = 3
batch_size = 8
first_rate = 1e-3
last_rate = 0.0
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, taggers: list[Path]) -> Path:
    place = tmp_path_factory.mktemp("flagship")
    made_qaed(place / "data", clips=14, seconds=6.5, artists=14)
    (place / "data" / "pretrained").symlink_to(taggers[0].parent)
    torch.set_num_threads(1)
    run(
        CONFIG,
        data_root=place / "data",
        work_dir=place / "work",
        run_dir=place / "run",
        log=lambda line: None,
    )
    return place


def test_a_run_leaves_everything_that_says_what_it_was(place: Path) -> None:
    here = {path.name for path in (place / "run").iterdir()}
    assert {
        "config.toml", "run.json", "splits.json", "predictions.npz", "teacher.npz", "metrics.json", "checkpoint.pt",
        "b0-made.safetensors", "b0-made.json",
    } <= here  # fmt: skip
    facts = json.loads((place / "run" / "run.json").read_text())
    assert facts["ended"]
    assert facts["datasets"]["4qaed"]["clips"] == 56
    said = Predictions.load(place / "run" / "predictions.npz")
    assert set(said.protocol) == {"held_out", "artist_grouped", "stratified", "leave_one_source_out"} - (
        {"leave_one_source_out"}
    )
    assert np.sum(said.protocol == "artist_grouped") == 56
    for name in ("splits", "splits-artist_grouped", "splits-stratified"):
        folds = Folds.load(place / "run" / f"{name}.json")
        assert facts["folds"][folds.protocol] == folds.sha256
        for number, fold in enumerate(folds.folds):
            rows = said.where((said.protocol == folds.protocol) & (said.fold == number))
            assert sorted(rows.clip) == sorted(fold.test)
    assert read_run(place / "run").splits.keys() == facts["folds"].keys()


def test_the_checkpoint_serves_and_scores_as_the_run_said(place: Path) -> None:
    weights = place / "run" / "b0-made.safetensors"
    predictor = Predictor.load(weights, engine="torch", device="cpu")
    prediction = next(predictor.predict([next((place / "data" / "4qaed" / "Q1").glob("*.opus"))]))
    assert isinstance(prediction, Prediction)
    assert Quadrant.from_valence_arousal(prediction.valence, prediction.arousal) is prediction.quadrant
    scores = evaluate(
        weights, data_root=place / "data", work_dir=place / "work", engine="torch", device="cpu", log=lambda _: None
    )
    card = checkpoint.read_card(weights)
    # Half precision moves a probability a little; an accuracy on ten clips by one of them at most.
    assert scores["4qaed"].n == card.facts["test"]["model"]["4qaed"]["n"]
    assert scores["4qaed"].accuracy == pytest.approx(card.facts["test"]["model"]["4qaed"]["accuracy"], abs=0.2)
    assert isinstance(card.frontend, MelConfig)
    assert card.frontend.network_shape == card.network.image_shape == (32, 43)
    assert {table["title"] for table in card.facts["tables"]} >= {"Seeds of the head", "Folds, artists and sources"}


def test_a_folder_of_another_configuration_is_not_gone_on_with(place: Path, tmp_path: Path) -> None:
    other = CONFIG.replace("seed = 2", "seed = 3")
    with pytest.raises((ValueError, RunError), match="another configuration"):
        run(
            other,
            data_root=place / "data",
            work_dir=place / "work",
            run_dir=place / "run",
            log=lambda _: None,
            resumes=True,
        )


def test_the_folder_of_a_run_is_gone_on_with_only_if_that_is_asked_for(place: Path, tmp_path: Path) -> None:
    job = TrainJob(
        text=CONFIG,
        data_root=place / "data",
        work_dir=place / "work",
        run_dir=place / "run",
        resumes=False,
        dry_run=False,
        device="cpu",
        log=lambda _: None,
    )
    before = (place / "run" / "run.json").read_bytes()
    with pytest.raises(RunError, match=r"run is not empty; continue its run by --resume .*run, or name another"):
        train(job)
    assert (place / "run" / "run.json").read_bytes() == before
    with pytest.raises(RunError, match="nowhere is not a run folder"):
        train(replace(job, run_dir=tmp_path / "nowhere", resumes=True))
    shutil.copytree(place / "run", tmp_path / "run")
    assert train(replace(job, run_dir=tmp_path / "run", resumes=True)) == tmp_path / "run"
    resumed = json.loads((tmp_path / "run" / "run.json").read_text())
    assert len(resumed["resumed"]) == 1
    one, other = (Predictions.load(root / "run" / "predictions.npz") for root in (place, tmp_path))
    assert np.array_equal(one.logits, other.logits)


def test_a_run_begun_with_other_folds_is_not_gone_on_with(place: Path, tmp_path: Path) -> None:
    """As one that an earlier version began, which knew of no near-duplicates."""
    shutil.copytree(place / "run", tmp_path / "run")
    path = tmp_path / "run" / "splits.json"
    [fold] = Folds.load(path).folds
    other = replace(fold, train=fold.train[1:])
    old = {"protocol": "held_out", "folds": [asdict(other)], "sha256": other.fingerprint()}
    path.write_text(json.dumps(old))
    places: dict[str, Any] = {"data_root": place / "data", "work_dir": place / "work", "run_dir": tmp_path / "run"}
    with pytest.raises(RunError, match=r"splits\.json holds other folds than those dealt now.*Begin a new run"):
        run(CONFIG, **places, resumes=True, log=lambda _: None)
    path.write_text(json.dumps({**old, "sha256": "0" * 64}))
    with pytest.raises(SplitError, match=r"splits\.json: The folds were changed after they were saved"):
        run(CONFIG, **places, resumes=True, log=lambda _: None)


def test_a_model_is_scored_on_its_own_ids_or_not_at_all(place: Path, tmp_path: Path) -> None:
    for name in ("b0-made.safetensors", "b0-made.json"):
        shutil.copyfile(place / "run" / name, tmp_path / name)
    weights = tmp_path / "b0-made.safetensors"
    places: dict[str, Any] = {
        "data_root": place / "data",
        "work_dir": place / "work",
        "engine": "torch",
        "device": "cpu",
    }
    with pytest.raises(SplitError, match=r"No b0-made\.splits\.json lies next to"):
        evaluate(weights, **places, log=lambda _: None)
    shutil.copyfile(place / "run" / "splits-stratified.json", tmp_path / "b0-made.splits.json")
    with pytest.raises(SplitError, match="is not the split that the card of b0-made"):
        evaluate(weights, **places, log=lambda _: None)


def test_refitting_adds_labels_from_here_and_keeps_the_backbone_and_the_held_out_clips(
    place: Path, tmp_path: Path
) -> None:
    own = [
        Clip(f"own/{i}", "own", str(i), f"local {i}", make_audio(tmp_path / f"{i}.wav", 6, seed=90 + i), Quadrant.Q2)
        for i in range(12)
    ]
    job = RetrainJob(
        version="b0-refit",
        live_weights=place / "run" / "b0-made.safetensors",
        data_sets=("4qaed",),
        data_root=place / "data",
        work_dir=place / "work",
        run_dir=tmp_path / "refit",
        local_clips=own,
        local_targets={clip.id: (0.1, 0.7, 0.1, 0.1) for clip in own},
    )
    refit(job, lambda line: None)
    old, _ = load_efficientnet(job.live_weights)
    new, card = load_efficientnet(tmp_path / "refit" / "b0-refit.safetensors")
    assert card.version == "b0-refit"
    for name, value in old.backbone.state_dict().items():
        assert torch.equal(value, new.backbone.state_dict()[name]), name
    before, after = (Predictions.load(folder / "predictions.npz") for folder in (place / "run", tmp_path / "refit"))
    held_out = set(before.clip[before.protocol == "held_out"])
    assert {name for name in after.clip if name.startswith("4qaed/")} == held_out
    assert {name for name in after.clip if name.startswith("own/")} <= {clip.id for clip in own}
