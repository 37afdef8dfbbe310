"""Runs the model along a whole song, a batch of windows at a time, and measures how loud the song is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from emotion.curves.curve import N_COLUMNS
from emotion.inference.predict import BATCH_SIZE, Predictor
from emotion.signal.audio import is_silent, stream_blocks, stream_windows

# Enough for a bar of 1,500 pixels with three pixels to a part; a narrower one takes several parts together.
N_PARTS = 500
_BLOCKS_PER_S = 20


class Envelope:
    """Takes a song in as it is decoded, block by block, and gives its loudness in equal parts at the end."""

    def __init__(self) -> None:
        self._powers: list[NDArray[np.float32]] = []
        self._left = np.zeros(0, np.float32)

    def add(self, mono: NDArray[np.float32], sample_rate_hz: int) -> None:
        """Take in the next samples, mono, full scale at 1.0; samples that are not finite count as silence."""
        n_block = max(1, sample_rate_hz // _BLOCKS_PER_S)
        samples = np.concatenate([self._left, np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0)])
        whole = len(samples) - len(samples) % n_block
        blocks = samples[:whole].reshape(-1, n_block)
        self._powers.append(np.mean(np.square(blocks), axis=1, dtype=np.float32))
        self._left = samples[whole:]

    def peaks(self, n_parts: int = N_PARTS) -> NDArray[np.uint8]:
        """Return the root mean square of at most `n_parts` parts, uint8: 255 is the loudest; empty without samples."""
        powers = np.concatenate([*self._powers, np.zeros(0, np.float32)])
        if not len(powers):
            return np.zeros(0, np.uint8)
        edges = np.linspace(0, len(powers), min(n_parts, len(powers)) + 1).astype(np.int64)
        levels = np.sqrt(np.add.reduceat(powers, edges[:-1]) / np.diff(edges))
        return np.round(255 * levels / max(float(levels.max()), 1e-9)).astype(np.uint8)


def read_peaks(path: Path) -> NDArray[np.uint8]:
    """Decode a file for its waveform alone; a minute of music takes some hundredths of a second.

    Raises:
        emotion.exceptions.AudioUnreadableError: `not_decodable`.
    """
    envelope = Envelope()
    for sample_rate_hz, mono in stream_blocks(path):
        envelope.add(mono, sample_rate_hz)
    return envelope.peaks()


class Batch(NamedTuple):
    """Neighbouring points of a curve, `(n, 6)` float32 as `EmotionCurve.points`, and the seconds of their windows."""

    points: NDArray[np.float32]
    window_s: float


def trace(
    path: Path,
    predictor: Predictor,
    *,
    hop_s: float,
    skip: int = 0,
    envelope: Envelope | None = None,
    on_sound: Callable[[NDArray[np.float32]], object] = lambda _mono: None,
) -> Iterator[Batch]:
    """Analyse a song from its beginning to its end, at most `BATCH_SIZE` windows at a time, `hop_s` seconds apart.

    The first `skip` points, known from an earlier attempt, are decoded but not judged. `envelope` takes in how loud the
    song is; it is complete when the iterator ends. `on_sound` receives all of it at 22,050 Hz.

    Raises:
        emotion.exceptions.AudioUnreadableError: The file cannot be decoded.
    """
    frontend = predictor.card.frontend
    windows = stream_windows(
        path,
        hop_s=hop_s,
        window_s=frontend.window_s,
        on_block=(envelope or Envelope()).add,
        on_sound=on_sound,
    )
    windows = islice(windows, skip, None)
    # As in `Predictor.predict`: a thread of BLAS for each core only makes the small products of an image slower.
    with threadpool_limits(1, user_api="blas"):
        while batch := list(islice(windows, BATCH_SIZE)):
            points = np.full((len(batch), N_COLUMNS), np.nan, np.float32)
            audible = [i for i, window in enumerate(batch) if not is_silent(window.waveform)]
            if audible:
                judged = predictor.judge(np.stack([frontend.prepare(batch[i].waveform) for i in audible]))
                points[audible] = np.column_stack([judged.valence, judged.arousal, judged.probabilities])
            yield Batch(points, batch[0].duration_s)
