"""The paper's network by its precise type, where `create_model` and `checkpoint.load` know only that it is one."""

from __future__ import annotations

from pathlib import Path

from emotion.inference import checkpoint
from emotion.zoo.efficientnet_b3 import EfficientNetB3, EfficientNetConfig
from emotion.zoo.registry import Network, create_model


def efficientnet(config: EfficientNetConfig) -> EfficientNetB3:
    """Return a new network with random weights."""
    return as_efficientnet(create_model("efficientnet_b3", config))


def load_efficientnet(weights: Path) -> tuple[EfficientNetB3, checkpoint.Card]:
    """Return the network of a checkpoint, and its card."""
    network, card = checkpoint.load(weights)
    return as_efficientnet(network), card


def as_efficientnet(network: Network) -> EfficientNetB3:
    assert isinstance(network, EfficientNetB3)
    return network
