"""Folds, left-out sources and seeds of heads on one backbone, and the teacher on the same clips. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotion.inference.predict import points_of, softmax
from emotion.zoo.networks import HeadedNetwork
from training.data.folds import Folds
from training.data.splits import artist_grouped_folds, artist_grouped_split, leave_one_source_out, stratified_folds
from training.evaluation.metrics import fit_temperature
from training.evaluation.predictions import Predictions
from training.recipes.distilled_b3.config import FlagshipConfig
from training.recipes.distilled_b3.features import Material, head_data
from training.recipes.distilled_b3.head import fit_head
from training.recipes.distilled_b3.teacher import Judge

# The teacher's opinions of the training clips, and its logits of validation and test clips, by protocol and fold.
Lessons = dict[tuple[str, int], tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]


def deal(material: Material, config: FlagshipConfig) -> list[Folds]:
    """Return the folds of every protocol, the held-out one first; with one source, none is left out.

    Raises:
        training.data.folds.SplitError: A class would be missing in a fold.
    """
    clips = material.clips
    options: dict[str, Any] = {"seed": config.seed, "duplicates": material.duplicates}
    dealt = [
        artist_grouped_split(clips, **options),
        artist_grouped_folds(clips, n_folds=config.folds, **options),
        stratified_folds(clips, n_folds=config.folds, **options),
    ]
    if len(set(material.sources)) > 1:
        dealt.append(leave_one_source_out(clips, **options))
    return dealt


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
    folds: Folds,
    number: int,
    config: FlagshipConfig,
    *,
    seed: int,
    lessons: Lessons,
) -> Judged:
    """Fit teacher and head on a fold's training clips, stop and calibrate on its validation clips, and judge its test.

    Args:
        network: Its backbone is not touched; its head is left fitted.
        material: All clips.
        heard: From `training.recipes.distilled_b3.features.hear`.
        folds: Of a protocol.
        number: Which of them.
        config: Gives the head's fit and the balance of cells.
        seed: Of the head.
        lessons: The teacher's opinions by fold, kept from one call to the next.
    """
    fold = folds.rows(material.clips)[number]
    if (key := (folds.protocol, number)) not in lessons:
        judge = Judge()
        opinions = judge.fit(material.teacher[fold.train], material.truth[fold.train], material.groups[fold.train])
        validation, test = (judge.logits(material.teacher[part]) for part in (fold.validation, fold.test))
        lessons[key] = opinions, validation, test
    opinions, validation_logits, test_logits = lessons[key]
    validation_opinions = softmax(validation_logits, 1.0).astype(np.float32)
    learning = head_data(material, heard, fold.train, opinions, config.cell_power)
    stopping = head_data(material, heard, fold.validation, validation_opinions, config.cell_power)
    epoch, loss = fit_head(network, learning, stopping, config.head, seed=seed)
    said = judgements(network, heard[0][torch.from_numpy(fold.validation)])
    temperature = fit_temperature(material.truth[fold.validation], said[0])
    logits, embeddings, points = judgements(network, heard[0][torch.from_numpy(fold.test)])
    return Judged(
        student=predictions_of(material, key, fold.test, logits, temperature, points, embeddings),
        teacher=predictions_of(
            material, key, fold.test, test_logits, 1.0, None, np.zeros((len(fold.test), 64), np.float32)
        ),
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
    key: tuple[str, int],
    test: NDArray[np.int64],
    logits: NDArray[np.float32],
    temperature: float,
    points: NDArray[np.float32] | None,
    embeddings: NDArray[np.float32],
) -> Predictions:
    """Return a fold's judgements as rows of the table that everything is scored from."""
    probabilities = softmax(logits, temperature)
    return Predictions.of_clips(
        [material.clips[i] for i in test],
        protocol=key[0],
        fold=key[1],
        logits=logits,
        probabilities=probabilities,
        points=points_of(probabilities, points),
        embeddings=embeddings,
        loudness_db=np.array([material.spectra[i].level_db for i in test], np.float32),
    )


def judge_protocols(
    network: HeadedNetwork,
    material: Material,
    heard: tuple[Tensor, Tensor],
    config: FlagshipConfig,
    *,
    dealt: Sequence[Folds],
    say: Callable[[str], None],
) -> tuple[list[Predictions], list[Predictions]]:
    """Return the rows of every fold of several protocols: the student's and the teacher's."""
    students, teachers = [], []
    for folds in dealt:
        for number in range(len(folds.folds)):
            judged = judge_fold(network, material, heard, folds, number, config, seed=config.seed, lessons={})
            students.append(judged.student)
            teachers.append(judged.teacher)
            right = [float(np.mean(p.logits.argmax(1) == p.truth)) for p in (judged.student, judged.teacher)]
            say(f"{folds.protocol} fold {number + 1}: accuracy {right[0]:.3f}, teacher {right[1]:.3f}")
    return students, teachers
