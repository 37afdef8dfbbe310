"""Runs the model along a whole song, a batch of windows at a time. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from emotion.curves.curve import N_COLUMNS
from emotion.curves.waveform import Envelope
from emotion.inference.predict import BATCH_SIZE, Predictor
from emotion.signal.audio import Window, is_silent
from emotion.signal.audio_stream import stream_windows


@dataclass(frozen=True, slots=True)
class Batch:
    """A few neighbouring points of a curve.

    Attributes:
        points: `(n, 6)` float32: valence, arousal, probabilities of Q1 to Q4; a row of NaN where the window is silent.
        window_s: Seconds that each of them heard.
    """

    points: NDArray[np.float32]
    window_s: float


def trace(
    path: Path, predictor: Predictor, *, hop_s: float, skip: int = 0, envelope: Envelope | None = None
) -> Iterator[Batch]:
    """Hear a song from its beginning to its end, a batch of windows at a time.

    Args:
        path: The song's file.
        predictor: The model.
        hop_s: Seconds between points.
        skip: How many points are known from an earlier attempt; they are decoded but not judged.
        envelope: Takes in how loud the song is; it has all of it once the last batch was asked for in vain.

    Yields:
        The points that follow, at most `BATCH_SIZE` at once.

    Raises:
        emotion.exceptions.AudioUnreadableError: The file cannot be decoded.
    """
    hear = envelope.add if envelope is not None else None
    window_s = predictor.card.frontend.window_s
    windows = islice(stream_windows(path, hop_s=hop_s, window_s=window_s, hear=hear), skip, None)
    # As in `Predictor.predict`: a thread of BLAS for each core only makes the small products of an image slower.
    with threadpool_limits(1, user_api="blas"):
        while batch := list(islice(windows, BATCH_SIZE)):
            yield Batch(_points_of(batch, predictor), batch[0].heard_s)


def _points_of(windows: list[Window], predictor: Predictor) -> NDArray[np.float32]:
    points = np.full((len(windows), N_COLUMNS), np.nan, np.float32)
    audible = [i for i, window in enumerate(windows) if not is_silent(window.waveform)]
    if audible:
        judged = predictor.judge(np.stack([predictor.card.frontend.prepare(windows[i].waveform) for i in audible]))
        points[audible] = np.column_stack([judged.valence, judged.arousal, judged.probabilities])
    return points
