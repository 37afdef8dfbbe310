"""What is done on the GPU: distillation, heads, a full fine-tuning, figures; in the time that there is."""

from __future__ import annotations

import json
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from emotion.inference import checkpoint
from emotion.zoo.registry import HeadedNetwork
from tools.gpu_training.carry import Carry, Mixtures
from training.data.augment import AugmentConfig
from training.data.splits import Fold, Protocol
from training.evaluation.metrics import fit_reading, score, score_by_dataset
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import scores_by_protocol
from training.fit import loop
from training.fit.loop import ClipSet, FitConfig, FitTask, alone
from training.fit.run_folder import CHECKPOINT, PREDICTIONS, RunFolder, write_json
from training.recipes.distilled_b3 import cards
from training.recipes.distilled_b3.distil import Teachers, pretrain, steps_per_s
from training.recipes.distilled_b3.features import (
    DistilledB3Config,
    config_of,
    toml_of,
)
from training.recipes.distilled_b3.mixtures import (
    stretch_at,
)
from training.recipes.distilled_b3.recipe import (
    explained,
    fit_and_judge,
    new_network,
)
from training.recipes.registry import Log

FIGURES = "figures.json"
_METHOD_TUNED = cards.METHOD + " The whole network was then fine-tuned on the labels (`tools/gpu_training`)."


