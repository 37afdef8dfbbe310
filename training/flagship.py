"""From dataset folders to a trained, calibrated, scored checkpoint. Pure."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from emotion.checkpoint import Card, save
from emotion.exceptions import AudioUnreadableError
from emotion.mel import MelConfig
from emotion.network import NetworkConfig, QuadrantNetwork, load_imagenet_backbone
from emotion.predict import Predictor, softmax
from emotion.quadrants import Quadrant
from training.augment import AugmentConfig, soft_quadrants
from training.cache import images_of
from training.datasets import DATASETS, Clip
from training.head import HeadConfig, pooled_features, refit_head
from training.loop import EpochReport, LoopConfig, Stage, TrainingData, predict_logits, train
from training.metrics import Scores, fit_temperature, score
from training.splits import Split, artist_grouped_split
from training.teacher import TAGGERS, make_classifier, make_lesson, teacher_features


@dataclass(frozen=True, slots=True)
class FlagshipConfig:
    """A training run, as read from a TOML file.

    Attributes:
        version: Name of the model.
        datasets: Names from `training.datasets.DATASETS`.
        seed: Of split, initial weights, sampling and augmentation.
        rating_spread: Standard deviation of a valence or arousal rating in the regression sets.
        cell_power: Exponent of a (source, quadrant) cell's size in the sampling weights.
        loop: The training loop's part.
        head: The last step, on a backbone that stays as it is.
        imagenet: Start from ImageNet: "" (scratch), "download", or the path of a state dict.
    """

    version: str
    datasets: tuple[str, ...]
    seed: int
    rating_spread: float
    cell_power: float
    loop: LoopConfig
    head: HeadConfig
    imagenet: str = ""


def read_config(path: Path) -> FlagshipConfig:
    """Read a run's configuration.

    Raises:
        ValueError: The file is not TOML, or a key is missing, unknown or names no dataset.
    """
    raw = tomllib.loads(path.read_text())
    try:
        loop, head = dict(raw.pop("loop")), dict(raw.pop("head", {"epochs": 0}))
        stages = tuple(Stage(**stage) for stage in loop.pop("stages"))
        changes = AugmentConfig(**loop.pop("augment", {}))
        config = FlagshipConfig(
            **{**raw, "datasets": tuple(raw["datasets"])},
            loop=LoopConfig(stages=stages, augment=changes, **loop),
            head=HeadConfig(**head),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a training configuration: {error}.") from error
    unknown = set(config.datasets) - set(DATASETS)
    if unknown:
        raise ValueError(f"{path} names unknown datasets {sorted(unknown)}; known are {sorted(DATASETS)}.")
    return config


def load_clips(names: Sequence[str], data_root: Path, work_dir: Path) -> list[Clip]:
    """Merge datasets.

    Raises:
        training.datasets.DatasetError: A folder does not hold what the dataset's layout promises.
    """
    return [clip for name in names for clip in DATASETS[name].load(data_root / DATASETS[name].folder, work_dir)]


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


def _truth(clips: Sequence[Clip]) -> NDArray[np.int64]:
    return np.array([clip.quadrant.index for clip in clips if clip.quadrant is not None], np.int64)


def scores_by_dataset(clips: Sequence[Clip], probabilities: NDArray[np.floating]) -> dict[str, Scores]:
    """Score each dataset's clips apart."""
    scores = {}
    for dataset in dict.fromkeys(clip.dataset for clip in clips):
        rows = [i for i, clip in enumerate(clips) if clip.dataset == dataset]
        part = [clips[i] for i in rows]
        scores[dataset] = score(_truth(part), probabilities[rows], [clip.artist for clip in part])
    return scores


