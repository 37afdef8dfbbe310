"""Stops the embedded servers when the last process that used them was killed and could not stop them itself."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from pathlib import Path

from mer_site.local.paths import EmbeddedPaths
from mer_site.local.run_as import LastingProcess
from mer_site.local.servers import Postgres, Redis, stop_process

_RETRY_S = 0.2


def janitor_ensure(paths: EmbeddedPaths) -> None:
    """Start a janitor for these servers unless one is at work; call it with the start lock held."""
    with (paths.run_dir / "servers.janitor").open("ab") as post:
        try:
            fcntl.flock(post, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
    with (paths.log_dir / "servers.log").open("ab") as log:
        LastingProcess(
            [sys.executable, "-m", __name__, str(paths.var)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def watch(paths: EmbeddedPaths) -> None:
    """Wait until no process uses the servers, and stop those that still run."""
    servers = (Redis(paths), Postgres(paths))
    with (
        (paths.run_dir / "servers.janitor").open("ab") as post,
        (paths.run_dir / "servers.users").open("ab") as users,
        (paths.run_dir / "servers.lock").open("ab") as change,
    ):
        try:
            fcntl.flock(post, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        # Their files find them again at the end, unless the whole directory was deleted.
        known = [process for server in servers if (process := server.process()) is not None]
        _alone(users.fileno(), change.fileno())
        for server in servers:
            server.stop()
        for process in known:
            # psutil compares start times too, so that a later process with the same number is left alone.
            if process.is_running():
                stop_process(process)
        # Before the lock is given up: the next process that starts servers must see that no janitor watches.
        post.close()


def _alone(users: int, change: int) -> None:
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        try:
            fcntl.flock(change, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Another process is about to join, and waits for the lock that we hold.
            fcntl.flock(users, fcntl.LOCK_UN)
            time.sleep(_RETRY_S)
        else:
            return


if __name__ == "__main__":
    watch(EmbeddedPaths(Path(sys.argv[1])))
