"""The exact lists of who trains, validates and tests, as a run saves them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from catalog.core.files import digest, write_atomic
from training.datasets.base import Clip
from training.exceptions import TrainingError


class SplitError(TrainingError):
    """Clips that cannot be dealt as asked, or lists that do not fit the clips."""

    code = "split_impossible"


@dataclass(frozen=True, slots=True)
class Split:
    """Clip positions of each part; no artist is in two of them."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    def fingerprint(self, clips: Sequence[Clip]) -> str:
        """Return a hash of the exact ids of the three parts."""
        parts = ["\n".join(clips[i].id for i in part) for part in (self.train, self.validation, self.test)]
        return digest("\n\n".join(parts).encode())

    def fold(self, clips: Sequence[Clip]) -> Fold:
        """Return the same parts by id."""
        return Fold(*(tuple(clips[i].id for i in part) for part in (self.train, self.validation, self.test)))


@dataclass(frozen=True, slots=True)
class Fold:
    """Clip ids of each part of one fold; no id is in two of them."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def split(self, places: Mapping[str, int]) -> Split:
        """Return the same parts by position.

        Raises:
            SplitError: A clip of this fold has no place.
        """
        missing = [i for part in (self.train, self.validation, self.test) for i in part if i not in places]
        if missing:
            raise SplitError(
                f"A fold names {len(missing)} clips that are not here, such as {missing[0]}: these are not the "
                "datasets that were split."
            )
        return Split(*(tuple(places[i] for i in part) for part in (self.train, self.validation, self.test)))


@dataclass(frozen=True, slots=True)
class Folds:
    """Every fold of a protocol, as exact lists of ids.

    Attributes:
        protocol: "held_out", "artist_grouped", "stratified", "leave_one_source_out", "published" or "paper".
        folds: In order; the position is the number in `Predictions.fold`.
    """

    protocol: str
    folds: tuple[Fold, ...]

    @property
    def sha256(self) -> str:
        """Hash of the protocol and of every id in its place."""
        return digest(json.dumps([self.protocol, [asdict(fold) for fold in self.folds]]).encode())

    def splits(self, clips: Sequence[Clip]) -> list[Split]:
        """Return the folds as positions in `clips`.

        Raises:
            SplitError: A clip of a fold is not there, or two clips share an id.
        """
        places = places_of(clips)
        return [fold.split(places) for fold in self.folds]

    def to_json(self) -> dict[str, Any]:
        """Return protocol, folds and hash as a plain dictionary."""
        return {"protocol": self.protocol, "folds": [asdict(fold) for fold in self.folds], "sha256": self.sha256}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Folds:
        """Read what `to_json` gave.

        Raises:
            SplitError: A part is missing, or the hash does not fit the lists.
        """
        try:
            parts = [(fold["train"], fold["validation"], fold["test"]) for fold in content["folds"]]
            folds = cls(str(content["protocol"]), tuple(Fold(*map(tuple, part)) for part in parts))
            stated = content["sha256"]
        except (KeyError, TypeError) as error:
            raise SplitError(f"This is not a list of folds: {error}.") from error
        if stated != folds.sha256:
            raise SplitError(f"The folds were changed after they were saved: their hash is no longer {stated}.")
        return folds

    def save(self, path: Path) -> None:
        """Write the folds as JSON; the file appears whole or not at all."""
        write_atomic(path, json.dumps(self.to_json(), indent=0))

    @classmethod
    def load(cls, path: Path) -> Folds:
        """Read what `save` wrote.

        Raises:
            SplitError: It is not a list of folds, or was changed.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise SplitError(f"{path} is not a list of folds: {error}.") from error
        return cls.from_json(content)


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
