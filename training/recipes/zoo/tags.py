"""Train a network of Liu et al. on tags, of which a clip may have several, on the folds of a protocol, or resume it.

Choices that the paper leaves open or that differ from it:

- **Heads.** The sigmoid gives each tag a probability of its own and learns by the binary cross-entropy. The paper's
  softmax learns from tags that share a clip's 1 equally; a clip without tags teaches it nothing.
- **Threshold.** One for all tags, that of the highest macro-F1 on a fold's validation clips.
- **Epoch.** The one of the lowest validation loss; the paper averages ten.
- **Folds** are dealt without regard to tags, and segments of a song, songs of an artist and near-duplicates stay on one
  side. The paper deals clips at random: `random10` does, and its row says that it leaks.
- **Tags.** Emotify: `training.datasets.emotify`. CAL500 and CAL500exp: the 18 emotions of the hard labels, which hold
  the paper's rule of 80 %.
- **Audio.** The front end's window from the middle of a song; a segment of CAL500exp is cut from its song, and repeated
  or cut to `SEGMENT_S`. The paper spreads its frames over all of a song or segment.

Source: Liu et al., sections 2.4 and 3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from catalog.core.files import write_atomic
from emotion.inference.checkpoint import Card, read_card, save
from emotion.signal.audio import SAMPLE_RATE_HZ, read_window_at
from emotion.zoo.liu import Liu, LiuConfig
from emotion.zoo.registry import create_model
from training.data.cache import Images, prepared_of
from training.data.duplicates import duplicate_groups
from training.data.splits import Folds, Rows, artist_grouped_folds, stratified_folds
from training.datasets import DATASETS, Clip, cal500, cal500exp, emotify
from training.datasets.base import duration_s
from training.evaluation.metrics import rounded
from training.evaluation.predictions import read_arrays
from training.evaluation.tags import Flags, TagAnswers, best_threshold, figures_of, frequency_floor, score_tags
from training.fit.loop import ClipSet, FitTask, Processes, predict, train, worked_s
from training.fit.run_folder import CHECKPOINT, TENSORBOARD, RunFolder, held, write_json
from training.recipes.registry import Log
from training.recipes.zoo.recipe import SEED, infer_ms, opened
from training.recipes.zoo.systems import ZooError, ZooSystem, system

# The median length of CAL500exp's segments, which last 3 to 16 s.
SEGMENT_S = 6.5
_EMOTION = "Emotion-"
_N_HALVINGS = 20


@dataclass(frozen=True, slots=True)
class TagProtocol:
    """How clips are dealt into training, validation and test."""

    name: str
    about: str
    n_folds: int
    leaks: bool = False  # Whether songs or artists cross.

    def folds(self, clips: Sequence[Clip], duplicates: Sequence[int]) -> Folds:
        """Deal the clips."""
        # Folds balanced by quadrant are another problem's.
        plain = [replace(clip, quadrant=None) for clip in clips]
        if self.leaks:
            return stratified_folds(plain, seed=SEED, n_folds=self.n_folds)
        return artist_grouped_folds(plain, seed=SEED, n_folds=self.n_folds, duplicates=duplicates)


TAG_PROTOCOLS = {
    each.name: each
    for each in (
        TagProtocol("artist5", "five folds that share no artist, song or recording", 5),
        TagProtocol("random10", "ten random folds, as Liu et al. have them, which leak", 10, leaks=True),
    )
}


@dataclass(frozen=True, slots=True)
class TagSet:
    """A data set whose clips have tags of emotion."""

    about: str  # When a clip has a tag, after "each".
    tags: Callable[[Path], list[str]]  # From the data set's folder to all tags, in the order of the columns.
    window_s: float | None = None  # Of the front end; None is the system's.
    # From the folder to the macro-F1 of one half of a clip's listeners against the other; None where they are unknown.
    agreement: Callable[[Path], float] | None = None


def _emotions(vocabulary: Callable[[Path], list[str]]) -> Callable[[Path], list[str]]:
    return lambda folder: [tag for tag in vocabulary(folder) if tag.startswith(_EMOTION)]


def agreement_of_halves(folder: Path) -> float:
    """Return how well the tags by one half of each Emotify song's listeners are those by the other, as macro-F1.

    It is the mean over random halvings. A song's tags by all of its listeners are less noisy than by half of them.
    """
    rng = np.random.default_rng(SEED)
    ticked = [np.array(each) for each in emotify.ratings(folder)[0].values()]
    figures = []
    for _ in range(_N_HALVINGS):
        mixed = [each[rng.permutation(len(each))] for each in ticked]
        halves = [[emotify.tags_of(each[part::2]) for each in mixed if len(each) > 1] for part in (0, 1)]
        figures.append(f1_score(*(flags_of(half, emotify.GEMS) for half in halves), average="macro", zero_division=0))
    return float(np.mean(figures))


TAG_SETS = {
    "emotify": TagSet(
        f"felt by at least {100 * emotify.TAG_SHARE:.0f} % of a song's listeners",
        lambda _: list(emotify.GEMS),
        agreement=agreement_of_halves,
    ),
    "cal500": TagSet("agreed on by at least 80 % of a song's listeners", _emotions(cal500.vocabulary)),
    "cal500exp": TagSet("annotated for a segment", _emotions(cal500exp.vocabulary), SEGMENT_S),
}


@dataclass(frozen=True, slots=True)
class TagRun:
    """A system with one head on one data set; `budget_min` are core-minutes for all folds, 0 for the paper's epochs."""

    system: ZooSystem  # Its network has a class for each tag.
    data: str
    tags: tuple[str, ...]
    protocol: TagProtocol
    budget_min: float
    data_root: Path
    work_dir: Path
    folder: Path

    @property
    def name(self) -> str:
        """The system and its head, as the table has them."""
        return f"{self.system.name}-{self.system.network.head}"


