"""Train one system of the zoo on the folds of a protocol, or resume it, and write its row of the table."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from catalog.core.files import digest
from emotion.inference.checkpoint import Card, load, read_card
from emotion.signal.audio import SAMPLE_RATE_HZ
from emotion.zoo.registry import OverChunks
from training.data.duplicates import duplicate_groups
from training.data.splits import Folds, artist_grouped_folds, paper_folds, stratified_folds
from training.datasets import DATASETS, Clip
from training.evaluation import metrics
from training.evaluation.predictions import Predictions
from training.fit.cross_validation import FoldResult, Study, cross_validate
from training.fit.loop import ClipSet, Processes
from training.fit.run_folder import FACTS, PREDICTIONS, RunFolder, held, write_json
from training.recipes.registry import Log, TrainJob
from training.recipes.zoo.data import clip_set
from training.recipes.zoo.stages import fold_start
from training.recipes.zoo.standings import PROTOCOLS as SHOWN
from training.recipes.zoo.systems import FOLDER, ZooError, ZooSystem

SEED = 20261130


@dataclass(frozen=True, slots=True)
class ZooProtocol:
    """How the table tests systems: its folds, and how often they are dealt anew."""

    name: str
    n_folds: int
    repeats: int = 1

    @property
    def about(self) -> str:
        """What the folds are, as pages say it."""
        return SHOWN[self.name].about

    def folds(self, clips: Sequence[Clip], duplicates: Sequence[int]) -> list[Folds]:
        """Deal the clips; each repetition with a seed of its own."""
        if self.name == "artist5":
            return [artist_grouped_folds(clips, seed=SEED, n_folds=5, duplicates=duplicates)]
        if self.name == "paper":
            return [paper_folds(clips, seed=SEED, duplicates=duplicates)]
        return [
            stratified_folds(clips, seed=SEED + repeat, n_folds=self.n_folds, duplicates=duplicates)
            for repeat in range(self.repeats)
        ]


PROTOCOLS = {
    each.name: each
    for each in (
        ZooProtocol("artist5", 5),
        ZooProtocol("stratified5", 5),
        ZooProtocol("louro10x10", 10, repeats=10),
        ZooProtocol("paper", 5),
    )
}


@dataclass(frozen=True, slots=True)
class ZooRun:
    """A system on a protocol; `budget_min` are core-minutes for all folds together, 0 for what the paper takes."""

    system: ZooSystem
    protocol: ZooProtocol
    data: tuple[str, ...]
    budget_min: float
    data_root: Path
    work_dir: Path
    folder: Path


def clips_of(data: Sequence[str], data_root: Path, work_dir: Path) -> list[Clip]:
    """Load the labelled clips of some data sets.

    Raises:
        training.datasets.DatasetError: One is not there, or not as its layout promises.
        ZooError: No clip is labelled.
    """
    clips = [clip for name in data for clip in DATASETS[name].load(data_root / name, work_dir)]
    labelled = [clip for clip in clips if clip.quadrant is not None]
    if not labelled:
        raise ZooError(f"None of the {len(clips)} clips of {' and '.join(data)} has a quadrant to train on.")
    return labelled


def run_zoo(run: ZooRun, *, processes: Processes, log: Log) -> dict[str, Any]:
    """Train every fold, or those that are missing, and return the system's row.

    Raises:
        training.exceptions.TrainingError: Training diverged, or the folder is of another run or another process.
    """
    run.system.check()
    with held(run.folder):
        return _trained(run, processes, log)


def _trained(run: ZooRun, processes: Processes, log: Log) -> dict[str, Any]:
    clips = clips_of(run.data, run.data_root, run.work_dir)
    duplicates = duplicate_groups([clip.audio for clip in clips], cache_dir=run.work_dir / "landmarks").tolist()
    dealt = run.protocol.folds(clips, duplicates)
    data = clip_set(clips, run.system.front_end, run.system.changes, run.work_dir / "zoo")
    results: list[FoldResult] = []
    for repeat, folds in enumerate(dealt):
        path = run.folder if len(dealt) == 1 else run.folder / f"repeat-{repeat}"
        folder = opened(path, run.system, run.system.name, folds, run.budget_min, run.data)
        if not folder.is_finished or not (folder.path / PREDICTIONS).exists():
            n_fits = len(dealt) * run.protocol.n_folds
            study = _study(run, clips, data, duplicates, n_fits, processes.device)
            finished = cross_validate(study, folds, folder, processes, log)
            predictions = Predictions.concatenate([fold.predictions for fold in finished])
            predictions.save(folder.path / PREDICTIONS)
            folder.finish()
        results += [
            FoldResult(folder.path / "folds" / f"{folds.protocol}-{number}.safetensors", predictions)
            for number, predictions in Predictions.load(folder.path / PREDICTIONS).by_fold().items()
        ]
    row = row_of(run, results, dealt, processes.device.type)
    write_json(run.folder / "row.json", row)
    return row


def opened(
    path: Path, system: ZooSystem, version: str, folds: Folds, budget_min: float, data: Sequence[str]
) -> RunFolder:
    """Return the folder of a run, which is made where there is none.

    Raises:
        ZooError: It holds another run.
    """
    text = (FOLDER / f"{system.name}.toml").read_text(encoding="utf-8")
    ours = {
        "version": version,
        "recipe": "zoo",
        "seed": SEED,
        "folds": folds.sha256,
        "budget_min": budget_min,
        "data": list(data),
    }
    if (path / FACTS).exists():
        folder = RunFolder.open(path)
        facts = folder.facts()
        if folder.config_toml != text or any(facts.get(name) != value for name, value in ours.items()):
            raise ZooError(f"{path} holds another run of {version}: delete it, or name another folder.")
    else:
        folder = RunFolder.create(path, text, ours)
    folder.write_folds([folds])
    return folder


def _study(
    run: ZooRun,
    clips: Sequence[Clip],
    data: ClipSet,
    duplicates: Sequence[int],
    n_fits: int,
    device: torch.device,
) -> Study:
    system = run.system
    seconds = 60 * run.budget_min / n_fits if run.budget_min else math.inf
    return Study(
        version=f"{system.name}-{run.protocol.name}",
        clips=clips,
        data=data,
        peaks=None,
        loudness_db=np.full(len(clips), np.nan, np.float32),
        begin=lambda seed, rows: fold_start(
            system, clips, data, duplicates, rows, seed, run.work_dir, run.data_root, device, seconds
        ),
        config=system.training,
        front_end=system.front_end,
        seed=SEED,
        identity={"system": system.name, "architecture": asdict(system.network), "data": digest(_ids(clips))},
        seconds=seconds,
    )


def _ids(clips: Sequence[Clip]) -> bytes:
    return "\n".join(clip.id for clip in clips).encode()


def row_of(run: ZooRun, results: Sequence[FoldResult], dealt: Sequence[Folds], device: str) -> dict[str, Any]:
    """Return a system's row of the table from its finished folds."""
    whole = Predictions.concatenate([fold.predictions for fold in results])
    scores = metrics.score(whole.truth, whole.probabilities, whole.artist)
    cards = [read_card(fold.weights) for fold in results]
    low, high = scores.macro_f1_interval
    return {
        "system": run.system.name,
        "title": run.system.title,
        "paper": run.system.paper,
        "protocol": run.protocol.name,
        "data": "+".join(run.data),
        "folds": digest(" ".join(folds.sha256 for folds in dealt).encode()),
        "n": len(set(whole.clip.tolist())),
        "macro_f1": round(scores.macro_f1, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "by_fold": [round(float(metrics.macro_f1_of(metrics.confusion_of(each.predictions))), 4) for each in results],
        "accuracy": round(scores.accuracy, 4),
        "top3": round(scores.top3, 4),
        "floor": round(scores.floor_macro_f1, 4),
        "floor_accuracy": round(scores.floor_accuracy, 4),
        "floor_top3": round(scores.floor_top3, 4),
        "ece": round(scores.ece, 4),
        "parameters": run.system.parameters,
        "train_s": round(sum(card.facts["train_s"] for card in cards), 1),
        "epochs": [card.facts.get("epochs", 0) for card in cards],
        "device": device,
        "infer_ms": round(infer_ms(run.system, results[-1].weights), 1),
        "budget_min": run.budget_min,
        "cut": _cut(run, cards),
        "note": run.system.note,
    }


def _cut(run: ZooRun, cards: Sequence[Card]) -> str:
    if not run.budget_min:
        return ""
    system = run.system
    parts = [system.cut]
    for fact, most, when in (
        ("before_epochs", system.before.get("epochs", 0), " beforehand"),
        ("epochs", system.training.epochs, ""),
    ):
        done = [card.facts[fact] for card in cards if fact in card.facts]
        if any(epochs < most for epochs in done):
            parts.append(f"{min(done)} to {max(done)} epochs of at most {most}{when}")
    return ", ".join(part for part in parts if part)


@torch.inference_mode()
def infer_ms(system: ZooSystem, weights: Path, repeats: int = 3) -> float:
    """Measure the milliseconds that a CPU takes to prepare and judge one song's window, the fastest of a few.

    The network is a trained one: what is fitted in closed form, such as a forest, takes longer than before.
    """
    network: torch.nn.Module = load(weights, classes=None)[0]
    if system.front_end.chunks > 1:
        network = OverChunks(network, system.front_end.chunks)
    waveform = (
        np.random.default_rng(0).normal(0, 0.1, round(system.front_end.window_s * SAMPLE_RATE_HZ)).astype(np.float32)
    )
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        network(system.front_end.tensor(torch.from_numpy(system.front_end.prepare(waveform))[None]))
        times.append(1000 * (time.perf_counter() - begun))
    return min(times)


def train(job: TrainJob) -> Path | None:
    """Refuse: a system of the zoo is trained on the folds of a protocol, with the others' budget."""
    raise ZooError("Systems of the zoo are trained by `manage.py zoo run NAME`.")
