"""Songs made of arrays, and the searches and the publishing that tests and measurements need in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.arrays import Bools, Floats, Ints
from recommender.felt_model.model import LinearFelt
from recommender.index.songs import DTYPES, FeltQuery, Hits, IndexInfo, SongIndex, SongTable, TableWriter
from recommender.index.versions import publish_staged, staging


def table_of(song_ids: Ints, perceived: Floats, embeddings: NDArray[np.float32], **others: Any) -> SongTable:
    """Return songs of which little else is known; a zero embedding is not comparable, a missing column is 0."""
    given: dict[str, Any] = {"song_ids": song_ids, "perceived": perceived, "embeddings": embeddings}
    given |= {"comparable": np.any(embeddings != 0, axis=1)} | others
    genres, missing = tuple(given.pop("genres", ("",))), np.zeros(len(embeddings))
    return SongTable(**{name: np.asarray(given.get(name, missing), DTYPES[name]) for name in DTYPES}, genres=genres)


def query_of(valence: float, arousal: float, n_dimensions: int) -> FeltQuery:
    """Return the query of a listener who feels the perceived point and likes all songs alike."""
    felt = LinearFelt(np.zeros(2), np.eye(2), np.zeros((2, n_dimensions)), np.zeros(n_dimensions))
    return FeltQuery(np.array([valence, arousal]), felt)


def best(index: SongIndex, query: FeltQuery, k: int, allowed: Bools | None = None) -> Hits:
    """Return the best songs of one query."""
    return index.best_each([query], k, allowed)[0]


def near_point(index: SongIndex, valence: float, arousal: float, k: int, within: Ints | None = None) -> Hits:
    """Return the songs, of some ids or of all, that are perceived nearest to a point."""
    allowed = None if within is None else np.isin(index.table.song_ids, within)
    return best(index, query_of(valence, arousal, index.n_dimensions), k, allowed)


def like_song(index: SongIndex, song_id: int, k: int) -> Hits:
    """Return the songs that sound most like one, itself left out; none when it is not in the index."""
    row = int(index.table.rows_of(np.asarray([song_id]))[0])
    embedding = np.zeros(index.n_dimensions) if row < 0 else index.table.embeddings[row]
    return index.like_embedding(embedding, k, without=song_id)


def publish(index: SongIndex, directory: Path) -> IndexInfo:
    """Write an index that is in memory and make it the published one."""
    with staging(directory) as folder:
        with TableWriter(folder, index.n_dimensions) as writer:
            for _, part in index.table.parts():
                writer.add(part)
        (folder / "places.bin").write_bytes(np.ascontiguousarray(index.places).data)
        return publish_staged(index, folder, directory)
