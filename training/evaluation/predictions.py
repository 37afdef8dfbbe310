"""What a run said of its test clips: the one table that scores, plots and comparisons are made from. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from catalog.core.files import write_atomic

if TYPE_CHECKING:
    from training.datasets import Clip


@dataclass(frozen=True, slots=True)
class Predictions:
    """One row per clip, protocol and fold; all arrays have the same length `n`.

    Attributes:
        protocol: `(n,)` str: a `training.data.splits.Protocol`.
        fold: `(n,)` int: number of the fold, 0 where there is only one.
        clip: `(n,)` str: `Clip.id`.
        dataset: `(n,)` str.
        artist: `(n,)` str: what intervals are clustered by.
        truth: `(n,)` int: quadrant 0 to 3, or -1 where only valence and arousal are known.
        logits: `(n, 4)` float32, before the temperature.
        probabilities: `(n, 4)` float32, calibrated; the temperature was fitted on clips that are not in these rows.
        valence: `(n,)` float32, predicted, [-1, 1].
        arousal: `(n,)` float32, predicted, [-1, 1].
        valence_true: `(n,)` float32, NaN where unrated.
        arousal_true: `(n,)` float32, NaN where unrated.
        embedding: `(n, 64)` float16.
        loudness_db: `(n,)` float32, mean level of the clip in dB full scale, NaN where unknown.
        genre: `(n,)` str, empty where unknown.
    """

    protocol: NDArray[np.str_]
    fold: NDArray[np.int64]
    clip: NDArray[np.str_]
    dataset: NDArray[np.str_]
    artist: NDArray[np.str_]
    truth: NDArray[np.int64]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]
    valence_true: NDArray[np.float32]
    arousal_true: NDArray[np.float32]
    embedding: NDArray[np.float16]
    loudness_db: NDArray[np.float32]
    genre: NDArray[np.str_]

    @classmethod
    def of_clips(
        cls,
        clips: Sequence[Clip],
        *,
        protocol: str,
        fold: int,
        logits: NDArray[np.float32],
        probabilities: NDArray[np.floating],
        points: tuple[NDArray[np.floating], NDArray[np.floating]],
        embeddings: NDArray[np.floating],
        loudness_db: NDArray[np.float32] | None = None,
    ) -> Predictions:
        """Return a row for each labelled clip.

        Args:
            clips: In the order of every array.
            protocol: As in the table.
            fold: As in the table.
            logits: As in the table.
            probabilities: As in the table.
            points: Predicted valence and arousal, each `(n,)`, as `emotion.inference.predict.points_of` gives them.
            embeddings: `(n, 64)`.
            loudness_db: As in the table; None where unknown.
        """
        rated = [(clip.valence, clip.arousal) for clip in clips]
        points_true = np.array([[np.nan if value is None else value for value in point] for point in rated], np.float32)
        return cls(
            protocol=np.full(len(clips), protocol),
            fold=np.full(len(clips), fold, np.int64),
            clip=np.array([clip.id for clip in clips]),
            dataset=np.array([clip.dataset for clip in clips]),
            artist=np.array([clip.artist for clip in clips]),
            truth=np.array([-1 if clip.quadrant is None else clip.quadrant.index for clip in clips], np.int64),
            logits=logits.astype(np.float32),
            probabilities=probabilities.astype(np.float32),
            valence=points[0].astype(np.float32),
            arousal=points[1].astype(np.float32),
            valence_true=points_true[:, 0],
            arousal_true=points_true[:, 1],
            embedding=embeddings.astype(np.float16),
            loudness_db=np.full(len(clips), np.nan, np.float32) if loudness_db is None else loudness_db,
            genre=np.array([clip.genre for clip in clips]),
        )

    def __len__(self) -> int:
        return len(self.clip)

    def where(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Predictions:
        """Return the chosen rows."""
        return Predictions(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def save(self, path: Path) -> None:
        """Write to an `.npz` that appears whole or not at all.

        Raises:
            OSError: The disk is full or not writable; nothing is left half-written.
        """
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        write_atomic(path, lambda file: np.savez_compressed(file, **arrays))

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is not a table of predictions.
        """
        with np.load(path, allow_pickle=False) as arrays:
            missing = [field.name for field in fields(cls) if field.name not in arrays]
            if missing:
                raise ValueError(f"{path} is not a table of predictions: it lacks {', '.join(missing)}.")
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    @classmethod
    def concatenate(cls, parts: list[Predictions]) -> Predictions:
        """Return all rows of several tables, in order."""
        return cls(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)}
        )
