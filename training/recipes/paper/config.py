"""A run's configuration, and which clips it trains on and how it splits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from catalog.core.files import digest
from emotion.inference.quadrants import Quadrant
from emotion.zoo.frontends import MelConfig
from emotion.zoo.registry import architecture
from training.data.augment import AugmentConfig
from training.data.duplicates import duplicate_groups
from training.data.selection import SelectionError, ShortClips, extreme_corners, long_enough
from training.data.splits import Folds, Protocol, paper_folds
from training.datasets import DATASETS, Clip, DatasetError
from training.exceptions import TrainingError
from training.fit.loop import FitConfig

INITS = ("imagenet", "shipped", "scratch")
_Config = TypeVar("_Config", "PaperConfig", MelConfig, FitConfig, AugmentConfig)


class PaperError(TrainingError):
    """A configuration that makes no sense, or sources that leave nothing to train on."""

    code = "paper_run"


@dataclass(frozen=True, slots=True)
class PaperConfig:
    """A run of the paper's protocol, as read from a TOML file."""

    version: str
    datasets: tuple[str, ...]  # The sources; those that are not here are left out and named.
    seed: int  # Of split, initial weights, order, dropout and augmentation.
    mel: MelConfig = field(default_factory=MelConfig)
    architecture: str = "efficientnet_b3"  # Of the zoo; it takes the options below, as the EfficientNets do.
    backbone: str = "efficientnet-b3"  # A name that efficientnet_pytorch knows.
    flatten: bool = False  # The paper's literal Flatten, in place of global average pooling.
    # "imagenet" downloads, "shipped" takes the backbone of the model that came with the program, "scratch" starts at
    # random; else the path of a state dict of efficientnet_pytorch.
    init: str = "imagenet"
    short_clips: str = "drop"  # The paper drops clips under 24 s; "repeat" and "pad" keep them.
    corner_cap: float = 1.0  # A quadrant keeps at most this many times the clips of its dataset's smallest one.
    # Clips that a dataset keeps instead; the paper's are 232 of pmemo and 346 of emomusic.
    totals: dict[str, int] = field(default_factory=dict)
    # "dataset" measures decibels against the loudest training clip of each dataset, as the paper does; "global" against
    # one stored number.
    reference: str = "dataset"
    test_share: float = 0.1  # Held out.
    folds: int = 5  # Of the rest.
    protocols: tuple[str, ...] = (Protocol.PAPER, Protocol.ARTIST_GROUPED)  # "paper", "artist_grouped" or both.
    find_duplicates: bool = True  # Keep near-duplicates on one side in the artist-grouped folds.
    training: FitConfig = field(default_factory=FitConfig)

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
    """Build a configuration from the values of a TOML file."""
    values = {key: value for key, value in raw.items() if key not in ("recipe", "method")}
    try:
        training = dict(values.pop("training", {}))
        change = {**asdict(AugmentConfig.off()), **training.pop("augment", {})}
        mel = _built(MelConfig(), "mel", values.pop("mel", {}))
        how = replace(_built(FitConfig(), "training", training), augment=_built(AugmentConfig(), "augment", change))
        if missing := [name for name in ("version", "datasets", "seed") if name not in values]:
            raise ValueError(f"it lacks {', '.join(missing)}.")
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        config = replace(_built(PaperConfig("", (), 0), "", values), mel=mel, training=how)
    except (TypeError, ValueError) as error:
        raise PaperError(f"This is not a configuration of the paper's protocol: {error}") from error
    choices = {
        "datasets": (config.datasets, tuple(DATASETS)),
        "protocols": (config.protocols, (Protocol.PAPER, Protocol.ARTIST_GROUPED)),
        "reference": ((config.reference,), ("dataset", "global")),
        "short_clips": ((config.short_clips,), tuple(ShortClips)),
    }
    for name, (chosen, known) in choices.items():
        if not chosen or not set(chosen) <= set(known):
            raise PaperError(f"{name} is {list(chosen)}; known are {', '.join(sorted(known))}.")
    if config.folds < 2 or not 0 < config.test_share <= 0.5:
        raise PaperError("folds must be 2 or more, and test_share above 0 and at most 0.5.")
    if config.init not in INITS and not Path(config.init).is_file():
        raise PaperError(f"init is {config.init!r}: neither imagenet, shipped or scratch, nor a file that is here.")
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


@dataclass(frozen=True, slots=True)
class Plan:
    """The selected clips of all sources, the folds of each protocol, and the outcome for each dataset asked for."""

    clips: list[Clip]
    sources: dict[str, dict[str, Any]]
    folds: list[Folds]

    @property
    def fingerprint(self) -> str:
        """Hash of every clip's id, label and sound."""
        lines = [
            f"{clip.id}\t{clip.quadrant}\t{clip.valence}\t{clip.arousal}\t{digest(clip.audio)}\n" for clip in self.clips
        ]
        return digest("".join(lines).encode())


def plan(config: PaperConfig, *, data_root: Path, work_dir: Path, log: Callable[[str], None]) -> Plan:
    """Select clips and deal them into folds, logging which source is left out and why."""
    clips: list[Clip] = []
    sources: dict[str, dict[str, Any]] = {}
    for name in config.datasets:
        sources[name], chosen = _select(name, config, data_root, work_dir)
        if "left_out" in sources[name]:
            log(f"{name} is left out: {sources[name]['left_out']}")
        clips += chosen
    if not clips:
        raise PaperError(f"None of {', '.join(config.datasets)} can be trained on; see above, or `manage.py datasets`.")
    recordings = None
    if config.find_duplicates and Protocol.ARTIST_GROUPED in config.protocols:
        recordings = duplicate_groups([clip.audio for clip in clips], cache_dir=work_dir / "landmarks")
    options: dict[str, Any] = {"seed": config.seed, "n_folds": config.folds, "test_share": config.test_share}
    folds = [
        paper_folds(clips, grouped=grouped, duplicates=recordings if grouped else None, **options)
        for grouped in (protocol == Protocol.ARTIST_GROUPED for protocol in config.protocols)
    ]
    return Plan(clips, sources, folds)


def _select(name: str, config: PaperConfig, data_root: Path, work_dir: Path) -> tuple[dict[str, Any], list[Clip]]:
    dataset = DATASETS[name]
    facts: dict[str, Any] = {"clips": 0, "licence": dataset.licence}
    try:
        labelled = [clip for clip in dataset.load(data_root / dataset.folder, work_dir) if clip.quadrant is not None]
        audible = [clip for clip in labelled if clip.audio.is_file() and clip.audio.stat().st_size]
        facts |= {"labelled": len(labelled), "with_audio": len(audible)}
        if not audible:
            return {**facts, "left_out": f"none of its {len(labelled)} labelled clips has audio here."}, []
        chosen = long_enough(audible, short=ShortClips(config.short_clips), min_s=config.mel.window_s)
        facts["long_enough"] = len(chosen)
        chosen = extreme_corners(chosen, cap=config.corner_cap, totals=config.totals)
    except (DatasetError, SelectionError) as error:
        return {**facts, "left_out": str(error)}, []
    counts = Counter(clip.quadrant for clip in chosen)
    facts["quadrants"] = {quadrant.name: counts[quadrant] for quadrant in Quadrant}
    smallest, least = min(facts["quadrants"].values()), config.least_per_class
    if smallest < least:
        sentence = f"its smallest class has {smallest} clips; {least} are needed for the test and folds."
        return {**facts, "left_out": sentence}, []
    return {**facts, "clips": len(chosen)}, chosen
