"""From dataset folders to a pre-trained, fitted, calibrated, scored checkpoint. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotion.inference.checkpoint import Card, save
from emotion.zoo.networks import HeadedNetwork
from emotion.zoo.registry import architecture, create_model
from training.data.folds import Folds
from training.datasets import DATASETS
from training.datasets.midi import render_variants
from training.evaluation.metrics import score_by_dataset
from training.evaluation.predictions import Predictions
from training.evaluation.report.scores import scores_by_protocol
from training.fit.run_folder import CHECKPOINT, PREDICTIONS, RunFolder
from training.recipes.distilled_b3 import cards
from training.recipes.distilled_b3.config import FlagshipConfig, read_config
from training.recipes.distilled_b3.distil import Student, Teachers, prepare_from_scratch, pretrain
from training.recipes.distilled_b3.features import Material, gather, hear, load_clips, readable
from training.recipes.distilled_b3.mixtures import Composer, SceneConfig
from training.recipes.distilled_b3.protocols import Judged, Lessons, deal, judge_fold, judge_protocols
from training.recipes.distilled_b3.spectra import Spectra
from training.recipes.distilled_b3.teacher import TAGGERS

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
        training.data.folds.SplitError: A class would be missing in a fold.
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
