"""The index of songs: one inner-product search for "near this point" and for "like this song". Pure.

A song's vector is [embedding, v, a, v^2 + a^2]. The query [0, ..., 2v, 2a, -1] then has the inner product
|q|^2 - distance^2 with it, and [embedding, 0, 0, 0] the cosine: both are maximum inner product over one flat index.

An index is published as a generation: the file is written beside, read back, renamed into place, and only then does
the pointer `current.json` move. Readers look at the pointer, so a running web worker sees a new generation without a
restart.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from recommender.exceptions import IndexCorrupt, IndexMissing

if TYPE_CHECKING:
    import faiss

FORMAT_VERSION = 1
POINTER = "current.json"
# A reader may have read the pointer just before it moved; the file it is about to open must still be there.
GRACE_S = 600.0
_PLANE_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What a generation is: `fingerprint` says which rows it was built from, `watermark` how new the newest was."""

    model_version: str = ""
    fingerprint: str = ""
    watermark: str = ""
    n_songs: int = 0
    n_skipped: int = 0
    generation: str = ""
    sha256: str = ""
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class Hits:
    """Songs found, best first: `song_ids` `(k,)` and `scores` `(k,)` (a negated squared distance, or a cosine)."""

    song_ids: NDArray[np.int64]
    scores: NDArray[np.float64]


class SongIndex:
    """Songs as vectors in memory. Searches may run in several threads at once; nothing changes it once built."""

    def __init__(self, vectors: faiss.IndexIDMap2, info: IndexInfo) -> None:
        self._vectors = vectors
        self.info = info

    @classmethod
    def build(
        cls,
        song_ids: Sequence[int],
        embeddings: Sequence[NDArray[np.floating]],
        valence_arousal: Sequence[tuple[float, float]],
        info: IndexInfo,
    ) -> SongIndex:
        """Build an index; a row that is not finite, or not as long as most, is skipped and counted.

        Args:
            song_ids: `n` distinct ids.
            embeddings: `n` arrays `(d,)`, L2-normalised; a row of zeros can be found near a point, never as alike.
            valence_arousal: `n` points in [-1, 1].
            info: where the rows come from.

        Returns:
            The index, with `n_songs` and `n_skipped` counted.
        """
        import faiss  # Imported here so that loading the URL configuration stays light.

        lengths = Counter(len(embedding) for embedding in embeddings)
        n_dimensions = lengths.most_common(1)[0][0] if lengths else 0
        kept = [row for row, embedding in enumerate(embeddings) if len(embedding) == n_dimensions]
        plane = np.asarray([valence_arousal[row] for row in kept], np.float32).reshape(-1, 2)
        square = np.square(plane).sum(axis=1, keepdims=True)
        stacked = np.asarray([embeddings[row] for row in kept], np.float32).reshape(len(kept), n_dimensions)
        vectors = np.hstack([stacked, plane, square])
        ids = np.asarray([song_ids[row] for row in kept], np.int64)
        finite = np.isfinite(vectors).all(axis=1)
        flat = faiss.IndexIDMap2(faiss.IndexFlatIP(n_dimensions + _PLANE_COLUMNS))
        flat.add_with_ids(np.ascontiguousarray(vectors[finite]), ids[finite])
        counted = replace(info, n_songs=int(finite.sum()), n_skipped=len(song_ids) - int(finite.sum()))
        return cls(flat, counted)

    def __len__(self) -> int:
        return int(self._vectors.ntotal)

    @property
    def n_dimensions(self) -> int:
        """Length of an embedding."""
        return int(self._vectors.d) - _PLANE_COLUMNS

    def near_point(self, valence: float, arousal: float, k: int, within: NDArray[np.int64] | None = None) -> Hits:
        """Find the songs nearest to a point.

        Args:
            valence: in [-1, 1].
            arousal: in [-1, 1].
            k: at most this many.
            within: `(m,)` ids to choose from; None for all.

        Returns:
            Hits whose score is minus the squared distance on the plane.
        """
        query = np.zeros(self._vectors.d, np.float32)
        query[-_PLANE_COLUMNS:] = (2 * valence, 2 * arousal, -1.0)
        hits = self._search(query, k, within)
        return Hits(hits.song_ids, hits.scores - (valence**2 + arousal**2))

    def like_song(self, song_id: int, k: int) -> Hits:
        """Find the songs whose embedding is most like that of a song in the index, itself left out.

        Returns:
            Hits whose score is the cosine; none when the song is not in the index.
        """
        try:
            vector = self._vectors.reconstruct(int(song_id))
        except RuntimeError:  # FAISS has no gentler way to say that it does not know an id.
            return Hits(np.zeros(0, np.int64), np.zeros(0))
        return self.like_embedding(np.asarray(vector)[:-_PLANE_COLUMNS], k, without=song_id)

    def like_embedding(self, embedding: NDArray[np.floating], k: int, without: int | None = None) -> Hits:
        """Find the songs most like an embedding `(d,)`; scores are cosines, and none that is not above 0 is alike."""
        query = np.zeros(self._vectors.d, np.float32)
        query[: self.n_dimensions] = embedding
        hits = self._search(query, k + (without is not None), None)
        kept = (hits.song_ids != (-1 if without is None else without)) & (hits.scores > 0)
        return Hits(hits.song_ids[kept][:k], hits.scores[kept][:k])

    def _search(self, query: NDArray[np.float32], k: int, within: NDArray[np.int64] | None) -> Hits:
        import faiss

        k = min(k, len(self))
        if k <= 0:
            return Hits(np.zeros(0, np.int64), np.zeros(0))
        params = faiss.SearchParameters()
        if within is not None:
            # The name keeps the selector alive: the parameters only point to it.
            selector = faiss.IDSelectorBatch(np.asarray(within, np.int64))
            params.sel = selector
        scores, ids = self._vectors.search(query[None, :], k, params=params)
        found = ids[0] >= 0
        return Hits(ids[0][found], scores[0][found].astype(np.float64))

    def publish(self, directory: Path) -> IndexInfo:
        """Make this index the published one, atomically; older generations go once nobody can be opening them.

        Raises:
            IndexCorrupt: what was written does not read back; the published generation stays what it was.
        """
        import faiss

        directory.mkdir(parents=True, exist_ok=True)
        payload = faiss.serialize_index(self._vectors).tobytes()
        generation = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        info = replace(self.info, generation=generation, sha256=hashlib.sha256(payload).hexdigest())
        _write_durably(directory / _file_name(generation), payload, sha256=info.sha256)
        pointer = json.dumps(asdict(info), indent=1).encode()
        _write_durably(directory / POINTER, pointer, sha256=hashlib.sha256(pointer).hexdigest())
        _remove_old_generations(directory, current=generation)
        return info

    @classmethod
    def load(cls, directory: Path) -> SongIndex:
        """Read the published index.

        Raises:
            IndexMissing: none was published.
            IndexCorrupt: the pointer or its file is damaged, gone, or of another format.
        """
        import faiss

        info = read_info(directory)
        try:
            payload = (directory / _file_name(info.generation)).read_bytes()
        except OSError as error:
            raise IndexCorrupt(f"The published index {info.generation} cannot be read: {error.strerror}.") from error
        if hashlib.sha256(payload).hexdigest() != info.sha256:
            raise IndexCorrupt(f"The published index {info.generation} is not what was written; rebuild it.")
        vectors = faiss.deserialize_index(np.frombuffer(payload, np.uint8))
        return cls(cast("faiss.IndexIDMap2", vectors), info)


