"""From dataset folders to a pre-trained, fitted, calibrated, scored checkpoint, and the retraining of such a model."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotion.inference import checkpoint
from emotion.inference.estimate import Reading
from emotion.inference.predict import device_of, softmax
from emotion.zoo.registry import HeadedNetwork, architecture, create_model, load_imagenet
from training.data import splits
from training.data.splits import PARTS, Fold, Folds, Protocol
from training.datasets import Clip
from training.evaluation.metrics import fit_reading, score_by_dataset
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import scores_by_protocol
from training.exceptions import RetrainRefusedError, TrainingError
from training.fit.run_folder import CHECKPOINT, PREDICTIONS, RunFolder, held, new_run_path
from training.recipes.distilled_b3 import cards
from training.recipes.distilled_b3.distil import Student, Teachers, prepare_from_scratch, pretrain
from training.recipes.distilled_b3.features import (
    ClipFeatures,
    DistilledB3Config,
    backbone_features,
    config_of,
    gather,
    head_data,
    load_clips,
    readable,
    toml_of,
)
from training.recipes.distilled_b3.head import fit_head
from training.recipes.distilled_b3.mixtures import CPU, MixtureConfig, MixtureSampler, Sampler, Spectra
from training.recipes.distilled_b3.teacher import TAGGERS, Judge, TaggerFeatures
from training.recipes.registry import Log, RetrainJob, TrainJob


def train(job: TrainJob) -> Path:
    """Train or resume as `manage.py train` asks, and return the run folder."""
    if job.dry_run:
        raise TrainingError("--dry-run is for the recipe paper; the head of distilled_b3.toml says what it takes.")
    run_dir = job.run_dir or new_run_path(tomllib.loads(job.text).get("version", "model"))
    places: dict[str, Any] = {"data_root": job.data_root, "work_dir": job.work_dir, "run_dir": run_dir}
    device = device_of(job.device)
    with held(run_dir):
        run(job.text, **places, resumes=job.resumes, log=job.log, device=device)
    return run_dir


def run(
    text: str,
    *,
    data_root: Path,
    work_dir: Path,
    run_dir: Path,
    log: Log,
    resumes: bool = False,
    device: torch.device = CPU,
) -> dict[str, Any]:
    """Pre-train, fit, calibrate and score a model; leave a complete run folder and return the facts of the card.

    `text` is the configuration, TOML. A killed run `resumes` in its folder as if it had not stopped: its batches depend
    only on the seed and the number of the step.

    Raises:
        ValueError: The configuration is invalid, or the run to resume has another one.
        training.fit.run_folder.RunError: The folder of a new run is not empty, or there is no run to resume.
    """
    config = config_of(tomllib.loads(text), "The file")
    started = time.monotonic()
    if not resumes:
        facts = {"version": config.version, "seed": config.seed, "recipe": "distilled_b3"}
        folder = RunFolder.create(run_dir, text, facts)
    else:
        folder = RunFolder.open(run_dir)
        if folder.config_toml != text:
            raise ValueError(f"{run_dir} was begun with another configuration; name another folder.")
        folder.resumed()
    places: dict[str, Any] = {"data_root": data_root, "work_dir": work_dir}
    clips = load_clips(config.datasets, **places)
    features = gather(clips, config, **places, log=log, device=device)
    dealt = deal(features, config)
    folder.write_folds(dealt)
    network = learn(features, dealt[0], config, **places, folder=folder, log=log, device=device)
    facts = fit_and_judge(network, features, dealt, config, folder=folder, log=log, device=device)
    folder.finish(time.monotonic() - started)
    return facts


def deal(features: ClipFeatures, config: DistilledB3Config) -> list[Folds]:
    """Return the folds of every protocol, the held-out one first; with one source, none is left out."""
    options: dict[str, Any] = {"seed": config.seed, "duplicates": features.duplicates}
    dealt = [
        splits.artist_grouped_split(features.clips, **options),
        splits.artist_grouped_folds(features.clips, n_folds=config.folds, **options),
        splits.stratified_folds(features.clips, n_folds=config.folds, **options),
    ]
    if len(set(features.sources)) > 1:
        dealt.append(splits.leave_one_source_out(features.clips, **options))
    return dealt


def learn(
    features: ClipFeatures,
    held_out: Folds,
    config: DistilledB3Config,
    *,
    data_root: Path,
    work_dir: Path,
    folder: RunFolder,
    log: Log,
    device: torch.device = CPU,
) -> HeadedNetwork:
    """Pre-train a new network, without labels, on the audio of the training clips and of the unlabelled sets."""
    [fold] = held_out.rows(features.clips)
    paths = sorted({clip.audio for clip in load_clips(config.unlabelled, data_root, work_dir)})
    unlabelled = [spectra for spectra in readable(paths, config, work_dir, log) if spectra is not None]
    pool, weights = mixture_pool(features, fold.train, unlabelled, config)
    taggers = TaggerFeatures([data_root / "pretrained" / name for name in TAGGERS], device)
    teachers = Teachers(taggers.features)
    unseen = [features.spectra[i] for i in fold.validation]
    validation = MixtureSampler(unseen, np.ones(len(unseen)), config.mel, MixtureConfig(0, 0, 0, 0, 0, 0, 0), device)
    network = new_network(config)
    pretrain(
        network,
        MixtureSampler(pool, weights, config.mel, config.distil.scene, device),
        teachers,
        config.distil,
        seed=config.seed,
        checkpoint=folder.path / CHECKPOINT,
        log=log,
        evaluate=lambda student, columns: explained(student, validation, teachers, columns),
    )
    return network.cpu()


def mixture_pool(
    features: ClipFeatures, rows: NDArray[np.int64], unlabelled: Sequence[Spectra], config: DistilledB3Config
) -> tuple[list[Spectra], NDArray[np.float64]]:
    """Return the clips that mixtures are drawn from, and how often: labelled ones at `rows`, and unlabelled ones."""
    pool = [*(features.spectra[i] for i in rows), *unlabelled]
    sources = np.array([features.clips[i].dataset for i in rows] + ["unlabelled"] * len(unlabelled))
    # A clip is drawn by its length, and its source by its total length to a power.
    lengths = np.array([len(spectra.student) for spectra in pool], np.float64)
    totals = {name: lengths[sources == name].sum() for name in set(sources.tolist())}
    return pool, lengths * np.array([totals[name] ** (config.distil.source_power - 1) for name in sources.tolist()])


def new_network(config: DistilledB3Config) -> HeadedNetwork:
    """Return a network at the start of pre-training.

    Raises:
        emotion.exceptions.CheckpointError: ImageNet weights are wanted, and are not there.
    """
    torch.manual_seed(config.seed)
    kind = architecture(config.architecture)
    options = kind.config(config.backbone, image_size=config.mel.network_shape, regresses=True)
    network = create_model(config.architecture, options)
    # This recipe needs a backbone whose pooled features a head judges.
    assert isinstance(network, HeadedNetwork)
    if config.imagenet:
        load_imagenet(network, config.imagenet)
    prepare_from_scratch(network)
    return network


@torch.inference_mode()
def explained(student: Student, validation: Sampler, teachers: Teachers, columns: int) -> float:
    """Return the mean share of the variance of the teachers' features that a student explains on validation clips."""
    rng = np.random.default_rng(5)
    batches = [validation.batch(16, columns, rng) for _ in range(8)]
    guessed = torch.cat([student(batch.images) for batch in batches])
    wanted = torch.cat([teachers.features(batch.teacher_db) for batch in batches])
    error = (guessed - wanted).square().mean(dim=0) / wanted.var(dim=0).clamp(min=1e-6)
    return float(1 - error.clamp(max=2).mean())


