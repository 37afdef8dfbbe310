"""Runs the model along a whole song, a batch of windows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from catalog.files.recording import Block
from emotion.curves.curve import N_COLUMNS
from emotion.inference.predict import BATCH_SIZE, Predictor
from emotion.signal.audio import is_silent, stream_windows


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
    on_block: Callable[[Block, int], object] = lambda _block, _rate_hz: None,
    on_sound: Callable[[NDArray[np.float32]], object] = lambda _mono: None,
) -> Iterator[Batch]:
    """Analyse a song from its beginning to its end, at most `BATCH_SIZE` windows at a time, `hop_s` seconds apart.

    The first `skip` points, known from an earlier attempt, are decoded but not judged. `on_block` receives all that is
    decoded, with its rate; `on_sound` the same in mono at 22,050 Hz.

    Raises:
        emotion.exceptions.AudioUnreadableError: The file cannot be decoded.
    """
    frontend = predictor.card.frontend
    windows = stream_windows(path, hop_s=hop_s, window_s=frontend.window_s, on_block=on_block, on_sound=on_sound)
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
