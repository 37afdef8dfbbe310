"""The exact lists of who trains, validates and tests, as a run saves them; `training.data.splits` deals them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.core.files import digest, write_atomic
from training.datasets.base import Clip
from training.exceptions import TrainingError

PARTS = ("train", "validation", "test")


class SplitError(TrainingError):
    """Clips that cannot be dealt as asked, or lists that do not fit the clips."""

    code = "split_impossible"


class Protocol(StrEnum):
    """How clips are dealt, as files and tables name it; the first that a run has is what it is judged by."""

    HELD_OUT = "held_out"
    ARTIST_GROUPED = "artist_grouped"
    PAPER = "paper"
    STRATIFIED = "stratified"
    LEAVE_ONE_SOURCE_OUT = "leave_one_source_out"


class Rows(NamedTuple):
    """Positions of the clips of each part of a fold."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """Clip ids of each part of one fold; no id is in two of them."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def rows(self, places: Mapping[str, int]) -> Rows:
        """Return the same parts by position.

        Raises:
            SplitError: A clip of this fold has no place.
        """
        missing = [i for part in astuple(self) for i in part if i not in places]
        if missing:
            raise SplitError(
                f"A fold names {len(missing)} clips that are not here, such as {missing[0]}: these are not the "
                "datasets that were split."
            )
        return Rows(*(np.array([places[i] for i in part], np.int64) for part in astuple(self)))

    def fingerprint(self) -> str:
        """Return the hash of the ids alone, which runs before 0.2.0 saved of their held-out fold."""
        return digest("\n\n".join("\n".join(part) for part in astuple(self)).encode())


@dataclass(frozen=True, slots=True)
class Folds:
    """Every fold of a protocol, as exact lists of ids; the position is the number in `Predictions.fold`."""

    protocol: Protocol
    folds: tuple[Fold, ...]

    @property
    def sha256(self) -> str:
        """Hash of the protocol and of every id in its place."""
        return digest(json.dumps([self.protocol, [asdict(fold) for fold in self.folds]]).encode())

    def is_named(self, sha256: str) -> bool:
        """Return whether a hash is of these folds, in today's form or in that of runs before 0.2.0."""
        return sha256 == self.sha256 or (len(self.folds) == 1 and sha256 == self.folds[0].fingerprint())

    def rows(self, clips: Sequence[Clip]) -> list[Rows]:
        """Return the folds as positions in `clips`.

        Raises:
            SplitError: A clip of a fold is not there, or two clips share an id.
        """
        places = places_of(clips)
        return [fold.rows(places) for fold in self.folds]

    def to_json(self) -> dict[str, Any]:
        """Return protocol, folds and hash as a plain dictionary."""
        return {"protocol": self.protocol, "folds": [asdict(fold) for fold in self.folds], "sha256": self.sha256}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Folds:
        """Read what `to_json` gave.

        Raises:
            SplitError: A part is missing, the protocol is unknown, or the hash does not fit the lists.
        """
        try:
            folds = tuple(Fold(*(tuple(fold[part]) for part in PARTS)) for fold in content["folds"])
            found, stated = cls(Protocol(content["protocol"]), folds), content["sha256"]
        except (KeyError, TypeError, ValueError) as error:
            raise SplitError(f"This is not a list of folds: {error}.") from error
        if not found.is_named(stated):
            raise SplitError(f"The folds were changed after they were saved: their hash is no longer {stated}.")
        return found

    def save(self, path: Path) -> None:
        """Write the folds as JSON; the file appears whole or not at all."""
        write_atomic(path, json.dumps(self.to_json(), indent=0))

    @classmethod
    def load(cls, path: Path) -> Folds:
        """Read what `save` wrote.

        Raises:
            SplitError: It is not a list of folds, or was changed; the message names the file.
        """
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except json.JSONDecodeError as error:
            raise SplitError(f"{path} is not a list of folds: {error}.") from error
        except SplitError as error:
            raise SplitError(f"{path}: {error}") from error


def places_of(clips: Sequence[Clip]) -> dict[str, int]:
    """Return the position of each clip by its id.

    Raises:
        SplitError: Two clips share an id.
    """
    places = {clip.id: i for i, clip in enumerate(clips)}
    if len(places) < len(clips):
        twice = next(clip.id for i, clip in enumerate(clips) if places[clip.id] != i)
        raise SplitError(f"Two clips are called {twice}: give every clip an id of its own.")
    return places
