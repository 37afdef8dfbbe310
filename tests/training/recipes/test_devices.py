"""Every recipe honours the device that it is given: the word reaches it, and what is not there is a sentence."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.core.management import CommandError, call_command

from emotion.exceptions import CheckpointError, DeviceUnavailableError
from emotion.inference import checkpoint
from emotion.inference.predict import Features
from emotion.zoo.efficientnet_b3 import EfficientNetB3, EfficientNetConfig
from emotion.zoo.frontends import MelConfig
from tests.networks import efficientnet
from tests.training.small_training import CPU, job, run, same, small
from training.data.splits import Fold, Folds, Protocol
from training.fit.loop import alone, together
from training.recipes import registry
from training.recipes.distilled_b3 import recipe
from training.recipes.distilled_b3.distil import DistilConfig, DistilStage, Teachers, prepare_from_scratch, pretrain
from training.recipes.distilled_b3.features import config_of
from training.recipes.distilled_b3.mixtures import MixtureConfig, MixtureSampler, Spectra
from training.recipes.distilled_b3.recipe import new_network
from training.recipes.distilled_b3.teacher import TaggerFeatures
from training.recipes.hybrid_b3 import retraining
from training.recipes.registry import RetrainJob, systems

pytestmark = pytest.mark.slow

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="This machine has a GPU.")
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no GPU.")
ABSENT = {"cuda": "CUDA was asked for", "cuda:7": "CUDA was asked for", "gpu": "There is no device 'gpu'"}


@NO_GPU
@pytest.mark.parametrize("device", list(ABSENT))
@pytest.mark.parametrize("system", list(systems()))
def test_training_refuses_a_device_that_is_not_there(system: str, device: str, tmp_path: Path) -> None:
    places = ["--data", str(tmp_path), "--work", str(tmp_path / "work"), "--run", str(tmp_path / "run")]
    with pytest.raises(CommandError, match=ABSENT[device]):
        call_command("train", "--config", system, *places, "--device", device)
    assert not (tmp_path / "run").exists()


@NO_GPU
@pytest.mark.parametrize("device", list(ABSENT))
@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_the_other_commands_refuse_it_too(command: str, device: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=ABSENT[device]):
        call_command(command, str(tmp_path), "--device", device)


@NO_GPU
@pytest.mark.parametrize(("weights", "name"), [("hybrid-b3", "refit"), ("b3-fast", "refit"), ("b3-fast", "whole")])
def test_retraining_refuses_it_too(weights: str, name: str, tmp_path: Path) -> None:
    live = checkpoint.SHIPPED_DIR / f"{weights}.safetensors"
    places = {"data_root": tmp_path, "work_dir": tmp_path, "run_dir": tmp_path / "run"}
    given = RetrainJob("own-1", live, (), **places, local_clips=[], local_targets={}, device="cuda:7")
    with pytest.raises(DeviceUnavailableError, match="CUDA was asked for"):
        registry.RECIPES[name].run(given, lambda _: None)
    assert not (tmp_path / "run").exists()


def test_the_device_reaches_pre_training_heads_and_features(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[torch.device] = []

    def record(*_: Any, device: torch.device, **__: Any) -> Any:
        seen.append(device)
        return None

    for name in ("gather", "learn", "fit_and_judge"):
        monkeypatch.setattr(recipe, name, record)
    dealt = Folds(Protocol.HELD_OUT, (Fold((), (), ()),))
    monkeypatch.setattr(recipe, "deal", lambda *_: [dealt])
    monkeypatch.setattr(recipe, "load_clips", lambda *_, **__: [])
    monkeypatch.setattr(recipe, "device_of", lambda name: torch.device(name))
    text = registry.config_path("distilled_b3").read_text()
    train: dict[str, Any] = {"resumes": False, "dry_run": False, "device": "cuda:3", "log": lambda _: None}
    recipe.train(registry.TrainJob(text, tmp_path, tmp_path, tmp_path / "run", **train))
    assert seen == [torch.device("cuda:3")] * 3


def test_a_hybrid_is_retrained_on_its_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[torch.device] = []

    class ReachedError(Exception):
        """Ends the test."""

    def record(*_: Any, device: torch.device, **__: Any) -> Any:
        seen.append(device)
        raise ReachedError

    monkeypatch.setattr(retraining, "clip_features", record)
    monkeypatch.setattr(retraining, "device_of", lambda name: torch.device(name))
    places = {"data_root": tmp_path, "work_dir": tmp_path, "run_dir": tmp_path / "run"}
    live = checkpoint.SHIPPED_DIR / "hybrid-b3.safetensors"
    with pytest.raises(ReachedError):
        retraining.refit(
            RetrainJob("own-1", live, (), **places, local_clips=[], local_targets={}, device="cuda:1"), lambda _: None
        )
    assert seen == [torch.device("cuda:1")]


def test_one_gpu_is_no_place_for_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for device, sentence in (("cuda:0", "cuda:0 is one GPU, and there are 2"), ("auto", "Process 1 has no GPU")):
        with pytest.raises(DeviceUnavailableError, match=sentence), together(device):
            pass


def test_features_leave_the_network_where_it_is() -> None:
    network = efficientnet(EfficientNetConfig("efficientnet-b0", image_size=32)).eval()
    images = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        exact = network.features(images)
    assert torch.allclose(Features(network, (3, 32, 32), torch.device("cpu"))(images), exact, atol=1e-3)
    assert next(network.parameters()).device.type == "cpu"


# --- ImageNet weights ---------------------------------------------------------------------------------------------


def test_distillation_starts_from_imagenet_weights(tmp_path: Path) -> None:
    config = config_of(
        {
            "version": "made",
            "datasets": ["4qaed"],
            "seed": 1,
            "backbone": "efficientnet-b0",
            "imagenet": str(tmp_path / "imagenet.pth"),
            "mel": {"n_mels": 32, "window_s": 6.0, "hop_samples": 1024, "frames_as_channels": True},
            "distil": {"stages": []},
        },
        "made",
    )
    with pytest.raises(CheckpointError, match=r"could not be loaded .*imagenet\.pth.*start at random"):
        new_network(config)
    torch.manual_seed(9)
    source = efficientnet(EfficientNetConfig("efficientnet-b0", image_size=32))
    # A file of the library also has the ImageNet classifier.
    torch.save({**source.backbone.state_dict(), "_fc.weight": torch.zeros(2)}, tmp_path / "imagenet.pth")
    made = new_network(config)
    for name, value in source.backbone.state_dict().items():
        assert torch.equal(value, made.backbone.state_dict()[name]), name
    other = new_network(replace(config, imagenet="")).backbone.state_dict()
    assert not torch.equal(other["_conv_head.weight"], source.backbone.state_dict()["_conv_head.weight"])
    torch.save({"weight": torch.zeros(1)}, tmp_path / "imagenet.pth")
    with pytest.raises(CheckpointError, match="does not hold the weights of efficientnet-b0"):
        new_network(config)


# --- On a GPU -----------------------------------------------------------------------------------------------------


@GPU
def test_a_checkpoint_of_a_gpu_resumes_on_a_cpu(tmp_path: Path) -> None:
    run(job(checkpoint=tmp_path / "c.pt", processes=alone("cuda"), is_over=lambda: True))
    _, outcome = run(job(checkpoint=tmp_path / "c.pt", processes=CPU))
    assert len(outcome.epochs) == 3
    assert same(small(), small())


@GPU
def test_pre_training_learns_on_a_gpu_and_goes_on_on_a_cpu(tmp_path: Path, taggers: list[Path]) -> None:
    rng = np.random.default_rng(0)
    clips = [
        Spectra(rng.normal(-20, 9, (172, 32)).astype(np.float16), rng.normal(-20, 9, (500, 96)).astype(np.float16), 0.0)
        for _ in range(4)
    ]
    mel = MelConfig(n_fft=1024, hop_samples=1024, n_mels=32, window_s=6.5, frames_as_channels=True)
    config = DistilConfig(stages=(DistilStage(45, 4, 4, 1e-3, 0.0),), warmup_steps=1)
    network = efficientnet(EfficientNetConfig("efficientnet-b0", image_size=(32, 46)))
    prepare_from_scratch(network)
    for device, is_over in ((torch.device("cuda", 0), True), (torch.device("cpu"), False)):
        student = pretrain(
            copy.deepcopy(network),
            MixtureSampler(clips, np.ones(4), mel, MixtureConfig(), device),
            Teachers(TaggerFeatures(taggers, device).features),
            config,
            seed=1,
            checkpoint=tmp_path / "c.pt",
            log=lambda _: None,
            evaluate=lambda student, columns: 0.0,
            is_over=lambda over=is_over: over,  # type: ignore[misc]
        )
        assert next(student.parameters()).device == device
        assert isinstance(student.network, EfficientNetB3)
