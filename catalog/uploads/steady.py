"""Reads files of the server's disk that other programs may still be writing."""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from catalog.uploads.walking import Signature, device_of, signature_of

# Copies over a network pause; clients of NFS see a size that is some seconds old.
STABLE_S = 10.0


class FileChangingError(OSError):
    """A file is being written."""


class Steadiness:
    """Remembers how files looked, to tell when they have looked the same for `STABLE_S`.

    It compares looks, not the clocks of this machine and of a file server.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looks: dict[Path, tuple[Signature, float]] = {}

    def is_stable(self, path: Path, signature: Signature) -> bool:
        """Note how a file looks now; return whether it has looked like this for long enough."""
        now = self._clock()
        before, since = self._looks.get(path, (None, now))
        if before != signature:
            self._looks[path] = (signature, now)
            since = now
        return now - since >= STABLE_S

    def forget(self, path: Path) -> None:
        self._looks.pop(path, None)


class SteadyFile:
    """An open regular file, and a context manager; reading to its end fails if it was changed meanwhile.

    Raises:
        FileChangingError: From `read` and `digest`.
        OSError: It cannot be opened, or is no regular file.
    """

    def __init__(self, path: Path) -> None:
        # Opening a pipe, which may have taken the place of a file since the walk, would block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._file = os.fdopen(descriptor, "rb")
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            self._file.close()
            raise OSError(errno.EINVAL, "Not a regular file")
        self.size, self.device, self.signature = status.st_size, device_of(status), signature_of(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def digest(self) -> str:
        """Return the SHA-256 of the content, in hexadecimal; reading begins again after it."""
        self._file.seek(0)
        content_hash = hashlib.file_digest(self._file, "sha256").hexdigest()
        self._check()
        self._file.seek(0)
        return content_hash

    def read(self, n_bytes: int) -> bytes:
        data = self._file.read(n_bytes)
        if not data:
            self._check()
        return data

    def _check(self) -> None:
        if signature_of(os.fstat(self._file.fileno())) != self.signature:
            raise FileChangingError(errno.EAGAIN, "It is being written")
