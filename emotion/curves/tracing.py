"""Runs the model along a whole song, a batch of windows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from emotion.curves.curve import N_COLUMNS
from emotion.curves.waveform import Envelope
from emotion.inference.predict import BATCH_SIZE, Predictor
from emotion.signal.audio import Window, is_silent, stream_windows


class Batch(NamedTuple):
    """Neighbouring points of a curve, `(n, 6)` float32 as `EmotionCurve.points`, and the seconds of their windows."""

    points: NDArray[np.float32]
    window_s: float


def trace(
    path: Path, predictor: Predictor, *, hop_s: float, skip: int = 0, envelope: Envelope | None = None
) -> Iterator[Batch]:
    """Analyse a song from its beginning to its end, a batch of windows at a time.

    Args:
        path: The song's file.
        predictor: The model.
        hop_s: Seconds between points.
        skip: How many points are known from an earlier attempt; they are decoded but not judged.
        envelope: Takes in how loud the song is; it is complete when the iterator ends.

    Yields:
        The points that follow, at most `BATCH_SIZE` at once.

    Raises:
        emotion.exceptions.AudioUnreadableError: The file cannot be decoded.
    """
    window_s = predictor.card.frontend.window_s
    windows = stream_windows(path, hop_s=hop_s, window_s=window_s, hear=(envelope or Envelope()).add)
    windows = islice(windows, skip, None)
    # As in `Predictor.predict`: a thread of BLAS for each core only makes the small products of an image slower.
    with threadpool_limits(1, user_api="blas"):
        while batch := list(islice(windows, BATCH_SIZE)):
            yield Batch(_points_of(batch, predictor), batch[0].duration_s)


def _points_of(windows: list[Window], predictor: Predictor) -> NDArray[np.float32]:
    points = np.full((len(windows), N_COLUMNS), np.nan, np.float32)
    audible = [i for i, window in enumerate(windows) if not is_silent(window.waveform)]
    if audible:
        judged = predictor.judge(np.stack([predictor.card.frontend.prepare(windows[i].waveform) for i in audible]))
        points[audible] = np.column_stack([judged.valence, judged.arousal, judged.probabilities])
    return points
