"""Writes files atomically, and hashes files."""

import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_SUFFIX = ".part"


def write_atomic(path: Path, content: bytes | str | Callable[[BinaryIO], object], *, durable: bool = True) -> None:
    """Write a file under a temporary name in its folder, then rename it into place.

    Of several writers of one path the last rename wins. After an error only the old file stays.

    Args:
        path: The file; its folder exists.
        content: Bytes, text (stored as UTF-8), or a function that writes to the open file.
        durable: Wait for the disk. False for caches and pictures, which can be recomputed.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_SUFFIX}")
    try:
        with temporary.open("xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # Whoever writes to an open file does not know its name.
        if error.filename is None:
            if error.errno is None:
                raise OSError(f"{path} could not be written: {error}.") from error
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        sync(path.parent)


def remove_leftovers(path: Path) -> None:
    """Remove temporary files that killed writers of `path` left; only for a file with a single writer."""
    for left in path.parent.glob(f".{path.name}.*{_SUFFIX}"):
        left.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(content: Path | bytes) -> str:
    """Return the SHA-256 of bytes or of a file, in hexadecimal."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace_atomic(
    path: Path, source: Path, *, keep_times: bool = False, check: Callable[[], object] = lambda: None
) -> None:
    """Give a file the bytes of another one, as one step; its permissions, owner and extended attributes stay.

    Args:
        path: A regular file, not a link to one.
        source: Where the bytes are.
        keep_times: Keep the time of its last change as well.
        check: Called last of all; if it raises, the file stays as it is.
    """
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}{_SUFFIX}")
    before = path.stat()
    try:
        shutil.copyfile(source, temporary)
        shutil.copystat(path, temporary)
        with suppress(PermissionError):
            os.chown(temporary, before.st_uid, before.st_gid)
        # The owner's change may have taken some of them.
        temporary.chmod(stat.S_IMODE(before.st_mode))
        if not keep_times:
            os.utime(temporary)
        sync(temporary)
        check()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)
