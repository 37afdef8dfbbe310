"""The training loop of the flagship: stages of growing image size, a teacher's lesson, averaged weights. Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emotion.mel import IMAGE_CENTRE, IMAGE_SPREAD, MelConfig
from emotion.network import QuadrantNetwork, channels_last
from training.augment import AugmentConfig, augment, mixup
from training.metrics import log_softmax


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training at one image size; clips are drawn balanced over source and quadrant."""

    image_size: int
    epochs: int
    samples_per_epoch: int
    batch_size: int
    learning_rate: float

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return self.samples_per_epoch // self.batch_size


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How the network is trained.

    Attributes:
        stages: Run in order; small images first, because a step at 128 pixels costs a fifth of one at 300.
        feature_weight: Of the regression onto the teacher's features.
        shortcut_weight: Of a linear classifier on the pooled features, which teaches the backbone past three dropouts.
        teacher_share: Of the quadrant target that is the teacher's opinion; the rest is the label.
        label_smoothing: Of the label's part.
        ema_decay: Of the averaged weights, which are the ones evaluated and kept.
    """

    stages: tuple[Stage, ...]
    feature_weight: float = 1.0
    shortcut_weight: float = 0.5
    teacher_share: float = 0.4
    label_smoothing: float = 0.05
    weight_decay: float = 0.02
    ema_decay: float = 0.995
    clip_norm: float = 2.0
    bf16: bool = True
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What the loop reads.

    Attributes:
        images: `(n, n_windows, size, size)` float16 in [0, 1]; the first window is the one evaluated.
        targets: `(n, 4)` soft quadrant labels.
        lesson_features: `(n_train, n_features)` teacher features of the training clips, in the order of `train`.
        lesson_probabilities: `(n_train, 4)` the teacher's out-of-fold opinions, in the order of `train`.
        weights: `(n_train,)` sampling weights.
        train: Positions of the training clips.
        validation: Positions of the validation clips.
    """

    images: NDArray[np.float16]
    targets: NDArray[np.float32]
    lesson_features: NDArray[np.float32]
    lesson_probabilities: NDArray[np.float32]
    weights: NDArray[np.float64]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One line of the training history."""

    epoch: int
    image_size: int
    loss: float
    validation_loss: float
    validation_accuracy: float
    images_per_s: float


class TrainingDivergedError(Exception):
    """The loss became NaN or infinite; nothing after the last good epoch was kept."""


def train(
    network: QuadrantNetwork,
    data: TrainingData,
    config: LoopConfig,
    *,
    mel: MelConfig,
    seed: int,
    on_epoch: Callable[[EpochReport, QuadrantNetwork], None],
) -> QuadrantNetwork:
    """Train a network and return the averaged weights of the epoch with the lowest validation loss at full size.

    Args:
        network: Changed in place while training.
        data: Images and targets.
        config: Stages and weights of the losses.
        mel: Gives the decibels of one image unit.
        seed: Of sampling and augmentation.
        on_epoch: Called after each epoch with its report and the averaged network.

    Raises:
        TrainingDivergedError: The loss is not finite.
    """
    torch.manual_seed(seed)
    # Averaged weights decay into denormal numbers, on which a processor is twenty times slower.
    torch.set_flush_denormal(True)
    lesson = Student(network, data.lesson_features.shape[1])
    keep_wide_depthwise_in_float32(network)
    rng = np.random.default_rng(seed)
    average = channels_last(QuadrantNetwork(network.config))
    average.load_state_dict(network.state_dict())
    best: tuple[float, dict[str, Tensor]] = (math.inf, {})
    epoch, step = 0, 0
    for stage in config.stages:
        # The average is the better network of the two, so the next size goes on from it.
        network.load_state_dict(average.state_dict())
        optimiser, schedule = _optimiser(lesson, config, stage)
        for _ in range(stage.epochs):
            epoch += 1
            started, losses = time.monotonic(), []
            for _ in range(stage.steps_per_epoch):
                losses.append(_step(lesson, optimiser, data, config, stage, mel, rng))
                schedule.step()
                step += 1
                _follow(average, network, min(config.ema_decay, step / (step + 10)))
            images_per_s = len(losses) * stage.batch_size / (time.monotonic() - started)
            renew_statistics(average, data.images[data.train, 0], stage.image_size, rng)
            validation_loss, accuracy = _validate(average, data, stage.image_size)
            if stage is config.stages[-1] and validation_loss < best[0]:
                best = (validation_loss, {k: v.clone() for k, v in average.state_dict().items()})
            on_epoch(
                EpochReport(epoch, stage.image_size, float(np.mean(losses)), validation_loss, accuracy, images_per_s),
                average,
            )
    if best[1]:
        average.load_state_dict(best[1])
    return average.eval()


class Student(nn.Module):
    """The network, and what only training needs: a regression onto the teacher's features, and a linear shortcut."""

    def __init__(self, network: QuadrantNetwork, n_features: int) -> None:
        super().__init__()
        self.network = channels_last(network)
        self.projection = nn.Linear(network.feature_size, n_features)
        self.shortcut = nn.Linear(network.feature_size, 4)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, the shortcut's logits and the guessed features of a batch."""
        pooled = self.network.features(images)
        logits = self.network.classifier(self.network.head(pooled))
        return logits.float(), self.shortcut(pooled).float(), self.projection(pooled).float()


