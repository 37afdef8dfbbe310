"""Labelled clips that ship with the program without their audio: arrays of labels, and what networks need of each."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from catalog.core.files import write_atomic
from emotion.inference.quadrants import Quadrant
from training.datasets import Clip


@dataclass(frozen=True, slots=True)
class StoredClips:
    """Clips and their labels, each array of length `n`; a subclass adds what is stored of each."""

    what: ClassVar[str] = "clips"  # As errors name them.

    clip: NDArray[np.str_]
    dataset: NDArray[np.str_]
    artist: NDArray[np.str_]
    quadrant: NDArray[np.int64]  # 0 to 3.
    points: NDArray[np.float32]  # `(n, 2)` rated valence and arousal, NaN where unrated.

    def __len__(self) -> int:
        return len(self.clip)

    @property
    def songs(self) -> NDArray[np.str_]:
        """The song of each clip, `(n,)`; the clip itself where songs are not stored."""
        return self.clip

    def save(self, path: Path) -> None:
        """Write to an `.npz` that appears whole or not at all."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        write_atomic(path, lambda file: np.savez_compressed(file, **arrays))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ValueError: It is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(**{field.name: arrays[field.name] for field in fields(cls)})
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            problem = f"The {cls.what} that come with the program, {path}, cannot be read: {error}."
            raise ValueError(problem) from error

    def clips(self, rows: NDArray[np.int64] | None = None) -> list[Clip]:
        """Return all clips, or those at some rows, without audio."""
        made = []
        for i in range(len(self)) if rows is None else rows.tolist():
            valence, arousal = (None, None) if np.isnan(self.points[i]).any() else map(float, self.points[i])
            made.append(
                Clip(
                    id=str(self.clip[i]),
                    dataset=str(self.dataset[i]),
                    song_id=str(self.songs[i]),
                    artist=str(self.artist[i]),
                    audio=Path(),
                    quadrant=Quadrant(int(self.quadrant[i]) + 1),
                    valence=valence,
                    arousal=arousal,
                )
            )
        return made
