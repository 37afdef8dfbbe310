"""A run's configuration, as read from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotion.zoo.frontends import MelConfig
from training.datasets import DATASETS
from training.recipes.distilled_b3.distil import DistilConfig, DistilStage
from training.recipes.distilled_b3.head import HeadConfig
from training.recipes.distilled_b3.mixtures import MixtureConfig


@dataclass(frozen=True, slots=True)
class DistilledB3Config:
    """A run of this recipe."""

    version: str
    datasets: tuple[str, ...]  # Labelled datasets, names from `training.datasets.DATASETS`.
    seed: int  # Of the split, initial weights, mixtures and heads.
    mel: MelConfig
    distil: DistilConfig
    unlabelled: tuple[str, ...] = ()  # Datasets used in pre-training only.
    architecture: str = "efficientnet_b3"  # Of the zoo: a backbone whose pooled features a head judges.
    backbone: str = "efficientnet-b3"  # A name that efficientnet_pytorch knows.
    head: HeadConfig = field(default_factory=HeadConfig)
    # Standard deviation of a rated valence or arousal, for the soft quadrants of rated sets.
    rating_spread: float = 0.3
    # Sampling weight of a (source, quadrant) cell is its size to this power: 1 is natural, 0 equal cells.
    cell_power: float = 0.5
    views: int = 6  # Changed copies of each clip that a head learns from.
    view_scene: MixtureConfig = field(default_factory=MixtureConfig)  # How far they are changed.
    # Renderings of each EMOPIA clip with other instruments, keys and dynamics, in addition to the piano.
    timbres: int = 1
    head_seeds: int = 3  # Heads fitted on the held-out split; the one with the lowest validation loss is saved.
    folds: int = 5  # Of the cross-validations.


def read_config(path: Path) -> DistilledB3Config:
    """Read a run's configuration.

    Raises:
        ValueError: The file is not TOML, or a key is missing, unknown or names no dataset.
    """
    return config_of(tomllib.loads(path.read_text(encoding="utf-8")), str(path))


def config_of(raw: Mapping[str, Any], name: str) -> DistilledB3Config:
    """Return a configuration from plain dictionaries: a TOML file's, or those in a model's card.

    Raises:
        ValueError: A key is missing, unknown or names no dataset.
    """
    try:
        distil = dict(raw["distil"])
        stages = tuple(
            DistilStage(**{**stage, "scene": None if (scene := stage.get("scene")) is None else MixtureConfig(**scene)})
            for stage in distil.pop("stages")
        )
        config = DistilledB3Config(
            **{
                **{key: value for key, value in raw.items() if key not in ("recipe", "method")},
                "datasets": tuple(raw["datasets"]),
                "unlabelled": tuple(raw.get("unlabelled", ())),
                "mel": MelConfig(**raw.get("mel", {})),
                "distil": DistilConfig(stages=stages, scene=MixtureConfig(**distil.pop("scene", {})), **distil),
                "head": HeadConfig(**raw.get("head", {})),
                "view_scene": MixtureConfig(**raw.get("view_scene", {})),
            }
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{name} is not a configuration of the recipe distilled_b3: {error}.") from error
    unknown = {*config.datasets, *config.unlabelled} - set(DATASETS)
    if unknown:
        raise ValueError(f"{name} names unknown datasets {sorted(unknown)}; known are {sorted(DATASETS)}.")
    if not config.mel.frames_as_channels:
        raise ValueError(f"{name}: this recipe mixes images of whole frames; set frames_as_channels = true.")
    return config
