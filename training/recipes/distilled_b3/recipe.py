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
from emotion.zoo.networks import HeadedNetwork
from emotion.zoo.registry import architecture, create_model
from training.data.splits import (
    Folds,
    artist_grouped_folds,
    artist_grouped_split,
    leave_one_source_out,
    stratified_folds,
)
from training.datasets import DATASETS
from training.datasets.midi import render_variants
from training.evaluation.metrics import fit_temperature, score_by_dataset
from training.evaluation.predictions import Predictions
from training.evaluation.report.scores import scores_by_protocol
from training.exceptions import TrainingError
from training.fit.run_folder import CHECKPOINT, PREDICTIONS, RunFolder, new_run_path
from training.recipes.distilled_b3 import cards
from training.recipes.distilled_b3.config import FlagshipConfig, read_config
from training.recipes.distilled_b3.distil import Student, Teachers, prepare_from_scratch, pretrain
from training.recipes.distilled_b3.features import Material, gather, head_data, hear, load_clips, readable
from training.recipes.distilled_b3.head import fit_head
from training.recipes.distilled_b3.mixtures import Composer, SceneConfig, Spectra
from training.recipes.distilled_b3.teacher import TAGGERS, Judge
from training.recipes.registry import TrainJob

# The teacher's opinions of the training clips, and its logits of validation and test clips, by protocol and fold.
Lessons = dict[tuple[str, int], tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]


def deal(material: Material, config: FlagshipConfig) -> list[Folds]:
    """Return the folds of every protocol, the held-out one first; with one source, none is left out.

    Raises:
        training.data.splits.SplitError: A class would be missing in a fold.
    """
    clips = material.clips
    options: dict[str, Any] = {"seed": config.seed, "duplicates": material.duplicates}
    dealt = [
        artist_grouped_split(clips, **options),
        artist_grouped_folds(clips, n_folds=config.folds, **options),
        stratified_folds(clips, n_folds=config.folds, **options),
    ]
    if len(set(material.sources)) > 1:
        dealt.append(leave_one_source_out(clips, **options))
    return dealt


@dataclass(frozen=True, slots=True)
class Judged:
    """What a fold's head and its teacher say of the test clips, and what the head's fit came to."""

    student: Predictions
    teacher: Predictions
    temperature: float
    validation_loss: float
    epoch: int


def judge_fold(
    network: HeadedNetwork,
    material: Material,
    heard: tuple[Tensor, Tensor],
    folds: Folds,
    number: int,
    config: FlagshipConfig,
    *,
    seed: int,
    lessons: Lessons,
) -> Judged:
    """Fit teacher and head on a fold's training clips, stop and calibrate on its validation clips, and judge its test.

    Args:
        network: Its backbone is not touched; its head is left fitted.
        material: All clips.
        heard: From `training.recipes.distilled_b3.features.hear`.
        folds: Of a protocol.
        number: Which of them.
        config: Gives the head's fit and the balance of cells.
        seed: Of the head.
        lessons: The teacher's opinions by fold, kept from one call to the next.
    """
    fold = folds.rows(material.clips)[number]
    if (key := (folds.protocol, number)) not in lessons:
        judge = Judge()
        opinions = judge.fit(material.teacher[fold.train], material.truth[fold.train], material.groups[fold.train])
        validation, test = (judge.logits(material.teacher[part]) for part in (fold.validation, fold.test))
        lessons[key] = opinions, validation, test
    opinions, validation_logits, test_logits = lessons[key]
    validation_opinions = softmax(validation_logits, 1.0).astype(np.float32)
    learning = head_data(material, heard, fold.train, opinions, config.cell_power)
    stopping = head_data(material, heard, fold.validation, validation_opinions, config.cell_power)
    epoch, loss = fit_head(network, learning, stopping, config.head, seed=seed)
    said = judgements(network, heard[0][torch.from_numpy(fold.validation)])
    temperature = fit_temperature(material.truth[fold.validation], said[0])
    logits, embeddings, points = judgements(network, heard[0][torch.from_numpy(fold.test)])
    return Judged(
        student=predictions_of(material, key, fold.test, logits, temperature, points, embeddings),
        teacher=predictions_of(
            material, key, fold.test, test_logits, 1.0, None, np.zeros((len(fold.test), 64), np.float32)
        ),
        temperature=temperature,
        validation_loss=loss,
        epoch=epoch,
    )


