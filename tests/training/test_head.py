import numpy as np
import torch

from emotion.network import NetworkConfig, QuadrantNetwork
from tests.training.test_loop import four_kinds
from training.head import HeadConfig, pooled_features, refit_head
from training.loop import LoopConfig, renew_statistics

GENTLE = HeadConfig(epochs=80, learning_rate=3e-3, noise=0.0, mixup_alpha=0.0)


def refit(network: QuadrantNetwork, features: torch.Tensor, config: HeadConfig) -> tuple[float, float]:
    return refit_head(
        network,
        four_kinds(),
        LoopConfig(()),
        config,
        train_features=features,
        validation_features=features,
        seed=0,
    )


def small_network() -> tuple[QuadrantNetwork, torch.Tensor]:
    torch.manual_seed(0)
    network = QuadrantNetwork(NetworkConfig("efficientnet-b0", image_size=32)).eval()
    images = four_kinds().images[:, 0]
    renew_statistics(network, images, 32, np.random.default_rng(0))
    return network, pooled_features(network, images, 32)


def test_the_head_learns_and_the_backbone_stays() -> None:
    network, features = small_network()
    assert features.shape == (32, network.feature_size)
    backbone = {key: value.clone() for key, value in network.backbone.state_dict().items()}
    before, after = refit(network, features, GENTLE)
    assert after < 0.5 * before
    assert all(torch.equal(backbone[key], value) for key, value in network.backbone.state_dict().items())
    with torch.inference_mode():
        said = network.classifier(network.head(features)).argmax(1).numpy()
    assert np.mean(said == four_kinds().targets.argmax(1)) > 0.9


def test_a_refit_that_only_harms_is_not_kept() -> None:
    network, features = small_network()
    _, good = refit(network, features, GENTLE)
    kept = {key: value.clone() for key, value in network.head.state_dict().items()}
    before, after = refit(network, features, HeadConfig(epochs=2, learning_rate=5.0))
    assert before == after == good
    assert all(torch.equal(kept[key], value) for key, value in network.head.state_dict().items())
