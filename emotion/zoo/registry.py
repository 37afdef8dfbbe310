"""The architectures, one file of this package each: what they have in common, and their register."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import emotion.zoo
from emotion.exceptions import CheckpointError
from emotion.zoo.frontends import FrontEnd

# The architecture of checkpoints that name none.
FIRST = "efficientnet_b3"
EMBEDDING_SIZE = 64
_FIT_BATCH = 16


class Network(nn.Module):
    """A member of the zoo."""

    config: Any  # Its options: a frozen dataclass with an `input_shape`.
    architecture: str = ""  # Its name in the register; `create_model` sets it.

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Judge inputs `(n, *config.input_shape)`.

        Returns:
            Logits `(n, n_classes)`, for a model that serves in quadrant order; embeddings `(n, 64)`; and, from a
            network that regresses, valence and arousal `(n, 2)` in [-1, 1]. What follows is for `losses`.
        """
        raise NotImplementedError

    def losses(self, outputs: tuple[Tensor, ...], targets: Tensor, points: Tensor) -> Tensor | None:
        """Return what training minimises of each clip, `(n,)`, for a network that learns something of its own.

        Args:
            outputs: of `forward`.
            targets: `(n, 4)` quadrant labels, each row summing to 1.
            points: `(n, 2)` rated valence and arousal in [-1, 1], NaN where unrated.

        Returns:
            None for the cross-entropy of the logits.
        """
        return None

    def saliency_blocks(self) -> Sequence[nn.Module]:
        """Return the blocks whose maps `(n, channels, rows, columns)` say where the network looked, first to last."""
        raise NotImplementedError


