"""Writes files atomically, and hashes files."""

import hashlib
import os
import secrets
from collections.abc import Callable
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
