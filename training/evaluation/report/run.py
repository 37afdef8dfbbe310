"""A run folder as a report reads it: whatever is there, and a sentence for what is not. Pure."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from training.data.splits import PARTS, Folds, Protocol, SplitError
from training.evaluation.predictions import Predictions
from training.exceptions import TrainingError


class NotInRunError(TrainingError):
    """A part of the report cannot be made from this run; the message says why."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of one clip of the data, tested or not.

    Attributes:
        quadrant: 0 to 3, or -1.
        valence: [-1, 1], NaN where unrated.
        arousal: [-1, 1], NaN where unrated.
        selected: Whether the run used it at all; the rest fell to the 24 s rule or the selection.
    """

    clip: str
    dataset: str
    quadrant: int
    valence: float
    arousal: float
    selected: bool


@dataclass(frozen=True, slots=True)
class Run:
    """What a run left behind.

    Attributes:
        folder: Where.
        facts: `run.json`, or empty.
        metrics: `metrics.json`, or empty.
        splits: Each `splits*.json`, by its protocol.
        history: One dictionary per epoch.
        predictions: No rows where the run has none.
        teacher: What the teacher said of the same clips (`teacher.npz`), where the run had one.
    """

    folder: Path
    facts: dict[str, Any]
    metrics: dict[str, Any]
    splits: dict[Protocol, Folds]
    history: list[dict[str, Any]]
    predictions: Predictions
    teacher: Predictions | None

    @property
    def version(self) -> str:
        """Name of the model, or of the folder where the run does not say."""
        return str(self.facts.get("version", self.folder.name))

    def stages(self) -> dict[str, list[dict[str, Any]]]:
        """Return the epochs of each fold and stage of training, in order, by a name for people."""
        found: dict[str, list[dict[str, Any]]] = {}
        for line in self.history:
            name = str(line.get("stage") or line.get("protocol") or "training").replace("_", " ")
            found.setdefault(f"{name}, fold {int(line.get('fold', 0)) + 1}", []).append(line)
        return found

    def parts(self) -> dict[str, str]:
        """Return "train", "validation" or "test" of each clip in the first fold of the first split."""
        first = [split.folds[0] for split in self.splits.values()][:1]
        return {clip: part for fold in first for part in PARTS for clip in getattr(fold, part)}


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        ValueError: It is not one, or one of its files is damaged; the message names the file.
        training.data.splits.SplitError: A list of folds was changed, or does not name the clips that were tested.
    """
    if not (folder / "run.json").is_file() and not (folder / "predictions.npz").is_file():
        raise ValueError(f"{folder} is not a run folder: it holds neither run.json nor predictions.npz.")
    splits = [Folds.load(path) for path in sorted(folder.glob("splits*.json"), key=lambda path: path.stem)]
    predictions = _predictions(folder / "predictions.npz")
    for split in splits:
        _refuse_others(split, predictions.where(predictions.protocol == split.protocol))
    return Run(
        folder=folder,
        facts=_json(folder / "run.json"),
        metrics=_json(folder / "metrics.json"),
        splits={split.protocol: split for split in splits},
        history=_history(folder / "history.jsonl"),
        predictions=predictions,
        teacher=_predictions(folder / "teacher.npz") if (folder / "teacher.npz").is_file() else None,
    )


def _refuse_others(folds: Folds, tested: Predictions) -> None:
    """Refuse predictions of clips that are not the test of their fold."""
    listed = {(number, clip) for number, fold in enumerate(folds.folds) for clip in fold.test}
    others = set(zip(tested.fold.tolist(), tested.clip.tolist(), strict=True)) - listed
    if others:
        number, clip = min(others)
        raise SplitError(
            f"{len(others)} clips were tested that the {folds.protocol} folds of this run do not test, such as {clip} "
            f"in fold {number + 1}: predictions and folds are of two runs."
        )


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object.")
    return found


def _history(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    lines = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), start=1):
        try:
            lines.append(json.loads(line))
        except ValueError as error:
            # A run that was killed, or still writes, may leave its last line unfinished.
            if line.endswith("\n"):
                raise ValueError(f"Line {number} of {path} is not JSON: {error}.") from error
    return lines


def _predictions(path: Path) -> Predictions:
    if not path.is_file():
        return no_predictions()
    try:
        # numpy leaves a file open that turns out to be no archive.
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile("it is no archive, or only the beginning of one")
        return Predictions.load(path)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is damaged: {error}. Score the run again.") from error


def no_predictions() -> Predictions:
    """Return a table without rows."""
    arrays: dict[str, Any] = {field.name: np.zeros(0, np.float32) for field in fields(Predictions)}
    for name in ("protocol", "clip", "dataset", "artist", "genre"):
        arrays[name] = np.zeros(0, str)
    for name in ("fold", "truth"):
        arrays[name] = np.zeros(0, np.int64)
    arrays["logits"] = arrays["probabilities"] = np.zeros((0, 4), np.float32)
    arrays["embedding"] = np.zeros((0, 64), np.float16)
    return Predictions(**arrays)


def labels_of(predictions: Predictions) -> list[Label]:
    """Return what is known of the clips that were tested, each once."""
    _, first = np.unique(predictions.clip, return_index=True)
    rows = predictions.where(first)
    return [
        Label(str(clip), str(dataset), int(truth), float(valence), float(arousal), True)
        for clip, dataset, truth, valence, arousal in zip(
            rows.clip, rows.dataset, rows.truth, rows.valence_true, rows.arousal_true, strict=True
        )
    ]
