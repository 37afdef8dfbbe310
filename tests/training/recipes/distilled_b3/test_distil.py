import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emotion.exceptions import CheckpointError
from emotion.zoo.efficientnet_b3 import EfficientNetB3, EfficientNetConfig
from tests.networks import efficientnet
from tests.training.recipes.distilled_b3.conftest import MEL
from training.exceptions import TrainingDivergedError
from training.recipes.distilled_b3 import distil
from training.recipes.distilled_b3.distil import (
    DistilConfig,
    DistilStage,
    Muon,
    Student,
    Teachers,
    prepare_from_scratch,
    pretrain,
)
from training.recipes.distilled_b3.mixtures import (
    MixtureConfig,
    MixtureSampler,
    Spectra,
    _Pool,
    add_db,
    student_images,
)
from training.recipes.distilled_b3.teacher import TaggerFeatures

pytestmark = pytest.mark.slow

STILL = MixtureConfig(0, 0, 0, 0, 0, 0, 0)
STAGES = (DistilStage(45, 3, 4, 1e-3, 5e-4), DistilStage(46, 2, 2, 5e-4, 0.0, STILL, settled=True))


def sampler(clips: list[Spectra], scene: MixtureConfig | None = None) -> MixtureSampler:
    return MixtureSampler(clips, np.ones(len(clips)), MEL, scene or MixtureConfig())


def small_network() -> EfficientNetB3:
    torch.manual_seed(3)
    network = efficientnet(EfficientNetConfig("efficientnet-b0", image_size=(32, 46)))
    prepare_from_scratch(network)
    return network


def test_two_equal_levels_are_three_decibels_louder() -> None:
    assert torch.allclose(add_db(torch.tensor([0.0, -20.0]), torch.tensor([0.0, -80.0])), torch.tensor([3.0103, -20.0]))


def test_a_still_scene_is_a_clip_as_it_is(clips: list[Spectra]) -> None:
    only = sampler(clips[:1], STILL)
    batch = only.batch(2, 57, np.random.default_rng(0))
    whole = torch.from_numpy(clips[0].student.astype(np.float32))[None]
    assert torch.allclose(batch.images[0], student_images(whole[:, :171], MEL)[0], atol=1e-4)
    assert batch.teacher_db.shape == (2, 1, 96, round(171 * 1024 / 22_050 * 62.5))


def test_a_pool_in_one_tensor_gives_the_crops_of_a_list(clips: list[Spectra]) -> None:
    arrays = [clip.student[: 100 + 3 * number] for number, clip in enumerate(clips)]
    places = (np.array([3, 0, 3]), np.array([0.0, 90.5, 12.25]), 40, np.array([1.0, 0.9, 1.1]))
    listed, resident = _Pool(arrays, torch.device("cpu")), _Pool(arrays, torch.device("cpu"), in_one=True)
    assert torch.equal(listed.crops(*places), resident.crops(*places))


def test_student_and_teacher_hear_the_same_change(clips: list[Spectra]) -> None:
    scene = MixtureConfig(mix_chance=0, gain_db=12, eq_db=0, lowpass_chance=0, noise_chance=0, speed=0)
    batch = sampler(clips[:1], scene).batch(16, 45, np.random.default_rng(1))
    student = batch.images.amax(dim=(1, 2, 3)) * 0.25 * MEL.range_db
    teacher = batch.teacher_db.amax(dim=(1, 2, 3))
    # Loud noise bands: the loudest frame's chance differs, the gain does not.
    assert torch.corrcoef(torch.stack([student, teacher]))[0, 1] > 0.97
    assert teacher.std() > 4


def test_a_low_pass_takes_the_top_from_both(clips: list[Spectra]) -> None:
    scene = MixtureConfig(0, 0, 0, 0, lowpass_chance=1.0, noise_chance=0, speed=0)
    cut = sampler(clips[7:], scene).batch(32, 45, np.random.default_rng(1))
    plain = sampler(clips[7:], STILL).batch(32, 45, np.random.default_rng(1))
    assert cut.teacher_db[:, :, -6:].mean() < plain.teacher_db[:, :, -6:].mean() - 10
    assert cut.images[:, :, 21:25].mean() < plain.images[:, :, 21:25].mean() - 0.2
    assert torch.allclose(cut.teacher_db[:, :, :40], plain.teacher_db[:, :, :40], atol=1e-3)


