"""What is fitted inside a training fold before the loop, or in its place: closed forms, pre-training, synthesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emotion.inference.checkpoint import SHIPPED_DIR
from emotion.inference.checkpoint import load as load_checkpoint
from emotion.zoo.frontends import Chunked
from emotion.zoo.registry import HeadedNetwork, Network, create_model
from training.data.splits import Rows
from training.datasets import Clip
from training.fit.loop import ClipSet
from training.recipes.zoo.systems import ZooError, ZooSystem


@dataclass(frozen=True, slots=True)
class FoldData:
    """One training fold of a system; nothing here may look at other rows than `rows.train` and `rows.validation`."""

    system: ZooSystem
    clips: Sequence[Clip]
    data: ClipSet
    rows: Rows
    seed: int
    work_dir: Path
    data_root: Path

    def inputs(self, place: int = 0) -> Tensor:
        """Return the network inputs `(n, *input_shape)` of the training clips."""
        front_end = self.system.front_end
        each = front_end.each if isinstance(front_end, Chunked) else front_end
        rows = self.rows.train
        return each.tensor(self.data.batch(rows, rows * 0 + place, torch.device("cpu")))

    @property
    def quadrants(self) -> Tensor:
        """The training clips' quadrants `(n,)`, 0 to 3."""
        return torch.from_numpy(self.data.targets[self.rows.train]).argmax(dim=1)


Stage = Callable[[Network, FoldData, Mapping[str, Any]], Network]


def _imagenet(network: Network, fold: FoldData, options: Mapping[str, Any]) -> Network:
    """Start the backbone from ImageNet weights; `file` names a state dict."""
    if not isinstance(network, HeadedNetwork):
        raise ZooError(f"{fold.system.name} has no backbone that ImageNet weights fit.")
    network.load_imagenet(Path(options["file"]) if "file" in options else None)
    return network


def _shipped(network: Network, fold: FoldData, options: Mapping[str, Any]) -> Network:
    """Take a shipped checkpoint's networks, and fit the head anew to the training fold."""
    shipped, _ = load_checkpoint(SHIPPED_DIR / f"{options['version']}.safetensors")
    network.load_state_dict(shipped.state_dict())
    return _fitted(network, fold, {})


def _fitted(network: Network, fold: FoldData, _: Mapping[str, Any]) -> Network:
    """Fit a network that has a closed form."""
    network.fit(fold.inputs(), fold.quadrants)  # type: ignore[operator]
    return network


STAGES: dict[str, Stage] = {"imagenet": _imagenet, "shipped": _shipped, "fitted": _fitted}


def fold_network(
    system: ZooSystem,
    clips: Sequence[Clip],
    data: ClipSet,
    rows: Rows,
    seed: int,
    work_dir: Path,
    data_root: Path,
) -> Network:
    """Return a fold's network as the loop takes it over; one without trainable parameters is fitted already.

    Raises:
        ZooError: The system names a stage that is not known.
    """
    torch.manual_seed(seed)
    network = create_model(system.member.name, system.network)
    fold = FoldData(system, clips, data, rows, seed, work_dir, data_root)
    before = dict(system.before)
    if before:
        name = before.pop("stage")
        if name not in STAGES:
            raise ZooError(f"{system.name} wants the stage {name!r}; known are {', '.join(STAGES)}.")
        return STAGES[name](network, fold, before)
    return _fitted(network, fold, {}) if hasattr(network, "fit") else network
