"""Small checkpoints of the real network class, as a run would leave them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emotion.inference import checkpoint
from emotion.zoo.efficientnet_b3 import EfficientNetB3, EfficientNetConfig
from emotion.zoo.frontends import MelConfig
from tests.networks import efficientnet
from tests.training.made_run import made_predictions
from training.evaluation.predictions import Predictions

SMALL = EfficientNetConfig(backbone="efficientnet-b0", image_size=64)
SMALL_MEL = MelConfig(image_size=64)


@cache
def _network() -> EfficientNetB3:
    torch.manual_seed(7)
    return efficientnet(SMALL).eval()


def made_weights(folder: Path, version: str, *, bias: float = 0.0, facts: dict[str, Any] | None = None) -> Path:
    """Write a checkpoint and its card; another bias makes other weights, which prefer the first quadrant."""
    network = _network()
    with torch.no_grad():
        network.classifier.bias.zero_()
        network.classifier.bias[0] = bias
    weights = folder / f"{version}.safetensors"
    checkpoint.save(network, checkpoint.Card(version, SMALL_MEL, SMALL, facts=facts or {}), weights)
    return weights


def held_out() -> Predictions:
    """Return what a good model says of its held-out clips."""
    return made_predictions(("held_out",))


def worse(predictions: Predictions, dataset: str, share: float = 0.5) -> Predictions:
    """Return predictions whose clips of one dataset are wrong more often by a share."""
    probabilities = predictions.probabilities.copy()
    rows = np.flatnonzero(predictions.dataset == dataset)
    spoilt = rows[: round(len(rows) * share)]
    probabilities[spoilt] = np.roll(np.eye(4, dtype=np.float32)[predictions.truth[spoilt]] * 0.7 + 0.075, 1, axis=1)
    return _with(predictions, probabilities=probabilities)


def overconfident(predictions: Predictions) -> Predictions:
    """Return predictions of the same quadrants, each as good as certain."""
    said = np.eye(4, dtype=np.float32)[predictions.probabilities.argmax(axis=1)]
    return _with(predictions, probabilities=said * 0.98 + 0.005)


def _with(predictions: Predictions, **changes: Any) -> Predictions:
    rows = {name: getattr(predictions, name) for name in Predictions.__slots__}
    return Predictions(**{**rows, **changes})


def made_run_folder(root: Path, version: str, predictions: Predictions | None = None, *, bias: float = 0.0) -> Path:
    """Write the folder of a run: weights, card, predictions, history and what the run says of itself."""
    folder = root / f"{version}-run"
    folder.mkdir(parents=True)
    made_weights(folder, version, bias=bias)
    (predictions or held_out()).save(folder / "predictions.npz")
    run = {
        "version": version,
        "seed": 1,
        "commit": "0" * 40,
        "datasets": {"4qaed": {"clips": 240, "licence": "made"}},
    }
    (folder / "run.json").write_text(json.dumps(run))
    rows = [
        {"fold": 0, "stage": 0, "epoch": epoch, "loss": 1.4 - 0.1 * epoch, "validation_loss": 1.4 - 0.05 * epoch,
         "validation_accuracy": 0.3 + 0.05 * epoch}
        for epoch in range(6)
    ]  # fmt: skip
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
