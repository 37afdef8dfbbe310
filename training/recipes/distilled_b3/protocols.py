"""Folds, left-out sources and seeds of heads on one backbone, and the teacher on the same clips. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, StratifiedKFold
from torch import Tensor

from emotion.inference.predict import points_of, softmax
from emotion.zoo.networks import HeadedNetwork
from training.evaluation.metrics import fit_temperature
from training.evaluation.predictions import Predictions
from training.recipes.distilled_b3.config import FlagshipConfig
from training.recipes.distilled_b3.features import Material, head_data
from training.recipes.distilled_b3.head import HeadConfig, fit_head
from training.recipes.distilled_b3.teacher import Judge

# What is judged beside the held-out clips; `training.evaluation.report.scores.PROTOCOLS` says what each asks.
CROSS_VALIDATED = ("artist_grouped", "stratified", "leave_one_source_out")
# The teacher's opinions of the training clips, and its logits of validation and test clips, by protocol and fold.
Lessons = dict[tuple[str, int], tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of clips; no artist of `validation` is in `train`, nor, where the protocol says so, any of `test`."""

    protocol: str
    number: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def folds_of(material: Material, protocol: str, *, n: int, seed: int) -> list[Fold]:
    """Return the folds of a protocol.

    Args:
        material: All clips.
        protocol: "artist_grouped", "stratified" or "leave_one_source_out" (no folds where there is one source).
        n: Folds, except where there is one per source.
        seed: Of the assignment.
    """
    strata = [f"{clip.dataset} {clip.quadrant}" for clip in material.clips]
    everything = np.arange(len(strata))
    if protocol == "artist_grouped":
        parts = [
            test
            for _, test in StratifiedGroupKFold(n, shuffle=True, random_state=seed).split(
                everything, strata, material.artists
            )
        ]
    elif protocol == "stratified":
        parts = [test for _, test in StratifiedKFold(n, shuffle=True, random_state=seed).split(everything, strata)]
    elif protocol == "leave_one_source_out":
        names = dict.fromkeys(material.sources)
        parts = [np.flatnonzero(material.sources == name) for name in names] if len(names) > 1 else []
    else:
        raise ValueError(f"There is no protocol {protocol!r}.")
    folds = []
    for number, test in enumerate(parts):
        rest = np.setdiff1d(everything, test)
        if protocol == "leave_one_source_out":
            # An artist of the left-out source may be in another: then it is unseen only without that one.
            rest = rest[~np.isin(material.artists[rest], material.artists[test])]
        inner = GroupShuffleSplit(1, test_size=0.12, random_state=seed + number)
        train, validation = next(inner.split(rest, groups=material.artists[rest]))
        folds.append(Fold(protocol, number, rest[train], rest[validation], test))
    return folds


@dataclass(frozen=True, slots=True)
class Judged:
    """What a fold's head and its teacher say of the test clips, and what the head's fit came to."""

    student: Predictions
    teacher: Predictions
    temperature: float
    validation_loss: float
    epoch: int


def judge_fold(
    network: HeadedNetwork,
    material: Material,
    heard: tuple[Tensor, Tensor],
    fold: Fold,
    config: FlagshipConfig,
    *,
    head: HeadConfig,
    seed: int,
    lessons: Lessons,
) -> Judged:
    """Fit teacher and head on a fold's training clips, stop and calibrate on its validation clips, and judge its test.

    Args:
        network: Its backbone is not touched; its head is left fitted.
        material: All clips.
        heard: From `training.recipes.distilled_b3.features.hear`.
        fold: Positions.
        config: Gives the balance of cells.
        head: How the head is fitted.
        seed: Of the head.
        lessons: The teacher's opinions by fold, kept from one call to the next.
    """
    if (key := (fold.protocol, fold.number)) not in lessons:
        judge = Judge()
        known, groups = material.teacher[fold.train], list(material.artists[fold.train])
        opinions = judge.fit(known, material.truth[fold.train], groups)
        validation, test = (judge.logits(material.teacher[part]) for part in (fold.validation, fold.test))
        lessons[key] = opinions, validation, test
    opinions, validation_logits, test_logits = lessons[key]
    validation_opinions = softmax(validation_logits, 1.0).astype(np.float32)
    learning = head_data(material, heard, fold.train, opinions, config.cell_power)
    stopping = head_data(material, heard, fold.validation, validation_opinions, config.cell_power)
    epoch, loss = fit_head(network, learning, stopping, head, seed=seed)
    said = judgements(network, heard[0][torch.from_numpy(fold.validation)])
    temperature = fit_temperature(material.truth[fold.validation], said[0])
    logits, embeddings, points = judgements(network, heard[0][torch.from_numpy(fold.test)])
    return Judged(
        student=predictions_of(material, fold, logits, temperature, points, embeddings),
        teacher=predictions_of(material, fold, test_logits, 1.0, None, np.zeros((len(fold.test), 64), np.float32)),
        temperature=temperature,
        validation_loss=loss,
        epoch=epoch,
    )


@torch.inference_mode()
def judgements(
    network: HeadedNetwork, features: Tensor
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
    """Return logits, embeddings and, from a network that regresses, points, of pooled features."""
    found = network.eval().judge(features)
    return found[0].numpy(), found[1].numpy(), found[2].numpy() if len(found) > 2 else None


def predictions_of(
    material: Material,
    fold: Fold,
    logits: NDArray[np.float32],
    temperature: float,
    points: NDArray[np.float32] | None,
    embeddings: NDArray[np.float32],
) -> Predictions:
    """Return a fold's judgements as rows of the table that everything is scored from."""
    probabilities = softmax(logits, temperature)
    return Predictions.of_clips(
        [material.clips[i] for i in fold.test],
        protocol=fold.protocol,
        fold=fold.number,
        logits=logits,
        probabilities=probabilities,
        points=points_of(probabilities, points),
        embeddings=embeddings,
        loudness_db=np.array([material.spectra[i].level_db for i in fold.test], np.float32),
    )


def judge_protocols(
    network: HeadedNetwork,
    material: Material,
    heard: tuple[Tensor, Tensor],
    config: FlagshipConfig,
    *,
    protocols: tuple[str, ...] = CROSS_VALIDATED,
    say: Callable[[str], None],
) -> tuple[Predictions, Predictions]:
    """Return all rows of several protocols: the student's and the teacher's."""
    students, teachers = [], []
    lessons: Lessons = {}
    for protocol in protocols:
        for fold in folds_of(material, protocol, n=config.folds, seed=config.seed):
            judged = judge_fold(
                network, material, heard, fold, config, head=config.head, seed=config.seed, lessons=lessons
            )
            students.append(judged.student)
            teachers.append(judged.teacher)
            right = [float(np.mean(p.logits.argmax(1) == p.truth)) for p in (judged.student, judged.teacher)]
            say(f"{protocol} fold {fold.number + 1}: accuracy {right[0]:.3f}, teacher {right[1]:.3f}")
    return Predictions.concatenate(students), Predictions.concatenate(teachers)
