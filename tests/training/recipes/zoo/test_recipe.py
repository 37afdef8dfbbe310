"""A system on the folds of a protocol: its row, its resume, and what is changed in training only."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from django.core.management import CommandError, call_command
from numpy.typing import NDArray

from emotion.inference.checkpoint import load, read_card
from emotion.zoo.baselines import Logistic
from emotion.zoo.frontends import RawWaveform
from tests.training.made_qaed import made_qaed
from training.data.cache import prepared_of
from training.data.splits import Folds
from training.datasets import DATASETS
from training.evaluation.predictions import Predictions
from training.fit import cross_validation, loop
from training.fit.run_folder import held
from training.recipes.zoo import recipe, systems
from training.recipes.zoo.data import ChangedSegments

KEYS = {
    "system", "protocol", "data", "folds", "n", "macro_f1", "low", "high", "accuracy", "top3", "floor", "ece",
    "parameters", "train_s", "infer_ms", "cut",
}  # fmt: skip
TINY = """
title = "Made"
paper = "none"
architecture = "liu_simple"
[network]
maps = [4, 4, 4, 4]
hidden = [8]
[front_end]
name = "power_spectrogram"
size = 65
window_s = 2.0
[front_end.chunks]
hop_s = 2.0
window_s = 6.0
[training]
learning_rate = 1.0e-2
epochs = 2
batch_size = 8
bf16 = false
"""


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of two systems, and a made 4QAED."""
    folder = tmp_path / "systems"
    folder.mkdir()
    (folder / "tiny.toml").write_text(TINY)
    (folder / "means.toml").write_text('title = "Means"\npaper = "none"\narchitecture = "logistic_means"\n')
    monkeypatch.setattr(systems, "FOLDER", folder)
    monkeypatch.setattr(recipe, "FOLDER", folder)
    made_qaed(tmp_path / "data", clips=10, seconds=6.0, artists=10)
    return tmp_path


def run(zoo: Path, *names: str, protocol: str = "artist5", budget: float = 1.0) -> list[dict[str, Any]]:
    options = {
        "data": zoo / "data",
        "work": zoo / "work",
        "runs": zoo / f"runs-{budget}",
        "results": zoo / "results" / "zoo.json",
    }
    call_command("zoo", "run", *names, protocol=protocol, budget=budget, **options)
    rows: list[dict[str, Any]] = json.loads((zoo / "results" / "zoo.json").read_text())
    return rows


