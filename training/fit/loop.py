"""Train a quadrant network on labelled clips, in one process or several, with exact resume.

Two runs of one configuration and seed on one machine give identical weights, and so does a run that was killed and
resumed: the order of an epoch depends only on seed and epoch; all other random state is in the checkpoint.
"""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from catalog.core.files import remove_leftovers, write_atomic
from emotion.exceptions import CheckpointError, DeviceUnavailableError
from emotion.inference.predict import channels_last, device_of
from emotion.zoo.frontends import FrontEnd, MelConfig
from emotion.zoo.registry import Network, log_mean
from training.data.augment import AugmentConfig, augment, mixup
from training.data.cache import Images
from training.exceptions import TrainingDivergedError

_OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
_SCHEDULES = ("constant", "cosine")
_EVALUATION_BATCH = 32
# A check whether the loss is finite makes a GPU wait.
_STEPS_BETWEEN_CHECKS = 50
_FORMAT_VERSION = 2
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that train together: one per GPU under torchrun, or a single one."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        if self.count > 1:
            distributed.barrier()

    def share(self, value: _T) -> _T:
        """Return the first process's value, in every process."""
        if self.count == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def gather(self, value: _T) -> list[_T]:
        """Return every process's value, in order of rank, in every process."""
        if self.count == 1:
            return [value]
        values: list[_T] = [value] * self.count
        distributed.all_gather_object(values, value)
        return values

    def total(self, values: Sequence[float]) -> list[float]:
        """Return sums over the processes, added in the same order and so identical in all."""
        return [sum(column) for column in zip(*self.gather(list(values)), strict=True)]

    def spread(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over the processes; the same one for a single process.

        On GPUs, batch normalisation sees the whole batch; on the CPU, which torch does not support, each process's
        part.
        """
        if self.count == 1:
            return network
        if self.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
            return DistributedDataParallel(network, device_ids=[self.device.index])
        return DistributedDataParallel(network)


def alone(device: str = "auto") -> Processes:
    """Return a single process on a device, which becomes the current one.

    Raises:
        DeviceUnavailableError: The device is not there.
    """
    chosen = device_of(device)
    if chosen.type == "cuda":
        # The states of random generators that a checkpoint holds are the current device's.
        torch.cuda.set_device(chosen)
    return Processes(0, 1, chosen)


@contextmanager
def together(device: str = "auto") -> Iterator[Processes]:
    """Join the processes that torchrun started, if any.

    Raises:
        DeviceUnavailableError: The device is not there, or is a single GPU, or there are fewer GPUs than processes.
    """
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    if count == 1:
        yield alone(device)
        return
    on_gpu, n_gpus = device_of(device).type == "cuda", torch.cuda.device_count()
    if ":" in device:
        raise DeviceUnavailableError(f"{device} is one GPU, and there are {count} processes; with cuda each takes one.")
    if on_gpu and n_gpus <= rank:
        raise DeviceUnavailableError(f"Process {rank} has no GPU: there are {n_gpus}; start fewer, or use cpu.")
    place = torch.device("cuda", rank) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), place)
    finally:
        distributed.destroy_process_group()


def work_clock(device: torch.device) -> Callable[[], float]:
    """Return a clock of work in seconds: what the CPU, which others share, did for this process; or a GPU's time."""
    return time.process_time if device.type == "cpu" else time.monotonic


def worked_s(epochs: Sequence[Mapping[str, Any]]) -> float:
    """Return the seconds of work of epochs, those before a resume included."""
    return float(sum(epoch["worked_s"] for epoch in epochs))


def seed_everything(seed: int, rank: int = 0) -> None:
    """Seed all random generators of this process; each process has its own sequence."""
    mixed = int(np.random.SeedSequence((seed, rank)).generate_state(1)[0])
    random.seed(mixed)
    np.random.seed(mixed)  # noqa: NPY002 -- libraries that draw from the global generator must repeat as well.
    torch.manual_seed(mixed)


def random_states() -> dict[str, Any]:
    """Return the states of all random generators of this process, as plain values and tensors."""
    legacy: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002
    return {
        "python": random.getstate(),
        "numpy": {**legacy, "state": {**legacy["state"], "key": legacy["state"]["key"].tolist()}},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Restore the states of all random generators of this process."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    state = {**states["numpy"]["state"], "key": np.array(states["numpy"]["state"]["key"], np.uint32)}
    np.random.set_state({**states["numpy"], "state": state})  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def write_checkpoint(path: Path, identity: dict[str, Any], content: dict[str, Any]) -> None:
    """Write a checkpoint that replaces the last one only when it is complete.

    Raises:
        OSError: The disk is full or not writable; the last checkpoint stays.
    """
    whole = {"format": _FORMAT_VERSION, "identity": json.loads(json.dumps(identity)), **content}
    try:
        write_atomic(path, lambda file: torch.save(whole, file))
    except RuntimeError as error:
        # torch reports a full disk as a RuntimeError.
        raise OSError(f"{path} could not be written: {error}. The last checkpoint is kept.") from error
    # A run that is killed while it writes leaves a file as large as its checkpoint.
    remove_leftovers(path)


def read_checkpoint(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """Read a checkpoint of this run.

    Raises:
        CheckpointError: It is damaged, of another format, or of another run; the message says what differs.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path} is damaged, or no checkpoint: nothing can be resumed from it. Delete it to begin that fold again."
        ) from error
    if checkpoint.get("format") != _FORMAT_VERSION:
        raise CheckpointError(f"{path} has format {checkpoint.get('format')}; this program reads {_FORMAT_VERSION}.")
    theirs, ours = checkpoint["identity"], json.loads(json.dumps(identity))
    for name in ours.keys() | theirs.keys():
        if theirs.get(name) != ours.get(name):
            saved, now = theirs.get(name), ours.get(name)
            if isinstance(saved, dict) and isinstance(now, dict):
                keys = sorted(key for key in saved.keys() | now.keys() if saved.get(key) != now.get(key))
                saved, now = ({key: values.get(key) for key in keys} for values in (saved, now))
            raise CheckpointError(
                f"{path} is a checkpoint of another {name}: it has {saved}, this run has {now}. "
                "Resume with the original values, or start a new run."
            )
    return checkpoint


def keep_wide_depthwise_in_float32(network: nn.Module) -> None:
    """Exempt 5x5 depthwise convolutions from autocast, in place.

    On the CPU their backward pass takes four times as long in bf16 as in float32; a whole training step of
    EfficientNetB3 at 128 pixels becomes 1.5 times as fast.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1 and module.kernel_size[0] >= 5:
            module.register_forward_pre_hook(lambda _, inputs: tuple(x.float() for x in inputs))
            module.forward = torch.autocast("cpu", enabled=False)(module.forward)  # type: ignore[method-assign]


@contextmanager
def renewing_statistics(network: nn.Module) -> Iterator[None]:
    """Measure the statistics of batch normalisation, in place, on the batches that pass meanwhile; else evaluate.

    Source: Wu and Johnson (2021), Rethinking "Batch" in BatchNorm, section 3.
    """
    norms = [module for module in network.eval().modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        # To torch this means the plain mean over all batches.
        norm.momentum = None
        norm.train()
    try:
        with torch.no_grad():
            yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        network.eval()


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How a network is trained; the defaults are the paper's.

    Raises:
        ValueError: A value makes no sense.

    Source: Cazzaniga et al., section 4.2; patience, batch size and renewed statistics are choices of this project.
    """

    epochs: int = 50  # At most.
    batch_size: int = 32  # Over all processes together.
    optimiser: str = "adam"  # "adam", "adamw" or "sgd".
    learning_rate: float = 1e-5
    schedule: str = "constant"  # Of the learning rate: "constant", or "cosine" down to zero over `epochs`.
    weight_decay: float = 0.0
    momentum: float = 0.0  # Of "sgd".
    ema_decay: float = 0.0  # Of averaged weights, which are then the ones validated and saved; 0 is none.
    patience: int = 5  # Epochs without a lower validation loss before training stops; 0 is never.
    stop_accuracy: float = 0.0  # Accuracy on the training clips at which training stops; 0 is never.
    # Training clips on which batch normalisation is measured before each validation; 0 takes its running statistics.
    renew_norms: int = 512
    clip_norm: float = 0.0  # Largest norm of the gradient; 0 is unlimited.
    label_smoothing: float = 0.0  # Share of the target spread over all quadrants.
    regression_weight: float = 0.0  # Of the squared error of valence and arousal, for a network that regresses them.
    bf16: bool = True  # Compute in half precision where that is safe.
    deterministic: bool = False  # Refuse operations whose result depends on the order in which a GPU adds.
    checkpoint_steps: int = 0  # Steps between checkpoints within an epoch; 0 is one at the end of each.
    augment: AugmentConfig = field(default_factory=AugmentConfig.off)  # Random changes of log-mel training images.

    def __post_init__(self) -> None:
        if self.optimiser not in _OPTIMISERS:
            raise ValueError(f"optimiser is {self.optimiser!r}; it can be {' or '.join(_OPTIMISERS)}.")
        if self.schedule not in _SCHEDULES:
            raise ValueError(f"schedule is {self.schedule!r}; it can be {' or '.join(_SCHEDULES)}.")
        if self.epochs < 1 or self.batch_size < 2 or self.learning_rate <= 0:
            raise ValueError("epochs must be 1 or more, batch_size 2 or more, learning_rate above 0.")


class Drawn(Protocol):
    """Prepared clips that are made when they are read: `drawn[rows, places]` is `(n, *prepared_shape)`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Clips, places, and the shape of a prepared input."""

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        """Read some places of some clips."""


class Start(NamedTuple):
    """A fold at the start of training: a network, what training reads if not the fold's data, facts for its card."""

    network: Network
    trained_on: Drawn | None = None
    facts: Mapping[str, Any] = MappingProxyType({})
    # What `predict` would return for some clips, where most of that is the same in every fold and known.
    outputs_of: Callable[[NDArray[np.int64]], tuple[NDArray[np.float32], ...]] | None = None


@dataclass(frozen=True, slots=True)
class ClipSet:
    """Labelled clips as a front end prepared them, on disk, in memory or on a GPU."""

    # `(n, n_places, *prepared_shape)`, such as images float16 in [0, 1]; places are windows or segments of a clip.
    inputs: NDArray[np.float16] | Images | Tensor | Drawn
    # `(n, 4)` float32 quadrant labels, each row summing to 1; for a network of other classes, what its loss takes.
    targets: NDArray[np.float32]
    # `(n,)` float32 added to each clip's image, for a dB reference of its dataset; None is zero.
    lift: NDArray[np.float32] | None = None
    # `(n, 2)` float32 rated valence and arousal in [-1, 1], NaN where unrated; None is nowhere.
    points: NDArray[np.float32] | None = None
    # Whether a clip is judged by the mean over its places; else by the first one.
    averages: bool = False
    # What training reads in place of `inputs`, such as changed waveforms; None is the same.
    trained_on: Drawn | None = None

    def batch(
        self, rows: NDArray[np.int64], places: NDArray[np.int64], device: torch.device, *, training: bool = False
    ) -> Tensor:
        """Return inputs `(n, *prepared_shape)` float32 on a device."""
        source = self.trained_on if training and self.trained_on is not None else self.inputs
        if isinstance(source, Tensor):
            stored = source[torch.from_numpy(rows), torch.from_numpy(places)]
        else:
            stored = torch.from_numpy(np.ascontiguousarray(source[rows, places]))
        batch = stored.to(device).float()
        if self.lift is None:
            return batch
        lift = torch.from_numpy(self.lift[rows]).to(device).view(-1, 1, 1)
        return (batch + lift).clamp(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class FitTask:
    """One training.

    Raises:
        ValueError: There are too few clips.
    """

    data: ClipSet  # All clips; `rows` and `validation_rows` are positions in it.
    rows: NDArray[np.int64]
    validation_rows: NDArray[np.int64]
    config: FitConfig
    front_end: FrontEnd  # What prepared the clips: of one place, where each has several.
    seed: int  # Of order, dropout and augmentation.
    processes: Processes
    # What a checkpoint must share with this run to be resumed, besides the configuration; plain JSON values.
    identity: dict[str, Any] = field(default_factory=dict)
    checkpoint: Path | None = None  # Written after each epoch; training resumes from it where it exists.
    log_dir: Path | None = None  # Of TensorBoard.
    # Called by the first process after each epoch with all epochs so far.
    on_epoch: Callable[[list[dict[str, Any]]], None] = lambda _: None
    # Asked after each epoch of a single process, with all epochs so far: whether training ends as it is then.
    is_over: Callable[[list[dict[str, Any]]], bool] = lambda _: False

    def __post_init__(self) -> None:
        if len(self.rows) < 2 * self.processes.count or not len(self.validation_rows):
            raise ValueError(
                f"{len(self.rows)} training and {len(self.validation_rows)} validation clips are too few: two for each "
                f"of {self.processes.count} processes, and one, are the least."
            )

    @property
    def starts(self) -> range:
        """Starts of the batches of an epoch, without a last one too small to share and to normalise."""
        return range(0, len(self.rows) - 2 * self.processes.count + 1, self.config.batch_size)

    @property
    def whole_identity(self) -> dict[str, Any]:
        """Values that a checkpoint of this task has too."""
        return {
            "configuration": asdict(self.config),
            "front end": {"name": self.front_end.name, **self.front_end.to_json()},
            "seed": self.seed,
            "number of processes": self.processes.count,
            **self.identity,
        }


@torch.inference_mode()
def predict(
    network: nn.Module,
    data: ClipSet,
    rows: NDArray[np.int64],
    front_end: FrontEnd,
    device: torch.device,
    *,
    at_once: bool = False,
) -> tuple[NDArray[np.float32], ...]:
    """Return a network's outputs for some clips, in float32, as `OverChunks` has them where places are averaged.

    `at_once` takes the middle place in place of all of them, and keeps what comes after the points.

    Returns:
        Logits `(n, 4)`, embeddings `(n, 64)` and, from a network that regresses, valence and arousal `(n, 2)`.
    """
    network.eval()
    places = [*range(data.inputs.shape[1])] if data.averages else [0]
    if at_once:
        places = [places[len(places) // 2]]
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, len(rows), _EVALUATION_BATCH):
        part = rows[start : start + _EVALUATION_BATCH]
        by_place = []
        for place in places:
            inputs = front_end.tensor(data.batch(part, np.full_like(part, place), device))
            # What comes after the points is for the network's own loss.
            kept = network(inputs)[: None if at_once else 3]
            by_place.append(tuple(output.float().cpu() for output in kept))
        parts.append(by_place[0] if len(by_place) == 1 else mean_of_places(by_place))
    return tuple(torch.cat(column).numpy() for column in zip(*parts, strict=True))


def n_right(logits: Tensor, targets: Tensor) -> Tensor:
    """Return of how many clips the likeliest class is among the truest: `(n, n_classes)` both."""
    return (targets.gather(1, logits.argmax(1, keepdim=True)) == targets.amax(1, keepdim=True)).sum()


def mean_of_places(outputs: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Return the outputs of clips from those of their places, the logits being those of the mean probability."""
    logits, *others = (torch.stack(column, dim=1) for column in zip(*outputs, strict=True))
    return log_mean(logits), *(each.mean(dim=1) for each in others)


def renew_statistics(
    network: nn.Module, data: ClipSet, rows: NDArray[np.int64], front_end: FrontEnd, device: torch.device
) -> None:
    """Measure the statistics of batch normalisation, in place, on the first place of some clips, unchanged.

    EfficientNet's running statistics lag by a hundred steps: from scratch on 4QAED (B0 at 64 pixels, 125 steps) a
    network with a validation accuracy of .54 had .25, one quadrant for all, by them.
    """
    with renewing_statistics(network):
        # A last batch of one image has no spread to measure.
        for start in range(0, len(rows) - 1, _EVALUATION_BATCH):
            part = rows[start : start + _EVALUATION_BATCH]
            network(front_end.tensor(data.batch(part, np.zeros_like(part), device)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The best epoch, counted from 1, its validation loss, and the figures of every epoch."""

    best_epoch: int
    validation_loss: float
    epochs: list[dict[str, Any]]


@dataclass(slots=True)
class _Progress:
    epoch: int = 0
    position: int = 0
    step: int = 0
    loss_total: float = 0.0
    n_right: float = 0.0
    seconds: float = 0.0
    worked_s: float = 0.0
    best_epoch: int = 0
    best_loss: float = math.inf
    epochs: list[dict[str, Any]] = field(default_factory=list)


def train(network: nn.Module, task: FitTask) -> Outcome:
    """Train a network, in place, on the process's device; leave the weights of the lowest validation loss in it.

    Its outputs are logits `(n, 4)` and embeddings. The validation loss is the log loss, or what the network's own
    `losses` are on the validation clips.

    Raises:
        TrainingDivergedError: The loss is not finite; the checkpoint is still that of the last good epoch.
        emotion.exceptions.CheckpointError: The checkpoint is damaged or of another run.
    """
    before = torch.are_deterministic_algorithms_enabled()
    # Averaged weights and Adam's moments decay into denormal numbers, on which a processor is twenty times slower.
    torch.set_flush_denormal(True)
    if task.config.deterministic:
        # cuBLAS reads this when it is first used, and refuses to be deterministic without it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    try:
        return _Fit(network, task).run()
    finally:
        torch.use_deterministic_algorithms(before)
        torch.set_flush_denormal(False)


class _Fit:
    def __init__(self, network: nn.Module, task: FitTask) -> None:
        config, among = task.config, task.processes
        self.task, self.config, self.among = task, config, among
        seed_everything(task.seed, among.rank)
        self.network = channels_last(network.to(among.device))
        # Copied before the network gets hooks, which would still point at the original.
        self.average = copy.deepcopy(self.network) if config.ema_decay else None
        # The network that is validated and saved.
        self.judged = self.network if self.average is None else self.average
        if config.bf16 and among.device.type == "cpu":
            keep_wide_depthwise_in_float32(self.network)
        self.spread = among.spread(self.network)
        momentum = {"momentum": config.momentum} if config.optimiser == "sgd" else {}
        self.optimiser = _OPTIMISERS[config.optimiser](
            [each for each in self.network.parameters() if each.requires_grad],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
            **momentum,
        )
        # An endless cosine is constant.
        steps = config.epochs * len(task.starts) if config.schedule == "cosine" else math.inf
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
        )
        self.clock = work_clock(among.device)
        self.at = _Progress()
        self.best: dict[str, Tensor] = {}
        self.first_bad = torch.full((), -1, device=among.device)
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=among.device)
        self.right_sum = torch.zeros((), dtype=torch.float64, device=among.device)

    def run(self) -> Outcome:
        self._restore()
        is_first = self.among.is_first
        if is_first and self.at.epochs:
            # A run killed after its checkpoint has not reported its last epoch.
            self.task.on_epoch(self.at.epochs)
        with ExitStack() as stack:
            writer = None
            if is_first and self.task.log_dir is not None:
                # What a killed run wrote after its last checkpoint is hidden.
                purge_step = self.at.epoch + 1 if self.at.epoch else None
                writer = stack.enter_context(SummaryWriter(self.task.log_dir, purge_step=purge_step))
            while not self._is_over():
                report = self._epoch()
                if is_first:
                    self.task.on_epoch(self.at.epochs)
                if writer is not None:
                    for name in report.keys() - {"stage", "epoch"}:
                        writer.add_scalar(name, report[name], report["epoch"])
        self.network.load_state_dict(self.best)
        self.network.eval()
        return Outcome(self.at.best_epoch, self.at.best_loss, self.at.epochs)

    def _is_over(self) -> bool:
        # Of what the checkpoint has, so that a run that was killed after its last epoch trains no further.
        at, config = self.at, self.config
        if at.epoch >= config.epochs or at.epoch - at.best_epoch >= (config.patience or math.inf):
            return True
        if not at.epochs:
            return False
        if config.stop_accuracy and at.epochs[-1]["accuracy"] >= config.stop_accuracy:
            return True
        return self.among.count == 1 and self.task.is_over(at.epochs)

    def _epoch(self) -> dict[str, Any]:
        at, size = self.at, self.config.batch_size
        order = np.random.default_rng((self.task.seed, at.epoch)).permutation(self.task.rows)
        starts = [start for start in self.task.starts if start >= at.position]
        self.spread.train()
        begun, worked = time.monotonic(), self.clock()
        for start in tqdm(starts, f"epoch {at.epoch + 1}", leave=False, disable=not self.among.is_first, mininterval=5):
            self._step(order[start : start + size])
            at.position, at.step = start + size, at.step + 1
            if at.step % _STEPS_BETWEEN_CHECKS == 0:
                self._check_loss()
            if self.config.checkpoint_steps and at.step % self.config.checkpoint_steps == 0:
                at.seconds, begun = at.seconds + time.monotonic() - begun, time.monotonic()
                at.worked_s, worked = at.worked_s + self.clock() - worked, self.clock()
                self._save()
        self._check_loss()
        at.seconds += time.monotonic() - begun
        validation_loss, accuracy = self._validate()
        self._collect_loss()
        n = min(len(self.task.rows), self.task.starts[-1] + size)
        report = {
            "stage": 0,
            "epoch": at.epoch + 1,
            "loss": at.loss_total / n,
            "accuracy": at.n_right / n,
            "validation_loss": validation_loss,
            "validation_accuracy": accuracy,
            "images_per_s": n / max(at.seconds, 1e-9),
            "learning_rate": float(self.schedule.get_last_lr()[0]),
            "seconds": at.seconds,
            "worked_s": at.worked_s + self.clock() - worked,
        }
        at.epoch, at.position, at.loss_total, at.n_right = at.epoch + 1, 0, 0.0, 0.0
        at.seconds = at.worked_s = 0.0
        at.epochs.append(report)
        if validation_loss < at.best_loss:
            at.best_epoch, at.best_loss = at.epoch, validation_loss
            self.best = {name: value.clone() for name, value in self.judged.state_dict().items()}
        self._save()
        return report

    def _step(self, rows: NDArray[np.int64]) -> None:
        config, among = self.config, self.among
        inputs, targets, points = self._batch(rows[among.rank :: among.count])
        with torch.autocast(among.device.type, torch.bfloat16, enabled=config.bf16):
            outputs = self.spread(inputs)
        own = self.network.losses(outputs, targets, points) if isinstance(self.network, Network) else None
        losses = (
            functional.cross_entropy(
                outputs[0].float(), targets, label_smoothing=config.label_smoothing, reduction="sum"
            )
            if own is None
            else own.sum()
        )
        if config.regression_weight:
            # Clips without a rating, or mixed with one, have no error.
            errors = functional.mse_loss(outputs[2].float(), points.nan_to_num(), reduction="none") * ~points.isnan()
            losses = losses + config.regression_weight * errors.sum()
        # Processes have their gradients averaged; times their number, that is the mean over the whole batch.
        loss = losses * among.count / len(rows)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if config.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm)
        self.optimiser.step()
        self.schedule.step()
        if self.average is not None:
            self._update(self.average)
        self.loss_sum += losses.detach()
        self.right_sum += n_right(outputs[0].detach(), targets)
        is_bad = ~torch.isfinite(losses.detach()) & (self.first_bad < 0)
        self.first_bad = torch.where(is_bad, self.at.step + 1, self.first_bad)

    def _batch(self, rows: NDArray[np.int64]) -> list[Tensor]:
        data, front_end, change, device = self.task.data, self.task.front_end, self.config.augment, self.among.device
        n_places = data.inputs.shape[1] if change.crop or data.averages else 1
        inputs = data.batch(rows, torch.randint(n_places, (len(rows),)).numpy(), device, training=True)
        if isinstance(front_end, MelConfig):
            inputs = augment(inputs[:, None], change, range_db=front_end.range_db, mel=front_end)
        truths = [torch.from_numpy(each).to(device) for each in (data.targets[rows], self._points(rows))]
        inputs, *truths = mixup([inputs, *truths], change.mixup_alpha)
        return [front_end.tensor(inputs), *truths]

    def _points(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        points = self.task.data.points
        return np.full((len(rows), 2), np.nan, np.float32) if points is None else points[rows]

    @torch.no_grad()
    def _update(self, average: nn.Module) -> None:
        decay = min(self.config.ema_decay, (self.at.step + 1) / (self.at.step + 10))
        states = (network.state_dict().values() for network in (average, self.network))
        old, new = ([value for value in state if value.is_floating_point()] for state in states)
        torch._foreach_lerp_(old, new, 1 - decay)

    def _check_loss(self) -> None:
        bad = [step for step in self.among.gather(int(self.first_bad)) if step >= 0]
        if bad:
            raise self._diverged(f"the loss of step {min(bad)}")

    def _diverged(self, what: str) -> TrainingDivergedError:
        return TrainingDivergedError(
            f"Training diverged in epoch {self.at.epoch + 1}: {what} is not a finite number. Look for such numbers in "
            f"the inputs, or lower the learning rate ({self.config.learning_rate:g}) or set clip_norm and start a new "
            "run; the checkpoint is still the last good one."
        )

    @torch.no_grad()
    def _validate(self) -> tuple[float, float]:
        task, device = self.task, self.among.device
        if self.config.renew_norms:
            # The same clips in every process, so that all have the same statistics.
            drawn = np.random.default_rng((task.seed, self.at.epoch, 1)).permutation(task.rows)
            renew_statistics(self.judged, task.data, drawn[: max(2, self.config.renew_norms)], task.front_end, device)
        rows = task.validation_rows[self.among.rank :: self.among.count]
        sums = [0.0, 0.0]
        if len(rows):
            predicted = predict(self.judged, task.data, rows, task.front_end, device, at_once=True)
            arrays = (task.data.targets[rows], self._points(rows), *predicted)
            targets, points, *outputs = (torch.from_numpy(each).to(device) for each in arrays)
            own = self.judged.losses(tuple(outputs), targets, points) if isinstance(self.judged, Network) else None
            if own is None:
                own = functional.cross_entropy(outputs[0].double(), targets.double(), reduction="none")
            sums = [float(own.double().sum()), float(n_right(outputs[0], targets))]
        loss, accuracy = (total / len(task.validation_rows) for total in self.among.total(sums))
        if not math.isfinite(loss):
            raise self._diverged("the validation loss")
        return loss, accuracy

    def _collect_loss(self) -> None:
        loss, n_right = self.among.total([float(self.loss_sum), float(self.right_sum)])
        self.at.loss_total, self.at.n_right = self.at.loss_total + loss, self.at.n_right + n_right
        self.loss_sum.zero_()
        self.right_sum.zero_()

    def _save(self) -> None:
        if self.task.checkpoint is None:
            return
        if self.at.position:
            self._check_loss()
            self._collect_loss()
        states = self.among.gather(random_states())
        if self.among.is_first:
            content = {
                "network": self.network.state_dict(),
                "average": None if self.average is None else self.average.state_dict(),
                "best": self.best,
                "optimiser": self.optimiser.state_dict(),
                "schedule": self.schedule.state_dict(),
                "progress": asdict(self.at),
                "random": states,
            }
            write_checkpoint(self.task.checkpoint, self.task.whole_identity, content)
        self.among.wait()

    def _restore(self) -> None:
        if self.task.checkpoint is None or not self.task.checkpoint.exists():
            return
        saved = read_checkpoint(self.task.checkpoint, self.task.whole_identity)
        self.network.load_state_dict(saved["network"])
        if self.average is not None:
            self.average.load_state_dict(saved["average"])
        self.best = {name: value.to(self.among.device) for name, value in saved["best"].items()}
        self.optimiser.load_state_dict(saved["optimiser"])
        self.schedule.load_state_dict(saved["schedule"])
        self.at = _Progress(**saved["progress"])
        restore_random_states(saved["random"][self.among.rank])
