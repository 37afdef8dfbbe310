"""The paper's protocol from dataset folders to a whole run folder."""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from catalog.core.files import digest, write_atomic
from emotion.inference.checkpoint import SHIPPED_DIR, read_card, write_card
from emotion.inference.checkpoint import load as load_checkpoint
from emotion.inference.quadrants import Quadrant
from emotion.signal.audio import WINDOW_S, read_window_at
from emotion.zoo.frontends import MelConfig
from emotion.zoo.registry import HeadedNetwork, architecture, create_model, load_imagenet
from training.data.augment import AugmentConfig
from training.data.cache import PLACES, images_of, to_device
from training.data.duplicates import duplicate_groups
from training.data.splits import PARTS, Folds, Protocol, paper_folds
from training.datasets import DATASETS, Clip, DatasetError
from training.datasets.base import duration_s
from training.evaluation.metrics import score_by_dataset
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import fold_scores, scores_by_protocol
from training.evaluation.report.tables import Table, figure
from training.exceptions import TrainingError
from training.fit import loop
from training.fit.cross_validation import FoldResult, Study, cross_validate, gap
from training.fit.loop import ClipSet, FitConfig, FitTask, Processes, Start, together
from training.fit.run_folder import PREDICTIONS, RunFolder, held, new_run_path
from training.recipes.registry import Log, TrainJob

# Windows of random crops: the centre first, which is evaluated.
CROP_PLACES = (0.5, 0.0, 0.25, 0.75, 1.0)
# Taken whole in the paper: one is balanced as published, the other is too small to lose clips.
KEPT_WHOLE = ("4qaed", "bimodal")
_Config = TypeVar("_Config", "PaperConfig", MelConfig, FitConfig, AugmentConfig)


class PaperError(TrainingError):
    """An invalid configuration, or sources that leave nothing to train on."""

    code = "paper_run"


class SelectionError(TrainingError):
    """A rule that would leave nothing of a dataset, or asks for more than it has."""

    code = "selection_impossible"


class ShortClips(StrEnum):
    """Treatment of a clip shorter than the window: dropped, repeated, or padded with silence."""

    DROP = "drop"
    REPEAT = "repeat"
    PAD = "pad"


@dataclass(frozen=True, slots=True)
class PaperConfig:
    """A run of the paper's protocol, as read from a TOML file."""

    version: str
    datasets: tuple[str, ...]  # The sources; those that are not available are left out and named.
    seed: int  # Of split, initial weights, order, dropout and augmentation.
    mel: MelConfig = field(default_factory=MelConfig)
    architecture: str = "efficientnet_b3"  # Of the zoo; it takes the options below, as the EfficientNets do.
    backbone: str = "efficientnet-b3"  # A name that efficientnet_pytorch knows.
    flatten: bool = False  # The paper's literal Flatten, in place of global average pooling.
    # "imagenet" downloads, "shipped" takes the backbone of b3-fast, "scratch" starts at random; else the path of a
    # state dict of efficientnet_pytorch.
    init: str = "imagenet"
    short_clips: str = "drop"  # The paper drops clips under 24 s; "repeat" and "pad" keep them.
    corner_cap: float = 1.0  # A quadrant has at most this many times the clips of its dataset's smallest one.
    # Clips of a dataset in place of that rule; the paper's are 232 of pmemo and 346 of emomusic.
    totals: dict[str, int] = field(default_factory=dict)
    # Of decibels: "dataset" is the loudest training clip of each, as in the paper; "global" one stored number.
    reference: str = "dataset"
    test_share: float = 0.1  # Held out.
    folds: int = 5  # Of the rest.
    protocols: tuple[str, ...] = (Protocol.PAPER, Protocol.ARTIST_GROUPED)  # "paper", "artist_grouped" or both.
    find_duplicates: bool = True  # Keep near-duplicates on one side in the artist-grouped folds.
    training: FitConfig = field(default_factory=FitConfig)

    @property
    def network(self) -> Any:
        rows, columns = self.mel.network_shape
        size = rows if rows == columns else (rows, columns)
        regresses = self.training.regression_weight > 0
        return architecture(self.architecture).config(self.backbone, self.flatten, size, regresses=regresses)


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
    if config.init not in ("imagenet", "shipped", "scratch") and not Path(config.init).is_file():
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
    """The selected clips of all sources, the outcome for each requested dataset, and the folds of each protocol."""

    clips: list[Clip]
    sources: dict[str, dict[str, Any]]
    folds: list[Folds]

    @property
    def fingerprint(self) -> str:
        """Hash of every clip's id, label and audio."""
        lines = [
            f"{clip.id}\t{clip.quadrant}\t{clip.valence}\t{clip.arousal}\t{digest(clip.audio)}\n" for clip in self.clips
        ]
        return digest("".join(lines).encode())


