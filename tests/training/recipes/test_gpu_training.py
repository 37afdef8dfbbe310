"""The script for a borrowed GPU, on the CPU with made clips: one file there, a minute of training, figures back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emotion.inference import checkpoint
from emotion.inference.predict import Predictor
from tests.training.made_qaed import made_qaed
from tools.gpu_training import carry as carrying
from tools.gpu_training import training
from tools.gpu_training.__main__ import main
from tools.gpu_training.carry import Carry, Codes, from_webp, prepare, webp
from tools.gpu_training.training import run
from training.data.splits import Folds
from training.evaluation.predictions import Predictions
from training.exceptions import TrainingError
from training.recipes.distilled_b3.distil import steps_per_s

pytestmark = pytest.mark.slow

CONFIG = """\
recipe = "distilled_b3"
version = "b0-made"
datasets = ["4qaed"]
seed = 2
backbone = "efficientnet-b0"
views = 1
head_seeds = 1

[mel]
n_fft = 1024
hop_samples = 1024
n_mels = 32
f_max_hz = 8000.0
window_s = 6.0
frames_as_channels = true

[head]
epochs = 2
batch_size = 16

[distil]
bf16 = false

[[distil.stages]]
crop_columns = 43
steps = 3
batch_size = 8
first_rate = 1e-3
last_rate = 5e-4

[[distil.stages]]
crop_columns = 43
steps = 2
batch_size = 8
first_rate = 5e-4
last_rate = 0.0
settled = true
[distil.stages.scene]
mix_chance = 0.2
"""


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory, taggers: list[Path]) -> Path:
    place = tmp_path_factory.mktemp("gpu")
    made_qaed(place / "data", clips=10, seconds=6.5, artists=10)
    (place / "data" / "pretrained").symlink_to(taggers[0].parent)
    (place / "small.toml").write_text(CONFIG)
    places = ["--data", str(place / "data"), "--work", str(place / "work"), "--config", str(place / "small.toml")]
    main(["prepare", str(place / "carry.npz"), *places, "--mixtures", "48"])
    return place / "carry.npz"


def test_the_file_makes_the_mixtures_that_the_taggers_heard(carried: Path, taggers: list[Path]) -> None:
    carry = Carry.load(carried)
    assert len(carry.features.clips) == 40
    assert carry.heard["served"].shape == (40, 1152)
    train, validation = carry.mixtures(torch.device("cpu"))
    (images, heard), _ = train.made.values()
    assert images.shape == (48, 3, 32, 43)
    # Other mixtures have other features: images and features belong together in this order.
    assert len({row.tobytes() for row in heard.numpy()}) == 48
    again, _ = Carry.load(carried).mixtures(torch.device("cpu"))
    assert torch.equal(next(iter(again.made.values()))[0], images)
    batch = validation.batch(4, 43, np.random.default_rng(0))
    assert batch.images.shape == (4, 3, 32, 43)
    assert batch.teacher_db.shape == (4, 1152)


def test_a_run_stops_in_time_and_goes_on_where_it_stopped(
    carried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[float] = []

    def slow(*given: Any) -> float:
        measured.append(steps_per_s(*given))
        return 0.02

    monkeypatch.setattr(training, "steps_per_s", slow)
    monkeypatch.setattr(training, "_TUNED", 0.0)
    real = training.fine_tune

    def killed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fine_tune", killed)
    with pytest.raises(KeyboardInterrupt):
        run(carried, tmp_path / "out", minutes=5, device_name="cpu", log=lambda _: None)
    distilled = torch.load(tmp_path / "out" / "distilled" / "checkpoint.pt", weights_only=True)
    monkeypatch.setattr(training, "fine_tune", real)
    figures = run(carried, tmp_path / "out", minutes=5, device_name="cpu", log=lambda _: None)
    again = torch.load(tmp_path / "out" / "distilled" / "checkpoint.pt", weights_only=True)
    assert all(torch.equal(value, again["student"][name]) for name, value in distilled["student"].items())
    assert figures == json.loads((tmp_path / "out" / "figures.json").read_text())
    assert figures["steps"]["done"] == figures["steps"]["planned"] == distilled["step"]
    assert figures["tuned_epochs"] == 1
    assert min(measured) > 0.02
    assert len(measured) == 2
    assert figures["validation_loss"].keys() == {"distilled", "tuned"}
    assert figures["chosen"] == min(figures["validation_loss"], key=figures["validation_loss"].get)
    for name, version in (("distilled", "b3-gpu"), ("tuned", "b3-gpu-tuned")):
        folder = tmp_path / "out" / name
        said = Predictions.load(folder / "predictions.npz")
        assert figures["test"][name]["all"]["n"] == len(said)
        assert set(said.clip) == set(Folds.load(folder / "splits.json").folds[0].test)
        weights = folder / f"{version}.safetensors"
        assert checkpoint.read_card(weights).facts["split"]["sha256"] == Folds.load(folder / "splits.json").sha256
        assert Predictor.load(weights, device="cpu").card.version == version
        assert json.loads((folder / "run.json").read_text())["ended"]


def test_codes_keep_features_that_lie_in_few_directions() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(200, 4)) @ rng.normal(size=(4, 60)) * 3 + 7).astype(np.float32)
    codes = Codes.fitted(features, 4)
    assert codes.lost(features) < 0.001
    assert codes.lost(rng.normal(size=(200, 60)).astype(np.float32)) > 0.5


def test_pictures_keep_spectra_to_a_decibel_or_two() -> None:
    rng = np.random.default_rng(0)
    level_db = (np.linspace(-40, 20, 64)[None] + rng.normal(0, 3, (300, 64))).astype(np.float16)
    assert np.abs(from_webp(webp(level_db)) - level_db).mean() < 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "{there}", "out", "--device", "gpu"], "There is no device 'gpu'"),
        (["run", "nowhere.npz", "out", "--device", "cpu"], "nowhere.npz is no file that `prepare` wrote"),
        (["prepare", "carry.npz", "--config", "nothing"], "There is no configuration nothing"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(carried: Path, arguments: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit, match=sentence):
        main([each.replace("{there}", str(carried)) for each in arguments])


def test_a_file_that_is_too_large_to_carry_is_refused(
    carried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "LIMIT_BYTES", 1000)
    place = carried.parent
    with pytest.raises(TrainingError, match="is larger than"):
        prepare(
            tmp_path / "carry.npz",
            CONFIG,
            data_root=place / "data",
            work_dir=place / "work",
            per_scene=8,
            log=lambda _: None,
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no GPU.")
def test_a_run_on_a_gpu_leaves_weights_for_any_machine(carried: Path, tmp_path: Path) -> None:
    run(carried, tmp_path / "out", minutes=0.3, device_name="cuda", log=lambda _: None)
    assert Predictor.load(tmp_path / "out" / "distilled" / "b3-gpu.safetensors", device="cpu")
    # A checkpoint of a GPU is resumed on a CPU.
    run(carried, tmp_path / "out", minutes=0.3, device_name="cpu", log=lambda _: None)
