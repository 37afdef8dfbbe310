"""From a trained EfficientNetB3 and two public taggers to a fitted, calibrated, scored hybrid."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from emotion.inference import checkpoint
from emotion.inference.estimate import Reading
from emotion.inference.predict import device_of
from emotion.zoo.efficientnet_b3 import EfficientNetB3
from emotion.zoo.frontends import ImageAndTaggerMel, MelConfig
from emotion.zoo.hybrid_b3 import HybridB3, HybridConfig
from emotion.zoo.kernel_head import KernelConfig, KernelData
from emotion.zoo.registry import create_model
from training.data import splits
from training.data.duplicates import duplicate_groups
from training.data.splits import PARTS, Folds
from training.datasets import DATASETS
from training.evaluation.held_out import HeldOut, chosen
from training.evaluation.metrics import fit_reading
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import scores_by_protocol
from training.exceptions import TrainingError
from training.fit.run_folder import PREDICTIONS, RunFolder, held, new_run_path
from training.recipes.distilled_b3 import cards
from training.recipes.distilled_b3.features import ClipFeatures, load_clips, quadrant_targets, sampling_weights
from training.recipes.distilled_b3.recipe import with_local_labels
from training.recipes.distilled_b3.teacher import TAGGERS
from training.recipes.hybrid_b3.features import clip_features
from training.recipes.hybrid_b3.retraining import PublicFeatures, components_digest
from training.recipes.registry import TrainJob

METHOD = """\
Its backbones are frozen: the EfficientNetB3 of `b3-fast`, which was pre-trained without labels on the audio of its
training clips, and two public taggers (MSD and Jamendo; Won et al. 2020, Apache-2.0). A kernel head on their features
(256 principal components, 512 landmarks, Nyström) is fitted to the quadrants by logistic regression and to the ratings
by ridge regression (`emotion/zoo/kernel_head.py`). An axis's score is the log odds of its sides plus half of
the regression, each scaled to a standard deviation of 1; tag, point and probabilities follow from the two scores."""
_READING_FOLDS = 4


@dataclass(frozen=True, slots=True)
class HybridRunConfig:
    """A run of this recipe."""

    version: str
    trunk: str  # A checkpoint: its name in `emotion/weights`, or a path.
    datasets: tuple[str, ...]
    seed: int  # Of the folds and of the landmarks.
    architecture: str = "hybrid_b3"
    kernel: KernelConfig = field(default_factory=KernelConfig)
    # Standard deviation of a rated valence or arousal, for the soft quadrants of rated sets.
    rating_spread: float = 0.3
    # Weight of a (source, quadrant) cell is its size to this power: 1 is natural, 0 equal cells.
    cell_power: float = 0.5
    folds: int = 5


def config_of(text: str) -> HybridRunConfig:
    """Return a configuration from a TOML file's text.

    Raises:
        ValueError: A key is missing, unknown or names no dataset.
    """
    try:
        raw = {key: value for key, value in tomllib.loads(text).items() if key != "recipe"}
        kernel = KernelConfig(**raw.pop("kernel", {}))
        config = HybridRunConfig(**{**raw, "datasets": tuple(raw["datasets"]), "kernel": kernel})
    except (KeyError, TypeError) as error:
        raise ValueError(f"The file is not a configuration of the recipe hybrid_b3: {error}.") from error
    if unknown := set(config.datasets) - set(DATASETS):
        raise ValueError(f"The file names unknown datasets {sorted(unknown)}; known are {sorted(DATASETS)}.")
    return config


def train(job: TrainJob) -> Path:
    """Train as `manage.py train` asks, and return the run folder.

    Features are cached; a killed run fits its heads again.
    """
    if job.dry_run:
        raise TrainingError("--dry-run is for the recipe paper; the head of hybrid_b3.toml says what it takes.")
    config, started = config_of(job.text), time.monotonic()
    device_of(job.device)
    run_dir = job.run_dir or new_run_path(config.version)
    with held(run_dir):
        _run(job, config, run_dir, started)
    return run_dir


def _run(job: TrainJob, config: HybridRunConfig, run_dir: Path, started: float) -> None:
    facts = {"version": config.version, "seed": config.seed, "recipe": "hybrid_b3"}
    folder = RunFolder.open(run_dir) if job.resumes else RunFolder.create(run_dir, job.text, facts)
    weights = trunk_weights(config.trunk)
    network, frontend = hybrid_of(weights, [job.data_root / "pretrained" / name for name in TAGGERS])
    features = gather(network, frontend, weights, config, job=job)
    dealt = deal(features, weights, config)
    folder.write_folds(dealt)
    judged = []
    for folds in reversed(dealt):
        # The held-out fold comes last: its kernel head stays in the network.
        for number in range(len(folds.folds)):
            reading = fit(network, features, folds, number, config)
            judged.append(judge(network, features, folds, number, reading))
            job.log(f"{folds.protocol} fold {number + 1}: accuracy {judged[-1].is_correct.mean():.3f}")
    predictions = Predictions.concatenate(judged[::-1])
    predictions.save(folder.path / PREDICTIONS)
    fast = judge(network.image, features, dealt[0], 0, checkpoint.read_card(weights).reading)
    facts = cards.facts_of(asdict(config), features, dealt, {"model": predictions, "fast": fast}, method=METHOD)
    folder.write_metrics({"model": scores_by_protocol(predictions)})
    folder.add_facts(**{key: facts[key] for key in ("datasets", "split", "folds")})
    facts["commit"] = folder.facts()["commit"]
    card = checkpoint.Card(config.version, frontend, network.config, facts=facts, reading=reading)
    checkpoint.save(network, card, folder.path / f"{config.version}.safetensors")
    public_features(network, features, dealt[0], config).save(folder.path / "features.npz")
    tests = dealt[0].rows(features.clips)[0].test
    HeldOut.of_clips(chosen([features.clips[i] for i in tests]), frontend).save(folder.path / "held-out.npz")
    folder.finish(time.monotonic() - started)


def public_features(
    network: HybridB3, features: ClipFeatures, held_out: Folds, config: HybridRunConfig
) -> PublicFeatures:
    """Return what a retraining needs of the clips of the held-out split."""
    fold = held_out.rows(features.clips)[0]
    rows = np.concatenate([*fold])
    learned = np.concatenate([fold.train, fold.validation])
    weights = np.zeros(len(features.clips), np.float32)
    weights[learned] = sampling_weights([features.clips[i] for i in learned], config.cell_power) * len(learned)
    clips, parts = [features.clips[i] for i in rows], zip(PARTS, fold, strict=True)
    with torch.inference_mode():
        inputs = torch.from_numpy(features.teacher[rows])
        reduced, embedding = network.kernel.reduced(inputs), network.judge(inputs)[1]
    return PublicFeatures(
        clip=np.array([clip.id for clip in clips]),
        dataset=np.array([clip.dataset for clip in clips]),
        song=np.array([clip.song_id for clip in clips]),
        artist=np.array([clip.artist for clip in clips]),
        part=np.concatenate([np.full(len(chosen), part) for part, chosen in parts]),
        quadrant=features.truth[rows],
        targets=features.targets[rows],
        points=features.points[rows],
        weights=weights[rows],
        reduced=reduced.numpy().astype(np.float16),
        embedding=embedding.numpy().astype(np.float16),
        components_sha256=np.array(components_digest(network)),
    )


def trunk_weights(name: str) -> Path:
    """Return the checkpoint that a configuration names.

    Raises:
        ValueError: There is none.
    """
    for path in (Path(name), checkpoint.SHIPPED_DIR / f"{name}.safetensors"):
        if path.is_file():
            return path
    raise ValueError(f"There is no checkpoint {name}, neither as a path nor in {checkpoint.SHIPPED_DIR}.")


def hybrid_of(trunk: Path, taggers: Sequence[Path]) -> tuple[HybridB3, ImageAndTaggerMel]:
    """Return a hybrid whose EfficientNetB3 is a checkpoint's and whose taggers are public ones, and its front end."""
    image, card = checkpoint.load(trunk)
    if not (isinstance(image, EfficientNetB3) and isinstance(card.frontend, MelConfig)):
        raise TrainingError(f"{trunk} is a {card.architecture}; a hybrid is built on an EfficientNetB3.")
    frontend = ImageAndTaggerMel(card.frontend)
    options = HybridConfig(image.config.backbone, image.config.image_shape, frontend.tagger_shape[1])
    network = create_model("hybrid_b3", options)
    assert isinstance(network, HybridB3)
    network.image.load_state_dict(image.state_dict())
    network.taggers.load(taggers)
    # As they will be saved, so that features are those of the checkpoint.
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())
    return network.eval(), frontend