def read_info(directory: Path) -> IndexInfo:
    """Read the pointer only.

    Raises:
        IndexMissing: none was published.
        IndexCorrupt: the pointer is damaged or of another format.
    """
    try:
        stored = json.loads((directory / POINTER).read_bytes())
        info = IndexInfo(**stored)
    except FileNotFoundError as error:
        raise IndexMissing(f"No index was published in {directory}; run index_rebuild.") from error
    except (OSError, ValueError, TypeError) as error:
        raise IndexCorrupt(f"The pointer {directory / POINTER} cannot be read: {error}") from error
    if info.format_version != FORMAT_VERSION:
        raise IndexCorrupt(f"The index has format {info.format_version}, this program reads {FORMAT_VERSION}.")
    return info


class IndexReader:
    """The published index of a directory, read again when its pointer has moved. One per process, for all threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._index: SongIndex | None = None

    def current(self) -> SongIndex:
        """Return the published index.

        Raises:
            IndexMissing: none was published.
            IndexCorrupt: it is damaged.
        """
        seen = self._pointer_identity()
        with self._lock:
            if self._index is None or seen != self._seen:
                # The identity is taken before reading, so a pointer that moves meanwhile is seen by the next call.
                self._index = SongIndex.load(self._directory)
                self._seen = seen
            return self._index

    def _pointer_identity(self) -> tuple[int, int]:
        try:
            status = (self._directory / POINTER).stat()
        except FileNotFoundError as error:
            raise IndexMissing(f"No index was published in {self._directory}; run index_rebuild.") from error
        return status.st_ino, status.st_mtime_ns


@contextlib.contextmanager
def publishing(directory: Path) -> Iterator[None]:
    """Hold the directory's lock: of two publishers the later one also reads its rows later, so no older rows win."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _file_name(generation: str) -> str:
    return f"songs-{generation}.faiss"


def _write_durably(path: Path, payload: bytes, *, sha256: str) -> None:
    """Write beside, flush to the disk, read back, rename, and flush the directory."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        if hashlib.sha256(beside.read_bytes()).hexdigest() != sha256:
            raise IndexCorrupt(f"{beside} does not read back as it was written; is the disk full or failing?")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_old_generations(directory: Path, *, current: str) -> None:
    """Remove generations, and what a killed publisher left behind, once they are older than the grace."""
    before = time.time() - GRACE_S
    for path in [*directory.glob("songs-*.faiss"), *directory.glob("*.tmp")]:
        with contextlib.suppress(FileNotFoundError):
            if path.name != _file_name(current) and path.stat().st_mtime < before:
                path.unlink()
