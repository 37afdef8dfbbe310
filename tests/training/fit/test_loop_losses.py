"""What the loop minimises and validates by: the log loss, or a network's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emotion.zoo.frontends import Chunked, FrontEnd, PowerSpectrogram
from emotion.zoo.liu import LiuConfig
from emotion.zoo.registry import Network, architecture, create_model, list_models
from tests.training.small_training import CPU, SHORT, four_kinds, job
from training.fit.loop import ClipSet, FitTask, n_right, predict, train

FRONT_END = PowerSpectrogram(size=16)


def tagged() -> tuple[ClipSet, NDArray[np.float32]]:
    """Return clips whose bright band gives two of six tags, and those tags."""
    data = four_kinds()
    kinds = data.targets.argmax(axis=1)
    tags = np.eye(6, dtype=np.float32)[kinds] + np.eye(6, dtype=np.float32)[np.where(kinds < 2, 4, 5)]
    return replace(data, targets=tags), tags


def liu(head: str) -> Network:
    torch.manual_seed(0)
    return create_model("liu_simple", LiuConfig(16, (4, 4, 4, 4), (16,), dropout=0.0, n_classes=6, head=head))


def task(data: ClipSet, **changes: Any) -> FitTask:
    return job(replace(SHORT, epochs=12), data=data, front_end=FRONT_END, **changes)


def test_a_sigmoid_for_each_tag_is_validated_by_its_own_loss() -> None:
    data, tags = tagged()
    network = liu("sigmoid")
    outcome = train(network, task(data))
    logits = torch.from_numpy(predict(network, data, np.arange(32, 40), FRONT_END, CPU.device)[0])
    expected = functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(tags[32:]), reduction="sum") / 8
    assert outcome.validation_loss == pytest.approx(float(expected), rel=1e-5)
    assert outcome.validation_loss == min(epoch["validation_loss"] for epoch in outcome.epochs)
    assert outcome.epochs[-1]["loss"] < outcome.epochs[0]["loss"]
    # The likeliest tag is one of the clip's two.
    best = outcome.epochs[outcome.best_epoch - 1]
    top = logits.argmax(dim=1).numpy()
    assert best["validation_accuracy"] == pytest.approx(tags[np.arange(32, 40), top].mean())
    assert ((logits > 0).numpy() == (tags[32:] > 0)).mean() > 0.9


def test_the_head_of_the_paper_is_the_default() -> None:
    assert LiuConfig().head == create_model("liu_complex").config.head == "softmax"


def test_a_softmax_over_shared_tags_is_validated_by_the_log_loss() -> None:
    data, tags = tagged()
    data = replace(data, targets=tags / np.float32(2))
    network = liu("softmax")
    outcome = train(network, task(data))
    logits = torch.from_numpy(predict(network, data, np.arange(32, 40), FRONT_END, CPU.device)[0])
    expected = functional.cross_entropy(logits.double(), torch.from_numpy(tags[32:] / 2).double())
    assert outcome.validation_loss == pytest.approx(float(expected), rel=1e-5)
    assert outcome.validation_loss < np.log(6)


@dataclass(frozen=True, slots=True)
class Shape:
    input_shape: tuple[int, ...] = (1, 16, 16)


class PointsAndSpread(Network):
    """A network that learns the points alone, from its points and from what comes after them."""

    config = Shape()

    def __init__(self) -> None:
        super().__init__()
        self.points = nn.Linear(256, 2)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        points = self.points(inputs.flatten(1))
        return points.new_zeros(len(points), 4), points.new_zeros(len(points), 64), points, points + 1

    def losses(self, outputs: tuple[Tensor, ...], targets: Tensor, points: Tensor) -> Tensor:
        _, _, ours, after = outputs
        return (ours + after - 1 - 2 * points).square().sum(dim=1)


def test_a_networks_own_loss_has_the_points_and_every_output_in_validation() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (40, 2)).astype(np.float32)
    data = replace(four_kinds(), points=points)
    torch.manual_seed(0)
    network = PointsAndSpread()
    outcome = train(network, task(data))
    _, _, ours = predict(network, data, np.arange(32, 40), FRONT_END, CPU.device)
    expected = np.square(2 * (ours - points[32:])).sum(axis=1).mean()
    assert outcome.validation_loss == pytest.approx(float(expected), rel=1e-4)


def own_losses() -> list[str]:
    # Asked by every process that collects the tests: without weights, which would take seconds.
    with torch.device("meta"):
        return [name for name in list_models() if type(small(name)[1]).losses is not Network.losses]


def small(name: str) -> tuple[FrontEnd, Network]:
    member = architecture(name)
    front_end, config = member.small or (member.front_end, member.config())
    torch.manual_seed(0)
    return front_end, create_model(name, config)


@pytest.mark.parametrize("name", own_losses())
def test_every_architecture_with_a_loss_of_its_own_is_trained_and_validated_by_it(name: str) -> None:
    front_end, network = small(name)
    places = front_end.prepared_shape if isinstance(front_end, Chunked) else (1, *front_end.prepared_shape)
    inputs = np.random.default_rng(0).uniform(-0.5, 0.5, (8, *places)).astype(np.float32)
    data = ClipSet(inputs, np.eye(4, dtype=np.float32)[np.arange(8) % 4], averages=places[0] > 1)
    config = replace(SHORT, epochs=1, batch_size=4, learning_rate=1e-4, renew_norms=0)
    rows = {"rows": np.arange(4), "validation_rows": np.arange(4, 8)}
    outcome = train(network, job(config, data=data, front_end=front_end.of_a_chunk, **rows))
    assert np.isfinite(outcome.validation_loss)


def test_any_of_several_true_classes_is_right() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [1.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.5, 0.5, 0.0], [0.6, 0.4, 0.0]])
    assert int(n_right(logits, targets)) == 3
