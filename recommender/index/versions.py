"""Versions of the index on disk: a folder of files each, and a pointer to the published one.

A version is written into a staging folder, read back and renamed into place; only then does the pointer `current.json`
move. Readers look at the pointer, so a running web worker sees a new version without a restart; they map the files, so
that all of them share one copy in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from catalog.core.files import digest, sync, write_atomic
from recommender.exceptions import IndexCorruptError, IndexMissingError
from recommender.index.partitions import Partitions
from recommender.index.songs import FORMAT_VERSION, IndexInfo, SongIndex, map_array, map_table

POINTER = "current.json"
MANIFEST = "manifest.json"
FOLDER = "songs-{}"
_BUILDING = ".building"
# A reader may have read the pointer just before it moved; the files it is about to open must still be there.
GRACE_S = 600.0
# Opening checks the length of every file, and the content of files smaller than this.
CHECKED_WHOLE_BYTES = 4 * 2**20


@contextlib.contextmanager
def publishing(directory: Path) -> Iterator[None]:
    """Hold the directory's lock: the later of two publishers also reads its rows later, so older rows never win."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def staging(directory: Path) -> Iterator[Path]:
    """Yield a folder to write a version into; what remains of it afterwards is removed."""
    directory.mkdir(parents=True, exist_ok=True)
    folder = directory / f"{time.time_ns():020d}-{secrets.token_hex(4)}{_BUILDING}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish_staged(index: SongIndex, folder: Path, directory: Path) -> IndexInfo:
    """Make an index the published one, atomically; older versions go once no reader can be opening them.

    Args:
        index: what to publish.
        folder: from `staging`; holds the index's table and places already.
        directory: where the versions lie.

    Raises:
        IndexCorruptError: what was written does not read back; the published version stays.
    """
    (folder / "basis.bin").write_bytes(np.ascontiguousarray(index.basis).data)
    for name, partitions in (("felt", index.felt), ("alike", index.alike)):
        if partitions is not None:
            partitions.write(folder / f"{name}.faiss")
    index_version = folder.name.removesuffix(_BUILDING)
    about = {
        "n_songs": len(index),
        "n_dimensions": index.n_dimensions,
        "n_directions": len(index.basis),
        "genres": index.table.genres,
        "files": {path.name: (path.stat().st_size, digest(path)) for path in sorted(folder.iterdir())},
    }
    manifest = json.dumps(about, indent=1).encode()
    write_atomic(folder / MANIFEST, manifest)
    for path in [*folder.iterdir(), folder]:
        sync(path)
    info = replace(index.info, index_version=index_version, sha256=digest(manifest))
    _open(folder, info)
    folder.rename(directory / FOLDER.format(index_version))
    sync(directory)
    # From now on no reader begins to open the version that is about to be replaced.
    with contextlib.suppress(IndexMissingError, IndexCorruptError, FileNotFoundError):
        os.utime(directory / FOLDER.format(read_info(directory).index_version))
    write_atomic(directory / POINTER, json.dumps(asdict(info), indent=1).encode())
    _remove_old_versions(directory, current=index_version)
    return info


def load(directory: Path) -> SongIndex:
    """Map the published index.

    Raises:
        IndexMissingError: none was published.
        IndexCorruptError: the pointer or a file is damaged, gone, or of another format.
    """
    info = read_info(directory)
    return _open(directory / FOLDER.format(info.index_version), info)


def read_info(directory: Path) -> IndexInfo:
    """Read the pointer only.

    Raises:
        IndexMissingError: none was published.
        IndexCorruptError: the pointer is damaged or of another format.
    """
    try:
        stored = json.loads((directory / POINTER).read_bytes())
        if stored["format_version"] != FORMAT_VERSION:
            found = stored["format_version"]
            raise IndexCorruptError(f"The index has format {found}, this program reads {FORMAT_VERSION}; rebuild it.")
        if "generation" in stored:  # The name of this field in pointers written before 0.2.
            stored["index_version"] = stored.pop("generation")
        return IndexInfo(**stored)
    except FileNotFoundError as error:
        raise IndexMissingError(f"No index was published in {directory}; run index_rebuild.") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise IndexCorruptError(f"The pointer {directory / POINTER} cannot be read: {error}") from error


class IndexReader:
    """The published index of a directory, mapped again when its pointer moves. One per process, for all threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._index: SongIndex | None = None

    def current(self) -> SongIndex:
        """Return the published index.

        Raises:
            IndexMissingError: none was published.
            IndexCorruptError: it is damaged.
        """
        with self._lock:
            # Within the lock: a thread that waited for it compares the pointer of now, not the one that another thread
            # has replaced. Before the load: a pointer that moves meanwhile is seen by the next call.
            try:
                status = (self._directory / POINTER).stat()
            except FileNotFoundError as error:
                raise IndexMissingError(f"No index was published in {self._directory}; run index_rebuild.") from error
            seen = status.st_ino, status.st_mtime_ns
            if self._index is None or seen != self._seen:
                self._index, self._seen = load(self._directory), seen
            return self._index


def _open(folder: Path, info: IndexInfo) -> SongIndex:
    try:
        manifest = (folder / MANIFEST).read_bytes()
        _check(info, MANIFEST, as_written=digest(manifest) == info.sha256)
        about = json.loads(manifest)
        for name, (size, stated) in about["files"].items():
            found = (folder / name).stat().st_size
            is_whole = found == size and (found > CHECKED_WHOLE_BYTES or digest(folder / name) == stated)
            _check(info, name, as_written=is_whole)
        n_songs, n_dimensions, n_directions = about["n_songs"], about["n_dimensions"], about["n_directions"]
        return SongIndex(
            table=map_table(folder, n_songs, n_dimensions, tuple(about["genres"])),
            basis=np.array(map_array(folder / "basis.bin", "<f8", (n_directions, n_dimensions))),
            places=map_array(folder / "places.bin", "<f4", (n_songs, n_directions + 2)),
            felt=Partitions.mapped(folder / "felt.faiss") if "felt.faiss" in about["files"] else None,
            alike=Partitions.mapped(folder / "alike.faiss") if "alike.faiss" in about["files"] else None,
            info=info,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise IndexCorruptError(f"The published index {info.index_version} cannot be read: {error}") from error


def _check(info: IndexInfo, name: str, *, as_written: bool) -> None:
    if not as_written:
        raise IndexCorruptError(
            f"{name} of the published index {info.index_version} is not what was written; rebuild it."
        )


def _remove_old_versions(directory: Path, *, current: str) -> None:
    """Remove versions, and what a killed publisher left behind, once they are older than the grace.

    A process that has mapped one keeps it until it lets go.
    """
    before = time.time() - GRACE_S
    for path in [*directory.glob("songs-*"), *directory.glob(f"*{_BUILDING}"), *directory.glob(".*.part")]:
        with contextlib.suppress(FileNotFoundError):
            if path.name != FOLDER.format(current) and path.stat().st_mtime < before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
