"""Processes, checkpoints with exact resume, random states and batch statistics of training loops."""

from __future__ import annotations

import json
import os
import pickle
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from catalog.core.files import remove_leftovers, write_atomic
from emotion.exceptions import CheckpointError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that train together: one per GPU under torchrun, or a single one."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and shows the progress bars."""
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
    """Return a single process."""
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return Processes(0, 1, torch.device(chosen))


@contextmanager
def together(device: str = "auto") -> Iterator[Processes]:
    """Join the processes that torchrun started, if any.

    Raises:
        ValueError: A GPU was asked for, and this machine has fewer than processes.
    """
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    if count == 1:
        yield alone(device)
        return
    on_gpu = torch.cuda.device_count() > rank if device == "auto" else device.startswith("cuda")
    if on_gpu and torch.cuda.device_count() <= rank:
        raise ValueError(f"Process {rank} has no GPU: there are {torch.cuda.device_count()}; start fewer, or use cpu.")
    place = torch.device("cuda", rank) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), place)
    finally:
        distributed.destroy_process_group()


FORMAT_VERSION = 1


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
    whole = {"format": FORMAT_VERSION, "identity": _plain(identity), **content}
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
    if checkpoint.get("format") != FORMAT_VERSION:
        raise CheckpointError(f"{path} has format {checkpoint.get('format')}; this program reads {FORMAT_VERSION}.")
    theirs, ours = checkpoint["identity"], _plain(identity)
    for name in ours.keys() | theirs.keys():
        if theirs.get(name) != ours.get(name):
            saved, now = theirs.get(name), ours.get(name)
            if isinstance(saved, dict) and isinstance(now, dict):
                keys = sorted(key for key in saved.keys() | now.keys() if saved.get(key) != now.get(key))
                saved, now = ({key: values.get(key) for key in keys} for values in (saved, now))
            raise CheckpointError(
                f"{path} is a checkpoint of another {name}: it has {saved}, this run has {now}. "
                "Go on with what it was begun with, or start a new run."
            )
    return checkpoint


def _plain(identity: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    return plain


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
