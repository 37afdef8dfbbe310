"""How a retraining can be done. THE place where recipes of `training.recipes.distilled_b3` are wired in.

A recipe is called with a `RetrainJob` and a function that takes a line of progress. It leaves a whole run folder in
`job.run_dir`: one `<version>.safetensors` with its card, `predictions.npz` with the same held-out clips as the live
model's, `run.json`, `splits.json`, `history.jsonl`. Clips of the data set "own" come with soft labels in
`job.own_targets`, by clip id; none of them may be both trained on and scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.core.wording import gettext_noop

if TYPE_CHECKING:
    from training.datasets import Clip

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RetrainJob:
    """What a recipe works on.

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


@dataclass(frozen=True, slots=True)
class Recipe:
    """A way to retrain.

    Attributes:
        text: What it does, for people; a change of it counts as a change of the data fingerprint.
        run: Does it.
    """

    text: str
    run: Callable[[RetrainJob, Say], object]


def _refit(job: RetrainJob, say: Say) -> None:
    # Imported here because torch takes seconds, and pages read the names of the recipes.
    from training.recipes.distilled_b3 import retraining

    retraining.refit(job, say)


def _whole(job: RetrainJob, say: Say) -> None:
    from training.recipes.distilled_b3 import retraining

    retraining.retrain_whole(job, say)


DEFAULT_RECIPE = "refit"
RECIPES: dict[str, Recipe] = {
    "refit": Recipe(gettext_noop("Fit the head anew on the live model's features: minutes."), _refit),
    "whole": Recipe(gettext_noop("Train everything anew: hours, and a GPU is wished for."), _whole),
}
