"""A small model for the tests of the emotion app: the real network class on a smaller backbone, made weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pytest_django import Settings

from emotion.inference import checkpoint
from emotion.services import analysis
from emotion.zoo.efficientnet_b3 import EfficientNetB3, EfficientNetConfig
from emotion.zoo.frontends import MelConfig
from tests.networks import efficientnet

SMALL = EfficientNetConfig(backbone="efficientnet-b0", image_size=64)
SMALL_MEL = MelConfig(image_size=64)


@pytest.fixture(scope="session")
def small_network() -> EfficientNetB3:
    """EfficientNetB0 at 64 pixels with the paper's head and seeded weights."""
    torch.manual_seed(7)
    return efficientnet(SMALL).eval()


@pytest.fixture(scope="session")
def small_weights(small_network: EfficientNetB3, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the small network."""
    weights = tmp_path_factory.mktemp("weights") / "small.safetensors"
    card = checkpoint.Card("small-1", SMALL_MEL, SMALL, temperature=1.5)
    checkpoint.save(small_network, card, weights)
    return weights


@pytest.fixture
def small_model(small_weights: Path, settings: Settings) -> Iterator[Path]:
    """The app serves the small checkpoint, on torch."""
    settings.MOODPLANE_WEIGHTS = small_weights
    settings.MOODPLANE_ENGINE = "torch"
    settings.MOODPLANE_DEVICE = "cpu"
    analysis.predictor_forget()
    yield small_weights
    analysis.predictor_forget()
