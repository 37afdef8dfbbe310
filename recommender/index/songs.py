"""The index of songs: which a listener will feel nearest to a target, and which sound alike, as inner products.

A listener's felt point is linear in y = [v, a, z]: the perceived point, and the embedding projected onto the few
directions z in which the catalog's embeddings differ most. Its squared distance to a target is then a quadratic in y,
and every quadratic in y is an inner product with [y, upper triangle of y y']. Songs are stored so lifted; the query is
made from the listener's own linear map, so a rating changes what the listener feels and no song is stored again.

While songs are few, each is scored; from `FLAT_BELOW` on, they lie in partitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.model import LinearFelt
from recommender.index.partitions import Part, Partitions, Plan, build
from recommender.index.table import STEP, SongTable
from recommender.ranking.lists import HALF_DISTANCE, Weights

# Directions of the embeddings that felt points may depend on; more make the lifted vectors longer by their square.
N_DIRECTIONS = 8
# The ranking's own weights, near the target: there its closeness falls by 4 times the squared distance.
DISTANCE_WEIGHT = 1.0 / HALF_DISTANCE**2
LIKING_WEIGHT = Weights.of(0.0).liking
# The norms that a listener's coefficients on the directions have if each is as large as the built-in prior expects.
USUAL_MOVED = 0.1 * (2 * N_DIRECTIONS) ** 0.5
USUAL_LIKED = LIKING_WEIGHT * 0.39 * N_DIRECTIONS**0.5


@dataclass(frozen=True, slots=True)
class FeltQuery:
    """A `target` `(2,)` to be felt, and the linear map of the listener who is to feel it."""

    target: NDArray[np.float64]
    felt: LinearFelt

    @classmethod
    def of_point(cls, valence: float, arousal: float, n_dimensions: int) -> FeltQuery:
        """Return the query of a listener who feels what is perceived and likes all songs alike."""
        felt = LinearFelt(np.zeros(2), np.eye(2), np.zeros((2, n_dimensions)), np.zeros(n_dimensions))
        return cls(np.array([valence, arousal]), felt)


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
        """Project a query onto the directions of a basis `(r, d)`."""
        return cls(
            felt=np.hstack([query.felt.on_perceived, query.felt.on_embedding @ basis.T]),
            off=query.felt.offset - query.target,
            liking=np.concatenate([np.zeros(2), LIKING_WEIGHT * (basis @ query.felt.liking)]),
        )

    @property
    def reach(self) -> float:
        """How much the directions of embeddings decide: 0 not at all, 1 as for a typical, well known listener."""
        moved = np.linalg.norm(self.felt[:, 2:]) / USUAL_MOVED
        return float(moved + np.linalg.norm(self.liking) / USUAL_LIKED) / 2

    def scores(self, y: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the scores `(n,)` of songs `(n, r + 2)`."""
        away = y @ self.felt.T.astype(y.dtype) + self.off.astype(y.dtype)
        liked = y @ self.liking.astype(y.dtype)
        return np.asarray(liked - DISTANCE_WEIGHT * (away[:, 0] ** 2 + away[:, 1] ** 2), np.float64)

    def lifted(self) -> NDArray[np.float32]:
        """Return the vector whose inner product with a lifted song is its score, up to a constant."""
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


