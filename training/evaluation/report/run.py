"""A run folder as a report reads it, and its figures by protocol, dataset and fold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotion.inference.quadrants import valence_arousal_from_probabilities
from training.data.duplicates import duplicate_groups
from training.data.splits import PARTS, Folds, Protocol, SplitError
from training.datasets import DATASETS, Clip, DatasetError
from training.evaluation.metrics import (
    AxisScores,
    Scores,
    accuracy_of,
    confusion_of,
    macro_f1_of,
    score,
    score_axis,
    score_by_dataset,
)
from training.evaluation.predictions import Predictions
from training.exceptions import TrainingError

PREDICTED = "as predicted"

# Loading these renders their MIDI files first, which takes too long for a report.
_RENDERED = frozenset({"emopia", "vgmidi"})

# Title and note of each protocol, in the order of the report.
PROTOCOLS: dict[str, tuple[str, str]] = {
    Protocol.HELD_OUT: ("Held-out clips", "One network, on clips of artists that it was not trained on."),
    Protocol.ARTIST_GROUPED: (
        "Folds that keep artists together",
        "Each clip by the one model fitted without a label of its artist.",
    ),
    Protocol.PAPER: ("The paper's protocol", "Each fold's network on the one fixed, balanced test set."),
    Protocol.STRATIFIED: (
        "Stratified folds",
        "Each clip by a model fitted without its label, but maybe with labels of its artist, which flatters it.",
    ),
    Protocol.LEAVE_ONE_SOURCE_OUT: (
        "A source left out",
        "Each source by a model fitted without any label of that source.",
    ),
}


class NotInRunError(TrainingError):
    """A part of the report cannot be made from this run; the message says why."""


@dataclass(frozen=True, slots=True)
class ClipLabel:
    """The label of one clip of the data, tested or not.

    `quadrant` is 0 to 3, or -1; `valence` and `arousal` in [-1, 1], NaN where unrated; `selected` whether the run used
    the clip at all: the rest fell to the 24 s rule or the selection.
    """

    clip: str
    dataset: str
    quadrant: int
    valence: float
    arousal: float
    selected: bool


@dataclass(frozen=True, slots=True)
class Run:
    """The files of a run folder: `facts` of `run.json`, `splits` by protocol, a dictionary per epoch in `history`.

    Missing files give empty values; `teacher` holds the teacher's predictions of the same clips, if there was one.
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
        """Name of the model, or of the folder where the run names none."""
        return str(self.facts.get("version", self.folder.name))

    def stages(self) -> dict[str, list[dict[str, Any]]]:
        """Return the epochs of each fold and stage of training, in order, by a readable name."""
        stages: dict[str, list[dict[str, Any]]] = {}
        for line in self.history:
            name = str(line.get("stage") or line.get("protocol") or "training").replace("_", " ")
            stages.setdefault(f"{name}, fold {int(line.get('fold', 0)) + 1}", []).append(line)
        return stages

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
        tested = predictions.where(predictions.protocol == split.protocol)
        listed = {(number, clip) for number, fold in enumerate(split.folds) for clip in fold.test}
        if others := set(zip(tested.fold.tolist(), tested.clip.tolist(), strict=True)) - listed:
            number, clip = min(others)
            raise SplitError(
                f"{len(others)} clips were tested that the {split.protocol} folds of this run do not test, such as "
                f"{clip} in fold {number + 1}: predictions and folds are of two runs."
            )
    return Run(
        folder=folder,
        facts=_json(folder / "run.json"),
        metrics=_json(folder / "metrics.json"),
        splits={split.protocol: split for split in splits},
        history=_history(folder / "history.jsonl"),
        predictions=predictions,
        teacher=_predictions(folder / "teacher.npz") if (folder / "teacher.npz").is_file() else None,
    )


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object.")
    return content


def _history(path: Path) -> list[dict[str, Any]]:
    epochs = []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            epochs.append(json.loads(line))
        except ValueError as error:
            # A run that was killed or is still writing may leave its last line unfinished.
            if line.endswith("\n"):
                raise ValueError(f"Line {number} of {path} is not JSON: {error}.") from error
    return epochs


def _predictions(path: Path) -> Predictions:
    return Predictions.load(path) if path.is_file() else Predictions.empty()


