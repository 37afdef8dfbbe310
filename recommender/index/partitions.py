"""Cells of vectors that are searched by inner product, the likeliest cells only. Pure.

A vector's id is its row in the columns. It lies in the cell whose centre is nearest in coordinates of its own (`Plan`),
and a query looks into the cells whose centres score best by the query's own inner product. Cells made by inner product
itself would be of the longest vectors, not of alike ones.

Source: Sivic and Zisserman (2003), Video Google (inverted files); Douze et al. (2024), The Faiss library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import faiss

TRAINING_PER_CELL = 64
TRAINING_ROUNDS = 8

Part = tuple[NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How vectors are laid out in cells.

    Cells are made by `n_coordinates` values times `scale`; `lift` turns such values, or a cell's centre, into the
    `n_values` that are searched, stored as 16-bit floats if `is_half`. There are `cells_per_root` times as many cells
    as the root of the number of vectors.
    """

    n_coordinates: int
    n_values: int
    scale: NDArray[np.float32]
    lift: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    cells_per_root: float
    is_half: bool = False


@dataclass(frozen=True, slots=True)
class Cells:
    """A searchable set of vectors; it may be searched in several threads at once."""

    vectors: faiss.IndexIVF

    @property
    def n_cells(self) -> int:
        """How many cells there are."""
        return int(self.vectors.nlist)

    def search(
        self, query: NDArray[np.float32], k: int, n_probes: int, allowed: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """Return the rows found, best first, at most `k`.

        One query at a time: several at once FAISS gives to several threads, which wait for each other when others work.

        Args:
            query: `(d,)`.
            k: how many.
            n_probes: how many cells to look into.
            allowed: by row, whether it may be found; None for all.
        """
        import faiss

        k = min(k, int(self.vectors.ntotal))
        if k <= 0:
            return np.zeros(0, np.int64)
        options: dict[str, Any] = {"nprobe": min(max(n_probes, 1), self.n_cells)}
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            # FAISS only points to the bits, so they have to live until it is done.
            options["sel"] = faiss.IDSelectorBitmap(bits)  # type: ignore[arg-type, call-arg]
        asked = np.ascontiguousarray(query[None], np.float32)
        rows = self.vectors.search(asked, k, params=faiss.SearchParametersIVF(**options))[1][0]
        return np.asarray(rows[rows >= 0], np.int64)

    def write(self, path: Path) -> None:
        """Write to a file."""
        import faiss

        faiss.write_index(self.vectors, str(path))

    @classmethod
    def mapped(cls, path: Path) -> Cells:
        """Map a file that `write` wrote; its pages are shared by all processes that map it.

        Raises:
            RuntimeError: it is not what was written.
        """
        import faiss

        return cls(cast("faiss.IndexIVF", faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)))


def build(parts: Callable[[], Iterator[Part]], n_vectors: int, plan: Plan) -> Cells:
    """Put vectors into cells.

    Args:
        parts: yields `(rows, coordinates)`, `(m,)` and `(m, n_coordinates)`, from the start each time it is called.
        n_vectors: how many there are in all, at least 1.
        plan: how they are laid out.
    """
    import faiss

    n_cells = max(int(plan.cells_per_root * n_vectors**0.5), 1)
    centres = _centres(parts, n_vectors, n_cells, plan)
    nearest = faiss.IndexFlatL2(plan.n_coordinates)
    nearest.add(centres)
    probed = faiss.IndexFlatIP(plan.n_values)
    probed.add(plan.lift(centres / plan.scale))
    cells = _empty(probed, n_cells, plan)
    for rows, coordinates in parts():
        cell = np.ascontiguousarray(nearest.search(np.ascontiguousarray(coordinates * plan.scale), 1)[1][:, 0])
        values, ids = plan.lift(coordinates), np.ascontiguousarray(rows, np.int64)
        cells.add_core(len(ids), faiss.swig_ptr(values), faiss.swig_ptr(ids), faiss.swig_ptr(cell))
    return Cells(cells)


def _empty(probed: faiss.Index, n_cells: int, plan: Plan) -> faiss.IndexIVF:
    import faiss

    cells: faiss.IndexIVF
    if plan.is_half:
        half, by_residual = faiss.ScalarQuantizer.QT_fp16, False
        cells = faiss.IndexIVFScalarQuantizer(
            probed, plan.n_values, n_cells, half, faiss.METRIC_INNER_PRODUCT, by_residual
        )
    else:
        cells = faiss.IndexIVFFlat(probed, plan.n_values, n_cells, faiss.METRIC_INNER_PRODUCT)
    cells.is_trained = True
    return cells


def _centres(parts: Callable[[], Iterator[Part]], n_vectors: int, n_cells: int, plan: Plan) -> NDArray[np.float32]:
    import faiss

    n_sample = min(n_vectors, TRAINING_PER_CELL * n_cells)
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(n_vectors, n_sample, replace=False))
    sample, before = [], 0
    for rows, coordinates in parts():
        here = chosen[np.searchsorted(chosen, before) : np.searchsorted(chosen, before + len(rows))] - before
        sample.append(coordinates[here] * plan.scale)
        before += len(rows)
    training = faiss.Kmeans(
        plan.n_coordinates, n_cells, niter=TRAINING_ROUNDS, max_points_per_centroid=TRAINING_PER_CELL, seed=1
    )
    training.train(np.concatenate(sample))
    return np.asarray(training.centroids, np.float32)
