"""The last step of training: the dense head anew, on a backbone that stays as it is. Pure.

A step through the whole network costs thousands of times one through its head. Once the backbone's features are known,
the head can see every clip a hundred times in seconds, which the network as a whole never could on a small machine.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from emotion.network import QuadrantNetwork
from training.augment import mixup
from training.loop import LoopConfig, TrainingData, as_input, resize


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """How the head is refitted; zero epochs leave it alone.

    Attributes:
        epochs: Passes over the training clips; the one with the lowest validation loss is kept.
        noise: Standard deviation of what is added to each feature, in units of that feature's own.
        mixup_alpha: Of the Beta distribution of mixing weights.
    """

    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 3e-4
    weight_decay: float = 0.05
    noise: float = 0.2
    mixup_alpha: float = 0.2


@torch.inference_mode()
def pooled_features(
    network: QuadrantNetwork, images: NDArray[np.float16], image_size: int, batch_size: int = 16
) -> Tensor:
    """Return the backbone's features `(n, feature_size)` of images `(n, size, size)` in [0, 1]."""
    network.eval()
    out = []
    for start in range(0, len(images), batch_size):
        batch = torch.from_numpy(images[start : start + batch_size]).float()[:, None]
        out.append(network.features(as_input(resize(batch, image_size))))
    return torch.cat(out).clone()


def refit_head(
    network: QuadrantNetwork,
    data: TrainingData,
    loop: LoopConfig,
    config: HeadConfig,
    *,
    train_features: Tensor,
    validation_features: Tensor,
    seed: int,
) -> tuple[float, float]:
    """Fit head and classifier to the labels and the teacher's opinions, in place.

    Args:
        network: Its backbone is not touched.
        data: Gives targets and sampling weights.
        loop: Gives the teacher's share of a target.
        config: How long and how hard.
        train_features: `(n_train, feature_size)`, in the order of `data.train`.
        validation_features: `(n_validation, feature_size)`, in the order of `data.validation`.
        seed: Of sampling, noise and dropout.

    Returns:
        The validation loss before, and that of what was kept: never higher.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    share = loop.teacher_share
    targets = torch.from_numpy((1 - share) * data.targets[data.train] + share * data.lesson_probabilities).float()
    truth = torch.from_numpy(data.targets[data.validation])
    spread = train_features.std(dim=0, keepdim=True) * config.noise
    parts = torch.nn.ModuleList([network.head, network.classifier])
    optimiser = torch.optim.AdamW(parts.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    before = _validation_loss(network, validation_features, truth)
    best, kept = before, copy.deepcopy(parts.state_dict())
    for _ in range(config.epochs):
        parts.train()
        for _ in range(math.ceil(len(targets) / config.batch_size)):
            drawn = torch.from_numpy(rng.choice(len(targets), config.batch_size, p=data.weights))
            noisy = train_features[drawn] + spread * torch.randn(len(drawn), train_features.shape[1])
            features, wanted = mixup([noisy, targets[drawn]], config.mixup_alpha)
            loss = functional.cross_entropy(network.classifier(network.head(features)), wanted)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        now = _validation_loss(network, validation_features, truth)
        if now < best:
            best, kept = now, copy.deepcopy(parts.state_dict())
    parts.load_state_dict(kept)
    network.eval()
    return before, best


@torch.inference_mode()
def _validation_loss(network: QuadrantNetwork, features: Tensor, truth: Tensor) -> float:
    network.eval()
    return float(functional.cross_entropy(network.classifier(network.head(features)), truth))