def fit_and_judge(
    network: HeadedNetwork,
    features: ClipFeatures,
    dealt: Sequence[Folds],
    config: DistilledB3Config,
    *,
    folder: RunFolder,
    log: Log,
    device: torch.device = CPU,
) -> dict[str, Any]:
    """Fit heads on a finished backbone, score every protocol, save the model and return the facts of its card.

    The first of `dealt` is the held-out protocol, from which the saved model comes.
    """
    pooled = backbone_features(network, features, config, device)
    judged = judge_protocols(network, features, pooled, config, dealt=dealt[1:], log=log, device=device)
    seeds = range(config.seed, config.seed + config.head_seeds)
    options: dict[str, Any] = {"seeds": seeds, "keeps_weights": True, "device": device}
    heads = judge_fold(network, features, pooled, dealt[0], 0, config, **options)
    for head in heads:
        log(f"head of seed {head.seed}: validation loss {head.validation_loss:.3f} at epoch {head.epoch}")
    best = min(heads, key=lambda head: head.validation_loss)
    network.load_state_dict({**network.state_dict(), **best.head_weights})
    student = Predictions.concatenate([each.student for each in (best, *judged)])
    teacher = Predictions.concatenate([each.teacher for each in (best, *judged)])
    student.save(folder.path / PREDICTIONS)
    teacher.save(folder.path / "teacher.npz")
    tested = [
        (f"{head.seed}{' (shipped)' * (head is best)}", head.validation_loss, score_by_dataset(head.student))
        for head in heads
    ]
    both = {"model": student, "teacher": teacher}
    facts = cards.facts_of(asdict(config), features, dealt, both, seeds=tested)
    folder.write_metrics({"student": scores_by_protocol(student), "teacher": scores_by_protocol(teacher)})
    folder.add_facts(**{key: facts[key] for key in ("datasets", "split", "folds")})
    facts["commit"] = folder.facts()["commit"]
    card = checkpoint.Card(config.version, config.mel, network.config, facts=facts, reading=best.reading)
    checkpoint.save(network, card, folder.path / f"{config.version}.safetensors")
    return facts


