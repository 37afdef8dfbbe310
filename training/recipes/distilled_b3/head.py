"""The dense head, fitted to labels on the features of a frozen backbone, which takes seconds."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion.zoo.registry import HeadedNetwork
from training.data.augment import mixup
from training.recipes.distilled_b3.mixtures import CPU


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """How a head is fitted."""

    epochs: int = 40  # Passes over the clips; the state with the lowest validation loss is kept.
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    teacher_share: float = 0.5  # Of the quadrant target that is the teacher's opinion; the rest is the label.
    label_smoothing: float = 0.05  # Of the label's part.
    point_weight: float = 1.0  # Of the squared error of valence and arousal, where they were rated; 0 leaves them out.
    noise: float = 0.2  # Standard deviation of what is added to each feature, in units of that feature's own.
    mixup_alpha: float = 0.3  # Of the Beta distribution of mixing weights.
    restyle_chance: float = 0.5  # How often a clip's features are given the mean and spread of a mixture of sources.
    view_share: float = 0.7  # Of the clips drawn, how many are changed copies; the rest are the window that is served.


@dataclass(frozen=True, slots=True)
class HeadData:
    """Clips as a backbone's features."""

    served: Tensor  # `(n, feature_size)` features of the window that is served.
    views: Tensor  # `(n, n_views, feature_size)` features of changed copies.
    targets: Tensor  # `(n, 4)` soft quadrant labels; a row of zeros where there is none.
    soft_targets: Tensor  # `(n, 4)` the teacher's, from folds in which the clip was not.
    points: Tensor  # `(n, 2)` rated valence and arousal, NaN where unrated.
    weights: Tensor  # `(n,)` how often each clip is drawn.
    sources: Tensor  # `(n,)` number of each clip's dataset.

    def to(self, device: torch.device) -> HeadData:
        return HeadData(*(getattr(self, field.name).to(device) for field in fields(self)))


class _Style:
    """Mean and spread of each source's features, quadrants weighing the same.

    Source: Zhou et al. (2021), Domain generalization with MixStyle; here on pooled features.
    """

    def __init__(self, data: HeadData) -> None:
        quadrant = data.targets.argmax(dim=1)
        self.present = torch.unique(data.sources)
        self.means = data.served.new_zeros(int(data.sources.max()) + 1, data.served.shape[1])
        self.spreads = torch.ones_like(self.means)
        for source in self.present.tolist():
            here = data.sources == source
            weight = 1.0 / torch.bincount(quadrant[here], minlength=4).clamp(min=1)[quadrant[here]].float()
            weight = (weight / weight.sum())[:, None]
            mean = (data.served[here] * weight).sum(dim=0)
            self.means[source] = mean
            self.spreads[source] = (((data.served[here] - mean) ** 2 * weight).sum(dim=0)).sqrt().clamp(min=1e-3)

    def restyle(self, features: Tensor, sources: Tensor, chance: float) -> Tensor:
        """Return features, some of them with the style of a random mixture of sources."""
        share = torch.distributions.Dirichlet(features.new_full((len(self.present),), 0.5)).sample((len(features),))
        mean, spread = share @ self.means[self.present], share @ self.spreads[self.present]
        plain = (features - self.means[sources]) / self.spreads[sources].clamp(min=1e-3)
        chosen = torch.rand(len(features), 1, device=features.device) < chance
        return torch.where(chosen, plain.clamp(-6, 6) * spread + mean, features)


def fit_head(
    network: HeadedNetwork,
    train: HeadData,
    validation: HeadData,
    config: HeadConfig,
    *,
    seed: int,
    device: torch.device = CPU,
) -> tuple[int, float]:
    """Fit head, classifier and any regressor, in place; return the best epoch and its validation loss.

    They are fitted on the device, and then on the CPU again.
    """
    torch.manual_seed(seed)
    parts = nn.ModuleList([part for part in (network.head, network.classifier, network.regressor) if part is not None])
    for module in parts.modules():
        if isinstance(module, nn.Linear):
            module.reset_parameters()
    parts.to(device)
    train, validation = train.to(device), validation.to(device)
    mean, spread = train.served.mean(dim=0), train.served.std(dim=0).clamp(min=1e-3)
    train, validation = (
        replace(data, served=(data.served - mean) / spread, views=(data.views - mean) / spread)
        for data in (train, validation)
    )
    style = _Style(train)
    optimiser = torch.optim.AdamW(parts.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    steps = math.ceil(len(train.served) / config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=config.epochs * steps)
    best, weights, best_epoch = math.inf, copy.deepcopy(parts.state_dict()), 0
    for epoch in range(config.epochs):
        parts.train()
        for _ in range(steps):
            loss = _loss(network, _batch(train, style, config), config)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
        now = _validation_loss(network, validation, config)
        if now < best:
            best, weights, best_epoch = now, copy.deepcopy(parts.state_dict()), epoch + 1
    parts.load_state_dict(weights)
    parts.cpu()
    mean, spread = mean.cpu(), spread.cpu()
    # The first layer standardises, so that serving has no step for it.
    first = network.head[0]
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.weight.div_(spread)
        first.bias.sub_(first.weight @ mean)
    network.eval()
    return best_epoch, best


def _batch(data: HeadData, style: _Style, config: HeadConfig) -> list[Tensor]:
    drawn = torch.multinomial(data.weights, config.batch_size, replacement=True)
    features = data.served[drawn]
    if data.views.shape[1]:
        view = data.views[drawn, torch.randint(0, data.views.shape[1], (len(drawn),), device=drawn.device)]
        features = torch.where(torch.rand(len(drawn), 1, device=drawn.device) < config.view_share, view, features)
    features = style.restyle(features, data.sources[drawn], config.restyle_chance)
    features = features + config.noise * torch.randn_like(features)
    labels = data.targets[drawn] * (1 - config.label_smoothing) + config.label_smoothing / 4
    targets = (1 - config.teacher_share) * labels + config.teacher_share * data.soft_targets[drawn]
    rated = ~data.points[drawn, :1].isnan()
    points = data.points[drawn].nan_to_num()
    return mixup([features, targets, points, rated.float()], config.mixup_alpha)


def _loss(network: HeadedNetwork, batch: list[Tensor], config: HeadConfig) -> Tensor:
    features, targets, points, rated = batch
    outputs = network.judge(features)
    loss = functional.cross_entropy(outputs[0], targets)
    if network.regressor is not None:
        # A mixture of a rated and an unrated clip has no rating of its own.
        whole = rated > 0.99
        error = ((outputs[2] - points) ** 2 * whole).sum() / whole.sum().clamp(min=1)
        loss = loss + config.point_weight * error
    return loss


@torch.inference_mode()
def _validation_loss(network: HeadedNetwork, data: HeadData, config: HeadConfig) -> float:
    network.eval()
    outputs = network.judge(data.served)
    per_clip = functional.cross_entropy(outputs[0], data.targets, reduction="none")
    loss = float((per_clip * data.weights).sum() / data.weights.sum())
    if network.regressor is not None:
        rated = ~data.points[:, 0].isnan()
        loss += config.point_weight * float(((outputs[2][rated] - data.points[rated]) ** 2).sum(dim=1).mean())
    return loss
