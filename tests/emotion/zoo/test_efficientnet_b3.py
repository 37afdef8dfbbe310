from pathlib import Path

import pytest
import torch

from emotion.zoo.efficientnet_b3 import EfficientNetConfig
from emotion.zoo.registry import EMBEDDING_SIZE
from tests.networks import efficientnet

pytestmark = pytest.mark.slow

SMALL = EfficientNetConfig(backbone="efficientnet-b0", image_size=64)


@pytest.mark.parametrize("flatten", [False, True])
def test_shapes_and_gradients(flatten: bool) -> None:
    torch.manual_seed(0)
    network = efficientnet(EfficientNetConfig(SMALL.backbone, flatten, SMALL.image_size)).train()
    logits, embedding = network(torch.randn(4, 3, 64, 64))
    assert logits.shape == (4, 4)
    assert embedding.shape == (4, EMBEDDING_SIZE)
    logits.square().sum().backward()
    without = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert without == []


def test_the_flagship_is_b3_with_the_paper_s_head() -> None:
    network = efficientnet(EfficientNetConfig())
    widths = [layer.out_features for layer in network.head if isinstance(layer, torch.nn.Linear)]
    drops = [layer.p for layer in network.head if isinstance(layer, torch.nn.Dropout)]
    assert (widths, drops) == ([512, 128, 64], [0.5, 0.3, 0.1])
    assert isinstance(network.head[0], torch.nn.Linear)
    assert network.head[0].in_features == 1536
    assert network.classifier.out_features == 4


def test_imagenet_weights_load_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source, target = efficientnet(SMALL), efficientnet(SMALL)
    # A file of the library also has the ImageNet classifier, which is left behind.
    state = {**source.backbone.state_dict(), "_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    torch.save(state, tmp_path / "imagenet.pth")
    target.load_imagenet(tmp_path / "imagenet.pth")
    pairs = zip(source.backbone.parameters(), target.backbone.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(source.classifier.weight, target.classifier.weight)
