"""The paper's protocol from dataset folders to a whole run folder."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from catalog.core.files import write_atomic
from emotion.inference.checkpoint import load as load_checkpoint
from emotion.inference.checkpoint import read_card, shipped_weights, write_card
from emotion.signal.audio import read_window_at
from emotion.zoo.registry import HeadedNetwork, create_model
from training.data.cache import PLACES, images_of, to_device
from training.data.selection import ShortClips
from training.data.splits import PARTS, Protocol
from training.evaluation.metrics import score_by_dataset
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import fold_scores, scores_by_protocol
from training.evaluation.report.tables import Table, figure
from training.fit import loop
from training.fit.cross_validation import FoldResult, Study, cross_validate, gap
from training.fit.loop import FitTask, ImageSet
from training.fit.run_folder import PREDICTIONS, RunFolder, new_run_path
from training.fit.runtime import Processes, together
from training.recipes.paper.config import PaperConfig, PaperError, Plan, config_from, plan
from training.recipes.registry import Log, TrainJob

# Where windows lie when random crops are asked for: the centre first, which is the one evaluated.
CROP_PLACES = (0.5, 0.0, 0.25, 0.75, 1.0)


def train(job: TrainJob) -> Path | None:
    """Train or resume; return the run folder, None after a dry run and in every process but the first."""
    config = config_from(tomllib.loads(job.text))
    with together(job.device) as processes:
        log = job.log if processes.is_first else _ignore
        if job.dry_run:
            planned = plan(config, data_root=job.data_root, work_dir=job.work_dir, log=log)
            for line in estimate(config, planned, processes):
                log(line)
            return None
        path: Path = processes.share(job.run_dir or new_run_path(config.version))
        if processes.is_first and not job.resumes:
            RunFolder.create(path, job.text, {"version": config.version, "seed": config.seed, "recipe": "paper"})
        processes.wait()
        folder = RunFolder.open(path)
        if folder.is_finished:
            log(f"{path} is finished: there is nothing to go on with.")
            return None
        if processes.is_first and job.resumes:
            folder.resumed()
        run(config, data_root=job.data_root, work_dir=job.work_dir, folder=folder, processes=processes, log=log)
        return path if processes.is_first else None


def _ignore(line: str) -> None:
    """Only the first of several processes logs."""


def run(
    config: PaperConfig, *, data_root: Path, work_dir: Path, folder: RunFolder, processes: Processes, log: Log
) -> dict[str, Any]:
    """Train and score every fold of every protocol, or resume a killed run; leave a complete run folder.

    Return the content of metrics.json; nothing in every process but the first.
    """
    if not processes.is_first:
        # The first process renders and fills the caches; the others then find them full.
        processes.wait()
    planned = plan(config, data_root=data_root, work_dir=work_dir, log=log)
    study = _study(config, planned, work_dir, processes.device)
    if processes.is_first:
        folder.write_folds(planned.folds)
        facts = {
            "datasets": {name: source for name, source in planned.sources.items() if source["clips"]},
            "left_out": {name: source for name, source in planned.sources.items() if not source["clips"]},
            "data_fingerprint": study.identity["data"],
            "split": {"protocol": planned.folds[0].protocol, "sha256": planned.folds[0].sha256},
            "folds": {folds.protocol: folds.sha256 for folds in planned.folds},
            "init": study.identity["first weights"],
        }
        folder.write_facts({**folder.facts(), **facts})
        processes.wait()
    results = {each.protocol: cross_validate(study, each, folder, processes, log) for each in planned.folds}
    return _conclude(config, planned, folder, results) if processes.is_first else {}


def _study(config: PaperConfig, planned: Plan, work_dir: Path, device: torch.device) -> Study:
    clips = planned.clips
    images = images_of(
        [clip.audio for clip in clips],
        config=config.mel,
        cache_dir=work_dir / "images",
        places=CROP_PLACES if config.training.augment.crop else PLACES[:1],
        padded=config.short_clips == ShortClips.PAD,
    )
    peaks = np.array([images[i, 0].max() for i in range(len(images))], np.float32)
    state = initial_backbone(config)
    stored = images if device.type == "cpu" else to_device(images, device)
    targets = np.eye(4, dtype=np.float32)[[clip.quadrant.index for clip in clips if clip.quadrant is not None]]
    rated = [(clip.valence, clip.arousal) for clip in clips]
    points = np.array([[np.nan if value is None else value for value in point] for point in rated], np.float32)
    tested = {clip for folds in planned.folds for fold in folds.folds for clip in fold.test}
    return Study(
        version=config.version,
        clips=clips,
        data=ImageSet(stored, targets, points=points),
        peaks=peaks if config.reference == "dataset" else None,
        loudness_db=np.array([_level_db(clip.audio) if clip.id in tested else np.nan for clip in clips], np.float32),
        make_network=lambda seed: make_network(config, state, seed),
        config=config.training,
        mel=config.mel,
        seed=config.seed,
        identity={
            "architecture": asdict(config.network),
            "first weights": config.init,
            "dB reference": config.reference,
            "data": planned.fingerprint,
        },
    )


def _level_db(path: Path) -> float:
    rms = np.sqrt(np.mean(np.square(read_window_at(path, 0.5).waveform, dtype=np.float64)))
    return float(20 * np.log10(max(rms, 1e-6)))


def initial_backbone(config: PaperConfig) -> dict[str, Tensor] | None:
    """Return the weights that every fold's backbone starts from, or None for a random start."""
    network = _new_network(config)
    try:
        if config.init == "scratch":
            return None
        if config.init == "shipped":
            shipped, card = load_checkpoint(shipped_weights())
            assert isinstance(shipped, HeadedNetwork)
            if card.network.backbone != network.config.backbone:
                raise PaperError(f"The shipped model has the backbone {card.network.backbone}, not {config.backbone}.")
            return shipped.backbone.state_dict()
        network.load_imagenet(None if config.init == "imagenet" else Path(config.init))
    except OSError as error:
        raise PaperError(
            f"ImageNet weights could not be had from {config.init}: {error}. Give the path of a state dict of "
            "efficientnet_pytorch as init, or shipped, or scratch."
        ) from error
    except (RuntimeError, KeyError, AttributeError) as error:
        raise PaperError(f"{config.init} does not hold the weights of {config.backbone}: {error}") from error
    return network.backbone.state_dict()


