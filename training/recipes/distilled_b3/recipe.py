"""From dataset folders to a pre-trained, fitted, calibrated, scored checkpoint."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotion.inference.checkpoint import Card, save
from emotion.inference.predict import points_of, softmax
from emotion.zoo.registry import HeadedNetwork, architecture, create_model
from training.data import splits
from training.datasets import DATASETS
from training.datasets.midi import render_variants
from training.evaluation.metrics import fit_temperature, score_by_dataset
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import scores_by_protocol
from training.exceptions import TrainingError
from training.fit.run_folder import CHECKPOINT, PREDICTIONS, RunFolder, new_run_path
from training.recipes.distilled_b3 import cards
from training.recipes.distilled_b3.config import DistilledB3Config, read_config
from training.recipes.distilled_b3.distil import Student, Teachers, prepare_from_scratch, pretrain
from training.recipes.distilled_b3.features import (
    ClipFeatures,
    backbone_features,
    gather,
    head_data,
    load_clips,
    readable,
)
from training.recipes.distilled_b3.head import fit_head
from training.recipes.distilled_b3.mixtures import MixtureConfig, MixtureSampler, Spectra
from training.recipes.distilled_b3.teacher import TAGGERS, Judge
from training.recipes.registry import Log, TrainJob

TEACHER_PREDICTIONS = "teacher.npz"
# The teacher's soft targets of the training clips, and its logits of validation and test clips, by protocol and fold.
TeacherOutputs = dict[tuple[str, int], tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]


def train(job: TrainJob) -> Path | None:
    """Train or resume as `manage.py train` asks, and return the run folder."""
    if job.dry_run:
        raise TrainingError("--dry-run is for the recipe paper; the head of distilled_b3.toml says what it takes.")
    run_dir = job.run_dir or new_run_path(tomllib.loads(job.text).get("version", "model"))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text(job.text, encoding="utf-8")
        run(path, data_root=job.data_root, work_dir=job.work_dir, run_dir=run_dir, log=job.log)
    return run_dir


def run(config_path: Path, *, data_root: Path, work_dir: Path, run_dir: Path, log: Log) -> dict[str, Any]:
    """Pre-train, fit, calibrate and score a model; leave a complete run folder and return the facts of the card.

    A run that was killed resumes when it is started again on the same folder: its batches depend on nothing but the
    seed and the number of the step.

    Raises:
        ValueError: The configuration makes no sense, or the folder is that of a run with another one.
    """
    config, text = read_config(config_path), config_path.read_text(encoding="utf-8")
    started = time.monotonic()
    if not run_dir.exists():
        facts = {"version": config.version, "seed": config.seed, "recipe": "distilled_b3"}
        folder = RunFolder.create(run_dir, text, facts)
    else:
        folder = RunFolder.open(run_dir)
        if folder.config_toml != text:
            raise ValueError(f"{run_dir} was begun with another configuration; name another folder.")
        folder.resumed()
    clips = load_clips(config.datasets, data_root, work_dir)
    timbres = timbres_of(config, data_root, work_dir)
    features = gather(clips, config, data_root=data_root, work_dir=work_dir, timbres=timbres, log=log)
    dealt = deal(features, config)
    folder.write_folds(dealt)
    network = learn(features, dealt[0], config, data_root=data_root, work_dir=work_dir, folder=folder, log=log)
    facts = fit_and_judge(network, features, dealt, config, folder=folder, log=log)
    folder.finish(time.monotonic() - started)
    return facts


def timbres_of(config: DistilledB3Config, data_root: Path, work_dir: Path) -> dict[str, list[Path]]:
    """Return other renderings of EMOPIA's clips by clip id, rendering those that are missing."""
    if not config.timbres or "emopia" not in config.datasets:
        return {}
    archive, out_dir = data_root / DATASETS["emopia"].folder / "midis.zip", work_dir / "emopia-timbres"
    rendered = render_variants(archive, out_dir, variants=config.timbres, seed=config.seed)
    return {f"emopia/{stem}": paths for stem, paths in rendered.items()}


