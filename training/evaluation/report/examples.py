"""Images of one clip of each quadrant, as the network sees them, from a run's own data. Pure."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.exceptions import AudioUnreadableError
from emotion.inference.quadrants import Quadrant
from emotion.signal.audio import read_window
from emotion.signal.mel import MelConfig, log_mel_image
from training.datasets import DATASETS, Clip, DatasetError
from training.evaluation.comparison import of_protocol
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import Label, Run, labels_of
from training.evaluation.report.scores import main_protocol, protocols_of

_RENDERED = frozenset({"emopia", "vgmidi"})

Examples = dict[Quadrant, tuple[str, NDArray[np.float32]]]


def example_images(run: Run, config: MelConfig, *, data_root: Path, work_dir: Path) -> Examples:
    """Return for each quadrant the clip that the model is surest of, rightly, and its image.

    All four come from one dataset, as in the paper's Figure 3. Where its audio is not here there are none.
    """
    if not protocols_of(run.predictions):
        return {}
    rows = of_protocol(run.predictions, main_protocol(run.predictions))
    for dataset in dict.fromkeys(rows.dataset.tolist()):
        chosen = _surest(rows.where(rows.dataset == dataset))
        if len(chosen) == len(Quadrant):
            return _images(chosen, {clip.id: clip.audio for clip in _clips(dataset, data_root, work_dir)}, config)
    return {}


def _surest(rows: Predictions) -> dict[Quadrant, str]:
    chosen = {}
    for quadrant in Quadrant:
        right = rows.where((rows.truth == quadrant.index) & (rows.probabilities.argmax(axis=1) == quadrant.index))
        if len(right):
            chosen[quadrant] = str(right.clip[right.probabilities[:, quadrant.index].argmax()])
    return chosen


def _images(chosen: dict[Quadrant, str], audio: dict[str, Path], config: MelConfig) -> Examples:
    images: Examples = {}
    for quadrant, clip in chosen.items():
        try:
            window = read_window(audio[clip], window_s=config.window_s)
        except (KeyError, AudioUnreadableError):
            continue
        images[quadrant] = clip, log_mel_image(window.waveform, config)
    return images


def all_labels(run: Run, *, data_root: Path, work_dir: Path) -> list[Label]:
    """Return the labels of all clips of the run's datasets that are here, and whether the run used them."""
    labels = {label.clip: label for label in labels_of(run.predictions)}
    folds = [fold for split in run.splits.values() for fold in split.folds]
    used = {clip for fold in folds for part in astuple(fold) for clip in part}
    for dataset in dict.fromkeys([*run.facts.get("datasets", ()), *(label.dataset for label in labels.values())]):
        for clip in _clips(dataset, data_root, work_dir):
            valence, arousal = (np.nan if value is None else value for value in (clip.valence, clip.arousal))
            quadrant = clip.quadrant.index if clip.quadrant else -1
            selected = not used or clip.id in used or clip.id in labels
            labels[clip.id] = Label(clip.id, dataset, quadrant, valence, arousal, selected)
    return list(labels.values())


def _clips(dataset: str, data_root: Path, work_dir: Path) -> list[Clip]:
    # Loading renders what was not rendered yet, which is too much to do for a picture.
    if dataset not in DATASETS or (dataset in _RENDERED and not (work_dir / dataset).is_dir()):
        return []
    try:
        return DATASETS[dataset].load(data_root / DATASETS[dataset].folder, work_dir)
    except DatasetError:
        return []
