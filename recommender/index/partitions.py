"""Vectors in partitions, searched by inner product in the likeliest partitions only (an inverted file).

A vector's id is its row in the table. It lies in the partition with the nearest centre, by coordinates of its own
(`build`); a query searches the partitions whose centres score best by its inner product. Partitions made by the inner
product itself would hold the longest vectors, not similar ones.

Source: Sivic and Zisserman (2003), Video Google (inverted files); Douze et al. (2024), The Faiss library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from recommender.arrays import Bools, Ints

if TYPE_CHECKING:
    import faiss

TRAINING_PER_PARTITION = 64
TRAINING_ROUNDS = 8

Part = tuple[Ints, NDArray[np.float32]]
Lift = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Partitions:
    """A searchable set of vectors; several threads may search it at once."""

    vectors: faiss.IndexIVF

    @property
    def n_partitions(self) -> int:
        """The number of partitions."""
        return int(self.vectors.nlist)

    def search(self, query: NDArray[np.float32], k: int, n_probes: int, allowed: Bools | None = None) -> Ints:
        """Return the rows found, best first, at most `k`.

        One query at a time: FAISS gives several to as many threads, which wait for each other on a busy machine.

        Args:
            query: `(d,)`.
            k: how many rows to find.
            n_probes: how many partitions to search.
            allowed: `(n,)`, whether each row may be found; None for all.
        """
        import faiss

        k = min(k, int(self.vectors.ntotal))
        if k <= 0:
            return np.zeros(0, np.int64)
        options: dict[str, Any] = {"nprobe": min(max(n_probes, 1), self.n_partitions)}
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            # FAISS only points to the bits, so they must outlive the search.
            options["sel"] = faiss.IDSelectorBitmap(bits)  # type: ignore[arg-type, call-arg]
        queries = np.ascontiguousarray(query[None], np.float32)
        rows = self.vectors.search(queries, k, params=faiss.SearchParametersIVF(**options))[1][0]
        return np.asarray(rows[rows >= 0], np.int64)

    def write(self, path: Path) -> None:
        """Write to a file."""
        import faiss

        faiss.write_index(self.vectors, str(path))

    @classmethod
    def mapped(cls, path: Path) -> Partitions:
        """Map a file that `write` wrote; all processes that map it share its pages.

        Raises:
            RuntimeError: it is not such a file.
        """
        import faiss

        return cls(cast("faiss.IndexIVF", faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)))


def build(
    parts: Callable[[], Iterator[Part]],
    n_vectors: int,
    scale: NDArray[np.float32],
    lift: Lift,
    partitions_per_root: float,
    *,
    is_half: bool = False,
) -> Partitions:
    """Put vectors into partitions.

    Args:
        parts: yields `(rows, coordinates)`, `(m,)` and `(m, c)`, from the start at each call.
        n_vectors: how many vectors there are in all, at least 1.
        scale: `(c,)`, what clustering multiplies the coordinates by.
        lift: turns coordinates, or centres, into the values to search, `(m, v)`.
        partitions_per_root: the number of partitions is so many times the root of the number of vectors.
        is_half: whether the values are stored as 16-bit floats.
    """
    import faiss

    n_partitions = max(int(partitions_per_root * n_vectors**0.5), 1)
    centres = _centres(parts, n_vectors, n_partitions, scale)
    nearest = faiss.IndexFlatL2(len(scale))
    nearest.add(centres)
    lifted = lift(centres / scale)
    n_values = lifted.shape[1]
    probed = faiss.IndexFlatIP(n_values)
    probed.add(lifted)
    partitions: faiss.IndexIVF
    if is_half:
        half, by_residual = faiss.ScalarQuantizer.QT_fp16, False
        partitions = faiss.IndexIVFScalarQuantizer(
            probed, n_values, n_partitions, half, faiss.METRIC_INNER_PRODUCT, by_residual
        )
    else:
        partitions = faiss.IndexIVFFlat(probed, n_values, n_partitions, faiss.METRIC_INNER_PRODUCT)
    partitions.is_trained = True
    for rows, coordinates in parts():
        partition = np.ascontiguousarray(nearest.search(np.ascontiguousarray(coordinates * scale), 1)[1][:, 0])
        values, ids = lift(coordinates), np.ascontiguousarray(rows, np.int64)
        partitions.add_core(len(ids), faiss.swig_ptr(values), faiss.swig_ptr(ids), faiss.swig_ptr(partition))
    return Partitions(partitions)


def _centres(
    parts: Callable[[], Iterator[Part]], n_vectors: int, n_partitions: int, scale: NDArray[np.float32]
) -> NDArray[np.float32]:
    import faiss

    n_sample = min(n_vectors, TRAINING_PER_PARTITION * n_partitions)
    chosen = np.sort(np.random.default_rng(0).choice(n_vectors, n_sample, replace=False))
    sample, before = [], 0
    for rows, coordinates in parts():
        here = chosen[np.searchsorted(chosen, before) : np.searchsorted(chosen, before + len(rows))] - before
        sample.append(coordinates[here] * scale)
        before += len(rows)
    per_partition = TRAINING_PER_PARTITION
    training = faiss.Kmeans(
        len(scale), n_partitions, niter=TRAINING_ROUNDS, max_points_per_centroid=per_partition, seed=1
    )
    training.train(np.concatenate(sample))
    return np.asarray(training.centroids, np.float32)
