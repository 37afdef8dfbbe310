"""Pre-train a backbone without labels on the features of public tagging networks, and compute its features.

Student and teachers get the same random mixtures, so the training data never runs out.

Source: Beyer et al. (2022), Knowledge distillation: a good teacher is patient and consistent (same view for both,
mixing far from the data, long schedules).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from emotion.inference.predict import Features, channels_last
from emotion.zoo.frontends import MelConfig
from emotion.zoo.registry import HeadedNetwork
from training.exceptions import TrainingDivergedError
from training.fit.loop import keep_wide_depthwise_in_float32, read_checkpoint, renewing_statistics, write_checkpoint
from training.recipes.distilled_b3.mixtures import (
    MixtureConfig,
    MixtureSampler,
    Sampler,
    Spectra,
    stretch_at,
    student_images,
)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised, for weights that are matrices (1x1 convolutions included).

    torch's own takes only two-dimensional parameters, and EfficientNet's matrices are 1x1 convolutions.

    Source: Jordan et al. (2024), Muon; Liu et al. (2025), Muon is scalable for LLM training (the scale of an update).
    """

    def __init__(self, params: Sequence[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(state["momentum"], group["momentum"])
                update = _orthogonal(ahead.flatten(1))
                scale = 0.2 * math.sqrt(max(update.shape))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update.view_as(weight), alpha=-group["lr"] * scale)


def _orthogonal(matrix: Tensor) -> Tensor:
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.bfloat16() / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).float()


BATCH = 32
_STEPS_BETWEEN_SAVES = 50
# A check makes a GPU wait.
_STEPS_BETWEEN_CHECKS = 10
_WARMING_STEPS, _MEASURED_STEPS = 3, 6
# Batches from which the spread of a teacher's features, and the student's batch norm, are measured.
_MEASURING_BATCHES, _SETTLING_BATCHES = 12, 48


def pooled(features: Features, batches: Iterator[Tensor], *, total: int, name: str) -> Tensor:
    """Return features `(n, feature_size)` of batches of inputs; `total` and `name` are for the progress bar."""
    bar = tqdm(batches, total=-(-total // BATCH), desc=name, mininterval=10)
    return torch.cat([features(batch).cpu() for batch in bar])


def windows(spectra: Sequence[Spectra], mel: MelConfig) -> Iterator[Tensor]:
    """Yield batches of the network inputs of the centre window of each clip, unchanged."""
    frames = mel.image_shape[1]
    for start in range(0, len(spectra), BATCH):
        batch = np.stack([stretch_at(each.student, frames) for each in spectra[start : start + BATCH]])
        yield student_images(torch.from_numpy(batch), mel)


def changed(sampler: MixtureSampler, clips: NDArray[np.int64], mel: MelConfig, seed: int) -> Iterator[Tensor]:
    """Yield batches of network inputs of a random, changed stretch of each named clip of a sampler."""
    rng = np.random.default_rng(seed)
    for start in range(0, len(clips), BATCH):
        yield sampler.views(clips[start : start + BATCH], mel.network_shape[1], rng)


@dataclass(frozen=True, slots=True)
class DistilStage:
    """A stretch of pre-training on crops of one length; the learning rate goes linearly from first to last."""

    crop_columns: int
    steps: int
    batch_size: int
    first_rate: float
    last_rate: float
    scene: MixtureConfig | None = None  # How far the mixtures are from the clips; None takes the configuration's.
    # Whether the statistics of batch normalisation are measured once, before the stage, and then stay, as in serving.
    # With those of each batch, a rare sound is normalised by its batch, and its features run away when served alone.
    settled: bool = False


@dataclass(frozen=True, slots=True)
class DistilConfig:
    """How the backbone is pre-trained."""

    # Short crops first: a step costs the seconds of its crops, and four short crops teach more than a long one.
    stages: tuple[DistilStage, ...]
    matrix_rate: float = 10.0  # Learning rate of Muon, in units of the stage's rate, which is AdamW's.
    weight_decay: float = 0.02
    warmup_steps: int = 100
    clip_norm: float = 5.0
    source_power: float = 0.75  # A source's share of the mixtures is its total duration to this power.
    bf16: bool = True
    scene: MixtureConfig = field(default_factory=MixtureConfig)


class Teachers:
    """Features of public taggers, and their scale at one length of crop."""

    def __init__(self, raw: Callable[[Tensor], Tensor]) -> None:
        """Take a function from the teachers' inputs of a batch to features `(n, n_features)` in their own units."""
        self.raw = raw
        self._mean = self._spread = torch.zeros(0)

    def measure(self, batches: Iterator[Tensor]) -> None:
        """Measure each feature's mean and spread on batches of spectra."""
        features = torch.cat([self.raw(batch) for batch in batches])
        self._mean, self._spread = features.mean(dim=0), features.std(dim=0).clamp(min=1e-4)

    def features(self, teacher_db: Tensor) -> Tensor:
        """Return standardised features, at most eight spreads from the mean."""
        return ((self.raw(teacher_db) - self._mean) / self._spread).clamp(-8, 8)


class Student(nn.Module):
    """The backbone and a linear map from its pooled features to the teachers'."""

    def __init__(self, network: HeadedNetwork, n_features: int) -> None:
        super().__init__()
        self.network = channels_last(network)
        self.projection = nn.Linear(network.feature_size, n_features)

    def forward(self, images: Tensor) -> Tensor:
        """Return guessed teacher features `(n, n_features)`."""
        return self.projection(self.network.features(images)).float()


def prepare_from_scratch(network: HeadedNetwork) -> None:
    """Prepare a backbone, in place, for endless mixtures: no block is skipped, and normalisation follows ten steps."""
    network.skip_no_block()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1


def _optimisers(student: Student, config: DistilConfig) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    # Muon for the backbone's matrices and AdamW for everything else; each step sets their rates.
    matrices = [
        weight
        for weight in student.network.backbone.parameters()
        if weight.ndim == 4 and weight.shape[2:] == (1, 1) and min(weight.shape[:2]) >= 24
    ]
    parts = (student.network.head, student.network.classifier, student.network.regressor)
    others = {id(weight) for part in parts if part is not None for weight in part.parameters()} | set(map(id, matrices))
    rest = [weight for weight in student.parameters() if id(weight) not in others]
    decayed = [weight for weight in rest if weight.ndim > 1]
    plain = [weight for weight in rest if weight.ndim <= 1]
    adam = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}], fused=True
    )
    return Muon(matrices, 0.0, 0.95, config.weight_decay), adam