def tag_run(
    name: str,
    data: str,
    *,
    head: str = "sigmoid",
    protocol: str = "artist5",
    budget_min: float,
    data_root: Path,
    work_dir: Path,
    runs: Path,
) -> TagRun:
    """Return a run of a system on a data set's tags, in a folder of its own in `runs`.

    Raises:
        ZooError: The system, its head, the data set or the protocol is none for tags.
        training.datasets.DatasetError: The data set's labels are not there.
    """
    if data not in TAG_SETS:
        raise ZooError(f"{data} has no tags of emotion that are all labelled; {', '.join(TAG_SETS)} have.")
    if protocol not in TAG_PROTOCOLS:
        raise ZooError(f"protocol is {protocol!r}; for tags it can be {' or '.join(TAG_PROTOCOLS)}.")
    each, kind = system(name, within_budget=budget_min > 0), TAG_SETS[data]
    if not isinstance(each.network, LiuConfig) or each.front_end.chunks > 1 or each.changes or each.before:
        raise ZooError(f"{name} cannot learn tags; a network of Liu et al. on one window of a song can.")
    tags = tuple(kind.tags(data_root / data))
    try:
        network = replace(each.network, n_classes=len(tags), head=head)
    except ValueError as error:
        raise ZooError(f"{name} cannot learn tags so: {error}.") from error
    front_end = each.front_end if kind.window_s is None else replace(each.front_end, window_s=kind.window_s)  # type: ignore[type-var]
    tagged = replace(each, network=network, front_end=front_end)
    folder = runs / f"tags-{data}-{name}-{head}-{protocol}"
    return TagRun(tagged, data, tags, TAG_PROTOCOLS[protocol], budget_min, data_root, work_dir, folder)


def run_tags(run: TagRun, *, processes: Processes, log: Log) -> dict[str, Any]:
    """Train every fold, or those that are missing, and return the row of the table.

    Where there is no audio the row has the floor of the labels, and says that nothing was run.

    Raises:
        training.exceptions.TrainingError: Training diverged, or the folder is of another run or another process.
    """
    labelled = DATASETS[run.data].load(run.data_root / run.data, run.work_dir)
    clips = [clip for clip in labelled if clip.audio.is_file()]
    if not clips:
        reason = f"The labels of {len(labelled)} clips are here, their audio is not, such as {labelled[0].audio}."
        log(f"{run.name} on {run.data} was not run. {reason}")
        return _row_of_labels(run, labelled)
    if len(clips) < len(labelled):
        log(
            f"{run.data} is run without {len(labelled) - len(clips)} of {len(labelled)} clips, whose audio is not here."
        )
    with held(run.folder):
        return _trained(run, clips, processes, log)


