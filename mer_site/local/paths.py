"""Files of an installation: the paths of the embedded servers, and the secret key.

The paths follow from `var` alone, so that every process agrees on them.
"""

import os
import secrets
from pathlib import Path

from catalog.core.files import digest

DATABASE_NAME = "moodplane"
DATABASE_USER = "postgres"


class EmbeddedPaths:
    """Paths under one `var`, and the directory of its sockets outside it."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.postgres_data = var / "postgres"
        self.log_dir, self.run_dir = var / "log", var / "run"
        self.passfile = var / "postgres.pass"
        # Short, because the path of a Unix socket is limited to about 100 characters, and independent of TMPDIR, so
        # that all shells find the same servers.
        name = f"moodplane-{os.geteuid()}-{digest(os.fsencode(var.resolve()))[:12]}"
        self.socket_dir = Path("/tmp") / name  # noqa: S108 - its owner and mode are checked.
        self.redis_socket = self.socket_dir / "redis.sock"


def secret_key(var: Path) -> str:
    """Return the key stored in `var/secret_key`, creating it on first use.

    If `var` is read-only, the key lasts as long as the process, and `mer_site.checks` warns.
    """
    path = var / "secret_key"
    try:
        return path.read_text().strip() or _create(path)
    except FileNotFoundError:
        return _create(path)
    except PermissionError:
        return secrets.token_urlsafe(50)


def _create(path: Path) -> str:
    key = secrets.token_urlsafe(50)
    temporary = path.with_name(f".secret_key.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(mode=0o600)
        temporary.write_text(key)
        # Linking fails if another process was first, and its key counts. An empty file is left by a crash.
        if path.exists() and path.stat().st_size == 0:
            temporary.replace(path)
        else:
            os.link(temporary, path)
    except FileExistsError:
        key = path.read_text().strip()
    except OSError:
        return key
    finally:
        temporary.unlink(missing_ok=True) if temporary.parent.is_dir() else None
    return key