def pretrain(
    network: HeadedNetwork,
    sampler: Sampler,
    teachers: Teachers,
    config: DistilConfig,
    *,
    seed: int,
    checkpoint: Path,
    log: Callable[[str], None],
    evaluate: Callable[[Student, int], float],
    is_over: Callable[[], bool] = lambda: False,
) -> Student:
    """Pre-train a network's backbone, in place, on the sampler's device; return the student in evaluation mode.

    Every step has a random generator of seed and step, so that a run resumed from the checkpoint, which is written
    every 50 steps, gets the same batches. `evaluate` scores the student on held-out crops of so many columns; once
    `is_over`, which is asked when a checkpoint is written, the student is returned as it is then.

    Raises:
        TrainingDivergedError: The loss is not finite.
    """
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    student = _new_student(network, sampler, teachers, config.stages[0], seed)
    chosen = _optimisers(student, config)
    identity = {"configuration": asdict(config), "network": asdict(network.config), "seed": seed}
    done = _resume(checkpoint, identity, student, chosen)
    for stage, first in _left(config.stages, done):
        rng = np.random.default_rng((seed, first))
        teachers.measure(
            sampler.batch(64, stage.crop_columns, rng, stage.scene).teacher_db for _ in range(_MEASURING_BATCHES)
        )
        if stage.settled and done <= first:
            settle(student, sampler, stage, seed, batches=_SETTLING_BATCHES)
        started, losses = time.monotonic(), []
        for number in range(max(first, done), first + stage.steps):
            losses.append(_step(student, chosen, sampler, teachers, config, stage, seed, number - first, number))
            saves = (number + 1) % _STEPS_BETWEEN_SAVES == 0
            if saves:
                pace = len(losses) * stage.batch_size / (time.monotonic() - started)
                log(f"step {number + 1}: loss {torch.stack(losses[-50:]).mean():.3f}, {pace:.1f} crops/s")
            scores = (number + 1) % 500 == 0 or number + 1 == first + stage.steps
            if scores and not stage.settled:
                # Before it is saved: a run that is killed later finds the norms as they are scored.
                settle(student, sampler, stage, seed)
            if saves or scores:
                _check(losses[-1], number)
                states = [optimiser.state_dict() for optimiser in chosen]
                state = {"student": student.state_dict(), "optimisers": states, "step": number + 1}
                write_checkpoint(checkpoint, identity, state)
                if is_over():
                    settle(student, sampler, stage, seed)
                    return student.eval()
            if scores:
                student.eval()
                log(f"step {number + 1}: {evaluate(student, stage.crop_columns):.3f} of the variance of held-out clips")
    return student.eval()