def _trained(run: TagRun, clips: Sequence[Clip], processes: Processes, log: Log) -> dict[str, Any]:
    songs = list(dict.fromkeys(clip.audio for clip in clips))
    groups = duplicate_groups(songs, cache_dir=run.work_dir / "landmarks").tolist()
    recording = dict(zip(songs, groups, strict=True))
    folds = run.protocol.folds(clips, [recording[clip.audio] for clip in clips])
    folder = opened(run.folder, run.system, run.name, folds, run.budget_min, [run.data])
    (folder.path / "folds").mkdir(exist_ok=True)
    truth = flags_of([clip.tags for clip in clips], run.tags)
    inputs = prepared_of(
        audio_of(clips, run.work_dir / f"segments-{SEGMENT_S:g}s"),
        front_end=run.system.front_end,
        cache_dir=run.work_dir / "zoo",
    )
    weights = []
    for number, rows in enumerate(folds.rows(clips)):
        weights.append(folder.path / "folds" / f"{number}.safetensors")
        if not weights[-1].with_suffix(".npz").exists():
            begun = time.monotonic()
            _train_fold(run, folder, number, rows, inputs, truth, folds, processes)
            folder.worked(time.monotonic() - begun)
        facts = read_card(weights[-1]).facts
        log(
            f"{run.name} on {run.data}, fold {number + 1} of {len(folds.folds)}: threshold {facts['threshold']:.3f} in "
            f"epoch {facts['best_epoch']} of {facts['epochs']}"
        )
    if not folder.is_finished:
        folder.finish()
    row = {**_row(run, folds, clips, truth, weights), "device": processes.device.type}
    write_json(folder.path / "row.json", row)
    return row


def flags_of(tags: Sequence[Sequence[str]], names: Sequence[str]) -> Flags:
    """Return which of some named tags each clip has, `(n, n_tags)`."""
    return np.array([[name in each for name in names] for each in tags], bool)


def audio_of(clips: Sequence[Clip], folder: Path) -> list[Path]:
    """Return a file for each clip: its own, or for a segment one that is cut from its song into a folder.

    A cut segment is repeated up to `SEGMENT_S`, since nothing shorter than five seconds is read.

    Raises:
        emotion.exceptions.AudioUnreadableError: A song cannot be read.
    """
    paths = []
    for clip in clips:
        path = clip.audio if clip.end_s is None else folder / f"{clip.id}.flac"
        if clip.end_s is not None and not path.exists():
            length_s = clip.end_s - clip.start_s
            place = clip.start_s / max(duration_s(clip.audio) - length_s, 1e-9)
            cut = read_window_at(clip.audio, min(place, 1.0), window_s=length_s).waveform
            filled = np.resize(cut, max(len(cut), round(SEGMENT_S * SAMPLE_RATE_HZ)))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, partial(soundfile.write, data=filled, samplerate=SAMPLE_RATE_HZ, format="FLAC"))
        paths.append(path)
    return paths


def _train_fold(
    run: TagRun,
    folder: RunFolder,
    number: int,
    rows: Rows,
    inputs: Images,
    truth: Flags,
    folds: Folds,
    processes: Processes,
) -> None:
    # The answers are written last, and mark the fold as finished.
    config: LiuConfig = run.system.network
    targets = truth.astype(np.float32)
    if config.head == "softmax":
        targets /= np.maximum(targets.sum(axis=1, keepdims=True), 1)
    data = ClipSet(inputs, targets)
    key = {"protocol": run.protocol.name, "fold": number}
    task = FitTask(
        data=data,
        rows=rows.train,
        validation_rows=rows.validation,
        config=run.system.training,
        front_end=run.system.front_end,
        seed=SEED + number,
        processes=processes,
        identity={"system": run.name, "data": run.data, "fold": key, "split": folds.sha256},
        checkpoint=folder.path / CHECKPOINT,
        log_dir=folder.path / TENSORBOARD / str(number),
        on_epoch=lambda epochs: folder.write_history(key, epochs),
        is_over=lambda epochs: bool(run.budget_min) and worked_s(epochs) > 60 * run.budget_min / run.protocol.n_folds,
    )
    torch.manual_seed(task.seed)
    network = create_model(run.system.member.name, config)
    assert isinstance(network, Liu)
    outcome = train(network, task)

    def scores_of(part: NDArray[np.int64]) -> NDArray[np.float32]:
        logits = predict(network, data, part, run.system.front_end, processes.device)[0]
        return network.shares(torch.from_numpy(logits)).numpy()

    threshold = best_threshold(truth[rows.validation], scores_of(rows.validation))
    facts = {
        **key,
        "best_epoch": outcome.best_epoch,
        "epochs": len(outcome.epochs),
        "validation_loss": outcome.validation_loss,
        "threshold": threshold,
        "train_s": worked_s(outcome.epochs),
    }
    stem = folder.path / "folds" / str(number)
    card = Card(run.name, run.system.front_end, config, facts=facts, classes=run.tags)
    save(network, card, stem.with_suffix(".safetensors"))
    answers = TagAnswers.above(scores_of(rows.test), threshold)
    floor = frequency_floor(truth[rows.train], truth[rows.validation], len(rows.test))
    # The next fold must not find this checkpoint.
    (folder.path / CHECKPOINT).unlink(missing_ok=True)
    arrays: dict[str, Any] = {
        "scores": answers.scores,
        "given": answers.given,
        "floor_scores": floor.scores,
        "floor_given": floor.given,
    }
    write_atomic(stem.with_suffix(".npz"), lambda file: np.savez_compressed(file, rows=rows.test, **arrays))


