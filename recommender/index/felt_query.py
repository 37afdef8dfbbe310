"""What a listener is to feel, as one inner product with every song. Pure.

A listener's felt point is linear in y = [v, a, z]: what everybody perceives, and the embedding projected onto the few
directions z in which the catalog's embeddings differ most. How far it is from a target is then a quadratic in y, and
every quadratic in y is an inner product with [y, upper triangle of y y']. Songs are stored so lifted; the query is made
from the listener's own map. What a listener feels may change with every rating, and no song has to be stored anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.ranking.lists import HALF_DISTANCE, Weights

# Directions of the embeddings that felt points may depend on; more make the lifted vectors longer by their square.
N_DIRECTIONS = 8
# The ranking's own weights, near the target: there its closeness falls by 4 times the squared distance.
DISTANCE_WEIGHT = 1.0 / HALF_DISTANCE**2
LIKING_WEIGHT = Weights.of(0.0).liking
# The norms that a listener's coefficients on the directions have if each is as large as the built-in prior expects.
USUAL_MOVED = 0.1 * (2 * N_DIRECTIONS) ** 0.5
USUAL_LIKED = LIKING_WEIGHT * 0.39 * N_DIRECTIONS**0.5


class LinearMap(Protocol):
    """What a listener feels and likes, as `adaptation.LinearFelt` has it."""

    @property
    def offset(self) -> NDArray[np.float64]: ...
    @property
    def on_perceived(self) -> NDArray[np.float64]: ...
    @property
    def on_embedding(self) -> NDArray[np.float64]: ...
    @property
    def liking(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True)
class FeltQuery:
    """A point to be felt, and by whom: felt = offset + on_perceived @ perceived + on_embedding @ embedding.

    `target` and `offset` `(2,)`; `on_perceived` `(2, 2)`; `on_embedding` `(2, d)`; `liking` `(d,)`, on the embedding.
    """

    target: NDArray[np.float64]
    offset: NDArray[np.float64]
    on_perceived: NDArray[np.float64]
    on_embedding: NDArray[np.float64]
    liking: NDArray[np.float64]

    @classmethod
    def of(cls, target: Sequence[float] | NDArray[np.float64], felt: LinearMap) -> FeltQuery:
        """Return the query of a listener's own map."""
        point = np.asarray(target, np.float64)
        return cls(point, felt.offset, felt.on_perceived, felt.on_embedding, felt.liking)

    @classmethod
    def of_point(cls, valence: float, arousal: float, n_dimensions: int) -> FeltQuery:
        """Return the query of somebody who feels what is perceived and likes nothing more than anything else."""
        point = np.array([valence, arousal])
        return cls(point, np.zeros(2), np.eye(2), np.zeros((2, n_dimensions)), np.zeros(n_dimensions))


@dataclass(frozen=True, slots=True)
class Form:
    """A query on y `(r + 2,)`: score = -DISTANCE_WEIGHT |felt @ y + off|^2 + liking @ y.

    `felt` `(2, r + 2)`, `off` `(2,)`, `liking` `(r + 2,)`.
    """

    felt: NDArray[np.float64]
    off: NDArray[np.float64]
    liking: NDArray[np.float64]

    @classmethod
    def of(cls, query: FeltQuery, basis: NDArray[np.float64]) -> Form:
        """Return a query on the directions of a basis `(r, d)`; what it says of others is left out."""
        return cls(
            felt=np.hstack([query.on_perceived, query.on_embedding @ basis.T]),
            off=query.offset - query.target,
            liking=np.concatenate([np.zeros(2), LIKING_WEIGHT * (basis @ query.liking)]),
        )

    @property
    def reach(self) -> float:
        """How far the directions of embeddings decide: 0 not at all, 1 as for a usual listener well known."""
        moved = np.linalg.norm(self.felt[:, 2:]) / USUAL_MOVED
        return float(moved + np.linalg.norm(self.liking) / USUAL_LIKED) / 2

    def scores(self, y: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the scores `(n,)` of songs `(n, r + 2)`."""
        away = y @ self.felt.T.astype(y.dtype) + self.off.astype(y.dtype)
        liked = y @ self.liking.astype(y.dtype)
        return np.asarray(liked - DISTANCE_WEIGHT * (away[:, 0] ** 2 + away[:, 1] ** 2), np.float64)

    def lifted(self) -> NDArray[np.float32]:
        """Return the vector whose inner product with a lifted song is its score, less what is the same for all."""
        first, second = np.triu_indices(self.felt.shape[1])
        squares = self.felt.T @ self.felt
        twice = np.where(first == second, 1.0, 2.0)
        linear = self.liking - 2 * DISTANCE_WEIGHT * (self.felt.T @ self.off)
        return np.concatenate([linear, -DISTANCE_WEIGHT * twice * squares[first, second]]).astype(np.float32)


def lifted_length(n_values: int) -> int:
    """Return the length of a lifted song that has so many values."""
    return n_values + n_values * (n_values + 1) // 2


def lift(y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return songs `(n, m)` as `(n, lifted_length(m))`."""
    first, second = np.triu_indices(y.shape[1])
    return np.ascontiguousarray(np.hstack([y, y[:, first] * y[:, second]]), np.float32)


def principal_directions(
    total: NDArray[np.float64], products: NDArray[np.float64], n_songs: int
) -> NDArray[np.float64]:
    """Return the directions `(r, d)` in which embeddings differ most, as orthonormal rows.

    Args:
        total: `(d,)`, the sum of the embeddings.
        products: `(d, d)`, the sum of their outer products.
        n_songs: how many there are.
    """
    mean = total / max(n_songs, 1)
    _, vectors = np.linalg.eigh(products / max(n_songs, 1) - np.outer(mean, mean))
    rows = vectors[:, ::-1].T[:N_DIRECTIONS]
    # An eigenvector's sign means nothing; fixed, the same catalog gives the same basis.
    signs = np.where((rows**3).sum(axis=1) < 0, -1.0, 1.0)
    return np.ascontiguousarray(rows * signs[:, None])