def deal(features: ClipFeatures, config: DistilledB3Config) -> list[splits.Folds]:
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
    held_out: splits.Folds,
    config: DistilledB3Config,
    *,
    data_root: Path,
    work_dir: Path,
    folder: RunFolder,
    log: Log,
) -> HeadedNetwork:
    """Pre-train a new network on the sound of the training clips and of the unlabelled sets.

    No label is used, and no sound of a validation or test clip.
    """
    [fold] = held_out.rows(features.clips)
    paths = sorted({clip.audio for clip in load_clips(config.unlabelled, data_root, work_dir)})
    unlabelled = [spectra for spectra in readable(paths, config, work_dir, log) if spectra is not None]
    pool = [*(features.spectra[i] for i in fold.train), *unlabelled]
    sources = [features.clips[i].dataset for i in fold.train] + ["unlabelled"] * len(unlabelled)
    weights = mixture_weights(pool, sources, config.distil.source_power)
    teachers = Teachers([data_root / "pretrained" / name for name in TAGGERS])
    unheard = [features.spectra[i] for i in fold.validation]
    validation = MixtureSampler(unheard, np.ones(len(unheard)), config.mel, MixtureConfig(0, 0, 0, 0, 0, 0, 0))
    student = pretrain(
        new_network(config),
        MixtureSampler(pool, weights, config.mel, config.distil.scene),
        teachers,
        config.distil,
        seed=config.seed,
        checkpoint=folder.path / CHECKPOINT,
        log=log,
        evaluate=lambda student, columns: explained(student, validation, teachers, columns),
    )
    return student.network


def new_network(config: DistilledB3Config) -> HeadedNetwork:
    """Return a network with new weights, seeded by the configuration."""
    torch.manual_seed(config.seed)
    kind = architecture(config.architecture)
    options = kind.config(config.backbone, image_size=config.mel.network_shape, regresses=True)
    network = create_model(config.architecture, options)
    # What this recipe works on: a backbone whose pooled features a head judges.
    assert isinstance(network, HeadedNetwork)
    prepare_from_scratch(network)
    return network


def mixture_weights(pool: Sequence[Spectra], sources: Sequence[str], power: float) -> NDArray[np.float64]:
    """Return how often each clip is drawn: by its length, a source's total to a power."""
    lengths = np.array([len(spectra.student) for spectra in pool], np.float64)
    totals = {name: lengths[np.array(sources) == name].sum() for name in set(sources)}
    return lengths * np.array([totals[name] ** (power - 1) for name in sources])


@torch.inference_mode()
def explained(student: Student, validation: MixtureSampler, teachers: Teachers, columns: int) -> float:
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
    dealt: Sequence[splits.Folds],
    config: DistilledB3Config,
    *,
    folder: RunFolder,
    log: Log,
) -> dict[str, Any]:
    """Fit heads on a finished backbone, score every protocol, save the model and return the facts of its card.

    The first of `dealt` is the held-out protocol, from which the saved model comes.
    """
    pooled = backbone_features(network, features, config)
    students, teachers = judge_protocols(network, features, pooled, config, dealt=dealt[1:], log=log)
    seeds, best = fit_seeds(network, features, pooled, dealt[0], config, log)
    student = Predictions.concatenate([best.student, *students])
    teacher = Predictions.concatenate([best.teacher, *teachers])
    student.save(folder.path / PREDICTIONS)
    teacher.save(folder.path / TEACHER_PREDICTIONS)
    facts = cards.facts_of(config, features, dealt, student=student, teacher=teacher, seeds=seeds)
    folder.write_metrics({"student": scores_by_protocol(student), "teacher": scores_by_protocol(teacher)})
    folder.write_facts({**folder.facts(), **{key: facts[key] for key in ("datasets", "split", "folds")}})
    facts["commit"] = folder.facts()["commit"]
    card = Card(config.version, config.mel, network.config, best.temperature, "", facts)
    save(network, card, folder.path / f"{config.version}.safetensors")
    return facts


@dataclass(frozen=True, slots=True)
class Judged:
    """Predictions of a fold's head and its teacher on the test clips, and the outcome of the head's fit."""

    student: Predictions
    teacher: Predictions
    temperature: float
    validation_loss: float
    epoch: int


