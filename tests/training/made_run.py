"""A run folder as training leaves it, made of chance: figures look like real ones and mean nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.inference.predict import softmax
from emotion.inference.quadrants import Quadrant
from training.data.splits import Fold, Folds, Protocol
from training.evaluation.predictions import Predictions

# Clips, artists, and whether valence and arousal are rated.
SOURCES = {"4qaed": (240, 150, False), "emomusic": (180, 80, True), "emopia": (140, 50, False)}
GENRES = ("rock", "jazz", "classical", "electronic")
PROTOCOLS = ("held_out", "artist_grouped", "stratified", "leave_one_source_out")
N_FOLDS = 5
# How clear each protocol's predictions are: best where the artist was in training, worst where the source was not.
_CLARITY = {"held_out": 1.6, "artist_grouped": 1.6, "stratified": 2.4, "leave_one_source_out": 0.8, "paper": 1.6}


def made_predictions(protocols: Sequence[str] = PROTOCOLS, seed: int = 0) -> Predictions:
    """Return what a made model said of three sources under the protocols named."""
    return Predictions.concatenate([_protocol(protocol, seed) for protocol in protocols])


def _protocol(protocol: str, seed: int) -> Predictions:
    sources = [_source(name, protocol, seed + i) for i, name in enumerate(SOURCES)]
    if protocol == "leave_one_source_out":
        sources = [_with_fold(source, np.full(len(source), i)) for i, source in enumerate(sources)]
    return Predictions.concatenate(sources)


def _with_fold(predictions: Predictions, fold: NDArray[np.int64]) -> Predictions:
    rows = {name: getattr(predictions, name) for name in Predictions.__slots__}
    return Predictions(**{**rows, "fold": fold.astype(np.int64)})


def _source(name: str, protocol: str, seed: int) -> Predictions:
    n, artists, rated = SOURCES[name]
    rng = np.random.default_rng(seed)
    # A balanced set, and one whose ratings lie along the diagonal as they do.
    plane = (
        rng.uniform(-0.9, 0.9, (n, 2)) if not rated else rng.multivariate_normal([0, 0], [[0.1, 0.06], [0.06, 0.12]], n)
    )
    plane = np.clip(plane, -1, 1)
    truth = np.array([Quadrant.from_valence_arousal(v, a).index for v, a in plane])
    artist = rng.integers(0, artists, n)
    genre = np.array(GENRES)[rng.integers(0, len(GENRES), n)] if name != "emopia" else np.full(n, "")
    loudness = -22 + 6 * plane[:, 1] + rng.normal(0, 3, n)
    noise = np.random.default_rng([seed, len(protocol)]).normal(0, 1, (n, 2))
    heard = plane + noise * [0.45, 0.25] / np.sqrt(_CLARITY[protocol])
    corners = np.array([quadrant.corner for quadrant in Quadrant])
    logits = (2.0 * heard @ corners.T).astype(np.float32)
    embedding = rng.normal(0, 1, (n, 64))
    embedding[:, :2] += 3 * heard
    embedding[:, 2] += 1.5 * list(SOURCES).index(name)
    unrated = np.full(n, np.nan, np.float32)
    everywhere = {"protocol": np.full(n, protocol), "dataset": np.full(n, name)}
    return Predictions(
        **everywhere,
        fold=artist % N_FOLDS if protocol in ("artist_grouped", "stratified") else np.zeros(n, np.int64),
        clip=np.array([f"{name}/{i}" for i in range(n)]),
        artist=np.array([f"{name} artist {i}" for i in artist]),
        truth=truth.astype(np.int64),
        logits=logits,
        probabilities=softmax(logits, 1.0).astype(np.float32),
        valence=np.clip(heard[:, 0], -1, 1).astype(np.float32),
        arousal=np.clip(heard[:, 1], -1, 1).astype(np.float32),
        valence_true=plane[:, 0].astype(np.float32) if rated else unrated,
        arousal_true=plane[:, 1].astype(np.float32) if rated else unrated,
        embedding=embedding.astype(np.float16),
        loudness_db=loudness.astype(np.float32),
        genre=genre,
    )


def made_run(folder: Path, protocols: Sequence[str] = PROTOCOLS, seed: int = 0) -> Path:
    """Write a whole run folder, weights aside, and return it."""
    folder.mkdir(parents=True)
    predictions = made_predictions(protocols, seed)
    predictions.save(folder / "predictions.npz")
    ids = sorted(set(predictions.clip.tolist()))
    _folds(predictions, ids).save(folder / "splits.json")
    (folder / "run.json").write_text(json.dumps(_facts(ids, seed)))
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in _history(seed)))
    return folder


def _folds(predictions: Predictions, ids: list[str]) -> Folds:
    tested = sorted(set(predictions.clip[predictions.protocol == Protocol.HELD_OUT].tolist()))
    others = [f"{clip}b" for clip in ids]
    train, validation = [clip for i, clip in enumerate(others) if i % 8], others[::8]
    return Folds(Protocol.HELD_OUT, (Fold(tuple(train), tuple(validation), tuple(tested)),))


def _facts(ids: list[str], seed: int) -> dict[str, object]:
    return {
        "version": "b3-made",
        "seed": seed,
        "commit": "0" * 40,
        "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
        "started": "2026-11-20T10:00:00+00:00",
        "ended": "2026-11-20T14:30:00+00:00",
        "wall_s": 16200,
        "datasets": {name: {"clips": n, "licence": "made"} for name, (n, _, _) in SOURCES.items()},
        "data_fingerprint": "f" * 64,
        "split": {"protocol": "artist-grouped", "sha256": "a" * 64},
    }


def _history(seed: int) -> list[dict[str, float | int | str]]:
    rng = np.random.default_rng(seed)
    lines: list[dict[str, float | int | str]] = []
    for fold in range(N_FOLDS):
        for epoch in range(1, 21):
            loss = 1.35 * np.exp(-epoch / 9) + 0.1 + rng.normal(0, 0.01)
            validation = 0.95 + 0.45 * np.exp(-epoch / 4) + 0.0012 * max(0, epoch - 9) ** 2 + rng.normal(0, 0.01)
            lines.append(
                {
                    "fold": fold,
                    "stage": "fine-tune",
                    "epoch": epoch,
                    "loss": round(float(loss), 4),
                    "validation_loss": round(float(validation), 4),
                    "validation_accuracy": round(float(0.64 - 0.3 * np.exp(-epoch / 4)), 4),
                    "images_per_s": 21.0,
                    "learning_rate": 1e-5,
                }
            )
    return lines
