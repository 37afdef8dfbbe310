"""The paper's protocol: its configuration, its clips and folds, and a whole run on a made dataset."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import tomli_w
import torch

from emotion.exceptions import CheckpointError
from emotion.inference.checkpoint import load
from emotion.zoo.efficientnet_b3 import EfficientNetB3
from tests.training.made_qaed import SMALL_RUN, made_qaed
from training.data.augment import AugmentConfig
from training.data.splits import Folds, SplitError
from training.evaluation.report.run import read_run
from training.fit.loop import FitConfig, alone
from training.fit.run_folder import CHECKPOINT, RunFolder
from training.recipes.paper import recipe as protocol
from training.recipes.paper.recipe import PaperConfig, PaperError

pytestmark = pytest.mark.slow

SHIPPED = Path(__file__).resolve().parents[3] / "training" / "recipes" / "paper.toml"


def config(**changes: Any) -> PaperConfig:
    return protocol.config_from({**SMALL_RUN, **changes})


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_qaed(tmp_path_factory.mktemp("data"))


def plan(given: PaperConfig, data_root: Path) -> tuple[protocol.Plan, list[str]]:
    said: list[str] = []
    return protocol.plan(given, data_root=data_root, work_dir=data_root / "work", log=said.append), said


# --- The configuration --------------------------------------------------------------------------------------------


def test_the_shipped_configuration_is_the_papers() -> None:
    found = protocol.config_from(tomllib.loads(SHIPPED.read_text()))
    assert set(found.datasets) == {"4qaed", "pmemo", "emomusic", "bimodal"}
    assert found.training == FitConfig(epochs=50, batch_size=32, optimiser="adam", learning_rate=1e-5, patience=5)
    assert found.training.augment == AugmentConfig.off()
    assert (found.test_share, found.folds, found.init, found.short_clips) == (0.1, 5, "imagenet", "drop")
    assert (found.mel.window_s, found.mel.image_shape) == (24.0, (300, 300))
    assert found.network.backbone == "efficientnet-b3"
    assert found.protocols == ("paper", "artist_grouped")


def test_one_key_switches_one_change_on() -> None:
    changes: dict[str, Any] = {"mask_chance": 0.5, "stretch": 0.1, "crop": True, "mixup_alpha": 0.3}
    for name, value in changes.items():
        found = config(training={"augment": {name: value}}).training.augment
        assert found == replace(AugmentConfig.off(), **{name: value})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"speed": 3}, "there is no speed"),
        ({"seed": "three"}, "seed is 'three', which is no int"),
        ({"mel": {"n_mels": 12.5}}, "mel.n_mels is 12.5, which is no int"),
        ({"training": {"bf16": 1}}, "training.bf16 is 1, which is no bool"),
        ({"training": {"augment": {"shift": 0.5}}}, "augment.shift is 0.5, which is no bool"),
        ({"training": {"optimizer": "adam"}}, "optimizer"),
        ({"training": {"optimiser": "lion"}}, "optimiser is 'lion'; it can be adam or adamw or sgd"),
        ({"training": {"augment": {"reverb": 1}}}, "reverb"),
        ({"mel": {"bands": 3}}, "bands"),
        ({"datasets": ["4qaed", "nothing"]}, r"datasets is \['4qaed', 'nothing'\]; known are .*4qaed"),
        ({"datasets": []}, "datasets is"),
        ({"protocols": ["stratified"]}, "known are artist_grouped, paper"),
        ({"reference": "loudest"}, "known are dataset, global"),
        ({"short_clips": "keep"}, "known are drop, pad, repeat"),
        ({"folds": 1}, "folds must be 2 or more"),
        ({"test_share": 0.0}, "test_share above 0"),
        ({"init": "imagnet"}, "init is 'imagnet': neither imagenet, shipped or scratch, nor a file"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PaperError, match=sentence):
        config(**change)


def test_what_a_configuration_lacks_is_named() -> None:
    with pytest.raises(PaperError, match="it lacks version, seed"):
        protocol.config_from({"datasets": ["4qaed"]})


# --- Clips and folds ----------------------------------------------------------------------------------------------


def test_the_plan_names_the_omitted_clips_and_deals_the_rest(data_root: Path) -> None:
    ours, said = plan(config(), data_root)
    assert ours.sources["4qaed"]["quadrants"] == {"Q1": 6, "Q2": 6, "Q3": 6, "Q4": 6}
    assert "pmemo is left out: Expected" in said[0]
    literal, grouped = ours.folds
    assert (literal.protocol, grouped.protocol) == ("paper", "artist_grouped")
    artists = {clip.id: clip.artist for clip in ours.clips}
    for folds in ours.folds:
        tests = {fold.test for fold in folds.folds}
        assert len(tests) == 1
        validated = [clip for fold in folds.folds for clip in fold.validation]
        assert sorted([*validated, *tests.pop()]) == sorted(artists)
    for fold in grouped.folds:
        parts = [{artists[clip] for clip in part} for part in (fold.train, fold.validation, fold.test)]
        assert sum(len(part) for part in parts) == len(set().union(*parts))


def test_clips_without_audio_and_short_ones_are_counted(tmp_path: Path) -> None:
    data_root = made_qaed(tmp_path, clips=6)
    next((tmp_path / "4qaed" / "Q1").iterdir()).unlink()
    ours, _ = plan(config(protocols=["paper"]), data_root)
    assert (ours.sources["4qaed"]["labelled"], ours.sources["4qaed"]["with_audio"]) == (24, 23)
    longer = config(mel={"window_s": 8.0, "image_size": 32}, protocols=["paper"])
    with pytest.raises(PaperError, match="None of 4qaed, pmemo can be trained on"):
        plan(longer, data_root)
    kept, _ = plan(replace(longer, short_clips="repeat"), data_root)
    assert kept.sources["4qaed"]["clips"] == 23


def test_a_source_with_too_few_of_a_class_is_left_out(data_root: Path) -> None:
    with pytest.raises(PaperError, match="None of"):
        plan(config(test_share=0.1), data_root)
    said: list[str] = []
    with pytest.raises(PaperError):
        protocol.plan(config(test_share=0.1), data_root=data_root, work_dir=data_root, log=said.append)
    assert "4qaed is left out: its smallest class has 6 clips; 10 are needed" in said[0]


def test_a_class_missing_in_a_fold_is_an_error_that_names_it(tmp_path: Path) -> None:
    data_root = made_qaed(tmp_path, artists=1)
    with pytest.raises(SplitError, match=r"4qaed has Q1 \(Happy\) by 1 artists"):
        plan(config(), data_root)
    # The paper itself does not ask for the artist.
    assert plan(config(protocols=["paper"]), data_root)[0].folds[0].protocol == "paper"


def test_the_fingerprint_changes_with_labels_and_sound(tmp_path: Path) -> None:
    data_root = made_qaed(tmp_path)
    before = plan(config(), data_root)[0].fingerprint
    assert plan(config(), data_root)[0].fingerprint == before
    one, other = sorted((tmp_path / "4qaed" / "Q1").iterdir())[:2]
    one.write_bytes(other.read_bytes())
    assert plan(config(), data_root)[0].fingerprint != before


# --- The first weights --------------------------------------------------------------------------------------------


def test_all_folds_start_from_one_backbone_and_heads_of_their_own(tmp_path: Path) -> None:
    given = config()
    state = protocol.make_network(given, None, 1).backbone.state_dict()
    torch.save(state, tmp_path / "weights.pt")
    from_file = protocol.initial_backbone(replace(given, init=str(tmp_path / "weights.pt")))
    first, second = (protocol.make_network(given, from_file, seed) for seed in (1, 2))
    for name, value in first.backbone.state_dict().items():
        assert torch.equal(value, state[name])
        assert torch.equal(value, second.backbone.state_dict()[name])
    assert not torch.equal(first.classifier.weight, second.classifier.weight)
    assert protocol.initial_backbone(given) is None


def test_weights_that_cannot_be_had_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object) -> None:
        raise URLError("no network")

    with monkeypatch.context() as patched:
        patched.setattr(EfficientNetB3, "load_imagenet", offline)
        with pytest.raises(CheckpointError, match=r"could not be loaded \(download: .*Give the path"):
            protocol.initial_backbone(config(init="imagenet"))
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"other\.pt does not hold the weights of efficientnet-b0"):
        protocol.initial_backbone(config(init=str(tmp_path / "other.pt")))
    with pytest.raises(PaperError, match=r"has the backbone efficientnet-b3, not efficientnet-b0"):
        protocol.initial_backbone(config(init="shipped"))


# --- A whole run --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    given = config(training={"epochs": 1, "batch_size": 8, "bf16": False})
    path = tmp_path_factory.mktemp("runs") / "made"
    folder = RunFolder.create(path, tomli_w.dumps(SMALL_RUN), {"version": given.version})
    work = data_root / "work"
    protocol.run(given, data_root=data_root, work_dir=work, folder=folder, processes=alone("cpu"), log=lambda _: None)
    return folder


def test_a_run_leaves_a_whole_folder(finished: RunFolder) -> None:
    assert {path.name for path in finished.path.iterdir()} == {
        "config.toml",
        "run.json",
        "splits.json",
        "splits-artist_grouped.json",
        "history.jsonl",
        "predictions.npz",
        "metrics.json",
        "tensorboard",
        "folds",
        "b0-made.safetensors",
        "b0-made.json",
    }
    facts = finished.facts()
    assert facts["ended"]
    assert facts["wall_s"] > 0
    assert facts["datasets"]["4qaed"]["clips"] == 24
    assert "left_out" in facts["left_out"]["pmemo"]
    assert facts["split"]["sha256"] == Folds.load(finished.path / "splits.json").sha256
    assert len(facts["data_fingerprint"]) == 64
    assert not (finished.path / CHECKPOINT).exists()


def test_its_history_and_predictions_are_of_every_fold(finished: RunFolder) -> None:
    lines = [(line["protocol"], line["fold"], line["epoch"]) for line in finished.history()]
    assert lines == [(name, fold, 1) for name in ("paper", "artist_grouped") for fold in (0, 1)]
    wanted = {"stage", "loss", "validation_loss", "validation_accuracy", "images_per_s", "learning_rate"}
    assert wanted <= finished.history()[0].keys()
    said = finished.predictions()
    for name in ("splits.json", "splits-artist_grouped.json"):
        folds = Folds.load(finished.path / name)
        for number, fold in enumerate(folds.folds):
            rows = said.where((said.protocol == folds.protocol) & (said.fold == number))
            assert sorted(rows.clip.tolist()) == sorted(fold.test)
    assert np.isfinite(said.loudness_db).all()
    assert {path.name for path in (finished.path / "tensorboard").iterdir()} == {
        f"{name}-{fold}" for name in ("paper", "artist_grouped") for fold in (0, 1)
    }


def test_its_metrics_hold_folds_and_the_gap(finished: RunFolder) -> None:
    metrics = finished.metrics()
    assert metrics["protocols"].keys() == {"paper", "artist_grouped"}
    titles = [table["title"] for table in metrics["tables"]]
    assert titles == ["Folds: paper", "Folds: artist grouped", "Gain from known artists"]
    rows = metrics["tables"][0]["rows"]
    assert [row[0] for row in rows] == ["1", "2", "mean"]
    assert rows[2][1] == pytest.approx((rows[0][1] + rows[1][1]) / 2)
    scores = [metrics["protocols"][name]["4qaed"]["accuracy"] for name in ("paper", "artist_grouped")]
    assert metrics["gap"]["accuracy"]["difference"] == pytest.approx(scores[0] - scores[1], abs=2e-4)
    assert any("pmemo is left out" in limit for limit in metrics["limits"])


def test_its_best_weights_are_served_and_its_report_reads_it(finished: RunFolder) -> None:
    network, card = load(finished.path / "b0-made.safetensors")
    assert network.config.backbone == "efficientnet-b0"
    losses = [load(finished.path / "folds" / f"paper-{i}.safetensors")[1].facts["validation_loss"] for i in (0, 1)]
    assert card.facts["validation_loss"] == min(losses)
    assert card.facts["test"]["model"]["4qaed"]["n"] == len(finished.predictions()) // 4
    report = read_run(finished.path)
    assert set(report.splits) == {"paper", "artist_grouped"}
    assert len(report.stages()) == 4
    assert report.predictions is not None


def test_an_estimate_says_what_a_run_takes(data_root: Path) -> None:
    ours, _ = plan(config(), data_root)
    estimate = "\n".join(protocol.estimate(config(), ours, alone("cpu")))
    assert "4qaed: 24 clips" in estimate
    assert "paper: 9 train, 9 validation, 6 test, 2 folds" in estimate
    assert "images/s on cpu: at most" in estimate
    assert "for 4 networks of 2 epochs" in estimate
