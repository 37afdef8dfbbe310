"""Groups files of the same recording, in one dataset or in several, before anything is split."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from catalog.core.files import digest, write_atomic
from emotion.exceptions import AudioUnreadableError
from emotion.signal.audio import SAMPLE_RATE_HZ, read_window_at
from emotion.signal.landmarks import (
    BINS,
    HOP_SAMPLES,
    N_FFT,
    PEAK_AREA,
    PEAK_RANGE_DB,
    Landmarks,
    Match,
    find_matches,
    landmarks,
)
from training.data.cache import content_digest, in_threads

# The middle of a whole track is enough to meet any excerpt of a research set.
EXCERPT_S = 120.0


def landmarks_of(paths: Sequence[Path], *, cache_dir: Path, workers: int = 2) -> list[Landmarks]:
    """Return `landmarks` of the middle two minutes of audio files, from a cache by the audio's content."""
    numbers = (SAMPLE_RATE_HZ, EXCERPT_S, N_FFT, HOP_SAMPLES, BINS, PEAK_AREA, PEAK_RANGE_DB)
    folder = cache_dir / digest(repr(numbers).encode())[:12]
    folder.mkdir(parents=True, exist_ok=True)

    def cached(path: Path) -> Landmarks:
        target = folder / f"{content_digest(path).hex()}.npy"
        if not target.exists():
            try:
                waveform = read_window_at(path, 0.5, window_s=EXCERPT_S).waveform
            except AudioUnreadableError as error:
                raise AudioUnreadableError(error.code, f"{path}: {error}") from error
            write_atomic(target, partial(np.save, arr=landmarks(waveform)), durable=False)
        return np.asarray(np.load(target))

    return list(in_threads(cached, paths, workers=workers, desc="landmarks"))


def group_labels(n_clips: int, matches: Sequence[Match]) -> NDArray[np.int64]:
    """Return `(n_clips,)` labels that are equal for clips joined by matches, directly or through others."""
    first, second = [match.first for match in matches], [match.second for match in matches]
    joined = coo_matrix((np.ones(len(matches)), (first, second)), shape=(n_clips, n_clips))
    return connected_components(joined, directed=False)[1].astype(np.int64)


def duplicate_groups(paths: Sequence[Path], *, cache_dir: Path, workers: int = 2) -> NDArray[np.int64]:
    """Return `(n,)` labels of audio files, equal where two files hold the same recording."""
    return group_labels(len(paths), find_matches(landmarks_of(paths, cache_dir=cache_dir, workers=workers)))