class FrozenNetwork(Network):
    """A network that is fixed below what is fitted in closed form: one pass over the clips serves all fits."""

    def features(self, inputs: Tensor) -> Tensor:
        """Return `(n, n_features)` of inputs `(n, *config.input_shape)`."""
        raise NotImplementedError

    def fit_features(self, features: Tensor, quadrants: Tensor, groups: NDArray[np.int64] | None = None) -> None:
        """Fit what is above features `(n, n_features)` to quadrants `(n,)`, 0 to 3; a group stays on one side."""
        raise NotImplementedError

    def judge(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return what `forward` does, from what `features` returned."""
        raise NotImplementedError

    @torch.no_grad()
    def fit(self, inputs: Tensor, quadrants: Tensor) -> None:
        """Fit the network to inputs `(n, *config.input_shape)` and quadrants `(n,)`, 0 to 3."""
        self.eval()
        self.fit_features(torch.cat([self.features(part) for part in inputs.split(_FIT_BATCH)]), quadrants)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return self.judge(self.features(inputs))


class HeadedNetwork(Network):
    """A backbone under the head of Cazzaniga et al.: 512 - dropout .5 - 128 - dropout .3 - 64 - dropout .1 - 4.

    The 64 activations before the last layer are the song's embedding; a second output may regress the point from them.

    Source: Cazzaniga et al., section 4.2.
    """

    def __init__(self, config: Any, backbone: nn.Module, feature_size: int, *, regresses: bool) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.feature_size = feature_size
        self.head = nn.Sequential()
        sizes = pairwise((feature_size, 512, 128, EMBEDDING_SIZE))
        for (n_inputs, n_outputs), dropout in zip(sizes, (0.5, 0.3, 0.1), strict=True):
            self.head.extend([nn.Linear(n_inputs, n_outputs), nn.ReLU(), nn.Dropout(dropout)])
        self.classifier = nn.Linear(EMBEDDING_SIZE, 4)
        self.regressor = nn.Sequential(nn.Linear(EMBEDDING_SIZE, 2), nn.Tanh()) if regresses else None

    def features(self, inputs: Tensor) -> Tensor:
        """Return the backbone's features `(n, feature_size)`."""
        raise NotImplementedError

    def judge(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return what `forward` does, from the backbone's features."""
        embedding = self.head(features)
        logits = self.classifier(embedding)
        return (logits, embedding) if self.regressor is None else (logits, embedding, self.regressor(embedding))

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return self.judge(self.features(inputs))

    def load_imagenet(self, file: Path | None = None) -> None:
        """Start the backbone from ImageNet weights: a state dict on disk, or what its library downloads."""
        raise NotImplementedError

    def skip_no_block(self) -> None:
        """Switch stochastic depth off: a backbone that learns from endless batches has nothing to overfit."""


def load_imagenet(network: HeadedNetwork, source: str) -> None:
    """Start a network's backbone, in place, from ImageNet weights: "download", or the path of a state dict.

    Raises:
        CheckpointError: They are not there, or not of this network.
    """
    try:
        network.load_imagenet(None if source == "download" else Path(source))
    except OSError as error:
        raise CheckpointError(
            f"ImageNet weights could not be loaded ({source}: {error}). Give the path of a state dict of "
            "efficientnet_pytorch, or start at random."
        ) from error
    except (RuntimeError, KeyError, AttributeError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{source} does not hold the weights of {network.config.backbone}: {error}") from error


class OverChunks(nn.Module):
    """A network on several chunks of each song: the song's answer is the mean of the chunks'."""

    def __init__(self, network: nn.Module, chunks: int) -> None:
        super().__init__()
        self.network = network
        self.chunks = chunks

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Judge `(n, chunks, *input_shape)` as `Network.forward` does; its logits are those of the mean probability."""
        outputs = self.network(inputs.flatten(0, 1))
        logits, *others = (output.reshape(-1, self.chunks, output.shape[-1]) for output in outputs)
        return log_mean(logits), *(output.mean(dim=1) for output in others)


def log_mean(logits: Tensor) -> Tensor:
    """Return the logits `(n, n_classes)` of the mean probabilities of chunks, whose logits are `(n, chunks, ...)`."""
    return torch.softmax(logits, dim=-1).mean(dim=1).clamp(min=1e-12).log()


@dataclass(frozen=True, slots=True)
class Architecture:
    """A kind of network that can be trained, saved, loaded and served."""

    name: str  # Of the function that builds it.
    title: str  # In a few words for people.
    paper: str
    licence: str  # Of its code, and of weights that it starts from.
    front_end: FrontEnd  # What it reads by default.
    parameters: int  # Their number in the default configuration.
    config: Callable[..., Any]  # The class of its options; its defaults go with `front_end`.
    build: Callable[[Any], Network]
    has_saliency: bool = False  # Whether it can say where on a log-mel image it looked.
    saves_halves: bool = True  # Whether its weights survive half precision.
    small: tuple[FrontEnd, Any] | None = None  # What a test trains in seconds; None is the defaults.


_ARCHITECTURES: dict[str, Architecture] = {}
_Build = Callable[[Any], Network]


def register_model(config: Callable[..., Any], **metadata: Any) -> Callable[[_Build], _Build]:
    """Register the decorated function, which builds a `Network` of a `config`; `metadata` are its other attributes."""

    def register(build: _Build) -> _Build:
        name = build.__name__
        if name in _ARCHITECTURES:
            raise ValueError(f"There are two architectures called {name}.")
        _ARCHITECTURES[name] = Architecture(name=name, config=config, build=build, **metadata)
        return build

    return register


def list_models() -> list[str]:
    """Return the names of all architectures."""
    _import_all()
    return sorted(_ARCHITECTURES)


def architecture(name: str) -> Architecture:
    """Return an architecture by its name.

    Raises:
        CheckpointError: There is none of this name.
    """
    if name in _modules():
        # The architecture of that name, without the others and their libraries, which take a second.
        importlib.import_module(f"{emotion.zoo.__name__}.{name}")
    if name not in _ARCHITECTURES and name not in list_models():
        raise CheckpointError(f"There is no architecture {name!r}; known are {', '.join(list_models())}.")
    return _ARCHITECTURES[name]


def create_model(name: str, config: Any = None) -> Network:
    """Build a network with new weights, by default with its default options.

    Raises:
        CheckpointError: There is no architecture of this name.
    """
    member = architecture(name)
    network = member.build(member.config() if config is None else config)
    network.architecture = name
    return network


@cache
def _import_all() -> None:
    for module in _modules():
        importlib.import_module(f"{emotion.zoo.__name__}.{module}")


@cache
def _modules() -> tuple[str, ...]:
    return tuple(module.name for module in pkgutil.iter_modules(emotion.zoo.__path__))
