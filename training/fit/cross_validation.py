"""One network per fold of a protocol, each finished fold kept, and what they are worth together. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.inference.checkpoint import Card, read_card, save
from emotion.inference.predict import points_of, softmax
from emotion.signal.mel import MelConfig
from emotion.zoo.networks import Network
from training.data.splits import Folds, Rows
from training.datasets import Clip
from training.evaluation.metrics import (
    accuracy_of,
    confusion_cells,
    confusion_of,
    fit_temperature,
    interval_95,
    macro_f1_of,
    resampled_sums,
    rounded,
)
from training.evaluation.predictions import Predictions
from training.fit.loop import ImageSet, Job, Outcome, SupervisedConfig, predict, train
from training.fit.run_folder import CHECKPOINT, TENSORBOARD, RunFolder
from training.fit.runtime import Processes


@dataclass(frozen=True, slots=True)
class Study:
    """What the networks of all folds have in common.

    Attributes:
        version: Name of the model.
        clips: In the order of the images; all have a quadrant.
        data: Their images and labels.
        peaks: `(n,)` the largest value of each clip's image, where every dataset has a dB reference of its own; None
            keeps the one of `mel`.
        loudness_db: `(n,)` float32 mean level of each clip, NaN where unknown.
        make_network: From a seed to a network at the start of training.
        config: How each is trained.
        mel: How the images were made.
        seed: Of everything random; each fold adds its number.
        identity: What a checkpoint must have in common with this run to be gone on from.
    """

    version: str
    clips: Sequence[Clip]
    data: ImageSet
    peaks: NDArray[np.float32] | None
    loudness_db: NDArray[np.float32]
    make_network: Callable[[int], Network]
    config: SupervisedConfig
    mel: MelConfig
    seed: int
    identity: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FoldResult:
    """A finished fold.

    Attributes:
        weights: The fold's network; its card has the epoch and the validation loss in its facts.
        predictions: Of its test clips.
    """

    weights: Path
    predictions: Predictions

    @property
    def validation_loss(self) -> float:
        """Of the epoch that was kept."""
        return float(read_card(self.weights).facts["validation_loss"])


def cross_validate(
    study: Study, folds: Folds, run: RunFolder, processes: Processes, say: Callable[[str], None]
) -> list[FoldResult]:
    """Train a network per fold and score each on its test clips; folds that are finished already are read.

    Args:
        study: What is trained, and on what.
        folds: Who trains, validates and tests.
        run: Receives checkpoints, history, logs and each fold's weights and predictions.
        processes: Those that train together; only the first one writes and gets results.
        say: Receives one line of progress at a time.

    Raises:
        TrainingDivergedError: A loss is not finite; finished folds stay.
        emotion.exceptions.CheckpointError: The run's checkpoint is damaged or of another run.
        training.data.splits.SplitError: The folds are not of these clips.
    """
    results = []
    for number, rows in enumerate(folds.rows(study.clips)):
        stem = run.path / "folds" / f"{folds.protocol}-{number}"
        if not processes.share(stem.with_suffix(".npz").exists()):
            begun = time.monotonic()
            _train_fold(study, folds, number, rows, stem, run, processes)
            if processes.is_first:
                run.worked(time.monotonic() - begun)
            processes.wait()
        if processes.is_first:
            result = FoldResult(stem.with_suffix(".safetensors"), Predictions.load(stem.with_suffix(".npz")))
            say(_line(result, number, folds))
            results.append(result)
    return results


def _train_fold(
    study: Study, folds: Folds, number: int, rows: Rows, stem: Path, run: RunFolder, processes: Processes
) -> None:
    lift = None if study.peaks is None else reference_lift(study.clips, study.peaks, rows.train)
    key = {"protocol": folds.protocol, "fold": number}
    job = Job(
        data=replace(study.data, lift=lift),
        rows=rows.train,
        validation_rows=rows.validation,
        config=study.config,
        mel=study.mel,
        seed=study.seed + number,
        processes=processes,
        identity={**study.identity, "fold": key, "split": folds.sha256},
        checkpoint=run.path / CHECKPOINT,
        log_dir=run.path / TENSORBOARD / stem.name,
        on_epoch=lambda epochs: run.write_history(key, epochs),
    )
    network = study.make_network(job.seed)
    outcome = train(network, job)
    if processes.is_first:
        _keep_fold(study, job, network, outcome, rows, key, stem)


def _keep_fold(
    study: Study,
    job: Job,
    network: Network,
    outcome: Outcome,
    rows: Rows,
    key: dict[str, Any],
    stem: Path,
) -> None:
    """Write a fold's weights and predictions; the predictions come last, and say that the fold is finished."""
    device = job.processes.device
    truth = job.data.targets.argmax(axis=1)
    validation = predict(network, job.data, rows.validation, study.mel, device)[0]
    temperature = fit_temperature(truth[rows.validation], validation)
    facts = {**key, "best_epoch": outcome.best_epoch, "validation_loss": outcome.validation_loss}
    mel = _serving_mel(study.mel, job.data.lift, rows.train)
    save(network, Card(study.version, mel, network.config, temperature, "", facts), stem.with_suffix(".safetensors"))
    said = predict(network, job.data, rows.test, study.mel, device)
    found = _predictions(study, rows.test, said, temperature, key)
    # From here on the fold is not gone on with, and the next one must not find its checkpoint.
    assert job.checkpoint is not None
    job.checkpoint.unlink()
    found.save(stem.with_suffix(".npz"))