FORMAT_VERSION = 2
# Scoring so many songs costs as much as searching them in partitions; docs/scale.md has both times.
FLAT_BELOW = 50_000
# Up to so many allowed songs are scored one by one: that takes 3 ms, as long as searching the partitions.
FEW_ALLOWED = 100_000
# Partitions per root of the number of songs; embeddings have many values, and assigning them is most of a build.
FELT_PARTITIONS = 4.0
ALIKE_PARTITIONS = 1.0
# The share of all partitions to search; the more a listener's felt points depend on embeddings, the more are searched.
# docs/scale.md has the recall.
FELT_PROBES = 1 / 48
ALIKE_PROBES = 1 / 12
LEAST_PROBES = 64
# How the number of partitions grows as the share of allowed songs falls.
FILTER_POWER = 0.75
# A step along a direction of the embedding moves a felt point about a quarter as far as one on the plane.
DIRECTION_SCALE = 0.25


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What a version of the index is: `fingerprint` identifies the rows that it was built from.

    `watermark` is the moment up to which it has seen every change.
    """

    model_version: str = ""
    fingerprint: str = ""
    watermark: str = ""
    n_songs: int = 0
    n_skipped: int = 0
    index_version: str = ""
    sha256: str = ""
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class Hits:
    """Songs found, best first: `song_ids`, `scores` and `rows` of the table, `(k,)` each."""

    song_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


NO_HITS = Hits(np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True)
class SongIndex:
    """Songs to search. Searches may run in several threads at once; nothing changes it once built.

    `basis` `(r, d)` has orthonormal rows; `places` `(n, r + 2)` are the songs' perceived points and their embeddings
    projected onto it.
    """

    table: SongTable
    basis: NDArray[np.float64]
    places: NDArray[np.float32]
    felt: Partitions | None
    alike: Partitions | None
    info: IndexInfo

    @classmethod
    def build(cls, table: SongTable, info: IndexInfo, places: NDArray[np.float32] | None = None) -> SongIndex:
        """Build an index.

        Args:
            table: the songs, in memory or mapped.
            info: where they come from.
            places: `(n, r + 2)` to fill in, r as in `basis_of(table)`; None allocates it.
        """
        basis = basis_of(table)
        places = np.zeros((len(table), len(basis) + 2), np.float32) if places is None else places
        for start, part in table.parts():
            places[start : start + len(part)] = places_of(part, basis)
        counted = replace(info, n_songs=len(table))
        return cls(table, basis, places, _felt_partitions(places), _alike_partitions(table), counted)

    def of_newer(self, table: SongTable) -> SongIndex:
        """Return an unpartitioned index of other songs with this one's basis, for the few that are newer."""
        return SongIndex(table, self.basis, places_of(table, self.basis), None, None, self.info)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def n_dimensions(self) -> int:
        """Length of an embedding."""
        return self.table.n_dimensions

    def best(
        self,
        query: FeltQuery,
        k: int,
        within: NDArray[np.int64] | None = None,
        allowed: NDArray[np.bool_] | None = None,
    ) -> Hits:
        """Find the songs that a listener will feel nearest to a point and like.

        Args:
            query: the listener's map and target.
            k: at most this many.
            within: `(m,)` ids to choose from; None for all.
            allowed: `(n,)`, the rows to choose from; None for all.

        Returns:
            Hits whose score is `felt.Form.scores`, exactly.
        """
        if within is not None:
            rows = self.table.rows_of(np.asarray(within, np.int64))
            given = np.zeros(len(self), bool)
            given[rows[rows >= 0]] = True
            allowed = given if allowed is None else allowed & given
        return self.best_each([query], k, allowed)[0]

    def best_each(self, queries: Sequence[FeltQuery], k: int, allowed: NDArray[np.bool_] | None = None) -> list[Hits]:
        """Find the best songs of several queries; see `best`."""
        if not queries or not len(self) or k <= 0:
            return [NO_HITS for _ in queries]
        forms = [Form.of(query, self.basis) for query in queries]
        rows = self._few(self.felt, allowed)
        if self.felt is None or rows is not None:
            places = self.places if rows is None else self.places[rows]
            return [self._hits(rows, form.scores(places), k) for form in forms]
        return [self._in_partitions(self.felt, form, k, allowed) for form in forms]

    def near_point(self, valence: float, arousal: float, k: int, within: NDArray[np.int64] | None = None) -> Hits:
        """Find the songs perceived nearest to a point; see `best`."""
        return self.best(FeltQuery.of_point(valence, arousal, self.n_dimensions), k, within)

    def like_song(self, song_id: int, k: int) -> Hits:
        """Find the songs whose embedding is most like that of a song in the index, itself left out.

        Returns:
            Hits whose score is the cosine; none when the song is not in the index.
        """
        row = int(self.table.rows_of(np.asarray([song_id]))[0])
        return NO_HITS if row < 0 else self.like_embedding(self.table.embeddings[row], k, without=song_id)

    def like_embedding(
        self,
        embedding: NDArray[np.floating],
        k: int,
        without: int | None = None,
        allowed: NDArray[np.bool_] | None = None,
    ) -> Hits:
        """Find the songs most like an embedding `(d,)`; scores are cosines, and none that is not above 0 is alike."""
        asked = np.asarray(embedding, np.float32)
        if not len(self) or k <= 0 or not asked.any():
            return NO_HITS
        rows = self._few(self.alike, allowed)
        if self.alike is not None and rows is None:
            probes = self._probes(self.alike, ALIKE_PROBES, allowed)
            # Partitions hold 16-bit floats, which order near ties wrongly; the exact cosines put them right.
            rows = self.alike.search(asked, 2 * k + 1, probes, allowed)
        embeddings = self.table.embeddings if rows is None else self.table.embeddings[rows]
        cosines = np.asarray(embeddings @ asked, np.float64)
        rows = np.arange(len(self)) if rows is None else rows
        alike = (cosines > 0) & (self.table.song_ids[rows] != (-1 if without is None else without))
        return self._hits(rows[alike], cosines[alike], k)

    def _in_partitions(self, partitions: Partitions, form: Form, k: int, allowed: NDArray[np.bool_] | None) -> Hits:
        probes = self._probes(partitions, FELT_PROBES * (1.0 + 2.0 * form.reach), allowed)
        rows = partitions.search(form.lifted(), k, probes, allowed)
        return self._hits(rows, form.scores(self.places[rows]), k)

    def _few(self, partitions: Partitions | None, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64] | None:
        """Return the allowed rows if they are few enough to be scored one by one; None otherwise, or for all."""
        if allowed is None:
            return None
        rows = np.flatnonzero(allowed)
        return rows if partitions is None or len(rows) < FEW_ALLOWED else None

    def _probes(self, partitions: Partitions, share: float, allowed: NDArray[np.bool_] | None) -> int:
        """Return how many partitions to search: the more, the fewer of their songs are allowed."""
        probes = max(LEAST_PROBES, share * partitions.n_partitions)
        if allowed is not None:
            probes *= (len(self) / max(int(np.count_nonzero(allowed)), 1)) ** FILTER_POWER
        return round(probes)

    def _hits(self, rows: NDArray[np.int64] | None, scores: NDArray[np.float64], k: int) -> Hits:
        """Return the `k` best of some rows, None for all; of two alike, the one with the lower row."""
        order = np.argpartition(-scores, k)[:k] if len(scores) > k else np.arange(len(scores))
        order = order[np.lexsort((order, -scores[order]))]
        found = order if rows is None else rows[order]
        return Hits(np.asarray(self.table.song_ids[found]), scores[order], found)


