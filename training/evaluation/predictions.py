"""A run's predictions for its test clips: the one table that scores, plots and comparisons come from."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.files import write_atomic

if TYPE_CHECKING:
    from emotion.inference.estimate import Estimates
    from training.datasets import Clip


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of an `.npz`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or no such archive.
    """
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise zipfile.BadZipFile("it is no archive, or only the beginning of one")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise ValueError(f"{path} is damaged: {error}. Delete it, and make it again.") from error


@dataclass(frozen=True, slots=True)
class Predictions:
    """One row per clip, protocol and fold; all arrays have the same length `n`.

    `protocol` is a `training.data.splits.Protocol`; `fold` 0 where there is only one; `clip` `Clip.id`; `artist` the
    cluster of intervals; `truth` a quadrant 0 to 3, or -1 where only valence and arousal are known; `logits` `(n, 4)`
    before the temperature; `probabilities` `(n, 4)`, calibrated with a reading fitted on clips that are not in
    these rows; predicted and true `valence` and `arousal` in [-1, 1], NaN where unrated; `embedding` `(n, 64)`;
    `loudness_db` the mean level in dB full scale, NaN where unknown; `genre` empty where unknown.
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
        estimates: Estimates,
        embeddings: NDArray[np.floating],
        loudness_db: NDArray[np.float32] | None = None,
    ) -> Predictions:
        """Return a row for each labelled clip; every array is in the order of the clips and as in the table."""
        # None becomes NaN.
        points_true = np.array([(clip.valence, clip.arousal) for clip in clips], np.float32)
        return cls(
            protocol=np.full(len(clips), protocol),
            fold=np.full(len(clips), fold, np.int64),
            clip=np.array([clip.id for clip in clips]),
            dataset=np.array([clip.dataset for clip in clips]),
            artist=np.array([clip.artist for clip in clips]),
            truth=np.array([-1 if clip.quadrant is None else clip.quadrant.index for clip in clips], np.int64),
            logits=logits.astype(np.float32),
            probabilities=estimates.probabilities.astype(np.float32),
            valence=estimates.valence.astype(np.float32),
            arousal=estimates.arousal.astype(np.float32),
            valence_true=points_true[:, 0],
            arousal_true=points_true[:, 1],
            embedding=embeddings.astype(np.float16),
            loudness_db=np.full(len(clips), np.nan, np.float32) if loudness_db is None else loudness_db,
            genre=np.array([clip.genre for clip in clips]),
        )

    @classmethod
    def empty(cls) -> Predictions:
        """Return a table without rows."""
        arrays: dict[str, Any] = {field.name: np.zeros(0, np.float32) for field in fields(cls)}
        arrays |= {name: np.zeros(0, str) for name in ("protocol", "clip", "dataset", "artist", "genre")}
        arrays |= {name: np.zeros(0, np.int64) for name in ("fold", "truth")}
        arrays |= {name: np.zeros((0, 4), np.float32) for name in ("logits", "probabilities")}
        return cls(**{**arrays, "embedding": np.zeros((0, 64), np.float16)})

    def __len__(self) -> int:
        return len(self.clip)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The likeliest quadrant of each row, `(n,)`, 0 to 3."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def is_correct(self) -> NDArray[np.bool_]:
        """Whether that is the label, `(n,)`."""
        return np.asarray(self.predicted == self.truth)

    def where(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Predictions:
        """Return the chosen rows."""
        return Predictions(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def of_protocol(self, protocol: str) -> Predictions:
        """Return the rows of one protocol that have a quadrant."""
        return self.where((self.protocol == protocol) & (self.truth >= 0))

    def by_dataset(self) -> dict[str, Predictions]:
        """Return the rows of each dataset, in the order of the rows."""
        return {name: self.where(self.dataset == name) for name in dict.fromkeys(self.dataset.tolist())}

    def by_fold(self) -> dict[int, Predictions]:
        """Return the rows of each fold, in order."""
        return {fold: self.where(self.fold == fold) for fold in sorted(set(self.fold.tolist()))}

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
            ValueError: It is damaged, or not a table of predictions.
        """
        arrays = read_arrays(path)
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
