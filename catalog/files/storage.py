"""Puts bytes on the media disk: beside their destination first, then renamed into place."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from catalog.core.formats import file_size
from catalog.exceptions import FileTooLarge, StorageFull

# ENOSPC: full; EDQUOT: over the quota; EFBIG: over the process's file size limit.
_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class StagedFile:
    """Bytes that arrived completely and are not a song yet."""

    path: Path
    content_hash: str
    size_bytes: int


@contextmanager
def file_staged(chunks: Iterable[bytes]) -> Iterator[StagedFile]:
    """Write chunks to a temporary file on the media disk, hashing them; the file is gone when the block ends.

    Raises:
        FileTooLarge: as soon as more than the limit has arrived.
        StorageFull: if the disk has no room.
    """
    path = incoming_path(f"{uuid.uuid4().hex}.part")
    try:
        with storage_full_told():
            path.parent.mkdir(parents=True, exist_ok=True)
            staged = _write(path, chunks)
        yield staged
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def storage_full_told() -> Iterator[None]:
    """Turn "no space left on device" into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL_ERRNOS:
            raise
        raise StorageFull(
            _(
                "The server's disk is full, so this file was not kept; everything stored before is unharmed. "
                "Free some space, then upload it again."
            )
        ) from error


def _write(path: Path, chunks: Iterable[bytes]) -> StagedFile:
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("wb") as out:
        for chunk in chunks:
            size_bytes += len(chunk)
            size_check(size_bytes)
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        # A row must never point at bytes that a power cut can still take away.
        os.fsync(out.fileno())
    return StagedFile(path, digest.hexdigest(), size_bytes)


def size_check(size_bytes: int) -> None:
    """Refuse a file that is larger than `MOODPLANE_MAX_UPLOAD_BYTES`."""
    limit_bytes = int(settings.MOODPLANE_MAX_UPLOAD_BYTES)
    if size_bytes > limit_bytes:
        raise FileTooLarge(
            _(
                "The file is larger than %(most)s, the most that one song may have. "
                "Convert it to FLAC or MP3, or split it."
            )
            % {"most": file_size(limit_bytes)}
        )


def file_place(staged: StagedFile, name: str) -> None:
    """Rename a staged file to its place under the media root; a file that is already there has the same bytes."""
    destination = _media_root() / name
    with storage_full_told():
        destination.parent.mkdir(parents=True, exist_ok=True)
        staged.path.replace(destination)


def bytes_place(data: bytes, folder: str, extension: str) -> str:
    """Keep a small file under the name of its content, and return that name under the media root."""
    with file_staged([data]) as staged:
        name = content_name(folder, staged.content_hash, extension)
        file_place(staged, name)
    return name


def content_name(folder: str, content_hash: str, extension: str) -> str:
    """Name of a content under the media root, such as `audio/ab/ab12….mp3`; fanned out so no folder grows huge."""
    return f"{folder}/{content_hash[:2]}/{content_hash}.{extension}"


def media_exists(name: str) -> bool:
    """Whether there is a file of this name under the media root."""
    return (_media_root() / name).is_file()


def media_remove(name: str) -> None:
    """Remove a file under the media root; one that is not there is fine."""
    (_media_root() / name).unlink(missing_ok=True)


def incoming_path(name: str = "") -> Path:
    """Path of a file that is still arriving, or of the folder of all of them; on the disk where songs will lie."""
    return _media_root() / "incoming" / name


def room_check(size_bytes: int) -> None:
    """Refuse a file for which the media disk has no room, before it is sent.

    Raises:
        StorageFull: there is less free space than the file needs.
    """
    folder = incoming_path()
    folder.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(folder).free
    if size_bytes > free_bytes:
        raise StorageFull(
            _("The server's disk has %(free)s left, and this file needs %(size)s. Free some space, then try again.")
            % {"free": file_size(free_bytes), "size": file_size(size_bytes)}
        )


def _media_root() -> Path:
    return Path(settings.MEDIA_ROOT)
