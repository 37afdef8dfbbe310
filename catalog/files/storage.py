"""Stores audio and covers in Django's default storage; no other module reaches them.

On a file system, new bytes are staged and renamed into place; other storages get them through `save`.
"""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, default_storage
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _

from catalog.core.wording import file_size
from catalog.exceptions import FileTooLargeError, SongFileLostError, StorageFullError

# ENOSPC: full; EDQUOT: over the quota; EFBIG: over the process's file size limit.
_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A complete file that is not a song yet."""

    path: Path
    content_hash: str
    size_bytes: int


@contextmanager
def file_staged(chunks: Iterable[bytes]) -> Iterator[StagedFile]:
    """Write chunks to a temporary file on the media disk and hash them; the file is removed when the block ends.

    Raises:
        FileTooLargeError, StorageFullError: The file is over the limit, or the disk has no room.
    """
    path = incoming_path(f"{uuid.uuid4().hex}.part")
    hashed, size_bytes = hashlib.sha256(), 0
    try:
        with storage_full_explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as out:
                for chunk in chunks:
                    size_bytes += len(chunk)
                    size_check(size_bytes)
                    hashed.update(chunk)
                    out.write(chunk)
                out.flush()
                # A row must never point at bytes that a power cut can still lose.
                os.fsync(out.fileno())
        yield StagedFile(path, hashed.hexdigest(), size_bytes)
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def storage_full_explained() -> Iterator[None]:
    """Turn "no space left on device" into a StorageFullError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL_ERRNOS:
            raise
        raise StorageFullError(
            _(
                "The server's disk is full, so this file was not saved; everything stored before is "
                "intact. Free some space, then upload it again."
            )
        ) from error


def size_check(size_bytes: int) -> None:
    """Refuse a file that is larger than `MOODPLANE_MAX_UPLOAD_BYTES`."""
    limit_bytes = int(settings.MOODPLANE_MAX_UPLOAD_BYTES)
    if size_bytes > limit_bytes:
        sentence = _(
            "The file is larger than %(most)s, the limit for one song. Convert it to FLAC or MP3, or split it."
        )
        raise FileTooLargeError(sentence % {"most": file_size(limit_bytes)})


def file_place(staged: StagedFile, name: str) -> None:
    """Move a staged file into the storage; an existing file of that name has the same bytes."""
    destination = _path_of(default_storage, name)
    with storage_full_explained():
        if destination is not None:
            destination.parent.mkdir(parents=True, exist_ok=True)
            staged.path.replace(destination)
        elif not default_storage.exists(name):
            with staged.path.open("rb") as stream:
                placed = default_storage.save(name, File(stream))
            if placed != name:
                # Another process stored the same bytes meanwhile, and `save` never overwrites.
                default_storage.delete(placed)


@contextmanager
def local_copy(file: FieldFile) -> Iterator[Path]:
    """Yield a local path of a stored file, such as `song.audio`; of a lost file, a path that does not exist.

    From a storage that is no file system the file is copied, and the copy removed when the block ends.
    """
    name = str(file.name)
    path = _path_of(file.storage, name)
    if path is not None:
        yield path
        return
    copy = incoming_path(f"{uuid.uuid4().hex}.part")
    try:
        with storage_full_explained(), suppress(FileNotFoundError):
            copy.parent.mkdir(parents=True, exist_ok=True)
            with file.storage.open(name, "rb") as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, _COPY_BYTES)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def bytes_place(data: bytes, folder: str, extension: str) -> str:
    """Store a small file under the name of its content, and return that name."""
    with file_staged([data]) as staged:
        name = content_name(folder, staged.content_hash, extension)
        file_place(staged, name)
    return name


def content_name(folder: str, content_hash: str, extension: str) -> str:
    """Return the name of a content in the storage, such as `audio/ab/ab12….mp3`, so that no folder grows huge."""
    return f"{folder}/{content_hash[:2]}/{content_hash}.{extension}"


def file_lost() -> SongFileLostError:
    """Return the error of a song whose file is missing."""
    return SongFileLostError(
        _("The file of this song is no longer on the server. Upload the same file again to restore it.")
    )


def media_exists(file: FieldFile) -> bool:
    """Whether a stored file, such as `song.audio`, exists."""
    return file.storage.exists(str(file.name))


def media_remove(name: str) -> None:
    """Remove a file from the storage, if it exists."""
    default_storage.delete(name)


def media_disk_usage() -> tuple[int, int]:
    """Return the total and the free bytes of the media disk."""
    # Before the first upload the folder is missing; it will lie on the disk of its first existing parent.
    folder = incoming_path()
    usage = shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists()))
    return usage.total, usage.free


def incoming_path(name: str = "") -> Path:
    """Return the path of an incoming file, or of their folder, on the media disk whatever the storage."""
    return (_path_of(default_storage, "incoming") or Path(settings.MEDIA_ROOT) / "incoming") / name


def holds_media(folder: Path) -> bool:
    """Whether a folder holds stored audio and covers, or is held by their folder."""
    media, folder = incoming_path().parent.resolve(), folder.resolve()
    return media.is_relative_to(folder) or folder.is_relative_to(media)


def room_check(size_bytes: int) -> None:
    """Raise StorageFullError if the media disk has no room for an announced file."""
    free_bytes = media_disk_usage()[1]
    if size_bytes > free_bytes:
        sentence = _(
            "The server's disk has %(free)s left, but this file needs %(size)s. Free some space, then try again."
        )
        raise StorageFullError(sentence % {"free": file_size(free_bytes), "size": file_size(size_bytes)})


def _path_of(storage: Storage, name: str) -> Path | None:
    # Other storages may have a `path` that exists nowhere: Django's InMemoryStorage does.
    return Path(storage.path(name)) if isinstance(storage, FileSystemStorage) else None