def steps_per_s(
    network: HeadedNetwork, sampler: Sampler, teachers: Teachers, config: DistilConfig, stage: DistilStage
) -> float:
    """Return how many steps of a stage a second holds, measured on a copy of the network."""
    student = _new_student(copy.deepcopy(network), sampler, teachers, stage, 0)
    chosen = _optimisers(student, config)
    teachers.measure(iter([sampler.batch(64, stage.crop_columns, np.random.default_rng(0), stage.scene).teacher_db]))
    started = 0.0
    for number in range(_WARMING_STEPS + _MEASURED_STEPS):
        if number == _WARMING_STEPS:
            started = time.monotonic()
        # The conversion waits for a GPU.
        float(_step(student, chosen, sampler, teachers, config, stage, 0, number, number))
    return _MEASURED_STEPS / (time.monotonic() - started)


def _left(stages: Sequence[DistilStage], done: int) -> Iterator[tuple[DistilStage, int]]:
    # The stages that are not done, with the number of their first step.
    first = 0
    for stage in stages:
        if done < first + stage.steps:
            yield stage, first
        first += stage.steps


def _new_student(
    network: HeadedNetwork, sampler: Sampler, teachers: Teachers, stage: DistilStage, seed: int
) -> Student:
    if sampler.device.type == "cpu":
        keep_wide_depthwise_in_float32(network)
    first = sampler.batch(2, stage.crop_columns, np.random.default_rng(seed), stage.scene)
    return Student(network, teachers.raw(first.teacher_db).shape[1]).to(sampler.device)


def _resume(path: Path, identity: dict[str, Any], student: Student, chosen: Sequence[torch.optim.Optimizer]) -> int:
    if not path.exists():
        return 0
    state = read_checkpoint(path, identity)
    student.load_state_dict(state["student"])
    for optimiser, saved in zip(chosen, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    return int(state["step"])


def _step(
    student: Student,
    chosen: Sequence[torch.optim.Optimizer],
    sampler: Sampler,
    teachers: Teachers,
    config: DistilConfig,
    stage: DistilStage,
    seed: int,
    position: int,
    number: int,
) -> Tensor:
    rate = stage.first_rate + (stage.last_rate - stage.first_rate) * position / stage.steps
    rate *= min(1.0, (number + 1) / config.warmup_steps)
    for optimiser, factor in zip(chosen, (config.matrix_rate, 1.0), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = rate * factor
    rng = np.random.default_rng((seed, 1, number))
    batch = sampler.batch(stage.batch_size, stage.crop_columns, rng, stage.scene)
    wanted = teachers.features(batch.teacher_db)
    student.train()
    for module in student.modules():
        if stage.settled and isinstance(module, nn.BatchNorm2d):
            module.eval()
    with torch.autocast(wanted.device.type, torch.bfloat16, enabled=config.bf16):
        guessed = student(batch.images)
    # Linear far from the target, so that one runaway does not decide the step.
    loss = (
        2 * functional.huber_loss(guessed, wanted, delta=3.0) if stage.settled else functional.mse_loss(guessed, wanted)
    )
    if loss.device.type == "cpu" or number % _STEPS_BETWEEN_CHECKS == 0:
        _check(loss, number)
    for optimiser in chosen:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), config.clip_norm)
    for optimiser in chosen:
        optimiser.step()
    return loss.detach()


def _check(loss: Tensor, number: int) -> None:
    if not torch.isfinite(loss):
        raise TrainingDivergedError(f"The loss is {loss.item()} at step {number}; lower the learning rate.")


def settle(student: Student, sampler: Sampler, stage: DistilStage, seed: int, batches: int = 12) -> None:
    """Measure the statistics of batch normalisation, in place, on batches of a stage."""
    rng = np.random.default_rng((seed, 2))
    with renewing_statistics(student), torch.autocast(sampler.device.type, torch.bfloat16):
        for _ in range(batches):
            student.network.features(sampler.batch(stage.batch_size, stage.crop_columns, rng, stage.scene).images)
