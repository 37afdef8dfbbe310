"""A scratch installation for a benchmark: a database and a broker of its own, which go afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def installation(prefix: str, *, keep: Path | None = None, **environment: str) -> Iterator[Path]:
    """Set Django up on a scratch folder, and yield it; ./var is not touched.

    Args:
        prefix: What the folder's name begins with.
        keep: A folder to use, and to leave, in its place.
        environment: Further settings, as the environment has them.
    """
    folder = keep or Path(tempfile.mkdtemp(prefix=f"{prefix}-"))
    os.environ |= {"MOODPLANE_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "mer_site.settings", **environment}
    os.environ.pop("DATABASE_URL", None)
    try:
        import django

        django.setup()
        yield folder
    finally:
        from mer_site.local import embedded

        embedded.leave()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
