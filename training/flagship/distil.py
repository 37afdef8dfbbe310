"""Pre-training without labels: the student learns to hear what public tagging networks hear. Pure.

Student and teachers are given the same sound, made anew for every step from the spectra of the clips at hand: a random
stretch, at another speed, mixed with a second clip, filtered, re-levelled, with noise. The teachers answer for the very
mixture, so there is no limit to the lessons and nothing to overfit; what holds on the mixtures holds on unseen music.

Source: Beyer et al. (2022), Knowledge distillation: a good teacher is patient and consistent (same view for both,
mixing far from the data, long schedules); Jordan et al. (2024), Muon (the optimiser of matrix-shaped weights).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emotion.audio import SAMPLE_RATE_HZ
from emotion.mel import CHANNELS, IMAGE_CENTRE, IMAGE_SPREAD, MelConfig
from emotion.network import QuadrantNetwork, channels_last
from training.flagship.spectra import FLOOR_DB, TEACHER_HOP, TEACHER_MELS, TEACHER_RATE_HZ, Spectra
from training.flagship.teacher import Ears
from training.loop import TrainingDivergedError, keep_wide_depthwise_in_float32

_NEPERS_PER_DB = math.log(10) / 10


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """How far a lesson's sound is from the clips it is made of; zero switches a change off.

    Attributes:
        mix_chance: How often a second clip sounds as well.
        mix_db: Largest difference of level between the two.
        gain_db: Largest change of level, either way.
        eq_db: Largest boost or cut of one of three equaliser bells.
        lowpass_chance: How often the top of the spectrum is cut, as codecs do.
        noise_chance: How often there is coloured noise.
        speed: Largest change of tempo, as a fraction; pitch stays.
    """

    mix_chance: float = 0.5
    mix_db: float = 12.0
    gain_db: float = 12.0
    eq_db: float = 10.0
    lowpass_chance: float = 0.3
    noise_chance: float = 0.15
    speed: float = 0.15


@dataclass(frozen=True, slots=True)
class DistilStage:
    """A stretch of pre-training on crops of one length; the learning rate goes linearly from first to last.

    Attributes:
        scene: How far the lessons are from the clips; None takes the configuration's.
        settled: Whether the statistics of batch normalisation are measured once, before the stage, and then stay. While
            each batch gives its own, a rare sound is tamed by the batch that it is in, and runs away when it is served
            alone; the last stages teach the network what is served.
    """

    crop_columns: int
    steps: int
    batch_size: int
    first_rate: float
    last_rate: float
    scene: SceneConfig | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class DistilConfig:
    """How the backbone is pre-trained.

    Attributes:
        stages: Short crops first: a step costs the seconds it hears, and four short crops teach more than a long one.
        matrix_rate: Learning rate of Muon, in units of the stage's rate, which is AdamW's.
        source_power: A source's share of the lessons is its total duration to this power.
    """

    stages: tuple[DistilStage, ...]
    matrix_rate: float = 10.0
    weight_decay: float = 0.02
    warmup_steps: int = 100
    clip_norm: float = 5.0
    source_power: float = 0.75
    bf16: bool = True
    scene: SceneConfig = field(default_factory=SceneConfig)


@dataclass(frozen=True, slots=True)
class Lesson:
    """One batch.

    Attributes:
        images: `(n, 3, n_mels, columns)`, what the student sees.
        teacher_db: `(n, 1, 96, frames)` dB, what the teachers hear.
    """

    images: Tensor
    teacher_db: Tensor


class Composer:
    """Draws lessons from the spectra of clips."""

    def __init__(
        self, spectra: Sequence[Spectra], weights: NDArray[np.float64], mel: MelConfig, config: SceneConfig
    ) -> None:
        """Take the clips.

        Args:
            spectra: Of each clip.
            weights: `(n,)`, how often each is drawn.
            mel: The student's; frames as channels.
            config: How far the scenes go.
        """
        self._spectra = spectra
        self._weights = weights / weights.sum()
        self._mel = mel
        self._config = config
        self._student_hz = band_centres_hz(mel)
        self._teacher_hz = torch.from_numpy(_htk_centres_hz()).float()

    def lesson(self, n: int, columns: int, rng: np.random.Generator, scene: SceneConfig | None = None) -> Lesson:
        """Compose a batch of `n` scenes of `columns` image columns."""
        config = scene or self._config
        student, teacher = self._crops(self._draw(n, rng), columns, rng, config.speed)
        other_student, other_teacher = self._crops(self._draw(n, rng), columns, rng, config.speed)
        mixed = torch.from_numpy(rng.random(n) < config.mix_chance)
        quieter = torch.where(mixed, _uniform(rng, n, config.mix_db), torch.full((n,), -200.0)).view(n, 1, 1)
        student, teacher = add_db(student, other_student + quieter), add_db(teacher, other_teacher + quieter)
        shape = _Filter.draw(n, config, rng)
        student = shape.apply(student, self._student_hz)
        teacher = shape.apply(teacher, self._teacher_hz)
        return Lesson(student_images(student, self._mel), teacher.transpose(1, 2)[:, None].contiguous())

    def views(self, clips: NDArray[np.int64], columns: int, rng: np.random.Generator) -> Tensor:
        """Return network inputs of a random stretch of each named clip, filtered and re-levelled but not mixed."""
        student, _ = self._crops(clips, columns, rng, self._config.speed)
        shape = _Filter.draw(len(clips), self._config, rng)
        return student_images(shape.apply(student, self._student_hz), self._mel)

    def _draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        return rng.choice(len(self._spectra), n, p=self._weights)

    def _crops(
        self, clips: NDArray[np.int64], columns: int, rng: np.random.Generator, speed: float
    ) -> tuple[Tensor, Tensor]:
        """Return `(n, frames, bands)` dB of both, for one random stretch of each clip."""
        n = len(clips)
        student_s, teacher_s = self._mel.hop_samples / SAMPLE_RATE_HZ, TEACHER_HOP / TEACHER_RATE_HZ
        n_student = columns * CHANNELS
        n_teacher = round(n_student * student_s / teacher_s)
        students = np.empty((n, n_student, self._mel.n_mels), np.float32)
        teachers = np.empty((n, n_teacher, TEACHER_MELS), np.float32)
        for row, clip in enumerate(clips):
            found = self._spectra[clip]
            rate = 1 + rng.uniform(-speed, speed)
            room_s = len(found.student) * student_s - n_student * student_s * rate
            start_s = rng.uniform(0, max(0.0, room_s))
            students[row] = _stretch(found.student, start_s / student_s, n_student, rate)
            teachers[row] = _stretch(found.teacher, start_s / teacher_s, n_teacher, rate)
        return torch.from_numpy(students), torch.from_numpy(teachers)


def _stretch(frames: NDArray[np.float16], start: float, n: int, speed: float) -> NDArray[np.float16]:
    """Return `n` frames from `start` on, at another speed; a clip that ends begins again."""
    wanted = (start + np.arange(n) * speed).astype(np.int64) % len(frames)
    return frames[wanted]


@dataclass(frozen=True, slots=True)
class _Filter:
    """What happens to a whole scene: gain, three bells in octaves, a low-pass and noise, each `(n, ...)`."""

    gain_db: Tensor
    bell_octave: Tensor
    bell_width: Tensor
    bell_db: Tensor
    cut_hz: Tensor
    noise_db: Tensor
    noise_slope: Tensor

    @classmethod
    def draw(cls, n: int, config: SceneConfig, rng: np.random.Generator) -> _Filter:
        def between(low: float, high: float, *shape: int) -> Tensor:
            return torch.from_numpy(rng.uniform(low, high, (n, *shape)).astype(np.float32))

        cut = torch.where(between(0, 1) < config.lowpass_chance, between(11.5, 13.0), torch.full((n,), 20.0))
        noisy = between(0, 1) < config.noise_chance
        return cls(
            gain_db=between(-config.gain_db, config.gain_db),
            bell_octave=between(6, 13, 3),
            bell_width=between(0.5, 2.0, 3),
            bell_db=between(-config.eq_db, config.eq_db, 3),
            cut_hz=2**cut,
            noise_db=torch.where(noisy, between(-45, -10), torch.full((n,), -200.0)),
            noise_slope=between(-6, 0),
        )

    def apply(self, level_db: Tensor, band_hz: Tensor) -> Tensor:
        """Return `(n, frames, bands)` dB of the filtered scene."""
        octave = torch.log2(band_hz.clamp(min=30.0))
        distance = (octave - self.bell_octave[..., None]) / self.bell_width[..., None]
        curve = (self.bell_db[..., None] * torch.exp(-0.5 * distance**2)).sum(dim=1)
        # 48 dB an octave and more, as resamplers and codecs cut.
        over = (octave - torch.log2(self.cut_hz)[:, None]).clamp(min=0) * 300.0
        curve = curve + self.gain_db[:, None] - over
        noise = (self.noise_db[:, None] + self.noise_slope[:, None] * (octave - 10.0))[:, None]
        return add_db(level_db + curve[:, None], noise).clamp(min=FLOOR_DB)


def add_db(first: Tensor, second: Tensor) -> Tensor:
    """Return the level of two sounds at once: powers add."""
    return torch.logaddexp(first * _NEPERS_PER_DB, second * _NEPERS_PER_DB) / _NEPERS_PER_DB


def band_centres_hz(mel: MelConfig) -> Tensor:
    """Return the centre frequencies `(n_mels,)` of the student's bands."""
    from librosa import mel_frequencies

    centres = mel_frequencies(mel.n_mels + 2, fmin=mel.f_min_hz, fmax=mel.f_max_hz)[1:-1]
    return torch.from_numpy(centres).float()


