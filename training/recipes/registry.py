"""Which systems can be trained, one TOML file each, and how the live model can be trained again. Pure.

A system's file names its `recipe`, a package of `training.recipes` whose module `command` has `train(job)`, and for a
member of the zoo its `architecture`.

A way to retrain is called with a `RetrainJob` and a function that takes a line of progress. It leaves a whole run
folder in `job.run_dir`: one `<version>.safetensors` with its card, `predictions.npz` with the same held-out clips as
the live model's, `run.json`, `splits.json`, `history.jsonl`. Clips of the data set "own" come with soft labels in
`job.own_targets`, by clip id; none of them may be both trained on and scored."""

from __future__ import annotations

import importlib
import pkgutil
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.core.wording import gettext_noop
from training.exceptions import TrainingError

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


DEFAULT_SYSTEM = "distilled_b3"
# Names of the release before, accepted for one more.
RENAMED = {"flagship": "distilled_b3"}
_FOLDER = Path(__file__).resolve().parent


class RecipeError(TrainingError):
    """A configuration that is not there, or names a recipe that is not."""

    code = "recipe_unknown"


@dataclass(frozen=True, slots=True)
class System:
    """A system that can be trained.

    Attributes:
        name: Of its file.
        path: Its configuration.
        recipe: The package that trains it.
        architecture: Of the zoo; empty for a recipe that brings its own.
        about: What the first line of the file says.
    """

    name: str
    path: Path
    recipe: str
    architecture: str
    about: str


def systems() -> dict[str, System]:
    """Return the systems that come with the program, by name."""
    return {path.stem: _read(path) for path in sorted(_FOLDER.glob("*.toml"))}


def _read(path: Path) -> System:
    text = path.read_text(encoding="utf-8")
    about = text.partition("\n")[0].lstrip("# ")
    return System(path.stem, path, recipe_of(text), tomllib.loads(text).get("architecture", ""), about)


def config_path(name: str) -> Path:
    """Return the file that a name, or the path of a file, means.

    Raises:
        RecipeError: There is no such file.
    """
    if Path(name).is_file():
        return Path(name)
    path = _FOLDER / f"{RENAMED.get(name, name)}.toml"
    if len(Path(name).parts) > 1 or not path.is_file():
        raise RecipeError(f"There is no configuration {name}; name a file, or one of {', '.join(systems())}.")
    return path


def recipe_of(text: str) -> str:
    """Return the recipe that a configuration names; one of a run begun by the release before calls it a method.

    Raises:
        RecipeError: There is no such recipe.
        tomllib.TOMLDecodeError: The text is not TOML.
    """
    values = tomllib.loads(text)
    recipe = values.get("recipe", values.get("method", DEFAULT_SYSTEM))
    recipe = RENAMED.get(recipe, recipe)
    known = [module.name for module in pkgutil.iter_modules([str(_FOLDER)]) if module.ispkg]
    if recipe not in known:
        raise RecipeError(f"recipe is {recipe!r}; it can be {' or '.join(known)}.")
    return str(recipe)


def train(job: TrainJob) -> Path | None:
    """Train the system that a configuration describes; return the run folder, None after a dry run or in a helper.

    Raises:
        RecipeError: There is no such recipe.
        ValueError: The configuration makes no sense.
        training.datasets.DatasetError: A folder does not hold what the dataset's layout promises.
        training.exceptions.TrainingError: The run cannot be made or gone on with.
    """
    command = importlib.import_module(f"training.recipes.{recipe_of(job.text)}.recipe")
    run_dir: Path | None = command.train(job)
    return run_dir


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
