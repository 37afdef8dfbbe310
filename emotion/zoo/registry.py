"""The architectures: one file of this package each, registered by the function that builds it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import emotion.zoo
from emotion.exceptions import CheckpointError
from emotion.zoo.frontends import FrontEnd

if TYPE_CHECKING:
    from emotion.zoo.networks import Network

# The architecture of checkpoints that name none.
FIRST = "efficientnet_b3"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A kind of network that can be trained, saved, loaded and served.

    Attributes:
        name: Of the function that builds it.
        title: In a few words for people.
        paper: Where it is described.
        licence: Of its code, and of weights that it starts from.
        front_end: What it reads by default.
        parameters: Of the default configuration.
        config: The class of its options; its defaults go with `front_end`.
        build: Makes a network with new weights.
        has_saliency: Whether it can say where on a log-mel image it looked.
        is_fitted: Whether it is fitted, by its `fit(inputs, targets)`, instead of trained by gradients.
        saves_halves: Whether its weights survive half precision.
        small: A front end and options that a test trains in seconds; None is the defaults.
    """

    name: str
    title: str
    paper: str
    licence: str
    front_end: FrontEnd
    parameters: int
    config: Callable[..., Any]
    build: Callable[[Any], Network]
    has_saliency: bool = False
    is_fitted: bool = False
    saves_halves: bool = True
    small: tuple[FrontEnd, Any] | None = None


_ARCHITECTURES: dict[str, Architecture] = {}


def register_model(
    config: Callable[..., Any], **metadata: Any
) -> Callable[[Callable[[Any], Network]], Callable[[Any], Network]]:
    """Register the decorated function, which builds a `Network` of a `config`; `metadata` are its other attributes."""

    def register(build: Callable[[Any], Network]) -> Callable[[Any], Network]:
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
    _import_all()
    if name not in _ARCHITECTURES:
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
    for module in pkgutil.iter_modules(emotion.zoo.__path__):
        importlib.import_module(f"{emotion.zoo.__name__}.{module.name}")