def _new_network(config: PaperConfig) -> HeadedNetwork:
    network = create_model(config.architecture, config.network)
    if not isinstance(network, HeadedNetwork):
        raise PaperError(f"{config.architecture} has no backbone under a head, which the paper's protocol trains.")
    return network


def make_network(config: PaperConfig, backbone: dict[str, Tensor] | None, seed: int) -> HeadedNetwork:
    """Return a network at the start of training; its head is always random."""
    torch.manual_seed(seed)
    network = _new_network(config)
    if backbone is not None:
        network.backbone.load_state_dict(backbone)
    return network


def _conclude(
    config: PaperConfig, planned: Plan, folder: RunFolder, results: dict[Protocol, list[FoldResult]]
) -> dict[str, Any]:
    """Score the run, and copy the first protocol's best fold to where a run's weights are looked for."""
    predictions = Predictions.concatenate([fold.predictions for folds in results.values() for fold in folds])
    predictions.save(folder.path / PREDICTIONS)
    left_out = {name: source["left_out"] for name, source in planned.sources.items() if "left_out" in source}
    limits = [f"{name} is left out: {reason}" for name, reason in left_out.items()]
    if config.init == "shipped":
        limits.append(
            "The shipped backbone has heard, and perhaps learned the labels of, clips that are tested here: these are "
            "no scores on unseen music."
        )
    metrics: dict[str, Any] = {
        "protocols": scores_by_protocol(predictions),
        "tables": [fold_table(name, folds).to_json() for name, folds in results.items()],
        "limits": limits,
    }
    if len(results) == 2:
        leaky, grouped = (
            predictions.where(predictions.protocol == name) for name in (Protocol.PAPER, Protocol.ARTIST_GROUPED)
        )
        metrics["gap"] = gap(leaky, grouped)
        metrics["tables"].append(gap_table(metrics["gap"]).to_json())
    folder.write_metrics(metrics)
    best = min(next(iter(results.values())), key=lambda fold: fold.validation_loss)
    weights, facts = folder.path / f"{config.version}.safetensors", folder.facts()
    write_atomic(weights, best.weights.read_bytes())
    card = read_card(best.weights)
    scores = {name: each.to_json() for name, each in score_by_dataset(best.predictions).items()}
    card.facts.update(
        {name: facts[name] for name in ("datasets", "split", "folds", "commit", "init")},
        test={"model": scores},
        tables=metrics["tables"],
        limits=limits,
        config=asdict(config),
    )
    write_card(card, weights)
    folder.finish()
    return metrics


