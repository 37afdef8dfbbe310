"""The processes that train together: one per GPU under torchrun, or one alone. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those of one run.

    Attributes:
        rank: 0 is the one that writes files.
        count: How many there are.
        device: What this one computes on.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and draws the progress bars."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.count > 1:
            distributed.barrier()

    def share(self, value: _T) -> _T:
        """Return the first process's value, in every process."""
        if self.count == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, device=self._transport)
        return box[0]

    def gather(self, value: _T) -> list[_T]:
        """Return every process's value, in order of rank, in every process."""
        if self.count == 1:
            return [value]
        found: list[_T] = [value] * self.count
        distributed.all_gather_object(found, value)
        return found

    def total(self, values: Sequence[float]) -> list[float]:
        """Return sums over the processes; all of them add in the same order, so that all see the same digits."""
        return [sum(column) for column in zip(*self.gather(list(values)), strict=True)]

    def spread(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over the processes; the same one where there is one process.

        On GPUs, batch normalisation sees the whole batch; on the CPU, where torch has no such thing, each process
        normalises by its own part.
        """
        if self.count == 1:
            return network
        if self.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
            return DistributedDataParallel(network, device_ids=[self.device.index])
        return DistributedDataParallel(network)

    @property
    def _transport(self) -> torch.device:
        return self.device if self.device.type == "cuda" else torch.device("cpu")


def alone(device: str = "auto") -> Processes:
    """Return a single process.

    Args:
        device: "auto" is the GPU where there is one.
    """
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return Processes(0, 1, torch.device(chosen))


@contextmanager
def together(device: str = "auto") -> Iterator[Processes]:
    """Join the processes that torchrun started; alone where it did not.

    Args:
        device: "auto" is a GPU each where there are enough, else the CPU; "cpu" is the CPU.

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