def gather(
    network: HybridB3, frontend: ImageAndTaggerMel, weights: Path, config: HybridRunConfig, *, job: TrainJob
) -> ClipFeatures:
    """Read the labelled clips with the network's features of each; after a log line, unreadable ones are left out."""
    clips = [clip for clip in load_clips(config.datasets, job.data_root, job.work_dir) if clip.quadrant is not None]
    cache = job.work_dir / "hybrid-features" / checkpoint.read_card(weights).weights_sha256[:12]
    audio, device = [clip.audio for clip in clips], device_of(job.device)
    found = clip_features(network, frontend, audio, cache, log=job.log, device=device)
    used = [(clip, row) for clip, row in zip(clips, found, strict=True) if row is not None]
    clips = [clip for clip, _ in used]
    return ClipFeatures(
        clips,
        spectra=[],
        timbres=[],
        teacher=np.stack([row for _, row in used]),
        targets=quadrant_targets(clips, config.rating_spread),
        truth=np.array([clip.quadrant.index for clip in clips if clip.quadrant is not None], np.int64),
        points=np.array([(clip.valence, clip.arousal) for clip in clips], np.float32),
        duplicates=duplicate_groups([clip.audio for clip in clips], cache_dir=job.work_dir / "landmarks"),
    )


def deal(features: ClipFeatures, trunk: Path, config: HybridRunConfig) -> list[Folds]:
    """Return the folds of every protocol, the held-out one first.

    That is the trunk's, whose training must not have seen the tests, less training clips that are linked with a test.
    """
    options: dict[str, Any] = {"seed": config.seed, "duplicates": features.duplicates}
    saved = cards.saved_folds(trunk, checkpoint.read_card(trunk).facts)
    [before] = (saved or splits.artist_grouped_split(features.clips, **options)).folds
    held_out = with_local_labels(before, features.clips, features.groups, local=set(), seed=config.seed)
    dealt = [held_out, splits.artist_grouped_folds(features.clips, n_folds=config.folds, **options)]
    if len(set(features.sources)) > 1:
        dealt.append(splits.leave_one_source_out(features.clips, **options))
    return dealt


