"""Where the embedded servers keep their files. Computed from the path of `var` alone, so that every process agrees."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

DATABASE_NAME = "moodplane"
DATABASE_USER = "postgres"


@dataclass(frozen=True, slots=True)
class EmbeddedPaths:
    """Paths under one `var`, and the directory of its sockets outside it."""

    var: Path

    @property
    def postgres_data(self) -> Path:
        return self.var / "postgres"

    @property
    def redis_data(self) -> Path:
        return self.var / "redis"

    @property
    def log_dir(self) -> Path:
        return self.var / "log"

    @property
    def run_dir(self) -> Path:
        return self.var / "run"

    @property
    def passfile(self) -> Path:
        return self.var / "postgres.pass"

    @property
    def socket_dir(self) -> Path:
        """Return a short private directory, because the path of a Unix socket is limited to about 100 characters.

        It ignores TMPDIR: two shells that disagree on it must find the same servers.
        """
        digest = hashlib.sha256(os.fsencode(self.var.resolve())).hexdigest()[:12]
        return Path("/tmp") / f"moodplane-{os.geteuid()}-{digest}"  # noqa: S108 - its owner and mode are checked.

    @property
    def redis_socket(self) -> Path:
        return self.socket_dir / "redis.sock"