@torch.inference_mode()
def judgements(
    network: HeadedNetwork, features: Tensor
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
    """Return logits, embeddings and, from a network that regresses, points, of pooled features."""
    found = network.eval().judge(features)
    return found[0].numpy(), found[1].numpy(), found[2].numpy() if len(found) > 2 else None


def predictions_of(
    material: Material,
    key: tuple[str, int],
    test: NDArray[np.int64],
    logits: NDArray[np.float32],
    temperature: float,
    points: NDArray[np.float32] | None,
    embeddings: NDArray[np.float32],
) -> Predictions:
    """Return a fold's judgements as rows of the table that everything is scored from."""
    probabilities = softmax(logits, temperature)
    return Predictions.of_clips(
        [material.clips[i] for i in test],
        protocol=key[0],
        fold=key[1],
        logits=logits,
        probabilities=probabilities,
        points=points_of(probabilities, points),
        embeddings=embeddings,
        loudness_db=np.array([material.spectra[i].level_db for i in test], np.float32),
    )


def judge_protocols(
    network: HeadedNetwork,
    material: Material,
    heard: tuple[Tensor, Tensor],
    config: FlagshipConfig,
    *,
    dealt: Sequence[Folds],
    say: Callable[[str], None],
) -> tuple[list[Predictions], list[Predictions]]:
    """Return the rows of every fold of several protocols: the student's and the teacher's."""
    students, teachers = [], []
    for folds in dealt:
        for number in range(len(folds.folds)):
            judged = judge_fold(network, material, heard, folds, number, config, seed=config.seed, lessons={})
            students.append(judged.student)
            teachers.append(judged.teacher)
            right = [float(np.mean(p.logits.argmax(1) == p.truth)) for p in (judged.student, judged.teacher)]
            say(f"{folds.protocol} fold {number + 1}: accuracy {right[0]:.3f}, teacher {right[1]:.3f}")
    return students, teachers


Say = Callable[[str], None]
TEACHER_PREDICTIONS = "teacher.npz"


def run(config_path: Path, *, data_root: Path, work_dir: Path, run_dir: Path, say: Say) -> dict[str, Any]:
    """Pre-train, fit, calibrate and score a model; leave a whole run folder.

    A run that was killed goes on where it was when it is started again on the same folder: its lessons depend on
    nothing but the seed and the number of the step.

    Args:
        config_path: The configuration.
        data_root: Folder of the datasets.
        work_dir: Rendered audio, spectra and measures; shared between runs.
        run_dir: Made, or gone on with.
        say: Receives one line of progress at a time.

    Returns:
        The facts of the card.

    Raises:
        ValueError: The configuration makes no sense.
        training.datasets.DatasetError: A folder does not hold what the dataset's layout promises.
        training.data.splits.SplitError: A class would be missing in a fold.
        training.fit.run_folder.RunError: The folder is that of a run with another configuration, or with other folds.
    """
    config = read_config(config_path)
    started = time.monotonic()
    folder = _folder(run_dir, config_path.read_text(encoding="utf-8"), config)
    clips = load_clips(config.datasets, data_root, work_dir)
    material = gather(
        clips,
        config,
        data_root=data_root,
        work_dir=work_dir,
        timbres=timbres_of(config, data_root, work_dir),
        say=say,
    )
    dealt = deal(material, config)
    folder.write_folds(dealt)
    network = learn(material, dealt[0], config, data_root=data_root, work_dir=work_dir, folder=folder, say=say)
    facts = fit_and_judge(network, material, dealt, config, folder=folder, say=say)
    folder.finish(time.monotonic() - started)
    return facts


def _folder(run_dir: Path, text: str, config: FlagshipConfig) -> RunFolder:
    if not run_dir.exists():
        return RunFolder.create(
            run_dir, text, {"version": config.version, "seed": config.seed, "recipe": "distilled_b3"}
        )
    folder = RunFolder.open(run_dir)
    if folder.config_toml != text:
        raise ValueError(f"{run_dir} was begun with another configuration; name another folder.")
    folder.resumed()
    return folder


def new_network(config: FlagshipConfig) -> HeadedNetwork:
    """Return a network with new weights, its seed the configuration's."""
    torch.manual_seed(config.seed)
    options = architecture(config.architecture).config(
        config.backbone, image_size=config.mel.network_shape, regresses=True
    )
    network = create_model(config.architecture, options)
    # What this recipe works on: a backbone whose pooled features a head judges.
    assert isinstance(network, HeadedNetwork)
    prepare_from_scratch(network)
    return network


def timbres_of(config: FlagshipConfig, data_root: Path, work_dir: Path) -> dict[str, list[Path]]:
    """Return other renderings of EMOPIA's clips, by clip id; rendered where they are not there yet."""
    if not config.timbres or "emopia" not in config.datasets:
        return {}
    found = render_variants(
        data_root / DATASETS["emopia"].folder / "midis.zip",
        work_dir / "emopia-timbres",
        variants=config.timbres,
        seed=config.seed,
    )
    return {f"emopia/{stem}": paths for stem, paths in found.items()}


def learn(
    material: Material,
    held_out: Folds,
    config: FlagshipConfig,
    *,
    data_root: Path,
    work_dir: Path,
    folder: RunFolder,
    say: Say,
) -> HeadedNetwork:
    """Pre-train a new network on the sound of the training clips and of the unlabelled sets.

    No label is used, and no sound of a validation or test clip.
    """
    [fold] = held_out.rows(material.clips)
    unlabelled = unlabelled_spectra(config, data_root, work_dir, say)
    pool = [*(material.spectra[i] for i in fold.train), *unlabelled]
    sources = [material.clips[i].dataset for i in fold.train] + ["unlabelled"] * len(unlabelled)
    weights = lesson_weights(pool, sources, config.distil.source_power)
    composer = Composer(pool, weights, config.mel, config.distil.scene)
    teachers = Teachers([data_root / "pretrained" / name for name in TAGGERS])
    clean = SceneConfig(0, 0, 0, 0, 0, 0, 0)
    unheard = [material.spectra[i] for i in fold.validation]
    exam = Composer(unheard, np.ones(len(unheard)), config.mel, clean)
    student = pretrain(
        new_network(config),
        composer,
        teachers,
        config.distil,
        seed=config.seed,
        checkpoint=folder.path / CHECKPOINT,
        say=say,
        evaluate=lambda student, columns: explained(student, exam, teachers, columns),
    )
    return student.network


def unlabelled_spectra(config: FlagshipConfig, data_root: Path, work_dir: Path, say: Say) -> list[Spectra]:
    """Return the spectra of the sets that are only heard."""
    paths = sorted({clip.audio for clip in load_clips(config.unlabelled, data_root, work_dir)})
    return [spectra for spectra in readable(paths, config, work_dir, say) if spectra is not None]


def lesson_weights(pool: Sequence[Spectra], sources: Sequence[str], power: float) -> NDArray[np.float64]:
    """Return how often each clip is drawn: by its length, a source's total to a power."""
    lengths = np.array([len(spectra.student) for spectra in pool], np.float64)
    totals = {name: lengths[np.array(sources) == name].sum() for name in set(sources)}
    return lengths * np.array([totals[name] ** (power - 1) for name in sources])


@torch.inference_mode()
def explained(student: Student, exam: Composer, teachers: Teachers, columns: int) -> float:
    """Return the mean share of the variance of the teachers' features that a student explains on unheard clips."""
    rng = np.random.default_rng(5)
    lessons = [exam.lesson(16, columns, rng) for _ in range(8)]
    guessed = torch.cat([student(lesson.images) for lesson in lessons])
    wanted = torch.cat([teachers.features(lesson.teacher_db) for lesson in lessons])
    error = (guessed - wanted).square().mean(dim=0) / wanted.var(dim=0).clamp(min=1e-6)
    return float(1 - error.clamp(max=2).mean())


def fit_and_judge(
    network: HeadedNetwork,
    material: Material,
    dealt: Sequence[Folds],
    config: FlagshipConfig,
    *,
    folder: RunFolder,
    say: Say,
) -> dict[str, Any]:
    """Fit heads on a finished backbone, judge every protocol, and save the model with its card.

    Args:
        network: Its backbone is finished.
        material: All clips.
        dealt: Folds of each protocol; the first is the held-out one, which the model is of.
        config: The run.
        folder: Of the run.
        say: Receives progress.
    """
    heard = hear(network, material, config)
    students, teachers = judge_protocols(network, material, heard, config, dealt=dealt[1:], say=say)
    seeds, best = fit_seeds(network, material, heard, dealt[0], config, say)
    said, taught = (Predictions.concatenate(each) for each in ([best.student, *students], [best.teacher, *teachers]))
    said.save(folder.path / PREDICTIONS)
    taught.save(folder.path / TEACHER_PREDICTIONS)
    facts = cards.facts_of(config, material, dealt, said=said, taught=taught, seeds=seeds)
    folder.write_metrics({"student": scores_by_protocol(said), "teacher": scores_by_protocol(taught)})
    folder.write_facts({**folder.facts(), **{key: facts[key] for key in ("datasets", "split", "folds")}})
    weights = folder.path / f"{config.version}.safetensors"
    facts["commit"] = folder.facts()["commit"]
    card = Card(config.version, config.mel, network.config, best.temperature, "", facts)
    save(network, card, weights)
    return facts


def fit_seeds(
    network: HeadedNetwork,
    material: Material,
    heard: tuple[Tensor, Tensor],
    held_out: Folds,
    config: FlagshipConfig,
    say: Say,
) -> tuple[list[dict[str, Any]], Judged]:
    """Fit one head a seed, leave that with the lowest validation loss in the network, and return all scores."""
    lessons: Lessons = {}
    found = []
    for seed in range(config.seed, config.seed + config.head_seeds):
        judged = judge_fold(network, material, heard, held_out, 0, config, seed=seed, lessons=lessons)
        scores = {name: asdict(each) for name, each in score_by_dataset(judged.student).items()}
        say(f"head of seed {seed}: validation loss {judged.validation_loss:.3f} at epoch {judged.epoch}")
        found.append((seed, judged, scores, {k: v.clone() for k, v in network.state_dict().items()}))
    best = min(found, key=lambda each: each[1].validation_loss)
    network.load_state_dict(best[3])
    seeds = [
        {"seed": seed, "validation_loss": judged.validation_loss, "kept": seed == best[0], "test": scores}
        for seed, judged, scores, _ in found
    ]
    return seeds, best[1]


def train(job: TrainJob) -> Path | None:
    """Train, or go on, and return the run folder."""
    if job.dry_run:
        raise TrainingError("--dry-run is for the recipe paper; the head of distilled_b3.toml says what it takes.")
    run_dir = job.run_dir or new_run_path(tomllib.loads(job.text).get("version", "model"))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text(job.text, encoding="utf-8")
        run(path, data_root=job.data_root, work_dir=job.work_dir, run_dir=run_dir, say=job.say)
    return run_dir
