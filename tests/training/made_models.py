"""Small checkpoints of the real network class, as a run would leave them, and held-out clips that they can be run on.

The images of the held-out clips are noise. A network is made to say of them what a test wants, so that the gate finds
out what it does by running it.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from emotion.inference import checkpoint
from emotion.inference.estimate import margins_of
from emotion.inference.quadrants import Quadrant
from emotion.zoo.efficientnet_b3 import EfficientNetB3, EfficientNetConfig
from emotion.zoo.frontends import MelConfig
from tests.networks import efficientnet
from tests.training.made_run import made_predictions
from training.evaluation.held_out import STEP_DB, HeldOut
from training.evaluation.predictions import Predictions

SMALL = EfficientNetConfig(backbone="efficientnet-b0", image_size=32)
SMALL_MEL = MelConfig(image_size=32)
_PER_SOURCE = 24
# Outputs of the last hidden layer that carry what is said: other ones are free for a test to learn with.
_CARRIERS = slice(60, 64)


@cache
def held_out() -> Predictions:
    """Return what a good model says of its held-out clips."""
    parts = made_predictions(("held_out",)).by_dataset().values()
    return Predictions.concatenate([part.where(np.arange(_PER_SOURCE)) for part in parts])


@cache
def stored_clips() -> HeldOut:
    """Return those clips as the gate runs models on them."""
    said = held_out()
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 1 + round(SMALL_MEL.range_db / STEP_DB), (len(said), 4, 4), np.uint8)
    return HeldOut(
        clip=said.clip,
        dataset=said.dataset,
        artist=said.artist,
        quadrant=said.truth,
        points=np.stack([said.valence_true, said.arousal_true], axis=1),
        levels=np.kron(coarse, np.ones((8, 8), np.uint8)).reshape(len(said), -1),
        step_db=np.array(STEP_DB),
        front_end=np.array(json.dumps({"name": SMALL_MEL.name, **SMALL_MEL.to_json()})),
    )


def made_held_out(folder: Path) -> Path:
    """Write the clips to a file, for `MOODPLANE_HELD_OUT`."""
    path = folder / "held-out.npz"
    stored_clips().save(path)
    return path


def few_shipped_clips(folder: Path, per_source: int) -> Path:
    """Write some of the clips that come with the program, so that a test takes seconds, to a file."""
    every = HeldOut.load(checkpoint.SHIPPED_DIR / "held-out.npz")
    rows = np.concatenate([np.flatnonzero(every.dataset == name)[:per_source] for name in np.unique(every.dataset)])
    of_clips = ("clip", "dataset", "artist", "quadrant", "points", "levels")
    path = folder / "held-out.npz"
    # Compressing would take longer than the test.
    np.savez(path, **{f.name: getattr(every, f.name)[rows if f.name in of_clips else ...] for f in fields(every)})
    return path


@cache
def _network() -> tuple[EfficientNetB3, NDArray[np.float64]]:
    """Return a network without a head, and its features of the held-out clips."""
    torch.manual_seed(7)
    network = efficientnet(SMALL).eval()
    images = torch.from_numpy(stored_clips().prepared(SMALL_MEL, slice(None)))
    inputs = SMALL_MEL.tensor(images)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.inference_mode():
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        # Without the moments of some input, a random network has the same features of everything.
        network.features(inputs)
        network.eval()
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half())
        return network, network.features(inputs).numpy().astype(np.float64)


@torch.no_grad()
def _say(network: EfficientNetB3, features: NDArray[np.float64], wanted: NDArray[np.float64]) -> None:
    """Make a network give the log odds `(n, 2)` of the axes that are wanted."""
    centre, mean = features.mean(axis=0), wanted.mean(axis=0)
    gram = (features - centre) @ (features - centre).T
    gram += 1e-4 * np.trace(gram) / len(gram) * np.eye(len(gram))
    weight = torch.from_numpy(((features - centre).T @ np.linalg.solve(gram, wanted - mean)).T)
    bias = torch.from_numpy(mean) - weight @ torch.from_numpy(centre)
    first, second, third = (layer for layer in network.head if isinstance(layer, nn.Linear))
    for parameter in (*network.head.parameters(), *network.classifier.parameters()):
        parameter.zero_()
    # What lies above and below zero passes the ReLUs apart.
    first.weight[:4] = torch.cat([weight, -weight])
    first.bias[:4] = torch.cat([bias, -bias])
    second.weight[:4, :4] = torch.eye(4)
    third.weight[_CARRIERS, :4] = torch.eye(4)
    sides = torch.from_numpy(np.sign([quadrant.corner for quadrant in Quadrant])) / 2
    network.classifier.weight[:, _CARRIERS] = torch.cat([sides, -sides], dim=1).float()


def made_weights(
    folder: Path,
    version: str,
    *,
    says: Predictions | None = None,
    bias: float = 0.0,
    temperature: float = 1.0,
    facts: dict[str, Any] | None = None,
) -> Path:
    """Write a checkpoint, which says of the held-out clips what `held_out` does, or `says`, and its card.

    Another bias makes other weights that say the same.
    """
    network, features = _network()
    _say(network, features, margins_of(np.log((says or held_out()).probabilities)))
    with torch.no_grad():
        network.classifier.bias[:] = bias
    weights = folder / f"{version}.safetensors"
    card = checkpoint.Card(version, SMALL_MEL, SMALL, temperature=temperature, facts=facts or {})
    checkpoint.save(network, card, weights)
    return weights


def worse(predictions: Predictions, dataset: str, share: float = 0.5) -> Predictions:
    """Return predictions whose clips of one dataset are wrong more often by a share."""
    probabilities = predictions.probabilities.copy()
    rows = np.flatnonzero(predictions.dataset == dataset)
    spoilt = rows[: round(len(rows) * share)]
    probabilities[spoilt] = np.roll(np.eye(4, dtype=np.float32)[predictions.truth[spoilt]] * 0.7 + 0.075, 1, axis=1)
    return replace(predictions, probabilities=probabilities)


def made_run_folder(
    root: Path, version: str, says: Predictions | None = None, *, bias: float = 0.0, temperature: float = 1.0
) -> Path:
    """Write the folder of a run: weights, card, predictions, history and what the run says of itself."""
    folder = root / f"{version}-run"
    folder.mkdir(parents=True)
    made_weights(folder, version, says=says, bias=bias, temperature=temperature)
    (says or held_out()).save(folder / "predictions.npz")
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
