"""The default secret key of an installation: random, made once, stored in a private file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def secret_key(var: Path) -> str:
    """Return the key stored in `var/secret_key`, creating it on first use.

    Where `var` is read-only, the key lives as long as the process, and `mer_site.checks` warns.
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
        # Linking fails when another process was first, and then its key is the one that counts. An empty file is what
        # a crash left behind, so it is replaced.
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