def fit(network: HybridB3, features: ClipFeatures, folds: Folds, number: int, config: HybridRunConfig) -> Reading:
    """Fit the kernel head, in place, to all clips of a fold but its tests, and return the reading.

    Nothing stops early, so validation clips train as well; the reading is fitted to what heads that were fitted to
    three quarters of these clips say of the fourth.
    """
    fold = folds.rows(features.clips)[number]
    rows = np.concatenate([fold.train, fold.validation])

    def fitted(chosen: NDArray[np.int64]) -> None:
        weights = sampling_weights([features.clips[i] for i in chosen], config.cell_power) * len(chosen)
        data = KernelData(features.teacher[chosen], features.targets[chosen], features.points[chosen], weights)
        network.kernel.fit(data, network.block_sizes, config.kernel, seed=config.seed)

    logits, points = np.zeros((len(rows), 4), np.float32), np.zeros((len(rows), 2), np.float32)
    for learned, others in GroupKFold(_READING_FOLDS).split(rows, groups=features.groups[rows]):
        fitted(rows[learned])
        logits[others], _, points[others] = outputs(network, features, rows[others])
    fitted(rows)
    return fit_reading(features.truth[rows], logits, points)


@torch.inference_mode()
def outputs(
    network: HybridB3 | EfficientNetB3, features: ClipFeatures, rows: NDArray[np.int64]
) -> list[NDArray[np.float32]]:
    """Return logits, embeddings and points of clips; a network without taggers takes its part of the features."""
    inputs = torch.from_numpy(features.teacher[rows])
    if isinstance(network, EfficientNetB3):
        inputs = inputs[:, : network.feature_size]
    return [output.numpy() for output in network.judge(inputs)]


def judge(
    network: HybridB3 | EfficientNetB3, features: ClipFeatures, folds: Folds, number: int, reading: Reading
) -> Predictions:
    """Return the predictions of a fold's test clips."""
    rows = folds.rows(features.clips)[number].test
    logits, embeddings, points = outputs(network, features, rows)
    return Predictions.of_clips(
        [features.clips[i] for i in rows],
        protocol=folds.protocol,
        fold=number,
        logits=logits,
        estimates=reading.estimates(logits, points),
        embeddings=embeddings,
    )