@dataclass(frozen=True, slots=True)
class Judged:
    """Predictions of a fold's head and its teacher on the test clips, and the outcome of the head's fit."""

    seed: int
    student: Predictions
    teacher: Predictions
    reading: Reading
    validation_loss: float
    epoch: int
    head_weights: dict[str, Tensor]  # All of the network's but the backbone's; empty where they are not kept.


def judge_protocols(
    network: HeadedNetwork,
    features: ClipFeatures,
    pooled: tuple[Tensor, Tensor],
    config: DistilledB3Config,
    *,
    dealt: Sequence[Folds],
    log: Log,
    device: torch.device = CPU,
) -> list[Judged]:
    """Fit and score a head and a teacher on every fold of several protocols."""
    results = []
    for folds in dealt:
        for number in range(len(folds.folds)):
            seeds = [config.seed]
            [judged] = judge_fold(network, features, pooled, folds, number, config, seeds=seeds, device=device)
            results.append(judged)
            right = [float(np.mean(p.logits.argmax(1) == p.truth)) for p in (judged.student, judged.teacher)]
            log(f"{folds.protocol} fold {number + 1}: accuracy {right[0]:.3f}, teacher {right[1]:.3f}")
    return results


def judge_fold(
    network: HeadedNetwork,
    features: ClipFeatures,
    pooled: tuple[Tensor, Tensor],
    folds: Folds,
    number: int,
    config: DistilledB3Config,
    *,
    seeds: Sequence[int],
    keeps_weights: bool = False,
    device: torch.device = CPU,
) -> list[Judged]:
    """Fit the teacher and a head per seed to a fold, stop and calibrate on its validation clips, predict its test.

    The network's backbone is not touched; the last head stays in it.
    """
    fold, judge = folds.rows(features.clips)[number], Judge()
    soft_targets = judge.fit(features.teacher[fold.train], features.truth[fold.train], features.groups[fold.train])
    validation_logits, test_logits = (judge.logits(features.teacher[part]) for part in (fold.validation, fold.test))
    learning = head_data(features, pooled, fold.train, soft_targets, config.cell_power)
    stopping_targets = softmax(validation_logits, 1.0).astype(np.float32)
    stopping = head_data(features, pooled, fold.validation, stopping_targets, config.cell_power)

    def predictions(
        reading: Reading, logits: NDArray[np.float32], embeddings: NDArray[np.float32], *points: NDArray[np.float32]
    ) -> Predictions:
        return Predictions.of_clips(
            [features.clips[i] for i in fold.test],
            protocol=folds.protocol,
            fold=number,
            logits=logits,
            estimates=reading.estimates(logits, *points),
            embeddings=embeddings,
            loudness_db=np.array([features.spectra[i].level_db for i in fold.test], np.float32),
        )

    teacher = predictions(
        fit_reading(features.truth[fold.validation], validation_logits),
        test_logits,
        np.zeros((len(fold.test), 64), np.float32),
    )
    heads = []
    for seed in seeds:
        epoch, loss = fit_head(network, learning, stopping, config.head, seed=seed, device=device)
        with torch.inference_mode():
            validated, tested = (
                [output.numpy() for output in network.eval().judge(pooled[0][torch.from_numpy(part)])]
                for part in (fold.validation, fold.test)
            )
        reading = fit_reading(features.truth[fold.validation], validated[0], *validated[2:])
        state = network.state_dict() if keeps_weights else {}
        weights = {name: value.clone() for name, value in state.items() if not name.startswith("backbone.")}
        heads.append(Judged(seed, predictions(reading, *tested), teacher, reading, loss, epoch, weights))
    return heads


