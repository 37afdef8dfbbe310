"""Settings that cannot work stop the start, with a sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.files.storage import FileSystemStorage, storages

from mer_site.settings.environment import VARIABLES


@register()
def settings_check(**_: Any) -> list[CheckMessage]:
    """Check the settings that the environment sets."""
    values = [(each, getattr(settings, each.name)) for each in VARIABLES if each.choices or each.is_positive]
    errors: list[tuple[str, str]] = [
        ("E001", f"{each.name} is {value!r}, but must be one of {', '.join(each.choices)}.")
        for each, value in values
        if each.choices and value not in each.choices
    ]
    errors += [
        ("E002", f"{each.name} is {value}, but must be above zero.")
        for each, value in values
        if each.is_positive and value <= 0
    ]
    weights = settings.MOODPLANE_WEIGHTS
    if weights is not None and not Path(weights).is_file():
        errors.append(("E003", f"MOODPLANE_WEIGHTS names {weights}, and there is no such file."))
    engine = settings.DATABASES["default"]["ENGINE"]
    if engine not in ("django.db.backends.postgresql", "mer_site.local.backend"):
        kind = engine.rsplit(".", 1)[-1]
        errors.append(("E004", f"DATABASE_URL names a {kind} database; Moodplane needs PostgreSQL (postgres://...)."))
    if settings.MOODPLANE_MEDIA_ORIGIN and isinstance(storages["default"], FileSystemStorage):
        sentence = (
            "MOODPLANE_MEDIA_ORIGIN is set, but files on this machine's disk have no address there; unset it, or set "
            "MOODPLANE_STORAGE."
        )
        errors.append(("E005", sentence))
    warnings = [CheckWarning(sentence, id=f"moodplane.{code}") for code, sentence in _warnings()]
    return [*(Error(sentence, id=f"moodplane.{code}") for code, sentence in errors), *warnings]


def _warnings() -> Iterator[tuple[str, str]]:
    var: Path = settings.MOODPLANE_VAR
    if not (os.environ.get("SECRET_KEY") or (var / "secret_key").exists()):
        yield (
            "W001",
            f"No SECRET_KEY is set and none could be kept in {var}, so everybody is signed out at "
            "each restart. Set SECRET_KEY, or make that directory writable.",
        )
    # The nearest directory that exists decides whether the others can be made.
    nearest = next(each for each in (var, *var.parents) if each.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        yield "W002", f"{nearest} cannot be written, so nothing can be kept in MOODPLANE_VAR ({var})."
