"""The file that is carried to the GPU: spectra as pictures, labels, groups, the split, and what the taggers heard.

Taggers do not survive lossy spectra, so the file has what they say of mixtures instead. Both machines make these
mixtures from the same random numbers: here of exact spectra for the taggers, there as images for the student.
"""

from __future__ import annotations

import io
import json
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from catalog.core.files import write_atomic
from emotion.inference import checkpoint
from emotion.inference.quadrants import Quadrant
from emotion.zoo.frontends import TAGGER_HOP, TAGGER_MELS, TAGGER_RATE_HZ
from training.data.duplicates import duplicate_groups
from training.data.splits import PARTS, Folds, artist_grouped_split
from training.datasets import Clip
from training.exceptions import TrainingError
from training.recipes.distilled_b3 import cards
from training.recipes.distilled_b3.features import (
    ClipFeatures,
    DistilledB3Config,
    config_of,
    load_clips,
    quadrant_targets,
    readable,
)
from training.recipes.distilled_b3.mixtures import (
    CPU,
    Batch,
    MixtureConfig,
    MixtureSampler,
    Spectra,
    stretch_at,
)
from training.recipes.distilled_b3.recipe import (
    mixture_pool,
    with_local_labels,
)
from training.recipes.distilled_b3.teacher import TAGGERS, TaggerFeatures
from training.recipes.registry import Log

LIMIT_BYTES = 60_000_000
# Of the taggers' features; and of the pictures.
N_COMPONENTS, QUALITY = 192, 80
# Levels outside change nothing that the student sees.
_LOW_DB, _HIGH_DB = -60.0, 50.0
_CHUNK = 64
_STILL = MixtureConfig(0, 0, 0, 0, 0, 0, 0)
_Scene = tuple[int, MixtureConfig]


