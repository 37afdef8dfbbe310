"""What a training run must remember to go on, to the bit, where it was killed. Pure."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from catalog.core.files import remove_leftovers, write_atomic
from emotion.exceptions import CheckpointError

FORMAT_VERSION = 1


def seed_everything(seed: int, rank: int = 0) -> None:
    """Begin all random sequences of this process; each process has its own."""
    mixed = int(np.random.SeedSequence((seed, rank)).generate_state(1)[0])
    random.seed(mixed)
    np.random.seed(mixed)  # noqa: NPY002 -- libraries that draw from the global generator are to repeat as well.
    torch.manual_seed(mixed)


def random_states() -> dict[str, Any]:
    """Return where all random sequences of this process are, as plain values and tensors."""
    legacy: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002
    state = {**legacy["state"], "key": legacy["state"]["key"].tolist()}
    return {
        "python": random.getstate(),
        "numpy": {**legacy, "state": state},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Put all random sequences of this process where they were."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    state = {**states["numpy"]["state"], "key": np.array(states["numpy"]["state"]["key"], np.uint32)}
    np.random.set_state({**states["numpy"], "state": state})  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def write_checkpoint(path: Path, identity: dict[str, Any], content: dict[str, Any]) -> None:
    """Write a checkpoint that takes the last one's place only when it is whole.

    Args:
        path: The file.
        identity: What a run must have in common with it to go on from it; plain JSON values.
        content: Tensors and plain values.

    Raises:
        OSError: The disk is full or not writable; the last checkpoint stays.
    """
    whole = {"format": FORMAT_VERSION, "identity": _plain(identity), **content}
    try:
        write_atomic(path, lambda file: torch.save(whole, file))
    except RuntimeError as error:
        # torch reports a full disk in its own words, as a RuntimeError.
        raise OSError(f"{path} could not be written: {error}. The last checkpoint is kept.") from error
    # A run that is killed while it writes leaves a file as large as its checkpoint.
    remove_leftovers(path)


def read_checkpoint(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """Read a checkpoint of this very run.

    Args:
        path: The file.
        identity: As given to `write_checkpoint`.

    Raises:
        CheckpointError: It is damaged, of another format, or of another run; the message says what differs.
    """
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path} is damaged, or no checkpoint: nothing can be resumed from it. Delete it to begin that fold again."
        ) from error
    if found.get("format") != FORMAT_VERSION:
        raise CheckpointError(f"{path} has format {found.get('format')}; this program reads {FORMAT_VERSION}.")
    theirs, ours = found["identity"], _plain(identity)
    for name in ours.keys() | theirs.keys():
        if theirs.get(name) != ours.get(name):
            raise CheckpointError(_difference(path, name, theirs.get(name), ours.get(name)))
    return found


def _plain(identity: dict[str, Any]) -> dict[str, Any]:
    """Return what JSON would make of it, so that tuples and lists compare alike."""
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    return plain


def _difference(path: Path, name: str, theirs: Any, ours: Any) -> str:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = sorted(key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key))
        theirs, ours = {key: theirs.get(key) for key in keys}, {key: ours.get(key) for key in keys}
    return (
        f"{path} is a checkpoint of another {name}: it has {theirs}, this run has {ours}. "
        "Go on with what it was begun with, or start a new run."
    )
