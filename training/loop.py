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

from emotion.mel import MelConfig
from emotion.network import QuadrantNetwork
from training.augment import AugmentConfig, augment, mixup
from training.metrics import _log_softmax


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training at one image size; clips are drawn balanced over source and quadrant."""

    image_size: int
    epochs: int
    samples_per_epoch: int
    batch_size: int
    learning_rate: float


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
    rng = np.random.default_rng(seed)
    network.to(memory_format=torch.channels_last)
    keep_wide_depthwise_in_float32(network)
    width = network.head[0].in_features
    student = nn.ModuleDict(
        {
            "network": network,
            "projection": nn.Linear(width, data.lesson_features.shape[1]),
            "shortcut": nn.Linear(width, 4),
        }
    )
    average = QuadrantNetwork(network.config).to(memory_format=torch.channels_last)
    average.load_state_dict(network.state_dict())
    best: tuple[float, dict[str, Tensor]] = (math.inf, {})
    full_size, epoch, step = config.stages[-1].image_size, 0, 0
    for stage in config.stages:
        optimiser = torch.optim.AdamW(
            student.parameters(), lr=stage.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        steps = stage.epochs * (stage.samples_per_epoch // stage.batch_size)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, max_lr=stage.learning_rate, total_steps=steps, pct_start=0.15
        )
        for _ in range(stage.epochs):
            epoch += 1
            started, losses = time.monotonic(), []
            for _ in range(stage.samples_per_epoch // stage.batch_size):
                losses.append(_step(student, optimiser, data, config, stage, mel, rng))
                schedule.step()
                step += 1
                _follow(average, network, min(config.ema_decay, step / (step + 10)))
            elapsed_s = time.monotonic() - started
            logits = predict_logits(average, data.images[data.validation, 0], stage.image_size)
            truth = data.targets[data.validation]
            validation_loss = float(-np.mean(np.sum(truth * _log_softmax(logits), axis=1)))
            report = EpochReport(
                epoch,
                stage.image_size,
                float(np.mean(losses)),
                validation_loss,
                float(np.mean(logits.argmax(1) == truth.argmax(1))),
                len(losses) * stage.batch_size / elapsed_s,
            )
            if stage.image_size == full_size and validation_loss < best[0]:
                best = (validation_loss, {k: v.clone() for k, v in average.state_dict().items()})
            on_epoch(report, average)
    average.load_state_dict(best[1])
    return average.eval()


def _step(
    student: nn.ModuleDict,
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
    network: QuadrantNetwork = student["network"]  # type: ignore[assignment]
    student.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
        pooled = network.features(as_input(images))
        logits = network.classifier(network.head(pooled))
        guessed = student["projection"](pooled)
        shortcut = student["shortcut"](pooled)
    loss = functional.cross_entropy(logits.float(), targets)
    loss = loss + config.shortcut_weight * functional.cross_entropy(shortcut.float(), targets)
    loss = loss + config.feature_weight * functional.mse_loss(guessed.float(), features)
    if not torch.isfinite(loss):
        raise TrainingDivergedError(f"The loss is {loss.item()}; lower the learning rate.")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), config.clip_norm)
    optimiser.step()
    return float(loss.item())


def resize(images: Tensor, size: int) -> Tensor:
    """Resize `(n, 1, s, s)` images with anti-aliasing; unchanged at their own size."""
    if images.shape[-1] == size:
        return images
    return functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def as_input(images: Tensor) -> Tensor:
    """Return what `emotion.mel.network_input` gives, for a `(n, 1, s, s)` tensor."""
    return ((images - 0.5) / 0.25).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


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
    pairs = list(zip(average.state_dict().values(), network.state_dict().values(), strict=True))
    torch._foreach_lerp_(
        [a for a, b in pairs if b.is_floating_point()], [b for _, b in pairs if b.is_floating_point()], 1 - decay
    )


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
