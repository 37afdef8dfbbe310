"""The systems that can be trained, one TOML file each, and the recipes that retrain the live model.

A system's file names its `recipe`, a package of `training.recipes` whose module `recipe` has `train(job)`, and for a
member of the zoo its `architecture`.

A retraining recipe leaves a complete run folder in `job.run_dir`: one `<version>.safetensors` with its card,
`predictions.npz` with the same held-out clips as the live model's, `run.json`, `splits.json`, `history.jsonl`. Clips of
the data set "own" come with soft labels in `job.local_targets`; none of them may be both trained on and scored.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.core.wording import gettext_noop
from training.exceptions import TrainingError

if TYPE_CHECKING:
    from training.datasets import Clip

DEFAULT_SYSTEM = "distilled_b3"
# Names of the release before, accepted for one more.
RENAMED = {"flagship": "distilled_b3"}
_FOLDER = Path(__file__).resolve().parent

Log = Callable[[str], None]


class RecipeError(TrainingError):
    """A configuration that does not exist, or names a recipe that does not."""

    code = "recipe_unknown"


@dataclass(frozen=True, slots=True)
class TrainJob:
    """A system to train from scratch, or a run to resume.

    `text` is the configuration, TOML; without a `run_dir` a folder is named after version and time; `resumes` continues
    the folder's run; `dry_run` only logs size and duration; the device is "auto", "cpu", "cuda" or "cuda:1"; the caches
    in `work_dir` outlive the job.
    """

    text: str
    data_root: Path
    work_dir: Path
    run_dir: Path | None
    resumes: bool
    dry_run: bool
    device: str
    log: Log


@dataclass(frozen=True, slots=True)
class RetrainJob:
    """The live model to retrain with the local labels.

    The card of `live_weights` lies next to them; `data_sets` names the labelled data sets in `data_root`; the recipe
    makes `run_dir`; `local_targets` has `(4,)` soft labels of the local clips, by clip id; the device is as in
    `TrainJob`.
    """

    version: str
    live_weights: Path
    data_sets: tuple[str, ...]
    data_root: Path
    work_dir: Path
    run_dir: Path
    local_clips: list[Clip]
    local_targets: Mapping[str, tuple[float, float, float, float]]
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class System:
    """A system that can be trained; `architecture` is empty for a recipe that brings its own."""

    name: str
    path: Path
    recipe: str
    architecture: str
    about: str


def systems() -> dict[str, System]:
    """Return the shipped systems by name; the first line of each file is `about` it."""
    shipped = {}
    for path in sorted(_FOLDER.glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        architecture, about = tomllib.loads(text).get("architecture", ""), text.partition("\n")[0].lstrip("# ")
        shipped[path.stem] = System(path.stem, path, recipe_of(text), architecture, about)
    return shipped


def config_path(name: str) -> Path:
    """Return the file that a name, or the path of a file, means."""
    if Path(name).is_file():
        return Path(name)
    path = _FOLDER / f"{RENAMED.get(name, name)}.toml"
    if len(Path(name).parts) > 1 or not path.is_file():
        raise RecipeError(f"There is no configuration {name}; name a file, or one of {', '.join(systems())}.")
    return path


def recipe_of(text: str) -> str:
    """Return the recipe that a configuration names; one of a run begun by the release before calls it a method."""
    values = tomllib.loads(text)
    recipe = values.get("recipe", values.get("method", DEFAULT_SYSTEM))
    recipe = RENAMED.get(recipe, recipe)
    known = [module.name for module in pkgutil.iter_modules([str(_FOLDER)]) if module.ispkg]
    if recipe not in known:
        raise RecipeError(f"recipe is {recipe!r}; it can be {' or '.join(known)}.")
    return str(recipe)


def train(job: TrainJob) -> Path | None:
    """Train the system of a configuration; return the run folder, or None after a dry run or in a helper process.

    Raises:
        ValueError: The configuration makes no sense.
        training.datasets.DatasetError: A folder does not hold what the dataset's layout promises.
        training.exceptions.TrainingError: The run cannot be made or resumed.
    """
    recipe = importlib.import_module(f"training.recipes.{recipe_of(job.text)}.recipe")
    run_dir: Path | None = recipe.train(job)
    return run_dir


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe that retrains; `text`, for people, is part of the data fingerprint."""

    text: str
    run: Callable[[RetrainJob, Log], object]


def _refit(job: RetrainJob, log: Log, *, keep_backbone: bool = True) -> None:
    # Imported here because torch takes seconds, and pages read the names of the recipes.
    if keep_backbone and json.loads(job.live_weights.with_suffix(".json").read_text())["architecture"] == "hybrid_b3":
        importlib.import_module("training.recipes.hybrid_b3.retraining").refit(job, log)
        return
    recipe = importlib.import_module("training.recipes.distilled_b3.recipe")
    recipe.refit(job, log, keep_backbone=keep_backbone)


DEFAULT_RECIPE = "refit"
RECIPES: dict[str, Recipe] = {
    "refit": Recipe(gettext_noop("Fit the head again on the live model's features: minutes."), _refit),
    "whole": Recipe(
        gettext_noop("Train everything from scratch: hours, preferably with a GPU."),
        partial(_refit, keep_backbone=False),
    ),
}