def _htk_centres_hz() -> NDArray[np.float64]:
    from librosa import mel_frequencies

    return np.asarray(mel_frequencies(TEACHER_MELS + 2, fmin=0.0, fmax=TEACHER_RATE_HZ / 2, htk=True)[1:-1])


def student_images(level_db: Tensor, mel: MelConfig) -> Tensor:
    """Return network inputs of spectra, as `emotion.mel` makes them.

    Args:
        level_db: `(n, frames, n_mels)`.
        mel: Frames as channels.

    Returns:
        `(n, 3, n_mels, frames / 3)`, channels last in memory.
    """
    image = ((level_db - mel.reference_db) / mel.range_db + 1.0).clamp(0.0, 1.0)
    n, frames, bands = image.shape
    centred = (image - IMAGE_CENTRE) / IMAGE_SPREAD
    spread = centred.view(n, frames // CHANNELS, CHANNELS, bands).permute(0, 2, 3, 1)
    return spread.contiguous(memory_format=torch.channels_last)


def _uniform(rng: np.random.Generator, n: int, limit: float) -> Tensor:
    return torch.from_numpy(rng.uniform(-limit, limit, n).astype(np.float32))


class Teachers:
    """Public taggers, and the scale of their features at one length of crop."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Load the state dicts of public taggers."""
        self._ears = Ears(files)
        self._mean = self._spread = torch.zeros(0)

    def raw(self, teacher_db: Tensor) -> Tensor:
        """Return features `(n, n_features)` in the taggers' own units."""
        return torch.from_numpy(self._ears.features(teacher_db.numpy()))

    def measure(self, batches: Iterator[Tensor]) -> None:
        """Learn each feature's mean and spread from batches of spectra."""
        features = torch.cat([self.raw(batch) for batch in batches])
        self._mean, self._spread = features.mean(dim=0), features.std(dim=0).clamp(min=1e-4)

    def features(self, teacher_db: Tensor) -> Tensor:
        """Return standardised features, at most eight spreads from the mean."""
        return ((self.raw(teacher_db) - self._mean) / self._spread).clamp(-8, 8)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised, for weights that are matrices (1x1 convolutions included).

    torch's own takes only two-dimensional parameters, and EfficientNet's matrices are 1x1 convolutions.

    Source: Jordan et al. (2024), Muon; Liu et al. (2025), Muon is scalable for LLM training (the scale of an update).
    """

    def __init__(self, params: Sequence[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient."""
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
    """Return about the nearest matrix with orthogonal rows or columns, by five Newton-Schulz steps."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.bfloat16() / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).float()


class Student(nn.Module):
    """The backbone and a linear map from its pooled features to the teachers'."""

    def __init__(self, network: QuadrantNetwork, n_features: int) -> None:
        super().__init__()
        self.network = channels_last(network)
        self.projection = nn.Linear(network.feature_size, n_features)

    def forward(self, images: Tensor) -> Tensor:
        """Return guessed teacher features `(n, n_features)`."""
        return self.projection(self.network.features(images)).float()


def prepare_from_scratch(network: QuadrantNetwork) -> None:
    """Set, in place, what suits a backbone that learns from endless lessons instead of fine-tuning.

    No block is ever skipped (there is nothing to overfit), and normalisation follows ten steps instead of a hundred.
    """
    network.backbone._global_params = network.backbone._global_params._replace(drop_connect_rate=0.0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1


def optimisers(student: Student, config: DistilConfig) -> list[torch.optim.Optimizer]:
    """Return Muon for the backbone's matrices and AdamW for everything else; rates are set at each step."""
    matrices = [
        weight
        for weight in student.network.backbone.parameters()
        if weight.ndim == 4 and weight.shape[2:] == (1, 1) and min(weight.shape[:2]) >= 24
    ]
    chosen = {id(weight) for weight in matrices}
    head = {id(weight) for part in (student.network.head, student.network.classifier) for weight in part.parameters()}
    rest = [weight for weight in student.parameters() if id(weight) not in chosen | head]
    decayed = [weight for weight in rest if weight.ndim > 1]
    plain = [weight for weight in rest if weight.ndim <= 1]
    adam = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}], fused=True
    )
    if config.matrix_rate == 0:
        adam.add_param_group({"params": matrices, "weight_decay": config.weight_decay})
        return [adam]
    return [Muon(matrices, 0.0, 0.95, config.weight_decay), adam]


