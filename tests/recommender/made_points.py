"""Reads what the mood pad is sent, as static/js/pad/points.js does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.pad import CELLS, HEADER, MAGIC


class Dots(NamedTuple):
    """What is in an answer; `cells` `(CELLS, CELLS)` by arousal and valence, empty when every song is a dot."""

    n_songs: int
    song_ids: list[int]
    perceived: NDArray[np.float64]
    quadrants: list[int]
    cells: NDArray[np.int64]


def decode(payload: bytes) -> Dots:
    """Read an answer, to its last byte."""
    magic, n_songs, n_dots, n_cells = HEADER.unpack_from(payload)
    assert magic == MAGIC
    assert n_cells in (0, CELLS)
    packed = [int.from_bytes(payload[at : at + 3], "little") for at in range(HEADER.size, HEADER.size + 3 * n_dots, 3)]
    numbers = _numbers(payload[HEADER.size + 3 * n_dots :])
    assert len(numbers) == n_dots + n_cells**2
    return Dots(
        n_songs=n_songs,
        song_ids=np.cumsum(numbers[:n_dots]).tolist(),
        perceived=np.asarray([(value & 2047, value >> 11 & 2047) for value in packed]).reshape(-1, 2) / 1023.5 - 1,
        quadrants=[(value >> 22) + 1 for value in packed],
        cells=np.asarray(numbers[n_dots:], np.int64).reshape(n_cells, n_cells),
    )


def _numbers(payload: bytes) -> list[int]:
    numbers, value, shift = [], 0, 0
    for byte in payload:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value = shift = 0
    assert shift == 0, "the last number is cut off"
    return numbers