def fold_table(protocol: str, folds: Sequence[FoldResult]) -> Table:
    """Return the paper's Table 3 of one protocol."""
    found = fold_scores(Predictions.concatenate([fold.predictions for fold in folds]))
    losses = [fold.validation_loss for fold in folds]
    rows = [(str(number + 1), *found[number], loss) for number, loss in enumerate(losses)]
    mean = tuple(float(value) for value in np.mean([row[1:] for row in rows], axis=0))
    note = f"{len(folds[0].predictions)} test clips, the same for every fold's network."
    columns = ("fold", "accuracy", "macro-F1", "validation loss")
    return Table(f"Folds: {protocol.replace('_', ' ')}", note, columns, (*rows, ("mean", *mean)))


def gap_table(found: dict[str, Any]) -> Table:
    """Return what it is worth to have heard a test clip's artist in training."""
    rows = tuple((name.replace("_", "-"), figure(each["difference"], each["interval"])) for name, each in found.items())
    note = "The paper's protocol less the same one with no artist on two sides; their test clips differ."
    return Table("What knowing the artist is worth", note, ("score", "difference (95 %)"), rows)


def estimate(config: PaperConfig, planned: Plan, processes: Processes) -> list[str]:
    """Return, in sentences, what a run would train, write and take, measured by a few steps on this device."""
    network = _new_network(config)
    weights = sum(parameter.numel() for parameter in network.parameters())
    n_networks = sum(len(folds.folds) for folds in planned.folds)
    n_train = max(len(fold.train) for folds in planned.folds for fold in folds.folds)
    images_per_s = _measured_images_per_s(network, config, processes)
    hours = n_networks * n_train * config.training.epochs / images_per_s / 3600
    pixels = int(np.prod(config.mel.image_shape)) * (len(CROP_PLACES) if config.training.augment.crop else 1)
    lines = [
        f"{name}: {source['clips']} clips, {source['quadrants']}"
        for name, source in planned.sources.items()
        if source["clips"]
    ]
    for folds in planned.folds:
        train, validation, test = (len(getattr(folds.folds[0], part)) for part in PARTS)
        sizes = f"{train} train, {validation} validation, {test} test"
        lines.append(f"{folds.protocol}: {sizes}, {len(folds.folds)} folds")
    return [
        *lines,
        f"{config.backbone}: {weights / 1e6:.1f} M weights; a checkpoint takes {4 * 4 * weights / 1e6:.0f} MB",
        f"images: {len(planned.clips) * pixels * 2 / 1e6:.0f} MB on disk"
        + " and on the GPU" * (processes.device.type != "cpu"),
        f"{images_per_s:.1f} images/s on {processes.device}: at most {hours:.1f} h for {n_networks} networks of "
        f"{config.training.epochs} epochs; early stopping makes it less",
    ]


def _measured_images_per_s(network: HeadedNetwork, config: PaperConfig, processes: Processes) -> float:
    on_gpu = processes.device.type != "cpu"
    # A whole batch on a CPU takes minutes; the time of an image hardly depends on the batch there.
    batch = config.training.batch_size if on_gpu else min(8, config.training.batch_size)
    n = batch * (10 if on_gpu else 1)
    images = np.random.default_rng(0).random((n, 1, *config.mel.image_shape), np.float32).astype(np.float16)
    data = ImageSet(images, np.eye(4, dtype=np.float32)[np.arange(n) % 4])
    short = replace(config.training, epochs=2, batch_size=batch, patience=0, checkpoint_steps=0)
    rows = np.arange(n)
    outcome = loop.train(network, FitTask(data, rows, rows[:1], short, config.mel, config.seed, processes))
    # The first epoch also warms the device up.
    return float(outcome.epochs[1]["images_per_s"])
