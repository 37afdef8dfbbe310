"""The systems of the zoo, read from their files: an architecture, a front end, and how the paper trains it."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch

from emotion.exceptions import CheckpointError
from emotion.zoo.frontends import (
    Chunked,
    FrontEnd,
    ImageAndFeatures,
    ImageAndTaggerMel,
    MelConfig,
    TaggerMel,
    TaggerMels,
    front_end_of,
)
from emotion.zoo.registry import Architecture, architecture, create_model
from training.data.augment import AugmentConfig
from training.data.waveforms import AUGMENTATIONS
from training.exceptions import TrainingError
from training.fit.loop import FitConfig

FOLDER = Path(__file__).resolve().parent
_TABLES = ("network", "front_end", "training", "budget", "augment", "before")
_WORDS = ("recipe", "title", "paper", "architecture", "note")


class ZooError(TrainingError):
    """A system that does not exist, or whose file makes no sense."""

    code = "zoo_system"


@dataclass(frozen=True, slots=True)
class ZooSystem:
    """One row of the table."""

    name: str
    title: str
    paper: str
    note: str  # Choices that no source makes, and departures from the paper.
    member: Architecture
    network: Any  # The architecture's options.
    front_end: FrontEnd
    training: FitConfig
    changes: Mapping[str, Any] = field(default_factory=dict)  # Of training waveforms: a change and its numbers.
    before: Mapping[str, Any] = field(default_factory=dict)  # What is fitted inside the training fold before the loop.
    cut: str = ""  # What the budget leaves out.

    @property
    def parameters(self) -> int:
        """The number of its network's parameters, buffers not counted."""
        with torch.device("meta"):
            network = create_model(self.member.name, self.network)
        return sum(parameter.numel() for parameter in network.parameters())

    def check(self) -> None:
        """Refuse a network that cannot read what the front end makes.

        Raises:
            ZooError: With what the network says.
        """
        network = create_model(self.member.name, self.network).eval()
        try:
            with torch.inference_mode():
                network(torch.zeros(1, *self.front_end.input_shape))
        except (RuntimeError, ValueError, IndexError) as error:
            raise ZooError(
                f"The network of {self.name} cannot read a {self.front_end.of_a_chunk.describe()}: {error}."
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Return what `manage.py zoo --json` lists."""
        return {
            "name": self.name,
            "title": self.title,
            "paper": self.paper,
            "front_end": self.front_end.describe(),
            "parameters": self.parameters,
            "licence": self.member.licence,
            "architecture": self.member.name,
            "note": self.note,
        }


def system_names() -> list[str]:
    """Return the names of all systems."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def system(name: str, *, within_budget: bool = False) -> ZooSystem:
    """Return a system as its paper has it, or with what a budget of CPU minutes cuts.

    Raises:
        ZooError: There is none of this name, or its file makes no sense.
    """
    path = FOLDER / f"{name}.toml"
    if name not in system_names():
        raise ZooError(f"There is no system {name!r} in the zoo; `manage.py zoo` lists them.")
    return system_of(name, path.read_text(encoding="utf-8"), within_budget=within_budget)


def system_of(name: str, text: str, *, within_budget: bool = False) -> ZooSystem:
    """Build a system from the text of its file.

    Raises:
        ZooError: The text makes no sense; the sentence says where.
    """
    try:
        raw = tomllib.loads(text)
        if strange := sorted(raw.keys() - {*_TABLES, *_WORDS}):
            raise ValueError(f"{', '.join(strange)} is not known; tables are {', '.join(_TABLES)}")
        if missing := [word for word in ("title", "paper", "architecture") if word not in raw]:
            raise ValueError(f"it lacks {', '.join(missing)}")
        member = architecture(raw["architecture"])
        budget = dict(raw.get("budget", {})) if within_budget else {}
        crop_s = float(budget.pop("crop_s", 0))
        front_end = _front_end(raw.get("front_end"), crop_s, member.front_end)
        changes, of_images = _changes(raw.get("augment", {}))
        training, cuts = _training(raw, budget, of_images)
        if crop_s:
            cuts = [f"crops of {crop_s:g} s", *cuts]
        each = front_end.of_a_chunk
        if of_images.keys() - _OF_ANY_INPUT and not isinstance(each, MelConfig):
            raise ValueError(f"augment changes log-mel images, its front end makes a {each.describe()}")
        network = _network(member, raw.get("network", {}), front_end)
    except (CheckpointError, KeyError, TypeError, ValueError) as error:
        raise ZooError(f"The system {name} cannot be read: {error}.") from error
    return ZooSystem(
        name=name,
        title=raw["title"],
        paper=raw["paper"],
        note=" ".join([*raw.get("note", "").split(), *_of_segments(front_end.chunks, raw, training)]),
        member=member,
        network=network,
        front_end=front_end,
        training=training,
        changes=changes,
        before=raw.get("before", {}),
        cut=", ".join(cuts),
    )


def _front_end(raw: Mapping[str, Any] | None, crop_s: float, default: FrontEnd) -> FrontEnd:
    made = default if raw is None else front_end_of({"frontend": raw})
    if not crop_s:
        return made
    each = made.of_a_chunk
    cropped = replace(each, mel=replace(each.mel, window_s=crop_s)) if isinstance(each, ImageAndFeatures) else None
    return Chunked(cropped or replace(each, window_s=crop_s), hop_s=crop_s, window_s=made.window_s)  # type: ignore[type-var]


# By the name of a change of images: the option of the loop, and the number that sets it.
_OF_IMAGES = {"tfm": ("mask_chance", "chance"), "mixup": ("mixup_alpha", "alpha")}
# Options of the loop that need no log-mel image.
_OF_ANY_INPUT = {"mixup_alpha", "crop"}


def _changes(raw: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Mapping[str, Any]], dict[str, Any]]:
    of_images: dict[str, Any] = dict(raw.get("image", {}))
    for name, (option, number) in _OF_IMAGES.items():
        if name in raw:
            _only([number], f"augment.{name}", raw[name])
            of_images[option] = raw[name][number]
    changes = {name: numbers for name, numbers in raw.items() if name not in (*_OF_IMAGES, "image")}
    _only([*_OF_IMAGES, *AUGMENTATIONS], "augment", changes)
    for name, numbers in changes.items():
        # After the waveform and the generator.
        _only([*inspect.signature(AUGMENTATIONS[name]).parameters][2:], f"augment.{name}", numbers)
    return changes, of_images