def pretrain(
    network: QuadrantNetwork,
    composer: Composer,
    teachers: Teachers,
    config: DistilConfig,
    *,
    seed: int,
    checkpoint: Path,
    say: Callable[[str], None],
    evaluate: Callable[[Student, int], float],
) -> Student:
    """Pre-train a network's backbone, going on from a checkpoint where there is one.

    Args:
        network: Changed in place.
        composer: Gives lessons.
        teachers: Answer them.
        config: Stages and rates.
        seed: Every step has its own random generator, of seed and step, so that a resumed run hears the same lessons.
        checkpoint: Written beside and renamed every few minutes; the run goes on from it if it is there.
        say: Receives one line of progress at a time.
        evaluate: Gives a figure of the student on held-out crops of so many columns, for the log.

    Returns:
        The student, in evaluation mode.

    Raises:
        TrainingDivergedError: The loss is not finite.
    """
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    keep_wide_depthwise_in_float32(network)
    first = composer.lesson(2, config.stages[0].crop_columns, np.random.default_rng(seed))
    student = Student(network, teachers.raw(first.teacher_db).shape[1])
    chosen = optimisers(student, config)
    done = _resume(checkpoint, student, chosen)
    step = 0
    for stage in config.stages:
        if done >= step + stage.steps:
            step += stage.steps
            continue
        rng = np.random.default_rng((seed, step))
        teachers.measure(composer.lesson(64, stage.crop_columns, rng, stage.scene).teacher_db for _ in range(12))
        if stage.settled and done <= step:
            settle(student, composer, stage, seed, batches=48)
        started, losses = time.monotonic(), []
        for position in range(stage.steps):
            if (number := step + position) < done:
                continue
            _set_rates(chosen, config, stage, position, number)
            losses.append(_step(student, chosen, composer, teachers, config, stage, seed, number))
            if (number + 1) % 50 == 0:
                pace = len(losses) * stage.batch_size / (time.monotonic() - started)
                say(f"step {number + 1}: loss {np.mean(losses[-50:]):.3f}, {pace:.1f} crops/s")
            if (number + 1) % 50 == 0 or position == stage.steps - 1:
                _save(checkpoint, student, chosen, number + 1)
            if (number + 1) % 500 == 0 or position == stage.steps - 1:
                if not stage.settled:
                    settle(student, composer, stage, seed)
                student.eval()
                say(f"step {number + 1}: {evaluate(student, stage.crop_columns):.3f} of the variance of held-out clips")
        step += stage.steps
    return student.eval()