def judge_protocols(
    network: HeadedNetwork,
    features: ClipFeatures,
    pooled: tuple[Tensor, Tensor],
    config: DistilledB3Config,
    *,
    dealt: Sequence[splits.Folds],
    log: Callable[[str], None],
) -> tuple[list[Predictions], list[Predictions]]:
    """Return the predictions of every fold of several protocols: the student's and the teacher's."""
    students, teachers = [], []
    for folds in dealt:
        for number in range(len(folds.folds)):
            judged = judge_fold(network, features, pooled, folds, number, config, seed=config.seed, teacher_outputs={})
            students.append(judged.student)
            teachers.append(judged.teacher)
            right = [float(np.mean(p.logits.argmax(1) == p.truth)) for p in (judged.student, judged.teacher)]
            log(f"{folds.protocol} fold {number + 1}: accuracy {right[0]:.3f}, teacher {right[1]:.3f}")
    return students, teachers


def fit_seeds(
    network: HeadedNetwork,
    features: ClipFeatures,
    pooled: tuple[Tensor, Tensor],
    held_out: splits.Folds,
    config: DistilledB3Config,
    log: Log,
) -> tuple[list[dict[str, Any]], Judged]:
    """Fit one head per seed, leave that with the lowest validation loss in the network, and return all scores."""
    outputs: TeacherOutputs = {}
    heads = []
    for seed in range(config.seed, config.seed + config.head_seeds):
        judged = judge_fold(network, features, pooled, held_out, 0, config, seed=seed, teacher_outputs=outputs)
        log(f"head of seed {seed}: validation loss {judged.validation_loss:.3f} at epoch {judged.epoch}")
        heads.append((seed, judged, {name: value.clone() for name, value in network.state_dict().items()}))
    best_seed, best, weights = min(heads, key=lambda head: head[1].validation_loss)
    network.load_state_dict(weights)
    seeds = [
        {
            "seed": seed,
            "validation_loss": judged.validation_loss,
            "kept": seed == best_seed,
            "test": {name: asdict(scores) for name, scores in score_by_dataset(judged.student).items()},
        }
        for seed, judged, _ in heads
    ]
    return seeds, best


def judge_fold(
    network: HeadedNetwork,
    features: ClipFeatures,
    pooled: tuple[Tensor, Tensor],
    folds: splits.Folds,
    number: int,
    config: DistilledB3Config,
    *,
    seed: int,
    teacher_outputs: TeacherOutputs,
) -> Judged:
    """Fit teacher and head on a fold's training clips, stop and calibrate on its validation clips, predict its test.

    The network's backbone is not touched; its head is left fitted. `teacher_outputs` is a cache between calls.
    """
    fold = folds.rows(features.clips)[number]
    if (key := (folds.protocol, number)) not in teacher_outputs:
        judge = Judge()
        soft_targets = judge.fit(features.teacher[fold.train], features.truth[fold.train], features.groups[fold.train])
        validation, test = (judge.logits(features.teacher[part]) for part in (fold.validation, fold.test))
        teacher_outputs[key] = soft_targets, validation, test
    soft_targets, validation_logits, test_logits = teacher_outputs[key]
    learning = head_data(features, pooled, fold.train, soft_targets, config.cell_power)
    stopping_targets = softmax(validation_logits, 1.0).astype(np.float32)
    stopping = head_data(features, pooled, fold.validation, stopping_targets, config.cell_power)
    epoch, loss = fit_head(network, learning, stopping, config.head, seed=seed)
    with torch.inference_mode():
        validated, tested = (
            [output.numpy() for output in network.eval().judge(pooled[0][torch.from_numpy(part)])]
            for part in (fold.validation, fold.test)
        )
    temperature = fit_temperature(features.truth[fold.validation], validated[0])

    def predictions(
        logits: NDArray[np.float32],
        temperature: float,
        points: NDArray[np.float32] | None,
        embeddings: NDArray[np.float32],
    ) -> Predictions:
        probabilities = softmax(logits, temperature)
        return Predictions.of_clips(
            [features.clips[i] for i in fold.test],
            protocol=folds.protocol,
            fold=number,
            logits=logits,
            probabilities=probabilities,
            points=points_of(probabilities, points),
            embeddings=embeddings,
            loudness_db=np.array([features.spectra[i].level_db for i in fold.test], np.float32),
        )

    student = predictions(tested[0], temperature, tested[2] if len(tested) > 2 else None, tested[1])
    teacher = predictions(test_logits, 1.0, None, np.zeros((len(fold.test), 64), np.float32))
    return Judged(student, teacher, temperature, loss, epoch)