def plan(config: PaperConfig, *, data_root: Path, work_dir: Path, log: Log) -> Plan:
    """Select clips and deal them into folds; log why a source is left out."""
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
    # Each part of each fold needs a clip of every class.
    smallest, least = min(facts["quadrants"].values()), max(config.folds + 1, round(1 / config.test_share))
    if smallest < least:
        sentence = f"its smallest class has {smallest} clips; {least} are needed for the test and folds."
        return {**facts, "left_out": sentence}, []
    return {**facts, "clips": len(chosen)}, chosen


def long_enough(clips: Sequence[Clip], *, short: ShortClips = ShortClips.DROP, min_s: float = WINDOW_S) -> list[Clip]:
    """Apply the paper's 24 s rule (section 4.1), unless `images_of` repeats or pads short clips."""
    if short is not ShortClips.DROP:
        return list(clips)
    long = []
    for clip in clips:
        whole_s = duration_s(clip.audio)
        if (whole_s if clip.end_s is None else min(clip.end_s, whole_s)) - clip.start_s >= min_s:
            long.append(clip)
    datasets = {clip.dataset for clip in long}
    for dataset in dict.fromkeys(clip.dataset for clip in clips):
        if dataset not in datasets:
            raise SelectionError(
                f"Every clip of {dataset} is shorter than {min_s:g} s. Keep short clips (repeat or pad), or leave "
                f"{dataset} out."
            )
    return long


def extreme_corners(
    clips: Sequence[Clip],
    *,
    cap: float = 1.0,
    totals: Mapping[str, int] | None = None,
    whole: Collection[str] = KEPT_WHOLE,
) -> list[Clip]:
    """Balance each dataset over the quadrants, in favour of the clips deepest in the corners.

    Within a quadrant clips are ranked by min(|v|, |a|), then by v^2 + a^2. It contributes at most `cap` times the clips
    of the dataset's smallest quadrant or, as evenly as possible, its number in `totals`. A dataset without valence and
    arousal stays whole, like those in `whole`; in others, clips without them are left out.

    Source: Cazzaniga et al., section 4.2 and Figure 2, which do not say how many clips they take from a quadrant.
    """
    if cap < 1.0:
        raise SelectionError(f"A cap of {cap:g} would keep less than the smallest quadrant has; give 1 or more.")
    chosen: set[str] = set()
    by_dataset = sorted(clips, key=lambda clip: clip.dataset)
    for dataset, members in groupby(by_dataset, key=lambda clip: clip.dataset):
        group = list(members)
        corners = _corners(group)
        if dataset in whole or not any(corners.values()):
            chosen |= {clip.id for clip in group}
            continue
        counts = _counts(dataset, corners, cap, (totals or {}).get(dataset))
        chosen |= {clip.id for quadrant, n in counts.items() for clip in corners[quadrant][:n]}
    return [clip for clip in clips if clip.id in chosen]


def _corners(clips: Sequence[Clip]) -> dict[Quadrant, list[Clip]]:
    ranked: list[tuple[float, float, str, Clip]] = []
    for clip in clips:
        if clip.quadrant is not None and clip.valence is not None and clip.arousal is not None:
            depth = min(abs(clip.valence), abs(clip.arousal))
            ranked.append((-depth, -(clip.valence**2 + clip.arousal**2), clip.id, clip))
    ranked.sort(key=lambda row: row[:3])
    return {quadrant: [clip for *_, clip in ranked if clip.quadrant is quadrant] for quadrant in Quadrant}


def _counts(
    dataset: str, corners: Mapping[Quadrant, Sequence[Clip]], cap: float, total: int | None
) -> dict[Quadrant, int]:
    sizes = {quadrant: len(clips) for quadrant, clips in corners.items()}
    if total is not None:
        if not 0 < total <= sum(sizes.values()):
            raise SelectionError(
                f"{dataset} has {sum(sizes.values())} rated clips; a total of {total} cannot be taken."
            )
        counts = dict.fromkeys(sizes, 0)
        for _ in range(total):
            counts[min((q for q in sizes if counts[q] < sizes[q]), key=lambda q: (counts[q], q))] += 1
        return counts
    for quadrant, size in sizes.items():
        if size == 0:
            raise SelectionError(
                f"{dataset} has no clip in {quadrant.name} ({quadrant.label}), so an equal number from each quadrant "
                f"would be none. Leave {dataset} out, keep it whole, or give it a total."
            )
    most = math.floor(cap * min(sizes.values()))
    return {quadrant: min(size, most) for quadrant, size in sizes.items()}


def train(job: TrainJob) -> Path | None:
    """Train or resume; return the run folder, None after a dry run and in every process but the first."""
    config = config_from(tomllib.loads(job.text))
    with together(job.device) as processes, ExitStack() as stack:
        log = job.log if processes.is_first else lambda _: None
        if job.dry_run:
            planned = plan(config, data_root=job.data_root, work_dir=job.work_dir, log=log)
            for line in estimate(config, planned, processes):
                log(line)
            return None
        path: Path = processes.share(job.run_dir or new_run_path(config.version))
        if processes.is_first:
            stack.enter_context(held(path))
        if processes.is_first and not job.resumes:
            RunFolder.create(path, job.text, {"version": config.version, "seed": config.seed, "recipe": "paper"})
        processes.wait()
        folder = RunFolder.open(path)
        if folder.is_finished:
            log(f"{path} is finished: there is nothing to resume.")
            return None
        if processes.is_first and job.resumes:
            folder.resumed()
        run(config, data_root=job.data_root, work_dir=job.work_dir, folder=folder, processes=processes, log=log)
        return path if processes.is_first else None