def labels_of(predictions: Predictions) -> list[ClipLabel]:
    """Return the labels of the clips that were tested, each once."""
    rows = predictions.where(np.unique(predictions.clip, return_index=True)[1])
    selected = np.ones(len(rows), bool)
    columns = (rows.clip, rows.dataset, rows.truth, rows.valence_true, rows.arousal_true, selected)
    return [ClipLabel(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def clips_of(run: Run, *, data_root: Path, work_dir: Path) -> dict[str, Clip]:
    """Return all clips of the run's datasets that are here, by id."""
    clips: dict[str, Clip] = {}
    for name in dict.fromkeys([*run.facts.get("datasets", ()), *run.predictions.dataset.tolist()]):
        if name in DATASETS and (name not in _RENDERED or (work_dir / name).is_dir()):
            with suppress(DatasetError):
                clips |= {clip.id: clip for clip in DATASETS[name].load(data_root / DATASETS[name].folder, work_dir)}
    return clips


def all_labels(run: Run, clips: Mapping[str, Clip]) -> list[ClipLabel]:
    """Return the labels of the tested clips and of `clips`, and whether the run used them."""
    labels = {label.clip: label for label in labels_of(run.predictions)}
    used = {clip for split in run.splits.values() for fold in split.folds for part in astuple(fold) for clip in part}
    for clip in clips.values():
        valence, arousal = (np.nan if value is None else value for value in (clip.valence, clip.arousal))
        quadrant = clip.quadrant.index if clip.quadrant else -1
        selected = not used or clip.id in used or clip.id in labels
        labels[clip.id] = ClipLabel(clip.id, clip.dataset, quadrant, valence, arousal, selected)
    return list(labels.values())


def duplicates_of(run: Run, clips: Mapping[str, Clip], *, work_dir: Path) -> dict[str, int]:
    """Return a label of each tested clip whose audio is here, equal for near-duplicates."""
    tested = {name: clips[name].audio for name in dict.fromkeys(run.predictions.clip.tolist()) if name in clips}
    audio = {name: path for name, path in tested.items() if path.is_file()}
    groups = duplicate_groups([*audio.values()], cache_dir=work_dir / "landmarks") if audio else np.zeros(0, int)
    return dict(zip(audio, groups.tolist(), strict=True))


def protocols_of(predictions: Predictions) -> list[str]:
    """Return the protocols under which labelled clips were tested, in the order of `PROTOCOLS`, then others."""
    tested = dict.fromkeys(predictions.protocol[predictions.truth >= 0].tolist())
    return [name for name in PROTOCOLS if name in tested] + [name for name in tested if name not in PROTOCOLS]


def protocol_title(protocol: str) -> str:
    """Return a protocol's readable name."""
    return PROTOCOLS.get(protocol, (protocol.replace("_", " ").capitalize(), ""))[0]


def main_protocol(predictions: Predictions) -> str:
    """Return the protocol whose figures lead.

    Raises:
        NotInRunError: No labelled clip was tested.
    """
    protocols = protocols_of(predictions)
    if not protocols:
        raise NotInRunError("This run has no predictions of labelled clips yet (predictions.npz).")
    return protocols[0]


def all_scores(predictions: Predictions, protocol: str) -> dict[str, Scores]:
    """Return the scores of each dataset, and of all together where there are several."""
    rows = predictions.of_protocol(protocol)
    scores = score_by_dataset(rows)
    if len(scores) > 1:
        scores["all"] = score(rows.truth, rows.probabilities, rows.artist)
    return scores


def scores_by_protocol(predictions: Predictions) -> dict[str, dict[str, Any]]:
    """Return every score as JSON: protocol, then dataset."""
    return {
        protocol: {name: each.to_json() for name, each in all_scores(predictions, protocol).items()}
        for protocol in protocols_of(predictions)
    }


def fold_scores(predictions: Predictions) -> dict[int, tuple[float, float]]:
    """Return accuracy and macro-F1 of each fold that has rows."""
    confusions = {fold: confusion_of(rows) for fold, rows in predictions.by_fold().items()}
    return {fold: (float(accuracy_of(each)), float(macro_f1_of(each))) for fold, each in confusions.items()}


def axis_scores(predictions: Predictions, protocol: str) -> dict[tuple[str, str, str], AxisScores]:
    """Score valence and arousal, as predicted and as projected from the quadrants' probabilities.

    Returns:
        By dataset, axis and source of the figure (`PREDICTED` or "from the quadrants").

    Raises:
        NotInRunError: No tested clip was rated.
    """
    scores = {}
    for dataset, rows in predictions.where(predictions.protocol == protocol).by_dataset().items():
        projected = valence_arousal_from_probabilities(rows.probabilities)
        for axis, from_quadrants in zip(("valence", "arousal"), projected, strict=True):
            rated = getattr(rows, f"{axis}_true")
            if np.isfinite(rated).sum() >= 3:
                for name, predicted in ((PREDICTED, getattr(rows, axis)), ("from the quadrants", from_quadrants)):
                    scores[dataset, axis, name] = score_axis(rated, predicted, rows.artist)
    if not scores:
        raise NotInRunError("No tested clip of this run has rated valence and arousal.")
    return scores