def _set_rates(
    chosen: Sequence[torch.optim.Optimizer], config: DistilConfig, stage: DistilStage, position: int, number: int
) -> None:
    rate = stage.first_rate + (stage.last_rate - stage.first_rate) * position / stage.steps
    rate *= min(1.0, (number + 1) / config.warmup_steps)
    for optimiser in chosen:
        for group in optimiser.param_groups:
            group["lr"] = rate * (config.matrix_rate if isinstance(optimiser, Muon) else 1.0)


def _step(
    student: Student,
    chosen: Sequence[torch.optim.Optimizer],
    composer: Composer,
    teachers: Teachers,
    config: DistilConfig,
    stage: DistilStage,
    seed: int,
    number: int,
) -> float:
    rng = np.random.default_rng((seed, 1, number))
    lesson = composer.lesson(stage.batch_size, stage.crop_columns, rng, stage.scene)
    wanted = teachers.features(lesson.teacher_db)
    student.train()
    if stage.settled:
        for module in student.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
        guessed = student(lesson.images)
    # Near the target the mean squared error; far from it linear, so that one runaway does not decide the step.
    loss = (
        2 * functional.huber_loss(guessed, wanted, delta=3.0) if stage.settled else functional.mse_loss(guessed, wanted)
    )
    if not torch.isfinite(loss):
        raise TrainingDivergedError(f"The loss is {loss.item()} at step {number}; lower the learning rate.")
    for optimiser in chosen:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), config.clip_norm)
    for optimiser in chosen:
        optimiser.step()
    return float(loss.item())


@torch.no_grad()
def settle(student: Student, composer: Composer, stage: DistilStage, seed: int, batches: int = 12) -> None:
    """Measure the statistics of batch normalisation anew, in place, on lessons of a stage.

    Source: Wu and Johnson (2021), Rethinking "Batch" in BatchNorm, section 3.
    """
    norms = [module for module in student.eval().modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    rng = np.random.default_rng((seed, 2))
    for _ in range(batches):
        with torch.autocast("cpu", torch.bfloat16):
            student.network.features(composer.lesson(stage.batch_size, stage.crop_columns, rng, stage.scene).images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    student.eval()


def _save(path: Path, student: Student, chosen: Sequence[torch.optim.Optimizer], step: int) -> None:
    beside = path.with_suffix(".part")
    state = {"student": student.state_dict(), "optimisers": [o.state_dict() for o in chosen], "step": step}
    try:
        torch.save(state, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _resume(path: Path, student: Student, chosen: Sequence[torch.optim.Optimizer]) -> int:
    if not path.exists():
        return 0
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    student.load_state_dict(state["student"])
    for optimiser, saved in zip(chosen, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    return int(state["step"])
