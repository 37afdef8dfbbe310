"""A checkpoint: weights in safetensors and, next to them, a JSON card that describes them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as safetensors_bytes

from catalog.core.files import digest, write_atomic
from emotion.exceptions import CheckpointError
from emotion.inference.estimate import Reading
from emotion.zoo.frontends import FrontEnd, front_end_of
from emotion.zoo.registry import FIRST, Network, architecture, create_model

FORMAT_VERSION = 1
QUADRANTS = ("Q1", "Q2", "Q3", "Q4")
SHIPPED_DIR = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True, slots=True)
class Card:
    """What a checkpoint is: its architecture and front end, how it was trained, and its scores."""

    version: str  # Name of the model in every estimate, such as "b3-2026-11-20".
    frontend: FrontEnd
    network: Any  # The architecture's options.
    temperature: float = 1.0  # Divides the logits; fitted on validation clips.
    weights_sha256: str = ""
    facts: dict[str, Any] = field(default_factory=dict)  # Data, licences, splits, metrics with intervals, commit.
    architecture: str = FIRST  # Its name in `emotion.zoo.registry`.
    classes: tuple[str, ...] = QUADRANTS  # The meaning of the logits; only quadrants serve.
    reading: Reading = field(default_factory=Reading)  # How estimates are read from the outputs; fitted in training.

    def to_json(self) -> dict[str, Any]:
        """Return the card as a plain dictionary."""
        return {
            "format_version": FORMAT_VERSION,
            "version": self.version,
            "classes": list(self.classes),
            "architecture": self.architecture,
            "frontend": {"name": self.frontend.name, **self.frontend.to_json()},
            "network": asdict(self.network),
            "temperature": self.temperature,
            "reading": self.reading.to_json(),
            "weights_sha256": self.weights_sha256,
            "facts": self.facts,
        }


def card_path(weights: Path) -> Path:
    """Return where the card of a weights file lies."""
    return weights.with_suffix(".json")


def save(network: Network, card: Card, weights: Path) -> Card:
    """Write weights, in half precision where the architecture allows, and their card; each whole or not at all.

    Returns:
        The card with the hash of what was written, and the architecture and options of the network.

    Raises:
        OSError: The disk is full or not writable; nothing is left half-written.
    """
    weights.parent.mkdir(parents=True, exist_ok=True)
    halves = architecture(network.architecture).saves_halves
    tensors = {
        name: (tensor.half() if halves and tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    content = safetensors_bytes(tensors)
    write_atomic(weights, content)
    written = replace(card, architecture=network.architecture, network=network.config, weights_sha256=digest(content))
    write_card(written, weights)
    return written


def write_card(card: Card, weights: Path) -> None:
    """Write the card of a weights file, whole or not at all."""
    write_atomic(card_path(weights), json.dumps(card.to_json(), indent=2, ensure_ascii=False) + "\n")


def read_card(weights: Path) -> Card:
    """Read and check the card of a weights file without touching the weights.

    Raises:
        CheckpointError: The card is missing, of another format, or of an unknown architecture or front end.
    """
    path = card_path(weights)
    try:
        raw = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"The model card {path} is missing.") from None
    except ValueError as error:
        raise CheckpointError(f"The model card {path} is not JSON: {error}.") from error
    version = raw.get("format_version") if isinstance(raw, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{path} has format {version}; this program reads {FORMAT_VERSION}.")
    try:
        name = raw.get("architecture", FIRST)
        options = {key: tuple(value) if isinstance(value, list) else value for key, value in raw["network"].items()}
        card = Card(
            raw["version"],
            front_end_of(raw),
            architecture(name).config(**options),
            float(raw["temperature"]),
            raw["weights_sha256"],
            raw["facts"],
            name,
            tuple(raw["classes"]),
            Reading.from_json(raw.get("reading")),
        )
        if not 0 < card.temperature < math.inf:
            raise ValueError(f"the temperature is {card.temperature}")
    except (KeyError, TypeError, ValueError, AttributeError, CheckpointError) as error:
        raise CheckpointError(f"{path} describes a configuration that this program cannot honour: {error}") from error
    made, wanted = card.frontend.input_shape, card.network.input_shape
    if made != wanted:
        raise CheckpointError(f"{path} makes inputs of {made} for a network that takes {wanted}.")
    return card


def load(weights: Path, *, classes: tuple[str, ...] | None = QUADRANTS) -> tuple[Network, Card]:
    """Load the network of a weights file, in evaluation mode and float32, and its card.

    `classes` is what its logits have to stand for; None is anything.

    Raises:
        CheckpointError: A file is missing or damaged, or the weights do not fit the architecture of the card.
    """
    card = read_card(weights)
    if classes is not None and card.classes != classes:
        raise CheckpointError(f"{weights} has the classes {card.classes}; this program serves {classes}.")
    try:
        sha256 = digest(weights)
    except FileNotFoundError:
        raise CheckpointError(f"The weights {weights} are missing.") from None
    if sha256 != card.weights_sha256:
        raise CheckpointError(f"{weights} is not the file that its card describes (its hash differs).")
    network = create_model(card.architecture, card.network)
    try:
        # Floats of any precision are copied into the network's float32.
        network.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{weights} does not fit {card.architecture}: {error}") from error
    return network.eval(), card


def shipped_weights() -> Path:
    """Return the checkpoint that serves where nothing else is chosen.

    Raises:
        CheckpointError: There is none.
    """
    if (weights := SHIPPED_DIR / "hybrid-b3.safetensors").is_file():
        return weights
    raise CheckpointError(f"No weights in {SHIPPED_DIR}; train some with manage.py train.")
