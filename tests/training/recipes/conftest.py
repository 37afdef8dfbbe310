"""Taggers of random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from emotion.zoo.hybrid_b3 import Tagger
from training.recipes.distilled_b3.teacher import TAGGERS


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