def run(
    config: PaperConfig, *, data_root: Path, work_dir: Path, folder: RunFolder, processes: Processes, log: Log
) -> None:
    """Train and score every fold of every protocol, or resume a killed run; leave a complete run folder."""
    if not processes.is_first:
        # The first process renders and fills the caches.
        processes.wait()
    planned = plan(config, data_root=data_root, work_dir=work_dir, log=log)
    study = _study(config, planned, work_dir, processes.device)
    if processes.is_first:
        folder.write_folds(planned.folds)
        folder.add_facts(
            datasets={name: source for name, source in planned.sources.items() if source["clips"]},
            left_out={name: source for name, source in planned.sources.items() if not source["clips"]},
            data_fingerprint=study.identity["data"],
            split={"protocol": planned.folds[0].protocol, "sha256": planned.folds[0].sha256},
            folds={folds.protocol: folds.sha256 for folds in planned.folds},
            init=study.identity["first weights"],
        )
        processes.wait()
    results = {each.protocol: cross_validate(study, each, folder, processes, log) for each in planned.folds}
    if processes.is_first:
        _conclude(config, planned, folder, results)


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
        data=ClipSet(stored, targets, points=points),
        peaks=peaks if config.reference == "dataset" else None,
        loudness_db=np.array([_level_db(clip.audio) if clip.id in tested else np.nan for clip in clips], np.float32),
        begin=lambda seed, _: Start(make_network(config, state, seed)),
        config=config.training,
        front_end=config.mel,
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
    if config.init == "scratch":
        return None
    if config.init == "shipped":
        shipped, card = load_checkpoint(SHIPPED_DIR / "b3-fast.safetensors")
        assert isinstance(shipped, HeadedNetwork)
        if card.network.backbone != network.config.backbone:
            raise PaperError(f"b3-fast has the backbone {card.network.backbone}, not {config.backbone}.")
        return shipped.backbone.state_dict()
    load_imagenet(network, "download" if config.init == "imagenet" else config.init)
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


def _conclude(config: PaperConfig, planned: Plan, folder: RunFolder, results: dict[Protocol, list[FoldResult]]) -> None:
    # The first protocol's best fold becomes the run's weights.
    predictions = Predictions.concatenate([fold.predictions for folds in results.values() for fold in folds])
    predictions.save(folder.path / PREDICTIONS)
    left_out = {name: source["left_out"] for name, source in planned.sources.items() if "left_out" in source}
    limits = [f"{name} is left out: {reason}" for name, reason in left_out.items()]
    if config.init == "shipped":
        limits.append(
            "The shipped backbone was pre-trained on clips of this test set, and may have been fitted to their labels: "
            "these scores do not measure performance on unseen music."
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


def fold_table(protocol: str, folds: Sequence[FoldResult]) -> Table:
    """Return the paper's Table 3 of one protocol."""
    scores = fold_scores(Predictions.concatenate([fold.predictions for fold in folds]))
    losses = [fold.validation_loss for fold in folds]
    rows = [(str(number + 1), *scores[number], loss) for number, loss in enumerate(losses)]
    mean = tuple(float(value) for value in np.mean([row[1:] for row in rows], axis=0))
    note = f"All networks are scored on the same {len(folds[0].predictions)} test clips."
    columns = ("fold", "accuracy", "macro-F1", "validation loss")
    return Table(f"Folds: {protocol.replace('_', ' ')}", note, columns, (*rows, ("mean", *mean)))


def gap_table(gains: dict[str, Any]) -> Table:
    """Return the gain from songs of a test clip's artist in training."""
    rows = tuple((name.replace("_", "-"), figure(each["difference"], each["interval"])) for name, each in gains.items())
    note = "The paper's protocol minus the same protocol without shared artists; the test clips differ."
    return Table("Gain from known artists", note, ("score", "difference (95 %)"), rows)


def estimate(config: PaperConfig, planned: Plan, processes: Processes) -> list[str]:
    """Return the size and the duration of a run, in sentences, measured by a few steps on this device."""
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
    data = ClipSet(images, np.eye(4, dtype=np.float32)[np.arange(n) % 4])
    short = replace(config.training, epochs=2, batch_size=batch, patience=0, checkpoint_steps=0)
    rows = np.arange(n)
    outcome = loop.train(network, FitTask(data, rows, rows[:1], short, config.mel, config.seed, processes))
    # The first epoch also warms the device up.
    return float(outcome.epochs[1]["images_per_s"])
