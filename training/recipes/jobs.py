"""What a recipe is asked to do: train a system, or train the live model again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.datasets import Clip

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainJob:
    """A system to train from nothing, or a run to go on with.

    Attributes:
        text: The configuration, TOML.
        data_root: Folder of the datasets.
        work_dir: For rendered audio and caches that outlive the job.
        run_dir: Where the run goes; None makes a folder named after version and time.
        resumes: Whether `run_dir` is a run that was stopped.
        dry_run: Say what would be trained and how long it takes, and leave nothing.
        device: "auto", "cpu", "cuda" or "cuda:1".
        say: Receives one line of progress at a time.
    """

    text: str
    data_root: Path
    work_dir: Path
    run_dir: Path | None
    resumes: bool
    dry_run: bool
    device: str
    say: Say


@dataclass(frozen=True, slots=True)
class RetrainJob:
    """The live model to train again, with the labels that people gave here.

    Attributes:
        version: Name of the model to be made.
        live_weights: The checkpoint that serves; its card lies beside it.
        data_sets: Names of the labelled data sets that are here.
        data_root: Their folder.
        work_dir: For images and features that outlive the job.
        run_dir: To be made by the recipe.
        own_clips: Songs that people here labelled.
        own_targets: `(4,)` soft labels of these, by clip id.
    """

    version: str
    live_weights: Path
    data_sets: tuple[str, ...]
    data_root: Path
    work_dir: Path
    run_dir: Path
    own_clips: list[Clip]
    own_targets: Mapping[str, tuple[float, float, float, float]]