def _only(known: Sequence[str], table: str, given: Mapping[str, Any]) -> None:
    if strange := sorted(given.keys() - known):
        raise ValueError(f"{table} has no {', '.join(strange)}; it has {', '.join(known) or 'no options'}")


def _of_segments(n: int, raw: Mapping[str, Any], training: FitConfig) -> list[str]:
    # Of every system whose clips are heard in parts, by its front end or by a budget's crops.
    if n == 1 or "training" not in raw:
        return []
    norms = "; batch normalisation is measured on the first one" if training.renew_norms else ""
    said = [f"An epoch hears one of a clip's {n} segments, at random; the validation loss is the middle one's{norms}."]
    if training.patience:
        passes = training.patience / n
        said.append(f"A patience of {training.patience} epochs is thus {passes:.1f} passes over all segments.")
    return said


def _training(
    raw: Mapping[str, Any], budget: Mapping[str, Any], of_images: Mapping[str, Any]
) -> tuple[FitConfig, list[str]]:
    values = dict(raw.get("training", {}))
    known = sorted({each.name for each in fields(FitConfig)} - {"augment"})
    for table in (values, budget):
        _only(known, "training", table)
    cuts = [f"{name} {value:g} in place of {values.get(name, 'the default')}" for name, value in budget.items()]
    augment = AugmentConfig(**{**asdict(AugmentConfig.off()), **of_images})
    return FitConfig(**{**values, **budget, "augment": augment}), cuts


def _network(member: Architecture, raw: Mapping[str, Any], front_end: FrontEnd) -> Any:
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    each = front_end.of_a_chunk
    known = inspect.signature(member.config).parameters
    sizes = _sizes(each)
    network = member.config(**{**{name: value for name, value in sizes.items() if name in known}, **options})
    if network.input_shape != each.input_shape:
        raise ValueError(f"its front end makes {each.input_shape}, its network reads {network.input_shape}")
    return network


def _sizes(each: FrontEnd) -> dict[str, Any]:
    # By the name of an architecture's option: the size of what a front end makes.
    if isinstance(each, MelConfig):
        return {"image_size": each.network_shape}
    if isinstance(each, ImageAndFeatures):
        return {"image_size": each.mel.network_shape, "n_features": each.features.input_shape[0]}
    if isinstance(each, TaggerMel | TaggerMels):
        return {"tagger_frames": each.input_shape[-1]}
    shape = each.input_shape
    if isinstance(each, ImageAndTaggerMel):
        return {"image_size": each.mel.network_shape, "tagger_frames": each.tagger_shape[1]}
    return {"n_features": shape[0], "n_samples": shape[-1], "size": shape[-1]}