def run(
    config: FlagshipConfig,
    *,
    data_root: Path,
    work_dir: Path,
    run_dir: Path,
    start_from: Path | None = None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Train, calibrate and score a model; leave weights, card, split and history in `run_dir`.

    Args:
        config: The run.
        data_root: Folder of the datasets.
        work_dir: Rendered audio, images and features; shared between runs.
        run_dir: Made; must not hold a run yet.
        start_from: The `last.pt` of a run on the same split that goes on here.
        say: Receives one line of progress at a time.

    Returns:
        The facts of the card.
    """
    run_dir.mkdir(parents=True)
    mel = MelConfig()
    clips = load_clips(config.datasets, data_root, work_dir)
    split = artist_grouped_split(clips, seed=config.seed)
    ids = {name: [clips[i].id for i in getattr(split, name)] for name in ("train", "validation", "test")}
    (run_dir / "split.json").write_text(json.dumps(ids, indent=0))
    say(f"{len(clips)} clips: {len(split.train)} train, {len(split.validation)} validation, {len(split.test)} test")

    paths = [clip.audio for clip in clips]
    images = images_of(paths, config=mel, cache_dir=work_dir / "images")
    features = teacher_features(paths, [data_root / "pretrained" / name for name in TAGGERS], work_dir / "teacher.npz")
    data, teacher = _training_data(config, clips, split, images, features, say)

    torch.manual_seed(config.seed)
    network = QuadrantNetwork(NetworkConfig(image_size=mel.image_size))
    if config.imagenet:
        load_imagenet_backbone(network, None if config.imagenet == "download" else Path(config.imagenet))
    history: list[dict[str, Any]] = []
    if start_from:
        network.load_state_dict(torch.load(start_from, map_location="cpu", weights_only=True))
        history += json.loads((start_from.parent / "history.json").read_text())

    def on_epoch(report: EpochReport, average: QuadrantNetwork) -> None:
        history.append(asdict(report))
        (run_dir / "history.json").write_text(json.dumps(history, indent=1))
        torch.save(average.state_dict(), run_dir / "last.pt")
        say(
            f"epoch {report.epoch} at {report.image_size} px: loss {report.loss:.3f}, validation "
            f"{report.validation_loss:.3f} / {report.validation_accuracy:.3f}, {report.images_per_s:.1f} images/s"
        )

    best = train(network, data, config.loop, mel=mel, seed=config.seed, on_epoch=on_epoch)
    if config.head.epochs:
        before, after = _refit(best, data, config, mel.image_size)
        say(f"head: validation loss {before:.3f} before, {after:.3f} after")
    validation_logits, test_logits = (
        predict_logits(best, images[list(part), 0], mel.image_size) for part in (split.validation, split.test)
    )
    temperature = fit_temperature(_truth([clips[i] for i in split.validation]), validation_logits)
    test = [clips[i] for i in split.test]
    results = {
        "model": scores_by_dataset(test, softmax(test_logits, temperature)),
        "teacher": scores_by_dataset(test, teacher),
    }
    facts = _facts(config, clips, split, results, history)
    save(
        best, Card(config.version, mel, best.config, temperature, "", facts), run_dir / f"{config.version}.safetensors"
    )
    (run_dir / "metrics.json").write_text(json.dumps(facts, indent=1))
    return facts


def _refit(network: QuadrantNetwork, data: TrainingData, config: FlagshipConfig, size: int) -> tuple[float, float]:
    train_features, validation_features = (
        pooled_features(network, data.images[part, 0], size) for part in (data.train, data.validation)
    )
    return refit_head(
        network,
        data,
        config.loop,
        config.head,
        train_features=train_features,
        validation_features=validation_features,
        seed=config.seed,
    )


def _training_data(
    config: FlagshipConfig,
    clips: Sequence[Clip],
    split: Split,
    images: NDArray[np.float16],
    features: NDArray[np.float32],
    say: Callable[[str], None],
) -> tuple[TrainingData, NDArray[np.float64]]:
    train_rows = list(split.train)
    train_clips = [clips[i] for i in train_rows]
    lesson = make_lesson(features[train_rows], _truth(train_clips), [clip.artist for clip in train_clips])
    classifier = make_classifier().fit(features[train_rows], _truth(train_clips))
    opinions = classifier.predict_proba(features[list(split.test)])
    truth = _truth([clips[i] for i in split.test])
    say(f"teacher: accuracy {np.mean(opinions.argmax(axis=1) == truth):.3f} on the test clips")
    data = TrainingData(
        images=images,
        targets=soft_targets(clips, config.rating_spread),
        lesson_features=lesson.features,
        lesson_probabilities=lesson.probabilities,
        weights=sampling_weights(train_clips, config.cell_power),
        train=np.array(split.train),
        validation=np.array(split.validation),
    )
    return data, opinions


def _facts(
    config: FlagshipConfig,
    clips: Sequence[Clip],
    split: Split,
    results: dict[str, dict[str, Scores]],
    history: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "datasets": {
            name: {"clips": sum(clip.dataset == name for clip in clips), "licence": DATASETS[name].licence}
            for name in config.datasets
        },
        "split": {
            "protocol": "artist-grouped, 10 folds stratified by source and quadrant: 2 test, 1 validation; "
            "EMOPIA: published val is the test",
            "sizes": {name: len(getattr(split, name)) for name in ("train", "validation", "test")},
            "sha256": split.fingerprint(clips),
        },
        "test": {who: {name: s.to_json() for name, s in by.items()} for who, by in results.items()},
        "history": history,
        "config": asdict(config),
        "commit": _commit(),
    }


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def evaluate(
    weights: Path, *, data_root: Path, work_dir: Path, engine: str, device: str, say: Callable[[str], None]
) -> dict[str, Scores]:
    """Score a checkpoint on its own held-out clips, from audio files through the serving code.

    Args:
        weights: A checkpoint of `run`; its card says which clips it never saw.
        data_root: Folder of the datasets.
        work_dir: Where rendered audio is kept.
        engine: As in `emotion.engines.make_engine`.
        device: As in `emotion.engines.make_engine`.
        say: Receives warnings.

    Raises:
        ValueError: The datasets here do not give the split that the card describes.
    """
    predictor = Predictor.load(weights, engine=engine, device=device)
    facts = predictor.card.facts
    clips = load_clips(facts["config"]["datasets"], data_root, work_dir)
    split = artist_grouped_split(clips, seed=facts["config"]["seed"])
    if split.fingerprint(clips) != facts["split"]["sha256"]:
        raise ValueError("The datasets here differ from those of the card: its test clips cannot be told apart.")
    test, probabilities = [], []
    clips_and_results = zip(split.test, predictor.predict([clips[i].audio for i in split.test]), strict=True)
    for i, result in tqdm(clips_and_results, total=len(split.test), desc="test clips", mininterval=5):
        if isinstance(result, AudioUnreadableError):
            say(f"{clips[i].id}: {result}")
            continue
        test.append(clips[i])
        probabilities.append(result.probabilities)
    return scores_by_dataset(test, np.stack(probabilities))