def test_the_same_step_gives_the_same_lesson_and_another_another(clips: list[Spectra]) -> None:
    one, same, other = (sampler(clips).batch(3, 45, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.images, same.images)
    assert torch.equal(one.teacher_db, same.teacher_db)
    assert not torch.equal(one.images, other.images)


def test_muon_turns_a_gradient_into_a_rotation() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(24, 40, 1, 1))
    weight.grad = torch.randn_like(weight) * 1e-3
    Muon([weight], 1.0, 0.95, 0.0).step()
    singular = torch.linalg.svdvals(weight.detach().flatten(1) / (0.2 * 40**0.5))
    assert singular.min() > 0.6
    assert singular.max() < 1.3


@pytest.fixture(scope="module")
def heard(taggers: list[Path]) -> TaggerFeatures:
    """The taggers, compiled once."""
    return TaggerFeatures(taggers)


@pytest.fixture(scope="module")
def whole(
    clips: list[Spectra], heard: TaggerFeatures, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Student, Path]:
    """What a run learned that nothing stopped, and its checkpoint."""
    checkpoint = tmp_path_factory.mktemp("whole") / "whole.pt"
    return learn(clips, heard, checkpoint), checkpoint


def learn(clips: list[Spectra], heard: TaggerFeatures, checkpoint: Path, fail_at: int = -1, seed: int = 1) -> Student:
    steps = []

    def log(line: str) -> None:
        steps.append(line)

    def evaluate(student: Student, columns: int) -> float:
        if len(steps) == fail_at:
            raise KeyboardInterrupt
        return 0.0

    config = DistilConfig(stages=STAGES, warmup_steps=2, bf16=False)
    return pretrain(
        small_network(),
        sampler(clips),
        Teachers(heard.features),
        config,
        seed=seed,
        checkpoint=checkpoint,
        log=log,
        evaluate=evaluate,
    )


def test_a_killed_run_goes_on_to_the_very_same_weights(
    clips: list[Spectra],
    heard: TaggerFeatures,
    whole: tuple[Student, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real_step, calls = distil._step, []

    def killed(*args: Any) -> torch.Tensor:
        calls.append(args)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real_step(*args)

    monkeypatch.setattr(distil, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        learn(clips, heard, tmp_path / "killed.pt")
    monkeypatch.setattr(distil, "_step", real_step)
    resumed = learn(clips, heard, tmp_path / "killed.pt")
    assert torch.load(tmp_path / "killed.pt", weights_only=True)["step"] == 5
    for name, value in whole[0].state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_checkpoint_of_another_run_is_refused(
    clips: list[Spectra], heard: TaggerFeatures, whole: tuple[Student, Path], tmp_path: Path
) -> None:
    shutil.copyfile(whole[1], tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="another seed: it has 1, this run has 2"):
        learn(clips, heard, tmp_path / "c.pt", seed=2)


def test_lessons_are_learned(clips: list[Spectra], heard: TaggerFeatures, tmp_path: Path) -> None:
    teachers, network = Teachers(heard.features), small_network()
    config = DistilConfig(stages=(DistilStage(45, 6, 3, 2e-3, 1e-3, STILL),), warmup_steps=2, bf16=False)
    seen: list[float] = []
    real = distil._step
    # The same batch again and again: what differs between batches would hide what six steps teach.
    batch = sampler(clips).batch(3, 45, np.random.default_rng(0))

    def watched(*args: Any) -> torch.Tensor:
        loss = real(*args)
        seen.append(float(loss))
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distil, "_step", watched)
        patch.setattr(MixtureSampler, "batch", lambda *_: batch)
        pretrain(
            network,
            sampler(clips),
            teachers,
            config,
            seed=1,
            checkpoint=tmp_path / "c.pt",
            log=lambda _: None,
            evaluate=lambda student, columns: 0.0,
        )
    assert seen[-1] < 0.7 * seen[0]


def test_a_loss_that_is_no_number_stops_the_run(
    clips: list[Spectra], heard: TaggerFeatures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Teachers, "features", lambda self, level_db: torch.full((len(level_db), 1152), float("nan")))
    with pytest.raises(TrainingDivergedError, match="step 0"):
        learn(clips, heard, tmp_path / "c.pt")
    assert not (tmp_path / "c.pt").exists()
