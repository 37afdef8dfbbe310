"""A run's configuration, and its clips with spectra, targets, teacher's features and pooled backbone features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotion.exceptions import AudioUnreadableError
from emotion.inference.predict import Features
from emotion.inference.quadrants import Quadrant
from emotion.zoo.frontends import MelConfig
from emotion.zoo.registry import HeadedNetwork
from training.data.augment import soft_quadrants
from training.data.duplicates import duplicate_groups
from training.data.splits import linked_groups
from training.datasets import DATASETS, Clip
from training.datasets.midi import render_variants
from training.recipes.distilled_b3.distil import DistilConfig, DistilStage, changed, pooled, windows
from training.recipes.distilled_b3.head import HeadConfig, HeadData
from training.recipes.distilled_b3.mixtures import CPU, MixtureConfig, MixtureSampler, Spectra, spectra_of
from training.recipes.distilled_b3.teacher import TAGGERS, TaggerFeatures, teacher_features
from training.recipes.registry import Log


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
    # Where the backbone starts: "" at random, "download" from ImageNet weights of efficientnet_pytorch, or from a file
    # of them.
    imagenet: str = ""
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


def config_of(raw: Mapping[str, Any], name: str) -> DistilledB3Config:
    """Return a configuration from plain dictionaries: a TOML file's, or those in a model's card.

    Raises:
        ValueError: A key is missing, unknown or names no dataset; the message begins with `name`.
    """
    try:
        distil = dict(raw["distil"])
        stages = tuple(
            DistilStage(**{**stage, "scene": None if (scene := stage.get("scene")) is None else MixtureConfig(**scene)})
            for stage in distil.pop("stages")
        )
        parts = {
            "datasets": tuple(raw["datasets"]),
            "unlabelled": tuple(raw.get("unlabelled", ())),
            "mel": MelConfig(**raw.get("mel", {})),
            "distil": DistilConfig(stages=stages, scene=MixtureConfig(**distil.pop("scene", {})), **distil),
            "head": HeadConfig(**raw.get("head", {})),
            "view_scene": MixtureConfig(**raw.get("view_scene", {})),
        }
        plain = {key: value for key, value in raw.items() if key not in ("recipe", "method")}
        config = DistilledB3Config(**{**plain, **parts})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{name} is not a configuration of the recipe distilled_b3: {error}.") from error
    if unknown := {*config.datasets, *config.unlabelled} - set(DATASETS):
        raise ValueError(f"{name} names unknown datasets {sorted(unknown)}; known are {sorted(DATASETS)}.")
    if not config.mel.frames_as_channels:
        raise ValueError(f"{name}: this recipe mixes images of whole frames; set frames_as_channels = true.")
    return config


def toml_of(config: DistilledB3Config) -> str:
    """Return a configuration as the text of a file."""
    # TOML has no null.
    values = asdict(config, dict_factory=lambda items: {key: value for key, value in items if value is not None})
    return tomli_w.dumps({"recipe": "distilled_b3", **values})


@dataclass(frozen=True, slots=True)
class ClipFeatures:
    """Labelled clips."""

    clips: list[Clip]  # In the order of every array.
    spectra: list[Spectra]  # Of each.
    timbres: list[list[Spectra]]  # Spectra of other renderings of each clip; mostly empty.
    teacher: NDArray[np.float32]  # `(n, n_features)` features of the teacher.
    targets: NDArray[np.float32]  # `(n, 4)` soft quadrant labels.
    truth: NDArray[np.int64]  # `(n,)` quadrant, 0 to 3.
    points: NDArray[np.float32]  # `(n, 2)` rated valence and arousal, NaN where unrated.
    duplicates: NDArray[np.int64]  # `(n,)` labels, equal for near-duplicates.

    @property
    def groups(self) -> NDArray[np.int64]:
        """`(n,)` labels, equal for clips that must stay on one side of every fold."""
        return linked_groups(self.clips, self.duplicates)

    @property
    def sources(self) -> NDArray[np.str_]:
        return np.array([clip.dataset for clip in self.clips])


def load_clips(names: Sequence[str], data_root: Path, work_dir: Path) -> list[Clip]:
    """Return the clips of several datasets."""
    return [clip for name in names for clip in DATASETS[name].load(data_root / DATASETS[name].folder, work_dir)]


def readable(paths: Sequence[Path], config: DistilledB3Config, work_dir: Path, log: Log) -> list[Spectra | None]:
    """Return the spectra of files; None, after logging why, for one that cannot be read."""
    results = spectra_of(paths, config=config.mel, cache_dir=work_dir / "spectra")
    for path, result in zip(paths, results, strict=True):
        if isinstance(result, AudioUnreadableError):
            log(f"{path} is left out: {result}")
    return [None if isinstance(result, AudioUnreadableError) else result for result in results]


def gather(
    clips: Sequence[Clip],
    config: DistilledB3Config,
    *,
    data_root: Path,
    work_dir: Path,
    log: Log,
    device: torch.device = CPU,
    local_targets: Mapping[str, Sequence[float]] | None = None,
) -> ClipFeatures:
    """Read clips with both their spectra, the teacher's features and soft labels.

    Clips without a quadrant are left out, and, after a log line, those with unreadable audio. The public taggers lie in
    `pretrained/` of the data root. `local_targets` are `(4,)` soft labels, by clip id, that replace those of the clip.
    """
    timbres: dict[str, list[Path]] = {}
    if config.timbres and "emopia" in config.datasets:
        archive, out_dir = data_root / "emopia" / "midis.zip", work_dir / "emopia-timbres"
        timbres = render_variants(archive, out_dir, variants=config.timbres, seed=config.seed)
    labelled = [clip for clip in clips if clip.quadrant is not None]
    spectra = readable([clip.audio for clip in labelled], config, work_dir, log)
    used = [(clip, each) for clip, each in zip(labelled, spectra, strict=True) if each is not None]
    clips, clip_spectra = [clip for clip, _ in used], [each for _, each in used]
    others = [timbres.get(clip.id.removeprefix("emopia/"), []) for clip in clips]
    other_spectra = iter(readable([path for paths in others for path in paths], config, work_dir, log))
    rendered = [[each for _ in paths if (each := next(other_spectra)) is not None] for paths in others]
    taggers = TaggerFeatures([data_root / "pretrained" / name for name in TAGGERS], device)
    audio = [clip.audio for clip in clips]
    targets = quadrant_targets(clips, config.rating_spread)
    for row, clip in enumerate(clips):
        targets[row] = (local_targets or {}).get(clip.id, targets[row])
    rated = [(clip.valence, clip.arousal) for clip in clips]
    return ClipFeatures(
        clips,
        clip_spectra,
        rendered,
        teacher=teacher_features(clip_spectra, audio, taggers, work_dir / "measures"),
        targets=targets,
        truth=np.array([clip.quadrant.index for clip in clips if clip.quadrant is not None], np.int64),
        points=np.array([(np.nan, np.nan) if None in point else point for point in rated], np.float32),
        duplicates=duplicate_groups(audio, cache_dir=work_dir / "landmarks"),
    )


def quadrant_targets(clips: Sequence[Clip], rating_spread: float) -> NDArray[np.float32]:
    """Return `(n, 4)`: one-hot for quadrant labels, smooth where valence and arousal were rated."""
    targets = np.array([[quadrant is clip.quadrant for quadrant in Quadrant] for clip in clips], np.float32)
    for target, clip in zip(targets, clips, strict=True):
        if clip.valence is not None and clip.arousal is not None:
            target[:] = soft_quadrants(clip.valence, clip.arousal, rating_spread)
    return targets


def sampling_weights(clips: Sequence[Clip], power: float) -> NDArray[np.float64]:
    """Return a probability per clip; cells of (source, quadrant) weigh their size to `power`."""
    cells = Counter((clip.dataset, clip.quadrant) for clip in clips)
    weights = np.array([cells[clip.dataset, clip.quadrant] ** (power - 1) for clip in clips])
    return weights / weights.sum()


def backbone_features(
    network: HeadedNetwork, features: ClipFeatures, config: DistilledB3Config, device: torch.device = CPU
) -> tuple[Tensor, Tensor]:
    """Compute pooled features of served windows `(n, feature_size)` and copies `(n, n_views, feature_size)`."""
    n = len(features.clips)
    exact = Features(network, config.mel.input_shape, device)
    served = pooled(exact, windows(features.spectra, config.mel), total=n, name="windows")
    # Changed copies are only trained on.
    fast = Features(network, config.mel.input_shape, device, precision="bf16")
    pool, rows = list(features.spectra), [[i] for i in range(n)]
    for i, others in enumerate(features.timbres):
        rows[i] += range(len(pool), len(pool) + len(others))
        pool += others
    sampler = MixtureSampler(pool, np.ones(len(pool)), config.mel, config.view_scene, device)
    views = []
    for number in range(config.views):
        # Every other view is of another rendering, where there is one.
        chosen = np.array([row[number % len(row)] for row in rows])
        batches = changed(sampler, chosen, config.mel, config.seed + number)
        views.append(pooled(fast, batches, total=n, name=f"view {number + 1} of {config.views}"))
    return served, torch.stack(views, dim=1) if views else torch.zeros(n, 0, served.shape[1])


def head_data(
    features: ClipFeatures,
    of_backbone: tuple[Tensor, Tensor],
    rows: NDArray[np.int64],
    soft_targets: NDArray[np.float32],
    cell_power: float,
) -> HeadData:
    """Return the clips at `rows` `(m,)` with the teacher's `soft_targets` `(m, 4)`, balanced by source and quadrant."""
    index = torch.from_numpy(rows)
    names = sorted(set(features.sources))
    return HeadData(
        served=of_backbone[0][index],
        views=of_backbone[1][index],
        targets=torch.from_numpy(features.targets[rows]),
        soft_targets=torch.from_numpy(soft_targets),
        points=torch.from_numpy(features.points[rows]),
        weights=torch.from_numpy(sampling_weights([features.clips[i] for i in rows], cell_power)),
        sources=torch.tensor([names.index(features.clips[i].dataset) for i in rows]),
    )
