"""The networks of Bathigama and Madushika: shapes at full size, recurrence over time, and normal distributions."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from emotion.inference.quadrants import Quadrant
from emotion.signal.audio import SAMPLE_RATE_HZ
from emotion.zoo.bathigama_layers import CORNERS, GaussianNetwork, Pooled, Recurrent, quadrant_logits
from emotion.zoo.registry import Network, architecture, create_model
from tests.audio_fixtures import make_waveform

pytestmark = pytest.mark.zoo
RECURRENT = ("bathigama_lstm1d", "bathigama_lstm2d")
GAUSSIAN = ("bathigama_raw1d_va", "bathigama_cqt")
SPECTRAL = ("bathigama_spectrograms", "bathigama_raw_spectrograms", "bathigama_cqt", "bathigama_spectrograms2d")
ALL = (*SPECTRAL, *RECURRENT, "bathigama_raw1d", "bathigama_raw1d_va", "bathigama_raw2d")
QUADRANTS = torch.arange(8) // 2


def chunks(n: int = 8) -> Tensor:
    notes = (110.0, 330.0, 990.0, 2970.0)
    waveforms = [make_waveform(5, channels=1, frequency_hz=notes[i // 2 % 4] * (1 + 0.01 * i)) for i in range(n)]
    return torch.from_numpy(np.stack(waveforms)).transpose(1, 2)


def small(name: str, **options: object) -> Network:
    torch.manual_seed(3)
    member = architecture(name)
    assert member.small is not None
    return create_model(name, dataclasses.replace(member.small[1], **options))


def steps_of(network: Network) -> dict[str, tuple[int, ...]]:
    """Return what is left of 5 s behind the convolutions of each branch: steps, or rows and steps."""
    found: dict[str, tuple[int, ...]] = {}
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Pooled | Recurrent):
                branches = module.branches if isinstance(module, Pooled) else {"": module.branch}
                found |= {name: tuple(branch(chunks(1)).shape[2:]) for name, branch in branches.items()}
    return found


@pytest.mark.parametrize("name", ALL)
def test_it_reads_five_seconds_at_full_size(name: str) -> None:
    network = create_model(name).eval()
    with torch.no_grad():
        logits, embedding, *points = network(chunks(2))
    assert (logits.shape, embedding.shape) == ((2, 4), (2, 64))
    # The points, and the deviations that the loss reads.
    assert len(points) == 2 * (name in GAUSSIAN)
    assert all(found.isfinite().all() for found in (logits, embedding, *points))


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("bathigama_raw1d", {"raw": (371,)}),
        ("bathigama_raw1d_va", {"raw": (1,)}),
        ("bathigama_spectrograms", {"stft": (52,), "mel": (52,), "mfcc": (25,)}),
        ("bathigama_raw2d", {"raw": (5, 1)}),
        ("bathigama_spectrograms2d", {"raw": (5, 1), "stft": (6, 4), "mel": (2, 4), "mfcc": (1, 4)}),
    ],
)
def test_convolutions_leave_the_steps_that_the_authors_shapes_leave(
    name: str, steps: dict[str, tuple[int, ...]]
) -> None:
    assert steps_of(create_model(name).eval()) == steps


@pytest.mark.parametrize(("kernel", "stride"), [(512, 128), (2048, 512), (4096, 1024), (11_025, 2756)])
def test_every_kernel_of_the_study_has_the_same_tower(kernel: int, stride: int) -> None:
    default = architecture("bathigama_raw1d").config()
    network = create_model("bathigama_raw1d", dataclasses.replace(default, kernel=kernel, stride=stride, padded=True))
    steps = (5 * SAMPLE_RATE_HZ - kernel) // stride + 1
    assert steps_of(network.eval()) == {"raw": (steps,)}
    n_parameters = sum(weight.numel() for weight in network.parameters())
    assert n_parameters - 250 * kernel == architecture("bathigama_raw1d").parameters - 250 * 1024


@pytest.mark.parametrize("name", RECURRENT)
def test_songs_of_a_batch_do_not_know_of_each_other(name: str) -> None:
    network, order = small(name).eval(), torch.tensor([3, 1, 7, 0, 5, 2, 6, 4])
    with torch.no_grad():
        inputs = chunks()
        together, permuted, alone = network(inputs), network(inputs[order]), network(inputs[2:3])
    for whole, other, one in zip(together, permuted, alone, strict=True):
        assert torch.allclose(whole[order], other, atol=1e-5)
        assert torch.allclose(whole[2:3], one, atol=1e-5)


@pytest.mark.parametrize("name", RECURRENT)
def test_the_order_of_time_counts(name: str) -> None:
    branches = [module for module in small(name).eval().modules() if isinstance(module, Recurrent)]
    assert len(branches) == 4
    for branch in branches:
        with torch.no_grad():
            maps = branch.branch(chunks(2))
            n_steps = maps.shape[-1]
            assert n_steps > 10
            shuffled = maps[..., torch.randperm(n_steps, generator=torch.Generator().manual_seed(0))]
            first, other = branch.last_step(maps), branch.last_step(shuffled)
        assert not torch.allclose(first, other, atol=1e-3)


@pytest.mark.parametrize("name", SPECTRAL + RECURRENT)
def test_bases_learn_by_option(name: str) -> None:
    learning, fixed = small(name, trainable=True), small(name, trainable=False)
    names = [{key for key, _ in network.named_parameters()} for network in (learning, fixed)]
    bases = names[0] - names[1]
    assert {key.rsplit(".", 1)[1] for key in bases} == {"kernel", "basis"}
    sum(found.square().sum() for found in learning(chunks(2))).backward()
    slopes = {key: weight.grad for key, weight in learning.named_parameters() if key in bases}
    assert all(slope is not None and slope.abs().max() > 0 for slope in slopes.values())


@pytest.mark.parametrize("name", SPECTRAL + RECURRENT)
def test_masks_change_training_alone(name: str) -> None:
    network, inputs = small(name, mask_chance=1.0), chunks(4)
    with torch.no_grad():
        first, again = network(inputs)[0], network(inputs)[0]
        assert not torch.equal(first, again)
        network.eval()
        assert torch.equal(network(inputs)[0], network(inputs)[0])


@pytest.mark.parametrize("name", ALL)
def test_it_trains_in_half_precision(name: str) -> None:
    network, targets = small(name), torch.eye(4)[QUADRANTS]
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(chunks())
    losses = network.losses(outputs, targets, torch.full((8, 2), math.nan))
    assert (losses is not None) is (name in GAUSSIAN)
    loss = nn.functional.cross_entropy(outputs[0].float(), targets) if losses is None else losses.mean()
    loss.backward()
    slopes = {key: weight.grad for key, weight in network.named_parameters()}
    assert [key for key, slope in slopes.items() if slope is None or not slope.isfinite().all()] == []


def test_a_quadrants_probability_is_that_of_its_sides() -> None:
    means, sds = torch.tensor([[0.3, -0.2], [-0.9, 0.8], [0.0, 0.0]]), torch.tensor([[0.5, 0.4], [0.2, 0.9], [1, 1.0]])
    high = stats.norm.cdf(means.numpy() / sds.numpy())
    found = quadrant_logits(means, sds).exp().numpy()
    assert np.allclose(found.sum(axis=1), 1, atol=1e-6)
    for quadrant in Quadrant:
        sides = [high[:, axis] if sign > 0 else 1 - high[:, axis] for axis, sign in enumerate(quadrant.corner)]
        assert np.allclose(found[:, quadrant.index], sides[0] * sides[1], atol=1e-6)


def test_certain_points_have_finite_logits_and_slopes() -> None:
    means = torch.tensor([[5.0, -5.0], [-1e4, 1e4]], requires_grad=True)
    sds = torch.full((2, 2), 1e-3, requires_grad=True)
    logits = quadrant_logits(means, sds)
    assert logits.isfinite().all()
    assert logits.argmax(dim=1).tolist() == [Quadrant.Q4.index, Quadrant.Q2.index]
    logits.sum().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in (means, sds))


def test_its_loss_is_the_root_of_the_mean_squared_error_and_unrated_clips_have_their_corner() -> None:
    network = small("bathigama_raw1d_va")
    means, sds = torch.tensor([[0.2, 0.1], [0.5, -0.4]]), torch.tensor([[0.3, 0.3], [0.2, 0.6]])
    points, targets = torch.tensor([[-0.5, 0.7], [math.nan, math.nan]]), torch.eye(4)[[1, 3]]
    losses = network.losses((means, means, means, sds), targets, points)
    errors = np.array([[0.7, -0.6], [-0.1, 0.2]])
    spread = sds.numpy() - math.sqrt(math.pi / 2) * np.abs(errors)
    expected = math.sqrt(np.mean([errors**2, spread**2]) + 1e-6)
    assert losses is not None
    assert losses.tolist() == pytest.approx([expected] * 2)


@pytest.mark.parametrize("name", GAUSSIAN)
def test_it_learns_points_and_its_own_error_by_its_loss(name: str) -> None:
    network, inputs, targets = small(name), chunks(), torch.eye(4)[QUADRANTS]
    assert isinstance(network, GaussianNetwork)
    points = torch.tensor([[0.7, 0.2], [math.nan, math.nan]]).repeat(4, 1)
    points[4] = torch.tensor([-0.3, -0.8])
    wanted = torch.where(points.isnan(), targets @ network.corners, points)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(150):
        outputs = network(inputs)
        loss = network.losses(outputs, targets, points).mean()
        if loss < 0.05:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.05
    assert torch.allclose(outputs[2], wanted, atol=0.2)
    assert outputs[3].max() < 0.3
    limited = network.eval()(inputs)
    assert torch.isfinite(network.losses(limited, targets, points)).all()
    assert limited[2].abs().max() <= 1


def test_the_corners_are_those_of_the_quadrants() -> None:
    assert [quadrant.target for quadrant in Quadrant] == list(CORNERS)
