"""Everything that a flagship run knows of its clips before a network hears them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotion.exceptions import AudioUnreadableError
from emotion.inference.quadrants import Quadrant
from emotion.zoo.networks import HeadedNetwork
from training.data.augment import soft_quadrants
from training.data.duplicates import duplicate_groups
from training.data.splits import linked_groups
from training.datasets import DATASETS, Clip
from training.recipes.distilled_b3.config import FlagshipConfig
from training.recipes.distilled_b3.distil import Backbone, changed, windows
from training.recipes.distilled_b3.head import HeadData
from training.recipes.distilled_b3.mixtures import Composer, Spectra, spectra_of
from training.recipes.distilled_b3.teacher import TAGGERS, Ears, teacher_features


@dataclass(frozen=True, slots=True)
class Material:
    """Labelled clips.

    Attributes:
        clips: In the order of every array.
        spectra: Of each.
        timbres: Spectra of other renderings of each clip; mostly empty.
        teacher: `(n, n_features)` features of the teacher.
        targets: `(n, 4)` soft quadrant labels.
        truth: `(n,)` quadrant, 0 to 3.
        points: `(n, 2)` rated valence and arousal, NaN where unrated.
        duplicates: `(n,)` labels, equal for near-duplicates.
    """

    clips: list[Clip]
    spectra: list[Spectra]
    timbres: list[list[Spectra]]
    teacher: NDArray[np.float32]
    targets: NDArray[np.float32]
    truth: NDArray[np.int64]
    points: NDArray[np.float32]
    duplicates: NDArray[np.int64]

    @property
    def groups(self) -> NDArray[np.int64]:
        """Label of each clip, equal for those that must stay on one side of every fold."""
        return linked_groups(self.clips, self.duplicates)

    @property
    def sources(self) -> NDArray[np.str_]:
        """The dataset of each clip."""
        return np.array([clip.dataset for clip in self.clips])


def load_clips(names: Sequence[str], data_root: Path, work_dir: Path) -> list[Clip]:
    """Merge datasets.

    Raises:
        training.datasets.DatasetError: A folder does not hold what the dataset's layout promises.
    """
    return [clip for name in names for clip in DATASETS[name].load(data_root / DATASETS[name].folder, work_dir)]


def readable(
    paths: Sequence[Path], config: FlagshipConfig, work_dir: Path, say: Callable[[str], None]
) -> list[Spectra | None]:
    """Return the spectra of files; of one that cannot be read, None, after saying why."""
    found = spectra_of(paths, config=config.mel, cache_dir=work_dir / "spectra")
    for path, spectra in zip(paths, found, strict=True):
        if isinstance(spectra, AudioUnreadableError):
            say(f"{path} is left out: {spectra}")
    return [None if isinstance(spectra, AudioUnreadableError) else spectra for spectra in found]


def gather(
    clips: Sequence[Clip],
    config: FlagshipConfig,
    *,
    data_root: Path,
    work_dir: Path,
    timbres: Mapping[str, Sequence[Path]],
    say: Callable[[str], None],
    own_targets: Mapping[str, Sequence[float]] | None = None,
) -> Material:
    """Read clips with both their spectra, the teacher's features and soft labels.

    Args:
        clips: Those without a quadrant, and those whose audio cannot be read, are left out.
        config: The run.
        data_root: Holds the public taggers in `pretrained/`.
        work_dir: Holds the caches.
        timbres: Other renderings, by clip id.
        say: Receives what is left out, and why.
        own_targets: Soft labels that replace those made from the clip, by clip id.
    """
    labelled = [clip for clip in clips if clip.quadrant is not None]
    found = readable([clip.audio for clip in labelled], config, work_dir, say)
    kept = [(clip, spectra) for clip, spectra in zip(labelled, found, strict=True) if spectra is not None]
    kept_clips, kept_spectra = [clip for clip, _ in kept], [spectra for _, spectra in kept]
    others = [list(timbres.get(clip.id, ())) for clip in kept_clips]
    other_spectra = iter(readable([path for paths in others for path in paths], config, work_dir, say))
    rendered = [[spectra for _ in paths if (spectra := next(other_spectra)) is not None] for paths in others]
    ears = Ears([data_root / "pretrained" / name for name in TAGGERS])
    teacher = teacher_features(kept_spectra, [clip.audio for clip in kept_clips], ears, work_dir / "measures")
    targets = soft_targets(kept_clips, config.rating_spread)
    for row, clip in enumerate(kept_clips):
        if own_targets and clip.id in own_targets:
            targets[row] = own_targets[clip.id]
    truth = np.array([clip.quadrant.index for clip in kept_clips if clip.quadrant is not None], np.int64)
    points = np.array(
        [
            (np.nan, np.nan) if clip.valence is None or clip.arousal is None else (clip.valence, clip.arousal)
            for clip in kept_clips
        ],
        np.float32,
    )
    duplicates = duplicate_groups([clip.audio for clip in kept_clips], cache_dir=work_dir / "landmarks")
    return Material(kept_clips, kept_spectra, rendered, teacher, targets, truth, points, duplicates)


def soft_targets(clips: Sequence[Clip], rating_spread: float) -> NDArray[np.float32]:
    """Return `(n, 4)`: one-hot for quadrant labels, smooth where valence and arousal were rated."""

    def target(clip: Clip) -> tuple[float, ...]:
        if clip.valence is not None and clip.arousal is not None:
            return soft_quadrants(clip.valence, clip.arousal, rating_spread)
        return tuple(float(quadrant is clip.quadrant) for quadrant in Quadrant)

    return np.array([target(clip) for clip in clips], np.float32)


def sampling_weights(clips: Sequence[Clip], power: float) -> NDArray[np.float64]:
    """Return a probability per clip; cells of (source, quadrant) weigh their size to `power`."""
    cells = Counter((clip.dataset, clip.quadrant) for clip in clips)
    weights = np.array([cells[clip.dataset, clip.quadrant] ** (power - 1) for clip in clips])
    return weights / weights.sum()


def hear(network: HeadedNetwork, material: Material, config: FlagshipConfig) -> tuple[Tensor, Tensor]:
    """Return what a backbone makes of every clip.

    Returns:
        Features of the window that is served, `(n, feature_size)`, and of changed copies, `(n, n_views, feature_size)`.
    """
    n = len(material.clips)
    served = Backbone(network, config.mel).features(windows(material.spectra, config.mel), total=n, name="windows")
    # Changed copies teach; they need no more precision than that.
    fast = Backbone(network, config.mel, "bf16")
    composer, rows = _renderings(material, config)
    views = []
    for number in range(config.views):
        # Every other view is of another rendering, where there is one.
        chosen = np.array([row[number % len(row)] for row in rows])
        batches = changed(composer, chosen, config.mel, config.seed + number)
        views.append(fast.features(batches, total=n, name=f"view {number + 1} of {config.views}"))
    if not views:
        return torch.from_numpy(served), torch.zeros(n, 0, served.shape[1])
    return torch.from_numpy(served), torch.from_numpy(np.stack(views, axis=1))


def _renderings(material: Material, config: FlagshipConfig) -> tuple[Composer, list[list[int]]]:
    """Return a composer of all renderings, and which of its clips belong to each clip of the material."""
    pool, rows = list(material.spectra), [[i] for i in range(len(material.spectra))]
    for i, others in enumerate(material.timbres):
        for spectra in others:
            rows[i].append(len(pool))
            pool.append(spectra)
    return Composer(pool, np.ones(len(pool)), config.mel, config.view_scene), rows


def head_data(
    material: Material,
    heard: tuple[Tensor, Tensor],
    rows: NDArray[np.int64],
    opinions: NDArray[np.float32],
    cell_power: float,
) -> HeadData:
    """Return some clips as a head learns from them; sources and quadrants are balanced among these.

    Args:
        material: All clips.
        heard: From `hear`.
        rows: `(m,)` positions of the clips wanted.
        opinions: `(m, 4)` the teacher's, in the order of `rows`.
        cell_power: As in `FlagshipConfig`.
    """
    index = torch.from_numpy(rows)
    names = sorted(set(material.sources))
    return HeadData(
        served=heard[0][index],
        views=heard[1][index],
        targets=torch.from_numpy(material.targets[rows]),
        opinions=torch.from_numpy(opinions),
        points=torch.from_numpy(material.points[rows]),
        weights=torch.from_numpy(sampling_weights([material.clips[i] for i in rows], cell_power)),
        sources=torch.tensor([names.index(material.clips[i].dataset) for i in rows]),
    )