class Clock:
    """The time of a run, and a line of progress a minute."""

    def __init__(self, minutes: float, log: Log) -> None:
        self._started, self._minutes, self._log = time.monotonic(), minutes, log
        self._now = "begins"

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def left(self, share: float) -> float:
        """Return the seconds until a share of the run's time is over."""
        return 60 * self._minutes * share - self.seconds

    def say(self, line: str) -> None:
        self._now = line

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Print what was said last, once a minute."""
        ended = threading.Event()

        def tell() -> None:
            while not ended.wait(60):
                self._log(f"{self.seconds / 60:.0f} min: {self._now}")

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


# Shares of the time until which the backbone is distilled, and the whole network fine-tuned; the rest is for figures.
_DISTILLED, _TUNED = 0.65, 0.88


def run(carried: Path, out: Path, *, minutes: float, device_name: str, log: Log) -> dict[str, Any]:
    """Train, score and leave `distilled`, `tuned` and the figures in a folder; a run that stopped resumes.

    Raises:
        EmotionError: The device is not there.
        TrainingError: The file is damaged, or the folder is of another run.
    """
    clock, processes = Clock(minutes, log), alone(device_name)
    device = processes.device
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
    with clock.telling():
        carry = Carry.load(carried)
        train, validation = carry.mixtures(device)
        clock.say("mixtures are made")
        folder, config = _begin(carry, out / "distilled", train, clock, device)
        folder.write_folds([carry.held_out])
        network = new_network(config)
        student = pretrain(
            network,
            train,
            Teachers(lambda features: features),
            config.distil,
            seed=config.seed,
            checkpoint=folder.path / CHECKPOINT,
            log=clock.say,
            evaluate=lambda student, columns: explained(student, validation, _measured(validation, columns), columns),
            is_over=lambda: clock.left(_DISTILLED) < 0,
        )
        columns = config.distil.stages[-1].crop_columns
        share = explained(student, validation, _measured(validation, columns), columns)
        network.cpu()
        steps = torch.load(folder.path / CHECKPOINT, weights_only=True, map_location="cpu")["step"]
        clock.say(f"{steps} steps are done; heads are fitted")
        fit_and_judge(network, carry.features, [carry.held_out], config, folder=folder, log=clock.say, device=device)
        folder.finish(clock.seconds)
        losses = {"distilled": validation_loss(network, carry, config, device)}
        tuned, epochs = fine_tune(
            network, carry, config, folder=out / "tuned", steps=steps, clock=clock, processes=processes
        )
        losses["tuned"] = validation_loss(tuned, carry, config, device)
        models = {
            name: Predictions.load(out / name / PREDICTIONS).of_protocol(Protocol.HELD_OUT) for name in losses
        } | shipped_predictions(carry.held_out.folds[0])
        figures = {
            "device": str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
            "minutes": round(clock.seconds / 60, 2),
            "steps": {"done": steps, "planned": sum(stage.steps for stage in config.distil.stages)},
            "explained_variance": round(share, 4),
            "tuned_epochs": epochs,
            "validation_loss": {name: round(loss, 4) for name, loss in losses.items()},
            "chosen": min(losses, key=lambda name: losses[name]),
            "test": {name: scores_of(each) for name, each in models.items()},
        }
        write_json(out / FIGURES, figures)
    log(json.dumps({name: figures[name] for name in ("minutes", "steps", "validation_loss", "chosen")}))
    return figures


def _measured(sampler: Mixtures, columns: int) -> Teachers:
    teachers = Teachers(lambda features: features)
    teachers.measure(iter([sampler.made[columns, sampler.scene][1]]))
    return teachers


def _begin(
    carry: Carry, path: Path, train: Mixtures, clock: Clock, device: torch.device
) -> tuple[RunFolder, DistilledB3Config]:
    if path.exists():
        folder = RunFolder.open(path)
        folder.resumed()
        return folder, config_of(tomllib.loads(folder.config_toml), str(path))
    config = replace(carry.config, version="b3-gpu")
    network, teachers = new_network(config), Teachers(lambda features: features)
    stages = []
    for stage in config.distil.stages:
        # A GPU does larger batches in hardly more time.
        larger = replace(stage, batch_size=stage.batch_size * (8 if device.type == "cuda" else 1))
        stages.append((larger, steps_per_s(network, train, teachers, config.distil, larger)))
    # Each stage takes the same share of the time as in the configuration.
    costs = [stage.steps * stage.batch_size * stage.crop_columns for stage, _ in stages]
    seconds = clock.left(_DISTILLED)
    planned = tuple(
        replace(stage, steps=max(2, int(0.9 * seconds * cost / sum(costs) * pace)))
        for (stage, pace), cost in zip(stages, costs, strict=True)
    )
    config = replace(config, distil=replace(config.distil, stages=planned))
    facts = {"version": config.version, "seed": config.seed, "recipe": "distilled_b3"}
    folder = RunFolder.create(path, toml_of(config), facts)
    return folder, config


def images_of(carry: Carry, config: DistilledB3Config, device: torch.device) -> ClipSet:
    """Return the window of every clip that is served, on a device."""
    mel, spectra = config.mel, carry.features.spectra
    images = np.empty((len(spectra), 1, *mel.image_shape), np.float16)
    for row, each in enumerate(spectra):
        level_db = stretch_at(each.student, mel.image_shape[1]).T
        images[row, 0] = ((level_db - mel.reference_db) / mel.range_db + 1).clip(0, 1)
    return ClipSet(torch.from_numpy(images).to(device), carry.features.targets, points=carry.features.points)


def validation_loss(network: HeadedNetwork, carry: Carry, config: DistilledB3Config, device: torch.device) -> float:
    """Return the mean log loss on the validation clips."""
    rows = carry.held_out.rows(carry.features.clips)[0].validation
    logits = loop.predict(network.to(device), images_of(carry, config, device), rows, config.mel, device)[0]
    network.cpu()
    targets = torch.from_numpy(carry.features.targets[rows])
    return float(functional.cross_entropy(torch.from_numpy(logits), targets))


def fine_tune(
    network: HeadedNetwork,
    carry: Carry,
    config: DistilledB3Config,
    *,
    folder: Path,
    steps: int,
    clock: Clock,
    processes: loop.Processes,
) -> tuple[HeadedNetwork, int]:
    """Train a copy of a distilled network as a whole on the labels, leave its run folder; return it and its epochs."""
    # What pre-training on a CPU changes in a network does not survive a copy.
    tuned = new_network(replace(config, imagenet=""))
    tuned.load_state_dict(network.state_dict())
    fold = carry.held_out.rows(carry.features.clips)[0]
    version = f"{config.version}-tuned"
    data, path = images_of(carry, config, processes.device), folder / f"checkpoint-{steps}.pt"
    tuning = FitConfig(
        epochs=20,
        batch_size=min(64, max(2, len(fold.train) // 2)),
        optimiser="adamw",
        learning_rate=1e-4,
        schedule="cosine",
        weight_decay=0.02,
        ema_decay=0.99,
        patience=0,
        clip_norm=5.0,
        label_smoothing=0.05,
        regression_weight=1.0,
        bf16=config.distil.bf16,
        augment=AugmentConfig(),
    )
    if not (folder / "run.json").exists():
        run_folder = RunFolder.create(folder, toml_of(replace(config, version=version)), {"version": version})
        run_folder.write_folds([carry.held_out])
    run_folder = RunFolder.open(folder)
    for other in set(folder.glob("checkpoint-*.pt")) - {path}:
        # Of a backbone that was distilled for less long.
        other.unlink()

    def heard(epochs: list[dict[str, Any]]) -> None:
        run_folder.write_history({"distilled_steps": steps}, epochs)
        clock.say(f"epoch {len(epochs)} of fine-tuning: validation loss {epochs[-1]['validation_loss']:.3f}")

    task = FitTask(
        data=data,
        rows=fold.train,
        validation_rows=fold.validation,
        config=tuning,
        front_end=config.mel,
        seed=config.seed,
        processes=processes,
        identity={"distilled steps": steps},
        checkpoint=path,
        on_epoch=heard,
        is_over=lambda _: clock.left(_TUNED) < 0,
    )
    outcome = loop.train(tuned, task)
    outputs = {
        part: loop.predict(tuned, data, rows, config.mel, processes.device)
        for part, rows in (("validation", fold.validation), ("test", fold.test))
    }
    tuned.cpu()
    logits, _, *points = outputs["validation"]
    reading = fit_reading(carry.features.truth[fold.validation], logits, *points)
    logits, embeddings, *points = outputs["test"]
    said = Predictions.of_clips(
        [carry.features.clips[i] for i in fold.test],
        protocol=Protocol.HELD_OUT,
        fold=0,
        logits=logits,
        estimates=reading.estimates(logits, *points),
        embeddings=embeddings,
        loudness_db=np.array([carry.features.spectra[i].level_db for i in fold.test], np.float32),
    )
    said.save(folder / PREDICTIONS)
    facts = cards.facts_of(
        asdict(replace(config, version=version)),
        carry.features,
        [carry.held_out],
        {"model": said},
        method=_METHOD_TUNED,
    )
    facts["commit"] = run_folder.facts()["commit"]
    run_folder.write_metrics({"model": scores_by_protocol(said)})
    card = checkpoint.Card(version, config.mel, tuned.config, facts=facts, reading=reading)
    checkpoint.save(tuned, card, folder / f"{version}.safetensors")
    run_folder.add_facts(**{key: facts[key] for key in ("datasets", "split", "folds")})
    run_folder.finish(sum(epoch["seconds"] for epoch in outcome.epochs))
    return tuned, len(outcome.epochs)


def shipped_predictions(fold: Fold) -> dict[str, Predictions]:
    """Return what the models that came with the program said of the test clips, where those are theirs."""
    found = {}
    for path in sorted(checkpoint.SHIPPED_DIR.glob("*.predictions.npz")):
        said = Predictions.load(path).of_protocol(Protocol.HELD_OUT)
        said = said.where(np.isin(said.clip, fold.test))
        if len(said) == len(fold.test):
            found[path.name.partition(".")[0]] = said
    return found


def scores_of(predictions: Predictions) -> dict[str, dict[str, float]]:
    """Return the figures of each data set and of all."""
    scores = score_by_dataset(predictions)
    scores["all"] = score(predictions.truth, predictions.probabilities, predictions.artist)
    return {
        name: {"n": each.n, "accuracy": each.accuracy, "macro_f1": each.macro_f1, "ece": each.ece}
        for name, each in scores.items()
    }
