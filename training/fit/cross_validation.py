"""Train one network per fold of a protocol, resuming after the last finished fold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from emotion.inference.checkpoint import Card, read_card, save
from emotion.zoo.frontends import FrontEnd
from training.data.splits import Folds, Rows
from training.datasets import Clip
from training.evaluation import metrics
from training.evaluation.predictions import Predictions
from training.fit.loop import ClipSet, FitConfig, FitTask, Processes, Start, predict, train, work_clock, worked_s
from training.fit.run_folder import CHECKPOINT, SPLITS, TENSORBOARD, RunFolder


@dataclass(frozen=True, slots=True)
class Study:
    """Settings that the networks of all folds share."""

    version: str
    clips: Sequence[Clip]  # In the order of the data; all have a quadrant.
    data: ClipSet
    # `(n,)` the largest value of each clip's image, for a dB reference of each dataset; None takes the front end's.
    peaks: NDArray[np.float32] | None
    loudness_db: NDArray[np.float32]  # `(n,)` float32 mean level of each clip, NaN where unknown.
    begin: Callable[[int, Rows], Start]  # From a seed and a fold to the start of training.
    config: FitConfig
    front_end: FrontEnd  # What serves; of a chunked one, each chunk is a place of the data.
    seed: int  # Of everything random; each fold adds its number.
    identity: Mapping[str, Any]  # Values that a checkpoint of this run has too.
    seconds: float = math.inf  # Of all cores together, or of a GPU, after which a fold's training ends with its epoch.


@dataclass(frozen=True, slots=True)
class FoldResult:
    """A finished fold: its weights, whose card has epoch and validation loss in its facts, and its test predictions."""

    weights: Path
    predictions: Predictions

    @property
    def validation_loss(self) -> float:
        return float(read_card(self.weights).facts["validation_loss"])


def cross_validate(
    study: Study, folds: Folds, run: RunFolder, processes: Processes, log: Callable[[str], None]
) -> list[FoldResult]:
    """Train a network per fold and score each on its test clips; folds that are finished already are read.

    Raises:
        TrainingDivergedError: A loss is not finite; finished folds stay.
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
            results.append(result)
            confusion, facts = metrics.confusion_of(result.predictions), read_card(result.weights).facts
            accuracy, macro_f1 = metrics.accuracy_of(confusion), metrics.macro_f1_of(confusion)
            log(
                f"{folds.protocol} fold {number + 1} of {len(folds.folds)}: accuracy {accuracy:.3f}, macro-F1 "
                f"{macro_f1:.3f}, validation loss {facts['validation_loss']:.3f}"
                + (f" in epoch {facts['best_epoch']}" if "best_epoch" in facts else "")
            )
    return results


def _train_fold(
    study: Study, folds: Folds, number: int, rows: Rows, stem: Path, run: RunFolder, processes: Processes
) -> None:
    # The predictions are written last, and mark the fold as finished.
    lift = None if study.peaks is None else reference_lift(study.clips, study.peaks, rows.train)
    data, checkpoint = replace(study.data, lift=lift), run.path / CHECKPOINT
    key: dict[str, Any] = {"protocol": folds.protocol, "fold": number}
    task = FitTask(
        data=data,
        rows=rows.train,
        validation_rows=rows.validation,
        config=study.config,
        front_end=study.front_end.of_a_chunk,
        seed=study.seed + number,
        processes=processes,
        identity={**study.identity, "fold": key, "split": folds.sha256},
        checkpoint=checkpoint,
        log_dir=run.path / TENSORBOARD / stem.name,
        on_epoch=lambda epochs: run.write_history(key, epochs),
    )
    clock = work_clock(processes.device)
    begun = clock()
    network, trained_on, known, outputs_of = study.begin(task.seed, rows)
    facts: dict[str, Any] = {**key, **known, "train_s": clock() - begun}
    if trained_on is not None:
        data = replace(data, trained_on=trained_on)
    if any(parameter.requires_grad for parameter in network.parameters()):
        left = study.seconds - facts["train_s"]
        outcome = train(network, replace(task, data=data, is_over=lambda epochs: worked_s(epochs) > left))
        facts |= {"best_epoch": outcome.best_epoch, "epochs": len(outcome.epochs)}
        facts["train_s"] += worked_s(outcome.epochs)
    if not processes.is_first:
        return
    front_end = study.front_end
    if outputs_of is None:
        outputs_of = partial(predict, network, data, front_end=front_end.of_a_chunk, device=processes.device)
    validation, _, *points = outputs_of(rows.validation)
    reading = metrics.fit_reading(data.targets.argmax(axis=1)[rows.validation], validation, *points)
    facts["validation_loss"] = float(
        metrics.log_loss_of(data.targets.argmax(axis=1)[rows.validation], softmax(validation, axis=1)).mean()
    )
    if lift is not None and (mel := front_end.image) is not None:
        # A song of no dataset gets the mean reference of the training clips.
        reference_db = mel.reference_db - mel.range_db * float(lift[rows.train].mean())
        front_end = replace(mel, reference_db=round(reference_db, 2))
    save(
        network,
        # Each fold's is a model of its own.
        Card(f"{study.version}-{number + 1}", front_end, network.config, facts=facts, reading=reading),
        stem.with_suffix(".safetensors"),
    )
    Folds(folds.protocol, (folds.folds[number],)).save(stem.with_suffix(f".{SPLITS}"))
    logits, embeddings, *points = outputs_of(rows.test)
    predictions = Predictions.of_clips(
        [study.clips[i] for i in rows.test],
        **key,
        logits=logits,
        estimates=reading.estimates(logits, *points),
        embeddings=embeddings,
        loudness_db=study.loudness_db[rows.test],
    )
    # The next fold must not find this checkpoint.
    checkpoint.unlink(missing_ok=True)
    predictions.save(stem.with_suffix(".npz"))


def reference_lift(
    clips: Sequence[Clip], peaks: NDArray[np.float32], train_rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return `(n,)`, added to each clip's image to make the loudest training pixel of its dataset 1.

    `peaks` `(n,)` has the largest value of each clip's image; a dataset without training clips gets 0.

    Source: Cazzaniga et al., section 4.1 (decibels against the dataset's maximum), here over training clips only.
    """
    datasets = np.array([clip.dataset for clip in clips])
    lift = np.zeros(len(clips), np.float32)
    for dataset in set(datasets.tolist()):
        trained = train_rows[datasets[train_rows] == dataset]
        if len(trained):
            lift[datasets == dataset] = 1.0 - peaks[trained].max()
    return lift


def gap(leaky: Predictions, grouped: Predictions) -> dict[str, Any]:
    """Return the gain, with 95 % intervals, of folds that share artists between training and test.

    The two have different test clips, so each is resampled by artist separately.
    """
    draws = []
    for seed, part in enumerate((leaky, grouped)):
        cells = metrics.confusion_cells(part.truth, part.probabilities.argmax(axis=1))
        draws.append(metrics.resampled_sums(cells, part.artist, seed=seed).reshape(-1, 4, 4))
    result: dict[str, Any] = {}
    for name, figure in (("accuracy", metrics.accuracy_of), ("macro_f1", metrics.macro_f1_of)):
        difference = float(figure(metrics.confusion_of(leaky)) - figure(metrics.confusion_of(grouped)))
        interval = metrics.interval_95(figure(draws[0]) - figure(draws[1]))
        result[name] = metrics.rounded({"difference": difference, "interval": interval})
    return result
