"""What the shipped model hears in the recordings of a study, kept beside them once it was asked. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.core.files import write_atomic
from emotion.exceptions import AudioUnreadableError, CheckpointError
from emotion.inference import checkpoint
from training.datasets.base import Clip, DatasetError

_ARRAYS = ("perceived", "embeddings", "confidence")


@dataclass(frozen=True, slots=True)
class Heard:
    """A row per clip: `perceived` `(n, 2)` in [-1, 1], unit `embeddings` `(n, d)`, `confidence` `(n,)` in [0, 1]."""

    perceived: NDArray[np.float64]
    embeddings: NDArray[np.float64]
    confidence: NDArray[np.float64]


def hear(clips: Sequence[Clip], weights: Path, cache: Path | None = None) -> Heard:
    """Ask a model for what it hears in clips, just as serving does.

    Args:
        clips: Whose audio is read.
        weights: The checkpoint; its card lies beside it.
        cache: Folder that keeps what was heard, for each model and each set of clips; None keeps nothing.

    Raises:
        DatasetError: The audio of a clip cannot be read, or the model cannot be loaded.
    """
    try:
        version = checkpoint.read_card(weights).version
    except CheckpointError as error:
        raise DatasetError(str(error)) from error
    kept = cache / f"{clips[0].dataset}.{version}.npz" if cache else None
    found = _read(kept, clips) if kept else None
    if found is None:
        found = _ask(clips, weights)
        if kept:
            _write(kept, clips, found)
    return found


def _ask(clips: Sequence[Clip], weights: Path) -> Heard:
    from emotion.inference.predict import Predictor

    missing = next((clip.audio for clip in clips if not clip.audio.is_file()), None)
    if missing:
        raise DatasetError(f"{missing} is missing, so it cannot be heard; fetch the recordings again.")
    answers = []
    for clip, answer in zip(clips, Predictor.load(weights).predict([clip.audio for clip in clips]), strict=True):
        if isinstance(answer, AudioUnreadableError):
            raise DatasetError(f"{clip.audio} cannot be heard: {answer}")
        answers.append(answer)
    return Heard(
        perceived=np.array([(answer.valence, answer.arousal) for answer in answers]),
        embeddings=np.array([answer.embedding for answer in answers], np.float64),
        confidence=np.array([answer.probabilities.max() for answer in answers]),
    )


def _read(kept: Path, clips: Sequence[Clip]) -> Heard | None:
    """Return what was kept, unless it is of other clips or not there."""
    if not kept.is_file():
        return None
    with np.load(kept) as stored:
        if stored["ids"].tolist() != [clip.id for clip in clips]:
            return None
        return Heard(**{name: stored[name] for name in _ARRAYS})


def _write(kept: Path, clips: Sequence[Clip], heard: Heard) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(heard, name) for name in _ARRAYS}
    write_atomic(kept, lambda file: np.savez(file, ids=[clip.id for clip in clips], **arrays), durable=False)