def _predictions(
    study: Study, rows: NDArray[np.int64], said: Sequence[NDArray[np.float32]], temperature: float, key: dict[str, Any]
) -> Predictions:
    probabilities = softmax(said[0], temperature)
    return Predictions.of_clips(
        [study.clips[i] for i in rows],
        protocol=key["protocol"],
        fold=key["fold"],
        logits=said[0],
        probabilities=probabilities,
        points=points_of(probabilities, said[2] if len(said) > 2 else None),
        embeddings=said[1],
        loudness_db=study.loudness_db[rows],
    )


def reference_lift(
    clips: Sequence[Clip], peaks: NDArray[np.float32], train_rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return what to add to each clip's image so that the loudest training pixel of its dataset becomes 1.

    Args:
        clips: All.
        peaks: `(n,)` largest value of each clip's image.
        train_rows: The clips that the references are fitted on.

    Returns:
        `(n,)` float32; 0 for a dataset without training clips.

    Source: Cazzaniga et al., section 4.1 (decibels against the dataset's maximum), here over training clips only.
    """
    datasets = np.array([clip.dataset for clip in clips])
    lift = np.zeros(len(clips), np.float32)
    for dataset in set(datasets.tolist()):
        trained = train_rows[datasets[train_rows] == dataset]
        if len(trained):
            lift[datasets == dataset] = 1.0 - peaks[trained].max()
    return lift


def _serving_mel(mel: MelConfig, lift: NDArray[np.float32] | None, train_rows: NDArray[np.int64]) -> MelConfig:
    """Return the configuration for a song of no dataset: its reference is the training clips' mean one."""
    if lift is None:
        return mel
    return replace(mel, reference_db=round(mel.reference_db - mel.range_db * float(lift[train_rows].mean()), 2))


def _line(result: FoldResult, number: int, folds: Folds) -> str:
    facts = read_card(result.weights).facts
    accuracy, macro_f1 = _figures(result.predictions)
    return (
        f"{folds.protocol} fold {number + 1} of {len(folds.folds)}: accuracy {accuracy:.3f}, macro-F1 {macro_f1:.3f}, "
        f"validation loss {facts['validation_loss']:.3f} in epoch {facts['best_epoch']}"
    )


def _figures(predictions: Predictions) -> tuple[float, float]:
    confusion = confusion_of(predictions)
    return float(accuracy_of(confusion)), float(macro_f1_of(confusion))


def gap(leaky: Predictions, grouped: Predictions) -> dict[str, Any]:
    """Return how much better folds that share artists between training and test look than folds that do not.

    The two have different test clips, so each is resampled by artist on its own.

    Returns:
        For accuracy and macro-F1 the difference and its 95 % interval, rounded.
    """
    draws = [_resampled(part, seed) for seed, part in enumerate((leaky, grouped))]
    result: dict[str, Any] = {}
    for name, figure in (("accuracy", accuracy_of), ("macro_f1", macro_f1_of)):
        difference = float(figure(confusion_of(leaky)) - figure(confusion_of(grouped)))
        interval = interval_95(figure(draws[0]) - figure(draws[1]))
        result[name] = rounded({"difference": difference, "interval": interval})
    return result


def _resampled(predictions: Predictions, seed: int) -> NDArray[np.float64]:
    cells = confusion_cells(predictions.truth, predictions.probabilities.argmax(axis=1))
    return resampled_sums(cells, predictions.artist, seed=seed).reshape(-1, 4, 4)
