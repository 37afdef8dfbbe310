"""Who trains, who validates, who tests: folds grouped by artist, published splits kept. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from training.datasets.base import Clip

N_FOLDS = 10
TEST_FOLDS = (0, 1)
VALIDATION_FOLDS = (2,)


@dataclass(frozen=True, slots=True)
class Split:
    """Clip positions of each part; no artist is in two of them."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    def fingerprint(self, clips: Sequence[Clip]) -> str:
        """Return a hash of the exact ids of the three parts."""
        parts = ["\n".join(clips[i].id for i in part) for part in (self.train, self.validation, self.test)]
        return hashlib.sha256("\n\n".join(parts).encode()).hexdigest()


def artist_grouped_split(clips: Sequence[Clip], *, seed: int) -> Split:
    """Hold out two of ten artist-grouped folds for the test and one for validation.

    Folds are stratified by dataset and quadrant. Where a dataset publishes a split, its `val` part is the test and
    only its `train` part is trained and validated on.

    Args:
        clips: All clips, of every dataset.
        seed: Of the fold assignment.
    """
    strata = [f"{clip.dataset} {clip.quadrant}" for clip in clips]
    artists = [clip.artist for clip in clips]
    folds = np.zeros(len(clips), int)
    splitter = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
    for fold, (_, members) in enumerate(splitter.split(strata, strata, artists)):
        folds[members] = fold
    train: list[int] = []
    validation: list[int] = []
    test: list[int] = []
    for i, clip in enumerate(clips):
        in_test = clip.split in ("val", "test") if clip.split else folds[i] in TEST_FOLDS
        part = test if in_test else validation if folds[i] in VALIDATION_FOLDS else train
        part.append(i)
    return Split(tuple(train), tuple(validation), tuple(test))
