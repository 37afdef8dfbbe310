"""Where the songs of an album or artist lie together: the density of all their estimates, as outlines to draw."""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, sqrt
from typing import NamedTuple, cast

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray

N_CELLS = 40
# The smallest regions with these shares of the density are drawn.
SHARES = (0.8, 0.4)
# The model is never as sure as that; a narrower density would fall between two cells.
LEAST_SD = 0.06

_ERF = np.vectorize(erf, otypes=[np.float64])


class Estimated(NamedTuple):
    """Where a song lies: a normal density for each axis, in [-1, 1]."""

    valence: float
    arousal: float
    valence_sd: float
    arousal_sd: float


def density(songs: Sequence[Estimated], n_cells: int = N_CELLS) -> NDArray[np.float64]:
    """Return the mean density of songs on a grid over the plane.

    Each song's density is cut at the plane's edges, and counts as much as any other's.

    Returns:
        `(n_cells, n_cells)`, sum 1: rows from energetic to calm, columns from unpleasant to pleasant, as drawn.
    """
    values = np.array(songs, np.float64).reshape(-1, 4)
    edges = np.linspace(-1.0, 1.0, n_cells + 1)
    mass = []
    for mean, sd in ((values[:, 0], values[:, 2]), (values[:, 1], values[:, 3])):
        scaled = (edges[None, :] - mean[:, None]) / (np.maximum(sd, LEAST_SD)[:, None] * sqrt(2.0))
        parts = np.diff(_ERF(scaled), axis=1)
        mass.append(parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-12))
    grid = np.einsum("ij,ik->kj", mass[0], mass[1])[::-1] / len(values)
    return np.asarray(grid)


def outlines(grid: NDArray[np.float64], shares: Sequence[float] = SHARES) -> list[str]:
    """Return the smallest regions that hold these shares of a density, as paths of an SVG with a view box of 100."""
    held = np.sort(grid, axis=None)[::-1]
    # Each cell's value is at its middle; a rim of nothing closes the outlines at the plane's edges.
    middles = (np.arange(-1, len(grid) + 1) + 0.5) * 100.0 / len(grid)
    contours = contour_generator(np.clip(middles, 0.0, 100.0), np.clip(middles, 0.0, 100.0), np.pad(grid, 1))
    paths = []
    for share in shares:
        level = held[int(np.searchsorted(np.cumsum(held), share))]
        lines = cast("list[NDArray[np.float64]]", contours.lines(level))
        paths.append("".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) + "Z" for line in lines))
    return paths