def test_a_run_leaves_a_row_and_is_not_repeated(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = run(zoo)
    assert [row["system"] for row in rows] == ["means", "tiny"]
    for row in rows:
        assert row.keys() >= KEYS
        assert row["n"] == 40
        assert len(row["by_fold"]) == 5
        assert row["low"] <= row["macro_f1"] <= row["high"]
    assert rows[1]["epochs"] == [2] * 5
    assert rows[0]["folds"] == rows[1]["folds"]
    monkeypatch.setattr(cross_validation, "train", None)
    assert run(zoo) == rows
    assert len(run(zoo, "means", protocol="stratified5")) == 3


def test_a_run_killed_at_random_moments_ends_in_the_same_row(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [whole] = run(zoo, "tiny")
    (zoo / "runs-1.0").rename(zoo / "finished")
    (zoo / "results" / "zoo.json").unlink()
    # Three steps are an epoch, after which there is something to resume.
    rng, step, kills = np.random.default_rng(5), loop._Fit._step, 0
    left = int(rng.integers(1, 10))

    def killed(self: loop._Fit, rows: NDArray[np.int64]) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        step(self, rows)

    monkeypatch.setattr(loop._Fit, "_step", killed)
    while not (zoo / "results" / "zoo.json").exists():
        try:
            [resumed] = run(zoo, "tiny")
        except KeyboardInterrupt:
            kills, left = kills + 1, int(rng.integers(4, 10))
    assert kills > 3
    timed = ("train_s", "infer_ms")
    assert {k: v for k, v in resumed.items() if k not in timed} == {k: v for k, v in whole.items() if k not in timed}


def test_a_budget_ends_training_with_its_epoch_and_the_row_says_so(zoo: Path) -> None:
    run(zoo, "tiny", budget=1e-6)
    [row] = json.loads((zoo / "results" / "zoo.json").read_text())
    assert row["epochs"] == [1] * 5
    assert row["cut"] == "1 to 1 epochs of at most 2"
    [row] = run(zoo, "tiny")
    assert (row["epochs"], row["cut"]) == ([2] * 5, "")


def test_each_fold_is_a_model_that_names_the_clips_it_learned_from(zoo: Path) -> None:
    run(zoo, "means")
    weights = sorted((zoo / "runs-1.0" / "means-artist5" / "folds").glob("*.safetensors"))
    assert [read_card(path).version for path in weights] == [f"means-artist5-{number}" for number in range(1, 6)]
    whole = Predictions.load(zoo / "runs-1.0" / "means-artist5" / "predictions.npz").by_fold()
    for number, path in enumerate(weights):
        [fold] = Folds.load(path.with_suffix(".splits.json")).folds
        assert sorted(fold.test) == sorted(whole[number].clip.tolist())
        assert not {*fold.test} & {*fold.train, *fold.validation}


def test_a_system_that_cannot_be_trained_holds_no_other_up(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (zoo / "systems" / "broken.toml").write_text(
        'title = "Broken"\npaper = "none"\narchitecture = "liu_simple"\n[before]\nstage = "nothing"\n'
    )
    with pytest.raises(CommandError, match="1 of 3 systems were not trained: broken"):
        run(zoo)
    assert "broken wants the stage 'nothing'" in capsys.readouterr().err
    rows = json.loads((zoo / "results" / "zoo.json").read_text())
    assert [row["system"] for row in rows] == ["means", "tiny"]


def test_the_time_is_that_of_the_fitted_network(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.nn.Module] = []

    def judged(self: Logistic, inputs: torch.Tensor) -> Any:
        asked.append(self)
        return forward(self, inputs)

    run(zoo, "means")
    forward = Logistic.forward
    monkeypatch.setattr(Logistic, "forward", judged)
    weights = zoo / "runs-1.0" / "means-artist5" / "folds" / "artist_grouped-4.safetensors"
    assert recipe.infer_ms(systems.system("means"), weights) > 0
    fitted = load(weights)[0].state_dict()
    assert len(asked) == 3
    assert all(torch.equal(value, fitted[name]) for name, value in asked[0].state_dict().items())


def test_a_folder_of_another_run_is_refused(zoo: Path) -> None:
    run(zoo, "means")
    (zoo / "results" / "zoo.json").unlink()
    text = (zoo / "systems" / "means.toml").read_text()
    (zoo / "systems" / "means.toml").write_text(text + 'note = "other"\n')
    with pytest.raises(CommandError, match="holds another run of means"):
        run(zoo, "means")


def test_an_unfinished_folder_is_completed(zoo: Path) -> None:
    folder = zoo / "runs-1.0" / "means-artist5"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text((zoo / "systems" / "means.toml").read_text())
    run(zoo, "means")
    dealt = (folder / "splits.json").read_text()
    (folder / "splits.json").unlink()
    (zoo / "results" / "zoo.json").unlink()
    run(zoo, "means")
    assert (folder / "splits.json").read_text() == dealt


def test_a_second_run_in_a_folder_is_a_sentence(zoo: Path) -> None:
    folder = zoo / "runs-1.0" / "means-artist5"
    with held(folder), pytest.raises(CommandError, match=f"Another process trains in {folder}"):
        run(zoo, "means")


def test_an_unknown_protocol_is_a_sentence(zoo: Path) -> None:
    with pytest.raises(CommandError, match="protocol is 'all'; it can be artist5, stratified5"):
        run(zoo, protocol="all")


@pytest.mark.parametrize("budget", [-5.0, math.nan, math.inf])
def test_a_budget_is_a_number_of_minutes(zoo: Path, budget: float) -> None:
    with pytest.raises(CommandError, match=f"--budget is {budget:g}; it can be a number of minutes, or 0"):
        run(zoo, budget=budget)
    assert {path.name for path in zoo.iterdir()} == {"systems", "data"}


def test_unknown_and_unlabelled_data_sets_are_sentences(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="--data-sets has nosuch; it can have 4qaed, "):
        call_command("zoo", "run", data_sets=["4qaed", "nosuch"])
    monkeypatch.setitem(DATASETS, "emotify", SimpleNamespace(load=lambda *_: [SimpleNamespace(quadrant=None)]))
    with pytest.raises(systems.ZooError, match="None of the 1 clips of emotify has a quadrant to train on"):
        recipe.clips_of(["emotify"], zoo, zoo)


def test_damaged_predictions_of_a_finished_run_are_made_again(zoo: Path) -> None:
    [row] = run(zoo, "means")
    path = zoo / "runs-1.0" / "means-artist5" / "predictions.npz"
    path.write_text("damaged")
    (zoo / "results" / "zoo.json").unlink()
    with pytest.raises(CommandError, match=f"{path} is damaged"):
        run(zoo, "means")
    path.unlink()
    [again] = run(zoo, "means")
    assert {**again, "infer_ms": 0} == {**row, "infer_ms": 0}


def test_training_hears_changed_segments_and_evaluation_does_not(zoo: Path) -> None:
    front_end = systems.system("tiny").front_end
    paths = sorted((zoo / "data").rglob("*.opus"))[:3]
    waveforms = prepared_of(paths, front_end=RawWaveform(front_end.window_s), cache_dir=zoo / "cache")
    plain = prepared_of(paths, front_end=front_end, cache_dir=zoo / "cache")
    same = ChangedSegments(waveforms, front_end, lambda waveform, _: waveform)
    assert same.shape == plain.shape == (3, 3, 65, 65)
    rows, places = np.array([0, 1, 2]), np.array([0, 1, 2])
    # The cache rounds to half precision.
    assert np.abs(same[rows, places] - plain[rows, places]).max() < 0.02
    louder = ChangedSegments(waveforms, front_end, lambda waveform, _: 4 * waveform)
    assert (louder[rows, places] >= plain[rows, places] - 0.02).all()
    assert (louder[rows, places] - plain[rows, places]).max() > 0.05
