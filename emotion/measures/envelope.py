"""How loud a song is over its length, for drawing it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
