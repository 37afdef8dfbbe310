"""Taggers of random weights, and a pre-training that measures as little as made clips need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from emotion.zoo.hybrid_b3 import Tagger
from training.recipes.distilled_b3 import distil
from training.recipes.distilled_b3.teacher import TAGGERS


@pytest.fixture(scope="session", autouse=True)
def few_batches() -> Iterator[None]:
    """Measure teachers and batch norm on few batches: a teacher's forward pass is most of a made pre-training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distil, "_MEASURING_BATCHES", 2)
        patch.setattr(distil, "_SETTLING_BATCHES", 6)
        yield


@pytest.fixture(scope="session")
def taggers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two taggers of random weights, in files as the public ones are."""
    folder = tmp_path_factory.mktemp("pretrained")
    files = []
    for number, name in enumerate(TAGGERS):
        torch.manual_seed(number)
        tagger = Tagger()
        # A spectrogram in decibels has a mean of some -30 and a spread of 20.
        mean, variance = tagger.spec_bn.running_mean, tagger.spec_bn.running_var
        assert mean is not None
        assert variance is not None
        mean.fill_(-30.0)
        variance.fill_(400.0)
        torch.save(tagger.state_dict(), folder / name)
        files.append(folder / name)
    return files
