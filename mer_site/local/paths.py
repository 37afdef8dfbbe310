"""Paths of the embedded servers, computed from `var` alone, so that every process agrees."""

from __future__ import annotations

import os
from pathlib import Path

from catalog.core.files import digest

DATABASE_NAME = "moodplane"
DATABASE_USER = "postgres"


class EmbeddedPaths:
    """Paths under one `var`, and the directory of its sockets outside it."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.postgres_data, self.redis_data = var / "postgres", var / "redis"
        self.log_dir, self.run_dir = var / "log", var / "run"
        self.passfile = var / "postgres.pass"
        # Short, because the path of a Unix socket is limited to about 100 characters. It ignores TMPDIR: two shells
        # that disagree on it must find the same servers.
        name = f"moodplane-{os.geteuid()}-{digest(os.fsencode(var.resolve()))[:12]}"
        self.socket_dir = Path("/tmp") / name  # noqa: S108 - its owner and mode are checked.
        self.redis_socket = self.socket_dir / "redis.sock"
