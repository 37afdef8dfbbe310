"""The clips of a system, as its front end prepares them: from one cache, or changed anew for each batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emotion.signal.audio import SAMPLE_RATE_HZ
from emotion.zoo.frontends import Chunked, FrontEnd, RawWaveform
from training.data.cache import Images, prepared_of
from training.data.waveforms import AUGMENTATIONS
from training.datasets import Clip
from training.fit.loop import ClipSet

Change = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class ChangedSegments:
    """Segments of waveforms, each changed anew and prepared when it is read: `segments[rows, places]`.

    The draws are those of torch's generator, so that a resumed training repeats them.
    """

    waveforms: Images  # `(n, 1, 1, n_samples)`.
    front_end: FrontEnd
    change: Change

    @property
    def shape(self) -> tuple[int, ...]:
        front_end = self.front_end
        places = front_end.prepared_shape if isinstance(front_end, Chunked) else (1, *front_end.prepared_shape)
        return len(self.waveforms), *places

    def __getitem__(self, key: Any, /) -> NDArray[np.float32]:
        rows, places = key
        each = self.front_end.of_a_chunk
        hop = round(self.front_end.hop_s * SAMPLE_RATE_HZ) if isinstance(self.front_end, Chunked) else 0
        n_samples = round(each.window_s * SAMPLE_RATE_HZ)
        made = []
        for row, place, seed in zip(rows, places, torch.randint(2**62, (len(rows),)).tolist(), strict=True):
            whole = self.waveforms[row].ravel().astype(np.float32)
            segment = whole[hop * place : hop * place + n_samples]
            segment = np.pad(segment, (0, n_samples - len(segment)))
            made.append(each.prepare(self.change(segment, np.random.default_rng(seed))))
        return np.stack(made)


def _changed(
    waveform: NDArray[np.float32], rng: np.random.Generator, *, changes: Mapping[str, Mapping[str, Any]]
) -> NDArray[np.float32]:
    for name, numbers in changes.items():
        waveform = AUGMENTATIONS[name](waveform, rng, **numbers)
    return waveform


def clip_set(
    clips: Sequence[Clip], front_end: FrontEnd, changes: Mapping[str, Mapping[str, Any]], cache_dir: Path
) -> ClipSet:
    """Return labelled clips for training and scoring.

    `changes` of training waveforms, by their names in `training.data.waveforms` and with their numbers, are applied in
    turn.
    """
    paths = [clip.audio for clip in clips]
    inputs = prepared_of(paths, front_end=front_end, cache_dir=cache_dir)
    changed = None
    if changes:
        change = partial(_changed, changes=changes)
        waveforms = prepared_of(paths, front_end=RawWaveform(front_end.window_s), cache_dir=cache_dir)
        changed = ChangedSegments(waveforms, front_end, change)
    targets = np.eye(4, dtype=np.float32)[[clip.quadrant.index for clip in clips if clip.quadrant is not None]]
    points = np.array([(clip.valence, clip.arousal) for clip in clips], np.float32)
    return ClipSet(inputs, targets, points=points, averages=inputs.shape[1] > 1, trained_on=changed)