def refit(job: RetrainJob, log: Log, *, keep_backbone: bool = True) -> None:
    """Refit the live model's head on its backbone, or pre-train that too; leave a complete run folder.

    Raises:
        RetrainRefusedError: The live model was not made by this recipe, or its datasets are not here.
    """
    started, device = time.monotonic(), device_of(job.device)
    network, card = checkpoint.load(job.live_weights)
    try:
        config = replace(config_of(card.facts.get("config", {}), f"The card of {card.version}"), version=job.version)
    except ValueError as error:
        raise RetrainRefusedError(f"The live model cannot be retrained by this recipe: {error}") from error
    if missing := sorted(set(config.datasets) - set(job.data_sets)):
        raise RetrainRefusedError(
            f"The live model learned from {', '.join(missing)} too, which {job.data_root} lacks: without the same "
            "held-out clips a new model could not be compared with it."
        )
    if not isinstance(network, HeadedNetwork):
        raise RetrainRefusedError(f"The live model is a {card.architecture}, which has no head on a backbone to refit.")
    folder = RunFolder.create(job.run_dir, toml_of(config), {"version": job.version, "seed": config.seed})
    places = {"data_root": job.data_root, "work_dir": job.work_dir}
    public = load_clips(config.datasets, **places)
    labelled = [*public, *job.local_clips]
    features = gather(labelled, config, **places, log=log, device=device, local_targets=job.local_targets)
    # An older model came without ids; its folds are dealt again, by artist and song alone.
    [before] = (
        cards.saved_folds(job.live_weights, card.facts) or splits.artist_grouped_split(public, seed=config.seed)
    ).folds
    local = {clip.id for clip in job.local_clips}
    held_out = with_local_labels(before, features.clips, features.groups, local=local, seed=config.seed)
    folder.write_folds([held_out])
    if not keep_backbone:
        network = learn(features, held_out, config, **places, folder=folder, log=log, device=device)
    fit_and_judge(network, features, [held_out], config, folder=folder, log=log, device=device)
    folder.finish(time.monotonic() - started)


def with_local_labels(
    held_out: Fold, clips: Sequence[Clip], groups: NDArray[np.int64], *, local: Set[str], seed: int
) -> Folds:
    """Add the locally labelled clips: by group, seven tenths to train, one to validate, two to test.

    A group that is in a part already joins that part. Training clips that are linked with a test clip are left out. Of
    the public clips, only those of the live model are taken; `groups` `(n,)` are `training.data.splits.linked_groups`.
    """
    group_of = {clip.id: int(group) for clip, group in zip(clips, groups, strict=True)}
    old = {i: part for part in PARTS for i in getattr(held_out, part) if i in group_of}
    # The test comes last, so that a group that lies in several parts is tested.
    part_of = {group_of[i]: part for i, part in old.items()}
    new: dict[str, list[str]] = {part: [] for part in PARTS}
    for i, part in old.items():
        if i not in local and part_of[group_of[i]] == part:
            new[part].append(i)
    rng = np.random.default_rng(seed)
    for i in sorted(local & group_of.keys()):
        new[part_of.setdefault(group_of[i], str(rng.choice(PARTS, p=(0.7, 0.1, 0.2))))].append(i)
    return Folds(Protocol.HELD_OUT, (Fold(*(tuple(new[part]) for part in PARTS)),))
