"""A checkpoint on its own held-out clips, from audio files through the code that serves. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from emotion.exceptions import AudioUnreadableError
from emotion.inference.predict import Prediction, Predictor
from training.data.folds import Folds, Protocol, SplitError
from training.datasets import Clip
from training.evaluation.metrics import Scores, score_by_dataset
from training.evaluation.predictions import Predictions
from training.fit.run_folder import SPLITS
from training.recipes.distilled_b3.features import load_clips


def evaluate(
    weights: Path,
    *,
    data_root: Path,
    work_dir: Path,
    engine: str,
    device: str,
    say: Callable[[str], None],
    keep: Path | None = None,
) -> dict[str, Scores]:
    """Score a checkpoint on its own held-out clips, from audio files through the serving code.

    Args:
        weights: A checkpoint of `run`; its card says which clips it never saw.
        data_root: Folder of the datasets.
        work_dir: Where rendered audio is kept.
        engine: As in `emotion.inference.engines.make_engine`.
        device: As in `emotion.inference.engines.make_engine`.
        say: Receives warnings.
        keep: Where what was said of each clip is written, for comparisons to come.

    Raises:
        SplitError: The ids of its folds are missing, not those of its card, or not of the datasets here.
    """
    predictor = Predictor.load(weights, engine=engine, device=device)
    facts = predictor.card.facts
    clips = load_clips(facts["config"]["datasets"], data_root, work_dir)
    folds = saved_folds(weights, facts)
    if folds is None:
        raise SplitError(
            f"No {weights.stem}.{SPLITS} lies beside {weights}: the model was made before the ids of its test clips "
            "were saved with it, and these cannot be told apart. Evaluate its run folder instead."
        )
    [rows] = folds.rows(clips)
    said = served(predictor, [clips[i] for i in rows.test], say)
    if keep is not None:
        said.save(keep)
    return score_by_dataset(said)


def saved_folds(weights: Path, facts: Mapping[str, Any]) -> Folds | None:
    """Return who trained, validated and tested a model, from beside its weights; None where no ids lie there.

    Raises:
        training.data.folds.SplitError: The ids are not those of the card's hash.
    """
    places = (weights.with_suffix(f".{SPLITS}"), weights.parent / SPLITS)
    path = next((path for path in places if path.is_file()), None)
    folds = Folds.load(path) if path else None
    if folds and not folds.is_named(facts["split"]["sha256"]):
        raise SplitError(f"{path} is not the split that the card of {weights.name} names: the two are of two models.")
    return folds


def served(predictor: Predictor, clips: list[Clip], say: Callable[[str], None]) -> Predictions:
    """Return what the serving code says of labelled clips; one that cannot be read is left out, and said so."""
    kept: list[tuple[Clip, Prediction]] = []
    results = predictor.predict([clip.audio for clip in clips])
    for clip, result in tqdm(zip(clips, results, strict=True), total=len(clips), desc="clips", mininterval=5):
        if isinstance(result, AudioUnreadableError):
            say(f"{clip.id}: {result}")
        else:
            kept.append((clip, result))
    probabilities = np.stack([result.probabilities for _, result in kept])
    valence, arousal = np.array([(result.valence, result.arousal) for _, result in kept]).T
    return Predictions.of_clips(
        [clip for clip, _ in kept],
        protocol=Protocol.HELD_OUT,
        fold=0,
        logits=np.log(np.maximum(probabilities, 1e-12)).astype(np.float32) * np.float32(predictor.card.temperature),
        probabilities=probabilities,
        points=(valence, arousal),
        embeddings=np.stack([result.embedding for _, result in kept]),
    )
