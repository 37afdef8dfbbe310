"""PostgreSQL and Redis from wheels, under MOODPLANE_VAR, shared by every process of an installation.

The first process to call `ensure_running` starts them, others join, and the last one to leave stops them. Each holds a
shared file lock, which the kernel releases however a process dies; a janitor then stops the servers.

The wheel's launcher is not used: its socket option breaks on a path with a space, and as root it creates a system user
and opens the parent directories to everyone.
"""

import atexit
import fcntl
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from mer_site.local.paths import EmbeddedPaths
from mer_site.local.servers import EmbeddedError, LastingProcess, Postgres, Redis, RunAs, janitor_ensure

logger = logging.getLogger(__name__)
# Servers that this process started, and reaps if they end before it.
_children: list[LastingProcess] = []


class Servers:
    """The embedded servers of one `var`. Any number of processes may `acquire` and `release` them."""

    def __init__(self, var: Path, *, postgres: bool = True, redis: bool = True) -> None:
        self.paths = EmbeddedPaths(var)
        wanted: list[type[Postgres] | type[Redis]] = [Postgres] * postgres + [Redis] * redis
        self._servers = [server(self.paths) for server in wanted]
        self._users: IO[bytes] | None = None

    def acquire(self) -> None:
        """Join the servers, starting those that do not run; EmbeddedError says why they cannot start."""
        try:
            for directory in (self.paths.run_dir, self.paths.log_dir):
                directory.mkdir(parents=True, exist_ok=True)
            with self._change():
                if self._users is None:
                    self._users = (self.paths.run_dir / "servers.users").open("ab")
                # Only a leaving process holds this lock exclusively, and it holds the other lock meanwhile.
                fcntl.flock(self._users, fcntl.LOCK_SH)
                self._start()
                janitor_ensure(self.paths)
        except OSError as error:
            self._forget()
            raise EmbeddedError(
                f"The embedded servers cannot use {self.paths.var}: {error}. "
                "If another user (root, perhaps) ran Moodplane here before, run it as that user."
            ) from error
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Leave the servers; stop them if no other process uses them."""
        if self._users is None:
            return
        with self._change():
            # Blocks while others use the servers.
            with suppress(BlockingIOError):
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stop()
            self._forget()

    def revive(self) -> list[str]:
        """Restart the servers that died since `acquire`; return their names."""
        dead = [type(server).__name__ for server in self._servers if server.process() is None]
        if dead:
            with self._change():
                self._start()
        return dead

    def _forget(self) -> None:
        if self._users is not None:
            self._users.close()
            self._users = None

    def _start(self) -> None:
        user = RunAs.current(self.paths.postgres_data)
        user.own(self.paths.socket_dir)
        _children.extend(child for server in self._servers if (child := server.start(user)) is not None)

    def _stop(self) -> None:
        for server in reversed(self._servers):
            server.stop()
        for child in _children:
            child.poll()
        with suppress(OSError):
            self.paths.redis_socket.unlink(missing_ok=True)
            self.paths.socket_dir.rmdir()

    @contextmanager
    def _change(self) -> Iterator[None]:
        with (self.paths.run_dir / "servers.lock").open("ab") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


_joined: Servers | None = None
_joined_by_pid = 0
_joining = threading.Lock()


def ensure_running() -> Servers | None:
    """Join the embedded servers once per process; return None if the settings name other servers."""
    global _joined, _joined_by_pid
    from django.conf import settings

    postgres, redis = settings.MOODPLANE_EMBEDDED_POSTGRES, settings.MOODPLANE_EMBEDDED_REDIS
    if not (postgres or redis):
        return None
    with _joining:
        # A forked child inherits the variable, but needs its own lock.
        if _joined is None or _joined_by_pid != os.getpid():
            servers = Servers(settings.MOODPLANE_VAR, postgres=postgres, redis=redis)
            servers.acquire()
            _joined, _joined_by_pid = servers, os.getpid()
            atexit.register(_leave)
    return _joined


def leave() -> None:
    """Close this thread's connections and leave the servers now instead of at the end of the process."""
    from django.db import connections

    connections.close_all()
    _leave()


def _leave() -> None:
    if _joined is not None and _joined_by_pid == os.getpid():
        _joined.release()


def keep_running() -> None:
    """Hold the servers until SIGTERM and restart those that die, as a process of `manage.py up`."""
    servers = ensure_running()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    while not stopping.wait(timeout=3.0):
        try:
            for name in servers.revive() if servers else []:
                logger.warning("%s ended and was restarted.", name)
        except EmbeddedError as error:
            logger.error("%s", error)  # noqa: TRY400 - the sentence needs no traceback.


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mer_site.settings")
    try:
        keep_running()
    except EmbeddedError as error:
        sys.exit(str(error))
