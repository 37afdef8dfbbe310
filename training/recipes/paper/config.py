"""What a run of the paper's protocol is told, as read from a TOML file. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from emotion.signal.mel import MelConfig
from emotion.zoo.registry import architecture
from training.data.augment import AugmentConfig
from training.data.folds import Protocol
from training.data.selection import ShortClips
from training.datasets import DATASETS
from training.exceptions import TrainingError
from training.fit.config import SupervisedConfig

INITS = ("imagenet", "shipped", "scratch")
_Config = TypeVar("_Config", "PaperConfig", MelConfig, SupervisedConfig, AugmentConfig)


class PaperError(TrainingError):
    """A configuration that makes no sense, or sources that leave nothing to train on."""

    code = "paper_run"


@dataclass(frozen=True, slots=True)
class PaperConfig:
    """A run of the paper's protocol, as read from a TOML file.

    Attributes:
        version: Name of the model.
        datasets: The sources; those that are not here are left out and named.
        seed: Of split, initial weights, order, dropout and augmentation.
        mel: How images are made.
        architecture: Of the zoo; it takes the options below, as the EfficientNets do.
        backbone: A name that efficientnet_pytorch knows.
        flatten: The paper's literal Flatten, in place of global average pooling.
        init: "imagenet" downloads, "shipped" takes the backbone of the model that came with the program, "scratch"
            starts at random; else the path of a state dict of efficientnet_pytorch.
        short_clips: The paper drops clips under 24 s; "repeat" and "pad" keep them.
        corner_cap: A quadrant keeps at most this many times the clips of its dataset's smallest one.
        totals: Clips that a dataset keeps instead; the paper's are 232 of pmemo and 346 of emomusic.
        reference: "dataset" measures decibels against the loudest training clip of each dataset, as the paper does;
            "global" against one stored number.
        test_share: Held out.
        folds: Of the rest.
        protocols: "paper", "artist_grouped" or both.
        find_duplicates: Keep near-duplicates on one side in the artist-grouped folds.
        training: How each network is trained.
    """

    version: str
    datasets: tuple[str, ...]
    seed: int
    mel: MelConfig = field(default_factory=MelConfig)
    architecture: str = "efficientnet_b3"
    backbone: str = "efficientnet-b3"
    flatten: bool = False
    init: str = "imagenet"
    short_clips: str = "drop"
    corner_cap: float = 1.0
    totals: dict[str, int] = field(default_factory=dict)
    reference: str = "dataset"
    test_share: float = 0.1
    folds: int = 5
    protocols: tuple[str, ...] = (Protocol.PAPER, Protocol.ARTIST_GROUPED)
    find_duplicates: bool = True
    training: SupervisedConfig = field(default_factory=SupervisedConfig)

    @property
    def network(self) -> Any:
        """The architecture's options."""
        rows, columns = self.mel.network_shape
        size = rows if rows == columns else (rows, columns)
        regresses = self.training.regression_weight > 0
        return architecture(self.architecture).config(self.backbone, self.flatten, size, regresses=regresses)

    @property
    def least_per_class(self) -> int:
        """Clips that a source needs in every class, so that each part of each fold can have one."""
        return max(self.folds + 1, round(1 / self.test_share))


def config_from(raw: dict[str, Any]) -> PaperConfig:
    """Build a configuration from the values of a TOML file.

    Raises:
        PaperError: A key is missing, unknown, or has a value that makes no sense; the message names it.
    """
    values = {key: value for key, value in raw.items() if key not in ("recipe", "method")}
    try:
        training = dict(values.pop("training", {}))
        change = {**asdict(AugmentConfig.off()), **training.pop("augment", {})}
        mel = _built(MelConfig(), "mel", values.pop("mel", {}))
        how = replace(
            _built(SupervisedConfig(), "training", training), augment=_built(AugmentConfig(), "augment", change)
        )
        missing = [name for name in ("version", "datasets", "seed") if name not in values]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}.")
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        config = replace(_built(PaperConfig("", (), 0), "", values), mel=mel, training=how)
    except (TypeError, ValueError) as error:
        raise PaperError(f"This is not a configuration of the paper's protocol: {error}") from error
    _refuse_nonsense(config)
    return config


def _built(defaults: _Config, table: str, values: dict[str, Any]) -> _Config:
    """Return a configuration with some values in place of the defaults, each of the default's type."""
    for key, value in values.items():
        name = f"{table}.{key}".lstrip(".")
        if key not in {known.name for known in fields(defaults)}:
            raise ValueError(f"there is no {name}.")
        wanted = type(getattr(defaults, key))
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise ValueError(f"{name} is {value!r}, which is no {wanted.__name__}.")
    return replace(defaults, **values)


def _refuse_nonsense(config: PaperConfig) -> None:
    choices = {
        "datasets": (config.datasets, tuple(DATASETS)),
        "protocols": (config.protocols, (Protocol.PAPER, Protocol.ARTIST_GROUPED)),
        "reference": ((config.reference,), ("dataset", "global")),
        "short_clips": ((config.short_clips,), tuple(ShortClips)),
    }
    for name, (chosen, known) in choices.items():
        unknown = [each for each in chosen if each not in known]
        if unknown or not chosen:
            raise PaperError(f"{name} is {list(chosen)}; known are {', '.join(sorted(known))}.")
    if config.folds < 2 or not 0 < config.test_share <= 0.5:
        raise PaperError("folds must be 2 or more, and test_share above 0 and at most 0.5.")
    if config.init not in INITS and not Path(config.init).is_file():
        raise PaperError(f"init is {config.init!r}: neither imagenet, shipped or scratch, nor a file that is here.")
