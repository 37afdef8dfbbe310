"""A live model, and others next to it, for the tests of the registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from emotion.models import ModelVersion
from emotion.services import analysis
from tests.training.made_models import held_out, made_held_out, made_weights


@pytest.fixture
def shipped(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """The weights that came with the program: small ones, with predictions next to them, and clips to try others on."""
    weights = made_weights(tmp_path / "shipped", "shipped-1")
    held_out().save(weights.with_suffix(".predictions.npz"))
    settings.MOODPLANE_WEIGHTS = weights
    settings.MOODPLANE_HELD_OUT = made_held_out(tmp_path)
    settings.MOODPLANE_WEIGHTS_PINNED = False
    settings.MOODPLANE_ENGINE = "torch"
    settings.MOODPLANE_DEVICE = "cpu"
    analysis.predictor_forget()
    yield weights
    analysis.predictor_forget()


@pytest.fixture
def live(shipped: Path, db: None) -> ModelVersion:
    """The shipped model, registered and live."""
    from training.registry.services import shipped_register

    imported = shipped_register()
    assert imported is not None
    return imported.model