def _row(run: TagRun, folds: Folds, clips: Sequence[Clip], truth: Flags, weights: Sequence[Path]) -> dict[str, Any]:
    parts = [read_arrays(path.with_suffix(".npz")) for path in weights]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    fold = np.repeat(np.arange(len(parts)), [len(part["rows"]) for part in parts])
    answers = TagAnswers(whole["scores"], whole["given"])
    floor = TagAnswers(whole["floor_scores"], whole["floor_given"])
    artists = [clips[i].artist for i in whole["rows"]]
    scores = score_tags(run.tags, truth[whole["rows"]], answers, floor, artists, fold).to_json()
    by_fold = [
        figures_of(truth[part["rows"]], TagAnswers(part["scores"], part["given"]), np.zeros(len(part["rows"])))
        for part in parts
    ]
    facts = [read_card(path).facts for path in weights]
    low, high = scores["intervals"]["macro_f1"]
    epochs = [each["epochs"] for each in facts]
    return {
        **_about(run, folds, truth),
        "macro_f1": scores["figures"]["macro_f1"],
        "low": low,
        "high": high,
        **{name: scores[name] for name in ("figures", "intervals", "floor", "by_tag")},
        "by_fold": [round(each.macro_f1, 4) for each in by_fold],
        "thresholds": [round(each["threshold"], 4) for each in facts],
        "train_s": round(sum(each["train_s"] for each in facts), 1),
        "epochs": epochs,
        "infer_ms": round(infer_ms(run.system, weights[-1]), 1),
        "cut": f"{min(epochs)} to {max(epochs)} epochs of at most {run.system.training.epochs}"
        if run.budget_min
        else "",
    }


def _row_of_labels(run: TagRun, clips: Sequence[Clip]) -> dict[str, Any]:
    # Near-duplicates cannot be found without audio.
    folds = run.protocol.folds(clips, range(len(clips)))
    truth = flags_of([clip.tags for clip in clips], run.tags)
    dealt = folds.rows(clips)
    floors = [frequency_floor(truth[rows.train], truth[rows.validation], len(rows.test)) for rows in dealt]
    tested = np.concatenate([rows.test for rows in dealt])
    fold = np.repeat(np.arange(len(dealt)), [len(rows.test) for rows in dealt])
    floor = TagAnswers(*(np.concatenate([getattr(each, name) for each in floors]) for name in ("scores", "given")))
    figures = rounded(asdict(figures_of(truth[tested], floor, fold)))
    not_run = "the labels are here, the audio is not"
    return {
        **_about(run, folds, truth),
        "macro_f1": None,
        "low": None,
        "high": None,
        "floor": figures,
        "not_run": not_run,
    }


def _about(run: TagRun, folds: Folds, truth: Flags) -> dict[str, Any]:
    kind = TAG_SETS[run.data]
    return {
        "system": run.name,
        "title": run.system.title,
        "paper": run.system.paper,
        "head": run.system.network.head,
        "protocol": run.protocol.name,
        "about": run.protocol.about,
        "leaks": run.protocol.leaks,
        "data": run.data,
        "labels": kind.about,
        "folds": folds.sha256,
        "n": len(truth),
        "n_tags": int(truth.any(axis=0).sum()),
        "tags_per_clip": round(float(truth.sum(axis=1).mean()), 4),
        "agreement": None if kind.agreement is None else round(kind.agreement(run.data_root / run.data), 4),
        "parameters": run.system.parameters,
        "budget_min": run.budget_min,
        "note": run.system.note,
    }
