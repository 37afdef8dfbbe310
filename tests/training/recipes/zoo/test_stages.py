"""What comes before the loop: it learns from the fold's training clips alone, and does what its paper says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotion.inference.quadrants import Quadrant
from emotion.zoo.frontends import FrontEnd, MelConfig
from emotion.zoo.hybrid_b3 import Tagger
from emotion.zoo.louro_autoencoder import LouroAutoencoderRf
from emotion.zoo.registry import architecture
from emotion.zoo.svm import Svm
from tests.training.recipes.zoo.inner_folds import assert_whole, training_groups
from training.data.augment import AugmentConfig
from training.data.splits import Rows
from training.datasets import Clip
from training.fit.loop import ClipSet, FitConfig, Start, predict
from training.recipes.zoo import stages
from training.recipes.zoo.stages import SyntheticSegments, fold_start
from training.recipes.zoo.systems import ZooError, ZooSystem, system, system_names

N, N_TRAIN, N_ARTISTS = 48, 32, 8
LEARNING = {"learning_rate": 1e-3, "epochs": 2, "batch_size": 8}


def clips() -> list[Clip]:
    made = []
    for number in range(N):
        quadrant, artist = Quadrant(number % 4 + 1), f"artist {number // 4 % N_ARTISTS}"
        made.append(Clip(f"made/{number}", "made", str(number), artist, Path("none.wav"), quadrant))
    return made


def made_system(name: str, before: dict[str, Any], **network: Any) -> ZooSystem:
    """A system of a small configuration of an architecture."""
    member = architecture(name)
    front_end, config = member.small or (member.front_end, member.config())
    config = replace(config, **network) if network else config
    return ZooSystem("made", "Made", "none", "", member, config, front_end, FitConfig(), before=before)


def made_data(shape: Sequence[int], rows: NDArray[np.int64]) -> ClipSet:
    """Inputs with the quadrant in them; those of clips that do not train are not numbers."""
    rng, quadrants = np.random.default_rng(0), np.arange(N) % 4
    inputs = rng.uniform(0, 0.2, (N, 2, *shape)).astype(np.float32)
    inputs += 0.15 * quadrants.reshape(N, 1, *[1] * len(shape)).astype(np.float32)
    inputs[np.setdiff1d(np.arange(N), rows)] = np.nan
    return ClipSet(inputs, np.eye(4, dtype=np.float32)[quadrants], averages=True)


def begun(system: ZooSystem, tmp_path: Path, seconds: float = math.inf) -> Any:
    rows = np.arange(N_TRAIN)
    data = made_data(system.front_end.prepared_shape, rows)
    dealt = Rows(rows, np.arange(N_TRAIN, 40), np.arange(40, N))
    start = fold_start(system, clips(), data, list(range(N)), dealt, 5, tmp_path, tmp_path, seconds=seconds)
    return start, data


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("louro_cnn", {"stage": "artists", "least_clips": 3, **LEARNING}),
        ("louro_cnn", {"stage": "deepsmote", "neighbours": 3, "samples_share": 0.5, **LEARNING}),
        ("louro_autoencoder_rf", {"stage": "autoencoder", **LEARNING}),
        ("logistic_means", {}),
        ("svm", {"stage": "svm", "evaluations": 3}),
    ],
)
def test_it_learns_from_the_training_clips_alone(name: str, before: dict[str, Any], tmp_path: Path) -> None:
    start, _ = begun(made_system(name, before), tmp_path)
    # What is not a number in one clip's inputs would be so in every weight that saw it.
    state = start.network.state_dict()
    assert all(torch.isfinite(value).all() for value in state.values() if value.is_floating_point())


def test_synthetic_samples_lie_within_their_quadrant(tmp_path: Path) -> None:
    before = {"stage": "deepsmote", "neighbours": 3, "samples_share": 0.5, **LEARNING, "epochs": 8}
    start, data = begun(made_system("louro_cnn", before), tmp_path)
    mixed = start.trained_on
    assert isinstance(mixed, SyntheticSegments)
    assert mixed.share == pytest.approx(1 / 3)
    levels = [float(np.mean(mixed.synthetic[quadrant])) for quadrant in range(4)]
    assert levels == sorted(levels)
    assert {len(samples) for samples in mixed.synthetic.values()} == {N_TRAIN // 4 // 2}
    torch.manual_seed(0)
    rows = np.tile(np.arange(N_TRAIN), 20)
    drawn = mixed[rows, np.zeros_like(rows)]
    real = data.inputs[rows, np.zeros_like(rows)]
    is_synthetic = (drawn != real).reshape(len(rows), -1).any(axis=1)
    assert is_synthetic.mean() == pytest.approx(1 / 3, abs=0.06)


def test_the_forest_reads_every_segment_of_the_training_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[tuple[torch.Tensor, torch.Tensor]] = []
    real = LouroAutoencoderRf.fit_features

    def noted(network: Any, features: torch.Tensor, quadrants: torch.Tensor) -> None:
        fitted.append((features, quadrants))
        real(network, features, quadrants)

    monkeypatch.setattr(LouroAutoencoderRf, "fit_features", noted)
    made = made_system("louro_autoencoder_rf", {"stage": "autoencoder", **LEARNING})
    start, data = begun(made, tmp_path)
    [(codes, quadrants)] = fitted
    assert isinstance(start.network, LouroAutoencoderRf)
    rows = np.arange(N_TRAIN)
    for place in range(2):
        inputs = made.front_end.tensor(torch.from_numpy(data.inputs[rows, place]))
        part = slice(N_TRAIN * place, N_TRAIN * (place + 1))
        assert torch.allclose(codes[part], start.network.features(inputs), atol=1e-4)
        assert quadrants[part].tolist() == (rows % 4).tolist()
    assert len(codes) == len(quadrants) == 2 * N_TRAIN


def test_the_machine_reads_ranked_columns(tmp_path: Path) -> None:
    start, _ = begun(made_system("svm", {"stage": "svm", "evaluations": 3}), tmp_path)
    assert isinstance(start.network, Svm)
    assert start.network.config.n_support > 1


def test_the_hybrid_is_pre_trained_on_masked_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masks: list[float] = []
    before = {"stage": "hybrid", **LEARNING, "augment": {"tfm": {"chance": 0.7}}}

    def augmented(images: Tensor, config: AugmentConfig, *, range_db: float, mel: MelConfig) -> Tensor:
        assert images.shape[1:] == (1, *mel.prepared_shape)
        masks.append(config.mask_chance)
        return images

    system = made_system("louro_hybrid", before)
    shapes: list[tuple[int, ...]] = []

    def images(_clips: object, front_end: FrontEnd, *_rest: object) -> ClipSet:
        shapes.append(front_end.prepared_shape)
        return made_data(front_end.prepared_shape, np.arange(N_TRAIN))

    monkeypatch.setattr(stages, "clip_set", images)
    monkeypatch.setattr(stages, "augment", augmented)
    start, _ = begun(system, tmp_path)
    mel = system.front_end.image
    assert mel is not None
    assert shapes == [mel.prepared_shape], "features of changed waveforms have no part in it"
    assert masks == [0.7] * (2 * N_TRAIN // 8)
    assert start.facts == {"before_epochs": 2}


def test_inner_folds_of_the_machine_share_no_artist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = made_system("svm", {"stage": "svm", "evaluations": 1})
    rows = np.arange(N_TRAIN)
    data = made_data(made.front_end.prepared_shape, rows)
    artists = rows // 4 % N_ARTISTS
    assert isinstance(data.inputs, np.ndarray)
    data.inputs[rows, :, 0] = artists[:, None]
    trained_on = training_groups(monkeypatch)
    dealt = Rows(rows, np.arange(N_TRAIN, 40), np.arange(40, N))
    fold_start(made, clips(), data, list(range(N)), dealt, 5, tmp_path, tmp_path)
    assert_whole(trained_on, artists)


@pytest.mark.parametrize(("seconds", "epochs"), [(math.inf, 2), (0.0, 1)])
def test_a_stage_that_learns_keeps_to_the_time(seconds: float, epochs: int, tmp_path: Path) -> None:
    start, _ = begun(made_system("louro_autoencoder_rf", {"stage": "autoencoder", **LEARNING}), tmp_path, seconds)
    assert start.facts == {"before_epochs": epochs}


@pytest.mark.parametrize("stage", ["imagenet", "svm", "tagger", "autoencoder", "artists", "hybrid"])
def test_a_stage_that_does_not_fit_its_network_is_a_sentence(stage: str, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=f"made asks for the stage '{stage}', which liu_simple cannot have"):
        begun(made_system("liu_simple", {"stage": stage}), tmp_path)


def test_a_stage_without_its_options_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="made: the stage 'autoencoder' lacks 'learning_rate'"):
        begun(made_system("louro_autoencoder_rf", {"stage": "autoencoder"}), tmp_path)


def test_an_option_that_a_stage_does_not_read_is_a_sentence(tmp_path: Path) -> None:
    before = {"stage": "autoencoder", **LEARNING, "optimiser": "sgd"}
    with pytest.raises(ZooError, match="made: the stage 'autoencoder' has no option optimiser"):
        begun(made_system("louro_autoencoder_rf", before), tmp_path)


@pytest.mark.parametrize("name", system_names())
def test_a_file_sets_no_option_that_its_stage_does_not_read(name: str) -> None:
    before = system(name).before
    assert before.keys() - {"stage"} <= stages.OPTIONS.get(before.get("stage", ""), set())


def test_an_unknown_stage_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="made wants the stage 'nothing'; known are fitted"):
        begun(made_system("liu_simple", {"stage": "nothing"}), tmp_path)


@pytest.mark.parametrize("name", ["louro_embeddings_rf", "tagger_svm"])
def test_what_is_frozen_is_computed_once_and_says_what_the_whole_network_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["first.pth", "second.pth"]
    for file in files:
        torch.save(Tagger().eval().state_dict(), tmp_path / file)
    system = made_system(name, {"stage": "tagger", "weights": files})
    rng = np.random.default_rng(0)
    inputs = rng.normal(0, 20, (N, 1, *system.front_end.prepared_shape)).astype(np.float32)
    data = ClipSet(inputs, np.eye(4, dtype=np.float32)[np.arange(N) % 4])

    def begin(rows: NDArray[np.int64]) -> Start:
        dealt = Rows(rows, np.arange(N_TRAIN, 40), np.arange(40, N))
        heard = [replace(clip, audio=audio) for clip in clips()]
        return fold_start(system, heard, data, list(range(N)), dealt, 5, tmp_path, tmp_path)

    audio = tmp_path / "song.wav"
    audio.write_bytes(b"one")
    start = begin(np.arange(N_TRAIN))
    assert start.outputs_of is not None
    rows = np.arange(40, N)
    for known, whole in zip(
        start.outputs_of(rows), predict(start.network, data, rows, system.front_end, torch.device("cpu")), strict=True
    ):
        assert np.allclose(known, whole, rtol=1e-3, atol=1e-3)
    with monkeypatch.context() as patch:
        patch.setattr(stages, "Features", None)
        other = begin(np.arange(4, N_TRAIN))
    assert other.outputs_of is not None
    assert np.abs(other.outputs_of(rows)[0] - start.outputs_of(rows)[0]).max() > 1e-3
    # Other audio under the same name is another input.
    audio.write_bytes(b"two")
    inputs[:] = inputs[::-1].copy()
    anew = begin(np.arange(N_TRAIN))
    assert anew.outputs_of is not None
    logits = predict(anew.network, data, rows, system.front_end, torch.device("cpu"))[0]
    assert np.allclose(anew.outputs_of(rows)[0], logits, rtol=1e-3, atol=1e-3)