def _optimiser(
    student: Student, config: LoopConfig, stage: Stage
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimiser = torch.optim.AdamW(
        student.parameters(), lr=stage.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    steps = stage.epochs * stage.steps_per_epoch
    return optimiser, torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=stage.learning_rate, total_steps=steps, pct_start=0.15
    )


def _step(
    student: Student,
    optimiser: torch.optim.Optimizer,
    data: TrainingData,
    config: LoopConfig,
    stage: Stage,
    mel: MelConfig,
    rng: np.random.Generator,
) -> float:
    drawn = rng.choice(len(data.train), stage.batch_size, p=data.weights)
    window = rng.integers(0, data.images.shape[1], stage.batch_size)
    images = torch.from_numpy(data.images[data.train[drawn], window]).float()[:, None]
    images = augment(resize(images, stage.image_size), config.augment, range_db=mel.range_db)
    smoothed = data.targets[data.train[drawn]] * (1 - config.label_smoothing) + config.label_smoothing / 4
    share = config.teacher_share
    targets = torch.from_numpy((1 - share) * smoothed + share * data.lesson_probabilities[drawn])
    features = torch.from_numpy(data.lesson_features[drawn])
    images, targets, features = mixup([images, targets.float(), features], config.augment.mixup_alpha)
    student.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
        logits, shortcut, guessed = student(as_input(images))
    loss = functional.cross_entropy(logits, targets)
    loss = loss + config.shortcut_weight * functional.cross_entropy(shortcut, targets)
    loss = loss + config.feature_weight * functional.mse_loss(guessed, features)
    if not torch.isfinite(loss):
        raise TrainingDivergedError(f"The loss is {loss.item()}; lower the learning rate.")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), config.clip_norm)
    optimiser.step()
    return float(loss.item())


def _validate(network: QuadrantNetwork, data: TrainingData, image_size: int) -> tuple[float, float]:
    """Return the cross-entropy with the soft labels, and the accuracy, on validation clips."""
    logits = predict_logits(network, data.images[data.validation, 0], image_size)
    truth = data.targets[data.validation]
    loss = -np.mean(np.sum(truth * log_softmax(logits), axis=1))
    return float(loss), float(np.mean(logits.argmax(1) == truth.argmax(1)))


def keep_wide_depthwise_in_float32(network: nn.Module) -> None:
    """Exempt 5x5 depthwise convolutions from autocast, in place.

    On the CPU their backward pass takes four times as long in bf16 as in float32; a whole training step of
    EfficientNetB3 at 128 pixels becomes 1.5 times as fast.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1 and module.kernel_size[0] >= 5:
            module.register_forward_pre_hook(lambda _, inputs: tuple(x.float() for x in inputs))
            module.forward = torch.autocast("cpu", enabled=False)(module.forward)  # type: ignore[method-assign]


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move averaged weights, and the running statistics of batch normalisation, towards those of the network."""
    pairs = zip(average.state_dict().values(), network.state_dict().values(), strict=True)
    floating = [(kept, new) for kept, new in pairs if kept.is_floating_point()]
    torch._foreach_lerp_([kept for kept, _ in floating], [new for _, new in floating], 1 - decay)


@torch.no_grad()
def renew_statistics(
    network: QuadrantNetwork, images: NDArray[np.float16], image_size: int, rng: np.random.Generator, n: int = 512
) -> None:
    """Measure the statistics of batch normalisation anew, in place, on clean training images at this size.

    EfficientNet's own running statistics lag by a hundred steps, more than an epoch here, and averaged weights have
    none of their own.

    Source: Wu and Johnson (2021), Rethinking "Batch" in BatchNorm, section 3.
    """
    norms = [module for module in network.eval().modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    drawn = rng.permutation(len(images))[:n]
    for start in range(0, len(drawn), 32):
        batch = torch.from_numpy(images[drawn[start : start + 32]]).float()[:, None]
        network.features(as_input(resize(batch, image_size)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def resize(images: Tensor, size: int) -> Tensor:
    """Resize `(n, 1, s, s)` images with anti-aliasing; unchanged at their own size."""
    if images.shape[-1] == size:
        return images
    return functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def as_input(images: Tensor) -> Tensor:
    """Return what `emotion.mel.network_input` gives, for a `(n, 1, s, s)` tensor."""
    centred = (images - IMAGE_CENTRE) / IMAGE_SPREAD
    return centred.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def predict_logits(
    network: QuadrantNetwork, images: NDArray[np.float16], image_size: int, batch_size: int = 16
) -> NDArray[np.float32]:
    """Return logits `(n, 4)` of images `(n, size, size)` in [0, 1], resized to `image_size`."""
    network.eval()
    out = []
    for start in range(0, len(images), batch_size):
        batch = torch.from_numpy(images[start : start + batch_size]).float()[:, None]
        out.append(network(as_input(resize(batch, image_size)))[0].numpy())
    return np.concatenate(out)