def basis_of(table: SongTable) -> NDArray[np.float64]:
    """Return the directions `(r, d)` in which the comparable embeddings differ most, as orthonormal rows."""
    n_dimensions = table.n_dimensions
    total, products, n_songs = np.zeros(n_dimensions), np.zeros((n_dimensions, n_dimensions)), 0
    for _, part in table.parts():
        embeddings = part.embeddings[part.comparable].astype(np.float64)
        total += embeddings.sum(axis=0)
        products += embeddings.T @ embeddings
        n_songs += len(embeddings)
    return principal_directions(total, products, n_songs)


def places_of(table: SongTable, basis: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return perceived points and projected embeddings, `(n, r + 2)`."""
    return np.hstack([table.perceived, table.embeddings @ basis.T]).astype(np.float32)


def _felt_partitions(places: NDArray[np.float32]) -> Partitions | None:
    n_songs, n_values = places.shape
    if n_songs < FLAT_BELOW:
        return None
    scale = np.ones(n_values, np.float32)
    scale[2:] = DIRECTION_SCALE

    def parts() -> Iterator[Part]:
        for start in range(0, n_songs, STEP):
            stop = min(start + STEP, n_songs)
            yield np.arange(start, stop), np.asarray(places[start:stop])

    return build(parts, n_songs, Plan(n_values, lifted_length(n_values), scale, lift, FELT_PARTITIONS))


def _alike_partitions(table: SongTable) -> Partitions | None:
    n_songs, n_dimensions = int(table.comparable.sum()), table.n_dimensions
    if n_songs < FLAT_BELOW:
        return None

    def parts() -> Iterator[Part]:
        for start, part in table.parts():
            yield start + np.flatnonzero(part.comparable), part.embeddings[part.comparable]

    scale = np.ones(n_dimensions, np.float32)
    plan = Plan(n_dimensions, n_dimensions, scale, np.ascontiguousarray, ALIKE_PARTITIONS, is_half=True)
    return build(parts, n_songs, plan)