@dataclass(frozen=True, slots=True)
class Codes:
    """Principal components of the taggers' features, in a byte each."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]  # Of each feature, as the mean.
    axes: NDArray[np.float16]  # `(n_components, n_features)` orthonormal, of standardised features.
    scale: NDArray[np.float32]  # `(n_components,)` what a step of a byte is.

    @classmethod
    def fitted(cls, features: NDArray[np.float32], n_components: int) -> Codes:
        """Fit the components to features `(n, n_features)`."""
        mean, spread = features.mean(axis=0), features.std(axis=0).clip(1e-4)
        standard = (features - mean) / spread
        _, vectors = np.linalg.eigh(standard.T @ standard)
        axes = vectors[:, : -n_components - 1 : -1].T
        largest = np.abs(standard @ axes.T).max(axis=0).clip(1e-6)
        return cls(mean, spread, axes.astype(np.float16), largest / 127)

    def encode(self, features: NDArray[np.float32]) -> NDArray[np.int8]:
        found = (features - self.mean) / self.spread @ self.axes.T.astype(np.float32)
        return (found / self.scale).round().clip(-127, 127).astype(np.int8)

    def decode(self, codes: NDArray[np.int8]) -> NDArray[np.float32]:
        return np.asarray(codes * self.scale @ self.axes.astype(np.float32) * self.spread + self.mean, np.float32)

    def lost(self, features: NDArray[np.float32]) -> float:
        """Return the share of the variance of standardised features that is lost."""
        error, all_of_it = ((each / self.spread) for each in (self.decode(self.encode(features)) - features, features))
        return float((error**2).mean() / all_of_it.var(axis=0).mean())


def scenes_of(config: DistilledB3Config) -> list[_Scene]:
    """Return the different kinds of mixtures that the stages of a configuration ask for."""
    return list(
        dict.fromkeys((stage.crop_columns, stage.scene or config.distil.scene) for stage in config.distil.stages)
    )


def samplers_of(
    features: ClipFeatures, unlabelled: Sequence[Spectra], fold: Any, config: DistilledB3Config, device: torch.device
) -> dict[str, MixtureSampler]:
    """Return what mixtures are drawn with: for training, and unmixed clips for validation."""
    pool, weights = mixture_pool(features, fold.train, unlabelled, config)
    unseen = [features.spectra[i] for i in fold.validation]
    return {
        "train": MixtureSampler(pool, weights, config.mel, config.distil.scene, device),
        "validation": MixtureSampler(unseen, np.ones(len(unseen)), config.mel, _STILL, device),
    }


def mixtures(sampler: MixtureSampler, scene: _Scene, n: int, seed: int) -> Iterator[Batch]:
    """Yield `n` mixtures, the same ones from the same arguments on any machine."""
    for start in range(0, n, _CHUNK):
        yield sampler.batch(min(_CHUNK, n - start), scene[0], np.random.default_rng((seed, 3, start)), scene[1])


def cut(spectra: Spectra, frames: int, teacher_frames: int) -> Spectra:
    """Return the window that is served, or all of a shorter clip."""
    lengths = (min(frames, len(spectra.student)), min(teacher_frames, len(spectra.teacher)))
    student, teacher = (
        stretch_at(each, n).astype(np.float16)
        for each, n in zip((spectra.student, spectra.teacher), lengths, strict=True)
    )
    return Spectra(student, teacher, spectra.level_db)


def webp(student: NDArray[np.float16]) -> bytes:
    """Return a spectrum `(n_frames, n_mels)` in dB as a picture of bytes."""
    levels = (student.astype(np.float32).clip(_LOW_DB, _HIGH_DB) - _LOW_DB) / (_HIGH_DB - _LOW_DB) * 255
    file = io.BytesIO()
    Image.fromarray(levels.round().astype(np.uint8)).save(file, "WEBP", quality=QUALITY, method=4)
    return file.getvalue()


def from_webp(content: bytes) -> NDArray[np.float16]:
    """Return the spectrum of a picture."""
    levels = np.asarray(Image.open(io.BytesIO(content)).convert("L"), np.float32)
    return (levels / 255 * (_HIGH_DB - _LOW_DB) + _LOW_DB).astype(np.float16)


def prepare(
    path: Path,
    text: str,
    *,
    data_root: Path,
    work_dir: Path,
    per_scene: int,
    log: Log,
) -> None:
    """Write the file for a configuration, TOML, with so many mixtures of each kind.

    Raises:
        TrainingError: It would be too large to carry.
    """
    config, started = config_of(tomllib.loads(text), "The file"), time.monotonic()
    features = labelled(load_clips(config.datasets, data_root, work_dir), config, work_dir, log)
    paths = sorted({clip.audio for clip in load_clips(config.unlabelled, data_root, work_dir)})
    unlabelled = [each for each in readable(paths, config, work_dir, log) if each is not None]
    frames = config.mel.image_shape[1]
    teacher_frames = 1 + round(config.mel.window_s * TAGGER_RATE_HZ) // TAGGER_HOP
    features = replace(features, spectra=[cut(each, frames, teacher_frames) for each in features.spectra])
    unlabelled = [cut(each, frames, teacher_frames) for each in unlabelled]
    held_out = split_of(features, config)
    [fold] = held_out.rows(features.clips)
    taggers = TaggerFeatures([data_root / "pretrained" / name for name in TAGGERS])
    windows = [stretch_at(each.teacher, teacher_frames).T[None] for each in features.spectra]
    starts = range(0, len(windows), 16)
    served = [taggers.features(torch.from_numpy(np.stack(windows[start : start + 16]))).numpy() for start in starts]
    log(f"{len(windows)} served windows after {time.monotonic() - started:.0f} s")
    samplers = samplers_of(features, unlabelled, fold, config, CPU)
    heard: dict[str, NDArray[np.float32]] = {"served": np.concatenate(served)}
    for number, (columns, scene) in enumerate(scenes_of(config)):
        for kind, sampler in samplers.items():
            # Of unmixed clips fewer will do.
            n, wanted = (per_scene, scene) if kind == "train" else (max(_CHUNK, per_scene // 32), _STILL)
            batches = mixtures(sampler, (columns, wanted), n, config.seed + number)
            heard[f"{kind}_{number}"] = np.concatenate([taggers.features(each.teacher_db).numpy() for each in batches])
        log(f"{per_scene} mixtures of {columns} columns after {time.monotonic() - started:.0f} s")
    codes = Codes.fitted(np.concatenate([each[:2000] for each in heard.values()]), N_COMPONENTS)
    lost = {name: round(codes.lost(each), 3) for name, each in heard.items()}
    log(f"Share of the taggers' variance that the codes lose: {lost}.")
    pictures = [webp(each.student) for each in [*features.spectra, *unlabelled]]
    facts = {
        "config": text,
        "clips": [_row(clip) for clip in features.clips],
        "split": held_out.to_json(),
        "per_scene": per_scene,
    }
    arrays: dict[str, Any] = {
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
        "pictures": np.frombuffer(b"".join(pictures), np.uint8),
        "sizes": np.array([len(each) for each in pictures]),
        "levels": np.array([each.level_db for each in [*features.spectra, *unlabelled]], np.float32),
        "targets": features.targets,
        "duplicates": features.duplicates,
        **{f"codes_{name}": value for name, value in asdict(codes).items()},
        **{f"heard_{name}": codes.encode(each) for name, each in heard.items()},
    }
    write_atomic(path, lambda file: np.savez_compressed(file, **arrays))
    size = path.stat().st_size
    log(f"{path}: {size / 1e6:.1f} MB, {len(pictures)} spectra, {time.monotonic() - started:.0f} s.")
    if size > LIMIT_BYTES:
        raise TrainingError(f"{path} is larger than {LIMIT_BYTES / 1e6:.0f} MB; ask for fewer mixtures.")


def labelled(clips: Sequence[Clip], config: DistilledB3Config, work_dir: Path, log: Log) -> ClipFeatures:
    """Read clips with a quadrant, but for what the taggers say of them."""
    clips = [clip for clip in clips if clip.quadrant is not None]
    spectra = readable([clip.audio for clip in clips], config, work_dir, log)
    used = [(clip, each) for clip, each in zip(clips, spectra, strict=True) if each is not None]
    return features_of(
        [clip for clip, _ in used],
        [each for _, each in used],
        heard=np.zeros((len(used), 0), np.float32),
        targets=quadrant_targets([clip for clip, _ in used], config.rating_spread),
        duplicates=duplicate_groups([clip.audio for clip, _ in used], cache_dir=work_dir / "landmarks"),
    )


def features_of(
    clips: list[Clip],
    spectra: list[Spectra],
    *,
    heard: NDArray[np.float32],
    targets: NDArray[np.float32],
    duplicates: NDArray[np.int64],
) -> ClipFeatures:
    """Return clips without other renderings, with what the taggers heard."""
    truth = np.array([clip.quadrant.index for clip in clips if clip.quadrant is not None], np.int64)
    points = np.array([(clip.valence, clip.arousal) for clip in clips], np.float32)
    return ClipFeatures(clips, spectra, [[] for _ in clips], heard, targets, truth, points, duplicates)


def _row(clip: Clip) -> dict[str, Any]:
    names = ("id", "dataset", "song_id", "artist", "quadrant", "valence", "arousal", "genre")
    return {name: getattr(clip, name) for name in names}


def split_of(features: ClipFeatures, config: DistilledB3Config) -> Folds:
    """Return the held-out split of `b3-fast`, whose test clips new models are compared on, or a new one without it."""
    weights = checkpoint.SHIPPED_DIR / "b3-fast.safetensors"
    saved = cards.saved_folds(weights, checkpoint.read_card(weights).facts)
    if saved is not None:
        [before] = saved.folds
        folds = with_local_labels(before, features.clips, features.groups, local=set(), seed=config.seed)
        if all(getattr(folds.folds[0], part) for part in PARTS):
            return folds
    return artist_grouped_split(features.clips, seed=config.seed, duplicates=features.duplicates)


@dataclass(frozen=True, slots=True)
class Carry:
    """What the file holds."""

    text: str  # Of the configuration.
    features: ClipFeatures
    unlabelled: list[Spectra]
    held_out: Folds
    per_scene: int
    heard: dict[str, NDArray[np.float32]]  # The taggers' features.

    @classmethod
    def load(cls, path: Path) -> Carry:
        """Read what `prepare` wrote.

        Raises:
            TrainingError: It is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            facts = json.loads(arrays["facts"].tobytes())
            codes = Codes(*(arrays[f"codes_{name}"] for name in ("mean", "spread", "axes", "scale")))
        except (OSError, ValueError, KeyError) as error:
            raise TrainingError(f"{path} is no file that `prepare` wrote, or damaged: {error}.") from error
        heard = {name[6:]: codes.decode(arrays[name]) for name in arrays if name.startswith("heard_")}
        ends = np.cumsum(arrays["sizes"])
        # The taggers' spectra stayed behind.
        nothing = np.zeros((1, TAGGER_MELS), np.float16)
        spectra = [
            Spectra(from_webp(arrays["pictures"][end - size : end].tobytes()), nothing, float(level))
            for end, size, level in zip(ends, arrays["sizes"], arrays["levels"], strict=True)
        ]
        # No audio is carried.
        clips = [Clip(**{**row, "quadrant": Quadrant(row["quadrant"]), "audio": Path()}) for row in facts["clips"]]
        own = {"targets": arrays["targets"], "duplicates": arrays["duplicates"]}
        features = features_of(clips, spectra[: len(clips)], heard=heard["served"], **own)
        held_out = Folds.from_json(facts["split"])
        return cls(facts["config"], features, spectra[len(clips) :], held_out, facts["per_scene"], heard)

    @property
    def config(self) -> DistilledB3Config:
        # Other renderings of MIDI are not carried.
        return replace(config_of(tomllib.loads(self.text), "The carried file"), timbres=0)

    def mixtures(self, device: torch.device) -> tuple[Mixtures, Mixtures]:
        """Make the images of all mixtures again, for training and for validation."""
        config = self.config
        samplers = samplers_of(
            self.features, self.unlabelled, self.held_out.rows(self.features.clips)[0], config, device
        )
        made: dict[str, dict[_Scene, tuple[Tensor, Tensor]]] = {kind: {} for kind in samplers}
        for number, (columns, scene) in enumerate(scenes_of(config)):
            for kind, sampler in samplers.items():
                heard = torch.from_numpy(self.heard[f"{kind}_{number}"]).to(device)
                wanted = scene if kind == "train" else _STILL
                batches = mixtures(sampler, (columns, wanted), len(heard), config.seed + number)
                images = torch.cat([each.images.half() for each in batches])
                made[kind][columns, wanted] = images, heard
        return Mixtures(made["train"], config.distil.scene, device), Mixtures(made["validation"], _STILL, device)


@dataclass(frozen=True, slots=True)
class Mixtures:
    """Mixtures on a device, with the taggers' features in place of the taggers' spectra."""

    made: dict[_Scene, tuple[Tensor, Tensor]]
    scene: MixtureConfig
    device: torch.device

    def batch(self, n: int, columns: int, rng: np.random.Generator, scene: MixtureConfig | None = None) -> Batch:
        """Return `n` of them, as `training.recipes.distilled_b3.mixtures.Sampler` does."""
        images, heard = self.made[columns, scene or self.scene]
        rows = torch.from_numpy(rng.integers(0, len(images), n)).to(self.device)
        return Batch(images[rows].float().contiguous(memory_format=torch.channels_last), heard[rows])
