"""Held-out clips that ship with the program, as networks read them, and what a model says of them.

They are from the test part of the bundled model's split. Their spectra are rounded to whole steps, and depend on no
weights.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from catalog.core.files import write_atomic
from emotion.exceptions import AudioUnreadableError
from emotion.inference.estimate import Estimates
from emotion.inference.predict import BATCH_SIZE, Prediction, Predictor
from emotion.signal.audio import read_window
from emotion.zoo.frontends import FrontEnd, ImageAndTaggerMel, MelConfig, front_end_of
from training.data.splits import Protocol
from training.data.stored_clips import StoredClips
from training.datasets import Clip
from training.evaluation.predictions import Predictions

PER_SOURCE = 40
# Previews of commercial recordings: not even their spectra may be passed on.
NEVER_SHIPPED = frozenset({"4qaed"})
# As coarse as leaves nearly all tags as they are.
STEP_DB = 2.0
_SEED = 20261129
# The least that `tagger_db` returns.
_TAGGER_FLOOR_DB = -100.0


@dataclass(frozen=True, slots=True)
class HeldOut(StoredClips):
    """Clips with their labels and spectra, without audio; all arrays but the last two have the same length `n`."""

    what: ClassVar[str] = "held-out clips"

    levels: NDArray[np.uint8]  # `(n, size)`: what the front end prepares, in steps.
    step_db: NDArray[np.float64]  # `()`.
    front_end: NDArray[np.str_]  # JSON, as on a card.

    @classmethod
    def of_clips(cls, clips: Sequence[Clip], frontend: MelConfig | ImageAndTaggerMel) -> HeldOut:
        """Read the audio of labelled clips.

        Raises:
            AudioUnreadableError: A file is missing or damaged.
        """
        scales = _scales(frontend, STEP_DB)
        levels = np.zeros((len(clips), sum(size for size, _, _ in scales)), np.uint8)
        for row, clip in zip(levels, clips, strict=True):
            prepared = frontend.prepare(read_window(clip.audio, window_s=frontend.window_s).waveform).ravel()
            row[:] = _rounded(prepared, scales)
        return cls(
            clip=np.array([clip.id for clip in clips]),
            dataset=np.array([clip.dataset for clip in clips]),
            artist=np.array([clip.artist for clip in clips]),
            quadrant=np.array([clip.quadrant.index for clip in clips if clip.quadrant is not None], np.int64),
            points=np.array([(clip.valence, clip.arousal) for clip in clips], np.float32),
            levels=levels,
            step_db=np.array(STEP_DB),
            front_end=np.array(json.dumps({"name": frontend.name, **frontend.to_json()}, sort_keys=True)),
        )

    def save(self, path: Path) -> None:
        """Write to an `.npz` that appears whole or not at all."""

        def write(file: BinaryIO) -> None:
            # A fifth smaller than numpy's own compression.
            with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
                for field in fields(self):
                    with archive.open(f"{field.name}.npy", "w") as member:
                        np.save(member, getattr(self, field.name), allow_pickle=False)

        write_atomic(path, write)

    @property
    def frontend(self) -> FrontEnd:
        """The front end whose spectra these are."""
        return front_end_of({"frontend": json.loads(str(self.front_end))})

    def fits(self, frontend: FrontEnd) -> bool:
        """Return whether a front end makes these spectra, or the image among them."""
        return frontend in (self.frontend, self.frontend.image)

    def prepared(self, frontend: FrontEnd, rows: slice) -> NDArray[np.float32]:
        """Return what a front end that fits would prepare of some clips, but for the rounding."""
        columns, start = [], 0
        size_wanted = math.prod(frontend.prepared_shape)
        for size, low, step in _scales(self.frontend, float(self.step_db)):
            columns.append(low + step * self.levels[rows, start : start + size].astype(np.float32))
            start += size
        flat = np.concatenate(columns, axis=1)[:, :size_wanted].astype(np.float32)
        return flat.reshape(-1, *frontend.prepared_shape)


def _scales(frontend: FrontEnd, step_db: float) -> list[tuple[int, float, float]]:
    """Return size, value of level 0 and step of each part of what a front end prepares."""
    image = frontend.image
    assert image is not None
    scales = [(math.prod(image.prepared_shape), 0.0, step_db / image.range_db)]
    if isinstance(frontend, ImageAndTaggerMel):
        scales.append((math.prod(frontend.tagger_shape), _TAGGER_FLOOR_DB, step_db))
    return scales


def _rounded(prepared: NDArray[np.float32], scales: Sequence[tuple[int, float, float]]) -> NDArray[np.uint8]:
    parts = np.split(prepared, np.cumsum([size for size, _, _ in scales])[:-1])
    levels = [np.round((part - low) / step) for part, (_, low, step) in zip(parts, scales, strict=True)]
    return np.concatenate(levels).clip(0, 255).astype(np.uint8)


def chosen(clips: Sequence[Clip], per_source: int = PER_SOURCE) -> list[Clip]:
    """Return so many clips of each source that may ship, evenly over quadrants and of as many artists as possible."""
    rng = np.random.default_rng(_SEED)
    found = []
    for source in sorted({clip.dataset for clip in clips} - NEVER_SHIPPED):
        left = sorted((clip for clip in clips if clip.dataset == source and clip.quadrant), key=lambda clip: clip.id)
        left = [left[i] for i in rng.permutation(len(left))]
        quadrants: Counter[Any] = Counter()
        artists: Counter[str] = Counter()
        for _ in range(min(per_source, len(left))):
            best = min(left, key=lambda clip: (quadrants[clip.quadrant], artists[clip.artist]))
            left.remove(best)
            quadrants[best.quadrant] += 1
            artists[best.artist] += 1
            found.append(best)
    return found


def said_of_spectra(predictor: Predictor, held_out: HeldOut) -> Predictions:
    """Return what a model whose front end fits says of the stored spectra."""
    starts, frontend = range(0, len(held_out), BATCH_SIZE), predictor.card.frontend
    judged = [predictor.judge(held_out.prepared(frontend, slice(start, start + BATCH_SIZE))) for start in starts]
    *estimates, embeddings = (np.concatenate(parts) for parts in zip(*judged, strict=True))
    return _predictions(held_out.clips(), Estimates(*estimates), embeddings)


def said_of_audio(predictor: Predictor, clips: Sequence[Clip], log: Callable[[str], object]) -> Predictions:
    """Return what a model says of audio files, as served; a clip that cannot be read is left out and logged."""
    served: list[tuple[Clip, Prediction]] = []
    results = predictor.predict([clip.audio for clip in clips])
    for clip, result in tqdm(zip(clips, results, strict=True), total=len(clips), desc="clips", mininterval=5):
        if isinstance(result, AudioUnreadableError):
            log(f"{clip.id}: {result}")
        else:
            served.append((clip, result))
    if not served:
        return Predictions.empty()
    estimates = Estimates(*(np.stack([getattr(result, name) for _, result in served]) for name in Estimates._fields))
    return _predictions([clip for clip, _ in served], estimates, np.stack([result.embedding for _, result in served]))


def _predictions(clips: Sequence[Clip], estimates: Estimates, embeddings: NDArray[np.float32]) -> Predictions:
    return Predictions.of_clips(
        clips,
        protocol=Protocol.HELD_OUT,
        fold=0,
        logits=np.log(np.maximum(estimates.probabilities, 1e-12)).astype(np.float32),
        estimates=estimates,
        embeddings=embeddings,
    )
