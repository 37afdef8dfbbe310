import numpy as np
import pytest
import torch

from emotion.zoo.efficientnet_b3 import EfficientNetConfig
from tests.networks import efficientnet
from training.recipes.distilled_b3.head import HeadConfig, HeadData, _Style, fit_head

pytestmark = pytest.mark.slow

SMALL = EfficientNetConfig("efficientnet-b0", image_size=32, regresses=True)
QUICK = HeadConfig(epochs=40, batch_size=32, learning_rate=2e-3, noise=0.05, mixup_alpha=0.0, restyle_chance=0.2)


def data(n: int, *, seed: int, views: int = 1) -> HeadData:
    """Clips whose features point where their quadrant and their valence and arousal say; two sources."""
    directions = torch.randn(6, 1280, generator=torch.Generator().manual_seed(99))
    rng = torch.Generator().manual_seed(seed)
    truth = torch.arange(n) % 4
    features = torch.randn(n, 1280, generator=rng) + 5.0 + directions[truth]
    points = torch.rand(n, 2, generator=rng) * 1.6 - 0.8
    features += points @ directions[4:]
    points[n // 2 :] = torch.nan
    copies = features[:, None].repeat(1, views, 1) + 0.1 * torch.randn(n, views, 1280, generator=rng)
    targets = torch.eye(4)[truth]
    return HeadData(features, copies, targets, targets, points, torch.ones(n) / n, (torch.arange(n) // 8) % 2)


@pytest.mark.parametrize("views", [0, 2])
def test_a_head_learns_quadrants_and_points(views: int) -> None:
    network = efficientnet(SMALL)
    train, test = data(320, seed=1, views=views), data(80, seed=2, views=views)
    epoch, loss = fit_head(network, train, test, QUICK, seed=0)
    logits, embedding, points = network.judge(test.served)
    assert 1 <= epoch <= QUICK.epochs
    assert np.isfinite(loss)
    assert (logits.argmax(dim=1) == test.targets.argmax(dim=1)).float().mean() > 0.9
    assert embedding.shape == (80, 64)
    rated = ~test.points[:, 0].isnan()
    error = (points[rated] - test.points[rated]).square().mean()
    assert error < 0.5 * test.points[rated].var()


def test_the_same_seed_fits_the_same_head() -> None:
    found = []
    for _ in range(2):
        network = efficientnet(SMALL)
        fit_head(network, data(64, seed=1), data(32, seed=2), HeadConfig(epochs=2), seed=5)
        found.append(network.classifier.weight.detach().clone())
    assert torch.equal(*found)


def test_a_network_without_regressor_is_fitted_too() -> None:
    network = efficientnet(EfficientNetConfig("efficientnet-b0", image_size=32))
    before = [value.clone() for value in network.backbone.state_dict().values()]
    fit_head(network, data(64, seed=1), data(32, seed=2), HeadConfig(epochs=1), seed=0)
    assert len(network.judge(data(4, seed=3).served)) == 2
    assert all(torch.equal(a, b) for a, b in zip(before, network.backbone.state_dict().values(), strict=True))


def test_restyling_moves_a_source_to_another_s_mean_and_leaves_chance_zero_alone() -> None:
    clips = data(64, seed=1)
    shifted = torch.where(clips.sources[:, None] == 1, clips.served + 10, clips.served)
    clips = HeadData(
        shifted, clips.views, clips.targets, clips.soft_targets, clips.points, clips.weights, clips.sources
    )
    style = _Style(clips)
    assert torch.equal(style.restyle(clips.served, clips.sources, 0.0), clips.served)
    torch.manual_seed(0)
    moved = style.restyle(clips.served, clips.sources, 1.0)
    gap = moved[clips.sources == 1].mean() - moved[clips.sources == 0].mean()
    assert abs(float(gap)) < 3 < 9.5 < float(shifted[clips.sources == 1].mean() - shifted[clips.sources == 0].mean())
