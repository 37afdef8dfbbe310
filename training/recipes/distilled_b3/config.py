"""What a flagship run is told, as read from a TOML file. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotion.signal.mel import MelConfig
from training.datasets import DATASETS
from training.recipes.distilled_b3.distil import DistilConfig, DistilStage
from training.recipes.distilled_b3.head import HeadConfig
from training.recipes.distilled_b3.mixtures import SceneConfig


@dataclass(frozen=True, slots=True)
class FlagshipConfig:
    """A run of the project's own recipe.

    Attributes:
        version: Name of the model.
        datasets: Labelled datasets, names from `training.datasets.DATASETS`.
        unlabelled: Datasets that are only heard in pre-training.
        seed: Of the split, initial weights, lessons and heads.
        mel: How images are made.
        architecture: Of the zoo: a backbone whose pooled features a head judges.
        backbone: A name that efficientnet_pytorch knows.
        distil: Pre-training.
        head: The head's fit.
        rating_spread: Standard deviation of a rated valence or arousal, for the soft quadrants of rated sets.
        cell_power: Sampling weight of a (source, quadrant) cell is its size to this power: 1 is natural, 0 equal cells.
        views: Changed copies of each clip that a head learns from.
        view_scene: How far they are changed.
        timbres: Renderings of each EMOPIA clip with other instruments, keys and dynamics, beside the piano.
        head_seeds: Heads fitted on the held-out split; the one with the lowest validation loss is kept.
        folds: Of the cross-validations.
    """

    version: str
    datasets: tuple[str, ...]
    seed: int
    mel: MelConfig
    distil: DistilConfig
    unlabelled: tuple[str, ...] = ()
    architecture: str = "efficientnet_b3"
    backbone: str = "efficientnet-b3"
    head: HeadConfig = field(default_factory=HeadConfig)
    rating_spread: float = 0.3
    cell_power: float = 0.5
    views: int = 6
    view_scene: SceneConfig = field(default_factory=SceneConfig)
    timbres: int = 1
    head_seeds: int = 3
    folds: int = 5


def read_config(path: Path) -> FlagshipConfig:
    """Read a run's configuration.

    Raises:
        ValueError: The file is not TOML, or a key is missing, unknown or names no dataset.
    """
    return config_of(tomllib.loads(path.read_text(encoding="utf-8")), str(path))


def config_of(raw: Mapping[str, Any], name: str) -> FlagshipConfig:
    """Return a configuration from plain dictionaries: a TOML file's, or those in a model's card.

    Raises:
        ValueError: A key is missing, unknown or names no dataset.
    """
    try:
        distil = dict(raw["distil"])
        stages = tuple(_stage(stage) for stage in distil.pop("stages"))
        config = FlagshipConfig(
            **{
                **{key: value for key, value in raw.items() if key not in ("recipe", "method")},
                "datasets": tuple(raw["datasets"]),
                "unlabelled": tuple(raw.get("unlabelled", ())),
                "mel": MelConfig(**raw.get("mel", {})),
                "distil": DistilConfig(stages=stages, scene=SceneConfig(**distil.pop("scene", {})), **distil),
                "head": HeadConfig(**raw.get("head", {})),
                "view_scene": SceneConfig(**raw.get("view_scene", {})),
            }
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{name} is not a configuration of the flagship: {error}.") from error
    unknown = {*config.datasets, *config.unlabelled} - set(DATASETS)
    if unknown:
        raise ValueError(f"{name} names unknown datasets {sorted(unknown)}; known are {sorted(DATASETS)}.")
    if not config.mel.frames_as_channels:
        raise ValueError(f"{name}: this recipe composes images of whole frames; set frames_as_channels = true.")
    return config


def _stage(raw: Mapping[str, Any]) -> DistilStage:
    scene = raw.get("scene")
    return DistilStage(**{**raw, "scene": None if scene is None else SceneConfig(**scene)})
